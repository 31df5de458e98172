//! A candidate's record against a baseline's: pass, regression, improvement or inconclusive.
//!
//! Each quantity has a direction in which it gets worse and a tolerance, relative to the baseline.
//! With `change = candidate − baseline` and its 95 % interval:
//!
//! - the whole interval is worse than the tolerance: **regression**;
//! - the whole interval is better than the tolerance: **improvement**;
//! - the interval ends before the tolerance: **pass**;
//! - it straddles the tolerance: **inconclusive**.
//!
//! Two records of the same seed and number of replications are compared replication by replication,
//! which is sharper under common random numbers; else the two intervals are added in quadrature.

mod quantities;
mod tolerance;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::boundary::{self, Extent, Quantity, Stat, Unit};
use crate::measure::record::{Kind, ReplicationMetric, ReplicationRecord, Run};
use crate::measure::{Estimate, Spread};
use crate::stats::interval;

pub use quantities::{Gated, Worse, gated};
pub use tolerance::{ToleranceError, Tolerances};

/// What became of one quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// Not worse by more than the tolerance.
    Pass,
    /// Worse by more than the tolerance.
    Regression,
    /// Better by more than the tolerance.
    Improvement,
    /// The interval of the change straddles the tolerance, or there is none.
    Inconclusive,
}

/// One quantity of both records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its name, as `--tolerance` takes it.
    pub id: String,
    /// In the record's unit.
    pub base: Option<f64>,
    /// In the record's unit.
    pub candidate: Option<f64>,
    /// (candidate − base) / |base|; `None` where the baseline is zero.
    pub change: Option<f64>,
    /// 95 % interval of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci95: Option<[f64; 2]>,
    /// Relative change that is tolerated.
    pub tolerance: f64,
    /// What became of it.
    pub verdict: GateVerdict,
    /// How that came about.
    pub why: String,
    /// What it is measured in.
    #[serde(skip)]
    pub unit: Unit,
}

/// A whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// All together.
    pub verdict: GateVerdict,
    /// What a reader should know of the two records.
    pub notes: Vec<String>,
    /// Quantity by quantity; those that neither record has are left out.
    pub compared: Vec<Compared>,
}

/// Why two records cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// One is no simulation.
    #[error("the {which} is a record of a live run; the gate compares two simulated records")]
    Live {
        /// `baseline` or `candidate`.
        which: &'static str,
    },
}

/// Compares two simulated records.
///
/// # Errors
/// If one of them is no simulation.
pub fn gate(base: &Run, candidate: &Run, tolerances: &Tolerances) -> Result<Gate, GateError> {
    for (which, run) in [("baseline", base), ("candidate", candidate)] {
        if run.kind != Kind::Simulated {
            return Err(GateError::Live { which });
        }
    }
    let unfit = unfit(base, candidate);
    let paired = base.seed == candidate.seed && base.replications == candidate.replications;
    let compared: Vec<Compared> = gated()
        .into_iter()
        .filter_map(|gated| {
            let tolerance = tolerances.of(&gated);
            compare(&gated, base, candidate, tolerance, paired)
        })
        .map(|mut compared| {
            if unfit.is_some() {
                compared.verdict = GateVerdict::Inconclusive;
            }
            compared
        })
        .collect();
    let mut notes: Vec<String> = unfit.into_iter().collect();
    if base.hash == candidate.hash {
        notes.push("both records are of the very same scenario".to_owned());
    }
    notes.push(if paired {
        "compared replication by replication: same seed, same number of replications".to_owned()
    } else {
        "compared as independent runs: seeds or replications differ".to_owned()
    });
    Ok(Gate { verdict: overall(&compared), notes, compared })
}

/// Why no verdict can rest on these records.
fn unfit(base: &Run, candidate: &Run) -> Option<String> {
    let bad = |run: &Run| !run.quality.valid || !run.quality.complete;
    match (bad(base), bad(candidate)) {
        (false, false) => None,
        (true, false) => {
            Some("the baseline is partial or not valid: nothing is decided".to_owned())
        }
        (false, true) => {
            Some("the candidate is partial or not valid: nothing is decided".to_owned())
        }
        (true, true) => {
            Some("both records are partial or not valid: nothing is decided".to_owned())
        }
    }
}

fn overall(compared: &[Compared]) -> GateVerdict {
    let has = |verdict| compared.iter().any(|c| c.verdict == verdict);
    if has(GateVerdict::Regression) {
        GateVerdict::Regression
    } else if has(GateVerdict::Inconclusive) || compared.is_empty() {
        GateVerdict::Inconclusive
    } else if has(GateVerdict::Improvement) {
        GateVerdict::Improvement
    } else {
        GateVerdict::Pass
    }
}

/// Compares one quantity; `None` where neither record has it.
fn compare(
    gated: &Gated,
    base: &Run,
    candidate: &Run,
    tolerance: f64,
    paired: bool,
) -> Option<Compared> {
    let found = [base, candidate].map(|run| boundary::find(run, gated.quantity));
    let mut compared = Compared {
        id: gated.id.clone(),
        base: found[0].as_ref().ok().map(|e| e.value),
        candidate: found[1].as_ref().ok().map(|e| e.value),
        change: None,
        ci95: None,
        tolerance,
        verdict: GateVerdict::Inconclusive,
        why: String::new(),
        unit: gated.quantity.unit(),
    };
    let (old, new) = match found {
        [Err(_), Err(_)] => return None,
        [Ok(_), Err(why)] => {
            compared.why = format!("only the baseline has it: {why}");
            return Some(compared);
        }
        [Err(why), Ok(_)] => {
            compared.why = format!("only the candidate has it: {why}");
            return Some(compared);
        }
        [Ok(old), Ok(new)] => (old, new),
    };
    let difference = new.value - old.value;
    let interval = change_interval(gated.quantity, base, candidate, (&old, &new), paired);
    let scale = old.value.abs();
    compared.change = (scale > 0.0).then(|| difference / scale);
    compared.ci95 = interval.filter(|_| scale > 0.0).map(|ci| ci.map(|end| end / scale));
    // Near zero a relative tolerance tolerates nothing: what is too small to matter is let pass.
    let allowed = (tolerance * scale).max(gated.floor());
    let worse = |change: f64| if gated.worse == Worse::More { change } else { -change };
    let ends = interval.unwrap_or([difference; 2]).map(worse);
    let (least, most) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    (compared.verdict, compared.why) = match interval {
        None if difference != 0.0 => {
            let why = old.why_none().or(new.why_none()).unwrap_or("no interval");
            (GateVerdict::Inconclusive, format!("the change has no interval: {why}"))
        }
        _ if least > allowed => {
            (GateVerdict::Regression, "worse by more than the tolerance".to_owned())
        }
        _ if most < -allowed => {
            (GateVerdict::Improvement, "better by more than the tolerance".to_owned())
        }
        _ if most <= allowed => (GateVerdict::Pass, "within the tolerance".to_owned()),
        _ => (
            GateVerdict::Inconclusive,
            "the interval of the change straddles the tolerance".to_owned(),
        ),
    };
    Some(compared)
}

/// 95 % interval of candidate − baseline; `None` where one side has none.
fn change_interval(
    quantity: Quantity,
    base: &Run,
    candidate: &Run,
    (old, new): (&Estimate, &Estimate),
    paired: bool,
) -> Option<[f64; 2]> {
    let difference = new.value - old.value;
    let exact = old.spread == Spread::Exact && new.spread == Spread::Exact;
    // On the same draws, equal to the last digit is not chance: nothing that matters changed.
    if exact || (paired && difference == 0.0) {
        return Some([difference; 2]);
    }
    if let (true, Some(a), Some(b)) = (paired, each(base, quantity), each(candidate, quantity)) {
        let known = old.ci95().is_some() && new.ci95().is_some();
        let found = interval::paired_difference(&b, &a, 0.95).ok().filter(|_| known);
        // Around the difference of the records' own values, which pool all observations.
        return found.map(|i| [difference - i.half_width(), difference + i.half_width()]);
    }
    let half = |estimate: &Estimate| match estimate.spread {
        Spread::Exact => Some(0.0),
        _ => estimate.ci95().map(|[low, high]| (estimate.value - low).max(high - estimate.value)),
    };
    let (a, b) = (half(old)?, half(new)?);
    let width = (a * a + b * b).sqrt();
    Some([difference - width, difference + width])
}

/// The quantity in each replication, where the record keeps it.
fn each(run: &Run, quantity: Quantity) -> Option<Vec<f64>> {
    let of = |r: &ReplicationRecord| match quantity {
        Quantity::Metric(metric, stat) => statistic(r.metrics.get(metric.name())?, stat),
        Quantity::Gauge(gauge, Extent::Mean) => r.gauges.get(gauge.name())?.mean,
        _ => None,
    };
    run.per_replication.iter().map(of).collect()
}

fn statistic(metric: &ReplicationMetric, stat: Stat) -> Option<f64> {
    match stat {
        Stat::Mean => metric.mean,
        Stat::P50 => metric.p50,
        Stat::P95 => metric.p95,
        Stat::P99 => metric.p99,
        _ => None,
    }
}
