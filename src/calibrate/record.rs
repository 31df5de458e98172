//! The answer of a calibration, for people and for other programs. Times in seconds.

use serde::Serialize;

use super::contention::ContentionFit;
use super::drift::Drift;
use super::profile::{Number, Profile, Stage};
use super::quantile::Quantile;
use super::stage::{Form, Point, StageFit};
use super::validate::{Summary, Validated};
use crate::stats::fit::{Candidate, Parameter};

/// All that a calibration says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Calibrated {
    /// One a group.
    pub profiles: Vec<ProfileRecord>,
    /// What was predicted and measured.
    pub validation: Vec<Validated>,
    /// Medians of absolute errors over all that was predicted.
    pub summary: Vec<Summary>,
    /// What could not be fitted or predicted, and why.
    pub notes: Vec<String>,
}

/// One profile.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileRecord {
    /// Its name.
    pub name: String,
    /// The file that was written.
    pub file: String,
    /// The isolation tier.
    pub tier: String,
    /// Where its numbers come from.
    pub source: String,
    /// When they were measured.
    pub date: String,
    /// On which machine.
    pub host: Option<String>,
    /// How each of its numbers is known.
    pub mark: &'static str,
    /// Its stages.
    pub stages: Vec<StageRecord>,
    /// Its other numbers.
    pub numbers: Vec<Number>,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct StageRecord {
    /// Which.
    pub stage: Stage,
    /// Durations behind it.
    pub n: usize,
    /// Rows without a time.
    pub without_time: u64,
    /// Days.
    pub days: Vec<String>,
    /// The family, or `quantiles`.
    pub family: &'static str,
    /// Its parameters.
    pub parameters: Vec<ParameterRecord>,
    /// The sample's own quantiles, where no family is good enough.
    pub quantiles: Vec<Point>,
    /// Why.
    pub why: String,
    /// Distance of the profile's own distribution, drift and all, to what was measured.
    pub ks: f64,
    /// What was measured.
    pub measured: Vec<Quantile>,
    /// Every family, the smallest BIC first.
    pub candidates: Vec<CandidateRecord>,
    /// How starts slow each other down.
    pub contention: Option<ContentionFit>,
    /// How much days differ.
    pub drift: Option<Drift>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterRecord {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its 95% interval; none at a bound.
    pub ci95: Option<[f64; 2]>,
}

/// A family that was fitted.
#[derive(Clone, Debug, Serialize)]
pub struct CandidateRecord {
    /// Its name.
    pub family: &'static str,
    /// Its parameters.
    pub parameters: Vec<(&'static str, f64)>,
    /// Bayesian information criterion.
    pub bic: f64,
    /// Distance to the sample.
    pub ks: f64,
    /// How often chance alone would bring it that far, if values were independent.
    pub p_value: f64,
}

impl ProfileRecord {
    /// What a profile says, and where it was written.
    pub fn of(profile: &Profile, file: String) -> Self {
        ProfileRecord {
            name: profile.name.clone(),
            file,
            tier: profile.tier.clone(),
            source: profile.about.source.clone(),
            date: profile.about.date.clone(),
            host: profile.about.host.clone(),
            mark: "measured",
            stages: profile
                .stages
                .iter()
                .map(|(stage, fit)| StageRecord::of(*stage, fit))
                .collect(),
            numbers: profile.numbers.clone(),
        }
    }
}

impl StageRecord {
    fn of(stage: Stage, fit: &StageFit) -> Self {
        let (family, parameters, quantiles) = match &fit.form {
            Form::Law { law, parameters } => {
                (law.family(), parameters.iter().map(ParameterRecord::of).collect(), Vec::new())
            }
            Form::Quantiles(points) => ("quantiles", Vec::new(), points.clone()),
        };
        StageRecord {
            stage,
            n: fit.n,
            without_time: fit.without_time,
            days: fit.days.iter().filter(|day| !day.is_empty()).cloned().collect(),
            family,
            parameters,
            quantiles,
            why: fit.why.clone(),
            ks: fit.ks,
            measured: fit.measured.clone(),
            candidates: fit.candidates.iter().map(CandidateRecord::of).collect(),
            contention: fit.contention.clone(),
            drift: fit.drift.clone(),
        }
    }
}

impl ParameterRecord {
    fn of(parameter: &Parameter) -> Self {
        let Parameter { name, value, interval } = *parameter;
        ParameterRecord { name, value, ci95: interval }
    }
}

impl CandidateRecord {
    fn of(candidate: &Candidate) -> Self {
        CandidateRecord {
            family: candidate.law.family(),
            parameters: candidate.law.parameters(),
            bic: candidate.bic,
            ks: candidate.ks.statistic,
            p_value: candidate.ks.p_value,
        }
    }
}
