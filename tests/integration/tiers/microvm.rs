//! Virtual machines, emulated where the processor's own virtualization does not work.

use std::path::Path;

use plimsoll::drive::clock::Clock;
use plimsoll::drive::runtime::microvm::{Accel, MicrovmConfig};
use plimsoll::drive::runtime::oci::Keep;
use plimsoll::drive::runtime::{AnyRuntime, MicrovmRuntime, SandboxId, Work};
use plimsoll::units::Span;

use super::{BOUND, Remains, block_on, common, suite};

/// Virtual machines that work here, or `None` with the reason printed.
pub async fn start(state: &Path, keep: Keep) -> Option<MicrovmRuntime> {
    let config = MicrovmConfig { keep, ..MicrovmConfig::with(common(state)) };
    match MicrovmRuntime::start(config, Clock::start()).await {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            println!("skipped: microvm: {error}");
            None
        }
    }
}

/// Runs a part of the suite, and sees that nothing is left.
fn over<F: AsyncFnOnce(&MicrovmRuntime, &AnyRuntime, &str)>(keep: Keep, part: F) {
    let state = tempfile::tempdir().unwrap();
    // What was found out of this machine once need not be found out by every test.
    let known = std::env::temp_dir().join("plimsoll-test-kvm.json");
    let _ = std::fs::copy(&known, state.path().join("kvm.json"));
    block_on(async {
        let Some(machines) = start(state.path(), keep).await else { return };
        let _ = std::fs::copy(state.path().join("kvm.json"), &known);
        let tag = machines.tag().as_str().to_owned();
        let runtime = AnyRuntime::Microvm(machines.clone());
        part(&machines, &runtime, &tag).await;
        drop(machines);
        let drained = runtime.drain(BOUND).await;
        assert_eq!(drained.left, Vec::<String>::new());
        assert_eq!(Remains::of(state.path(), &tag), Remains::default());
    });
}

#[test]
fn machines_go_on_where_they_were() {
    over(Keep::Most, async |machines, runtime, _| {
        let says = |lost: &str| runtime.lost_isolation().iter().any(|one| one.what.contains(lost));
        assert_eq!(machines.accel() == Accel::Tcg, says("KVM"), "{:?}", runtime.lost_isolation());
        assert!(runtime.abilities().snapshot_memory);
        suite::many_live(runtime, 2, 2).await;
        suite::one_snapshot_serves_twice(runtime).await;
    });
}

#[test]
fn machines_boot_from_the_disk_that_was_kept() {
    over(Keep::Files, async |_, runtime, _| {
        suite::many_live(runtime, 2, 2).await;
        suite::misuse_is_told(runtime).await;
    });
}

#[test]
fn machines_keep_to_their_limits() {
    over(Keep::Files, async |_, runtime, tag| suite::limits_hold(runtime, tag).await);
}

#[test]
fn a_machines_waiting_takes_as_long_as_outside() {
    over(Keep::Files, async |_, runtime, _| {
        runtime.create(suite::spec(1)).await.unwrap();
        let waits = Work { io_wait: Span::from_secs(2), ..Work::EMPTY };
        let report = runtime.exec(SandboxId(1), waits).await.unwrap();
        // A counter that is off by a tenth would have the machine's second be another one. The call
        // as the driver saw it is never shorter; a busy machine makes it longer.
        let (outside, inside) = (report.received.since(report.sent), report.service());
        assert!(outside.seconds() > 1.9, "{outside} outside, {inside} inside");
        assert!(inside.seconds() > 1.9, "{outside} outside, {inside} inside");
    });
}

#[test]
fn what_still_runs_is_ended_by_the_drain() {
    over(Keep::Most, async |_, runtime, _| {
        runtime.create(suite::spec(1)).await.unwrap();
        runtime.snapshot(SandboxId(1)).await.unwrap();
        runtime.create(suite::spec(2)).await.unwrap();
        let hour = Work { io_wait: Span::from_secs(3600), ..Work::EMPTY };
        let working = runtime.clone();
        tokio::spawn(async move { working.exec(SandboxId(2), hour).await });
    });
}

#[test]
fn a_kernel_that_is_not_there_is_told_with_its_mend() {
    let state = tempfile::tempdir().unwrap();
    let kernel = Some(state.path().join("no-kernel"));
    // Any program that is there stands for QEMU: it is not started without a kernel.
    let config =
        MicrovmConfig { program: "sh".into(), kernel, ..MicrovmConfig::with(common(state.path())) };
    let message = block_on(MicrovmRuntime::start(config, Clock::start())).unwrap_err().to_string();
    assert!(message.contains("kernel") && message.contains("live.target.kernel"), "{message}");
    assert!(!state.path().join("runs").exists(), "nothing was begun");
}

#[test]
fn a_monitor_that_fails_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let kernel = state.path().join("vmlinuz-0");
    std::fs::write(&kernel, "no kernel at all").unwrap();
    let plain = MicrovmConfig::with(common(state.path()));
    let config =
        MicrovmConfig { program: "false".into(), kernel: Some(kernel), kvm: false, ..plain };
    let outcome = block_on(MicrovmRuntime::start(config, Clock::start()));
    assert!(outcome.is_err());
    assert_eq!(std::fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
}
