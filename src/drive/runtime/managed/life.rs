//! The life of one sandbox, from the driver's side.

use std::fs;
use std::io;
use std::sync::Arc;

use super::desk::note;
use super::{Built, Inner, Order, Place, Source, Tier};
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::digest_bytes;
use crate::drive::guest::protocol::{GuestReport, GuestWork, Message, Request};
use crate::drive::runtime::blame::babble;
use crate::drive::runtime::link::Link;
use crate::drive::runtime::{
    CreateSpec, Created, Limits, RuntimeError, SandboxId, Stage, Stages, Work, WorkReport,
};
use crate::units::Span;

/// A sandbox whose guest serves.
#[derive(Debug)]
pub struct Sandbox<T: Tier> {
    pub slot: u64,
    pub link: Link,
    pub limits: Limits,
    /// SHA-256 of the token, as the guest read it.
    pub identity: String,
    /// A random number in the guest's memory.
    pub nonce: String,
    pub body: T::Body,
}

impl<T: Tier> Inner<T> {
    pub(super) async fn create(&self, spec: CreateSpec) -> Result<Created, RuntimeError> {
        self.take_name(spec.sandbox)?;
        let outcome = self.create_named(&spec).await;
        self.settle(spec.sandbox, outcome)
    }

    async fn create_named(&self, spec: &CreateSpec) -> Result<(Created, Sandbox<T>), RuntimeError> {
        let source = Source::Token(&spec.token);
        let order = Order { sandbox: spec.sandbox, limits: spec.limits, source };
        let (created, sandbox) = self.bring_up(order).await?;
        if sandbox.identity == digest_bytes(spec.token.as_bytes()) {
            return Ok((created, sandbox));
        }
        let _ = self.remove(sandbox.slot, Some(&sandbox), Span::ZERO).await;
        Err(RuntimeError::Launch {
            sandbox: spec.sandbox,
            feature: None,
            step: "handing over the identity token".into(),
            reason: "the guest read another one".into(),
        })
    }

    /// Makes a sandbox that nobody else knows and removes it.
    pub(super) async fn try_out(&self, spec: CreateSpec) -> Result<(), RuntimeError> {
        let (_, sandbox) = self.create_named(&spec).await?;
        self.remove(sandbox.slot, Some(&sandbox), self.desk.common.stop_within).await?;
        Ok(())
    }

    /// Makes a sandbox; if that fails, what was made of it is removed.
    pub(super) async fn bring_up(
        &self,
        order: Order<'_, T::Stored>,
    ) -> Result<(Created, Sandbox<T>), RuntimeError> {
        let began = monotonic_nanos();
        let slot = self.desk.journal.reserve().await?;
        let mut stages = Stages::default();
        note(&mut stages, Stage::Journal, began, monotonic_nanos());
        match self.tier.build(&self.desk, slot, order, &mut stages).await {
            Ok(Built { link, identity, nonce, body }) => {
                // The stages leave no gap between each other.
                let began = self.desk.clock.place(began);
                let created = Created { began, ready: began + stages.total(), stages };
                let limits = order.limits;
                Ok((created, Sandbox { slot, link, limits, identity, nonce, body }))
            }
            Err(error) => {
                // What cannot be removed now is tried again at the run's end.
                let _ = self.remove(slot, None, Span::ZERO).await;
                Err(error)
            }
        }
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
        outcome: Result<(Created, Sandbox<T>), RuntimeError>,
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
        let asked = self.in_guest_terms(&sandbox.limits, &work);
        let sent = monotonic_nanos();
        let request = |id| Request::Exec { id, work: asked };
        let what = "a tool call";
        let (message, heard) =
            self.desk.ask(name, sandbox.slot, &sandbox.link, what, request).await?;
        match message {
            Message::Done { report, .. } => {
                let report = if self.tier.abilities().clock_shared {
                    report
                } else {
                    on_our_clock(&report, sent, heard)
                };
                let at = |stamp| self.desk.clock.place(stamp);
                Ok(WorkReport {
                    sent: at(sent),
                    began: at(report.began_ns),
                    held: at(report.held_ns),
                    waited: at(report.waited_ns),
                    computed: at(report.computed_ns),
                    ended: at(report.ended_ns),
                    received: at(heard),
                    cpu_used: Span::from_nanos(report.cpu_ns),
                })
            }
            Message::Refused { out_of_memory: true, .. } => Err(RuntimeError::OutOfMemory {
                sandbox: name,
                asked: work.memory,
                limit: sandbox.limits.memory,
            }),
            Message::Refused { reason, .. } => Err(RuntimeError::Work { sandbox: name, reason }),
            other => Err(babble(name, &other)),
        }
    }

    fn in_guest_terms(&self, limits: &Limits, work: &Work) -> GuestWork {
        let paced = self.tier.guest_paces();
        let cores = if paced { work.cores.0.min(limits.vcpu.0) } else { work.cores.0 };
        let cores = cores.max(0.001);
        let threads = cores.ceil();
        GuestWork {
            rounds: (work.cpu.seconds() * self.desk.rounds_per_second()) as u64,
            threads: threads as u32,
            duty: cores / threads,
            wait_ns: work.io_wait.nanos(),
            memory_bytes: work.memory.0,
            dirty_bytes: work.dirty.0,
        }
    }

    pub(super) async fn destroy(&self, name: SandboxId) -> Result<Span, RuntimeError> {
        let began = self.desk.clock.now();
        let sandbox = self.take(name)?;
        self.remove(sandbox.slot, Some(&sandbox), self.desk.common.stop_within).await?;
        Ok(self.desk.clock.now().since(began))
    }

    /// Ends a guest and removes all that belongs to its slot. True if it had to be killed.
    pub(super) async fn remove(
        &self,
        slot: u64,
        live: Option<&Sandbox<T>>,
        within: Span,
    ) -> Result<bool, RuntimeError> {
        let killed = self.tier.stop(&self.desk, slot, live, within).await?;
        self.tier.clear(&self.desk, slot).await?;
        let directory = self.desk.directory(slot);
        let remove = move || match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        self.desk.blocking("remove a sandbox's directory", remove).await?;
        self.desk.journal.done(slot);
        Ok(killed)
    }
}

/// Places stamps of a guest's own clock between the instants at which the driver asked and heard.
///
/// What the call took longer than the guest saw of it is halved between the way there and the way
/// back, as clocks are set over a network (Mills, RFC 5905, section 8). Where the guest's clock
/// runs fast enough to see more time than passed, its stamps are drawn together.
fn on_our_clock(report: &GuestReport, sent: u64, heard: u64) -> GuestReport {
    let passed = heard.saturating_sub(sent);
    let seen = report.ended_ns.saturating_sub(report.began_ns);
    let way = passed.saturating_sub(seen) / 2;
    let place = |stamp: u64| {
        let after = stamp.saturating_sub(report.began_ns);
        let after = if seen > passed {
            (u128::from(after) * u128::from(passed) / u128::from(seen)) as u64
        } else {
            after
        };
        sent + way + after
    };
    GuestReport {
        began_ns: place(report.began_ns),
        held_ns: place(report.held_ns),
        waited_ns: place(report.waited_ns),
        computed_ns: place(report.computed_ns),
        ended_ns: place(report.ended_ns),
        cpu_ns: report.cpu_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_clock_is_set_by_the_round_trip() {
        let report = GuestReport {
            began_ns: 1_000,
            held_ns: 1_010,
            waited_ns: 1_020,
            computed_ns: 1_030,
            ended_ns: 1_100,
            cpu_ns: 7,
        };
        // 140 passed, 100 of them in the guest: 20 on each way.
        let placed = on_our_clock(&report, 50_000, 50_140);
        assert_eq!((placed.began_ns, placed.ended_ns), (50_020, 50_120));
        assert_eq!((placed.held_ns, placed.cpu_ns), (50_030, 7));
        // A guest that saw 100 where 50 passed.
        let drawn = on_our_clock(&report, 50_000, 50_050);
        assert_eq!((drawn.began_ns, drawn.computed_ns, drawn.ended_ns), (50_000, 50_015, 50_050));
    }
}
