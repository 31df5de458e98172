//! What every tier works with: settings, clock, journal, and the first talk with a guest.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio::net::UnixStream;

use crate::drive::clock::{Clock, monotonic_nanos};
use crate::drive::guest::protocol::{Message, Request};
use crate::drive::journal::Journal;
use crate::drive::runtime::blame::{babble, gone};
use crate::drive::runtime::gate::Gate;
use crate::drive::runtime::link::{Heard, Link};
use crate::drive::runtime::{RuntimeError, SandboxId, Stage, Stages};
use crate::units::Span;

/// Settings that all tiers have.
#[derive(Clone, Debug)]
pub struct Common {
    /// The binary that understands `guest`.
    pub launcher: PathBuf,
    /// Where the journal, the sandboxes' files and the snapshots are kept.
    pub state: PathBuf,
    /// How long a sandbox may take to become ready.
    pub create_within: Span,
    /// How long a call may take.
    pub exec_within: Span,
    /// How long a guest may take to end when asked; then it is killed.
    pub stop_within: Span,
    /// Rounds of the guest's hash loop that make a reference-core second; measured if not given.
    pub rounds_per_second: Option<f64>,
}

/// What a tier works with.
#[derive(Debug)]
pub struct Desk {
    pub common: Common,
    pub clock: Clock,
    pub journal: Journal,
    pub(super) gate: Arc<Gate>,
    pub(super) rounds_per_second: OnceLock<f64>,
}

/// A guest that has said who it is.
#[derive(Debug)]
pub struct Met {
    pub link: Link,
    pub identity: String,
    pub nonce: String,
    /// When the launcher's `main` began and when the guest was executed, in the guest's clock; zero
    /// where there is no launcher.
    pub launched_ns: u64,
    pub isolated_ns: u64,
    /// When the driver heard of it.
    pub heard: u64,
    /// The guest's first instruction, on the driver's clock.
    pub began: u64,
}

impl Desk {
    /// A slot's directory.
    pub fn directory(&self, slot: u64) -> PathBuf {
        self.journal.directory().sandbox(slot)
    }

    /// Runs file work where it does not hold up the dispatcher.
    pub async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let gate = Arc::clone(&self.gate);
        let task = tokio::task::spawn_blocking(move || {
            let _inside = gate.enter()?;
            work()
        });
        let outcome = match task.await {
            Ok(outcome) => outcome,
            Err(error) => Err(error.into()),
        };
        let mend = "check the free space and the rights of the state directory (PLIMSOLL_STATE)";
        outcome.map_err(|source| RuntimeError::Environment { what: what.into(), source, mend })
    }

    /// Waits for a new guest's first word.
    pub async fn meet(
        &self,
        sandbox: SandboxId,
        directory: &Path,
        stream: UnixStream,
    ) -> Result<Met, RuntimeError> {
        let opened = self.becoming_ready(sandbox, "becoming ready", Link::open(stream)).await?;
        let ((message, heard), link) = opened.map_err(|error| gone(sandbox, directory, error))?;
        match message {
            Message::Ready { launched_ns, isolated_ns, began_ns, ready_ns, identity, nonce } => {
                let began = heard.saturating_sub(ready_ns.saturating_sub(began_ns));
                Ok(Met { link, identity, nonce, launched_ns, isolated_ns, heard, began })
            }
            Message::Failed { feature, step, reason } => {
                Err(RuntimeError::Launch { sandbox, feature, step, reason })
            }
            other => Err(babble(sandbox, &other)),
        }
    }

    /// Waits until a machine is up. Returns the link, and its guest's first instruction.
    pub async fn meet_machine(
        &self,
        sandbox: SandboxId,
        directory: &Path,
        stream: UnixStream,
        within: Span,
    ) -> Result<(Link, u64), RuntimeError> {
        let opened = in_time(sandbox, "booting", within, Link::open(stream)).await?;
        let ((message, heard), link) = opened.map_err(|error| gone(sandbox, directory, error))?;
        match message {
            Message::Up { began_ns, up_ns } => {
                Ok((link, heard.saturating_sub(up_ns.saturating_sub(began_ns))))
            }
            other => Err(babble(sandbox, &other)),
        }
    }

    /// Asks a guest that came back with its memory who it is.
    pub async fn meet_again(
        &self,
        sandbox: SandboxId,
        directory: &Path,
        stream: UnixStream,
    ) -> Result<Met, RuntimeError> {
        let link = Link::resume(stream);
        self.hello(sandbox, directory, link, |id| Request::Hello { id }).await
    }

    /// Asks a guest something that it answers with who it is.
    pub async fn hello(
        &self,
        sandbox: SandboxId,
        directory: &Path,
        link: Link,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<Met, RuntimeError> {
        let asked = monotonic_nanos();
        let what = "saying who it is";
        let answer = self.becoming_ready(sandbox, what, link.ask(request)).await?;
        match answer.map_err(|error| gone(sandbox, directory, error))? {
            (Message::Hello { identity, nonce, .. }, heard) => {
                let (launched_ns, isolated_ns) = (0, 0);
                Ok(Met { link, identity, nonce, launched_ns, isolated_ns, heard, began: asked })
            }
            (other, _) => Err(babble(sandbox, &other)),
        }
    }

    async fn becoming_ready<T>(
        &self,
        sandbox: SandboxId,
        what: &'static str,
        waits: impl Future<Output = T>,
    ) -> Result<T, RuntimeError> {
        in_time(sandbox, what, self.common.create_within, waits).await
    }

    /// Asks a guest something and waits for the answer.
    pub async fn ask(
        &self,
        name: SandboxId,
        slot: u64,
        link: &Link,
        what: &'static str,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<Heard, RuntimeError> {
        self.ask_with(name, slot, (link, None), what, request).await
    }

    /// As [`ask`](Self::ask), with a socket that goes along.
    pub async fn ask_with(
        &self,
        name: SandboxId,
        slot: u64,
        (link, socket): (&Link, Option<OwnedFd>),
        what: &'static str,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<Heard, RuntimeError> {
        let after = self.common.exec_within;
        match tokio::time::timeout(after.into(), link.ask_with(socket, request)).await {
            Ok(answer) => answer.map_err(|error| gone(name, &self.directory(slot), error)),
            Err(_) => Err(RuntimeError::Timeout { sandbox: name, what, after }),
        }
    }
}

async fn in_time<T>(
    sandbox: SandboxId,
    what: &'static str,
    after: Span,
    waits: impl Future<Output = T>,
) -> Result<T, RuntimeError> {
    let outcome = tokio::time::timeout(after.into(), waits).await;
    outcome.map_err(|_| RuntimeError::Timeout { sandbox, what, after })
}

/// Notes what lies between two stamps.
pub fn note(stages: &mut Stages, stage: Stage, from: u64, to: u64) {
    stages.push(stage, span(from, to));
}

/// The time between two stamps.
pub fn span(from: u64, to: u64) -> Span {
    Span::from_nanos(to.saturating_sub(from))
}
