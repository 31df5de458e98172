//! The machine itself: one small state for each session, one queue, one bucket.

use super::ControlConfig;
use super::bucket::Bucket;
use super::queue::Queue;
use crate::scenario::types::IdleThen;
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
    /// The snapshot has been kept.
    Retention,
}

/// What the platform does. Sessions are named by the caller's slot numbers.
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
    },
    /// Boot or restore a sandbox: try number `attempt`, from 0.
    Begin {
        /// For whom.
        id: u32,
        /// From what.
        start: Start,
        /// Tries of this start before this one.
        attempt: u32,
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
    /// The session asked while it was being saved: let it ask again, behind those who asked.
    AskAgain {
        /// Who asked.
        id: u32,
    },
    /// Destroy the sandbox: its slot is free.
    Destroy {
        /// Whose sandbox.
        id: u32,
    },
    /// Destroy the sandbox because it was idle, its state lost.
    Kill {
        /// Whose sandbox.
        id: u32,
    },
    /// Delete the snapshot.
    DropSnapshot {
        /// Whose snapshot.
        id: u32,
        /// Whether it ran out of its retention.
        expired: bool,
    },
    /// Every restore failed; what it held is lost and a cold boot follows.
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
    /// Start the session's timer.
    SetTimer {
        /// Whose timer.
        id: u32,
        /// Which.
        kind: TimerKind,
        /// From now.
        after: Span,
    },
    /// Stop the session's timer.
    ClearTimer {
        /// Whose timer.
        id: u32,
    },
    /// Nothing of the session is left on the platform: its number may be used again.
    Gone {
        /// Whose.
        id: u32,
    },
    /// Serve the queue at this instant, after all that frees.
    ServeSoon,
    /// Serve the queue when the bucket has its token.
    ServeAt {
        /// When that is.
        at: Time,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No sandbox, no snapshot to come back from.
    #[default]
    None,
    Queued {
        start: Start,
        ticket: u64,
    },
    Starting {
        start: Start,
        attempt: u32,
    },
    Busy,
    Idle,
    Saving {
        wanted: bool,
    },
    Hibernated,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    state: State,
    had_sandbox: bool,
    has_snapshot: bool,
    over: bool,
    timer: bool,
}

/// The control machine of an elastic platform.
#[derive(Debug)]
pub struct Control {
    config: ControlConfig,
    entries: Vec<Entry>,
    queue: Queue,
    bucket: Option<Bucket>,
    held: u64,
    serving: bool,
    token_due: Option<Time>,
}

impl Control {
    /// A platform with nothing on it.
    pub fn new(config: ControlConfig) -> Self {
        let bucket = config
            .create_rate
            .map(|(limit, window)| Bucket::new(limit, window, config.compression));
        Control {
            config,
            entries: Vec::new(),
            queue: Queue::default(),
            bucket,
            held: 0,
            serving: false,
            token_due: None,
        }
    }

    /// Slots held.
    pub fn slots_held(&self) -> u64 {
        self.held
    }

    /// Requests in the queue.
    pub fn queue_length(&self) -> u64 {
        self.queue.len()
    }

    /// Whether the session holds a slot.
    pub fn holds_slot(&self, id: u32) -> bool {
        matches!(
            self.entries[id as usize].state,
            State::Starting { .. } | State::Busy | State::Idle | State::Saving { .. }
        )
    }

    /// A new session takes the number `id`.
    pub fn admit(&mut self, id: u32) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, Entry::default());
        }
        self.entries[index] = Entry::default();
    }

    /// An abandoned session's snapshot that was there before the start; it expires after
    /// `residual`.
    pub fn seed_snapshot(&mut self, id: u32, residual: Span, out: &mut Vec<Effect>) {
        self.admit(id);
        let entry = Entry {
            state: State::Hibernated,
            had_sandbox: true,
            has_snapshot: true,
            over: true,
            timer: false,
        };
        self.entries[id as usize] = entry;
        self.set_timer(id, TimerKind::Retention, residual, out);
    }

    /// A turn begins and needs its sandbox.
    pub fn acquire(&mut self, now: Time, id: u32, out: &mut Vec<Effect>) {
        match self.entries[id as usize].state {
            State::Idle => {
                self.clear_timer(id, out);
                self.entries[id as usize].state = State::Busy;
                out.push(Effect::Ready { id });
            }
            State::Saving { .. } => {
                self.entries[id as usize].state = State::Saving { wanted: true }
            }
            State::Hibernated => {
                self.clear_timer(id, out);
                self.request(now, id, Start::Restore, out);
            }
            State::None => self.request(now, id, Start::Boot, out),
            State::Queued { .. } | State::Starting { .. } | State::Busy => {
                unreachable!("a session asks for its sandbox once a turn")
            }
        }
    }

    /// The turn is over; the session thinks.
    pub fn release(&mut self, id: u32, out: &mut Vec<Effect>) {
        debug_assert_eq!(self.entries[id as usize].state, State::Busy);
        self.entries[id as usize].state = State::Idle;
        if self.config.idle_then != IdleThen::Keep {
            self.set_timer(id, TimerKind::Idle, self.config.idle_timeout, out);
        }
    }

    /// The last turn is over, but nobody says so: to the platform the session thinks.
    pub fn abandon(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].over = true;
        self.release(id, out);
    }

    /// The session is over: its sandbox, its snapshot and its place in the queue go at once.
    pub fn close(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].over = true;
        self.clear_timer(id, out);
        match self.entries[id as usize].state {
            State::Queued { .. } => self.queue.leave(),
            State::Starting { .. } | State::Busy | State::Idle | State::Saving { .. } => {
                out.push(Effect::Destroy { id });
                self.free_slot(out);
            }
            State::None | State::Hibernated => {}
        }
        self.drop_snapshot(id, false, out);
        self.entries[id as usize].state = State::None;
        out.push(Effect::Gone { id });
    }

    /// A boot or restore ended.
    pub fn started(&mut self, id: u32, succeeded: bool, out: &mut Vec<Effect>) {
        let State::Starting { start, attempt } = self.entries[id as usize].state else {
            unreachable!("only what was begun can end")
        };
        if succeeded {
            let entry = &mut self.entries[id as usize];
            entry.state = State::Busy;
            entry.had_sandbox = true;
            out.push(Effect::Ready { id });
        } else if attempt + 1 < self.config.attempts {
            self.begin(id, start, attempt + 1, out);
        } else if start == Start::Restore {
            out.push(Effect::StateLost { id });
            self.begin(id, Start::Boot, 0, out);
        } else {
            out.push(Effect::StartFailed { id });
        }
    }

    /// A snapshot is done.
    pub fn saved(&mut self, id: u32, out: &mut Vec<Effect>) {
        let State::Saving { wanted } = self.entries[id as usize].state else {
            unreachable!("only what is being saved can be saved")
        };
        let entry = &mut self.entries[id as usize];
        entry.state = State::Hibernated;
        entry.has_snapshot = true;
        out.push(Effect::Hibernated { id });
        self.free_slot(out);
        if wanted {
            out.push(Effect::AskAgain { id });
        } else if let Some(retention) = self.config.retention {
            self.set_timer(id, TimerKind::Retention, retention, out);
        }
    }

    /// A snapshot could not be taken: the sandbox and its state are lost.
    pub fn save_failed(&mut self, id: u32, out: &mut Vec<Effect>) {
        let State::Saving { wanted } = self.entries[id as usize].state else {
            unreachable!("only what is being saved can fail to be")
        };
        out.push(Effect::Destroy { id });
        out.push(Effect::StateLost { id });
        self.free_slot(out);
        self.entries[id as usize].state = State::None;
        self.drop_snapshot(id, false, out);
        if self.entries[id as usize].over {
            out.push(Effect::Gone { id });
        } else if wanted {
            out.push(Effect::AskAgain { id });
        }
    }

    /// The session's timer fired.
    pub fn timer(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].timer = false;
        match self.entries[id as usize].state {
            State::Idle if self.config.idle_then == IdleThen::Hibernate => {
                self.entries[id as usize].state = State::Saving { wanted: false };
                out.push(Effect::Save { id });
            }
            State::Idle => {
                self.entries[id as usize].state = State::None;
                out.push(Effect::Kill { id });
                self.free_slot(out);
                self.gone_if_over(id, out);
            }
            State::Queued { .. } => {
                self.queue.leave();
                self.entries[id as usize].state = State::None;
                out.push(Effect::TurnedAway {
                    id,
                    had_sandbox: self.entries[id as usize].had_sandbox,
                });
            }
            State::Hibernated => {
                self.entries[id as usize].state = State::None;
                self.drop_snapshot(id, true, out);
                self.gone_if_over(id, out);
            }
            State::None | State::Starting { .. } | State::Busy | State::Saving { .. } => {
                unreachable!("no timer runs in this state")
            }
        }
    }

    /// Serves the queue; called at the instant that [`Effect::ServeSoon`] or [`Effect::ServeAt`]
    /// named.
    pub fn serve(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.serving = false;
        if self.token_due.is_some_and(|due| due <= now) {
            self.token_due = None;
        }
        loop {
            let entries = &self.entries;
            let holds = |id: u32, held: u64| matches!(entries[id as usize].state, State::Queued { ticket, .. } if ticket == held);
            let Some(id) = self.queue.head(holds) else { return };
            if !self.has_slot() {
                return;
            }
            if let Err(at) = self.take_token(now) {
                self.await_token(at, out);
                return;
            }
            self.queue.pop();
            let State::Queued { start, .. } = self.entries[id as usize].state else {
                unreachable!("the head of the queue waits")
            };
            self.clear_timer(id, out);
            self.grant(id, start, out);
        }
    }

    fn request(&mut self, now: Time, id: u32, start: Start, out: &mut Vec<Effect>) {
        let mut token_at = None;
        if self.queue.len() == 0 && self.has_slot() {
            match self.take_token(now) {
                Ok(()) => return self.grant(id, start, out),
                Err(at) => token_at = at,
            }
        }
        if self.config.queue_capacity.is_some_and(|capacity| self.queue.len() >= capacity) {
            let had_sandbox = self.entries[id as usize].had_sandbox;
            self.entries[id as usize].state = State::None;
            out.push(Effect::TurnedAway { id, had_sandbox });
            return;
        }
        let ticket = self.queue.join(id);
        self.entries[id as usize].state = State::Queued { start, ticket };
        out.push(Effect::Queued { id });
        if let Some(timeout) = self.config.queue_timeout {
            self.set_timer(id, TimerKind::Queue, timeout, out);
        }
        if token_at.is_some() {
            self.await_token(token_at, out);
        }
    }

    fn has_slot(&self) -> bool {
        self.config.slots.is_none_or(|slots| self.held < slots)
    }

    fn take_token(&mut self, now: Time) -> Result<(), Option<Time>> {
        self.bucket.as_mut().map_or(Ok(()), |bucket| bucket.take(now, 1))
    }

    fn await_token(&mut self, at: Option<Time>, out: &mut Vec<Effect>) {
        if let Some(at) = at
            && self.token_due != Some(at)
        {
            self.token_due = Some(at);
            out.push(Effect::ServeAt { at });
        }
    }

    fn grant(&mut self, id: u32, start: Start, out: &mut Vec<Effect>) {
        self.held += 1;
        out.push(Effect::Granted { id, start });
        self.begin(id, start, 0, out);
    }

    fn begin(&mut self, id: u32, start: Start, attempt: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].state = State::Starting { start, attempt };
        out.push(Effect::Begin { id, start, attempt });
    }

    fn free_slot(&mut self, out: &mut Vec<Effect>) {
        debug_assert!(self.held > 0, "a slot that is freed was held");
        self.held -= 1;
        self.serve_soon(out);
    }

    fn serve_soon(&mut self, out: &mut Vec<Effect>) {
        if self.queue.len() > 0 && !self.serving {
            self.serving = true;
            out.push(Effect::ServeSoon);
        }
    }

    fn drop_snapshot(&mut self, id: u32, expired: bool, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.entries[id as usize].has_snapshot) {
            out.push(Effect::DropSnapshot { id, expired });
        }
    }

    fn gone_if_over(&mut self, id: u32, out: &mut Vec<Effect>) {
        if self.entries[id as usize].over {
            out.push(Effect::Gone { id });
        }
    }

    fn set_timer(&mut self, id: u32, kind: TimerKind, after: Span, out: &mut Vec<Effect>) {
        if after != Span::MAX {
            self.entries[id as usize].timer = true;
            out.push(Effect::SetTimer { id, kind, after });
        }
    }

    fn clear_timer(&mut self, id: u32, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.entries[id as usize].timer) {
            out.push(Effect::ClearTimer { id });
        }
    }
}
