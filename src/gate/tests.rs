//! Verdicts on records made by hand.

use super::*;
use crate::billing::{Rates, Usage, price};
use crate::measure::record::{
    MetricIntervals, MetricRecord, Quality, ReplicationRecord, SCHEMA, Scorecard,
};

/// A record whose `turn.mean` was this in each replication.
fn record(seed: u64, each: &[f64]) -> Run {
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    let interval = interval::mean(each, 0.95).ok().map(|i| [i.low, i.high]);
    let metric = MetricRecord {
        unit: "s".to_owned(),
        count: 100,
        mean: Some(mean),
        ci95: Some(MetricIntervals { mean: interval, ..MetricIntervals::default() }),
        ..MetricRecord::default()
    };
    let replication = |mean: &f64| {
        let metric =
            ReplicationMetric { count: 10, mean: Some(*mean), ..ReplicationMetric::default() };
        ReplicationRecord {
            metrics: [("turn".to_owned(), metric)].into(),
            ..ReplicationRecord::default()
        }
    };
    Run {
        schema: SCHEMA.to_owned(),
        kind: Kind::Simulated,
        scenario: serde_json::Value::Null,
        hash: String::new(),
        seed,
        replications: u32::try_from(each.len()).unwrap(),
        measured_s: 1.0,
        warmup_s: 0.0,
        counters: indexmap::IndexMap::new(),
        metrics: [("turn".to_owned(), metric)].into(),
        gauges: indexmap::IndexMap::new(),
        usage: Usage::default(),
        cost: price(&Usage::default(), &Rates::default()),
        scorecard: Scorecard::default(),
        boundaries: indexmap::IndexMap::new(),
        stage: None,
        baseline: None,
        windows: indexmap::IndexMap::new(),
        quotas: indexmap::IndexMap::new(),
        provisioned: indexmap::IndexMap::new(),
        comparison: None,
        decision: None,
        input: None,
        per_replication: each.iter().map(replication).collect(),
        quality: Quality::default(),
    }
}

fn turn_mean(gate: &Gate) -> &Compared {
    gate.compared.iter().find(|c| c.id == "turn.mean").unwrap()
}

fn compared(base: &Run, candidate: &Run) -> Compared {
    turn_mean(&gate(base, candidate, &Tolerances::default()).unwrap()).clone()
}

const NOISY: [f64; 4] = [8.0, 12.0, 9.0, 11.0];

fn shifted(by: f64) -> Vec<f64> {
    NOISY.iter().map(|value| value + by).collect()
}

#[test]
fn the_same_record_passes() {
    let run = record(1, &NOISY);
    let found = compared(&run, &run);
    assert_eq!((found.verdict, found.change), (GateVerdict::Pass, Some(0.0)));
}

#[test]
fn common_random_numbers_see_what_independent_runs_cannot() {
    let (base, worse) = (record(1, &NOISY), record(1, &shifted(1.0)));
    let paired = compared(&base, &worse);
    assert_eq!(paired.verdict, GateVerdict::Regression);
    assert!((paired.change.unwrap() - 0.1).abs() < 1e-12);
    let independent = compared(&base, &record(2, &shifted(1.0)));
    assert_eq!(independent.verdict, GateVerdict::Inconclusive);
}

#[test]
fn better_is_an_improvement_and_a_little_worse_is_a_pass() {
    let base = record(1, &NOISY);
    assert_eq!(compared(&base, &record(1, &shifted(-1.0))).verdict, GateVerdict::Improvement);
    assert_eq!(compared(&base, &record(1, &shifted(0.2))).verdict, GateVerdict::Pass);
}

#[test]
fn one_replication_decides_nothing_unless_nothing_is_random() {
    let (mut base, mut worse) = (record(1, &[10.0]), record(1, &[20.0]));
    assert_eq!(compared(&base, &worse).verdict, GateVerdict::Inconclusive);
    (base.quality.exact, worse.quality.exact) = (true, true);
    assert_eq!(compared(&base, &worse).verdict, GateVerdict::Regression);
}

#[test]
fn partial_records_decide_nothing_and_live_ones_are_refused() {
    let base = record(1, &NOISY);
    let mut worse = record(1, &shifted(1.0));
    worse.quality.complete = false;
    let gate_of = |candidate: &Run| gate(&base, candidate, &Tolerances::default());
    assert_eq!(gate_of(&worse).unwrap().verdict, GateVerdict::Inconclusive);
    worse.kind = Kind::Live;
    assert_eq!(gate_of(&worse), Err(GateError::Live { which: "candidate" }));
}

#[test]
fn a_quantity_that_only_one_side_has_is_inconclusive() {
    let (base, mut candidate) = (record(1, &NOISY), record(1, &NOISY));
    candidate.metrics.clear();
    let found = compared(&base, &candidate);
    assert_eq!(found.verdict, GateVerdict::Inconclusive);
    assert!(found.why.starts_with("only the baseline has it"), "{}", found.why);
}

#[test]
fn a_tolerance_that_is_set_counts_and_one_of_nothing_is_refused() {
    let (base, worse) = (record(1, &NOISY), record(1, &shifted(1.0)));
    let mut tolerances = Tolerances::default();
    tolerances.read("turn.mean: 1%").unwrap();
    tolerances.set("turn.mean=20%").unwrap();
    let found = gate(&base, &worse, &tolerances).unwrap();
    assert_eq!(turn_mean(&found).verdict, GateVerdict::Pass);
    let unknown = tolerances.set("turn.maen=20%").unwrap_err();
    assert_eq!(unknown.to_string(), "`turn.maen` is not gated: did you mean `turn.mean`?");
    assert!(matches!(tolerances.set("turn.mean"), Err(ToleranceError::NoValue(_))));
    assert!(matches!(tolerances.set("turn.mean=fast"), Err(ToleranceError::Value { .. })));
}

#[test]
fn what_is_gated_has_names_of_its_own() {
    let all = gated();
    for (place, one) in all.iter().enumerate() {
        assert!(all[..place].iter().all(|other| other.id != one.id), "{} is there twice", one.id);
    }
}
