//! Several sessions in one container: they share it, each lives its own life, and nothing remains.

use std::path::Path;

use plimsoll::drive::clock::Clock;
use plimsoll::drive::journal::clean;
use plimsoll::drive::runtime::oci::OciConfig;
use plimsoll::drive::runtime::process::ProcessConfig;
use plimsoll::drive::runtime::shared::{Containers, SharedConfig};
use plimsoll::drive::runtime::{AnyRuntime, RuntimeError, SandboxId, SharedRuntime, Work};
use plimsoll::units::{Bytes, Span};

use super::ending::Busy;
use super::{BOUND, Remains, block_on, common, suite};

/// What can make the containers.
const MAKERS: [&str; 3] = ["process", "runc", "crun"];

/// Shared containers that work here, or `None` with the reason printed.
pub async fn start(maker: &str, state: &Path) -> Option<SharedRuntime> {
    let common = common(state);
    let containers = if maker == "process" {
        let plain = ProcessConfig::with(common.launcher, common.state);
        Containers::Process(ProcessConfig { rounds_per_second: Some(1e9), ..plain })
    } else {
        Containers::Oci(OciConfig::with(maker, common))
    };
    let config = SharedConfig { containers, sessions_per_sandbox: 2 };
    match SharedRuntime::start(config, Clock::start()).await {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            assert_ne!(maker, "process", "{error}");
            println!("skipped: {maker}: {error}");
            None
        }
    }
}

/// Runs a part of the suite, and sees that nothing is left.
fn over<F: AsyncFnOnce(&SharedRuntime, &AnyRuntime)>(maker: &str, part: F) {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let Some(shared) = start(maker, state.path()).await else { return };
        let tags = [shared.tag().clone(), shared.container_tag()];
        let runtime = AnyRuntime::Shared(shared.clone());
        part(&shared, &runtime).await;
        drop(shared);
        assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new(), "{maker}");
        for tag in tags {
            assert_eq!(Remains::of(state.path(), tag.as_str()), Remains::default(), "{maker}");
        }
    });
}

#[test]
fn sessions_share_a_container_and_live_their_own_lives() {
    for maker in MAKERS {
        over(maker, async |shared, runtime| {
            for n in 1..=3 {
                runtime.create(suite::spec(n)).await.unwrap();
            }
            let containers: Vec<_> =
                (1..=3).map(|n| shared.container_of(SandboxId(n)).unwrap()).collect();
            assert_eq!(containers[0], containers[1], "two to a container");
            assert_ne!(containers[0], containers[2]);
            let (first, second) = (SandboxId(1), SandboxId(2));
            let report = runtime.exec(first, suite::some_work()).await.unwrap();
            assert!(report.sent <= report.began && report.ended <= report.received, "{report:?}");
            // One goes and comes back with its files; the other does not notice.
            let stored = runtime.snapshot(first).await.unwrap();
            assert_eq!(stored.unpacked, suite::some_work().dirty);
            assert_eq!(stored.memory, Bytes(0));
            runtime.exec(second, suite::some_work()).await.unwrap();
            runtime.restore(SandboxId(4), stored.snapshot).await.unwrap();
            assert_eq!(shared.container_of(SandboxId(4)), Some(containers[0]), "the free place");
            runtime.exec(SandboxId(4), suite::some_work()).await.unwrap();
            runtime.destroy(second).await.unwrap();
            let gone = runtime.exec(second, Work::EMPTY).await;
            assert!(matches!(gone, Err(RuntimeError::UnknownSandbox(_))), "{gone:?}");
            runtime.drop_snapshot(stored.snapshot).await.unwrap();
        });
    }
}

#[test]
fn misuse_is_told_and_one_snapshot_serves_twice() {
    over("process", async |_, runtime| {
        suite::misuse_is_told(runtime).await;
        suite::one_snapshot_serves_twice(runtime).await;
    });
}

#[test]
fn what_still_runs_is_ended_by_the_drain() {
    for maker in MAKERS {
        over(maker, async |_, runtime| {
            for n in 1..=5 {
                runtime.create(suite::spec(n)).await.unwrap();
            }
            runtime.snapshot(SandboxId(1)).await.unwrap();
            let hour = Work { io_wait: Span::from_secs(3600), ..Work::EMPTY };
            let working = runtime.clone();
            tokio::spawn(async move { working.exec(SandboxId(2), hour).await });
        });
    }
}

#[test]
fn a_container_that_dies_takes_its_sessions_along_and_another_is_made() {
    over("process", async |_, runtime| {
        for n in [1, 2] {
            runtime.create(suite::spec(n)).await.unwrap();
        }
        // Twice a session's memory is what the container has; a hog's container does not survive it,
        // or the hog is refused.
        let hog = Work { memory: Bytes(4 << 30), ..Work::EMPTY };
        assert!(runtime.exec(SandboxId(1), hog).await.is_err());
        for n in [1, 2] {
            runtime.destroy(SandboxId(n)).await.unwrap();
        }
        runtime.create(suite::spec(3)).await.unwrap();
        runtime.exec(SandboxId(3), suite::some_work()).await.unwrap();
    });
}

#[test]
fn clean_removes_what_kill_9_left_of_shared_containers() {
    for maker in MAKERS {
        let state = tempfile::tempdir().unwrap();
        let Some(mut busy) = Busy::start("shared", state.path(), maker) else { continue };
        busy.kill();
        let report = clean(state.path()).unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "{maker}");
        // The sessions' run and that of their containers.
        assert_eq!(report.removed.len(), 2, "{report:?}");
        for run in &report.removed {
            assert_eq!(Remains::of(state.path(), &run.tag), Remains::default(), "{maker}");
        }
    }
}
