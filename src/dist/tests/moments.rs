//! Moments against formulas and worked cases.

use super::{EVERY_FAMILY, dist};
use crate::stats::special::normal_cdf;

#[track_caller]
fn moments(yaml: &str, mean: f64, variance: f64) {
    let dist = dist(yaml);
    for (name, found, expected) in
        [("mean", dist.mean(), mean), ("variance", dist.variance(), variance)]
    {
        let same = found == expected || (found - expected).abs() <= 1e-9 * expected.abs();
        assert!(same, "{yaml}: {name} is {found}, expected {expected}");
    }
}

#[test]
fn families_have_their_textbook_moments() {
    moments("7", 7.0, 0.0);
    moments("uniform: {low: 2, high: 8}", 5.0, 3.0);
    moments("exponential: {mean: 3}", 3.0, 9.0);
    moments("gamma: {mean: 4, cv: 0.5}", 4.0, 4.0);
    moments("gamma: {shape: 2, scale: 3}", 6.0, 18.0);
    moments("erlang: {shape: 4, mean: 2}", 2.0, 1.0);
    moments("lognormal: {mean: 5, cv: 2}", 5.0, 100.0);
    moments("lognormal: {mu: 0, sigma: 1}", libm::exp(0.5), libm::exp(2.0) - libm::exp(1.0));
    moments("weibull: {shape: 0.5, scale: 1}", 2.0, 20.0);
    moments("weibull: {shape: 1, scale: 4}", 4.0, 16.0);
    moments("pareto: {shape: 3, scale: 2}", 3.0, 3.0);
    moments("lomax: {shape: 3, scale: 2}", 1.0, 3.0);
    moments("pareto: {shape: 1.5, scale: 2}", 6.0, f64::INFINITY);
    moments("pareto: {shape: 1, scale: 2}", f64::INFINITY, f64::INFINITY);
    moments("hyperexponential: {mean: 3, cv: 2}", 3.0, 36.0);
    moments("geometric: {mean: 5}", 5.0, 20.0);
    moments("poisson: {mean: 80}", 80.0, 80.0);
    moments("empirical: {values: [1, 4, 4, 7]}", 4.0, 4.5);
    moments("empirical: {values: [4, 1], weights: [3, 1]}", 3.25, 1.6875);
    moments("empirical: {quantiles: [[0, 0], [0.5, 2], [1, 2]]}", 1.5, 5.0 / 12.0);
    moments("mixture: [{weight: 1, constant: 2}, {weight: 3, exponential: {mean: 4}}]", 3.5, 12.75);
}

#[test]
fn lognormal_by_median_and_p95_hits_both() {
    let dist = dist("lognormal: {median: 2, p95: 30}");
    assert!((dist.quantile(0.5).0 - 2.0).abs() < 1e-12);
    assert!((dist.quantile(0.95).0 - 30.0).abs() < 1e-10);
}

#[test]
fn a_normal_is_truncated_not_clamped() {
    // Half normal: mean √(2/π), variance 1 − 2/π.
    let two_over_pi = 2.0 / std::f64::consts::PI;
    moments("normal: {mean: 0, stddev: 1}", two_over_pi.sqrt(), 1.0 - two_over_pi);
    // Far from zero the truncation does nothing.
    moments("normal: {mean: 50, stddev: 2}", 50.0, 4.0);
}

#[test]
fn clamped_moments_match_closed_forms() {
    let e = libm::exp(-2.0);
    // min(X, 2) of a unit exponential: mean 1 − e⁻², second moment 2 − 6e⁻².
    moments("exponential: {mean: 1, max: 2}", 1.0 - e, 2.0 - 6.0 * e - (1.0 - e) * (1.0 - e));
    // max(X, 2) = 2 + (X − 2)⁺: mean 2 + e⁻², variance of the excess 2e⁻² − e⁻⁴.
    moments("exponential: {mean: 1, min: 2}", 2.0 + e, 2.0 * e - e * e);
    // The shift comes before the clamp: clamp(X + 1, 3, ∞) = 1 + max(X, 2).
    moments("exponential: {mean: 1, shift: 1, min: 3}", 3.0 + e, 2.0 * e - e * e);
    // min(X, 8) of a Pareto of shape 1 from 2: 2 + 2 ln 4, though the family has no mean;
    // second moment 4 + ∫₂⁸ 2x·2/x dx = 28.
    let mean = 2.0 + 2.0 * libm::log(4.0);
    moments("pareto: {shape: 1, scale: 2, max: 8}", mean, 28.0 - mean * mean);
    // min(N, 4) of a geometric with mean 2: 1 + ½ + ¼ + ⅛.
    moments("geometric: {mean: 2, max: 4}", 1.875, 1.109375);
    moments("uniform: {low: 0, high: 4, min: 1, max: 3}", 2.0, 2.0 / 3.0);
    moments("empirical: {values: [1, 4, 4, 9], max: 6, shift: 1}", 4.5, 2.25);
    moments("exponential: {mean: 1, min: 5, max: 5}", 5.0, 0.0);
    moments("uniform: {low: 1, high: 2, shift: 3, max: 2}", 2.0, 0.0);
}

#[test]
fn a_cut_lognormal_has_its_closed_form_mean() {
    // E min(X, c) = e^{μ+σ²/2} Φ((ln c − μ − σ²)/σ) + c Φ((μ − ln c)/σ), here over 9 decades.
    for cap in [0.5_f64, 3.0, 1000.0, 1e9] {
        let (mu, sigma) = (1.0, 1.5);
        let log = libm::log(cap);
        let mean = libm::exp(mu + 0.5 * sigma * sigma)
            * normal_cdf((log - mu - sigma * sigma) / sigma)
            + cap * normal_cdf((mu - log) / sigma);
        let found = dist(&format!("lognormal: {{mu: 1, sigma: 1.5, max: {cap}}}")).mean();
        assert!((found - mean).abs() < 1e-9 * mean, "cap {cap}: {found}, expected {mean}");
    }
}

/// A clamp that cannot bind leaves the formulas' moments: the summing and integrating way against
/// the closed one, for every family.
#[test]
fn the_clamped_way_agrees_with_the_formulas() {
    for yaml in EVERY_FAMILY {
        if yaml.contains("max") || yaml.contains("min") || !yaml.ends_with('}') {
            continue;
        }
        let free = dist(yaml);
        let cut = dist(&format!("{}, max: 10000000000}}", &yaml[..yaml.len() - 1]));
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-8 * b.abs();
        assert!(close(cut.mean(), free.mean()), "{yaml}: {} {}", cut.mean(), free.mean());
        let (found, expected) = (cut.variance(), free.variance());
        assert!(close(found, expected), "{yaml}: variance {found}, expected {expected}");
    }
}

#[test]
fn degenerate_parameters_make_constants() {
    for yaml in [
        "uniform: {low: 4, high: 4}",
        "gamma: {mean: 4, cv: 0}",
        "normal: {mean: 4, stddev: 0}",
        "empirical: {values: [4, 4]}",
        "empirical: {values: [4, 9], weights: [1, 0]}",
        "mixture: [{weight: 1, constant: 4}, {weight: 2, constant: 4}]",
        "exponential: {mean: 1, min: 4, max: 4}",
        "geometric: {mean: 1, shift: 3}",
    ] {
        let dist = dist(yaml);
        assert_eq!(dist.as_constant().map(|c| c.0), Some(4.0), "{yaml}");
        assert!(dist.is_constant(), "{yaml}");
        assert_eq!((dist.mean(), dist.variance(), dist.quantile(0.3).0), (4.0, 0.0, 4.0), "{yaml}");
    }
    assert!(!dist("exponential: {mean: 4}").is_constant());
}
