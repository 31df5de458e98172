//! Bytes, tokens, counts, cores, ratios and changes.

use std::fmt;
use std::ops::{Add, AddAssign};

use super::parse::{self, UnitError};
use super::quantity::{Quantity, quantity_serde};

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A number of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tokens(pub u64);

/// A plain number: turns in a session, calls in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Count(pub f64);

/// A number of CPU cores, fractions allowed.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Cores(pub f64);

/// A share or factor: `12%` or `0.12`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

/// A relative change: `-40%`, `+5%` or `-0.4`. Never below −100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Change(pub f64);

impl Change {
    /// What something is multiplied by.
    pub fn factor(self) -> f64 {
        1.0 + self.0
    }
}

/// A whole number that may be `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit(Option<u64>);

impl Limit {
    /// No limit.
    pub const UNLIMITED: Limit = Limit(None);

    /// At most `n`.
    pub const fn at_most(n: u64) -> Self {
        Limit(Some(n))
    }

    /// The limit as a number, `None` for unlimited.
    pub const fn get(self) -> Option<u64> {
        self.0
    }

    /// Whether one more fits beside `present`.
    pub fn allows(self, present: u64) -> bool {
        self.0.is_none_or(|n| present < n)
    }
}

const GIB: u64 = 1 << 30;

impl Bytes {
    /// Size in GiB.
    pub fn gib(self) -> f64 {
        self.0 as f64 / GIB as f64
    }
}

const BYTE_UNITS: &[(&str, f64)] = &[
    ("TiB", 1_099_511_627_776.0),
    ("GiB", 1_073_741_824.0),
    ("MiB", 1_048_576.0),
    ("KiB", 1024.0),
    ("TB", 1e12),
    ("GB", 1e9),
    ("MB", 1e6),
    ("kB", 1e3),
    ("KB", 1e3),
    ("B", 1.0),
];

/// Bytes in the named unit.
pub(super) fn bytes_per(unit: &str) -> Option<f64> {
    BYTE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size)
}

/// Splits text into a number and what follows it, with the errors every quantity shares.
pub(super) fn number_and_unit<Q: Quantity>(text: &str) -> Result<(f64, &str), UnitError> {
    let (number, unit) =
        parse::leading_number(text.trim()).ok_or_else(|| UnitError::expected::<Q>(text))?;
    if number < 0.0 {
        return Err(UnitError::negative::<Q>(text));
    }
    if unit.is_empty() && !Q::BARE_ALLOWED {
        Err(UnitError::bare::<Q>(text))
    } else {
        Ok((number, unit))
    }
}

impl Quantity for Bytes {
    const NAME: &'static str = "size";
    const EXAMPLE: &'static str = "`512MiB`, `2GiB`, `10GB`";
    const BARE_UNIT: &'static str = "B";

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit::<Self>(text)?;
        let scale = bytes_per(unit).ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(Self::from_base(number * scale))
    }

    fn base(self) -> f64 {
        self.0 as f64
    }

    fn from_base(base: f64) -> Self {
        Bytes((base + 0.5) as u64)
    }
}
quantity_serde!(Bytes);

impl Quantity for Tokens {
    const NAME: &'static str = "number of tokens";
    const EXAMPLE: &'static str = "`6000`, `272K`, `80M`";
    const BARE_UNIT: &'static str = "";
    const BARE_ALLOWED: bool = true;

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit::<Self>(text)?;
        let unit = unit.trim_end_matches("tok").trim_end();
        let scale =
            parse::multiplier(unit).ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(Self::from_base(number * scale))
    }

    fn base(self) -> f64 {
        self.0 as f64
    }

    fn from_base(base: f64) -> Self {
        Tokens((base + 0.5) as u64)
    }
}
quantity_serde!(Tokens);

impl Quantity for Count {
    const NAME: &'static str = "number";
    const EXAMPLE: &'static str = "`4`, `1.5`";
    const BARE_UNIT: &'static str = "";
    const BARE_ALLOWED: bool = true;

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit::<Self>(text)?;
        if unit.is_empty() {
            Ok(Count(number))
        } else {
            Err(UnitError::unknown_unit::<Self>(text, unit))
        }
    }

    fn base(self) -> f64 {
        self.0
    }

    fn from_base(base: f64) -> Self {
        Count(base.max(0.0))
    }
}
quantity_serde!(Count);

impl Quantity for Cores {
    const NAME: &'static str = "number of cores";
    const EXAMPLE: &'static str = "`1`, `0.5`, `500m`";
    const BARE_UNIT: &'static str = "";
    const BARE_ALLOWED: bool = true;

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit::<Self>(text)?;
        match unit {
            "" => Ok(Cores(number)),
            "m" => Ok(Cores(number / 1000.0)),
            _ => Err(UnitError::unknown_unit::<Self>(text, unit)),
        }
    }

    fn base(self) -> f64 {
        self.0
    }

    fn from_base(base: f64) -> Self {
        Cores(base.max(0.0))
    }
}
quantity_serde!(Cores);

impl Quantity for Ratio {
    const NAME: &'static str = "ratio";
    const EXAMPLE: &'static str = "`12%`, `0.12`";
    const BARE_UNIT: &'static str = "";
    const BARE_ALLOWED: bool = true;

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit::<Self>(text)?;
        match unit {
            "" => Ok(Ratio(number)),
            "%" => Ok(Ratio(number / 100.0)),
            _ => Err(UnitError::unknown_unit::<Self>(text, unit)),
        }
    }

    fn base(self) -> f64 {
        self.0
    }

    fn from_base(base: f64) -> Self {
        Ratio(base.max(0.0))
    }
}
quantity_serde!(Ratio);

impl Quantity for Change {
    const NAME: &'static str = "change";
    const EXAMPLE: &'static str = "`-40%`, `+5%`, `-0.4`";
    const BARE_UNIT: &'static str = "%";
    const BARE_ALLOWED: bool = true;

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) =
            parse::leading_number(text.trim()).ok_or_else(|| UnitError::expected::<Self>(text))?;
        let change = match unit.trim() {
            "" => number,
            "%" => number / 100.0,
            unit => return Err(UnitError::unknown_unit::<Self>(text, unit)),
        };
        if change < -1.0 {
            let message =
                format!("the change `{text}` leaves less than nothing: expected -100% or more");
            return Err(UnitError { message, suggestion: None });
        }
        Ok(Change(change))
    }

    fn base(self) -> f64 {
        self.0
    }

    fn from_base(base: f64) -> Self {
        Change(base.max(-1.0))
    }
}
quantity_serde!(Change);

impl Quantity for Limit {
    const NAME: &'static str = "limit";
    const EXAMPLE: &'static str = "`1500`, `80M`, `unlimited`";
    const BARE_UNIT: &'static str = "";
    const BARE_ALLOWED: bool = true;

    fn parse(text: &str) -> Result<Self, UnitError> {
        if text.trim() == "unlimited" {
            return Ok(Limit::UNLIMITED);
        }
        let (number, unit) = number_and_unit::<Self>(text)?;
        let scale =
            parse::multiplier(unit).ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        let number = number * scale;
        if number == number.trunc() {
            Ok(Limit::at_most(number as u64))
        } else {
            Err(UnitError {
                message: format!(
                    "the limit `{text}` is not a whole number: expected one such as {}",
                    Self::EXAMPLE
                ),
                suggestion: None,
            })
        }
    }

    fn base(self) -> f64 {
        self.0.map_or(f64::INFINITY, |n| n as f64)
    }

    fn from_base(base: f64) -> Self {
        if base.is_finite() { Limit(Some((base + 0.5) as u64)) } else { Limit(None) }
    }
}
quantity_serde!(Limit);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => write!(f, "{n}"),
            None => f.write_str("unlimited"),
        }
    }
}

impl fmt::Display for Bytes {
    /// Exact: in the largest binary unit that divides it, or in bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [("TiB", GIB << 10), ("GiB", GIB), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+}%", self.0 * 100.0)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Add for Bytes {
    type Output = Bytes;
    fn add(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        *self = *self + other;
    }
}

impl Add for Tokens {
    type Output = Tokens;
    fn add(self, other: Tokens) -> Tokens {
        Tokens(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Tokens) {
        *self = *self + other;
    }
}
