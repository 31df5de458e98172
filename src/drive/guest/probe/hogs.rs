//! Hogs: they take processes, memory or disk until they are refused, or have as much as they were told
//! to take. All of it is given back before they answer.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use super::super::work::churn;
use super::ProbeFound;

const MIB: usize = 1 << 20;

/// Starts processes that do nothing.
pub fn bomb(most: u32) -> ProbeFound {
    let mut children = Vec::new();
    let mut stopped = None;
    while children.len() < most as usize {
        // SAFETY: the child makes nothing but system calls, so that no lock of another thread matters.
        match unsafe { libc::fork() } {
            -1 => {
                stopped = Some(io::Error::last_os_error().to_string());
                break;
            }
            0 => wait_for_the_end(),
            child => children.push(child),
        }
    }
    let reached = children.len() as u64;
    for child in &children {
        // SAFETY: the child is not reaped yet, so the number is its own.
        unsafe { libc::kill(*child, libc::SIGKILL) };
    }
    for child in children {
        reap(child);
    }
    ProbeFound::Reached { reached, stopped }
}

/// What a child of [`bomb`] does: waits to be killed, also by the end of its parent.
fn wait_for_the_end() -> ! {
    // SAFETY: system calls without memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        loop {
            libc::pause();
        }
    }
}

fn reap(child: libc::pid_t) -> ExitStatus {
    let mut status = 0;
    loop {
        // SAFETY: the status outlives the call.
        let outcome = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if outcome != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return ExitStatus::from_raw(status);
        }
    }
}

/// Has a child take memory and touch it. The memory is of the shared kind, which no limit of the single
/// process counts, as that of many processes together would not be counted.
///
/// # Errors
/// If there can be no child.
pub fn eat(most_bytes: u64) -> io::Result<ProbeFound> {
    let (mut counts, told) = io::pipe()?;
    // SAFETY: the child makes nothing but system calls, so that no lock of another thread matters.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => take_memory(most_bytes as usize / MIB, told.as_raw_fd()),
        child => child,
    };
    drop(told);
    let mut steps = Vec::new();
    counts.read_to_end(&mut steps)?;
    let status = reap(child);
    let stopped = match (status.signal(), status.code()) {
        (Some(libc::SIGKILL), _) => Some("killed".to_owned()),
        (Some(signal), _) => Some(format!("signal {signal}")),
        (None, Some(0)) => None,
        (None, _) => Some("refused".to_owned()),
    };
    Ok(ProbeFound::Reached { reached: (steps.len() * MIB) as u64, stopped })
}

/// What the child of [`eat`] does: a byte for each MiB that it has.
fn take_memory(steps: usize, told: i32) -> ! {
    // SAFETY: system calls, and writes to memory that was just mapped.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // If somebody has to go, then this one.
        let adjust = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY);
        if adjust >= 0 {
            libc::write(adjust, c"1000".as_ptr().cast(), 4);
        }
        let (rights, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        for _ in 0..steps {
            let memory = libc::mmap(std::ptr::null_mut(), MIB, rights, kind, -1, 0);
            if memory == libc::MAP_FAILED {
                libc::_exit(1);
            }
            libc::memset(memory, 1, MIB);
            if libc::write(told, c".".as_ptr().cast(), 1) != 1 {
                libc::_exit(1);
            }
        }
        libc::_exit(0)
    }
}

/// Writes files that cannot be compressed, and removes them.
pub fn fill(files: &Path, count: u32, file_bytes: u64) -> ProbeFound {
    let directory = files.join("probe-fill");
    let mut reached = 0;
    let outcome = write_files(&directory, count, file_bytes, &mut reached);
    // What cannot be removed goes with the sandbox.
    let _ = fs::remove_dir_all(&directory);
    ProbeFound::Reached { reached, stopped: outcome.err().map(|error| error.to_string()) }
}

fn write_files(directory: &Path, count: u32, bytes: u64, reached: &mut u64) -> io::Result<()> {
    fs::create_dir(directory)?;
    let mut block = vec![0_u8; MIB];
    let mut state = 1;
    for word in block.chunks_exact_mut(8) {
        state = churn(2, state);
        word.copy_from_slice(&state.to_le_bytes());
    }
    for k in 0..count {
        let mut file = File::create_new(directory.join(k.to_string()))?;
        let mut left = bytes;
        while left > 0 {
            let wrote = file.write(&block[..left.min(MIB as u64) as usize])? as u64;
            *reached += wrote;
            left -= wrote;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_limits_is_reached_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let reached = |found| match found {
            ProbeFound::Reached { reached, stopped: None } => reached,
            other => panic!("{other:?}"),
        };
        assert_eq!(reached(bomb(3)), 3);
        assert_eq!(reached(eat(5 << 20).unwrap()), 5 << 20);
        assert_eq!(reached(fill(dir.path(), 3, 100_000)), 300_000);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_refused_is_said() {
        let found = fill(Path::new("/nonexistent"), 1, 1);
        assert!(matches!(found, ProbeFound::Reached { reached: 0, stopped: Some(_) }), "{found:?}");
    }
}
