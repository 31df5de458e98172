//! What a sandbox costs: the parts of its start, what the first call takes beside the others, memory of
//! the host, and how much longer the same work takes in it than outside.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::{Prober, random_token, unexpected};
use crate::drive::clock::Clock;
use crate::drive::guest::probe::{Pace, ProbeFound, ProbeWork};
use crate::drive::guest::protocol::Feature;
use crate::drive::runtime::process::ProcessConfig;
use crate::drive::runtime::{
    AnyRuntime, Limits, ProcessRuntime, RuntimeError, SandboxId, Work, WorkReport,
};
use crate::units::{Bytes, Span};

/// Sandboxes that are started; medians count.
const STARTS: usize = 5;
/// Calls that are made in each.
const CALLS: usize = 11;
/// How often the reference work is done inside and outside.
const TURNS: usize = 5;
/// Memory that a call asks for while the host's is read.
const ASKED: Bytes = Bytes(64 << 20);
/// How long that call holds it, and how often the host's is read meanwhile.
const HELD: Span = Span::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much longer work takes in a sandbox than outside: ratios of medians.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Factors {
    /// Computing.
    pub cpu: f64,
    /// Claiming and touching memory.
    pub memory: f64,
    /// Writing, reading and removing small files.
    pub file: f64,
    /// Writing and syncing.
    pub sync: f64,
}

impl Factors {
    fn of(inside: &Pace, outside: &Pace) -> Self {
        let ratio = |inside: u64, outside: u64| inside as f64 / outside.max(1) as f64;
        Factors {
            cpu: ratio(inside.cpu_ns, outside.cpu_ns),
            memory: ratio(inside.memory_ns, outside.memory_ns),
            file: ratio(inside.file_ns, outside.file_ns),
            sync: ratio(inside.sync_ns, outside.sync_ns),
        }
    }
}

/// Memory of the host that one sandbox takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HostMemory {
    /// The proportional set size (PSS) of all its processes, where what they share with others counts
    /// in part, and memory files that they hold and do not map. Of a container that sessions share, the
    /// part of one session.
    pub bytes: Bytes,
    /// Processes of the host.
    pub processes: u64,
}

/// What a sandbox costs; times in seconds, medians of several.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SandboxCost {
    /// Directories, identity, unpacking.
    pub image_s: f64,
    /// From asking for it to the guest's first instruction.
    pub boot_s: f64,
    /// From there until the guest is ready and the driver knows.
    pub guest_s: f64,
    /// Round trip of the first call, which does nothing.
    pub first_exec_s: f64,
    /// Round trip of the calls after it.
    pub exec_s: f64,
    /// Until nothing of it is left.
    pub destroy_s: f64,
    /// Memory of the host when it is idle.
    pub idle: HostMemory,
    /// The most seen while a call held memory.
    pub busy: HostMemory,
    /// What that call had asked for.
    pub asked: Bytes,
    /// What it takes beside that; none where what the call had asked for does not show.
    pub overhead: Option<Bytes>,
    /// How much longer work takes in it.
    pub factors: Factors,
    /// Sandboxes that were started for the times.
    pub starts: usize,
}

/// All processes of the host that descend from these, themselves included.
pub fn family(roots: &[i32]) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that has ended meanwhile has no parent to tell.
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut seen) = (Vec::new(), FxHashSet::default());
    let mut next = roots.to_vec();
    while let Some(pid) = next.pop() {
        if seen.insert(pid) {
            found.push(pid);
            next.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

/// Field 4 of /proc/PID/stat; the name in field 2 may hold anything and ends at the last parenthesis.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Threads of these processes, as far as they are still there.
pub fn threads(processes: &[i32]) -> u64 {
    let of =
        |pid: &i32| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) as u64;
    processes.iter().map(of).sum()
}

/// What a process takes, in bytes; proc(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    /// Its proportional set size.
    pss: u64,
    /// The part of that which is shared memory.
    shared: u64,
}

/// One that has ended takes nothing.
fn taken(pid: i32) -> io::Result<Taken> {
    let text = match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Taken::default()),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(Taken::default()),
        outcome => outcome?,
    };
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    Ok(Taken { pss: bytes("Pss:"), shared: bytes("Pss_Shmem:") })
}

/// Size of the memory files that processes hold, each once; memfd_create(2). gVisor keeps its sandbox's
/// memory in one, and while a program there waits nobody maps it.
fn memory_files(processes: &[i32]) -> u64 {
    let mut seen = FxHashSet::default();
    let mut bytes = 0;
    for pid in processes {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let is_memory = target.to_string_lossy().starts_with("/memfd:");
            // The link leads to the file itself, whatever its name.
            if let (true, Ok(file)) = (is_memory, fs::metadata(entry.path()))
                && seen.insert((file.dev(), file.ino()))
            {
                bytes += file.blocks() * 512;
            }
        }
    }
    bytes
}

fn memory_of(processes: &[i32]) -> io::Result<u64> {
    let mut all = Taken::default();
    for pid in processes {
        let one = taken(*pid)?;
        all = Taken { pss: all.pss + one.pss, shared: all.shared + one.shared };
    }
    // What is mapped of memory files is in the shared part already.
    Ok(all.pss - all.shared.min(all.pss) + all.shared.max(memory_files(processes)))
}

/// Memory of the host that a sandbox takes now.
///
/// # Errors
/// If there is no such sandbox, or its processes may not be looked at.
pub async fn host_memory(
    runtime: &AnyRuntime,
    sandbox: SandboxId,
) -> Result<HostMemory, RuntimeError> {
    let footprint = runtime.footprint(sandbox).await?;
    let sessions = footprint.sessions.max(1);
    let read = tokio::task::spawn_blocking(move || {
        let processes = family(&footprint.roots);
        let sum = memory_of(&processes)?;
        Ok(HostMemory { bytes: Bytes(sum / sessions), processes: processes.len() as u64 })
    });
    let outcome = read.await.unwrap_or_else(|error| Err(error.into()));
    outcome.map_err(|source| RuntimeError::Environment {
        what: "read how much memory a sandbox takes".into(),
        source,
        mend: "run as root: only that may look at processes of others",
    })
}

/// The same guest without any isolation: what work takes outside.
///
/// # Errors
/// If it cannot be started.
pub async fn bare(
    launcher: &Path,
    state: &Path,
    rounds_per_second: Option<f64>,
) -> Result<AnyRuntime, RuntimeError> {
    let config = ProcessConfig {
        without: Feature::ALL.into(),
        cgroups: false,
        rounds_per_second,
        ..ProcessConfig::with(launcher.to_owned(), state.to_owned())
    };
    Ok(AnyRuntime::Process(ProcessRuntime::start(config, Clock::start()).await?))
}

/// Measures what a sandbox costs. Sandboxes are made one after the other, on a machine that should do
/// nothing else. `state` is where the work outside keeps its files.
///
/// # Errors
/// If a sandbox cannot be made, or dies.
pub async fn sandbox_cost(
    runtime: &AnyRuntime,
    launcher: &Path,
    state: &Path,
) -> Result<SandboxCost, RuntimeError> {
    let options = super::ProbeOptions::with(launcher);
    let prober =
        Prober { runtime, options: &options, next: std::sync::atomic::AtomicU64::new(1 << 20) };
    measured(&prober, state).await
}

pub(super) async fn measured(
    prober: &Prober<'_>,
    state: &Path,
) -> Result<SandboxCost, RuntimeError> {
    let outside = bare(&prober.options.launcher, state, prober.runtime.rounds_per_second()).await?;
    let outside_prober = Prober { runtime: &outside, options: prober.options, next: 0.into() };
    let factors = factors(prober, &outside_prober).await;
    for left in outside.drain(Span::from_secs(10)).await.left {
        // The next `clean` knows of it; the numbers do not depend on it.
        eprintln!("plimsoll: {left}");
    }
    let factors = factors?;
    let mut times: [Vec<f64>; 6] = Default::default();
    for _ in 0..STARTS {
        for (all, one) in times.iter_mut().zip(started(prober).await?) {
            all.push(one);
        }
    }
    let [image_s, boot_s, guest_s, first_exec_s, exec_s, destroy_s] = times.map(median);
    let (idle, busy) = memory(prober).await?;
    let overhead = busy.bytes.0.checked_sub(ASKED.0).map(Bytes);
    let (asked, starts) = (ASKED, STARTS);
    Ok(SandboxCost {
        image_s,
        boot_s,
        guest_s,
        first_exec_s,
        exec_s,
        destroy_s,
        idle,
        busy,
        asked,
        overhead,
        factors,
        starts,
    })
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// One life: image, boot, guest, first call, median of the calls after it, destroy.
async fn started(prober: &Prober<'_>) -> Result<[f64; 6], RuntimeError> {
    let (sandbox, created) = prober.created(&random_token("cost"), Limits::default()).await?;
    let round_trip = |report: WorkReport| report.received.since(report.sent).seconds();
    let calls = async {
        let mut trips = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            trips.push(round_trip(prober.runtime.exec(sandbox, Work::EMPTY).await?));
        }
        Ok::<Vec<f64>, RuntimeError>(trips)
    };
    let calls = calls.await;
    let destroyed = prober.runtime.destroy(sandbox).await;
    let (mut trips, destroyed) = (calls?, destroyed?);
    let start = created.stages.start();
    let first = trips.remove(0);
    Ok([
        start.image.seconds(),
        start.boot.seconds(),
        start.guest.seconds(),
        first,
        median(trips),
        destroyed.seconds(),
    ])
}

/// Memory of an idle sandbox, and the most seen while a call holds some.
async fn memory(prober: &Prober<'_>) -> Result<(HostMemory, HostMemory), RuntimeError> {
    let sandbox = prober.create(&random_token("memory"), Limits::default()).await?;
    let looked = async {
        let idle = host_memory(prober.runtime, sandbox).await?;
        let work = Work { memory: ASKED, io_wait: HELD, ..Work::EMPTY };
        let call = prober.runtime.exec(sandbox, work);
        let mut busy = idle;
        tokio::pin!(call);
        loop {
            tokio::select! {
                ended = &mut call => break ended.map(|_| (idle, busy)),
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let now = host_memory(prober.runtime, sandbox).await?;
                    if now.bytes > busy.bytes {
                        busy = now;
                    }
                }
            }
        }
    };
    let looked = looked.await;
    prober.destroy(&[sandbox]).await;
    looked
}

/// The reference work inside and outside by turns, so that what the machine does meanwhile falls on
/// both alike; the medians of the ratios.
async fn factors(prober: &Prober<'_>, outside: &Prober<'_>) -> Result<Factors, RuntimeError> {
    let there = outside.create(&random_token("outside"), Limits::default()).await?;
    let here = prober.create(&random_token("inside"), Limits::default()).await?;
    let turns = async {
        let mut all: [Vec<f64>; 4] = Default::default();
        for _ in 0..TURNS {
            let without = paced(outside, there).await?;
            let one = Factors::of(&paced(prober, here).await?, &without);
            for (all, one) in all.iter_mut().zip([one.cpu, one.memory, one.file, one.sync]) {
                all.push(one);
            }
        }
        let [cpu, memory, file, sync] = all.map(median);
        Ok(Factors { cpu, memory, file, sync })
    };
    let factors = turns.await;
    prober.destroy(&[here]).await;
    factors
}

async fn paced(prober: &Prober<'_>, on: SandboxId) -> Result<Pace, RuntimeError> {
    match prober.probe(on, ProbeWork::Pace).await? {
        ProbeFound::Paced(pace) => Ok(pace),
        other => Err(unexpected(on, &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_children_are_a_family_and_take_memory() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let found = family(&[own]);
        let sleeper = i32::try_from(child.id()).unwrap();
        let (taken_own, alone) = (taken(own), family(&[sleeper]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&own) && found.contains(&sleeper), "{found:?}");
        assert_eq!(alone, [sleeper]);
        assert!(taken_own.unwrap().pss > 0);
        assert_eq!(taken(sleeper).unwrap(), Taken::default(), "it has ended");
        assert!(threads(&[own]) >= 1);
    }

    #[test]
    fn a_memory_file_that_nobody_maps_is_memory_all_the_same() {
        use std::io::Write;
        let own = [i32::try_from(std::process::id()).unwrap()];
        let before = memory_files(&own);
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let held = rustix::fs::memfd_create("plimsoll-test", flags).unwrap();
        let mut held = fs::File::from(held);
        held.write_all(&vec![1; 4 << 20]).unwrap();
        // Other tests of this process may hold some, too.
        assert!(memory_files(&own) >= 4 << 20, "{before} before");
        assert!(memory_of(&own).unwrap() >= 4 << 20);
    }

    #[test]
    fn factors_are_ratios() {
        let outside = Pace { cpu_ns: 10, memory_ns: 20, file_ns: 40, sync_ns: 80 };
        let inside = Pace { cpu_ns: 15, memory_ns: 20, file_ns: 80, sync_ns: 40 };
        let factors = Factors { cpu: 1.5, memory: 1.0, file: 2.0, sync: 0.5 };
        assert_eq!(Factors::of(&inside, &outside), factors);
    }
}
