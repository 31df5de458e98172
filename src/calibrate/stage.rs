//! One stage: the law that describes it, how sure that is, and what it predicts.

use serde::Serialize;

use super::contention::ContentionFit;
use super::drift::{Drift, DriftForm};
use super::prediction::{Base, Prediction};
use super::quantile::{LEVEL, Ordered, Quantile};
use super::series::Series;
use crate::stats::fit::{Candidate, Law, Parameter, candidates, uncertainty};
use crate::stats::ks;

/// A law is not good enough if chance alone would bring it as far from the sample in fewer samples
/// than this.
pub const KS_CHANCE: f64 = 0.01;

/// Starts at the base level from which on it is fitted alone.
const ENOUGH_AT_BASE: usize = 100;

/// By how much a lognormal drift must describe the pooled sample worse for the days' own factors to
/// be written.
const DRIFT_WORSE: f64 = 0.02;

/// Points of a table of quantiles.
const POINTS: [f64; 27] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65,
    0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 0.995, 0.999,
];

/// Values that must lie beyond a point of the table.
const BEYOND: f64 = 2.0;

/// A calibrated stage.
#[derive(Clone, Debug)]
pub struct StageFit {
    /// Durations behind it.
    pub n: usize,
    /// Rows without a time, such as failed starts: not fitted.
    pub without_time: u64,
    /// Days that they were measured on, in rising order; one where days are not told apart.
    pub days: Vec<String>,
    /// What was chosen.
    pub form: Form,
    /// Why.
    pub why: String,
    /// Every family, the smallest BIC first; empty where none can be fitted.
    pub candidates: Vec<Candidate>,
    /// What was measured at the level and over the days of the fit.
    pub measured: Vec<Quantile>,
    /// How starts slow each other down.
    pub contention: Option<ContentionFit>,
    /// How much days differ; the form describes a day of factor 1.
    pub drift: Option<Drift>,
    /// Distance of the profile's own distribution, drift and all, to what was measured.
    pub ks: f64,
}

/// How a stage is described.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// A family.
    Law {
        /// The law.
        law: Law,
        /// Its parameters with their intervals.
        parameters: Vec<Parameter>,
    },
    /// The sample's own quantiles.
    Quantiles(Vec<Point>),
}

/// A point of a table of quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Share that is not above the value.
    pub p: f64,
    /// The value, seconds.
    pub value: f64,
    /// Its 95% interval; none for the least and the largest.
    pub ci95: Option<[f64; 2]>,
}

impl StageFit {
    /// Fits a stage. `None` for an empty series.
    pub fn of(series: &Series, seed: u64) -> Option<StageFit> {
        if series.values.is_empty() {
            return None;
        }
        let contention = ContentionFit::of(series);
        let at_base = at_base(series, contention.as_ref());
        let measured = Ordered::new(&at_base.seconds(), at_base.clusters().as_deref());
        let drift = Drift::of(&at_base, seed);
        let mut levelled = at_base.seconds();
        if let Some(drift) = &drift {
            for (value, one) in levelled.iter_mut().zip(&at_base.values) {
                *value /= drift.factors[one.day];
            }
        }
        let clusters = at_base.clusters();
        let (form, why, candidates) = chosen(&levelled, clusters.as_deref());
        let mut fit = StageFit {
            n: at_base.values.len(),
            without_time: series.without_time,
            days: at_base.days.clone(),
            form,
            why,
            candidates,
            measured: measured.judged(),
            contention,
            drift,
            ks: 0.0,
        };
        fit.choose_drift(measured.values());
        Some(fit)
    }

    /// A lognormal, unless the days' own factors describe the sample clearly better.
    fn choose_drift(&mut self, measured: &[f64]) {
        let distance = |fit: &StageFit, form: DriftForm| {
            let drift = fit.drift.as_ref().map(|drift| drift.points(form));
            let prediction = Prediction::of(fit.base(), drift);
            ks::one_sample(measured, |x| prediction.cdf(x)).statistic
        };
        self.ks = distance(self, DriftForm::Lognormal);
        let own = distance(self, DriftForm::Empirical);
        if let Some(drift) = &mut self.drift
            && own + DRIFT_WORSE < self.ks
        {
            (drift.form, self.ks) = (DriftForm::Empirical, own);
        }
    }

    fn base(&self) -> Base {
        match &self.form {
            Form::Law { law, .. } => Base::Law(*law),
            Form::Quantiles(points) => {
                Base::Points(points.iter().map(|point| (point.p, point.value)).collect())
            }
        }
    }

    /// What the profile predicts for starts that begin with these numbers in flight, over days to
    /// come.
    pub fn prediction(&self, in_flight: impl IntoIterator<Item = u32>) -> Prediction {
        let drift = self.drift.as_ref().map(|drift| drift.points(drift.form));
        let prediction = Prediction::of(self.base(), drift);
        match &self.contention {
            None => prediction,
            Some(contention) => {
                let factor = |n| {
                    let level = contention.level(n);
                    level.map_or(1.0, |level| level.table.unwrap_or(1.0))
                };
                prediction.under(in_flight.into_iter().map(factor))
            }
        }
    }
}

/// The durations that the stage is fitted to: those of the base level, or where they are few all
/// that the table uses, brought to the base level.
fn at_base(series: &Series, contention: Option<&ContentionFit>) -> Series {
    let Some(contention) = contention else { return series.part(|_| true) };
    let of_base = |n: u32| contention.level(n) == contention.base_level();
    if contention.base_level().is_some_and(|level| level.n >= ENOUGH_AT_BASE) {
        return series.part(|one| of_base(one.in_flight));
    }
    let factor = |n: u32| contention.level(n).and_then(|level| level.table);
    let mut all = series.part(|one| factor(one.in_flight).is_some());
    for one in &mut all.values {
        let by = factor(one.in_flight).unwrap_or(1.0);
        one.took = crate::units::Span::from_seconds(one.took.seconds() / by);
    }
    all
}

/// The family with the best BIC, or the sample's own quantiles where it is too far off.
fn chosen(values: &[f64], clusters: Option<&[usize]>) -> (Form, String, Vec<Candidate>) {
    let all = match candidates(values) {
        Ok(all) => all,
        Err(error) => {
            let why = format!("quantiles of the sample: {error}");
            return (Form::Quantiles(table(values, clusters)), why, Vec::new());
        }
    };
    let best = all.first().expect("a sample that is fitted has a candidate");
    let critical = critical(values.len());
    if best.ks.p_value < KS_CHANCE {
        let why = format!(
            "quantiles of the sample: the best family, {}, is off by {:.3}, beyond {critical:.3}, the \
             1% critical value of {} independent values",
            best.law.family(),
            best.ks.statistic,
            values.len()
        );
        return (Form::Quantiles(table(values, clusters)), why, all);
    }
    let why = match best.law {
        Law::Constant(_) => "all values are equal".to_owned(),
        _ => format!(
            "smallest BIC of {}; off by {:.3}, within {critical:.3}",
            all.len(),
            best.ks.statistic
        ),
    };
    let parameters = uncertainty(&best.law, values, clusters, LEVEL);
    (Form::Law { law: best.law, parameters }, why, all)
}

/// The distance whose chance is [`KS_CHANCE`]: Kolmogorov's 1.6276 with Stephens' correction (1970).
fn critical(n: usize) -> f64 {
    let root = (n as f64).sqrt();
    1.6276 / (root + 0.12 + 0.11 / root)
}

/// From the least to the largest value, with the points that the sample is large enough for.
fn table(values: &[f64], clusters: Option<&[usize]>) -> Vec<Point> {
    let ordered = Ordered::new(values, clusters);
    let n = values.len() as f64;
    let [least, largest] = [ordered.values()[0], ordered.values()[values.len() - 1]];
    let known = POINTS.iter().filter(|p| n * **p >= BEYOND && n * (1.0 - **p) >= BEYOND);
    let inner = known.map(|p| Point {
        p: *p,
        value: ordered.quantile(*p),
        ci95: Some(ordered.interval(*p)),
    });
    let end = |p, value| Point { p, value, ci95: None };
    std::iter::once(end(0.0, least)).chain(inner).chain([end(1.0, largest)]).collect()
}
