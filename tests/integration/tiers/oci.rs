//! Containers by whichever OCI runtimes this machine has.

use std::path::Path;

use plimsoll::drive::clock::Clock;
use plimsoll::drive::runtime::oci::{Keep, OciConfig};
use plimsoll::drive::runtime::{AnyRuntime, OciRuntime, RuntimeError, SandboxId, Work};
use plimsoll::units::Span;

use super::{BOUND, Remains, block_on, common, suite};

/// The runtimes that plimsoll knows by name.
const KNOWN: [&str; 3] = ["runc", "crun", "runsc"];

/// A runtime that works here, or `None` with the reason printed.
pub async fn start(name: &str, state: &Path, keep: Keep) -> Option<OciRuntime> {
    let config = OciConfig { keep, ..OciConfig::with(name, common(state)) };
    match OciRuntime::start(config, Clock::start()).await {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            println!("skipped: {name}: {error}");
            None
        }
    }
}

/// Runs a part of the suite over a runtime, and sees that nothing is left.
fn over<F: AsyncFnOnce(&AnyRuntime, &str)>(name: &str, keep: Keep, part: F) {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let Some(runtime) = start(name, state.path(), keep).await else { return };
        let tag = runtime.tag().as_str().to_owned();
        let runtime = AnyRuntime::Oci(runtime);
        part(&runtime, &tag).await;
        let drained = runtime.drain(BOUND).await;
        assert_eq!(drained.left, Vec::<String>::new(), "{name}");
        assert_eq!(Remains::of(state.path(), &tag), Remains::default(), "{name}");
        let closed = runtime.create(suite::spec(1)).await;
        assert!(matches!(closed, Err(RuntimeError::Closing)), "{closed:?}");
    });
}

#[test]
fn containers_live_hibernate_and_leave_nothing() {
    for name in KNOWN {
        over(name, Keep::Files, async |runtime, _| {
            assert!(!runtime.abilities().snapshot_memory);
            suite::many_live(runtime, 6, 3).await;
            suite::one_snapshot_serves_twice(runtime).await;
            suite::misuse_is_told(runtime).await;
        });
    }
}

#[test]
fn gvisor_keeps_memory() {
    over("runsc", Keep::Most, async |runtime, _| {
        assert!(runtime.abilities().snapshot_memory, "{:?}", runtime.lost_isolation());
        suite::many_live(runtime, 3, 2).await;
        suite::one_snapshot_serves_twice(runtime).await;
    });
}

#[test]
fn containers_keep_to_their_limits() {
    for name in KNOWN {
        over(name, Keep::Files, suite::limits_hold);
    }
}

#[test]
fn what_still_runs_is_ended_by_the_drain() {
    for name in KNOWN {
        over(name, Keep::Most, async |runtime, _| {
            runtime.create(suite::spec(1)).await.unwrap();
            runtime.exec(SandboxId(1), suite::some_work()).await.unwrap();
            runtime.snapshot(SandboxId(1)).await.unwrap();
            runtime.create(suite::spec(2)).await.unwrap();
            let (working, hour) =
                (runtime.clone(), Work { io_wait: Span::from_secs(3600), ..Work::EMPTY });
            tokio::spawn(async move { working.exec(SandboxId(2), hour).await });
        });
    }
}

#[test]
fn a_killed_runtime_leaves_nothing_either() {
    for name in KNOWN {
        let state = tempfile::tempdir().unwrap();
        let tag = block_on(async {
            let runtime = start(name, state.path(), Keep::Files).await?;
            let tag = runtime.tag().as_str().to_owned();
            let runtime = AnyRuntime::Oci(runtime);
            runtime.create(suite::spec(1)).await.unwrap();
            runtime.create(suite::spec(2)).await.unwrap();
            // As a panic or a second Ctrl-C does.
            assert_eq!(runtime.kill_now().left, Vec::<String>::new());
            Some(tag)
        });
        let Some(tag) = tag else { continue };
        assert_eq!(Remains::of(state.path(), &tag), Remains::default(), "{name}");
    }
}

#[test]
fn a_runtime_that_is_not_there_is_told_with_its_mend() {
    let state = tempfile::tempdir().unwrap();
    let config = OciConfig::with("no-such-runtime", common(state.path()));
    let outcome = block_on(OciRuntime::start(config, Clock::start()));
    let message = outcome.unwrap_err().to_string();
    assert!(
        message.contains("no-such-runtime") && message.contains("apt-get install"),
        "{message}"
    );
    assert!(!state.path().join("runs").exists(), "nothing was begun");
}

#[test]
fn a_runtime_that_fails_leaves_nothing() {
    // `false` takes any arguments and fails, as a broken runtime would.
    let state = tempfile::tempdir().unwrap();
    let config = OciConfig::with("false", common(state.path()));
    let outcome = block_on(OciRuntime::start(config, Clock::start()));
    let message = outcome.unwrap_err().to_string();
    let root = rustix::process::geteuid().is_root();
    assert!(!root || message.contains("cannot build"), "{message}");
    let runs = std::fs::read_dir(state.path().join("runs"));
    assert_eq!(runs.map_or(0, Iterator::count), 0);
}
