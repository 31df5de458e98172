//! Removing what a killed run left: that, all of that, and only that.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::mount::{UnmountFlags, unmount};

use super::entry::{self, Entry};
use super::proc::{ProcessId, ask_to_end, boot_id, kill, processes_of};
use super::{JournalError, RunDirectory, RunTag, at, remove_run};
use crate::drive::runtime::{cgroup, docker};

/// How long a killed process may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// How long those who look after a sandbox may take to remove it when they are asked.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// How long a forked child may take to execute its program, on a machine that has better to do.
const FORKED_WITHIN: Duration = Duration::from_secs(2);

/// How often the lock of a run that is gone is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What [`clean`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CleanReport {
    /// Dead runs whose remains were removed.
    pub removed: Vec<CleanedRun>,
    /// Runs that live and were not touched.
    pub live: Vec<String>,
    /// What could not be removed, and why.
    pub problems: Vec<String>,
}

/// What was removed of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CleanedRun {
    /// Its tag.
    pub tag: String,
    /// Processes killed.
    pub processes: u64,
    /// Sandboxes' directories removed.
    pub directories: u64,
    /// Snapshots removed.
    pub snapshots: u64,
    /// Control groups removed.
    pub cgroups: u64,
    /// Mounts removed.
    pub mounts: u64,
    /// Containers removed from an engine.
    pub containers: u64,
    /// Images removed from an engine.
    pub images: u64,
}

/// Removes what runs under this state directory left when they were killed. A run whose journal is
/// locked lives and is not touched; nor is anything that no journal names.
///
/// # Errors
/// If the state directory cannot be read. What cannot be removed is in the report.
pub fn clean(state: &Path) -> Result<CleanReport, JournalError> {
    let mut report = CleanReport::default();
    let runs = state.join("runs");
    let entries = match fs::read_dir(&runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        outcome => at("read", &runs, outcome)?,
    };
    for run in entries {
        let run = at("read", &runs, run)?;
        let is_directory = at("read", &run.path(), run.file_type())?.is_dir();
        if let (true, Ok(name)) = (is_directory, run.file_name().into_string()) {
            clean_run(state, RunTag(name), &mut report);
        }
    }
    Ok(report)
}

fn clean_run(state: &Path, tag: RunTag, report: &mut CleanReport) {
    let directory = RunDirectory::of(state, &tag);
    // Without a journal it is not a run's directory, or one that is just being made.
    let Ok(journal) = File::open(directory.journal()) else { return };
    if !take_lock(&journal, &directory) {
        report.live.push(tag.0);
        return;
    }
    let text = fs::read_to_string(directory.journal()).unwrap_or_default();
    let entries = entry::read(&text);
    let Some(Entry::Run { tag: written, process, boot, cgroups, engine, .. }) = entries.first()
    else {
        // Killed before its first line, so before it made anything in its directories.
        if count(&directory.path().join(super::SANDBOXES)) + count(&directory.snapshots()) == 0 {
            finish(&directory, CleanedRun { tag: tag.0, ..CleanedRun::default() }, report);
        }
        return;
    };
    let same_boot = *boot == boot_id();
    if same_boot && process.exists() {
        // It lives and is just about to take its lock.
        report.live.push(tag.0);
        return;
    }
    if *written != tag.0 {
        let path = directory.path().display();
        report.problems.push(format!("{path}: its journal belongs to run {written}; left alone"));
        return;
    }
    let mut removed = CleanedRun { tag: tag.0.clone(), ..CleanedRun::default() };
    let mut all_gone = true;
    if same_boot {
        all_gone &= kill_processes(&tag, &entries, &mut removed, report);
        all_gone &= remove_cgroups(&tag, cgroups, &mut removed, report);
    }
    if let Some(engine) = engine {
        all_gone &= remove_from_engine(&tag, engine, &mut removed, report);
    }
    all_gone &= remove_mounts(&directory, &mut removed, report);
    if !all_gone {
        // The journal stays, so that the next attempt knows what this one could not remove.
        report.removed.push(removed);
        return;
    }
    removed.directories = count(&directory.path().join(super::SANDBOXES));
    removed.snapshots = count(&directory.snapshots());
    finish(&directory, removed, report);
}

/// Takes a run's lock; false where the run lives. A child that a run forked in the instant of its kill
/// holds the lock until it executes its program, so the lock of a run that is gone is asked for again.
fn take_lock(journal: &File, directory: &RunDirectory) -> bool {
    let deadline = Instant::now() + FORKED_WITHIN;
    while flock(journal, FlockOperation::NonBlockingLockExclusive).is_err() {
        if !is_gone(directory) || Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(ASK_AGAIN);
    }
    true
}

/// Whether the process that wrote a journal is no more.
fn is_gone(directory: &RunDirectory) -> bool {
    let text = fs::read_to_string(directory.journal()).unwrap_or_default();
    match entry::read(&text).first() {
        Some(Entry::Run { process, boot, .. }) => *boot != boot_id() || !process.exists(),
        _ => false,
    }
}

fn count(directory: &Path) -> u64 {
    fs::read_dir(directory).map_or(0, |entries| entries.count() as u64)
}

fn finish(directory: &RunDirectory, removed: CleanedRun, report: &mut CleanReport) {
    match remove_run(directory) {
        Ok(()) => report.removed.push(removed),
        Err(error) => report.problems.push(error.to_string()),
    }
}

/// Those that the journal names, then those that carry its tag: a launcher that was started in the
/// instant of the kill may not have been noted. False if one remains.
fn kill_processes(
    tag: &RunTag,
    entries: &[Entry],
    removed: &mut CleanedRun,
    report: &mut CleanReport,
) -> bool {
    let mut all_gone = true;
    let noted = entries.iter().filter_map(|entry| match entry {
        Entry::Started { process, .. } => Some(*process),
        _ => None,
    });
    let noted: Vec<ProcessId> = noted.collect();
    removed.processes += ask_to_end(&noted, ASKED_WITHIN);
    for process in noted.into_iter().chain(processes_of(tag.as_str())) {
        match kill(process, END_WITHIN) {
            Ok(killed) => removed.processes += u64::from(killed),
            Err(error) => {
                all_gone = false;
                report.problems.push(format!("cannot kill {}: {error}", process.pid));
            }
        }
    }
    all_gone
}

fn remove_cgroups(
    tag: &RunTag,
    cgroups: &[PathBuf],
    removed: &mut CleanedRun,
    report: &mut CleanReport,
) -> bool {
    let mut all_gone = true;
    for path in cgroups {
        if !cgroup::belongs_to(path, tag.as_str()) {
            let path = path.display();
            report.problems.push(format!("{path} is not named after run {tag}; left alone"));
            continue;
        }
        match cgroup::remove_run_group(path) {
            Ok(count) => removed.cgroups += count,
            Err(error) => {
                all_gone = false;
                report.problems.push(format!("cannot remove {}: {error}", path.display()));
            }
        }
    }
    all_gone
}

/// Containers and images that carry the run's label: also those of an earlier boot, for an engine keeps
/// them.
fn remove_from_engine(
    tag: &RunTag,
    engine: &Path,
    removed: &mut CleanedRun,
    report: &mut CleanReport,
) -> bool {
    match docker::remove_all_of(engine, tag.as_str()) {
        Ok((containers, images)) => {
            (removed.containers, removed.images) = (containers, images);
            true
        }
        Err(error) => {
            let socket = engine.display();
            let problem =
                format!("cannot remove what {tag} made on the engine at {socket}: {error}");
            report.problems.push(problem);
            false
        }
    }
}

/// What is mounted below the run's directory was put there by the run.
fn remove_mounts(
    directory: &RunDirectory,
    removed: &mut CleanedRun,
    report: &mut CleanReport,
) -> bool {
    let (gone, problems) = unmount_below(directory.path());
    removed.mounts += gone;
    let all_gone = problems.is_empty();
    report.problems.extend(problems);
    all_gone
}

/// Unmounts what is mounted below a directory in this process's mount namespace, the last first.
/// Returns how many there were, and what could not be unmounted.
pub fn unmount_below(directory: &Path) -> (u64, Vec<String>) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let below: Vec<PathBuf> = points.filter(|point| point.starts_with(directory)).collect();
    let mut gone = 0;
    let mut problems = Vec::new();
    for point in below.iter().rev() {
        match unmount(point, UnmountFlags::DETACH) {
            Ok(()) => gone += 1,
            Err(error) => problems.push(format!("cannot unmount {}: {error}", point.display())),
        }
    }
    (gone, problems)
}

/// A path of mountinfo, where blanks and backslashes stand as octal numbers; proc(5).
fn unescaped(path: &str) -> PathBuf {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    let text = codes.iter().fold(path.to_owned(), |text, (code, plain)| text.replace(code, plain));
    PathBuf::from(text)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::super::Journal;
    use super::*;

    struct Run {
        directory: RunDirectory,
        tag: RunTag,
    }

    /// A run directory as a driver leaves it that was killed.
    fn dead_run(state: &Path, started: &[ProcessId]) -> Run {
        let tag = RunTag::fresh().unwrap();
        let directory = RunDirectory::of(state, &tag);
        fs::create_dir_all(directory.sandbox(0).join("files")).unwrap();
        fs::create_dir_all(directory.snapshots()).unwrap();
        fs::write(directory.snapshots().join("0"), "packed").unwrap();
        let run = Entry::Run {
            tag: tag.0.clone(),
            process: ProcessId { started: 0, ..ProcessId::own().unwrap() },
            boot: boot_id(),
            version: String::new(),
            began: String::new(),
            cgroups: vec![PathBuf::from("/sys/fs/cgroup/memory/somebody-elses")],
            engine: None,
        };
        let mut text = run.line() + &Entry::Intent { from: 0, below: 64 }.line();
        for process in started {
            text += &Entry::Started { slot: 0, process: *process }.line();
        }
        fs::write(directory.journal(), text).unwrap();
        Run { directory, tag }
    }

    /// A process that ends with the test, also where the test fails.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleeper() -> (Sleeper, ProcessId) {
        let child = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
        let process = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        (Sleeper(child), process)
    }

    #[test]
    fn a_dead_runs_process_and_directories_go_and_a_reused_pid_stays() {
        let state = tempfile::tempdir().unwrap();
        let (mut left, noted) = sleeper();
        let (mut stranger, reused) = sleeper();
        let old = ProcessId { started: reused.started - 1, ..reused };
        let run = dead_run(state.path(), &[noted, old]);
        let report = clean(state.path()).unwrap();
        assert_eq!(report.removed.len(), 1);
        let removed = &report.removed[0];
        assert_eq!((removed.processes, removed.directories, removed.snapshots), (1, 1, 1));
        assert!(!run.directory.path().exists());
        assert!(!left.0.wait().unwrap().success());
        assert!(stranger.0.try_wait().unwrap().is_none(), "a stranger was killed");
        // A control group that is not named after the run is not the run's, whoever wrote it there.
        assert!(report.problems[0].contains("left alone"), "{:?}", report.problems);
        assert!(report.problems[0].contains(run.tag.as_str()));
    }

    #[test]
    fn a_live_run_and_a_strangers_directory_are_not_touched() {
        let state = tempfile::tempdir().unwrap();
        let tag = RunTag::fresh().unwrap();
        let journal = Journal::begin(state.path(), tag.clone(), &[]).unwrap();
        fs::create_dir_all(state.path().join("runs/notes")).unwrap();
        let report = clean(state.path()).unwrap();
        assert_eq!(report, CleanReport { live: vec![tag.0], ..CleanReport::default() });
        assert!(state.path().join("runs/notes").exists());
        journal.end().unwrap();
    }

    #[test]
    fn a_lock_that_a_dying_runs_child_still_holds_is_waited_for() {
        let state = tempfile::tempdir().unwrap();
        let run = dead_run(state.path(), &[]);
        let journal = File::open(run.directory.journal()).unwrap();
        flock(&journal, FlockOperation::NonBlockingLockExclusive).unwrap();
        let holder = Command::new("sleep").arg("0.2").stdin(Stdio::from(journal)).spawn().unwrap();
        let holder = Sleeper(holder);
        let report = clean(state.path()).unwrap();
        assert_eq!((report.live.len(), report.removed.len()), (0, 1));
        drop(holder);
    }

    #[test]
    fn a_run_of_another_boot_leaves_no_processes_to_kill() {
        let state = tempfile::tempdir().unwrap();
        let (mut stranger, process) = sleeper();
        let run = dead_run(state.path(), &[process]);
        let text = fs::read_to_string(run.directory.journal()).unwrap();
        fs::write(run.directory.journal(), text.replace(&boot_id(), "an-earlier-boot")).unwrap();
        let report = clean(state.path()).unwrap();
        assert_eq!((report.removed.len(), report.removed[0].processes), (1, 0));
        assert!(stranger.0.try_wait().unwrap().is_none());
    }

    #[test]
    fn a_mount_points_blanks_are_read() {
        assert_eq!(
            unescaped("/state/with\\040blank\\134slash"),
            Path::new("/state/with blank\\slash")
        );
    }

    #[test]
    fn no_state_at_all_is_clean() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(clean(&state.path().join("never-made")).unwrap(), CleanReport::default());
    }
}
