//! Classes of sessions.

use indexmap::IndexMap;

use super::{Findings, path, percent};
use crate::dist::Dist;
use crate::scenario::diagnostic::{closest, list_of};
use crate::scenario::source::Path;
use crate::scenario::types::{Class, DEFAULT_NAME, TraceFormat};
use crate::units::{Count, Ratio};
use crate::workload::drawn::{DrawnError, DrawnPlans, TOOL_CALLS_PER_STEP};
use crate::workload::length::LengthError;

/// Shares may miss 1 by this much: they are written in decimals.
const SHARE_TOLERANCE: f64 = 1e-6;

/// Share of sessions that may be raised to one turn without a word.
const RAISED_TOLERANCE: f64 = 1e-6;

pub(super) fn check(findings: &mut Findings<'_>) {
    let classes = &findings.scenario.workload.classes;
    if findings.trace().is_none() {
        shares(findings, classes);
    } else {
        replayed(findings, classes);
    }
    for (name, class) in classes {
        model(findings, name, class);
        counts(findings, name, class);
        sandbox(findings, name, class);
        means(findings, name, class);
        findings.share(&of(name, "abandon"), class.abandon);
    }
    free_calls(findings, classes);
    load(findings);
}

fn of(class: &str, key: &str) -> Path {
    path(["workload", "classes", class, key])
}

fn shares(findings: &mut Findings<'_>, classes: &IndexMap<String, Class>) {
    let at = findings.at;
    let lacking = classes.iter().filter(|(_, class)| class.share.is_none());
    let lacking: Vec<&String> = lacking.map(|(name, _)| name).collect();
    if classes.len() > 1 && !lacking.is_empty() {
        for name in lacking {
            let message = format!("class `{name}` has no `share`");
            let found = at.error("shares", path(["workload", "classes", name]), message);
            let found = at.depends(found, of(name, "share"));
            findings.push(found.help(
                "with several classes each needs its share of the arrivals, such as `share: 30%`",
            ));
        }
        return;
    }
    let shares: Vec<(&String, f64)> =
        classes.iter().filter_map(|(name, class)| Some((name, class.share?.0))).collect();
    for (name, share) in &shares {
        findings.share(&of(name, "share"), Ratio(*share));
    }
    if shares.iter().any(|(_, share)| *share > 1.0) {
        return;
    }
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    if let Some(((last, _), others)) = shares.split_last()
        && (sum - 1.0).abs() > SHARE_TOLERANCE
    {
        let message = match others {
            [] => format!("the only class has a share of {}, not 100%", percent(sum)),
            _ => format!("the shares of the classes sum to {}, not 100%", percent(sum)),
        };
        let mut found = at.error("shares", of(last, "share"), message);
        for (name, share) in others {
            found = at.with(found, of(name, "share"), percent(*share));
        }
        findings.push(found.help("the shares of the arrivals must sum to 100%"));
    }
    for (name, share) in &shares {
        if *share == 0.0 && shares.len() > 1 && !super::sub_agents::is_child(findings, name) {
            let message = format!("class `{name}` has a share of 0, so none of its sessions come");
            let found = at.warning("unused", of(name, "share"), message);
            findings.push(found.help("remove the class, or give it a share"));
        }
    }
}

/// Which class the sessions of a trace have is known but for `plans`, which name theirs.
fn replayed(findings: &mut Findings<'_>, classes: &IndexMap<String, Class>) {
    let at = findings.at;
    if findings.trace() == Some(TraceFormat::Plans) {
        return;
    }
    if classes.len() > 1 && !classes.contains_key(DEFAULT_NAME) {
        let names: Vec<&String> = classes.keys().collect();
        let message = format!("the trace names no classes, and there are {}", classes.len());
        let found = at.error("trace-class", "workload.classes", message);
        let found = at.with(found, "workload.trace", "its sessions are all of one class");
        findings.push(found.help(format!(
            "keep one of {}, or name the one to use `{DEFAULT_NAME}`",
            list_of(&names, "and")
        )));
        return;
    }
    for name in classes.keys().filter(|name| classes.len() > 1 && *name != DEFAULT_NAME) {
        let message = format!("class `{name}` is not used");
        let found = at.warning("unused", path(["workload", "classes", name]), message);
        findings
            .push(found.help(format!("the trace's sessions are all of class `{DEFAULT_NAME}`")));
    }
}

fn model(findings: &mut Findings<'_>, name: &str, class: &Class) {
    let models = &findings.scenario.models;
    let known = models.contains_key(&class.model);
    if known || (models.is_empty() && class.model == DEFAULT_NAME) {
        return;
    }
    let at = findings.at;
    let place = of(name, "model");
    let wanted = &class.model;
    let message = if at.is_written(&place) {
        format!("class `{name}` calls the model `{wanted}`, which `models` does not name")
    } else {
        format!("class `{name}` says no `model`, and `models` has no `{wanted}`")
    };
    let found = at.depends(at.error("unknown-model", &place, message), "models");
    let names: Vec<&String> = models.keys().collect();
    let known = format!("`models` has {}", list_of(&names, "and"));
    let meant = closest(wanted, models.keys().map(String::as_str));
    findings.push(match meant {
        _ if models.is_empty() => {
            found.help(format!("add `models: {{{wanted}: {{…}}}}` to the scenario"))
        }
        Some(meant) if at.is_written(&place) => {
            found.help(format!("did you mean `{meant}`? {known}")).instead(meant)
        }
        _ => found.help(format!("{known}: write `model: {}`", names[0])),
    });
}

/// Turns, steps and tool calls are whole numbers.
fn counts(findings: &mut Findings<'_>, name: &str, class: &Class) {
    let at = findings.at;
    let turns = of(name, "turns");
    fixed_count(findings, &turns, &class.turns);
    fixed_count(findings, &of(name, "steps"), &class.steps);
    fixed_count(findings, &of(name, "tools").key("calls"), &class.tools.calls);
    // Just below ½: a draw of exactly ½ is rounded up to 1.
    let below_one = class.turns.sampler().cdf(0.5 - 1e-9);
    if class.turns.as_constant().is_some_and(|turns| turns.0 < 0.5) {
        let found = at.error("turns", &turns, "a session has at least one turn, not none");
        findings.push(found.help("write `turns: 1` for a session of one turn"));
    } else if below_one > RAISED_TOLERANCE {
        let message = format!("{} of the sessions would have no turn", about(below_one));
        let found = at.warning("turns", &turns, message);
        findings.push(found.help(
            "they are given one: write `min: 1` among its parameters to say so, or use `geometric`",
        ));
    }
    let only = IndexMap::from([(name.to_owned(), Class { share: None, ..class.clone() })]);
    let plans = DrawnPlans::new(0, &only, &findings.scenario.models);
    if let Err(DrawnError::LargeBatch(_)) = plans {
        let place = of(name, "tools").key("calls");
        let message = format!("a step may have more than {TOOL_CALLS_PER_STEP} tool calls");
        let found = at.error("tool-calls", &place, message);
        findings.push(found.help(format!(
            "more cannot be drawn apart: give it a `max` of {TOOL_CALLS_PER_STEP} or less"
        )));
    }
}

/// A share in words that do not pretend to more digits than they have.
fn about(share: f64) -> String {
    if share < 1e-3 { "less than 0.1%".to_owned() } else { format!("{:.1}%", share * 100.0) }
}

/// A constant that is no whole number is rounded in every draw: a mean was meant.
pub(super) fn fixed_count(findings: &mut Findings<'_>, place: &Path, count: &Dist<Count>) {
    let Some(Count(n)) = count.as_constant() else { return };
    if n == n.trunc() {
        return;
    }
    let key = place.short();
    let message = format!("`{key}` is {n}, always, and a count is whole");
    let found = findings.at.error("whole-number", place, message);
    findings.push(if n > 1.0 {
        found.help(format!("for a mean of {n} write `{key}: {{geometric: {{mean: {n}}}}}`"))
    } else {
        found.help(format!("for a mean of {n} write `{key}: {{poisson: {{mean: {n}}}}}`"))
    });
}

fn sandbox(findings: &mut Findings<'_>, name: &str, class: &Class) {
    let sandbox = &class.sandbox;
    // Holdings are counted in millionths of a vCPU.
    let no_cpu = sandbox.vcpu.0 < 1e-6;
    let vcpu = of(name, "sandbox").key("vcpu");
    findings.not_zero(
        &vcpu,
        no_cpu,
        "no tool call would ever end",
        "expected cores, such as `0.5`",
    );
    let memory = of(name, "sandbox").key("memory");
    let why = "nothing could run in it";
    findings.not_zero(&memory, sandbox.memory.0 == 0, why, "expected a size, such as `2GiB`");
    let cores = of(name, "tools").key("cores");
    let at = findings.at;
    if class.tools.cores.sampler().cdf(0.0) > 0.0 {
        let message = "`cores` can be zero: a tool call that can use no core never ends";
        let found = at.error("zero", &cores, message);
        findings.push(found.help("expected the cores that a call can use, such as `1`"));
    }
}

fn means(findings: &mut Findings<'_>, name: &str, class: &Class) {
    findings.finite_mean(&of(name, "turns"), &class.turns);
    findings.finite_mean(&of(name, "think"), &class.think);
    findings.finite_mean(&of(name, "steps"), &class.steps);
    let tokens = of(name, "tokens");
    findings.finite_mean(&tokens.key("system"), &class.tokens.system);
    findings.finite_mean(&tokens.key("user"), &class.tokens.user);
    findings.finite_mean(&tokens.key("tool_result"), &class.tokens.tool_result);
    findings.finite_mean(&tokens.key("output"), &class.tokens.output);
    let tools = of(name, "tools");
    findings.finite_mean(&tools.key("calls"), &class.tools.calls);
    findings.finite_mean(&tools.key("cpu"), &class.tools.cpu);
    findings.finite_mean(&tools.key("io_wait"), &class.tools.io_wait);
    findings.finite_mean(&tools.key("disk_dirty"), &class.tools.disk_dirty);
}

/// Tokens that go to the implied model take no time and cost nothing.
fn free_calls(findings: &mut Findings<'_>, classes: &IndexMap<String, Class>) {
    if !findings.scenario.models.is_empty() {
        return;
    }
    for (name, class) in classes {
        let tokens = &class.tokens;
        let means = [&tokens.system, &tokens.user, &tokens.tool_result, &tokens.output];
        if class.model == DEFAULT_NAME && means.iter().any(|dist| dist.mean() > 0.0) {
            let message = format!("class `{name}` uses tokens, but there is no model");
            let place = of(name, "tokens");
            let found = findings.at.warning("no-model", &place, message);
            let found = findings.at.depends(found, "models");
            findings.push(
                found.help(
                    "without `models` a call takes no time and costs nothing: name one there",
                ),
            );
        }
    }
}

/// A load by number needs a session length to divide by; judged only where all else is sound.
fn load(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    let workload = &scenario.workload;
    let asked = workload.load.as_ref().filter(|load| load.open_sessions.0 > 0.0);
    let sound = findings.found.iter().all(|d| d.severity == crate::scenario::Severity::Warning);
    if asked.is_none() || workload.trace.is_some() || !sound {
        return;
    }
    let plans = DrawnPlans::new(0, &workload.classes, &scenario.models);
    let Ok(Err(error)) = plans.map(|plans| plans.mean_planned_length(&scenario.models)) else {
        return;
    };
    let place = path(["workload", "load", "open_sessions"]);
    let help = match error {
        LengthError::Zero => "give the classes think time, model calls or tool work; or `arrivals`",
        // Both are reported where they stand.
        LengthError::Infinite(_) | LengthError::NotRecorded => return,
    };
    let message = "sessions take no time, so no arrival rate keeps this many open";
    let found = findings.at.error("zero-length", &place, message);
    let found = findings.at.depends(found, "workload.classes");
    findings.push(findings.at.depends(found, "models").help(help));
}
