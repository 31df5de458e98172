//! Instants and durations in integer nanoseconds.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use super::parse::{self, UnitError};
use super::quantity::{Quantity, quantity_serde};

/// An instant: nanoseconds since the start of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A duration in nanoseconds. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

const NANOS_PER_SECOND: f64 = 1e9;

impl Time {
    /// The start of a run.
    pub const ZERO: Time = Time(0);
    /// Later than every event.
    pub const MAX: Time = Time(u64::MAX);

    /// An instant from nanoseconds since the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest duration, used as "never".
    pub const MAX: Span = Span(u64::MAX);

    /// A duration from nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Span(nanos)
    }

    /// A duration from milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Span(millis * 1_000_000)
    }

    /// A duration from whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Span(seconds * 1_000_000_000)
    }

    /// A duration from seconds, rounded half up to the nanosecond; negative and NaN become zero,
    /// what does not fit becomes [`Span::MAX`].
    pub fn from_seconds(seconds: f64) -> Self {
        Span((seconds * NANOS_PER_SECOND + 0.5) as u64)
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND
    }

    /// True for a duration of zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The difference, zero if `other` is longer.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }

    /// This duration divided by a compression factor, rounded half up to the nanosecond.
    pub fn compressed(self, factor: f64) -> Span {
        if factor == 1.0 || self == Span::MAX {
            self
        } else {
            Span::from_seconds(self.seconds() / factor)
        }
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        std::time::Duration::from_nanos(span.0)
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Time> for Time {
    type Output = Span;
    fn sub(self, earlier: Time) -> Span {
        debug_assert!(self >= earlier, "time runs forward");
        self.since(earlier)
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Span {
    fn sum<I: Iterator<Item = Span>>(iter: I) -> Span {
        iter.fold(Span::ZERO, |a, b| a + b)
    }
}

/// Seconds per time unit, longest first where a suffix contains another.
const TIME_UNITS: &[(&str, f64)] = &[
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
];

/// Seconds in the named time unit (`s`, `min`, `h`, `d`, …).
pub(super) fn seconds_per(unit: &str) -> Option<f64> {
    let long = match unit {
        "second" => "s",
        "minute" => "min",
        "hour" => "h",
        "day" => "d",
        "week" => "w",
        other => other,
    };
    TIME_UNITS.iter().find(|(name, _)| *name == long).map(|(_, s)| *s)
}

/// Reads `250ms` or `1h30m` as seconds.
pub(super) fn parse_seconds<Q: Quantity>(text: &str) -> Result<f64, UnitError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(UnitError::expected::<Q>(text));
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) =
            parse::leading_number(rest).ok_or_else(|| UnitError::expected::<Q>(text))?;
        let unit_len =
            after.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(after.len());
        let (unit, tail) = after.split_at(unit_len);
        if unit.is_empty() && tail.trim().is_empty() {
            return Err(UnitError::bare::<Q>(text));
        }
        let scale = seconds_per(unit).ok_or_else(|| UnitError::unknown_unit::<Q>(text, unit))?;
        seconds += number * scale;
        rest = tail.trim_start();
    }
    if seconds < 0.0 { Err(UnitError::negative::<Q>(text)) } else { Ok(seconds) }
}

impl Quantity for Span {
    const NAME: &'static str = "duration";
    const EXAMPLE: &'static str = "`250ms`, `20s`, `15m`, `24h`";
    const BARE_UNIT: &'static str = "s";

    fn parse(text: &str) -> Result<Self, UnitError> {
        parse_seconds::<Self>(text).map(Span::from_seconds)
    }

    fn base(self) -> f64 {
        self.seconds()
    }

    fn from_base(base: f64) -> Self {
        Span::from_seconds(base)
    }
}
quantity_serde!(Span);

impl fmt::Display for Span {
    /// Exact: the shortest form in the largest unit that keeps three decimals or fewer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Span::MAX {
            return f.write_str("unlimited");
        }
        let nanos = self.0;
        for (unit, size) in [
            ("d", 86_400_000_000_000_u64),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
        ] {
            if nanos >= size && nanos.is_multiple_of((size / 1000).max(1)) {
                let whole = nanos / size;
                let thousandths = nanos % size / (size / 1000).max(1);
                if thousandths == 0 {
                    return write!(f, "{whole}{unit}");
                }
                if unit == "s" || unit == "ms" || unit == "us" {
                    let decimals = format!("{thousandths:03}");
                    return write!(f, "{whole}.{}{unit}", decimals.trim_end_matches('0'));
                }
            }
        }
        if nanos == 0 { f.write_str("0s") } else { write!(f, "{nanos}ns") }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Span(self.0), f)
    }
}
