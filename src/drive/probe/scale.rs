//! What many sandboxes at once cost: starts that slow each other down, and how much memory of the host
//! idle ones take.

use std::fs;

use serde::Serialize;
use tokio::task::JoinSet;

use super::cost::host_memory;
use super::{FIRST, random_token};
use crate::drive::runtime::{AnyRuntime, CreateSpec, Limits, RuntimeError, SandboxId};
use crate::units::Bytes;

/// Starts in flight that are tried.
const AT_ONCE: [usize; 4] = [1, 2, 4, 8];

/// Starts at each of them: so many that two medians can be told apart.
const STARTS: usize = 16;

/// Sandboxes of the density.
const IDLE: u64 = 12;

/// The first number of the sandboxes made here, apart from those of other probes.
const OWN: u64 = FIRST + (1 << 30);

/// Starts in flight, and how long each took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Contention {
    /// Starts in flight, oneself included.
    pub at_once: usize,
    /// Starts that were timed.
    pub starts: usize,
    /// Median, seconds.
    pub p50_s: f64,
    /// The slowest, seconds.
    pub slowest_s: f64,
    /// Median over that of one at a time.
    pub factor: f64,
}

/// Memory of the host before and after so many idle sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Density {
    /// Sandboxes.
    pub sandboxes: u64,
    /// What the host has less to give, for each: page cache, kernel memory and all (MemAvailable). Nothing
    /// if the host had more afterwards.
    pub host_each: Bytes,
    /// PSS of all their processes, for each.
    pub pss_each: Bytes,
}

/// Both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scale {
    /// By starts in flight.
    pub contention: Vec<Contention>,
    /// Of idle ones.
    pub density: Density,
}

/// Starts sandboxes one, two, four and eight at a time, and then looks at what idle ones take. All of
/// them are destroyed again.
///
/// # Errors
/// If a sandbox cannot be made or looked at.
pub async fn scale(runtime: &AnyRuntime) -> Result<Scale, RuntimeError> {
    let mut next = OWN;
    let mut contention: Vec<Contention> = Vec::new();
    for at_once in AT_ONCE {
        let mut times = starts(runtime, at_once, &mut next).await?;
        times.sort_unstable_by(f64::total_cmp);
        let p50_s = times[(times.len() - 1) / 2];
        let alone = contention.first().map_or(p50_s, |one| one.p50_s);
        contention.push(Contention {
            at_once,
            starts: times.len(),
            p50_s,
            slowest_s: times[times.len() - 1],
            factor: p50_s / alone,
        });
    }
    let density = density(runtime, &mut next).await?;
    Ok(Scale { contention, density })
}

fn spec(next: &mut u64) -> CreateSpec {
    *next += 1;
    let token = random_token("scale");
    CreateSpec { sandbox: SandboxId(*next), token, limits: Limits::default() }
}

/// As many starts in flight as asked for, always: one begins when another has ended. Seconds of each.
async fn starts(
    runtime: &AnyRuntime,
    at_once: usize,
    next: &mut u64,
) -> Result<Vec<f64>, RuntimeError> {
    let mut under_way: JoinSet<(SandboxId, Result<f64, RuntimeError>)> = JoinSet::new();
    let (mut made, mut times, mut failed) = (Vec::new(), Vec::new(), None);
    // The last ones are alone with fewer and fewer: they are started, and not timed.
    let mut left = STARTS + at_once - 1;
    loop {
        while left > 0 && under_way.len() < at_once && failed.is_none() {
            left -= 1;
            let (spec, runtime) = (spec(next), runtime.clone());
            under_way.spawn(async move {
                let sandbox = spec.sandbox;
                let created = runtime.create(spec).await;
                (sandbox, created.map(|created| created.ready.since(created.began).seconds()))
            });
        }
        let Some(ended) = under_way.join_next().await else { break };
        let Ok((sandbox, outcome)) = ended else { continue };
        match outcome {
            Ok(seconds) => {
                made.push(sandbox);
                times.push(seconds);
            }
            Err(error) => failed = Some(error),
        }
    }
    for sandbox in made {
        // What stays is removed at the drain.
        let _ = runtime.destroy(sandbox).await;
    }
    times.truncate(STARTS);
    failed.map_or(Ok(times), Err)
}

async fn density(runtime: &AnyRuntime, next: &mut u64) -> Result<Density, RuntimeError> {
    let before = available();
    let mut made = Vec::new();
    let looked = async {
        for _ in 0..IDLE {
            let spec = spec(next);
            let sandbox = spec.sandbox;
            runtime.create(spec).await?;
            made.push(sandbox);
        }
        let after = available();
        let mut pss = 0;
        for sandbox in &made {
            pss += host_memory(runtime, *sandbox).await?.bytes.0;
        }
        Ok::<_, RuntimeError>((after, pss))
    };
    let looked = looked.await;
    for sandbox in &made {
        let _ = runtime.destroy(*sandbox).await;
    }
    let (after, pss) = looked?;
    let host = before.zip(after).map_or(0, |(before, after)| before.saturating_sub(after));
    Ok(Density { sandboxes: IDLE, host_each: Bytes(host / IDLE), pss_each: Bytes(pss / IDLE) })
}

/// Memory that the host could still give, by its own estimate; proc(5).
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::clock::Clock;
    use crate::drive::runtime::InstantRuntime;

    #[test]
    fn the_host_tells_what_it_could_give() {
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[tokio::test]
    async fn every_level_is_timed_as_often_and_all_are_destroyed() {
        let runtime = AnyRuntime::Instant(InstantRuntime::at_once(Clock::start()));
        let mut next = OWN;
        for at_once in AT_ONCE {
            assert_eq!(starts(&runtime, at_once, &mut next).await.unwrap().len(), STARTS);
        }
        let started = AT_ONCE.iter().map(|n| STARTS + n - 1).sum::<usize>() as u64;
        assert_eq!(next - OWN, started);
        assert_eq!(runtime.drain(crate::units::Span::from_secs(1)).await.stopped, 0);
    }
}
