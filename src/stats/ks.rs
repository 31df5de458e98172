//! Kolmogorov-Smirnov tests: how far two distribution functions are apart, and how often chance
//! alone would bring them that far.

/// The outcome of a Kolmogorov-Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KsTest {
    /// The largest distance between the two distribution functions, 0 to 1.
    pub statistic: f64,
    /// The chance of at least this distance if the distributions are the same: Kolmogorov's
    /// limit with Stephens' correction for finite samples (1970), good from an effective size of
    /// about 10; too large (cautious) where values are tied. NaN if a sample is empty.
    pub p_value: f64,
}

/// Compares a sample with a continuous distribution function.
pub fn one_sample(sample: &[f64], cdf: impl Fn(f64) -> f64) -> KsTest {
    let sorted = sorted(sample);
    let n = sorted.len() as f64;
    let distance = |(i, x): (usize, &f64)| {
        let expected = cdf(*x);
        f64::max((i + 1) as f64 / n - expected, expected - i as f64 / n)
    };
    let statistic = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    KsTest { statistic, p_value: p_value(statistic, n) }
}

/// Compares two samples; ties within and between them are counted together.
pub fn two_sample(a: &[f64], b: &[f64]) -> KsTest {
    let (a, b) = (sorted(a), sorted(b));
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j, mut statistic) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let x = a[i].min(b[j]);
        while i < a.len() && a[i] <= x {
            i += 1;
        }
        while j < b.len() && b[j] <= x {
            j += 1;
        }
        statistic = statistic.max((i as f64 / n - j as f64 / m).abs());
    }
    KsTest { statistic, p_value: p_value(statistic, n * m / (n + m)) }
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The chance of at least this statistic in an effective sample of `n`.
fn p_value(statistic: f64, n: f64) -> f64 {
    if n.is_nan() || n <= 0.0 {
        return f64::NAN;
    }
    let root = n.sqrt();
    kolmogorov_tail((root + 0.12 + 0.11 / root) * statistic)
}

/// 1 − K(x) of Kolmogorov's limit distribution, by whichever of its two series converges fast.
fn kolmogorov_tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.18 {
        let q = std::f64::consts::PI / x;
        let terms = (1..=4).map(|k| {
            let odd = f64::from(2 * k - 1);
            libm::exp(-odd * odd * q * q / 8.0)
        });
        return 1.0 - std::f64::consts::TAU.sqrt() / x * terms.sum::<f64>();
    }
    let terms = (1..=6).map(|k| {
        let (k, sign) = (f64::from(k), if k % 2 == 1 { 2.0 } else { -2.0 });
        sign * libm::exp(-2.0 * k * k * x * x)
    });
    terms.sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};

    /// Critical values of Kolmogorov's distribution (Smirnov 1948): 10%, 5%, 1%, and its median.
    #[test]
    fn tail_matches_smirnovs_table() {
        for (x, tail) in [(1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01), (0.82757, 0.5)] {
            assert!((kolmogorov_tail(x) - tail).abs() < 5e-5, "{x}: {}", kolmogorov_tail(x));
        }
        // The two series agree where they meet.
        assert!((kolmogorov_tail(1.18 - 1e-9) - kolmogorov_tail(1.18)).abs() < 1e-8);
        assert_eq!(kolmogorov_tail(0.0), 1.0);
    }

    #[test]
    fn statistics_of_samples_worked_by_hand() {
        // F(x) = x: the steps 0→¼→½→¾→1 stand at 0.1, 0.2, 0.6, 0.7; the farthest is 1 − 0.7.
        let one = one_sample(&[0.6, 0.1, 0.7, 0.2], |x| x);
        assert!((one.statistic - 0.3).abs() < 1e-15);
        // After both 2s: 3/4 of a, 1/3 of b.
        let two = two_sample(&[1.0, 2.0, 2.0, 5.0], &[2.0, 6.0, 7.0]);
        assert!((two.statistic - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(two_sample(&[1.0, 1.0], &[1.0]).statistic, 0.0);
        assert!(two_sample(&[], &[1.0]).p_value.is_nan());
    }

    /// Under the null the p-value is uniform: 400 tests reject 5% of the time, within 4 errors.
    #[test]
    fn rejects_as_often_as_it_says() {
        let sample = |session: u64, n: usize| -> Vec<f64> {
            let mut draws = Draws::new(11, 0, session, Purpose::Think, 0);
            (0..n).map(|_| draws.uniform()).collect()
        };
        let (mut one, mut two) = (0, 0);
        for session in 0..400 {
            let a = sample(2 * session, 200);
            one += u32::from(one_sample(&a, |x| x).p_value < 0.05);
            two += u32::from(two_sample(&a, &sample(2 * session + 1, 300)).p_value < 0.05);
        }
        let bound = 4.0 * (400.0 * 0.05 * 0.95_f64).sqrt();
        assert!((f64::from(one) - 20.0).abs() < bound, "{one}");
        assert!((f64::from(two) - 20.0).abs() < bound, "{two}");
    }
}
