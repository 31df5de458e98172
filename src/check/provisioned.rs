//! Reserved throughput and summaries of contexts.

use super::{Findings, path};
use crate::scenario::source::Path;
use crate::scenario::types::{Model, TraceFormat};
use crate::units::Quantity;

pub(super) fn check(findings: &mut Findings<'_>) {
    for (name, model) in &findings.scenario.models {
        let place = path(["models", name]);
        reserved(findings, &place, model);
        compaction(findings, &place, model);
    }
}

fn reserved(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let price = place.key("rates").key("provisioned");
    let Some(reserved) = &model.provisioned else {
        if model.rates.provisioned.is_some() && findings.is_written_by_hand(&price) {
            let why = "no throughput is reserved";
            let help = "write `provisioned: {units: …, input_per_unit: …}`, or remove the price";
            findings.no_effect(&price, place, why, help);
        }
        return;
    };
    let (rates, place) = (place.key("rates"), place.key("provisioned"));
    let why = "nothing is reserved";
    let help = "expected 1 or more; without reserved throughput leave `provisioned` out";
    findings.not_zero(&place.key("units"), reserved.units == 0, why, help);
    let why = "a unit would serve nothing";
    let help = "expected tokens a minute, such as `1200`";
    let none = reserved.input_per_unit.0 == 0;
    findings.not_zero(&place.key("input_per_unit"), none, why, help);
    let why = "it would let nothing through";
    let help = "expected a duration, such as `60s`";
    findings.not_zero(&place.key("window"), reserved.window.is_zero(), why, help);
    let at = findings.at;
    if model.rates.provisioned.is_none() && findings.is_written_by_hand(&place) {
        let message = "what is reserved has no price: it is left out of the cost";
        let found = at.warning("unpriced", &place, message);
        let found = at.depends(found, &rates);
        findings.push(found.help("write `rates: {provisioned: $1/h}`, for a unit"));
    }
}

fn compaction(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let Some(compaction) = model.compaction else { return };
    let at = findings.at;
    let (cut, place) = (place.key("context_window"), place.key("compaction"));
    let why = "every context would be summed up, and its summary too";
    let help = "expected tokens, such as `200K`";
    findings.not_zero(&place.key("above"), compaction.above.0 == 0, why, help);
    if compaction.above.0 > 0 && compaction.summary >= compaction.above {
        let message = "the summary is no shorter than the contexts that it replaces";
        let found = at.error("never-shorter", place.key("summary"), message);
        let found = at.with(found, place.key("above"), "contexts above this are summed up");
        findings.push(found.help("write a smaller `summary`, such as `5K`"));
    }
    if let Some(window) = model.context_window.filter(|window| *window <= compaction.above) {
        let message = format!(
            "contexts are cut at {} tokens before they are summed up at {}",
            window.base(),
            compaction.above.base()
        );
        let found = at.warning("no-effect", place.key("above"), message);
        let found = at.with(found, cut, "what is longer is cut, not summed up");
        findings.push(found.help("lower `above` below the window"));
    }
    if let Some(TraceFormat::AgentSessions) = findings.trace() {
        let why = "the trace recorded whole prompts, as they were summed up then";
        findings.no_effect(&place, "workload.trace", why, "remove it");
    }
}
