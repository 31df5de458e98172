//! The warm pool at work: places asked for, made, claimed, expired, replaced.

use super::effect::{Effect, TimerKind};
use super::entry::{Entry, State};
use super::machine::Control;
use crate::units::Time;

impl Control {
    /// How often each predictive pool looks at its demand.
    pub fn pool_looks(&self) -> impl Iterator<Item = (u16, crate::units::Span)> + '_ {
        (0..).zip(&self.pools).filter_map(|(n, pool)| Some((n, pool.terms.look_every()?)))
    }

    /// The class whose sandboxes a pool holds.
    pub fn pool_class(&self, pool: u16) -> u16 {
        self.pools[usize::from(pool)].terms.class
    }

    /// A place that [`Effect::NewPlace`] asked for takes the number `id`.
    pub fn add_place(&mut self, now: Time, id: u32, pool: u16, out: &mut Vec<Effect>) {
        self.enter(id, Entry::place(pool));
        self.request_place(now, id, out);
    }

    fn pool_of(&self, place: u32) -> u16 {
        self.entries[place as usize].pool().expect("a place has its pool")
    }

    /// A predictive pool looks at its demand.
    pub fn look(&mut self, now: Time, pool: u16, out: &mut Vec<Effect>) {
        self.look_and_refill(now, pool, out);
    }

    /// Sets the pool's size by its demand, and has as many places as that: those that still wait for
    /// a slot and are wanted no more are given up, the last that asked first.
    fn look_and_refill(&mut self, now: Time, pool: u16, out: &mut Vec<Effect>) {
        self.pools[usize::from(pool)].look(now);
        while self.pools[usize::from(pool)].has_too_many() {
            let entries = &self.entries;
            let of_pool = |id: &u32| entries[*id as usize].pool() == Some(pool);
            let Some(last) = self.refills.iter().rposition(of_pool) else { break };
            let id = self.refills[last];
            self.pools[usize::from(pool)].unmade();
            self.leave_queue(id, out);
            self.entries[id as usize].state = State::None;
            out.push(Effect::Gone { id });
        }
        self.refill(now, pool, out);
    }

    pub(super) fn refill(&mut self, now: Time, pool: u16, out: &mut Vec<Effect>) {
        self.pools[usize::from(pool)].refill(now, pool, out);
    }

    /// Gives the session the oldest ready place of its class's pool; whether there was one.
    pub(super) fn claim(&mut self, now: Time, id: u32, out: &mut Vec<Effect>) -> bool {
        if let Some(first) = self.policy(id).pool {
            self.pools[usize::from(first)].demand(now);
        }
        let Some(place) = self.ready_place(id) else { return false };
        self.clear_timer(place, out);
        self.hand_over(now, id, place, out);
        true
    }

    /// The same for a session in the queue. It meets a ready place there only where the control plane
    /// stalled when one of them came.
    pub(super) fn claim_waiting(&mut self, now: Time, id: u32, out: &mut Vec<Effect>) -> bool {
        let Some(place) = self.ready_place(id) else { return false };
        self.clear_timer(place, out);
        self.leave_queue_for_place(id, out);
        self.hand_over(now, id, place, out);
        true
    }

    /// Takes the oldest ready place of the first level that has one.
    fn ready_place(&mut self, id: u32) -> Option<u32> {
        let mut level = self.policy(id).pool.filter(|_| !self.stalled);
        while let Some(pool) = level {
            let pool = &mut self.pools[usize::from(pool)];
            if let Some(place) = pool.claim() {
                return Some(place);
            }
            level = pool.terms.next;
        }
        None
    }

    /// The place's sandbox becomes the session's, and the pool gets another.
    fn hand_over(&mut self, now: Time, id: u32, place: u32, out: &mut Vec<Effect>) {
        let (host, pool) = (self.entries[place as usize].host, self.pool_of(place));
        self.room.hand_over(self.policy(place).tenant, self.policy(id).tenant);
        let entry = &mut self.entries[id as usize];
        (entry.host, entry.state) = (host, State::Claiming);
        self.entries[place as usize].state = State::None;
        out.push(Effect::Claimed { id, place, pool });
        out.push(Effect::Gone { id: place });
        self.look_and_refill(now, pool, out);
    }

    /// A place's boot ended. A ready one goes to the first session in the queue that wants a new
    /// sandbox of its kind; else it waits.
    pub(super) fn place_made(&mut self, now: Time, id: u32, ok: bool, out: &mut Vec<Effect>) {
        let pool = self.pool_of(id);
        if !ok {
            self.pools[usize::from(pool)].unmade();
            self.remove_place(id, out);
            return self.refill(now, pool, out);
        }
        self.entries[id as usize].state = State::Pooled;
        if !self.stalled
            && let Some(waiting) = self.first_for(pool)
        {
            self.pools[usize::from(pool)].unmade();
            self.leave_queue_for_place(waiting, out);
            return self.hand_over(now, waiting, id, out);
        }
        self.pools[usize::from(pool)].made(id);
        if let Some(ttl) = self.pools[usize::from(pool)].terms.ttl {
            self.set_timer(id, TimerKind::Pool, ttl, out);
        }
    }

    /// The first in the queue without a snapshot whose class may claim from the pool.
    fn first_for(&mut self, pool: u16) -> Option<u32> {
        let entries = &self.entries;
        let waits = |id: u32, ticket: u32| entries[id as usize].waits_with(ticket);
        let mut next = self.queue.first(waits);
        while let Some((place, id)) = next {
            if self.entries[id as usize].wants_boot() && self.draws_on(id, pool) {
                return Some(id);
            }
            let entries = &self.entries;
            let waits = |id: u32, ticket: u32| entries[id as usize].waits_with(ticket);
            next = self.queue.after(place, waits);
        }
        None
    }

    fn draws_on(&self, id: u32, pool: u16) -> bool {
        let mut level = self.policy(id).pool;
        while let Some(at) = level {
            if at == pool {
                return true;
            }
            level = self.pools[usize::from(at)].terms.next;
        }
        false
    }

    fn leave_queue_for_place(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.clear_timer(id, out);
        self.leave_queue(id, out);
    }

    /// A ready place was not claimed within its time.
    pub(super) fn place_expired(&mut self, now: Time, id: u32, out: &mut Vec<Effect>) {
        let pool = self.pool_of(id);
        self.pools[usize::from(pool)].lost(id);
        out.push(Effect::PlaceExpired { id });
        self.remove_place(id, out);
        self.refill(now, pool, out);
    }

    fn remove_place(&mut self, id: u32, out: &mut Vec<Effect>) {
        out.push(Effect::Destroy { id });
        self.free_slot(id, out);
        self.entries[id as usize].state = State::None;
        out.push(Effect::Gone { id });
    }

    /// A new version of the agent is out: ready places and those being booted are of the old one.
    pub fn rollout(&mut self, now: Time, out: &mut Vec<Effect>) {
        for pool in 0..self.pools.len() as u16 {
            let ready: Vec<u32> = self.pools[usize::from(pool)].ready().collect();
            for id in ready {
                self.clear_timer(id, out);
                self.pools[usize::from(pool)].lost(id);
                out.push(Effect::PlaceExpired { id });
                self.remove_place(id, out);
            }
            for id in 0..self.entries.len() as u32 {
                let entry = self.entries[id as usize];
                let booting = matches!(entry.state, State::Starting { .. });
                if entry.pool() == Some(pool) && booting {
                    self.pools[usize::from(pool)].unmade();
                    self.start_over(id, out);
                    out.push(Effect::PlaceExpired { id });
                    self.remove_place(id, out);
                }
            }
            self.refill(now, pool, out);
        }
    }
}
