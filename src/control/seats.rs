//! Sandboxes that several sessions share: who sits where, and when one starts and goes.
//!
//! A session that needs a sandbox takes a free seat among those of its class, the oldest sandbox's
//! first, ready or still booting; where there is none it asks for a slot, and the sandbox that it gets
//! has seats for others. A session that waits in the queue takes a seat that comes free. A seat is left
//! when the session is killed for its silence or leaves; the sandbox goes when nobody sits in it.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::effect::{Effect, Start};
use super::entry::{Flag, State};
use super::machine::Control;

/// A sandbox with seats.
#[derive(Debug)]
struct Vessel {
    class: u16,
    host: u32,
    /// Sandboxes granted before it.
    age: u64,
    /// Boots tried before the one under way.
    attempt: u32,
    starting: bool,
    /// Its boots have failed: nobody else comes in.
    failed: bool,
    /// In the order in which they came.
    seated: Vec<u32>,
}

/// All seats. Sandboxes have numbers of their own, which are used again.
#[derive(Debug, Default)]
pub(super) struct Seats {
    /// Seats of one sandbox; 0 where each session has its own.
    each: usize,
    vessels: Vec<Vessel>,
    unused: Vec<u32>,
    of: FxHashMap<u32, u32>,
    /// By class those with a free seat, by age.
    open: Vec<BTreeMap<u64, u32>>,
    granted: u64,
    /// By class who waits in the queue.
    waiting: Vec<u32>,
}

impl Seats {
    /// So many seats in each sandbox; one is a sandbox for each session.
    pub fn new(each: u32, classes: usize) -> Self {
        let each = if each > 1 { each as usize } else { 0 };
        let (open, waiting) = (vec![BTreeMap::new(); classes], vec![0; classes]);
        Seats { each, open, waiting, ..Seats::default() }
    }

    /// Whether sessions share sandboxes at all.
    pub fn are_shared(&self) -> bool {
        self.each > 0
    }

    /// Whether the session has a seat.
    pub fn has(&self, id: u32) -> bool {
        self.each > 0 && self.of.contains_key(&id)
    }

    /// One of a class waits, or no longer; whether that makes one sandbox more, or less, that is waited
    /// for.
    pub fn waits(&mut self, class: u16, joins: bool) -> bool {
        if self.each == 0 {
            return true;
        }
        let waiting = &mut self.waiting[usize::from(class)];
        let sandboxes = |waiting: u32| (waiting as usize).div_ceil(self.each);
        let before = sandboxes(*waiting);
        *waiting = if joins { *waiting + 1 } else { *waiting - 1 };
        sandboxes(*waiting) != before
    }

    fn free_of(&self, class: u16) -> Option<u32> {
        self.open.get(usize::from(class))?.first_key_value().map(|(_, vessel)| *vessel)
    }

    fn add(&mut self, class: u16, host: u32) -> u32 {
        let (age, seated) = (self.granted, Vec::with_capacity(self.each));
        self.granted += 1;
        let vessel = Vessel { class, host, age, attempt: 0, starting: true, failed: false, seated };
        match self.unused.pop() {
            Some(number) => {
                self.vessels[number as usize] = vessel;
                number
            }
            None => {
                self.vessels.push(vessel);
                self.vessels.len() as u32 - 1
            }
        }
    }

    fn seat(&mut self, number: u32, id: u32) {
        self.of.insert(id, number);
        self.vessels[number as usize].seated.push(id);
        self.reopen(number);
    }

    /// It is open to others as long as it has a free seat and somebody in it.
    fn reopen(&mut self, number: u32) {
        let vessel = &self.vessels[number as usize];
        let room = (1..self.each).contains(&vessel.seated.len()) && !vessel.failed;
        let open = &mut self.open[usize::from(vessel.class)];
        if room {
            open.insert(vessel.age, number);
        } else {
            open.remove(&vessel.age);
        }
    }
}

impl Control {
    /// Gives the session a free seat of its class; whether there was one.
    pub(super) fn sit(&mut self, id: u32, out: &mut Vec<Effect>) -> bool {
        if !self.seats.are_shared() || self.stalled {
            return false;
        }
        let class = self.entries[id as usize].class();
        let Some(vessel) = self.seats.free_of(class) else { return false };
        self.seats.seat(vessel, id);
        let Vessel { host, starting, .. } = self.seats.vessels[vessel as usize];
        self.entries[id as usize].host = host;
        out.push(Effect::Seated { id, vessel, runs: !starting });
        if starting {
            self.entries[id as usize].state = State::Starting { start: Start::Boot, attempt: 0 };
        } else {
            self.runs(id, out);
        }
        true
    }

    /// The same for a session in the queue, which it leaves.
    pub(super) fn sit_waiting(&mut self, id: u32, out: &mut Vec<Effect>) -> bool {
        let class = self.entries[id as usize].class();
        if self.stalled || self.seats.free_of(class).is_none() {
            return false;
        }
        self.clear_timer(id, out);
        self.leave_queue(id, out);
        self.sit(id, out)
    }

    fn runs(&mut self, id: u32, out: &mut Vec<Effect>) {
        let entry = &mut self.entries[id as usize];
        entry.state = State::Busy;
        entry.set(Flag::HadSandbox);
        out.push(Effect::Ready { id });
    }

    /// The slot that the session was granted is one of a sandbox with seats.
    pub(super) fn launch(&mut self, id: u32, host: u32, out: &mut Vec<Effect>) {
        let vessel = self.seats.add(self.entries[id as usize].class(), host);
        self.seats.seat(vessel, id);
        self.entries[id as usize].state = State::Starting { start: Start::Boot, attempt: 0 };
        out.push(Effect::Launched { id, vessel, host });
        self.boot_vessel(vessel, 0, out);
    }

    fn boot_vessel(&mut self, vessel: u32, attempt: u32, out: &mut Vec<Effect>) {
        let one = &mut self.seats.vessels[vessel as usize];
        one.attempt = attempt;
        let beside = self.room.start_begins(one.host);
        out.push(Effect::BeginVessel { vessel, beside });
    }

    /// The boot of a sandbox with seats ended.
    pub fn vessel_started(&mut self, vessel: u32, succeeded: bool, out: &mut Vec<Effect>) {
        let Vessel { host, attempt, .. } = self.seats.vessels[vessel as usize];
        if self.room.start_ends(host) {
            self.serve_soon(out);
        }
        if !succeeded && attempt + 1 < self.config.attempts {
            return self.boot_vessel(vessel, attempt + 1, out);
        }
        let one = &mut self.seats.vessels[vessel as usize];
        (one.starting, one.failed) = (false, !succeeded);
        for id in one.seated.clone() {
            if succeeded {
                self.runs(id, out);
            } else {
                // Seats are held until the sessions, which fail, are closed.
                self.entries[id as usize].state = State::Busy;
                out.push(Effect::StartFailed { id });
            }
        }
        self.seats.reopen(vessel);
    }

    /// The session leaves its seat, if it has one; whether it had. The last to leave ends the sandbox.
    pub(super) fn leave_seat(&mut self, id: u32, out: &mut Vec<Effect>) -> bool {
        if !self.seats.are_shared() {
            return false;
        }
        let Some(number) = self.seats.of.remove(&id) else { return false };
        let vessel = &mut self.seats.vessels[number as usize];
        vessel.seated.retain(|other| *other != id);
        let (class, host, starting) = (vessel.class, vessel.host, vessel.starting);
        let is_empty = vessel.seated.is_empty();
        self.seats.reopen(number);
        if is_empty {
            if starting {
                self.room.start_ends(host);
            }
            let policy = self.config.classes[usize::from(class)];
            self.room.free(host, policy.shape, policy.tenant);
            self.seats.unused.push(number);
            out.push(Effect::Scrapped { vessel: number });
        }
        self.serve_soon(out);
        true
    }
}
