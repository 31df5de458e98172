//! Looking several times without erring more often.
//!
//! A verdict that may be taken at any of several looks errs more often than one taken at the end:
//! three looks at 5% each err in some 10% of runs. So the error is spent over the looks (Lan and DeMets
//! 1983, "Discrete sequential boundaries for clinical trials"): at the share t of the most
//! replications, α*(t) of it has been spent. Here α*(t) = α t³ (Kim and DeMets 1987, "Design and
//! analysis of group sequential tests based on the type I error spending rate function"; ρ = 3, which
//! is near O'Brien and Fleming's boundaries). It spends little early, so that few stops are lucky ones.
//! What a plain interval misses after such a stop is in [`stated_level`](super::stopped::stated_level).

use super::special::{normal_cdf, normal_density, normal_quantile};

/// Points of the density of what has not been decided yet; odd, for Simpson's rule.
const POINTS: usize = 401;

/// Share of `error` that may be spent by the share `t` of the most replications.
pub fn spent(t: f64, error: f64) -> f64 {
    error * t * t * t
}

/// The two-sided level at which each look tests, so that all looks together err in `error` of the
/// runs: a test at look k of its level, given that none before it decided, errs with what α* adds.
/// `replications` are those at each look, rising. The sums behind the looks are taken for normal with
/// independent increments, and their joint distribution is integrated numerically (Armitage, McPherson and
/// Rowe 1969; Jennison and Turnbull 2000, chapter 19); with few replications the level is then used
/// with Student's t (ibid. 3.8).
pub fn levels(replications: &[u32], error: f64) -> Vec<f64> {
    levels_by(replications, |t| spent(t, error))
}

/// The same for any spending function.
fn levels_by(replications: &[u32], spent: impl Fn(f64) -> f64) -> Vec<f64> {
    let Some(last) = replications.last().filter(|last| **last > 0) else { return Vec::new() };
    let share = |n: &u32| f64::from(*n) / f64::from(*last);
    let mut levels = Vec::with_capacity(replications.len());
    let mut before: Option<Undecided> = None;
    let mut spent_so_far = 0.0;
    for t in replications.iter().map(share) {
        let now = spent(t);
        let (level, left) = match &before {
            None => (now, Undecided::first(t, now)),
            Some(undecided) => undecided.next(t, now - spent_so_far),
        };
        levels.push(level);
        before = Some(left);
        spent_so_far = now;
    }
    levels
}

/// The density of the sum of what was seen, where no look has decided yet; symmetric around 0.
struct Undecided {
    /// Share of the replications so far: the variance of the sum.
    t: f64,
    /// Ends of the density's support, ±.
    end: f64,
    /// Its values at evenly spaced points.
    density: Vec<f64>,
}

impl Undecided {
    fn first(t: f64, level: f64) -> Self {
        let deviation = t.sqrt();
        let end = deviation * -normal_quantile(0.5 * level.max(f64::MIN_POSITIVE));
        let density =
            points(end).map(|s| normal_density(s / deviation) / deviation).collect::<Vec<f64>>();
        Undecided { t, end, density }
    }

    /// Chance that the look at `t` is the first to go beyond ±`end`.
    fn crosses(&self, t: f64, end: f64) -> f64 {
        let step = (t - self.t).sqrt();
        let beyond = |s: f64| normal_cdf((s - end) / step) + normal_cdf((-s - end) / step);
        self.integrate(beyond)
    }

    /// ∫ f(s) density(s) ds by Simpson's rule.
    fn integrate(&self, f: impl Fn(f64) -> f64) -> f64 {
        let width = 2.0 * self.end / (POINTS - 1) as f64;
        let terms = points(self.end).zip(&self.density).enumerate().map(|(i, (s, density))| {
            let weight = match i {
                0 => 1.0,
                _ if i == POINTS - 1 => 1.0,
                _ if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density * f(s)
        });
        terms.sum::<f64>() * width / 3.0
    }

    /// The level of the look at `t` that adds `error`, and what it leaves undecided.
    fn next(&self, t: f64, error: f64) -> (f64, Undecided) {
        let deviation = t.sqrt();
        let (mut low, mut high) = (0.0, 40.0 * deviation);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            *(if self.crosses(t, middle) > error { &mut low } else { &mut high }) = middle;
        }
        let end = 0.5 * (low + high);
        let step = (t - self.t).sqrt();
        let density = points(end)
            .map(|s| self.integrate(|before| normal_density((s - before) / step) / step))
            .collect();
        (2.0 * normal_cdf(-end / deviation), Undecided { t, end, density })
    }
}

fn points(end: f64) -> impl Iterator<Item = f64> {
    (0..POINTS).map(move |i| end * (2.0 * i as f64 / (POINTS - 1) as f64 - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// z values of Lan and DeMets's spending function of O'Brien and Fleming's type, 2 − 2 Φ(z / √t) on
    /// either side, with 5 equal looks at 2.5% a side, as printed (gsDesign, `sfLDOF`).
    #[test]
    fn five_equal_looks_have_the_published_boundaries() {
        let z = normal_quantile(1.0 - 0.5 * 0.025);
        let found = levels_by(&[1, 2, 3, 4, 5], |t| 4.0 * normal_cdf(-z / t.sqrt()));
        for (level, z) in found.iter().zip([4.876_9, 3.356_9, 2.680_3, 2.289_8, 2.031_0]) {
            let found = -normal_quantile(0.5 * level);
            assert!((found - z).abs() < 6e-4, "{found}, printed {z}");
        }
    }

    #[test]
    fn one_look_spends_all() {
        let [level] = levels(&[10], 0.05)[..] else { panic!("one look, one level") };
        assert!((level - 0.05).abs() < 1e-12);
        assert!(levels(&[], 0.05).is_empty());
        assert!((spent(1.0, 0.01) - 0.01).abs() < 1e-12);
        let [first, second, third] = levels(&[10, 20, 40], 0.05)[..] else { panic!("three") };
        assert!((first - 0.05 / 64.0).abs() < 1e-12 && second > first && third > second);
        // The last look pays for the ones before it, and little.
        assert!(third < 0.05 && third > 0.046, "{third}");
    }

    /// Sums of independent normals, looked at after 10, 20 and 40: some look goes beyond its level in
    /// 5% of 20,000 runs, within 4 standard errors.
    #[test]
    fn all_looks_together_err_as_often_as_allowed() {
        use crate::random::{Draws, Purpose};
        let looks = [10u32, 20, 40];
        let ends: Vec<f64> =
            levels(&looks, 0.05).iter().map(|level| -normal_quantile(0.5 * level)).collect();
        let runs = 20_000u64;
        let err = |run: &u64| {
            let (mut sum, mut n) = (0.0, 0u32);
            looks.iter().zip(&ends).any(|(look, end)| {
                while n < *look {
                    let u = Draws::new(3, 0, *run, Purpose::Think, n).uniform();
                    sum += normal_quantile(u);
                    n += 1;
                }
                (sum / f64::from(n).sqrt()).abs() > *end
            })
        };
        let share = (0..runs).filter(err).count() as f64 / runs as f64;
        assert!((share - 0.05).abs() < 4.0 * (0.05 * 0.95 / runs as f64).sqrt(), "{share}");
    }
}
