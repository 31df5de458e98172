//! The lognormal with a shift.

use super::closed::normal;
use super::{Law, Sample};

/// How near a shift may come to the least value, as a share of its distance to the median. The
/// likelihood has no maximum at the least value itself: it grows without bound there.
const NEAREST: f64 = 0.01;

/// Shifts looked at before the best of them is refined.
const GRID: u32 = 48;

/// Steps of the golden section: 0.618³⁰ leaves less than a millionth of a grid step.
const REFINED: u32 = 30;

/// The shift with the best profile likelihood in [0, min − 0.01 · (median − min)]. None where the
/// least value is the median.
pub(super) fn shifted_lognormal(sample: &Sample) -> Option<Law> {
    let least = *sample.values.first()?;
    let nearest = NEAREST * (sample.median() - least);
    if nearest.is_nan() || nearest <= 0.0 || nearest >= least {
        return None;
    }
    // By the logarithm of the distance to the least value: near it the likelihood turns fast.
    let (low, high) = (libm::log(nearest), libm::log(least));
    let at = |place: f64| low + (high - low) * place / f64::from(GRID);
    let likelihood = |place: f64| profile(sample, shift_at(least, at(place), high)).0;
    let best = (0..=GRID)
        .map(|place| (f64::from(place), likelihood(f64::from(place))))
        .fold((0.0, f64::NEG_INFINITY), |best, one| if one.1 > best.1 { one } else { best });
    let ends = ((best.0 - 1.0).max(0.0), (best.0 + 1.0).min(f64::from(GRID)));
    let found = golden(ends, &likelihood);
    // A maximum at an end of the range stands there exactly.
    let place = if likelihood(found) > best.1 { found } else { best.0 };
    let shift = shift_at(least, at(place), high);
    let (_, mu, sigma) = profile(sample, shift);
    Some(Law::ShiftedLognormal { shift, mu, sigma })
}

fn shift_at(least: f64, log_distance: f64, farthest: f64) -> f64 {
    if log_distance >= farthest { 0.0 } else { (least - libm::exp(log_distance)).max(0.0) }
}

/// ln of the likelihood at a shift, but for a constant, with the best mu and sigma there.
fn profile(sample: &Sample, shift: f64) -> (f64, f64, f64) {
    let logs: Vec<f64> = sample.values.iter().map(|x| libm::log(x - shift)).collect();
    let (mu, sigma) = normal(&logs);
    (-sample.len() * (libm::log(sigma) + mu), mu, sigma)
}

/// The largest value of a function with one maximum in a range (Kiefer 1953).
fn golden((mut low, mut high): (f64, f64), f: &dyn Fn(f64) -> f64) -> f64 {
    let share = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - share * (high - low), low + share * (high - low));
    let (mut at_left, mut at_right) = (f(left), f(right));
    for _ in 0..REFINED {
        if at_left > at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - share * (high - low);
            at_left = f(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + share * (high - low);
            at_right = f(right);
        }
    }
    0.5 * (low + high)
}
