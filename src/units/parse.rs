//! Reading a number with a unit, and saying what was wrong with it.

use super::quantity::Quantity;

/// Why a text is not the quantity that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    /// What was found and what was expected, as a lower-case fragment.
    pub message: String,
    /// What to write instead, if that can be told.
    pub suggestion: Option<String>,
}

impl UnitError {
    /// The text is no such quantity at all.
    pub fn expected<Q: Quantity>(text: &str) -> Self {
        let expected = if Q::BARE_ALLOWED { "one" } else { "a number and a unit," };
        let (name, example) = (Q::NAME, Q::EXAMPLE);
        Self {
            message: format!("`{text}` is not a {name}: expected {expected} such as {example}"),
            suggestion: None,
        }
    }

    /// The text is a number without a unit where one is due.
    pub fn bare<Q: Quantity>(text: &str) -> Self {
        let text = text.trim();
        Self {
            message: format!(
                "a {} needs a unit: write `{text}{}` (units: {})",
                Q::NAME,
                Q::BARE_UNIT,
                Q::EXAMPLE
            ),
            suggestion: Some(format!("{text}{}", Q::BARE_UNIT)),
        }
    }

    /// The unit is not one of this quantity's.
    pub fn unknown_unit<Q: Quantity>(text: &str, unit: &str) -> Self {
        let found = match unit {
            "" => format!("the {} `{text}` has no unit", Q::NAME),
            _ => format!("unknown unit `{unit}` in the {} `{text}`", Q::NAME),
        };
        Self { message: format!("{found}: expected one such as {}", Q::EXAMPLE), suggestion: None }
    }

    /// The quantity is below zero.
    pub fn negative<Q: Quantity>(text: &str) -> Self {
        let message = format!("the {} `{text}` is negative: expected 0 or more", Q::NAME);
        Self { message, suggestion: None }
    }

    /// A sum or price is written without its currency.
    pub fn no_currency<Q: Quantity>(text: &str) -> Self {
        let (name, example) = (Q::NAME, Q::EXAMPLE);
        let message =
            format!("the {name} `{text}` has no currency: expected one such as {example}");
        Self { message, suggestion: None }
    }
}

/// Splits a leading decimal number (with optional sign, `_` separators and exponent) from the rest.
pub(super) fn leading_number(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let mut end = 0;
    let mut seen_digit = false;
    while end < bytes.len() {
        match bytes[end] {
            b'0'..=b'9' => seen_digit = true,
            b'.' | b'_' => {}
            b'+' | b'-' if end == 0 => {}
            b'e' | b'E' if seen_digit && exponent_follows(&bytes[end + 1..]) => {
                end += 1;
            }
            _ => break,
        }
        end += 1;
    }
    let number = text[..end].replace('_', "").parse::<f64>().ok().filter(|n| n.is_finite())?;
    Some((number, text[end..].trim_start()))
}

fn exponent_follows(rest: &[u8]) -> bool {
    match rest {
        [b'+' | b'-', d, ..] => d.is_ascii_digit(),
        [d, ..] => d.is_ascii_digit(),
        [] => false,
    }
}

/// The factor of a decimal multiplier suffix: `80M`, `272K`, `1.5B`.
pub(super) fn multiplier(suffix: &str) -> Option<f64> {
    match suffix {
        "" => Some(1.0),
        "k" | "K" => Some(1e3),
        "M" => Some(1e6),
        "G" | "B" => Some(1e9),
        _ => None,
    }
}
