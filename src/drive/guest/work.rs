//! Tool work done for real.
//!
//! CPU demand is a fixed number of rounds of an integer hash loop, not a time to spin: on a busy or
//! slow core the same work takes longer, and that is what is to be measured.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::protocol::{GuestReport, GuestWork};
use crate::drive::clock::{monotonic_nanos, thread_cpu_nanos};

/// Stack of the guest's threads. Small, since it counts against the sandbox's memory.
pub const STACK_BYTES: usize = 128 << 10;

/// Rounds between two looks at the clock of a thread that computes only part of the time: around a
/// millisecond on a core of today.
const PACED_ROUNDS: u64 = 1 << 20;

const PAGE_BYTES: usize = 4096;

/// Why work failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The memory could not be had.
    #[error("{0} bytes of memory could not be had")]
    Memory(u64),
    /// Writing failed.
    #[error("writing {bytes} bytes failed: {source}")]
    Write {
        /// How many were to be written.
        bytes: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// No thread could be had.
    #[error("no thread for computing: {0}")]
    Thread(std::io::Error),
}

/// The hash loop: each round needs the one before it, so that it runs at the core's clock whatever
/// the width of the core. Mixing after Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators" (OOPSLA 2014).
pub fn churn(rounds: u64, seed: u64) -> u64 {
    let mut state = seed;
    for _ in 0..rounds {
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    state
}

/// Rounds per second of CPU time on the present core: the best of several short runs, since what
/// disturbs a run only ever makes it slower.
pub fn calibrate() -> f64 {
    const ROUNDS: u64 = 8 << 20;
    const RUNS: usize = 9;
    let mut best = f64::INFINITY;
    black_box(churn(black_box(ROUNDS), 1));
    for run in 0..RUNS {
        let began = thread_cpu_nanos();
        black_box(churn(black_box(ROUNDS), run as u64));
        best = best.min((thread_cpu_nanos() - began) as f64);
    }
    ROUNDS as f64 / best * 1e9
}

/// Does the work: claims memory, waits, computes, writes. `path` is the file to write, new for each
/// call, so that the sandbox's files grow by what is dirtied.
///
/// # Errors
/// If memory, threads or disk cannot be had.
pub fn perform(work: &GuestWork, began_ns: u64, path: &Path) -> Result<GuestReport, WorkError> {
    let cpu_before = thread_cpu_nanos();
    let held = hold(work.memory_bytes)?;
    let held_ns = monotonic_nanos();
    if work.wait_ns > 0 {
        thread::sleep(Duration::from_nanos(work.wait_ns));
    }
    let waited_ns = monotonic_nanos();
    let others_cpu = compute(work)?;
    let computed_ns = monotonic_nanos();
    if work.dirty_bytes > 0 {
        write_synced(path, work.dirty_bytes)
            .map_err(|source| WorkError::Write { bytes: work.dirty_bytes, source })?;
    }
    black_box(&held);
    drop(held);
    let cpu_ns = thread_cpu_nanos() - cpu_before + others_cpu;
    let ended_ns = monotonic_nanos();
    Ok(GuestReport { began_ns, held_ns, waited_ns, computed_ns, ended_ns, cpu_ns })
}

/// Memory with every page touched.
fn hold(bytes: u64) -> Result<Vec<u8>, WorkError> {
    let size = usize::try_from(bytes).map_err(|_| WorkError::Memory(bytes))?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(size).map_err(|_| WorkError::Memory(bytes))?;
    // Fresh memory from the kernel is untouched: writing makes the pages real.
    memory.resize(size, 1);
    black_box(&mut memory);
    Ok(memory)
}

/// Computes with as many threads as asked and returns the CPU time of those beside the caller's.
fn compute(work: &GuestWork) -> Result<u64, WorkError> {
    let threads = u64::from(work.threads.max(1));
    let share = work.rounds / threads;
    let rest = work.rounds % threads;
    thread::scope(|scope| {
        let mut others = Vec::new();
        for k in 1..threads {
            let rounds = share + u64::from(k < rest);
            let body = move || {
                let before = thread_cpu_nanos();
                paced(rounds, work.duty, k);
                thread_cpu_nanos() - before
            };
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            others.push(builder.spawn_scoped(scope, body).map_err(WorkError::Thread)?);
        }
        paced(share + u64::from(rest > 0), work.duty, 0);
        Ok(others.into_iter().map(|thread| thread.join().expect("the loop cannot panic")).sum())
    })
}

fn paced(rounds: u64, duty: f64, seed: u64) {
    if duty >= 1.0 || duty <= 0.0 {
        black_box(churn(black_box(rounds), seed));
        return;
    }
    let mut left = rounds;
    while left > 0 {
        let slice = left.min(PACED_ROUNDS);
        let before = thread_cpu_nanos();
        black_box(churn(black_box(slice), seed));
        let used = (thread_cpu_nanos() - before) as f64;
        left -= slice;
        thread::sleep(Duration::from_nanos((used * (1.0 / duty - 1.0)) as u64));
    }
}

/// Writes and syncs bytes of which half can be compressed away, as is common for build trees and
/// source text: of each 4 KiB, the second half repeats the first.
fn write_synced(path: &Path, bytes: u64) -> std::io::Result<()> {
    const BLOCK_BYTES: usize = 64 << 10;
    let mut file = File::create(path)?;
    let mut block = vec![0_u8; BLOCK_BYTES];
    let mut state = monotonic_nanos();
    let mut left = bytes;
    while left > 0 {
        for page in block.chunks_exact_mut(PAGE_BYTES) {
            let (random, repeated) = page.split_at_mut(PAGE_BYTES / 2);
            for word in random.chunks_exact_mut(8) {
                // SplitMix64 (Steele, Lea, Flood 2014): well mixed whatever the clock gave it to start
                // from, where a weaker step left some files more compressible than others.
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
            }
            repeated.copy_from_slice(random);
        }
        let size = left.min(BLOCK_BYTES as u64) as usize;
        file.write_all(&block[..size])?;
        left -= size as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> GuestWork {
        GuestWork { threads: 1, duty: 1.0, ..GuestWork::default() }
    }

    #[test]
    fn the_loop_is_pinned() {
        // A changed loop changes what a reference-core second is worth. By hand, in exact integers.
        let modulus = 1_u128 << 64;
        let multiplied = 5_u128 * 0xbf58_476d_1ce4_e5b9 % modulus;
        let expected = ((multiplied ^ (multiplied >> 27)) + 0x9e37_79b9_7f4a_7c15) % modulus;
        assert_eq!(churn(0, 5), 5);
        assert_eq!(u128::from(churn(1, 5)), expected);
        assert_eq!(churn(2, 5), churn(1, churn(1, 5)));
    }

    #[test]
    fn work_is_done_in_order_and_its_cpu_time_is_counted_over_threads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w0");
        let rounds = (calibrate() * 0.04) as u64;
        let asked = GuestWork {
            rounds,
            threads: 2,
            memory_bytes: 1 << 20,
            dirty_bytes: 100_000,
            wait_ns: 2_000_000,
            ..work()
        };
        let report = perform(&asked, monotonic_nanos(), &path).unwrap();
        assert!(report.began_ns <= report.held_ns);
        assert!(report.waited_ns - report.held_ns >= 2_000_000);
        assert!(report.computed_ns <= report.ended_ns);
        // Calibration took the best core clock seen; real work can use more, hardly less.
        assert!(report.cpu_ns > 30_000_000, "{} ns", report.cpu_ns);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
    }

    #[test]
    fn half_of_what_is_written_compresses_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        write_synced(&path, 1 << 20).unwrap();
        let packed = zstd::encode_all(File::open(&path).unwrap(), 3).unwrap().len();
        assert!((450_000..600_000).contains(&packed), "{packed}");
    }

    #[test]
    fn a_paced_thread_computes_only_its_share_of_the_time() {
        let rounds = (calibrate() * 0.03) as u64;
        let began = monotonic_nanos();
        let cpu_before = thread_cpu_nanos();
        paced(rounds, 0.25, 1);
        let (took, used) = (monotonic_nanos() - began, thread_cpu_nanos() - cpu_before);
        assert!(took as f64 >= 3.0 * used as f64, "{used} of {took} ns");
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let asked = GuestWork { memory_bytes: u64::MAX, ..work() };
        let outcome = perform(&asked, 0, Path::new("/nonexistent/never-written"));
        assert!(matches!(outcome, Err(WorkError::Memory(u64::MAX))));
    }
}
