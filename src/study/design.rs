//! From a scenario to what is run: warm-up, horizon, stocks.

use std::sync::Arc;

use super::replicate::Design;
use super::windows::{NamedWindow, WindowError};
use crate::conduct::{RunOptions, Setup, SetupError};
use crate::measure::Gauge;
use crate::scenario::types::{IdleThen, Measure, Profile, Scenario, Start, Warmup};
use crate::sim::{Horizon, Watch, simulate};
use crate::stats::mser5;
use crate::units::Span;
use crate::workload::plan::{End, Plans, SessionPlan};

/// Points of a pilot run's series.
const PILOT_POINTS: u64 = 5_000;

/// Points of the series in the record.
const SERIES_POINTS: u64 = 240;

/// Why a scenario cannot be studied as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DesignError {
    /// It cannot be run at all.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It would never end.
    #[error("`experiment.measure: end` never ends: sessions arrive for ever (give `measure: 24h`)")]
    Endless,
    /// Stocks would be measured while they still fill.
    #[error(
        "`experiment.start: empty` measures snapshots while their stock still fills: they are kept {retention}, \
         longer than warm-up + measure ({horizon}); use `start: steady`"
    )]
    StockFills {
        /// How long snapshots are kept.
        retention: String,
        /// Warm-up and measure.
        horizon: Span,
    },
    /// A stock of abandoned snapshots has no steady state.
    #[error(
        "abandoned sessions leave snapshots that are kept for ever, so there is no steady state: \
         give `platform.retention`, or `experiment.start: empty`"
    )]
    NoSteadyState,
    /// A boundary speaks of a window that there is not.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The same of the other arm.
    #[error("the baseline cannot be run: {0}")]
    Baseline(Box<DesignError>),
}

/// A study and what was chosen for it.
#[derive(Clone, Debug)]
pub struct Study {
    /// What each replication runs.
    pub design: Design,
    /// Where the warm-up came from, for people.
    pub warmup_reason: String,
    /// What a person should know of these choices.
    pub warnings: Vec<String>,
    /// Windows of time that are measured apart, in the order of the horizon.
    pub windows: Vec<NamedWindow>,
}

/// The studies of both arms of a scenario that has a baseline.
#[derive(Clone, Debug)]
pub struct Arms {
    /// The scenario's own platform.
    pub own: Study,
    /// The baseline, and its scenario.
    pub baseline: Option<(Scenario, Study)>,
}

/// Chooses for both arms: the same sessions, the same draws, and the same time of both, so the longer
/// of the two warm-ups.
///
/// # Errors
/// As [`design`], for either arm.
pub fn arms(
    scenario: &Scenario,
    recorded: Option<Arc<Vec<SessionPlan>>>,
    options: &RunOptions,
    watch: &Watch,
) -> Result<Arms, DesignError> {
    let mut own = design(scenario, recorded.clone(), options, watch)?;
    let Some(other) = scenario.of_baseline() else { return Ok(Arms { own, baseline: None }) };
    let of_baseline = |error: DesignError| DesignError::Baseline(Box::new(error));
    let setup = Setup::new(&other, recorded, options).map_err(|e| of_baseline(e.into()))?;
    let setup = setup.with_demand_of(&own.design.setup);
    let mut baseline = design_on(&other, setup, watch).map_err(of_baseline)?;
    let (a, b) = (own.design.horizon.warmup, baseline.design.horizon.warmup);
    if a < b {
        own.warmup_reason =
            format!("of the baseline, which takes longer: {}", baseline.warmup_reason);
    }
    for study in [&mut own, &mut baseline] {
        study.set_warmup(scenario, a.max(b))?;
    }
    // Boundaries are the scenario's own, and so are their windows.
    baseline.windows.clone_from(&own.windows);
    baseline.design.horizon.windows.clone_from(&own.design.horizon.windows);
    Ok(Arms { own, baseline: Some((other, baseline)) })
}

impl Study {
    /// Sets the warm-up, and what follows from it.
    fn set_warmup(&mut self, scenario: &Scenario, warmup: Span) -> Result<(), WindowError> {
        self.windows = super::windows::windows(scenario, warmup)?;
        let horizon = &mut self.design.horizon;
        horizon.warmup = warmup;
        horizon.windows = self.windows.iter().map(|window| window.times).collect();
        horizon.series_every = horizon
            .measure
            .map(|measure| Span::from_nanos(((warmup + measure).nanos() / SERIES_POINTS).max(1)));
        Ok(())
    }
}

/// Chooses warm-up and horizon; where the warm-up is `auto`, by a pilot run.
///
/// # Errors
///
/// If the scenario cannot be run, would not end, or has no steady state to start in.
pub fn design(
    scenario: &Scenario,
    recorded: Option<Arc<Vec<SessionPlan>>>,
    options: &RunOptions,
    watch: &Watch,
) -> Result<Study, DesignError> {
    design_on(scenario, Setup::new(scenario, recorded, options)?, watch)
}

fn design_on(scenario: &Scenario, setup: Setup, watch: &Watch) -> Result<Study, DesignError> {
    let setup = Arc::new(setup);
    let measure = match scenario.experiment.measure {
        Measure::End => None,
        Measure::For(span) => Some(span),
    };
    if measure.is_none() && setup.sessions.is_none() {
        return Err(DesignError::Endless);
    }
    let leaves_stock = leaves_stock(&setup);
    let steady = scenario.experiment.start == Start::Steady && measure.is_some();
    if steady && leaves_stock && setup.control.retention.is_none() {
        return Err(DesignError::NoSteadyState);
    }
    let mut warnings = Vec::new();
    let (warmup, warmup_reason) = warmup(scenario, &setup, measure, steady, watch, &mut warnings);
    if let (false, true, Some(measure)) = (steady, leaves_stock, measure) {
        let horizon = warmup + measure;
        if setup.control.retention.is_none_or(|retention| retention > horizon) {
            let retention = scenario.platform.retention.to_string();
            return Err(DesignError::StockFills { retention, horizon });
        }
    }
    let horizon = Horizon { measure, ..Horizon::default() };
    let design = Design { setup, horizon, steady, resample: false };
    let mut study = Study { design, warmup_reason, warnings, windows: Vec::new() };
    study.set_warmup(scenario, warmup)?;
    Ok(study)
}

/// Whether sessions leave snapshots behind that nobody deletes before their retention.
fn leaves_stock(setup: &Setup) -> bool {
    let abandons = match setup.plans() {
        Plans::Drawn(_) => {
            setup.classes.iter().any(|class| class.abandon > 0.0 && class.share > 0.0)
        }
        Plans::Recorded(sessions) => sessions.iter().any(|session| session.end == End::Abandon),
    };
    abandons && setup.control.idle_then == IdleThen::Hibernate
}

fn warmup(
    scenario: &Scenario,
    setup: &Arc<Setup>,
    measure: Option<Span>,
    steady: bool,
    watch: &Watch,
    warnings: &mut Vec<String>,
) -> (Span, String) {
    let Some(measure) = measure else {
        return match scenario.experiment.warmup {
            Warmup::For(span) => (span, "as asked".to_owned()),
            Warmup::None | Warmup::Auto => {
                (Span::ZERO, "measured to the end, so from the start".to_owned())
            }
        };
    };
    match (scenario.experiment.warmup, &scenario.workload.profile) {
        (Warmup::None, _) => (Span::ZERO, "none, as asked".to_owned()),
        (Warmup::For(span), _) => (span, "as asked".to_owned()),
        (Warmup::Auto, Some(profile)) => {
            let cycle = match profile {
                Profile::Day(_) => Span::from_secs(86_400),
                Profile::Week(_) => Span::from_secs(7 * 86_400),
            };
            if measure.nanos() % cycle.nanos() != 0 {
                warnings.push(format!(
                    "the load follows a cycle of {cycle}, but {measure} is measured: \
                     means weigh parts of the cycle unevenly"
                ));
            }
            (cycle, format!("one whole cycle of the load, {cycle}"))
        }
        (Warmup::Auto, None) => pilot(setup, measure, steady, watch, warnings),
    }
}

/// MSER-5 on a pilot run of the length of the measure, over the stocks that a cold platform fills.
fn pilot(
    setup: &Arc<Setup>,
    measure: Span,
    steady: bool,
    watch: &Watch,
    warnings: &mut Vec<String>,
) -> (Span, String) {
    let every = Span::from_nanos((measure.nanos() / PILOT_POINTS).max(1));
    let mut horizon =
        Horizon { measure: Some(measure), series_every: Some(every), ..Horizon::default() };
    if steady {
        horizon.stock = super::stock::snapshots(setup, 0);
    }
    let series = simulate(setup, 0, &horizon, watch).totals.series;
    let gauges = [Gauge::SessionsOpen, Gauge::SandboxesRunning, Gauge::SandboxesHibernated];
    let cut = gauges.iter().map(|gauge| {
        let values: Vec<f64> =
            series.iter().map(|point| point.values[*gauge as usize] as f64).collect();
        mser5(&values)
    });
    // A series that never settles, or is too short to tell, is not measured in its first half.
    let half = series.len() / 2;
    let cut = cut.map(|cut| cut.unwrap_or(half)).max().unwrap_or(0);
    let warmup = Span::from_nanos(every.nanos() * cut as u64);
    if cut >= half {
        warnings.push(format!(
            "a pilot run of {measure} had not settled by its half: measure longer, or set `experiment.warmup`"
        ));
    }
    (warmup, format!("by MSER-5 on a pilot run of {measure}"))
}
