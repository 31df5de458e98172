//! From what was written to a checked, compiled distribution; constructors for code.

use std::fmt::Display;

use super::error::{DistError, quoted};
use super::family::{Family, Form, Kind, family};
use super::sampler::{Sampler, Shape};
use super::{Argument, Body, Dist};
use crate::units::Quantity;

/// What is done to a drawn value: `clamp(x + shift, min, max)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds<Q> {
    /// Added first.
    pub shift: Option<Q>,
    /// No value is below this.
    pub min: Option<Q>,
    /// No value is above this.
    pub max: Option<Q>,
}

impl<Q> Bounds<Q> {
    /// Values as drawn.
    pub(super) const NONE: Bounds<Q> = Bounds { shift: None, min: None, max: None };
}

impl<Q: Quantity + Display> Dist<Q> {
    /// Equally likely from `low` to `high`.
    pub fn uniform(low: Q, high: Q) -> Result<Self, DistError> {
        use Argument::Quantity;
        Self::family("uniform", &[("low", Quantity(low)), ("high", Quantity(high))])
    }

    /// Exponential with this mean.
    pub fn exponential(mean: Q) -> Result<Self, DistError> {
        Self::family("exponential", &[("mean", Argument::Quantity(mean))])
    }

    /// Lognormal with this median and 95th percentile.
    pub fn lognormal(median: Q, p95: Q) -> Result<Self, DistError> {
        use Argument::Quantity;
        Self::family("lognormal", &[("median", Quantity(median)), ("p95", Quantity(p95))])
    }

    /// Gamma with this mean and coefficient of variation.
    pub fn gamma(mean: Q, cv: f64) -> Result<Self, DistError> {
        use Argument::{Number, Quantity};
        Self::family("gamma", &[("mean", Quantity(mean)), ("cv", Number(cv))])
    }

    /// One of `values`, all equally likely.
    pub fn empirical(values: Vec<Q>) -> Result<Self, DistError> {
        Self::build(Body::Values(values, None), Bounds::NONE)
    }

    pub(super) fn family(
        name: &'static str,
        arguments: &[(&'static str, Argument<Q>)],
    ) -> Result<Self, DistError> {
        Self::build(Body::Family(name, arguments.to_vec()), Bounds::NONE)
    }

    /// Checks and compiles what was read.
    pub(super) fn build(mut body: Body<Q>, bounds: Bounds<Q>) -> Result<Self, DistError> {
        let shape = match &mut body {
            Body::Constant(value) => Shape::Constant(value.base()),
            Body::Family(name, arguments) => {
                let family = family(name).expect("only names from the table are stored");
                compile(family, arguments)?
            }
            Body::Values(values, weights) => compile_values(values, weights.as_deref())?,
            Body::Quantiles(points) => compile_quantiles(points)?,
            Body::Mixture(branches) => compile_mixture(branches)?,
        };
        let shift = bounds.shift.map_or(0.0, Q::base);
        let min = bounds.min.map_or(0.0, Q::base);
        let max = bounds.max.map_or(f64::INFINITY, Q::base);
        if let (Some(low), Some(high)) = (bounds.min, bounds.max)
            && min > max
        {
            let expected = format!("at least `min`, which is {low}");
            return Err(value_error(body.name(), "max", high, expected));
        }
        let sampler = Sampler::new(shape, shift, min, max);
        Ok(Dist { body, bounds, sampler })
    }
}

impl<Q> Body<Q> {
    /// The key under which it is written.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Body::Constant(_) => "constant",
            Body::Family(name, _) => name,
            Body::Values(..) | Body::Quantiles(_) => "empirical",
            Body::Mixture(_) => "mixture",
        }
    }
}

fn value_error(
    form: &'static str,
    parameter: impl Into<String>,
    found: impl Display,
    expected: impl Into<String>,
) -> DistError {
    let (parameter, expected) = (parameter.into(), expected.into());
    DistError::Value { form, parameter, found: found.to_string(), expected }
}

impl<Q: Quantity + Display> Argument<Q> {
    fn base(self) -> f64 {
        match self {
            Argument::Quantity(q) => q.base(),
            Argument::Number(x) => x,
        }
    }

    fn text(self) -> String {
        match self {
            Argument::Quantity(q) => q.to_string(),
            Argument::Number(x) => x.to_string(),
        }
    }
}

/// Finds the form whose parameters these are, puts them in its order, checks and compiles.
fn compile<Q: Quantity + Display>(
    family: &'static Family,
    arguments: &mut [(&'static str, Argument<Q>)],
) -> Result<Shape, DistError> {
    let names: Vec<&str> = arguments.iter().map(|(name, _)| *name).collect();
    let fits = |form: &&Form| {
        form.parameters.len() == names.len()
            && form.parameters.iter().all(|p| names.contains(&p.name))
    };
    let Some(form) = family.forms.iter().find(fits) else {
        return Err(parameters_error(family, &names));
    };
    arguments.sort_by_key(|(name, _)| form.parameters.iter().position(|p| p.name == *name));
    for (parameter, (_, argument)) in form.parameters.iter().zip(arguments.iter()) {
        let x = argument.base();
        let kind_fits =
            matches!(argument, Argument::Quantity(_)) == (parameter.kind == Kind::Quantity);
        debug_assert!(kind_fits, "`{}` was read as its kind", parameter.name);
        if !x.is_finite() || !parameter.range.holds(x) {
            let expected = if x.is_finite() { parameter.range.text() } else { "a finite value" };
            return Err(value_error(family.name, parameter.name, argument.text(), expected));
        }
    }
    if let Some((first, second)) = form.ordered {
        let of = |name| arguments.iter().find(|(n, _)| *n == name).map(|(_, argument)| *argument);
        if let (Some(low), Some(high)) = (of(first), of(second))
            && low.base() > high.base()
        {
            let expected = format!("at least `{first}`, which is {}", low.text());
            return Err(value_error(family.name, second, high.text(), expected));
        }
    }
    let values: Vec<f64> = arguments.iter().map(|(_, argument)| argument.base()).collect();
    Ok((form.compile)(&values))
}

/// Says which parameters are missing, or which do not go together.
fn parameters_error(family: &'static Family, present: &[&str]) -> DistError {
    let names = |form: &Form| form.parameters.iter().map(|p| p.name).collect::<Vec<&'static str>>();
    let mut begun = family.forms.iter().filter(|form| {
        let names = names(form);
        present.iter().all(|name| names.contains(name))
    });
    if let (Some(form), None) = (begun.next(), begun.next()) {
        let missing: Vec<_> =
            names(form).into_iter().filter(|name| !present.contains(name)).collect();
        return DistError::Missing { form: family.name, missing: quoted(&missing, "and") };
    }
    let forms: Vec<String> = family.forms.iter().map(|form| quoted(&names(form), "and")).collect();
    let found =
        if present.is_empty() { "no parameters".to_owned() } else { quoted(present, "and") };
    DistError::Parameters { form: family.name, found, expected: forms.join(", or ") }
}

fn compile_values<Q: Quantity + Display>(
    values: &[Q],
    weights: Option<&[f64]>,
) -> Result<Shape, DistError> {
    if values.is_empty() {
        return Err(value_error("empirical", "values", "empty", "at least one value"));
    }
    let Some(weights) = weights else {
        let mut sorted: Vec<f64> = values.iter().map(|q| q.base()).collect();
        check_finite(values)?;
        sorted.sort_by(f64::total_cmp);
        if sorted.first() == sorted.last() {
            return Ok(Shape::Constant(sorted[0]));
        }
        return Ok(Shape::Values { values: sorted.into(), cumulative: None });
    };
    check_finite(values)?;
    if weights.len() != values.len() {
        let found = format!("a list of {}", weights.len());
        let expected = format!("one weight for each of the {} values", values.len());
        return Err(value_error("empirical", "weights", found, expected));
    }
    let total = check_weights("empirical", "weights", weights)?;
    let pairs = values.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    let mut pairs: Vec<(f64, f64)> = pairs.map(|(q, weight)| (q.base(), *weight)).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    if pairs.first().map(|p| p.0) == pairs.last().map(|p| p.0) {
        return Ok(Shape::Constant(pairs[0].0));
    }
    let cumulative = cumulate(pairs.iter().map(|(_, weight)| weight / total));
    let values: Vec<f64> = pairs.iter().map(|(value, _)| *value).collect();
    Ok(Shape::Values { values: values.into(), cumulative: Some(cumulative.into()) })
}

fn check_finite<Q: Quantity + Display>(values: &[Q]) -> Result<(), DistError> {
    match values.iter().position(|q| !q.base().is_finite()) {
        None => Ok(()),
        Some(i) => {
            Err(value_error("empirical", format!("values[{i}]"), values[i], "a finite value"))
        }
    }
}

/// The sum of weights that are finite, not negative and not all zero.
fn check_weights(form: &'static str, name: &str, weights: &[f64]) -> Result<f64, DistError> {
    if let Some(i) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
        let parameter = format!("{name}[{i}]");
        return Err(value_error(form, parameter, weights[i], "0 or more"));
    }
    let total: f64 = weights.iter().sum();
    if total > 0.0 && total.is_finite() {
        Ok(total)
    } else {
        let expected = "weights with a finite sum above zero";
        Err(value_error(form, name, format!("of sum {total}"), expected))
    }
}

/// Running sums, the last of which is exactly 1.
fn cumulate(shares: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut below = 0.0;
    let mut sums: Vec<f64> = shares
        .map(|share| {
            below += share;
            f64::min(below, 1.0)
        })
        .collect();
    if let Some(last) = sums.last_mut() {
        *last = 1.0;
    }
    sums
}

fn compile_quantiles<Q: Quantity + Display>(points: &[(f64, Q)]) -> Result<Shape, DistError> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err(value_error("empirical", "quantiles", "empty", "at least two points"));
    };
    // Without its ends a distribution would lose its tail in silence.
    if first.0 != 0.0 || last.0 != 1.0 || points.len() < 2 {
        let found = format!("from p = {} to p = {}", first.0, last.0);
        let expected = "points from p = 0 (the least value) to p = 1 (the largest)";
        return Err(value_error("empirical", "quantiles", found, expected));
    }
    for (i, pair) in points.windows(2).enumerate() {
        let parameter = format!("quantiles[{}]", i + 1);
        let ((p0, q0), (p1, q1)) = (pair[0], pair[1]);
        if p1.partial_cmp(&p0) != Some(std::cmp::Ordering::Greater) {
            let expected = format!("a p above the {p0} before it");
            return Err(value_error("empirical", parameter, format!("at p = {p1}"), expected));
        }
        if !q1.base().is_finite() {
            return Err(value_error("empirical", parameter, q1, "a finite value"));
        }
        if q1.base() < q0.base() {
            let expected = format!("at least the {q0} before it");
            return Err(value_error("empirical", parameter, q1, expected));
        }
    }
    let points: Vec<(f64, f64)> = points.iter().map(|(p, q)| (*p, q.base())).collect();
    let (low, high) = (points[0].1, points[points.len() - 1].1);
    if low == high {
        Ok(Shape::Constant(low))
    } else {
        Ok(Shape::Quantiles { points: points.into() })
    }
}

fn compile_mixture<Q: Quantity + Display>(branches: &[(f64, Dist<Q>)]) -> Result<Shape, DistError> {
    if branches.is_empty() {
        return Err(value_error("mixture", "branches", "empty", "at least one branch"));
    }
    let weights: Vec<f64> = branches.iter().map(|(weight, _)| *weight).collect();
    let total = check_weights("mixture", "weight", &weights)?;
    let kept: Vec<_> = branches.iter().filter(|(weight, _)| *weight > 0.0).collect();
    let cumulative = cumulate(kept.iter().map(|(weight, _)| weight / total));
    let first = kept[0].1.sampler.constant();
    if let Some(value) = first
        && kept.iter().all(|(_, dist)| dist.sampler.constant() == first)
    {
        return Ok(Shape::Constant(value));
    }
    let compiled = kept.iter().map(|(_, dist)| dist.sampler.clone());
    let branches: Vec<(f64, Sampler)> = cumulative.into_iter().zip(compiled).collect();
    Ok(Shape::Mixture { branches: branches.into() })
}
