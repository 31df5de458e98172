//! Boundary expressions.

use super::contradictions::Read;
use super::{Findings, path};
use crate::boundary::{Expr, ExprError, Quantity, Stat};
use crate::measure::Metric;
use crate::scenario::source::Path;
use crate::scenario::types::{BoundarySpec, During, Model, PEAK_HOUR, RateCard};

pub(super) fn check(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    let mut read: Vec<Read<'_>> = Vec::new();
    for (name, boundary) in &scenario.boundaries {
        let spec: &BoundarySpec = &boundary.0;
        let place = expression(findings, name);
        match Expr::parse(&spec.require) {
            Err(error) => wrong(findings, &place, error),
            Ok(expr) => {
                undecidable(findings, &place, &expr);
                against(findings, name, spec, &expr);
                twice(findings, &read, &place, &expr, spec);
                read.push((place, expr, spec));
            }
        }
        if let Some(during) = &spec.during {
            self::during(findings, name, during);
        }
    }
    super::contradictions::check(findings, &read);
}

/// `against: baseline` takes a change, and a baseline.
fn against(findings: &mut Findings<'_>, name: &str, spec: &BoundarySpec, expr: &Expr) {
    let at = findings.at;
    let place = path(["boundaries", name, "against"]);
    if spec.against.is_none() {
        return;
    }
    if findings.scenario.baseline.is_none() {
        let found = at.error("no-baseline", &place, "there is no `baseline` to compare with");
        findings.push(at.depends(found, "baseline").help(
            "add one, such as `baseline: {use: foundry-agent-service}`, or `baseline: {isolation: {container: {}}}`",
        ));
    } else if !expr.change {
        let written = expr.text.split(['<', '>']).next().unwrap_or_default().trim();
        let message = format!("`{written}` is a number of one arm: `against` takes its change");
        let found = at.error("against", &place, message);
        findings
            .push(found.help(format!("write `{written}.change < -30%`, or leave out `against`")));
    }
}

/// The window that a boundary speaks of.
fn during(findings: &mut Findings<'_>, name: &str, during: &During) {
    let at = findings.at;
    let place = path(["boundaries", name, "during"]);
    match during {
        During::Window(window) => super::experiment::window(findings, &place, window),
        During::Named(window) if findings.scenario.experiment.windows.contains_key(window) => {}
        During::Named(window) if window == PEAK_HOUR => {
            if findings.scenario.workload.profile.is_none() {
                let message = "the load has no peak hour: it does not move";
                let found = at.error("no-profile", &place, message);
                let found = at.depends(found, "workload.profile");
                findings.push(found.help(
                    "give `workload.profile`, such as `{week: office-hours}`, or a window such as `{day: [14h, 15h]}`",
                ));
            }
        }
        During::Named(window) => {
            let known = findings.scenario.experiment.windows.keys().map(String::as_str);
            let known: Vec<String> =
                known.chain([PEAK_HOUR]).map(|name| format!("`{name}`")).collect();
            let message = format!("no window of time is called `{window}`");
            let found = at.error("unknown-window", &place, message);
            let found = at.depends(found, "experiment.windows");
            findings.push(found.help(format!(
                "there is {}; name one in `experiment.windows`, or write it out: `{{day: [14h, 18h]}}`",
                known.join(", ")
            )));
        }
    }
}

/// Where the expression of a boundary stands.
fn expression(findings: &Findings<'_>, name: &str) -> Path {
    let require = path(["boundaries", name, "require"]);
    if findings.at.is_written(&require) { require } else { path(["boundaries", name]) }
}

fn wrong(findings: &mut Findings<'_>, place: &Path, error: ExprError) {
    let at = findings.at;
    // What is wrong stands before the first colon outside backticks, what to write behind it.
    let message = error.message;
    let colon = message.match_indices(": ").map(|(at, _)| at);
    let colon = colon.into_iter().find(|at| message[..*at].matches('`').count().is_multiple_of(2));
    let (what, help) = match colon {
        Some(colon) => (&message[..colon], Some(&message[colon + 2..])),
        None => (message.as_str(), None),
    };
    let found = at.error("boundary", place, what).at(at.within(place, error.at));
    let meant = error.suggestion.as_ref().map(|text| format!("`{text}`"));
    let help = match (meant, help) {
        (Some(meant), Some(help)) if !help.contains(&meant) => {
            Some(format!("did you mean {meant}? {help}"))
        }
        (_, Some(help)) => Some(help.to_owned()),
        (Some(meant), None) => Some(format!("did you mean {meant}?")),
        (None, None) if what.starts_with("no quantity") => Some(
            "expected one such as `cold_start.p99`, `queue_length.max`, `retry_rate` or `tco`"
                .to_owned(),
        ),
        (None, None) => None,
    };
    let found = match error.suggestion {
        Some(text) => found.instead(text),
        None => found,
    };
    findings.push(match help {
        Some(help) => found.help(help),
        None => found,
    });
}

/// Quantities that this scenario's record will not have.
fn undecidable(findings: &mut Findings<'_>, place: &Path, expr: &Expr) {
    let scenario = findings.scenario;
    let (why, help) = match expr.quantity {
        _ if expr.change && scenario.baseline.is_none() => (
            "a `.change` compares with a baseline, and there is none",
            "add a `baseline`, such as `baseline: {isolation: {container: {}}}`, or bound the quantity itself",
        ),
        Quantity::ModelError(..) if expr.change => {
            ("the model's error is a relative one already", "leave out `.change`")
        }
        _ if expr.change && expr.quantity.is_extreme() => (
            "an extreme of one arm against that of another has no interval",
            "compare a quantile, such as `turn.p99.change`, or a mean",
        ),
        Quantity::ModelError(..) if scenario.live.is_none() => (
            "the model's error takes a live run, and there is no `live`",
            "add `live: {sessions: 100}`, or remove the boundary",
        ),
        Quantity::ModelError(metric, stat)
            if metric != Metric::PlatformTime || !matches!(stat, Stat::P50 | Stat::P95) =>
        {
            (
                "the model's error is stated of platform_time alone, at p50 and p95",
                "write `model_error.platform_time.p50` or `model_error.platform_time.p95`",
            )
        }
        Quantity::Cost(_) if !is_priced(scenario) => (
            "the scenario gives no prices, so it has no cost",
            "add `platform.rates`, or `rates` to a model",
        ),
        _ => return,
    };
    let at = findings.at;
    let found = at.warning("undecided", place, format!("this boundary is never decided: {why}"));
    let found = at.depends(at.depends(found, "platform.rates"), "models");
    findings.push(at.depends(found, "live").help(help));
}

pub(super) fn is_priced(scenario: &crate::scenario::types::Scenario) -> bool {
    let free = |model: &Model| model.rates == Default::default();
    scenario.platform.rates != RateCard::default() || !scenario.models.values().all(free)
}

/// The same said twice.
fn twice(
    findings: &mut Findings<'_>,
    read: &[Read<'_>],
    place: &Path,
    expr: &Expr,
    spec: &BoundarySpec,
) {
    let same = |other: &Expr, of: &BoundarySpec| {
        other.quantity == expr.quantity
            && other.change == expr.change
            && of.during == spec.during
            && other.comparison.wants_less() == expr.comparison.wants_less()
    };
    let Some((first, other, _)) = read.iter().find(|(_, other, of)| same(other, of)) else {
        return;
    };
    let at = findings.at;
    let equal = other.threshold == expr.threshold && other.comparison == expr.comparison;
    let message = if equal {
        "this boundary is there already".to_owned()
    } else {
        "two boundaries bound the same quantity on the same side".to_owned()
    };
    let found = at.with(at.warning("duplicate", place, message), first, "the other one");
    findings.push(found.help(if equal {
        "keep one of them"
    } else {
        "the stricter one decides: keep that"
    }));
}
