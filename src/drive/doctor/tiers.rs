//! The isolation tiers: whether each is there, how old it is, and whether a sandbox starts in it.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Finding, Status, rounded};
use crate::drive::clock::Clock;
use crate::drive::runtime::docker::{DockerConfig, find_socket, version_at};
use crate::drive::runtime::microvm::{MicrovmConfig, find_kernel, kernels_directory};
use crate::drive::runtime::oci::{OciConfig, find};
use crate::drive::runtime::process::ProcessConfig;
use crate::drive::runtime::shared::SharedConfig;
use crate::drive::runtime::{
    AnyRuntime, Common, CreateSpec, DockerRuntime, Limits, MicrovmRuntime, OciRuntime,
    RuntimeError, SandboxId, SharedRuntime,
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
pub(super) async fn examine(process: &ProcessConfig, common: &Common) -> Vec<Finding> {
    let mut findings = vec![shared(process).await];
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
    findings.push(machines(common).await);
    findings.push(engine(common).await);
    findings
}

/// Process sandboxes that several sessions share. That these are not kept apart is no loss: it is what
/// the runtime is for.
async fn shared(process: &ProcessConfig) -> Finding {
    let title = "containers that sessions share".to_owned();
    let about = "each a process sandbox; `program: runc` makes them by runc";
    let started = SharedRuntime::start(SharedConfig::with(process.clone()), Clock::start()).await;
    tried(title, about, started.map(AnyRuntime::Shared)).await
}

async fn engine(common: &Common) -> Finding {
    let title = "containers of an engine".to_owned();
    let Some(socket) = find_socket(None) else {
        let mend = "root: apt-get install podman, then `podman system service --time=0 \
                    unix:///run/podman/podman.sock`; or Docker";
        return Finding::not(Status::Absent, title, "no engine's socket in the usual places", mend);
    };
    let about = match version_at(&socket) {
        Ok(version) => format!("{version} at {}", socket.display()),
        Err(error) => {
            let seen = format!("{}: {error}", socket.display());
            return Finding::not(Status::Absent, title, seen, "start the engine");
        }
    };
    let started = DockerRuntime::start(DockerConfig::with(common.clone()), Clock::start()).await;
    tried(title, &about, started.map(AnyRuntime::Docker)).await
}

async fn machines(common: &Common) -> Finding {
    let title = "virtual machines by QEMU".to_owned();
    let config = MicrovmConfig::with(common.clone());
    let Some(program) = find(&config.program) else {
        let seen = format!("no `{}` on the path", config.program.display());
        return Finding::not(Status::Absent, title, seen, "root: apt-get install qemu-system-x86");
    };
    let about = about(&program, &["--version"]);
    let Some(kernel) = find_kernel(None) else {
        let place = kernels_directory().unwrap_or_else(|| "$PLIMSOLL_KERNELS".into());
        let seen = format!("{about}; no kernel in {} nor in /boot", place.display());
        let mend = format!(
            "unpack Debian's kernel for the cloud, without installing it: `apt-get download` the \
             package that linux-image-cloud-amd64 depends on, then `dpkg-deb -x` it into {}",
            place.display()
        );
        return Finding::not(Status::Absent, title, seen, mend);
    };
    let about = format!("{about}; kernel {}", kernel.image.display());
    let started = MicrovmRuntime::start(config, Clock::start()).await;
    tried(title, &about, started.map(AnyRuntime::Microvm)).await
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
    let is_shared = matches!(runtime, AnyRuntime::Shared(_));
    match lost.first().filter(|_| !is_shared) {
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
