//! Ratios of sums, with intervals over clusters.

use std::collections::BTreeMap;

use super::quantile::Z;

/// One observation: what it adds to the sum above and below the line, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    /// Run and session: those of one session are not independent, and sessions of different runs have
    /// the same numbers.
    pub cluster: (usize, u64),
    pub top: f64,
    pub bottom: f64,
}

/// A ratio of sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    pub value: f64,
    /// Its 95% interval; none with one cluster.
    pub ci95: Option<[f64; 2]>,
}

/// Σ top / Σ bottom with the interval of a ratio over clusters (Cochran 1977, 6.4). None where either sum
/// is not above zero.
pub(super) fn ratio(terms: &[Terms]) -> Option<Ratio> {
    let mut clusters: BTreeMap<(usize, u64), (f64, f64)> = BTreeMap::new();
    for one in terms {
        let sum = clusters.entry(one.cluster).or_default();
        *sum = (sum.0 + one.top, sum.1 + one.bottom);
    }
    let total = clusters.values().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    if total.0 <= 0.0 || total.1 <= 0.0 {
        return None;
    }
    let (value, n) = (total.0 / total.1, clusters.len() as f64);
    let rest = |one: &(f64, f64)| (one.0 - value * one.1) * (one.0 - value * one.1);
    let square = clusters.values().map(rest).sum::<f64>() * n / (n - 1.0).max(1.0);
    let half = Z * square.sqrt() / total.1;
    let ci95 = (n > 1.0).then_some([(value - half).max(0.0), value + half]);
    Some(Ratio { value, ci95 })
}
