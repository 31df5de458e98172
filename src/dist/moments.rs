//! Moments, distribution functions and quantiles of compiled distributions.
//!
//! Unclamped moments are the families' formulas. With `min` or `max`, empirical and discrete
//! families are summed, uniform is worked out in pieces, and the others integrate the survival
//! function: for `Z = clamp(X, lo, hi)`, `E g(Z) = g(lo) + ∫_lo^hi g′(x) P(X > x) dx`, and with
//! `hi = ∞`, `E g(Z) = E g(X) + ∫_0^lo g′(x) P(X ≤ x) dx`.

use super::sampler::{Sampler, Shape};
use crate::stats::special::{gamma_upper, integral, normal_cdf, normal_density};

impl Sampler {
    /// Mean in base units, before rounding to the quantity's resolution; infinite where the
    /// family's is.
    pub fn mean(&self) -> f64 {
        match self.bounds_on_shape() {
            None => self.shape.mean() + self.shift,
            Some((low, high)) => self.shape.clamped(low, high).0 + self.shift,
        }
    }

    /// Variance in squared base units, before rounding; infinite where the family's is.
    pub fn variance(&self) -> f64 {
        match self.bounds_on_shape() {
            None => self.shape.variance(),
            Some((low, high)) => self.shape.clamped(low, high).1,
        }
    }

    /// P(value ≤ x).
    pub fn cdf(&self, x: f64) -> f64 {
        if x < self.min {
            0.0
        } else if x >= self.max {
            1.0
        } else {
            1.0 - self.shape.survival(x - self.shift)
        }
    }

    /// The smallest value whose distribution function reaches `p`, for p in (0, 1).
    pub fn quantile(&self, p: f64) -> f64 {
        let x = self.shape.inverse(p).unwrap_or_else(|| self.shape.search(p));
        (x + self.shift).clamp(self.min, self.max)
    }

    /// The clamp as seen by the unshifted family, if there is one that can bind.
    fn bounds_on_shape(&self) -> Option<(f64, f64)> {
        let (low, high) = ((self.min - self.shift).max(0.0), self.max - self.shift);
        if low == 0.0 && high == f64::INFINITY { None } else { Some((low, high)) }
    }
}

impl Shape {
    fn mean(&self) -> f64 {
        match self {
            Shape::Constant(x) => *x,
            Shape::Uniform { low, width } => low + 0.5 * width,
            Shape::Exponential { mean }
            | Shape::Geometric { mean, .. }
            | Shape::Poisson { mean } => *mean,
            Shape::Normal { mean, deviation, above } => {
                mean + deviation * normal_density(mean / deviation) / above
            }
            Shape::Lognormal { mu, sigma } => libm::exp(mu + 0.5 * sigma * sigma),
            Shape::Gamma { shape, scale } => shape * scale,
            Shape::Weibull { shape, scale } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Shape::Pareto { shape, scale } if *shape > 1.0 => scale * shape / (shape - 1.0),
            Shape::Lomax { shape, scale } if *shape > 1.0 => scale / (shape - 1.0),
            Shape::Pareto { .. } | Shape::Lomax { .. } => f64::INFINITY,
            Shape::Hyperexponential { chance, fast, slow } => chance * fast + (1.0 - chance) * slow,
            Shape::Values { .. } | Shape::Quantiles { .. } => self.clamped(0.0, f64::INFINITY).0,
            Shape::Mixture { branches } => {
                weighted(branches).map(|(weight, part)| weight * part.mean()).sum()
            }
        }
    }

    fn variance(&self) -> f64 {
        match self {
            Shape::Constant(_) => 0.0,
            Shape::Uniform { width, .. } => width * width / 12.0,
            Shape::Exponential { mean } => mean * mean,
            Shape::Normal { mean, deviation, above } => {
                let z = mean / deviation;
                let hazard = normal_density(z) / above;
                deviation * deviation * (1.0 - z * hazard - hazard * hazard)
            }
            Shape::Lognormal { mu, sigma } => {
                let s = sigma * sigma;
                libm::expm1(s) * libm::exp(2.0 * mu + s)
            }
            Shape::Gamma { shape, scale } => shape * scale * scale,
            Shape::Weibull { shape, scale } => {
                let first = libm::tgamma(1.0 + 1.0 / shape);
                scale * scale * (libm::tgamma(1.0 + 2.0 / shape) - first * first)
            }
            Shape::Pareto { shape, scale } | Shape::Lomax { shape, scale } if *shape > 2.0 => {
                scale * scale * shape / ((shape - 1.0) * (shape - 1.0) * (shape - 2.0))
            }
            Shape::Pareto { .. } | Shape::Lomax { .. } => f64::INFINITY,
            Shape::Hyperexponential { chance, fast, slow } => {
                let mean = self.mean();
                let second = 2.0 * (chance * fast * fast + (1.0 - chance) * slow * slow);
                second - mean * mean
            }
            Shape::Geometric { mean, .. } => mean * (mean - 1.0),
            Shape::Poisson { mean } => *mean,
            Shape::Values { .. } | Shape::Quantiles { .. } => self.clamped(0.0, f64::INFINITY).1,
            Shape::Mixture { branches } => mixture_variance(branches, self.mean()),
        }
    }

    /// P(X > x).
    fn survival(&self, x: f64) -> f64 {
        if x < 0.0 {
            return 1.0;
        }
        match self {
            Shape::Constant(c) => f64::from(u8::from(x < *c)),
            Shape::Uniform { low, width } => (1.0 - (x - low) / width).clamp(0.0, 1.0),
            Shape::Exponential { mean } => libm::exp(-x / mean),
            Shape::Normal { mean, deviation, above } => {
                (normal_cdf((mean - x) / deviation) / above).min(1.0)
            }
            Shape::Lognormal { mu, sigma } => normal_cdf((mu - libm::log(x)) / sigma),
            Shape::Gamma { shape, scale } => gamma_upper(*shape, x / scale),
            Shape::Weibull { shape, scale } => libm::exp(-libm::pow(x / scale, *shape)),
            Shape::Pareto { shape, scale } => libm::pow(scale / x, *shape).min(1.0),
            Shape::Lomax { shape, scale } => libm::exp(-shape * libm::log1p(x / scale)),
            Shape::Hyperexponential { chance, fast, slow } => {
                chance * libm::exp(-x / fast) + (1.0 - chance) * libm::exp(-x / slow)
            }
            Shape::Geometric { log_miss, .. } => libm::exp(x.floor() * log_miss),
            Shape::Poisson { mean } => 1.0 - gamma_upper(x.floor() + 1.0, *mean),
            Shape::Values { values, cumulative } => {
                let count = values.partition_point(|v| *v <= x);
                match cumulative {
                    _ if count == 0 => 1.0,
                    None => 1.0 - count as f64 / values.len() as f64,
                    Some(cumulative) => 1.0 - cumulative[count - 1],
                }
            }
            Shape::Quantiles { points } => 1.0 - through(points, x),
            Shape::Mixture { branches } => {
                weighted(branches).map(|(weight, part)| weight * (1.0 - part.cdf(x))).sum()
            }
        }
    }

    /// Mean and variance of `clamp(X, low, high)`.
    fn clamped(&self, low: f64, high: f64) -> (f64, f64) {
        if low == high {
            return (low, 0.0);
        }
        match self {
            Shape::Uniform { low: start, width } => {
                let piece = (1.0, *start, start + width);
                clamped_pieces(&[piece], low, high)
            }
            Shape::Quantiles { points } => {
                let pieces: Vec<_> = points
                    .windows(2)
                    .map(|pair| (pair[1].0 - pair[0].0, pair[0].1, pair[1].1))
                    .collect();
                clamped_pieces(&pieces, low, high)
            }
            Shape::Values { values, cumulative } => {
                let even = 1.0 / values.len() as f64;
                let mut before = 0.0;
                let atoms = values.iter().enumerate().map(|(i, value)| {
                    let weight = cumulative.as_ref().map_or(even, |c| c[i] - before);
                    before = cumulative.as_ref().map_or(0.0, |c| c[i]);
                    (weight, *value, *value)
                });
                clamped_pieces(&atoms.collect::<Vec<_>>(), low, high)
            }
            Shape::Geometric { mean, log_miss } => {
                clamped_pieces(&geometric_atoms(*mean, *log_miss), low, high)
            }
            Shape::Poisson { mean } => clamped_pieces(&poisson_atoms(*mean), low, high),
            continuous => continuous.clamped_continuous(low, high),
        }
    }

    fn clamped_continuous(&self, low: f64, high: f64) -> (f64, f64) {
        let survival = |x: f64| self.survival(x);
        if high < f64::INFINITY {
            let mean = low + integral(&survival, low, high);
            let spread = integral(&|x| 2.0 * (x - mean) * survival(x), low, high);
            return (mean, ((low - mean) * (low - mean) + spread).max(0.0));
        }
        let (family_mean, family_variance) = (self.mean(), self.variance());
        if family_mean == f64::INFINITY {
            return (f64::INFINITY, f64::INFINITY);
        }
        let mean = family_mean + integral(&|x| 1.0 - survival(x), 0.0, low);
        let spread = integral(&|x| 2.0 * (x - mean) * (1.0 - survival(x)), 0.0, low);
        let moved = (family_mean - mean) * (family_mean - mean);
        (mean, (family_variance + moved + spread).max(0.0))
    }

    /// The quantile by bisection of the distribution function, for families without an inverse.
    fn search(&self, p: f64) -> f64 {
        let reached = |x: f64| 1.0 - self.survival(x) >= p;
        let (mut below, mut above) = (0.0, 1.0);
        while !reached(above) && above < 1e300 {
            below = above;
            above *= 2.0;
        }
        while above - below > 1e-15 * above && above > 1e-300 {
            let middle = 0.5 * (below + above);
            if middle <= below || middle >= above {
                break;
            }
            *(if reached(middle) { &mut above } else { &mut below }) = middle;
        }
        if matches!(self, Shape::Poisson { .. }) { above.round() } else { above }
    }
}

/// The distribution function that linear interpolation between quantiles implies.
fn through(points: &[(f64, f64)], x: f64) -> f64 {
    let after = points.partition_point(|(_, value)| *value <= x);
    if after == 0 {
        return 0.0;
    }
    let (p0, v0) = points[after - 1];
    points.get(after).map_or(1.0, |(p1, v1)| p0 + (p1 - p0) * (x - v0) / (v1 - v0))
}

/// Each branch with its own weight.
fn weighted(branches: &[(f64, Sampler)]) -> impl Iterator<Item = (f64, &Sampler)> {
    let mut before = 0.0;
    branches.iter().map(move |(cumulative, part)| {
        let weight = cumulative - before;
        before = *cumulative;
        (weight, part)
    })
}

fn mixture_variance(branches: &[(f64, Sampler)], mean: f64) -> f64 {
    if mean == f64::INFINITY {
        return f64::INFINITY;
    }
    weighted(branches)
        .map(|(weight, part)| {
            let off = part.mean() - mean;
            weight * (part.variance() + off * off)
        })
        .sum()
}

/// Mean and variance after clamping of a mixture of uniform pieces `(weight, from, to)`; a piece
/// of no width is an atom.
fn clamped_pieces(pieces: &[(f64, f64, f64)], low: f64, high: f64) -> (f64, f64) {
    let parts = || {
        pieces.iter().flat_map(move |&(weight, from, to)| {
            let (a, b) = (from.clamp(low, high), to.clamp(low, high));
            let share = if to > from { (b - a) / (to - from) } else { 0.0 };
            let under = if to > from { ((low - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
            let over = 1.0 - share - under;
            // Weight, centre, width of what lies below, inside and above the clamp.
            [
                (weight * under, a, 0.0),
                (weight * share, 0.5 * (a + b), b - a),
                (weight * over, b, 0.0),
            ]
        })
    };
    let total: f64 = parts().map(|(weight, ..)| weight).sum();
    let mean = parts().map(|(weight, centre, _)| weight * centre).sum::<f64>() / total;
    let squares = |(weight, centre, width): (f64, f64, f64)| {
        weight * ((centre - mean) * (centre - mean) + width * width / 12.0)
    };
    (mean, parts().map(squares).sum::<f64>() / total)
}

/// Chances of a geometric number, down to 10⁻²⁰.
fn geometric_atoms(mean: f64, log_miss: f64) -> Vec<(f64, f64, f64)> {
    let miss = libm::exp(log_miss);
    let mut chance = 1.0 / mean;
    let mut atoms = Vec::new();
    let mut k = 1.0;
    while chance * mean > 1e-20 {
        atoms.push((chance, k, k));
        chance *= miss;
        k += 1.0;
    }
    atoms
}

/// Chances of a Poisson number, walked from the mode both ways down to 10⁻²⁵.
fn poisson_atoms(mean: f64) -> Vec<(f64, f64, f64)> {
    let mode = mean.floor();
    let peak = libm::exp(mode * libm::log(mean) - mean - libm::lgamma(mode + 1.0));
    let mut atoms = vec![(peak, mode, mode)];
    let (mut chance, mut k) = (peak, mode);
    while chance > 1e-25 {
        k += 1.0;
        chance *= mean / k;
        atoms.push((chance, k, k));
    }
    (chance, k) = (peak, mode);
    while k > 0.0 && chance > 1e-25 {
        chance *= k / mean;
        k -= 1.0;
        atoms.push((chance, k, k));
    }
    atoms
}
