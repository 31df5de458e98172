//! Processes, told apart so that a reused pid is never taken for the old one.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process for good: its pid and when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process number.
    pub pid: i32,
    /// Start, in clock ticks since boot: field 22 of /proc/PID/stat, see proc(5).
    pub started: u64,
}

impl ProcessId {
    /// The process that now has this pid.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(ProcessId { pid, started: start_ticks(&stat)? })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        ProcessId::of(i32::try_from(std::process::id()).ok()?)
    }

    /// Whether that very process still exists; a zombie does.
    pub fn exists(self) -> bool {
        ProcessId::of(self.pid) == Some(self)
    }
}

/// The name in field 2 may hold spaces and parentheses; it ends at the last closing one.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// The kernel's boot id, empty if it cannot be read.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Launchers and guests that carry a run's tag among their arguments.
pub fn processes_of(tag: &str) -> Vec<ProcessId> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| carries(*pid, tag))
        .filter_map(ProcessId::of)
        .collect()
}

fn carries(pid: i32, tag: &str) -> bool {
    let Ok(arguments) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
    let guest = words.iter().any(|word| *word == b"guest");
    guest && words.contains(&tag.as_bytes())
}

/// Kills a process and waits until it is gone. True if it was there and is no more.
///
/// # Errors
/// If it may not be killed, or does not end within `bound`.
pub fn kill(process: ProcessId, bound: Duration) -> io::Result<bool> {
    let Some(handle) = signalled(process, Signal::KILL)? else { return Ok(false) };
    if wait_for_end(&handle, bound)? { Ok(true) } else { Err(io::ErrorKind::TimedOut.into()) }
}

/// Asks processes to end by SIGTERM, waits until all have or `bound` is over, and returns how many
/// have. Launchers and tenders remove their sandboxes when they are asked; killed, they could not.
pub fn ask_to_end(processes: &[ProcessId], bound: Duration) -> u64 {
    let asked = processes.iter().filter_map(|process| signalled(*process, Signal::TERM).ok()?);
    let asked: Vec<OwnedFd> = asked.collect();
    let deadline = Instant::now() + bound;
    let left = || deadline.saturating_duration_since(Instant::now());
    let ended = asked.iter().filter(|handle| wait_for_end(handle, left()).unwrap_or(false));
    ended.count() as u64
}

/// Sends a signal to that very process. `None` if it is gone, or has ended.
fn signalled(process: ProcessId, signal: Signal) -> io::Result<Option<OwnedFd>> {
    let pid = Pid::from_raw(process.pid).ok_or(io::ErrorKind::InvalidInput)?;
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The handle holds on to whoever has the pid now. Only if that is the right one is it used. One that
    // has ended and that its parent has not looked after yet is gone too.
    if !process.exists() || wait_for_end(&handle, Duration::ZERO)? {
        return Ok(None);
    }
    match pidfd_send_signal(&handle, signal) {
        Ok(()) => Ok(Some(handle)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a process has ended; false if it has not within `bound`.
pub fn wait_for_end(handle: &OwnedFd, bound: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + bound;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut waits = [PollFd::new(handle, PollFlags::IN)];
        match poll(&mut waits, Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_a_hostile_name() {
        let numbers: Vec<String> = (4..=25).map(|field| field.to_string()).collect();
        let stat = format!("12 (a) b (c)) S {}", numbers.join(" "));
        assert_eq!(start_ticks(&stat), Some(22));
    }

    #[test]
    fn a_pid_with_another_start_is_not_killed() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        let other = ProcessId { started: process.started + 1, ..process };
        assert!(!kill(other, Duration::ZERO).unwrap());
        assert!(process.exists() && child.try_wait().unwrap().is_none());
        assert!(kill(process, Duration::from_secs(10)).unwrap());
        assert!(!child.wait().unwrap().success());
        assert!(!process.exists());
    }
}
