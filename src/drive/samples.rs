//! What single operations of a live run took: raw material of calibration.

use crate::drive::runtime::StartStages;
use crate::units::{Bytes, Cores, Span};

/// One successful boot, restore or snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSample {
    /// Number of the session that it was for, in the order of arrival.
    pub session: u64,
    /// From its intended begin until the platform was done; the driver's own checks left out.
    pub took: Span,
    /// Size in the store, for restores and snapshots.
    pub bytes: Bytes,
    /// The parts of a boot or restore; what `took` is more is waiting for the driver or the machine.
    pub stages: StartStages,
}

/// One tool call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolSample {
    /// Number of the session that called.
    pub session: u64,
    /// CPU time planned, on the reference core.
    pub cpu: Span,
    /// Cores it could use: the fewer of its own and its sandbox's.
    pub cores: Cores,
    /// I/O wait planned.
    pub io: Span,
    /// Response time: from its intended begin until the driver had the answer.
    pub took: Span,
    /// Service time, as the guest saw it.
    pub service: Span,
    /// The computing part of it.
    pub computing: Span,
    /// The waiting part of it.
    pub waiting: Span,
    /// The first call of its sandbox since that booted or came back.
    pub first: bool,
}

/// All operations of a live run, in the order in which they ended.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Boots.
    pub boots: Vec<OperationSample>,
    /// Restores.
    pub restores: Vec<OperationSample>,
    /// Snapshots.
    pub snapshots: Vec<OperationSample>,
    /// Tool calls.
    pub tools: Vec<ToolSample>,
}
