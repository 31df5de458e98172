//! Sandboxes come to be: boots, restores, claims from a pool.

use super::Conduct;
use super::agent::{Agent, Slot};
use super::executor::{Event, Executor, Rank, StartJob};
use crate::control::Start;
use crate::measure::{Counter, Gauge, Metric};
use crate::random::{Draws, Purpose};
use crate::units::{Bytes, Span, Time};
use crate::workload::plan::ClassId;
use crate::workload::session::{Session, Want};

/// Numbers of pool places, which key their draws; sessions stay below.
const PLACES: u64 = 1 << 62;

impl<X: Executor> Conduct<X> {
    pub(super) fn granted(&mut self, now: Time, id: u32, start: Start, host: u32) {
        let waited = self.unqueue(now, id);
        self.recorder.count(Counter::SandboxesMade, 1);
        let agent = self.agents.get(id);
        agent.host = host;
        if agent.pool.is_some() {
            return self.set_slot(id, Slot::PoolStarting);
        }
        (agent.resumes, agent.claims) = (start == Start::Restore, false);
        let woken = std::mem::take(&mut agent.hibernated);
        self.observe_wait(id, waited);
        if woken {
            self.recorder.shift(Gauge::SandboxesHibernated, -1);
        }
        self.set_slot(id, Slot::Starting);
    }

    fn observe_wait(&mut self, id: u32, waited: Span) {
        let agent = self.agents.get(id);
        let by_history =
            if agent.had_sandbox { Metric::QueueWaitResume } else { Metric::QueueWaitNew };
        agent.had_sandbox = true;
        self.recorder.observe(Metric::QueueWait, waited);
        self.recorder.observe(by_history, waited);
    }

    pub(super) fn begin(&mut self, now: Time, id: u32, start: Start, beside: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        (agent.work_at, agent.start) = (now, start);
        let index = agent.session.index();
        let session = match agent.pool {
            Some(_) => agent.place_number,
            None => agent.session.outline().session,
        };
        let plans = &self.demand.plans;
        let is_place = agent.pool.is_some();
        let (tries, planned, purpose, share) = match start {
            Start::Boot => {
                let tries = agent.boots;
                let planned = if is_place { None } else { plans.boot_fails(index, tries) };
                (tries, planned, Purpose::BootFault, self.setup.boot_faults)
            }
            Start::Restore => {
                let tries = agent.restores;
                let planned = plans.restore_fails(index, tries);
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
        let job = StartJob {
            id,
            index,
            session,
            class: agent.class,
            start,
            tries,
            fails,
            snapshot: agent.snapshot,
            archived: agent.archived,
            host: agent.host,
            beside,
        };
        exec.begin(now, job);
    }

    pub(super) fn started(&mut self, now: Time, id: u32, ok: bool) {
        let agent = self.agents.get(id);
        let (start, took) = (agent.start, now.since(agent.work_at));
        match (start, ok) {
            (Start::Boot, true) => {
                agent.dirtied = Bytes(0);
                if agent.pool.is_some() {
                    self.set_slot(id, Slot::Pool);
                }
                self.recorder.count(Counter::ColdBoots, 1);
            }
            (Start::Restore, true) => self.restored(id, took),
            (Start::Boot, false) => self.recorder.count(Counter::BootFailures, 1),
            (Start::Restore, false) => self.recorder.count(Counter::RestoreFailures, 1),
        }
        self.control.started(now, id, ok, &mut self.effects);
    }

    fn restored(&mut self, id: u32, took: Span) {
        let agent = self.agents.get(id);
        let archived = agent.archived;
        let path = match (archived, self.setup.full_snapshots) {
            (true, _) => Metric::RestoreArchived,
            (false, true) => Metric::RestoreMemory,
            (false, false) => Metric::RestoreFilesystem,
        };
        if archived {
            self.unarchive(id);
        }
        self.recorder.count(Counter::Restores, 1);
        self.recorder.observe(Metric::Restore, took);
        self.recorder.observe(path, took);
    }

    /// The turn's sandbox runs: it ran all along, or it has just been started.
    pub(super) fn ready(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        let started = matches!(agent.slot, Slot::Starting | Slot::Claiming);
        if started {
            let waited = now.since(agent.asked_at);
            let cold = !agent.resumes && !agent.claims;
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

    /// The session takes over the sandbox of a pool's place.
    pub(super) fn take_over(&mut self, now: Time, id: u32, place: u32, pool: u16, exec: &mut X) {
        if self.agents.get(id).waiting {
            let waited = self.unqueue(now, id);
            self.observe_wait(id, waited);
        }
        let host = self.agents.get(place).host;
        self.hand_over_slot(place, id);
        let agent = self.agents.get(id);
        (agent.host, agent.had_sandbox) = (host, true);
        (agent.resumes, agent.claims, agent.work_at) = (false, true, now);
        agent.dirtied = Bytes(0);
        let (session, number) = (agent.session.outline().session, agent.claimed);
        agent.claimed += 1;
        let mut draws =
            Draws::new(self.demand.seed, self.demand.replication, session, Purpose::Claim, number);
        let takes = self.setup.pools[usize::from(pool)].claim.sample(&mut draws);
        self.recorder.count(Counter::PoolClaims, 1);
        exec.claim(now, place, id);
        let timer = exec.schedule(now + takes, Rank::Frees, Event::Claimed { id });
        self.agents.get(id).pending = Some(timer);
    }

    pub(super) fn claimed(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        agent.pending = None;
        self.recorder.observe(Metric::PoolClaim, now.since(agent.work_at));
        self.control.claimed(id, &mut self.effects);
    }

    /// A pool wants another place, after a wait.
    pub(super) fn new_place(&mut self, now: Time, pool: u16, after: Span, exec: &mut X) {
        if after.is_zero() {
            self.add_place(now, pool);
        } else {
            exec.schedule(now + after, Rank::Asks, Event::Refill { pool });
        }
    }

    pub(super) fn add_place(&mut self, now: Time, pool: u16) {
        let class = ClassId(self.control.pool_class(pool));
        let mut agent = Agent::new(Session::past(class), now);
        (agent.open, agent.pool) = (false, Some(pool));
        agent.place_number = PLACES + self.places;
        self.places += 1;
        let id = self.agents.insert(agent);
        self.control.add_place(now, id, pool, &mut self.effects);
    }

    pub(super) fn destroy(&mut self, now: Time, id: u32, exec: &mut X) {
        exec.destroy(now, id);
        self.agents.get(id).dirtied = Bytes(0);
        self.set_slot(id, Slot::Free);
    }
}
