//! A quantity of two arms on the same replications: its difference and its relative change.

use super::lookup::{self, Found};
use super::quantity::{Extent, Quantity, Stat};
use crate::measure::record::{ChangeRecord, ReplicationMetric, ReplicationRecord, Run};
use crate::measure::{Estimate, Metric, Spread, cost_terms, score_terms};
use crate::stats::interval::{Interval, NEEDED_BEYOND, Replicated, paired_ratio};
use crate::stats::rank_of;

/// The relative change of `quantity` from `base` to `run`, run / base − 1, with the interval that
/// misses it in the share `error` of runs: Fieller's, replication by replication, for both arms had
/// the same sessions and the same draws.
pub fn find_change(run: &Run, base: &Run, quantity: Quantity, error: f64) -> Found {
    let (own, other) = (lookup::find(run, quantity)?, lookup::find(base, quantity));
    let other = other.map_err(|why| format!("of the baseline: {why}"))?;
    if other.value == 0.0 {
        return Err("the baseline's is zero, so there is no relative change".to_owned());
    }
    let value = own.value / other.value - 1.0;
    if own.spread == Spread::Exact && other.spread == Spread::Exact {
        return Ok(Estimate { value, spread: Spread::Exact });
    }
    if run.per_replication.len() < 2 {
        return Ok(Estimate { value, spread: Spread::OneReplication });
    }
    let interval = paired(run, base, quantity).and_then(|(a, b)| ratio(&a, &b, 1.0 - error));
    // Below −100% there is nothing of what is never negative.
    let spread = interval
        .map_or(Spread::TooFew, |i| Spread::Interval([(i.low - 1.0).max(-1.0), i.high - 1.0]));
    Ok(Estimate { value, spread })
}

/// A quantity of both arms; `None` where one of them does not have it.
pub fn change_record(run: &Run, base: &Run, quantity: Quantity) -> Option<ChangeRecord> {
    let (own, other) = (lookup::find(run, quantity).ok()?, lookup::find(base, quantity).ok()?);
    let change = find_change(run, base, quantity, lookup::USUAL).ok();
    let difference = own.value - other.value;
    let interval = paired(run, base, quantity).and_then(|(a, b)| {
        let pairs = a.values.iter().zip(&b.values);
        let values = pairs.map(|(a, b)| a - b).collect();
        Replicated { estimate: difference, values, centre: a.centre - b.centre }.interval(0.95).ok()
    });
    Some(ChangeRecord {
        value: own.value,
        baseline: other.value,
        difference,
        difference_ci95: interval.map(|i| [i.low, i.high]),
        change: change.map(|c| c.value),
        change_ci95: change.and_then(|c| c.ci95()),
    })
}

fn ratio(a: &Replicated, b: &Replicated, level: f64) -> Option<Interval> {
    paired_ratio(a, b, level).ok().filter(|i| i.low.is_finite() && i.high.is_finite())
}

/// Both arms replication by replication.
fn paired(run: &Run, base: &Run, quantity: Quantity) -> Option<(Replicated, Replicated)> {
    if run.per_replication.len() != base.per_replication.len() {
        return None;
    }
    Some((replicated(run, quantity)?, replicated(base, quantity)?))
}

/// What each replication says of a quantity; `None` where it says too little.
fn replicated(run: &Run, quantity: Quantity) -> Option<Replicated> {
    let all = &run.per_replication;
    let each = |of: &dyn Fn(&ReplicationRecord) -> Option<f64>| -> Option<Replicated> {
        let values: Option<Vec<f64>> = all.iter().map(of).collect();
        values.map(Replicated::of_mean)
    };
    let counter = |name: &str| each(&|r| r.counters.get(name).copied());
    match quantity {
        Quantity::Metric(metric, Stat::Count) => {
            each(&|r| Some(r.metrics.get(metric.name())?.count as f64))
        }
        Quantity::Metric(metric, Stat::Mean) => {
            let of = |r: &ReplicationRecord| {
                let m = r.metrics.get(metric.name())?;
                Some((m.mean.unwrap_or(0.0) * m.count as f64, m.count as f64))
            };
            let terms: Option<Vec<(f64, f64)>> = all.iter().map(of).collect();
            let (sums, counts): (Vec<f64>, Vec<f64>) = terms?.into_iter().unzip();
            Replicated::of_ratio(&sums, &counts).ok()
        }
        Quantity::Metric(metric, stat) => quantile(run, metric, stat),
        Quantity::Gauge(gauge, Extent::Mean) => each(&|r| r.gauges.get(gauge.name())?.mean),
        Quantity::Counter(name) => counter(name.name()),
        Quantity::Cost(key) => {
            let (top, bottom) = cost_terms(all, key);
            Replicated::of_ratio(&top, &bottom).ok()
        }
        Quantity::Score(key) => {
            let (top, bottom) = score_terms(all, key)?;
            Replicated::of_ratio(&top, &bottom).ok()
        }
        Quantity::InFlight { .. } | Quantity::Gauge(..) | Quantity::ModelError(..) => None,
    }
}

/// Sectioning: the replications' own quantiles around that of all.
fn quantile(run: &Run, metric: Metric, stat: Stat) -> Option<Replicated> {
    let (q, of): (f64, fn(&ReplicationMetric) -> Option<f64>) = match stat {
        Stat::P50 => (0.5, |m| m.p50),
        Stat::P90 => (0.9, |m| m.p90),
        Stat::P95 => (0.95, |m| m.p95),
        Stat::P99 => (0.99, |m| m.p99),
        Stat::P999 => (0.999, |m| m.p999),
        Stat::Mean | Stat::Max | Stat::Min | Stat::Count => return None,
    };
    let estimate = lookup::find(run, Quantity::Metric(metric, stat)).ok()?.value;
    let each = |r: &ReplicationRecord| {
        let m = r.metrics.get(metric.name())?;
        let rank = rank_of(q, m.count);
        let enough = rank.min(m.count.saturating_sub(rank)) >= NEEDED_BEYOND;
        of(m).filter(|_| enough)
    };
    let values: Option<Vec<f64>> = run.per_replication.iter().map(each).collect();
    Some(Replicated { estimate, values: values?, centre: estimate })
}
