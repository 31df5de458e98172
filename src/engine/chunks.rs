//! First-in-first-out lists of entries, in chunks of one common store.

use super::entry::Entry;

/// Entries in a chunk: 512 bytes. A list wastes half a chunk on average, a walk misses the cache once
/// a chunk.
pub(super) const CHUNK: usize = 32;
/// No chunk.
const NONE: u32 = u32::MAX;

/// A list. Empty lists own no chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    head: u32,
    tail: u32,
    /// Entries of the head chunk that are before the first.
    skip: u32,
    len: u32,
}

impl List {
    #[inline]
    pub fn len(self) -> usize {
        self.len as usize
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Entries of the head chunk.
    #[inline]
    fn in_head(self) -> usize {
        self.len().min(CHUNK - self.skip as usize)
    }
}

/// The store of all lists' chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    entries: Vec<Entry>,
    /// By chunk: the next of its list, or of the free ones.
    next: Vec<u32>,
    free: u32,
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks { entries: Vec::new(), next: Vec::new(), free: NONE }
    }
}

impl Chunks {
    /// Appends an entry.
    #[inline]
    pub fn push_back(&mut self, list: &mut List, entry: Entry) {
        let offset = (list.skip + list.len) as usize % CHUNK;
        if offset == 0 {
            let chunk = self.allocate();
            if list.is_empty() {
                list.head = chunk;
            } else {
                self.next[list.tail as usize] = chunk;
            }
            list.tail = chunk;
        }
        self.entries[list.tail as usize * CHUNK + offset] = entry;
        list.len += 1;
    }

    /// Puts an entry before all others.
    pub fn push_front(&mut self, list: &mut List, entry: Entry) {
        if list.is_empty() {
            return self.push_back(list, entry);
        }
        if list.skip == 0 {
            let chunk = self.allocate();
            self.next[chunk as usize] = list.head;
            (list.head, list.skip) = (chunk, CHUNK as u32);
        }
        list.skip -= 1;
        self.entries[list.head as usize * CHUNK + list.skip as usize] = entry;
        list.len += 1;
    }

    /// The first entry of a list that has one.
    pub fn first(&self, list: List) -> Entry {
        self.entries[list.head as usize * CHUNK + list.skip as usize]
    }

    /// The number of low bits of the key within which a list's entries differ.
    pub fn differing_bits(&self, mut list: List) -> u32 {
        let (first, mut bits) = (self.first(list), 0);
        while !list.is_empty() {
            let (start, count) = (list.head as usize * CHUNK + list.skip as usize, list.in_head());
            for entry in &self.entries[start..start + count] {
                bits = bits.max(entry.differing_bits(first));
            }
            (list.head, list.skip) = (self.next[list.head as usize], 0);
            list.len -= count as u32;
        }
        bits
    }

    /// Removes the first `CHUNK` entries or fewer: those of the head chunk, copied into `to`; at
    /// most `limit`. Gives their number, which is 0 only for an empty list or limit.
    #[inline]
    pub fn take_front(&mut self, list: &mut List, limit: usize, to: &mut [Entry; CHUNK]) -> usize {
        let (skip, count) = (list.skip as usize, list.in_head().min(limit));
        let start = list.head as usize * CHUNK + skip;
        to[..count].copy_from_slice(&self.entries[start..start + count]);
        list.len -= count as u32;
        if list.is_empty() {
            self.release(list.head);
            *list = List::default();
        } else if skip + count == CHUNK {
            let chunk = list.head;
            (list.head, list.skip) = (self.next[chunk as usize], 0);
            self.release(chunk);
        } else {
            list.skip += count as u32;
        }
        count
    }

    /// Memory in use.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.next.len() * size_of::<u32>()
    }

    #[inline]
    fn allocate(&mut self) -> u32 {
        if self.free == NONE {
            let chunk = u32::try_from(self.next.len()).expect("fewer than 2^32 events are pending");
            self.entries.resize(self.entries.len() + CHUNK, Entry::END);
            self.next.push(NONE);
            return chunk;
        }
        let chunk = self.free;
        self.free = self.next[chunk as usize];
        chunk
    }

    #[inline]
    fn release(&mut self, chunk: u32) {
        self.next[chunk as usize] = self.free;
        self.free = chunk;
    }
}
