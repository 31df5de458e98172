//! Gauges: values that hold for a time.

use crate::units::{Span, Time};

const NANOS_PER_SECOND: f64 = 1e9;

/// A whole-number gauge with its exact integral over time. Its minimum and maximum are only over
/// values that lasted: what comes and goes within one instant is not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeWeighted {
    value: i64,
    latest: Time,
    since: Time,
    /// ∫ value dt in value·nanoseconds.
    integral: i128,
    lasted: Option<(i64, i64)>,
}

impl TimeWeighted {
    /// A gauge that is 0 from time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time has come to `now`. An instant before the latest one changes nothing.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        let span = now.since(self.latest);
        if span.is_zero() {
            return;
        }
        self.integral += i128::from(self.value) * i128::from(span.nanos());
        self.lasted = Some(match self.lasted {
            None => (self.value, self.value),
            Some((min, max)) => (min.min(self.value), max.max(self.value)),
        });
        self.latest = now;
    }

    /// The value is `value` from `now` on.
    #[inline]
    pub fn set(&mut self, now: Time, value: i64) {
        self.advance(now);
        self.value = value;
    }

    /// The value changes by `delta` at `now`.
    #[inline]
    pub fn add(&mut self, now: Time, delta: i64) {
        self.advance(now);
        self.value += delta;
    }

    /// Integral, mean, minimum and maximum begin anew at `now` (the warm-up's end); the value stays.
    pub fn restart(&mut self, now: Time) {
        self.advance(now);
        self.integral = 0;
        self.lasted = None;
        self.since = self.latest;
    }

    /// Takes a later part of the same gauge: integrals and elapsed time add up, also where there is a
    /// gap between the two.
    pub fn append(&mut self, later: &TimeWeighted) {
        let elapsed = self.elapsed() + later.elapsed();
        self.integral += later.integral;
        self.lasted = match (self.lasted, later.lasted) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        (self.value, self.latest) = (later.value, later.latest);
        self.since = Time::ZERO + self.latest.since(Time::ZERO + elapsed);
    }

    /// The present value.
    #[inline]
    pub fn value(&self) -> i64 {
        self.value
    }

    /// ∫ value dt since the start, in value·seconds, up to the latest instant.
    pub fn integral(&self) -> f64 {
        self.integral as f64 / NANOS_PER_SECOND
    }

    /// ∫ value dt since the start, in value·nanoseconds, exact.
    pub fn integral_nanos(&self) -> i128 {
        self.integral
    }

    /// How long the integral is.
    pub fn elapsed(&self) -> Span {
        self.latest.since(self.since)
    }

    /// Time average; `None` if no time has passed.
    pub fn mean(&self) -> Option<f64> {
        let nanos = self.elapsed().nanos();
        (nanos > 0).then(|| self.integral as f64 / nanos as f64)
    }

    /// Smallest value that lasted; `None` if no time has passed.
    pub fn min(&self) -> Option<i64> {
        self.lasted.map(|(min, _)| min)
    }

    /// Largest value that lasted; `None` if no time has passed.
    pub fn max(&self) -> Option<i64> {
        self.lasted.map(|(_, max)| max)
    }
}

/// A real-valued gauge (cores, shares). Its integral is a compensated sum (Neumaier), so that many
/// small steps lose nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeWeightedReal {
    value: f64,
    latest: Time,
    since: Time,
    /// ∫ value dt in value·seconds, and what rounding has cost.
    integral: f64,
    lost: f64,
    lasted: Option<(f64, f64)>,
}

impl TimeWeightedReal {
    /// A gauge that is 0 from time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time has come to `now`. An instant before the latest one changes nothing.
    pub fn advance(&mut self, now: Time) {
        let span = now.since(self.latest);
        if span.is_zero() {
            return;
        }
        let term = self.value * span.seconds();
        let sum = self.integral + term;
        self.lost += if self.integral.abs() >= term.abs() {
            (self.integral - sum) + term
        } else {
            (term - sum) + self.integral
        };
        self.integral = sum;
        self.lasted = Some(match self.lasted {
            None => (self.value, self.value),
            Some((min, max)) => (min.min(self.value), max.max(self.value)),
        });
        self.latest = now;
    }

    /// The value is `value` from `now` on.
    pub fn set(&mut self, now: Time, value: f64) {
        self.advance(now);
        self.value = value;
    }

    /// Integral, mean, minimum and maximum begin anew at `now` (the warm-up's end); the value stays.
    pub fn restart(&mut self, now: Time) {
        self.advance(now);
        (self.integral, self.lost, self.lasted) = (0.0, 0.0, None);
        self.since = self.latest;
    }

    /// The present value.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// ∫ value dt since the start, in value·seconds, up to the latest instant.
    pub fn integral(&self) -> f64 {
        self.integral + self.lost
    }

    /// Time average; `None` if no time has passed.
    pub fn mean(&self) -> Option<f64> {
        let elapsed = self.latest.since(self.since);
        (!elapsed.is_zero()).then(|| self.integral() / elapsed.seconds())
    }

    /// Smallest and largest value that lasted; `None` if no time has passed.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn integral_and_mean_worked_by_hand() {
        let mut gauge = TimeWeighted::new();
        gauge.add(at(2), 3); // 0 for 2 s
        gauge.add(at(6), -1); // 3 for 4 s
        gauge.advance(at(10)); // 2 for 4 s
        assert_eq!(gauge.integral(), 20.0);
        assert_eq!(gauge.mean(), Some(2.0));
        assert_eq!((gauge.min(), gauge.max(), gauge.value()), (Some(0), Some(3), 2));
    }

    #[test]
    fn what_does_not_last_is_no_extreme() {
        let mut gauge = TimeWeighted::new();
        gauge.set(at(0), 5);
        gauge.advance(at(1));
        gauge.add(at(1), 100);
        gauge.add(at(1), -104);
        gauge.add(at(1), 4);
        gauge.advance(at(2));
        assert_eq!((gauge.min(), gauge.max()), (Some(5), Some(5)));
    }

    #[test]
    fn a_restart_forgets_the_past_but_not_the_value() {
        let mut gauge = TimeWeighted::new();
        gauge.set(at(0), 9);
        gauge.set(at(4), 2);
        gauge.restart(at(10));
        assert_eq!((gauge.mean(), gauge.min()), (None, None));
        gauge.advance(at(12));
        assert_eq!((gauge.integral(), gauge.mean(), gauge.max()), (4.0, Some(2.0), Some(2)));
        assert_eq!(gauge.elapsed(), Span::from_secs(2));
    }

    #[test]
    fn parts_of_a_gauge_add_up_over_a_gap() {
        let mut gauge = TimeWeighted::new();
        gauge.set(at(0), 9);
        gauge.restart(at(10));
        let mut whole = gauge.clone();
        gauge.add(at(12), 3); // 9 for 2 s, 12 for 2 s
        gauge.advance(at(14));
        whole.append(&gauge);
        gauge.add(at(16), -11); // 12 for 2 s is left out
        gauge.restart(at(16));
        gauge.advance(at(22)); // 1 for 6 s
        whole.append(&gauge);
        assert_eq!((whole.integral(), whole.elapsed()), (48.0, Span::from_secs(10)));
        assert_eq!((whole.mean(), whole.min(), whole.max()), (Some(4.8), Some(1), Some(12)));
        assert_eq!(whole.value(), 1);
    }

    #[test]
    fn the_integral_is_exact_where_f64_is_not() {
        let mut gauge = TimeWeighted::new();
        gauge.set(Time::ZERO, 1_000_000_000_007);
        gauge.advance(Time::from_nanos(1_000_000_000_000_003));
        assert_eq!(gauge.integral_nanos(), 1_000_000_000_007 * 1_000_000_000_000_003);
    }

    #[test]
    fn the_real_gauge_agrees_and_compensates() {
        let mut gauge = TimeWeightedReal::new();
        gauge.set(at(0), 1e17);
        gauge.set(at(1), 1.0);
        for second in 2..=1001 {
            gauge.advance(at(second));
        }
        // A plain sum would drop every one of the thousand seconds.
        assert_eq!(gauge.integral(), 1e17 + 1000.0);
        gauge.set(at(1001), 0.5);
        gauge.restart(at(1002));
        gauge.advance(at(1004));
        assert_eq!(
            (gauge.mean(), gauge.range(), gauge.value()),
            (Some(0.5), Some((0.5, 0.5)), 0.5)
        );
    }
}
