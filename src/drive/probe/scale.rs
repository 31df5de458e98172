//! What many sandboxes at once cost: starts that slow each other down, and how much memory of the host
//! idle ones take.

use std::fs;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::cost::host_memory;
use super::{FIRST, random_token};
use crate::drive::runtime::{AnyRuntime, CreateSpec, Limits, RuntimeError, SandboxId};
use crate::random::{Draws, Purpose};
use crate::units::Bytes;

/// Starts in flight that are tried.
const AT_ONCE: [usize; 4] = [1, 2, 4, 8];

/// Starts at each of them: so many that two medians can be told apart.
const STARTS: usize = 16;

/// Sandboxes of the density.
const IDLE: u64 = 12;

/// Resamples behind an interval.
const RESAMPLES: u32 = 1000;

/// Looks at the host's memory until it is at rest, at most.
const SETTLE: u32 = 20;

/// Bytes that the host's memory may move between two looks while it is at rest.
const AT_REST: u64 = 256 << 10;

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
    /// Its 95% interval, by resampling the starts of both (percentile bootstrap); none of one at a time.
    pub factor_ci95: Option<[f64; 2]>,
}

/// Memory of the host before and after so many idle sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Density {
    /// Sandboxes.
    pub sandboxes: u64,
    /// What the host has less to give, for each: page cache, kernel memory and all (MemAvailable). None if
    /// the host had as much afterwards: then other changes there were larger.
    pub host_each: Option<Bytes>,
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
    let mut alone: Vec<f64> = Vec::new();
    for at_once in AT_ONCE {
        let times = starts(runtime, at_once, &mut next).await?;
        if alone.is_empty() {
            alone.clone_from(&times);
        }
        contention.push(Contention {
            at_once,
            starts: times.len(),
            p50_s: median(times.clone()),
            slowest_s: times.iter().copied().fold(0.0, f64::max),
            factor: median(times.clone()) / median(alone.clone()),
            factor_ci95: (at_once > 1).then(|| factor_interval(&times, &alone)),
        });
    }
    let density = density(runtime, &mut next).await?;
    Ok(Scale { contention, density })
}

/// The value of rank ⌈n/2⌉.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[(times.len() - 1) / 2]
}

/// Percentile interval of the ratio of two medians, both resampled.
fn factor_interval(times: &[f64], alone: &[f64]) -> [f64; 2] {
    let again = |of: &[f64], which: u64, number: u32| {
        let n = of.len();
        let pick = |place: usize| {
            let draw = which << 32 | place as u64;
            let u = Draws::new(0, 0, draw, Purpose::Resample, number).uniform();
            of[((u * n as f64) as usize).min(n - 1)]
        };
        median((0..n).map(pick).collect())
    };
    let mut ratios: Vec<f64> =
        (0..RESAMPLES).map(|number| again(times, 0, number) / again(alone, 1, number)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    [0.025, 0.975].map(|share| ratios[(share * f64::from(RESAMPLES)) as usize])
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
    let before = settled().await;
    let mut made = Vec::new();
    let looked = async {
        for _ in 0..IDLE {
            let spec = spec(next);
            let sandbox = spec.sandbox;
            runtime.create(spec).await?;
            made.push(sandbox);
        }
        let after = settled().await;
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
    let host = before.zip(after).and_then(|(before, after)| before.checked_sub(after));
    let host_each = host.filter(|bytes| *bytes > 0).map(|bytes| Bytes(bytes / IDLE));
    Ok(Density { sandboxes: IDLE, host_each, pss_each: Bytes(pss / IDLE) })
}

/// What the host could still give once it has come to rest: the kernel frees what ended late.
async fn settled() -> Option<u64> {
    let mut last = available()?;
    for _ in 0..SETTLE {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = available()?;
        if now.abs_diff(last) < AT_REST {
            return Some(now);
        }
        last = now;
    }
    Some(last)
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
    fn the_interval_of_a_factor_holds_it() {
        let alone: Vec<f64> = (0..16).map(|i| 1.0 + 0.01 * f64::from(i)).collect();
        let slower: Vec<f64> = alone.iter().map(|time| time * 3.0).collect();
        let [low, high] = factor_interval(&slower, &alone);
        assert!(low < 3.0 && 3.0 < high && high - low < 0.5, "{low} to {high}");
        assert_eq!(factor_interval(&[2.0; 16], &[1.0; 16]), [2.0, 2.0]);
    }

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
