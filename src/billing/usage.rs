//! The ledger: what was used, by kind. No prices.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A held resource, by what its holder was doing. The parts do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// While a sandbox was being booted or restored.
    pub starting: f64,
    /// While its session was in a turn.
    pub turn: f64,
    /// While its session was in none (being snapshotted included).
    pub idle: f64,
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
    /// The part of all these in calls with a long prompt, where the run told them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongTokens>,
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
}

impl TokenLedger {
    fn add(&mut self, other: &TokenLedger) {
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
        if let Some(more) = other.long {
            let long =
                self.long.get_or_insert(LongTokens { above: more.above, ..LongTokens::default() });
            long.input += more.input;
            long.cached += more.cached;
            long.output += more.output;
        }
    }

    fn divide(&mut self, n: f64) {
        self.input /= n;
        self.cached /= n;
        self.output /= n;
        if let Some(long) = &mut self.long {
            long.input /= n;
            long.cached /= n;
            long.output /= n;
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
    /// vCPU-seconds allocated.
    pub vcpu_seconds: Phases,
    /// GiB-seconds allocated.
    pub gib_seconds: Phases,
    /// CPU-seconds served to tool calls.
    pub cpu_seconds_served: f64,
    /// Byte-seconds of stored snapshots.
    pub snapshot_byte_seconds: f64,
    /// Tokens by model.
    pub tokens: IndexMap<String, TokenLedger>,
}

impl Phases {
    /// All parts together.
    pub fn total(&self) -> f64 {
        self.starting + self.turn + self.idle
    }

    fn add(&mut self, other: &Phases) {
        self.starting += other.starting;
        self.turn += other.turn;
        self.idle += other.idle;
    }

    fn divide(&mut self, n: f64) {
        self.starting /= n;
        self.turn /= n;
        self.idle /= n;
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

    /// Prompt and output tokens of all models.
    pub fn tokens_total(&self) -> f64 {
        self.tokens.values().map(|t| t.input + t.output).sum()
    }

    fn add(&mut self, other: &Usage) {
        self.measured_s += other.measured_s;
        self.sessions_started += other.sessions_started;
        self.sessions_completed += other.sessions_completed;
        self.turns += other.turns;
        self.vcpu_seconds.add(&other.vcpu_seconds);
        self.gib_seconds.add(&other.gib_seconds);
        self.cpu_seconds_served += other.cpu_seconds_served;
        self.snapshot_byte_seconds += other.snapshot_byte_seconds;
        for (model, used) in &other.tokens {
            self.tokens.entry(model.clone()).or_default().add(used);
        }
    }

    fn divide(&mut self, n: f64) {
        self.measured_s /= n;
        self.sessions_started /= n;
        self.sessions_completed /= n;
        self.turns /= n;
        self.vcpu_seconds.divide(n);
        self.gib_seconds.divide(n);
        self.cpu_seconds_served /= n;
        self.snapshot_byte_seconds /= n;
        self.tokens.values_mut().for_each(|used| used.divide(n));
    }
}
