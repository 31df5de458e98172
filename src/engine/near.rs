//! The next few entries: a small sorted array.

use super::entry::Entry;

/// Room for entries. Those between `head` and `tail` slide back only after many went through.
const ROOM: usize = 256;
/// Most entries that slide.
const CAPACITY: usize = ROOM / 2;
/// Most entries that make way for another.
const DEPTH: usize = 32;

/// A sorted array with room at both ends: the first is taken by moving an index, the last appended,
/// and in between the shorter side makes way. Entries are moved one by one: a block move of 16 bytes
/// forward would wait for the stores of the last one.
#[derive(Debug)]
pub(super) struct Near {
    entries: Box<[Entry; ROOM]>,
    head: usize,
    tail: usize,
}

impl Default for Near {
    fn default() -> Self {
        Near { entries: Box::new([Entry::END; ROOM]), head: ROOM / 2, tail: ROOM / 2 }
    }
}

impl Near {
    #[inline]
    pub fn len(&self) -> usize {
        self.tail - self.head
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    #[inline]
    pub fn first(&self) -> Option<Entry> {
        if self.is_empty() { None } else { Some(self.entries[self.head]) }
    }

    #[inline]
    pub fn remove_first(&mut self) {
        debug_assert!(!self.is_empty(), "there is a first");
        self.head += 1;
    }

    /// Puts an entry behind all whose key is not greater. If it is too crowded for that, nothing is
    /// changed and the answer is `false`; a few dozen entries are never too crowded.
    #[inline]
    pub fn insert(&mut self, entry: Entry) -> bool {
        if self.tail == ROOM {
            if self.len() >= CAPACITY {
                return false;
            }
            self.slide(1);
        }
        let bound = entry.last_of_key();
        if self.len() > DEPTH && self.entries[self.tail - DEPTH] > bound {
            return self.insert_from_the_front(entry);
        }
        let mut place = self.tail;
        while place > self.head && self.entries[place - 1] > bound {
            self.entries[place] = self.entries[place - 1];
            place -= 1;
        }
        self.entries[place] = entry;
        self.tail += 1;
        true
    }

    fn insert_from_the_front(&mut self, entry: Entry) -> bool {
        let bound = entry.last_of_key();
        if self.head == 0 || self.entries[self.head + DEPTH] <= bound {
            return false;
        }
        let mut place = self.head;
        while self.entries[place] <= bound {
            self.entries[place - 1] = self.entries[place];
            place += 1;
        }
        self.entries[place - 1] = entry;
        self.head -= 1;
        true
    }

    /// Sees to it that `more` entries, fewer than half the room, can be appended.
    pub fn make_room(&mut self, more: usize) {
        if self.tail + more > ROOM {
            self.slide(more);
        }
    }

    /// Appends an entry for which room was made, to be sorted soon.
    #[inline]
    pub fn append(&mut self, entry: Entry) {
        self.entries[self.tail] = entry.with_turn(self.tail);
        self.tail += 1;
    }

    /// Sorts what was appended to the first `sorted` entries, which are before it. Equal keys stay in
    /// the order of appending.
    pub fn sort_from(&mut self, sorted: usize) {
        self.entries[self.head + sorted..self.tail].sort_unstable();
    }

    /// Cuts off all but the first `kept`.
    pub fn truncate(&mut self, kept: usize) {
        self.tail = self.head + kept;
        self.slide(0);
    }

    /// All entries, in order.
    #[inline]
    pub fn as_slice(&self) -> &[Entry] {
        &self.entries[self.head..self.tail]
    }

    /// Removes the entries that are not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(Entry) -> bool) {
        let (from, to) = (self.head, self.tail);
        self.tail = self.head;
        for index in from..to {
            let entry = self.entries[index];
            if keep(entry) {
                self.entries[self.tail] = entry;
                self.tail += 1;
            }
        }
    }

    /// Moves all entries so that there is as much room before them as behind them and `more`.
    #[cold]
    fn slide(&mut self, more: usize) {
        let len = self.len();
        let start = (ROOM - len - more) / 2;
        self.entries.copy_within(self.head..self.tail, start);
        (self.head, self.tail) = (start, start + len);
    }
}
