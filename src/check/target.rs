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
    let engine = target.runtime == RuntimeName::Docker;
    let shared = target.runtime == RuntimeName::Shared;
    let of_program = target.program.as_deref().is_some_and(|program| program != "process");
    let contains_shared = shared && of_program;
    let boots = target.runtime == RuntimeName::Microvm;
    if target.runtime == RuntimeName::Oci && target.program.is_none() {
        let message = "`runtime` is `oci`, and no `program` says which";
        let found = findings.at.error("target-without-program", &runtime, message);
        findings.push(found.help("add `program: youki`, or a path to it"));
    }
    let plain = contains && target.runtime != RuntimeName::Runsc;
    if plain && target.keep == Some(TargetKeep::Memory) {
        let why = "of the container runtimes only `runsc` can keep memory";
        findings.no_effect(&at("keep"), &runtime, why, "remove it, or choose `runsc` or `microvm`");
    }
    if target.sessions_per_sandbox == Some(0) {
        let message = "a container is for at least one session";
        let found = findings.at.error("target-of-no-session", at("sessions_per_sandbox"), message);
        findings.push(found.help("write `sessions_per_sandbox: 8`"));
    }
    let sharing = ("shared containers", "choose `shared`");
    let container = ("container runtimes", "choose `runc`, `crun`, `runsc` or `oci`");
    let either = ("container runtimes and virtual machines", "choose `runc`, `runsc` or `microvm`");
    let network = ("containers", "choose `runc`, `crun`, `runsc`, `oci` or `docker`");
    let machine = ("virtual machines", "choose `microvm`");
    let said = [
        ("program", target.program.is_some(), contains || boots || shared, either),
        ("flags", target.flags.is_some(), contains || contains_shared, container),
        ("kernel", target.kernel.is_some(), boots, machine),
        ("socket", target.socket.is_some(), engine, ("container engines", "choose `docker`")),
        ("network", target.network.is_some(), contains || engine || contains_shared, network),
        ("sessions_per_sandbox", target.sessions_per_sandbox.is_some(), shared, sharing),
        ("keep", target.keep.is_some(), contains || boots, either),
    ];
    for (key, is_said, has_it, (whose, choose)) in said {
        if is_said && !has_it {
            let (why, help) = (format!("it is for {whose}"), format!("remove it, or {choose}"));
            findings.no_effect(&at(key), &runtime, &why, &help);
        }
    }
}
