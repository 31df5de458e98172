//! 95 % intervals over replications, for the estimators that a record uses.

use crate::stats::{interval, student_t_quantile};

const LEVEL: f64 = 0.95;

/// Interval of a mean by Student's t over independent replications; `None` with fewer than two.
pub fn of_mean(values: &[f64]) -> Option<[f64; 2]> {
    of_mean_at(values, 1.0 - LEVEL)
}

/// The same that misses with another chance than 5 %.
pub fn of_mean_at(values: &[f64], error: f64) -> Option<[f64; 2]> {
    interval::mean(values, 1.0 - error).ok().and_then(|i| finite([i.low, i.high]))
}

/// A 95 % interval over so many replications around `value`, widened (or narrowed) to one that misses
/// with the chance `error`. Exact for every interval here whose half widths are multiples of Student's
/// t quantile; an end that was cut at what is possible must be cut again. Clopper and Pearson's for
/// none of n trials, [0, 1 − 0.025^(1/n)], tells its n, and so does the one for all.
pub fn widened(value: f64, ci95: [f64; 2], error: f64, replications: usize) -> [f64; 2] {
    let [low, high] = ci95;
    if value == low && value == 0.0 && high > 0.0 && high < 1.0 {
        return [0.0, unseen_at(high, error)];
    }
    if value == high && value == 1.0 && low > 0.0 && low < 1.0 {
        return [1.0 - unseen_at(1.0 - low, error), 1.0];
    }
    let df = replications.max(2) as f64 - 1.0;
    let factor = student_t_quantile(1.0 - 0.5 * error, df) / student_t_quantile(0.975, df);
    [value - (value - low) * factor, value + (high - value) * factor]
}

/// What may be unseen with the chance `error / 2`, from what may be with 2.5 %.
fn unseen_at(unseen: f64, error: f64) -> f64 {
    let trials = libm::log(0.025) / libm::log1p(-unseen);
    1.0 - libm::pow(0.5 * error, 1.0 / trials)
}

/// Interval of Σ numerators / Σ denominators by the jackknife over independent replications, around
/// that ratio, which is what a record shows (the jackknife's own centre is off it by the bias, of
/// order 1/n). `None` with fewer than two replications, or where leaving one out leaves nothing to
/// divide by.
pub fn of_ratio(numerators: &[f64], denominators: &[f64]) -> Option<[f64; 2]> {
    let half = interval::ratio(numerators, denominators, LEVEL).ok()?.half_width();
    let ratio = numerators.iter().sum::<f64>() / denominators.iter().sum::<f64>();
    finite([ratio - half, ratio + half])
}

/// Interval of a share of counted trials: [`of_ratio`] within [0, 1]. Where every trial, or none,
/// succeeded, replications do not differ and the jackknife would claim certainty; there the interval
/// is Clopper and Pearson's (1934) for the trials seen, 1 − 0.025^(1/n) wide.
pub fn of_share(successes: &[f64], trials: &[f64]) -> Option<[f64; 2]> {
    let [low, high] = of_ratio(successes, trials)?;
    let (hits, all): (f64, f64) = (successes.iter().sum(), trials.iter().sum());
    let unseen = 1.0 - libm::pow(0.5 * (1.0 - LEVEL), 1.0 / all);
    if hits <= 0.0 {
        Some([0.0, unseen])
    } else if hits >= all {
        Some([1.0 - unseen, 1.0])
    } else {
        Some([low.max(0.0), high.min(1.0)])
    }
}

fn finite(ends: [f64; 2]) -> Option<[f64; 2]> {
    ends.iter().all(|end| end.is_finite()).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_mean_is_students_t() {
        // Mean 3, deviation √2.5, t(4) = 2.776445: half-width 2.776445 · √(2.5/5) = 1.963243.
        let [low, high] = of_mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((low - 1.036_757).abs() < 1e-6 && (high - 4.963_243).abs() < 1e-6, "{low} {high}");
        assert_eq!(of_mean(&[1.0]), None);
        assert_eq!(of_mean(&[]), None);
    }

    #[test]
    fn widening_is_the_interval_of_the_other_level() {
        let values = [1.0, 2.0, 4.0, 5.0, 7.0];
        let (at_95, at_99) = (of_mean(&values).unwrap(), of_mean_at(&values, 0.01).unwrap());
        let [low, high] = widened(3.8, at_95, 0.01, 5);
        assert!((low - at_99[0]).abs() < 1e-9 && (high - at_99[1]).abs() < 1e-9);
        let [low, high] = widened(3.8, at_95, 0.05, 5);
        assert!((low - at_95[0]).abs() < 1e-12 && (high - at_95[1]).abs() < 1e-12);
        // None of 15 trials at 1%: 1 − 0.005^(1/15).
        let none = of_share(&[0.0, 0.0, 0.0], &[5.0, 5.0, 5.0]).unwrap();
        let [low, high] = widened(0.0, none, 0.01, 3);
        assert!(low == 0.0 && (high - 0.297_578).abs() < 1e-6, "{high}");
        let all = of_share(&[5.0, 5.0, 5.0], &[5.0, 5.0, 5.0]).unwrap();
        let [low, high] = widened(1.0, all, 0.01, 3);
        assert!(high == 1.0 && (low - 0.702_422).abs() < 1e-6, "{low}");
    }

    #[test]
    fn of_ratio_lies_around_the_ratio_and_is_t_for_equal_denominators() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let [low, high] = of_ratio(&values, &[2.0; 5]).unwrap();
        let [by_t_low, by_t_high] = of_mean(&values.map(|v| v / 2.0)).unwrap();
        assert!((low - by_t_low).abs() < 1e-12 && (high - by_t_high).abs() < 1e-12);
        let [low, high] = of_ratio(&[1.0, 0.0, 9.0], &[1.0, 5.0, 2.0]).unwrap();
        assert!((0.5 * (low + high) - 10.0 / 8.0).abs() < 1e-12);
        assert_eq!(of_ratio(&[1.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(of_ratio(&[0.0, 0.0], &[0.0, 0.0]), None);
    }

    #[test]
    fn of_share_does_not_take_an_unseen_event_for_an_impossible_one() {
        // 0 of 15 trials: 1 − 0.025^(1/15) = 0.218019.
        let [low, high] = of_share(&[0.0, 0.0, 0.0], &[5.0, 5.0, 5.0]).unwrap();
        assert!(low == 0.0 && (high - 0.218_019).abs() < 1e-6, "{high}");
        let [low, high] = of_share(&[5.0, 5.0, 5.0], &[5.0, 5.0, 5.0]).unwrap();
        assert!(high == 1.0 && (low - 0.781_981).abs() < 1e-6, "{low}");
        let [low, high] = of_share(&[1.0, 0.0], &[10.0, 10.0]).unwrap();
        assert!(low == 0.0 && high > 0.05 && high <= 1.0);
        assert_eq!(of_share(&[0.0], &[5.0]), None);
    }
}
