//! The records of a live run and of its twin.

use std::sync::Arc;

use super::simulated::hash;
use super::twin::Twin;
use crate::conduct::Setup;
use crate::drive::lateness::Lateness;
use crate::drive::{LiveFinish, LiveOutcome};
use crate::measure::record::{Kind, MetricRecord, Quality, Run};
use crate::measure::{RunInput, Totals};
use crate::scenario::types::{Isolation, Scenario};

/// The record of a live run, not judged yet.
pub fn live_record(scenario: &Scenario, setup: &Arc<Setup>, outcome: &LiveOutcome) -> Run {
    let invalid = outcome.invalid();
    let mut warnings: Vec<String> = invalid.iter().cloned().collect();
    warnings.extend(outcome.troubles.iter().cloned());
    let told = outcome.troubles.len() as u64;
    if outcome.trouble_count > told {
        warnings.push(format!("{} more failures of the backend", outcome.trouble_count - told));
    }
    warnings
        .extend(outcome.drained.left.iter().map(|left| format!("{left}: run `plimsoll clean`")));
    let lost = outcome.lost_isolation.iter();
    let quality = Quality {
        valid: invalid.is_none(),
        complete: outcome.finish == LiveFinish::Complete,
        lateness: Some(lateness(&outcome.lateness)),
        planned: Some(outcome.planned),
        started: Some(outcome.started),
        dropped: Some(outcome.dropped),
        model: Some("stub".to_owned()),
        isolation_lost: lost.map(|lost| format!("{}: {}", lost.what, lost.why)).collect(),
        warnings,
        ..Quality::default()
    };
    assemble(Kind::Live, scenario, setup, std::slice::from_ref(&outcome.totals), quality)
}

/// The record of a live run's twin, not judged yet; its scenario has the calibrated isolation tier.
pub fn twin_record(scenario: &Scenario, twin: &Twin) -> Run {
    let mut scenario = scenario.clone();
    // The sandboxes were processes, whatever the scenario's platform has.
    scenario.platform.isolation = Isolation::Process(twin.calibration.tier.clone());
    let totals: Vec<Totals> = twin.outcomes.iter().map(|o| o.totals.clone()).collect();
    let warnings =
        vec!["replications differ in supply alone: all have the demand of the live run".to_owned()];
    let quality = Quality { warnings, ..Quality::default() };
    assemble(Kind::Simulated, &scenario, &twin.setup, &totals, quality)
}

fn assemble(
    kind: Kind,
    scenario: &Scenario,
    setup: &Setup,
    totals: &[Totals],
    quality: Quality,
) -> Run {
    let models: Vec<String> = setup.models.iter().map(|(name, _)| name.clone()).collect();
    Run::assemble(RunInput {
        kind,
        scenario,
        hash: hash(scenario),
        seed: setup.seed,
        models: &models,
        replications: totals,
        quality,
    })
}

fn lateness(lateness: &Lateness) -> MetricRecord {
    let at = |q| Some(lateness.quantile(q).seconds()).filter(|_| lateness.count() > 0);
    MetricRecord {
        unit: "s".to_owned(),
        count: lateness.count(),
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        ..MetricRecord::default()
    }
}
