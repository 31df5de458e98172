//! Isolation by others: container runtimes and virtual machines do what process sandboxes do, and
//! nothing of them remains, however a run ends.
//!
//! Each test says why it is skipped where its tier is not to be had; `tests/run` lists that.

mod docker;
mod ending;
mod microvm;
mod oci;
mod probes;
mod shared;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use plimsoll::drive::runtime::Common;
use plimsoll::units::Span;

/// Long enough for any drain on a busy machine.
const BOUND: Span = Span::from_secs(60);

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn common(state: &Path) -> Common {
    Common {
        launcher: PathBuf::from(env!("CARGO_BIN_EXE_plimsoll")),
        state: state.to_owned(),
        create_within: Span::from_secs(90),
        exec_within: Span::from_secs(120),
        stop_within: Span::from_secs(10),
        // Most tests do not care how fast the core is; 10^9 is about right.
        rounds_per_second: Some(1e9),
    }
}

/// What there is of a run, from what the kernel says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Remains {
    processes: Vec<String>,
    mounts: Vec<String>,
    directories: Vec<PathBuf>,
    groups: Vec<PathBuf>,
}

impl Remains {
    fn of(state: &Path, tag: &str) -> Self {
        let run = state.join("runs").join(tag);
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        Remains {
            processes: processes_with(tag),
            mounts: table.lines().filter(|line| line.contains(tag)).map(str::to_owned).collect(),
            directories: run.exists().then_some(run).into_iter().collect(),
            groups: groups_with(Path::new("/sys/fs/cgroup"), tag),
        }
    }

    /// What remains once an engine had time: its monitors end after their containers are gone, when
    /// their clean-up command has run.
    async fn after_an_engine(state: &Path, tag: &str) -> Self {
        let given_up = Instant::now() + BOUND.into();
        loop {
            let left = Remains::of(state, tag);
            if left == Remains::default() || Instant::now() > given_up {
                return left;
            }
            tokio::time::sleep(Span::from_millis(50).into()).await;
        }
    }
}

/// Processes that name the run anywhere among their arguments: tenders, guests, and whatever a
/// container runtime left running.
fn processes_with(tag: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let arguments = entries.map(|entry| fs::read(entry.path().join("cmdline")).unwrap_or_default());
    let texts = arguments.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    texts.filter(|text| text.contains(tag)).collect()
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
