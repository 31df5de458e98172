//! The files beside the record: `metrics.csv`, `series.csv`, `histograms.hlog`. An empty field is an
//! absent value.

use std::io::Write;

use super::names::{Gauge, Metric};
use super::record::{MetricRecord, Run};
use super::totals::Totals;
use crate::stats::{HlogError, Summary, write_hlog};
use crate::units::Time;

/// Writes one row for each metric; durations in seconds, as the heads say.
pub fn write_metrics(run: &Run, out: impl Write) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_writer(out);
    let durations = ["mean", "stddev", "min", "p50", "p90", "p95", "p99", "p999", "max"];
    let bounded = ["mean", "p50", "p95", "p99"];
    let mut heads = vec!["metric".to_owned(), "count".to_owned(), "cv".to_owned()];
    heads.extend(durations.iter().map(|name| format!("{name}_s")));
    heads.extend(
        bounded
            .iter()
            .flat_map(|name| [format!("{name}_ci95_low_s"), format!("{name}_ci95_high_s")]),
    );
    table.write_record(heads)?;
    for (name, metric) in &run.metrics {
        table.write_record(metric_row(name, metric))?;
    }
    table.flush()?;
    Ok(())
}

fn metric_row(name: &str, m: &MetricRecord) -> Vec<String> {
    let mut row = vec![name.to_owned(), m.count.to_string(), field(m.cv)];
    row.extend([m.mean, m.stddev, m.min, m.p50, m.p90, m.p95, m.p99, m.p999, m.max].map(field));
    let ci = m.ci95.unwrap_or_default();
    for interval in [ci.mean, ci.p50, ci.p95, ci.p99] {
        row.push(field(interval.map(|[low, _]| low)));
        row.push(field(interval.map(|[_, high]| high)));
    }
    row
}

/// Shortest text that reads back as the same number.
fn field(value: Option<f64>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// Writes one row for each sampled instant of each replication. Time in seconds since the run's
/// start; `snapshot_bytes` in bytes, the other gauges count.
pub fn write_series(replications: &[Totals], out: impl Write) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_writer(out);
    let mut heads = vec!["replication", "time_s"];
    heads.extend(Gauge::ALL.iter().map(|gauge| gauge.name()));
    table.write_record(heads)?;
    for (replication, totals) in replications.iter().enumerate() {
        for point in &totals.series {
            let mut row = vec![replication.to_string(), point.at.seconds().to_string()];
            row.extend(point.values.iter().map(i64::to_string));
            table.write_record(row)?;
        }
    }
    table.flush()?;
    Ok(())
}

/// Writes the histograms of all metrics, pooled over replications in their order, as an HdrHistogram
/// log: values in nanoseconds, tagged by metric, one interval from the warm-up's end to the last
/// replication's end.
pub fn write_histograms(replications: &[Totals], out: &mut impl Write) -> Result<(), HlogError> {
    let pooled: Vec<(&str, Summary)> = Metric::ALL
        .iter()
        .map(|metric| {
            let mut all = Summary::durations();
            replications.iter().for_each(|totals| all.merge(totals.metric(*metric)));
            (metric.name(), all)
        })
        .collect();
    let began = replications.iter().map(|totals| totals.began).min().unwrap_or_default();
    let ended = replications.iter().map(|totals| totals.ended).max().unwrap_or_default();
    let start = began.since(Time::ZERO).into();
    write_hlog(out, start, ended.since(began).into(), pooled.iter().map(|(name, all)| (*name, all)))
}
