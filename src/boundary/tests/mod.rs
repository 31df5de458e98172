//! Expressions, verdicts and stages.

mod expressions;
mod family;
mod judging;
mod staging;

use indexmap::IndexMap;

use crate::billing::{Rates, Usage, price};
use crate::measure::record::{
    GaugeIntervals, GaugeRecord, Kind, MetricIntervals, MetricRecord, Quality, ReplicationRecord,
    Run, SCHEMA, Scorecard,
};

/// A random run of two replications with nothing in it.
fn empty_run() -> Run {
    Run {
        schema: SCHEMA.to_owned(),
        kind: Kind::Simulated,
        scenario: serde_json::Value::Null,
        hash: String::new(),
        seed: 1,
        replications: 2,
        measured_s: 86_400.0,
        warmup_s: 0.0,
        counters: IndexMap::new(),
        metrics: IndexMap::new(),
        gauges: IndexMap::new(),
        usage: Usage::default(),
        cost: price(&Usage::default(), &Rates::default()),
        scorecard: Scorecard::default(),
        boundaries: IndexMap::new(),
        stage: None,
        baseline: None,
        windows: IndexMap::new(),
        quotas: IndexMap::new(),
        provisioned: IndexMap::new(),
        comparison: None,
        decision: None,
        input: None,
        per_replication: vec![ReplicationRecord::default(); 2],
        quality: Quality::default(),
    }
}

/// `run` with `cold_start.p99` of `value`.
fn with_cold_start(mut run: Run, value: f64, p99: Option<[f64; 2]>) -> Run {
    let ci95 = Some(MetricIntervals { p99, ..MetricIntervals::default() });
    let metric = MetricRecord {
        unit: "s".to_owned(),
        count: 5000,
        p99: Some(value),
        ci95,
        ..MetricRecord::default()
    };
    run.metrics.insert("cold_start".to_owned(), metric);
    run
}

/// `run` with a mean number of open sessions.
fn with_agents(mut run: Run, mean: f64, interval: Option<[f64; 2]>) -> Run {
    let ci95 = Some(GaugeIntervals { mean: interval });
    let gauge = GaugeRecord {
        unit: "count".to_owned(),
        mean: Some(mean),
        max: Some(2.0 * mean),
        ci95,
        ..GaugeRecord::default()
    };
    run.gauges.insert("sessions_open".to_owned(), gauge.clone());
    run.gauges
        .insert("sessions_in_turn".to_owned(), GaugeRecord { mean: Some(mean / 4.0), ..gauge });
    run
}

fn with_tokens_per_day(mut run: Run, value: f64, interval: [f64; 2]) -> Run {
    run.scorecard.tokens_per_day = Some(value);
    run.scorecard.ci95.insert("tokens_per_day".to_owned(), interval);
    run
}
