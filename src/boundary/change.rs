//! A quantity of two arms on the same replications: its difference and its relative change.

use super::lookup::{self, Found};
use super::quantity::Quantity;
use super::replicated::replicated;
use crate::measure::record::{ChangeRecord, Run};
use crate::measure::{Estimate, Spread};
use crate::stats::interval::Interval;
use crate::stats::paired::{Replicated, paired_ratio};

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

/// A quantity of both arms, with intervals at the two-sided error level `error`; `None` where one of
/// them does not have it.
pub fn change_record(
    run: &Run,
    base: &Run,
    quantity: Quantity,
    error: f64,
) -> Option<ChangeRecord> {
    let (own, other) = (lookup::find(run, quantity).ok()?, lookup::find(base, quantity).ok()?);
    let change = find_change(run, base, quantity, error).ok();
    let difference = own.value - other.value;
    let interval =
        paired(run, base, quantity).and_then(|(a, b)| a.minus(&b).interval(1.0 - error).ok());
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
