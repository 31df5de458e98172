//! Parts of a study beside the whole run of its own platform: windows of time, the baseline.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{GaugeRecord, MetricRecord, ReplicationRecord, Run, Scorecard};
use crate::billing::{Cost, Usage};

/// What was measured of another arm, or within a window of time; as in [`Run`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Measured time of a replication (mean), seconds.
    pub measured_s: f64,
    /// Counters, means per replication.
    pub counters: IndexMap<String, f64>,
    /// Observed durations, pooled over replications.
    pub metrics: IndexMap<String, MetricRecord>,
    /// Quantities over time.
    pub gauges: IndexMap<String, GaugeRecord>,
    /// What was used, mean per replication; no prices.
    pub usage: Usage,
    /// What that costs.
    pub cost: Cost,
    /// Ratios.
    pub scorecard: Scorecard,
    /// Each replication by itself.
    pub per_replication: Vec<ReplicationRecord>,
}

/// How intervals hold what the recorded sessions behind the demand leave open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputRecord {
    /// How the demand was drawn again, and how intervals follow from it.
    pub method: String,
    /// Recorded sessions behind the demand: by class, or `trace`.
    pub sessions: IndexMap<String, u64>,
    /// What the 95 % intervals of this record would be if the demand were known: simulation alone.
    pub simulation_ci95: IndexMap<String, [f64; 2]>,
    /// Each replication with demand drawn again.
    pub per_replication: Vec<ReplicationRecord>,
}

/// The baseline: the same sessions on another platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineRecord {
    /// Its isolation tier.
    pub isolation: String,
    /// What was measured of it.
    #[serde(flatten)]
    pub part: PartRecord,
    /// Quantities of both arms, by name, with their paired intervals.
    pub changes: IndexMap<String, ChangeRecord>,
}

/// What was measured within a window of time: observations that complete in it, gauges over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowRecord {
    /// When it is, for people: `14h to 15h of each day`.
    pub when: String,
    /// What was measured in it.
    #[serde(flatten)]
    pub part: PartRecord,
    /// The same of the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<PartRecord>,
}

/// A quantity of the platform against the baseline's, replication by replication.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Of the platform, in the record's unit.
    pub value: f64,
    /// Of the baseline.
    pub baseline: f64,
    /// value − baseline.
    pub difference: f64,
    /// 95 % interval of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_ci95: Option<[f64; 2]>,
    /// value / baseline − 1; `None` where the baseline is zero.
    pub change: Option<f64>,
    /// 95 % interval of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_ci95: Option<[f64; 2]>,
}

impl From<Run> for PartRecord {
    fn from(run: Run) -> Self {
        PartRecord {
            measured_s: run.measured_s,
            counters: run.counters,
            metrics: run.metrics,
            gauges: run.gauges,
            usage: run.usage,
            cost: run.cost,
            scorecard: run.scorecard,
            per_replication: run.per_replication,
        }
    }
}
