//! A metric's observations: exact count, sums and ends beside an HdrHistogram for quantiles.

use hdrhistogram::Histogram;

/// Significant decimal digits that a quantile keeps.
const DIGITS: u8 = 3;
/// Largest duration with a place in the histogram, in nanoseconds: about 115 days.
const LONGEST: u64 = 10_000_000_000_000_000;
/// Below this no sum of squared deviations is ambiguous modulo 2¹²⁸.
const EXACT_SQUARES: f64 = 1.7e38;

/// Observations of one metric: whole numbers from 0, such as nanoseconds, tokens or bytes.
///
/// Count, mean, deviation, minimum and maximum are exact; quantiles come from a histogram with 3
/// significant digits. Values above its bound are counted ([`Summary::overflow`]) and enter all but
/// the histogram. Merging is exact, so its order does not matter to what is reported. Until the first
/// observation there is no histogram, so an unused metric costs nothing.
#[derive(Clone, Debug)]
pub struct Summary {
    bound: u64,
    count: u64,
    overflow: u64,
    min: u64,
    max: u64,
    sum: u128,
    /// Σ x² = `square_carries`·2¹²⁸ + `squares`.
    squares: u128,
    square_carries: u64,
    histogram: Option<Box<Histogram<u64>>>,
}

impl Summary {
    /// For durations in nanoseconds, up to 10¹⁶ ns.
    pub const fn durations() -> Self {
        Self::up_to(LONGEST)
    }

    /// For values up to `bound`; larger ones overflow the histogram.
    pub const fn up_to(bound: u64) -> Self {
        Summary {
            bound,
            count: 0,
            overflow: 0,
            min: u64::MAX,
            max: 0,
            sum: 0,
            squares: 0,
            square_carries: 0,
            histogram: None,
        }
    }

    /// Takes one observation.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += u128::from(value);
        self.add_squares(u128::from(value) * u128::from(value));
        if value > self.bound {
            self.overflow += 1;
            return;
        }
        let histogram = self.histogram.get_or_insert_with(new_histogram);
        histogram.record(value).expect("a resizing histogram takes every value up to the bound");
    }

    #[inline]
    fn add_squares(&mut self, squares: u128) {
        let (sum, carried) = self.squares.overflowing_add(squares);
        self.squares = sum;
        self.square_carries += u64::from(carried);
    }

    /// Takes all observations of another summary.
    pub fn merge(&mut self, other: &Summary) {
        self.count += other.count;
        self.overflow += other.overflow;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.add_squares(other.squares);
        self.square_carries += other.square_carries;
        if let Some(theirs) = &other.histogram {
            let ours = self.histogram.get_or_insert_with(new_histogram);
            ours.add(&**theirs).expect("a resizing histogram takes every other");
        }
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of observations above the histogram's bound.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Sum of all observations.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Mean; `None` without observations.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// Standard deviation with divisor n − 1; `None` with fewer than two observations.
    pub fn stddev(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        Some((self.squared_deviations() / (self.count - 1) as f64).sqrt())
    }

    /// Σ (x − mean)². Around a whole number m next to the mean, Σ (x − m)² = Σx² − 2mΣx + nm² is
    /// exact in wrapping arithmetic, so that a small spread on a large mean does not cancel.
    fn squared_deviations(&self) -> f64 {
        let n = u128::from(self.count);
        let (range, count) = ((self.max - self.min) as f64, self.count as f64);
        if count * range * range >= EXACT_SQUARES {
            // The spread is then no tiny part of the mean, and plain arithmetic does.
            let two_to_the_64 = 18_446_744_073_709_551_616.0;
            let carried = self.square_carries as f64 * two_to_the_64 * two_to_the_64;
            let sum = self.sum as f64;
            return (carried + self.squares as f64 - sum / count * sum).max(0.0);
        }
        let m = self.sum / n;
        let around = self
            .squares
            .wrapping_sub(m.wrapping_mul(self.sum).wrapping_mul(2))
            .wrapping_add(n.wrapping_mul(m).wrapping_mul(m));
        let rest = (self.sum - m * n) as f64;
        around as f64 - rest * rest / count
    }

    /// Smallest observation, exact.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest observation, exact.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The observation of rank ⌈q·n⌉ (from 1), to 3 significant digits: the upper end of its
    /// histogram cell, as HdrHistogram's readers give it, within the exact minimum and maximum. A
    /// rank among the overflow gives the maximum. `None` without observations.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = self.rank(q);
        let mut seen = 0;
        for cell in self.histogram.iter().flat_map(|h| h.iter_recorded()) {
            seen += cell.count_since_last_iteration();
            if seen >= rank {
                return Some(cell.value_iterated_to().clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// ⌈q·n⌉ within 1 to n. A product that is whole but for rounding (0.07 · 100) is that number.
    pub(super) fn rank(&self, q: f64) -> u64 {
        rank_of(q, self.count)
    }

    /// The histogram, if there was an observation within its bound.
    pub(super) fn histogram(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_deref()
    }
}

/// The rank of the `q` quantile among `count` observations, ⌈q · count⌉: a product that is a whole
/// number but for rounding is that number.
pub fn rank_of(q: f64, count: u64) -> u64 {
    let product = q * count as f64;
    let nearest = product.round();
    let whole = (product - nearest).abs() <= 1e-12 * nearest;
    let rank = if whole { nearest } else { product.ceil() };
    (rank as u64).clamp(1, count.max(1))
}

/// Grows with the values that come, so that short durations take little memory.
fn new_histogram() -> Box<Histogram<u64>> {
    let mut histogram = Histogram::new_with_bounds(1, 2, DIGITS).expect("fixed bounds are valid");
    histogram.auto(true);
    Box::new(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};

    fn of(values: &[u64]) -> Summary {
        let mut summary = Summary::durations();
        values.iter().for_each(|value| summary.record(*value));
        summary
    }

    #[test]
    fn exact_moments_worked_by_hand() {
        let summary = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!((summary.count(), summary.sum()), (8, 40));
        assert_eq!(summary.mean(), Some(5.0));
        // Σ (x − 5)² = 32, over 7.
        assert_eq!(summary.stddev(), Some((32.0_f64 / 7.0).sqrt()));
        assert_eq!((summary.min(), summary.max()), (Some(2), Some(9)));
        assert_eq!(of(&[3]).stddev(), None);
        let empty = Summary::durations();
        assert_eq!(
            (empty.mean(), empty.min(), empty.max(), empty.quantile(0.5)),
            (None, None, None, None)
        );
    }

    #[test]
    fn a_small_spread_on_a_large_mean_does_not_cancel() {
        let day = 86_400_000_000_000_000;
        let summary = of(&[day, day + 1, day + 2]);
        assert_eq!(summary.stddev(), Some(1.0));
        assert_eq!(of(&[day; 1000]).stddev(), Some(0.0));
    }

    #[test]
    fn squares_beyond_128_bits_are_carried() {
        // ±a around a, many times: the deviation is a·√(n / (n − 1)).
        let a = 9_000_000_000_000_000_000_u64;
        let (mut one, mut two) = (Summary::durations(), Summary::durations());
        for _ in 0..500 {
            one.record(0);
            two.record(2 * a);
        }
        one.merge(&two);
        let expected = a as f64 * (1000.0 / 999.0_f64).sqrt();
        assert!((one.stddev().unwrap() - expected).abs() < 1e-12 * expected);
    }

    #[test]
    fn quantiles_are_ranks_from_one() {
        let summary = of(&(1..=100).collect::<Vec<u64>>());
        for (q, value) in [
            (0.0, 1),
            (0.01, 1),
            (0.07, 7),
            (0.071, 8),
            (0.5, 50),
            (0.95, 95),
            (0.951, 96),
            (1.0, 100),
        ] {
            assert_eq!(summary.quantile(q), Some(value), "{q}");
        }
        assert_eq!(of(&[0]).quantile(0.5), Some(0));
        // The ends are exact even where a cell is wide.
        let wide = of(&[1_234_567_891]);
        assert_eq!(
            (wide.quantile(0.0), wide.quantile(1.0)),
            (Some(1_234_567_891), Some(1_234_567_891))
        );
    }

    #[test]
    fn quantiles_are_within_three_digits_of_the_sorted_sample() {
        let mut values: Vec<u64> = (0..10_000)
            .map(|n| libm::exp(Draws::new(1, 0, n, Purpose::Think, 0).uniform() * 36.0) as u64)
            .collect();
        let summary = of(&values);
        values.sort_unstable();
        for q in [0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.9999] {
            let exact = values[f64::ceil(q * 10_000.0) as usize - 1];
            let found = summary.quantile(q).unwrap();
            assert!(found >= exact && found - exact <= exact / 1000, "{q}: {found}, exact {exact}");
        }
    }

    #[test]
    fn overflow_is_counted_and_keeps_its_rank_and_sums() {
        let mut summary = Summary::up_to(1000);
        for value in [1, 2, 3, 5000, 7000] {
            summary.record(value);
        }
        assert_eq!((summary.count(), summary.overflow(), summary.sum()), (5, 2, 12_006));
        assert_eq!(summary.quantile(0.6), Some(3));
        assert_eq!(summary.quantile(0.8), Some(7000));
        assert_eq!(summary.max(), Some(7000));
    }

    #[test]
    fn merging_equals_recording_together() {
        let (a, b) = ([5, 1_000_000, 77], [3, 9_000_000_000, 12, 12]);
        let mut merged = of(&a);
        merged.merge(&of(&b));
        merged.merge(&Summary::durations());
        let together = of(&[a.as_slice(), &b].concat());
        assert_eq!(format!("{:?}", merged.mean()), format!("{:?}", together.mean()));
        assert_eq!(merged.stddev(), together.stddev());
        assert_eq!((merged.min(), merged.max()), (together.min(), together.max()));
        for q in [0.1, 0.3, 0.5, 0.8, 1.0] {
            assert_eq!(merged.quantile(q), together.quantile(q));
        }
    }

    #[test]
    fn an_unused_metric_has_no_histogram() {
        assert!(Summary::durations().histogram().is_none());
    }
}
