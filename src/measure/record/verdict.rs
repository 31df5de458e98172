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
    /// The two-sided error level that the verdict was taken at, where it is not 5 %: at an early look
    /// less is spent, and a surprise must stand out among all boundaries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// The interval of that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The window of time that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<String>,
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

/// All verdicts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Together {
    /// Every verdict is as expected.
    AsExpected,
    /// At least one is decided and not as expected.
    Surprise,
    /// None is against expectation, but at least one is inconclusive, or the run is not one to judge.
    Inconclusive,
}

/// How verdicts were taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Share of runs in which a boundary is decided wrongly, both sides together.
    pub error: f64,
    /// How it is spent over the looks.
    pub spending: String,
    /// The looks that were planned.
    pub looks: Vec<LookRecord>,
    /// Two-sided error level at which the record's 95 % intervals are stated. Below 5 % where the study
    /// stopped when it was decided: plain intervals would then miss more often than they say.
    #[serde(default = "usual_level")]
    pub intervals: f64,
    /// All verdicts together: each at its own level, for all must be true (intersection-union).
    pub together: Together,
    /// How that is safe.
    pub all_as_expected: String,
    /// Boundaries that are broken, or hold, against expectation: named so that in 95 % of runs none is
    /// named wrongly, however many boundaries there are (Holm).
    pub surprises: Vec<String>,
    /// How that is safe.
    pub surprises_by: String,
}

fn usual_level() -> f64 {
    0.05
}

/// One look at the verdicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookRecord {
    /// Replications at this look.
    pub replications: u32,
    /// Share of the error that may have been spent by then.
    pub spent: f64,
    /// Two-sided level at which a boundary is tested there.
    pub level: f64,
    /// Boundaries still open after it; absent for looks that were not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Vec<String>>,
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
