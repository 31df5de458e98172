//! Units of boundary values: reading a threshold, showing a number.

use crate::units::{Bytes, Count, Money, Quantity as _, Ratio, Span, Tokens, UnitError};

/// What a quantity is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Time,
    /// Bytes.
    Bytes,
    /// A plain number, also of tokens.
    Count,
    /// Money in the rate card's currency.
    Money,
    /// A share from 0 to 1.
    Share,
    /// A ratio without bounds.
    Ratio,
    /// A relative change, negative for less.
    Change,
}

impl Unit {
    /// What a person calls a value of this unit.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Unit::Time => "duration",
            Unit::Bytes => "size",
            Unit::Count => "number",
            Unit::Money => "sum of money",
            Unit::Share => "share",
            Unit::Ratio => "ratio",
            Unit::Change => "relative change",
        }
    }

    /// How values of this unit are written.
    pub(super) fn example(self) -> &'static str {
        match self {
            Unit::Time => "`250ms`, `20s`, `15m`",
            Unit::Bytes => "`512MiB`, `2GiB`",
            Unit::Count => "`1000`, `1.5M`",
            Unit::Money => "`$150`, `$0.25`",
            Unit::Share => "`5%`, `0.05`",
            Unit::Ratio => "`2.5`",
            Unit::Change => "`-30%`, `5%`",
        }
    }

    /// Reads a value of this unit, in the record's base unit.
    pub(super) fn parse(self, text: &str) -> Result<f64, UnitError> {
        match self {
            Unit::Time => Span::parse(text).map(|v| v.seconds()),
            Unit::Bytes => Bytes::parse(text).map(|v| v.base()),
            // `1.5` is not a number of tokens, but may be a mean number of sessions.
            Unit::Count => {
                Count::parse(text).map(|v| v.0).or_else(|_| Tokens::parse(text).map(|v| v.base()))
            }
            Unit::Money => Money::parse(text).map(|v| v.0),
            Unit::Share | Unit::Ratio => Ratio::parse(text).map(|v| v.0),
            Unit::Change => match text.strip_prefix('-') {
                Some(less) => Ratio::parse(less).map(|v| -v.0),
                None => Ratio::parse(text).map(|v| v.0),
            },
        }
    }

    /// The unit that a text is plainly written in; `None` for a bare number or nonsense.
    pub(super) fn of_text(text: &str) -> Option<Unit> {
        let bare = Count::parse(text).is_ok();
        [Unit::Time, Unit::Bytes, Unit::Money, Unit::Share, Unit::Count]
            .into_iter()
            .find(|unit| !bare && unit.parse(text).is_ok())
    }

    /// A number of this unit for people: four significant digits, in a fitting unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Time => show_time(value),
            Unit::Bytes => show_scaled(
                value,
                &[
                    ("TiB", 1_099_511_627_776.0),
                    ("GiB", 1_073_741_824.0),
                    ("MiB", 1_048_576.0),
                    ("KiB", 1024.0),
                ],
                "B",
            ),
            Unit::Count => show_scaled(value, &[("G", 1e9), ("M", 1e6)], ""),
            Unit::Money if value < 0.0 => format!("-${}", four_digits(-value)),
            Unit::Money => format!("${}", four_digits(value)),
            Unit::Share | Unit::Change => format!("{}%", four_digits(value * 100.0)),
            Unit::Ratio => four_digits(value),
        }
    }
}

fn show_time(seconds: f64) -> String {
    let size = seconds.abs();
    let scales: &[(&str, f64)] = &[
        ("d", 172_800.0),
        ("h", 7200.0),
        ("min", 120.0),
        ("s", 1.0),
        ("ms", 1e-3),
        ("us", 1e-6),
        ("ns", 0.0),
    ];
    let per = |unit| match unit {
        "d" => 86_400.0,
        "h" => 3600.0,
        "min" => 60.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => 1.0,
    };
    if size == 0.0 {
        return "0 s".to_owned();
    }
    let unit = scales.iter().find(|(_, from)| size >= *from).map_or("s", |(unit, _)| unit);
    format!("{} {unit}", four_digits(seconds / per(unit)))
}

fn show_scaled(value: f64, scales: &[(&str, f64)], base: &str) -> String {
    let (unit, size) =
        scales.iter().find(|(_, size)| value.abs() >= *size).map_or((base, 1.0), |(u, s)| (u, *s));
    let space = if unit.is_empty() || unit.len() == 1 && base.is_empty() { "" } else { " " };
    format!("{}{space}{unit}", four_digits(value / size))
}

/// Four significant digits, without an exponent between 0.0001 and 10⁷, without trailing zeros.
fn four_digits(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let magnitude = libm::floor(libm::log10(size)) as i32;
    let decimals = usize::try_from(3 - magnitude).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn numbers_are_shown_in_a_fitting_unit() {
        for (unit, value, shown) in [
            (Unit::Time, 0.0, "0 s"),
            (Unit::Time, 0.25, "250 ms"),
            (Unit::Time, 1.000_049, "1 s"),
            (Unit::Time, 90.0, "90 s"),
            (Unit::Time, 900.0, "15 min"),
            (Unit::Time, 86_400.0, "24 h"),
            (Unit::Time, 604_800.0, "7 d"),
            (Unit::Time, 3.2e-9, "3.2 ns"),
            (Unit::Bytes, 1_610_612_736.0, "1.5 GiB"),
            (Unit::Bytes, 12.0, "12 B"),
            (Unit::Count, 1234.56, "1235"),
            (Unit::Count, 1.5e6, "1.5M"),
            (Unit::Money, 0.123, "$0.123"),
            (Unit::Money, -2.0, "-$2"),
            (Unit::Share, 0.001, "0.1%"),
            (Unit::Change, -0.3, "-30%"),
            (Unit::Ratio, 2.5, "2.5"),
        ] {
            assert_eq!(unit.show(value), shown);
        }
    }
}
