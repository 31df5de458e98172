//! Whether limits hold: hogs of processes, memory and disk, small enough not to endanger a machine
//! that has no limits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cost::{family, threads};
use super::{Control, Finding, Prober, random_token, unexpected};
use crate::drive::guest::probe::{ProbeFound, ProbeWork};
use crate::drive::runtime::{AnyRuntime, Limits, RuntimeError, SandboxId, Work};
use crate::units::{Bytes, Span};

const MIB: u64 = 1 << 20;

/// What a sandbox may use that is tried, and what the hogs try to take.
const PROCESSES: u64 = 64;
const MOST_PROCESSES: u32 = 128;
const MEMORY: u64 = 64 * MIB;
const MOST_MEMORY: u64 = 256 * MIB;
const FILE: u64 = 16 * MIB;
const MOST_FILE: u64 = 48 * MIB;
const FILES: u32 = 16;
const EACH_FILE: u64 = 8 * MIB;

/// Time between two looks at a sandbox's processes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a hog ended.
#[derive(Debug)]
struct Ended {
    reached: u64,
    /// What stopped it, if something did.
    stopped: Option<String>,
    /// The sandbox with it.
    died: bool,
}

/// Two sandboxes for hogs, one with small limits and one with room; and a session that has nothing to
/// do with them, which must not notice.
struct Pens {
    small: Option<SandboxId>,
    roomy: Option<SandboxId>,
    bystander: SandboxId,
}

/// Lets hogs loose beside a session.
pub async fn all(prober: &Prober<'_>, bystander: SandboxId) -> Vec<Finding> {
    let mut pens = Pens { small: None, roomy: None, bystander };
    let outcomes = [
        ("limit.processes", processes(prober, &mut pens).await),
        ("limit.memory", memory(prober, &mut pens).await),
        ("limit.file", file(prober, &mut pens).await),
        ("limit.disk", disk(prober, &mut pens).await),
    ];
    let left: Vec<SandboxId> = pens.small.into_iter().chain(pens.roomy).collect();
    prober.destroy(&left).await;
    let or_void = |(probe, outcome): (&str, Result<Finding, RuntimeError>)| {
        outcome.unwrap_or_else(|error| Finding::void(probe, &error))
    };
    outcomes.into_iter().map(or_void).collect()
}

/// Limits of which a shared container's are the small ones: it has what its sessions have together.
fn small(runtime: &AnyRuntime) -> Limits {
    let sessions = match runtime {
        AnyRuntime::Shared(runtime) => runtime.sessions_per_sandbox(),
        _ => 1,
    };
    Limits {
        memory: Bytes(MEMORY / sessions),
        disk: Bytes(FILE),
        processes: PROCESSES / sessions,
        ..Limits::default()
    }
}

/// What the hogs can take at most is allowed.
fn roomy() -> Limits {
    Limits {
        memory: Bytes(2 * MOST_MEMORY),
        processes: 2 * u64::from(MOST_PROCESSES),
        ..Limits::default()
    }
}

async fn hog(prober: &Prober<'_>, on: SandboxId, work: ProbeWork) -> Result<Ended, RuntimeError> {
    match prober.probe(on, work).await {
        Ok(ProbeFound::Reached { reached, stopped }) => Ok(Ended { reached, stopped, died: false }),
        Ok(other) => Err(unexpected(on, &other)),
        // It took the whole sandbox along.
        Err(RuntimeError::GuestGone { stderr, .. }) => {
            let why = stderr.lines().next_back().unwrap_or_default();
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            let stopped = Some(format!("the sandbox died{why}"));
            Ok(Ended { reached: 0, stopped, died: true })
        }
        Err(RuntimeError::Work { reason, .. }) => {
            Ok(Ended { reached: 0, stopped: Some(reason), died: false })
        }
        Err(error) => Err(error),
    }
}

/// A hog in a pen; what it took along is made anew for the next one. Returns also how many threads of
/// the host the pen had at most.
async fn let_loose(
    prober: &Prober<'_>,
    (pen, limits): (&mut Option<SandboxId>, Limits),
    work: ProbeWork,
) -> Result<(Ended, u64), RuntimeError> {
    let sandbox = match *pen {
        Some(sandbox) => sandbox,
        None => prober.create(&random_token("hog"), limits).await?,
    };
    *pen = Some(sandbox);
    let peak = AtomicU64::new(0);
    let ended = tokio::select! {
        ended = hog(prober, sandbox, work) => ended,
        () = watch(prober, sandbox, &peak) => unreachable!("it watches for ever"),
    };
    if !matches!(ended, Ok(Ended { died: false, .. })) {
        prober.destroy(&[sandbox]).await;
        *pen = None;
    }
    Ok((ended?, peak.into_inner()))
}

/// The same hog with room, which is the control, and within small limits; then whether a session that
/// has nothing to do with it still works.
async fn both(
    prober: &Prober<'_>,
    pens: &mut Pens,
    hog: &ProbeWork,
) -> Result<(Ended, (Ended, u64), bool), RuntimeError> {
    let (free, _) = let_loose(prober, (&mut pens.roomy, roomy()), hog.clone()).await?;
    let limits = small(prober.runtime);
    let ended = let_loose(prober, (&mut pens.small, limits), hog.clone()).await?;
    let work = Work { cpu: Span::from_millis(1), memory: Bytes(MIB), ..Work::EMPTY };
    let alive = prober.runtime.exec(pens.bystander, work).await.is_ok();
    Ok((free, ended, alive))
}

/// Counts the host's threads of a sandbox, those of all its processes.
async fn watch(prober: &Prober<'_>, sandbox: SandboxId, peak: &AtomicU64) {
    loop {
        if let Ok(footprint) = prober.runtime.footprint(sandbox).await {
            let roots = footprint.roots;
            let count = tokio::task::spawn_blocking(move || threads(&family(&roots))).await;
            peak.fetch_max(count.unwrap_or(0), Ordering::Relaxed);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn processes(prober: &Prober<'_>, pens: &mut Pens) -> Result<Finding, RuntimeError> {
    let bomb = ProbeWork::Bomb { most: MOST_PROCESSES };
    let (free, (ended, on_host), alive) = both(prober, pens, &bomb).await?;
    let most = u64::from(MOST_PROCESSES);
    // A machine of its own has processes that the host does not have.
    let inside = on_host < most / 4;
    let observed = match &ended.stopped {
        Some(why) => format!("a fork bomb is stopped at {} processes ({why})", ended.reached),
        None if inside => {
            format!("{} processes inside are {on_host} threads on the host", ended.reached)
        }
        None => format!("NO LIMIT within {most} processes, {on_host} threads on the host"),
    };
    let holds = alive && (ended.stopped.is_some() || inside);
    let at = format!("with a limit of {} it makes {}", roomy().processes, free.reached);
    let control = Control::new(free.reached == most, at);
    let claimed = prober.runtime.abilities().limits_processes;
    Ok(Finding::judged("limit.processes", (holds, claimed), bystander(observed, alive), control))
}

async fn memory(prober: &Prober<'_>, pens: &mut Pens) -> Result<Finding, RuntimeError> {
    let eat = ProbeWork::Eat { most_bytes: MOST_MEMORY };
    let (free, (ended, _), alive) = both(prober, pens, &eat).await?;
    let observed = match &ended.stopped {
        Some(why) => {
            format!("a hog is stopped at {} of {} ({why})", mib(ended.reached), mib(MOST_MEMORY))
        }
        None => format!("NO LIMIT within {}", mib(MOST_MEMORY)),
    };
    let holds = alive && ended.stopped.is_some();
    let at = format!("with a limit of {} it takes {}", mib(roomy().memory.0), mib(free.reached));
    let control = Control::new(free.reached == MOST_MEMORY, at);
    // A limit of the single process is none of many processes.
    let lost = prober.runtime.lost_isolation();
    let by_group = !lost.iter().any(|lost| {
        lost.what.contains("memory limit") || lost.what.contains("limits by control groups")
    });
    let claimed = prober.runtime.abilities().limits_memory && by_group;
    Ok(Finding::judged("limit.memory", (holds, claimed), bystander(observed, alive), control))
}

async fn file(prober: &Prober<'_>, pens: &mut Pens) -> Result<Finding, RuntimeError> {
    let fill = ProbeWork::Fill { files: 1, file_bytes: MOST_FILE };
    let (free, (ended, _), alive) = both(prober, pens, &fill).await?;
    let observed = match &ended.stopped {
        Some(_) => format!("one file is stopped at {}", mib(ended.reached)),
        None => format!("NO LIMIT within {}", mib(MOST_FILE)),
    };
    let at = format!("with a limit of {} it has {}", mib(roomy().disk.0), mib(free.reached));
    let control = Control::new(free.reached == MOST_FILE, at);
    let holds = alive && ended.stopped.is_some();
    Ok(Finding::judged("limit.file", (holds, true), bystander(observed, alive), control))
}

/// No runtime but a machine with a disk of its own claims to limit all files together.
async fn disk(prober: &Prober<'_>, pens: &mut Pens) -> Result<Finding, RuntimeError> {
    let fill = ProbeWork::Fill { files: FILES, file_bytes: EACH_FILE };
    let most = u64::from(FILES) * EACH_FILE;
    let (free, (ended, _), alive) = both(prober, pens, &fill).await?;
    let observed = match &ended.stopped {
        Some(_) => format!("all files together are stopped at {}", mib(ended.reached)),
        None => format!("NO LIMIT of all files together within {}", mib(most)),
    };
    let at = format!("with a limit of {} they have {}", mib(roomy().disk.0), mib(free.reached));
    let control = Control::new(free.reached == most, at);
    let claimed = matches!(prober.runtime, AnyRuntime::Microvm(_));
    let holds = alive && ended.stopped.is_some();
    Ok(Finding::judged("limit.disk", (holds, claimed), bystander(observed, alive), control))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}

fn bystander(observed: String, alive: bool) -> String {
    if alive { observed } else { format!("{observed}; ANOTHER SESSION DOES NOT WORK ANY MORE") }
}
