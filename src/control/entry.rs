//! What the machine knows of each session and pool place.

use super::effect::Start;

/// Where a session's sandbox is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// No sandbox, no snapshot to come back from.
    #[default]
    None,
    /// Waits for a slot.
    Queued { start: Start, ticket: u32 },
    /// Its boot or restore is under way.
    Starting { start: Start, attempt: u32 },
    /// It takes over a pool's sandbox.
    Claiming,
    /// In a turn.
    Busy,
    /// Thinks.
    Idle,
    /// Is being saved; `wanted` if its next turn has begun.
    Saving { wanted: bool },
    /// Its state is a snapshot.
    Hibernated,
    /// A pool's place that waits to be claimed.
    Pooled,
}

/// A session, or a place of a pool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub state: State,
    pub host: u32,
    pub class: u16,
    /// The pool of a place.
    pub pool: u16,
    pub place: bool,
    pub had_sandbox: bool,
    pub has_snapshot: bool,
    pub over: bool,
    pub timer: bool,
    /// The timer that runs while hibernated will archive, not expire.
    pub archives: bool,
}

impl Entry {
    pub fn holds_slot(&self) -> bool {
        match self.state {
            State::Starting { .. }
            | State::Claiming
            | State::Busy
            | State::Idle
            | State::Saving { .. }
            | State::Pooled => true,
            State::None | State::Queued { .. } | State::Hibernated => false,
        }
    }
}

impl Entry {
    /// Whether it is the request with this ticket and still waits.
    pub fn waits_with(&self, ticket: u32) -> bool {
        matches!(self.state, State::Queued { ticket: held, .. } if held == ticket)
    }

    /// Whether it waits for a sandbox from nothing.
    pub fn wants_boot(&self) -> bool {
        matches!(self.state, State::Queued { start: Start::Boot, .. })
    }
}
