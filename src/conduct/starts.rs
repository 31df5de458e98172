//! Sandboxes come to be: boots, restores, claims from a pool.

use super::Conduct;
use super::agent::{Agent, Kind, Slot};
use super::executor::{Event, Executor, Rank, StartJob};
use crate::control::Start;
use crate::measure::{Counter, Gauge, Metric};
use crate::random::{Draws, Purpose};
use crate::units::{Bytes, Span, Time};
use crate::workload::plan::ClassId;
use crate::workload::session::{Session, Want};

/// Numbers of pool places and of sandboxes with seats, which key their draws; sessions stay below.
pub(super) const PLACES: u64 = 1 << 62;

impl<X: Executor> Conduct<X> {
    pub(super) fn granted(&mut self, now: Time, id: u32, start: Start, host: u32) {
        let waits = self.agents.get(id).waiting;
        let waited = self.unqueue(now, id);
        self.recorder.count(Counter::SandboxesMade, 1);
        let agent = self.agents.get(id);
        agent.host = host;
        let class = agent.session.class();
        let is_place = agent.is_place();
        self.note_create(now, class);
        if is_place {
            return self.set_slot(id, Slot::PoolStarting);
        }
        if !waits {
            self.note_request(class, None);
        }
        let agent = self.agents.get(id);
        (agent.resumes, agent.claims) = (start == Start::Restore, false);
        let woken = std::mem::take(&mut agent.hibernated);
        self.observe_wait(id, waited);
        if woken {
            self.recorder.shift(Gauge::SandboxesHibernated, -1);
        }
        self.set_slot(id, Slot::Starting);
    }

    pub(super) fn observe_wait(&mut self, id: u32, waited: Span) {
        let agent = self.agents.get(id);
        let by_history =
            if agent.had_sandbox { Metric::QueueWaitResume } else { Metric::QueueWaitNew };
        self.recorder.observe(Metric::QueueWait, waited);
        self.recorder.observe(by_history, waited);
        self.has_sandbox(id);
    }

    /// The session has a sandbox: if it is its first, it has started.
    pub(super) fn has_sandbox(&mut self, id: u32) {
        if !std::mem::replace(&mut self.agents.get(id).had_sandbox, true) {
            self.recorder.count(Counter::SessionsStarted, 1);
        }
    }

    pub(super) fn begin(&mut self, now: Time, id: u32, start: Start, beside: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        (agent.since, agent.start) = (now, start);
        let (index, session) = (agent.session.index(), agent.session.number());
        let plans = &self.demand.plans;
        // What no session starts for itself has no faults planned.
        let is_place = agent.is_place() || agent.is_vessel();
        let (tries, planned, purpose, share) = match start {
            Start::Boot => {
                let tries = u32::from(agent.boots);
                let planned = if is_place { None } else { plans.boot_fails(index, tries) };
                (tries, planned, Purpose::BootFault, self.setup.boot_faults)
            }
            Start::Restore => {
                let tries = u32::from(agent.restores);
                let planned = plans.restore_fails(index, tries);
                (tries, planned, Purpose::RestoreFault, self.setup.restore_faults)
            }
        };
        match start {
            Start::Boot => agent.boots = agent.boots.wrapping_add(1),
            Start::Restore => agent.restores = agent.restores.wrapping_add(1),
        }
        let (seed, replication) = (self.demand.seed, self.demand.replication);
        let fails = planned.unwrap_or_else(|| {
            share > 0.0 && Draws::new(seed, replication, session, purpose, tries).bernoulli(share)
        });
        let job = StartJob {
            id,
            index,
            session,
            class: agent.session.class(),
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
        let (start, took) = (agent.start, now.since(agent.since));
        match (start, ok) {
            (Start::Boot, true) => {
                agent.dirtied = Bytes(0);
                if agent.is_place() {
                    self.set_slot(id, Slot::Pool);
                } else if agent.is_vessel() {
                    self.set_slot(id, Slot::Idle);
                }
                self.recorder.count(Counter::ColdBoots, 1);
            }
            (Start::Restore, true) => self.restored(id, took),
            (Start::Boot, false) => self.recorder.count(Counter::BootFailures, 1),
            (Start::Restore, false) => self.recorder.count(Counter::RestoreFailures, 1),
        }
        match self.agents.get(id).kind {
            Kind::Vessel { number } => self.control.vessel_started(number, ok, &mut self.effects),
            _ => self.control.started(now, id, ok, &mut self.effects),
        }
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
        let started = matches!(agent.slot, Slot::Starting | Slot::Claiming | Slot::Boarding);
        if started {
            let cold = !agent.resumes && !agent.claims;
            let asked = agent.turn_at;
            let waited = now.since(self.asked_again.remove(&id).unwrap_or(asked));
            self.recorder.observe(Metric::Ready, waited);
            if cold {
                self.recorder.observe(Metric::ColdStart, waited);
            }
            if !self.seat_turns(id, Slot::SeatTurn) {
                self.set_slot(id, Slot::Turn);
            }
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
        agent.host = host;
        (agent.resumes, agent.claims, agent.since) = (false, true, now);
        agent.dirtied = Bytes(0);
        let (session, number) = (agent.session.number(), u32::from(agent.claimed));
        agent.claimed = agent.claimed.wrapping_add(1);
        let mut draws =
            Draws::new(self.demand.seed, self.demand.replication, session, Purpose::Claim, number);
        let takes = self.setup.pools[usize::from(pool)].claim.sample(&mut draws);
        self.recorder.count(Counter::PoolClaims, 1);
        self.has_sandbox(id);
        exec.claim(now, place, id);
        let timer = exec.schedule(now + takes, Rank::Frees, Event::Claimed { id });
        self.agents.get(id).pending = Some(timer);
    }

    pub(super) fn claimed(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        agent.pending = None;
        self.recorder.observe(Metric::PoolClaim, now.since(agent.since));
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
        let session = Session::absent(class, PLACES + self.places);
        self.places += 1;
        let id = self.agents.insert(Agent::new(session, Kind::Place { pool }, now));
        self.control.add_place(now, id, pool, &mut self.effects);
    }

    pub(super) fn destroy(&mut self, now: Time, id: u32, exec: &mut X) {
        if self.leave_seat(id) {
            return;
        }
        exec.destroy(now, id);
        self.agents.get(id).dirtied = Bytes(0);
        self.set_slot(id, Slot::Free);
    }
}
