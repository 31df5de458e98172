//! Limits by control groups, where the machine lets plimsoll make some.
//!
//! Both layouts are known: the unified one (version 2) and one hierarchy per controller (version 1),
//! also mixed. Groups are made below the driver's own, so that whatever limits the driver limits its
//! sandboxes too; on version 2, where a group with processes of its own cannot have children with
//! limits, the root group serves if it is writable. A run's group is named `plimsoll-TAG`, a
//! sandbox's within it after its slot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cgroup_home::{Version, home_of, homes};
use crate::drive::journal::ProcessId;
use crate::drive::runtime::{Limits, LostIsolation};
use crate::units::Bytes;

/// Memory of the guest itself, on top of what tool work may use: its program, stacks and buffers.
pub const GUEST_MEMORY: Bytes = Bytes(32 << 20);

/// Length of the period over which CPU time is limited, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// The group of a run in which container runtimes themselves run.
const LAUNCH: &str = "launch";

/// Where the unified hierarchy is mounted, by convention; container runtimes look nowhere else.
const UNIFIED: &str = "/sys/fs/cgroup";

/// How long to wait until the kernel sees that a group is empty.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);

/// A resource that control groups limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Memory.
    Memory,
    /// CPU time.
    Cpu,
    /// Processes and threads.
    Pids,
}

impl Controller {
    const ALL: [Controller; 3] = [Controller::Memory, Controller::Cpu, Controller::Pids];

    /// As the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
        }
    }

    fn lost(self, why: &str) -> LostIsolation {
        let (what, mend) = match self {
            Controller::Memory => (
                "memory limit by control group",
                "RLIMIT_DATA limits each process instead; for the real limit ",
            ),
            Controller::Cpu => (
                "CPU limit by control group",
                "the guest keeps to its cores by itself instead; for the real limit ",
            ),
            Controller::Pids => (
                "limit of processes by control group",
                "RLIMIT_NPROC serves instead where there is a user namespace; for the real limit ",
            ),
        };
        let mend = format!(
            "{mend}run as root, or under `systemd-run --user --scope -p Delegate=yes` with the \
             {} controller delegated",
            self.name()
        );
        LostIsolation { what: what.into(), why: why.into(), mend }
    }
}

#[derive(Clone, Debug)]
struct Group {
    path: PathBuf,
    version: Version,
    controllers: Vec<Controller>,
}

/// The control groups of a run.
#[derive(Clone, Debug, Default)]
pub struct Cgroups {
    tag: String,
    groups: Vec<Group>,
    /// The run's groups in hierarchies where plimsoll makes none and a container runtime does.
    elsewhere: Vec<PathBuf>,
    lost: Vec<LostIsolation>,
}

impl Cgroups {
    /// Finds where groups can be made, and makes none.
    pub fn plan(tag: &str) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let found = homes(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let mut plan = Cgroups { tag: tag.to_owned(), ..Cgroups::default() };
        for controller in Controller::ALL {
            match home_of(controller, &found) {
                Ok((home, version)) => plan.want(home.join(group_name(tag)), version, controller),
                Err(why) => plan.lost.push(controller.lost(&why)),
            }
        }
        plan
    }

    /// As [`plan`](Self::plan), for a container runtime that makes the sandboxes' groups itself, in
    /// every hierarchy there is.
    pub fn plan_for_runtime(tag: &str) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let found = homes(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let mut plan = Cgroups::plan(tag);
        let every = found.iter().map(|home| home.own().join(group_name(tag)));
        plan.elsewhere =
            every.filter(|path| !plan.groups.iter().any(|group| group.path == *path)).collect();
        plan
    }

    /// Makes the group in which the container runtime itself runs, without limits, and returns the
    /// files through which it joins.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn make_launch(&self) -> io::Result<Vec<PathBuf>> {
        let mut joins = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let path = group.path.join(LAUNCH);
            fs::create_dir(&path)?;
            joins.push(path.join("cgroup.procs"));
        }
        Ok(joins)
    }

    /// Where a container runtime that runs in the launch group is to make a sandbox's group.
    ///
    /// On version 1 the path is relative: below the runtime's own group, whichever that is in each
    /// hierarchy. On version 2 a group with processes cannot have children with limits, so it stands
    /// beside the launch group.
    pub fn runtime_path(&self, slot: u64) -> String {
        let name = group_name(&self.tag);
        let unified = self.groups.iter().find(|group| group.version == Version::Two);
        match unified.and_then(|group| group.path.strip_prefix(UNIFIED).ok()) {
            Some(path) => format!("/{}/{slot}", path.display()),
            None => format!("{name}/{slot}"),
        }
    }

    /// The groups that a container runtime made for a sandbox, as plimsoll sees them.
    fn made_by_runtime(&self, slot: u64) -> Vec<PathBuf> {
        let (name, slot) = (group_name(&self.tag), slot.to_string());
        let below = |group: &Group| match group.version {
            Version::One => group.path.join(LAUNCH).join(&name).join(&slot),
            Version::Two => group.path.join(&slot),
        };
        let ours = self.groups.iter().map(below);
        ours.chain(self.elsewhere.iter().map(|path| path.join(&slot))).collect()
    }

    fn want(&mut self, path: PathBuf, version: Version, controller: Controller) {
        match self.groups.iter_mut().find(|group| group.path == path) {
            Some(group) => group.controllers.push(controller),
            None => self.groups.push(Group { path, version, controllers: vec![controller] }),
        }
    }

    /// The run's groups, to be written down before they are made.
    pub fn paths(&self) -> Vec<PathBuf> {
        let ours = self.groups.iter().map(|group| group.path.clone());
        ours.chain(self.elsewhere.iter().cloned()).collect()
    }

    /// Makes the run's groups. Those that cannot be made are lost, with the reason.
    pub fn make(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        for mut group in groups {
            if let Err(error) = make_run_group(&group) {
                let _ = fs::remove_dir(&group.path);
                let why = format!("cannot make {}: {error}", group.path.display());
                self.lost.extend(group.controllers.iter().map(|which| which.lost(&why)));
                continue;
            }
            let probe = group.path.join("probe");
            group.controllers.retain(|controller| {
                let outcome = make_group(&probe, group.version, &[*controller], &Limits::default());
                if let Err(error) = &outcome {
                    let why = format!("cannot set a limit in {}: {error}", probe.display());
                    self.lost.push(controller.lost(&why));
                }
                let _ = fs::remove_dir(&probe);
                outcome.is_ok()
            });
            if group.controllers.is_empty() {
                let _ = fs::remove_dir(&group.path);
            } else {
                self.groups.push(group);
            }
        }
    }

    /// Whether this resource is limited.
    pub fn limits(&self, controller: Controller) -> bool {
        self.groups.iter().any(|group| group.controllers.contains(&controller))
    }

    /// What is not limited, and why.
    pub fn lost(&self) -> &[LostIsolation] {
        &self.lost
    }

    /// Makes a sandbox's groups and returns the files through which processes join them.
    ///
    /// # Errors
    /// If one cannot be made or its limit not be set.
    pub fn add(&self, slot: u64, limits: &Limits) -> io::Result<Vec<PathBuf>> {
        let mut joins = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let path = group.path.join(slot.to_string());
            make_group(&path, group.version, &group.controllers, limits)?;
            joins.push(path.join("cgroup.procs"));
        }
        Ok(joins)
    }

    /// Removes a sandbox's groups.
    ///
    /// # Errors
    /// If one still has processes after a while.
    pub fn remove(&self, slot: u64) -> io::Result<()> {
        let own = self.groups.iter().map(|group| group.path.join(slot.to_string()));
        let runtimes = self.made_by_runtime(slot);
        own.chain(runtimes).try_for_each(|path| remove_empty(&path).map(drop))
    }

    /// Removes the run's groups with all that is in them. Returns what could not be removed.
    pub fn remove_all(&self) -> Vec<String> {
        let failed = |path: PathBuf| {
            let error = remove_run_group(&path).err()?;
            Some(format!("control group {}: {error}", path.display()))
        };
        self.paths().into_iter().filter_map(failed).collect()
    }
}

fn group_name(tag: &str) -> String {
    format!("plimsoll-{tag}")
}

/// Whether a group is the one of this run.
pub fn belongs_to(path: &Path, tag: &str) -> bool {
    path.file_name().is_some_and(|name| *name == *group_name(tag))
}

/// Kills whatever runs in a run's group and below it: what no journal names, such as a container
/// runtime that was killed in the middle of a start. Returns how many processes there were.
///
/// # Errors
/// If one does not end.
pub fn kill_run_group(path: &Path) -> io::Result<u64> {
    let mut killed = kill_members(path)?;
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            killed += kill_run_group(&entry.path())?;
        }
    }
    Ok(killed)
}

/// Removes a run's group, all groups below it and whatever still runs in them. Returns how many
/// groups there were.
///
/// # Errors
/// If a process cannot be killed, or a group not be removed.
pub fn remove_run_group(path: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        outcome => outcome?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            removed += remove_run_group(&entry.path())?;
        }
    }
    kill_members(path)?;
    Ok(removed + u64::from(remove_empty(path)?))
}

fn kill_members(group: &Path) -> io::Result<u64> {
    let members = match fs::read_to_string(group.join("cgroup.procs")) {
        // Its sandbox is being removed by somebody else just now.
        Err(error) if is_gone(&error) => return Ok(0),
        outcome => outcome?,
    };
    let pids = members.lines().filter_map(|line| line.parse().ok());
    let mut killed = 0;
    for process in pids.filter_map(ProcessId::of) {
        killed += u64::from(crate::drive::journal::kill(process, EMPTY_WITHIN)?);
    }
    Ok(killed)
}

/// A group that is removed while one of its files is open reads as "no such device".
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

/// Removes a group once the kernel has seen its last process go; false if there was none.
fn remove_empty(group: &Path) -> io::Result<bool> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    loop {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_micros(500));
            }
            Err(error) => return Err(error),
        }
    }
}

fn make_run_group(group: &Group) -> io::Result<()> {
    fs::create_dir(&group.path)?;
    if group.version == Version::Two {
        let wanted: Vec<_> =
            group.controllers.iter().map(|which| format!("+{}", which.name())).collect();
        fs::write(group.path.join("cgroup.subtree_control"), wanted.join(" "))?;
    }
    Ok(())
}

fn make_group(
    path: &Path,
    version: Version,
    controllers: &[Controller],
    limits: &Limits,
) -> io::Result<()> {
    fs::create_dir(path)?;
    let memory = limits.memory + GUEST_MEMORY;
    let quota = ((limits.vcpu.0 * CPU_PERIOD_US as f64) as u64).max(1000);
    for controller in controllers {
        match (controller, version) {
            (Controller::Memory, Version::One) => {
                fs::write(path.join("memory.limit_in_bytes"), memory.0.to_string())?;
            }
            (Controller::Memory, Version::Two) => {
                fs::write(path.join("memory.max"), memory.0.to_string())?;
            }
            (Controller::Cpu, Version::One) => {
                fs::write(path.join("cpu.cfs_period_us"), CPU_PERIOD_US.to_string())?;
                fs::write(path.join("cpu.cfs_quota_us"), quota.to_string())?;
            }
            (Controller::Cpu, Version::Two) => {
                fs::write(path.join("cpu.max"), format!("{quota} {CPU_PERIOD_US}"))?;
            }
            (Controller::Pids, _) => {
                fs::write(path.join("pids.max"), limits.processes.to_string())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_belongs_to_the_run_it_is_named_after() {
        assert!(belongs_to(Path::new("/sys/fs/cgroup/plimsoll-1-2-ab"), "1-2-ab"));
        assert!(!belongs_to(Path::new("/sys/fs/cgroup/plimsoll-1-2-abc"), "1-2-ab"));
        assert!(!belongs_to(Path::new("/sys/fs/cgroup"), "1-2-ab"));
    }
}
