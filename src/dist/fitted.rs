//! Distributions from what was fitted to a sample.

use std::fmt::Display;

use super::build::Bounds;
use super::{Argument, Body, Dist, DistError};
use crate::stats::fit::Law;
use crate::units::Quantity;

/// Digits of a fitted number that are written: its uncertainty is in the third at best.
const DIGITS: i32 = 6;

impl<Q: Quantity + Display> Dist<Q> {
    /// A fitted law over base units, its parameters rounded to six digits.
    ///
    /// # Errors
    /// If a parameter does not fit the quantity, such as a scale that rounds to nothing.
    pub fn of_law(law: &Law) -> Result<Self, DistError> {
        use Argument::{Number, Quantity};
        let quantity = |value: f64| Quantity(Q::from_base(rounded(value)));
        let number = |value: f64| Number(rounded(value));
        let lognormal = |mu: f64, sigma: f64| vec![("mu", number(mu)), ("sigma", number(sigma))];
        match *law {
            Law::Constant(value) => Ok(Dist::constant(Q::from_base(value))),
            Law::Exponential { mean } => Self::family("exponential", &[("mean", quantity(mean))]),
            Law::Lognormal { mu, sigma } => Self::family("lognormal", &lognormal(mu, sigma)),
            Law::ShiftedLognormal { shift, mu, sigma } => {
                let shift = Some(Q::from_base(rounded(shift))).filter(|shift| shift.base() > 0.0);
                let bounds = Bounds { shift, ..Bounds::NONE };
                Self::build(Body::Family("lognormal", lognormal(mu, sigma)), bounds)
            }
            Law::Gamma { shape, scale } => {
                Self::family("gamma", &[("shape", number(shape)), ("scale", quantity(scale))])
            }
            Law::Weibull { shape, scale } => {
                Self::family("weibull", &[("shape", number(shape)), ("scale", quantity(scale))])
            }
            Law::TwoLognormals { weight, mu, sigma } => {
                let weight = rounded(weight);
                let branch = |place: usize, weight: f64| {
                    let law = Law::Lognormal { mu: mu[place], sigma: sigma[place] };
                    Ok((weight, Self::of_law(&law)?))
                };
                let branches = vec![branch(0, weight)?, branch(1, rounded(1.0 - weight))?];
                Self::build(Body::Mixture(branches), Bounds::NONE)
            }
        }
    }

    /// The inverse distribution function through points `(p, value)`, linear between them, from
    /// p = 0 to p = 1.
    ///
    /// # Errors
    /// If the points do not rise, or do not go from 0 to 1.
    pub fn through(points: Vec<(f64, Q)>) -> Result<Self, DistError> {
        Self::build(Body::Quantiles(points), Bounds::NONE)
    }

    /// Lognormal with median 1: a factor.
    ///
    /// # Errors
    /// If sigma is no number from 0.
    pub fn factor(sigma: f64) -> Result<Self, DistError> {
        Self::of_law(&Law::Lognormal { mu: 0.0, sigma })
    }
}

/// A number to six significant digits.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let places = DIGITS - 1 - libm::floor(libm::log10(value.abs())) as i32;
    let scale = libm::pow(10.0, f64::from(places.abs()));
    if places >= 0 { (value * scale).round() / scale } else { (value / scale).round() * scale }
}
