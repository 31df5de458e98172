//! A scenario's record: designed, replicated until decided, assembled and judged.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::changes;
use super::design::{Arms, DesignError, arms};
use super::looks::LookPlan;
use super::replicate::{Design, until_decided};
use super::windows::NamedWindow;
use crate::boundary::{
    self, Boundaries, ExprError, Judgement, Levels, LiveSessions, Parts, TierKnown,
};
use crate::conduct::{RunOptions, Setup};
use crate::measure::record::{
    BaselineRecord, BoundaryRecord, InputRecord, Kind, PartRecord, Quality, Run, Verdict,
    WindowRecord,
};
use crate::measure::{RunInput, Totals};
use crate::scenario::types::{Input, Scenario};
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
    let arms = arms(scenario, recorded, options, watch)?;
    let judge = Judge::new(scenario, boundaries, &arms, warnings);
    let designs: Vec<&Design> = judge.arms.iter().map(|arm| arm.design.as_ref()).collect();
    let mut open = Vec::new();
    let outcomes = until_decided(&designs, &judge.plan.looks, watch, |look, outcomes| {
        open.push(judge.still_open(look, outcomes));
        open.last().is_some_and(Vec::is_empty)
    });
    let (mut run, outcome, totals) =
        judge.record(outcomes, open).ok_or(SimulateError::NothingMeasured)?;
    run.provisioned = super::provisioned::provisioned(&run, scenario);
    let headroom = scenario.experiment.headroom;
    run.quotas = super::quotas::verdicts(&arms.own.design, &totals, headroom, watch);
    let interrupted =
        watch.stop.load(std::sync::atomic::Ordering::Relaxed) && !run.quality.complete;
    let warmup_reason = arms.own.warmup_reason;
    Ok(Simulated { run, outcome, totals, warmup_reason, interrupted })
}

/// Fills in the verdicts and the stage of a record that stands by itself.
pub fn judge(
    run: &mut Run,
    boundaries: &Boundaries,
    scenario: &Scenario,
    isolation: &TierKnown,
) -> boundary::Outcome {
    let judgement = boundaries.judge(run);
    fill(run, judgement, scenario, isolation)
}

/// The same of a live run, over its sessions.
pub fn judge_live(
    run: &mut Run,
    boundaries: &Boundaries,
    scenario: &Scenario,
    (sessions, isolation): (&LiveSessions, &TierKnown),
) -> boundary::Outcome {
    let parts = Parts { sessions: Some(sessions), ..Parts::of(run) };
    let judgement = boundaries.judge_parts(&parts, &Levels::USUAL);
    fill(run, judgement, scenario, isolation)
}

fn fill(
    run: &mut Run,
    judgement: Judgement,
    scenario: &Scenario,
    isolation: &TierKnown,
) -> boundary::Outcome {
    run.boundaries = judgement.boundaries;
    let policies = scenario.platform.governance.policies.len() as u64;
    run.stage = Some(boundary::stage(run, isolation, policies));
    judgement.outcome
}

/// One arm: a platform under the demand.
struct Arm<'a> {
    scenario: &'a Scenario,
    design: Cow<'a, Design>,
    models: Vec<String>,
    exact: bool,
}

impl<'a> Arm<'a> {
    fn new(scenario: &'a Scenario, design: &'a Design) -> Self {
        let models = design.setup.models.iter().map(|(name, _)| name.clone()).collect();
        let exact = scenario.experiment.input == Input::Fixed
            && super::exact::is_exact(scenario, &design.setup);
        Arm { scenario, design: Cow::Borrowed(design), models, exact }
    }

    /// The same with demand drawn again.
    fn resampled(&self) -> Self {
        let design = Cow::Owned(Design { resample: true, ..self.design.as_ref().clone() });
        Arm { scenario: self.scenario, design, models: self.models.clone(), exact: self.exact }
    }
}

/// What turns outcomes into a judged record.
struct Judge<'a> {
    boundaries: Boundaries,
    hash: String,
    warnings: Vec<String>,
    /// The scenario's own, then the baseline; then the same with demand drawn again, if asked for.
    arms: Vec<Arm<'a>>,
    /// How many arms there are with the demand as it is.
    platforms: usize,
    input: Option<InputRecord>,
    windows: &'a [NamedWindow],
    plan: LookPlan,
}

/// The records of all parts of a study.
struct Assembled {
    run: Run,
    baseline: Option<Run>,
    windows: Vec<(String, Run, Option<Run>)>,
}

impl<'a> Judge<'a> {
    fn new(
        scenario: &'a Scenario,
        boundaries: Boundaries,
        studies: &'a Arms,
        warnings: &[String],
    ) -> Self {
        let baseline = studies.baseline.as_ref();
        let mut arms: Vec<Arm<'a>> = std::iter::once(Arm::new(scenario, &studies.own.design))
            .chain(baseline.map(|(scenario, study)| Arm::new(scenario, &study.design)))
            .collect();
        let of_baseline = baseline.iter().flat_map(|(_, study)| &study.warnings);
        let of_baseline = of_baseline.map(|warning| format!("baseline: {warning}"));
        let warnings = warnings.iter().chain(&studies.own.warnings).cloned().chain(of_baseline);
        let exact = arms.iter().all(|arm| arm.exact);
        let decides = !scenario.boundaries.is_empty();
        let platforms = arms.len();
        let input = super::input::record(scenario, &studies.own.design.setup);
        if input.is_some() {
            let again: Vec<Arm<'a>> = arms.iter().map(Arm::resampled).collect();
            arms.extend(again);
        }
        Judge {
            platforms,
            input,
            boundaries,
            hash: hash(scenario),
            warnings: warnings.collect(),
            plan: LookPlan::new(&scenario.experiment.replications, exact, decides),
            arms,
            windows: &studies.own.windows,
        }
    }

    /// Boundaries that are not decided at a look.
    fn still_open(&self, look: usize, outcomes: &[Vec<Outcome>]) -> Vec<String> {
        let totals: Vec<Vec<Totals>> =
            outcomes.iter().map(|arms| arms.iter().map(|o| o.totals.clone()).collect()).collect();
        let parts = self.assemble(&totals, Quality::default());
        let judgement = self.judgement(&parts, look);
        let open = |b: &&BoundaryRecord| b.verdict == Verdict::Inconclusive;
        let named = judgement.boundaries.iter().filter(|(_, b)| open(b));
        named.map(|(name, _)| name.clone()).collect()
    }

    fn judgement(&self, parts: &Assembled, look: usize) -> Judgement {
        let beside = Parts {
            run: &parts.run,
            baseline: parts.baseline.as_ref(),
            windows: &parts.windows,
            sessions: None,
        };
        let test = |family| self.plan.level(look, family);
        self.boundaries.judge_parts(&beside, &Levels { test: &test, stated: self.plan.stated() })
    }

    /// The record of what is usable; `None` where that is nothing.
    fn record(
        &self,
        outcomes: Vec<Vec<Outcome>>,
        open: Vec<Vec<String>>,
    ) -> Option<(Run, boundary::Outcome, Vec<Totals>)> {
        let mut warnings = self.warnings.clone();
        let started = outcomes.len();
        let stuck =
            |arm: usize| outcomes.iter().filter(|arms| arms[arm].finish == Finish::Stuck).count();
        for arm in 0..self.arms.len() {
            if stuck(arm) > 0 {
                let of = if arm % self.platforms == 0 { "" } else { " of the baseline" };
                warnings.push(format!(
                    "{} of {started} replications{of} stopped with sessions that wait for slots which nobody frees: \
                     raise `max_concurrent`, or let idle sandboxes go (`platform.idle`)",
                    stuck(arm)
                ));
            }
        }
        let stuck = (0..self.arms.len()).any(|arm| stuck(arm) > 0);
        let interrupted = outcomes.iter().flatten().any(|o| o.finish == Finish::Interrupted);
        let usable = usable(outcomes, self.arms[0].design.horizon.warmup);
        if interrupted {
            warnings.push(format!(
                "interrupted: {} of {started} replications under way are in this record",
                usable.len()
            ));
        }
        if usable.is_empty() {
            return None;
        }
        let complete = !interrupted && !stuck;
        let parts = self.assemble(&usable, Quality { complete, warnings, ..Quality::default() });
        let look = open.len().saturating_sub(1);
        let judgement = self.judgement(&parts, look);
        let decision = self.plan.record(&judgement, open);
        let mut run = self.whole(parts);
        run.decision = decision;
        let scenario = self.arms[0].scenario;
        let declared = TierKnown::Declared(scenario.platform.isolation.name().to_owned());
        let outcome = fill(&mut run, judgement, scenario, &declared);
        let own = usable.into_iter().filter_map(|arms| arms.into_iter().next()).collect();
        Some((run, outcome, own))
    }

    /// One record of all parts.
    fn whole(&self, parts: Assembled) -> Run {
        let Assembled { mut run, mut baseline, mut windows } = parts;
        let stated = self.plan.stated();
        let of_windows = windows.iter_mut().flat_map(|(_, own, other)| [Some(own), other.as_mut()]);
        for part in of_windows.flatten().chain([&mut run]).chain(&mut baseline) {
            boundary::state_at(part, stated);
        }
        for (window, (name, own, other)) in self.windows.iter().zip(windows) {
            let when = window.when.clone();
            let (part, baseline) = (PartRecord::from(own), other.map(PartRecord::from));
            run.windows.insert(name, WindowRecord { when, part, baseline });
        }
        if let Some(baseline) = baseline {
            let changes = changes::all(&run, &baseline, stated);
            changes::into_scorecard(&changes, &mut run.scorecard);
            let few = |warning: &&String| !warning.contains("too few observations");
            let warnings = baseline.quality.warnings.iter().filter(few);
            run.quality.warnings.extend(warnings.map(|w| format!("baseline: {w}")));
            let (own, other) = (self.arms[0].scenario, self.arms[1].scenario);
            let isolation = other.platform.isolation.name().to_owned();
            let part = PartRecord::from(baseline);
            run.comparison = Some(Box::new(super::comparison::comparison(&run, own, &part, other)));
            run.baseline = Some(Box::new(BaselineRecord { isolation, part, changes }));
        }
        run
    }

    fn assemble(&self, replications: &[Vec<Totals>], quality: Quality) -> Assembled {
        let complete = quality.complete;
        let of_arm = |arm: usize| -> Vec<Totals> {
            replications.iter().map(|arms| arms[arm].clone()).collect()
        };
        let totals: Vec<Vec<Totals>> = (0..self.arms.len()).map(of_arm).collect();
        let plain = || Quality { complete, ..Quality::default() };
        let mut windows = Vec::new();
        for (place, window) in self.windows.iter().enumerate() {
            let piece = |arm: usize| -> Option<Run> {
                let totals: Option<Vec<Totals>> = totals
                    .get(arm)?
                    .iter()
                    .map(|whole| whole.windows.get(place).cloned())
                    .collect();
                totals.map(|totals| self.one(arm, &totals, plain()))
            };
            let part = |arm: usize| Some(self.with_input(piece(arm)?, piece(arm + self.platforms)));
            let baseline = (self.platforms > 1).then(|| part(1)).flatten();
            if let Some(run) = part(0) {
                windows.push((window.name.clone(), run, baseline));
            }
        }
        let part = |arm: usize, quality: Quality| {
            let again = arm + self.platforms;
            let again = totals.get(again).map(|totals| self.one(again, totals, plain()));
            self.with_input(self.one(arm, &totals[arm], quality), again)
        };
        let baseline = (self.platforms > 1).then(|| part(1, plain()));
        Assembled { run: part(0, quality), baseline, windows }
    }

    /// A record whose intervals hold what the demand leaves open, from the same with demand drawn again.
    fn with_input(&self, mut run: Run, again: Option<Run>) -> Run {
        run.input = self
            .input
            .clone()
            .zip(again)
            .map(|(input, again)| InputRecord { per_replication: again.per_replication, ..input });
        boundary::widen(&mut run);
        run
    }

    /// The record of one arm, whole or in a window.
    fn one(&self, arm: usize, totals: &[Totals], quality: Quality) -> Run {
        let Arm { scenario, models, exact, .. } = &self.arms[arm];
        let exact = *exact && quality.complete;
        Run::assemble(RunInput {
            kind: Kind::Simulated,
            scenario,
            hash: self.hash.clone(),
            seed: scenario.experiment.seed,
            models,
            replications: totals,
            quality: Quality { exact, ..quality },
        })
    }
}

/// Complete replications of all arms; where there is none, those that were cut short after their
/// warm-up.
fn usable(outcomes: Vec<Vec<Outcome>>, warmup: Span) -> Vec<Vec<Totals>> {
    let whole = |arms: &Vec<Outcome>| arms.iter().all(|o| o.finish != Finish::Interrupted);
    let (whole, cut): (Vec<Vec<Outcome>>, Vec<Vec<Outcome>>) =
        outcomes.into_iter().partition(whole);
    let totals = |arms: Vec<Outcome>| arms.into_iter().map(|o| o.totals).collect::<Vec<Totals>>();
    if !whole.is_empty() {
        return whole.into_iter().map(totals).collect();
    }
    let measuring = |t: &Totals| t.began.seconds() >= warmup.seconds() && t.ended > t.began;
    cut.into_iter().map(totals).filter(|arms| arms.iter().all(measuring)).collect()
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
