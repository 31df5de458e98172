//! The event queue: integer nanoseconds, stable ties, cancellation. It knows nothing of platforms.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rustc_hash::FxHashSet;

use crate::units::Time;

/// Bits of a key below the rank: scheduling order within one instant and rank.
const ORDER_BITS: u32 = 56;

/// Cancelled events that may stay in the heap before it is cleared of them.
const STALE_MIN: usize = 4096;

/// Names a scheduled event, so that it can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer(u64);

/// Events in the order of their instant, then their rank, then their scheduling.
#[derive(Debug)]
pub struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    cancelled: FxHashSet<u64>,
    scheduled: u64,
    now: Time,
}

#[derive(Debug)]
struct Entry<E> {
    /// Instant (64 bits), rank (8), scheduling order (56).
    key: u128,
    event: E,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue {
            heap: BinaryHeap::new(),
            cancelled: FxHashSet::default(),
            scheduled: 0,
            now: Time::ZERO,
        }
    }
}

impl<E> EventQueue<E> {
    /// The instant of the latest event.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events scheduled and not cancelled.
    pub fn len(&self) -> usize {
        self.heap.len().saturating_sub(self.cancelled.len())
    }

    /// True if nothing is scheduled.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets `event` happen at `at`; at one instant smaller ranks come first, and within a rank
    /// what was scheduled first.
    ///
    /// # Panics
    ///
    /// If `at` is before the latest event: time runs forward.
    pub fn schedule(&mut self, at: Time, rank: u8, event: E) -> Timer {
        assert!(at >= self.now, "an event is scheduled in the past: at {at:?}, now {:?}", self.now);
        let order = self.scheduled;
        self.scheduled += 1;
        debug_assert!(order >> ORDER_BITS == 0, "fewer than 2^56 events are scheduled");
        let key = u128::from(at.nanos()) << 64 | u128::from(rank) << ORDER_BITS | u128::from(order);
        self.heap.push(Entry { key, event });
        Timer(order)
    }

    /// Takes back an event that has not happened yet.
    pub fn cancel(&mut self, timer: Timer) {
        self.cancelled.insert(timer.0);
        if self.cancelled.len() > STALE_MIN && self.cancelled.len() > self.heap.len() / 2 {
            let cancelled = std::mem::take(&mut self.cancelled);
            self.heap.retain(|entry| !cancelled.contains(&entry.order()));
        }
    }

    /// The instant of the next event.
    pub fn next_at(&mut self) -> Option<Time> {
        self.skip_cancelled();
        self.heap.peek().map(Entry::at)
    }

    /// The next event.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.skip_cancelled();
        let entry = self.heap.pop()?;
        self.now = entry.at();
        Some((self.now, entry.event))
    }

    #[inline]
    fn skip_cancelled(&mut self) {
        while !self.cancelled.is_empty() {
            match self.heap.peek() {
                Some(entry) if self.cancelled.remove(&entry.order()) => {
                    self.heap.pop();
                }
                _ => return,
            }
        }
    }
}

impl<E> Entry<E> {
    fn at(&self) -> Time {
        Time::from_nanos((self.key >> 64) as u64)
    }

    fn order(&self) -> u64 {
        self.key as u64 & ((1 << ORDER_BITS) - 1)
    }
}

impl<E> Ord for Entry<E> {
    /// Reversed: the heap's greatest is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn instants_then_ranks_then_scheduling_order() {
        let mut queue = EventQueue::default();
        for (nanos, rank, name) in [(5, 1, "d"), (5, 0, "b"), (3, 4, "a"), (5, 1, "e"), (5, 0, "c")]
        {
            queue.schedule(at(nanos), rank, name);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn cancelled_events_do_not_happen_and_are_cleared_away() {
        let mut queue = EventQueue::default();
        let timers: Vec<_> = (0..20_000).map(|i| queue.schedule(at(i), 0, i)).collect();
        for timer in timers.iter().skip(1).step_by(2).chain(timers.iter().skip(2).step_by(4)) {
            queue.cancel(*timer);
        }
        assert!(queue.heap.len() < 10_000, "the heap keeps {} entries", queue.heap.len());
        assert_eq!(queue.len(), 5_000);
        assert_eq!(queue.next_at(), Some(at(0)));
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, i)| i).collect();
        assert_eq!(left, (0..20_000).step_by(4).collect::<Vec<_>>());
        assert!(queue.is_empty());
    }

    #[test]
    #[should_panic(expected = "in the past")]
    fn the_past_is_refused() {
        let mut queue = EventQueue::default();
        queue.schedule(at(2), 0, ());
        queue.pop();
        queue.schedule(at(1), 0, ());
    }
}
