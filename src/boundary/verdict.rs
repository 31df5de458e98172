//! Verdicts on a record.

use indexmap::IndexMap;

use super::expr::{Expr, ExprError};
use super::lookup;
use crate::measure::record::{BoundaryRecord, Run, Verdict};
use crate::measure::{Estimate, Spread};
use crate::scenario::types::{Boundary, BoundarySpec, Expect};

/// Boundaries with their expressions read, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boundaries(IndexMap<String, (Expr, BoundarySpec)>);

/// Verdicts on all boundaries of a run, and on all together.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// By name, in the scenario's order.
    pub boundaries: IndexMap<String, BoundaryRecord>,
    /// All together.
    pub outcome: Outcome,
}

/// All verdicts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every verdict is as expected.
    Yes,
    /// At least one verdict is decided and not as expected.
    No,
    /// None is against expectation, but at least one is inconclusive, or the run is not one to judge.
    Inconclusive,
}

impl Outcome {
    /// The exit code of the interface: 0, 1 or 4.
    pub const fn exit_code(self) -> u8 {
        match self {
            Outcome::Yes => 0,
            Outcome::No => 1,
            Outcome::Inconclusive => 4,
        }
    }
}

impl Boundaries {
    /// Reads all expressions; the errors of all that are wrong, by name.
    pub fn parse(specs: &IndexMap<String, Boundary>) -> Result<Self, Vec<(String, ExprError)>> {
        let mut read = IndexMap::new();
        let mut errors = Vec::new();
        for (name, Boundary(spec)) in specs {
            match Expr::parse(&spec.require) {
                Ok(expr) => {
                    read.insert(name.clone(), (expr, spec.clone()));
                }
                Err(error) => errors.push((name.clone(), error)),
            }
        }
        if errors.is_empty() { Ok(Boundaries(read)) } else { Err(errors) }
    }

    /// The expressions by name.
    pub fn exprs(&self) -> impl Iterator<Item = (&str, &Expr)> {
        self.0.iter().map(|(name, (expr, _))| (name.as_str(), expr))
    }

    /// Judges a record. One that is not valid or not complete decides nothing: all of its verdicts
    /// are inconclusive.
    pub fn judge(&self, run: &Run) -> Judgement {
        let judged =
            self.0.iter().map(|(name, (expr, spec))| (name.clone(), judge_one(run, expr, spec)));
        let mut boundaries: IndexMap<String, BoundaryRecord> = judged.collect();
        mark_binding(&mut boundaries);
        let outcome = outcome(run, &boundaries);
        Judgement { boundaries, outcome }
    }
}

fn judge_one(run: &Run, expr: &Expr, spec: &BoundarySpec) -> BoundaryRecord {
    let found = lookup::find(run, expr.quantity);
    let (mut verdict, mut why) = match &found {
        Ok(estimate) => decide(expr, estimate),
        Err(absent) => (Verdict::Inconclusive, absent.clone()),
    };
    if let Some(reason) = unfit(run) {
        verdict = Verdict::Inconclusive;
        why = format!("{reason}; {why}");
    }
    let found = found.ok();
    BoundaryRecord {
        require: expr.text.clone(),
        value: found.map(|e| e.value),
        ci95: found.and_then(|e| e.ci95()),
        verdict,
        expected: spec.expect,
        stage: spec.stage,
        margin: found.and_then(|e| margin(expr, e.value)),
        binding: false,
        why,
        note: spec.why.clone(),
    }
}

/// Why no verdict can rest on this run.
fn unfit(run: &Run) -> Option<&'static str> {
    if !run.quality.valid {
        Some("the run is not valid")
    } else if !run.quality.complete {
        Some("the run was cut short")
    } else {
        None
    }
}

/// The verdict on an estimate, and how it came about.
pub fn decide(expr: &Expr, estimate: &Estimate) -> (Verdict, String) {
    let (unit, threshold) = (expr.quantity.unit(), expr.threshold);
    let holds = |value: f64| expr.comparison.holds(value, threshold);
    let shown = unit.show(estimate.value);
    let limit = unit.show(threshold);
    let by_value = if holds(estimate.value) { Verdict::Holds } else { Verdict::Broken };
    match estimate.spread {
        Spread::Interval([low, high]) => {
            let range = format!("{shown} [{}, {}]", unit.show(low), unit.show(high));
            match (holds(low), holds(high)) {
                (true, true) => {
                    (Verdict::Holds, format!("{range} lies {}", side(expr, true, &limit)))
                }
                (false, false) => {
                    (Verdict::Broken, format!("{range} lies {}", side(expr, false, &limit)))
                }
                _ => (
                    Verdict::Inconclusive,
                    format!("{range} straddles {limit}: more replications would narrow it"),
                ),
            }
        }
        Spread::Exact => (
            by_value,
            format!(
                "{shown} is {}; exact: nothing is random",
                side(expr, by_value == Verdict::Holds, &limit)
            ),
        ),
        Spread::OneReplication => (
            Verdict::Inconclusive,
            format!("{shown} against {limit}, but one replication has no interval"),
        ),
        Spread::TooFew => {
            let why = format!(
                "{shown} against {limit}, but too few observations for an interval: measure longer"
            );
            (Verdict::Inconclusive, why)
        }
    }
}

/// Where a value is that does or does not hold.
fn side(expr: &Expr, holds: bool, limit: &str) -> String {
    let below = expr.comparison.wants_less() == holds;
    // `x < 1s` breaks at 1s itself, `x <= 1s` holds there.
    let at_limit = expr.comparison.holds(expr.threshold, expr.threshold) == holds;
    match (below, at_limit) {
        (true, true) => format!("at or below {limit}"),
        (true, false) => format!("below {limit}"),
        (false, true) => format!("at or above {limit}"),
        (false, false) => format!("above {limit}"),
    }
}

/// Distance to the threshold over the threshold, negative on the wrong side.
fn margin(expr: &Expr, value: f64) -> Option<f64> {
    let slack =
        if expr.comparison.wants_less() { expr.threshold - value } else { value - expr.threshold };
    (expr.threshold != 0.0).then(|| slack / expr.threshold.abs())
}

/// Marks the one with the least margin of those expected to hold; the first of equals.
fn mark_binding(boundaries: &mut IndexMap<String, BoundaryRecord>) {
    let candidates =
        boundaries.iter().enumerate().filter(|(_, (_, b))| b.expected == Expect::Holds);
    let margins = candidates.filter_map(|(i, (_, b))| b.margin.map(|margin| (i, margin)));
    let least = margins.reduce(|best, next| if next.1 < best.1 { next } else { best });
    if let Some((_, boundary)) = least.and_then(|(i, _)| boundaries.get_index_mut(i)) {
        boundary.binding = true;
    }
}

fn outcome(run: &Run, boundaries: &IndexMap<String, BoundaryRecord>) -> Outcome {
    let mut open = unfit(run).is_some();
    for boundary in boundaries.values() {
        match (boundary.verdict, boundary.expected) {
            (Verdict::Holds, Expect::Holds) | (Verdict::Broken, Expect::Broken) => {}
            (Verdict::Inconclusive, _) => open = true,
            _ => return Outcome::No,
        }
    }
    if open { Outcome::Inconclusive } else { Outcome::Yes }
}
