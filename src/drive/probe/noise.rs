//! A noisy neighbour: how much longer the slowest computations of a session take beside another one
//! that takes all it can get.

use super::{Control, Finding, Prober, unexpected};
use crate::drive::guest::probe::{Hog, Latency, ProbeFound, ProbeWork};
use crate::drive::runtime::{RuntimeError, SandboxId};

/// Length of one computation on the reference core, in seconds: long enough to be interrupted.
const STEP: f64 = 1e-3;
/// Threads of a neighbour.
const THREADS: u32 = 2;
/// Threads beside the loop in its own sandbox, which must disturb it on its one core.
const CROWD: u32 = 4;
/// By how much they must.
const DISTURBED: f64 = 1.2;

/// Runs the loop alone, beside each kind of hog, and in a crowd.
///
/// # Errors
/// If one of the sessions dies.
pub async fn neighbour(
    prober: &Prober<'_>,
    session: SandboxId,
    noisy: SandboxId,
) -> Result<Finding, RuntimeError> {
    let alone = latency(prober, session).await?;
    let mut slower = Vec::new();
    for (hog, name) in [(Hog::Cpu, "CPU"), (Hog::Memory, "memory"), (Hog::Disk, "disk")] {
        let beside = disturbed(prober, session, (noisy, hog, THREADS)).await?;
        slower.push(format!("{name} {:.2}", ratio(beside, alone)));
    }
    let crowded = disturbed(prober, session, (session, Hog::Cpu, CROWD)).await?;
    let crowded = ratio(crowded, alone);
    let observed = format!(
        "p99 of a loop {:.2} ms alone; beside hogs in another session times {}",
        alone.p99_ns as f64 / 1e6,
        slower.join(", ")
    );
    let at = format!("{CROWD} threads in the same session: times {crowded:.2}");
    let control = Control::new(crowded > DISTURBED, at);
    Ok(Finding::reported("noisy-neighbour", observed, control))
}

fn ratio(beside: Latency, alone: Latency) -> f64 {
    beside.p99_ns as f64 / (alone.p99_ns as f64).max(1.0)
}

async fn disturbed(
    prober: &Prober<'_>,
    session: SandboxId,
    (noisy, hog, threads): (SandboxId, Hog, u32),
) -> Result<Latency, RuntimeError> {
    let lasts_ns = prober.options.noise.nanos();
    let burn = prober.probe(noisy, ProbeWork::Burn { hog, threads, lasts_ns });
    let (beside, burnt) = tokio::join!(latency(prober, session), burn);
    burnt?;
    beside
}

async fn latency(prober: &Prober<'_>, on: SandboxId) -> Result<Latency, RuntimeError> {
    let per_second = prober.runtime.rounds_per_second().unwrap_or(1e9);
    let (rounds, lasts_ns) = ((per_second * STEP) as u64, prober.options.noise.nanos());
    match prober.probe(on, ProbeWork::Latency { rounds, lasts_ns }).await? {
        ProbeFound::Latency(latency) => Ok(latency),
        other => Err(unexpected(on, &other)),
    }
}
