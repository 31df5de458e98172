//! Money and prices. The currency is the rate card's; `$` is how it is written.

use std::fmt;

use super::amount::bytes_per;
use super::parse::{self, UnitError};
use super::quantity::{Quantity, quantity_serde};
use super::time::seconds_per;

/// Seconds in the billing month: 30 days.
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// An amount of money.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Money(pub f64);

/// A price for time: of a vCPU, a host, a session. Base: money per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct PricePerTime(f64);

/// A price for bytes held over time. Base: money per byte-second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct PricePerByteTime(f64);

/// A price for bytes taken in. Base: money per byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct PricePerByte(f64);

/// A price for tokens. Base: money per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct PricePerToken(f64);

/// A price for one call or request.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct PricePerCall(f64);

/// Reads `$1.5` and returns what follows the number.
fn dollars<Q: Quantity>(text: &str) -> Result<(f64, &str), UnitError> {
    let rest =
        text.trim().strip_prefix('$').ok_or_else(|| match parse::leading_number(text.trim()) {
            Some(_) => UnitError::no_currency::<Q>(text),
            None => UnitError::expected::<Q>(text),
        })?;
    let (number, rest) =
        parse::leading_number(rest).ok_or_else(|| UnitError::expected::<Q>(text))?;
    if number < 0.0 { Err(UnitError::negative::<Q>(text)) } else { Ok((number, rest)) }
}

fn seconds_per_billing(unit: &str) -> Option<f64> {
    if unit == "month" { Some(MONTH_SECONDS) } else { seconds_per(unit) }
}

impl Quantity for Money {
    const NAME: &'static str = "sum of money";
    const EXAMPLE: &'static str = "`$150`, `$0.25`";
    const BARE_UNIT: &'static str = "";

    fn parse(text: &str) -> Result<Self, UnitError> {
        match dollars::<Self>(text)? {
            (number, "") => Ok(Money(number)),
            (_, unit) => Err(UnitError::unknown_unit::<Self>(text, unit)),
        }
    }
    fn base(self) -> f64 {
        self.0
    }
    fn from_base(base: f64) -> Self {
        Money(base)
    }
}
quantity_serde!(Money);

impl Quantity for PricePerTime {
    const NAME: &'static str = "price per time";
    const EXAMPLE: &'static str = "`$0.0994/h`, `$150/month`";
    const BARE_UNIT: &'static str = "";

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = dollars::<Self>(text)?;
        let per = unit.strip_prefix('/').and_then(seconds_per_billing);
        let per = per.ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(PricePerTime(number / per))
    }
    fn base(self) -> f64 {
        self.0
    }
    fn from_base(base: f64) -> Self {
        PricePerTime(base)
    }
}
quantity_serde!(PricePerTime);

impl Quantity for PricePerByteTime {
    const NAME: &'static str = "price for stored or allocated bytes";
    const EXAMPLE: &'static str = "`$0.0118/GiB-h`, `$0.1/GiB-month`";
    const BARE_UNIT: &'static str = "";

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = dollars::<Self>(text)?;
        let scale = unit
            .strip_prefix('/')
            .and_then(|u| u.split_once('-'))
            .and_then(|(size, time)| Some(bytes_per(size)? * seconds_per_billing(time)?));
        let scale = scale.ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(PricePerByteTime(number / scale))
    }
    fn base(self) -> f64 {
        self.0
    }
    fn from_base(base: f64) -> Self {
        PricePerByteTime(base)
    }
}
quantity_serde!(PricePerByteTime);

impl Quantity for PricePerByte {
    const NAME: &'static str = "price for bytes";
    const EXAMPLE: &'static str = "`$2.3/GiB`, `$0.5/GB`";
    const BARE_UNIT: &'static str = "";

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = dollars::<Self>(text)?;
        let size = unit.strip_prefix('/').and_then(bytes_per);
        let size = size.ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(PricePerByte(number / size))
    }
    fn base(self) -> f64 {
        self.0
    }
    fn from_base(base: f64) -> Self {
        PricePerByte(base)
    }
}
quantity_serde!(PricePerByte);

impl Quantity for PricePerToken {
    const NAME: &'static str = "price for tokens";
    const EXAMPLE: &'static str = "`$5/Mtok`, `$0.5/Ktok`";
    const BARE_UNIT: &'static str = "";

    fn parse(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = dollars::<Self>(text)?;
        let scale =
            unit.strip_prefix('/').and_then(|u| u.strip_suffix("tok")).and_then(parse::multiplier);
        let scale = scale.ok_or_else(|| UnitError::unknown_unit::<Self>(text, unit))?;
        Ok(PricePerToken(number / scale))
    }
    fn base(self) -> f64 {
        self.0
    }
    fn from_base(base: f64) -> Self {
        PricePerToken(base)
    }
}
quantity_serde!(PricePerToken);

impl Quantity for PricePerCall {
    const NAME: &'static str = "price per request";
    const EXAMPLE: &'static str = "`$0.0001`";
    const BARE_UNIT: &'static str = "";

    fn parse(text: &str) -> Result<Self, UnitError> {
        match dollars::<Self>(text)? {
            (number, "") => Ok(PricePerCall(number)),
            (_, unit) => Err(UnitError::unknown_unit::<Self>(text, unit)),
        }
    }
    fn base(self) -> f64 {
        self.0
    }
    fn from_base(base: f64) -> Self {
        PricePerCall(base)
    }
}
quantity_serde!(PricePerCall);

/// Rounds to 12 significant digits, so that `$0.0994/h` reads back as it was written.
fn tidy(value: f64) -> f64 {
    format!("{value:.11e}").parse().expect("a formatted number parses")
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}

impl fmt::Display for PricePerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}/h", tidy(self.0 * 3600.0))
    }
}

impl fmt::Display for PricePerByteTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = 1_073_741_824.0;
        let (hour, month) = (tidy(self.0 * gib * 3600.0), tidy(self.0 * gib * MONTH_SECONDS));
        if month.to_string().len() <= hour.to_string().len() {
            write!(f, "${month}/GiB-month")
        } else {
            write!(f, "${hour}/GiB-h")
        }
    }
}

impl fmt::Display for PricePerByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}/GiB", tidy(self.0 * 1_073_741_824.0))
    }
}

impl fmt::Display for PricePerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}/Mtok", tidy(self.0 * 1e6))
    }
}

impl fmt::Display for PricePerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}
