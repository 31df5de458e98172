//! The event queue: integer nanoseconds, stable ties, cancellation. It knows nothing of platforms.
//!
//! # How it is built
//!
//! An event lies in a slot (`slots`), and a 16-byte entry with its instant, rank and slot
//! stands for it in the order. The next few entries are a sorted array (`near`), and that is all while
//! few events are pending. Later ones wait unsorted (`far`), on the rungs of a ladder (`rung`) whose
//! buckets are lists (`chunks`), and come down to the array some dozens at a time. So an event costs
//! two or three moves in streams, however many are pending, where a heap would miss the cache once a
//! level.
//!
//! Taking an event back drops it from its slot; its entry goes when it comes to the front, or when
//! entries without event are a third of all. Nothing is hashed and nothing is boxed.
//!
//! With 16-byte events a pending event takes some 40 bytes.

mod chunks;
mod entry;
mod far;
#[cfg(test)]
mod model_tests;
mod near;
mod prefetch;
mod rung;
mod slots;
#[cfg(test)]
mod tests;

pub use prefetch::prefetch;
pub use slots::Timer;

use entry::Entry;
use far::Far;
use near::Near;
use slots::Slots;

use crate::units::Time;

/// Entries without event that may stay, beside half as many as there are events.
const STALE_MIN: usize = 1024;

/// Near entries that are there at least, if there are far ones: so many are known in advance.
const LOOK_AHEAD: usize = 12;

/// Events in the order of their instant, then their rank, then their scheduling.
#[derive(Debug)]
pub struct EventQueue<E> {
    now: Time,
    /// What is scheduled before this goes to `near`, the rest to `far`.
    bound: Entry,
    near: Near,
    slots: Slots<E>,
    /// Where the arrival stands; the end if there is none.
    arrival_at: Entry,
    arrival: Option<E>,
    far: Far,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue {
            now: Time::ZERO,
            bound: Entry::END,
            near: Near::default(),
            slots: Slots::default(),
            arrival_at: Entry::END,
            arrival: None,
            far: Far::default(),
        }
    }
}

impl<E> EventQueue<E> {
    /// The instant of the latest event.
    #[inline]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events scheduled and not cancelled, the arrival among them.
    #[inline]
    pub fn len(&self) -> usize {
        self.slots.pending() + usize::from(self.arrival.is_some())
    }

    /// True if nothing is scheduled.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets `event` happen at `at`; at one instant smaller ranks come first, and within a rank
    /// what was scheduled first. What is scheduled for the present instant is still to come,
    /// whichever ranks have been there.
    ///
    /// # Panics
    ///
    /// If `at` is before the latest event: time runs forward.
    // Always inlined, so that the event is written into its slot field by field: read back as a whole
    // from the stack it would wait for all earlier stores, among them the caller's cache misses.
    #[inline(always)]
    pub fn schedule(&mut self, at: Time, rank: u8, event: E) -> Timer {
        self.refuse_the_past(at);
        let (slot, timer) = self.slots.insert(event);
        self.enter(Entry::new(at, rank, slot));
        timer
    }

    #[inline]
    fn enter(&mut self, entry: Entry) {
        while entry < self.bound {
            if self.near.insert(entry) {
                return;
            }
            self.overflow();
        }
        self.far.push_back(entry);
    }

    /// Lets `event` happen at `at` as the next of a stream whose instants are known to be in order,
    /// such as arrivals. It is kept beside the queue, so that a long stream costs neither a place in
    /// the order nor memory: schedule the first, and each following one when its predecessor
    /// happens. It cannot be cancelled. At an equal instant and rank it comes before all that was
    /// scheduled, as if the whole stream had been scheduled at the start.
    ///
    /// # Panics
    ///
    /// If the previous one has not happened yet, or if `at` is before the latest event.
    #[inline]
    pub fn schedule_arrival(&mut self, at: Time, rank: u8, event: E) {
        self.refuse_the_past(at);
        assert!(self.arrival.is_none(), "the arrival before this one has not happened yet");
        self.arrival_at = Entry::new(at, rank, 0);
        self.arrival = Some(event);
    }

    /// Takes back an event that has not happened yet. One that has happened, or was taken back
    /// before, is left alone.
    #[inline]
    pub fn cancel(&mut self, timer: Timer) {
        if self.slots.cancel(timer) {
            let entries = self.near.len() + self.far.len();
            if entries > STALE_MIN + self.slots.pending() + self.slots.pending() / 2 {
                self.clear_stale();
            }
        }
    }

    /// The instant of the next event.
    #[inline]
    pub fn next_at(&mut self) -> Option<Time> {
        loop {
            let next = self.near.first().unwrap_or(self.bound);
            if self.arrival_at <= next {
                return self.arrival.is_some().then(|| self.arrival_at.at());
            }
            if self.near.is_empty() {
                self.refill();
            } else if self.slots.is_pending(next.slot()) {
                return Some(next.at());
            } else {
                self.near.remove_first();
                self.slots.take(next.slot());
            }
        }
    }

    /// The next event.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        loop {
            let next = self.near.first().unwrap_or(self.bound);
            if self.arrival_at <= next {
                return self.pop_arrival();
            }
            if self.near.is_empty() {
                self.refill();
                continue;
            }
            self.near.remove_first();
            if self.near.len() < LOOK_AHEAD && !self.far.is_empty() {
                self.refill();
            }
            if let Some(event) = self.slots.take(next.slot()) {
                self.now = next.at();
                return Some((self.now, event));
            }
        }
    }

    /// The event that will be the `ahead`th after the next one if nothing is scheduled before it; `None`
    /// if the queue does not know it without work. For whoever wants to have at hand what it is about.
    #[inline]
    pub fn upcoming(&self, ahead: usize) -> Option<&E> {
        let entry = self.near.as_slice().get(ahead)?;
        self.slots.get(entry.slot())
    }

    /// The arrival, if there is one.
    #[inline]
    fn pop_arrival(&mut self) -> Option<(Time, E)> {
        let event = self.arrival.take()?;
        self.now = self.arrival_at.at();
        self.arrival_at = Entry::END;
        Some((self.now, event))
    }

    #[inline]
    fn refuse_the_past(&self, at: Time) {
        assert!(at >= self.now, "an event is scheduled in the past: at {at:?}, now {:?}", self.now);
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) {
        let slots = &mut self.slots;
        self.bound = self.far.refill(&mut self.near, self.bound, |entry| slots.keep(entry.slot()));
    }

    /// The later half of the near entries becomes far. They were scheduled before the far ones of
    /// their key, if there are such, so they go before them.
    #[cold]
    #[inline(never)]
    fn overflow(&mut self) {
        let kept = self.near.len() / 2;
        let later = &self.near.as_slice()[kept..];
        self.bound = later[0].first_of_key();
        if self.far.is_empty() || self.bound < self.far.base() {
            self.far.rebase(Entry::new(self.now, 0, 0));
        }
        for entry in later.iter().rev() {
            self.far.push_front(*entry);
        }
        self.near.truncate(kept);
    }

    /// Removes all entries without event.
    #[cold]
    #[inline(never)]
    fn clear_stale(&mut self) {
        let slots = &mut self.slots;
        self.near.retain(|entry| slots.keep(entry.slot()));
        self.far.retain(|entry| slots.keep(entry.slot()));
    }
}
