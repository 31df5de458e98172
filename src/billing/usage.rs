//! The ledger: what was used, by kind. No prices.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::metered::{ConsumedLedger, RoundedLedger, merge};

/// A held resource, by what its holder was doing. The parts do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// While a sandbox was being booted or restored.
    pub starting: f64,
    /// While its session was in a turn.
    pub turn: f64,
    /// While its session was in none (being snapshotted included).
    pub idle: f64,
    /// While a pool's sandbox was being booted.
    #[serde(default)]
    pub pool_starting: f64,
    /// While a pool's sandbox waited to be claimed.
    #[serde(default)]
    pub pool: f64,
}

/// Hosts of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostLedger {
    /// Seconds that hosts were up.
    pub up_seconds: f64,
    /// Seconds that hosts booted.
    pub boot_seconds: f64,
    /// Byte-seconds that sandboxes held, overhead included.
    pub reserved_byte_seconds: f64,
    /// The part of them that idle sandboxes held.
    pub idle_byte_seconds: f64,
    /// The part of them that pools held.
    pub pool_byte_seconds: f64,
    /// Bytes that one host promises: its memory, overcommitted.
    pub memory_bytes: f64,
}

impl HostLedger {
    fn add(&mut self, other: &HostLedger) {
        self.up_seconds += other.up_seconds;
        self.boot_seconds += other.boot_seconds;
        self.reserved_byte_seconds += other.reserved_byte_seconds;
        self.idle_byte_seconds += other.idle_byte_seconds;
        self.pool_byte_seconds += other.pool_byte_seconds;
        self.memory_bytes = other.memory_bytes;
    }

    fn divide(&mut self, n: f64) {
        self.up_seconds /= n;
        self.boot_seconds /= n;
        self.reserved_byte_seconds /= n;
        self.idle_byte_seconds /= n;
        self.pool_byte_seconds /= n;
    }
}

/// Tokens of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenLedger {
    /// Prompt tokens billed, the cached ones and those of failed attempts included.
    pub input: f64,
    /// The part of `input` that came from the prompt cache.
    pub cached: f64,
    /// Output tokens.
    pub output: f64,
    /// The part of the uncached input that served calls wrote to a prompt cache, where the run told it
    /// apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<f64>,
    /// The part of all these in calls with a long prompt, where the run told them apart; without what
    /// reserved throughput served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongTokens>,
    /// The part of all these that reserved throughput served, where some was reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<ProvisionedTokens>,
}

/// Reserved throughput of one model, and the tokens that it served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedTokens {
    /// Units × time, used or not.
    pub unit_seconds: f64,
    /// Tokens that could have been charged in that time.
    pub capacity: f64,
    /// Tokens that were charged: input and output by their weights.
    pub charged: f64,
    /// Prompt tokens, the cached ones included.
    pub input: f64,
    /// The part of `input` that came from the prompt cache.
    pub cached: f64,
    /// Output tokens.
    pub output: f64,
    /// The part of the uncached input that served calls wrote to a prompt cache.
    pub written: f64,
    /// The part of these in calls with a long prompt, where the card tells them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongTokens>,
}

impl ProvisionedTokens {
    fn add(&mut self, other: &ProvisionedTokens) {
        self.unit_seconds += other.unit_seconds;
        self.capacity += other.capacity;
        self.charged += other.charged;
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
        self.written += other.written;
        merge(&mut self.long, other.long.as_ref(), LongTokens::add);
    }

    fn divide(&mut self, n: f64) {
        let parts = [&mut self.unit_seconds, &mut self.capacity, &mut self.charged];
        parts.into_iter().for_each(|part| *part /= n);
        let parts = [&mut self.input, &mut self.cached, &mut self.output, &mut self.written];
        parts.into_iter().for_each(|part| *part /= n);
        if let Some(long) = &mut self.long {
            long.divide(n);
        }
    }
}

/// Tokens of calls whose prompt was longer than `above`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LongTokens {
    /// Prompt tokens from which on (exclusive) the run took a call for a long one.
    pub above: u64,
    /// Prompt tokens, the cached ones included.
    pub input: f64,
    /// The part of `input` that came from the prompt cache.
    pub cached: f64,
    /// Output tokens.
    pub output: f64,
    /// The part of the uncached input that served calls wrote to a prompt cache.
    #[serde(default)]
    pub written: f64,
}

impl LongTokens {
    fn add(&mut self, more: &LongTokens) {
        self.above = more.above;
        self.input += more.input;
        self.cached += more.cached;
        self.output += more.output;
        self.written += more.written;
    }

    fn divide(&mut self, n: f64) {
        self.input /= n;
        self.cached /= n;
        self.output /= n;
        self.written /= n;
    }
}

impl TokenLedger {
    fn add(&mut self, other: &TokenLedger) {
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
        if let Some(written) = other.written {
            *self.written.get_or_insert(0.0) += written;
        }
        merge(&mut self.long, other.long.as_ref(), LongTokens::add);
        merge(&mut self.provisioned, other.provisioned.as_ref(), ProvisionedTokens::add);
    }

    fn divide(&mut self, n: f64) {
        self.input /= n;
        self.cached /= n;
        self.output /= n;
        if let Some(written) = &mut self.written {
            *written /= n;
        }
        if let Some(long) = &mut self.long {
            long.divide(n);
        }
        if let Some(provisioned) = &mut self.provisioned {
            provisioned.divide(n);
        }
    }
}

/// Quantities used in the measured time, of one replication or as a mean over replications.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Measured time, seconds.
    pub measured_s: f64,
    /// Sessions that were granted their first slot.
    pub sessions_started: f64,
    /// Sessions that completed.
    pub sessions_completed: f64,
    /// Turns that finished.
    pub turns: f64,
    /// Tool calls that ended.
    #[serde(default)]
    pub tool_calls: f64,
    /// vCPU-seconds allocated.
    pub vcpu_seconds: Phases,
    /// GiB-seconds allocated.
    pub gib_seconds: Phases,
    /// CPU-seconds served to tool calls that ended in the measured time.
    pub cpu_seconds_served: f64,
    /// CPU-seconds served in the measured time, to calls that were killed or go on too; where it was
    /// not metered, as in a live run, those of calls that ended stand for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_active: Option<f64>,
    /// Seconds that sandboxes were held, if the run's card charges by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_seconds: Option<Phases>,
    /// Memory consumed, if the run's card charges it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<ConsumedLedger>,
    /// What rounding adds, if the run's card rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounded: Option<RoundedLedger>,
    /// Byte-seconds of stored snapshots.
    pub snapshot_byte_seconds: f64,
    /// Byte-seconds of archived snapshots.
    #[serde(default)]
    pub archived_byte_seconds: f64,
    /// Snapshots put into the store.
    #[serde(default)]
    pub snapshots_put: f64,
    /// Snapshots got from it.
    #[serde(default)]
    pub snapshots_got: f64,
    /// Bytes of telemetry.
    #[serde(default)]
    pub telemetry_bytes: f64,
    /// Seconds of work on policies.
    #[serde(default)]
    pub management_seconds: f64,
    /// Hosts by type.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub hosts: IndexMap<String, HostLedger>,
    /// Tokens by model.
    pub tokens: IndexMap<String, TokenLedger>,
}

impl Phases {
    /// All parts together.
    pub fn total(&self) -> f64 {
        self.starting + self.turn + self.idle + self.pool_starting + self.pool
    }

    /// The sum of each part.
    #[must_use]
    pub fn plus(mut self, other: &Phases) -> Phases {
        self.add(other);
        self
    }

    /// Each part times a factor.
    #[must_use]
    pub fn times(self, factor: f64) -> Phases {
        Phases {
            starting: self.starting * factor,
            turn: self.turn * factor,
            idle: self.idle * factor,
            pool_starting: self.pool_starting * factor,
            pool: self.pool * factor,
        }
    }

    pub(super) fn add(&mut self, other: &Phases) {
        self.starting += other.starting;
        self.turn += other.turn;
        self.idle += other.idle;
        self.pool_starting += other.pool_starting;
        self.pool += other.pool;
    }

    pub(super) fn divide(&mut self, n: f64) {
        self.starting /= n;
        self.turn /= n;
        self.idle /= n;
        self.pool_starting /= n;
        self.pool /= n;
    }
}

impl Usage {
    /// The mean ledger of several replications of one scenario, summed in the order given; empty if
    /// none is given.
    pub fn mean<'a>(ledgers: impl IntoIterator<Item = &'a Usage>) -> Usage {
        let mut mean = Usage::default();
        let mut n = 0.0;
        for ledger in ledgers {
            mean.add(ledger);
            n += 1.0;
        }
        if n > 1.0 {
            mean.divide(n);
        }
        mean
    }

    /// CPU-seconds that are charged where active CPU is.
    pub fn active_cpu(&self) -> f64 {
        self.cpu_seconds_active.unwrap_or(self.cpu_seconds_served)
    }

    /// Prompt and output tokens of all models.
    pub fn tokens_total(&self) -> f64 {
        self.tokens.values().map(|t| t.input + t.output).sum()
    }

    fn add(&mut self, other: &Usage) {
        self.measured_s += other.measured_s;
        self.sessions_started += other.sessions_started;
        self.sessions_completed += other.sessions_completed;
        self.turns += other.turns;
        self.tool_calls += other.tool_calls;
        self.vcpu_seconds.add(&other.vcpu_seconds);
        self.gib_seconds.add(&other.gib_seconds);
        self.cpu_seconds_served += other.cpu_seconds_served;
        merge(&mut self.cpu_seconds_active, other.cpu_seconds_active.as_ref(), |sum, more| {
            *sum += more;
        });
        merge(&mut self.sandbox_seconds, other.sandbox_seconds.as_ref(), Phases::add);
        merge(&mut self.consumed, other.consumed.as_ref(), ConsumedLedger::add);
        merge(&mut self.rounded, other.rounded.as_ref(), RoundedLedger::add);
        self.snapshot_byte_seconds += other.snapshot_byte_seconds;
        self.archived_byte_seconds += other.archived_byte_seconds;
        self.snapshots_put += other.snapshots_put;
        self.snapshots_got += other.snapshots_got;
        self.telemetry_bytes += other.telemetry_bytes;
        self.management_seconds += other.management_seconds;
        for (kind, ledger) in &other.hosts {
            self.hosts.entry(kind.clone()).or_default().add(ledger);
        }
        for (model, used) in &other.tokens {
            self.tokens.entry(model.clone()).or_default().add(used);
        }
    }

    fn divide(&mut self, n: f64) {
        self.measured_s /= n;
        self.sessions_started /= n;
        self.sessions_completed /= n;
        self.turns /= n;
        self.tool_calls /= n;
        self.vcpu_seconds.divide(n);
        self.gib_seconds.divide(n);
        self.cpu_seconds_served /= n;
        if let Some(active) = &mut self.cpu_seconds_active {
            *active /= n;
        }
        if let Some(held) = &mut self.sandbox_seconds {
            held.divide(n);
        }
        if let Some(consumed) = &mut self.consumed {
            consumed.divide(n);
        }
        if let Some(rounded) = &mut self.rounded {
            rounded.divide(n);
        }
        self.snapshot_byte_seconds /= n;
        self.archived_byte_seconds /= n;
        self.snapshots_put /= n;
        self.snapshots_got /= n;
        self.telemetry_bytes /= n;
        self.management_seconds /= n;
        self.hosts.values_mut().for_each(|ledger| ledger.divide(n));
        self.tokens.values_mut().for_each(|used| used.divide(n));
    }
}
