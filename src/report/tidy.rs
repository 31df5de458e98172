//! Everything a record holds as one table for programs: a row for each statistic, full precision.

use crate::billing::CostKey;
use crate::boundary::{Expr, Quantity, Unit};
use crate::measure::record::{MetricRecord, Run, ScorecardKey};

/// Why no table could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the table: {0}")]
pub struct TidyError(#[from] csv::Error);

type Writer = csv::Writer<Vec<u8>>;

/// `run,section,name,statistic,unit,value,ci95_low,ci95_high`, for one or more records by name. An
/// empty field is an absent value.
///
/// # Errors
/// If the table cannot be written; not to memory.
pub fn tidy_csv(runs: &[(&str, &Run)]) -> Result<String, TidyError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "run",
        "section",
        "name",
        "statistic",
        "unit",
        "value",
        "ci95_low",
        "ci95_high",
    ])?;
    for (name, run) in runs {
        Tidy { out: &mut out, run: name }.record(run)?;
    }
    let bytes = out.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8(bytes).expect("only text was written"))
}

struct Tidy<'a> {
    out: &'a mut Writer,
    run: &'a str,
}

impl Tidy<'_> {
    fn record(&mut self, run: &Run) -> Result<(), csv::Error> {
        for (name, value) in &run.counters {
            self.row(["counter", name, "mean", "count"], Some(*value), None)?;
        }
        for (name, metric) in &run.metrics {
            self.metric(name, metric)?;
        }
        for (name, gauge) in &run.gauges {
            let interval = gauge.ci95.and_then(|ci| ci.mean);
            let over_time = format!("{}·s", gauge.unit);
            self.row(["gauge", name, "mean", &gauge.unit], gauge.mean, interval)?;
            self.row(["gauge", name, "min", &gauge.unit], gauge.min, None)?;
            self.row(["gauge", name, "max", &gauge.unit], gauge.max, None)?;
            self.row(["gauge", name, "integral", &over_time], Some(gauge.integral), None)?;
        }
        for key in CostKey::ALL {
            let unit = if key.is_share() { "share" } else { run.cost.currency.as_str() };
            let interval = run.cost.ci95.get(key.name()).copied();
            self.row(["cost", key.name(), "mean", unit], run.cost.get(*key), interval)?;
        }
        for key in ScorecardKey::ALL {
            let interval = run.scorecard.ci95.get(key.name()).copied();
            let unit = match key {
                ScorecardKey::MemoryOverheadBytes => "bytes",
                ScorecardKey::TokensPerDay => "tokens/day",
                _ => "share",
            };
            self.row(["scorecard", key.name(), "value", unit], run.scorecard.get(*key), interval)?;
        }
        for (name, boundary) in &run.boundaries {
            let verdict = serde_json::to_value(boundary.verdict).unwrap_or_default();
            let verdict = verdict.as_str().unwrap_or_default().to_owned();
            let unit = Expr::parse(&boundary.require).map_or("", |e| base_unit(e.unit()));
            self.row(["boundary", name, &verdict, unit], boundary.value, boundary.ci95)?;
        }
        for (name, change) in run.baseline.iter().flat_map(|baseline| &baseline.changes) {
            let unit = Quantity::named(name).map_or("", |q| base_unit(q.unit()));
            self.row(["baseline", name, "value", unit], Some(change.baseline), None)?;
            let (difference, interval) = (Some(change.difference), change.difference_ci95);
            self.row(["baseline", name, "difference", unit], difference, interval)?;
            self.row(["baseline", name, "change", "change"], change.change, change.change_ci95)?;
        }
        Ok(())
    }

    fn metric(&mut self, name: &str, m: &MetricRecord) -> Result<(), csv::Error> {
        let ci = m.ci95.unwrap_or_default();
        self.row(["metric", name, "count", "count"], Some(m.count as f64), None)?;
        let statistics = [
            ("mean", m.mean, ci.mean),
            ("stddev", m.stddev, None),
            ("min", m.min, None),
            ("p50", m.p50, ci.p50),
            ("p90", m.p90, ci.p90),
            ("p95", m.p95, ci.p95),
            ("p99", m.p99, ci.p99),
            ("p999", m.p999, ci.p999),
            ("max", m.max, None),
        ];
        for (statistic, value, interval) in statistics {
            self.row(["metric", name, statistic, &m.unit], value, interval)?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        keys: [&str; 4],
        value: Option<f64>,
        ci: Option<[f64; 2]>,
    ) -> Result<(), csv::Error> {
        let field = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
        let [section, name, statistic, unit] = keys;
        let (value, low, high) = (field(value), field(ci.map(|c| c[0])), field(ci.map(|c| c[1])));
        self.out.write_record([self.run, section, name, statistic, unit, &value, &low, &high])
    }
}

/// The unit that a value stands in.
fn base_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "s",
        Unit::Bytes => "bytes",
        Unit::Count => "count",
        Unit::Money => "USD",
        Unit::Share => "share",
        Unit::Ratio => "ratio",
        Unit::Change => "change",
    }
}
