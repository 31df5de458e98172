//! What sessions want, and what becomes of it.

use super::Conduct;
use super::agent::{Agent, Slot};
use super::executor::{Event, Executor, Rank, ToolJob};
use super::setup::PolicyTerms;
use crate::measure::{Counter, Gauge, Metric, TokenUse};
use crate::provider::Answer;
use crate::random::{Draws, Purpose};
use crate::scenario::types::PolicyPoint;
use crate::units::{Span, Time};
use crate::workload::drawn::TOOL_CALLS_PER_STEP;
use crate::workload::plan::End;
use crate::workload::session::{Session, Want};

/// How a session left, other than by its last turn's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Failed,
    Rejected,
}

impl<X: Executor> Conduct<X> {
    pub(super) fn arrive(&mut self, now: Time, exec: &mut X) {
        let session = Session::arrive(&self.demand, self.arrived);
        self.arrived += 1;
        let id = self.agents.insert(Agent::new(session, now));
        self.control.admit(id);
        self.recorder.count(Counter::SessionsArrived, 1);
        self.recorder.shift(Gauge::SessionsOpen, 1);
        self.schedule_arrival(exec);
        let policies = self.check(id, PolicyPoint::Session);
        if policies.is_zero() {
            self.begin_turn(now, id);
        } else {
            exec.schedule(now + policies, Rank::Asks, Event::Turn { id });
        }
    }

    pub(super) fn begin_turn(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        // Before the first turn there was no think time.
        if agent.had_sandbox {
            self.recorder.observe(Metric::Think, now.since(agent.turn_at));
        }
        agent.turn_at = now;
        agent.served = Span::ZERO;
        agent.in_turn = true;
        let idle = agent.slot == Slot::Idle;
        self.recorder.shift(Gauge::SessionsInTurn, 1);
        if idle {
            self.set_slot(id, Slot::Turn);
        }
        self.control.acquire(now, id, &mut self.effects);
    }

    pub(super) fn proceed(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        let want = agent.session.proceed(&self.demand, &mut self.tools);
        self.want(now, id, want, exec);
    }

    /// Does what the session wants. What is due at this instant is asked for behind those who
    /// asked before.
    pub(super) fn want(&mut self, now: Time, id: u32, want: Want, exec: &mut X) {
        match want {
            Want::Nothing => {}
            Want::Proceed => {
                exec.schedule(now, Rank::Asks, Event::Proceed { id });
            }
            Want::Call => self.begin_call(now, id, exec),
            Want::Tools => self.begin_tools(now, id, exec),
            Want::Retry { after } => {
                exec.schedule(now + after, Rank::Asks, Event::Attempt { id });
            }
            Want::Think { span } => {
                self.end_turn(now, id);
                self.set_slot(id, Slot::Idle);
                self.control.release(id, &mut self.effects);
                exec.schedule(now + span, Rank::Asks, Event::Turn { id });
            }
            Want::Leave(end) => self.complete(now, id, end),
            Want::Fail => self.leave(id, Outcome::Failed),
        }
    }

    fn begin_call(&mut self, now: Time, id: u32, exec: &mut X) {
        let policies = self.check(id, PolicyPoint::Model);
        self.agents.get(id).call_at = now + policies;
        if policies.is_zero() {
            self.attempt(now, id, exec);
        } else {
            exec.schedule(now + policies, Rank::Asks, Event::Attempt { id });
        }
    }

    pub(super) fn attempt(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        let request = agent.session.request(&self.demand, now);
        (agent.prompt, agent.cached, agent.model) =
            (request.prompt, request.cached, request.model.0);
        self.recorder.count(Counter::ModelAttempts, 1);
        if request.attempt == 0 {
            // With its first try, so that a measure never holds more calls than tries.
            self.recorder.count(Counter::ModelCalls, 1);
        }
        if request.truncated && request.attempt == 0 {
            self.recorder.count(Counter::ContextTruncations, 1);
        }
        match self.endpoints[request.model.0 as usize].submit(now, &request) {
            Answer::Admitted { ttft, takes, fails } => {
                (agent.ttft, agent.takes) = (ttft, takes);
                exec.schedule(now + takes, Rank::Frees, Event::Called { id, failed: fails });
            }
            Answer::Refused { retry_after } => {
                self.recorder.count(Counter::ModelRateLimited, 1);
                let want = agent.session.refused(&self.demand, retry_after);
                self.want(now, id, want, exec);
            }
            Answer::TooLarge => self.leave(id, Outcome::Failed),
        }
    }

    pub(super) fn called(&mut self, now: Time, id: u32, failed: bool, exec: &mut X) {
        let agent = self.agents.get(id);
        let model = agent.model as usize;
        self.endpoints[model].ended();
        let output = if failed { 0 } else { agent.session.output() };
        let long = self.setup.long_above[model].is_some_and(|above| agent.prompt > above);
        self.recorder.tokens(
            model,
            TokenUse { input: agent.prompt, cached: agent.cached, output },
            long,
        );
        let want = if failed {
            self.recorder.count(Counter::ModelErrors, 1);
            agent.session.failed(&self.demand)
        } else {
            self.recorder.observe(Metric::ModelCall, now.since(agent.call_at));
            if let Some(ttft) = agent.ttft {
                self.recorder.observe(Metric::Ttft, ttft);
            }
            agent.served += agent.takes;
            agent.session.served(&self.demand, now, &mut self.tools)
        };
        self.want(now, id, want, exec);
    }

    fn begin_tools(&mut self, now: Time, id: u32, exec: &mut X) {
        let tools = std::mem::take(&mut self.tools);
        let batch = u16::try_from(tools.len()).expect("a batch has fewer than 65,536 calls");
        for (number, plan) in (0..batch).zip(&tools) {
            let policies = self.check(id, PolicyPoint::Tool);
            let agent = self.agents.get(id);
            let (session, class) = (agent.session.outline().session, agent.class);
            let key = agent.session.ordinal() * TOOL_CALLS_PER_STEP + u32::from(number);
            exec.run_tool(
                now,
                ToolJob { id, session, class, number, batch, key, policies, plan: *plan },
            );
        }
        self.tools = tools;
    }

    pub(super) fn tool_ended(&mut self, now: Time, id: u32, number: u16, exec: &mut X) {
        let report = exec.tool_report(now, id, number);
        let agent = self.agents.get(id);
        agent.dirtied += report.dirtied;
        self.recorder.count(Counter::ToolCalls, 1);
        self.recorder.observe(Metric::ToolExec, report.took);
        self.recorder.cpu_served(report.cpu);
        let want = agent.session.tool_ended(&self.demand);
        self.want(now, id, want, exec);
    }

    fn end_turn(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        agent.in_turn = false;
        let length = now.since(agent.turn_at);
        agent.turn_at = now;
        self.recorder.turn(agent.session.index(), length, length.saturating_sub(agent.served));
        self.recorder.shift(Gauge::SessionsInTurn, -1);
    }

    fn complete(&mut self, now: Time, id: u32, end: End) {
        self.end_turn(now, id);
        let agent = self.agents.get(id);
        let length = now.since(agent.arrived);
        self.recorder.observe(Metric::Session, length);
        self.recorder.count(Counter::SessionsCompleted, 1);
        self.depart(id);
        match end {
            End::Close => self.control.close(id, &mut self.effects),
            End::Abandon => {
                self.recorder.count(Counter::SessionsAbandoned, 1);
                self.set_slot(id, Slot::Idle);
                self.control.abandon(id, &mut self.effects);
            }
        }
    }

    pub(super) fn leave(&mut self, id: u32, outcome: Outcome) {
        self.recorder.count(
            match outcome {
                Outcome::Failed => Counter::SessionsFailed,
                Outcome::Rejected => Counter::SessionsRejected,
            },
            1,
        );
        self.depart(id);
        self.control.close(id, &mut self.effects);
    }

    fn depart(&mut self, id: u32) {
        let agent = self.agents.get(id);
        agent.open = false;
        if std::mem::take(&mut agent.in_turn) {
            self.recorder.shift(Gauge::SessionsInTurn, -1);
        }
        self.recorder.shift(Gauge::SessionsOpen, -1);
        self.left += 1;
        if self.setup.population.is_some()
            && self.setup.sessions.is_none_or(|n| self.arrived + self.replacements < n)
        {
            self.replacements += 1;
        }
    }

    /// Passes the policies at a point; the time that takes.
    fn check(&mut self, id: u32, point: PolicyPoint) -> Span {
        let terms: &[PolicyTerms] = &self.setup.policies;
        if terms.is_empty() {
            return Span::ZERO;
        }
        let agent = self.agents.get(id);
        let mut sum = Span::ZERO;
        for policy in terms.iter().filter(|policy| policy.at == point) {
            let (demand, session) = (&self.demand, agent.session.outline().session);
            let mut draws = Draws::new(
                demand.seed,
                demand.replication,
                session,
                Purpose::PolicyLatency,
                agent.checks,
            );
            sum += policy.latency.sample(&mut draws);
            agent.checks += 1;
            self.recorder.count(Counter::PolicyChecks, 1);
        }
        sum
    }
}
