//! A live run: one loop that owns all state, and operations beside it.
//!
//! 1. Sessions arrive at their planned instants, whatever the backend does.
//! 2. Each event is handed to the conduct with the instant it was *due*, so that time which the
//!    driver or the backend lost counts as response time (no coordinated omission).
//! 3. Operations run as tasks; their ends come back with the instant at which they ended.
//! 4. When every session has left, or a cap or a signal says stop, all that lives is destroyed.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::caps::{Caps, CapsLedger, DropCounts};
use super::clock::Clock;
use super::lateness::Lateness;
use super::live::{Done, Live};
use super::machine::{CpuTime, machine_since};
use super::pacing::PacingError;
use super::runtime::{AnyRuntime, Drained, LostIsolation, Overhead, RuntimeError};
use super::samples::Samples;
use super::shutdown::{RunGuard, Shutdown};
use crate::conduct::{Conduct, Logged, Setup};
use crate::measure::Totals;
use crate::measure::record::MachineRecord;
use crate::scenario::types::Live as LiveOptions;
use crate::units::{Limit, Span, Time};

/// How long a run may take to destroy what it made.
const DRAIN_WITHIN: Span = Span::from_secs(20);

/// Time between the resolved start and the first intended instant: the loop is up by then.
const LEAD: Span = Span::from_millis(20);

/// A driver that is later than this at the 99th percentile measured itself.
const LATE_AT_MOST: Span = Span::from_millis(10);

/// Why a live run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The timer is not to be had.
    #[error(transparent)]
    Pacing(#[from] PacingError),
    /// The backend does not work.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The driver's own event loop or signal handlers are not to be had.
    #[error("the driver's event loop cannot be started: {0}")]
    Loop(#[from] std::io::Error),
}

/// How a live run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveFinish {
    /// Every session left.
    Complete,
    /// A signal asked it to stop.
    Interrupted,
    /// It lasted as long as it may.
    CutShort,
}

/// What a live run came to.
#[derive(Debug)]
pub struct LiveOutcome {
    /// What was measured, by the same recorder as a simulation's.
    pub totals: Totals,
    /// How it ended.
    pub finish: LiveFinish,
    /// Control effects by session.
    pub log: Vec<Logged>,
    /// Single operations and turns.
    pub samples: Samples,
    /// How late the driver was.
    pub lateness: Lateness,
    /// Sessions planned.
    pub planned: u64,
    /// Sessions that were let through all caps.
    pub started: u64,
    /// Sessions dropped at a cap.
    pub dropped: u64,
    /// Drops by cap, single requests.
    pub drops: DropCounts,
    /// Failures of the backend, all counted, the first of them told.
    pub trouble_count: u64,
    /// The first of them.
    pub troubles: Vec<String>,
    /// What the driver itself adds to a call.
    pub overhead: Overhead,
    /// Isolation that could not be had here.
    pub lost_isolation: Vec<LostIsolation>,
    /// What was still there at the end.
    pub drained: Drained,
    /// What became of the machine's CPU time; none where it does not tell.
    pub machine: Option<MachineRecord>,
}

impl LiveOutcome {
    /// Whether the machine was robbed of so much CPU time that the run's times say more of its neighbours.
    pub fn stolen(&self) -> Option<String> {
        let machine = self.machine?;
        let share = machine.stolen_share();
        (share > MachineRecord::STOLEN_AT_MOST).then(|| {
            format!(
                "the hypervisor gave {:.0}% of the CPU time that this machine wanted to others ({:.1} s of {:.1} s): \
                 times are longer than it would need alone; drive again at a quieter time",
                share * 100.0,
                machine.stolen_s,
                machine.busy_s + machine.stolen_s
            )
        })
    }

    /// Why the run says more of the driver than of the backend, if it does.
    pub fn invalid(&self) -> Option<String> {
        let late = self.lateness.p99();
        (late > LATE_AT_MOST).then(|| {
            format!(
                "the driver was late: p99 {:.1} ms of {} paced instants, at most {} allowed",
                late.seconds() * 1e3,
                self.lateness.count(),
                LATE_AT_MOST
            )
        })
    }
}

/// Drives the sessions of a setup against a backend, destroying all it made before it returns.
///
/// `clock` must be the runtime's; `on_progress` is told how many sessions have left.
///
/// # Errors
///
/// If the timer or the backend does not work at all. What fails in single operations is counted.
pub async fn drive(
    setup: &Arc<Setup>,
    options: &LiveOptions,
    runtime: AnyRuntime,
    clock: Clock,
    shutdown: &Shutdown,
    on_progress: impl Fn(u64) + Send,
) -> Result<LiveOutcome, DriveError> {
    let overhead = runtime.own_overhead().await?;
    let lost_isolation = runtime.lost_isolation();
    let caps = CapsLedger::new(Caps {
        alive: Limit::at_most(options.max_alive),
        creates: options.max_creates,
        run_length: options.max_run,
        snapshot_bytes: options.snapshot_store,
    });
    let guard = RunGuard::new(runtime.clone(), DRAIN_WITHIN);
    // The run's own time line starts when everything is up.
    let zero = clock.now() + LEAD;
    let run = format!("{:016x}", clock.monotonic_at(zero));
    let (live, ends) =
        Live::new(setup, runtime, caps.clone(), clock.starting_at(zero), zero, &run)?;
    let mut loop_ = Loop { conduct: Conduct::new(setup, 0), live, ends };
    loop_.conduct.keep_log();
    loop_.conduct.recorder().keep_turns();
    let before = CpuTime::now();
    let finish = loop_.run(shutdown, options.max_run, on_progress).await?;
    let machine = machine_since(before).map(|machine| loop_.live.tell(machine));
    let end = loop_.live.clock.now();
    let drained = guard.finish(shutdown).await;
    let Loop { mut conduct, mut live, .. } = loop_;
    let log = conduct.take_log();
    live.samples.turns = conduct.recorder().take_turns();
    let planned = setup.sessions.unwrap_or(conduct.arrived());
    let dropped = live.dropped_sessions.len() as u64 + (planned - conduct.arrived());
    Ok(LiveOutcome {
        totals: conduct.finish(end, 0),
        finish,
        log,
        samples: live.samples,
        lateness: live.lateness,
        planned,
        started: planned - dropped,
        dropped,
        drops: caps.dropped(),
        trouble_count: live.trouble_count,
        troubles: live.troubles,
        overhead,
        lost_isolation,
        drained,
        machine,
    })
}

struct Loop {
    conduct: Conduct<Live>,
    live: Live,
    ends: mpsc::UnboundedReceiver<Done>,
}

impl Loop {
    async fn run(
        &mut self,
        shutdown: &Shutdown,
        max_run: Span,
        on_progress: impl Fn(u64) + Send,
    ) -> Result<LiveFinish, DriveError> {
        self.conduct.open(&mut self.live);
        let sleeper = self.live.sleeper();
        let mut deadline = pin!(sleeper.sleep_until(Time::ZERO + max_run));
        let mut told = 0;
        loop {
            if self.conduct.left() != told {
                told = self.conduct.left();
                on_progress(told);
            }
            if self.conduct.finished() {
                self.settle(shutdown).await;
                return Ok(LiveFinish::Complete);
            }
            tokio::select! {
                biased;
                _ = shutdown.asked() => return Ok(LiveFinish::Interrupted),
                _ = &mut deadline => return Ok(LiveFinish::CutShort),
                Some(done) = self.ends.recv() => self.ended(done),
                // Where nothing is scheduled an operation must end before anything can happen.
                due = self.live.next(), if self.live.has_scheduled() => {
                    if let Some((at, event)) = due? {
                        self.conduct.handle(at, event, &mut self.live);
                    }
                }
            }
        }
    }

    /// What was due before the end of an operation comes first.
    fn ended(&mut self, done: Done) {
        while let Some((at, event)) = self.live.try_next() {
            self.conduct.handle(at, event, &mut self.live);
        }
        let at = done.at;
        if let Some(event) = self.live.take(done) {
            self.conduct.handle(at, event, &mut self.live);
        }
    }

    /// Lets removals that are under way end, so that nothing is counted as left behind.
    async fn settle(&mut self, shutdown: &Shutdown) {
        while self.live.under_way() > 0 && shutdown.asked_by().is_none() {
            let Some(done) = self.ends.recv().await else { return };
            self.live.take(done);
        }
    }
}
