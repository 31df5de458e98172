//! Decimal text to integers and back, without a detour through binary fractions.
//!
//! A time such as `8640000.000000001` s has more digits than an `f64` holds, so recorded times are
//! read digit by digit.

use std::fmt::Write as _;

/// Decimal places of a second that a nanosecond has.
pub(super) const SECONDS: i32 = 9;
/// Decimal places of a millisecond that a nanosecond has.
pub(super) const MILLISECONDS: i32 = 6;

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotATime {
    /// It is not a decimal number.
    NotANumber,
    /// It is below zero.
    Negative,
    /// It is longer than 2⁶⁴ ns, some 584 years.
    TooLong,
}

/// Reads a decimal number, `12`, `0.25` or `1e-05`, times 10^`places`, rounded half up to a whole
/// number. Minus zero is zero.
pub(super) fn scaled(text: &str, places: i32) -> Result<u64, NotATime> {
    let (text, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
        return Err(NotATime::NotANumber);
    }
    let count = whole.len() + fraction.len();
    let shift = i64::from(exponent) + i64::from(places) - fraction.len() as i64;
    let kept = (count as i64 + shift.min(0)).max(0) as usize;
    let mut value = 0_u64;
    for byte in digits().take(kept) {
        value = push(value, byte - b'0')?;
    }
    // The first digit cut decides the rounding; a cut of more digits than there are leaves zero.
    let rounds_up = shift < 0
        && count as i64 + shift >= 0
        && digits().nth(kept).is_some_and(|byte| byte >= b'5');
    value = value.checked_add(u64::from(rounds_up)).ok_or(NotATime::TooLong)?;
    for _ in 0..shift.max(0) {
        if value == 0 {
            break;
        }
        value = push(value, 0)?;
    }
    if negative && digits().any(|byte| byte != b'0') { Err(NotATime::Negative) } else { Ok(value) }
}

/// A decimal exponent; what is beyond any use is pinned so that sums cannot overflow.
fn parse_exponent(text: &str) -> Result<i32, NotATime> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotATime::NotANumber);
    }
    let size = digits.parse::<i32>().unwrap_or(i32::MAX).min(1_000_000);
    Ok(if text.starts_with('-') { -size } else { size })
}

fn push(value: u64, digit: u8) -> Result<u64, NotATime> {
    let shifted = value.checked_mul(10).ok_or(NotATime::TooLong)?;
    shifted.checked_add(u64::from(digit)).ok_or(NotATime::TooLong)
}

/// Appends nanoseconds as seconds, exactly: `61.00017`, `0.0`.
pub(super) fn push_seconds(nanos: u64, out: &mut String) {
    const PER_SECOND: u64 = 1_000_000_000;
    let (whole, rest) = (nanos / PER_SECOND, nanos % PER_SECOND);
    let fraction = format!("{rest:09}");
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    write!(out, "{whole}.{fraction}").expect("a string takes all that is written");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_decimals_exactly() {
        let cases = [
            ("0", 0),
            ("0.0", 0),
            ("-0.0", 0),
            ("1", 1_000_000_000),
            ("12.", 12_000_000_000),
            (".5", 500_000_000),
            ("61.00017", 61_000_170_000),
            ("0.9799600", 979_960_000),
            ("1e-05", 10_000),
            ("2.5E+2", 250_000_000_000),
            ("8640000.000000001", 8_640_000_000_000_001),
            ("0.0000000005", 1),
            ("0.00000000049999", 0),
            ("0.00000000005", 0),
            ("1e-400", 0),
            ("0e999999999999", 0),
            ("18446744073.709551615", u64::MAX),
        ];
        for (text, nanos) in cases {
            assert_eq!(scaled(text, SECONDS), Ok(nanos), "{text}");
        }
        assert_eq!(scaled("3001", MILLISECONDS), Ok(3_001_000_000));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["", ".", "-", "nan", "NaN", "inf", "1,5", "1e", "1e+", "0x10", " 1", "1_000"] {
            assert_eq!(scaled(text, SECONDS), Err(NotATime::NotANumber), "{text:?}");
        }
        assert_eq!(scaled("-0.001", SECONDS), Err(NotATime::Negative));
        for text in ["18446744073.7095516155", "1e300", "99999999999999999999"] {
            assert_eq!(scaled(text, SECONDS), Err(NotATime::TooLong), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nanos: u64) {
            let mut text = String::new();
            push_seconds(nanos, &mut text);
            prop_assert_eq!(scaled(&text, SECONDS), Ok(nanos));
        }
    }
}
