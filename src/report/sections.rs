//! A record as tables.

use super::arms;
use super::number::{percent, spread, three, three_or_dash, with_spread};
use super::table::{Cell, Table, Tone, number, text};
use crate::billing::CostKey;
use crate::boundary::{Expr, Unit};
use crate::measure::record::{
    Axis, BoundaryRecord, Kind, Level, MetricRecord, Run, ScorecardKey, Verdict,
};
use crate::measure::{Gauge, Spread};
use crate::scenario::types::Expect;

const DAY: f64 = 86_400.0;
const GIB: f64 = 1_073_741_824.0;

/// What ran, in a line.
pub fn headline(run: &Run) -> String {
    let kind = match run.kind {
        Kind::Simulated => "simulated",
        Kind::Live => "live",
    };
    let name = run.scenario.get("name").and_then(|name| name.as_str()).unwrap_or("unnamed");
    let times = if run.replications == 1 { "replication" } else { "replications" };
    format!(
        "{name}: {kind}, {} {times} of {} after {} of warm-up, seed {}, scenario {}",
        run.replications,
        Unit::Time.show(run.measured_s),
        Unit::Time.show(run.warmup_s),
        run.seed,
        run.hash.get(..12).unwrap_or(&run.hash),
    )
}

/// All tables of a record, the answer first.
pub fn sections(run: &Run) -> Vec<Table> {
    let all = [
        boundaries(run),
        super::comparison::comparison(run),
        arms::baseline(run),
        arms::windows(run),
        super::quotas::quotas(run),
        super::provisioned::provisioned(run),
        stage(run),
        sessions(run),
        times(run),
        gauges(run),
        cost(run),
        super::costs::lines(&run.cost),
        scorecard(run),
        quality(run),
    ];
    all.into_iter().flatten().collect()
}

/// Why the record's numbers stand without intervals, if they do.
fn why_no_interval(run: &Run) -> Option<&'static str> {
    match Spread::of(None, run.quality.exact, run.per_replication.len()) {
        Spread::Exact => Some("no intervals: nothing in this run is random"),
        Spread::OneReplication => Some("no intervals: one replication says nothing about the next"),
        Spread::Interval(_) | Spread::TooFew => None,
    }
}

/// The notes below a table of estimates.
fn note_intervals(run: &Run, table: &mut Table) {
    table.notes.push(match why_no_interval(run) {
        Some(why) => why.to_owned(),
        None => {
            let input = run.input.as_ref().map(|_| ", with what the recorded sessions leave open");
            let input = input.unwrap_or_default();
            format!("± and [ ] are 95% intervals over {} replications{input}", run.replications)
        }
    });
    if table.rows.iter().flatten().any(|cell| cell.text.ends_with("(few)")) {
        table.notes.push("(few): too few observations for an interval".to_owned());
    }
}

/// A value with its interval; `(few)` where a run with intervals has too few observations for one.
fn estimate(run: &Run, value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match interval {
        None if why_no_interval(run).is_none() => format!("{} (few)", three(value)),
        _ if run.quality.exact => three(value),
        _ => with_spread(value, interval),
    }
}

fn boundaries(run: &Run) -> Option<Table> {
    let heads = vec![
        text("boundary"),
        text("requires"),
        text("found (95% interval)"),
        text("verdict"),
        text("expected"),
        number("margin %"),
    ];
    let mut table = Table::new("Boundaries", heads);
    for (name, boundary) in &run.boundaries {
        let binding = if boundary.binding { " (binding)" } else { "" };
        table.row([
            format!("{name}{binding}").into(),
            requires(boundary).into(),
            found(boundary).into(),
            verdict(boundary),
            expected(boundary.expected).into(),
            boundary.margin.map_or_else(|| "–".to_owned(), |m| three(m * 100.0)).into(),
        ]);
        if boundary.verdict == Verdict::Inconclusive {
            table.notes.push(format!("{name}: {}", boundary.why));
        }
        if let Some(note) = &boundary.note {
            table.notes.push(format!("{name}: {note}"));
        }
    }
    if let Some(decision) = &run.decision {
        table.notes.extend(arms::decided(decision));
    }
    (!table.rows.is_empty()).then_some(table)
}

fn requires(boundary: &BoundaryRecord) -> String {
    let during = boundary.during.as_ref().map(|window| format!(", during {window}"));
    format!("{}{}", boundary.require, during.unwrap_or_default())
}

/// The value in the boundary's unit, with its interval.
fn found(boundary: &BoundaryRecord) -> String {
    let Ok(expr) = Expr::parse(&boundary.require) else { return "–".to_owned() };
    let unit = expr.unit();
    match (boundary.value, boundary.ci95) {
        (None, _) => "–".to_owned(),
        (Some(value), None) => unit.show(value),
        (Some(value), Some([low, high])) => {
            format!("{} [{}, {}]", unit.show(value), unit.show(low), unit.show(high))
        }
    }
}

fn verdict(boundary: &BoundaryRecord) -> Cell {
    let as_expected = matches!(
        (boundary.verdict, boundary.expected),
        (Verdict::Holds, Expect::Holds) | (Verdict::Broken, Expect::Broken)
    );
    let tone = match boundary.verdict {
        Verdict::Inconclusive => Tone::Unsure,
        _ if as_expected => Tone::Good,
        _ => Tone::Bad,
    };
    let word = match boundary.verdict {
        Verdict::Holds => "HOLDS",
        Verdict::Broken => "BROKEN",
        Verdict::Inconclusive => "INCONCLUSIVE",
    };
    Cell::toned(word, tone)
}

fn expected(expect: Expect) -> &'static str {
    match expect {
        Expect::Holds => "holds",
        Expect::Broken => "broken",
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Development => "development",
        Level::Between => "between",
        Level::Production => "production",
    }
}

fn stage(run: &Run) -> Option<Table> {
    let stage = run.stage.as_ref()?;
    let heads = vec![text("axis"), text("found"), text("stage"), text("why")];
    let mut table = Table::new(format!("Stage: {}", level(stage.verdict)), heads);
    let count = |axis: &Axis<Option<f64>>| {
        let shown = axis.value.map(|value| Unit::Count.show(value));
        shown.unwrap_or_else(|| "–".to_owned())
    };
    let mut row = |name: &str, found: String, at: Level, why: &str| {
        table.row([name.into(), found.into(), level(at).into(), why.into()]);
    };
    let (tokens, agents) = (&stage.tokens_per_day, &stage.concurrent_agents);
    row("tokens per day", count(tokens), tokens.stage, &tokens.why);
    row("concurrent agents", count(agents), agents.stage, &agents.why);
    row("isolation", stage.isolation.value.clone(), stage.isolation.stage, &stage.isolation.why);
    let policies = format!("{} policies", stage.governance.value);
    row("governance", policies, stage.governance.stage, &stage.governance.why);
    table.notes = stage.mismatches.iter().chain(&stage.notes).cloned().collect();
    Some(table)
}

/// Counters that are not zero.
fn sessions(run: &Run) -> Option<Table> {
    let heads = vec![text("counter"), number("per replication"), number("per day")];
    let mut table = Table::new("Counted", heads);
    let days = run.measured_s / DAY;
    for (name, value) in run.counters.iter().filter(|(_, value)| **value != 0.0) {
        let per_day = (days > 0.0).then(|| value / days);
        // What is there at an instant has no rate.
        let per_day = per_day.filter(|_| !name.starts_with("sessions_in_flight"));
        table.row([name.as_str().into(), three(*value).into(), three_or_dash(per_day).into()]);
    }
    table.notes.push("counters that are zero are left out".to_owned());
    (!table.rows.is_empty()).then_some(table)
}

fn times(run: &Run) -> Option<Table> {
    let heads = vec![
        text("time"),
        number("count"),
        number("mean s"),
        number("p50 s"),
        number("p95 s"),
        number("p99 s"),
        number("max s"),
    ];
    let mut table = Table::new("Times", heads);
    for (name, metric) in run.metrics.iter().filter(|(_, metric)| metric.count > 0) {
        let MetricRecord { mean, p50, p95, p99, max, .. } = *metric;
        let ci = metric.ci95.unwrap_or_default();
        table.row([
            name.as_str().into(),
            three(metric.count as f64).into(),
            estimate(run, mean, ci.mean).into(),
            estimate(run, p50, ci.p50).into(),
            estimate(run, p95, ci.p95).into(),
            estimate(run, p99, ci.p99).into(),
            three_or_dash(max).into(),
        ]);
    }
    note_intervals(run, &mut table);
    let unseen: Vec<&str> =
        run.metrics.iter().filter(|(_, m)| m.count == 0).map(|(name, _)| name.as_str()).collect();
    if !unseen.is_empty() {
        table.notes.push(format!("never observed: {}", unseen.join(", ")));
    }
    (!table.rows.is_empty()).then_some(table)
}

fn gauges(run: &Run) -> Option<Table> {
    let heads = vec![text("over time"), text("unit"), number("mean"), number("min"), number("max")];
    let mut table = Table::new("Over time", heads);
    let mut idle = Vec::new();
    for (name, gauge) in &run.gauges {
        if gauge.max == Some(0.0) {
            idle.push(name.as_str());
            continue;
        }
        let (unit, scale) = match Gauge::from_name(name).map_or("count", Gauge::unit) {
            "bytes" => ("GiB", GIB),
            unit => (unit, 1.0),
        };
        let scaled = |value: f64| value / scale;
        let interval = gauge.ci95.and_then(|ci| ci.mean).map(|ci| ci.map(scaled));
        table.row([
            name.as_str().into(),
            unit.into(),
            estimate(run, gauge.mean.map(scaled), interval).into(),
            three_or_dash(gauge.min.map(scaled)).into(),
            three_or_dash(gauge.max.map(scaled)).into(),
        ]);
    }
    note_intervals(run, &mut table);
    if !idle.is_empty() {
        table.notes.push(format!("always zero: {}", idle.join(", ")));
    }
    (!table.rows.is_empty()).then_some(table)
}

pub(super) fn cost(run: &Run) -> Option<Table> {
    let cost = &run.cost;
    if cost.tco == 0.0 {
        return None;
    }
    let amount: &'static str = if cost.currency == "USD" { "USD" } else { "amount" };
    let heads = vec![text("cost"), number(amount), number("share of tco %")];
    let mut table = Table::new("Cost", heads);
    for key in CostKey::ALL {
        let Some(value) = cost.get(*key) else { continue };
        if value == 0.0 {
            continue;
        }
        let interval = cost.ci95.get(key.name()).copied();
        let is_part = !matches!(
            key,
            CostKey::PerSession | CostKey::PerTurn | CostKey::PerDay | CostKey::PerMonth
        );
        let (amount, share) = if key.is_share() {
            let scaled = interval.map(|ci| ci.map(|end| end * 100.0));
            (String::new(), estimate(run, Some(value * 100.0), scaled))
        } else {
            let share = if is_part { three(value / cost.tco * 100.0) } else { String::new() };
            (estimate(run, Some(value), interval), share)
        };
        table.row([key.name().into(), amount.into(), share.into()]);
    }
    table.notes.push(format!(
        "per replication of {}; parts that are zero are left out; compute_idle is part of compute",
        Unit::Time.show(run.measured_s)
    ));
    note_intervals(run, &mut table);
    if !cost.unpriced.is_empty() {
        table.notes.push(format!("used, but without a price: {}", cost.unpriced.join(", ")));
    }
    Some(table)
}

fn scorecard(run: &Run) -> Option<Table> {
    let heads = vec![text("score"), text("unit"), number("value")];
    let mut table = Table::new("Scorecard", heads);
    for key in ScorecardKey::ALL {
        let Some(value) = run.scorecard.get(*key) else { continue };
        let interval = run.scorecard.ci95.get(key.name()).copied();
        let (unit, scale) = match key {
            ScorecardKey::TokenOutputRatio => ("ratio", 1.0),
            ScorecardKey::RetryRate
            | ScorecardKey::ErrorRate
            | ScorecardKey::SuccessRate
            | ScorecardKey::PoolHitRate => ("%", 100.0),
            ScorecardKey::TokensPerDay => ("tokens/day", 1.0),
            ScorecardKey::MemoryOverheadBytes => {
                table.row([key.name().into(), "B".into(), three(value).into()]);
                continue;
            }
        };
        let scaled = interval.map(|ci| ci.map(|end| end * scale));
        let shown = estimate(run, Some(value * scale), scaled);
        table.row([key.name().into(), unit.into(), shown.into()]);
    }
    if let Some(change) = run.scorecard.tco_change {
        let interval = run.scorecard.ci95.get("tco.change").copied();
        let scaled = interval.map(|ci| ci.map(|end| end * 100.0));
        let shown = estimate(run, Some(change * 100.0), scaled);
        table.row(["tco.change".into(), "%".into(), shown.into()]);
    }
    note_intervals(run, &mut table);
    (!table.rows.is_empty()).then_some(table)
}

/// What limits the trust in the record; nothing if nothing does.
fn quality(run: &Run) -> Option<Table> {
    let quality = &run.quality;
    let heads = vec![text("quality"), text("what")];
    let mut table = Table::new("Quality", heads);
    if !quality.valid {
        table.row([Cell::toned("INVALID", Tone::Bad), "these numbers are not to be used".into()]);
    }
    if !quality.complete {
        let what = "the run was cut short; this is what had been measured by then";
        table.row([Cell::toned("PARTIAL", Tone::Unsure), what.into()]);
    }
    if let (Some(planned), Some(started), Some(dropped)) =
        (quality.planned, quality.started, quality.dropped)
    {
        let what =
            format!("{planned} sessions planned = {started} started + {dropped} dropped at a cap");
        table.row(["sessions".into(), what.into()]);
    }
    if let Some(lateness) = &quality.lateness {
        let ms = |value: Option<f64>| three_or_dash(value.map(|s| s * 1e3));
        let (p50, p99, max) = (ms(lateness.p50), ms(lateness.p99), ms(lateness.max));
        let what = format!("the driver was late by p50 {p50} ms, p99 {p99} ms, at most {max} ms");
        table.row(["lateness".into(), what.into()]);
    }
    if let Some(model) = &quality.model {
        table.row(["model calls".into(), format!("answered by a {model}, not by a model").into()]);
    }
    for lost in &quality.isolation_lost {
        table.row(["isolation lost".into(), lost.as_str().into()]);
    }
    for warning in &quality.warnings {
        table.row(["warning".into(), warning.as_str().into()]);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// A relative change with its interval, as percentages.
pub(super) fn change(value: f64, interval: Option<[f64; 2]>) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    match interval {
        None => format!("{sign}{}", percent(value)),
        Some(ci) => {
            let spread = spread(value * 100.0, ci.map(|end| end * 100.0));
            format!("{sign}{} {spread}", percent(value))
        }
    }
}
