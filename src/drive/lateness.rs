//! How late the driver itself was: the time from an intended instant to the actual one.

use hdrhistogram::Histogram;

use crate::units::{Span, Time};

/// The longest lateness told apart: one hour. What exceeds it is recorded there and counted.
const LATENESS_MAX: Span = Span::from_secs(3600);

/// Lateness of many intended instants. A run whose lateness is not small beside what it measures
/// says something about the driver, not about the backend.
#[derive(Clone, Debug)]
pub struct Lateness {
    histogram: Histogram<u64>,
    overflow: u64,
}

impl Default for Lateness {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENESS_MAX.nanos(), 3)
            .expect("1 ns to an hour at three digits is a valid range");
        Lateness { histogram, overflow: 0 }
    }
}

impl Lateness {
    /// Records one start and returns how late it was.
    pub fn record(&mut self, intended: Time, actual: Time) -> Span {
        let late = actual.since(intended);
        self.record_span(late);
        late
    }

    /// Records a lateness, or any duration measured from an intended start.
    pub fn record_span(&mut self, late: Span) {
        if late > LATENESS_MAX {
            self.overflow += 1;
        }
        self.histogram.saturating_record(late.nanos());
    }

    /// Adds the records of another.
    pub fn merge(&mut self, other: &Lateness) {
        self.overflow += other.overflow;
        self.histogram.add(&other.histogram).expect("both have the same bounds");
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many were longer than an hour and stand at one hour in the quantiles.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The quantile by rank ⌈q·n⌉ at three significant digits; zero if nothing was recorded.
    pub fn quantile(&self, q: f64) -> Span {
        Span::from_nanos(self.histogram.value_at_quantile(q))
    }

    /// The median.
    pub fn p50(&self) -> Span {
        self.quantile(0.50)
    }

    /// The 99th percentile.
    pub fn p99(&self) -> Span {
        self.quantile(0.99)
    }

    /// The largest.
    pub fn max(&self) -> Span {
        Span::from_nanos(self.histogram.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_rank_and_early_counts_as_punctual() {
        let mut lateness = Lateness::default();
        for ms in 1..=100 {
            let intended = Time::ZERO + Span::from_secs(1);
            lateness.record(intended, intended + Span::from_millis(ms));
        }
        assert_eq!(lateness.count(), 100);
        let within = |found: Span, ms: u64| {
            (found.seconds() - Span::from_millis(ms).seconds()).abs()
                < 1e-3 * ms as f64 * 1e-3 + 1e-9
        };
        assert!(within(lateness.p50(), 50), "{}", lateness.p50());
        assert!(within(lateness.p99(), 99), "{}", lateness.p99());
        assert_eq!(lateness.record(Time::from_nanos(5), Time::from_nanos(3)), Span::ZERO);
    }

    #[test]
    fn what_exceeds_the_bound_is_counted() {
        let mut lateness = Lateness::default();
        lateness.record_span(Span::from_secs(3601));
        let mut sum = Lateness::default();
        sum.merge(&lateness);
        assert_eq!((sum.count(), sum.overflow()), (1, 1));
    }
}
