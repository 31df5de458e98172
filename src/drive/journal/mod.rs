//! The write-ahead journal: what a run is about to make is on the disk before it exists, so that
//! whatever kills the driver, [`clean`] knows what it left, and that it is this run's.
//!
//! 1. At its start a run makes `<state>/runs/<tag>/`, writes who it is, and holds a lock on the
//!    journal for as long as it lives.
//! 2. It reserves numbers (*slots*) for sandboxes, some ahead, so that no start waits for the disk.
//!    A slot's directories and control groups follow from the number.
//! 3. The pid and its start time are noted when a sandbox runs, and the end when all of it is gone.
//! 4. After everything else the journal itself is removed.

mod clean;
mod entry;
mod proc;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rustix::fs::{FlockOperation, flock};
use tokio::sync::watch;

pub use clean::{CleanReport, CleanedRun, clean, unmount_below};
use entry::Entry;
pub use proc::{ProcessId, kill, processes_of, wait_for_end};

/// Slots reserved with one write. One disk sync serves as many sandboxes.
const BLOCK: u64 = 64;

/// When fewer reserved slots than this are left the next block is reserved.
const LOW: u64 = 32;

const SANDBOXES: &str = "sandboxes";

/// Why the journal cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// No place for state is known.
    #[error("no directory for state: set PLIMSOLL_STATE, XDG_STATE_HOME or HOME")]
    NoStateDirectory,
    /// The journal's directory or file cannot be made or read.
    #[error(
        "cannot {what} {path}: {source}; make it writable, or set PLIMSOLL_STATE to another directory"
    )]
    File {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed, so nothing more may be made.
    #[error(
        "the journal cannot be written: {0}; free some disk space, or set PLIMSOLL_STATE to another directory"
    )]
    Write(String),
}

fn at<T>(what: &'static str, path: &Path, outcome: io::Result<T>) -> Result<T, JournalError> {
    outcome.map_err(|source| JournalError::File { what, path: path.to_owned(), source })
}

/// Where state is kept: `$PLIMSOLL_STATE`, else `$XDG_STATE_HOME/plimsoll`, else
/// `~/.local/state/plimsoll`.
///
/// # Errors
/// If none of the variables is set.
pub fn state_directory() -> Result<PathBuf, JournalError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(state) = variable("PLIMSOLL_STATE") {
        return Ok(PathBuf::from(state));
    }
    let base = match variable("XDG_STATE_HOME") {
        Some(base) => PathBuf::from(base),
        None => match variable("HOME") {
            Some(home) => PathBuf::from(home).join(".local/state"),
            None => return Err(JournalError::NoStateDirectory),
        },
    };
    Ok(base.join("plimsoll"))
}

/// Marks everything that belongs to one run. Unique: wall-clock time, pid and a random part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunTag(String);

impl RunTag {
    /// A tag that no other run has.
    ///
    /// # Errors
    /// If the kernel gives no random bytes.
    pub fn fresh() -> Result<Self, JournalError> {
        let source = Path::new("/dev/urandom");
        let mut random = [0_u8; 4];
        let mut file = at("open", source, File::open(source))?;
        at("read", source, io::Read::read_exact(&mut file, &mut random))?;
        let random = u32::from_ne_bytes(random);
        let seconds = jiff::Timestamp::now().as_second();
        Ok(RunTag(format!("{seconds}-{}-{random:08x}", std::process::id())))
    }

    /// The tag as text: digits, lower-case letters and hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The directories of a run.
#[derive(Clone, Debug)]
pub struct RunDirectory(PathBuf);

impl RunDirectory {
    /// Where a run keeps its things.
    pub fn of(state: &Path, tag: &RunTag) -> Self {
        RunDirectory(state.join("runs").join(tag.as_str()))
    }

    /// All of it.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What belongs to one sandbox.
    pub fn sandbox(&self, slot: u64) -> PathBuf {
        self.0.join(SANDBOXES).join(slot.to_string())
    }

    /// The snapshot store.
    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    /// The root file system that the run's sandboxes share.
    pub fn image(&self) -> PathBuf {
        self.0.join("image")
    }

    /// What a container runtime keeps of its own.
    pub fn runtime(&self) -> PathBuf {
        self.0.join("runtime")
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }
}

/// How far the reservation of slots is on the disk.
#[derive(Clone, Debug, Default)]
struct Durable {
    below: u64,
    failed: Option<String>,
}

enum Order {
    Write(Entry),
    Stop,
}

/// The journal of a run that lives.
#[derive(Debug)]
pub struct Journal {
    tag: RunTag,
    directory: RunDirectory,
    // Holds the lock that tells other processes that this run lives.
    _lock: File,
    orders: Mutex<mpsc::Sender<Order>>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
    next: AtomicU64,
    asked_below: AtomicU64,
    durable: watch::Receiver<Durable>,
}

impl Journal {
    /// Begins a run: makes its directory, takes the lock, writes who it is and the control groups
    /// it is about to make, and reserves the first slots.
    ///
    /// # Errors
    /// If the state directory cannot be written.
    pub fn begin(state: &Path, tag: RunTag, cgroups: &[PathBuf]) -> Result<Self, JournalError> {
        Journal::begin_on(state, tag, cgroups, None)
    }

    /// The same for a run on a container engine, which listens at a socket: what it makes there
    /// carries the tag as a label.
    ///
    /// # Errors
    /// If the state directory cannot be written.
    pub fn begin_on(
        state: &Path,
        tag: RunTag,
        cgroups: &[PathBuf],
        engine: Option<&Path>,
    ) -> Result<Self, JournalError> {
        let directory = RunDirectory::of(state, &tag);
        // Made here and never again: once they are removed, nothing can be added to a run.
        for part in [directory.path().join(SANDBOXES), directory.snapshots()] {
            at("create", &part, fs::create_dir_all(&part))?;
        }
        let path = directory.journal();
        let open = OpenOptions::new().create_new(true).append(true).open(&path);
        let mut file = at("create", &path, open)?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        at("lock", &path, locked.map_err(io::Error::from))?;
        let run = Entry::Run {
            tag: tag.as_str().to_owned(),
            process: ProcessId::own().ok_or_else(|| no_proc("read"))?,
            boot: proc::boot_id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began: jiff::Timestamp::now().to_string(),
            cgroups: cgroups.to_vec(),
            engine: engine.map(Path::to_owned),
        };
        let first = Entry::Intent { from: 0, below: BLOCK };
        let text = run.line() + &first.line();
        at("write", &path, file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))?;
        // The directory entries too, or the journal may be lost where its sandboxes are not.
        for directory in [directory.path(), &state.join("runs")] {
            at("sync", directory, File::open(directory).and_then(|handle| handle.sync_all()))?;
        }
        let lock = at("open", &path, file.try_clone())?;
        let (orders, inbox) = mpsc::channel();
        let (say, durable) = watch::channel(Durable { below: BLOCK, failed: None });
        let writer = thread::Builder::new()
            .name("plimsoll-journal".into())
            .spawn(move || write_entries(file, &inbox, &say));
        let writer = at("start a writer for", &path, writer)?;
        Ok(Journal {
            tag,
            directory,
            _lock: lock,
            orders: Mutex::new(orders),
            writer: Mutex::new(Some(writer)),
            next: AtomicU64::new(0),
            asked_below: AtomicU64::new(BLOCK),
            durable,
        })
    }

    /// The run's tag.
    pub fn tag(&self) -> &RunTag {
        &self.tag
    }

    /// The run's directories.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// A number for a sandbox, whose intent is on the disk. Waits for the disk only if very many
    /// are asked for at once.
    ///
    /// # Errors
    /// If the journal could not be written.
    pub async fn reserve(&self) -> Result<u64, JournalError> {
        let slot = self.next.fetch_add(1, Ordering::AcqRel);
        self.ask_ahead(slot + 1 + LOW);
        let mut durable = self.durable.clone();
        let state = durable
            .wait_for(|durable| durable.below > slot || durable.failed.is_some())
            .await
            .map_err(|_| JournalError::Write("its writer has ended".into()))?;
        match &state.failed {
            Some(reason) => Err(JournalError::Write(reason.clone())),
            None => Ok(slot),
        }
    }

    /// Has blocks of slots reserved until those below `wanted` are.
    fn ask_ahead(&self, wanted: u64) {
        let grown = |asked: u64| (asked < wanted).then(|| wanted.div_ceil(BLOCK) * BLOCK);
        let update = self.asked_below.fetch_update(Ordering::AcqRel, Ordering::Acquire, grown);
        if let Ok(from) = update {
            self.order(Entry::Intent { from, below: wanted.div_ceil(BLOCK) * BLOCK });
        }
    }

    /// Notes a sandbox's process. Not waited for: the process also carries the run's tag.
    pub fn started(&self, slot: u64, process: ProcessId) {
        self.order(Entry::Started { slot, process });
    }

    /// Notes that nothing of a slot is left.
    pub fn done(&self, slot: u64) {
        self.order(Entry::Done { slot });
    }

    fn order(&self, entry: Entry) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // A writer that has failed has said so; what it misses are only notes.
        let _ = orders.send(Order::Write(entry));
    }

    /// Ends the run: removes its directory with whatever is in it, the journal last.
    ///
    /// # Errors
    /// If something cannot be removed; the journal then stays, for [`clean`].
    pub fn end(&self) -> Result<(), JournalError> {
        {
            let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = orders.send(Order::Stop);
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.join().map_err(|_| JournalError::Write("its writer panicked".into()))?;
        }
        remove_run(&self.directory)
    }
}

fn no_proc(what: &'static str) -> JournalError {
    JournalError::File {
        what,
        path: PathBuf::from("/proc/self/stat"),
        source: io::Error::from(io::ErrorKind::InvalidData),
    }
}

/// Removes a run's directory, the journal after all else; what is gone already is as well.
fn remove_run(directory: &RunDirectory) -> Result<(), JournalError> {
    let gone = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let sandboxes = directory.path().join(SANDBOXES);
    for part in [sandboxes, directory.snapshots(), directory.runtime(), directory.image()] {
        at("remove", &part, gone(fs::remove_dir_all(&part)))?;
    }
    let journal = directory.journal();
    at("remove", &journal, gone(fs::remove_file(&journal)))?;
    at("remove", directory.path(), gone(fs::remove_dir(directory.path())))
}

/// The writer thread: takes what has come in, writes it at once, and syncs if an intent is in it.
fn write_entries(mut file: File, inbox: &mpsc::Receiver<Order>, say: &watch::Sender<Durable>) {
    let mut stop = false;
    while !stop {
        let Ok(first) = inbox.recv() else { return };
        let mut text = String::new();
        let mut below = 0;
        for order in std::iter::once(first).chain(inbox.try_iter()) {
            match order {
                Order::Write(entry) => {
                    if let Entry::Intent { below: upto, .. } = entry {
                        below = below.max(upto);
                    }
                    text.push_str(&entry.line());
                }
                Order::Stop => stop = true,
            }
        }
        let mut outcome = file.write_all(text.as_bytes());
        if below > 0 && outcome.is_ok() {
            outcome = file.sync_data();
        }
        match outcome {
            Ok(()) => say.send_modify(|durable| durable.below = durable.below.max(below)),
            Err(error) => {
                say.send_modify(|durable| durable.failed = Some(error.to_string()));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn begin(state: &Path) -> Journal {
        Journal::begin(state, RunTag::fresh().unwrap(), &[]).unwrap()
    }

    #[test]
    fn every_slot_is_on_the_disk_before_it_is_given_out() {
        let state = tempfile::tempdir().unwrap();
        let journal = begin(state.path());
        block_on(async {
            for expected in 0..300 {
                assert_eq!(journal.reserve().await.unwrap(), expected);
                let text = fs::read_to_string(journal.directory().journal()).unwrap();
                let written = entry::read(&text);
                let covered = written.iter().any(|entry| {
                    matches!(entry, Entry::Intent { from, below } if (*from..*below).contains(&expected))
                });
                assert!(covered, "slot {expected} was given out before its intent was written");
            }
        });
        journal.end().unwrap();
    }

    #[test]
    fn an_ended_run_leaves_nothing() {
        let state = tempfile::tempdir().unwrap();
        let journal = begin(state.path());
        fs::create_dir_all(journal.directory().sandbox(3).join("files")).unwrap();
        journal.started(3, ProcessId::own().unwrap());
        journal.done(3);
        journal.end().unwrap();
        assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
    }

    #[test]
    fn tags_differ() {
        assert_ne!(RunTag::fresh().unwrap(), RunTag::fresh().unwrap());
    }
}
