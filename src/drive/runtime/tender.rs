//! Starting programs that make sandboxes, each under a tender of its own; see [`crate::drive::guest`].

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use tokio::net::UnixStream;

use super::RuntimeError;
use super::blame::{STDERR, no_process};
use super::children::{Children, KILL_WITHIN, Spawner};
use super::link::Link;
use super::managed::Desk;
use crate::drive::guest::protocol::Tend;
use crate::drive::journal::ProcessId;
use crate::units::Span;

/// The tenders of a run.
#[derive(Debug)]
pub struct Tenders {
    children: Arc<Children>,
    spawner: Spawner,
}

impl Tenders {
    /// None yet.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start() -> Result<Self, RuntimeError> {
        let children = Arc::new(Children::default());
        let spawner = Spawner::start(Arc::clone(&children)).map_err(no_process)?;
        Ok(Tenders { children, spawner })
    }

    /// Starts a program under a tender. Returns the tender and the driver's end of the socket that
    /// the program has as standard input and output.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn tend(
        &self,
        desk: &Desk,
        slot: u64,
        tend: &Tend,
    ) -> Result<(ProcessId, UnixStream), RuntimeError> {
        let (command, ours) = prepared(desk, slot, tend).map_err(no_process)?;
        let process = self.spawner.spawn(slot, command).await.map_err(no_process)?;
        desk.journal.started(slot, process);
        Ok((process, ours))
    }

    /// Ends a sandbox: asks its guest over the link, waits, has it killed. True if it had to be.
    ///
    /// # Errors
    /// If it does not end even so.
    pub async fn stop(
        &self,
        slot: u64,
        link: Option<&Link>,
        within: Span,
    ) -> Result<bool, RuntimeError> {
        self.children.stop(slot, link, within).await.map_err(no_process)
    }

    /// Waits until a sandbox has ended by itself; false if it has not within `bound`.
    ///
    /// # Errors
    /// If its tender cannot be waited for.
    pub async fn ended(&self, slot: u64, bound: Span) -> Result<bool, RuntimeError> {
        self.children.ended(slot, bound).await.map_err(no_process)
    }

    /// Ends all, without a tokio runtime, and lets no new ones start.
    pub fn kill_all(&self) -> (u64, Vec<String>) {
        self.children.kill_all(KILL_WITHIN)
    }
}

fn prepared(desk: &Desk, slot: u64, tend: &Tend) -> io::Result<(Command, UnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let input = OwnedFd::from(theirs);
    let output = input.try_clone()?;
    let stderr = File::options().create(true).append(true).open(tend.directory.join(STDERR))?;
    let tend = serde_json::to_string(tend)?;
    let mut command = Command::new(&desk.common.launcher);
    command
        .args(["guest", "tend", desk.journal.tag().as_str(), &slot.to_string(), &tend])
        // Out of the terminal's process group: a Ctrl-C is for the driver, which drains.
        .process_group(0)
        .stdin(input)
        .stdout(output)
        .stderr(stderr);
    Ok((command, UnixStream::from_std(ours)?))
}
