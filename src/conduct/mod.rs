//! The conduct of a platform: routes what happens between sessions, control, model endpoints and
//! the recorder, and asks an [`Executor`] for what takes time.
//!
//! It is written once. The simulator executes it in virtual time, the driver in real time over a
//! live backend, so the two cannot differ in anything but how long physical work takes.

mod agent;
mod calls;
mod children;
mod effects;
mod executor;
mod governance;
mod hosts;
mod machine;
mod meter;
mod platform;
mod quotas;
mod seats;
mod sessions;
mod setup;
mod snapshots;
mod starts;

pub use executor::{Event, Executor, Rank, SaveJob, SaveOutcome, StartJob, ToolJob, ToolReport};
pub use machine::Machine;
pub use platform::PoolError;
pub use quotas::{QuotaSubject, QuotaTerms};
pub use setup::{ClassTerms, PolicyTerms, PoolClaim, RunOptions, Setup, SetupError, TenantTerms};

use std::sync::Arc;

use rustc_hash::FxHashMap;

use agent::{Agent, Agents, Calls, Kind, Slot};
use governance::TenantUse;
use hosts::HostInfo;
use meter::{Given, Meter};
use quotas::Windows;
use seats::Vessel;

use crate::control::{Control, Effect};
use crate::measure::{Counter, Gauge, Holding, HostHolding, Metric, Recorder, Totals};
use crate::provider::Endpoint;
use crate::units::{Bytes, Span, Time};
use crate::workload::arrivals::ArrivalStream;
use crate::workload::plan::{ClassId, ToolPlan};
use crate::workload::session::{Demand, Session};

/// Events in a row without any session from which on a run that waits for its last one is stuck.
const QUIET_EVENTS: u64 = 10_000_000;

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
    calls: Calls,
    /// When sessions wanted a sandbox again whose last one was lost in the middle of a turn.
    asked_again: FxHashMap<u32, Time>,
    /// When identities that have a lifetime were issued.
    identified_at: FxHashMap<u32, Time>,
    /// Bytes dirtied when the last snapshot was taken, where sandboxes may be lost.
    saved_dirt: FxHashMap<u32, Bytes>,
    recorder: Recorder,
    meter: Meter,
    effects: Vec<Effect>,
    tools: Vec<ToolPlan>,
    /// What each call of a batch waits for before it begins.
    waits: Vec<Span>,
    /// When the queue was last empty, if a session waits now.
    scale_out_from: Option<Time>,
    /// An episode of waiting that ended at the second instant, unless another joins at that instant.
    scaled_out: Option<(Time, Time)>,
    arrived: u64,
    left: u64,
    /// Sessions of a closed population that left at this instant: others come in their place.
    replacements: u64,
    /// Sessions of a closed population that are still to come at time 0.
    to_come: u64,
    hosts: Vec<HostInfo<X::Timer>>,
    tenants: Vec<TenantUse>,
    windows: Windows,
    /// Classes whose agent has its identity.
    identified: Vec<bool>,
    /// Places that pools have had, and sandboxes with seats: they key their draws.
    places: u64,
    /// Sandboxes with seats, by their numbers.
    vessels: Vec<Vessel>,
    /// Scheduled events that happen by themselves and for ever.
    background: usize,
    /// Events in a row in which no session had a part.
    quiet: u64,
    outages: u32,
    stalls: u32,
    /// When each zone is back.
    zones_back: Vec<Time>,
    log: Option<Vec<Logged>>,
}

impl<X: Executor> Conduct<X> {
    /// A platform on which nothing has happened yet, for one replication.
    pub fn new(setup: &Arc<Setup>, replication: u16) -> Self {
        let setup = Arc::clone(setup);
        let demand = setup.demand(replication);
        let mut recorder = Recorder::new(setup.models.len(), setup.host_types.len());
        recorder.meter_quotas(setup.quotas.len());
        Conduct {
            agents: Agents::new(demand.have_children),
            demand,
            arrivals: setup.arrivals(replication),
            control: Control::new(setup.control.clone()),
            endpoints: setup.endpoints(replication),
            calls: Calls::default(),
            asked_again: FxHashMap::default(),
            identified_at: FxHashMap::default(),
            saved_dirt: FxHashMap::default(),
            recorder,
            meter: Meter::new(setup.meter),
            effects: Vec::new(),
            tools: Vec::new(),
            waits: Vec::new(),
            scale_out_from: None,
            scaled_out: None,
            arrived: 0,
            left: 0,
            replacements: 0,
            to_come: 0,
            hosts: Vec::new(),
            tenants: vec![TenantUse::default(); setup.tenants.len()],
            windows: Windows::new(setup.quotas.len()),
            identified: vec![false; setup.classes.len()],
            places: 0,
            vessels: Vec::new(),
            background: 0,
            quiet: 0,
            outages: 0,
            stalls: 0,
            zones_back: Vec::new(),
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

    /// The tool calls in the sandbox of `id` hold so many bytes more, or less, from `now` on.
    pub fn note_memory(&mut self, now: Time, id: u32, delta: i64) {
        self.recorder.advance(now);
        self.meter.memory(id, delta, &mut self.recorder);
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
        self.control.open(&mut self.effects);
        self.run_effects(Time::ZERO, exec);
        self.open_background(exec);
        let there = self.setup.sessions.unwrap_or(u64::MAX);
        let at_once = self.setup.population.unwrap_or(0).min(there);
        if at_once > 0 {
            // One brings the next, so that a large population is not scheduled all at once.
            exec.schedule(Time::ZERO, Rank::Arrives, Event::Arrival);
            self.to_come = at_once - 1;
        }
        self.schedule_arrival(exec);
    }

    /// An abandoned session's snapshot, there before the start, that expires after `residual`.
    pub fn seed_snapshot(&mut self, class: ClassId, bytes: Bytes, residual: Span, exec: &mut X) {
        let session = Session::absent(class, u64::MAX);
        let mut agent = Agent::new(session, Kind::Past, Time::ZERO);
        (agent.hibernated, agent.snapshot) = (true, bytes);
        let id = self.agents.insert(agent);
        self.recorder.shift(Gauge::SandboxesHibernated, 1);
        self.recorder.shift(Gauge::SnapshotBytes, bytes.0 as i64);
        self.control.seed_snapshot(id, class.0, residual, &mut self.effects);
        self.run_effects(Time::ZERO, exec);
    }

    /// The event happens at `now`: the instant it was due, even where the executor was late.
    pub fn handle(&mut self, now: Time, event: Event, exec: &mut X) {
        self.end_scale_out(now);
        self.recorder.advance(now);
        self.quiet = if self.is_background(event) { self.quiet + 1 } else { 0 };
        match event {
            Event::Arrival => self.arrive(now, exec),
            Event::Turn { id } => self.begin_turn(now, id, exec),
            Event::Acquire { id } => self.control.acquire(now, id, &mut self.effects),
            Event::Proceed { id } => self.proceed(now, id, exec),
            Event::Attempt { id } => self.attempt(now, id, exec),
            Event::Called { id, failed } => self.called(now, id, failed, exec),
            Event::Started { id, ok } => {
                exec.begun(id);
                self.started(now, id, ok);
            }
            Event::Saved { id } => self.saved(now, id, exec),
            Event::ToolEnded { id, number } => self.tool_ended(now, id, number, exec),
            Event::Timer { id } => {
                self.agents.get(id).timer = None;
                self.control.timer(now, id, &mut self.effects);
            }
            Event::Serve => self.control.serve(now, &mut self.effects),
            Event::ToolKilled { id } => self.tool_killed(now, id, exec),
            Event::Claimed { id } => self.claimed(now, id),
            Event::Refill { pool } => self.add_place(now, pool),
            Event::HostUp { host } => self.host_booted(host),
            Event::Crash { host } => self.crash(now, host),
            Event::Outage { zone } => self.outage(now, zone, exec),
            Event::Stall { begins } => self.stall(now, begins, exec),
            Event::Scale { .. } | Event::Look { .. } | Event::Rollout => {
                self.tick(now, event, exec)
            }
        }
        self.run_effects(now, exec);
        for _ in 0..std::mem::take(&mut self.replacements) {
            exec.schedule(now, Rank::Arrives, Event::Arrival);
        }
    }

    /// An event about this session or place will happen soon.
    #[inline]
    pub fn hint(&self, id: u32) {
        self.agents.hint(id);
        self.control.hint(id);
    }

    /// The warm-up ends at `at`: what is measured is measured from here.
    pub fn begin_measure(&mut self, at: Time) {
        self.end_scale_out(at);
        self.expire_windows(at);
        self.recorder.begin_measure(at);
    }

    /// Nothing but what recurs by itself has happened for so long that nothing else will: sessions
    /// wait for what never comes.
    pub fn is_stuck(&self) -> bool {
        self.quiet > QUIET_EVENTS
    }

    /// Whether no session has a part in an event.
    fn is_background(&self, event: Event) -> bool {
        match event {
            Event::Serve
            | Event::Refill { .. }
            | Event::HostUp { .. }
            | Event::Crash { .. }
            | Event::Outage { .. }
            | Event::Stall { .. }
            | Event::Scale { .. }
            | Event::Look { .. }
            | Event::Rollout => true,
            Event::Started { id, .. } | Event::Timer { id } => {
                self.agents.find(id).is_some_and(Agent::is_place)
            }
            _ => false,
        }
    }

    /// An episode of waiting is over once time has passed its end.
    fn end_scale_out(&mut self, now: Time) {
        if let Some((from, end)) = self.scaled_out
            && now > end
        {
            self.scaled_out = None;
            if end > from {
                self.recorder.observe(Metric::ScaleOut, end.since(from));
            }
        }
    }

    /// The measure ends at `at`; `events` were handled.
    pub fn finish(mut self, at: Time, events: u64) -> Totals {
        self.end_scale_out(Time::MAX);
        self.recorder.advance(at);
        self.meter.finish(&mut self.recorder);
        self.recorder.finish(at, events)
    }

    /// Schedules the next arrival, if there is to be one.
    fn schedule_arrival(&mut self, exec: &mut X) {
        if self.to_come > 0 {
            self.to_come -= 1;
            exec.schedule(Time::ZERO, Rank::Arrives, Event::Arrival);
            return;
        }
        if self.setup.sessions.is_some_and(|n| self.arrived >= n) {
            return;
        }
        if let Some(at) = self.arrivals.next() {
            exec.schedule(at, Rank::Arrives, Event::Arrival);
        }
    }

    /// The slot of `id` is held for something else from now on.
    fn set_slot(&mut self, id: u32, slot: Slot) {
        let before = self.move_slot(id, slot);
        if before == slot {
            return;
        }
        if before == Slot::Free {
            self.recorder.shift(Gauge::SandboxesRunning, 1);
        } else if slot == Slot::Free {
            self.recorder.shift(Gauge::SandboxesRunning, -1);
            self.recorder.count(Counter::SandboxesDestroyed, 1);
        }
    }

    /// A pool's place gives its slot to a session; it is the same sandbox.
    fn hand_over_slot(&mut self, place: u32, id: u32) {
        self.agents.get(id).host = self.agents.get(place).host;
        self.meter.hand_over(place, id);
        self.move_slot(place, Slot::Free);
        self.move_slot(id, Slot::Claiming);
    }

    /// Counts what the slot holds where it belongs now; what it was held for before.
    fn move_slot(&mut self, id: u32, slot: Slot) -> Slot {
        let agent = self.agents.get(id);
        let before = std::mem::replace(&mut agent.slot, slot);
        if before == slot {
            return before;
        }
        let (class, host) = (agent.session.class(), agent.host);
        let paused = match agent.kind {
            Kind::Place { pool } => self.setup.pools[usize::from(pool)].paused,
            _ => false,
        };
        if !self.meter.is_idle() {
            let terms = &self.setup.classes[class.0 as usize];
            let given = Given { micro_vcpu: terms.micro_vcpu, memory: terms.memory.0, paused };
            self.meter.slot(id, slot, given, &mut self.recorder);
        }
        // What stays held is not given back and taken again.
        if before == Slot::Free {
            self.count_memory(class, host, 1);
            self.note_slot(class, 1);
        } else if slot == Slot::Free {
            self.count_memory(class, host, -1);
            self.note_slot(class, -1);
        }
        for (held, sign) in [(before, -1), (slot, 1)] {
            self.count_slot(held, class, host, sign);
            if held == Slot::Pool && paused {
                let vcpu = self.setup.classes[class.0 as usize].micro_vcpu;
                self.recorder.hold(Holding::VcpuPool, -sign * vcpu);
            }
        }
        before
    }

    fn count_slot(&mut self, held: Slot, class: ClassId, host: u32, sign: i64) {
        let class = &self.setup.classes[class.0 as usize];
        let (cpu, mem) = match held {
            Slot::Free | Slot::Boarding | Slot::SeatTurn | Slot::SeatIdle => return,
            Slot::Starting => (Holding::VcpuStarting, Holding::MemoryStarting),
            Slot::Claiming | Slot::Turn => (Holding::VcpuTurn, Holding::MemoryTurn),
            Slot::Idle => (Holding::VcpuIdle, Holding::MemoryIdle),
            Slot::PoolStarting => (Holding::VcpuPoolStarting, Holding::MemoryPoolStarting),
            Slot::Pool => (Holding::VcpuPool, Holding::MemoryPool),
        };
        self.recorder.hold(cpu, sign * class.micro_vcpu);
        self.recorder.hold(mem, sign * class.memory.0 as i64);
        match held {
            Slot::Idle => self.recorder.shift(Gauge::SandboxesIdle, sign),
            Slot::PoolStarting | Slot::Pool => self.recorder.shift(Gauge::SandboxesPool, sign),
            _ => {}
        }
        if self.setup.host_types.is_empty() {
            return;
        }
        let reserved = sign * class.reserved.0 as i64;
        let kind = self.hosts[host as usize].kind;
        match held {
            Slot::Idle => self.recorder.hold_host(kind, HostHolding::Idle, reserved),
            Slot::PoolStarting | Slot::Pool => {
                self.recorder.hold_host(kind, HostHolding::Pool, reserved);
            }
            _ => {}
        }
    }

    /// Memory of a host is taken, or given back.
    fn count_memory(&mut self, class: ClassId, host: u32, sign: i64) {
        if self.setup.host_types.is_empty() {
            return;
        }
        let reserved = sign * self.setup.classes[class.0 as usize].reserved.0 as i64;
        let kind = self.hosts[host as usize].kind;
        self.recorder.shift(Gauge::HostMemoryReserved, reserved);
        self.recorder.hold_host(kind, HostHolding::Reserved, reserved);
    }
}
