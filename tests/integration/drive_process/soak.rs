//! A long run: a thousand sandboxes through all of their life, and a store that is full meanwhile.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use plimsoll::drive::runtime::SandboxId;
use plimsoll::drive::runtime::process::ProcessRuntime;

use super::ending::{MODE, STATE, helper_arguments, said, say};
use super::{BOUND, Remains, block_on, some_work, spec, start};

/// Sandboxes in all.
const LIVES: u64 = 1_000;

/// Alive at once.
const AT_ONCE: usize = 16;

/// Bytes that may be held more at the end than after the first part: 2.5 KiB for each of 800 sandboxes, of
/// which each has held megabytes for a while.
const SLACK: u64 = 2 << 20;

/// The helper: a thousand lives, and what the driver holds after each two hundred of them.
pub async fn soak(state: &Path) {
    let runtime = start(state).await;
    let mut lives = tokio::task::JoinSet::new();
    for n in 0..LIVES {
        if lives.len() >= AT_ONCE {
            lives.join_next().await.unwrap().unwrap();
        }
        lives.spawn(live(runtime.clone(), n));
        if (n + 1) % 200 == 0 {
            while let Some(ended) = lives.join_next().await {
                ended.unwrap();
            }
            say(format_args!("holds {} {}", resident(), descriptors()));
        }
    }
    let tag = runtime.tag().as_str().to_owned();
    assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new());
    assert_eq!(Remains::of(state, &tag), Remains::default());
}

async fn live(runtime: ProcessRuntime, n: u64) {
    let name = SandboxId(n);
    runtime.create(spec(n)).await.unwrap();
    runtime.exec(name, some_work()).await.unwrap();
    let stored = runtime.snapshot(name).await.unwrap().snapshot;
    runtime.restore(name, stored).await.unwrap();
    runtime.drop_snapshot(stored).await.unwrap();
    runtime.destroy(name).await.unwrap();
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn descriptors() -> u64 {
    fs::read_dir("/proc/self/fd").unwrap().count() as u64
}

#[test]
fn a_thousand_sandboxes_leave_memory_and_descriptors_as_they_were() {
    let state = tempfile::tempdir().unwrap();
    let arguments = helper_arguments();
    let output = Command::new(&arguments[0])
        .args(&arguments[1..])
        .env(MODE, "soak")
        .env(STATE, state.path())
        // One arena: how an allocator spreads what is free over those of its threads is not the question.
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_MMAP_THRESHOLD_", "65536")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let held: Vec<(u64, u64)> = text
        .lines()
        .filter_map(|line| said(line)?.strip_prefix("holds ")?.split_once(' '))
        .map(|(bytes, descriptors)| (bytes.parse().unwrap(), descriptors.parse().unwrap()))
        .collect();
    let [first, .., last] = held[..] else { panic!("{text}") };
    assert_eq!(held.len(), 5);
    assert_eq!(last.1, first.1, "descriptors: {held:?}");
    assert!(last.0 <= first.0 + SLACK, "resident bytes: {held:?}");
}

/// A file system of its own, taken away with the test.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mounts = ["-t", "tmpfs", "-o", "size=16m", "tmpfs"];
        let mounted = Command::new("mount").args(mounts).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_store_fails_the_snapshot_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(state.path()) else {
        println!("skipped: a small file system can only be mounted by root");
        return;
    };
    block_on(async {
        let runtime = start(state.path()).await;
        runtime.create(spec(1)).await.unwrap();
        runtime.exec(SandboxId(1), some_work()).await.unwrap();
        let ballast = state.path().join("ballast");
        let mut file = fs::File::create(&ballast).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
        drop(file);
        let error = runtime.snapshot(SandboxId(1)).await.unwrap_err().to_string();
        assert!(error.contains("No space left"), "{error}");
        fs::remove_file(&ballast).unwrap();
        // The sandbox is gone with what it could not keep; others are as before.
        assert!(runtime.exec(SandboxId(1), some_work()).await.is_err());
        runtime.create(spec(2)).await.unwrap();
        runtime.exec(SandboxId(2), some_work()).await.unwrap();
        let stored = runtime.snapshot(SandboxId(2)).await.unwrap();
        runtime.restore(SandboxId(2), stored.snapshot).await.unwrap();
        let tag = runtime.tag().as_str().to_owned();
        assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new());
        assert_eq!(Remains::of(state.path(), &tag), Remains::default());
    });
}
