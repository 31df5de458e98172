//! The machinery that all real runtimes share: which sandboxes and snapshots there are, the journal,
//! what is under way, and how a run ends. What differs from one kind of isolation to the next is its
//! [`Tier`].

mod desk;
mod hibernate;
pub mod image;
mod life;
mod program;
mod tier;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::blame::babble;
use super::{
    Abilities, CreateSpec, Created, Drained, Footprint, GuestIdentity, LostIsolation, Overhead,
    RuntimeError, SandboxId, SnapshotId, SnapshotInfo, Work, WorkReport,
};
use crate::drive::clock::Clock;
use crate::drive::guest::probe::{ProbeFound, ProbeWork};
use crate::drive::guest::protocol::{Message, Request};
use crate::drive::journal::{Journal, RunTag};
use crate::units::Span;
pub use desk::{Common, Desk, Met, note, span};
use hibernate::Stored;
pub use life::Sandbox;
pub use program::needed_by;
pub use tier::{Built, Order, Saved, Source, Tier};

/// How long packing, unpacking or removing a sandbox's files may take when a run is ended.
const FILES_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug)]
enum Place<T: Tier> {
    /// A create or restore is under way.
    Taken,
    Running(Arc<Sandbox<T>>),
}

#[derive(Debug)]
struct Table<T: Tier> {
    sandboxes: FxHashMap<SandboxId, Place<T>>,
    snapshots: FxHashMap<SnapshotId, Arc<Stored<T>>>,
}

#[derive(Debug)]
struct Inner<T: Tier> {
    tier: T,
    desk: Desk,
    table: Mutex<Table<T>>,
    snapshots_made: AtomicU64,
    under_way: watch::Sender<usize>,
    closing: AtomicBool,
    // Held while the end is under way, so that whoever comes second waits for it.
    ended: Mutex<bool>,
}

/// A runtime of one kind. Cheap to clone; when the last clone goes without a drain, whatever lives
/// is killed and removed.
#[derive(Debug)]
pub struct Managed<T: Tier>(Arc<Inner<T>>);

impl<T: Tier> Clone for Managed<T> {
    fn clone(&self) -> Self {
        Managed(Arc::clone(&self.0))
    }
}

/// An operation that makes or removes something, counted until it is over.
struct UnderWay<T: Tier>(Arc<Inner<T>>);

impl<T: Tier> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

impl<T: Tier> Managed<T> {
    /// A runtime over a journal that has begun; measures the core if its speed is not given.
    ///
    /// # Errors
    /// If the guest's program cannot be run.
    pub(super) async fn over(
        tier: T,
        common: Common,
        clock: Clock,
        journal: Journal,
    ) -> Result<Self, RuntimeError> {
        let desk = Desk {
            common,
            clock,
            journal,
            gate: Arc::default(),
            rounds_per_second: OnceLock::new(),
        };
        let table = Table { sandboxes: FxHashMap::default(), snapshots: FxHashMap::default() };
        let inner = Inner {
            tier,
            desk,
            table: Mutex::new(table),
            snapshots_made: AtomicU64::new(0),
            under_way: watch::Sender::new(0),
            closing: AtomicBool::new(false),
            ended: Mutex::new(false),
        };
        let runtime = Managed(Arc::new(inner));
        runtime.0.desk.calibrate().await?;
        Ok(runtime)
    }

    /// What is particular to this kind.
    pub(super) fn tier(&self) -> &T {
        &self.0.tier
    }

    /// What all kinds work with.
    pub(super) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// What marks everything of this run.
    pub fn tag(&self) -> &RunTag {
        self.0.desk.journal.tag()
    }

    /// Rounds of the guest's hash loop that make a reference-core second.
    pub fn rounds_per_second(&self) -> f64 {
        self.0.desk.rounds_per_second()
    }

    /// A live sandbox's own parts.
    pub(super) fn live(&self, sandbox: SandboxId) -> Option<Arc<Sandbox<T>>> {
        self.0.running(sandbox).ok()
    }

    /// Asks a live sandbox's guest something, and hands it a socket if one is given.
    ///
    /// # Errors
    /// If there is no such sandbox, or its guest does not answer.
    pub(super) async fn ask(
        &self,
        sandbox: SandboxId,
        socket: Option<OwnedFd>,
        what: &'static str,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<Message, RuntimeError> {
        let live = self.0.running(sandbox)?;
        let desk = &self.0.desk;
        let (answer, _) =
            desk.ask_with(sandbox, live.slot, (&live.link, socket), what, request).await?;
        Ok(answer)
    }

    /// See [`AnyRuntime::probe`](super::AnyRuntime::probe).
    ///
    /// # Errors
    /// If there is no such sandbox, it died, or it does not have what the probe takes.
    pub async fn probe(
        &self,
        sandbox: SandboxId,
        work: ProbeWork,
    ) -> Result<ProbeFound, RuntimeError> {
        let probe = |id| Request::Probe { id, work };
        match self.ask(sandbox, None, "a probe", probe).await? {
            Message::Probed { found, .. } => Ok(found),
            Message::Refused { reason, .. } => Err(RuntimeError::Work { sandbox, reason }),
            other => Err(babble(sandbox, &other)),
        }
    }

    /// See [`AnyRuntime::identity_of`](super::AnyRuntime::identity_of).
    ///
    /// # Errors
    /// If there is no such sandbox, or it died.
    pub async fn identity_of(&self, sandbox: SandboxId) -> Result<GuestIdentity, RuntimeError> {
        match self.ask(sandbox, None, "saying who it is", |id| Request::Hello { id }).await? {
            Message::Hello { identity, nonce, .. } => Ok(GuestIdentity { identity, nonce }),
            Message::Refused { reason, .. } => Err(RuntimeError::Work { sandbox, reason }),
            other => Err(babble(sandbox, &other)),
        }
    }

    /// See [`AnyRuntime::footprint`](super::AnyRuntime::footprint).
    ///
    /// # Errors
    /// If there is no such sandbox, or whoever made it does not tell.
    pub async fn footprint(&self, sandbox: SandboxId) -> Result<Footprint, RuntimeError> {
        let live = self.0.running(sandbox)?;
        self.0.tier.footprint(&self.0.desk, &live).await
    }

    /// Makes a sandbox and removes it: finds out whether that works here.
    pub(super) async fn try_out(&self, spec: CreateSpec) -> Result<(), RuntimeError> {
        self.0.try_out(spec).await
    }

    /// See [`AnyRuntime::create`](super::AnyRuntime::create).
    ///
    /// # Errors
    /// If the name is taken, the runtime is closing, or the machine does not play along.
    pub async fn create(&self, spec: CreateSpec) -> Result<Created, RuntimeError> {
        let run = |inner: Arc<Inner<T>>| async move { inner.create(spec).await };
        self.to_the_end(run).await
    }

    /// See [`AnyRuntime::exec`](super::AnyRuntime::exec).
    ///
    /// # Errors
    /// If there is no such sandbox, it died, or the work does not fit its limits.
    pub async fn exec(&self, sandbox: SandboxId, work: Work) -> Result<WorkReport, RuntimeError> {
        self.0.exec(sandbox, work).await
    }

    /// See [`AnyRuntime::snapshot`](super::AnyRuntime::snapshot).
    ///
    /// # Errors
    /// If there is no such sandbox, or packing fails; the sandbox is then destroyed.
    pub async fn snapshot(&self, sandbox: SandboxId) -> Result<SnapshotInfo, RuntimeError> {
        let run = |inner: Arc<Inner<T>>| async move { inner.snapshot(sandbox).await };
        self.to_the_end(run).await
    }

    /// See [`AnyRuntime::restore`](super::AnyRuntime::restore).
    ///
    /// # Errors
    /// If there is no such snapshot, or what came back is not what was stored.
    pub async fn restore(
        &self,
        sandbox: SandboxId,
        snapshot: SnapshotId,
    ) -> Result<Created, RuntimeError> {
        let run = move |inner: Arc<Inner<T>>| async move { inner.restore(sandbox, snapshot).await };
        self.to_the_end(run).await
    }

    /// See [`AnyRuntime::destroy`](super::AnyRuntime::destroy).
    ///
    /// # Errors
    /// If there is no such sandbox, or something could not be removed.
    pub async fn destroy(&self, sandbox: SandboxId) -> Result<Span, RuntimeError> {
        let run = move |inner: Arc<Inner<T>>| async move { inner.destroy(sandbox).await };
        self.to_the_end(run).await
    }

    /// See [`AnyRuntime::drop_snapshot`](super::AnyRuntime::drop_snapshot).
    ///
    /// # Errors
    /// If there is no such snapshot, or it cannot be removed.
    pub async fn drop_snapshot(&self, snapshot: SnapshotId) -> Result<(), RuntimeError> {
        let run = move |inner: Arc<Inner<T>>| async move { inner.drop_snapshot(snapshot).await };
        self.to_the_end(run).await
    }

    /// See [`AnyRuntime::abilities`](super::AnyRuntime::abilities).
    pub fn abilities(&self) -> Abilities {
        self.0.tier.abilities()
    }

    /// See [`AnyRuntime::lost_isolation`](super::AnyRuntime::lost_isolation).
    pub fn lost_isolation(&self) -> Vec<LostIsolation> {
        self.0.tier.lost()
    }

    /// See [`AnyRuntime::own_overhead`](super::AnyRuntime::own_overhead).
    ///
    /// # Errors
    /// If the sandbox that this needs cannot be made.
    pub async fn own_overhead(&self) -> Result<Overhead, RuntimeError> {
        const SAMPLES: usize = 101;
        let sandbox = SandboxId(u64::MAX);
        let token = "own-overhead".to_owned();
        self.create(CreateSpec { sandbox, token, limits: super::Limits::default() }).await?;
        let mut trips = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let report = self.exec(sandbox, Work::EMPTY).await?;
            trips.push(report.received.since(report.sent));
        }
        self.destroy(sandbox).await?;
        trips.sort_unstable();
        Ok(Overhead { exec_round_trip: trips[SAMPLES / 2], samples: SAMPLES })
    }

    /// Runs an operation in a task of its own: if whoever waits for it is cancelled, it still comes
    /// to its end, and nothing is left half made.
    async fn to_the_end<V, F, R>(&self, run: F) -> Result<V, RuntimeError>
    where
        V: Send + 'static,
        F: FnOnce(Arc<Inner<T>>) -> R,
        R: Future<Output = Result<V, RuntimeError>> + Send + 'static,
    {
        self.0.under_way.send_modify(|count| *count += 1);
        let under_way = UnderWay(Arc::clone(&self.0));
        if self.0.closing.load(Ordering::SeqCst) {
            return Err(RuntimeError::Closing);
        }
        let operation = run(Arc::clone(&self.0));
        let task = tokio::spawn(async move {
            let outcome = operation.await;
            drop(under_way);
            outcome
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(failure) if failure.is_panic() => std::panic::resume_unwind(failure.into_panic()),
            Err(_) => Err(RuntimeError::Closing),
        }
    }

    /// See [`AnyRuntime::drain`](super::AnyRuntime::drain).
    pub async fn drain(&self, bound: Span) -> Drained {
        let began = self.0.desk.clock.now();
        let left = || bound.saturating_sub(self.0.desk.clock.now().since(began));
        self.0.closing.store(true, Ordering::SeqCst);
        let mut under_way = self.0.under_way.subscribe();
        // What is still under way after the bound is killed below.
        let _ = tokio::time::timeout(left().into(), under_way.wait_for(|count| *count == 0)).await;
        let (sandboxes, snapshots) = self.0.take_all();
        let mut drained = Drained { snapshots, ..Drained::default() };
        let mut stops = tokio::task::JoinSet::new();
        for sandbox in sandboxes {
            let inner = Arc::clone(&self.0);
            let within = left().min(inner.desk.common.stop_within);
            stops.spawn(async move { inner.remove(sandbox.slot, Some(&sandbox), within).await });
        }
        while let Some(stopped) = stops.join_next().await {
            match stopped {
                Ok(Ok(true)) => drained.killed += 1,
                Ok(Ok(false)) => drained.stopped += 1,
                Ok(Err(error)) => drained.left.push(error.to_string()),
                Err(error) => drained.left.push(error.to_string()),
            }
        }
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || inner.end_now()).await {
            Ok(rest) => {
                drained.killed += rest.killed;
                // What the gentle way could not remove, the end may have.
                drained.left = rest.left;
            }
            Err(error) => drained.left.push(error.to_string()),
        }
        drained
    }

    /// See [`AnyRuntime::kill_now`](super::AnyRuntime::kill_now).
    pub fn kill_now(&self) -> Drained {
        let (_, snapshots) = self.0.take_all();
        Drained { snapshots, ..self.0.end_now() }
    }
}

impl<T: Tier> Inner<T> {
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self, sandbox: SandboxId) -> Result<Arc<Sandbox<T>>, RuntimeError> {
        match self.table().sandboxes.get(&sandbox) {
            Some(Place::Running(running)) => Ok(Arc::clone(running)),
            _ => Err(RuntimeError::UnknownSandbox(sandbox)),
        }
    }

    /// Takes a running sandbox out of the table, so that nobody else finds it.
    fn take(&self, sandbox: SandboxId) -> Result<Arc<Sandbox<T>>, RuntimeError> {
        let mut table = self.table();
        match table.sandboxes.remove(&sandbox) {
            Some(Place::Running(running)) => Ok(running),
            Some(Place::Taken) => {
                table.sandboxes.insert(sandbox, Place::Taken);
                Err(RuntimeError::UnknownSandbox(sandbox))
            }
            None => Err(RuntimeError::UnknownSandbox(sandbox)),
        }
    }

    fn take_all(&self) -> (Vec<Arc<Sandbox<T>>>, u64) {
        let mut table = self.table();
        let snapshots = std::mem::take(&mut table.snapshots).len() as u64;
        let places = std::mem::take(&mut table.sandboxes).into_values();
        let running = places.filter_map(|place| match place {
            Place::Running(sandbox) => Some(sandbox),
            Place::Taken => None,
        });
        (running.collect(), snapshots)
    }

    /// Kills whatever runs and removes whatever is there. Blocks, needs no tokio runtime, and the
    /// second time does nothing but wait for the first.
    fn end_now(&self) -> Drained {
        self.closing.store(true, Ordering::SeqCst);
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *ended, true) {
            return Drained::default();
        }
        let (killed, mut left) = self.tier.kill_all();
        if !self.desk.gate.shut(FILES_WITHIN) {
            left.push("file work on a sandbox does not end".into());
        }
        left.extend(self.tier.clear_all(&self.desk));
        if left.is_empty()
            && let Err(error) = self.desk.journal.end()
        {
            left.push(error.to_string());
        }
        // If something is left the journal is too, so that it is known whose it is.
        Drained { killed, left, ..Drained::default() }
    }
}

impl<T: Tier> Drop for Inner<T> {
    fn drop(&mut self) {
        self.end_now();
    }
}
