//! What a profile says of durations that it has not seen.

use crate::stats::fit::Law;

/// A stage at its base level on a day of factor 1.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// A family.
    Law(Law),
    /// Points (p, value) of the inverse distribution function, linear between them.
    Points(Vec<(f64, f64)>),
}

impl Base {
    fn cdf(&self, x: f64) -> f64 {
        let points = match self {
            Base::Law(law) => return law.cdf(x),
            Base::Points(points) => points,
        };
        let after = points.partition_point(|(_, value)| *value <= x);
        match (after.checked_sub(1).map(|before| points[before]), points.get(after)) {
            (None, _) => 0.0,
            (Some((p, _)), None) => p,
            (Some((p0, v0)), Some((p1, v1))) => p0 + (p1 - p0) * (x - v0) / (v1 - v0),
        }
    }
}

/// A distribution of durations: the base's, times the factors of days and of starts in flight.
#[derive(Clone, Debug)]
pub struct Prediction {
    base: Base,
    /// Weights and factors; the weights sum to 1.
    factors: Vec<(f64, f64)>,
}

impl Prediction {
    pub(super) fn of(base: Base, drift: Option<Vec<(f64, f64)>>) -> Self {
        Prediction { base, factors: drift.unwrap_or_else(|| vec![(1.0, 1.0)]) }
    }

    /// For starts with these factors of contention, all equally likely.
    pub(super) fn under(self, contention: impl Iterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = contention.collect();
        if all.is_empty() {
            return self;
        }
        all.sort_unstable_by(f64::total_cmp);
        let n = all.len() as f64;
        let mut factors = Vec::new();
        for same in all.chunk_by(|a, b| a == b) {
            let share = same.len() as f64 / n;
            factors.extend(self.factors.iter().map(|(w, factor)| (w * share, factor * same[0])));
        }
        Prediction { base: self.base, factors }
    }

    /// P(X ≤ x), x in seconds.
    pub fn cdf(&self, x: f64) -> f64 {
        self.factors.iter().map(|(weight, factor)| weight * self.base.cdf(x / factor)).sum()
    }

    /// The value, in seconds, that the share p in (0, 1) is not above.
    pub fn quantile(&self, p: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1e-9);
        while self.cdf(high) < p && high < 1e15 {
            (low, high) = (high, high * 2.0);
        }
        while high - low > 1e-12 * high {
            let middle = 0.5 * (low + high);
            if self.cdf(middle) < p { low = middle } else { high = middle }
        }
        high
    }
}
