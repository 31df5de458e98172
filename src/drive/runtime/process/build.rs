//! Making a sandbox, from nothing or from a snapshot.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::net::UnixStream;

use super::Inner;
use super::link::Link;
use super::pack::{self, FILES, IDENTITY};
use super::sandbox::{Sandbox, babble, gone, no_process};
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::{Boot, Feature, GuestLimits, Message};
use crate::drive::journal::ProcessId;
use crate::drive::runtime::{Created, Limits, RuntimeError, SandboxId, Stage, Stages};
use crate::units::Span;

/// What a sandbox is made from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// Nothing but an identity token.
    Token(&'a str),
    /// A snapshot.
    Archive(&'a Path),
}

/// A sandbox to be made.
#[derive(Clone, Copy)]
pub struct BringUp<'a> {
    pub sandbox: SandboxId,
    pub limits: Limits,
    pub source: Source<'a>,
    pub features: &'a BTreeSet<Feature>,
}

/// Why a sandbox could not be made, and which isolation it failed for, if it was that.
pub struct Failed {
    pub feature: Option<Feature>,
    pub error: RuntimeError,
}

impl<E: Into<RuntimeError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed { feature: None, error: error.into() }
    }
}

/// What the first part of making a sandbox gives.
struct Prepared {
    directory: PathBuf,
    joins: Vec<PathBuf>,
    unpacking: Span,
}

impl Inner {
    /// Makes a sandbox; if that fails, what was made of it is removed.
    pub(super) async fn bring_up(&self, order: BringUp<'_>) -> Result<(Created, Sandbox), Failed> {
        let began = monotonic_nanos();
        let slot = self.journal.reserve().await?;
        let mut stages = Stages::default();
        stages.push(Stage::Journal, since(began));
        match self.build(slot, order, &mut stages).await {
            Ok(sandbox) => {
                // The stages leave no gap between each other.
                let began = self.clock.place(began);
                Ok((Created { began, ready: began + stages.total(), stages }, sandbox))
            }
            Err(failed) => {
                // What cannot be removed now is tried again at the run's end.
                let _ = self.remove(slot, None, Span::ZERO).await;
                Err(failed)
            }
        }
    }

    async fn build(
        &self,
        slot: u64,
        order: BringUp<'_>,
        stages: &mut Stages,
    ) -> Result<Sandbox, Failed> {
        let reserved = monotonic_nanos();
        let prepared = self.prepare(slot, order).await?;
        let asked = monotonic_nanos();
        stages.push(Stage::Prepare, span(reserved, asked).saturating_sub(prepared.unpacking));
        if !prepared.unpacking.is_zero() {
            stages.push(Stage::Unpack, prepared.unpacking);
        }
        let (process, stream) = self.spawn(slot, order, &prepared).await?;
        self.journal.started(slot, process);
        let within = self.config.create_within;
        let opened = match tokio::time::timeout(within.into(), Link::open(stream)).await {
            Ok(opened) => opened,
            Err(_) => {
                let what = "becoming ready";
                let sandbox = order.sandbox;
                return Err(RuntimeError::Timeout { sandbox, what, after: within }.into());
            }
        };
        let ((message, heard), link) =
            opened.map_err(|error| gone(order.sandbox, &prepared.directory, error))?;
        match message {
            Message::Ready { launched_ns, isolated_ns, identity, .. } => {
                stages.push(Stage::Spawn, span(asked, launched_ns));
                stages.push(Stage::Isolate, span(launched_ns, isolated_ns));
                stages.push(Stage::Start, span(isolated_ns, heard));
                let (directory, limits) = (prepared.directory, order.limits);
                Ok(Sandbox { slot, process, link, directory, limits, identity })
            }
            Message::Failed { feature, step, reason } => {
                let error = RuntimeError::Launch { sandbox: order.sandbox, step, reason };
                Err(Failed { feature, error })
            }
            other => Err(babble(order.sandbox, &other).into()),
        }
    }

    /// Directories, identity or snapshot, control groups.
    async fn prepare(&self, slot: u64, order: BringUp<'_>) -> Result<Prepared, RuntimeError> {
        enum Owned {
            Token(String),
            Archive(PathBuf),
        }
        let source = match order.source {
            Source::Token(token) => Owned::Token(token.to_owned()),
            Source::Archive(path) => Owned::Archive(path.to_owned()),
        };
        let directory = self.journal.directory().sandbox(slot);
        let (cgroups, limits) = (self.cgroups.clone(), order.limits);
        self.blocking("prepare a sandbox's directory", move || {
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
        slot: u64,
        order: BringUp<'_>,
        prepared: &Prepared,
    ) -> Result<(ProcessId, UnixStream), RuntimeError> {
        let sockets = || -> io::Result<(UnixStream, OwnedFd, OwnedFd, File)> {
            let (ours, theirs) = StdUnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let input = OwnedFd::from(theirs);
            let output = input.try_clone()?;
            let stderr = File::create(prepared.directory.join("stderr"))?;
            Ok((UnixStream::from_std(ours)?, input, output, stderr))
        };
        let (ours, input, output, stderr) = sockets().map_err(no_process)?;
        let boot = Boot {
            driver: i32::try_from(std::process::id()).expect("pids fit"),
            features: order.features.clone(),
            files: prepared.directory.join(FILES),
            identity: prepared.directory.join(IDENTITY),
            root: prepared.directory.join("root"),
            cgroups: prepared.joins.clone(),
            limits: GuestLimits {
                data_bytes: (order.limits.memory + super::cgroup::GUEST_MEMORY).0,
                file_bytes: order.limits.disk.0,
                processes: order.limits.processes,
            },
        };
        let boot = serde_json::to_string(&boot).map_err(|error| no_process(error.into()))?;
        let mut command = Command::new(&self.config.launcher);
        command
            .args(["guest", "launch", self.journal.tag().as_str(), &slot.to_string(), &boot])
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

fn span(from: u64, to: u64) -> Span {
    Span::from_nanos(to.saturating_sub(from))
}

fn since(stamp: u64) -> Span {
    span(stamp, monotonic_nanos())
}
