//! The events themselves, in places that are used again.

use std::num::NonZeroU32;

/// Names a scheduled event, so that it can be taken back.
///
/// A name is never given twice: that of an event which has happened or was cancelled stays without
/// effect for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    slot: u32,
    /// How often the slot had been used. Not zero, so that an `Option<Timer>` has 8 bytes too.
    generation: NonZeroU32,
}

/// A place for an event. It is taken from its scheduling until its entry has left the queue.
#[derive(Debug)]
struct Slot<E> {
    /// `None`: free, or cancelled while an entry still points here.
    event: Option<E>,
    generation: NonZeroU32,
}

/// Events by slot.
#[derive(Debug)]
pub(super) struct Slots<E> {
    slots: Vec<Slot<E>>,
    /// The latest freed is used first: it is still in the cache.
    free: Vec<u32>,
    pending: usize,
}

impl<E> Default for Slots<E> {
    fn default() -> Self {
        Slots { slots: Vec::new(), free: Vec::new(), pending: 0 }
    }
}

impl<E> Slots<E> {
    /// Events that are neither taken nor cancelled.
    #[inline]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Keeps an event; gives its slot and its name.
    #[inline]
    pub fn insert(&mut self, event: E) -> (u32, Timer) {
        self.pending += 1;
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[slot as usize];
            place.event = Some(event);
            return (slot, Timer { slot, generation: place.generation });
        }
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 events are pending");
        let generation = NonZeroU32::MIN;
        self.slots.push(Slot { event: Some(event), generation });
        (slot, Timer { slot, generation })
    }

    /// Drops the event unless it is gone; whether it was there.
    #[inline]
    pub fn cancel(&mut self, timer: Timer) -> bool {
        let place = &mut self.slots[timer.slot as usize];
        let found = place.generation == timer.generation && place.event.take().is_some();
        self.pending -= usize::from(found);
        found
    }

    /// Whether the event in a taken slot is still to happen.
    #[inline]
    pub fn is_pending(&self, slot: u32) -> bool {
        self.slots[slot as usize].event.is_some()
    }

    /// The event in a slot, unless it was cancelled.
    #[inline]
    pub fn get(&self, slot: u32) -> Option<&E> {
        self.slots[slot as usize].event.as_ref()
    }

    /// Frees a taken slot; its event unless that was cancelled.
    #[inline]
    pub fn take(&mut self, slot: u32) -> Option<E> {
        let place = &mut self.slots[slot as usize];
        let event = place.event.take();
        self.pending -= usize::from(event.is_some());
        // A slot whose names are used up is left aside: one in 2^32 uses.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.free.push(slot);
        }
        event
    }

    /// Memory in use.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot<E>>() + self.free.capacity() * size_of::<u32>()
    }

    /// Whether the event in a taken slot is still to happen; frees the slot if not.
    #[inline]
    pub fn keep(&mut self, slot: u32) -> bool {
        let pending = self.is_pending(slot);
        if !pending {
            self.take(slot);
        }
        pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_small_and_so_is_an_optional_one() {
        assert_eq!(size_of::<Timer>(), 8);
        assert_eq!(size_of::<Option<Timer>>(), 8);
    }

    #[test]
    fn a_name_is_never_given_twice() {
        let mut slots = Slots::default();
        let (slot, first) = slots.insert('a');
        assert_eq!(slots.take(slot), Some('a'));
        let (again, second) = slots.insert('b');
        assert_eq!(slot, again);
        assert!(!slots.cancel(first));
        assert!(slots.cancel(second));
        assert!(!slots.cancel(second));
        assert_eq!((slots.take(again), slots.pending()), (None, 0));
    }

    #[test]
    fn a_slot_whose_names_are_used_up_is_left_aside() {
        let mut slots = Slots::default();
        let (slot, _) = slots.insert('a');
        slots.slots[slot as usize].generation = NonZeroU32::MAX;
        assert_eq!(slots.take(slot), Some('a'));
        assert_ne!(slots.insert('b').0, slot);
    }
}
