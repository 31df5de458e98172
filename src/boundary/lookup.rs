//! Finding a quantity in a record, with its interval.

use super::quantity::{Extent, Quantity, Stat};
use super::replicated::replicated;
use crate::billing::CostKey;
use crate::measure::record::{
    IN_FLIGHT, IN_FLIGHT_AT_START, MetricRecord, ReplicationRecord, Run, ScorecardKey,
};
use crate::measure::{Estimate, Gauge, Metric, Spread, interval};

/// What a record says of a quantity: an estimate, or why it says nothing.
pub type Found = Result<Estimate, String>;

/// Finds `quantity` in `run`, with the interval that misses it in the share `error` of runs.
pub fn find_at(run: &Run, quantity: Quantity, error: f64) -> Found {
    let found = find(run, quantity)?;
    let Spread::Interval(ci95) = found.spread else { return Ok(found) };
    if error == USUAL && run.input.is_none() {
        return Ok(found);
    }
    if run.input.is_some() && quantity.is_counted() {
        return find_counted(run, quantity, error);
    }
    if quantity.is_extreme() {
        return match quantity {
            Quantity::Metric(metric, stat) => find_extreme(run, metric, stat, error),
            Quantity::Gauge(gauge, extent) => gauge_extreme(run, gauge, extent, error),
            _ => Ok(found),
        };
    }
    let n = run.per_replication.len();
    let [low, high] = interval::widened(found.value, ci95, error, n);
    let (least, most) = quantity.range();
    Ok(Estimate { spread: Spread::Interval([low.max(least), high.min(most)]), ..found })
}

/// The error of a 95 % interval.
pub const USUAL: f64 = 0.05;

/// Finds `quantity` in `run`, with its 95 % interval.
pub fn find(run: &Run, quantity: Quantity) -> Found {
    match quantity {
        Quantity::Metric(metric, Stat::Count) => {
            over_replications(run, |r| r.metrics.get(metric.name()).map(|m| m.count as f64))
        }
        Quantity::Metric(metric, stat) => find_metric(run, metric, stat),
        Quantity::Gauge(gauge, extent) => find_gauge(run, gauge, extent),
        Quantity::Counter(counter) => counted(run, counter.name()),
        Quantity::InFlight { at_start: false } => counted(run, IN_FLIGHT),
        Quantity::InFlight { at_start: true } => counted(run, IN_FLIGHT_AT_START),
        Quantity::Cost(key) => find_cost(run, key),
        Quantity::Score(key) => find_score(run, key),
        Quantity::ModelError(..) => {
            Err("not available in this record: it takes a live run and its simulation".to_owned())
        }
    }
}

fn spread(run: &Run, interval: Option<[f64; 2]>) -> Spread {
    Spread::of(interval, run.quality.exact, run.per_replication.len())
}

fn find_metric(run: &Run, metric: Metric, stat: Stat) -> Found {
    let record = run.metric(metric).filter(|m| m.count > 0);
    let record = record.ok_or_else(|| format!("no {} was observed", metric.name()))?;
    if let Stat::Max | Stat::Min = stat {
        return find_extreme(run, metric, stat, USUAL);
    }
    let value =
        statistic(record, stat).ok_or_else(|| format!("no {} was observed", metric.name()))?;
    let ci = record.ci95.as_ref();
    let interval = ci.and_then(|ci| match stat {
        Stat::Mean => ci.mean,
        Stat::P50 => ci.p50,
        Stat::P90 => ci.p90,
        Stat::P95 => ci.p95,
        Stat::P99 => ci.p99,
        Stat::P999 => ci.p999,
        Stat::Max | Stat::Min | Stat::Count => None,
    });
    Ok(Estimate { value, spread: spread(run, interval) })
}

fn find_extreme(run: &Run, metric: Metric, stat: Stat, error: f64) -> Found {
    let each = |r: &ReplicationRecord| {
        let m = r.metrics.get(metric.name())?;
        if stat == Stat::Max { m.max } else { m.min }
    };
    extreme(run, stat == Stat::Max, each, error)
}

fn statistic(record: &MetricRecord, stat: Stat) -> Option<f64> {
    match stat {
        Stat::Mean => record.mean,
        Stat::P50 => record.p50,
        Stat::P90 => record.p90,
        Stat::P95 => record.p95,
        Stat::P99 => record.p99,
        Stat::P999 => record.p999,
        Stat::Max => record.max,
        Stat::Min => record.min,
        Stat::Count => Some(record.count as f64),
    }
}

fn find_gauge(run: &Run, gauge: Gauge, extent: Extent) -> Found {
    let nothing = || format!("{} was not measured for any time", gauge.name());
    match extent {
        Extent::Mean => {
            let record = run.gauge(gauge).ok_or_else(nothing)?;
            let interval = record.ci95.and_then(|ci| ci.mean);
            Ok(Estimate { value: record.mean.ok_or_else(nothing)?, spread: spread(run, interval) })
        }
        Extent::Max | Extent::Min => gauge_extreme(run, gauge, extent, USUAL),
    }
}

fn gauge_extreme(run: &Run, gauge: Gauge, extent: Extent, error: f64) -> Found {
    let each = |r: &ReplicationRecord| {
        let g = r.gauges.get(gauge.name())?;
        if extent == Extent::Max { g.max } else { g.min }
    };
    extreme(run, extent == Extent::Max, each, error)
}

/// A mean over replications whose interval holds what the demand leaves open.
fn find_counted(run: &Run, quantity: Quantity, error: f64) -> Found {
    let found = find(run, quantity)?;
    let wide = replicated(run, quantity).and_then(|r| r.interval(1.0 - error).ok());
    let spread = wide.map_or(found.spread, |i| Spread::Interval([i.low, i.high]));
    Ok(Estimate { spread, ..found })
}

fn counted(run: &Run, name: &str) -> Found {
    over_replications(run, |r| r.counters.get(name).copied())
}

/// The mean over replications of a number that each has.
fn over_replications(run: &Run, each: impl Fn(&ReplicationRecord) -> Option<f64>) -> Found {
    let values: Option<Vec<f64>> = run.per_replication.iter().map(each).collect();
    let values = values.filter(|v| !v.is_empty());
    let values = values.ok_or("not available in this record: not every replication has it")?;
    let value = values.iter().sum::<f64>() / values.len() as f64;
    Ok(Estimate { value, spread: spread(run, interval::of_mean(&values)) })
}

/// An extreme over all replications. What was seen is a fact, so the interval begins there; it ends
/// where the mean of the replications' extremes may still lie.
fn extreme(
    run: &Run,
    greatest: bool,
    each: impl Fn(&ReplicationRecord) -> Option<f64>,
    error: f64,
) -> Found {
    let values: Vec<f64> = run.per_replication.iter().filter_map(each).collect();
    let seen = values.iter().copied().reduce(if greatest { f64::max } else { f64::min });
    let value = seen.ok_or("nothing was observed")?;
    let interval = interval::of_mean_at(&values, error).map(|[low, high]| {
        if greatest { [value, high.max(value)] } else { [low.min(value), value] }
    });
    Ok(Estimate { value, spread: spread(run, interval) })
}

fn find_cost(run: &Run, key: CostKey) -> Found {
    if run.cost.tco == 0.0 && !run.cost.unpriced.is_empty() {
        let unpriced = run.cost.unpriced.join(", ");
        return Err(format!(
            "the scenario gives no prices, so a cost of zero says nothing \
             (used without a price: {unpriced})"
        ));
    }
    let value = run.cost.get(key);
    let value =
        value.ok_or_else(|| format!("{} has nothing to divide by in this run", key.name()))?;
    Ok(Estimate { value, spread: spread(run, run.cost.ci95.get(key.name()).copied()) })
}

fn find_score(run: &Run, key: ScorecardKey) -> Found {
    let value = run.scorecard.get(key);
    let value = value.ok_or_else(|| match key {
        ScorecardKey::MemoryOverheadBytes => "not available in this record".to_owned(),
        _ => format!("{} has nothing to divide by in this run", key.name()),
    })?;
    let spread = match key {
        // Given by the scenario, not estimated.
        ScorecardKey::MemoryOverheadBytes => Spread::Exact,
        _ => spread(run, run.scorecard.ci95.get(key.name()).copied()),
    };
    Ok(Estimate { value, spread })
}
