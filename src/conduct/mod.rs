//! The conduct of a platform: routes what happens between sessions, control, model endpoints and
//! the recorder, and asks an [`Executor`] for what takes time.
//!
//! It is written once. The simulator executes it in virtual time, the driver in real time over a
//! live backend, so the two cannot differ in anything but how long physical work takes.

mod agent;
mod effects;
mod executor;
mod sessions;
mod setup;

pub use executor::{Event, Executor, Rank, SaveJob, SaveOutcome, StartJob, ToolJob, ToolReport};
pub use setup::{ClassTerms, PolicyTerms, RunOptions, Setup, SetupError};

use std::sync::Arc;

use agent::{Agent, Agents, Slot};

use crate::control::{Control, Effect};
use crate::measure::{Counter, Gauge, Holding, Recorder, Totals};
use crate::provider::Endpoint;
use crate::units::{Bytes, Span, Time};
use crate::workload::arrivals::ArrivalStream;
use crate::workload::plan::{ClassId, ToolPlan};
use crate::workload::session::{Demand, Session};

/// A control effect on one session, for comparing runs.
pub type Logged = (u64, Effect);

/// A platform at work, but for the passing of time.
#[derive(Debug)]
pub struct Conduct<X: Executor> {
    setup: Arc<Setup>,
    demand: Demand,
    arrivals: ArrivalStream,
    control: Control,
    endpoints: Vec<Endpoint>,
    agents: Agents<X::Timer>,
    recorder: Recorder,
    effects: Vec<Effect>,
    tools: Vec<ToolPlan>,
    /// When the queue was last empty, if a session waits now.
    scale_out_from: Option<Time>,
    arrived: u64,
    left: u64,
    /// Sessions of a closed population that left at this instant: others come in their place.
    replacements: u64,
    log: Option<Vec<Logged>>,
}

impl<X: Executor> Conduct<X> {
    /// A platform on which nothing has happened yet, for one replication.
    pub fn new(setup: &Arc<Setup>, replication: u16) -> Self {
        let setup = Arc::clone(setup);
        Conduct {
            demand: setup.demand(replication),
            arrivals: setup.arrivals(replication),
            control: Control::new(setup.control.clone()),
            endpoints: setup.endpoints(replication),
            agents: Agents::default(),
            recorder: Recorder::new(setup.models.len()),
            effects: Vec::new(),
            tools: Vec::new(),
            scale_out_from: None,
            arrived: 0,
            left: 0,
            replacements: 0,
            log: None,
            setup,
        }
    }

    /// Also keeps every control effect, by session.
    pub fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// The control effects kept so far.
    pub fn take_log(&mut self) -> Vec<Logged> {
        self.log.take().unwrap_or_default()
    }

    /// Takes observations.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Sessions that have arrived.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Sessions that have left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether every session there will be has left.
    pub fn finished(&self) -> bool {
        self.left == self.arrived && self.setup.sessions == Some(self.arrived)
    }

    /// Before anything happens: the first arrival, or the closed population.
    pub fn open(&mut self, exec: &mut X) {
        let at_once = self.setup.population.unwrap_or(0);
        for _ in 0..at_once {
            exec.schedule(Time::ZERO, Rank::Arrives, Event::Arrival);
        }
        self.schedule_arrival(exec);
    }

    /// An abandoned session's snapshot, there before the start, that expires after `residual`.
    pub fn seed_snapshot(&mut self, class: ClassId, bytes: Bytes, residual: Span, exec: &mut X) {
        let mut agent = Agent::new(Session::past(class), Time::ZERO);
        (agent.open, agent.hibernated, agent.snapshot) = (false, true, bytes);
        let id = self.agents.insert(agent);
        self.recorder.shift(Gauge::SandboxesHibernated, 1);
        self.recorder.shift(Gauge::SnapshotBytes, bytes.0 as i64);
        self.control.seed_snapshot(id, residual, &mut self.effects);
        self.run_effects(Time::ZERO, exec);
    }

    /// The event happens at `now`: the instant it was due, even where the executor was late.
    pub fn handle(&mut self, now: Time, event: Event, exec: &mut X) {
        self.recorder.advance(now);
        match event {
            Event::Arrival => self.arrive(now, exec),
            Event::Turn { id } => self.begin_turn(now, id),
            Event::Acquire { id } => self.control.acquire(now, id, &mut self.effects),
            Event::Proceed { id } => self.proceed(now, id, exec),
            Event::Attempt { id } => self.attempt(now, id, exec),
            Event::Called { id, failed } => self.called(now, id, failed, exec),
            Event::Started { id, ok } => self.started(now, id, ok),
            Event::Saved { id } => self.saved(now, id, exec),
            Event::ToolEnded { id, number } => self.tool_ended(now, id, number, exec),
            Event::Timer { id } => {
                self.agents.get(id).timer = None;
                self.control.timer(id, &mut self.effects);
            }
            Event::Serve => self.control.serve(now, &mut self.effects),
        }
        self.run_effects(now, exec);
        for _ in 0..std::mem::take(&mut self.replacements) {
            exec.schedule(now, Rank::Arrives, Event::Arrival);
        }
    }

    /// The measure ends at `at`; `events` were handled.
    pub fn finish(self, at: Time, events: u64) -> Totals {
        self.recorder.finish(at, events)
    }

    /// Schedules the next arrival, if there is to be one.
    fn schedule_arrival(&mut self, exec: &mut X) {
        if self.setup.sessions.is_some_and(|n| self.arrived >= n) {
            return;
        }
        if let Some(at) = self.arrivals.next() {
            exec.schedule(at, Rank::Arrives, Event::Arrival);
        }
    }

    /// The slot of `id` is held for something else from now on.
    fn set_slot(&mut self, id: u32, slot: Slot) {
        let agent = self.agents.get(id);
        let before = std::mem::replace(&mut agent.slot, slot);
        if before == slot {
            return;
        }
        let class = &self.setup.classes[agent.class.0 as usize];
        let (vcpu, memory) = (class.micro_vcpu, class.memory.0 as i64);
        for (held, sign) in [(before, -1), (slot, 1)] {
            let (cpu, mem) = match held {
                Slot::Free => continue,
                Slot::Starting => (Holding::VcpuStarting, Holding::MemoryStarting),
                Slot::Turn => (Holding::VcpuTurn, Holding::MemoryTurn),
                Slot::Idle => (Holding::VcpuIdle, Holding::MemoryIdle),
            };
            self.recorder.hold(cpu, sign * vcpu);
            self.recorder.hold(mem, sign * memory);
            if held == Slot::Idle {
                self.recorder.shift(Gauge::SandboxesIdle, sign);
            }
        }
        if before == Slot::Free {
            self.recorder.shift(Gauge::SandboxesRunning, 1);
        } else if slot == Slot::Free {
            self.recorder.shift(Gauge::SandboxesRunning, -1);
            self.recorder.count(Counter::SandboxesDestroyed, 1);
        }
    }
}
