//! The life of one process sandbox, from the driver's side.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;

use super::build::{BringUp, Source};
use super::link::{Link, LinkError};
use super::{Controller, Inner, KILL_WITHIN, Place};
use crate::drive::guest::digest_bytes;
use crate::drive::guest::protocol::{GuestWork, Message, Request};
use crate::drive::journal::ProcessId;
use crate::drive::runtime::{
    CreateSpec, Created, Limits, RuntimeError, SandboxId, Work, WorkReport,
};
use crate::units::Span;

/// How much of a guest's stderr goes into an error message.
const STDERR_TAIL: usize = 400;

/// A sandbox whose guest serves.
#[derive(Debug)]
pub struct Sandbox {
    pub slot: u64,
    pub process: ProcessId,
    pub link: Link,
    pub directory: PathBuf,
    pub limits: Limits,
    /// SHA-256 of the token, as the guest read it.
    pub identity: String,
}

impl Inner {
    pub(super) async fn create(&self, spec: CreateSpec) -> Result<Created, RuntimeError> {
        self.take_name(spec.sandbox)?;
        let order = BringUp {
            sandbox: spec.sandbox,
            limits: spec.limits,
            source: Source::Token(&spec.token),
            features: self.features.get().expect("found out at the start"),
        };
        let outcome = match self.bring_up(order).await {
            Ok((created, sandbox)) if sandbox.identity == digest_bytes(spec.token.as_bytes()) => {
                Ok((created, sandbox))
            }
            Ok((_, sandbox)) => {
                let _ = self.remove(sandbox.slot, Some(&sandbox.link), Span::ZERO).await;
                Err(RuntimeError::Launch {
                    sandbox: spec.sandbox,
                    step: "handing over the identity token".into(),
                    reason: "the guest read another one".into(),
                })
            }
            Err(failed) => Err(failed.error),
        };
        self.settle(spec.sandbox, outcome)
    }

    pub(super) fn take_name(&self, sandbox: SandboxId) -> Result<(), RuntimeError> {
        let mut table = self.table();
        if table.sandboxes.contains_key(&sandbox) {
            return Err(RuntimeError::SandboxExists(sandbox));
        }
        table.sandboxes.insert(sandbox, Place::Taken);
        Ok(())
    }

    /// Enters what a create or restore gave into the table, or gives the name free again.
    pub(super) fn settle(
        &self,
        name: SandboxId,
        outcome: Result<(Created, Sandbox), RuntimeError>,
    ) -> Result<Created, RuntimeError> {
        let mut table = self.table();
        match outcome {
            Ok((created, sandbox)) => {
                table.sandboxes.insert(name, Place::Running(Arc::new(sandbox)));
                Ok(created)
            }
            Err(error) => {
                table.sandboxes.remove(&name);
                Err(error)
            }
        }
    }

    pub(super) async fn exec(
        &self,
        name: SandboxId,
        work: Work,
    ) -> Result<WorkReport, RuntimeError> {
        let sandbox = self.running(name)?;
        let rounds_per_second = *self.rounds_per_second.get().expect("measured at the start");
        // Where no control group limits the CPU, the guest keeps to its cores by itself.
        let limited = self.cgroups.limits(Controller::Cpu);
        let cores = if limited { work.cores.0 } else { work.cores.0.min(sandbox.limits.vcpu.0) };
        let cores = cores.max(0.001);
        let threads = cores.ceil();
        let asked = GuestWork {
            rounds: (work.cpu.seconds() * rounds_per_second) as u64,
            threads: threads as u32,
            duty: cores / threads,
            wait_ns: work.io_wait.nanos(),
            memory_bytes: work.memory.0,
            dirty_bytes: work.dirty.0,
        };
        let sent = self.clock.now();
        let request = |id| Request::Exec { id, work: asked };
        let within = self.config.exec_within;
        let (message, heard) = self.ask(name, &sandbox, "a tool call", within, request).await?;
        let at = |stamp| self.clock.place(stamp);
        match message {
            Message::Done { report, .. } => Ok(WorkReport {
                sent,
                began: at(report.began_ns),
                held: at(report.held_ns),
                waited: at(report.waited_ns),
                computed: at(report.computed_ns),
                ended: at(report.ended_ns),
                received: at(heard),
                cpu_used: Span::from_nanos(report.cpu_ns),
            }),
            Message::Refused { out_of_memory: true, .. } => Err(RuntimeError::OutOfMemory {
                sandbox: name,
                asked: work.memory,
                limit: sandbox.limits.memory,
            }),
            Message::Refused { reason, .. } => Err(RuntimeError::Work { sandbox: name, reason }),
            other => Err(babble(name, &other)),
        }
    }

    pub(super) async fn ask(
        &self,
        name: SandboxId,
        sandbox: &Sandbox,
        what: &'static str,
        within: Span,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<(Message, u64), RuntimeError> {
        match tokio::time::timeout(within.into(), sandbox.link.ask(request)).await {
            Ok(answer) => answer.map_err(|error| gone(name, &sandbox.directory, error)),
            Err(_) => Err(RuntimeError::Timeout { sandbox: name, what, after: within }),
        }
    }

    pub(super) async fn destroy(&self, name: SandboxId) -> Result<Span, RuntimeError> {
        let began = self.clock.now();
        let sandbox = self.take(name)?;
        self.remove(sandbox.slot, Some(&sandbox.link), self.config.stop_within).await?;
        Ok(self.clock.now().since(began))
    }

    /// Runs file work where it does not hold up the dispatcher.
    pub(super) async fn blocking<T: Send + 'static>(
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

    /// Ends a guest: asks it, waits, kills it. True if it had to be killed.
    pub(super) async fn stop(
        &self,
        slot: u64,
        link: Option<&Link>,
        within: Span,
    ) -> Result<bool, RuntimeError> {
        if let Some(link) = link {
            link.close().await;
            if self.children.ended(slot, within).await.map_err(no_process)? {
                return Ok(false);
            }
        }
        // The launcher kills the guest and reaps it before it ends itself.
        for signal in [Signal::TERM, Signal::KILL] {
            self.children.signal(slot, signal);
            let ended = self.children.ended(slot, KILL_WITHIN.into()).await;
            if ended.map_err(no_process)? {
                return Ok(true);
            }
        }
        Err(no_process(io::Error::new(io::ErrorKind::TimedOut, "a killed launcher does not end")))
    }

    /// Ends a guest and removes all that belongs to its slot. True if it had to be killed.
    pub(super) async fn remove(
        &self,
        slot: u64,
        link: Option<&Link>,
        within: Span,
    ) -> Result<bool, RuntimeError> {
        let killed = self.stop(slot, link, within).await?;
        let directory = self.journal.directory().sandbox(slot);
        let cgroups = self.cgroups.clone();
        self.blocking("remove a sandbox's directory and control groups", move || {
            cgroups.remove(slot)?;
            match fs::remove_dir_all(&directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                outcome => outcome,
            }
        })
        .await?;
        self.journal.done(slot);
        Ok(killed)
    }
}

pub(super) fn no_process(source: io::Error) -> RuntimeError {
    RuntimeError::Environment {
        what: "start or end a sandbox's process".into(),
        source,
        mend: "raise the limits of processes and open files (`ulimit -u`, `ulimit -n`), or lower \
               `live.max_alive`",
    }
}

pub(super) fn babble(sandbox: SandboxId, message: &Message) -> RuntimeError {
    RuntimeError::Protocol { sandbox, line: format!("{message:?}") }
}

pub(super) fn gone(sandbox: SandboxId, directory: &Path, error: LinkError) -> RuntimeError {
    match error {
        LinkError::Babble(line) => RuntimeError::Protocol { sandbox, line },
        LinkError::Gone | LinkError::Socket(_) => {
            let text = fs::read(directory.join("stderr")).unwrap_or_default();
            let tail = &text[text.len().saturating_sub(STDERR_TAIL)..];
            let stderr = String::from_utf8_lossy(tail).trim().to_owned();
            RuntimeError::GuestGone { sandbox, stderr }
        }
    }
}
