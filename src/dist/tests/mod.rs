//! Tests of distributions: text, errors, moments, samples.

mod moments;
mod samples;
mod text;

use super::Dist;
use crate::random::{Draws, Purpose};
use crate::units::Count;

/// A distribution of plain numbers from YAML.
fn dist(yaml: &str) -> Dist<Count> {
    serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

/// The stream of a test's n-th draw.
fn draws(seed: u64, n: u64) -> Draws {
    Draws::new(seed, 0, n, Purpose::Think, 0)
}

/// Every family at parameters that reach each of its branches.
const EVERY_FAMILY: &[&str] = &[
    "uniform: {low: 2, high: 7}",
    "exponential: {mean: 3}",
    "normal: {mean: 2, stddev: 1.5}",
    "lognormal: {median: 2, p95: 9}",
    "lognormal: {mean: 5, cv: 0.8}",
    "lognormal: {mu: 0.5, sigma: 0.7}",
    "gamma: {mean: 4, cv: 0.6}",
    "gamma: {shape: 0.4, scale: 3}",
    "erlang: {shape: 3, mean: 2}",
    "weibull: {shape: 1.7, scale: 3}",
    "weibull: {shape: 0.8, scale: 3}",
    "pareto: {shape: 5.5, scale: 2}",
    "lomax: {shape: 5.5, scale: 2}",
    "hyperexponential: {mean: 3, cv: 2}",
    "geometric: {mean: 6}",
    "poisson: {mean: 4.5}",
    "poisson: {mean: 80}",
    "empirical: {values: [1, 4, 4, 9]}",
    "empirical: {values: [9, 1, 4], weights: [1, 2, 5]}",
    "empirical: {quantiles: [[0, 1], [0.5, 2], [0.9, 6], [1, 20]]}",
    "mixture: [{weight: 3, exponential: {mean: 1}}, {weight: 1, normal: {mean: 9, stddev: 1}}, {weight: 1, constant: 5}]",
    "exponential: {mean: 3, shift: 1, min: 2, max: 9}",
    "gamma: {mean: 4, cv: 0.6, min: 3}",
    "pareto: {shape: 1.2, scale: 2, max: 50}",
    "normal: {mean: 2, stddev: 1.5, max: 3}",
    "geometric: {mean: 6, max: 10}",
    "poisson: {mean: 4.5, min: 3, shift: 1}",
    "empirical: {quantiles: [[0, 1], [0.5, 2], [0.9, 6], [1, 20]], min: 1.5, max: 8}",
    "empirical: {values: [1, 4, 4, 9], max: 6, shift: 1}",
    "uniform: {low: 2, high: 7, min: 3, max: 6}",
];
