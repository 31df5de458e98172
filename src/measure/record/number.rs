//! The numbers of a record.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::billing::Usage;

/// Observations of a duration, pooled over replications. Without observations all but `count` are
/// `None`: an absent duration is not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricRecord {
    /// `s`.
    pub unit: String,
    /// Observations in all replications.
    pub count: u64,
    /// Mean, exact.
    pub mean: Option<f64>,
    /// Standard deviation, exact.
    pub stddev: Option<f64>,
    /// Standard deviation over mean.
    pub cv: Option<f64>,
    /// Least, exact.
    pub min: Option<f64>,
    /// Median, from the histogram like all quantiles: three significant digits.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Greatest, exact.
    pub max: Option<f64>,
    /// 95 % intervals over replications; absent with one replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<MetricIntervals>,
}

/// 95 % intervals; one that is absent had too few observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricIntervals {
    /// Of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f64; 2]>,
    /// Of the median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<[f64; 2]>,
    /// Of the 90th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<[f64; 2]>,
    /// Of the 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<[f64; 2]>,
    /// Of the 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<[f64; 2]>,
    /// Of the 99.9th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<[f64; 2]>,
}

/// A quantity over time. Mean and integral are means over replications, `min` and `max` the extremes
/// of all. `None` where no time was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GaugeRecord {
    /// `count` or `bytes`.
    pub unit: String,
    /// Time average.
    pub mean: Option<f64>,
    /// Least value that lasted.
    pub min: Option<f64>,
    /// Greatest value that lasted.
    pub max: Option<f64>,
    /// Unit × seconds.
    pub integral: f64,
    /// 95 % intervals over replications; absent with one replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<GaugeIntervals>,
}

/// 95 % intervals of a gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GaugeIntervals {
    /// Of the time average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f64; 2]>,
}

/// One replication's observations of a duration, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicationMetric {
    /// Observations.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Least.
    pub min: Option<f64>,
    /// Greatest.
    pub max: Option<f64>,
}

/// One replication by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicationRecord {
    /// Counters.
    pub counters: IndexMap<String, f64>,
    /// Observed durations.
    pub metrics: IndexMap<String, ReplicationMetric>,
    /// Quantities over time.
    pub gauges: IndexMap<String, GaugeRecord>,
    /// What was used.
    pub usage: Usage,
    /// What that costs by itself, by [`CostKey::name`](crate::billing::CostKey::name); what there is
    /// nothing to divide by for is absent.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub cost: IndexMap<String, f64>,
}

/// Ratios that a platform is judged by; `None` where there is nothing to divide by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    /// (Uncached input + output) / output tokens.
    pub token_output_ratio: Option<f64>,
    /// (Attempts − calls) / attempts of model calls.
    pub retry_rate: Option<f64>,
    /// Failed attempts / attempts of model calls.
    pub error_rate: Option<f64>,
    /// Completed / (completed + failed + rejected) sessions.
    pub success_rate: Option<f64>,
    /// Prompt and output tokens in 24 hours at this rate.
    pub tokens_per_day: Option<f64>,
    /// Pool claims / (pool claims + sessions that booted cold); absent without claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_hit_rate: Option<f64>,
    /// `tco` against the baseline's; absent without a baseline.
    #[serde(rename = "tco.change", default, skip_serializing_if = "Option::is_none")]
    pub tco_change: Option<f64>,
    /// Memory that the isolation costs for each sandbox, bytes.
    pub memory_overhead_bytes: Option<f64>,
    /// Intervals over replications by [`ScorecardKey::name`], where there are several.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ci95: IndexMap<String, [f64; 2]>,
}

/// A quantity of [`Scorecard`] that every run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields of `Scorecard` of the same names say it")]
pub enum ScorecardKey {
    TokenOutputRatio,
    RetryRate,
    ErrorRate,
    SuccessRate,
    TokensPerDay,
    PoolHitRate,
    MemoryOverheadBytes,
}

impl ScorecardKey {
    /// All of them, in the order of the record.
    pub const ALL: &'static [ScorecardKey] = &[
        ScorecardKey::TokenOutputRatio,
        ScorecardKey::RetryRate,
        ScorecardKey::ErrorRate,
        ScorecardKey::SuccessRate,
        ScorecardKey::TokensPerDay,
        ScorecardKey::PoolHitRate,
        ScorecardKey::MemoryOverheadBytes,
    ];

    /// The key in the record.
    pub const fn name(self) -> &'static str {
        match self {
            ScorecardKey::TokenOutputRatio => "token_output_ratio",
            ScorecardKey::RetryRate => "retry_rate",
            ScorecardKey::ErrorRate => "error_rate",
            ScorecardKey::SuccessRate => "success_rate",
            ScorecardKey::TokensPerDay => "tokens_per_day",
            ScorecardKey::PoolHitRate => "pool_hit_rate",
            ScorecardKey::MemoryOverheadBytes => "memory_overhead_bytes",
        }
    }
}

impl Scorecard {
    /// The value of a key.
    pub fn get(&self, key: ScorecardKey) -> Option<f64> {
        match key {
            ScorecardKey::TokenOutputRatio => self.token_output_ratio,
            ScorecardKey::RetryRate => self.retry_rate,
            ScorecardKey::ErrorRate => self.error_rate,
            ScorecardKey::SuccessRate => self.success_rate,
            ScorecardKey::TokensPerDay => self.tokens_per_day,
            ScorecardKey::PoolHitRate => self.pool_hit_rate,
            ScorecardKey::MemoryOverheadBytes => self.memory_overhead_bytes,
        }
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: ScorecardKey, value: f64) {
        let place = match key {
            ScorecardKey::TokenOutputRatio => &mut self.token_output_ratio,
            ScorecardKey::RetryRate => &mut self.retry_rate,
            ScorecardKey::ErrorRate => &mut self.error_rate,
            ScorecardKey::SuccessRate => &mut self.success_rate,
            ScorecardKey::TokensPerDay => &mut self.tokens_per_day,
            ScorecardKey::PoolHitRate => &mut self.pool_hit_rate,
            ScorecardKey::MemoryOverheadBytes => &mut self.memory_overhead_bytes,
        };
        *place = Some(value);
    }
}
