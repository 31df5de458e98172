//! Runs that are killed: `plimsoll clean` removes what they left, and only that.
//!
//! A run that is to be killed is a process of its own: this test binary, started again with only the
//! test [`helper`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use plimsoll::drive::journal::clean;
use plimsoll::drive::runtime::oci::Keep;
use plimsoll::drive::runtime::{AnyRuntime, SandboxId, Work};
use plimsoll::units::Span;
use rustix::process::{Pid, Signal, kill_process};

use super::{BOUND, Remains, block_on, docker, microvm, oci, shared, suite};

/// Which tier the helper is to run.
const TIER: &str = "PLIMSOLL_TEST_TIER";
/// Where it keeps its state.
const STATE: &str = "PLIMSOLL_TEST_TIER_STATE";
/// Where the engine listens, if the tier is one; what makes the containers, if they are shared.
const SOCKET: &str = "PLIMSOLL_TEST_TIER_SOCKET";
const MARK: &str = "helper says: ";

fn say(text: impl std::fmt::Display) {
    println!("{MARK}{text}");
}

/// The runtime of a tier by its name, with its run's tag, or `None` with the reason printed.
async fn start(tier: &str, state: &Path) -> Option<(AnyRuntime, String)> {
    if tier == "docker" {
        let runtime = docker::start(state, &std::env::var(SOCKET).unwrap()).await;
        let tag = runtime.tag().as_str().to_owned();
        return Some((AnyRuntime::Docker(runtime), tag));
    }
    if tier == "microvm" {
        let runtime = microvm::start(state, Keep::Files).await?;
        let tag = runtime.tag().as_str().to_owned();
        return Some((AnyRuntime::Microvm(runtime), tag));
    }
    if tier == "shared" {
        let runtime = shared::start(&std::env::var(SOCKET).unwrap(), state).await?;
        let tag = runtime.tag().as_str().to_owned();
        return Some((AnyRuntime::Shared(runtime), tag));
    }
    let runtime = oci::start(tier, state, Keep::Files).await?;
    let tag = runtime.tag().as_str().to_owned();
    Some((AnyRuntime::Oci(runtime), tag))
}

#[test]
#[ignore = "not a test: the process that other tests kill"]
fn helper() {
    let state = PathBuf::from(std::env::var_os(STATE).expect("started by another test"));
    let tier = std::env::var(TIER).unwrap();
    block_on(async {
        let Some((runtime, tag)) = start(&tier, &state).await else {
            say("skipped");
            return;
        };
        say(format_args!("tag {tag}"));
        runtime.create(suite::spec(1_000_000)).await.unwrap();
        runtime.snapshot(SandboxId(1_000_000)).await.unwrap();
        runtime.create(suite::spec(1_000_001)).await.unwrap();
        let working = runtime.clone();
        tokio::spawn(async move {
            let hour = Work { io_wait: Span::from_secs(3600), ..Work::EMPTY };
            working.exec(SandboxId(1_000_001), hour).await
        });
        say("in the middle");
        // Until it is killed, sandboxes come and go.
        for n in 0.. {
            runtime.create(suite::spec(n)).await.unwrap();
            runtime.exec(SandboxId(n), suite::some_work()).await.unwrap();
            runtime.destroy(SandboxId(n)).await.unwrap();
        }
    });
}

/// A helper that is in the middle of its run.
pub struct Busy {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub tag: String,
}

impl Busy {
    /// `None` where the tier is not to be had.
    pub fn start(tier: &str, state: &Path, socket: &str) -> Option<Self> {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tiers::ending::helper", "--ignored", "--nocapture"])
            .env(TIER, tier)
            .env(STATE, state)
            .env(SOCKET, socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut busy = Busy { child, lines, tag: String::new() };
        let first = busy.next_said();
        let Some(tag) = first.strip_prefix("tag ") else {
            busy.child.wait().unwrap();
            return None;
        };
        tag.clone_into(&mut busy.tag);
        assert_eq!(busy.next_said(), "in the middle");
        Some(busy)
    }

    fn next_said(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the helper ended too soon");
            if let Some((_, said)) = line.trim_end().split_once(MARK) {
                return said.to_owned();
            }
            if line.starts_with("skipped") {
                print!("{line}");
            }
        }
    }

    /// As the kernel does when memory runs out.
    pub fn kill(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn clean_removes_what_kill_9_left_of_every_tier_and_not_what_lives() {
    for tier in ["runc", "crun", "runsc", "microvm"] {
        let state = tempfile::tempdir().unwrap();
        block_on(async {
            let Some((living, living_tag)) = start(tier, state.path()).await else { return };
            living.create(suite::spec(1)).await.unwrap();
            let alive = Remains::of(state.path(), &living_tag);
            assert!(alive.processes.len() >= 2 && !alive.directories.is_empty(), "{alive:?}");
            let mut busy = Busy::start(tier, state.path(), "").expect("it works: one lives");
            busy.kill();
            assert!(!Remains::of(state.path(), &busy.tag).directories.is_empty());
            let report = clean(state.path()).unwrap();
            assert_eq!(report.problems, Vec::<String>::new(), "{tier}");
            assert_eq!(report.live, [living_tag.as_str()]);
            assert_eq!(report.removed.len(), 1);
            assert_eq!(report.removed[0].tag, busy.tag);
            assert_eq!(Remains::of(state.path(), &busy.tag), Remains::default(), "{tier}");
            let still = Remains::of(state.path(), &living_tag);
            assert_eq!((&still.directories, &still.mounts), (&alive.directories, &alive.mounts));
            living.exec(SandboxId(1), suite::some_work()).await.unwrap();
            assert_eq!(living.drain(BOUND).await.left, Vec::<String>::new());
            assert_eq!(Remains::of(state.path(), &living_tag), Remains::default());
        });
    }
}
