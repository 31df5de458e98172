//! What a sandbox is kept apart from, and that what could not be had is said.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use plimsoll::drive::clock::Clock;
use plimsoll::drive::doctor::{Status, examine};
use plimsoll::drive::guest::protocol::Feature;
use plimsoll::drive::runtime::SandboxId;
use plimsoll::drive::runtime::process::{ProcessConfig, ProcessRuntime};

use super::{BOUND, Remains, block_on, config, guest_of, some_work, spec, start};

const NAMESPACES: [(Feature, &str); 6] = [
    (Feature::UserNamespace, "user"),
    (Feature::MountNamespace, "mnt"),
    (Feature::PidNamespace, "pid"),
    (Feature::IpcNamespace, "ipc"),
    (Feature::UtsNamespace, "uts"),
    (Feature::NetNamespace, "net"),
];

fn namespace(pid: &str, name: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
    link.to_str().unwrap().to_owned()
}

fn status_of(guest: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{guest}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

#[test]
fn each_sandbox_has_namespaces_of_its_own() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        runtime.create(spec(1)).await.unwrap();
        runtime.create(spec(2)).await.unwrap();
        let (one, two) = (guest_of(&runtime, SandboxId(1)), guest_of(&runtime, SandboxId(2)));
        for (feature, name) in NAMESPACES {
            let (one, two) = (namespace(&one.to_string(), name), namespace(&two.to_string(), name));
            let own = runtime.isolation().contains(&feature);
            assert_eq!(one != namespace("self", name), own, "{name}");
            assert_eq!(one != two, own, "{name}");
            let lost = runtime.lost_isolation();
            assert_eq!(lost.iter().any(|lost| lost.what == feature.name()), !own, "{name}");
        }
        runtime.drain(BOUND).await;
    });
}

#[test]
fn a_guest_has_no_privileges_and_sees_only_what_it_needs() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        runtime.create(spec(1)).await.unwrap();
        let guest = guest_of(&runtime, SandboxId(1));
        assert_eq!(status_of(guest, "CapEff").trim_matches('0'), "");
        assert_eq!(status_of(guest, "CapPrm").trim_matches('0'), "");
        assert_eq!(status_of(guest, "NoNewPrivs"), "1");
        if runtime.isolation().contains(&Feature::UserNamespace) {
            assert_eq!(status_of(guest, "CapBnd").trim_matches('0'), "");
        }
        if runtime.isolation().contains(&Feature::PidNamespace) {
            assert_eq!(status_of(guest, "NSpid").split_whitespace().last(), Some("1"));
        }
        if runtime.isolation().contains(&Feature::PrivateRoot) {
            let root = format!("/proc/{guest}/root");
            let names = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name());
            let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
            for needed in ["plimsoll", "identity", "scratch", "dev", "proc"] {
                assert!(names.contains(needed), "{names:?}");
            }
            for foreign in ["etc", "home", "root", "sys", "tmp", "var"] {
                assert!(!names.contains(foreign), "{names:?}");
            }
            let mounts = fs::read_to_string(format!("/proc/{guest}/mountinfo")).unwrap();
            for line in mounts.lines() {
                let fields: Vec<_> = line.split(' ').collect();
                let (point, options) = (fields[4], fields[5]);
                let may_write =
                    point == "/scratch" || point == "/proc" || point.starts_with("/dev/");
                assert!(may_write || options.split(',').any(|option| option == "ro"), "{line}");
            }
        }
        runtime.drain(BOUND).await;
    });
}

#[test]
fn limits_are_set_in_the_kernel() {
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let runtime = start(state.path()).await;
        runtime.create(spec(1)).await.unwrap();
        let guest = guest_of(&runtime, SandboxId(1));
        let limits = fs::read_to_string(format!("/proc/{guest}/limits")).unwrap();
        let limit = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        // 512 MiB for tool work and 32 MiB for the guest; a lower limit of the test's own holds.
        assert!(limit("Max data size") <= 544 << 20);
        assert!(limit("Max file size") <= 1 << 30);
        assert_eq!(limit("Max core file size"), 0);
        if runtime.abilities().limits_cpu {
            let groups = fs::read_to_string(format!("/proc/{guest}/cgroup")).unwrap();
            let ours = groups.lines().filter(|line| line.contains(runtime.tag().as_str()));
            assert!(ours.count() >= 1, "{groups}");
        }
        runtime.drain(BOUND).await;
    });
}

/// The same life under whatever isolation there is; returns what was lost.
async fn live_with(config: ProcessConfig, state: &Path) -> Vec<String> {
    let runtime = ProcessRuntime::start(config, Clock::start()).await.unwrap();
    runtime.create(spec(1)).await.unwrap();
    runtime.exec(SandboxId(1), some_work()).await.unwrap();
    let stored = runtime.snapshot(SandboxId(1)).await.unwrap();
    runtime.restore(SandboxId(2), stored.snapshot).await.unwrap();
    runtime.exec(SandboxId(2), some_work()).await.unwrap();
    let lost = runtime.lost_isolation().into_iter().map(|lost| lost.what).collect();
    assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new());
    assert_eq!(Remains::of(state, runtime.tag().as_str()), Remains::default());
    lost
}

#[test]
fn sandboxes_work_without_any_isolation_and_say_so() {
    let state = tempfile::tempdir().unwrap();
    let none = ProcessConfig {
        without: BTreeSet::from(Feature::ALL),
        cgroups: false,
        ..config(state.path())
    };
    let lost = block_on(live_with(none, state.path()));
    for feature in Feature::ALL {
        assert!(lost.iter().any(|lost| lost == feature.name()), "{lost:?}");
    }
    assert!(lost.iter().any(|lost| lost.contains("control groups")), "{lost:?}");
}

#[test]
fn sandboxes_work_without_each_isolation_and_say_which() {
    let state = tempfile::tempdir().unwrap();
    for feature in Feature::ALL {
        let without = ProcessConfig { without: BTreeSet::from([feature]), ..config(state.path()) };
        let lost = block_on(live_with(without, state.path()));
        assert!(lost.iter().any(|lost| lost == feature.name()), "{lost:?}");
    }
}

/// Under a kernel that forbids a namespace, made so in a user namespace of the test's own.
pub fn without_namespaces_of(kind: &str) -> Option<Vec<String>> {
    let setting = format!("/proc/sys/user/max_{kind}_namespaces");
    let script = format!("echo 0 > {setting} && exec \"$@\"");
    let state = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script, "sh"]);
    let helper = super::ending::helper_arguments();
    let output = command
        .args(helper)
        .env(super::ending::MODE, "lost")
        .env(super::ending::STATE, state.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            Some(text.lines().filter_map(super::ending::said).map(str::to_owned).collect())
        }
        other => {
            eprintln!("skipped: cannot forbid {kind} namespaces on this machine: {other:?}");
            None
        }
    }
}

#[test]
fn a_forbidden_namespace_is_found_out_and_said() {
    for (kind, feature) in [("net", Feature::NetNamespace), ("user", Feature::UserNamespace)] {
        let Some(lost) = without_namespaces_of(kind) else { continue };
        assert!(lost.iter().any(|line| line == &format!("lost {}", feature.name())), "{lost:?}");
        let other = Feature::IpcNamespace;
        assert!(!lost.iter().any(|line| line == &format!("lost {}", other.name())), "{lost:?}");
    }
}

#[test]
fn the_doctor_looks_at_everything_and_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let findings = block_on(examine(config(state.path())));
    let find = |name: &str| findings.iter().find(|finding| finding.name.contains(name)).unwrap();
    for name in ["loader", "process sandboxes", "timer", "zstd", "disk space", "control group"] {
        let finding = find(name);
        assert_ne!(finding.status, Status::Missing, "{finding:?}");
        assert_eq!(finding.mend.is_some(), finding.status != Status::Works, "{finding:?}");
    }
    for feature in Feature::ALL {
        find(feature.name());
    }
    assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
}
