//! Model calls and tool calls.

use super::Conduct;
use super::agent::{Call, NO_CALL};
use super::executor::{Event, Executor, Rank, ToolJob};
use super::quotas::Try;
use crate::measure::{Counter, Metric, Served, TokenUse};
use crate::provider::Answer;
use crate::scenario::types::PolicyPoint;
use crate::units::Time;
use crate::workload::drawn::TOOL_CALLS_PER_STEP;

impl<X: Executor> Conduct<X> {
    pub(super) fn begin_call(&mut self, now: Time, id: u32, exec: &mut X) {
        let mut waits = self.check(id, PolicyPoint::Model);
        waits += self.identity(now + waits, id);
        self.agents.get(id).since = now + waits;
        if waits.is_zero() {
            self.attempt(now, id, exec);
        } else {
            let timer = exec.schedule(now + waits, Rank::Asks, Event::Attempt { id });
            self.agents.get(id).pending = Some(timer);
        }
    }

    pub(super) fn attempt(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        agent.pending = None;
        let class = agent.session.class();
        let request = agent.session.request(&self.demand, now);
        let tokens = request.prompt + request.output;
        if request.attempt == 0 && !self.spend_tokens(now, class, tokens) {
            self.recorder.count(Counter::TokenQuotaFailures, 1);
            return self.fail(now, id, exec);
        }
        self.recorder.count(Counter::ModelAttempts, 1);
        if request.attempt == 0 {
            // With its first try, so that a measure never holds more calls than tries.
            self.recorder.count(Counter::ModelCalls, 1);
        }
        if request.truncated && request.attempt == 0 {
            self.recorder.count(Counter::ContextTruncations, 1);
        }
        let endpoint = &mut self.endpoints[usize::from(request.model.0)];
        let charge = endpoint.charge(&request);
        let answer = endpoint.submit(now, &request);
        let refused = match answer {
            Answer::Admitted { .. } => None,
            Answer::Refused { by, .. } | Answer::TooLarge { by } => Some(by),
        };
        let reserved = matches!(answer, Answer::Admitted { reserved: Some(_), .. });
        if charge.is_some() && !reserved && refused.is_none() {
            self.recorder.count(Counter::ModelSpilled, 1);
        }
        self.note_try(now, request.model.0, Try { tokens, charge, reserved, refused });
        match answer {
            Answer::Admitted { ttft, takes, fails, reserved } => {
                let event = Event::Called { id, failed: fails };
                let timer = exec.schedule(now + takes, Rank::Frees, event);
                let call = Call { cached: request.cached, ttft, takes, reserved };
                let agent = self.agents.get(id);
                (agent.pending, agent.call) = (Some(timer), self.calls.insert(call));
            }
            Answer::Refused { retry_after, by: _ } => {
                self.recorder.count(Counter::ModelRateLimited, 1);
                let agent = self.agents.get(id);
                let want = agent.session.refused(&self.demand, retry_after);
                self.want(now, id, want, exec);
            }
            Answer::TooLarge { by: _ } => self.fail(now, id, exec),
        }
    }

    pub(super) fn called(&mut self, now: Time, id: u32, failed: bool, exec: &mut X) {
        let agent = self.agents.get(id);
        agent.pending = None;
        let call = self.calls.remove(std::mem::replace(&mut agent.call, NO_CALL));
        let (number, prompt) = (agent.session.model().0, agent.session.prompt(&self.demand));
        let model = usize::from(number);
        if call.reserved.is_none() {
            self.end_try(number);
        }
        let agent = self.agents.get(id);
        let output = if failed { 0 } else { agent.session.output() };
        let long = self.setup.long_above[model].is_some_and(|above| prompt > above);
        let writes = !failed && self.demand.terms[model].cache_lifetime.is_some();
        let written = if writes { prompt - call.cached } else { 0 };
        let used = TokenUse { input: prompt, cached: call.cached, output, written };
        self.recorder.tokens(model, used, Served { long, reserved: call.reserved });
        let want = if failed {
            self.recorder.count(Counter::ModelErrors, 1);
            agent.session.failed(&self.demand)
        } else {
            self.recorder.observe(Metric::ModelCall, now.since(agent.since));
            if let Some(ttft) = call.ttft {
                self.recorder.observe(Metric::Ttft, ttft);
            }
            agent.served += call.takes;
            if agent.session.compacts() {
                self.recorder.count(Counter::Compactions, 1);
            }
            self.agents.get(id).session.served(&self.demand, now)
        };
        self.want(now, id, want, exec);
    }

    /// All calls of a batch pass their policies side by side, and then ask for memory in their order.
    pub(super) fn begin_tools(&mut self, now: Time, id: u32, exec: &mut X) {
        let tools = std::mem::take(&mut self.tools);
        let batch = u16::try_from(tools.len()).expect("a batch has fewer than 65,536 calls");
        let mut waits = std::mem::take(&mut self.waits);
        waits.clear();
        for _ in 0..batch {
            let policies = self.check(id, PolicyPoint::Tool);
            waits.push(policies);
        }
        // Once a batch, behind the first call's policies.
        let identity = self.identity(now + waits[0], id);
        let sandbox = self.agents.sandbox(id);
        // A sub-agent runs in a sandbox of its parent's size.
        let (host, class) =
            (self.agents.get(sandbox).host, self.agents.get(sandbox).session.class());
        for ((number, plan), policies) in (0..batch).zip(&tools).zip(&waits) {
            let policies = *policies + identity;
            let agent = self.agents.get(id);
            let session = agent.session.number();
            let key = agent.session.ordinal() * TOOL_CALLS_PER_STEP + u32::from(number);
            let plan = *plan;
            let job =
                ToolJob { id, session, class, number, batch, key, policies, plan, host, sandbox };
            if !exec.run_tool(now, job) {
                self.tool_killed(now, id, exec);
                break;
            }
        }
        (self.tools, self.waits) = (tools, waits);
    }

    pub(super) fn tool_ended(&mut self, now: Time, id: u32, number: u16, exec: &mut X) {
        let report = exec.tool_report(now, id, number);
        let root = self.agents.root(id);
        self.agents.get(root).dirtied += report.dirtied;
        let agent = self.agents.get(id);
        self.recorder.count(Counter::ToolCalls, 1);
        self.recorder.observe(Metric::ToolExec, report.took);
        self.recorder.cpu_served(report.cpu);
        let want = agent.session.tool_ended(&self.demand);
        self.want(now, id, want, exec);
    }

    /// A tool call was killed for want of memory: the turn fails and with it the session; the other
    /// calls of the batch end with it.
    pub(super) fn tool_killed(&mut self, now: Time, id: u32, exec: &mut X) {
        self.recorder.count(Counter::OomKills, 1);
        self.recorder.count(Counter::TurnsFailed, 1);
        exec.abort(now, id);
        self.fail(now, id, exec);
    }
}
