//! How far predictions are from what was not seen.

use serde::Serialize;

use super::quantile::{JUDGED, Ordered};
use super::series::Series;
use super::stage::StageFit;

/// A stage of a group, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validated {
    /// The group.
    pub group: String,
    /// The stage.
    pub stage: String,
    /// Durations that the profile was fitted to.
    pub fitted: usize,
    /// Durations that were predicted.
    pub predicted: usize,
    /// Errors, by quantile.
    pub errors: Vec<QuantileError>,
}

/// The error of one quantile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuantileError {
    /// `p50`, `p95`, `p99`.
    pub stat: String,
    /// What was measured, seconds.
    pub measured: f64,
    /// Its 95% interval: days are not independent of themselves.
    pub measured_ci95: [f64; 2],
    /// What the profile predicts, seconds.
    pub profile: f64,
    /// (profile − measured) / measured.
    pub profile_error: f64,
    /// The quantile of what was fitted, carried over, seconds.
    pub carried: f64,
    /// (carried − measured) / measured.
    pub carried_error: f64,
}

/// Medians of absolute errors over groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// `p50`, `p95`, `p99`.
    pub stat: String,
    /// Groups.
    pub groups: usize,
    /// Of the profiles.
    pub profile: f64,
    /// Of carrying quantiles over.
    pub carried: f64,
    /// One over the other.
    pub ratio: f64,
}

/// Holds a stage against durations that it has not seen. `seen` is what it was fitted to. None where
/// there is nothing to hold it against.
pub fn validate(
    (group, stage): (&str, &str),
    fit: &StageFit,
    seen: &Series,
    unseen: &Series,
) -> Option<Validated> {
    if unseen.values.is_empty() || seen.values.is_empty() {
        return None;
    }
    let prediction = fit.prediction(unseen.values.iter().map(|one| one.in_flight));
    let measured = Ordered::new(&unseen.seconds(), unseen.clusters().as_deref());
    let carried = Ordered::new(&seen.seconds(), None);
    let error = |(stat, p): &(&str, f64)| {
        let value = measured.quantile(*p);
        let (profile, carried) = (prediction.quantile(*p), carried.quantile(*p));
        QuantileError {
            stat: (*stat).to_owned(),
            measured: value,
            measured_ci95: measured.interval(*p),
            profile,
            profile_error: profile / value - 1.0,
            carried,
            carried_error: carried / value - 1.0,
        }
    };
    Some(Validated {
        group: group.to_owned(),
        stage: stage.to_owned(),
        fitted: seen.values.len(),
        predicted: unseen.values.len(),
        errors: JUDGED.iter().map(error).collect(),
    })
}

/// Medians of absolute errors over all that was predicted.
pub fn summaries(all: &[Validated]) -> Vec<Summary> {
    let of = |(place, (stat, _)): (usize, &(&str, f64))| {
        let median = |of: fn(&QuantileError) -> f64| {
            let mut errors: Vec<f64> = all.iter().map(|one| of(&one.errors[place]).abs()).collect();
            errors.sort_unstable_by(f64::total_cmp);
            let n = errors.len();
            (n > 0).then(|| 0.5 * (errors[(n - 1) / 2] + errors[n / 2]))
        };
        let profile = median(|error| error.profile_error)?;
        let carried = median(|error| error.carried_error)?;
        let stat = (*stat).to_owned();
        Some(Summary { stat, groups: all.len(), profile, carried, ratio: profile / carried })
    };
    JUDGED.iter().enumerate().filter_map(of).collect()
}
