//! One rung of the ladder: a range of keys in equal buckets.

use super::chunks::List;
use super::entry::Entry;

/// A rung has at most 2 to this many buckets.
pub(super) const WIDEST: u32 = 10;
const WORD_BITS: usize = 64;

/// Buckets by the bits `low..top` of the key.
#[derive(Debug, Default)]
pub(super) struct Rung {
    top: u32,
    low: u32,
    len: usize,
    buckets: Vec<List>,
    /// Which buckets have entries.
    marks: [u64; (1 << WIDEST) / WORD_BITS],
}

impl Rung {
    /// Makes an empty rung one for other bits.
    pub fn reuse(&mut self, low: u32, top: u32) {
        debug_assert!(self.is_empty() && low <= top && top - low <= WIDEST);
        (self.low, self.top) = (low, top);
        let count = 1 << (top - low);
        if self.buckets.len() < count {
            self.buckets.resize(count, List::default());
        }
    }

    /// Entries that share a bucket agree but for so many bits.
    pub fn low(&self) -> u32 {
        self.low
    }

    pub fn top(&self) -> u32 {
        self.top
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts an entry in; gives its bucket, to which it must be added.
    #[inline]
    pub fn enter(&mut self, entry: Entry) -> &mut List {
        let bucket = entry.bits_from(self.low) & ((1 << (self.top - self.low)) - 1);
        self.len += 1;
        self.marks[bucket / WORD_BITS] |= 1 << (bucket % WORD_BITS);
        &mut self.buckets[bucket]
    }

    /// The first bucket that has entries.
    pub fn first(&self) -> Option<usize> {
        let word = self.marks.iter().position(|word| *word != 0)?;
        Some(word * WORD_BITS + self.marks[word].trailing_zeros() as usize)
    }

    pub fn bucket_len(&self, bucket: usize) -> usize {
        self.buckets[bucket].len()
    }

    /// Removes a bucket's entries.
    pub fn take(&mut self, bucket: usize) -> List {
        self.marks[bucket / WORD_BITS] &= !(1 << (bucket % WORD_BITS));
        let list = std::mem::take(&mut self.buckets[bucket]);
        self.len -= list.len();
        list
    }

    /// Gives a bucket back what was left of its entries.
    pub fn give_back(&mut self, bucket: usize, list: List) {
        if !list.is_empty() {
            self.marks[bucket / WORD_BITS] |= 1 << (bucket % WORD_BITS);
            self.len += list.len();
            self.buckets[bucket] = list;
        }
    }

    /// Removes all entries, bucket by bucket.
    pub fn take_all(&mut self) -> Vec<List> {
        std::iter::from_fn(|| self.first().map(|bucket| self.take(bucket))).collect()
    }
}
