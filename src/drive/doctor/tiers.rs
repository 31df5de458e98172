//! The isolation tiers: whether each is there, how old it is, and whether a sandbox starts in it.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Finding, Status, rounded};
use crate::drive::clock::Clock;
use crate::drive::runtime::oci::{OciConfig, find};
use crate::drive::runtime::{
    AnyRuntime, Common, CreateSpec, Limits, OciRuntime, RuntimeError, SandboxId,
};
use crate::units::Span;

/// The container runtimes that plimsoll knows by name, and how to get them on Debian.
const CONTAINERS: [(&str, &str); 3] = [
    ("runc", "apt-get install runc"),
    ("crun", "apt-get install crun"),
    ("runsc", "apt-get install runsc; newer ones are at gvisor.dev"),
];

/// How long what a trial made may take to go.
const DRAIN_WITHIN: Span = Span::from_secs(20);

/// One finding for each tier, after a trial of those that are there.
pub(super) async fn examine(common: &Common) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, get) in CONTAINERS {
        let config = OciConfig::with(name, common.clone());
        let title = format!("containers by {name}");
        let Some(program) = find(&config.program) else {
            let seen = format!("no `{name}` on the path");
            findings.push(Finding::not(Status::Absent, title, seen, format!("root: {get}")));
            continue;
        };
        let about = about(&program, &["--version"]);
        let started = OciRuntime::start(config, Clock::start()).await;
        findings.push(tried(title, &about, started.map(AnyRuntime::Oci)).await);
    }
    findings
}

/// Makes a sandbox, if the runtime started, and removes everything.
async fn tried(title: String, about: &str, started: Result<AnyRuntime, RuntimeError>) -> Finding {
    let mend = "mend what is said; the other tiers work without";
    let runtime = match started {
        Ok(runtime) => runtime,
        Err(error) => {
            return Finding::not(Status::Degraded, title, format!("{about}; {error}"), mend);
        }
    };
    let spec =
        CreateSpec { sandbox: SandboxId(0), token: "doctor".into(), limits: Limits::default() };
    let created = runtime.create(spec).await;
    let (lost, memory) = (runtime.lost_isolation(), runtime.abilities().snapshot_memory);
    let drained = runtime.drain(DRAIN_WITHIN).await;
    let created = match created {
        Ok(created) => created,
        Err(error) => {
            return Finding::not(Status::Degraded, title, format!("{about}; {error}"), mend);
        }
    };
    let keeps = if memory { "memory and files" } else { "files" };
    let took = rounded(created.stages.service());
    let seen = format!("{about}; a sandbox starts in {took}, snapshots keep {keeps}");
    if let Some(left) = drained.left.first() {
        return Finding::not(Status::Degraded, title, left.clone(), "run `plimsoll clean`");
    }
    match lost.first() {
        Some(lost) => {
            let seen = format!("{seen}; lost: {}: {}", lost.what, lost.why);
            Finding::not(Status::Degraded, title, seen, lost.mend.clone())
        }
        None => Finding::works(title, seen),
    }
}

/// A program's version, in its own words, and the date of its file: what Debian ships can be years
/// behind.
pub(super) fn about(program: &Path, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null());
    let text = command.output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let version = text.lines().next().unwrap_or("of unknown version").trim().to_owned();
    match program.metadata().and_then(|is| is.modified()).map(jiff::Timestamp::try_from) {
        Ok(Ok(made)) => {
            let days = jiff::Timestamp::now().duration_since(made).as_hours() / 24;
            let date = made.strftime("%Y-%m-%d");
            format!("{version}, file of {date} ({days} days old)")
        }
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_tells_its_version_and_its_files_date() {
        let program = find(Path::new("tar")).unwrap();
        let about = about(&program, &["--version"]);
        assert!(about.starts_with("tar ") && about.contains(", file of "), "{about}");
    }
}
