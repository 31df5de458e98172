//! What a sandbox backend can do, with plimsoll in charge of the life cycle.
//!
//! 1. [`create`](AnyRuntime::create): a sandbox that can run work, with an identity of its own.
//! 2. [`exec`](AnyRuntime::exec): a tool call in it; several may run side by side.
//! 3. [`snapshot`](AnyRuntime::snapshot): the sandbox stops and its files are packed.
//! 4. [`restore`](AnyRuntime::restore): a new sandbox from a snapshot, verified to have the files and
//!    the identity of the old one.
//! 5. [`destroy`](AnyRuntime::destroy) and [`drop_snapshot`](AnyRuntime::drop_snapshot): nothing
//!    remains.
//!
//! Runtimes are an enum, not a trait object: the futures stay `Send` and unboxed. All durations are
//! of real time; the driver's own book-keeping stands in stages of its own, so that it can be told
//! from what the platform took.

mod any;
mod blame;
pub mod cgroup;
mod cgroup_home;
mod children;
pub mod docker;
mod error;
mod gate;
pub mod instant;
mod layer;
mod link;
mod managed;
pub mod microvm;
pub mod oci;
mod pack;
pub mod process;
pub mod shared;
mod tender;

pub use any::AnyRuntime;
pub(in crate::drive) use blame::tail as stderr_tail;
pub use docker::DockerRuntime;
pub use error::RuntimeError;
pub use instant::InstantRuntime;
pub use managed::{Common, Managed};
pub use microvm::MicrovmRuntime;
pub use oci::OciRuntime;
pub use process::ProcessRuntime;
pub use shared::SharedRuntime;

use std::borrow::Cow;

use crate::units::{Bytes, Cores, Span, Time};

/// Names a sandbox of a run. Whoever creates it chooses; a number may be used again once its
/// sandbox is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxId(pub u64);

/// Names a snapshot of a run. The runtime chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub u64);

impl std::fmt::Display for SandboxId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sandbox {}", self.0)
    }
}

impl std::fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot {}", self.0)
    }
}

/// What a sandbox may use at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// CPU cores.
    pub vcpu: Cores,
    /// Memory for tool work, without what the guest itself needs.
    pub memory: Bytes,
    /// The largest file it may write.
    pub disk: Bytes,
    /// Processes and threads.
    pub processes: u64,
}

impl Default for Limits {
    /// One core, 512 MiB of memory, files up to 1 GiB, 256 threads.
    fn default() -> Self {
        Limits { vcpu: Cores(1.0), memory: Bytes(512 << 20), disk: Bytes(1 << 30), processes: 256 }
    }
}

/// A sandbox to be made.
#[derive(Clone, Debug)]
pub struct CreateSpec {
    /// Its name.
    pub sandbox: SandboxId,
    /// The session's identity token. It is put into the sandbox as a file and travels with its
    /// snapshots.
    pub token: String,
    /// What it may use.
    pub limits: Limits,
}

/// A tool call's work. It claims the memory, waits, computes, then writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// CPU time on the calibrated reference core, summed over cores. A fixed amount of work: under
    /// contention it takes longer.
    pub cpu: Span,
    /// Cores it can use at most; a fraction paces one thread.
    pub cores: Cores,
    /// Time it waits for something outside.
    pub io_wait: Span,
    /// Memory held, every page touched, for as long as the call lasts.
    pub memory: Bytes,
    /// Bytes written to the sandbox's disk and synced.
    pub dirty: Bytes,
}

impl Work {
    /// A call that does nothing: what remains is the runtime's own overhead.
    pub const EMPTY: Work = Work {
        cpu: Span::ZERO,
        cores: Cores(1.0),
        io_wait: Span::ZERO,
        memory: Bytes(0),
        dirty: Bytes(0),
    };
}

/// A part of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The driver's write-ahead journal. Not the platform's.
    Journal,
    /// Directories, identity file, control groups.
    Prepare,
    /// Unpacking a snapshot's files.
    Unpack,
    /// From asking the kernel for a process until its first instruction.
    Spawn,
    /// Namespaces, mounts, a root of its own, limits.
    Isolate,
    /// From executing the guest until it is ready for work, and the driver knows.
    Start,
    /// Bringing the memory back, until the guest answers.
    Resume,
    /// Stopping the guest.
    Stop,
    /// Writing the memory to the store.
    Memory,
    /// Packing the files.
    Pack,
    /// Bringing the packed files to the disk.
    Sync,
    /// Checking that files and identity are what they were. The driver's own, not the platform's.
    Verify,
    /// Removing what is left.
    Remove,
}

impl Stage {
    /// Whether the driver, not the platform, spends this time.
    pub fn is_drivers_own(self) -> bool {
        matches!(self, Stage::Journal | Stage::Verify)
    }
}

/// How long each part of an operation took, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stages(Vec<(Stage, Span)>);

impl Stages {
    /// Appends a part.
    pub fn push(&mut self, stage: Stage, took: Span) {
        self.0.push((stage, took));
    }

    /// The parts.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Span)> + '_ {
        self.0.iter().copied()
    }

    /// One part, zero if it did not happen.
    pub fn get(&self, stage: Stage) -> Span {
        self.iter().filter(|(name, _)| *name == stage).map(|(_, took)| took).sum()
    }

    /// What the platform took: all parts but the driver's own.
    pub fn service(&self) -> Span {
        self.iter().filter(|(name, _)| !name.is_drivers_own()).map(|(_, took)| took).sum()
    }

    /// The stages of a start.
    pub fn start(&self) -> StartStages {
        let of = |stages: &[Stage]| stages.iter().map(|stage| self.get(*stage)).sum();
        StartStages {
            image: of(&[Stage::Prepare, Stage::Unpack]),
            boot: of(&[Stage::Spawn, Stage::Isolate, Stage::Resume]),
            guest: self.get(Stage::Start),
        }
    }

    /// All parts.
    pub fn total(&self) -> Span {
        self.iter().map(|(_, took)| took).sum()
    }
}

/// The stages of a start, as a platform's model has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartStages {
    /// Directories, identity, control groups, unpacking.
    pub image: Span,
    /// From asking for the sandbox until its guest's first instruction; all of bringing memory back.
    pub boot: Span,
    /// From there until the guest is ready and the driver knows.
    pub guest: Span,
}

/// A sandbox that can run.
#[derive(Clone, Debug)]
pub struct Created {
    /// When the operation began.
    pub began: Time,
    /// When the driver knew the guest ready, before any verification.
    pub ready: Time,
    /// Where the time went.
    pub stages: Stages,
}

/// A tool call that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkReport {
    /// When the driver sent it.
    pub sent: Time,
    /// In the guest: it was read.
    pub began: Time,
    /// In the guest: its memory was claimed and touched.
    pub held: Time,
    /// In the guest: the I/O wait was over.
    pub waited: Time,
    /// In the guest: the computation was done.
    pub computed: Time,
    /// In the guest: the bytes were on the disk; the end of the call.
    pub ended: Time,
    /// When the driver had the answer.
    pub received: Time,
    /// CPU time that the call used in the guest, all its threads together.
    pub cpu_used: Span,
}

impl WorkReport {
    /// The call's length as the guest saw it.
    pub fn service(&self) -> Span {
        self.ended.since(self.began)
    }

    /// The length of the computing part alone, to be held against [`Work::cpu`] / [`Work::cores`].
    pub fn computing(&self) -> Span {
        self.computed.since(self.waited)
    }
}

/// Who a guest says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestIdentity {
    /// SHA-256 of its identity token, in hexadecimal.
    pub identity: String,
    /// A random number that is in its memory and nowhere else.
    pub nonce: String,
}

/// Processes of the host that a sandbox is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// They, and all that they started.
    pub roots: Vec<i32>,
    /// Sessions that they serve.
    pub sessions: u64,
}

/// A stored snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotInfo {
    /// Its name.
    pub snapshot: SnapshotId,
    /// Size in the store.
    pub bytes: Bytes,
    /// Size of the files it holds, unpacked.
    pub unpacked: Bytes,
    /// Size of the memory in the store, which is part of `bytes`; zero if memory is not kept.
    pub memory: Bytes,
    /// Size of that memory before compression, where it is known.
    pub memory_raw: Option<Bytes>,
    /// When the operation began, before any verification.
    pub began: Time,
    /// When the snapshot was stored.
    pub stored: Time,
    /// Where the time went.
    pub stages: Stages,
}

/// What a runtime can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Its name in scenarios and records.
    pub name: Cow<'static, str>,
    /// Sandboxes are real and do work for real.
    pub real: bool,
    /// Files survive hibernation.
    pub snapshot_files: bool,
    /// Memory survives hibernation.
    pub snapshot_memory: bool,
    /// A memory limit is enforced.
    pub limits_memory: bool,
    /// No more processes than asked for, or none that the host has.
    pub limits_processes: bool,
    /// A CPU limit is enforced.
    pub limits_cpu: bool,
    /// The guest reads the driver's own monotonic clock. Where it does not, its stamps are placed by
    /// the instants at which the driver asked and heard.
    pub clock_shared: bool,
}

/// What driving costs beside the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overhead {
    /// Median round trip of an empty call.
    pub exec_round_trip: Span,
    /// How many round trips that is the median of.
    pub samples: usize,
}

/// An isolation that could not be had on this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LostIsolation {
    /// Which.
    pub what: String,
    /// Why.
    pub why: String,
    /// How to get it.
    pub mend: String,
}

/// What a drain did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Sandboxes that stopped when asked.
    pub stopped: u64,
    /// Sandboxes that had to be killed.
    pub killed: u64,
    /// Snapshots removed.
    pub snapshots: u64,
    /// What could not be removed, and why. `plimsoll clean` will try again.
    pub left: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_own_time_is_kept_apart_from_service() {
        let mut stages = Stages::default();
        stages.push(Stage::Journal, Span::from_millis(3));
        stages.push(Stage::Spawn, Span::from_millis(5));
        stages.push(Stage::Start, Span::from_millis(7));
        stages.push(Stage::Verify, Span::from_millis(11));
        assert_eq!(stages.service(), Span::from_millis(12));
        assert_eq!(stages.total(), Span::from_millis(26));
        assert_eq!(stages.get(Stage::Pack), Span::ZERO);
    }
}
