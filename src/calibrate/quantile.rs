//! Quantiles of a sample with intervals.

use serde::{Deserialize, Serialize};

use crate::stats::student_t_quantile;

/// The quantiles that predictions are judged at.
pub(super) const JUDGED: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// Chance with which intervals hold.
pub(super) const LEVEL: f64 = 0.95;

/// The normal's quantile for them.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A quantile of what was measured, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// `p50`, `p95`, `p99`.
    pub stat: String,
    /// The value, seconds.
    pub value: f64,
    /// Its 95% interval.
    pub ci95: [f64; 2],
}

/// A sample in rising order, with the cluster of each value.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    values: Vec<f64>,
    clusters: Option<Vec<usize>>,
    count: usize,
}

impl Ordered {
    /// `clusters` numbers what belongs together; without it values are independent.
    pub fn new(values: &[f64], clusters: Option<&[usize]>) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let count = clusters.map_or(values.len(), |c| c.iter().max().map_or(0, |last| last + 1));
        Ordered {
            values: order.iter().map(|i| values[*i]).collect(),
            clusters: clusters.map(|c| order.iter().map(|i| c[*i]).collect()),
            count,
        }
    }

    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The value of rank ⌈p·n⌉; not for an empty sample.
    pub fn quantile(&self, p: f64) -> f64 {
        let n = self.values.len();
        let rank = (p * n as f64).ceil() as usize;
        self.values[rank.clamp(1, n) - 1]
    }

    /// The interval of a quantile: that of the share of values below it, read off the sample
    /// (Woodruff 1952), the share's variance taken between clusters.
    pub fn interval(&self, p: f64) -> [f64; 2] {
        let n = self.values.len() as f64;
        let at = self.quantile(p);
        let below = self.values.partition_point(|x| *x <= at);
        let variance = match &self.clusters {
            None => p * (1.0 - p) / n,
            Some(clusters) => {
                let mut rests = vec![0.0; self.count];
                let share = below as f64 / n;
                for (place, cluster) in clusters.iter().enumerate() {
                    rests[*cluster] += f64::from(u8::from(place < below)) - share;
                }
                let squares: f64 = rests.iter().map(|rest| rest * rest).sum();
                let count = self.count as f64;
                // Never less than if all values were independent.
                (squares / (n * n) * count / (count - 1.0)).max(p * (1.0 - p) / n)
            }
        };
        let df = (self.count as f64 - 1.0).max(1.0);
        let half = student_t_quantile(0.5 + LEVEL / 2.0, df) * variance.sqrt();
        [self.quantile((p - half).max(0.0)), self.quantile((p + half).min(1.0))]
    }

    /// The quantiles that predictions are judged at.
    pub fn judged(&self) -> Vec<Quantile> {
        let one = |(stat, p): &(&str, f64)| Quantile {
            stat: (*stat).to_owned(),
            value: self.quantile(*p),
            ci95: self.interval(*p),
        };
        JUDGED.iter().map(one).collect()
    }
}
