//! The instant runtime: no sandboxes at all, only known service times.
//!
//! With zero delays what remains is the driver itself: its lateness and its throughput. With a
//! stall it is the platform that stops, whose true response times follow from the schedule alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Abilities, CreateSpec, Created, Drained, Footprint, GuestIdentity, LostIsolation, Overhead,
    RuntimeError, SandboxId, SnapshotId, SnapshotInfo, Stage, Stages, Work, WorkReport,
};
use crate::drive::clock::Clock;
use crate::drive::guest::probe::{ProbeFound, ProbeWork};
use crate::drive::pacing::Sleeper;
use crate::units::{Bytes, Span, Time};

/// Service times of the instant runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstantDelays {
    /// Of a create.
    pub create: Span,
    /// Of a call, beside the work's own CPU and I/O time.
    pub exec: Span,
    /// Of a snapshot.
    pub snapshot: Span,
    /// Of a restore.
    pub restore: Span,
    /// Calls last as long as their work would on idle cores.
    pub work: bool,
    /// The runtime stops once.
    pub stall: Option<Stall>,
}

/// A time in which the runtime does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// When it stops.
    pub at: Time,
    /// For how long.
    pub lasts: Span,
}

impl Stall {
    /// When an operation that begins at `at` gets going.
    pub fn resumes(&self, at: Time) -> Time {
        let end = self.at + self.lasts;
        if at >= self.at && at < end { end } else { at }
    }
}

#[derive(Debug, Default)]
struct World {
    sandboxes: FxHashMap<SandboxId, Bytes>,
    snapshots: FxHashMap<SnapshotId, Bytes>,
    // Names that a create or restore under way has taken.
    starting: FxHashSet<SandboxId>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    delays: InstantDelays,
    sleeper: Option<Sleeper>,
    world: Mutex<World>,
    snapshots_made: AtomicU64,
    closing: AtomicBool,
}

/// The in-process stand-in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InstantRuntime(Arc<Inner>);

impl Default for InstantRuntime {
    /// Returns at once; its clock starts now.
    fn default() -> Self {
        InstantRuntime::build(Clock::start(), InstantDelays::default(), None)
    }
}

impl InstantRuntime {
    /// A runtime that returns at once.
    pub fn at_once(clock: Clock) -> Self {
        InstantRuntime::build(clock, InstantDelays::default(), None)
    }

    /// A runtime with service times, which it keeps to within the sleeper's lateness.
    pub fn with_delays(sleeper: Sleeper, delays: InstantDelays) -> Self {
        InstantRuntime::build(sleeper.clock(), delays, Some(sleeper))
    }

    fn build(clock: Clock, delays: InstantDelays, sleeper: Option<Sleeper>) -> Self {
        InstantRuntime(Arc::new(Inner {
            clock,
            delays,
            sleeper,
            world: Mutex::default(),
            snapshots_made: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        }))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // No code panics while it holds the lock; if a test's did, the maps are still whole.
        self.0.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits out the stall, then the service time.
    async fn serve(&self, began: Time, lasts: Span) -> Time {
        let begins = self.0.delays.stall.map_or(began, |stall| stall.resumes(began));
        let ends = begins + lasts;
        if let Some(sleeper) = &self.0.sleeper
            && let Ok(woke) = sleeper.sleep_until(ends).await
        {
            return woke;
        }
        self.0.clock.now()
    }

    /// See [`AnyRuntime::create`](super::AnyRuntime::create).
    ///
    /// # Errors
    /// If the name is taken or the runtime is closing.
    pub async fn create(&self, spec: CreateSpec) -> Result<Created, RuntimeError> {
        self.start(spec.sandbox, Bytes(0), self.0.delays.create).await
    }

    async fn start(
        &self,
        sandbox: SandboxId,
        dirty: Bytes,
        lasts: Span,
    ) -> Result<Created, RuntimeError> {
        if self.0.closing.load(Ordering::Acquire) {
            return Err(RuntimeError::Closing);
        }
        let began = self.0.clock.now();
        {
            let mut world = self.world();
            if world.sandboxes.contains_key(&sandbox) || !world.starting.insert(sandbox) {
                return Err(RuntimeError::SandboxExists(sandbox));
            }
        }
        let ready = self.serve(began, lasts).await;
        let mut world = self.world();
        world.starting.remove(&sandbox);
        if self.0.closing.load(Ordering::Acquire) {
            return Err(RuntimeError::Closing);
        }
        world.sandboxes.insert(sandbox, dirty);
        drop(world);
        Ok(Created { began, ready, stages: one_stage(Stage::Start, began, ready) })
    }

    /// See [`AnyRuntime::exec`](super::AnyRuntime::exec).
    ///
    /// # Errors
    /// If there is no such sandbox.
    pub async fn exec(&self, sandbox: SandboxId, work: Work) -> Result<WorkReport, RuntimeError> {
        let began = self.0.clock.now();
        *self
            .world()
            .sandboxes
            .get_mut(&sandbox)
            .ok_or(RuntimeError::UnknownSandbox(sandbox))? += work.dirty;
        let computing =
            Span::from_seconds(work.cpu.seconds() / work.cores.0.max(f64::MIN_POSITIVE));
        let own = if self.0.delays.work { work.io_wait + computing } else { Span::ZERO };
        let ended = self.serve(began, self.0.delays.exec + own).await;
        let waited = if self.0.delays.work { began + work.io_wait } else { began };
        Ok(WorkReport {
            sent: began,
            began,
            held: began,
            waited,
            computed: ended,
            ended,
            received: ended,
            cpu_used: if self.0.delays.work { work.cpu } else { Span::ZERO },
        })
    }

    /// There is nothing to find out.
    ///
    /// # Errors
    /// Always.
    pub async fn probe(
        &self,
        sandbox: SandboxId,
        _: ProbeWork,
    ) -> Result<ProbeFound, RuntimeError> {
        Err(nothing_runs(sandbox))
    }

    /// There is nobody.
    ///
    /// # Errors
    /// Always.
    pub async fn identity_of(&self, sandbox: SandboxId) -> Result<GuestIdentity, RuntimeError> {
        Err(nothing_runs(sandbox))
    }

    /// There are no processes.
    ///
    /// # Errors
    /// Always.
    pub async fn footprint(&self, sandbox: SandboxId) -> Result<Footprint, RuntimeError> {
        Err(nothing_runs(sandbox))
    }

    /// See [`AnyRuntime::snapshot`](super::AnyRuntime::snapshot).
    ///
    /// # Errors
    /// If there is no such sandbox.
    pub async fn snapshot(&self, sandbox: SandboxId) -> Result<SnapshotInfo, RuntimeError> {
        let began = self.0.clock.now();
        let bytes =
            self.world().sandboxes.remove(&sandbox).ok_or(RuntimeError::UnknownSandbox(sandbox))?;
        let stored = self.serve(began, self.0.delays.snapshot).await;
        let snapshot = SnapshotId(self.0.snapshots_made.fetch_add(1, Ordering::Relaxed));
        self.world().snapshots.insert(snapshot, bytes);
        let stages = one_stage(Stage::Pack, began, stored);
        Ok(SnapshotInfo {
            snapshot,
            bytes,
            unpacked: bytes,
            memory: Bytes(0),
            memory_raw: None,
            began,
            stored,
            stages,
        })
    }

    /// See [`AnyRuntime::restore`](super::AnyRuntime::restore).
    ///
    /// # Errors
    /// If there is no such snapshot or the name is taken.
    pub async fn restore(
        &self,
        sandbox: SandboxId,
        snapshot: SnapshotId,
    ) -> Result<Created, RuntimeError> {
        let held = self.world().snapshots.get(&snapshot).copied();
        let dirty = held.ok_or(RuntimeError::UnknownSnapshot(snapshot))?;
        self.start(sandbox, dirty, self.0.delays.restore).await
    }

    /// See [`AnyRuntime::destroy`](super::AnyRuntime::destroy).
    ///
    /// # Errors
    /// If there is no such sandbox.
    pub async fn destroy(&self, sandbox: SandboxId) -> Result<Span, RuntimeError> {
        let gone = self.world().sandboxes.remove(&sandbox);
        gone.map(|_| Span::ZERO).ok_or(RuntimeError::UnknownSandbox(sandbox))
    }

    /// See [`AnyRuntime::drop_snapshot`](super::AnyRuntime::drop_snapshot).
    ///
    /// # Errors
    /// If there is no such snapshot.
    pub async fn drop_snapshot(&self, snapshot: SnapshotId) -> Result<(), RuntimeError> {
        let gone = self.world().snapshots.remove(&snapshot);
        gone.map(drop).ok_or(RuntimeError::UnknownSnapshot(snapshot))
    }

    /// See [`AnyRuntime::abilities`](super::AnyRuntime::abilities).
    pub fn abilities(&self) -> Abilities {
        Abilities {
            name: "instant".into(),
            real: false,
            snapshot_files: true,
            snapshot_memory: false,
            limits_memory: false,
            limits_processes: false,
            limits_cpu: false,
            clock_shared: true,
        }
    }

    /// The configured delay of an empty call.
    ///
    /// # Errors
    /// None; the signature is that of every runtime.
    pub async fn own_overhead(&self) -> Result<Overhead, RuntimeError> {
        Ok(Overhead { exec_round_trip: self.0.delays.exec, samples: 1 })
    }

    /// All of it: there is no sandbox.
    pub fn lost_isolation(&self) -> Vec<LostIsolation> {
        vec![LostIsolation {
            what: "every isolation".into(),
            why: "the instant runtime is a stand-in without sandboxes".into(),
            mend: "choose `live.target.runtime: process`".into(),
        }]
    }

    /// See [`AnyRuntime::drain`](super::AnyRuntime::drain).
    pub async fn drain(&self, _bound: Span) -> Drained {
        self.kill_now()
    }

    /// See [`AnyRuntime::kill_now`](super::AnyRuntime::kill_now).
    pub fn kill_now(&self) -> Drained {
        self.0.closing.store(true, Ordering::Release);
        let mut world = self.world();
        let (stopped, snapshots) = (world.sandboxes.len() as u64, world.snapshots.len() as u64);
        world.sandboxes.clear();
        world.snapshots.clear();
        Drained { stopped, snapshots, ..Drained::default() }
    }
}

fn nothing_runs(sandbox: SandboxId) -> RuntimeError {
    let reason = "the instant runtime is a stand-in without sandboxes".to_owned();
    RuntimeError::Work { sandbox, reason }
}

fn one_stage(stage: Stage, began: Time, ended: Time) -> Stages {
    let mut stages = Stages::default();
    stages.push(stage, ended.since(began));
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::runtime::Limits;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn spec(n: u64) -> CreateSpec {
        CreateSpec { sandbox: SandboxId(n), token: format!("t{n}"), limits: Limits::default() }
    }

    #[test]
    fn a_sandbox_lives_hibernates_and_goes() {
        block_on(async {
            let runtime = InstantRuntime::default();
            runtime.create(spec(1)).await.unwrap();
            assert!(matches!(runtime.create(spec(1)).await, Err(RuntimeError::SandboxExists(_))));
            let work = Work { dirty: Bytes(4096), ..Work::EMPTY };
            runtime.exec(SandboxId(1), work).await.unwrap();
            let stored = runtime.snapshot(SandboxId(1)).await.unwrap();
            assert_eq!(stored.bytes, Bytes(4096));
            assert!(runtime.exec(SandboxId(1), Work::EMPTY).await.is_err());
            runtime.restore(SandboxId(2), stored.snapshot).await.unwrap();
            assert_eq!(runtime.snapshot(SandboxId(2)).await.unwrap().bytes, Bytes(4096));
            runtime.drop_snapshot(stored.snapshot).await.unwrap();
            let drained = runtime.drain(Span::ZERO).await;
            assert_eq!((drained.stopped, drained.snapshots), (0, 1));
            assert!(matches!(runtime.create(spec(3)).await, Err(RuntimeError::Closing)));
        });
    }

    #[test]
    fn configured_times_are_kept_and_work_lasts_as_on_idle_cores() {
        block_on(async {
            let delays = InstantDelays {
                create: Span::from_millis(2),
                exec: Span::from_millis(1),
                work: true,
                ..InstantDelays::default()
            };
            let sleeper = Sleeper::start(Clock::start()).unwrap();
            let runtime = InstantRuntime::with_delays(sleeper, delays);
            let created = runtime.create(spec(1)).await.unwrap();
            assert!(created.stages.service() >= Span::from_millis(2));
            let work = Work {
                cpu: Span::from_millis(4),
                cores: crate::units::Cores(2.0),
                io_wait: Span::from_millis(3),
                ..Work::EMPTY
            };
            let report = runtime.exec(SandboxId(1), work).await.unwrap();
            assert!(report.service() >= Span::from_millis(6), "{}", report.service());
        });
    }

    #[test]
    fn what_begins_in_a_stall_gets_going_at_its_end() {
        let stall = Stall { at: Time::ZERO + Span::from_secs(1), lasts: Span::from_millis(500) };
        let at = |ms| Time::ZERO + Span::from_millis(ms);
        assert_eq!(stall.resumes(at(999)), at(999));
        assert_eq!(stall.resumes(at(1000)), at(1500));
        assert_eq!(stall.resumes(at(1499)), at(1500));
        assert_eq!(stall.resumes(at(1500)), at(1500));
    }
}
