//! Snapshots: taken, archived, brought back, dropped.

use super::Conduct;
use super::agent::Kind;
use super::executor::{Executor, SaveJob, SaveOutcome};
use crate::measure::{Counter, Gauge, Metric};
use crate::units::{Bytes, Time};

impl<X: Executor> Conduct<X> {
    pub(super) fn save(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        agent.since = now;
        let number = u32::from(agent.saves);
        agent.saves = agent.saves.wrapping_add(1);
        let (session, class, dirtied) =
            (agent.session.number(), agent.session.class(), agent.dirtied);
        let host = agent.host;
        exec.save(now, SaveJob { id, session, class, number, dirtied, host });
    }

    pub(super) fn saved(&mut self, now: Time, id: u32, exec: &mut X) {
        match exec.save_outcome(id) {
            SaveOutcome::Stored(bytes) => {
                let agent = self.agents.get(id);
                let before = std::mem::replace(&mut agent.snapshot, bytes);
                let was_archived = std::mem::take(&mut agent.archived);
                let (dirtied, took) = (agent.dirtied, now.since(agent.since));
                if self.setup.can_crash() {
                    self.saved_dirt.insert(id, dirtied);
                }
                self.recorder.count(Counter::Snapshots, 1);
                self.recorder.observe(Metric::Snapshot, took);
                self.shift_stored(was_archived, -(before.0 as i64));
                self.shift_stored(false, bytes.0 as i64);
                self.control.saved(id, &mut self.effects);
            }
            SaveOutcome::Failed => self.control.save_failed(id, &mut self.effects),
        }
    }

    /// Stored bytes change; archived ones are counted apart.
    fn shift_stored(&mut self, archived: bool, delta: i64) {
        if archived {
            return self.recorder.shift(Gauge::SnapshotArchivedBytes, delta);
        }
        self.recorder.shift(Gauge::SnapshotBytes, delta);
        if self.setup.control.storage_quota.is_some() {
            let held = Bytes(self.recorder.value(Gauge::SnapshotBytes) as u64);
            self.control.stored(held, &mut self.effects);
        }
    }

    /// The snapshot moves to the archive. It lies there already if its restores failed and the sandbox
    /// that was booted instead went down.
    pub(super) fn archive(&mut self, id: u32) {
        let agent = self.agents.get(id);
        if std::mem::replace(&mut agent.archived, true) {
            return;
        }
        let (bytes, past) = (agent.snapshot.0 as i64, agent.kind == Kind::Past);
        self.shift_stored(false, -bytes);
        self.shift_stored(true, bytes);
        if !past {
            self.recorder.count(Counter::SnapshotsArchived, 1);
        }
    }

    /// A restore has brought the snapshot back from the archive.
    pub(super) fn unarchive(&mut self, id: u32) {
        let agent = self.agents.get(id);
        agent.archived = false;
        let bytes = agent.snapshot.0 as i64;
        self.shift_stored(true, -bytes);
        self.shift_stored(false, bytes);
    }

    pub(super) fn drop_snapshot(&mut self, now: Time, id: u32, expired: bool, exec: &mut X) {
        exec.drop_snapshot(now, id);
        let agent = self.agents.get(id);
        let bytes = std::mem::take(&mut agent.snapshot);
        let archived = std::mem::take(&mut agent.archived);
        let (asleep, open) = (std::mem::take(&mut agent.hibernated), agent.open);
        let past = agent.kind == Kind::Past;
        self.shift_stored(archived, -(bytes.0 as i64));
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

    pub(super) fn state_lost(&mut self, id: u32) {
        self.agents.get(id).dirtied = Bytes(0);
        if self.agents.get(id).open {
            self.recorder.count(Counter::StateLost, 1);
        }
    }
}
