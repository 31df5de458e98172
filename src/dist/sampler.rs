//! Compiled distributions: all constants worked out once, one value per call.

use std::sync::Arc;

use crate::random::Draws;
use crate::stats::special::normal_quantile;

/// Above this mean a Poisson number is drawn by rejection, below by inversion.
const POISSON_INVERSION_MEAN: f64 = 30.0;

/// A compiled distribution over base units (seconds, bytes, tokens).
///
/// A value is `clamp(x + shift, min, max)` with `x` from the family. Families with a usable inverse
/// take one uniform and are monotone in it, which is what common random numbers want: uniform,
/// exponential, normal, lognormal, weibull, pareto, lomax, geometric, empirical, and Poisson up to
/// a mean of 30. Gamma and Erlang (Marsaglia and Tsang 2000), larger Poisson means (Hörmann's PTRS,
/// 1993), hyperexponential and mixtures (one uniform picks the branch) take several.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    pub(super) shape: Shape,
    pub(super) shift: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Nothing to shift or clamp: skip it on the hot path.
    pub(super) plain: bool,
}

/// A family with its parameters, as sampling wants them. All values are at least 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Constant(f64),
    Uniform {
        low: f64,
        width: f64,
    },
    Exponential {
        mean: f64,
    },
    /// Normal given that it is not negative; `above` = Φ(mean / deviation), the share kept.
    Normal {
        mean: f64,
        deviation: f64,
        above: f64,
    },
    Lognormal {
        mu: f64,
        sigma: f64,
    },
    Gamma {
        shape: f64,
        scale: f64,
    },
    Weibull {
        shape: f64,
        scale: f64,
    },
    Pareto {
        shape: f64,
        scale: f64,
    },
    Lomax {
        shape: f64,
        scale: f64,
    },
    /// Mean `fast` with chance `chance`, else mean `slow`.
    Hyperexponential {
        chance: f64,
        fast: f64,
        slow: f64,
    },
    /// Support 1, 2, …; `log_miss` = ln(1 − 1/mean).
    Geometric {
        mean: f64,
        log_miss: f64,
    },
    Poisson {
        mean: f64,
    },
    /// Values in rising order; `cumulative` ends at 1 and is absent if all weigh the same.
    Values {
        values: Arc<[f64]>,
        cumulative: Option<Arc<[f64]>>,
    },
    /// Points (p, value) of the inverse distribution function, both rising, from p = 0 to p = 1.
    Quantiles {
        points: Arc<[(f64, f64)]>,
    },
    /// Cumulative weight and branch; the last weight is 1.
    Mixture {
        branches: Arc<[(f64, Sampler)]>,
    },
}

impl Sampler {
    pub(super) fn new(shape: Shape, shift: f64, min: f64, max: f64) -> Self {
        let plain = shift == 0.0 && min == 0.0 && max == f64::INFINITY;
        // Folded here so that a constant never pays for its clamp and is known as one.
        let shape = match shape {
            Shape::Constant(x) => Shape::Constant((x + shift).clamp(min, max)),
            // No family goes below zero, so nothing is below the shift.
            _ if max <= min.max(shift) => Shape::Constant(max),
            other => return Sampler { shape: other, shift, min, max, plain },
        };
        Sampler { shape, shift: 0.0, min: 0.0, max: f64::INFINITY, plain: true }
    }

    /// One value, in base units, at least 0. A constant takes no word from `draws`.
    #[inline]
    pub fn sample(&self, draws: &mut Draws) -> f64 {
        let x = self.shape.sample(draws);
        if self.plain { x } else { (x + self.shift).clamp(self.min, self.max) }
    }

    /// The value if it is always the same.
    pub fn constant(&self) -> Option<f64> {
        if let Shape::Constant(x) = self.shape { Some(x) } else { None }
    }
}

impl Shape {
    #[inline]
    fn sample(&self, draws: &mut Draws) -> f64 {
        match self {
            Shape::Constant(x) => *x,
            Shape::Gamma { shape, scale } => scale * standard_gamma(*shape, draws),
            Shape::Hyperexponential { chance, fast, slow } => {
                let mean = if draws.bernoulli(*chance) { fast } else { slow };
                -mean * libm::log1p(-draws.uniform())
            }
            Shape::Poisson { mean } if *mean > POISSON_INVERSION_MEAN => {
                poisson_by_rejection(*mean, draws)
            }
            Shape::Mixture { branches } => {
                let u = draws.uniform();
                let found = branches.iter().find(|(weight, _)| u < *weight);
                // The last cumulative weight is 1 and u is below it.
                found.map_or(0.0, |(_, sampler)| sampler.sample(draws))
            }
            inverse => inverse.inverse(draws.uniform()).unwrap_or(0.0),
        }
    }

    /// The quantile at `u` in (0, 1), for families where it is cheap.
    #[inline]
    pub(super) fn inverse(&self, u: f64) -> Option<f64> {
        Some(match self {
            Shape::Constant(x) => *x,
            Shape::Uniform { low, width } => low + width * u,
            Shape::Exponential { mean } => -mean * libm::log1p(-u),
            Shape::Normal { mean, deviation, above } => {
                // From the upper tail, so that the cut at zero costs no precision there.
                (mean - deviation * normal_quantile((1.0 - u) * above)).max(0.0)
            }
            Shape::Lognormal { mu, sigma } => libm::exp(mu + sigma * normal_quantile(u)),
            Shape::Weibull { shape, scale } => scale * libm::pow(-libm::log1p(-u), 1.0 / shape),
            Shape::Pareto { shape, scale } => scale * libm::exp(-libm::log1p(-u) / shape),
            Shape::Lomax { shape, scale } => scale * libm::expm1(-libm::log1p(-u) / shape),
            Shape::Geometric { log_miss, .. } => (libm::log1p(-u) / log_miss).ceil().max(1.0),
            Shape::Poisson { mean } if *mean <= POISSON_INVERSION_MEAN => {
                poisson_by_inversion(*mean, u)
            }
            Shape::Values { values, cumulative: None } => {
                values[((u * values.len() as f64) as usize).min(values.len() - 1)]
            }
            Shape::Values { values, cumulative: Some(cumulative) } => {
                values[cumulative.partition_point(|c| *c <= u).min(values.len() - 1)]
            }
            Shape::Quantiles { points } => interpolate(points, u),
            _ => return None,
        })
    }
}

/// The inverse distribution function through `points` at `u`.
fn interpolate(points: &[(f64, f64)], u: f64) -> f64 {
    let after = points.partition_point(|(p, _)| *p <= u).clamp(1, points.len() - 1);
    let ((p0, v0), (p1, v1)) = (points[after - 1], points[after]);
    v0 + (v1 - v0) * (u - p0) / (p1 - p0)
}

/// A gamma variable of scale 1: Marsaglia and Tsang, "A Simple Method for Generating Gamma
/// Variables", 2000, with its boost for shapes below 1.
fn standard_gamma(shape: f64, draws: &mut Draws) -> f64 {
    if shape < 1.0 {
        let boost = libm::pow(draws.uniform(), 1.0 / shape);
        return boost * standard_gamma(shape + 1.0, draws);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal_quantile(draws.uniform());
        let v = 1.0 + c * x;
        let u = draws.uniform();
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        if libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// The smallest k whose cumulative chance reaches `u`.
fn poisson_by_inversion(mean: f64, u: f64) -> f64 {
    let mut k = 0.0;
    let mut chance = libm::exp(-mean);
    let mut below = chance;
    // The sum may stop short of a u next to 1 by rounding; a vanished term ends the search.
    while u > below && chance > 1e-300 {
        k += 1.0;
        chance *= mean / k;
        below += chance;
        if k > mean && chance < 1e-18 {
            break;
        }
    }
    k
}

/// Hörmann, "The transformed rejection method for generating Poisson random variables", 1993: PTRS.
fn poisson_by_rejection(mean: f64, draws: &mut Draws) -> f64 {
    let log_mean = libm::log(mean);
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let quick = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = draws.uniform() - 0.5;
        let v = draws.uniform();
        let edge = 0.5 - u.abs();
        let k = ((2.0 * a / edge + b) * u + mean + 0.43).floor();
        if edge >= 0.07 && v <= quick {
            return k;
        }
        if k < 0.0 || (edge < 0.013 && v > edge) {
            continue;
        }
        let left = libm::log(v * inverse_alpha / (a / (edge * edge) + b));
        if left <= k * log_mean - mean - libm::lgamma(k + 1.0) {
            return k;
        }
    }
}
