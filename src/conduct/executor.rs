//! What the conduct asks of the world that executes it: the simulator's, or the real one.

use crate::control::Start;
use crate::units::{Bytes, Span, Time};
use crate::workload::plan::{ClassId, ToolPlan};

/// The order of what happens at one instant: first what frees, then the queue is served, then what
/// asks (arrivals before others), then what gives up. Within a rank, first scheduled is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rank {
    /// A call, turn, boot, restore or snapshot ends.
    Frees,
    /// The queue for slots is served.
    Serves,
    /// A session arrives.
    Arrives,
    /// A call, turn or retry asks.
    Asks,
    /// An autoscaler or predictive pool looks; a new version comes out.
    Ticks,
    /// An idle, queue, archive, retention or pool timeout.
    GivesUp,
}

/// Something that happens. Sessions under way are named by their agent numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next session arrives.
    Arrival,
    /// A turn begins.
    Turn {
        /// Whose.
        id: u32,
    },
    /// A session asks for its sandbox again, which was being saved when it asked first.
    Acquire {
        /// Who.
        id: u32,
    },
    /// A session goes on with what is due.
    Proceed {
        /// Who.
        id: u32,
    },
    /// A model call is tried.
    Attempt {
        /// Whose.
        id: u32,
    },
    /// An admitted try of a model call ended.
    Called {
        /// Whose.
        id: u32,
        /// Whether it failed.
        failed: bool,
    },
    /// A boot or restore ended.
    Started {
        /// For whom.
        id: u32,
        /// Whether it succeeded.
        ok: bool,
    },
    /// A snapshot ended.
    Saved {
        /// Whose.
        id: u32,
    },
    /// A tool call ended.
    ToolEnded {
        /// Whose.
        id: u32,
        /// Its number in the batch.
        number: u16,
    },
    /// A pool's sandbox has been taken over.
    Claimed {
        /// By whom.
        id: u32,
    },
    /// A tool call was killed: there was no memory for it.
    ToolKilled {
        /// Whose.
        id: u32,
    },
    /// The idle, queue, archive, retention or pool timer fired.
    Timer {
        /// Whose.
        id: u32,
    },
    /// A pool asks for another place.
    Refill {
        /// Which.
        pool: u16,
    },
    /// A host has booted.
    HostUp {
        /// Which.
        host: u32,
    },
    /// A host crashes.
    Crash {
        /// Which.
        host: u32,
    },
    /// All hosts of a zone crash.
    Outage {
        /// Which.
        zone: u32,
    },
    /// The control plane stalls, or goes on.
    Stall {
        /// Which of the two.
        begins: bool,
    },
    /// An autoscaler looks.
    Scale {
        /// Its host type.
        kind: u16,
    },
    /// A predictive pool looks.
    Look {
        /// Which.
        pool: u16,
    },
    /// A new version of the agent is out.
    Rollout,
    /// The queue for slots is served.
    Serve,
}

impl Event {
    /// The session or place that it is about.
    #[inline]
    pub fn agent(self) -> Option<u32> {
        match self {
            Event::Turn { id }
            | Event::Acquire { id }
            | Event::Proceed { id }
            | Event::Attempt { id }
            | Event::Called { id, .. }
            | Event::Started { id, .. }
            | Event::Saved { id }
            | Event::ToolEnded { id, .. }
            | Event::Claimed { id }
            | Event::ToolKilled { id }
            | Event::Timer { id } => Some(id),
            _ => None,
        }
    }
}

/// A boot or restore to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartJob {
    /// For whom.
    pub id: u32,
    /// The session's number in the order of arrival.
    pub index: u64,
    /// The session's number, which keys draws.
    pub session: u64,
    /// Its class.
    pub class: ClassId,
    /// From what.
    pub start: Start,
    /// Tries of this kind over the session before this one; keys draws.
    pub tries: u32,
    /// Whether it is to fail, after its full time.
    pub fails: bool,
    /// Bytes of the snapshot that is restored.
    pub snapshot: Bytes,
    /// Whether that is in the archive.
    pub archived: bool,
    /// Where.
    pub host: u32,
    /// Starts under way there, itself counted.
    pub beside: u32,
}

/// A snapshot to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveJob {
    /// Whose.
    pub id: u32,
    /// The session's number, which keys draws.
    pub session: u64,
    /// Its class.
    pub class: ClassId,
    /// Snapshots of the session before this one; keys draws.
    pub number: u32,
    /// Bytes dirtied since the last cold boot.
    pub dirtied: Bytes,
    /// Where.
    pub host: u32,
}

/// What a snapshot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveOutcome {
    /// It is stored.
    Stored(Bytes),
    /// It could not be taken.
    Failed,
}

/// A tool call to be run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolJob {
    /// Whose.
    pub id: u32,
    /// The session's number.
    pub session: u64,
    /// The class whose sandbox it runs in.
    pub class: ClassId,
    /// Its number in the batch.
    pub number: u16,
    /// Calls in the batch.
    pub batch: u16,
    /// Keys its draws: the step in the session and its number in the batch.
    pub key: u32,
    /// Policy checks to wait for first.
    pub policies: Span,
    /// The work.
    pub plan: ToolPlan,
    /// Where.
    pub host: u32,
    /// Whose sandbox it runs in: `id`, or the session that `id` is a sub-agent of.
    pub sandbox: u32,
}

/// What a tool call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolReport {
    /// From after its policies until its end.
    pub took: Span,
    /// CPU time served to it.
    pub cpu: Span,
    /// Bytes it dirtied.
    pub dirtied: Bytes,
}

/// Executes what the conduct wants, in virtual or in real time.
///
/// Whatever is begun ends with the event named for it, at the instant at which it ended.
pub trait Executor {
    /// Names a scheduled event, so that it can be taken back.
    type Timer: Copy + std::fmt::Debug;

    /// Lets `event` happen at `at`.
    fn schedule(&mut self, at: Time, rank: Rank, event: Event) -> Self::Timer;

    /// Takes a scheduled event back.
    fn cancel(&mut self, timer: Self::Timer);

    /// Begins a boot or restore; it ends with [`Event::Started`].
    fn begin(&mut self, now: Time, job: StartJob);

    /// The boot or restore that ended is known to have.
    fn begun(&mut self, id: u32);

    /// Begins a snapshot; it ends with [`Event::Saved`], the sandbox being gone then.
    fn save(&mut self, now: Time, job: SaveJob);

    /// What the snapshot that just ended came to.
    fn save_outcome(&mut self, id: u32) -> SaveOutcome;

    /// Destroys the sandbox.
    fn destroy(&mut self, now: Time, id: u32);

    /// Deletes the snapshot.
    fn drop_snapshot(&mut self, now: Time, id: u32);

    /// Begins a tool call, which ends with [`Event::ToolEnded`]; or kills it at once because there is
    /// no memory for it, and says false. One that is killed later ends with [`Event::ToolKilled`].
    fn run_tool(&mut self, now: Time, job: ToolJob) -> bool;

    /// What the tool call that just ended came to.
    fn tool_report(&mut self, now: Time, id: u32, number: u16) -> ToolReport;

    /// The session `id` takes over the sandbox of the pool's place `place`.
    fn claim(&mut self, now: Time, place: u32, id: u32);

    /// What is under way for the session or place comes to no end: its sandbox is lost.
    fn abort(&mut self, now: Time, id: u32);

    /// A host of this type is up.
    fn host_up(&mut self, host: u32, kind: u16);

    /// No host has the image any more.
    fn forget_images(&mut self);

    /// Events scheduled, and work under way.
    fn pending(&self) -> usize;

    /// Nothing of the session is left; its number will be used again.
    fn gone(&mut self, id: u32);
}
