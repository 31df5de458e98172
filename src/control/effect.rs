//! What the control machine does, as values.

use crate::units::{Span, Time};

/// How a sandbox comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From nothing.
    Boot,
    /// From the session's snapshot.
    Restore,
}

/// Which of a session's timers; at most one runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// The sandbox has been silent.
    Idle,
    /// The request has waited.
    Queue,
    /// The snapshot has lain in the first store.
    Archive,
    /// The snapshot has been kept.
    Retention,
    /// The pool's sandbox has waited.
    Pool,
}

/// What the platform does. Sessions and pool places are named by the caller's numbers, which they
/// share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request joined the queue.
    Queued {
        /// Who waits.
        id: u32,
    },
    /// The request got a slot, at once or from the queue; its start follows.
    Granted {
        /// Who got it.
        id: u32,
        /// What will be done with it.
        start: Start,
        /// Where; 0 on an elastic platform.
        host: u32,
    },
    /// Boot or restore a sandbox: try number `attempt`, from 0.
    Begin {
        /// For whom.
        id: u32,
        /// From what.
        start: Start,
        /// Tries of this start before this one.
        attempt: u32,
        /// Starts under way on that host, itself counted.
        beside: u32,
    },
    /// The session takes over the sandbox of a pool place, which is no more.
    Claimed {
        /// Who.
        id: u32,
        /// Whose sandbox it was.
        place: u32,
        /// The pool.
        pool: u16,
    },
    /// The request got a slot, for a sandbox in which others will sit too; its boot follows.
    Launched {
        /// Who sits in it first.
        id: u32,
        /// Its number among sandboxes with seats.
        vessel: u32,
        /// Where; 0 on an elastic platform.
        host: u32,
    },
    /// The session has a seat.
    Seated {
        /// Who.
        id: u32,
        /// In which sandbox.
        vessel: u32,
        /// Whether that runs; else it is being booted.
        runs: bool,
    },
    /// Boot a sandbox with seats.
    BeginVessel {
        /// Which.
        vessel: u32,
        /// Starts under way on its host, itself counted.
        beside: u32,
    },
    /// Nobody sits in the sandbox any more: destroy it, its slot is free.
    Scrapped {
        /// Which.
        vessel: u32,
    },
    /// The sandbox runs and the turn can go on.
    Ready {
        /// Whose turn.
        id: u32,
    },
    /// Save the sandbox; it holds its slot until that is done.
    Save {
        /// Whose sandbox.
        id: u32,
    },
    /// The sandbox was saved, is gone, and its snapshot replaces any older one.
    Hibernated {
        /// Whose sandbox.
        id: u32,
    },
    /// The session's sandbox is lost or being saved: let it ask again, behind those who asked.
    AskAgain {
        /// Who asks.
        id: u32,
    },
    /// Destroy the sandbox: its slot is free. Of one who has a seat: leave it.
    Destroy {
        /// Whose sandbox.
        id: u32,
    },
    /// Destroy the sandbox because it was idle, its state lost. Of one who has a seat: leave it.
    Kill {
        /// Whose sandbox.
        id: u32,
    },
    /// The sandbox went down with its host.
    Crashed {
        /// Whose sandbox.
        id: u32,
        /// Whether a snapshot is there to come back from.
        rolls_back: bool,
    },
    /// Delete the snapshot.
    DropSnapshot {
        /// Whose snapshot.
        id: u32,
        /// Whether it ran out of its retention.
        expired: bool,
    },
    /// The snapshot moves to the archive.
    Archive {
        /// Whose snapshot.
        id: u32,
    },
    /// What the session's sandbox held is lost.
    StateLost {
        /// Whose state.
        id: u32,
    },
    /// The request left the queue after its timeout or was not let in.
    TurnedAway {
        /// Who.
        id: u32,
        /// Whether the session ever had a sandbox (it failed) or not (it was rejected).
        had_sandbox: bool,
    },
    /// Every try of the boot failed: the session fails.
    StartFailed {
        /// Whose boot.
        id: u32,
    },
    /// Start the session's or place's timer.
    SetTimer {
        /// Whose timer.
        id: u32,
        /// Which.
        kind: TimerKind,
        /// From now.
        after: Span,
    },
    /// Stop the timer.
    ClearTimer {
        /// Whose timer.
        id: u32,
    },
    /// Nothing of the session or place is left on the platform: its number may be used again.
    Gone {
        /// Whose.
        id: u32,
    },
    /// A pool wants another place: give it a number and call [`Control::add_place`] after the wait.
    ///
    /// [`Control::add_place`]: super::Control::add_place
    NewPlace {
        /// Which pool.
        pool: u16,
        /// From now.
        after: Span,
    },
    /// A ready place was not claimed in time, or is of an old version.
    PlaceExpired {
        /// Which.
        id: u32,
    },
    /// Serve the queue at this instant, after all that frees.
    ServeSoon,
    /// Serve the queue when the bucket has its token.
    ServeAt {
        /// When that is.
        at: Time,
    },
    /// Start a host; it comes up after its boot time.
    StartHost {
        /// Its number.
        host: u32,
        /// Its type.
        kind: u16,
        /// How it starts.
        how: HostStart,
    },
    /// A host is up.
    HostUp {
        /// Its number.
        host: u32,
        /// Its type.
        kind: u16,
    },
    /// Stop a host; `up` if it was, else it was still booting.
    StopHost {
        /// Its number.
        host: u32,
        /// Its type.
        kind: u16,
        /// Whether it was up.
        up: bool,
    },
    /// A host that was up crashed.
    HostDown {
        /// Its number.
        host: u32,
        /// Its type.
        kind: u16,
    },
}

/// How a host starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostStart {
    /// From nothing.
    Boot,
    /// From standing by.
    Standby,
    /// After a crash.
    Again,
}
