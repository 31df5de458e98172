//! What each replication says of a quantity, and intervals that hold what the demand leaves open.

use super::lookup;
use super::quantity::{Extent, Quantity, Stat};
use crate::billing::CostKey;
use crate::measure::record::{
    MetricIntervals, ReplicationMetric, ReplicationRecord, Run, ScorecardKey,
};
use crate::measure::{Gauge, Metric, cost_terms, score_terms};
use crate::stats::interval::NEEDED_BEYOND;
use crate::stats::paired::Replicated;
use crate::stats::rank_of;

/// What each replication says of a quantity; `None` where it says too little.
pub(super) fn replicated(run: &Run, quantity: Quantity) -> Option<Replicated> {
    let estimate = || Some(lookup::find(run, quantity).ok()?.value);
    let simulated = values(&run.per_replication, quantity, estimate)?;
    let Some(input) = &run.input else { return Some(simulated) };
    let again = values(&input.per_replication, quantity, estimate)?;
    Some(Replicated { resampled: Some(again.values), ..simulated })
}

/// What some replications say of a quantity that is estimated elsewhere.
fn values(
    all: &[ReplicationRecord],
    quantity: Quantity,
    estimate: impl Fn() -> Option<f64>,
) -> Option<Replicated> {
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
        Quantity::Metric(metric, stat) => quantile(all, metric, stat, estimate()?),
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
fn quantile(
    all: &[ReplicationRecord],
    metric: Metric,
    stat: Stat,
    estimate: f64,
) -> Option<Replicated> {
    let (q, of): (f64, fn(&ReplicationMetric) -> Option<f64>) = match stat {
        Stat::P50 => (0.5, |m| m.p50),
        Stat::P90 => (0.9, |m| m.p90),
        Stat::P95 => (0.95, |m| m.p95),
        Stat::P99 => (0.99, |m| m.p99),
        Stat::P999 => (0.999, |m| m.p999),
        Stat::Mean | Stat::Max | Stat::Min | Stat::Count => return None,
    };
    let each = |r: &ReplicationRecord| {
        let m = r.metrics.get(metric.name())?;
        let rank = rank_of(q, m.count);
        let enough = rank.min(m.count.saturating_sub(rank)) >= NEEDED_BEYOND;
        of(m).filter(|_| enough)
    };
    let values: Option<Vec<f64>> = all.iter().map(each).collect();
    Some(Replicated { estimate, values: values?, centre: estimate, resampled: None })
}

/// Widens all intervals of a record by what its `input` says; those that hold simulation alone are
/// kept in it. Nothing is done to a record without input.
pub fn widen(run: &mut Run) {
    if run.input.is_none() {
        return;
    }
    let of = |run: &Run, quantity: Quantity, old: Option<[f64; 2]>| -> Option<[f64; 2]> {
        let [low, high] = old?;
        let found = replicated(run, quantity)?.interval(0.95).ok()?;
        let (least, most) = quantity.range();
        // Never narrower: an interval for what was not seen at all knows more than the values.
        Some([low.min(found.low.max(least)), high.max(found.high.min(most))])
    };
    let mut simulated = indexmap::IndexMap::new();
    let before = run.clone();
    each_interval(run, |name, quantity, place| {
        if let Some(old) = *place {
            simulated.insert(name, old);
            *place = of(&before, quantity, *place);
        }
    });
    if let Some(input) = &mut run.input {
        input.simulation_ci95 = simulated;
    }
}

/// States all intervals of a record, 95 % ones so far, at the two-sided error level `error`.
pub fn state_at(run: &mut Run, error: f64) {
    if error == lookup::USUAL {
        return;
    }
    let before = run.clone();
    each_interval(run, |_, quantity, place| {
        if place.is_some() {
            *place = lookup::find_at(&before, quantity, error).ok().and_then(|e| e.ci95());
        }
    });
}

/// Visits each interval of a record: its name, whose it is, and its place.
fn each_interval(run: &mut Run, mut visit: impl FnMut(String, Quantity, &mut Option<[f64; 2]>)) {
    for metric in Metric::ALL {
        let Some(ci) = run.metrics.get_mut(metric.name()).and_then(|m| m.ci95.as_mut()) else {
            continue;
        };
        let MetricIntervals { mean, p50, p90, p95, p99, p999 } = ci;
        let places = [
            ("mean", Stat::Mean, mean),
            ("p50", Stat::P50, p50),
            ("p90", Stat::P90, p90),
            ("p95", Stat::P95, p95),
            ("p99", Stat::P99, p99),
            ("p999", Stat::P999, p999),
        ];
        for (name, stat, place) in places {
            visit(format!("{}.{name}", metric.name()), Quantity::Metric(*metric, stat), place);
        }
    }
    for gauge in Gauge::ALL {
        if let Some(ci) = run.gauges.get_mut(gauge.name()).and_then(|g| g.ci95.as_mut()) {
            let quantity = Quantity::Gauge(*gauge, Extent::Mean);
            visit(format!("{}.mean", gauge.name()), quantity, &mut ci.mean);
        }
    }
    for key in CostKey::ALL {
        let mut place = run.cost.ci95.get(key.name()).copied();
        visit(format!("cost.{}", key.name()), Quantity::Cost(*key), &mut place);
        run.cost.ci95.extend(place.map(|ci| (key.name().to_owned(), ci)));
    }
    for key in ScorecardKey::ALL {
        let mut place = run.scorecard.ci95.get(key.name()).copied();
        visit(key.name().to_owned(), Quantity::Score(*key), &mut place);
        run.scorecard.ci95.extend(place.map(|ci| (key.name().to_owned(), ci)));
    }
}
