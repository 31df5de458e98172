//! The records of a live run and of its twin.

use std::sync::Arc;

use indexmap::IndexMap;

use super::simulated::hash;
use super::twin::Twin;
use crate::conduct::Setup;
use crate::drive::lateness::Lateness;
use crate::drive::samples::{OperationSample, Samples};
use crate::drive::{LiveFinish, LiveOutcome};
use crate::measure::record::{Kind, MetricRecord, Quality, Run};
use crate::measure::{RunInput, Totals};
use crate::scenario::types::Scenario;
use crate::units::Span;

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
    let machine = outcome.machine;
    warnings.extend(outcome.stolen());
    let lost = outcome.lost_isolation.iter();
    let quality = Quality {
        valid: invalid.is_none(),
        complete: outcome.finish == LiveFinish::Complete,
        lateness: Some(lateness(&outcome.lateness)),
        planned: Some(outcome.planned),
        started: Some(outcome.started),
        dropped: Some(outcome.dropped),
        model: Some("stub".to_owned()),
        start_stages: start_stages(&outcome.samples),
        machine,
        isolation_lost: lost.map(|lost| format!("{}: {}", lost.what, lost.why)).collect(),
        warnings,
        ..Quality::default()
    };
    assemble(Kind::Live, scenario, setup, std::slice::from_ref(&outcome.totals), quality)
}

/// The record of a live run's twin, not judged yet; its scenario has the calibrated isolation tier.
pub fn twin_record(scenario: &Scenario, twin: &Twin) -> Run {
    let mut scenario = scenario.clone();
    *scenario.platform.isolation.tier_mut() = twin.calibration.tier.clone();
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

/// The parts of cold starts, and of calls what is not their work.
fn start_stages(samples: &Samples) -> IndexMap<String, MetricRecord> {
    let boots = |part: fn(&OperationSample) -> Span| samples.boots.iter().map(part).collect();
    let calls = |first: bool| {
        let tools = samples.tools.iter().filter(|tool| tool.first == first);
        tools.map(|tool| tool.took.saturating_sub(tool.computing + tool.waiting)).collect()
    };
    let waits = |boot: &OperationSample| {
        let stages = boot.stages;
        boot.took.saturating_sub(stages.image + stages.boot + stages.guest)
    };
    let parts: [(&str, Vec<Span>); 6] = [
        ("schedule", boots(waits)),
        ("image", boots(|boot| boot.stages.image)),
        ("boot", boots(|boot| boot.stages.boot)),
        ("guest", boots(|boot| boot.stages.guest)),
        ("first_exec", calls(true)),
        ("exec", calls(false)),
    ];
    let seen = parts.into_iter().filter(|(_, spans)| !spans.is_empty());
    seen.map(|(name, spans)| (name.to_owned(), quantiles(spans))).collect()
}

fn quantiles(mut spans: Vec<Span>) -> MetricRecord {
    spans.sort_unstable();
    let count = spans.len();
    // By rank ⌈q·n⌉, as the histograms'.
    let rank = |permille: usize| (count * permille).div_ceil(1000).saturating_sub(1);
    let at = |permille| spans.get(rank(permille)).map(|span| span.seconds());
    MetricRecord {
        unit: "s".to_owned(),
        count: count as u64,
        mean: Some(spans.iter().map(|span| span.seconds()).sum::<f64>() / count as f64),
        min: spans.first().map(|span| span.seconds()),
        p50: at(500),
        p90: at(900),
        p95: at(950),
        p99: at(990),
        p999: at(999),
        max: spans.last().map(|span| span.seconds()),
        ..MetricRecord::default()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::runtime::StartStages;
    use crate::drive::samples::ToolSample;
    use crate::units::{Bytes, Cores};

    #[test]
    fn a_start_is_told_in_its_parts_and_first_calls_apart() {
        let ms = Span::from_millis;
        let boot = |took| OperationSample {
            session: 0,
            took: ms(took),
            lasted: Some(ms(took)),
            busy: None,
            bytes: Bytes(0),
            in_flight: 1,
            under_way: 1,
            others: 0.0,
            crowded: 0.0,
            stages: StartStages { image: ms(1), boot: ms(20), guest: ms(3) },
        };
        let call = |took, first| ToolSample {
            session: 0,
            under_way: 1,
            others: 0.0,
            crowded: 0.0,
            cpu: ms(10),
            cores: Cores(1.0),
            io: Span::ZERO,
            took: ms(took),
            service: ms(10),
            computing: ms(10),
            waiting: Span::ZERO,
            busy: None,
            first,
        };
        let samples = Samples {
            boots: vec![boot(30), boot(25), boot(24)],
            tools: vec![call(15, true), call(11, false), call(12, false)],
            ..Samples::default()
        };
        let stages = start_stages(&samples);
        let p50 = |name: &str| stages[name].p50.map(Span::from_seconds);
        assert_eq!(p50("schedule"), Some(ms(1)), "the middle of 6, 1 and 0 ms");
        assert_eq!(
            (p50("image"), p50("boot"), p50("guest")),
            (Some(ms(1)), Some(ms(20)), Some(ms(3)))
        );
        assert_eq!((p50("first_exec"), stages["exec"].max), (Some(ms(5)), Some(0.002)));
        assert_eq!(stages["boot"].count, 3);
        assert!(start_stages(&Samples::default()).is_empty());
    }
}
