//! A self-test against coordinated omission: the backend stops once, and the driver must see it.
//!
//! A driver that waits for one request before it starts the next, or that measures from the actual
//! start, sees one slow request where hundreds of users would have waited. Here the truth follows
//! from the schedule alone: who was due at `t` inside the stall waited until its end.

use std::io;
use std::thread;

use crate::drive::caps::{Caps, CapsLedger};
use crate::drive::clock::Clock;
use crate::drive::lateness::Lateness;
use crate::drive::open_loop::{OpenLoopError, OpenLoopReport, open_loop};
use crate::drive::pacing::{Pacer, Sleeper};
use crate::drive::runtime::instant::{InstantDelays, Stall};
use crate::drive::runtime::{AnyRuntime, InstantRuntime};
use crate::units::{Limit, Ratio, Span, Time};

/// How far the reported p99 may be from the truth.
const TOLERANCE: f64 = 0.02;

/// The self-test's schedule.
#[derive(Clone, Copy, Debug)]
pub struct StallPlan {
    /// Starts per second.
    pub per_second: u64,
    /// How long the schedule is.
    pub lasts: Span,
    /// When the runtime stops, from the first start.
    pub stall_at: Span,
    /// For how long it stops.
    pub stall: Span,
}

impl Default for StallPlan {
    /// 1,000 starts a second for five seconds; the runtime stops for 500 ms after two.
    fn default() -> Self {
        StallPlan {
            per_second: 1000,
            lasts: Span::from_secs(5),
            stall_at: Span::from_secs(2),
            stall: Span::from_millis(500),
        }
    }
}

/// What the self-test found.
#[derive(Clone, Debug)]
pub struct StallReport {
    /// Starts in the schedule.
    pub planned: u64,
    /// Starts made; the rest were dropped.
    pub started: u64,
    /// The 99th percentile of response times as the driver measured it.
    pub p99_reported: Span,
    /// The same, computed from the schedule.
    pub p99_true: Span,
    /// How late the driver was.
    pub lateness: Lateness,
}

impl StallReport {
    /// Relative distance of the reported p99 from the truth.
    pub fn error(&self) -> Ratio {
        let truth = self.p99_true.seconds();
        Ratio((self.p99_reported.seconds() - truth).abs() / truth)
    }

    /// Whether nothing was dropped and the reported p99 is within 2% of the truth.
    pub fn passes(&self) -> bool {
        self.started == self.planned && self.error().0 <= TOLERANCE
    }
}

/// Why the self-test could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StallError {
    /// No thread or event loop can be had.
    #[error("cannot start the self-test: {0}; raise `ulimit -u` and `ulimit -n`")]
    Start(#[from] io::Error),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] OpenLoopError),
    /// A stall shorter than 1% of the schedule does not reach the p99.
    #[error("the stall of {stall} is too short to show in the p99 of {lasts}; make it longer")]
    TooShort {
        /// The stall.
        stall: Span,
        /// The schedule.
        lasts: Span,
    },
}

/// Runs the self-test, on a thread of its own. Takes as long as its schedule.
///
/// # Errors
/// If the plan shows nothing, or the run fails.
pub fn stall_self_test(plan: StallPlan) -> Result<StallReport, StallError> {
    if plan.stall.seconds() <= 0.01 * plan.lasts.seconds() {
        return Err(StallError::TooShort { stall: plan.stall, lasts: plan.lasts });
    }
    let thread = thread::Builder::new().name("plimsoll-stall".into());
    let run = thread.spawn(move || -> Result<StallReport, StallError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(plan))
    })?;
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn run(plan: StallPlan) -> Result<StallReport, StallError> {
    let clock = Clock::start();
    // A little ahead, so that the first start is not late for lack of preparation.
    let base = clock.now() + Span::from_millis(20);
    let stall = Stall { at: base + plan.stall_at, lasts: plan.stall };
    let delays = InstantDelays { stall: Some(stall), ..InstantDelays::default() };
    let sleeper = Sleeper::start(clock).map_err(OpenLoopError::from)?;
    let backend = AnyRuntime::Instant(InstantRuntime::with_delays(sleeper, delays));
    let schedule = schedule(plan, base);
    let caps = CapsLedger::new(Caps {
        alive: Limit::UNLIMITED,
        creates: Limit::UNLIMITED,
        run_length: Span::MAX,
        ..Caps::default()
    });
    let pacer = Pacer::new(clock).map_err(OpenLoopError::from)?;
    let p99_true = true_p99(&schedule, stall);
    let OpenLoopReport { planned, started, response, lateness, .. } =
        open_loop(&backend, &caps, pacer, schedule).await?;
    Ok(StallReport { planned, started, p99_reported: response.p99(), p99_true, lateness })
}

fn schedule(plan: StallPlan, base: Time) -> Vec<Time> {
    let count = (plan.lasts.seconds() * plan.per_second as f64) as u64;
    let gap = 1_000_000_000 / plan.per_second.max(1);
    (0..count).map(|k| base + Span::from_nanos(k * gap)).collect()
}

/// By rank ⌈0.99·n⌉, as the histogram's.
fn true_p99(schedule: &[Time], stall: Stall) -> Span {
    let mut waits: Vec<Span> = schedule.iter().map(|at| stall.resumes(*at).since(*at)).collect();
    waits.sort_unstable();
    let rank = (waits.len() * 99).div_ceil(100);
    waits.get(rank.saturating_sub(1)).copied().unwrap_or(Span::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_follows_from_the_schedule() {
        // 5,000 starts a millisecond apart; the longest waits are 500, 499, … ms, and the rank
        // ⌈0.99 · 5000⌉ = 4950 is the 51st from the top: 450 ms.
        let plan = StallPlan::default();
        let stall = Stall { at: Time::ZERO + plan.stall_at, lasts: plan.stall };
        let truth = true_p99(&schedule(plan, Time::ZERO), stall);
        assert_eq!(truth, Span::from_millis(450));
    }

    #[test]
    fn a_stall_is_reported_as_the_users_saw_it() {
        let plan = StallPlan {
            lasts: Span::from_secs(1),
            stall_at: Span::from_millis(300),
            ..StallPlan::default()
        };
        let report = stall_self_test(plan).unwrap();
        assert_eq!(report.planned, report.started);
        assert!(report.passes(), "{report:?}");
    }

    #[test]
    fn a_stall_that_cannot_show_is_refused() {
        let plan = StallPlan { stall: Span::from_millis(50), ..StallPlan::default() };
        assert!(matches!(stall_self_test(plan), Err(StallError::TooShort { .. })));
    }
}
