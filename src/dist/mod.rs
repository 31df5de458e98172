//! Distributions of quantities: how they are written, sampled, and what their moments are.
//!
//! A bare quantity is a constant; a map with one key names a family:
//!
//! ```
//! use plimsoll::{dist::Dist, units::Span};
//! let think: Dist<Span> = serde_yaml::from_str("lognormal: {median: 2m, p95: 30m, max: 4h}")?;
//! assert_eq!(think.quantile(0.5), Span::from_secs(120));
//! let boot: Dist<Span> = serde_yaml::from_str("250ms")?;
//! assert!(boot.is_constant());
//! # Ok::<(), serde_yaml::Error>(())
//! ```
//!
//! Every family takes `shift`, `min` and `max`: the value is `clamp(x + shift, min, max)`, so mass
//! outside is moved to the bound, not drawn again. A mixture's branches have their own.
//!
//! | form | meaning |
//! |---|---|
//! | `uniform {low, high}` | equally likely |
//! | `exponential {mean}` | memoryless |
//! | `normal {mean, stddev}` | of the untruncated normal; drawn given that it is not negative |
//! | `lognormal {median, p95}`, `{mean, cv}`, `{mu, sigma}` | natural log of the base unit |
//! | `gamma {mean, cv}`, `{shape, scale}` | mean = shape · scale |
//! | `erlang {shape, mean}` | `shape` phases |
//! | `weibull {shape, scale}` | P(X > x) = exp(−(x / scale)^shape) |
//! | `pareto {shape, scale}` | P(X > x) = (scale / x)^shape from scale up |
//! | `lomax {shape, scale}` | P(X > x) = (1 + x / scale)^−shape |
//! | `hyperexponential {mean, cv}` | two branches, balanced means |
//! | `geometric {mean}` | 1, 2, … |
//! | `poisson {mean}` | 0, 1, 2, … |
//! | `empirical {values, weights}` | one of the values; equal weights if none are given |
//! | `empirical {quantiles: [[p, value], …]}` | inverse distribution function, linear between points from p = 0 to p = 1 |
//! | `mixture [{weight, <one of these>}, …]` | one branch, by weight; a constant branch is `constant: 2s` |

mod build;
mod error;
mod family;
mod fitted;
mod moments;
mod read;
mod sampler;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use crate::random::Draws;
use crate::units::Quantity;

use build::Bounds;
pub use error::DistError;
pub use fitted::rounded;
pub use sampler::Sampler;

/// A distribution of a quantity: as written, and compiled for sampling.
#[derive(Clone, Debug, PartialEq)]
pub struct Dist<Q> {
    body: Body<Q>,
    bounds: Bounds<Q>,
    sampler: Sampler,
}

/// A distribution as written.
#[derive(Clone, Debug, PartialEq)]
enum Body<Q> {
    Constant(Q),
    /// A family's name and its parameters in the order of its form.
    Family(&'static str, Vec<(&'static str, Argument<Q>)>),
    /// Values, and weights if any were given.
    Values(Vec<Q>, Option<Vec<f64>>),
    /// Points of the inverse distribution function.
    Quantiles(Vec<(f64, Q)>),
    /// Weights and branches.
    Mixture(Vec<(f64, Dist<Q>)>),
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Argument<Q> {
    Quantity(Q),
    Number(f64),
}

impl<Q: Quantity> Dist<Q> {
    /// Always `value`.
    pub fn constant(value: Q) -> Self {
        let shape = sampler::Shape::Constant(value.base());
        let sampler = Sampler::new(shape, 0.0, 0.0, f64::INFINITY);
        Dist { body: Body::Constant(value), bounds: Bounds::NONE, sampler }
    }

    /// One value, rounded as the quantity needs (half up for whole ones).
    #[inline]
    pub fn sample(&self, draws: &mut Draws) -> Q {
        Q::from_base(self.sampler.sample(draws))
    }

    /// The compiled form, for callers that go on in base units.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Mean in base units, before rounding to the quantity's resolution; may be infinite.
    pub fn mean(&self) -> f64 {
        self.sampler.mean()
    }

    /// Variance in squared base units, before rounding; may be infinite.
    pub fn variance(&self) -> f64 {
        self.sampler.variance()
    }

    /// The smallest value whose distribution function reaches `p`, for p in (0, 1).
    pub fn quantile(&self, p: f64) -> Q {
        Q::from_base(self.sampler.quantile(p))
    }

    /// The value if it is always the same.
    pub fn as_constant(&self) -> Option<Q> {
        match self.body {
            Body::Constant(value) => Some(value),
            _ => self.sampler.constant().map(Q::from_base),
        }
    }

    /// Whether the value is always the same.
    pub fn is_constant(&self) -> bool {
        self.sampler.constant().is_some()
    }
}
