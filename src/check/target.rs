//! The live backend: what is said of it must be something that it has.

use super::{Findings, path};
use crate::scenario::types::{Live, RuntimeName, TargetKeep};

/// Checks `live.target`.
pub fn target(findings: &mut Findings<'_>, live: &Live) {
    let target = &live.target;
    let at = |key| path(["live", "target", key]);
    let runtime = path(["live", "target", "runtime"]);
    let contains = matches!(
        target.runtime,
        RuntimeName::Runc | RuntimeName::Crun | RuntimeName::Runsc | RuntimeName::Oci
    );
    if target.runtime == RuntimeName::Oci && target.program.is_none() {
        let message = "`runtime` is `oci`, and no `program` says which";
        let found = findings.at.error("target-without-program", &runtime, message);
        findings.push(found.help("add `program: youki`, or a path to it"));
    }
    if contains {
        if target.keep == Some(TargetKeep::Memory) && target.runtime != RuntimeName::Runsc {
            let why = "of the container runtimes only `runsc` can keep memory";
            findings.no_effect(&at("keep"), &runtime, why, "remove it, or choose `runsc`");
        }
        return;
    }
    let why = "it is for container runtimes";
    let help = "remove it, or choose `runc`, `crun`, `runsc` or `oci`";
    let said = [
        ("program", target.program.is_some()),
        ("flags", target.flags.is_some()),
        ("network", target.network.is_some()),
        ("keep", target.keep.is_some()),
    ];
    for (key, _) in said.iter().filter(|(_, is_said)| *is_said) {
        findings.no_effect(&at(key), &runtime, why, help);
    }
}
