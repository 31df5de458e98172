//! One container's life.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{MutexGuard, PoisonError};

use super::bundle::{Bundle, PID, UPPER, unmount_root};
use super::{Found, Groups, Oci};
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::Tend;
use crate::drive::journal::{ProcessId, unmount_below};
use crate::drive::runtime::cgroup::{Controller, GUEST_MEMORY, kill_run_group};
use crate::drive::runtime::layer;
use crate::drive::runtime::managed::{
    Built, Desk, Order, Sandbox, Saved, Source, Tier, image, note, span,
};
use crate::drive::runtime::pack::ARCHIVE;
use crate::drive::runtime::{
    Abilities, Footprint, Limits, LostIsolation, RuntimeError, Stage, Stages,
};
use crate::units::{Bytes, Span};

/// Host threads that gVisor needs beside the processes of the sandbox.
const SENTRY_THREADS: u64 = 1024;

/// A container that runs.
#[derive(Clone, Copy, Debug)]
pub struct Container {
    /// Its tender.
    pub tender: ProcessId,
}

/// A snapshot in the store.
#[derive(Debug)]
pub struct Stored {
    archive: PathBuf,
    memory: Option<PathBuf>,
}

impl Oci {
    pub(super) fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bundle(&self, desk: &Desk, slot: u64, limits: Limits) -> Bundle {
        let group =
            (self.config.groups == Groups::Runtime).then(|| self.cgroups.runtime_path(slot));
        Bundle {
            directory: desk.directory(slot),
            image: desk.journal.directory().image(),
            tag: desk.journal.tag().as_str().to_owned(),
            slot,
            limits,
            overhead: self.config.overhead,
            library_path: image::library_path(&self.needs),
            group,
            network: self.config.network,
            // gVisor and machines have keyrings of their own, or none.
            filters: self.config.shares_kernel(),
        }
    }

    /// The runtime, with a command and a container's name at its end.
    fn command(&self, desk: &Desk, slot: u64, words: &[&str]) -> Vec<String> {
        let mut all = self.config.leading(&desk.journal.directory().runtime());
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.push(format!("plimsoll-{}-{slot}", desk.journal.tag()));
        all
    }

    /// The files through which a sandbox's processes join their groups.
    fn groups(&self, slot: u64, limits: &Limits) -> io::Result<Vec<PathBuf>> {
        match self.config.groups {
            Groups::Runtime => Ok(self.joins.clone()),
            Groups::Plimsoll => {
                let extra = self.config.overhead.0.saturating_sub(GUEST_MEMORY.0);
                let limits = Limits {
                    memory: limits.memory + Bytes(extra),
                    processes: limits.processes + SENTRY_THREADS,
                    ..*limits
                };
                self.cgroups.add(slot, &limits)
            }
        }
    }

    /// Files, mounts and groups of a sandbox. Returns which groups to join, and how long unpacking
    /// took.
    async fn prepare(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Stored>,
    ) -> Result<(Vec<PathBuf>, Span), RuntimeError> {
        enum Owned {
            Token(String),
            Archive(PathBuf),
        }
        let source = match order.source {
            Source::Token(token) => Owned::Token(token.to_owned()),
            Source::Snapshot(stored) => Owned::Archive(stored.archive.clone()),
        };
        let bundle = self.bundle(desk, slot, order.limits);
        let unpacking = desk
            .blocking("make a container's bundle", move || {
                fs::create_dir(&bundle.directory)?;
                let mut unpacking = Span::ZERO;
                match source {
                    Owned::Token(token) => bundle.with_token(&token)?,
                    Owned::Archive(archive) => {
                        let began = monotonic_nanos();
                        bundle.with_layer(&archive)?;
                        unpacking = span(began, monotonic_nanos());
                    }
                }
                bundle.finish()?;
                Ok(unpacking)
            })
            .await?;
        let groups = self.groups(slot, &order.limits);
        let groups = groups.map_err(|source| RuntimeError::Environment {
            what: "make a sandbox's control groups".into(),
            source,
            mend: "run as root, and see what `plimsoll doctor` says of control groups",
        })?;
        Ok((groups, unpacking))
    }

    /// Has the runtime write a container's memory; the container then ends.
    async fn checkpoint(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
        memory: &Path,
    ) -> Result<Bytes, RuntimeError> {
        let to = memory.display().to_string();
        let words = self.command(desk, live.slot, &["checkpoint", "--image-path", &to]);
        let joins = match self.config.groups {
            Groups::Runtime => self.joins.clone(),
            Groups::Plimsoll => Vec::new(),
        };
        let memory = memory.to_owned();
        desk.blocking("write a container's memory", move || {
            fs::create_dir(&memory)?;
            run(&words, &joins)?;
            sync_and_measure(&memory)
        })
        .await
    }
}

/// Runs a command of the runtime to its end.
fn run(words: &[String], joins: &[PathBuf]) -> io::Result<()> {
    let open = |path: &PathBuf| File::options().write(true).open(path);
    let groups: Vec<File> = joins.iter().map(open).collect::<Result<_, _>>()?;
    let [program, arguments @ ..] = words else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    // SAFETY: between fork and exec there are only writes to descriptors opened before.
    unsafe {
        command.pre_exec(move || groups.iter().try_for_each(|mut group| group.write_all(b"0")));
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{program} failed with {}: {said}", output.status)))
}

/// Brings the files of a directory to the disk, and adds up their sizes.
fn sync_and_measure(directory: &Path) -> io::Result<Bytes> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        bytes += file.metadata()?.len();
    }
    Ok(Bytes(bytes))
}

impl Tier for Oci {
    type Body = Container;
    type Stored = Stored;

    fn abilities(&self) -> Abilities {
        let limits = |which| self.config.groups == Groups::Runtime || self.cgroups.limits(which);
        Abilities {
            name: self.config.name.clone().into(),
            real: true,
            snapshot_files: true,
            snapshot_memory: self.found().memory,
            limits_memory: limits(Controller::Memory),
            // Where plimsoll makes the groups they hold what the runtime itself needs, too.
            limits_processes: self.config.groups == Groups::Runtime,
            limits_cpu: limits(Controller::Cpu),
            clock_shared: self.config.clock_shared,
        }
    }

    fn lost(&self) -> Vec<LostIsolation> {
        self.found().lost.clone()
    }

    fn guest_paces(&self) -> bool {
        !self.abilities().limits_cpu
    }

    async fn build(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Stored>,
        stages: &mut Stages,
    ) -> Result<Built<Container>, RuntimeError> {
        let reserved = monotonic_nanos();
        let (cgroups, unpacking) = self.prepare(desk, slot, order).await?;
        let asked = monotonic_nanos();
        stages.push(Stage::Prepare, span(reserved, asked).saturating_sub(unpacking));
        if !unpacking.is_zero() {
            stages.push(Stage::Unpack, unpacking);
        }
        let directory = desk.directory(slot);
        let (bundle, pid) = (directory.display().to_string(), directory.join(PID));
        let pid_file = pid.display().to_string();
        let memory = match order.source {
            Source::Token(_) => None,
            Source::Snapshot(stored) => stored.memory.as_ref(),
        };
        let verb = if memory.is_some() { "restore" } else { "run" };
        let mut words = vec![verb, "--detach", "--bundle", &bundle, "--pid-file", &pid_file];
        let image = memory.map(|path| path.display().to_string());
        if let Some(image) = &image {
            words.extend(["--image-path", image]);
        }
        let tend = Tend {
            driver: i32::try_from(std::process::id()).expect("pids fit"),
            cgroups,
            directory: directory.clone(),
            run: self.command(desk, slot, &words),
            pid_file: Some(pid),
            after: self.command(desk, slot, &["delete", "--force"]),
        };
        let (tender, stream) = self.tenders.tend(desk, slot, &tend).await?;
        let met = if memory.is_some() {
            let met = desk.meet_again(order.sandbox, &directory, stream).await?;
            note(stages, Stage::Resume, asked, met.heard);
            met
        } else {
            let met = desk.meet(order.sandbox, &directory, stream).await?;
            note(stages, Stage::Isolate, asked, met.began);
            note(stages, Stage::Start, met.began, met.heard);
            met
        };
        let body = Container { tender };
        Ok(Built { link: met.link, identity: met.identity, nonce: met.nonce, body })
    }

    async fn footprint(&self, _: &Desk, live: &Sandbox<Self>) -> Result<Footprint, RuntimeError> {
        Ok(Footprint { roots: vec![live.body.tender.pid], sessions: 1 })
    }

    async fn save(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
        place: &Path,
        stages: &mut Stages,
    ) -> Result<Saved<Stored>, RuntimeError> {
        let began = monotonic_nanos();
        let keeps_memory = self.found().memory;
        let (memory, image) = if keeps_memory {
            let path = place.join("memory");
            let bytes = self.checkpoint(desk, live, &path).await?;
            (bytes, Some(path))
        } else {
            (Bytes(0), None)
        };
        let written = monotonic_nanos();
        if keeps_memory {
            note(stages, Stage::Memory, began, written);
        }
        self.stop(desk, live.slot, Some(live), desk.common.stop_within).await?;
        let stopped = monotonic_nanos();
        note(stages, Stage::Stop, written, stopped);
        let (upper, archive) = (desk.directory(live.slot).join(UPPER), place.join(ARCHIVE));
        let to = archive.clone();
        let packed = desk.blocking("pack a layer", move || layer::pack(&upper, &to)).await?;
        let packing = span(stopped, monotonic_nanos());
        stages.push(Stage::Pack, packing.saturating_sub(packed.syncing));
        stages.push(Stage::Sync, packed.syncing);
        let stored = Stored { archive, memory: image };
        Ok(Saved { stored, bytes: packed.bytes + memory, memory, memory_raw: None })
    }

    async fn stop(
        &self,
        _: &Desk,
        slot: u64,
        live: Option<&Sandbox<Self>>,
        within: Span,
    ) -> Result<bool, RuntimeError> {
        self.tenders.stop(slot, live.map(|live| &live.link), within).await
    }

    async fn clear(&self, desk: &Desk, slot: u64) -> Result<(), RuntimeError> {
        let (cgroups, directory) = (self.cgroups.clone(), desk.directory(slot));
        desk.blocking("remove a container's mounts and control groups", move || {
            unmount_root(&directory)?;
            cgroups.remove(slot)
        })
        .await
    }

    fn kill_all(&self) -> (u64, Vec<String>) {
        let (killed, mut left) = self.tenders.kill_all();
        for path in self.cgroups.paths() {
            if let Err(error) = kill_run_group(&path) {
                left.push(format!("processes of {}: {error}", path.display()));
            }
        }
        (killed, left)
    }

    fn clear_all(&self, desk: &Desk) -> Vec<String> {
        let (_, mut left) = unmount_below(desk.journal.directory().path());
        left.extend(self.cgroups.remove_all());
        left
    }
}
