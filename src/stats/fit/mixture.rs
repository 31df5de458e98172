//! Two lognormals, by expectation maximisation (Dempster, Laird, Rubin 1977).

use super::closed::normal;
use super::law::{log_sum, lognormal_log_density};
use super::{Law, Sample};

/// No component is narrower than this share of the deviation of all logs: without a floor the
/// likelihood is infinite at a component on a single value.
const NARROWEST: f64 = 0.02;

/// No component stands for fewer values than this.
const FEWEST: f64 = 5.0;

/// Where the sample is split for a start: the share of values below goes to the first component.
const SPLITS: [f64; 9] = [0.02, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 0.98];

/// Steps after which starts are compared.
const TRIED: u32 = 40;

/// Starts that are followed to the end.
const FOLLOWED: usize = 3;

/// Steps after which a start is taken as it is.
const MOST: u32 = 2_000;

/// Growth of ln L at which an iteration has converged.
const CONVERGED: f64 = 1e-7;

#[derive(Clone, Copy)]
struct State {
    weight: f64,
    mu: [f64; 2],
    sigma: [f64; 2],
    /// Of the parameters before the last step.
    log_likelihood: f64,
}

struct Floors {
    sigma: f64,
    weight: f64,
}

/// The best of several starts. None where a component would stand for fewer than five values.
pub(super) fn two_lognormals(sample: &Sample) -> Option<Law> {
    let (centre, deviation) = normal(&sample.logs);
    let floors = Floors { sigma: NARROWEST * deviation, weight: FEWEST / sample.len() };
    if floors.weight > 0.25 || deviation <= 0.0 {
        return None;
    }
    let mut starts: Vec<State> =
        SPLITS.iter().map(|share| split(&sample.logs, *share, &floors)).collect();
    // A narrow one inside a wide one has no split.
    for (share, narrow, wide) in [(0.7, 0.4, 1.7), (0.3, 0.2, 1.2), (0.9, 0.6, 2.5)] {
        let sigma = [narrow * deviation, wide * deviation];
        let log_likelihood = f64::NEG_INFINITY;
        let shifted = [centre, centre + 0.1 * deviation];
        starts.push(State { weight: share, mu: shifted, sigma, log_likelihood });
    }
    for start in &mut starts {
        *start = followed(&sample.logs, *start, &floors, TRIED);
    }
    starts.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood));
    let best = starts
        .into_iter()
        .take(FOLLOWED)
        .map(|start| followed(&sample.logs, start, &floors, MOST))
        .max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood))?;
    let State { weight, mu, sigma, .. } = best;
    Some(if mu[0] <= mu[1] {
        Law::TwoLognormals { weight, mu, sigma }
    } else {
        let (mu, sigma) = ([mu[1], mu[0]], [sigma[1], sigma[0]]);
        Law::TwoLognormals { weight: 1.0 - weight, mu, sigma }
    })
}

/// The values below a place in the order to one component, those above it to the other.
fn split(logs: &[f64], share: f64, floors: &Floors) -> State {
    let n = logs.len();
    let at = ((share * n as f64) as usize).clamp(2, n - 2);
    let ((mu1, sigma1), (mu2, sigma2)) = (normal(&logs[..at]), normal(&logs[at..]));
    State {
        weight: at as f64 / n as f64,
        mu: [mu1, mu2],
        sigma: [sigma1.max(floors.sigma), sigma2.max(floors.sigma)],
        log_likelihood: f64::NEG_INFINITY,
    }
}

fn followed(logs: &[f64], mut state: State, floors: &Floors, most: u32) -> State {
    for _ in 0..most {
        let next = step(logs, &state, floors);
        let grown = next.log_likelihood - state.log_likelihood;
        state = next;
        if grown.abs() < CONVERGED {
            break;
        }
    }
    state
}

/// Shares of each value between the components, then the components anew from their shares.
fn step(logs: &[f64], old: &State, floors: &Floors) -> State {
    let (one, two) = (libm::log(old.weight), libm::log1p(-old.weight));
    let (mut log_likelihood, mut sums) = (0.0, [[0.0; 3]; 2]);
    for log in logs {
        let a = one + lognormal_log_density(*log, old.mu[0], old.sigma[0]);
        let b = two + lognormal_log_density(*log, old.mu[1], old.sigma[1]);
        let both = log_sum(a, b);
        log_likelihood += both;
        let first = libm::exp(a - both);
        for (component, share) in [first, 1.0 - first].into_iter().enumerate() {
            // Around the old centre, so that the squares do not cancel.
            let away = log - old.mu[component];
            sums[component][0] += share;
            sums[component][1] += share * away;
            sums[component][2] += share * away * away;
        }
    }
    let anew = |component: usize| {
        let [count, first, second] = sums[component];
        let shift = first / count.max(f64::MIN_POSITIVE);
        let square = (second / count.max(f64::MIN_POSITIVE) - shift * shift).max(0.0);
        (old.mu[component] + shift, square.sqrt().max(floors.sigma))
    };
    let ((mu1, sigma1), (mu2, sigma2)) = (anew(0), anew(1));
    let weight = (sums[0][0] / logs.len() as f64).clamp(floors.weight, 1.0 - floors.weight);
    State { weight, mu: [mu1, mu2], sigma: [sigma1, sigma2], log_likelihood }
}
