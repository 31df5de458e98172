//! Families of one or two parameters: closed forms and one-dimensional Newton iterations.

use super::{Law, Sample};

/// Newton steps after which an iteration is given up: it takes less than ten.
const STEPS: u32 = 100;

/// Relative step at which an iteration has converged.
const CONVERGED: f64 = 1e-12;

/// From here up the asymptotic series of ln k − ψ(k) is exact to the last digit.
const ASYMPTOTIC: f64 = 20.0;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and standard deviation by maximum likelihood (divided by n).
pub(super) fn normal(values: &[f64]) -> (f64, f64) {
    let centre = mean(values);
    let square = values.iter().map(|x| (x - centre) * (x - centre)).sum::<f64>();
    (centre, (square / values.len() as f64).sqrt())
}

pub(super) fn exponential(sample: &Sample) -> Law {
    Law::Exponential { mean: mean(&sample.values) }
}

pub(super) fn lognormal(sample: &Sample) -> Law {
    let (mu, sigma) = normal(&sample.logs);
    Law::Lognormal { mu, sigma }
}

/// Shape k solves ln k − ψ(k) = ln mean(x) − mean(ln x); the iteration on 1/k is T. Minka's,
/// "Estimating a Gamma distribution" (2002).
pub(super) fn gamma(sample: &Sample) -> Option<Law> {
    let centre = mean(&sample.values);
    let gap = libm::log(centre) - mean(&sample.logs);
    if gap.is_nan() || gap <= 0.0 {
        return None;
    }
    let mut k = (3.0 - gap + ((gap - 3.0) * (gap - 3.0) + 24.0 * gap).sqrt()) / (12.0 * gap);
    for _ in 0..STEPS {
        let (excess, slope) = log_less_digamma(k);
        let inverse = 1.0 / k - (excess - gap) / (k * k * slope);
        let next = if inverse > 0.0 { 1.0 / inverse } else { k / 2.0 };
        let done = (next - k).abs() <= CONVERGED * k;
        k = next;
        if done {
            return Some(Law::Gamma { shape: k, scale: centre / k });
        }
    }
    None
}

/// ln k − ψ(k) and how fast it falls, ψ′(k) − 1/k: both are positive.
fn log_less_digamma(k: f64) -> (f64, f64) {
    // ψ(k) = ψ(k + 1) − 1/k and ψ′(k) = ψ′(k + 1) + 1/k².
    let (mut x, mut digamma, mut trigamma) = (k, 0.0, 0.0);
    while x < ASYMPTOTIC {
        digamma -= 1.0 / x;
        trigamma += 1.0 / (x * x);
        x += 1.0;
    }
    // Abramowitz and Stegun 6.3.18 and 6.4.12, less ln x and 1/x.
    let i = 1.0 / (x * x);
    let excess = 0.5 / x + i * (1.0 / 12.0 - i * (1.0 / 120.0 - i * (1.0 / 252.0 - i / 240.0)));
    let tail = 0.5 * i + i / x * (1.0 / 6.0 - i * (1.0 / 30.0 - i * (1.0 / 42.0 - i / 30.0)));
    (excess + libm::log(k / x) - digamma, tail + (1.0 / x - 1.0 / k) + trigamma)
}

/// Shape k solves Σ xᵏ ln x / Σ xᵏ − 1/k = mean(ln x), whose left side rises in k.
pub(super) fn weibull(sample: &Sample) -> Option<Law> {
    let top = *sample.logs.last()?;
    // In logarithms below the largest, so that no power overflows.
    let logs: Vec<f64> = sample.logs.iter().map(|log| log - top).collect();
    let (centre, deviation) = normal(&logs);
    // The standard deviation of ln x is π / (√6 k).
    let mut k = std::f64::consts::PI / (6.0_f64.sqrt() * deviation);
    for _ in 0..STEPS {
        let (mut zero, mut one, mut two) = (0.0, 0.0, 0.0);
        for log in &logs {
            let power = libm::exp(k * log);
            zero += power;
            one += power * log;
            two += power * log * log;
        }
        let tilted = one / zero;
        let value = tilted - 1.0 / k - centre;
        let slope = (two / zero - tilted * tilted) + 1.0 / (k * k);
        let next = k - value / slope;
        let next = if next > 0.0 { next } else { k / 2.0 };
        let done = (next - k).abs() <= CONVERGED * k;
        k = next;
        if done {
            let power = logs.iter().map(|log| libm::exp(k * log)).sum::<f64>() / sample.len();
            let scale = libm::exp(top + libm::log(power) / k);
            return Some(Law::Weibull { shape: k, scale });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ψ(1) = −γ, ψ′(1) = π²/6, ψ(1/2) = −γ − 2 ln 2 (Abramowitz and Stegun 6.3.2, 6.3.3, 6.4.2).
    #[test]
    fn digamma_and_trigamma_at_known_points() {
        let euler = 0.577_215_664_901_532_9;
        let (excess, slope) = log_less_digamma(1.0);
        assert!((excess - euler).abs() < 1e-14, "{excess}");
        let trigamma = std::f64::consts::PI * std::f64::consts::PI / 6.0;
        assert!((slope - (trigamma - 1.0)).abs() < 1e-13, "{slope}");
        let (half, _) = log_less_digamma(0.5);
        assert!((half - (euler + std::f64::consts::LN_2)).abs() < 1e-14, "{half}");
        // Large shapes: 1/(2k) + 1/(12k²), without cancellation.
        let (large, _) = log_less_digamma(1e8);
        assert!((large / (0.5e-8 + 1e-16 / 12.0) - 1.0).abs() < 1e-13, "{large:e}");
    }
}
