//! Things per time: arrivals, requests, bytes.

use std::fmt;

use super::amount::{bytes_per, number_and_unit};
use super::parse::{self, UnitError};
use super::quantity::{Quantity, quantity_serde};
use super::time::{Span, parse_seconds, seconds_per};

/// Events per time. The unit as written is kept: it is the default window of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate {
    amount: f64,
    per_seconds: f64,
}

impl Rate {
    /// `amount` events in each `per`.
    pub fn new(amount: f64, per: Span) -> Self {
        Rate { amount, per_seconds: per.seconds() }
    }

    /// Events per second.
    pub fn per_second(self) -> f64 {
        self.amount / self.per_seconds
    }

    /// Events in one unit, as written: 40 for `40/min`.
    pub fn amount(self) -> f64 {
        self.amount
    }

    /// The unit as written: one minute for `40/min`.
    pub fn unit(self) -> Span {
        Span::from_seconds(self.per_seconds)
    }

    /// Mean gap between events.
    pub fn mean_gap(self) -> Span {
        Span::from_seconds(self.per_seconds / self.amount)
    }
}

impl Quantity for Rate {
    const NAME: &'static str = "rate";
    const EXAMPLE: &'static str = "`25/s`, `40/min`, `300/h`";
    const BARE_UNIT: &'static str = "/s";

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit::<Self>(text)?;
        let (mult, per) =
            unit.split_once('/').ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        let mult = parse::multiplier(mult.trim())
            .ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        let per =
            seconds_per(per.trim()).ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(Rate { amount: number * mult, per_seconds: per })
    }

    fn base(self) -> f64 {
        self.per_second()
    }

    fn from_base(base: f64) -> Self {
        Rate { amount: base.max(0.0), per_seconds: 1.0 }
    }
}
quantity_serde!(Rate);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per_seconds {
            60.0 => "min",
            3600.0 => "h",
            86_400.0 => "d",
            604_800.0 => "w",
            _ => "s",
        };
        let amount = if unit == "s" { self.per_second() } else { self.amount };
        write!(f, "{amount}/{unit}")
    }
}

/// Bytes per second; `unlimited` is infinite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Bandwidth(f64);

impl Bandwidth {
    /// Transfers take no time.
    pub const UNLIMITED: Bandwidth = Bandwidth(f64::INFINITY);

    /// Bytes per second, infinite if unlimited.
    pub fn bytes_per_second(self) -> f64 {
        self.0
    }

    /// True if transfers take no time.
    pub fn is_unlimited(self) -> bool {
        self.0.is_infinite()
    }
}

impl Quantity for Bandwidth {
    const NAME: &'static str = "bandwidth";
    const EXAMPLE: &'static str = "`25MiB/s`, `1GB/s`, `unlimited`";
    const BARE_UNIT: &'static str = "B/s";

    fn parse(text: &str) -> Result<Self, UnitError> {
        if text.trim() == "unlimited" {
            return Ok(Bandwidth::UNLIMITED);
        }
        let (number, unit) = number_and_unit::<Self>(text)?;
        let (size, per) =
            unit.split_once('/').ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        let size =
            bytes_per(size.trim()).ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        let per =
            seconds_per(per.trim()).ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        if number > 0.0 {
            Ok(Bandwidth(number * size / per))
        } else {
            Err(UnitError {
                message: format!(
                    "the bandwidth `{text}` is zero, so nothing would ever arrive: expected one such as {}",
                    Self::EXAMPLE
                ),
                suggestion: None,
            })
        }
    }

    fn base(self) -> f64 {
        self.0
    }

    fn from_base(base: f64) -> Self {
        Bandwidth(base)
    }
}
quantity_serde!(Bandwidth);

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unlimited() { f.write_str("unlimited") } else { write!(f, "{}B/s", self.0) }
    }
}

/// Time for each token; finer than a nanosecond where that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct PerToken(f64);

impl PerToken {
    /// Seconds for each token.
    pub fn seconds(self) -> f64 {
        self.0
    }
}

impl Quantity for PerToken {
    const NAME: &'static str = "time per token";
    const EXAMPLE: &'static str = "`20ms`, `14.5us`";
    const BARE_UNIT: &'static str = "ms";

    fn parse(text: &str) -> Result<Self, UnitError> {
        parse_seconds::<Self>(text).map(PerToken)
    }

    fn base(self) -> f64 {
        self.0
    }

    fn from_base(base: f64) -> Self {
        PerToken(base)
    }
}
quantity_serde!(PerToken);

impl fmt::Display for PerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nanoseconds to 12 digits, so that `14.5us` reads back as it was written.
        let nanos: f64 =
            format!("{:.11e}", self.0 * 1e9).parse().expect("a formatted number parses");
        write!(f, "{nanos}ns")
    }
}
