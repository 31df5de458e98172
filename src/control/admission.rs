//! Who gets a slot, and when.

use super::effect::{Effect, Start, TimerKind};
use super::entry::{Flag, State};
use super::machine::Control;
use super::queue::Place;
use super::room::{Blocked, HeldUpBy};
use crate::units::Time;

impl Control {
    /// Grants a slot at once to who stands before all others, or lets it wait.
    pub(super) fn request(&mut self, now: Time, id: u32, start: Start, out: &mut Vec<Effect>) {
        let policy = self.policy(id);
        let place = self.queue.place(policy.priority, policy.tenant);
        let mut token_at = None;
        // Who stands behind others is held up by what holds up the first of them.
        if self.may_go_first(place) {
            match self.room_for(now, id, start) {
                Ok(host) => {
                    self.queue.passed(place, policy.tenant);
                    return self.grant(id, start, host, out);
                }
                Err(blocked) => (token_at, self.held_up_by) = (blocked.token_at(), blocked.by()),
            }
        }
        if self.config.queue_capacity.is_some_and(|capacity| self.queue.len() >= capacity) {
            let had_sandbox = self.entries[id as usize].is(Flag::HadSandbox);
            self.entries[id as usize].state = State::None;
            out.push(Effect::TurnedAway { id, had_sandbox });
            return;
        }
        let ticket = self.queue.join(place, id, policy.tenant);
        self.entries[id as usize].state = State::Queued { start, ticket };
        self.waits(id, true);
        out.push(Effect::Queued { id });
        if let Some(timeout) = self.config.queue_timeout {
            self.set_timer(id, TimerKind::Queue, timeout, out);
        }
        self.await_token(token_at, out);
    }

    /// Whether nobody has to be served before this place. Who waits for its own tenant's limit, or
    /// does not fit where later ones may pass, holds up nobody.
    fn may_go_first(&mut self, place: Place) -> bool {
        let entries = &self.entries;
        self.config.backfill
            || self.config.tenant_limits
            || self.queue.is_first(place, |id, ticket| entries[id as usize].waits_with(ticket))
    }

    /// Takes room for the session or place.
    fn room_for(&mut self, now: Time, id: u32, start: Start) -> Result<u32, Blocked> {
        if self.stalled {
            return Err(Blocked::Full(HeldUpBy::NoQuota, None));
        }
        if start == Start::Boot && self.store.is_full() {
            return Err(Blocked::Full(HeldUpBy::Storage, None));
        }
        let policy = self.policy(id);
        self.room.take(now, policy.shape, policy.tenant)
    }

    /// A request waits, or no longer: what it would take of a host.
    fn waits(&mut self, id: u32, joins: bool) {
        let entry = &self.entries[id as usize];
        let counts = entry.is(Flag::Place) || self.seats.waits(entry.class(), joins);
        if counts {
            self.room.waits(self.policy(id).shape, joins);
        }
    }

    /// Serves the queue; called at the instant that [`Effect::ServeSoon`] or [`Effect::ServeAt`]
    /// named.
    pub fn serve(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.serving = false;
        if self.token_due.is_some_and(|due| due <= now) {
            self.token_due = None;
        }
        if self.serve_sessions(now, out) {
            self.serve_refills(now, out);
        }
    }

    /// Serves sessions in their order; whether none is left that pool places must wait behind.
    fn serve_sessions(&mut self, now: Time, out: &mut Vec<Effect>) -> bool {
        let entries = &self.entries;
        let mut next = self.queue.first(|id, ticket| entries[id as usize].waits_with(ticket));
        while let Some((place, id)) = next {
            let State::Queued { start, .. } = self.entries[id as usize].state else {
                unreachable!("who is found in the queue waits")
            };
            let claimed = start == Start::Boot
                && (self.sit_waiting(id, out) || self.claim_waiting(now, id, out));
            let room = if claimed { Ok(None) } else { self.room_for(now, id, start).map(Some) };
            if let Err(blocked) = room {
                self.held_up_by = blocked.by();
            }
            match room {
                Ok(None) => {}
                Ok(Some(host)) => {
                    self.queue.take(place);
                    self.waits(id, false);
                    self.clear_timer(id, out);
                    self.grant(id, start, host, out);
                }
                Err(Blocked::Token(at)) => {
                    self.await_token(at, out);
                    return false;
                }
                Err(Blocked::Tenant) => {}
                Err(Blocked::TenantToken(at)) => self.await_token(at, out),
                Err(Blocked::Full(_, at)) => {
                    self.await_token(at, out);
                    if self.stalled || !self.config.backfill {
                        return false;
                    }
                }
            }
            let entries = &self.entries;
            next = self.queue.after(place, |id, ticket| entries[id as usize].waits_with(ticket));
        }
        self.queue.len() == 0
    }

    fn serve_refills(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some(&id) = self.refills.front() {
            match self.room_for(now, id, Start::Boot) {
                Ok(host) => {
                    self.refills.pop_front();
                    self.waits(id, false);
                    self.grant(id, Start::Boot, host, out);
                }
                Err(blocked) => return self.await_token(blocked.token_at(), out),
            }
        }
    }

    /// A pool's place asks for its slot: at once if nobody waits, else behind all.
    pub(super) fn request_place(&mut self, now: Time, id: u32, out: &mut Vec<Effect>) {
        if self.queue.len() == 0 && self.refills.is_empty() {
            match self.room_for(now, id, Start::Boot) {
                Ok(host) => return self.grant(id, Start::Boot, host, out),
                Err(blocked) => self.await_token(blocked.token_at(), out),
            }
        }
        self.entries[id as usize].state = State::Queued { start: Start::Boot, ticket: 0 };
        self.waits(id, true);
        self.refills.push_back(id);
    }

    fn await_token(&mut self, at: Option<Time>, out: &mut Vec<Effect>) {
        if let Some(at) = at
            && self.token_due.is_none_or(|due| at < due)
        {
            self.token_due = Some(at);
            out.push(Effect::ServeAt { at });
        }
    }

    fn grant(&mut self, id: u32, start: Start, host: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].host = host;
        if self.seats.are_shared() && !self.entries[id as usize].is(Flag::Place) {
            return self.launch(id, host, out);
        }
        out.push(Effect::Granted { id, start, host });
        self.begin(id, start, 0, out);
    }

    pub(super) fn begin(&mut self, id: u32, start: Start, attempt: u32, out: &mut Vec<Effect>) {
        let entry = &mut self.entries[id as usize];
        entry.state = State::Starting { start, attempt };
        let beside = self.room.start_begins(entry.host);
        out.push(Effect::Begin { id, start, attempt, beside });
    }

    /// A start is no longer under way.
    pub(super) fn start_over(&mut self, id: u32, out: &mut Vec<Effect>) {
        // The start of a sandbox with seats is not that of one who sits in it.
        if self.seats.has(id) {
            return;
        }
        if self.room.start_ends(self.entries[id as usize].host) {
            self.serve_soon(out);
        }
    }

    pub(super) fn free_slot(&mut self, id: u32, out: &mut Vec<Effect>) {
        if self.leave_seat(id, out) {
            return;
        }
        let policy = self.policy(id);
        self.room.free(self.entries[id as usize].host, policy.shape, policy.tenant);
        self.serve_soon(out);
    }

    /// The request is no longer in the queue, or among the places that wait. Who stood behind it may
    /// fit where it did not.
    pub(super) fn leave_queue(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.waits(id, false);
        if self.entries[id as usize].is(Flag::Place) {
            self.refills.retain(|waiting| *waiting != id);
        } else {
            self.queue.leave();
        }
        if self.room.differs_by_shape() || self.store.quota.is_some() {
            self.serve_soon(out);
        }
    }

    pub(super) fn serve_soon(&mut self, out: &mut Vec<Effect>) {
        let waiting = self.queue.len() > 0 || !self.refills.is_empty();
        if waiting && !self.serving {
            self.serving = true;
            out.push(Effect::ServeSoon);
        }
    }

    /// The control plane stalls, or goes on.
    pub fn stall(&mut self, stalled: bool, out: &mut Vec<Effect>) {
        self.stalled = stalled;
        if !stalled {
            self.serve_soon(out);
        }
    }
}
