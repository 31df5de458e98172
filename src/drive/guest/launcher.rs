//! Builds a sandbox around a process and waits for it. Runs with a single thread, so that it may
//! fork and go on as an ordinary program in the child.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getegid, geteuid, getppid, getrlimit, kill_process,
    set_parent_process_death_signal, setrlimit, waitpid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, unshare_unsafe,
};

use super::protocol::{Boot, Feature, GuestLimits, Inside, Message, line};
use super::root::{self, Program, StepError, step};
use super::signals::Signals;
use crate::drive::clock::monotonic_nanos;

/// Open files that a guest may have.
const OPEN_FILES: u64 = 256;

/// Builds the sandbox, runs the guest in it, and returns when the guest is gone.
pub fn launch(tag: &str, slot: &str, boot: &Boot) -> ExitCode {
    let launched_ns = monotonic_nanos();
    let signals = Signals::block();
    match build(tag, slot, boot, launched_ns, &signals) {
        Ok(guest) => supervise(guest, &signals),
        Err(error) => report(&error),
    }
}

/// Tells the driver, over the socket, what could not be done.
pub fn report(error: &StepError) -> ExitCode {
    let message = Message::Failed {
        feature: error.feature,
        step: error.step.clone(),
        reason: error.source.to_string(),
    };
    if let Err(error) = io::stdout().write_all(&line(&message)).and_then(|()| io::stdout().flush())
    {
        eprintln!("plimsoll guest: cannot tell the driver: {error}");
    }
    ExitCode::FAILURE
}

/// Everything up to the fork. Returns the guest's pid; in the guest it does not return.
fn build(
    tag: &str,
    slot: &str,
    boot: &Boot,
    launched_ns: u64,
    signals: &Signals,
) -> Result<Pid, StepError> {
    let outcome = set_parent_process_death_signal(Some(Signal::TERM));
    step(None, "asking to be told of the driver's death", outcome)?;
    if getppid().map(Pid::as_raw_pid) != Some(boot.driver) {
        // It died before it could be asked for.
        return Err(StepError {
            feature: None,
            step: "finding the driver".into(),
            source: io::Error::from(io::ErrorKind::BrokenPipe),
        });
    }
    let program = step(None, "reading what this program was loaded from", Program::running())?;
    let groups = open_cgroups(boot)?;
    enter_namespaces(boot)?;
    // SAFETY: this process has one thread, so the child inherits no lock that somebody else holds.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => step(Feature::PidNamespace, "fork", Err(io::Error::last_os_error())),
        0 => {
            let error = become_guest(tag, slot, boot, launched_ns, &program, groups, signals);
            report(&error);
            std::process::exit(1)
        }
        pid => Ok(Pid::from_raw(pid).expect("fork returns a positive pid to the parent")),
    }
}

/// Opened before the namespaces change what this process may write to.
fn open_cgroups(boot: &Boot) -> Result<Vec<File>, StepError> {
    let open = |path: &std::path::PathBuf| {
        let file = OpenOptions::new().write(true).open(path);
        step(None, format!("opening {}", path.display()), file)
    };
    boot.cgroups.iter().map(open).collect()
}

fn enter_namespaces(boot: &Boot) -> Result<(), StepError> {
    // The user namespace first: in it this process has the privileges that the others need.
    let wanted = [
        (Feature::UserNamespace, UnshareFlags::NEWUSER),
        (Feature::MountNamespace, UnshareFlags::NEWNS),
        (Feature::PidNamespace, UnshareFlags::NEWPID),
        (Feature::IpcNamespace, UnshareFlags::NEWIPC),
        (Feature::UtsNamespace, UnshareFlags::NEWUTS),
        (Feature::NetNamespace, UnshareFlags::NEWNET),
    ];
    for (feature, flag) in wanted {
        if !boot.features.contains(&feature) {
            continue;
        }
        let (user, group) = (geteuid(), getegid());
        // SAFETY: no file descriptor table is unshared, and there is no other thread.
        let outcome = unsafe { unshare_unsafe(flag) };
        step(feature, format!("unshare({})", feature.name()), outcome)?;
        if feature == Feature::UserNamespace {
            let map = || -> io::Result<()> {
                // Without this an unprivileged process may not map its group; user_namespaces(7).
                fs::write("/proc/self/setgroups", "deny")?;
                fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
                fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))
            };
            step(feature, "mapping the user", map())?;
        }
    }
    Ok(())
}

/// The child's side of the fork, up to executing the guest. Returns only what went wrong.
fn become_guest(
    tag: &str,
    slot: &str,
    boot: &Boot,
    launched_ns: u64,
    program: &Program,
    groups: Vec<File>,
    signals: &Signals,
) -> StepError {
    let isolated = || -> Result<(), StepError> {
        let outcome = set_parent_process_death_signal(Some(Signal::KILL));
        step(None, "asking to die with the launcher", outcome)?;
        signals.unblock();
        own_session_keyring();
        for mut group in groups {
            // "0" is the process that writes.
            step(None, "joining a control group", group.write_all(b"0"))?;
        }
        if boot.features.contains(&Feature::UtsNamespace) {
            let name = format!("sandbox-{slot}");
            let outcome = rustix::system::sethostname(name.as_bytes());
            step(Feature::UtsNamespace, "setting the host name", outcome)?;
        }
        if boot.features.contains(&Feature::MountNamespace) {
            root::detach_mounts()?;
        }
        if boot.features.contains(&Feature::PrivateRoot) {
            root::enter(boot, program)?;
        } else {
            step(None, "entering the files", std::env::set_current_dir(&boot.files))?;
        }
        set_limits(boot, &boot.limits)?;
        give_up_privileges()
    };
    if let Err(error) = isolated() {
        return error;
    }
    let own_root = boot.features.contains(&Feature::PrivateRoot);
    let inside = Inside {
        files: if own_root { root::FILES.into() } else { boot.files.clone() },
        identity: if own_root { root::IDENTITY.into() } else { boot.identity.clone() },
        launched_ns,
        isolated_ns: monotonic_nanos(),
        with_parent: true,
        limits: None,
    };
    let inside = serde_json::to_string(&inside).expect("paths that came as JSON go as JSON");
    let mut command =
        if own_root { Command::new(root::BINARY) } else { Command::new(&program.binary) };
    command.args(["guest", "inside", tag, slot, &inside]).env_clear();
    if !program.needs.is_empty() {
        command.env("LD_LIBRARY_PATH", program.library_path());
    }
    StepError { feature: None, step: "executing the guest".into(), source: command.exec() }
}

/// A session keyring that no other sandbox has: else all have that of whoever started the driver;
/// keyrings(7). A kernel that has none, or gives none, has none to share.
fn own_session_keyring() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: without a name the call reads no memory.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) };
}

fn set_limits(boot: &Boot, limits: &GuestLimits) -> Result<(), StepError> {
    let mut wanted = vec![
        (Resource::Data, limits.data_bytes),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nofile, OPEN_FILES),
        (Resource::Core, 0),
    ];
    if boot.features.contains(&Feature::UserNamespace) {
        wanted.push((Resource::Nproc, limits.processes));
    }
    for (resource, value) in wanted {
        // A limit that already is lower stays.
        let value = getrlimit(resource).maximum.map_or(value, |present| present.min(value));
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        step(None, format!("limiting {resource:?} to {value}"), setrlimit(resource, limit))?;
    }
    Ok(())
}

/// Nothing that is executed from here on has or gains a capability.
fn give_up_privileges() -> Result<(), StepError> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Beyond the kernel's last capability.
            Err(rustix::io::Errno::INVAL) => break,
            // An unprivileged process outside a user namespace has none to give up.
            Err(rustix::io::Errno::PERM) if !geteuid().is_root() => break,
            Err(error) => return step(None, "emptying the capability bounding set", Err(error)),
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    step(None, "giving up capabilities", set_capabilities(None, sets))?;
    step(None, "forbidding new privileges", set_no_new_privs(true))
}

/// Waits for the guest. A SIGTERM, also the one that the kernel sends when the driver dies, kills
/// it. The guest's pid cannot be reused meanwhile, because only this process reaps it.
fn supervise(guest: Pid, signals: &Signals) -> ExitCode {
    // The guest alone holds the socket, so that its end is seen when the guest ends.
    if let Err(error) = let_go_of_socket() {
        eprintln!("plimsoll guest: cannot let go of the socket: {error}");
        let _ = kill_process(guest, Signal::KILL);
    }
    loop {
        match waitpid(Some(guest), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return exit_code(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                eprintln!("plimsoll guest: cannot wait for the guest: {error}");
                return ExitCode::FAILURE;
            }
        }
        if signals.wait() == libc::SIGTERM {
            // It may have ended by itself already, which is as well.
            let _ = kill_process(guest, Signal::KILL);
        }
    }
}

pub fn let_go_of_socket() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

/// A shell's convention: 128 + the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
