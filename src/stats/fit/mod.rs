//! Fits of durations by maximum likelihood: every family, the best by its information criterion.
//!
//! [`candidates`] fits each family of [`Law`] to a sample of positive numbers and ranks them by BIC =
//! k·ln n − 2·ln L (Schwarz 1978), the smallest first. [`Candidate::ks`] is the largest distance
//! between fitted and empirical distribution function.
//!
//! | family | how |
//! |---|---|
//! | constant | all values are equal; nothing else is fitted |
//! | exponential, lognormal | closed form |
//! | gamma | Newton's method on 1/shape (Minka 2002) |
//! | Weibull | Newton's method on the shape's likelihood equation |
//! | shifted lognormal | profile likelihood of the shift; see `shifted.rs` for its bounds |
//! | two lognormals | expectation maximisation from several starts; see `mixture.rs` for its floors |
//!
//! [`uncertainty`] gives each parameter's interval, for independent values and for clusters of
//! dependent ones (days).

mod closed;
mod law;
mod mixture;
mod shifted;
#[cfg(test)]
mod tests;
mod uncertainty;

use super::ks::{KsTest, one_sample};
pub use law::Law;
pub use uncertainty::{Parameter, uncertainty};

/// The values needed for a family to be fitted at all.
pub const FEWEST: usize = 8;

/// A family fitted to a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The fitted law.
    pub law: Law,
    /// ln of the likelihood; infinite for a constant.
    pub log_likelihood: f64,
    /// Bayesian information criterion: smaller is better.
    pub bic: f64,
    /// Distance to the sample, and how often chance alone would bring it about. The parameters come
    /// from the same sample, so the p-value flatters the fit.
    pub ks: KsTest,
}

/// Why nothing can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Too small a sample.
    #[error("{found} values are too few for a fit: {FEWEST} or more are needed")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// All families are of positive numbers.
    #[error("{found} is not a positive number: durations above zero are fitted")]
    NotPositive {
        /// The value.
        found: f64,
    },
}

/// A sample with what every family needs of it.
struct Sample {
    /// In rising order.
    values: Vec<f64>,
    /// Their natural logarithms.
    logs: Vec<f64>,
}

impl Sample {
    fn len(&self) -> f64 {
        self.values.len() as f64
    }

    fn median(&self) -> f64 {
        let n = self.values.len();
        0.5 * (self.values[(n - 1) / 2] + self.values[n / 2])
    }
}

/// All families that can be fitted to a sample, the smallest BIC first.
///
/// # Errors
/// If a value is not positive, or there are fewer than [`FEWEST`] that are not all equal.
pub fn candidates(values: &[f64]) -> Result<Vec<Candidate>, FitError> {
    if let Some(found) = values.iter().find(|x| !x.is_finite() || **x <= 0.0) {
        return Err(FitError::NotPositive { found: *found });
    }
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Err(FitError::TooFew { found: 0 });
    };
    if first == last {
        let ks = KsTest { statistic: 0.0, p_value: 1.0 };
        let (log_likelihood, bic) = (f64::INFINITY, f64::NEG_INFINITY);
        return Ok(vec![Candidate { law: Law::Constant(*first), log_likelihood, bic, ks }]);
    }
    if values.len() < FEWEST {
        return Err(FitError::TooFew { found: values.len() });
    }
    let logs = values.iter().map(|x| libm::log(*x)).collect();
    let sample = Sample { values, logs };
    let laws = [
        Some(closed::exponential(&sample)),
        Some(closed::lognormal(&sample)),
        shifted::shifted_lognormal(&sample),
        closed::gamma(&sample),
        closed::weibull(&sample),
        mixture::two_lognormals(&sample),
    ];
    let mut all: Vec<Candidate> =
        laws.into_iter().flatten().map(|law| judged(law, &sample)).collect();
    all.sort_by(|a, b| a.bic.total_cmp(&b.bic));
    Ok(all)
}

fn judged(law: Law, sample: &Sample) -> Candidate {
    let log_likelihood: f64 = sample.values.iter().map(|x| law.log_density(*x)).sum();
    let k = law.parameters().len() as f64;
    let bic = k * libm::log(sample.len()) - 2.0 * log_likelihood;
    Candidate { law, log_likelihood, bic, ks: one_sample(&sample.values, |x| law.cdf(x)) }
}
