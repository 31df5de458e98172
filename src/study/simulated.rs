//! A scenario's record: designed, replicated until decided, assembled and judged.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::design::{DesignError, design};
use super::replicate::until_decided;
use crate::boundary::{self, Boundaries, ExprError};
use crate::conduct::{RunOptions, Setup};
use crate::measure::record::{Kind, Quality, Run, Verdict};
use crate::measure::{RunInput, Totals};
use crate::scenario::types::{Replications, Scenario};
use crate::sim::{Finish, Outcome, Watch};
use crate::units::Span;
use crate::workload::plan::SessionPlan;

/// A simulated record and what does not stand in it.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The record, judged.
    pub run: Run,
    /// All verdicts together.
    pub outcome: boundary::Outcome,
    /// What each replication measured, for series and histograms.
    pub totals: Vec<Totals>,
    /// Where the warm-up came from, for people.
    pub warmup_reason: String,
    /// It was stopped from outside: the record holds what had been measured by then.
    pub interrupted: bool,
}

/// Why a scenario has no record.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// It cannot be studied as asked.
    #[error(transparent)]
    Design(#[from] DesignError),
    /// A boundary is no expression.
    #[error("boundary `{name}`: {error}")]
    Boundary {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: ExprError,
    },
    /// It was stopped from outside before anything was measured.
    #[error("stopped before anything was measured")]
    NothingMeasured,
}

/// The hash of a resolved scenario: SHA-256 of its JSON, in hexadecimal.
pub fn hash(scenario: &Scenario) -> String {
    let json = serde_json::to_vec(scenario).expect("a scenario has string keys only");
    Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Simulates a scenario on rayon's current pool. `warnings` of whoever read its trace go into the
/// record.
///
/// # Errors
/// If the scenario cannot be run, a boundary cannot be read, or nothing was measured.
pub fn simulated(
    scenario: &Scenario,
    recorded: Option<Arc<Vec<SessionPlan>>>,
    options: &RunOptions,
    warnings: &[String],
    watch: &Watch,
) -> Result<Simulated, SimulateError> {
    let boundaries = Boundaries::parse(&scenario.boundaries).map_err(|errors| {
        let (name, error) = errors.into_iter().next().expect("a failed reading names an error");
        SimulateError::Boundary { name, error }
    })?;
    let study = design(scenario, recorded, options, watch)?;
    let setup = &study.design.setup;
    let judge = Judge {
        scenario,
        boundaries,
        hash: hash(scenario),
        models: setup.models.iter().map(|(name, _)| name.clone()).collect(),
        warnings: warnings.iter().chain(&study.warnings).cloned().collect(),
        exact: super::exact::is_exact(scenario, setup),
        warmup: study.design.horizon.warmup,
    };
    let looks = judge.looks();
    let outcomes =
        until_decided(&study.design, &looks, watch, |outcomes| judge.is_decided(outcomes));
    let (run, outcome, totals) = judge.record(outcomes).ok_or(SimulateError::NothingMeasured)?;
    let interrupted =
        watch.stop.load(std::sync::atomic::Ordering::Relaxed) && !run.quality.complete;
    Ok(Simulated { run, outcome, totals, warmup_reason: study.warmup_reason, interrupted })
}

/// Fills in the verdicts and the stage of a record.
pub fn judge(run: &mut Run, boundaries: &Boundaries, scenario: &Scenario) -> boundary::Outcome {
    let judgement = boundaries.judge(run);
    run.boundaries = judgement.boundaries;
    let policies = scenario.platform.governance.policies.len() as u64;
    run.stage = Some(boundary::stage(run, scenario.platform.isolation.name(), policies));
    judgement.outcome
}

/// What turns outcomes into a judged record.
struct Judge<'a> {
    scenario: &'a Scenario,
    boundaries: Boundaries,
    hash: String,
    models: Vec<String>,
    warnings: Vec<String>,
    exact: bool,
    warmup: Span,
}

impl Judge<'_> {
    /// Replications at which to look. Where nothing is random one says all.
    fn looks(&self) -> Vec<u32> {
        match &self.scenario.experiment.replications {
            Replications::Fixed(n) => vec![*n],
            Replications::Until(_) if self.exact => vec![1],
            Replications::Until(looks) => looks.looks.clone(),
        }
    }

    fn is_decided(&self, outcomes: &[Outcome]) -> bool {
        let totals: Vec<Totals> = outcomes.iter().map(|o| o.totals.clone()).collect();
        let (run, _) = self.assemble(&totals, Quality { exact: self.exact, ..Quality::default() });
        run.boundaries.values().all(|b| b.verdict != Verdict::Inconclusive)
    }

    /// The record of what is usable; `None` where that is nothing.
    fn record(&self, outcomes: Vec<Outcome>) -> Option<(Run, boundary::Outcome, Vec<Totals>)> {
        let mut warnings = self.warnings.clone();
        let started = outcomes.len();
        let stuck = outcomes.iter().filter(|o| o.finish == Finish::Stuck).count();
        if stuck > 0 {
            warnings.push(format!(
                "{stuck} of {started} replications stopped with sessions that wait for slots which nobody frees: \
                 raise `max_concurrent`, or let idle sandboxes go (`platform.idle`)"
            ));
        }
        let interrupted = outcomes.iter().any(|o| o.finish == Finish::Interrupted);
        let usable = usable(outcomes, self.warmup);
        if interrupted {
            warnings.push(format!(
                "interrupted: {} of {started} replications under way are in this record",
                usable.len()
            ));
        }
        if usable.is_empty() {
            return None;
        }
        let complete = !interrupted && stuck == 0;
        let quality =
            Quality { complete, exact: self.exact && complete, warnings, ..Quality::default() };
        let (run, outcome) = self.assemble(&usable, quality);
        Some((run, outcome, usable))
    }

    fn assemble(&self, totals: &[Totals], quality: Quality) -> (Run, boundary::Outcome) {
        let mut run = Run::assemble(RunInput {
            kind: Kind::Simulated,
            scenario: self.scenario,
            hash: self.hash.clone(),
            seed: self.scenario.experiment.seed,
            models: &self.models,
            replications: totals,
            quality,
        });
        let outcome = judge(&mut run, &self.boundaries, self.scenario);
        (run, outcome)
    }
}

/// Complete replications; where there is none, those that were cut short after their warm-up.
fn usable(outcomes: Vec<Outcome>, warmup: Span) -> Vec<Totals> {
    let (whole, cut): (Vec<Outcome>, Vec<Outcome>) =
        outcomes.into_iter().partition(|o| o.finish != Finish::Interrupted);
    if !whole.is_empty() {
        return whole.into_iter().map(|o| o.totals).collect();
    }
    let measuring = |t: &Totals| t.began.seconds() >= warmup.seconds() && t.ended > t.began;
    cut.into_iter().map(|o| o.totals).filter(measuring).collect()
}

/// The resolved setup of a scenario, for whoever explains it without running.
///
/// # Errors
/// If the scenario contradicts itself or leaves out what is needed.
pub fn setup(
    scenario: &Scenario,
    recorded: Option<Arc<Vec<SessionPlan>>>,
) -> Result<Setup, DesignError> {
    Ok(Setup::new(scenario, recorded, &RunOptions::default())?)
}
