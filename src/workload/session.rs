//! The session machine: given what happened, what does this session want next?
//!
//! It holds token context, prompt cache and retries. Like the control machine it is pure: each
//! call carries its instant, and what is wanted is returned, never done.

pub use super::request::Request;
pub use super::terms::CallTerms;

use super::plan::{ClassId, End, ModelId, Outline, Plans, StepAt, ToolPlan};
use crate::random::{Draws, Purpose};
use crate::units::{Span, Time};

/// What every session of a replication shares.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Where plans come from.
    pub plans: Plans,
    /// Whether any of them has sub-agents.
    pub have_children: bool,
    /// Terms of the models, by [`ModelId`].
    pub terms: Vec<CallTerms>,
    /// Seed of all draws.
    pub seed: u64,
    /// The replication.
    pub replication: u16,
    /// Factor by which waited time is compressed.
    pub compression: f64,
}

/// What a session wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing yet: something of it is still under way.
    Nothing,
    /// To go on with a model call or tool calls, behind those who asked before.
    Proceed,
    /// To begin a model call: policies first, then [`Session::request`].
    Call,
    /// To run its tool calls, side by side; they are in the caller's buffer.
    Tools,
    /// To try its call again after this wait.
    Retry {
        /// The wait.
        after: Span,
    },
    /// To start the sub-agents of its step, and to wait until all have left.
    Spawn,
    /// To think, then to begin its next turn.
    Think {
        /// The think time, compressed.
        span: Span,
    },
    /// To leave: its last turn is over.
    Leave(End),
    /// To fail: its retries are used up.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    CallDue,
    Calling,
    /// In a call that replaces the context by a summary.
    Compacting,
    ToolsDue,
    InTools,
    InChildren,
    /// Its sandbox was lost in the middle of a step.
    Interrupted,
}

/// No call has been served yet.
const NO_MODEL: u16 = u16::MAX;

/// A session under way. A million of them may be open, so it is kept small: what a plan says is asked
/// of the plan again.
#[derive(Clone, Debug)]
pub struct Session {
    index: u64,
    /// The number that keys its draws.
    session: u64,
    /// All tokens before the step under way.
    context: u64,
    /// The whole prompt of the call under way, before it is cut to the window.
    whole: u64,
    output: u64,
    /// What the prompt cache may still hold: the call before, its end and its model.
    last_prompt: u64,
    last_end: Time,
    turns: u32,
    turn: u32,
    step: u32,
    steps: u32,
    /// The step under way, counted over the session.
    ordinal: u32,
    attempt: u16,
    /// Tool calls, or sub-agents, of the step that are under way.
    open: u16,
    model: u16,
    last_model: u16,
    class: ClassId,
    end: End,
    phase: Phase,
}

impl Session {
    /// The session that arrives as number `index`.
    pub fn arrive(demand: &Demand, index: u64) -> Self {
        let outline = demand.plans.outline(demand.replication, index);
        Session::with(index, outline)
    }

    fn with(index: u64, outline: Outline) -> Self {
        let Outline { session, class, turns, end } = outline;
        Session {
            index,
            session,
            context: 0,
            whole: 0,
            output: 0,
            last_prompt: 0,
            last_end: Time::ZERO,
            turns,
            turn: 0,
            step: 0,
            steps: 0,
            ordinal: 0,
            attempt: 0,
            open: 0,
            model: 0,
            last_model: NO_MODEL,
            class,
            end,
            phase: Phase::Away,
        }
    }

    /// A sub-agent of this index.
    pub fn child(demand: &Demand, index: u64, class: ClassId) -> Self {
        let outline = demand.plans.child_outline(demand.replication, index, class);
        Session::with(index, outline)
    }

    /// Appends the sub-agents of the step under way to `out`: their indices and classes.
    pub fn children(&self, demand: &Demand, out: &mut Vec<(u64, ClassId)>) {
        demand.plans.children(demand.replication, self.index, self.class, self.at(), out);
    }

    /// So many sub-agents have begun.
    pub fn spawned(&mut self, children: usize) {
        self.open = u16::try_from(children).expect("a step has fewer than 65,536 sub-agents");
    }

    /// One of its sub-agents left.
    pub fn child_ended(&mut self, demand: &Demand) -> Want {
        debug_assert_eq!(self.phase, Phase::InChildren);
        self.open -= 1;
        if self.open == 0 { self.next_step(demand) } else { Want::Nothing }
    }

    /// What stands for a session of `class` that left before the start of the run, of which only the
    /// snapshot is there, or for a place of a pool; `number` keys its draws.
    pub fn absent(class: ClassId, number: u64) -> Self {
        Session::with(u64::MAX, Outline { session: number, class, turns: 1, end: End::Abandon })
    }

    /// Its number, which keys draws.
    pub fn number(&self) -> u64 {
        self.session
    }

    /// Its class.
    pub fn class(&self) -> ClassId {
        self.class
    }

    /// The number under which its plan is found.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The number of the step under way, counted over the session.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Its sandbox runs: the turn's first step can begin.
    pub fn sandbox_ready(&mut self, demand: &Demand) -> Want {
        if self.phase == Phase::Interrupted {
            self.phase = Phase::CallDue;
            return Want::Proceed;
        }
        self.step = 0;
        self.steps = self.steps_of_turn(demand);
        if self.steps == 0 {
            return self.end_turn(demand);
        }
        self.phase = Phase::CallDue;
        Want::Proceed
    }

    /// Its ask came up: it begins the call or the tools that are due. Tool calls are left in
    /// `tools`, filled when the model call was served.
    pub fn proceed(&mut self, demand: &Demand, tools: &mut Vec<ToolPlan>) -> Want {
        match self.phase {
            Phase::CallDue => {
                let call = demand.plans.call(demand.replication, self.index, self.class, self.at());
                self.phase = Phase::Calling;
                self.attempt = 0;
                self.model = call.model.0;
                let terms = &demand.terms[usize::from(self.model)];
                // What the first call of a turn brings is of people's making.
                let input = if self.step == 0 { call.input } else { terms.tokens(call.input) };
                self.whole = call.context.unwrap_or(self.context + input);
                self.output = terms.tokens(call.output);
                let longer = |(above, summary)| self.whole > above && self.context > summary;
                if let (Some(terms), None) = (terms.compaction.filter(|t| longer(*t)), call.context)
                {
                    // The context is summed up first; the call that was due comes after.
                    self.phase = Phase::Compacting;
                    (self.whole, self.output) = (self.context, terms.1);
                }
                Want::Call
            }
            Phase::ToolsDue => {
                tools.clear();
                let at = self.at();
                demand.plans.tools(demand.replication, self.index, self.class, at, tools);
                self.phase = Phase::InTools;
                self.open =
                    u16::try_from(tools.len()).expect("a batch has fewer than 65,536 calls");
                Want::Tools
            }
            Phase::Away
            | Phase::Calling
            | Phase::Compacting
            | Phase::InTools
            | Phase::InChildren
            | Phase::Interrupted => {
                unreachable!("a session proceeds when something is due")
            }
        }
    }

    /// The attempt that is to be made at `now`.
    pub fn request(&mut self, demand: &Demand, now: Time) -> Request {
        let terms = &demand.terms[usize::from(self.model)];
        let prompt = self.prompt(demand);
        let attempt = u32::from(self.attempt);
        // What a plan says is of the step's own call.
        let own = !self.compacts();
        let (plans, index, at) = (&demand.plans, self.index, self.at());
        Request {
            session: self.session,
            key: self.attempt_key(attempt),
            model: ModelId(self.model),
            prompt,
            cached: self.cached(terms, prompt, now),
            output: self.output,
            latency: plans.latency(index, at).filter(|_| own),
            fails: plans.call_fails(index, at, attempt).filter(|_| own),
            truncated: self.whole > prompt,
            attempt,
        }
    }

    /// The attempt was refused; the provider could serve it after `retry_after` (zero if it does
    /// not say).
    pub fn refused(&mut self, demand: &Demand, retry_after: Span) -> Want {
        let terms = &demand.terms[usize::from(self.model)];
        if u32::from(self.attempt) >= terms.max_retries {
            return Want::Fail;
        }
        let backoff = self.backoff(demand, terms);
        self.attempt += 1;
        Want::Retry { after: backoff.max(retry_after) }
    }

    /// The attempt failed after it was let in.
    pub fn failed(&mut self, demand: &Demand) -> Want {
        self.refused(demand, Span::ZERO)
    }

    /// The call was served, its end being `now`.
    pub fn served(&mut self, demand: &Demand, now: Time) -> Want {
        debug_assert!(matches!(self.phase, Phase::Calling | Phase::Compacting));
        if self.compacts() {
            self.context = self.output;
            // Of the new context nothing is in the cache.
            (self.last_model, self.phase) = (NO_MODEL, Phase::CallDue);
            return Want::Proceed;
        }
        (self.last_model, self.last_end) = (self.model, now);
        self.last_prompt = self.prompt(demand);
        if !demand.plans.has_tools(demand.replication, self.index, self.class, self.at()) {
            return self.end_step(demand);
        }
        self.phase = Phase::ToolsDue;
        Want::Proceed
    }

    /// Its sandbox is lost: on the next one it begins its current step anew.
    pub fn interrupt(&mut self) {
        match self.phase {
            Phase::Away | Phase::Interrupted => {}
            Phase::CallDue => self.phase = Phase::Interrupted,
            Phase::Calling
            | Phase::Compacting
            | Phase::ToolsDue
            | Phase::InTools
            | Phase::InChildren => {
                (self.open, self.attempt) = (0, 0);
                self.phase = Phase::Interrupted;
            }
        }
    }

    /// One of its tool calls ended.
    pub fn tool_ended(&mut self, demand: &Demand) -> Want {
        debug_assert_eq!(self.phase, Phase::InTools);
        self.open -= 1;
        if self.open == 0 { self.end_step(demand) } else { Want::Nothing }
    }

    /// Whether the call under way replaces the context by a summary.
    pub fn compacts(&self) -> bool {
        self.phase == Phase::Compacting
    }

    /// The model of the call under way.
    pub fn model(&self) -> ModelId {
        ModelId(self.model)
    }

    /// Prompt tokens of the call under way, cut to the window.
    pub fn prompt(&self, demand: &Demand) -> u64 {
        let window = demand.terms[usize::from(self.model)].context_window;
        self.whole.min(window.unwrap_or(u64::MAX))
    }

    /// Output tokens of the call under way.
    pub fn output(&self) -> u64 {
        self.output
    }

    /// Steps of the turn that begins: those of the plan and, where its model needs more, a share more,
    /// which is exact on average.
    fn steps_of_turn(&self, demand: &Demand) -> u32 {
        let steps = demand.plans.steps(demand.replication, self.index, self.class, self.turn);
        let model = demand.plans.model_of(self.class);
        let more = model.map_or(0.0, |model| demand.terms[usize::from(model.0)].extra_steps.0);
        if more == 0.0 {
            return steps;
        }
        let (seed, replication) = (demand.seed, demand.replication);
        let purpose = Purpose::ExtraSteps;
        let u = Draws::new(seed, replication, self.session, purpose, self.turn).uniform();
        steps + (f64::from(steps) * more + u) as u32
    }

    fn at(&self) -> StepAt {
        StepAt { turn: self.turn, step: self.step, ordinal: self.ordinal }
    }

    /// Cached prompt tokens: the shorter of the call before and this one, if that call went to
    /// this model and ended no longer ago than the cache lives.
    fn cached(&self, terms: &CallTerms, prompt: u64, now: Time) -> u64 {
        match terms.cache_lifetime {
            Some(lifetime)
                if self.last_model == self.model && now.since(self.last_end) <= lifetime =>
            {
                self.last_prompt.min(prompt)
            }
            _ => 0,
        }
    }

    /// Backoff before the retry that follows this attempt: u · min(cap, base · 2^n).
    fn backoff(&self, demand: &Demand, terms: &CallTerms) -> Span {
        let attempt = u32::from(self.attempt);
        let planned = demand.plans.backoff(self.index, self.at(), attempt);
        let u = planned.filter(|_| !self.compacts()).unwrap_or_else(|| {
            let key = self.attempt_key(attempt);
            Draws::new(demand.seed, demand.replication, self.session, Purpose::Backoff, key)
                .uniform()
        });
        let doubled = terms.backoff_base.seconds() * f64::from(1_u32 << attempt.min(31));
        Span::from_seconds(u * doubled.min(terms.backoff_cap.seconds()))
    }

    /// Keys the draws of an attempt; of a call that sums up apart from those of the step's own.
    fn attempt_key(&self, attempt: u32) -> u32 {
        attempt_key(self.ordinal, attempt) | (u32::from(self.compacts()) << 31)
    }

    fn end_step(&mut self, demand: &Demand) -> Want {
        if demand.have_children {
            let mut children = Vec::new();
            self.children(demand, &mut children);
            if !children.is_empty() {
                self.phase = Phase::InChildren;
                return Want::Spawn;
            }
        }
        self.next_step(demand)
    }

    fn next_step(&mut self, demand: &Demand) -> Want {
        self.context = self.whole + self.output;
        self.step += 1;
        self.ordinal += 1;
        if self.step < self.steps {
            self.phase = Phase::CallDue;
            Want::Proceed
        } else {
            self.end_turn(demand)
        }
    }

    fn end_turn(&mut self, demand: &Demand) -> Want {
        self.phase = Phase::Away;
        self.turn += 1;
        if self.turn == self.turns {
            return Want::Leave(self.end);
        }
        let think = demand.plans.think(demand.replication, self.index, self.class, self.turn);
        Want::Think { span: think.compressed(demand.compression) }
    }
}

/// Keys the draws of an attempt: supply that retries more often elsewhere leaves them alone.
pub fn attempt_key(ordinal: u32, attempt: u32) -> u32 {
    (ordinal << 6) | attempt.min(63)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
