//! Pooling replications: histograms merged in the order of the replications, quantiles of the whole,
//! intervals between the parts.

use super::interval;
use super::record::{
    GaugeIntervals, GaugeRecord, MetricIntervals, MetricRecord, ReplicationMetric,
};
use crate::stats::{Summary, TimeWeighted};
use crate::units::Span;

/// Quantiles of a record.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

/// Nanoseconds in a second: summaries count nanoseconds.
const NANOS: f64 = 1e9;

fn seconds(nanos: u64) -> f64 {
    Span::from_nanos(nanos).seconds()
}

/// A number for the record: what is not finite is absent.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// One replication's observations.
pub(super) fn replication_metric(summary: &Summary) -> ReplicationMetric {
    let [p50, p90, p95, p99, p999] = QUANTILES.map(|q| summary.quantile(q).map(seconds));
    ReplicationMetric {
        count: summary.count(),
        mean: summary.mean().map(|nanos| nanos / NANOS),
        p50,
        p90,
        p95,
        p99,
        p999,
        min: summary.min().map(seconds),
        max: summary.max().map(seconds),
    }
}

/// Observations without an interval: of one run, or of several that are not repetitions.
pub fn metric_record(summary: &Summary) -> MetricRecord {
    let [p50, p90, p95, p99, p999] = QUANTILES.map(|q| summary.quantile(q).map(seconds));
    let mean = summary.mean().map(|nanos| nanos / NANOS);
    let stddev = summary.stddev().map(|nanos| nanos / NANOS);
    let cv = mean.zip(stddev).and_then(|(mean, stddev)| finite(stddev / mean));
    MetricRecord {
        unit: "s".to_owned(),
        count: summary.count(),
        mean,
        stddev,
        cv,
        min: summary.min().map(seconds),
        p50,
        p90,
        p95,
        p99,
        p999,
        max: summary.max().map(seconds),
        ci95: None,
    }
}

/// Observations pooled over replications, with intervals where there are several. Statistics that
/// have observations but too few for an interval are named in `warnings`.
pub(super) fn pooled_metric(
    name: &str,
    replications: &[&Summary],
    warnings: &mut Vec<String>,
) -> MetricRecord {
    let mut all = Summary::durations();
    for summary in replications {
        all.merge(summary);
    }
    if all.overflow() > 0 {
        let n = all.overflow();
        warnings.push(format!(
            "{name}: {n} observations above 115 days are in no histogram; \
             a quantile among them is the maximum"
        ));
    }
    let mut record = metric_record(&all);
    if replications.len() < 2 || record.count == 0 {
        return record;
    }
    let [p50, p90, p95, p99, p999] = QUANTILES.map(|q| quantile_interval(&all, replications, q));
    let intervals = MetricIntervals { mean: mean_interval(replications), p50, p90, p95, p99, p999 };
    let told = [
        ("mean", intervals.mean),
        ("p50", intervals.p50),
        ("p95", intervals.p95),
        ("p99", intervals.p99),
    ];
    let missing: Vec<&str> =
        told.iter().filter(|(_, ci)| ci.is_none()).map(|(statistic, _)| *statistic).collect();
    if !missing.is_empty() {
        let least = replications.iter().map(|s| s.count()).min().unwrap_or(0);
        warnings.push(format!(
            "{name}: too few observations for an interval of {} ({least} in the smallest replication)",
            missing.join(", ")
        ));
    }
    record.ci95 = Some(intervals);
    record
}

fn mean_interval(replications: &[&Summary]) -> Option<[f64; 2]> {
    let counts: Vec<f64> = replications.iter().map(|s| s.count() as f64).collect();
    let mean = |s: &Summary| s.mean().map_or(0.0, |nanos| nanos / NANOS);
    let sums: Vec<f64> = replications.iter().map(|s| mean(s) * s.count() as f64).collect();
    interval::of_ratio(&sums, &counts).map(|[low, high]| [low.max(0.0), high])
}

/// Sectioning, with the replications as sections.
fn quantile_interval(all: &Summary, replications: &[&Summary], q: f64) -> Option<[f64; 2]> {
    let nanos = crate::stats::interval::quantile(all, replications, q, 0.95).ok()?;
    Some([(nanos.low / NANOS).max(0.0), nanos.high / NANOS])
}

/// One replication's gauge, of which one step is `scale` of the unit.
pub(super) fn replication_gauge(unit: &str, scale: f64, gauge: &TimeWeighted) -> GaugeRecord {
    GaugeRecord {
        unit: unit.to_owned(),
        mean: gauge.mean().map(|v| v * scale),
        min: gauge.min().map(|v| v as f64 * scale),
        max: gauge.max().map(|v| v as f64 * scale),
        integral: gauge.integral() * scale,
        ci95: None,
    }
}

/// A gauge over replications: means of means and integrals, extremes of extremes.
pub(super) fn pooled_gauge(unit: &str, replications: &[GaugeRecord]) -> GaugeRecord {
    let n = replications.len() as f64;
    let means: Vec<f64> = replications.iter().filter_map(|g| g.mean).collect();
    let mean = finite(means.iter().sum::<f64>() / means.len() as f64);
    let extreme = |pick: fn(f64, f64) -> f64, of: fn(&GaugeRecord) -> Option<f64>| {
        replications.iter().filter_map(of).reduce(pick)
    };
    let ci95 = (replications.len() > 1).then(|| {
        let complete = means.len() == replications.len();
        // No gauge is negative, so neither is the interval.
        let mean =
            interval::of_mean(&means).filter(|_| complete).map(|[low, high]| [low.max(0.0), high]);
        GaugeIntervals { mean }
    });
    GaugeRecord {
        unit: unit.to_owned(),
        mean,
        min: extreme(f64::min, |g| g.min),
        max: extreme(f64::max, |g| g.max),
        integral: replications.iter().map(|g| g.integral).sum::<f64>() / n.max(1.0),
        ci95,
    }
}
