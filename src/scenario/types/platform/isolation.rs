//! What keeps sandboxes apart, and what that costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image::{Contention, Image};
use crate::dist::Dist;
use crate::units::{Bandwidth, Bytes, Cores, Count, Ratio, Span};

/// An isolation tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Isolation {
    /// A process in its own namespaces.
    Process(Tier),
    /// A container that several sessions share.
    SharedContainer(Tier),
    /// A container a session.
    Container(Tier),
    /// A user-space kernel a session.
    Gvisor(Tier),
    /// A small virtual machine a session.
    Microvm(Tier),
}

impl Isolation {
    /// The tier's numbers.
    pub fn tier(&self) -> &Tier {
        match self {
            Isolation::Process(t)
            | Isolation::SharedContainer(t)
            | Isolation::Container(t)
            | Isolation::Gvisor(t)
            | Isolation::Microvm(t) => t,
        }
    }

    /// The tier's numbers, to be set.
    pub fn tier_mut(&mut self) -> &mut Tier {
        match self {
            Isolation::Process(t)
            | Isolation::SharedContainer(t)
            | Isolation::Container(t)
            | Isolation::Gvisor(t)
            | Isolation::Microvm(t) => t,
        }
    }

    /// Sessions of one class that a sandbox holds at most.
    pub fn seats(&self) -> u32 {
        match self {
            Isolation::SharedContainer(tier) => tier.sessions_per_sandbox.unwrap_or(1).max(1),
            _ => 1,
        }
    }

    /// The tier's name as written.
    pub fn name(&self) -> &'static str {
        match self {
            Isolation::Process(_) => "process",
            Isolation::SharedContainer(_) => "shared-container",
            Isolation::Container(_) => "container",
            Isolation::Gvisor(_) => "gvisor",
            Isolation::Microvm(_) => "microvm",
        }
    }
}

/// What an isolation tier costs and can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// Boot stage: finding a place.
    pub schedule: Dist<Span>,
    /// Boot stage: fetching the image; skipped where the host has it cached.
    pub image: Image,
    /// Boot stage: starting the sandbox.
    pub boot: Dist<Span>,
    /// Boot stage: starting the agent's harness in it.
    pub harness: Dist<Span>,
    /// How starts under way at once on a host slow each other down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contention: Option<Contention>,
    /// Factor of a whole day's boot stages, drawn for each day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Dist<Count>>,
    /// Sessions of one class that share a sandbox at most (`shared-container`), with its vCPUs and memory. A
    /// session keeps its seat while it is idle; the sandbox goes when nobody is left in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_per_sandbox: Option<u32>,
    /// Memory that each sandbox costs beyond what it is given.
    pub memory_overhead: Bytes,
    /// CPU time of tool work, relative to the reference core.
    pub cpu_factor: Ratio,
    /// I/O wait of tool work, relative to no isolation.
    pub io_factor: Ratio,
    /// Time that each tool call takes before its own work: reaching into the sandbox.
    pub exec: Dist<Span>,
    /// How a sandbox's state is saved; without it nothing can be hibernated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// How a saved sandbox comes back.
    pub restore: Restore,
    /// What the platform's own work takes of the cores of the one machine that a live run's sandboxes are
    /// on. Predictions of live runs use it, and nothing else does.
    #[serde(skip_serializing_if = "OnMachine::is_default")]
    pub on_machine: OnMachine,
}

impl Default for Tier {
    fn default() -> Self {
        let zero = || Dist::constant(Span::ZERO);
        Tier {
            schedule: zero(),
            image: Image::default(),
            boot: zero(),
            harness: zero(),
            contention: None,
            drift: None,
            sessions_per_sandbox: None,
            memory_overhead: Bytes(0),
            cpu_factor: Ratio(1.0),
            io_factor: Ratio(1.0),
            exec: zero(),
            snapshot: None,
            restore: Restore::default(),
            on_machine: OnMachine::default(),
        }
    }
}

/// What the platform's own work takes of a machine, by operation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OnMachine {
    /// Of a boot.
    pub boot: CoreUse,
    /// Of a restore.
    pub restore: CoreUse,
    /// Of a snapshot, with which its sandbox goes.
    pub snapshot: CoreUse,
    /// Of destroying a sandbox, for which nobody waits: all of it comes `after`.
    pub destroy: CoreUse,
    /// Of reaching into a sandbox for a tool call.
    pub exec: CoreUse,
    /// How fast a core is while all of them work, relative to one that works alone: two may be threads of
    /// one processor core, and share its caches.
    pub full_speed: Ratio,
}

impl Default for OnMachine {
    fn default() -> Self {
        let one = CoreUse::default();
        OnMachine {
            boot: one,
            restore: one,
            snapshot: one,
            destroy: one,
            exec: one,
            full_speed: Ratio(1.0),
        }
    }
}

impl OnMachine {
    fn is_default(&self) -> bool {
        *self == OnMachine::default()
    }
}

/// What an operation takes of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoreUse {
    /// Cores that it keeps busy on average while it lasts: several processes may work for it, or it may
    /// wait for a disk.
    pub cores: Cores,
    /// How long it goes on, where no other work is, after what it is for is there.
    pub after: Span,
}

impl Default for CoreUse {
    fn default() -> Self {
        CoreUse { cores: Cores(1.0), after: Span::ZERO }
    }
}

/// How a sandbox's state is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Snapshot {
    /// Its files only.
    Filesystem(SnapshotKind),
    /// Its files and memory.
    Full(SnapshotKind),
}

impl Snapshot {
    /// The numbers of either kind.
    pub fn kind(&self) -> &SnapshotKind {
        match self {
            Snapshot::Filesystem(kind) | Snapshot::Full(kind) => kind,
        }
    }

    /// Whether memory is saved too.
    pub fn is_full(&self) -> bool {
        matches!(self, Snapshot::Full(_))
    }
}

/// Size and speed of taking a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotKind {
    /// Time before bytes flow.
    pub fixed: Dist<Span>,
    /// Bandwidth shared by all snapshots under way on a host.
    pub bandwidth: Bandwidth,
    /// Bytes that every snapshot holds.
    pub base: Bytes,
    /// Share of dirtied bytes that are saved already.
    pub dedupe: Ratio,
    /// Stored size over raw size.
    pub compression: Ratio,
}

impl Default for SnapshotKind {
    fn default() -> Self {
        SnapshotKind {
            fixed: Dist::constant(Span::ZERO),
            bandwidth: Bandwidth::UNLIMITED,
            base: Bytes(0),
            dedupe: Ratio(0.0),
            compression: Ratio(1.0),
        }
    }
}

/// Speed of restoring a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// Time before bytes flow.
    pub fixed: Dist<Span>,
    /// Bandwidth shared by all restores under way on a host.
    pub bandwidth: Bandwidth,
    /// Share of the bytes that must arrive before the sandbox runs.
    pub working_set: Ratio,
}

impl Default for Restore {
    fn default() -> Self {
        Restore {
            fixed: Dist::constant(Span::ZERO),
            bandwidth: Bandwidth::UNLIMITED,
            working_set: Ratio(1.0),
        }
    }
}
