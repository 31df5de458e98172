//! The control machine: given requests and timers, what does the platform do?
//!
//! Slots of an elastic platform, the queue for them, idle timers, hibernation and retention. It is
//! pure: events in, effects pushed into the caller's buffer; no clock (each event carries its
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

mod bucket;
mod machine;
mod queue;
#[cfg(test)]
mod tests;

pub use bucket::Bucket;
pub use machine::{Control, Effect, Start, TimerKind};

use crate::scenario::types::{Capacity, IdleThen, Platform};
use crate::units::{Rate, Span};

/// What the control machine needs to know of a platform.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// Slots in all, `None` for no limit.
    pub slots: Option<u64>,
    /// Rate of boots and restores, with the bucket's window.
    pub create_rate: Option<(Rate, Option<Span>)>,
    /// Requests that can wait at once, `None` for no limit.
    pub queue_capacity: Option<u64>,
    /// How long a request waits.
    pub queue_timeout: Option<Span>,
    /// Silence after which an idle sandbox is dealt with.
    pub idle_timeout: Span,
    /// How it is dealt with.
    pub idle_then: IdleThen,
    /// How long a snapshot is kept.
    pub retention: Option<Span>,
    /// Tries of one boot, and of one restore, in all.
    pub attempts: u32,
    /// Factor by which waited time is compressed.
    pub compression: f64,
}

impl ControlConfig {
    /// The platform's policies, with every waited time divided by `compression`.
    pub fn new(platform: &Platform, compression: f64) -> Self {
        let Capacity::Elastic(elastic) = &platform.capacity;
        ControlConfig {
            slots: elastic.max_concurrent.get(),
            create_rate: elastic.create_rate.as_ref().map(|rate| (rate.limit, rate.window)),
            queue_capacity: platform.queue.capacity.get(),
            queue_timeout: platform.queue.timeout.map(|t| t.compressed(compression)),
            idle_timeout: platform.idle.timeout.unwrap_or(Span::MAX).compressed(compression),
            idle_then: platform.idle.then,
            retention: platform.retention.get().map(|r| r.compressed(compression)),
            attempts: platform.faults.attempts.max(1),
            compression,
        }
    }
}
