//! Runs that end before they are done: by a signal, a panic, or SIGKILL.
//!
//! A run that is to be interrupted is a process of its own: this test binary, started again with
//! only the test [`helper`].

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use plimsoll::drive::journal::clean;
use plimsoll::drive::runtime::process::ProcessRuntime;
use plimsoll::drive::runtime::{AnyRuntime, SandboxId, Work};
use plimsoll::drive::shutdown::{RunGuard, Shutdown};
use plimsoll::units::Span;
use rustix::process::{Pid, Signal, kill_process};

use super::{BOUND, Remains, block_on, some_work, spec, start};

/// What the helper is to do.
pub const MODE: &str = "PLIMSOLL_TEST_HELPER_MODE";
/// Where it keeps its state.
pub const STATE: &str = "PLIMSOLL_TEST_HELPER_STATE";

const MARK: &str = "helper says: ";

/// A line of the helper's own among those of the test harness.
pub fn said(line: &str) -> Option<&str> {
    line.split_once(MARK).map(|(_, said)| said)
}

pub fn say(text: impl std::fmt::Display) {
    println!("{MARK}{text}");
}

/// How to start the helper.
pub fn helper_arguments() -> Vec<OsString> {
    let mut arguments = vec![std::env::current_exe().unwrap().into_os_string()];
    let rest = ["--exact", "drive_process::ending::helper", "--ignored", "--nocapture"];
    arguments.extend(rest.map(OsString::from));
    arguments
}

#[test]
#[ignore = "not a test: the process that other tests interrupt"]
fn helper() {
    let state = PathBuf::from(std::env::var_os(STATE).expect("started by another test"));
    match std::env::var(MODE).unwrap().as_str() {
        "busy" => block_on(run_until_stopped(&state)),
        "soak" => block_on(super::soak::soak(&state)),
        "lost" => block_on(async {
            let runtime = start(&state).await;
            runtime.create(spec(1)).await.unwrap();
            runtime.exec(SandboxId(1), some_work()).await.unwrap();
            for lost in runtime.lost_isolation() {
                say(format_args!("lost {}", lost.what));
            }
            assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new());
        }),
        mode => panic!("no helper mode {mode}"),
    }
}

/// Two hundred sandboxes, a dozen at a time, over and over, until a signal comes.
async fn run_until_stopped(state: &Path) {
    let shutdown = Shutdown::listen().unwrap();
    let process = start(state).await;
    say(format_args!("tag {}", process.tag()));
    let guard = RunGuard::new(AnyRuntime::Process(process.clone()), BOUND);
    let ended = guard.run(&shutdown, keep_busy(process)).await;
    assert!(ended.outcome.is_none());
    say(format_args!("stopped: {}", ended.stopped_by.unwrap()));
    assert_eq!(ended.drained.left, Vec::<String>::new());
}

async fn keep_busy(runtime: ProcessRuntime) {
    // One hibernates, one works for an hour, and a dozen come and go.
    runtime.create(spec(1_000_000)).await.unwrap();
    runtime.snapshot(SandboxId(1_000_000)).await.unwrap();
    runtime.create(spec(1_000_001)).await.unwrap();
    let working = runtime.clone();
    tokio::spawn(async move {
        let hour = Work { io_wait: Span::from_secs(3600), ..Work::EMPTY };
        working.exec(SandboxId(1_000_001), hour).await
    });
    let mut lives = tokio::task::JoinSet::new();
    for n in 0_u64.. {
        if lives.len() >= 12 {
            lives.join_next().await;
        }
        let runtime = runtime.clone();
        lives.spawn(async move {
            let name = SandboxId(n);
            // Errors are what is to be expected while the run is being ended.
            let _ = runtime.create(spec(n)).await;
            let _ = runtime.exec(name, some_work()).await;
            if let Ok(stored) = runtime.snapshot(name).await {
                let _ = runtime.restore(name, stored.snapshot).await;
                let _ = runtime.drop_snapshot(stored.snapshot).await;
            }
            let _ = runtime.destroy(name).await;
        });
        if n == 20 {
            say("in the middle");
        }
    }
}

/// A helper that is in the middle of its run.
struct Busy {
    child: Child,
    lines: BufReader<ChildStdout>,
    tag: String,
}

impl Busy {
    fn start(state: &Path) -> Self {
        let arguments = helper_arguments();
        let mut child = Command::new(&arguments[0])
            .args(&arguments[1..])
            .env(MODE, "busy")
            .env(STATE, state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut busy = Busy { child, lines, tag: String::new() };
        busy.tag = busy.next_said().strip_prefix("tag ").unwrap().to_owned();
        assert_eq!(busy.next_said(), "in the middle");
        busy
    }

    fn next_said(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the helper ended too soon");
            if let Some(said) = said(line.trim_end()) {
                return said.to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

fn ends_clean_on(signal: Signal, cause: &str) {
    let state = tempfile::tempdir().unwrap();
    let mut busy = Busy::start(state.path());
    let seen = Remains::of(state.path(), &busy.tag);
    assert!(seen.processes >= 2 && seen.directories.len() >= 2, "{seen:?}");
    busy.signal(signal);
    assert_eq!(busy.next_said(), format!("stopped: {cause}"));
    // Its asserts hold too: nothing was left by its own account.
    assert!(busy.child.wait().unwrap().success());
    assert_eq!(Remains::of(state.path(), &busy.tag), Remains::default());
}

#[test]
fn ctrl_c_in_the_middle_leaves_nothing() {
    ends_clean_on(Signal::INT, "interrupted by Ctrl-C");
}

#[test]
fn sigterm_in_the_middle_leaves_nothing() {
    ends_clean_on(Signal::TERM, "asked to end by SIGTERM");
}

#[test]
fn clean_removes_what_kill_9_left_and_not_what_lives() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let living = start(state.path()).await;
        living.create(spec(1)).await.unwrap();
        let (living_tag, stranger) = (living.tag().as_str(), state.path().join("runs/stranger"));
        std::fs::create_dir(&stranger).unwrap();
        let alive = Remains::of(state.path(), living_tag);

        let mut busy = Busy::start(state.path());
        busy.signal(Signal::KILL);
        busy.child.wait().unwrap();
        let left = Remains::of(state.path(), &busy.tag);
        assert!(left.directories.len() >= 2 && left.snapshots >= 1, "{left:?}");

        let report = clean(state.path()).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.live, [living_tag]);
        assert_eq!(report.removed.len(), 1);
        assert_eq!(report.removed[0].tag, busy.tag);
        assert!(report.removed[0].directories >= 1 && report.removed[0].snapshots >= 1);
        assert_eq!(Remains::of(state.path(), &busy.tag), Remains::default());

        assert_eq!(Remains::of(state.path(), living_tag), alive);
        living.exec(SandboxId(1), some_work()).await.unwrap();
        assert!(stranger.exists());
        assert!(clean(state.path()).unwrap().removed.is_empty(), "there is nothing left to clean");
        living.drain(BOUND).await;
    });
}

#[test]
fn a_panic_and_a_dropped_runtime_leave_nothing() {
    let state = tempfile::tempdir().unwrap();
    let mut tags = Vec::new();
    for panics in [true, false] {
        let run = std::panic::AssertUnwindSafe(|| {
            block_on(async {
                let runtime = start(state.path()).await;
                tags.push(runtime.tag().as_str().to_owned());
                let guard = RunGuard::new(AnyRuntime::Process(runtime.clone()), BOUND);
                runtime.create(spec(1)).await.unwrap();
                runtime.create(spec(2)).await.unwrap();
                runtime.snapshot(SandboxId(2)).await.unwrap();
                assert!(!panics, "as a bug would");
                // Left without a drain, as an early return would.
                drop(guard);
            });
        });
        assert_eq!(std::panic::catch_unwind(run).is_err(), panics);
    }
    for tag in tags {
        assert_eq!(Remains::of(state.path(), &tag), Remains::default());
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    let state = tempfile::tempdir().unwrap();
    let mut busy = Busy::start(state.path());
    busy.signal(Signal::INT);
    busy.signal(Signal::TERM);
    // Both signals can be taken at once, so only the outcome is the same each time.
    assert_eq!(busy.next_said().split(':').next(), Some("stopped"));
    assert!(busy.child.wait().unwrap().success());
    assert_eq!(Remains::of(state.path(), &busy.tag), Remains::default());
}
