//! How much whole days differ.

use serde::Serialize;

use super::quantile::{Ordered, Z};
use super::series::Series;
use crate::random::{Draws, Purpose};

/// Days needed to tell how much days differ.
const FEWEST_DAYS: usize = 4;

/// Values that a day needs for its median to count.
const FEWEST_VALUES: usize = 10;

/// Resamples of days behind the interval.
const RESAMPLES: u32 = 400;

/// How much days differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Days that it rests on.
    pub days: usize,
    /// Standard deviation of the logarithm of a day's factor, sampling noise of medians taken off.
    pub sigma: f64,
    /// Its 95% interval, by resampling days.
    pub ci95: [f64; 2],
    /// The factor of each day, drawn towards 1 as far as its median is noise; their geometric mean
    /// is 1.
    pub factors: Vec<f64>,
    /// How the profile writes it; none where it is told only, for days differ by more than a factor.
    pub form: Option<DriftForm>,
}

/// How a profile writes drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftForm {
    /// A lognormal with median 1.
    Lognormal,
    /// The days' own factors: their spread is no lognormal's.
    Empirical,
}

/// A day's log median, and the variance that sampling alone gives it.
struct DayMedian {
    log: f64,
    variance: f64,
}

impl Drift {
    /// From the days of a series: standard deviation of the log daily medians, corrected for their
    /// sampling noise. None where there are too few days, or they differ no more than by chance.
    pub(super) fn of(series: &Series, seed: u64) -> Option<Drift> {
        let medians = day_medians(series);
        let known: Vec<&DayMedian> = medians.iter().flatten().collect();
        if known.len() < FEWEST_DAYS {
            return None;
        }
        let square = between(&known);
        if square <= 0.0 {
            return None;
        }
        let centre = known.iter().map(|day| day.log).sum::<f64>() / known.len() as f64;
        let factor = |day: &Option<DayMedian>| match day {
            Some(day) => libm::exp(square / (square + day.variance) * (day.log - centre)),
            None => 1.0,
        };
        Some(Drift {
            days: known.len(),
            sigma: square.sqrt(),
            ci95: resampled(&known, seed),
            factors: medians.iter().map(factor).collect(),
            form: None,
        })
    }

    /// Factors with their weights, as the profile's form has them.
    pub(super) fn points(&self, form: DriftForm) -> Vec<(f64, f64)> {
        const POINTS: u32 = 41;
        match form {
            DriftForm::Lognormal => {
                let share = 1.0 / f64::from(POINTS);
                let at = |i: u32| {
                    let p = (f64::from(i) + 0.5) * share;
                    libm::exp(self.sigma * crate::stats::special::normal_quantile(p))
                };
                (0..POINTS).map(|i| (share, at(i))).collect()
            }
            DriftForm::Empirical => {
                let share = 1.0 / self.factors.len() as f64;
                self.factors.iter().map(|factor| (share, *factor)).collect()
            }
        }
    }
}

/// The median of each day, in the order of days.
fn day_medians(series: &Series) -> Vec<Option<DayMedian>> {
    let mut logs: Vec<Vec<f64>> = vec![Vec::new(); series.days.len()];
    for one in &series.values {
        logs[one.day].push(libm::log(one.took.seconds()));
    }
    let median = |logs: &Vec<f64>| {
        if logs.len() < FEWEST_VALUES || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let ordered = Ordered::new(logs, None);
        let [low, high] = ordered.interval(0.5);
        let deviation = (high - low) / (2.0 * Z);
        Some(DayMedian { log: ordered.quantile(0.5), variance: deviation * deviation })
    };
    logs.iter().map(median).collect()
}

/// Variance of the days' levels less what their sampling gives; below zero if that is more.
fn between(days: &[&DayMedian]) -> f64 {
    let n = days.len() as f64;
    let centre = days.iter().map(|day| day.log).sum::<f64>() / n;
    let seen = days.iter().map(|day| (day.log - centre) * (day.log - centre)).sum::<f64>();
    let noise = days.iter().map(|day| day.variance).sum::<f64>() / n;
    seen / (n - 1.0) - noise
}

fn resampled(days: &[&DayMedian], seed: u64) -> [f64; 2] {
    let n = days.len();
    let one = |number: u32| {
        let pick = |place: usize| {
            let u = Draws::new(seed, 0, place as u64, Purpose::Resample, number).uniform();
            days[((u * n as f64) as usize).min(n - 1)]
        };
        let picked: Vec<&DayMedian> = (0..n).map(pick).collect();
        between(&picked).max(0.0).sqrt()
    };
    let all: Vec<f64> = (0..RESAMPLES).map(one).collect();
    let ordered = Ordered::new(&all, None);
    [ordered.quantile(0.025), ordered.quantile(0.975)]
}
