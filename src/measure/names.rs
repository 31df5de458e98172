//! What is measured, by name. The order is the order of every table and file.

/// An enum whose variants have the snake-case names of the record.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant),* }
        impl $name {
            /// All of them, in the order of the record.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();
            /// The name in the record.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|item| item.name() == name)
            }
        }
    };
}

named! {
    /// Something that is counted.
    Counter {
        /// Sessions that arrived.
        SessionsArrived = "sessions_arrived",
        /// Sessions that were granted or claimed their first sandbox.
        SessionsStarted = "sessions_started",
        /// Sessions whose last turn ended.
        SessionsCompleted = "sessions_completed",
        /// Sessions that ended otherwise after they had a sandbox, or by a failed start or call.
        SessionsFailed = "sessions_failed",
        /// Sessions turned away before they ever had a sandbox.
        SessionsRejected = "sessions_rejected",
        /// Completed sessions that told nobody.
        SessionsAbandoned = "sessions_abandoned",
        /// Finished turns.
        Turns = "turns",
        /// Model calls begun, served or not.
        ModelCalls = "model_calls",
        /// Tries of model calls, refused ones too.
        ModelAttempts = "model_attempts",
        /// Tries refused by a quota.
        ModelRateLimited = "model_rate_limited",
        /// Tries that went to pay-as-you-go because no reserved throughput was left.
        ModelSpilled = "model_spilled",
        /// Tries that failed after they were let in.
        ModelErrors = "model_errors",
        /// Tool calls that ended.
        ToolCalls = "tool_calls",
        /// Sub-agents started.
        SubAgents = "sub_agents",
        /// Sub-agents that came to a bad end.
        SubAgentsFailed = "sub_agents_failed",
        /// Cold boots that succeeded.
        ColdBoots = "cold_boots",
        /// Sandboxes claimed from a pool.
        PoolClaims = "pool_claims",
        /// Restores that succeeded.
        Restores = "restores",
        /// Ready pool sandboxes that were not claimed in time, or were of an old version.
        PoolExpired = "pool_expired",
        /// Snapshots taken.
        Snapshots = "snapshots",
        /// Snapshots that ran out of their retention.
        SnapshotsExpired = "snapshots_expired",
        /// Snapshots moved to the archive.
        SnapshotsArchived = "snapshots_archived",
        /// Idle sandboxes killed.
        Kills = "kills",
        /// Tries of boots that failed.
        BootFailures = "boot_failures",
        /// Tries of restores that failed.
        RestoreFailures = "restore_failures",
        /// Sessions under way whose state was lost.
        StateLost = "state_lost",
        /// Sessions under way that went back to their snapshot.
        StateRolledBack = "state_rolled_back",
        /// Tool calls killed because there was no memory for them.
        OomKills = "oom_kills",
        /// Turns that ended unfinished by such a call.
        TurnsFailed = "turns_failed",
        /// Sandboxes made: slots granted.
        SandboxesMade = "sandboxes_made",
        /// Sandboxes destroyed, hibernated ones too.
        SandboxesDestroyed = "sandboxes_destroyed",
        /// Prompt tokens billed, cached ones and those of failed tries too.
        TokensInput = "tokens_input",
        /// The part of them that came from the cache.
        TokensCached = "tokens_cached",
        /// Output tokens.
        TokensOutput = "tokens_output",
        /// Contexts that were replaced by a summary.
        Compactions = "compactions",
        /// Calls whose prompt was cut to the window.
        ContextTruncations = "context_truncations",
        /// Policy checks.
        PolicyChecks = "policy_checks",
        /// Identities issued.
        IdentitiesIssued = "identities_issued",
        /// Sessions that failed by their tenant's daily tokens.
        TokenQuotaFailures = "token_quota_failures",
        /// Hosts started after time 0, and not after a crash.
        HostStarts = "host_starts",
        /// Hosts stopped.
        HostStops = "host_stops",
        /// Hosts that crashed, in outages too.
        HostCrashes = "host_crashes",
        /// Outages of zones.
        ZoneOutages = "zone_outages",
        /// Stalls of the control plane.
        Stalls = "stalls",
        /// New versions of the agent.
        Rollouts = "rollouts",
    }
}

named! {
    /// A duration that is observed.
    Metric {
        /// From a turn's begin until its sandbox can run, over cold boots.
        ColdStart = "cold_start",
        /// From a turn's begin until its sandbox can run, over turns that did not find it running.
        Ready = "ready",
        /// Wait for a slot, over granted requests.
        QueueWait = "queue_wait",
        /// The same over sessions that never had a sandbox.
        QueueWaitNew = "queue_wait_new",
        /// The same over sessions that had one.
        QueueWaitResume = "queue_wait_resume",
        /// Claim of a pool sandbox.
        PoolClaim = "pool_claim",
        /// The successful try of a restore.
        Restore = "restore",
        /// The same where the snapshot held memory.
        RestoreMemory = "restore_memory",
        /// The same where it held files only.
        RestoreFilesystem = "restore_filesystem",
        /// The same where it came from the archive.
        RestoreArchived = "restore_archived",
        /// The successful try of a snapshot.
        Snapshot = "snapshot",
        /// A tool call, from after its policies.
        ToolExec = "tool_exec",
        /// A model call, from after its policies until served.
        ModelCall = "model_call",
        /// Base and prefill time of the served try.
        Ttft = "ttft",
        /// A finished turn.
        Turn = "turn",
        /// A finished turn less its served model calls' latency.
        PlatformTime = "platform_time",
        /// A completed session.
        Session = "session",
        /// A maximal time with a session in the queue.
        ScaleOut = "scale_out",
        /// Time between turns.
        Think = "think",
    }
}

named! {
    /// A quantity over time.
    Gauge {
        /// Sessions that arrived and have not left.
        SessionsOpen = "sessions_open",
        /// Sessions in a turn.
        SessionsInTurn = "sessions_in_turn",
        /// Slots held.
        SandboxesRunning = "sandboxes_running",
        /// Sandboxes of sessions in no turn.
        SandboxesIdle = "sandboxes_idle",
        /// Pool places, booting or ready.
        SandboxesPool = "sandboxes_pool",
        /// Sessions whose state is a snapshot.
        SandboxesHibernated = "sandboxes_hibernated",
        /// Requests waiting for a slot.
        QueueLength = "queue_length",
        /// Hosts that are up.
        HostsUp = "hosts_up",
        /// Cores of hosts that serve tool work; counted in billionths.
        HostCpuBusy = "host_cpu_busy",
        /// Memory of hosts that sandboxes hold, overhead included.
        HostMemoryReserved = "host_memory_reserved",
        /// Bytes of stored snapshots, archived ones apart.
        SnapshotBytes = "snapshot_bytes",
        /// Bytes of archived snapshots.
        SnapshotArchivedBytes = "snapshot_archived_bytes",
    }
}

impl Gauge {
    /// The unit in the record.
    pub const fn unit(self) -> &'static str {
        match self {
            Gauge::SnapshotBytes | Gauge::SnapshotArchivedBytes | Gauge::HostMemoryReserved => {
                "bytes"
            }
            Gauge::HostCpuBusy => "cores",
            _ => "count",
        }
    }

    /// What one step of the whole number that is kept comes to in the unit of the record.
    pub const fn scale(self) -> f64 {
        match self {
            Gauge::HostCpuBusy => 1e-9,
            _ => 1.0,
        }
    }
}

named! {
    /// A resource that is billed by its integral over time; vCPUs in millionths.
    Holding {
        /// vCPUs of sandboxes being booted or restored.
        VcpuStarting = "vcpu_starting",
        /// vCPUs of sandboxes in a turn.
        VcpuTurn = "vcpu_turn",
        /// vCPUs of idle sandboxes.
        VcpuIdle = "vcpu_idle",
        /// vCPUs of pool sandboxes being booted.
        VcpuPoolStarting = "vcpu_pool_starting",
        /// vCPUs of ready pool sandboxes; paused ones hold none.
        VcpuPool = "vcpu_pool",
        /// Memory of sandboxes being booted or restored.
        MemoryStarting = "memory_starting",
        /// Memory of sandboxes in a turn.
        MemoryTurn = "memory_turn",
        /// Memory of idle sandboxes.
        MemoryIdle = "memory_idle",
        /// Memory of pool sandboxes being booted.
        MemoryPoolStarting = "memory_pool_starting",
        /// Memory of ready pool sandboxes.
        MemoryPool = "memory_pool",
        /// Sandboxes being booted or restored; this and the following where the rate card needs it.
        SandboxStarting = "sandbox_starting",
        /// Sandboxes in a turn.
        SandboxTurn = "sandbox_turn",
        /// Idle sandboxes.
        SandboxIdle = "sandbox_idle",
        /// Pool sandboxes being booted.
        SandboxPoolStarting = "sandbox_pool_starting",
        /// Ready pool sandboxes.
        SandboxPool = "sandbox_pool",
        /// Memory that sandboxes in a turn consume above the card's floor.
        ConsumedTurn = "consumed_turn",
        /// Memory that idle sandboxes consume above it.
        ConsumedIdle = "consumed_idle",
    }
}

named! {
    /// What hosts of one type are billed by.
    HostHolding {
        /// Hosts that are up.
        Up = "up",
        /// Hosts that boot.
        Booting = "booting",
        /// Bytes that sandboxes hold.
        Reserved = "reserved",
        /// The part of them that idle ones hold.
        Idle = "idle",
        /// The part of them that pools hold.
        Pool = "pool",
    }
}
