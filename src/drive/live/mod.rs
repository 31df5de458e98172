//! The real-time executor: what the conduct wants, done on a live backend.

mod crowd;
mod execute;
mod meter;

use std::sync::Arc;

use rustc_hash::FxHashSet;
use tokio::sync::mpsc;

use crowd::{Asked, Company, Crowd, Over};
use meter::Meter;

use crate::conduct::{ClassTerms, Event, SaveOutcome, Setup, StartJob, ToolJob, ToolReport};
use crate::control::Start;
use crate::drive::caps::{AlivePlace, CapsLedger, StoredBytes};
use crate::drive::clock::Clock;
use crate::drive::lateness::Lateness;
use crate::drive::machine::cores;
use crate::drive::pacing::{Due, Pacer, Sleeper};
use crate::drive::runtime::{
    AnyRuntime, CreateSpec, Created, Limits, RuntimeError, SandboxId, SnapshotId, SnapshotInfo,
    WorkReport,
};
use crate::drive::samples::{OperationSample, Samples, ToolSample};
use crate::measure::record::MachineRecord;
use crate::units::{Bytes, Cores, Span, Time};

/// Processes and threads that a sandbox may have.
const PROCESSES: u64 = 256;

/// A tool call of which nothing is known.
const NO_REPORT: ToolReport = ToolReport { took: Span::ZERO, cpu: Span::ZERO, dirtied: Bytes(0) };

/// Failures of which the text is kept; all are counted.
const TROUBLES_KEPT: usize = 20;

/// An event that the pacer wakes for.
#[derive(Clone, Copy, Debug)]
pub(in crate::drive) struct Paced {
    number: u64,
    event: Event,
    /// It was still to come when it was scheduled, so waking for it late is the driver's fault.
    ahead: bool,
}

/// The end of an operation, with the instant at which it ended.
#[derive(Debug)]
pub(in crate::drive) struct Done {
    pub at: Time,
    id: u32,
    epoch: u32,
    share: f64,
    what: Ended,
}

#[derive(Debug)]
enum Ended {
    Started {
        job: StartJob,
        asked: Asked,
        /// Boots and restores under way, itself counted.
        starts: u32,
        result: Result<(SandboxId, Created), RuntimeError>,
        place: AlivePlace,
    },
    Saved {
        asked: Asked,
        result: Result<SnapshotInfo, RuntimeError>,
        place: AlivePlace,
    },
    Tool {
        job: ToolJob,
        asked: Asked,
        result: Result<WorkReport, RuntimeError>,
    },
    Destroyed {
        /// Whose sandbox it was.
        index: u64,
        asked: Asked,
        result: Result<(), RuntimeError>,
    },
    Forgotten {
        result: Result<(), RuntimeError>,
    },
}

/// What the executor knows of a session's place on the backend.
#[derive(Debug, Default)]
struct Place {
    /// Tells ends of this session's operations from those of one that had the number before.
    epoch: u32,
    index: u64,
    sandbox: Option<SandboxId>,
    alive: Option<AlivePlace>,
    snapshot: Option<(SnapshotId, StoredBytes)>,
    outcome: Option<SaveOutcome>,
    reports: Vec<ToolReport>,
}

/// A live backend and the clock, as the conduct's executor.
pub(in crate::drive) struct Live {
    /// Zero at the run's begin.
    pub clock: Clock,
    /// That instant on the runtime's clock.
    zero: Time,
    pacer: Pacer<Paced>,
    cancelled: FxHashSet<u64>,
    scheduled: u64,
    sleeper: Sleeper,
    runtime: AnyRuntime,
    caps: CapsLedger,
    classes: Vec<ClassTerms>,
    places: Vec<Place>,
    sandboxes: u64,
    /// Sandboxes that have done nothing yet.
    fresh: FxHashSet<SandboxId>,
    done: mpsc::UnboundedSender<Done>,
    under_way: u64,
    /// Boots and restores among them.
    starting: u32,
    meter: Meter,
    crowd: Crowd,
    /// Draws the session tokens apart from run to run.
    run: Arc<str>,
    pub lateness: Lateness,
    pub samples: Samples,
    pub dropped_sessions: FxHashSet<u64>,
    pub troubles: Vec<String>,
    pub trouble_count: u64,
}

impl Live {
    pub fn new(
        setup: &Setup,
        runtime: AnyRuntime,
        caps: CapsLedger,
        clock: Clock,
        zero: Time,
        run: &str,
    ) -> Result<(Live, mpsc::UnboundedReceiver<Done>), crate::drive::pacing::PacingError> {
        let (done, ends) = mpsc::unbounded_channel();
        let live = Live {
            clock,
            zero,
            pacer: Pacer::new(clock)?,
            cancelled: FxHashSet::default(),
            scheduled: 0,
            sleeper: Sleeper::start(clock)?,
            runtime,
            caps,
            classes: setup.classes.clone(),
            places: Vec::new(),
            sandboxes: 0,
            fresh: FxHashSet::default(),
            done,
            under_way: 0,
            starting: 0,
            meter: Meter::new(),
            crowd: Crowd::on(cores()),
            run: run.into(),
            lateness: Lateness::default(),
            samples: Samples::default(),
            dropped_sessions: FxHashSet::default(),
            troubles: Vec::new(),
            trouble_count: 0,
        };
        Ok((live, ends))
    }

    /// Lets others wait on the run's own time line.
    pub fn sleeper(&self) -> Sleeper {
        self.sleeper.clone()
    }

    /// Whether any event is still to come by itself.
    pub fn has_scheduled(&self) -> bool {
        !self.pacer.is_empty()
    }

    /// Puts what was seen of the machine's CPU time into its record.
    pub fn tell(&self, machine: MachineRecord) -> MachineRecord {
        self.meter.tell(machine)
    }

    /// An operation is asked for that works for that share of its time.
    fn asks(&mut self, at: Time, share: f64) -> Asked {
        self.crowd.advance(self.clock.now());
        let under_way = u32::try_from(self.under_way + 1).unwrap_or(u32::MAX);
        Asked { at, under_way, share, crowd: self.crowd }
    }

    /// Operations on the backend that have not ended.
    pub fn under_way(&self) -> u64 {
        self.under_way
    }

    /// Waits for the next event that is due; `None` where nothing is scheduled.
    pub async fn next(
        &mut self,
    ) -> Result<Option<(Time, Event)>, crate::drive::pacing::PacingError> {
        loop {
            let Some(due) = self.pacer.next().await? else { return Ok(None) };
            if let Some(found) = self.admit(&due) {
                return Ok(Some(found));
            }
        }
    }

    /// The next event if it is due now.
    pub fn try_next(&mut self) -> Option<(Time, Event)> {
        loop {
            let due = self.pacer.try_next()?;
            if let Some(found) = self.admit(&due) {
                return Some(found);
            }
        }
    }

    fn admit(&mut self, due: &Due<Paced>) -> Option<(Time, Event)> {
        if self.cancelled.remove(&due.item.number) {
            return None;
        }
        if due.item.ahead {
            self.lateness.record(due.intended, due.woke);
        }
        Some((due.intended, due.item.event))
    }

    /// Takes in the end of an operation; the event that it is to the conduct, if it still is one.
    pub fn take(&mut self, done: Done) -> Option<Event> {
        let now = self.clock.now();
        self.crowd.ends(now, done.share);
        self.under_way -= 1;
        let busy = self.meter.ends(now, self.under_way);
        let over = Over { at: done.at, busy, crowd: self.crowd };
        let current = self.place(done.id).epoch == done.epoch;
        match done.what {
            Ended::Started { job, asked, starts, result, place } => {
                self.starting -= 1;
                self.started(over, current, (job, asked, starts), result, place)
            }
            Ended::Saved { asked, result, place } => {
                drop(place);
                if !current {
                    return None;
                }
                let outcome = self.saved(done.id, over, asked, result);
                self.place(done.id).outcome = Some(outcome);
                Some(Event::Saved { id: done.id })
            }
            Ended::Tool { job, asked, result } => {
                self.tool_ended(over, current, job, asked, result)
            }
            Ended::Destroyed { index, asked, result } => {
                match result {
                    Ok(()) => self.samples.destroys.push(over.sample(index, asked)),
                    Err(error) => self.trouble(&error),
                }
                None
            }
            Ended::Forgotten { result } => {
                let _ = result.map_err(|error| self.trouble(&error));
                None
            }
        }
    }

    fn started(
        &mut self,
        over: Over,
        current: bool,
        (job, asked, starts): (StartJob, Asked, u32),
        result: Result<(SandboxId, Created), RuntimeError>,
        alive: AlivePlace,
    ) -> Option<Event> {
        let ok = match result {
            Ok((sandbox, _)) if !current || job.fails => {
                self.remove(sandbox, alive, job.index);
                false
            }
            Ok((sandbox, created)) => {
                let index = self.place(job.id).index;
                let sample = OperationSample {
                    in_flight: starts,
                    bytes: job.snapshot,
                    stages: created.stages.start(),
                    ..over.sample(index, asked)
                };
                self.fresh.insert(sandbox);
                match job.start {
                    Start::Boot => self.samples.boots.push(sample),
                    Start::Restore => self.samples.restores.push(sample),
                }
                let place = self.place(job.id);
                (place.sandbox, place.alive) = (Some(sandbox), Some(alive));
                true
            }
            Err(error) => {
                self.trouble(&error);
                false
            }
        };
        current.then_some(Event::Started { id: job.id, ok })
    }

    fn saved(
        &mut self,
        id: u32,
        over: Over,
        asked: Asked,
        result: Result<SnapshotInfo, RuntimeError>,
    ) -> SaveOutcome {
        let info = match result {
            Ok(info) => info,
            Err(error) => {
                self.trouble(&error);
                return SaveOutcome::Failed;
            }
        };
        let stored = match self.caps.store(info.bytes) {
            Ok(stored) => stored,
            Err(dropped) => {
                self.trouble(&dropped);
                self.forget(info.snapshot);
                return SaveOutcome::Failed;
            }
        };
        let index = self.place(id).index;
        let sample = over.sample(index, asked);
        self.samples.snapshots.push(OperationSample { bytes: info.bytes, ..sample });
        if let Some((older, _)) = self.place(id).snapshot.replace((info.snapshot, stored)) {
            self.forget(older);
        }
        SaveOutcome::Stored(info.bytes)
    }

    fn tool_ended(
        &mut self,
        over: Over,
        current: bool,
        job: ToolJob,
        asked: Asked,
        result: Result<WorkReport, RuntimeError>,
    ) -> Option<Event> {
        if !current {
            return None;
        }
        let vcpu = self.classes[job.class.0 as usize].vcpu;
        let took = over.at.since(asked.at);
        let Company { others, crowded, .. } = over.crowd.since(&asked);
        let report = match result {
            Ok(report) => {
                let sandbox = self.place(job.sandbox).sandbox;
                self.samples.tools.push(ToolSample {
                    session: self.places[job.id as usize].index,
                    under_way: asked.under_way,
                    others,
                    crowded,
                    cpu: job.plan.cpu,
                    cores: Cores(job.plan.cores.0.min(vcpu.0)),
                    io: job.plan.io,
                    took,
                    service: report.service(),
                    computing: report.computing(),
                    waiting: report.waited.since(report.held),
                    busy: over.busy.filter(|_| job.policies.is_zero()),
                    first: sandbox.is_some_and(|sandbox| self.fresh.remove(&sandbox)),
                });
                ToolReport { took, cpu: report.cpu_used, dirtied: job.plan.dirty }
            }
            Err(error) => {
                self.trouble(&error);
                ToolReport { took, ..NO_REPORT }
            }
        };
        self.place(job.id).reports[job.number as usize] = report;
        Some(Event::ToolEnded { id: job.id, number: job.number })
    }

    fn trouble(&mut self, error: &dyn std::fmt::Display) {
        self.trouble_count += 1;
        if self.troubles.len() < TROUBLES_KEPT {
            self.troubles.push(error.to_string());
        }
    }

    fn place(&mut self, id: u32) -> &mut Place {
        let index = id as usize;
        if index >= self.places.len() {
            self.places.resize_with(index + 1, Place::default);
        }
        &mut self.places[index]
    }

    /// Runs an operation beside the loop that works for that share of its time; its end comes back
    /// through the channel.
    fn spawn(
        &mut self,
        id: u32,
        share: f64,
        operation: impl Future<Output = (Time, Ended)> + Send + 'static,
    ) {
        let (done, epoch) = (self.done.clone(), self.place(id).epoch);
        let now = self.clock.now();
        self.meter.begins(now, self.under_way);
        self.crowd.begins(now, share);
        self.under_way += 1;
        tokio::spawn(async move {
            let (at, what) = operation.await;
            // The loop is gone only when the run is being abandoned.
            let _ = done.send(Done { at, id, epoch, share, what });
        });
    }

    fn remove(&mut self, sandbox: SandboxId, alive: AlivePlace, index: u64) {
        self.fresh.remove(&sandbox);
        let (runtime, clock) = (self.runtime.clone(), self.clock);
        let asked = self.asks(clock.now(), 1.0);
        self.spawn(0, asked.share, async move {
            let result = runtime.destroy(sandbox).await.map(|_| ());
            drop(alive);
            (clock.now(), Ended::Destroyed { index, asked, result })
        });
    }

    fn forget(&mut self, snapshot: SnapshotId) {
        let (runtime, clock) = (self.runtime.clone(), self.clock);
        self.spawn(0, 1.0, async move {
            let result = runtime.drop_snapshot(snapshot).await;
            (clock.now(), Ended::Forgotten { result })
        });
    }

    fn spec(&mut self, job: &StartJob) -> CreateSpec {
        self.sandboxes += 1;
        let class = &self.classes[job.class.0 as usize];
        CreateSpec {
            sandbox: SandboxId(self.sandboxes),
            token: format!("{}-session-{}", self.run, job.session),
            limits: Limits {
                vcpu: class.vcpu,
                memory: class.memory,
                processes: PROCESSES,
                ..Limits::default()
            },
        }
    }
}
