//! The live half of `run` and `drive`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::load::Ready;
use super::observed::{Look, observed};
use super::progress::Progress;
use crate::boundary::{Boundaries, LiveSessions, Outcome, TierKnown};
use crate::conduct::Setup;
use crate::drive::{self, Backend, DriveError, LiveFinish, LiveOutcome};
use crate::measure::record::Run;
use crate::scenario::types::{Live, RuntimeName, Scenario, Target};
use crate::study::{self, ModelError};

/// A live run and its record.
#[derive(Debug)]
pub struct Lived {
    /// The piece that was driven, as a scenario.
    pub piece: Scenario,
    /// The same, resolved.
    pub setup: Arc<Setup>,
    /// What it came to.
    pub outcome: LiveOutcome,
    /// What it came to once more, if it was driven again.
    pub again: Option<LiveOutcome>,
    /// Its record.
    pub run: Run,
    /// What its sandboxes were.
    pub isolation: TierKnown,
    /// Its sessions, which its boundaries are judged over.
    sessions: LiveSessions,
}

impl Lived {
    /// Judges its boundaries again, now that its twin's error is known, and puts what they say of that
    /// error into the record at full scale; all verdicts of that record together.
    ///
    /// # Errors
    /// If a boundary is no expression.
    pub fn with_model_error(
        &mut self,
        error: &ModelError,
        full: &mut Run,
    ) -> Result<Outcome, Failure> {
        let sessions = self.sessions.clone().with_model_error(error.sizes());
        let boundaries = boundaries(&self.piece)?;
        study::judge_live(&mut self.run, &boundaries, &self.piece, (&sessions, &self.isolation));
        Ok(boundaries.with_model_error(full, &self.run))
    }

    /// Whether it is whole and tells of the backend; not what its boundaries say, for one run has no
    /// intervals.
    pub fn exit(&self) -> Exit {
        match self.outcome.finish {
            LiveFinish::Interrupted => Exit::Interrupted,
            LiveFinish::CutShort => Exit::Inconclusive,
            LiveFinish::Complete if self.run.quality.valid => Exit::Yes,
            LiveFinish::Complete => Exit::Inconclusive,
        }
    }
}

/// The live section of a scenario.
///
/// # Errors
/// If it has none.
pub fn options(scenario: &Scenario) -> Result<&Live, Failure> {
    scenario.live.as_ref().ok_or_else(|| {
        Failure::new(Exit::Usage, "the scenario does not say what to drive: it has no `live`")
            .help("add `live: {sessions: 20, max_alive: 8, compress_time: 60}`, or use `plimsoll simulate`")
    })
}

/// Drives the live piece of a scenario.
///
/// # Errors
/// If it has none, or the backend does not work.
pub fn drive(ready: &Ready, interrupt: &Interrupt, console: &Console) -> Result<Lived, Failure> {
    let scenario = &ready.loaded.value;
    let live = options(scenario)?;
    let (piece, set) = study::piece(scenario, live);
    let recorded = ready.recorded.as_ref().map(Arc::clone);
    let setup = Setup::new(&piece, recorded, &set);
    let setup = Arc::new(setup.map_err(|error| Failure::of(Exit::Usage, &error))?);
    let passes = live.repeat.max(1);
    let what = |number: u32| match passes {
        1 => "driving".to_owned(),
        _ => format!("driving, pass {number} of {passes}"),
    };
    let outcome = pass(&setup, live, &what(1), interrupt, console)?;
    let mut again = None;
    for number in 2..=passes {
        if again.as_ref().unwrap_or(&outcome).finish != LiveFinish::Complete {
            break;
        }
        again = Some(pass(&setup, live, &what(number), interrupt, console)?);
    }
    let mut run = study::live_record(&piece, &setup, &outcome);
    let sessions = LiveSessions::of(&outcome.totals, &outcome.samples.turns);
    // The look, too, has sandboxes to remove before the process may end.
    interrupt.set_simulating(false);
    let isolation = isolation(&live.target, again.as_ref().unwrap_or(&outcome).finish);
    interrupt.set_simulating(true);
    study::judge_live(&mut run, &boundaries(&piece)?, &piece, (&sessions, &isolation));
    ready.trace(&mut run.cost);
    Ok(Lived { piece, setup, outcome, again, run, isolation, sessions })
}

/// What the sandboxes of a run that has ended are, by looking into two more of them.
fn isolation(target: &Target, finish: LiveFinish) -> TierKnown {
    if target.runtime == RuntimeName::Instant {
        return TierKnown::Unobserved("the instant runtime makes no sandboxes".to_owned());
    }
    if finish != LiveFinish::Complete {
        return TierKnown::Unobserved("the run did not go on to its end".to_owned());
    }
    match observed(target, Look::Tier) {
        Ok(Some((seen, _))) => {
            TierKnown::Observed(seen.tier.name().to_owned(), seen.because.join("; "))
        }
        Ok(None) => TierKnown::Unobserved("interrupted while looking into a sandbox".to_owned()),
        Err(error) => TierKnown::Unobserved(format!("no sandbox could be looked into: {error}")),
    }
}

/// Drives the piece once; `what` is told while it goes on.
///
/// # Errors
/// If the backend does not work.
pub fn pass(
    setup: &Arc<Setup>,
    live: &Live,
    what: &str,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<LiveOutcome, Failure> {
    let backend = Backend::named(&live.target).map_err(|error| unavailable(&error))?;
    let left = Arc::new(AtomicU64::new(0));
    let planned = setup.sessions.unwrap_or(live.sessions);
    interrupt.set_simulating(false);
    let outcome = {
        let _progress = Progress::sessions(what, &left, planned, console);
        let counted = Arc::clone(&left);
        drive::run(setup, live, backend, move |n| counted.store(n, Ordering::Relaxed))
    };
    interrupt.set_simulating(true);
    outcome.map_err(|error| unavailable(&error))
}

/// Judges a record that `study` did not judge.
///
/// # Errors
/// If a boundary is no expression.
pub fn judge(run: &mut Run, scenario: &Scenario, isolation: &TierKnown) -> Result<(), Failure> {
    study::judge(run, &boundaries(scenario)?, scenario, isolation);
    Ok(())
}

fn boundaries(scenario: &Scenario) -> Result<Boundaries, Failure> {
    Boundaries::parse(&scenario.boundaries).map_err(|errors| {
        let named = errors.iter().map(|(name, error)| format!("boundary `{name}`: {error}"));
        Failure::new(Exit::Usage, named.collect::<Vec<_>>().join("; "))
    })
}

/// A failure of a backend that does not work here.
pub fn unavailable(error: &DriveError) -> Failure {
    Failure::of(Exit::Environment, error).help("`plimsoll doctor` tells what works on this machine")
}
