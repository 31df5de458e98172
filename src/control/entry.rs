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

/// What is so or not of a session or place. In one byte together: a million sessions may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Flag {
    /// It is a place of a pool.
    Place = 1,
    HadSandbox = 2,
    HasSnapshot = 4,
    Over = 8,
    Timer = 16,
    /// The timer that runs while hibernated will archive, not expire.
    Archives = 32,
}

/// A session, or a place of a pool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub state: State,
    pub host: u32,
    /// The class of a session, the pool of a place.
    of: u16,
    flags: u8,
}

impl Entry {
    /// A session of this class.
    pub fn session(class: u16) -> Self {
        Entry { of: class, ..Entry::default() }
    }

    /// A place of this pool.
    pub fn place(pool: u16) -> Self {
        Entry { of: pool, flags: Flag::Place as u8, ..Entry::default() }
    }

    /// The pool of a place.
    #[inline]
    pub fn pool(&self) -> Option<u16> {
        self.is(Flag::Place).then_some(self.of)
    }

    /// The class of a session.
    #[inline]
    pub fn class(&self) -> u16 {
        debug_assert!(!self.is(Flag::Place));
        self.of
    }

    #[inline]
    pub fn is(&self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    #[inline]
    pub fn set(&mut self, flag: Flag) {
        self.flags |= flag as u8;
    }

    /// Takes a flag away; whether it was there.
    #[inline]
    pub fn clear(&mut self, flag: Flag) -> bool {
        let was = self.is(flag);
        self.flags &= !(flag as u8);
        was
    }
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
