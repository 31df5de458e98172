//! Confidence intervals over independent replications.

use super::Summary;
use super::special::{beta_regularised, normal_quantile};

/// Observations that a replication needs beyond a quantile for its own quantile to count.
pub const NEEDED_BEYOND: u64 = 10;

/// An estimate with a confidence interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The point estimate.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the interval holds `x`.
    pub fn covers(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Half of its width.
    pub fn half_width(&self) -> f64 {
        0.5 * (self.high - self.low)
    }
}

/// Why there is no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooFew {
    /// A spread needs at least two replications.
    #[error("too few replications: {found}, needed 2")]
    Replications {
        /// Replications there are.
        found: usize,
    },
    /// A replication says too little about the quantile.
    #[error(
        "too few observations: replication {replication} has {found} beyond the quantile, needed {NEEDED_BEYOND}"
    )]
    Observations {
        /// The first such replication, from 0.
        replication: usize,
        /// Its observations beyond the quantile, on the side with fewer.
        found: u64,
    },
    /// Without some replication a ratio has nothing to divide by.
    #[error("too few observations: without replication {replication} the ratio's denominator is 0")]
    Denominator {
        /// The first such replication, from 0.
        replication: usize,
    },
    /// The denominator of a ratio of two estimates may be 0.
    #[error("too few observations: what is divided by may be 0")]
    Denominators,
}

/// The two-sided 95% factor of Student's t with `df` degrees of freedom: its 0.975 quantile.
pub fn student_t(df: f64) -> f64 {
    student_t_quantile(0.975, df)
}

/// The quantile of Student's t with `df` > 0 degrees of freedom at `p` in (0, 1), by bisection of
/// its distribution function (Abramowitz and Stegun 26.7.1); above 10⁵ degrees by
/// the expansion around the normal. Relative error below 10⁻¹⁰ for the p that intervals use.
pub fn student_t_quantile(p: f64, df: f64) -> f64 {
    if p == 0.5 {
        return 0.0;
    }
    if df > 1e5 {
        // The expansion around the normal (26.7.5): its next term is below 1e-15 here, while the
        // logarithms of the beta function would cancel.
        let z = normal_quantile(p);
        let (z3, z5) = (z * z * z, z * z * z * z * z);
        return z + (z3 + z) / (4.0 * df) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * df * df);
    }
    let tail = p.min(1.0 - p);
    // P(T > t) = ½ I_{df/(df+t²)}(df/2, ½), falling in t.
    let beyond = |t: f64| 0.5 * beta_regularised(0.5 * df, 0.5, df / (df + t * t));
    let (mut below, mut above) = (0.0, 1.0);
    while beyond(above) > tail && above < 1e150 {
        below = above;
        above *= 2.0;
    }
    while above - below > 1e-14 * above {
        let middle = 0.5 * (below + above);
        *(if beyond(middle) > tail { &mut below } else { &mut above }) = middle;
    }
    let t = 0.5 * (below + above);
    if p < 0.5 { -t } else { t }
}

/// Student's t interval around `estimate` from per-replication values and what they scatter around.
pub(super) fn around(
    estimate: f64,
    values: &[f64],
    centre: f64,
    level: f64,
) -> Result<Interval, TooFew> {
    let found = values.len();
    if found < 2 {
        return Err(TooFew::Replications { found });
    }
    let (n, df) = (found as f64, found as f64 - 1.0);
    let squares: f64 = values.iter().map(|v| (v - centre) * (v - centre)).sum();
    let half = student_t_quantile(0.5 + 0.5 * level, df) * (squares / df / n).sqrt();
    Ok(Interval { estimate, low: estimate - half, high: estimate + half })
}

pub(super) fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean over replications and its Student t interval at `level` (0.95).
pub fn mean(values: &[f64], level: f64) -> Result<Interval, TooFew> {
    let mean = mean_of(values);
    around(mean, values, mean, level)
}

/// The mean difference `a − b` of replications that share their random numbers, pair by pair.
///
/// # Panics
/// If there are not as many of the one as of the other.
pub fn paired_difference(a: &[f64], b: &[f64], level: f64) -> Result<Interval, TooFew> {
    assert_eq!(a.len(), b.len(), "paired replications come in pairs");
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    mean(&differences, level)
}

/// Σ numerators / Σ denominators over replications by the jackknife: the mean of the pseudovalues
/// n·θ − (n−1)·θ₋ᵢ and their Student t interval (Miller 1974; Law, Simulation Modeling and Analysis,
/// 9.3.2). With equal denominators it is [`mean`] of the ratios.
///
/// # Panics
/// If there are not as many numerators as denominators.
pub fn ratio(numerators: &[f64], denominators: &[f64], level: f64) -> Result<Interval, TooFew> {
    mean(&pseudovalues(numerators, denominators)?, level)
}

/// The pseudovalues of Σ numerators / Σ denominators.
pub(super) fn pseudovalues(numerators: &[f64], denominators: &[f64]) -> Result<Vec<f64>, TooFew> {
    assert_eq!(numerators.len(), denominators.len(), "a ratio has both parts in each replication");
    let found = numerators.len();
    if found < 2 {
        return Err(TooFew::Replications { found });
    }
    let (top, bottom): (f64, f64) = (numerators.iter().sum(), denominators.iter().sum());
    let n = found as f64;
    let mut pseudovalues = Vec::with_capacity(found);
    for (replication, (numerator, denominator)) in numerators.iter().zip(denominators).enumerate() {
        let rest = bottom - denominator;
        if rest.abs() <= 1e-12 * bottom.abs() {
            return Err(TooFew::Denominator { replication });
        }
        pseudovalues.push(n * top / bottom - (n - 1.0) * (top - numerator) / rest);
    }
    Ok(pseudovalues)
}

/// The `q` quantile with an interval by sectioning: the point estimate is the pooled sample's, the
/// spread is that of the replications' own quantiles around it (Asmussen and Glynn, Stochastic
/// Simulation, III.5; Nakayama 2014). `pooled` is the merge of `replications`.
///
/// # Errors
/// With fewer than two replications, or one with fewer than [`NEEDED_BEYOND`] observations beyond
/// the quantile: then its own quantile is mostly noise and bias, and the interval would lie.
pub fn quantile(
    pooled: &Summary,
    replications: &[&Summary],
    q: f64,
    level: f64,
) -> Result<Interval, TooFew> {
    let found = replications.len();
    if found < 2 {
        return Err(TooFew::Replications { found });
    }
    let mut values = Vec::with_capacity(found);
    for (replication, summary) in replications.iter().enumerate() {
        let rank = if summary.count() == 0 { 0 } else { summary.rank(q) };
        let found = rank.min(summary.count() - rank);
        match summary.quantile(q) {
            Some(value) if found >= NEEDED_BEYOND => values.push(value as f64),
            _ => return Err(TooFew::Observations { replication, found }),
        }
    }
    let estimate = pooled.quantile(q).expect("the pool holds the replications") as f64;
    around(estimate, &values, estimate, level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};

    /// Table values of Student's t (Abramowitz and Stegun 26.10 and R's `qt`), to 1e-6.
    #[test]
    fn t_quantiles_match_the_tables() {
        for (df, p, t) in [
            (1.0, 0.975, 12.706_204_74),
            (2.0, 0.975, 4.302_652_73),
            (4.0, 0.975, 2.776_445_11),
            (9.0, 0.975, 2.262_157_16),
            (19.0, 0.975, 2.093_024_05),
            (29.0, 0.975, 2.045_229_64),
            (120.0, 0.975, 1.979_930_41),
            (9.0, 0.95, 1.833_112_93),
            (9.0, 0.995, 3.249_835_54),
            (3.0, 0.9, 1.637_744_35),
        ] {
            let found = student_t_quantile(p, df);
            assert!((found - t).abs() < 1e-6, "df {df}, p {p}: {found}");
            assert_eq!(student_t_quantile(1.0 - p, df), -student_t_quantile(1.0 - (1.0 - p), df));
        }
        // One degree of freedom is Cauchy, two has the closed form (2p−1)√(2/(4p(1−p))).
        let cauchy = libm::tan(std::f64::consts::PI * 0.49);
        assert!((student_t_quantile(0.99, 1.0) - cauchy).abs() < 1e-9 * cauchy);
        let two = 0.98 * (2.0_f64 / (4.0 * 0.99 * 0.01)).sqrt();
        assert!((student_t_quantile(0.99, 2.0) - two).abs() < 1e-9);
        assert!((student_t_quantile(0.975, 1e9) - normal_quantile(0.975)).abs() < 1e-8);
        let (under, over) =
            (student_t_quantile(0.975, 99_999.0), student_t_quantile(0.975, 100_001.0));
        assert!(under > over && under - over < 1e-8, "the expansion joins: {under} {over}");
        assert_eq!(student_t_quantile(0.5, 3.0), 0.0);
    }

    #[test]
    fn mean_interval_worked_by_hand() {
        // Mean 4, deviation √(10/4), n = 5, t = 2.77645.
        let found = mean(&[2.0, 3.0, 4.0, 5.0, 6.0], 0.95).unwrap();
        assert_eq!(found.estimate, 4.0);
        assert!((found.half_width() - 2.776_445_105 * 0.5_f64.sqrt()).abs() < 1e-8);
        assert_eq!(mean(&[1.0], 0.95), Err(TooFew::Replications { found: 1 }));
        let text = mean(&[], 0.95).unwrap_err().to_string();
        assert_eq!(text, "too few replications: 0, needed 2");
    }

    #[test]
    fn pairing_removes_what_the_pairs_share() {
        let b = [10.0, 200.0, 3000.0];
        let a = b.map(|x| x + 1.5);
        let found = paired_difference(&a, &b, 0.95).unwrap();
        assert_eq!((found.estimate, found.low, found.high), (1.5, 1.5, 1.5));
    }

    #[test]
    fn ratio_is_the_jackknife_worked_by_hand() {
        // θ = 6/4; without each: 5/3, 3/2, 4/3 → pseudovalues 7/6, 3/2, 11/6: mean 1.5, deviation ⅓.
        let found = ratio(&[1.0, 3.0, 2.0], &[1.0, 2.0, 1.0], 0.95).unwrap();
        let theta =
            [3.0 * 1.5 - 2.0 * 5.0 / 3.0, 3.0 * 1.5 - 2.0 * 1.5, 3.0 * 1.5 - 2.0 * 4.0 / 3.0];
        assert!((found.estimate - theta.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        let half = student_t(2.0) * (1.0 / 3.0) / 3.0_f64.sqrt();
        assert!((found.half_width() - half).abs() < 1e-9, "{found:?}");
        let equal = ratio(&[1.0, 4.0, 6.0], &[2.0; 3], 0.95).unwrap();
        let plain = mean(&[0.5, 2.0, 3.0], 0.95).unwrap();
        assert!((equal.low - plain.low).abs() < 1e-12 && (equal.high - plain.high).abs() < 1e-12);
        let none = ratio(&[1.0, 0.0], &[3.0, 0.0], 0.95);
        assert_eq!(none, Err(TooFew::Denominator { replication: 0 }));
    }

    fn uniforms(replication: u16, session: u64, n: u32) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| Draws::new(5, replication, session, Purpose::Think, i).uniform())
    }

    /// 2000 intervals of normal means cover 95% within 4 standard errors (0.0195): the t factor is
    /// right; the normal's 1.96 would cover 87.8% with 5 replications.
    #[test]
    fn the_t_interval_covers_as_often_as_it_says() {
        let covered = (0..2000).filter(|session| {
            let values: Vec<f64> = uniforms(0, *session, 5).map(normal_quantile).collect();
            mean(&values, 0.95).unwrap().covers(0.0)
        });
        let share = covered.count() as f64 / 2000.0;
        assert!((share - 0.95).abs() < 4.0 * (0.95 * 0.05 / 2000.0_f64).sqrt(), "{share}");
    }

    #[test]
    fn the_sectioning_interval_covers_as_often_as_it_says() {
        // p90 of an exponential of mean 1 s: ln 10; 400 observations in each of 10 replications.
        let truth = libm::log(10.0) * 1e9;
        let covered = (0..500).filter(|session| {
            let sections: Vec<Summary> = (0..10)
                .map(|replication| {
                    let mut summary = Summary::durations();
                    for u in uniforms(replication, *session, 400) {
                        summary.record((-libm::log(u) * 1e9) as u64);
                    }
                    summary
                })
                .collect();
            let mut pooled = Summary::durations();
            sections.iter().for_each(|section| pooled.merge(section));
            let sections: Vec<&Summary> = sections.iter().collect();
            quantile(&pooled, &sections, 0.9, 0.95).unwrap().covers(truth)
        });
        let share = covered.count() as f64 / 500.0;
        assert!((share - 0.95).abs() < 4.0 * (0.95 * 0.05 / 500.0_f64).sqrt(), "{share}");
    }

    #[test]
    fn a_quantile_says_when_there_is_too_little_beyond_it() {
        let of = |n: u64| {
            let mut summary = Summary::durations();
            (1..=n).for_each(|value| summary.record(value));
            summary
        };
        let (enough, short, empty) = (of(1000), of(999), of(0));
        assert!(quantile(&enough, &[&enough, &enough], 0.99, 0.95).is_ok());
        let found = quantile(&enough, &[&enough, &short], 0.99, 0.95).unwrap_err();
        assert_eq!(found, TooFew::Observations { replication: 1, found: 9 });
        assert_eq!(
            found.to_string(),
            "too few observations: replication 1 has 9 beyond the quantile, needed 10"
        );
        let found = quantile(&enough, &[&empty, &enough], 0.5, 0.95);
        assert_eq!(found, Err(TooFew::Observations { replication: 0, found: 0 }));
        // A low quantile has its few on the other side.
        let found = quantile(&enough, &[&enough, &enough], 0.005, 0.95);
        assert_eq!(found, Err(TooFew::Observations { replication: 0, found: 5 }));
        let found = quantile(&enough, &[&enough], 0.5, 0.95);
        assert_eq!(found, Err(TooFew::Replications { found: 1 }));
    }
}
