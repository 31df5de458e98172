//! Boundary expressions.

use super::{Findings, path};
use crate::boundary::{Expr, ExprError, Quantity};
use crate::scenario::source::Path;
use crate::scenario::types::{BoundarySpec, Model, RateCard};

pub(super) fn check(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    let mut read: Vec<(Path, Expr)> = Vec::new();
    for (name, boundary) in &scenario.boundaries {
        let spec: &BoundarySpec = &boundary.0;
        let place = expression(findings, name);
        match Expr::parse(&spec.require) {
            Err(error) => wrong(findings, &place, error),
            Ok(expr) => {
                undecidable(findings, &place, &expr);
                twice(findings, &read, &place, &expr);
                read.push((place, expr));
            }
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
        Quantity::TcoChange => (
            "`tco.change` compares with a baseline, and a scenario cannot name one yet",
            "bound `tco` itself, such as `tco < $5000`",
        ),
        Quantity::ModelError(..) if scenario.live.is_none() => (
            "the model's error takes a live run, and there is no `live`",
            "add `live: {sessions: 100}`, or remove the boundary",
        ),
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

fn is_priced(scenario: &crate::scenario::types::Scenario) -> bool {
    let free = |model: &Model| model.rates == Default::default();
    scenario.platform.rates != RateCard::default() || !scenario.models.values().all(free)
}

/// The same said twice.
fn twice(findings: &mut Findings<'_>, read: &[(Path, Expr)], place: &Path, expr: &Expr) {
    let same = |other: &Expr| {
        other.quantity == expr.quantity
            && other.comparison.wants_less() == expr.comparison.wants_less()
    };
    let Some((first, other)) = read.iter().find(|(_, other)| same(other)) else { return };
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
