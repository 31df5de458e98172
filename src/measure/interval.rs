//! 95 % intervals over replications, for the estimators that a record uses.

use crate::stats::interval;

const LEVEL: f64 = 0.95;

/// Interval of a mean by Student's t over independent replications; `None` with fewer than two.
pub fn of_mean(values: &[f64]) -> Option<[f64; 2]> {
    interval::mean(values, LEVEL).ok().and_then(|i| finite([i.low, i.high]))
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
