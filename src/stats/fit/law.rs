//! The families that are fitted, with their densities, distribution functions and quantiles.

use crate::stats::special::{gamma_upper, normal_cdf, normal_quantile};

/// ln √(2π).
const LOG_ROOT_TAU: f64 = 0.918_938_533_204_672_8;

/// A distribution of positive numbers with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Always the same.
    Constant(f64),
    /// Memoryless.
    Exponential {
        /// Its mean.
        mean: f64,
    },
    /// ln x is normal.
    Lognormal {
        /// Mean of ln x.
        mu: f64,
        /// Standard deviation of ln x.
        sigma: f64,
    },
    /// ln(x − shift) is normal.
    ShiftedLognormal {
        /// What no value is below.
        shift: f64,
        /// Mean of ln(x − shift).
        mu: f64,
        /// Standard deviation of ln(x − shift).
        sigma: f64,
    },
    /// Mean shape · scale.
    Gamma {
        /// Shape.
        shape: f64,
        /// Scale.
        scale: f64,
    },
    /// P(X > x) = exp(−(x / scale)^shape).
    Weibull {
        /// Shape.
        shape: f64,
        /// Scale.
        scale: f64,
    },
    /// A lognormal with chance `weight`, else another.
    TwoLognormals {
        /// Chance of the first, which has the smaller mu.
        weight: f64,
        /// Means of ln x.
        mu: [f64; 2],
        /// Standard deviations of ln x.
        sigma: [f64; 2],
    },
}

/// What a parameter may be: how its interval is kept inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Any number.
    Any,
    /// Above zero.
    Positive,
    /// Between 0 and 1.
    Share,
}

impl Law {
    /// What a person calls the family.
    pub fn family(&self) -> &'static str {
        match self {
            Law::Constant(_) => "constant",
            Law::Exponential { .. } => "exponential",
            Law::Lognormal { .. } => "lognormal",
            Law::ShiftedLognormal { .. } => "shifted lognormal",
            Law::Gamma { .. } => "gamma",
            Law::Weibull { .. } => "Weibull",
            Law::TwoLognormals { .. } => "two lognormals",
        }
    }

    /// The parameters that were fitted, by name.
    pub fn parameters(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Law::Constant(value) => vec![("constant", value)],
            Law::Exponential { mean } => vec![("mean", mean)],
            Law::Lognormal { mu, sigma } => vec![("mu", mu), ("sigma", sigma)],
            Law::ShiftedLognormal { shift, mu, sigma } => {
                vec![("shift", shift), ("mu", mu), ("sigma", sigma)]
            }
            Law::Gamma { shape, scale } | Law::Weibull { shape, scale } => {
                vec![("shape", shape), ("scale", scale)]
            }
            Law::TwoLognormals { weight, mu, sigma } => vec![
                ("weight", weight),
                ("mu 1", mu[0]),
                ("sigma 1", sigma[0]),
                ("mu 2", mu[1]),
                ("sigma 2", sigma[1]),
            ],
        }
    }

    /// What each of the parameters may be.
    pub(super) fn ranges(&self) -> &'static [Range] {
        use Range::{Any, Positive, Share};
        match self {
            Law::Constant(_) => &[],
            Law::Exponential { .. } => &[Positive],
            Law::Lognormal { .. } => &[Any, Positive],
            Law::ShiftedLognormal { .. } => &[Any, Any, Positive],
            Law::Gamma { .. } | Law::Weibull { .. } => &[Positive, Positive],
            Law::TwoLognormals { .. } => &[Share, Any, Positive, Any, Positive],
        }
    }

    /// The same family with other parameters, in the order of [`Law::parameters`].
    pub(super) fn with(&self, p: &[f64]) -> Law {
        match self {
            Law::Constant(_) => *self,
            Law::Exponential { .. } => Law::Exponential { mean: p[0] },
            Law::Lognormal { .. } => Law::Lognormal { mu: p[0], sigma: p[1] },
            Law::ShiftedLognormal { .. } => {
                Law::ShiftedLognormal { shift: p[0], mu: p[1], sigma: p[2] }
            }
            Law::Gamma { .. } => Law::Gamma { shape: p[0], scale: p[1] },
            Law::Weibull { .. } => Law::Weibull { shape: p[0], scale: p[1] },
            Law::TwoLognormals { .. } => {
                Law::TwoLognormals { weight: p[0], mu: [p[1], p[3]], sigma: [p[2], p[4]] }
            }
        }
    }

    /// ln of the density at x > 0; −∞ outside the support.
    pub fn log_density(&self, x: f64) -> f64 {
        match *self {
            Law::Constant(value) if x == value => f64::INFINITY,
            Law::Constant(_) => f64::NEG_INFINITY,
            Law::Exponential { mean } => -libm::log(mean) - x / mean,
            Law::Lognormal { mu, sigma } => lognormal_log_density(libm::log(x), mu, sigma),
            Law::ShiftedLognormal { shift, .. } if x <= shift => f64::NEG_INFINITY,
            Law::ShiftedLognormal { shift, mu, sigma } => {
                lognormal_log_density(libm::log(x - shift), mu, sigma)
            }
            Law::Gamma { shape, scale } => {
                let z = x / scale;
                (shape - 1.0) * libm::log(z) - z - libm::lgamma(shape) - libm::log(scale)
            }
            Law::Weibull { shape, scale } => {
                let log = libm::log(x / scale);
                libm::log(shape / scale) + (shape - 1.0) * log - libm::exp(shape * log)
            }
            Law::TwoLognormals { weight, mu, sigma } => {
                let log = libm::log(x);
                let one = libm::log(weight) + lognormal_log_density(log, mu[0], sigma[0]);
                let two = libm::log1p(-weight) + lognormal_log_density(log, mu[1], sigma[1]);
                log_sum(one, two)
            }
        }
    }

    /// P(X ≤ x).
    pub fn cdf(&self, x: f64) -> f64 {
        if let Law::Constant(value) = *self {
            return f64::from(u8::from(x >= value));
        }
        if x <= 0.0 {
            return 0.0;
        }
        let normal = |x: f64, mu: f64, sigma: f64| normal_cdf((libm::log(x) - mu) / sigma);
        match *self {
            Law::Constant(_) => unreachable!("answered above"),
            Law::Exponential { mean } => -libm::expm1(-x / mean),
            Law::Lognormal { mu, sigma } => normal(x, mu, sigma),
            Law::ShiftedLognormal { shift, .. } if x <= shift => 0.0,
            Law::ShiftedLognormal { shift, mu, sigma } => normal(x - shift, mu, sigma),
            Law::Gamma { shape, scale } => 1.0 - gamma_upper(shape, x / scale),
            Law::Weibull { shape, scale } => -libm::expm1(-libm::pow(x / scale, shape)),
            Law::TwoLognormals { weight, mu, sigma } => {
                weight * normal(x, mu[0], sigma[0]) + (1.0 - weight) * normal(x, mu[1], sigma[1])
            }
        }
    }

    /// The value that the share p in (0, 1) is not above.
    pub fn quantile(&self, p: f64) -> f64 {
        let lognormal = |mu: f64, sigma: f64| libm::exp(mu + sigma * normal_quantile(p));
        match *self {
            Law::Constant(value) => value,
            Law::Exponential { mean } => -mean * libm::log1p(-p),
            Law::Lognormal { mu, sigma } => lognormal(mu, sigma),
            Law::ShiftedLognormal { shift, mu, sigma } => shift + lognormal(mu, sigma),
            Law::Weibull { shape, scale } => scale * libm::pow(-libm::log1p(-p), 1.0 / shape),
            Law::Gamma { shape, scale } => self.bisected(p, shape * scale, shape * scale),
            Law::TwoLognormals { mu, sigma, .. } => {
                let ends = [lognormal(mu[0], sigma[0]), lognormal(mu[1], sigma[1])];
                self.bisected(p, ends[0].min(ends[1]), ends[0].max(ends[1]))
            }
        }
    }

    /// The quantile by bisection, its bracket widened from a first guess.
    fn bisected(&self, p: f64, low: f64, high: f64) -> f64 {
        let (mut low, mut high) = (low, high);
        while self.cdf(low) > p && low > f64::MIN_POSITIVE {
            low *= 0.5;
        }
        while self.cdf(high) < p && high < f64::MAX / 2.0 {
            high *= 2.0;
        }
        while high - low > 1e-13 * high {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if self.cdf(middle) < p { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

/// ln of the density at x of a lognormal, from ln x.
pub(super) fn lognormal_log_density(log: f64, mu: f64, sigma: f64) -> f64 {
    let z = (log - mu) / sigma;
    -0.5 * z * z - libm::log(sigma) - LOG_ROOT_TAU - log
}

/// ln(eᵃ + eᵇ) without overflow.
pub(super) fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + libm::log1p(libm::exp(low - high)) }
}
