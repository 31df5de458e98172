//! What had to hold, and whether it did.

use serde::{Deserialize, Serialize};

use crate::scenario::types::{Expect, StageName};

/// Whether a boundary holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is on the right side.
    Holds,
    /// The whole interval is on the wrong side.
    Broken,
    /// The interval straddles the threshold, or there is none.
    Inconclusive,
}

/// One boundary's verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundaryRecord {
    /// The expression.
    pub require: String,
    /// What was found, in the record's unit.
    pub value: Option<f64>,
    /// Its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<[f64; 2]>,
    /// Whether it holds.
    pub verdict: Verdict,
    /// The verdict that counts as a yes.
    pub expected: Expect,
    /// The stage that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// Distance to the threshold over the threshold, negative on the wrong side; `None` for a
    /// threshold of zero.
    pub margin: Option<f64>,
    /// True for the boundary with the least margin of those expected to hold.
    pub binding: bool,
    /// How the verdict came about.
    pub why: String,
    /// What the scenario says about the boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Development, production or between: of one axis, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// On the development side.
    Development,
    /// On neither side, or on different ones, or not certain.
    Between,
    /// On the production side.
    Production,
}

/// One axis of the stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis<T> {
    /// What was found.
    pub value: T,
    /// Its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<[f64; 2]>,
    /// The stage on this axis.
    pub stage: Level,
    /// How that came about.
    pub why: String,
}

/// Which stage of an agent platform a run shows, on the seed's four boundaries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Prompt and output tokens in 24 hours; `None` without any measured time.
    pub tokens_per_day: Axis<Option<f64>>,
    /// Sessions open, time average.
    pub concurrent_agents: Axis<Option<f64>>,
    /// The isolation tier.
    pub isolation: Axis<String>,
    /// Policies by number.
    pub governance: Axis<u64>,
    /// The stage that all four agree on, else between.
    pub verdict: Level,
    /// Axes that do not agree with the furthest one.
    pub mismatches: Vec<String>,
    /// What the boundaries themselves do not agree on, with this run's numbers.
    pub notes: Vec<String>,
}
