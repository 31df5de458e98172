//! One stage: the law that describes it, how sure that is, and what it predicts.

use serde::Serialize;

use super::contention::ContentionFit;
use super::drift::{Drift, DriftForm};
use super::prediction::{Base, Prediction};
use super::quantile::{LEVEL, Ordered, Quantile};
use super::series::Series;
use crate::stats::fit::{Candidate, Law, Parameter, candidates, uncertainty};
use crate::stats::ks::{self, KsTest};

/// A law is not good enough if chance alone would bring it as far from the sample in fewer samples
/// than this.
pub const KS_CHANCE: f64 = 0.01;

/// Starts at the base level from which on it is fitted alone.
const ENOUGH_AT_BASE: usize = 100;

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
    ///
    /// Forms are tried in this order, and the first is taken whose whole profile, drift and all, is no
    /// farther from what was measured than [`KS_CHANCE`] allows, else the nearest: the best family
    /// with a lognormal drift, with the days' own factors; the sample's quantiles with either; without
    /// drift, the best family of all days together, its quantiles.
    pub fn of(series: &Series, seed: u64) -> Option<StageFit> {
        if series.values.is_empty() {
            return None;
        }
        let contention = ContentionFit::of(series);
        let at_base = at_base(series, contention.as_ref());
        let clusters = at_base.clusters();
        let pooled = Sample { values: at_base.seconds(), clusters: clusters.as_deref() };
        let measured = Ordered::new(&pooled.values, pooled.clusters);
        let mut drift = Drift::of(&at_base, seed);
        let mut tried: Vec<Tried> = Vec::new();
        if let Some(drift) = &drift {
            let days = at_base.values.iter().map(|one| drift.factors[one.day]);
            let values = pooled.values.iter().zip(days).map(|(value, factor)| value / factor);
            let levelled = Sample { values: values.collect(), clusters: clusters.as_deref() };
            for shape in levelled.shapes() {
                for form in [DriftForm::Lognormal, DriftForm::Empirical] {
                    tried.push(Tried::of(&shape, Some((drift, form)), measured.values()));
                }
            }
        }
        tried.extend(pooled.shapes().iter().map(|one| Tried::of(one, None, measured.values())));
        let (best, why) = Tried::best(&tried);
        if let Some(drift) = &mut drift {
            drift.form = best.drift;
        }
        let parameters = |law: &Law| {
            let sample = best.shape.sample(&pooled.values, drift.as_ref(), &at_base);
            uncertainty(law, &sample, clusters.as_deref(), LEVEL)
        };
        let form = match &best.shape.form {
            Form::Law { law, .. } => Form::Law { law: *law, parameters: parameters(law) },
            points @ Form::Quantiles(_) => points.clone(),
        };
        Some(StageFit {
            n: at_base.values.len(),
            without_time: series.without_time,
            days: at_base.days.clone(),
            form,
            why,
            candidates: best.shape.candidates.clone(),
            measured: measured.judged(),
            ks: best.ks.statistic,
            contention,
            drift,
        })
    }

    fn base(&self) -> Base {
        self.form.base()
    }

    /// What the profile predicts for starts that begin with these numbers in flight, over days to
    /// come.
    pub fn prediction(&self, in_flight: impl IntoIterator<Item = u32>) -> Prediction {
        let drift = self.drift.as_ref().and_then(|drift| Some(drift.points(drift.form?)));
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

impl Form {
    fn base(&self) -> Base {
        match self {
            Form::Law { law, .. } => Base::Law(*law),
            Form::Quantiles(points) => {
                Base::Points(points.iter().map(|point| (point.p, point.value)).collect())
            }
        }
    }
}

/// Durations of the base level: as measured, or with their days' factors taken off.
struct Sample<'a> {
    values: Vec<f64>,
    clusters: Option<&'a [usize]>,
}

/// A way to describe a sample.
#[derive(Clone)]
struct Shape {
    form: Form,
    candidates: Vec<Candidate>,
    /// Why no family was fitted.
    unfitted: Option<String>,
}

impl Sample<'_> {
    /// The best family, then the quantiles; the quantiles alone where nothing can be fitted.
    fn shapes(&self) -> Vec<Shape> {
        let points = || Form::Quantiles(table(&self.values, self.clusters));
        match candidates(&self.values) {
            Err(error) => {
                let unfitted = Some(error.to_string());
                vec![Shape { form: points(), candidates: Vec::new(), unfitted }]
            }
            Ok(candidates) => {
                let law = candidates.first().expect("a sample that is fitted has a candidate").law;
                let family = Form::Law { law, parameters: Vec::new() };
                let shape = |form| Shape { form, candidates: candidates.clone(), unfitted: None };
                vec![shape(family), shape(points())]
            }
        }
    }
}

impl Shape {
    /// The sample that it describes.
    fn sample(&self, pooled: &[f64], drift: Option<&Drift>, series: &Series) -> Vec<f64> {
        let Some(drift) = drift.filter(|drift| drift.form.is_some()) else {
            return pooled.to_vec();
        };
        let days = series.values.iter().map(|one| drift.factors[one.day]);
        pooled.iter().zip(days).map(|(value, factor)| value / factor).collect()
    }
}

/// A way to describe all that was measured, and how far that is off.
struct Tried {
    shape: Shape,
    drift: Option<DriftForm>,
    ks: KsTest,
}

impl Tried {
    fn of(shape: &Shape, drift: Option<(&Drift, DriftForm)>, measured: &[f64]) -> Self {
        let points = drift.map(|(drift, form)| drift.points(form));
        let prediction = Prediction::of(shape.form.base(), points);
        let ks = match shape.form {
            // A constant is met exactly, which a test for continuous laws does not see.
            Form::Law { law: Law::Constant(_), .. } => KsTest { statistic: 0.0, p_value: 1.0 },
            _ => ks::one_sample(measured, |x| prediction.cdf(x)),
        };
        Tried { shape: shape.clone(), drift: drift.map(|(_, form)| form), ks }
    }

    /// The first that is near enough, else the nearest, and why it is that one.
    fn best(tried: &[Tried]) -> (&Tried, String) {
        let near = tried.iter().find(|one| one.ks.p_value >= KS_CHANCE);
        let nearest = || tried.iter().min_by(|a, b| a.ks.statistic.total_cmp(&b.ks.statistic));
        let best = near.or_else(nearest).expect("quantiles can always be told");
        let off = best.ks.statistic;
        let mut why = match (&best.shape.form, &best.shape.unfitted) {
            (Form::Law { law: Law::Constant(_), .. }, _) => "all values are equal".to_owned(),
            (Form::Law { law, .. }, _) => {
                let of = best.shape.candidates.len();
                format!("{}, the smallest BIC of {of}; off by {off:.3}", law.family())
            }
            (_, Some(error)) => format!("quantiles of the sample: {error}"),
            (_, None) => {
                let first = &tried[0];
                let family = first.shape.candidates.first().map_or("", |one| one.law.family());
                format!(
                    "quantiles of the sample, off by {off:.3}: the best family, {family}, is off by \
                     {:.3}, beyond the 1% critical value of independent values",
                    first.ks.statistic
                )
            }
        };
        if best.drift.is_none() && tried[0].drift.is_some() {
            why += "; without drift, for days differ by more than a factor";
        }
        (best, why)
    }
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
