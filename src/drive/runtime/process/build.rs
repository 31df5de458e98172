//! Making a sandbox, from nothing or from a snapshot.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use tokio::net::UnixStream;

use super::Process;
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::{Boot, GuestLimits};
use crate::drive::journal::ProcessId;
use crate::drive::runtime::blame::{STDERR, no_process};
use crate::drive::runtime::cgroup::GUEST_MEMORY;
use crate::drive::runtime::managed::{Built, Desk, Order, Source, note, span};
use crate::drive::runtime::pack::{self, FILES, IDENTITY};
use crate::drive::runtime::{RuntimeError, Stage, Stages};
use crate::units::Span;

type ProcessOrder<'a> = Order<'a, PathBuf>;

/// What the first part of making a sandbox gives.
struct Prepared {
    directory: PathBuf,
    joins: Vec<PathBuf>,
    unpacking: Span,
}

impl Process {
    /// Makes a sandbox and waits until its guest serves.
    pub(super) async fn launch(
        &self,
        desk: &Desk,
        slot: u64,
        order: ProcessOrder<'_>,
        stages: &mut Stages,
    ) -> Result<Built<ProcessId>, RuntimeError> {
        let reserved = monotonic_nanos();
        let prepared = self.prepare(desk, slot, order).await?;
        let asked = monotonic_nanos();
        stages.push(Stage::Prepare, span(reserved, asked).saturating_sub(prepared.unpacking));
        if !prepared.unpacking.is_zero() {
            stages.push(Stage::Unpack, prepared.unpacking);
        }
        let (process, stream) = self.spawn(desk, slot, order, &prepared).await?;
        desk.journal.started(slot, process);
        let met = desk.meet(order.sandbox, &prepared.directory, stream).await?;
        note(stages, Stage::Spawn, asked, met.launched_ns);
        note(stages, Stage::Isolate, met.launched_ns, met.isolated_ns);
        note(stages, Stage::Start, met.isolated_ns, met.heard);
        Ok(Built { link: met.link, identity: met.identity, nonce: met.nonce, body: process })
    }

    /// Directories, identity or snapshot, control groups.
    async fn prepare(
        &self,
        desk: &Desk,
        slot: u64,
        order: ProcessOrder<'_>,
    ) -> Result<Prepared, RuntimeError> {
        enum Owned {
            Token(String),
            Archive(PathBuf),
        }
        let source = match order.source {
            Source::Token(token) => Owned::Token(token.to_owned()),
            Source::Snapshot(path) => Owned::Archive(path.clone()),
        };
        let directory = desk.directory(slot);
        let (cgroups, limits) = (self.cgroups.clone(), order.limits);
        desk.blocking("prepare a sandbox's directory", move || {
            fs::create_dir(&directory)?;
            fs::create_dir(directory.join("root"))?;
            let unpacking = match source {
                Owned::Token(token) => {
                    fs::create_dir(directory.join(FILES))?;
                    let mut options = OpenOptions::new();
                    let file = options.write(true).create_new(true).mode(0o400);
                    file.open(directory.join(IDENTITY))?.write_all(token.as_bytes())?;
                    Span::ZERO
                }
                Owned::Archive(archive) => {
                    let began = monotonic_nanos();
                    pack::unpack(&archive, &directory)?;
                    since(began)
                }
            };
            let joins = cgroups.add(slot, &limits)?;
            Ok(Prepared { directory, joins, unpacking })
        })
        .await
    }

    async fn spawn(
        &self,
        desk: &Desk,
        slot: u64,
        order: ProcessOrder<'_>,
        prepared: &Prepared,
    ) -> Result<(ProcessId, UnixStream), RuntimeError> {
        let sockets = || -> io::Result<(UnixStream, OwnedFd, OwnedFd, File)> {
            let (ours, theirs) = StdUnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let input = OwnedFd::from(theirs);
            let output = input.try_clone()?;
            let stderr = File::create(prepared.directory.join(STDERR))?;
            Ok((UnixStream::from_std(ours)?, input, output, stderr))
        };
        let (ours, input, output, stderr) = sockets().map_err(no_process)?;
        let boot = Boot {
            driver: i32::try_from(std::process::id()).expect("pids fit"),
            features: self.features(),
            files: prepared.directory.join(FILES),
            identity: prepared.directory.join(IDENTITY),
            root: prepared.directory.join("root"),
            cgroups: prepared.joins.clone(),
            limits: GuestLimits {
                data_bytes: (order.limits.memory + GUEST_MEMORY).0,
                file_bytes: order.limits.disk.0,
                processes: order.limits.processes,
            },
        };
        let boot = serde_json::to_string(&boot).map_err(|error| no_process(error.into()))?;
        let mut command = Command::new(&self.config.launcher);
        command
            .args(["guest", "launch", desk.journal.tag().as_str(), &slot.to_string(), &boot])
            .env_clear()
            .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
            // Out of the terminal's process group: a Ctrl-C is for the driver, which drains.
            .process_group(0)
            .stdin(input)
            .stdout(output)
            .stderr(stderr);
        let process = self.spawner.spawn(slot, command).await.map_err(no_process)?;
        Ok((process, ours))
    }
}

fn since(stamp: u64) -> Span {
    span(stamp, monotonic_nanos())
}
