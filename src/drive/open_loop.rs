//! The plainest open-loop run: one sandbox made and destroyed at each instant of a schedule.
//!
//! It exists to hold the driver itself to account: how late it starts, whether it drops, and whether
//! it measures from the intended start, so that a backend that stops is seen to have stopped.

use tokio::sync::mpsc;

use super::caps::{CapsLedger, DropCounts};
use super::lateness::Lateness;
use super::pacing::{Pacer, PacingError};
use super::runtime::{AnyRuntime, CreateSpec, Limits, RuntimeError, SandboxId};
use crate::units::Time;

/// Why an open-loop run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum OpenLoopError {
    /// The timer failed.
    #[error(transparent)]
    Pacing(#[from] PacingError),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// What an open-loop run saw. Planned = started + dropped.
#[derive(Clone, Debug, Default)]
pub struct OpenLoopReport {
    /// Instants in the schedule.
    pub planned: u64,
    /// Starts that were made.
    pub started: u64,
    /// Starts that a cap forbade.
    pub dropped: DropCounts,
    /// From the intended start until the work began to be asked for: the driver's own fault.
    pub lateness: Lateness,
    /// From the intended start until the sandbox was ready: what a user would have seen.
    pub response: Lateness,
    /// From the actual start until the sandbox was ready.
    pub service: Lateness,
}

struct Outcome {
    intended: Time,
    actual: Time,
    ready: Time,
    failed: Option<RuntimeError>,
}

/// Runs a schedule to its end and waits for the last sandbox.
///
/// # Errors
/// If the timer fails, or the runtime refuses a sandbox.
pub async fn open_loop(
    runtime: &AnyRuntime,
    caps: &CapsLedger,
    mut pacer: Pacer<u64>,
    schedule: impl IntoIterator<Item = Time>,
) -> Result<OpenLoopReport, OpenLoopError> {
    let clock = pacer.clock();
    let mut report = OpenLoopReport::default();
    for at in schedule {
        pacer.schedule(at, report.planned);
        report.planned += 1;
    }
    let (tell, mut told) = mpsc::unbounded_channel();
    while let Some(due) = pacer.next().await? {
        let Ok(place) = caps.admit(due.woke) else { continue };
        report.started += 1;
        let (runtime, tell) = (runtime.clone(), tell.clone());
        tokio::spawn(async move {
            let sandbox = SandboxId(due.item);
            let spec = CreateSpec { sandbox, token: String::new(), limits: Limits::default() };
            let actual = clock.now();
            let created = runtime.create(spec).await;
            let ready = clock.now();
            let destroyed = match &created {
                Ok(_) => runtime.destroy(sandbox).await,
                Err(_) => Ok(crate::units::Span::ZERO),
            };
            drop(place);
            let failed = created.err().or(destroyed.err());
            // Nobody listens only if the run has failed already.
            let _ = tell.send(Outcome { intended: due.intended, actual, ready, failed });
        });
    }
    drop(tell);
    while let Some(outcome) = told.recv().await {
        if let Some(error) = outcome.failed {
            return Err(error.into());
        }
        report.lateness.record(outcome.intended, outcome.actual);
        report.response.record(outcome.intended, outcome.ready);
        report.service.record(outcome.actual, outcome.ready);
    }
    report.dropped = caps.dropped();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::caps::Caps;
    use crate::drive::clock::Clock;
    use crate::drive::runtime::InstantRuntime;
    use crate::units::{Limit, Span};

    #[test]
    fn planned_is_started_plus_dropped() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let report = runtime.block_on(async {
            let clock = Clock::start();
            let backend = AnyRuntime::Instant(InstantRuntime::at_once(clock));
            let caps = CapsLedger::new(Caps { creates: Limit::at_most(30), ..Caps::default() });
            let base = clock.now();
            let schedule = (0..50_u64).map(|k| base + Span::from_nanos(k * 100_000));
            let pacer = Pacer::new(clock).unwrap();
            open_loop(&backend, &caps, pacer, schedule).await.unwrap()
        });
        assert_eq!((report.planned, report.started), (50, 30));
        assert_eq!(report.dropped.total(), 20);
        assert_eq!(report.response.count(), 30);
    }
}
