//! What some rate cards charge by beside what slots hold: the number of slots held, the memory that
//! tool calls hold, and what rounding each holding up adds. A card without these costs nothing here.

use rustc_hash::FxHashMap;

use super::agent::Slot;
use crate::billing::{MemoryTerms, MeterTerms};
use crate::measure::{Holding, Recorder, Surplus};
use crate::scenario::types::BillFrom;
use crate::units::{Span, Time};

/// A slot that is held: for how long for what.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    slot: Slot,
    since: Time,
    starting: Span,
    turn: Span,
    idle: Span,
    pool: Span,
    micro_vcpu: i64,
    memory: u64,
    /// It waits in a pool of paused sandboxes.
    paused: bool,
    /// It has been ready.
    ready: bool,
    /// Bytes that its tool calls hold, the most that they held, and what counts now above the floor.
    used: u64,
    most: u64,
    counted: i64,
}

/// Meters what the rate card needs.
#[derive(Debug)]
pub(super) struct Meter {
    terms: MeterTerms,
    held: FxHashMap<u32, Held>,
}

/// What a sandbox is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub micro_vcpu: i64,
    pub memory: u64,
    pub paused: bool,
}

impl Meter {
    pub fn new(terms: MeterTerms) -> Self {
        Meter { terms, held: FxHashMap::default() }
    }

    /// Whether nothing is metered.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.terms.is_idle()
    }

    /// The sandbox of a pool's place is a session's from now on.
    pub fn hand_over(&mut self, place: u32, id: u32) {
        if let Some(held) = self.held.remove(&place) {
            self.held.insert(id, held);
        }
    }

    /// The slot of `id` is held for something else from now on.
    pub fn slot(&mut self, id: u32, slot: Slot, given: Given, recorder: &mut Recorder) {
        let now = recorder.now();
        let terms = self.terms;
        // A place that was handed over holds nothing that could end.
        if slot == Slot::Free && !self.held.contains_key(&id) {
            return;
        }
        let held = self.held.entry(id).or_insert(Held { since: now, ..Held::default() });
        (held.micro_vcpu, held.memory) = (given.micro_vcpu, given.memory);
        held.turn_to(now, slot);
        held.paused |= slot == Slot::Pool && given.paused;
        if terms.slots {
            count(-1, held.slot, recorder);
            count(1, slot, recorder);
        }
        held.consume(0, recorder);
        if slot == Slot::Free {
            let held = self.held.remove(&id).expect("it was held until now");
            return Self::over(&terms, &held, recorder);
        }
        held.slot = slot;
        if let Some(memory) = terms.memory {
            held.consume(held.level(memory), recorder);
        }
    }

    /// The tool calls in the sandbox of `id` hold so many bytes more.
    pub fn memory(&mut self, id: u32, delta: i64, recorder: &mut Recorder) {
        let (Some(terms), Some(held)) = (self.terms.memory, self.held.get_mut(&id)) else { return };
        held.used = held.used.saturating_add_signed(delta);
        held.most = held.most.max(held.used);
        held.consume(held.level(terms), recorder);
    }

    /// The measure ends: what is held is rounded up as if it ended.
    pub fn finish(&mut self, recorder: &mut Recorder) {
        let mut open: Vec<(u32, Held)> = self.held.drain().collect();
        // Sums of fractions depend on their order.
        open.sort_unstable_by_key(|(id, _)| *id);
        for (_, mut held) in open {
            held.turn_to(recorder.now(), Slot::Free);
            Self::over(&self.terms, &held, recorder);
        }
    }

    fn over(terms: &MeterTerms, held: &Held, recorder: &mut Recorder) {
        let Some((round, from)) = terms.round else { return };
        let charged = match from {
            BillFrom::Create => held.starting + held.turn + held.idle + held.pool,
            BillFrom::Ready => held.turn + held.idle + held.pool,
        };
        if from == BillFrom::Ready && !held.ready {
            return;
        }
        let surplus = round.surplus(charged).seconds();
        recorder.surplus(&held.spread(surplus));
    }
}

impl Held {
    /// Time has passed in the present slot; the next one is `slot`.
    fn turn_to(&mut self, now: Time, slot: Slot) {
        let passed = now.since(self.since);
        self.since = now;
        match self.slot {
            Slot::Free | Slot::Boarding | Slot::SeatTurn | Slot::SeatIdle => {}
            Slot::Starting | Slot::PoolStarting => self.starting += passed,
            Slot::Claiming | Slot::Turn => self.turn += passed,
            Slot::Idle => self.idle += passed,
            Slot::Pool => self.pool += passed,
        }
        self.ready |= matches!(slot, Slot::Claiming | Slot::Turn | Slot::Idle | Slot::Pool);
    }

    /// A surplus over turn, idle and pool, as its time was spent; all for its turn, or its pool, if
    /// it never came to that.
    fn spread(&self, seconds: f64) -> Surplus {
        let sum = (self.turn + self.idle + self.pool).seconds();
        let is_place = matches!(self.slot, Slot::PoolStarting | Slot::Pool);
        let [turn, idle, pool] = if sum > 0.0 {
            [self.turn, self.idle, self.pool].map(|part| seconds * (part.seconds() / sum))
        } else if is_place {
            [0.0, 0.0, seconds]
        } else {
            [seconds, 0.0, 0.0]
        };
        Surplus {
            seconds: [turn, idle, pool],
            vcpu: self.micro_vcpu as f64 / 1e6,
            pool_vcpu: if self.paused { 0.0 } else { self.micro_vcpu as f64 / 1e6 },
            bytes: self.memory as f64,
        }
    }

    /// Bytes above the floor that count now.
    fn level(&self, terms: MemoryTerms) -> i64 {
        let counts = if terms.peak { self.most } else { self.used };
        counts.saturating_sub(terms.floor.0) as i64
    }

    /// So many bytes above the floor are consumed from now on.
    fn consume(&mut self, above: i64, recorder: &mut Recorder) {
        let holding = match self.slot {
            Slot::Idle => Holding::ConsumedIdle,
            _ => Holding::ConsumedTurn,
        };
        recorder.hold(holding, above - self.counted);
        self.counted = above;
    }
}

fn count(sign: i64, slot: Slot, recorder: &mut Recorder) {
    let holding = match slot {
        Slot::Free | Slot::Boarding | Slot::SeatTurn | Slot::SeatIdle => return,
        Slot::Starting => Holding::SandboxStarting,
        Slot::Claiming | Slot::Turn => Holding::SandboxTurn,
        Slot::Idle => Holding::SandboxIdle,
        Slot::PoolStarting => Holding::SandboxPoolStarting,
        Slot::Pool => Holding::SandboxPool,
    };
    recorder.hold(holding, sign);
}
