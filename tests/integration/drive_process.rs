//! Real sandboxes on this machine: they work, they are isolated, and nothing of them remains.

mod crowd;
mod ending;
mod isolation;
mod life;
mod soak;

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll::drive::clock::Clock;
use plimsoll::drive::journal::processes_of;
use plimsoll::drive::runtime::process::{ProcessConfig, ProcessRuntime};
use plimsoll::drive::runtime::{CreateSpec, Limits, SandboxId, Work};
use plimsoll::units::{Bytes, Span};

/// Long enough for any drain on a busy machine.
const BOUND: Span = Span::from_secs(30);

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn config(state: &Path) -> ProcessConfig {
    let launcher = PathBuf::from(env!("CARGO_BIN_EXE_plimsoll"));
    // Most tests do not care how fast the core is; 10^9 is about right.
    ProcessConfig {
        rounds_per_second: Some(1e9),
        ..ProcessConfig::with(launcher, state.to_owned())
    }
}

async fn start(state: &Path) -> ProcessRuntime {
    ProcessRuntime::start(config(state), Clock::start()).await.unwrap()
}

fn spec(n: u64) -> CreateSpec {
    let token = format!("token of session {n}");
    CreateSpec { sandbox: SandboxId(n), token, limits: Limits::default() }
}

/// A little of everything.
fn some_work() -> Work {
    Work {
        cpu: Span::from_millis(2),
        io_wait: Span::from_millis(1),
        memory: Bytes(1 << 20),
        dirty: Bytes(100_000),
        ..Work::EMPTY
    }
}

/// What there is of a run, from what the kernel says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Remains {
    processes: usize,
    mounts: usize,
    directories: Vec<PathBuf>,
    snapshots: usize,
    cgroups: Vec<PathBuf>,
}

impl Remains {
    fn of(state: &Path, tag: &str) -> Self {
        let run = state.join("runs").join(tag);
        let list = |path: &Path| {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let mut directories = list(&run.join("sandboxes"));
        directories.extend(run.exists().then_some(run.clone()));
        Remains {
            processes: processes_of(tag).len(),
            mounts: mounts_with(tag),
            directories,
            snapshots: list(&run.join("snapshots")).len(),
            cgroups: groups_with(Path::new("/sys/fs/cgroup"), tag),
        }
    }
}

/// Mounts that name the run, in the mount namespace of any process.
fn mounts_with(tag: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let tables = processes.map(|process| process.path().join("mountinfo"));
    let tables = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.map(|table| table.lines().filter(|line| line.contains(tag)).count()).sum()
}

/// Control groups that are named after the run, and all below them.
fn groups_with(directory: &Path, tag: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            found.extend(groups_with(&path, tag));
            found.extend(path.to_string_lossy().contains(tag).then_some(path));
        }
    }
    found
}

/// The guest of a sandbox, as the host numbers it: the launcher's only child.
fn guest_of(runtime: &ProcessRuntime, sandbox: SandboxId) -> i32 {
    let launcher = runtime.launcher_of(sandbox).unwrap();
    let children =
        fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap();
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(children.len(), 1, "a launcher has one child");
    children[0]
}
