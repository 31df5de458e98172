//! The discrete-event simulator: the conduct of a platform in virtual time.

mod calls;
mod cpu;
mod host;
mod own_work;
mod pipe;
mod share;
mod starts;
mod tools;
mod window;
mod work;
mod world;

pub use starts::snapshot_bytes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::conduct::{Conduct, Setup};
use crate::measure::{Gauge, Totals, TurnSample};
use crate::units::{Bytes, Span, Time};
use crate::workload::plan::ClassId;
use world::{Occurrence, World};

pub use crate::conduct::Logged;
pub use window::WindowTimes;

/// Events between looks at the clock on the wall's behalf: progress and interruption.
const EVENTS_PER_LOOK: u64 = 1 << 16;

/// How long one replication runs and what is there at its start.
#[derive(Clone, Debug, Default)]
pub struct Horizon {
    /// What is not measured.
    pub warmup: Span,
    /// How long is measured after it; `None` until the last session has left.
    pub measure: Option<Span>,
    /// Notes all gauges this often.
    pub series_every: Option<Span>,
    /// Snapshots of abandoned sessions that are there at time 0.
    pub stock: Vec<StockedSnapshot>,
    /// Keeps every control effect.
    pub keep_log: bool,
    /// Keeps each finished turn.
    pub keep_turns: bool,
    /// Windows of time that are measured apart.
    pub windows: Vec<WindowTimes>,
}

/// A snapshot that is there at time 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockedSnapshot {
    /// Class of the session that left it.
    pub class: ClassId,
    /// Its size.
    pub bytes: Bytes,
    /// When it expires.
    pub residual: Span,
}

/// Shared with whoever watches a run.
#[derive(Debug, Default)]
pub struct Watch {
    /// Set to end all replications early.
    pub stop: AtomicBool,
    /// Events handled in all replications.
    pub events: AtomicU64,
    /// Virtual nanoseconds passed in all replications.
    pub virtual_nanos: AtomicU64,
}

/// How a replication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// As the horizon says.
    Complete,
    /// The watch said stop.
    Interrupted,
    /// Nothing more could happen, but sessions had not left: they wait for slots that nobody frees.
    Stuck,
}

/// One replication's outcome.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was measured.
    pub totals: Totals,
    /// How it ended.
    pub finish: Finish,
    /// Control effects by session, if they were kept.
    pub log: Vec<Logged>,
    /// Finished turns, if they were kept.
    pub turns: Vec<TurnSample>,
}

/// Simulates one replication.
pub fn simulate(setup: &Arc<Setup>, replication: u16, horizon: &Horizon, watch: &Watch) -> Outcome {
    let mut run = Run::new(setup, replication, horizon);
    let finish = run.events(horizon, watch);
    if run.warming {
        // It was over before the warm-up was: nothing of it is measured.
        let end = run.end;
        run.conduct.begin_measure(end);
    }
    let log = run.conduct.take_log();
    let turns = run.conduct.recorder().take_turns();
    Outcome { totals: run.conduct.finish(run.end, run.events), finish, log, turns }
}

struct Run {
    conduct: Conduct<World>,
    world: World,
    events: u64,
    warming: bool,
    looked_at: Time,
    end: Time,
    windows: Vec<WindowTimes>,
    /// The next instant at which the measure begins or a window begins or ends.
    next_edge: Time,
}

impl Run {
    fn new(setup: &Arc<Setup>, replication: u16, horizon: &Horizon) -> Self {
        let mut conduct = Conduct::new(setup, replication);
        let mut world = World::new(setup, replication);
        // Not all that keeps the cores of one machine busy is a call's work, which alone is billed.
        if !world.is_one_machine() {
            conduct.recorder().meter_cpu();
        }
        if world.meters_memory() {
            conduct.recorder().meter_memory();
        }
        if horizon.keep_log {
            conduct.keep_log();
        }
        if horizon.keep_turns {
            conduct.recorder().keep_turns();
        }
        let warming = !horizon.warmup.is_zero();
        if warming {
            conduct.recorder().warm_up();
        }
        if let Some(every) = horizon.series_every {
            conduct.recorder().sample_series(Time::ZERO, every);
        }
        for snapshot in &horizon.stock {
            conduct.seed_snapshot(snapshot.class, snapshot.bytes, snapshot.residual, &mut world);
        }
        conduct.open(&mut world);
        // Until the measure begins there is nothing to cut.
        let next_edge =
            if horizon.windows.is_empty() { Time::MAX } else { Time::ZERO + horizon.warmup };
        Run {
            conduct,
            world,
            events: 0,
            warming,
            looked_at: Time::ZERO,
            end: Time::ZERO,
            windows: horizon.windows.clone(),
            next_edge,
        }
    }

    /// Cuts the measure at all edges of windows up to `now`: what happens at an edge comes after it.
    #[cold]
    fn cross_edges(&mut self, now: Time) {
        while self.next_edge <= now {
            let at = self.next_edge;
            let inside = self.windows.iter().map(|window| window.holds(at)).collect();
            self.conduct.recorder().cut(at, inside);
            self.next_edge = window::next_edge(&self.windows, at);
        }
    }

    /// Runs to the horizon; `self.end` is then the end of the measure.
    fn events(&mut self, horizon: &Horizon, watch: &Watch) -> Finish {
        if watch.stop.load(Ordering::Relaxed) {
            return Finish::Interrupted;
        }
        let warm_at = Time::ZERO + horizon.warmup;
        let limit = horizon.measure.map_or(Time::MAX, |measure| warm_at + measure);
        while let Some(at) = self.world.next_at() {
            if at > limit {
                break;
            }
            if horizon.measure.is_none() && at > self.end && self.conduct.finished() {
                return Finish::Complete;
            }
            if horizon.measure.is_none() && self.conduct.is_stuck() {
                return Finish::Stuck;
            }
            if self.warming && at >= warm_at {
                self.conduct.begin_measure(warm_at);
                self.warming = false;
            }
            if at >= self.next_edge {
                self.cross_edges(at);
            }
            let (now, occurrence) = self.world.pop().expect("an occurrence was seen to be due");
            for id in self.world.look_ahead().into_iter().flatten() {
                self.conduct.hint(id);
            }
            match occurrence {
                Occurrence::Conduct(event) => self.conduct.handle(now, event, &mut self.world),
                Occurrence::Physical(physical) => {
                    if let Some(event) = self.world.step(now, physical) {
                        self.conduct.handle(now, event, &mut self.world);
                    }
                }
            }
            self.note_cpu(now);
            self.note_memory(now);
            self.events += 1;
            if self.events.is_multiple_of(EVENTS_PER_LOOK) && self.look(watch, now) {
                self.end = now;
                return Finish::Interrupted;
            }
            self.end = now;
        }
        self.at_limit(horizon, limit, warm_at)
    }

    /// Cores of hosts are taken and given back in the physical parts.
    #[inline]
    fn note_cpu(&mut self, now: Time) {
        let change = self.world.take_cpu_change();
        if change != 0 {
            let recorder = self.conduct.recorder();
            recorder.advance(now);
            recorder.shift(Gauge::HostCpuBusy, change);
        }
    }

    /// Where the rate card charges what tool calls hold, that changes in the physical parts too.
    #[inline]
    fn note_memory(&mut self, now: Time) {
        if let Some(changes) = self.world.take_memory_changes() {
            for (id, delta) in changes.drain(..) {
                self.conduct.note_memory(now, id, delta);
            }
        }
    }

    /// Tells the watch how far it is; whether it says stop.
    fn look(&mut self, watch: &Watch, now: Time) -> bool {
        watch.events.fetch_add(EVENTS_PER_LOOK, Ordering::Relaxed);
        watch.virtual_nanos.fetch_add(now.since(self.looked_at).nanos(), Ordering::Relaxed);
        self.looked_at = now;
        watch.stop.load(Ordering::Relaxed)
    }

    /// Nothing more happens before the limit.
    fn at_limit(&mut self, horizon: &Horizon, limit: Time, warm_at: Time) -> Finish {
        if horizon.measure.is_some() {
            if std::mem::take(&mut self.warming) {
                self.conduct.begin_measure(warm_at);
            }
            if limit > self.next_edge {
                // What is at the very end is no window any more.
                self.cross_edges(Time::from_nanos(limit.nanos() - 1));
            }
            self.end = limit;
            return Finish::Complete;
        }
        if self.conduct.finished() { Finish::Complete } else { Finish::Stuck }
    }
}
