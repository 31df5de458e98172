//! What can go wrong with a runtime, and what a person can do about it.

use super::{SandboxId, SnapshotId};
use crate::drive::guest::protocol::Feature;
use crate::drive::journal::JournalError;
use crate::units::{Bytes, Span};

/// A failed operation on a runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Asked for a sandbox that is not running: a bug of the caller, or a sandbox that died.
    #[error("{0} is not running: it was never made, or is already stopped")]
    UnknownSandbox(SandboxId),
    /// The name is in use.
    #[error("{0} exists already: destroy it first, or choose another number")]
    SandboxExists(SandboxId),
    /// Asked for a snapshot that is not stored.
    #[error("{0} is not stored: it was never made, or is already dropped")]
    UnknownSnapshot(SnapshotId),
    /// The runtime drains.
    #[error("the runtime is shutting down and makes no new sandboxes")]
    Closing,
    /// Something about this machine.
    #[error("cannot {what}: {source}; {mend}")]
    Environment {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        mend: &'static str,
    },
    /// The launcher could not build the sandbox.
    #[error(
        "cannot build {sandbox}: {step} failed: {reason}; `plimsoll doctor` says what this machine allows"
    )]
    Launch {
        /// Which.
        sandbox: SandboxId,
        /// The isolation that it was for, if it was for one.
        feature: Option<Feature>,
        /// What the launcher was doing.
        step: String,
        /// What the system said.
        reason: String,
    },
    /// The guest ended by itself.
    #[error("{sandbox} died{}: if it was killed for memory, raise `sandbox.memory`", said(.stderr))]
    GuestGone {
        /// Which.
        sandbox: SandboxId,
        /// The last it said on stderr.
        stderr: String,
    },
    /// The work's memory does not fit.
    #[error(
        "{sandbox}: a tool call asked for {asked} where the sandbox's memory is {limit}; raise `sandbox.memory` or lower `tools.memory`"
    )]
    OutOfMemory {
        /// Which.
        sandbox: SandboxId,
        /// What the call asked for.
        asked: Bytes,
        /// The sandbox's memory.
        limit: Bytes,
    },
    /// The work failed in the guest.
    #[error(
        "{sandbox}: a tool call failed: {reason}; check the sandbox's limits and the disk's free space"
    )]
    Work {
        /// Which.
        sandbox: SandboxId,
        /// What the guest said.
        reason: String,
    },
    /// What came back from a snapshot is not what was stored.
    #[error(
        "{snapshot}: the {what} came back changed (was {stored}, is {found}); the disk or the unpacking is at fault, do not trust this run"
    )]
    StateLost {
        /// Which.
        snapshot: SnapshotId,
        /// `files`, `identity` or `memory`.
        what: &'static str,
        /// Digest when stored.
        stored: String,
        /// Digest when restored.
        found: String,
    },
    /// Nothing was heard in time.
    #[error(
        "{sandbox}: {what} took longer than {after}; the machine is overloaded or the guest hangs, lower `live.max_alive`"
    )]
    Timeout {
        /// Which.
        sandbox: SandboxId,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        after: Span,
    },
    /// Driver and guest do not understand each other: a bug.
    #[error(
        "{sandbox}: the guest said `{line}`, which the driver does not understand; launcher and driver must be the same build"
    )]
    Protocol {
        /// Which.
        sandbox: SandboxId,
        /// What it said.
        line: String,
    },
    /// The write-ahead journal cannot be kept, so nothing may be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(" (it said: {stderr})") }
}
