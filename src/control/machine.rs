//! The machine itself: the life of each session's sandbox, from its first turn to its end.

use super::effect::{Effect, Start, TimerKind};
use super::entry::{Entry, Flag, State};
use super::pool::Pool;
use super::queue::Queue;
use super::room::{HeldUpBy, Room, Store};
use super::seats::Seats;
use super::{ClassPolicy, ControlConfig};
use crate::engine::prefetch;
use crate::scenario::types::IdleThen;
use crate::units::{Bytes, Span, Time};

/// The control machine of a platform.
#[derive(Debug)]
pub struct Control {
    pub(super) config: ControlConfig,
    pub(super) entries: Vec<Entry>,
    pub(super) queue: Queue,
    /// Places of pools that wait for a slot, behind all sessions.
    pub(super) refills: std::collections::VecDeque<u32>,
    pub(super) room: Room,
    pub(super) pools: Vec<Pool>,
    pub(super) store: Store,
    pub(super) seats: Seats,
    pub(super) serving: bool,
    pub(super) token_due: Option<Time>,
    /// The control plane grants nothing.
    pub(super) stalled: bool,
    /// What held up the first in the queue when it was last looked at.
    pub(super) held_up_by: HeldUpBy,
}

impl Control {
    /// A platform with nothing on it.
    pub fn new(config: ControlConfig) -> Self {
        let tenants = config.tenants.max(1);
        Control {
            entries: Vec::new(),
            queue: Queue::new(config.weights.as_deref()),
            refills: std::collections::VecDeque::new(),
            room: Room::new(&config.room, tenants, config.compression),
            pools: config.pools.iter().map(|terms| Pool::new(terms.clone())).collect(),
            seats: Seats::new(config.seats, config.classes.len()),
            store: Store { quota: config.storage_quota, held: 0 },
            serving: false,
            token_due: None,
            stalled: false,
            held_up_by: HeldUpBy::default(),
            config,
        }
    }

    /// Time 0: the first hosts are up, and pools begin to fill.
    pub fn open(&mut self, out: &mut Vec<Effect>) {
        self.room.open(out);
        for pool in 0..self.pools.len() {
            self.refill(Time::ZERO, pool as u16, out);
        }
    }

    /// Requests in the queue.
    pub fn queue_length(&self) -> u64 {
        self.queue.len()
    }

    /// What holds up the request that was just queued or turned away: what stands in its own way, or in
    /// the way of the first of those before it.
    pub fn held_up_by(&self) -> HeldUpBy {
        self.held_up_by
    }

    /// Slots held on an elastic platform; `None` on hosts.
    pub fn slots_held(&self) -> Option<u64> {
        self.room.slots_held()
    }

    /// Whether the session or place holds a slot.
    pub fn holds_slot(&self, id: u32) -> bool {
        self.entries[id as usize].holds_slot()
    }

    /// A session or place will be asked about soon.
    #[inline]
    pub fn hint(&self, id: u32) {
        if let Some(entry) = self.entries.get(id as usize) {
            prefetch(entry);
        }
    }

    /// A new session of `class` takes the number `id`.
    pub fn admit(&mut self, id: u32, class: u16) {
        self.enter(id, Entry::session(class));
    }

    pub(super) fn enter(&mut self, id: u32, entry: Entry) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, Entry::default());
        }
        self.entries[index] = entry;
    }

    /// An abandoned session's snapshot that was there before the start; it expires after
    /// `residual`.
    pub fn seed_snapshot(&mut self, id: u32, class: u16, residual: Span, out: &mut Vec<Effect>) {
        self.admit(id, class);
        let entry = &mut self.entries[id as usize];
        entry.state = State::Hibernated;
        for flag in [Flag::HadSandbox, Flag::HasSnapshot, Flag::Over] {
            entry.set(flag);
        }
        let age = self.config.retention.map_or(Span::ZERO, |r| r.saturating_sub(residual));
        match self.config.archive_after {
            Some(after) if after > age && after.saturating_sub(age) < residual => {
                self.entries[id as usize].set(Flag::Archives);
                self.set_timer(id, TimerKind::Archive, after.saturating_sub(age), out);
            }
            after => {
                if after.is_some_and(|after| after <= age) {
                    out.push(Effect::Archive { id });
                }
                self.set_timer(id, TimerKind::Retention, residual, out);
            }
        }
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
            State::None => {
                if !self.sit(id, out) && !self.claim(now, id, out) {
                    self.request(now, id, Start::Boot, out);
                }
            }
            _ => unreachable!("a session asks for its sandbox once a turn"),
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
        self.entries[id as usize].set(Flag::Over);
        self.release(id, out);
    }

    /// The session is over: its sandbox, its snapshot and its place in the queue go at once.
    pub fn close(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].set(Flag::Over);
        self.clear_timer(id, out);
        match self.entries[id as usize].state {
            State::Queued { .. } => self.leave_queue(id, out),
            State::None | State::Hibernated => {}
            state => {
                if let State::Starting { .. } = state {
                    self.start_over(id, out);
                }
                out.push(Effect::Destroy { id });
                self.free_slot(id, out);
            }
        }
        self.drop_snapshot(id, false, out);
        self.entries[id as usize].state = State::None;
        out.push(Effect::Gone { id });
    }

    /// A boot or restore ended.
    pub fn started(&mut self, now: Time, id: u32, succeeded: bool, out: &mut Vec<Effect>) {
        let State::Starting { start, attempt } = self.entries[id as usize].state else {
            unreachable!("only what was begun can end")
        };
        self.start_over(id, out);
        if self.entries[id as usize].is(Flag::Place) {
            return self.place_made(now, id, succeeded, out);
        }
        if succeeded {
            let entry = &mut self.entries[id as usize];
            entry.state = State::Busy;
            entry.set(Flag::HadSandbox);
            out.push(Effect::Ready { id });
        } else if attempt + 1 < self.config.attempts {
            self.begin(id, start, attempt + 1, out);
        } else if start == Start::Restore {
            out.push(Effect::StateLost { id });
            self.begin(id, Start::Boot, 0, out);
        } else {
            // Its slot is held until the session, which fails, is closed.
            self.entries[id as usize].state = State::Busy;
            out.push(Effect::StartFailed { id });
        }
    }

    /// A pool's sandbox is the session's.
    pub fn claimed(&mut self, id: u32, out: &mut Vec<Effect>) {
        let entry = &mut self.entries[id as usize];
        debug_assert_eq!(entry.state, State::Claiming);
        entry.state = State::Busy;
        entry.set(Flag::HadSandbox);
        out.push(Effect::Ready { id });
    }

    /// A snapshot is done.
    pub fn saved(&mut self, id: u32, out: &mut Vec<Effect>) {
        let State::Saving { wanted } = self.entries[id as usize].state else {
            unreachable!("only what is being saved can be saved")
        };
        let entry = &mut self.entries[id as usize];
        entry.state = State::Hibernated;
        entry.set(Flag::HasSnapshot);
        out.push(Effect::Hibernated { id });
        self.free_slot(id, out);
        if wanted {
            out.push(Effect::AskAgain { id });
        } else {
            self.keep_snapshot(id, out);
        }
    }

    /// A snapshot could not be taken: the sandbox and its state are lost.
    pub fn save_failed(&mut self, id: u32, out: &mut Vec<Effect>) {
        let State::Saving { wanted } = self.entries[id as usize].state else {
            unreachable!("only what is being saved can fail to be")
        };
        out.push(Effect::Destroy { id });
        out.push(Effect::StateLost { id });
        self.free_slot(id, out);
        self.entries[id as usize].state = State::None;
        self.drop_snapshot(id, false, out);
        if self.entries[id as usize].is(Flag::Over) {
            out.push(Effect::Gone { id });
        } else if wanted {
            out.push(Effect::AskAgain { id });
        }
    }

    /// The timer of a session or place fired.
    pub fn timer(&mut self, now: Time, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].clear(Flag::Timer);
        match self.entries[id as usize].state {
            State::Idle if self.config.idle_then == IdleThen::Hibernate => {
                self.entries[id as usize].state = State::Saving { wanted: false };
                out.push(Effect::Save { id });
            }
            State::Idle => {
                self.entries[id as usize].state = State::None;
                out.push(Effect::Kill { id });
                self.free_slot(id, out);
                self.gone_if_over(id, out);
            }
            State::Queued { .. } => {
                self.leave_queue(id, out);
                self.entries[id as usize].state = State::None;
                let had_sandbox = self.entries[id as usize].is(Flag::HadSandbox);
                out.push(Effect::TurnedAway { id, had_sandbox });
            }
            State::Hibernated if self.entries[id as usize].is(Flag::Archives) => {
                self.archive(id, out)
            }
            State::Hibernated => {
                self.entries[id as usize].state = State::None;
                self.drop_snapshot(id, true, out);
                self.gone_if_over(id, out);
            }
            State::Pooled => self.place_expired(now, id, out),
            _ => unreachable!("no timer runs in this state"),
        }
    }

    /// The snapshot goes to the archive, where it lies for the rest of its retention.
    fn archive(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].clear(Flag::Archives);
        out.push(Effect::Archive { id });
        let after = self.config.archive_after.expect("what archives has a time for it");
        if let Some(retention) = self.config.retention {
            self.set_timer(id, TimerKind::Retention, retention.saturating_sub(after), out);
        }
    }

    /// The bytes of all snapshots in the first store are now so many.
    pub fn stored(&mut self, bytes: Bytes, out: &mut Vec<Effect>) {
        let was_full = self.store.is_full();
        self.store.held = bytes.0;
        if was_full && !self.store.is_full() {
            self.serve_soon(out);
        }
    }

    /// A snapshot that is not in use waits for its archiving, and then for its end.
    pub(super) fn keep_snapshot(&mut self, id: u32, out: &mut Vec<Effect>) {
        let retention = self.config.retention;
        match self.config.archive_after {
            Some(after) if retention.is_none_or(|retention| after < retention) => {
                self.entries[id as usize].set(Flag::Archives);
                self.set_timer(id, TimerKind::Archive, after, out);
            }
            _ => {
                if let Some(retention) = retention {
                    self.set_timer(id, TimerKind::Retention, retention, out);
                }
            }
        }
    }

    pub(super) fn policy(&self, id: u32) -> ClassPolicy {
        let entry = &self.entries[id as usize];
        let class = match entry.pool() {
            None => entry.class(),
            Some(pool) => self.pool_class(pool),
        };
        self.config.classes[usize::from(class)]
    }

    pub(super) fn drop_snapshot(&mut self, id: u32, expired: bool, out: &mut Vec<Effect>) {
        if self.entries[id as usize].clear(Flag::HasSnapshot) {
            out.push(Effect::DropSnapshot { id, expired });
        }
    }

    pub(super) fn gone_if_over(&mut self, id: u32, out: &mut Vec<Effect>) {
        if self.entries[id as usize].is(Flag::Over) {
            out.push(Effect::Gone { id });
        }
    }

    pub(super) fn set_timer(
        &mut self,
        id: u32,
        kind: TimerKind,
        after: Span,
        out: &mut Vec<Effect>,
    ) {
        if after != Span::MAX {
            self.entries[id as usize].set(Flag::Timer);
            out.push(Effect::SetTimer { id, kind, after });
        }
    }

    pub(super) fn clear_timer(&mut self, id: u32, out: &mut Vec<Effect>) {
        self.entries[id as usize].clear(Flag::Archives);
        if self.entries[id as usize].clear(Flag::Timer) {
            out.push(Effect::ClearTimer { id });
        }
    }
}
