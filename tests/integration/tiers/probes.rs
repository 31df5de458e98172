//! Probes tell tiers apart by what they see, their controls fire, and nothing remains.

use std::path::Path;

use plimsoll::drive::clock::Clock;
use plimsoll::drive::guest::protocol::Feature;
use plimsoll::drive::probe::{Finding, Observation, ObservedTier, ProbeOptions, Verdict, observe};
use plimsoll::drive::runtime::oci::Keep;
use plimsoll::drive::runtime::process::ProcessConfig;
use plimsoll::drive::runtime::{AnyRuntime, ProcessRuntime};
use plimsoll::units::{Bytes, Span};

use super::{BOUND, Remains, block_on, common, docker, microvm, oci, shared};

/// Small and short: on a busy machine times say nothing anyway.
fn options(state: &Path, measured: bool) -> ProbeOptions {
    ProbeOptions {
        noise: Span::from_millis(100),
        files: 300,
        large: Bytes(1 << 20),
        measure_in: measured.then(|| state.to_owned()),
        ..ProbeOptions::with(&common(state).launcher)
    }
}

/// Probes a runtime to its end; `tags` are its runs'.
async fn probed(runtime: AnyRuntime, state: &Path, tags: &[String], measured: bool) -> Observation {
    let seen = observe(&runtime, &options(state, measured)).await;
    assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new(), "{}", seen.runtime);
    for tag in tags {
        let left = match seen.runtime.as_str() {
            "docker" => Remains::after_an_engine(state, tag).await,
            _ => Remains::of(state, tag),
        };
        assert_eq!(left, Remains::default(), "{}", seen.runtime);
    }
    seen
}

fn find<'a>(seen: &'a Observation, probe: &str) -> &'a Finding {
    let found = seen.findings.iter().find(|finding| finding.probe == probe);
    found.unwrap_or_else(|| panic!("no {probe} in {:?}", seen.findings))
}

/// Nothing that is claimed is broken, and every probe says something. Whether neighbours disturb each
/// other depends on who else is on the machine.
fn assert_as_claimed(seen: &Observation, tier: ObservedTier) {
    assert_all_but(seen, tier, "");
}

/// As claimed, but for probes whose names end so.
fn assert_all_but(seen: &Observation, tier: ObservedTier, known: &str) {
    assert_eq!(seen.tier, tier, "{:?}", seen.because);
    for finding in &seen.findings {
        let timed = finding.probe == "noisy-neighbour";
        let is_known = !known.is_empty() && finding.probe.ends_with(known);
        assert!(is_known || finding.verdict != Verdict::Broken, "{}: {finding:?}", seen.runtime);
        assert!(timed || finding.verdict != Verdict::Void, "{}: {finding:?}", seen.runtime);
    }
    for probe in ["identity.distinct", "identity.survives", "files.survive", "memory"] {
        assert_eq!(find(seen, probe).verdict, Verdict::Holds, "{}", seen.runtime);
    }
}

#[test]
fn processes_are_kept_apart_under_the_hosts_kernel() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let common = common(state.path());
        let plain = ProcessConfig::with(common.launcher, common.state);
        let config = ProcessConfig { rounds_per_second: Some(1e9), ..plain };
        let process = ProcessRuntime::start(config, Clock::start()).await.unwrap();
        let (tags, all) = ([process.tag().to_string()], process.isolation().len());
        let seen = probed(AnyRuntime::Process(process), state.path(), &tags, true).await;
        if all < Feature::ALL.len() {
            println!("skipped: process isolation is not whole here: {:?}", seen.lost);
            return;
        }
        assert_as_claimed(&seen, ObservedTier::Container);
        let cost = seen.cost.unwrap();
        assert!(cost.idle.bytes.0 > 0 && cost.idle.processes >= 2, "{cost:?}");
        // A call's own memory is not the sandbox's overhead.
        let overhead = cost.overhead.expect("what was asked for shows");
        assert!(cost.busy.bytes > cost.asked && overhead < cost.asked, "{cost:?}");
        assert!(cost.boot_s > 0.0 && cost.guest_s > 0.0 && cost.destroy_s > 0.0, "{cost:?}");
    });
}

#[test]
fn processes_without_isolation_read_everything() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let common = common(state.path());
        let config = ProcessConfig {
            rounds_per_second: Some(1e9),
            without: Feature::ALL.into(),
            cgroups: false,
            ..ProcessConfig::with(common.launcher, common.state)
        };
        let process = ProcessRuntime::start(config, Clock::start()).await.unwrap();
        let tags = [process.tag().to_string()];
        let seen = probed(AnyRuntime::Process(process), state.path(), &tags, false).await;
        assert_as_claimed(&seen, ObservedTier::Process);
        // The environment of a process with privileges is kept even so from one without; proc(5).
        for probe in ["secret.file", "host.file", "secret.environment", "host.process-list"] {
            assert_eq!(find(&seen, probe).verdict, Verdict::Open, "{probe}");
        }
        assert_eq!(find(&seen, "secret.loopback-port").verdict, Verdict::Open);
    });
}

#[test]
fn sessions_of_a_container_read_each_others_secrets_and_not_the_hosts() {
    for maker in ["process", "runc"] {
        let state = tempfile::tempdir().unwrap();
        block_on(async {
            let Some(runtime) = shared::start(maker, state.path()).await else { return };
            let tags = [runtime.tag().to_string(), runtime.container_tag().to_string()];
            let seen = probed(AnyRuntime::Shared(runtime), state.path(), &tags, false).await;
            assert_as_claimed(&seen, ObservedTier::SharedContainer);
            for probe in ["secret.file", "secret.identity", "secret.process-list"] {
                assert_eq!(find(&seen, probe).verdict, Verdict::Open, "{maker}: {probe}");
            }
            assert_eq!(find(&seen, "host.file").verdict, Verdict::Holds, "{maker}");
        });
    }
}

#[test]
fn containers_are_told_from_gvisor() {
    let tiers = [
        ("runc", ObservedTier::Container),
        ("crun", ObservedTier::Container),
        ("runsc", ObservedTier::Gvisor),
    ];
    for (name, tier) in tiers {
        let state = tempfile::tempdir().unwrap();
        block_on(async {
            let Some(runtime) = oci::start(name, state.path(), Keep::Most).await else { return };
            let tags = [runtime.tag().to_string()];
            let seen = probed(AnyRuntime::Oci(runtime), state.path(), &tags, false).await;
            assert_as_claimed(&seen, tier);
        });
    }
}

#[test]
fn machines_have_a_kernel_of_their_own() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let Some(runtime) = microvm::start(state.path(), Keep::Most).await else { return };
        let tags = [runtime.tag().to_string()];
        let seen = probed(AnyRuntime::Microvm(runtime), state.path(), &tags, false).await;
        assert_as_claimed(&seen, ObservedTier::Microvm);
        let observed = &find(&seen, "two-restores.random").observed;
        assert!(observed.contains("before the snapshot SHARED"), "{observed}");
    });
}

#[test]
fn an_engines_containers_are_containers() {
    let Some(engine) = docker::Engine::start() else { return };
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = engine.runtime(state.path()).await;
        let tags = [runtime.tag().to_string()];
        let seen = probed(AnyRuntime::Docker(runtime), state.path(), &tags, false).await;
        // Podman lets root's containers use root's keyring; Docker does not.
        assert_all_but(&seen, ObservedTier::Container, "kernel-keyring");
    });
}

#[test]
fn the_command_tells_what_is_not_there_from_what_is_not_known() {
    let state = tempfile::tempdir().unwrap();
    let exit = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        let command = command.arg("probe").args(arguments).env("PLIMSOLL_STATE", state.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = exit(&["--runtime", "docker", "--socket", "/nonexistent/socket"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("engine"), "{said}");
    for unknown in ["chroot", "instant"] {
        let (code, said) = exit(&["--runtime", unknown]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("expected process, runc"), "{said}");
    }
    assert!(!state.path().join("runs").exists(), "nothing was begun");
}
