//! A session on the platform, as the conduct sees it, and the numbers they go by.

use std::mem::offset_of;

use crate::control::Start;
use crate::engine::{Timer, prefetch};
use crate::units::{Bytes, Span, Time};
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
    /// None of its own: it has a seat in a sandbox that is being booted, or gets one.
    Boarding,
    /// None of its own: it has a seat, and is in a turn.
    SeatTurn,
    /// None of its own: it has a seat, and thinks.
    SeatIdle,
}

impl Slot {
    /// Whether it is a seat in another agent's sandbox.
    pub fn is_seat(self) -> bool {
        matches!(self, Slot::Boarding | Slot::SeatTurn | Slot::SeatIdle)
    }
}

/// Who an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A session that arrived.
    Session,
    /// A sub-agent, which runs in the sandbox of another.
    Child {
        /// Whose.
        parent: u32,
    },
    /// A place of a pool.
    Place {
        /// Which.
        pool: u16,
    },
    /// A sandbox with seats.
    Vessel {
        /// Which.
        number: u32,
    },
    /// A session that left before the run; only its snapshot is there.
    Past,
}

/// No model call is being served.
pub(super) const NO_CALL: u32 = u32::MAX;

/// A session that is under way, or whose sandbox or snapshot outlives it; or a place of a pool. A
/// million of them may be there, so what few of them have is kept elsewhere.
///
/// In three lines of the cache: what each step of a turn is about lies in the first two, what only its
/// begin and end are about in the third.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Agent<T> {
    pub session: Session,
    /// Begin of what is under way: the wait in the queue, the boot, restore, claim or snapshot, or the
    /// model call after its policies. From a turn's end until something else is: when the next begins.
    pub since: Time,
    /// Latency of the model calls served in this turn.
    pub served: Span,
    /// The session's own next event.
    pub pending: Option<T>,
    pub dirtied: Bytes,
    /// Its sandbox's host; of one who has a seat, the agent whose sandbox that is in.
    pub host: u32,
    /// The model call being served.
    pub call: u32,
    pub arrived: Time,
    /// Begin of the turn, or end of the one before.
    pub turn_at: Time,
    pub snapshot: Bytes,
    /// Its idle, queue, archive, retention or pool timer.
    pub timer: Option<T>,
    pub kind: Kind,
    pub checks: u32,
    pub boots: u16,
    pub restores: u16,
    pub saves: u16,
    pub claimed: u16,
    pub identities: u16,
    pub slot: Slot,
    pub start: Start,
    /// The request that was granted asked for a restore.
    pub resumes: bool,
    /// It took over a pool's sandbox.
    pub claims: bool,
    pub archived: bool,
    pub had_sandbox: bool,
    pub open: bool,
    pub in_turn: bool,
    pub waiting: bool,
    pub hibernated: bool,
}

const _: () = assert!(
    offset_of!(Agent<Timer>, arrived) <= 128 && size_of::<Option<Agent<Timer>>>() <= 192,
    "a session under way takes three lines of the cache, and a step two of them"
);

impl<T> Agent<T> {
    pub fn new(session: Session, kind: Kind, now: Time) -> Self {
        Agent {
            session,
            arrived: now,
            turn_at: now,
            since: now,
            served: Span::ZERO,
            dirtied: Bytes(0),
            snapshot: Bytes(0),
            timer: None,
            pending: None,
            kind,
            host: 0,
            call: NO_CALL,
            checks: 0,
            boots: 0,
            restores: 0,
            saves: 0,
            claimed: 0,
            identities: 0,
            slot: Slot::Free,
            start: Start::Boot,
            resumes: false,
            claims: false,
            archived: false,
            had_sandbox: false,
            open: kind == Kind::Session,
            in_turn: false,
            waiting: false,
            hibernated: false,
        }
    }

    pub fn is_place(&self) -> bool {
        matches!(self.kind, Kind::Place { .. })
    }

    pub fn is_vessel(&self) -> bool {
        matches!(self.kind, Kind::Vessel { .. })
    }

    /// When the next turn begins of a session whose turn has just ended; never if none is to come.
    pub fn thinks_until(&self) -> Time {
        if self.open && self.pending.is_some() { self.since } else { Time::MAX }
    }

    pub fn is_child(&self) -> bool {
        matches!(self.kind, Kind::Child { .. })
    }
}

/// Agents in a block: growing moves none of them.
const BLOCK: usize = 4096;

/// Agents by number; numbers of agents that are gone are used again, last freed first.
#[derive(Debug)]
pub(super) struct Agents<T> {
    blocks: Vec<Vec<Option<Agent<T>>>>,
    len: usize,
    free: Vec<u32>,
    have_children: bool,
}

impl<T> Agents<T> {
    /// None yet; whether some of them will be sub-agents.
    pub fn new(have_children: bool) -> Self {
        Agents { blocks: Vec::new(), len: 0, free: Vec::new(), have_children }
    }

    pub fn insert(&mut self, agent: Agent<T>) -> u32 {
        if let Some(id) = self.free.pop() {
            *self.place(id) = Some(agent);
            return id;
        }
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("there is a block with room");
        block.push(Some(agent));
        self.len += 1;
        u32::try_from(self.len - 1).expect("fewer than 2^32 sessions are open at once")
    }

    pub fn remove(&mut self, id: u32) {
        *self.place(id) = None;
        self.free.push(id);
    }

    #[inline]
    fn place(&mut self, id: u32) -> &mut Option<Agent<T>> {
        &mut self.blocks[id as usize / BLOCK][id as usize % BLOCK]
    }

    #[inline]
    pub fn get(&mut self, id: u32) -> &mut Agent<T> {
        self.place(id).as_mut().expect("an agent that is named is there")
    }

    /// The agent will be wanted soon.
    #[inline]
    pub fn hint(&self, id: u32) {
        if let Some(place) =
            self.blocks.get(id as usize / BLOCK).and_then(|block| block.get(id as usize % BLOCK))
        {
            prefetch(place);
        }
    }

    pub fn find(&self, id: u32) -> Option<&Agent<T>> {
        self.blocks.get(id as usize / BLOCK)?.get(id as usize % BLOCK)?.as_ref()
    }

    /// Numbers of all agents of which `test` is true.
    pub fn all(&self, test: impl Fn(&Agent<T>) -> bool) -> Vec<u32> {
        let places = self.blocks.iter().flatten();
        let found = (0..).zip(places).filter(|(_, place)| place.as_ref().is_some_and(&test));
        found.map(|(id, _)| id).collect()
    }

    /// Whose sandbox an agent runs in: its own, its parent's, or one in which it has a seat.
    #[inline]
    pub fn sandbox(&mut self, id: u32) -> u32 {
        let root = self.root(id);
        let agent = self.get(root);
        if agent.slot.is_seat() { agent.host } else { root }
    }

    /// The session that an agent is or belongs to: its own number, or that of the session it is a sub-agent of.
    #[inline]
    pub fn root(&mut self, mut id: u32) -> u32 {
        while self.have_children
            && let Kind::Child { parent } = self.get(id).kind
        {
            id = parent;
        }
        id
    }
}

/// What is known of a model call being served, beside what its session knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub cached: u64,
    /// Time to first token, and whole time.
    pub ttft: Option<Span>,
    pub takes: Span,
    /// Tokens that reserved throughput was charged; `None` for pay-as-you-go.
    pub reserved: Option<u64>,
}

/// Model calls being served; places are used again.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    free: Vec<u32>,
}

impl Calls {
    pub fn insert(&mut self, call: Call) -> u32 {
        if let Some(place) = self.free.pop() {
            self.calls[place as usize] = call;
            return place;
        }
        self.calls.push(call);
        self.calls.len() as u32 - 1
    }

    pub fn remove(&mut self, place: u32) -> Call {
        self.free.push(place);
        self.calls[place as usize]
    }
}
