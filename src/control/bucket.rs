//! Token buckets in exact integer arithmetic, so that a token which is due at an instant is there
//! at that instant and not a rounding error later.

use crate::units::{Rate, Span, Time};

/// Fractions of a limit that are told apart: limits are kept to a millionth.
const SCALE: f64 = 1e6;

/// A bucket of capacity limit × window, full at the start, refilled continuously.
///
/// One token is `unit` parts; `per_nano` parts flow in each nanosecond.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    capacity: u128,
    level: u128,
    per_nano: u128,
    unit: u128,
    at: Time,
}

impl Bucket {
    /// A bucket for `limit`, enforced on `window` (by default the limit's own unit). `speed_up`
    /// refills it that many times as fast and leaves its capacity (compressed time).
    pub fn new(limit: Rate, window: Option<Span>, speed_up: f64) -> Self {
        let window = window.unwrap_or(limit.unit());
        let amount = (limit.amount() * SCALE + 0.5) as u128;
        let unit_nanos = u128::from(limit.unit().nanos());
        let capacity = amount * u128::from(window.nanos()) * SCALE as u128;
        let per_nano = (limit.amount() * SCALE * speed_up * SCALE + 0.5) as u128;
        Bucket {
            capacity,
            level: capacity,
            per_nano,
            unit: unit_nanos * (SCALE * SCALE) as u128,
            at: Time::ZERO,
        }
    }

    /// Whether `tokens` could ever be taken at once.
    pub fn can_hold(&self, tokens: u64) -> bool {
        self.parts(tokens) <= self.capacity
    }

    /// Takes `tokens` at `now`, or takes nothing and says when they will be there; `None` within
    /// the error if they never will.
    pub fn take(&mut self, now: Time, tokens: u64) -> Result<(), Option<Time>> {
        match self.ready_at(now, tokens) {
            Some(at) if at <= now => {
                self.level -= self.parts(tokens);
                Ok(())
            }
            later => Err(later),
        }
    }

    /// The first instant from `now` on at which `tokens` are there, if nobody else takes any.
    pub fn ready_at(&mut self, now: Time, tokens: u64) -> Option<Time> {
        self.refill(now);
        let need = self.parts(tokens);
        if need <= self.level {
            return Some(now);
        }
        if need > self.capacity || self.per_nano == 0 {
            return None;
        }
        let nanos = (need - self.level).div_ceil(self.per_nano);
        Some(now + Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn refill(&mut self, now: Time) {
        let elapsed = u128::from(now.since(self.at).nanos());
        self.level = (self.level + elapsed.saturating_mul(self.per_nano)).min(self.capacity);
        self.at = self.at.max(now);
    }

    fn parts(&self, tokens: u64) -> u128 {
        u128::from(tokens).saturating_mul(self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Time {
        Time::ZERO + Span::from_secs(s)
    }

    #[test]
    fn a_token_is_there_at_its_exact_instant() {
        let mut bucket =
            Bucket::new("3/s".parse().expect("a rate"), Some(Span::from_nanos(333_333_334)), 1.0);
        assert_eq!(bucket.take(Time::ZERO, 1), Ok(()));
        // The level left is 3 · 0.333333334 − 1 = 2e-9 tokens; the next is whole after
        // (1 − 2e-9) / 3 s = 333,333,332.67 ns, so at the next whole nanosecond.
        let due = Time::from_nanos(333_333_333);
        assert_eq!(bucket.take(Time::ZERO, 1), Err(Some(due)));
        assert_eq!(bucket.take(Time::from_nanos(333_333_332), 1), Err(Some(due)));
        assert_eq!(bucket.take(due, 1), Ok(()));
    }

    #[test]
    fn the_default_window_is_the_limits_own_unit() {
        let mut bucket = Bucket::new("40/min".parse().expect("a rate"), None, 1.0);
        for _ in 0..40 {
            assert_eq!(bucket.take(Time::ZERO, 1), Ok(()));
        }
        // One token each 1.5 s from then on.
        assert_eq!(bucket.take(seconds(1), 1), Err(Some(Time::from_nanos(1_500_000_000))));
        assert_eq!(bucket.take(seconds(3), 2), Ok(()));
        // It never holds more than its capacity.
        assert_eq!(bucket.take(seconds(10_000), 41), Err(None));
        assert!(!bucket.can_hold(41));
        assert_eq!(bucket.take(seconds(10_000), 40), Ok(()));
    }

    #[test]
    fn compressed_time_refills_faster_and_holds_the_same() {
        let mut bucket = Bucket::new("60/min".parse().expect("a rate"), None, 60.0);
        assert_eq!(bucket.take(Time::ZERO, 60), Ok(()));
        assert_eq!(bucket.take(seconds(1), 60), Ok(()));
        assert_eq!(bucket.take(seconds(1), 61), Err(None));
    }
}
