//! Verdicts on a record.

use indexmap::IndexMap;

use super::change::find_change;
use super::expr::{Expr, ExprError};
use super::live::LiveSessions;
use super::lookup;
use super::quantity::Quantity;
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

    /// Puts what a live run says of its model's error into the record of its scenario, which cannot say
    /// it by itself; all verdicts of that record together.
    pub fn with_model_error(&self, run: &mut Run, live: &Run) -> Outcome {
        for (name, (expr, _)) in &self.0 {
            if let Quantity::ModelError(..) = expr.quantity
                && let Some(judged) = live.boundaries.get(name)
            {
                run.boundaries.insert(name.clone(), judged.clone());
            }
        }
        outcome(run, &run.boundaries)
    }

    /// Judges a record by itself, at the usual level. One that is not valid or not complete decides
    /// nothing: all of its verdicts are inconclusive.
    pub fn judge(&self, run: &Run) -> Judgement {
        self.judge_parts(&Parts::of(run), &Levels::USUAL)
    }

    /// Judges a record with its other parts, at the levels of its look.
    ///
    /// A verdict that is expected is taken at the level of one, for the answer yes takes all of them
    /// (intersection-union: Berger 1982, "Multiparameter hypothesis testing and acceptance sampling").
    /// One that is a surprise makes the answer no by itself, so surprises share the error by Holm's
    /// procedure (Holm 1979), which names none wrongly in 95 % of runs.
    pub fn judge_parts(&self, parts: &Parts<'_>, levels: &Levels<'_>) -> Judgement {
        let one = (levels.test)(1);
        let judged = self.0.iter().map(|(name, (expr, spec))| {
            (name.clone(), Judged { expr, spec, run: parts.run }.record(parts, one, levels))
        });
        let mut boundaries: IndexMap<String, BoundaryRecord> = judged.collect();
        self.holm(parts, levels, &mut boundaries);
        mark_binding(&mut boundaries);
        let outcome = outcome(parts.run, &boundaries);
        Judgement { boundaries, outcome }
    }

    /// Takes back surprises that do not stand out among all boundaries, step by step: the clearest
    /// must do so among all, the next among one less.
    fn holm(
        &self,
        parts: &Parts<'_>,
        levels: &Levels<'_>,
        boundaries: &mut IndexMap<String, BoundaryRecord>,
    ) {
        let random = |(expr, spec): &(Expr, BoundarySpec)| {
            find(parts, expr, spec, lookup::USUAL).is_ok_and(|e| e.spread != Spread::Exact)
        };
        let mut left = self.0.values().filter(|boundary| random(boundary)).count();
        let mut surprises: Vec<(f64, &str)> = Vec::new();
        for (name, (expr, spec)) in &self.0 {
            let surprising = is_surprise(&boundaries[name]);
            if surprising && random(&(expr.clone(), spec.clone())) {
                let clear = Judged { expr, spec, run: parts.run }.clearest(parts, (levels.test)(1));
                surprises.push((clear, name));
            }
        }
        surprises.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut named = true;
        for (_, name) in surprises {
            let (expr, spec) = &self.0[name];
            let at = (levels.test)(left.max(1));
            let judged = Judged { expr, spec, run: parts.run };
            let record = judged.record(parts, at, levels);
            named &= is_surprise(&record);
            boundaries.insert(
                name.to_owned(),
                if named { record } else { judged.taken_back(parts, at, levels) },
            );
            left -= 1;
        }
    }
}

/// The two-sided error levels of a judgement.
pub struct Levels<'a> {
    /// That one of so many hypotheses is tested at, so that all of them together err in 5 % of runs.
    pub test: &'a dyn Fn(usize) -> f64,
    /// That intervals are stated at, so that they miss in 5 % of runs.
    pub stated: f64,
}

impl Levels<'_> {
    /// Of a single look: 5 % for one hypothesis, shared by several.
    pub const USUAL: Levels<'static> =
        Levels { test: &|family| lookup::USUAL / family as f64, stated: lookup::USUAL };
}

/// A record and what it is judged beside.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The whole run.
    pub run: &'a Run,
    /// The same sessions on the baseline.
    pub baseline: Option<&'a Run>,
    /// Windows of time by name: of the run, and of the baseline.
    pub windows: &'a [(String, Run, Option<Run>)],
    /// The sessions of a live run, which is one replication.
    pub sessions: Option<&'a LiveSessions>,
}

impl<'a> Parts<'a> {
    /// A record by itself.
    pub fn of(run: &'a Run) -> Self {
        Parts { run, baseline: None, windows: &[], sessions: None }
    }
}

/// What a boundary speaks of, with the interval that misses it in the share `error` of runs.
fn find(parts: &Parts<'_>, expr: &Expr, spec: &BoundarySpec, error: f64) -> lookup::Found {
    if let Some(found) = of_sessions(parts, expr, spec, error) {
        return Ok(found);
    }
    let (run, baseline) = match &spec.during {
        None => (parts.run, parts.baseline),
        Some(during) => {
            let name = during.name();
            let window = parts.windows.iter().find(|(known, ..)| *known == name);
            let (_, run, baseline) =
                window.ok_or_else(|| format!("{name} was not measured in this run"))?;
            (run, baseline.as_ref())
        }
    };
    if !expr.change {
        return lookup::find_at(run, expr.quantity, error);
    }
    let baseline =
        baseline.ok_or("not available in this record: there is no baseline to compare with")?;
    find_change(run, baseline, expr.quantity, error)
}

/// The same from the sessions of a live run, where they tell.
fn of_sessions(
    parts: &Parts<'_>,
    expr: &Expr,
    spec: &BoundarySpec,
    error: f64,
) -> Option<Estimate> {
    let sessions = parts.sessions.filter(|_| !expr.change && spec.during.is_none())?;
    sessions.find(expr.quantity, error)
}

/// A boundary being judged.
struct Judged<'a> {
    expr: &'a Expr,
    spec: &'a BoundarySpec,
    run: &'a Run,
}

impl Judged<'_> {
    fn record(&self, parts: &Parts<'_>, error: f64, levels: &Levels<'_>) -> BoundaryRecord {
        let Judged { expr, spec, run } = self;
        let found = find(parts, expr, spec, error);
        let usual = find(parts, expr, spec, levels.stated).ok();
        let (mut verdict, mut why) = match &found {
            Ok(estimate) => decide(expr, estimate),
            Err(absent) => (Verdict::Inconclusive, absent.clone()),
        };
        if let (Some(sessions), Some(estimate)) =
            (parts.sessions, of_sessions(parts, expr, spec, error))
        {
            let straddles = verdict == Verdict::Inconclusive;
            why = format!("{why}; {}", sessions.say(&estimate, expr.threshold, straddles));
        }
        if let Some(reason) = unfit(run) {
            verdict = Verdict::Inconclusive;
            why = format!("{reason}; {why}");
        }
        let at_other =
            found.as_ref().ok().and_then(Estimate::ci95).filter(|_| error != lookup::USUAL);
        BoundaryRecord {
            require: expr.text.clone(),
            value: usual.map(|e| e.value),
            ci95: usual.and_then(|e| e.ci95()),
            level: at_other.map(|_| error),
            interval: at_other,
            during: spec.during.as_ref().map(|during| during.name()),
            verdict,
            expected: spec.expect,
            stage: spec.stage,
            margin: usual.and_then(|e| margin(expr, e.value)),
            binding: false,
            why,
            note: spec.why.clone(),
        }
    }

    /// A surprise that does not stand out: open.
    fn taken_back(&self, parts: &Parts<'_>, error: f64, levels: &Levels<'_>) -> BoundaryRecord {
        let mut record = self.record(parts, error, levels);
        record.verdict = Verdict::Inconclusive;
        record.why = format!(
            "{}; by itself it would be decided, but among all boundaries this may be chance (Holm)",
            record.why
        );
        record
    }

    /// The least error at which the verdict still is what it is at `error`: how clear it is.
    fn clearest(&self, parts: &Parts<'_>, error: f64) -> f64 {
        let as_before = |at: f64| {
            let found = find(parts, self.expr, self.spec, at);
            found.is_ok_and(|e| decide(self.expr, &e).0 != Verdict::Inconclusive)
        };
        let (mut low, mut high) = (-300.0, libm::log10(error));
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            *(if as_before(libm::pow(10.0, middle)) { &mut high } else { &mut low }) = middle;
        }
        high
    }
}

/// Decided, and not as expected.
fn is_surprise(record: &BoundaryRecord) -> bool {
    matches!(
        (record.verdict, record.expected),
        (Verdict::Holds, Expect::Broken) | (Verdict::Broken, Expect::Holds)
    )
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
    let (unit, threshold) = (expr.unit(), expr.threshold);
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
