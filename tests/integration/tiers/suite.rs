//! What every tier must do, the same for all.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use plimsoll::drive::runtime::{
    AnyRuntime, CreateSpec, Limits, RuntimeError, SandboxId, SnapshotId, Stage, Work,
};
use plimsoll::units::{Bytes, Cores, Span};
use tokio::sync::Semaphore;

pub fn spec(n: u64) -> CreateSpec {
    let token = format!("token of session {n}");
    CreateSpec { sandbox: SandboxId(n), token, limits: Limits::default() }
}

/// A little of everything.
pub fn some_work() -> Work {
    Work {
        cpu: Span::from_millis(2),
        io_wait: Span::from_millis(1),
        memory: Bytes(1 << 20),
        dirty: Bytes(100_000),
        ..Work::EMPTY
    }
}

/// A whole life, with hibernation. The sandbox that comes back has another number; that its files
/// and identity are those of the first, and its memory if that is kept, the runtime verifies.
pub async fn live(runtime: &AnyRuntime, n: u64) {
    let (first, second) = (SandboxId(2 * n), SandboxId(2 * n + 1));
    let created = runtime.create(spec(first.0)).await.unwrap();
    assert!(created.stages.get(Stage::Isolate) > Span::ZERO, "{created:?}");
    assert_eq!(created.ready.since(created.began), created.stages.total());
    let report = runtime.exec(first, some_work()).await.unwrap();
    let order = [report.sent, report.began, report.held, report.waited, report.computed];
    assert!(order.is_sorted() && report.computed <= report.ended, "{report:?}");
    assert!(report.ended <= report.received, "{report:?}");
    let stored = runtime.snapshot(first).await.unwrap();
    assert_eq!(stored.stored.since(stored.began), stored.stages.service());
    assert_eq!(stored.unpacked, some_work().dirty);
    assert!(stored.bytes > stored.memory, "files are in it too: {stored:?}");
    assert_eq!(stored.memory > Bytes(0), runtime.abilities().snapshot_memory);
    let restored = runtime.restore(second, stored.snapshot).await.unwrap();
    let resumed = restored.stages.get(Stage::Resume) > Span::ZERO;
    assert_eq!(resumed, runtime.abilities().snapshot_memory, "{restored:?}");
    runtime.exec(second, some_work()).await.unwrap();
    // What was there before hibernation and what came after.
    let again = runtime.snapshot(second).await.unwrap();
    assert_eq!(again.unpacked, Bytes(2 * some_work().dirty.0));
    runtime.restore(first, again.snapshot).await.unwrap();
    runtime.destroy(first).await.unwrap();
    runtime.drop_snapshot(stored.snapshot).await.unwrap();
    runtime.drop_snapshot(again.snapshot).await.unwrap();
}

/// Many lives, so many at a time.
pub async fn many_live(runtime: &AnyRuntime, lives: u64, at_a_time: usize) {
    let places = Arc::new(Semaphore::new(at_a_time));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..lives {
        let (runtime, places) = (runtime.clone(), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire().await.unwrap();
            live(&runtime, n).await;
        });
    }
    while let Some(lived) = tasks.join_next().await {
        lived.unwrap();
    }
}

/// Two restores of one snapshot both have its files, and live beside each other.
pub async fn one_snapshot_serves_twice(runtime: &AnyRuntime) {
    runtime.create(spec(1)).await.unwrap();
    runtime.exec(SandboxId(1), some_work()).await.unwrap();
    let stored = runtime.snapshot(SandboxId(1)).await.unwrap();
    for n in [2, 3] {
        runtime.restore(SandboxId(n), stored.snapshot).await.unwrap();
    }
    for n in [2, 3] {
        runtime.exec(SandboxId(n), some_work()).await.unwrap();
        runtime.destroy(SandboxId(n)).await.unwrap();
    }
    runtime.drop_snapshot(stored.snapshot).await.unwrap();
}

/// What is not there is an error, and a name is taken once.
pub async fn misuse_is_told(runtime: &AnyRuntime) {
    let (first, second) = tokio::join!(runtime.create(spec(1)), runtime.create(spec(1)));
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    let none = SandboxId(7);
    let missing = runtime.exec(none, Work::EMPTY).await;
    assert!(matches!(missing, Err(RuntimeError::UnknownSandbox(id)) if id == none));
    let missing = runtime.restore(none, SnapshotId(u64::MAX)).await;
    assert!(matches!(missing, Err(RuntimeError::UnknownSnapshot(_))));
    runtime.destroy(SandboxId(1)).await.unwrap();
}

/// Memory and CPU are limited; the next sandbox does not feel it.
pub async fn limits_hold(runtime: &AnyRuntime, tag: &str) {
    let limits = Limits {
        vcpu: Cores(0.5),
        memory: Bytes(48 << 20),
        disk: Bytes(1 << 20),
        ..Limits::default()
    };
    runtime.create(CreateSpec { limits, ..spec(1) }).await.unwrap();
    runtime.create(spec(2)).await.unwrap();
    let name = SandboxId(1);
    let memory = |mib: u64| Work { memory: Bytes(mib << 20), ..Work::EMPTY };
    runtime.exec(name, memory(40)).await.unwrap();
    let disk = Work { dirty: Bytes(2 << 20), ..Work::EMPTY };
    let refused = runtime.exec(name, disk).await;
    assert!(matches!(refused, Err(RuntimeError::Work { .. })), "{refused:?}");
    let busy = Work { cpu: Span::from_millis(300), cores: Cores(2.0), ..Work::EMPTY };
    let report = runtime.exec(name, busy).await.unwrap();
    assert!(report.cpu_used > Span::ZERO, "{report:?}");
    // On a machine that is busy anyway only the kernel's own word tells. An engine's groups are named
    // by the engine.
    let groups = super::groups_with(Path::new("/sys/fs/cgroup"), tag);
    let held = groups.iter().any(|group| holds_to_half_a_core(group));
    assert!(held || groups.is_empty() || !runtime.abilities().limits_cpu, "{groups:?}");
    let refused = runtime.exec(name, memory(700)).await;
    assert!(
        matches!(refused, Err(RuntimeError::OutOfMemory { .. } | RuntimeError::GuestGone { .. })),
        "{refused:?}"
    );
    runtime.exec(SandboxId(2), some_work()).await.unwrap();
    runtime.destroy(SandboxId(1)).await.unwrap();
    runtime.destroy(SandboxId(2)).await.unwrap();
}

/// Whether a control group has processes and lets them have 50 ms of CPU time in 100 ms.
fn holds_to_half_a_core(group: &Path) -> bool {
    let read = |name| fs::read_to_string(group.join(name)).unwrap_or_default();
    let quota = (read("cpu.cfs_quota_us"), read("cpu.cfs_period_us"));
    let is_half = (quota.0.trim(), quota.1.trim()) == ("50000", "100000")
        || read("cpu.max").trim() == "50000 100000";
    is_half && !read("cgroup.procs").is_empty()
}
