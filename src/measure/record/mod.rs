//! The public record of a run, `run.json`. Keys, units and their order are stable; additions are free.

mod comparison;
mod number;
mod part;
mod provisioned;
mod quality;
mod quota;
mod verdict;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::names::{Counter, Gauge, Metric};
use crate::billing::{Cost, Usage};

pub use comparison::{ComparisonRecord, SideRecord, StartRecord, StateRecord};
pub use number::{
    GaugeIntervals, GaugeRecord, MetricIntervals, MetricRecord, ReplicationMetric,
    ReplicationRecord, Scorecard, ScorecardKey,
};
pub use part::{BaselineRecord, ChangeRecord, InputRecord, PartRecord, WindowRecord};
pub use provisioned::ProvisionedRecord;
pub use quality::{MachineRecord, Quality};
pub use quota::{QuotaRecord, QuotaVerdict};
pub use verdict::{
    Axis, BoundaryRecord, DecisionRecord, Level, LookRecord, StageRecord, Together, Verdict,
};

/// The schema that [`Run`] writes.
pub const SCHEMA: &str = "plimsoll/run/1";

/// Sessions open at the end of the measure, among the counters.
pub const IN_FLIGHT: &str = "sessions_in_flight";

/// Sessions open at the warm-up's end, among the counters.
pub const IN_FLIGHT_AT_START: &str = "sessions_in_flight_at_start";

/// One record, wherever its observations came from. Times are seconds, sizes bytes, money is in the
/// currency of the rate card. No value is NaN or infinite: what there is not is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: String,
    /// Simulated or live.
    pub kind: Kind,
    /// The scenario as it was resolved.
    pub scenario: serde_json::Value,
    /// Hash of the resolved scenario.
    pub hash: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Replications that this record pools.
    pub replications: u32,
    /// Measured time of a replication (mean), seconds.
    pub measured_s: f64,
    /// Time before the measure (mean), seconds.
    pub warmup_s: f64,
    /// Counters, means per replication; the names of [`Counter`], and [`IN_FLIGHT`].
    pub counters: IndexMap<String, f64>,
    /// Observed durations, pooled over replications; the names of [`Metric`].
    pub metrics: IndexMap<String, MetricRecord>,
    /// Quantities over time; the names of [`Gauge`].
    pub gauges: IndexMap<String, GaugeRecord>,
    /// What was used, mean per replication; no prices.
    pub usage: Usage,
    /// What that costs.
    pub cost: Cost,
    /// Ratios that the record is judged by.
    pub scorecard: Scorecard,
    /// What had to hold, and whether it did.
    pub boundaries: IndexMap<String, BoundaryRecord>,
    /// Which stage of an agent platform this is.
    pub stage: Option<StageRecord>,
    /// The second arm, under the same demand and draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Box<BaselineRecord>>,
    /// Windows of time that boundaries speak of, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub windows: IndexMap<String, WindowRecord>,
    /// What the scenario limits, by its place there: which limits bind, and how much to ask for.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub quotas: IndexMap<String, QuotaRecord>,
    /// Throughput that is reserved, by model: how much of it is used, and whether it pays.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub provisioned: IndexMap<String, ProvisionedRecord>,
    /// Traditional computing, that is the baseline, against the platform in five dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Box<ComparisonRecord>>,
    /// How verdicts were taken: at which looks, at which levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRecord>,
    /// How intervals hold what the recorded sessions behind the demand leave open; absent where it is
    /// taken for known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<InputRecord>,
    /// Each replication by itself.
    pub per_replication: Vec<ReplicationRecord>,
    /// How far this record can be trusted.
    pub quality: Quality,
}

/// Where observations came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The simulator.
    Simulated,
    /// A live backend.
    Live,
}

impl Run {
    /// A counter, mean per replication; `None` in a record that does not have it.
    pub fn counter(&self, counter: Counter) -> Option<f64> {
        self.counters.get(counter.name()).copied()
    }

    /// A metric; `None` in a record that does not have it.
    pub fn metric(&self, metric: Metric) -> Option<&MetricRecord> {
        self.metrics.get(metric.name())
    }

    /// A gauge; `None` in a record that does not have it.
    pub fn gauge(&self, gauge: Gauge) -> Option<&GaugeRecord> {
        self.gauges.get(gauge.name())
    }

    /// The two-sided error level that its 95 % intervals are stated at, so that they miss in 5 % of runs.
    pub fn stated_level(&self) -> f64 {
        self.decision.as_ref().map_or(0.05, |decision| decision.intervals)
    }

    /// The record as JSON text, ended by a line feed.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a record has string keys only");
        text.push('\n');
        text
    }

    /// Reads a record; an unknown schema is an error.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.schema != SCHEMA {
            return Err(RecordError::Schema { found: head.schema });
        }
        Ok(serde_json::from_str(text)?)
    }
}

/// Why a text is not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of a record.
    #[error("not a run record: {0}")]
    Json(#[from] serde_json::Error),
    /// The record of another version.
    #[error("the record has schema `{found}`, but this version reads `{SCHEMA}`")]
    Schema {
        /// What the record says.
        found: String,
    },
}
