//! Numbers for people: three significant digits, an interval beside them.

/// Three significant digits, no exponent from 0.0001 to 10⁷, no trailing zeros after the point.
pub fn three(value: f64) -> String {
    digits(value, 3)
}

/// Three significant digits of a number that may be absent: `–`.
pub fn three_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), three)
}

fn digits(value: f64, significant: i32) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-4..1e7).contains(&size) {
        let decimals = usize::try_from(significant - 1).unwrap_or(0);
        return format!("{value:.decimals$e}");
    }
    let places = significant - 1 - magnitude(size);
    let rounded = round_to(value, places);
    let decimals = usize::try_from(significant - 1 - magnitude(rounded.abs())).unwrap_or(0);
    let text = format!("{rounded:.decimals$}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if text.contains('.') { short.to_owned() } else { text }
}

/// Power of ten of the first digit.
fn magnitude(size: f64) -> i32 {
    libm::floor(libm::log10(size)) as i32
}

fn round_to(value: f64, places: i32) -> f64 {
    let scale = libm::pow(10.0, f64::from(places.abs()));
    if places >= 0 { (value * scale).round() / scale } else { (value / scale).round() * scale }
}

/// Half the width of an interval around its value, `± 0.06`; the two ends where the value is not in
/// the middle, `[0, 0.12]`.
pub fn spread(value: f64, interval: [f64; 2]) -> String {
    let [low, high] = interval;
    let (below, above) = (value - low, high - value);
    let even = (below - above).abs() <= 1e-6 * (below.abs() + above.abs()).max(f64::MIN_POSITIVE);
    if even {
        format!("± {}", digits(above.max(0.0), 2))
    } else {
        format!("[{}, {}]", three(low), three(high))
    }
}

/// `12.3 ± 0.4`, or the number alone.
pub fn with_spread(value: f64, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some(interval) => format!("{} {}", three(value), spread(value, interval)),
        None => three(value),
    }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{}%", three(share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_whatever_the_size() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.000_123_45, "0.000123"),
            (0.001_999_9, "0.002"),
            (9.996, "10"),
            (12.345, "12.3"),
            (9634.2, "9630"),
            (-1.2345, "-1.23"),
            (123_456_789.0, "1.23e8"),
            (1.0e-9, "1.00e-9"),
        ] {
            assert_eq!(three(value), text);
        }
    }

    #[test]
    fn intervals_are_plus_minus_where_they_are_even() {
        assert_eq!(with_spread(1.564, Some([1.501, 1.627])), "1.56 ± 0.063");
        assert_eq!(with_spread(0.05, Some([0.0, 0.12])), "0.05 [0, 0.12]");
        assert_eq!(with_spread(2.0, None), "2");
    }
}
