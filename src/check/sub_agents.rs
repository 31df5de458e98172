//! Sub-agents: sessions that run in their parent's sandbox.

use super::{Findings, path};
use crate::scenario::diagnostic::{closest, list_of};
use crate::scenario::types::{Class, SubAgentDemand};

pub(super) fn check(findings: &mut Findings<'_>) {
    for (name, class) in &findings.scenario.workload.classes {
        let Some(children) = &class.sub_agents else { continue };
        let place = path(["workload", "classes", name, "sub_agents"]);
        findings.finite_mean(&place.key("count"), &children.count);
        super::classes::fixed_count(findings, &place.key("count"), &children.count);
        if known(findings, name, children) {
            ends(findings, name, class);
        }
    }
}

/// Whether a class comes as sub-agents of another.
pub(super) fn is_child(findings: &Findings<'_>, name: &str) -> bool {
    let mut classes = findings.scenario.workload.classes.values();
    classes.any(|class| class.sub_agents.as_ref().is_some_and(|children| children.class == name))
}

fn known(findings: &mut Findings<'_>, name: &str, children: &SubAgentDemand) -> bool {
    let classes = &findings.scenario.workload.classes;
    let wanted = &children.class;
    if classes.contains_key(wanted) {
        return true;
    }
    let at = findings.at;
    let place = path(["workload", "classes", name, "sub_agents", "class"]);
    let message = format!("the sub-agents of `{name}` are of class `{wanted}`, which is not there");
    let found = at.depends(at.error("unknown-class", &place, message), "workload.classes");
    let others: Vec<&str> =
        classes.keys().map(String::as_str).filter(|other| *other != name).collect();
    findings.push(match closest(wanted, others.iter().copied()) {
        Some(meant) => found
            .help(format!("did you mean `{meant}`? other classes are {}", list_of(&others, "and")))
            .instead(meant),
        None => found.help(format!("add `{wanted}: {{share: 0%, …}}` to `classes`")),
    });
    false
}

/// Sub-agents of sub-agents must come to an end.
fn ends(findings: &mut Findings<'_>, name: &str, class: &Class) {
    let classes = &findings.scenario.workload.classes;
    let mut next = class.sub_agents.as_ref();
    let mut passed = 0;
    while let Some(children) = next {
        passed += 1;
        if children.class == name || passed > classes.len() {
            let at = findings.at;
            let place = path(["workload", "classes", name, "sub_agents", "class"]);
            let message =
                format!("`{name}` would have sub-agents that have sub-agents, without end");
            let found = at.error("endless", &place, message);
            findings.push(
                at.depends(found, "workload.classes")
                    .help("name a class for them that has no `sub_agents`"),
            );
            return;
        }
        next = classes.get(&children.class).and_then(|child| child.sub_agents.as_ref());
    }
}
