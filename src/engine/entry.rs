//! Where a scheduled event stands in the order.

use std::fmt;

use crate::units::Time;

/// Bits of a key: the rank's below the instant's.
pub(super) const KEY_BITS: u32 = 72;
/// Bits below the key.
const LOW_BITS: u32 = 56;
const LOW: u128 = (1 << LOW_BITS) - 1;
/// The turn stands above the slot, which has 32 bits.
const TURN_SHIFT: u32 = 32;
const TURN: u128 = LOW & !(u32::MAX as u128);

/// An event's place in the order and where the event itself is kept, in 16 bytes: instant
/// (64 bits), rank (8), turn (24), slot (32).
///
/// The instant and the rank are the *key*. Among equal keys a container keeps the order of
/// scheduling by its own order, not by a number in the entry; the turn is written only to let an
/// unstable sort keep that order, and means nothing afterwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

impl Entry {
    /// Not after any event.
    pub const START: Entry = Entry(0);
    /// After every event.
    pub const END: Entry = Entry(u128::MAX);

    #[inline]
    pub fn new(at: Time, rank: u8, slot: u32) -> Self {
        let key = u128::from(at.nanos()) << 8 | u128::from(rank);
        Entry(key << LOW_BITS | u128::from(slot))
    }

    #[inline]
    pub fn at(self) -> Time {
        Time::from_nanos((self.0 >> 64) as u64)
    }

    #[inline]
    pub fn slot(self) -> u32 {
        self.0 as u32
    }

    /// Not after any entry of the same key.
    #[inline]
    pub fn first_of_key(self) -> Self {
        Entry(self.0 & !LOW)
    }

    /// Not before any entry of the same key.
    #[inline]
    pub fn last_of_key(self) -> Self {
        Entry(self.0 | LOW)
    }

    #[inline]
    pub fn with_turn(self, turn: usize) -> Self {
        Entry(self.0 & !TURN | (turn as u128) << TURN_SHIFT)
    }

    /// The number of low bits of the key within which two entries differ.
    #[inline]
    pub fn differing_bits(self, other: Entry) -> u32 {
        u128::BITS - ((self.0 ^ other.0) >> LOW_BITS).leading_zeros()
    }

    /// The key's lowest bits but for the lowest `low`, and as many as fit.
    #[inline]
    pub fn bits_from(self, low: u32) -> usize {
        (self.0 >> (LOW_BITS + low)) as usize
    }

    /// The least entry that agrees with this one but for the lowest `low` bits of the key.
    pub fn start_of(self, low: u32) -> Self {
        Entry(self.0 >> LOW_BITS >> low << low << LOW_BITS)
    }

    /// The least entry after all that agree with this one but for the lowest `low` bits of the key.
    pub fn end_of(self, low: u32) -> Self {
        let end = ((self.0 >> LOW_BITS >> low) + 1) << low;
        if end >> KEY_BITS == 0 { Entry(end << LOW_BITS) } else { Entry::END }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, rank, slot) = (self.at().nanos(), self.bits_from(0) as u8, self.slot());
        write!(f, "{at} ns, rank {rank}, slot {slot}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_instant_then_the_rank() {
        let entry = Entry::new(Time::from_nanos(0x0123_4567_89ab_cdef), 0x5a, 7).with_turn(9);
        assert_eq!((entry.at().nanos(), entry.slot()), (0x0123_4567_89ab_cdef, 7));
        assert_eq!((entry.bits_from(0) & 0xffff, entry.bits_from(64)), (0xef5a, 0x01));
        let other = Entry::new(Time::from_nanos(0x0123_4567_89ab_cdee), 0x5a, 7);
        assert_eq!((entry.differing_bits(other), entry.differing_bits(entry)), (9, 0));
        assert!(entry.first_of_key() < entry && entry < entry.last_of_key());
        assert_eq!(entry.with_turn(3).first_of_key(), entry.first_of_key());
    }

    #[test]
    fn ranges_end_where_the_next_begin_and_the_last_at_the_end() {
        let entry = |nanos, rank| Entry::new(Time::from_nanos(nanos), rank, 0);
        assert_eq!(entry(0x12ff, 3).start_of(12), entry(0x12f0, 0));
        assert_eq!(entry(0x12ff, 3).end_of(12), entry(0x1300, 0));
        assert_eq!(entry(0x12ff, 3).end_of(0), entry(0x12ff, 4));
        assert_eq!(entry(0x12ff, 255).end_of(0), entry(0x1300, 0));
        assert_eq!(entry(7, 3).start_of(KEY_BITS), Entry::START);
        for low in [0, 8, 40, 64, KEY_BITS] {
            assert_eq!(entry(u64::MAX, 255).end_of(low), Entry::END);
        }
        assert!(entry(u64::MAX, 255).last_of_key() <= Entry::END);
    }
}
