//! Hard caps of a live run: what exceeds one is dropped and counted, never done silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::{Bytes, Limit, Span, Time};

/// Bounds that protect the machine and the purse of whoever runs the driver.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Sandboxes that exist at one time, those that start and those that stop included;
    /// hibernated ones hold no process and do not count.
    pub alive: Limit,
    /// Creates and restores over the whole run.
    pub creates: Limit,
    /// Time from the run's start after which nothing new begins.
    pub run_length: Span,
    /// Bytes of all stored snapshots together.
    pub snapshot_bytes: Bytes,
}

impl Default for Caps {
    /// 64 sandboxes alive, 10,000 creates, one hour, 10 GiB of snapshots.
    fn default() -> Self {
        Caps {
            alive: Limit::at_most(64),
            creates: Limit::at_most(10_000),
            run_length: Span::from_secs(3600),
            snapshot_bytes: Bytes(10 << 30),
        }
    }
}

/// The cap that stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// [`Caps::alive`].
    #[error("the cap of {0} sandboxes alive is reached; raise `live.max_alive` or lower the load")]
    Alive(Limit),
    /// [`Caps::creates`].
    #[error("the cap of {0} creates is reached; raise it or drive fewer sessions")]
    Creates(Limit),
    /// [`Caps::run_length`].
    #[error("the run has lasted its longest time of {0}; raise it or drive fewer sessions")]
    RunLength(Span),
    /// [`Caps::snapshot_bytes`].
    #[error("the snapshot store's cap of {0} is reached; raise it or shorten the retention")]
    SnapshotBytes(Bytes),
}

/// How many were dropped at each cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DropCounts {
    /// At [`Caps::alive`].
    pub alive: u64,
    /// At [`Caps::creates`].
    pub creates: u64,
    /// At [`Caps::run_length`].
    pub run_length: u64,
    /// At [`Caps::snapshot_bytes`].
    pub snapshot_bytes: u64,
}

impl DropCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.alive + self.creates + self.run_length + self.snapshot_bytes
    }
}

#[derive(Debug, Default)]
struct Counters {
    alive: AtomicU64,
    created: AtomicU64,
    stored: AtomicU64,
    dropped_alive: AtomicU64,
    dropped_creates: AtomicU64,
    dropped_run_length: AtomicU64,
    dropped_snapshot_bytes: AtomicU64,
}

/// Keeps count against the caps. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct CapsLedger {
    caps: Caps,
    counters: Arc<Counters>,
}

/// One sandbox's place under [`Caps::alive`], given back when dropped.
#[derive(Debug)]
pub struct AlivePlace(Arc<Counters>);

impl Drop for AlivePlace {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Bytes of one snapshot under [`Caps::snapshot_bytes`], given back when dropped.
#[derive(Debug)]
pub struct StoredBytes(Arc<Counters>, u64);

impl Drop for StoredBytes {
    fn drop(&mut self) {
        self.0.stored.fetch_sub(self.1, Ordering::AcqRel);
    }
}

impl CapsLedger {
    /// A ledger with nothing alive, created or stored.
    pub fn new(caps: Caps) -> Self {
        CapsLedger { caps, counters: Arc::default() }
    }

    /// The caps.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// Asks for one more sandbox, made or restored, at an instant of the run.
    ///
    /// # Errors
    /// The cap that forbids it; the drop has then been counted.
    pub fn admit(&self, now: Time) -> Result<AlivePlace, Dropped> {
        let counters = &self.counters;
        if now.since(Time::ZERO) >= self.caps.run_length {
            counters.dropped_run_length.fetch_add(1, Ordering::Relaxed);
            return Err(Dropped::RunLength(self.caps.run_length));
        }
        if !raise(&counters.created, 1, self.caps.creates) {
            counters.dropped_creates.fetch_add(1, Ordering::Relaxed);
            return Err(Dropped::Creates(self.caps.creates));
        }
        if !raise(&counters.alive, 1, self.caps.alive) {
            // What was not created does not use up a create.
            counters.created.fetch_sub(1, Ordering::AcqRel);
            counters.dropped_alive.fetch_add(1, Ordering::Relaxed);
            return Err(Dropped::Alive(self.caps.alive));
        }
        Ok(AlivePlace(Arc::clone(counters)))
    }

    /// Asks for room in the snapshot store.
    ///
    /// # Errors
    /// [`Dropped::SnapshotBytes`]; the drop has then been counted.
    pub fn store(&self, bytes: Bytes) -> Result<StoredBytes, Dropped> {
        let counters = &self.counters;
        if !raise(&counters.stored, bytes.0, Limit::at_most(self.caps.snapshot_bytes.0)) {
            counters.dropped_snapshot_bytes.fetch_add(1, Ordering::Relaxed);
            return Err(Dropped::SnapshotBytes(self.caps.snapshot_bytes));
        }
        Ok(StoredBytes(Arc::clone(counters), bytes.0))
    }

    /// Sandboxes that exist now.
    pub fn alive(&self) -> u64 {
        self.counters.alive.load(Ordering::Acquire)
    }

    /// Creates and restores admitted so far.
    pub fn created(&self) -> u64 {
        self.counters.created.load(Ordering::Acquire)
    }

    /// Bytes of snapshots stored now.
    pub fn stored(&self) -> Bytes {
        Bytes(self.counters.stored.load(Ordering::Acquire))
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> DropCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DropCounts {
            alive: read(&self.counters.dropped_alive),
            creates: read(&self.counters.dropped_creates),
            run_length: read(&self.counters.dropped_run_length),
            snapshot_bytes: read(&self.counters.dropped_snapshot_bytes),
        }
    }
}

/// Adds to a counter unless that would pass the limit.
fn raise(counter: &AtomicU64, by: u64, limit: Limit) -> bool {
    let raised = |present: u64| {
        let next = present.checked_add(by)?;
        limit.get().is_none_or(|most| next <= most).then_some(next)
    };
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, raised).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(alive: u64, creates: u64) -> CapsLedger {
        let caps = Caps {
            alive: Limit::at_most(alive),
            creates: Limit::at_most(creates),
            run_length: Span::from_secs(10),
            snapshot_bytes: Bytes(100),
        };
        CapsLedger::new(caps)
    }

    #[test]
    fn a_place_is_given_back_and_a_drop_is_counted() {
        let ledger = ledger(1, 3);
        let first = ledger.admit(Time::ZERO).unwrap();
        assert_eq!(ledger.admit(Time::ZERO).unwrap_err(), Dropped::Alive(Limit::at_most(1)));
        drop(first);
        drop(ledger.admit(Time::ZERO).unwrap());
        drop(ledger.admit(Time::ZERO).unwrap());
        assert_eq!(ledger.admit(Time::ZERO).unwrap_err(), Dropped::Creates(Limit::at_most(3)));
        let counts = ledger.dropped();
        assert_eq!((counts.alive, counts.creates, counts.total()), (1, 1, 2));
        assert_eq!((ledger.alive(), ledger.created()), (0, 3));
    }

    #[test]
    fn nothing_begins_once_the_run_is_too_long() {
        let ledger = ledger(9, 9);
        let end = Time::ZERO + Span::from_secs(10);
        assert!(matches!(ledger.admit(end), Err(Dropped::RunLength(_))));
        assert_eq!(ledger.dropped().run_length, 1);
    }

    #[test]
    fn the_store_holds_no_more_than_its_bytes() {
        let ledger = ledger(1, 1);
        let held = ledger.store(Bytes(60)).unwrap();
        assert!(ledger.store(Bytes(41)).is_err());
        drop(held);
        let _all = ledger.store(Bytes(100)).unwrap();
        assert_eq!(ledger.stored(), Bytes(100));
        assert_eq!(ledger.dropped().snapshot_bytes, 1);
    }
}
