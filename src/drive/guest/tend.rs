//! Looks after a sandbox that another program makes: what a container shim is to its container.
//!
//! 1. The tender starts the program, with the driver's socket as standard input and output, in the
//!    control groups that limit the sandbox.
//! 2. It adopts whatever the program leaves running, as the nearest subreaper; see prctl(2).
//! 3. When the sandbox's process has ended it has the rest removed, and ends when nothing is left to
//!    reap. A SIGTERM, also the one that the kernel sends when the driver dies, kills the sandbox.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, wait,
};

use super::launcher::{let_go_of_socket, report};
use super::protocol::Tend;
use super::root::{StepError, step};
use super::signals::Signals;

/// Starts the sandbox and returns when nothing of it runs any more.
pub fn tend(tend: &Tend) -> ExitCode {
    let signals = Signals::block();
    match start(tend) {
        Ok(sandbox) => {
            // The sandbox alone holds the socket, so that its end is seen when the sandbox ends.
            if let Err(error) = let_go_of_socket() {
                eprintln!("plimsoll guest: cannot let go of the socket: {error}");
                let _ = kill_process(sandbox, Signal::KILL);
            }
            watch(sandbox, &tend.after, &signals);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let code = report(&error);
            // What the program made before it failed.
            remove(&tend.after);
            code
        }
    }
}

/// Runs the program. Returns the sandbox's process, a child of this one.
fn start(tend: &Tend) -> Result<Pid, StepError> {
    let outcome = set_parent_process_death_signal(Some(Signal::TERM));
    step(None, "asking to be told of the driver's death", outcome)?;
    if getppid().map(Pid::as_raw_pid) != Some(tend.driver) {
        // It died before it could be asked for.
        return Err(failed("finding the driver", io::ErrorKind::BrokenPipe.into()));
    }
    step(None, "adopting what is left", set_child_subreaper(Some(getpid())))?;
    let [program, arguments @ ..] = tend.run.as_slice() else {
        return Err(failed("starting a program", io::ErrorKind::InvalidInput.into()));
    };
    let open = |path: &std::path::PathBuf| {
        let file = OpenOptions::new().write(true).open(path);
        step(None, format!("opening {}", path.display()), file)
    };
    let groups: Vec<File> = tend.cgroups.iter().map(open).collect::<Result<_, _>>()?;
    let dies_with_us = tend.pid_file.is_none();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&tend.directory);
    // SAFETY: between fork and exec there are only system calls, on descriptors that were opened
    // before, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            if dies_with_us {
                set_parent_process_death_signal(Some(Signal::KILL))?;
            }
            // "0" is the process that writes.
            groups.iter().try_for_each(|mut group| group.write_all(b"0"))
        });
    }
    let mut child = step(None, format!("starting {program}"), command.spawn())?;
    match &tend.pid_file {
        Some(pid_file) => returned(&mut child, program, &tend.directory, pid_file),
        None => Ok(pid_of(&child)),
    }
}

/// Waits until the program has returned, and reads whom it left running.
fn returned(
    child: &mut Child,
    program: &str,
    directory: &Path,
    pid_file: &Path,
) -> Result<Pid, StepError> {
    let status = step(None, format!("waiting for {program}"), child.wait())?;
    if !status.success() {
        let said = crate::drive::runtime::stderr_tail(&directory.join("stderr"));
        let reason = if said.is_empty() { status.to_string() } else { said };
        return Err(failed(program, io::Error::other(reason)));
    }
    let text = step(None, "reading which process the sandbox is", fs::read_to_string(pid_file))?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| failed("reading which process the sandbox is", io::Error::other(text)))
}

fn pid_of(child: &Child) -> Pid {
    let pid = i32::try_from(child.id()).expect("pids fit");
    Pid::from_raw(pid).expect("a child's pid is not zero")
}

fn failed(what: &str, source: io::Error) -> StepError {
    StepError { feature: None, step: what.to_owned(), source }
}

/// Reaps until nothing is left to reap.
fn watch(sandbox: Pid, after: &[String], signals: &Signals) {
    let mut ended = false;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, _))) => {
                if pid == sandbox && !ended {
                    ended = true;
                    // Its end is reaped below, with that of what it waits for.
                    drop(removal(after));
                }
                continue;
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // No child is left.
            Err(_) => return,
        }
        if signals.wait() == libc::SIGTERM && !ended {
            // It may have ended by itself already, which is as well.
            let _ = kill_process(sandbox, Signal::KILL);
        }
    }
}

fn remove(after: &[String]) {
    if let Some(mut child) = removal(after) {
        let _ = child.wait();
    }
}

/// Starts what removes the rest of the sandbox.
fn removal(after: &[String]) -> Option<Child> {
    let [program, arguments @ ..] = after else { return None };
    let mut command = Command::new(program);
    // What it says is of a sandbox that is gone already; what stays is found by whoever removes the
    // control groups and the directory.
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            eprintln!("plimsoll guest: cannot run {program}: {error}");
            None
        }
    }
}
