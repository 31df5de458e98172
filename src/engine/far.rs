//! All entries but the next few: unsorted lists on a ladder of rungs.
//!
//! A rung divides a range of keys into equal buckets, and the next lower rung divides one of these
//! further. Rungs are made as they are needed: the first bucket of all is sorted at once if it has few
//! entries; if it has many they are spread over a new rung, with as many buckets as suit their
//! number. So an entry moves down two or three times however many are pending, and always in streams
//! (the idea of Tang, Goh, Thng: "Ladder Queue", TOMACS 15, 2005).
//!
//! Unlike theirs, ranges and widths are powers of two, as in a radix heap (Ahuja, Mehlhorn, Orlin,
//! Tarjan: "Faster Algorithms for the Shortest Path Problem", JACM 37, 1990). Relative to a *base*
//! that no entry is before, the highest bit of the key that differs tells the rung without a search,
//! and no rounding can put an entry into a wrong bucket. A new rung begins at the highest bit in
//! which its entries differ, so a narrow cluster is taken apart in one step.
//!
//! Lists are first-in-first-out and are spread in order, so equal keys keep the order in which
//! they were scheduled.

use super::chunks::{CHUNK, Chunks, List};
use super::entry::{Entry, KEY_BITS};
use super::near::Near;
use super::rung::{Rung, WIDEST};

/// Entries that a bucket of a new rung has on average, or up to twice as many.
const BUCKET: usize = 16;
/// Most entries of a bucket that are sorted rather than spread.
const SORTABLE: usize = 64;
/// With so many entries sorted, no further bucket is added to them.
const ENOUGH: usize = 32;

/// Entries that are not before its base.
#[derive(Debug)]
pub(super) struct Far {
    base: Entry,
    len: usize,
    /// The widest first, for all keys; up to `deepest` they are in use. A rung is for the keys that
    /// agree with the base above its top. If they agree down to the top of the next rung, they are
    /// there instead.
    rungs: Vec<Rung>,
    deepest: usize,
    /// The rung of a key, by the number of low bits within which it differs from the base.
    rung_of: [u8; KEY_BITS as usize + 1],
    chunks: Chunks,
}

impl Default for Far {
    fn default() -> Self {
        let mut widest = Rung::default();
        widest.reuse(KEY_BITS - WIDEST, KEY_BITS);
        Far {
            base: Entry::START,
            len: 0,
            rungs: vec![widest],
            deepest: 0,
            rung_of: [0; KEY_BITS as usize + 1],
            chunks: Chunks::default(),
        }
    }
}

impl Far {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory in use, but for that of the rungs, which does not grow with the entries.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.chunks.bytes()
    }

    /// No entry may be before this.
    pub fn base(&self) -> Entry {
        self.base
    }

    /// Puts an entry behind all of its key.
    pub fn push_back(&mut self, entry: Entry) {
        debug_assert!(entry >= self.base, "{entry:?} is before the base, {:?}", self.base);
        self.len += 1;
        let rung = self.rung_of[entry.differing_bits(self.base) as usize];
        self.chunks.push_back(self.rungs[rung as usize].enter(entry), entry);
    }

    /// Puts an entry before all of its key.
    pub fn push_front(&mut self, entry: Entry) {
        debug_assert!(entry >= self.base, "{entry:?} is before the base, {:?}", self.base);
        self.len += 1;
        let rung = self.rung_of[entry.differing_bits(self.base) as usize];
        self.chunks.push_front(self.rungs[rung as usize].enter(entry), entry);
    }

    /// Moves the base back to `to`, or anywhere if there are no entries.
    ///
    /// Rungs below the highest bit that changes are given up: their entries differ from the new base
    /// in that bit, and so all belong to the old base's bucket above. All other entries stay.
    pub fn rebase(&mut self, to: Entry) {
        debug_assert!(self.is_empty() || to <= self.base, "a base with entries moves back only");
        let kept = usize::from(self.rung_of[self.base.differing_bits(to) as usize]);
        let lists: Vec<List> =
            self.rungs[kept + 1..=self.deepest].iter_mut().flat_map(Rung::take_all).collect();
        self.base = to;
        self.give_up_below(kept);
        for list in lists {
            self.enter_again(list, |_| true);
        }
    }

    /// Appends the earliest entries that `keep` wants to keep to `near`, whose own are before `bound`;
    /// none may be appended only if no entry is left. Gives the new bound: no entry that is left is
    /// before it, and none in `near` is after it; those of its own key that are left were scheduled
    /// later.
    pub fn refill(
        &mut self,
        near: &mut Near,
        mut bound: Entry,
        mut keep: impl FnMut(Entry) -> bool,
    ) -> Entry {
        while !self.is_empty() && near.len() < ENOUGH {
            let Some(bucket) = self.rungs[self.deepest].first() else {
                self.give_up_below(self.deepest - 1);
                continue;
            };
            let rung = &mut self.rungs[self.deepest];
            // After a spread at least one bucket is sorted, so that the base is not after the bound.
            if rung.low() > 0 && rung.bucket_len(bucket) > SORTABLE {
                self.spread(bucket);
                continue;
            }
            bound = self.sort_into(near, bucket, &mut keep);
        }
        if self.is_empty() { Entry::END } else { bound }
    }

    /// Removes the entries that are not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(Entry) -> bool) {
        for rung in 0..=self.deepest {
            for list in self.rungs[rung].take_all() {
                self.enter_again(list, &mut keep);
            }
        }
    }

    /// Makes a rung of the first bucket, which is on the deepest, and its least possible entry the
    /// base.
    fn spread(&mut self, bucket: usize) {
        let list = self.rungs[self.deepest].take(bucket);
        let first = self.chunks.first(list);
        let top = self.chunks.differing_bits(list);
        let wanted = (list.len() / BUCKET).ilog2();
        self.base = first.start_of(top);
        self.deepest += 1;
        if self.deepest == self.rungs.len() {
            self.rungs.push(Rung::default());
        }
        self.rungs[self.deepest].reuse(top - wanted.min(WIDEST).min(top), top);
        self.rung_of[..=top as usize].fill(self.deepest as u8);
        self.enter_again(list, |_| true);
    }

    /// Puts entries of a list that was taken where they belong by the present base, unless they are
    /// not to be kept.
    fn enter_again(&mut self, mut list: List, mut keep: impl FnMut(Entry) -> bool) {
        self.len -= list.len();
        let mut entries = [Entry::END; CHUNK];
        while !list.is_empty() {
            let count = self.chunks.take_front(&mut list, CHUNK, &mut entries);
            for entry in entries[..count].iter().filter(|entry| keep(**entry)) {
                self.push_back(*entry);
            }
        }
    }

    /// Sorts the deepest rung's first bucket into `near`; of equal keys at most `SORTABLE`. Gives the
    /// bound.
    ///
    /// `keep` looks at each event. These looks do not depend on each other, so their cache misses
    /// overlap, and the events are in the cache when their turn comes.
    fn sort_into(
        &mut self,
        near: &mut Near,
        bucket: usize,
        keep: &mut impl FnMut(Entry) -> bool,
    ) -> Entry {
        let rung = &mut self.rungs[self.deepest];
        let (low, mut list) = (rung.low(), rung.take(bucket));
        let first = self.chunks.first(list);
        let (before, mut room) = (near.len(), SORTABLE);
        near.make_room(room);
        let mut entries = [Entry::END; CHUNK];
        while room > 0 && !list.is_empty() {
            let count = self.chunks.take_front(&mut list, room, &mut entries);
            (room, self.len) = (room - count, self.len - count);
            for entry in entries[..count].iter().filter(|entry| keep(**entry)) {
                near.append(*entry);
            }
        }
        near.sort_from(before);
        if list.is_empty() {
            return first.end_of(low);
        }
        self.rungs[self.deepest].give_back(bucket, list);
        first.first_of_key()
    }

    /// Puts the rungs below one out of use. They are empty.
    fn give_up_below(&mut self, kept: usize) {
        if kept < self.deepest {
            let top = self.rungs[kept + 1].top() as usize;
            self.rung_of[..=top].fill(kept as u8);
            self.deepest = kept;
        }
    }
}
