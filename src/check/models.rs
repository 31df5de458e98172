//! Models: latency, limits, prices.

use super::{Findings, path, percent};
use crate::scenario::source::Path;
use crate::scenario::types::{Class, DEFAULT_NAME, Efficiency, Latency, Model, TraceFormat};
use crate::units::Span;

/// What limits per minute are counted on.
const MINUTE: Span = Span::from_secs(60);

pub(super) fn check(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    for (name, model) in &scenario.models {
        let place = path(["models", name]);
        findings.share(&place.key("error_rate"), model.error_rate);
        let why = "every prompt would be cut to nothing";
        let none = model.context_window.is_some_and(|window| window.0 == 0);
        let help = "expected tokens, such as `272K`";
        findings.not_zero(&place.key("context_window"), none, why, help);
        latency(findings, &place.key("latency"), model);
        quota(findings, &place.key("quota"), model);
        retries(findings, &place.key("retries"), model);
        long_context(findings, &place, model);
        efficiency(findings, &place, model);
        callers(findings, name, model);
    }
}

fn latency(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let at = findings.at;
    if let Latency::Formula(formula) = &model.latency {
        findings.finite_mean(&place.key("base"), &formula.base);
        return;
    }
    let why = match findings.trace() {
        None => "there is no trace that recorded latencies",
        Some(TraceFormat::AzureLlm | TraceFormat::Mooncake) => {
            "traces of this format hold no latencies"
        }
        Some(TraceFormat::AgentSessions | TraceFormat::Plans) => return,
    };
    let found = at.error("not-recorded", place, format!("`latency: recorded`, but {why}"));
    let found = at.depends(found, "workload.trace");
    findings.push(
        found.help("give a formula: `latency: {base: 500ms, per_input: 0.1ms, per_output: 20ms}`"),
    );
}

fn quota(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let quota = &model.quota;
    let help = "expected 1 or more, or `unlimited`";
    let limits = [("rpm", quota.rpm), ("tpm", quota.tpm), ("concurrency", quota.concurrency)];
    for (key, limit) in limits {
        let why = "every call would be refused";
        findings.not_zero(&place.key(key), limit.get() == Some(0), why, help);
    }
    let window = place.key("window");
    let why = "the limits would let nothing through";
    findings.not_zero(&window, quota.window.is_zero(), why, "expected a duration, such as `60s`");
    let Some(rpm) = quota.rpm.get().filter(|rpm| *rpm > 0 && !quota.window.is_zero()) else {
        return;
    };
    let holds = rpm as f64 * quota.window.seconds() / MINUTE.seconds();
    if holds < 1.0 - 1e-9 {
        let at = findings.at;
        let message = format!(
            "no request would ever be served: in {} there is room for {holds:.3}",
            quota.window
        );
        let found = at.error("never-fits", &window, message);
        let found = at.with(found, place.key("rpm"), "requests a minute");
        findings.push(found.help("a limit's bucket holds limit × window: give a longer `window`"));
    }
}

fn retries(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let retries = &model.retries;
    if retries.max > 0 && retries.base > retries.cap {
        let at = findings.at;
        let message = format!(
            "the first backoff, {}, is longer than the longest one, {}",
            retries.base, retries.cap
        );
        let found = at.warning("backoff", place.key("base"), message);
        let found = at.with(found, place.key("cap"), "every backoff is at most this");
        findings.push(found.help("raise `cap`, or lower `base`"));
    }
}

fn long_context(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let (Some(long), Some(window)) = (&model.rates.long_context, model.context_window) else {
        return;
    };
    if long.above >= window {
        let above = place.key("rates").key("long_context").key("above");
        let at = findings.at;
        let message = "prices of long contexts have no effect: no prompt is that long";
        let found = at.warning("no-effect", &above, message);
        let found = at.with(found, place.key("context_window"), "the longest prompt");
        findings.push(found.help("lower `above`, or remove `long_context`"));
    }
}

/// A claim of efficiency has something to change, and says where it comes from.
fn efficiency(findings: &mut Findings<'_>, place: &Path, model: &Model) {
    let (at, claim) = (findings.at, &model.efficiency);
    if *claim == Efficiency::default() {
        return;
    }
    let place = &place.key("efficiency");
    if findings.trace().is_some() {
        let message = "the sessions of a trace are as they were recorded";
        let found = at.error("efficiency", place, message);
        let found = at.with(found, "workload.trace", "recorded sessions");
        findings.push(found.help("remove `efficiency`, or describe the workload by distributions"));
        return;
    }
    let errors = model.error_rate.0 * claim.error_rate.factor();
    let error_rate = place.key("error_rate");
    if claim.error_rate.0 != 0.0 && model.error_rate.0 == 0.0 {
        let message = "there are no errors to change: the model has no `error_rate`";
        let found = at.error("efficiency", &error_rate, message);
        findings.push(found.help("give the model an `error_rate`, such as `1%`"));
    } else if errors > 1.0 {
        let message = format!("{} of the attempts would fail", percent(errors));
        let found = at.error("efficiency", &error_rate, message);
        findings.push(found.help("lower it, or the model's `error_rate`"));
    }
    if claim.extra_steps.0 < 0.0 {
        let message = "`extra_steps` adds steps: it is not below 0";
        let found = at.error("efficiency", place.key("extra_steps"), message);
        findings.push(found.help("write the class's `steps` smaller instead"));
    }
    if claim.source.is_none() {
        let message = "the figures of `efficiency` are assumed: they have no `source`";
        let found = at.warning("assumed", place, message);
        findings.push(found.help("say where they come from: `source: …`"));
    }
}

/// The classes that call a model: whether there are any, and whether its limits can hold one call.
fn callers(findings: &mut Findings<'_>, name: &str, model: &Model) {
    let classes = &findings.scenario.workload.classes;
    let at = findings.at;
    // Rows of these traces name their models themselves.
    let named = matches!(findings.trace(), Some(TraceFormat::AgentSessions | TraceFormat::Plans));
    let implied = classes.is_empty() && name == DEFAULT_NAME;
    let called = classes.values().any(|class| class.model == name);
    if classes.is_empty() && !named && !findings.scenario.models.contains_key(DEFAULT_NAME) {
        let message = format!("no class says that it calls `{name}`");
        let found = at.error("unknown-model", path(["models", name]), message);
        let found = at.depends(found, "workload.classes");
        findings.push(found.help(format!(
            "without `classes` the model `{DEFAULT_NAME}` is called: name it so, or write a class with `model: {name}`"
        )));
    } else if !called && !implied && !named {
        let found =
            at.warning("unused", path(["models", name]), format!("no class calls `{name}`"));
        let found = at.depends(found, "workload.classes");
        findings.push(found.help(format!("remove it, or write `model: {name}` in a class")));
    }
    if findings.trace().is_none() {
        for (class_name, class) in classes.iter().filter(|(_, class)| class.model == name) {
            tokens(findings, name, model, class_name, class);
        }
    }
}

/// A call larger than its bucket fails at once; by means, for want of more.
fn tokens(findings: &mut Findings<'_>, name: &str, model: &Model, class_name: &str, class: &Class) {
    let Some(tpm) = model.quota.tpm.get().filter(|tpm| *tpm > 0) else { return };
    let holds = tpm as f64 * model.quota.window.seconds() / MINUTE.seconds();
    let demand = &class.tokens;
    let (turns, steps) = (class.turns.mean(), class.steps.mean());
    if steps == 0.0 || holds == 0.0 {
        return;
    }
    let first = demand.system.mean() + demand.user.mean();
    let window = model.context_window.map_or(f64::INFINITY, |window| window.0 as f64);
    let results = demand.tool_result.mean() * (steps - 1.0).max(0.0);
    let outputs = demand.output.mean() * steps;
    let last = demand.system.mean() + turns * (demand.user.mean() + results + outputs);
    let first = first.min(window) + demand.output.mean();
    let last = last.min(window).max(first);
    let at = findings.at;
    let place = path(["models", name, "quota", "tpm"]);
    let class_place = path(["workload", "classes", class_name, "tokens"]);
    let bucket = format!("a bucket of {holds:.0} tokens");
    let found = if first > holds {
        let message = format!(
            "a first call of `{class_name}` takes {first:.0} tokens on average, more than {bucket}"
        );
        at.error("quota", &place, message)
    } else if last > holds {
        let message = format!(
            "by the end of a session of `{class_name}` a call takes some {last:.0} tokens, more than {bucket}"
        );
        at.warning("quota", &place, message)
    } else {
        return;
    };
    let found = at.with(found, &class_place, "the tokens of a call grow by these");
    findings.push(found.help(
        "a call larger than its bucket (tpm × window) fails at once: raise `tpm` or `window`, or set a `context_window`",
    ));
}
