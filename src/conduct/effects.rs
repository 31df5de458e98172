//! What the control machine does, done.

use super::Conduct;
use super::agent::Slot;
use super::executor::{Event, Executor, Rank, SaveJob, SaveOutcome, StartJob};
use super::sessions::Outcome;
use crate::control::{Effect, Start};
use crate::measure::{Counter, Gauge, Metric};
use crate::random::{Draws, Purpose};
use crate::units::{Bytes, Span, Time};
use crate::workload::session::Want;

impl<X: Executor> Conduct<X> {
    /// Does all effects in their order, those too that doing them brings about.
    pub(super) fn run_effects(&mut self, now: Time, exec: &mut X) {
        let mut done = 0;
        while done < self.effects.len() {
            let effect = self.effects[done];
            done += 1;
            self.log_effect(effect);
            self.run_effect(now, effect, exec);
        }
        self.effects.clear();
    }

    fn run_effect(&mut self, now: Time, effect: Effect, exec: &mut X) {
        match effect {
            Effect::Queued { id } => self.joined(now, id),
            Effect::Granted { id, start } => self.granted(now, id, start),
            Effect::Begin { id, start, attempt: _ } => self.begin(now, id, start, exec),
            Effect::Ready { id } => self.ready(now, id, exec),
            Effect::Save { id } => self.save(now, id, exec),
            Effect::Hibernated { id } => {
                self.agents.get(id).hibernated = true;
                self.recorder.shift(Gauge::SandboxesHibernated, 1);
                self.set_slot(id, Slot::Free);
            }
            Effect::AskAgain { id } => {
                exec.schedule(now, Rank::Asks, Event::Acquire { id });
            }
            Effect::Destroy { id } => self.destroy(now, id, exec),
            Effect::Kill { id } => {
                self.recorder.count(Counter::Kills, 1);
                self.destroy(now, id, exec);
            }
            Effect::DropSnapshot { id, expired } => self.drop_snapshot(now, id, expired, exec),
            Effect::StateLost { id } => self.state_lost(id),
            Effect::TurnedAway { id, had_sandbox } => {
                self.unqueue(now, id);
                self.leave(id, if had_sandbox { Outcome::Failed } else { Outcome::Rejected });
            }
            Effect::StartFailed { id } => self.leave(id, Outcome::Failed),
            Effect::SetTimer { id, kind: _, after } => {
                let timer = exec.schedule(now + after, Rank::GivesUp, Event::Timer { id });
                self.agents.get(id).timer = Some(timer);
            }
            Effect::ClearTimer { id } => {
                if let Some(timer) = self.agents.get(id).timer.take() {
                    exec.cancel(timer);
                }
            }
            Effect::Gone { id } => {
                self.agents.remove(id);
                exec.gone(id);
            }
            Effect::ServeSoon => {
                exec.schedule(now, Rank::Serves, Event::Serve);
            }
            Effect::ServeAt { at } => {
                exec.schedule(at, Rank::Serves, Event::Serve);
            }
        }
    }

    fn joined(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        agent.waiting = true;
        agent.queued_at = now;
        self.recorder.shift(Gauge::QueueLength, 1);
        self.scale_out_from.get_or_insert(now);
    }

    /// The request is no longer in the queue; how long it was.
    fn unqueue(&mut self, now: Time, id: u32) -> Span {
        let agent = self.agents.get(id);
        if !std::mem::take(&mut agent.waiting) {
            return Span::ZERO;
        }
        let waited = now.since(agent.queued_at);
        self.recorder.shift(Gauge::QueueLength, -1);
        if self.recorder.value(Gauge::QueueLength) == 0
            && let Some(from) = self.scale_out_from.take()
        {
            self.recorder.observe(Metric::ScaleOut, now.since(from));
        }
        waited
    }

    fn granted(&mut self, now: Time, id: u32, start: Start) {
        let waited = self.unqueue(now, id);
        let agent = self.agents.get(id);
        agent.resumes = start == Start::Restore;
        let by_history =
            if agent.had_sandbox { Metric::QueueWaitResume } else { Metric::QueueWaitNew };
        agent.had_sandbox = true;
        let woken = std::mem::take(&mut agent.hibernated);
        self.recorder.observe(Metric::QueueWait, waited);
        self.recorder.observe(by_history, waited);
        self.recorder.count(Counter::SandboxesMade, 1);
        if woken {
            self.recorder.shift(Gauge::SandboxesHibernated, -1);
        }
        self.set_slot(id, Slot::Starting);
    }

    fn begin(&mut self, now: Time, id: u32, start: Start, exec: &mut X) {
        let agent = self.agents.get(id);
        (agent.work_at, agent.start) = (now, start);
        let (index, session) = (agent.session.index(), agent.session.outline().session);
        let (tries, planned, purpose, share) = match start {
            Start::Boot => {
                let tries = agent.boots;
                (
                    tries,
                    self.demand.plans.boot_fails(index, tries),
                    Purpose::BootFault,
                    self.setup.boot_faults,
                )
            }
            Start::Restore => {
                let tries = agent.restores;
                let planned = self.demand.plans.restore_fails(index, tries);
                (tries, planned, Purpose::RestoreFault, self.setup.restore_faults)
            }
        };
        match start {
            Start::Boot => agent.boots += 1,
            Start::Restore => agent.restores += 1,
        }
        let (seed, replication) = (self.demand.seed, self.demand.replication);
        let fails = planned.unwrap_or_else(|| {
            share > 0.0 && Draws::new(seed, replication, session, purpose, tries).bernoulli(share)
        });
        let (class, snapshot) = (agent.class, agent.snapshot);
        exec.begin(now, StartJob { id, index, session, class, start, tries, fails, snapshot });
    }

    pub(super) fn started(&mut self, now: Time, id: u32, ok: bool) {
        let agent = self.agents.get(id);
        let (start, began) = (agent.start, agent.work_at);
        match (start, ok) {
            (Start::Boot, true) => {
                agent.dirtied = Bytes(0);
                self.recorder.count(Counter::ColdBoots, 1);
            }
            (Start::Restore, true) => {
                self.recorder.count(Counter::Restores, 1);
                self.recorder.observe(Metric::Restore, now.since(began));
            }
            (Start::Boot, false) => self.recorder.count(Counter::BootFailures, 1),
            (Start::Restore, false) => self.recorder.count(Counter::RestoreFailures, 1),
        }
        self.control.started(id, ok, &mut self.effects);
    }

    /// The turn's sandbox runs: it ran all along, or it has just been started.
    fn ready(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        let started = agent.slot == Slot::Starting;
        if started {
            let waited = now.since(agent.turn_at);
            let cold = !agent.resumes;
            self.recorder.observe(Metric::Ready, waited);
            if cold {
                self.recorder.observe(Metric::ColdStart, waited);
            }
            self.set_slot(id, Slot::Turn);
        }
        let want = self.agents.get(id).session.sandbox_ready(&self.demand);
        if want == Want::Proceed && !started {
            // The turn's own ask has come up: its first call goes on with it.
            self.proceed(now, id, exec);
        } else {
            self.want(now, id, want, exec);
        }
    }

    fn save(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        agent.work_at = now;
        let number = agent.saves;
        agent.saves += 1;
        let (session, class, dirtied) =
            (agent.session.outline().session, agent.class, agent.dirtied);
        exec.save(now, SaveJob { id, session, class, number, dirtied });
    }

    pub(super) fn saved(&mut self, now: Time, id: u32, exec: &mut X) {
        match exec.save_outcome(id) {
            SaveOutcome::Stored(bytes) => {
                let agent = self.agents.get(id);
                let before = std::mem::replace(&mut agent.snapshot, bytes);
                let took = now.since(agent.work_at);
                self.recorder.count(Counter::Snapshots, 1);
                self.recorder.observe(Metric::Snapshot, took);
                self.recorder.shift(Gauge::SnapshotBytes, bytes.0 as i64 - before.0 as i64);
                self.control.saved(id, &mut self.effects);
            }
            SaveOutcome::Failed => self.control.save_failed(id, &mut self.effects),
        }
    }

    fn destroy(&mut self, now: Time, id: u32, exec: &mut X) {
        exec.destroy(now, id);
        self.agents.get(id).dirtied = Bytes(0);
        self.set_slot(id, Slot::Free);
    }

    fn drop_snapshot(&mut self, now: Time, id: u32, expired: bool, exec: &mut X) {
        exec.drop_snapshot(now, id);
        let agent = self.agents.get(id);
        let bytes = std::mem::take(&mut agent.snapshot);
        let (asleep, open) = (std::mem::take(&mut agent.hibernated), agent.open);
        let past = agent.session.is_past();
        self.recorder.shift(Gauge::SnapshotBytes, -(bytes.0 as i64));
        if asleep {
            self.recorder.shift(Gauge::SandboxesHibernated, -1);
        }
        // Stocks from before the run are in gauges and cost, and in no counter.
        if expired && !past {
            self.recorder.count(Counter::SnapshotsExpired, 1);
            if open {
                self.state_lost(id);
            }
        }
    }

    fn state_lost(&mut self, id: u32) {
        self.agents.get(id).dirtied = Bytes(0);
        if self.agents.get(id).open {
            self.recorder.count(Counter::StateLost, 1);
        }
    }

    fn log_effect(&mut self, effect: Effect) {
        let Some(log) = &mut self.log else { return };
        let id = match effect {
            Effect::Queued { id }
            | Effect::Granted { id, .. }
            | Effect::Begin { id, .. }
            | Effect::Ready { id }
            | Effect::Save { id }
            | Effect::Hibernated { id }
            | Effect::AskAgain { id }
            | Effect::Destroy { id }
            | Effect::Kill { id }
            | Effect::DropSnapshot { id, .. }
            | Effect::StateLost { id }
            | Effect::TurnedAway { id, .. }
            | Effect::StartFailed { id }
            | Effect::SetTimer { id, .. }
            | Effect::ClearTimer { id }
            | Effect::Gone { id } => id,
            Effect::ServeSoon | Effect::ServeAt { .. } => return,
        };
        if let Some(agent) = self.agents.find(id) {
            log.push((agent.session.outline().session, effect));
        }
    }
}
