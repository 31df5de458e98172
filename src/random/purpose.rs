//! What a draw is for.

/// What a draw is for. The discriminant is part of the draw function, so it never changes; a
/// purpose that is no longer used leaves a gap. `0x00..=0x3f` is demand, `0x40..=0x7f` supply.
///
/// Each variant says what `session` and `index` count. Unless said otherwise, `session` is the
/// session's number in its run and `index` counts occurrences within the session from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Purpose {
    // Demand.
    /// Gap before an arrival. `session`: number of the arrival stream; `index`: the arrival.
    ArrivalGap = 0x00,
    /// Whether a candidate arrival is kept under a profile. Keyed as the gap.
    Thinning = 0x01,
    /// Stay in a state of a modulated arrival process. `index`: the stay.
    ArrivalState = 0x02,
    /// Which class a session belongs to. `index` 0.
    Class = 0x03,
    /// Number of turns. `index` 0.
    Turns = 0x04,
    /// Number of steps of a turn. `index`: the turn.
    Steps = 0x05,
    /// Think time after a turn. `index`: the turn.
    Think = 0x06,
    /// Whether the session is closed or abandoned. `index` 0.
    End = 0x07,
    /// Tokens of the system prompt. `index` 0.
    SystemTokens = 0x08,
    /// Tokens of a user message. `index`: the turn.
    UserTokens = 0x09,
    /// Tokens that a step's tool results add. `index`: the step, counted over the session.
    ToolResultTokens = 0x0a,
    /// Output tokens of a model call. `index`: the step, counted over the session.
    OutputTokens = 0x0b,
    /// Number of tool calls of a step. `index`: the step, counted over the session.
    ToolCalls = 0x0c,
    /// CPU time of a tool call. `index`: the tool call, counted over the session.
    ToolCpu = 0x0d,
    /// I/O wait of a tool call. `index`: the tool call, counted over the session.
    ToolIo = 0x0e,
    /// Peak memory of a tool call. `index`: the tool call, counted over the session.
    ToolMemory = 0x0f,
    /// Bytes that a tool call dirties. `index`: the tool call, counted over the session.
    ToolDirty = 0x10,
    /// Cores that a tool call can use. `index`: the tool call, counted over the session.
    ToolCores = 0x11,
    /// Which kind of tool a call is. `index`: the tool call, counted over the session.
    ToolKind = 0x12,
    /// Number of child sessions of a step. `index`: the step, counted over the session.
    Children = 0x13,
    /// Which recorded session a plan is taken from. `index` 0.
    Resample = 0x14,
    /// Whether a turn has one step more where a model needs more of them. `index`: the turn.
    ExtraSteps = 0x15,
    /// Spare, for demand that is to come.
    DemandSpare0 = 0x3e,
    /// Spare, for demand that is to come.
    DemandSpare1 = 0x3f,

    // Supply. Where `index` is an attempt, it counts over the session.
    /// Scheduling stage of a boot. `index`: the boot attempt.
    BootSchedule = 0x40,
    /// Image stage of a boot. `index`: the boot attempt.
    BootImage = 0x41,
    /// Boot stage of a boot. `index`: the boot attempt.
    Boot = 0x42,
    /// Harness stage of a boot. `index`: the boot attempt.
    BootHarness = 0x43,
    /// Fixed part of a restore. `index`: the restore attempt.
    Restore = 0x44,
    /// Fixed part of a snapshot. `index`: the snapshot.
    Snapshot = 0x45,
    /// Claim of a pool sandbox. `index`: the claim.
    Claim = 0x46,
    /// Whether a boot fails. `index`: the boot attempt.
    BootFault = 0x47,
    /// Whether a restore fails. `index`: the restore attempt.
    RestoreFault = 0x48,
    /// Boot of a host. `session`: the host; `index`: its boot.
    HostBoot = 0x49,
    /// Time to a host's crash. `session`: the host; `index`: the crash.
    HostCrash = 0x4a,
    /// Drift factor of a day. `session` 0; `index`: the day of virtual time.
    Drift = 0x4b,
    /// What the archive adds to a restore. `index`: the restore attempt.
    ArchiveRestore = 0x4c,
    /// Time to a zone's outage. `session`: the zone; `index`: the outage, counted over all zones.
    ZoneOutage = 0x4d,
    /// Length of a zone's outage. Keyed as its time.
    OutageLength = 0x4e,
    /// Time to a stall of the control plane. `session` 0; `index`: the stall.
    StallGap = 0x4f,
    /// Fixed part of a model call's latency. `index`: the attempt.
    ModelBase = 0x50,
    /// Model latency per input token. `index`: the attempt.
    ModelPerInput = 0x51,
    /// Model latency per output token. `index`: the attempt.
    ModelPerOutput = 0x52,
    /// Whether a model call fails. `index`: the attempt.
    ModelError = 0x53,
    /// The random share of a retry's backoff. `index`: the attempt that was refused or failed.
    Backoff = 0x54,
    /// Latency of a policy check. `index`: the check, counted over the session.
    PolicyLatency = 0x58,
    /// Latency of issuing an identity. `index`: the issue.
    IdentityLatency = 0x59,
    /// Reaching into a sandbox for a tool call. `index`: step · 64 + the call's number in its batch.
    ToolReach = 0x5a,
    /// Length of a stall of the control plane. `session` 0; `index`: the stall.
    StallLength = 0x5b,
    /// Residual life of a stock at a steady start. `session`: its number in the stock; `index` 0.
    SteadyResidual = 0x60,
    /// Bytes of a stock at a steady start. `session`: its number in the stock; `index` 0.
    SteadyBytes = 0x61,
    /// Spare, for supply that is to come.
    SupplySpare0 = 0x7e,
    /// Spare, for supply that is to come.
    SupplySpare1 = 0x7f,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A discriminant is part of published results: moving one would change every number.
    #[test]
    fn discriminants_are_pinned() {
        use Purpose::*;
        let demand = [
            ArrivalGap,
            Thinning,
            ArrivalState,
            Class,
            Turns,
            Steps,
            Think,
            End,
            SystemTokens,
            UserTokens,
            ToolResultTokens,
            OutputTokens,
            ToolCalls,
            ToolCpu,
            ToolIo,
            ToolMemory,
            ToolDirty,
            ToolCores,
            ToolKind,
            Children,
            Resample,
            ExtraSteps,
        ];
        for (expected, purpose) in demand.into_iter().enumerate() {
            assert_eq!(purpose as usize, expected, "{purpose:?}");
        }
        let supply = [
            BootSchedule,
            BootImage,
            Boot,
            BootHarness,
            Restore,
            Snapshot,
            Claim,
            BootFault,
            RestoreFault,
            HostBoot,
            HostCrash,
            Drift,
        ];
        for (offset, purpose) in supply.into_iter().enumerate() {
            assert_eq!(purpose as usize, 0x40 + offset, "{purpose:?}");
        }
        let model = [ModelBase, ModelPerInput, ModelPerOutput, ModelError, Backoff];
        for (offset, purpose) in model.into_iter().enumerate() {
            assert_eq!(purpose as usize, 0x50 + offset, "{purpose:?}");
        }
        let rest = [PolicyLatency, IdentityLatency, ToolReach, SteadyResidual, SteadyBytes];
        assert_eq!(rest.map(|p| p as u8), [0x58, 0x59, 0x5a, 0x60, 0x61]);
        let spare = [DemandSpare0, DemandSpare1, SupplySpare0, SupplySpare1];
        assert_eq!(spare.map(|p| p as u8), [0x3e, 0x3f, 0x7e, 0x7f]);
    }
}
