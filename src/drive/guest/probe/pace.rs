//! How fast a sandbox is: a latency loop, neighbours that disturb it, and the reference work whose
//! times inside and outside make the factors of a tier.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

use super::super::work::{STACK_BYTES, churn};
use super::Hog;
use crate::drive::clock::monotonic_nanos;

/// Bytes that a hog works on.
const HOG_BYTES: usize = 32 << 20;
/// Bytes between two syncs of a disk hog.
const SYNC_BYTES: usize = 4 << 20;
/// Distance of two touched bytes: a cache line.
const LINE_BYTES: usize = 64;

/// How often the reference work is done; the median counts.
const REPEATS: usize = 5;
/// Rounds of the hash loop in the reference work: a few milliseconds on a core of today.
const ROUNDS: u64 = 8 << 20;
/// Memory that is claimed and touched.
const MEMORY_BYTES: usize = 32 << 20;
/// Small files that are written, read and removed.
const FILES: u32 = 100;
/// Writes that are synced, one by one.
const SYNCS: u32 = 8;
const SMALL_BYTES: usize = 4096;

/// How long the same computation took, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Median, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: u64,
    /// How often.
    pub count: u64,
}

/// How long each part of the reference work took, in nanoseconds: medians.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Computing.
    pub cpu_ns: u64,
    /// Claiming and touching memory.
    pub memory_ns: u64,
    /// Writing, reading and removing small files.
    pub file_ns: u64,
    /// Writing and syncing.
    pub sync_ns: u64,
}

/// Runs the loop.
pub fn latency(rounds: u64, lasts_ns: u64) -> Latency {
    let end = monotonic_nanos() + lasts_ns;
    let mut took = Vec::new();
    loop {
        let began = monotonic_nanos();
        if began >= end && !took.is_empty() {
            break;
        }
        black_box(churn(black_box(rounds), 1));
        took.push(monotonic_nanos() - began);
    }
    took.sort_unstable();
    // By rank ⌈q·n⌉.
    let at = |percent: usize| took[(took.len() * percent).div_ceil(100).saturating_sub(1)];
    Latency { p50_ns: at(50), p99_ns: at(99), count: took.len() as u64 }
}

/// Disturbs others for a while.
///
/// # Errors
/// If memory, threads or disk cannot be had.
pub fn burn(hog: Hog, threads: u32, lasts_ns: u64, files: &Path) -> io::Result<()> {
    let end = monotonic_nanos() + lasts_ns;
    thread::scope(|scope| {
        let mut others = Vec::new();
        for k in 0..threads.max(1) {
            let body = move || burn_alone(hog, end, files, k);
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            others.push(builder.spawn_scoped(scope, body)?);
        }
        others.into_iter().try_for_each(|other| {
            other.join().unwrap_or_else(|_| Err(io::Error::other("a hog panicked")))
        })
    })
}

fn burn_alone(hog: Hog, end: u64, files: &Path, number: u32) -> io::Result<()> {
    match hog {
        Hog::Cpu => {
            while monotonic_nanos() < end {
                black_box(churn(black_box(100_000), u64::from(number)));
            }
            Ok(())
        }
        Hog::Memory => {
            let mut memory = vec![0_u8; HOG_BYTES];
            while monotonic_nanos() < end {
                for at in (0..memory.len()).step_by(LINE_BYTES) {
                    memory[at] = memory[at].wrapping_add(1);
                }
                black_box(&mut memory);
            }
            Ok(())
        }
        Hog::Disk => {
            let path = files.join(format!("probe-hog-{number}"));
            let outcome = write_over_and_over(&path, end);
            fs::remove_file(&path)?;
            outcome
        }
    }
}

fn write_over_and_over(path: &Path, end: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let block = vec![7_u8; SYNC_BYTES];
    let mut wrote = 0;
    while monotonic_nanos() < end {
        if wrote >= HOG_BYTES {
            file.rewind()?;
            wrote = 0;
        }
        file.write_all(&block)?;
        file.sync_data()?;
        wrote += block.len();
    }
    Ok(())
}

/// Does the reference work.
///
/// # Errors
/// If a file cannot be written.
pub fn pace(files: &Path) -> io::Result<Pace> {
    let directory = files.join("probe-pace");
    fs::create_dir(&directory)?;
    let outcome = pace_in(&directory);
    fs::remove_dir_all(&directory)?;
    outcome
}

fn pace_in(directory: &Path) -> io::Result<Pace> {
    let median = |work: &mut dyn FnMut() -> io::Result<()>| -> io::Result<u64> {
        let mut took = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            let began = monotonic_nanos();
            work()?;
            took.push(monotonic_nanos() - began);
        }
        took.sort_unstable();
        Ok(took[REPEATS / 2])
    };
    let cpu_ns = median(&mut || {
        black_box(churn(black_box(ROUNDS), 1));
        Ok(())
    })?;
    let memory_ns = median(&mut || {
        let mut memory = Vec::new();
        memory.resize(MEMORY_BYTES, 1_u8);
        black_box(&mut memory);
        Ok(())
    })?;
    let file_ns = median(&mut || small_files(directory))?;
    let sync_ns = median(&mut || synced(&directory.join("synced")))?;
    Ok(Pace { cpu_ns, memory_ns, file_ns, sync_ns })
}

fn small_files(directory: &Path) -> io::Result<()> {
    let content = [7_u8; SMALL_BYTES];
    for k in 0..FILES {
        let path = directory.join(k.to_string());
        fs::write(&path, content)?;
        let read = fs::read(&path)?;
        if read != content {
            return Err(io::Error::other("what is read is not what was written"));
        }
        fs::remove_file(&path)?;
    }
    Ok(())
}

fn synced(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..SYNCS {
        file.write_all(&[7_u8; SMALL_BYTES])?;
        file.sync_data()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_and_the_reference_work_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let loops = latency(1000, 2_000_000);
        assert!(loops.count >= 1 && loops.p50_ns <= loops.p99_ns && loops.p50_ns > 0, "{loops:?}");
        for hog in [Hog::Cpu, Hog::Memory, Hog::Disk] {
            burn(hog, 2, 1_000_000, dir.path()).unwrap();
        }
        let pace = pace(dir.path()).unwrap();
        assert!(pace.cpu_ns > 0 && pace.memory_ns > 0 && pace.file_ns > 0 && pace.sync_ns > 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
