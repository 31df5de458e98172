//! Samples against moments, distribution functions and an independent implementation.

use rand::distr::Distribution;

use super::{EVERY_FAMILY, dist, draws};
use crate::dist::Dist;
use crate::random::Draws;
use crate::stats::ks::{one_sample, two_sample};
use crate::units::{Count, Tokens};

const N: u64 = 100_000;

/// Tests here have fixed seeds; each bound is passed by a correct sampler with chance 1 − 10⁻⁴ at
/// least (3.9 standard errors, p above 10⁻⁴), so a changed seed would rarely need a look.
const ERRORS: f64 = 3.9;

fn sample(dist: &Dist<Count>, seed: u64) -> Vec<f64> {
    (0..N).map(|n| dist.sampler().sample(&mut draws(seed, n))).collect()
}

#[test]
fn mean_and_variance_of_samples_match_the_formulas() {
    for yaml in EVERY_FAMILY {
        let dist = dist(yaml);
        let sample = sample(&dist, 1);
        let n = N as f64;
        let (mean, variance) = (dist.mean(), dist.variance());
        let found = sample.iter().sum::<f64>() / n;
        let error = (variance / n).sqrt();
        assert!((found - mean).abs() < ERRORS * error, "{yaml}: mean {found}, expected {mean}");
        // The error of the variance comes from the sample's own fourth moment.
        let squares: Vec<f64> = sample.iter().map(|x| (x - mean) * (x - mean)).collect();
        let found = squares.iter().sum::<f64>() / n;
        let fourth = squares.iter().map(|s| (s - found) * (s - found)).sum::<f64>() / n;
        let error = (fourth / n).sqrt();
        assert!(
            (found - variance).abs() < ERRORS * error,
            "{yaml}: variance {found}, expected {variance}"
        );
    }
}

#[test]
fn samples_follow_the_distribution_function() {
    for yaml in EVERY_FAMILY {
        let dist = dist(yaml);
        let cdf = |x: f64| dist.sampler().cdf(x);
        let sample = sample(&dist, 2);
        // At single points, so that atoms and steps are tested as sharply as smooth parts.
        for point in [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 30.0, 79.0] {
            let expected = cdf(point);
            let found = sample.iter().filter(|x| **x <= point).count() as f64 / N as f64;
            let error = (expected * (1.0 - expected) / N as f64).sqrt();
            assert!(
                (found - expected).abs() <= ERRORS * error + 1e-9,
                "{yaml}: P(X ≤ {point}) is {found}, expected {expected}"
            );
        }
        let atoms = ["constant", "empirical: {v", "geometric", "poisson", "min", "max"];
        if !atoms.iter().any(|word| yaml.contains(word)) {
            let test = one_sample(&sample, cdf);
            assert!(test.p_value > 1e-4, "{yaml}: {test:?}");
        }
    }
}

#[test]
fn quantiles_invert_the_distribution_function() {
    for yaml in EVERY_FAMILY {
        let dist = dist(yaml);
        let sampler = dist.sampler();
        for p in [0.001, 0.05, 0.3, 0.5, 0.77, 0.95, 0.999] {
            let x = sampler.quantile(p);
            assert!(sampler.cdf(x * (1.0 + 1e-12)) >= p - 1e-9, "{yaml}: p {p}, x {x}");
            let before = sampler.cdf(x * (1.0 - 1e-9) - 1e-12);
            assert!(before <= p + 1e-6, "{yaml}: p {p}, x {x}, before {before}");
        }
    }
}

/// rand_distr as the oracle: another implementation, other algorithms for several families.
fn against_oracle(yaml: &str, oracle: &dyn Fn(&mut Draws) -> f64) {
    let ours = sample(&dist(yaml), 3);
    let theirs: Vec<f64> = (0..N).map(|n| oracle(&mut draws(4, n))).collect();
    let test = two_sample(&ours, &theirs);
    assert!(test.p_value > 1e-4, "{yaml}: {test:?}");
}

#[test]
fn samples_agree_with_rand_distr() {
    use rand_distr::{Exp, Gamma, Geometric, LogNormal, Normal, Pareto, Poisson, Weibull};
    let exponential = Exp::new(1.0 / 3.0).unwrap();
    against_oracle("exponential: {mean: 3}", &|d| exponential.sample(d));
    let lognormal = LogNormal::new(0.5, 0.7).unwrap();
    against_oracle("lognormal: {mu: 0.5, sigma: 0.7}", &|d| lognormal.sample(d));
    for (shape, scale) in [(0.4, 3.0), (1.0, 2.0), (7.5, 0.5)] {
        let gamma = Gamma::new(shape, scale).unwrap();
        let yaml = format!("gamma: {{shape: {shape}, scale: {scale}}}");
        against_oracle(&yaml, &|d| gamma.sample(d));
    }
    let weibull = Weibull::new(3.0, 1.7).unwrap();
    against_oracle("weibull: {shape: 1.7, scale: 3}", &|d| weibull.sample(d));
    let pareto = Pareto::new(2.0, 1.5).unwrap();
    against_oracle("pareto: {shape: 1.5, scale: 2}", &|d| pareto.sample(d));
    for mean in [0.3, 12.0, 29.5, 31.0, 500.0] {
        let poisson = Poisson::new(mean).unwrap();
        against_oracle(&format!("poisson: {{mean: {mean}}}"), &|d| poisson.sample(d));
    }
    // Theirs counts failures from 0.
    let geometric = Geometric::new(1.0 / 6.0).unwrap();
    against_oracle("geometric: {mean: 6}", &|d| geometric.sample(d) as f64 + 1.0);
    let normal = Normal::new(2.0, 1.5).unwrap();
    against_oracle("normal: {mean: 2, stddev: 1.5}", &|d| {
        std::iter::repeat_with(|| normal.sample(d)).find(|x| *x >= 0.0).unwrap()
    });
}

/// Gamma with the seed of the integer part checked above; here the discrete chances one by one.
#[test]
fn poisson_chances_match_the_formula_on_both_sides_of_the_change_of_method() {
    for mean in [2.0, 30.0, 30.1, 200.0] {
        let sample = sample(&dist(&format!("poisson: {{mean: {mean}}}")), 5);
        for off in [-1.5, -0.5, 0.0, 0.7, 2.0] {
            let k = (mean + off * f64::sqrt(mean)).round().max(0.0);
            let log = k * libm::log(mean) - mean - libm::lgamma(k + 1.0);
            let chance = libm::exp(log);
            let found = sample.iter().filter(|x| **x == k).count() as f64 / N as f64;
            let error = (chance * (1.0 - chance) / N as f64).sqrt();
            assert!((found - chance).abs() < ERRORS * error, "mean {mean}, k {k}: {found}");
        }
    }
}

#[test]
fn inversion_is_monotone_in_the_draw() {
    for yaml in EVERY_FAMILY {
        let several = ["gamma", "erlang", "hyper", "mixture", "poisson: {mean: 80}"];
        if several.iter().any(|name| yaml.starts_with(name)) {
            continue;
        }
        let dist = dist(yaml);
        let mut pairs: Vec<(f64, f64)> = (0..2000)
            .map(|n| (draws(6, n).uniform(), dist.sampler().sample(&mut draws(6, n))))
            .collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(pairs.windows(2).all(|w| w[0].1 <= w[1].1), "{yaml}");
    }
}

/// Pins values bit by bit: the way from seed to number is published, and the same everywhere.
#[test]
fn samples_are_pinned() {
    let values: Vec<String> = EVERY_FAMILY
        .iter()
        .map(|yaml| format!("{:e}", dist(yaml).sampler().sample(&mut draws(7, 0))))
        .collect();
    insta::assert_snapshot!(values.join("\n"), @r#"
    6.140285802009877e0
    5.2817795559609175e0
    3.514924370125091e0
    4.752422085917446e0
    7.5974918558196745e0
    3.198112865935609e0
    6.109939040841263e0
    6.964356493471948e0
    3.0201221291325155e0
    4.184336073899955e0
    6.084081532203473e0
    2.754552596318183e0
    7.545525963181832e-1
    4.911154171595684e0
    1e1
    6e0
    9.5e1
    9e0
    4e0
    5.2805716040197535e0
    5e0
    6.2817795559609175e0
    6.109939040841263e0
    8.673810240229072e0
    3e0
    1e1
    7e0
    5.2805716040197535e0
    6e0
    6e0
    "#);
}

#[test]
fn whole_quantities_are_rounded_half_up() {
    let dist: Dist<Tokens> =
        serde_yaml::from_str("empirical: {quantiles: [[0, 2], [1, 3]]}").unwrap();
    let (mut twos, mut threes) = (0, 0);
    for n in 0..1000 {
        let raw = dist.sampler().sample(&mut draws(8, n));
        match dist.sample(&mut draws(8, n)) {
            Tokens(2) if raw < 2.5 => twos += 1,
            Tokens(3) if raw >= 2.5 => threes += 1,
            other => panic!("{raw} became {other}"),
        }
    }
    assert!(twos > 400 && threes > 400);
}

#[test]
fn a_constant_takes_no_word() {
    let mut stream = draws(9, 0);
    assert_eq!(dist("4").sample(&mut stream), Count(4.0));
    assert_eq!(stream.next_u64(), draws(9, 0).next_u64());
}
