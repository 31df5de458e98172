//! Create, exec, snapshot, restore, destroy.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use plimsoll::drive::runtime::process::ProcessRuntime;
use plimsoll::drive::runtime::{
    CreateSpec, Limits, RuntimeError, SandboxId, SnapshotId, Stage, Work,
};
use plimsoll::units::{Bytes, Cores, Span};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Semaphore;

use super::{BOUND, Remains, block_on, guest_of, some_work, spec, start};

/// A whole life, with hibernation. The sandbox that comes back has another number.
async fn live(runtime: &ProcessRuntime, n: u64) {
    let (first, second) = (SandboxId(2 * n), SandboxId(2 * n + 1));
    let created = runtime.create(spec(first.0)).await.unwrap();
    assert!(created.stages.get(Stage::Isolate) > Span::ZERO);
    assert_eq!(created.ready.since(created.began), created.stages.total());
    let report = runtime.exec(first, some_work()).await.unwrap();
    let order = [report.sent, report.began, report.held, report.waited, report.computed];
    assert!(order.is_sorted() && report.computed <= report.ended, "{report:?}");
    assert!(
        report.ended <= report.received && report.waited.since(report.held) >= some_work().io_wait
    );
    let stored = runtime.snapshot(first).await.unwrap();
    assert_eq!(stored.stored.since(stored.began), stored.stages.service());
    assert_eq!(stored.unpacked, some_work().dirty);
    assert!(stored.bytes < stored.unpacked && stored.bytes > Bytes(0));
    let restored = runtime.restore(second, stored.snapshot).await.unwrap();
    assert!(restored.stages.get(Stage::Unpack) > Span::ZERO);
    runtime.exec(second, some_work()).await.unwrap();
    // What was there before hibernation and what came after.
    let again = runtime.snapshot(second).await.unwrap();
    assert_eq!(again.unpacked, Bytes(2 * some_work().dirty.0));
    runtime.restore(first, again.snapshot).await.unwrap();
    runtime.destroy(first).await.unwrap();
    runtime.drop_snapshot(stored.snapshot).await.unwrap();
    runtime.drop_snapshot(again.snapshot).await.unwrap();
}

#[test]
fn two_hundred_sandboxes_live_and_nothing_remains() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        let tag = runtime.tag().as_str().to_owned();
        // One that stays proves that remains would be seen.
        runtime.create(spec(1_000_000)).await.unwrap();
        let seen = Remains::of(state.path(), &tag);
        assert_eq!(seen.processes, 2, "a launcher and a guest");
        assert_eq!(seen.directories.len(), 2, "the run's and the sandbox's");
        let limited = runtime.abilities().limits_cpu;
        assert_eq!(!seen.cgroups.is_empty(), limited);
        let places = Arc::new(Semaphore::new(12));
        let mut lives = tokio::task::JoinSet::new();
        for n in 0..200 {
            let (runtime, places) = (runtime.clone(), Arc::clone(&places));
            lives.spawn(async move {
                let _place = places.acquire().await.unwrap();
                live(&runtime, n).await;
            });
        }
        while let Some(lived) = lives.join_next().await {
            lived.unwrap();
        }
        assert_eq!(Remains::of(state.path(), &tag), seen, "only the one that stays");
        let drained = runtime.drain(BOUND).await;
        assert_eq!((drained.stopped, drained.killed, drained.left), (1, 0, vec![]));
        assert_eq!(Remains::of(state.path(), &tag), Remains::default());
        assert!(matches!(runtime.create(spec(1)).await, Err(RuntimeError::Closing)));
    });
}

#[test]
fn calls_of_one_sandbox_run_side_by_side() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        runtime.create(spec(1)).await.unwrap();
        let waits = |ms| Work { io_wait: Span::from_millis(ms), ..Work::EMPTY };
        let long = runtime.exec(SandboxId(1), waits(1500));
        let short = runtime.exec(SandboxId(1), waits(100));
        let (long, short) = tokio::join!(long, short);
        let (long, short) = (long.unwrap(), short.unwrap());
        assert!(short.began < long.ended && long.began < short.ended, "{short:?} {long:?}");
        runtime.drain(BOUND).await;
    });
}

#[test]
fn a_name_is_taken_once_and_what_is_not_there_is_an_error() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        let (first, second) = tokio::join!(runtime.create(spec(1)), runtime.create(spec(1)));
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
        let none = SandboxId(7);
        assert!(matches!(
            runtime.exec(none, Work::EMPTY).await,
            Err(RuntimeError::UnknownSandbox(id)) if id == none
        ));
        assert!(matches!(runtime.destroy(none).await, Err(RuntimeError::UnknownSandbox(_))));
        assert!(matches!(
            runtime.restore(none, SnapshotId(9)).await,
            Err(RuntimeError::UnknownSnapshot(SnapshotId(9)))
        ));
        runtime.drain(BOUND).await;
    });
}

#[test]
fn a_guest_that_dies_is_noticed_and_removed() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        runtime.create(spec(1)).await.unwrap();
        let guest = guest_of(&runtime, SandboxId(1));
        let waits = Work { io_wait: Span::from_secs(600), ..Work::EMPTY };
        let call = runtime.exec(SandboxId(1), waits);
        let kill = async { kill_process(Pid::from_raw(guest).unwrap(), Signal::KILL).unwrap() };
        let (outcome, ()) = tokio::join!(call, kill);
        assert!(matches!(outcome, Err(RuntimeError::GuestGone { .. })), "{outcome:?}");
        runtime.destroy(SandboxId(1)).await.unwrap();
        assert_eq!(Remains::of(state.path(), runtime.tag().as_str()).processes, 0);
        runtime.drain(BOUND).await;
    });
}

#[test]
fn memory_disk_and_cpu_are_limited() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        let limits = Limits {
            vcpu: Cores(0.5),
            memory: Bytes(48 << 20),
            disk: Bytes(1 << 20),
            ..Limits::default()
        };
        runtime.create(CreateSpec { limits, ..spec(1) }).await.unwrap();
        let name = SandboxId(1);
        let memory = |mib: u64| Work { memory: Bytes(mib << 20), ..Work::EMPTY };
        runtime.exec(name, memory(40)).await.unwrap();
        let refused = runtime.exec(name, memory(100)).await;
        assert!(matches!(refused, Err(RuntimeError::OutOfMemory { .. })), "{refused:?}");
        let disk = Work { dirty: Bytes(2 << 20), ..Work::EMPTY };
        let refused = runtime.exec(name, disk).await;
        assert!(matches!(refused, Err(RuntimeError::Work { .. })), "{refused:?}");
        // The call was refused, the sandbox lives.
        let busy = Work { cpu: Span::from_millis(300), cores: Cores(2.0), ..Work::EMPTY };
        let report = runtime.exec(name, busy).await.unwrap();
        let least = report.cpu_used.seconds() / 0.5 - 0.2;
        assert!(report.computing().seconds() >= least, "{report:?}");
        runtime.drain(BOUND).await;
    });
}

/// Writes a snapshot anew with one file's content changed.
fn tamper(archive: &Path, file: &str) {
    let work = tempfile::tempdir().unwrap();
    let reader = zstd::Decoder::new(File::open(archive).unwrap()).unwrap();
    tar::Archive::new(reader).unpack(work.path()).unwrap();
    let path = work.path().join(file);
    let changed = fs::read(&path).unwrap().iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    fs::remove_file(&path).unwrap();
    fs::write(&path, changed).unwrap();
    let writer = zstd::Encoder::new(File::create(archive).unwrap(), 1).unwrap();
    let mut builder = tar::Builder::new(writer);
    builder.append_dir_all(".", work.path()).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
}

#[test]
fn a_snapshot_that_comes_back_changed_is_found_out() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        let run = state.path().join("runs").join(runtime.tag().as_str());
        for (what, file) in [("identity", "identity"), ("files", "files/work-0")] {
            runtime.create(spec(1)).await.unwrap();
            runtime.exec(SandboxId(1), some_work()).await.unwrap();
            let stored = runtime.snapshot(SandboxId(1)).await.unwrap();
            tamper(
                &run.join("snapshots").join(stored.snapshot.0.to_string()).join("files.tar.zst"),
                file,
            );
            let outcome = runtime.restore(SandboxId(1), stored.snapshot).await;
            let found = match outcome {
                Err(RuntimeError::StateLost { what, .. }) => what,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, what);
            assert!(matches!(
                runtime.exec(SandboxId(1), Work::EMPTY).await,
                Err(RuntimeError::UnknownSandbox(_))
            ));
        }
        runtime.drain(BOUND).await;
    });
}

#[test]
fn a_cancelled_create_leaves_nothing_half_made() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        for n in 0..10 {
            let waiting = runtime.clone();
            let task = tokio::spawn(async move { waiting.create(spec(n)).await.map(drop) });
            tokio::task::yield_now().await;
            task.abort();
            // Aborted or already done; either way the runtime knows what there is.
            let _ = task.await;
        }
        let drained = runtime.drain(BOUND).await;
        assert_eq!(drained.left, Vec::<String>::new());
        assert_eq!(Remains::of(state.path(), runtime.tag().as_str()), Remains::default());
    });
}
