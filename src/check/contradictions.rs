//! Boundaries that cannot both hold.

use super::Findings;
use crate::billing::CostKey;
use crate::boundary::{Expr, Extent, Quantity, Stat};
use crate::measure::Gauge;
use crate::scenario::source::Path;
use crate::scenario::types::{BoundarySpec, Expect};

/// A boundary that was read: where it stands, what it says.
pub(super) type Read<'a> = (Path, Expr, &'a BoundarySpec);

pub(super) fn check(findings: &mut Findings<'_>, read: &[Read<'_>]) {
    let wanted: Vec<&Read<'_>> =
        read.iter().filter(|(_, _, spec)| spec.expect == Expect::Holds).collect();
    for (place, above) in wanted.iter().enumerate() {
        for below in wanted.iter().skip(place + 1) {
            both(findings, above, below);
            both(findings, below, above);
        }
    }
}

/// `above` bounds a quantity from below, `below` one that is never less than that from above.
fn both(findings: &mut Findings<'_>, above: &Read<'_>, below: &Read<'_>) {
    let ((place, low, spec), (other, high, of)) = (above, below);
    let sides = !low.comparison.wants_less() && high.comparison.wants_less();
    let alike = low.change == high.change && spec.during == of.during;
    // Of changes only the same quantity's are ordered.
    let ordered =
        low.quantity == high.quantity || !low.change && never_above(low.quantity, high.quantity);
    if !sides || !alike || !ordered {
        return;
    }
    let meet = low.threshold == high.threshold
        && low.comparison.holds(low.threshold, low.threshold)
        && high.comparison.holds(high.threshold, high.threshold);
    if low.threshold < high.threshold || meet {
        return;
    }
    let at = findings.at;
    let why = if low.quantity == high.quantity {
        "no value is above the one and below the other"
    } else {
        "the one is never above the other"
    };
    let message =
        format!("`{}` and `{}` cannot both hold: {why}", low.text.trim(), high.text.trim());
    let found = at.warning("contradiction", place, message);
    let found = at.with(found, other, "the other one");
    findings.push(found.help("change one of them, or mark it `expect: broken`"));
}

/// Whether a quantity is never above another one.
fn never_above(a: Quantity, b: Quantity) -> bool {
    match (a, b) {
        (Quantity::Metric(one, low), Quantity::Metric(other, high)) => {
            one == other && stat_order(low, high)
        }
        (Quantity::Gauge(one, low), Quantity::Gauge(other, high)) => {
            (one == other || part_of(one, other)) && extent_order(low, high)
        }
        (Quantity::Cost(one), Quantity::Cost(other)) => {
            let is_amount = !one.is_share() && one.is_of_a_run();
            is_amount && one != CostKey::Tco && other == CostKey::Tco
        }
        _ => false,
    }
}

/// Whether a statistic is at most another one of the same observations. A mean is between the extremes, and
/// on no sure side of a quantile.
fn stat_order(a: Stat, b: Stat) -> bool {
    let rank = |stat| match stat {
        Stat::Min => Some(0),
        Stat::P50 => Some(1),
        Stat::P90 => Some(2),
        Stat::P95 => Some(3),
        Stat::P99 => Some(4),
        Stat::P999 => Some(5),
        Stat::Max => Some(6),
        Stat::Mean | Stat::Count => None,
    };
    match (a, b) {
        (Stat::Mean, Stat::Max) | (Stat::Min, Stat::Mean) => true,
        _ => rank(a).zip(rank(b)).is_some_and(|(a, b)| a <= b),
    }
}

fn extent_order(a: Extent, b: Extent) -> bool {
    let rank = |extent| match extent {
        Extent::Min => 0,
        Extent::Mean => 1,
        Extent::Max => 2,
    };
    rank(a) <= rank(b)
}

/// Whether a gauge counts some of what another one counts.
fn part_of(a: Gauge, b: Gauge) -> bool {
    matches!(
        (a, b),
        (Gauge::SessionsInTurn, Gauge::SessionsOpen)
            | (Gauge::SandboxesIdle | Gauge::SandboxesPool, Gauge::SandboxesRunning)
    )
}
