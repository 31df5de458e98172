//! A session on the platform, as the conduct sees it, and the numbers they go by.

use crate::control::Start;
use crate::units::{Bytes, Span, Time};
use crate::workload::plan::ClassId;
use crate::workload::session::Session;

/// What a session's slot is held for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Slot {
    /// No slot is held.
    #[default]
    Free,
    Starting,
    /// A pool's sandbox is being taken over.
    Claiming,
    Turn,
    Idle,
    PoolStarting,
    Pool,
}

/// A session that is under way, or whose sandbox or snapshot outlives it; or a place of a pool.
#[derive(Debug)]
pub(super) struct Agent<T> {
    pub session: Session,
    pub class: ClassId,
    pub arrived: Time,
    /// Begin of the turn, or end of the one before.
    pub turn_at: Time,
    /// Begin of the model call, after its policies.
    pub call_at: Time,
    /// Begin of the boot, restore or snapshot under way.
    pub work_at: Time,
    /// When its request joined the queue.
    pub queued_at: Time,
    /// When its turn wanted a sandbox: at its begin, or when the last one was lost.
    pub asked_at: Time,
    /// When its identity was issued.
    pub identified_at: Time,
    /// Latency of the model calls served in this turn.
    pub served: Span,
    /// The try that was let in: first-token time, whole time.
    pub ttft: Option<Span>,
    pub takes: Span,
    pub prompt: u64,
    pub cached: u64,
    pub model: u16,
    pub dirtied: Bytes,
    /// The same when the snapshot was taken.
    pub dirtied_saved: Bytes,
    pub snapshot: Bytes,
    /// Its idle, queue, archive, retention or pool timer.
    pub timer: Option<T>,
    /// The session's own next event.
    pub pending: Option<T>,
    /// Whose sub-agent it is.
    pub parent: Option<u32>,
    /// Whose sandbox it runs in: its own number, or that of the session it is a sub-agent of.
    pub root: u32,
    /// The pool, of a place.
    pub pool: Option<u16>,
    /// Keys the draws of a place.
    pub place_number: u64,
    pub host: u32,
    pub slot: Slot,
    pub start: Start,
    /// The request that was granted asked for a restore.
    pub resumes: bool,
    /// It took over a pool's sandbox.
    pub claims: bool,
    /// A model call is being served.
    pub calling: bool,
    pub archived: bool,
    pub had_sandbox: bool,
    pub open: bool,
    pub in_turn: bool,
    pub waiting: bool,
    pub hibernated: bool,
    pub boots: u32,
    pub restores: u32,
    pub saves: u32,
    pub checks: u32,
    pub claimed: u32,
    pub identities: u16,
}

impl<T> Agent<T> {
    pub fn new(session: Session, now: Time) -> Self {
        Agent {
            class: session.outline().class,
            session,
            arrived: now,
            turn_at: now,
            call_at: now,
            work_at: now,
            queued_at: now,
            asked_at: now,
            identified_at: now,
            served: Span::ZERO,
            ttft: None,
            takes: Span::ZERO,
            prompt: 0,
            cached: 0,
            model: 0,
            dirtied: Bytes(0),
            dirtied_saved: Bytes(0),
            snapshot: Bytes(0),
            timer: None,
            pending: None,
            parent: None,
            root: 0,
            pool: None,
            place_number: 0,
            host: 0,
            slot: Slot::Free,
            start: Start::Boot,
            resumes: false,
            claims: false,
            calling: false,
            archived: false,
            had_sandbox: false,
            open: true,
            in_turn: false,
            waiting: false,
            hibernated: false,
            boots: 0,
            restores: 0,
            saves: 0,
            checks: 0,
            claimed: 0,
            identities: 0,
        }
    }
}

/// Agents by number; numbers of agents that are gone are used again, last freed first.
#[derive(Debug)]
pub(super) struct Agents<T> {
    places: Vec<Option<Agent<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Agents<T> {
    fn default() -> Self {
        Agents { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Agents<T> {
    pub fn insert(&mut self, agent: Agent<T>) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 sessions are open at once")
        });
        let root = if agent.parent.is_some() { agent.root } else { id };
        self.places[id as usize] = Some(Agent { root, ..agent });
        id
    }

    /// Numbers of all agents of which `test` is true.
    pub fn all(&self, test: impl Fn(&Agent<T>) -> bool) -> Vec<u32> {
        let found = (0..).zip(&self.places).filter(|(_, place)| place.as_ref().is_some_and(&test));
        found.map(|(id, _)| id).collect()
    }

    pub fn remove(&mut self, id: u32) {
        self.places[id as usize] = None;
        self.free.push(id);
    }

    #[inline]
    pub fn get(&mut self, id: u32) -> &mut Agent<T> {
        self.places[id as usize].as_mut().expect("an agent that is named is there")
    }

    pub fn find(&self, id: u32) -> Option<&Agent<T>> {
        self.places.get(id as usize)?.as_ref()
    }
}
