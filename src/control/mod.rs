//! The control machine: given requests and timers, what does the platform do?
//!
//! Room on hosts or an elastic platform's slots, the queue for them, warm pools, idle timers,
//! hibernation, archive and retention, the autoscaler, crashes of hosts. It is pure: events in, effects pushed into the caller's buffer; no clock (each event carries its
//! instant), no input or output, no randomness. The simulator and the driver run the same machine.
//!
//! ```text
//!            acquire                 grant                booted
//!   none ─────────────► queued(boot) ─────► booting ─────────────────► busy ◄─┐ acquire
//!    ▲ ▲                                     │ tries over: turned away  │ │    │
//!    │ └──────── kill (timeout) ──────────── │ ──────────────────── idle ◄┘────┘
//!    │ expiry                                │            hibernate │  release
//!   hibernated ◄───────────────────────── saving ◄──────────────────┘
//!    │ acquire                               │ acquire: waits, then as hibernated
//!    └────► queued(restore) ─► restoring ─► busy
//! ```
//!
//! A place of a pool goes queued(boot) ─► booting ─► pooled, until a session without a snapshot
//! claims its sandbox: claiming ─► busy. Where sessions share sandboxes each has a seat in one, and
//! the sandbox holds the slot.

mod admission;
mod bucket;
mod effect;
mod entry;
mod fleet;
mod hosts;
mod machine;
mod placement;
mod pool;
mod queue;
mod ration;
mod room;
mod seats;
#[cfg(test)]
mod tests;
mod warm;

pub use bucket::Bucket;
pub use effect::{Effect, HostStart, Start, TimerKind};
pub use fleet::{FleetConfig, HostTerms, Shape};
pub use machine::Control;
pub use pool::{PoolSize, PoolTerms};
pub use room::{ElasticTerms, HeldUpBy, RoomConfig};

use crate::scenario::types::{IdleThen, Platform};
use crate::units::{Bytes, Span};

/// What the machine needs to know of a class.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassPolicy {
    /// What its sandboxes take of a host.
    pub shape: Shape,
    /// Larger is served first.
    pub priority: i32,
    /// Whose sessions these are.
    pub tenant: u16,
    /// The pool that it claims from.
    pub pool: Option<u16>,
}

/// What the control machine needs to know of a platform.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// How many sandboxes there can be.
    pub room: RoomConfig,
    /// Classes by number.
    pub classes: Vec<ClassPolicy>,
    /// How many tenants there are.
    pub tenants: usize,
    /// Whether tenants have limits of their own, so that one who waits for its own holds up nobody.
    pub tenant_limits: bool,
    /// Weights of tenants in the queue, if it is to be fair.
    pub weights: Option<Vec<f64>>,
    /// Warm pools.
    pub pools: Vec<PoolTerms>,
    /// Requests that can wait at once, `None` for no limit.
    pub queue_capacity: Option<u64>,
    /// How long a request waits.
    pub queue_timeout: Option<Span>,
    /// Whether later requests that fit pass one that does not.
    pub backfill: bool,
    /// Silence after which an idle sandbox is dealt with.
    pub idle_timeout: Span,
    /// How it is dealt with.
    pub idle_then: IdleThen,
    /// How long a snapshot is kept.
    pub retention: Option<Span>,
    /// How long a snapshot lies in the first store.
    pub archive_after: Option<Span>,
    /// Bytes of stored snapshots from which on nothing new boots.
    pub storage_quota: Option<Bytes>,
    /// Sessions of one class that share a sandbox; one for a sandbox each.
    pub seats: u32,
    /// Tries of one boot, and of one restore, in all.
    pub attempts: u32,
    /// Factor by which waited time is compressed.
    pub compression: f64,
}

impl ControlConfig {
    /// The platform's policies for these classes, with every waited time divided by `compression`.
    pub fn new(
        platform: &Platform,
        room: RoomConfig,
        classes: Vec<ClassPolicy>,
        pools: Vec<PoolTerms>,
        compression: f64,
    ) -> Self {
        let compressed = |span: Span| span.compressed(compression);
        let tenants = classes.iter().map(|class| usize::from(class.tenant) + 1).max().unwrap_or(1);
        ControlConfig {
            tenant_limits: matches!(&room, RoomConfig::Elastic(e) if e.tenant_slots.is_some() || e.tenant_rate.is_some()),
            room,
            classes,
            tenants,
            weights: None,
            pools,
            queue_capacity: platform.queue.capacity.get(),
            queue_timeout: platform.queue.timeout.map(compressed),
            backfill: platform.queue.backfill,
            idle_timeout: platform.idle.timeout.unwrap_or(Span::MAX).compressed(compression),
            idle_then: platform.idle.then,
            retention: platform.retention.get().map(compressed),
            archive_after: platform.archive.as_ref().map(|archive| compressed(archive.after)),
            storage_quota: platform.storage_quota,
            seats: platform.isolation.seats(),
            attempts: platform.faults.attempts.max(1),
            compression,
        }
    }
}
