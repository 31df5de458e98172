//! Intervals of fitted parameters, also where values depend on each other within clusters.
//!
//! The covariance is the sandwich H⁻¹ (Σ s sᵀ) H⁻¹ of White (1982), with scores s summed within
//! clusters (Liang and Zeger 1986), so it holds for dependent values (starts of one day) and for a
//! family that is not the true one; H and s by central differences. Positive parameters are taken by
//! their logarithm, shares by their logit, so that no interval leaves its range.

use super::law::{Law, Range};
use crate::stats::student_t_quantile;

/// Difference steps in units of a parameter's scale.
const STEP: f64 = 1e-4;

/// A parameter with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as in [`Law::parameters`].
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its interval; none where the likelihood has no clear maximum in it, or it stands at a bound.
    pub interval: Option<[f64; 2]>,
}

/// The parameters of a law that was fitted to `values`, with intervals that hold with chance `level`.
/// `clusters` numbers what belongs together, from 0; without it values are independent.
pub fn uncertainty(
    law: &Law,
    values: &[f64],
    clusters: Option<&[usize]>,
    level: f64,
) -> Vec<Parameter> {
    let parameters = law.parameters();
    let half_widths = half_widths(law, values, clusters, level);
    let with = |(place, (name, value)): (usize, (&'static str, f64))| {
        let half = half_widths.as_ref().and_then(|all| all.get(place).copied().flatten());
        let range = law.ranges().get(place).copied();
        let interval = half.zip(range).map(|(half, range)| {
            let at = to_line(range, value);
            [from_line(range, at - half), from_line(range, at + half)]
        });
        Parameter { name, value, interval }
    };
    parameters.into_iter().enumerate().map(with).collect()
}

/// Half the width of each parameter's interval on the whole line; none for one that stands at a bound.
fn half_widths(
    law: &Law,
    values: &[f64],
    clusters: Option<&[usize]>,
    level: f64,
) -> Option<Vec<Option<f64>>> {
    let ranges = law.ranges();
    let parameters = law.parameters();
    // At its bound a shift does not move the likelihood from both sides.
    let at_bound = |place: usize| parameters[place].0 == "shift" && parameters[place].1 == 0.0;
    let free: Vec<usize> = (0..ranges.len()).filter(|place| !at_bound(*place)).collect();
    let count = clusters.map_or(values.len(), |c| c.iter().max().map_or(0, |last| last + 1));
    if free.is_empty() || count <= free.len() + 1 {
        return None;
    }
    let line: Vec<f64> =
        free.iter().map(|place| to_line(ranges[*place], parameters[*place].1)).collect();
    let steps: Vec<f64> = free.iter().map(|place| STEP * scale(law, *place)).collect();
    let law_at = |line: &[f64]| {
        let mut all: Vec<f64> = parameters.iter().map(|(_, value)| *value).collect();
        for (place, at) in free.iter().zip(line) {
            all[*place] = from_line(ranges[*place], *at);
        }
        law.with(&all)
    };
    let likelihood = |line: &[f64]| {
        let law = law_at(line);
        values.iter().map(|x| law.log_density(*x)).sum::<f64>()
    };
    let bread = inverse(hessian(&likelihood, &line, &steps))?;
    let meat = meat(&law_at, values, clusters, count, &line, &steps);
    let t = student_t_quantile(0.5 + level / 2.0, count as f64 - 1.0);
    let small = count as f64 / (count as f64 - 1.0);
    let mut halves = vec![None; ranges.len()];
    for (i, place) in free.iter().enumerate() {
        let mut variance = 0.0;
        for (j, row) in meat.iter().enumerate() {
            for (k, cell) in row.iter().enumerate() {
                variance += bread[i][j] * cell * bread[k][i];
            }
        }
        let half = t * (small * variance).sqrt();
        halves[*place] = Some(half).filter(|half| half.is_finite());
    }
    Some(halves)
}

fn to_line(range: Range, value: f64) -> f64 {
    match range {
        Range::Any => value,
        Range::Positive => libm::log(value),
        Range::Share => libm::log(value) - libm::log1p(-value),
    }
}

fn from_line(range: Range, at: f64) -> f64 {
    match range {
        Range::Any => at,
        Range::Positive => libm::exp(at),
        Range::Share => 1.0 / (1.0 + libm::exp(-at)),
    }
}

/// A change of a parameter that matters, on the whole line.
fn scale(law: &Law, place: usize) -> f64 {
    match (*law, place) {
        (Law::Lognormal { sigma, .. }, 0) | (Law::ShiftedLognormal { sigma, .. }, 1) => sigma,
        // Less than the least value is above the shift.
        (Law::ShiftedLognormal { mu, sigma, .. }, 0) => libm::exp(mu - 2.0 * sigma),
        (Law::TwoLognormals { sigma, .. }, 1) => sigma[0],
        (Law::TwoLognormals { sigma, .. }, 3) => sigma[1],
        // Shapes of thousands are sharp peaks: their scale has a deviation of 1/shape or 1/√shape.
        (Law::Weibull { shape, .. }, 1) => 1.0 / shape,
        (Law::Gamma { shape, .. }, 1) => 1.0 / shape.max(1.0).sqrt(),
        _ => 1.0,
    }
}

/// Minus the second derivatives.
fn hessian(f: &dyn Fn(&[f64]) -> f64, at: &[f64], steps: &[f64]) -> Vec<Vec<f64>> {
    let k = at.len();
    let moved = |moves: &[(usize, f64)]| {
        let mut to = at.to_vec();
        for (place, by) in moves {
            to[*place] += by * steps[*place];
        }
        f(&to)
    };
    let middle = f(at);
    let mut out = vec![vec![0.0; k]; k];
    for i in 0..k {
        let second = moved(&[(i, 1.0)]) - 2.0 * middle + moved(&[(i, -1.0)]);
        out[i][i] = -second / (steps[i] * steps[i]);
        for j in 0..i {
            let cross = moved(&[(i, 1.0), (j, 1.0)])
                - moved(&[(i, 1.0), (j, -1.0)])
                - moved(&[(i, -1.0), (j, 1.0)])
                + moved(&[(i, -1.0), (j, -1.0)]);
            out[i][j] = -cross / (4.0 * steps[i] * steps[j]);
            out[j][i] = out[i][j];
        }
    }
    out
}

/// Σ over clusters of s sᵀ, s the sum of the scores in one.
fn meat(
    law_at: &dyn Fn(&[f64]) -> Law,
    values: &[f64],
    clusters: Option<&[usize]>,
    count: usize,
    at: &[f64],
    steps: &[f64],
) -> Vec<Vec<f64>> {
    let k = at.len();
    let mut scores = vec![vec![0.0; k]; count];
    for place in 0..k {
        let moved = |by: f64| {
            let mut to = at.to_vec();
            to[place] += by * steps[place];
            law_at(&to)
        };
        let (up, down) = (moved(1.0), moved(-1.0));
        for (i, x) in values.iter().enumerate() {
            let slope = (up.log_density(*x) - down.log_density(*x)) / (2.0 * steps[place]);
            scores[clusters.map_or(i, |c| c[i])][place] += slope;
        }
    }
    let mut out = vec![vec![0.0; k]; k];
    for score in &scores {
        for i in 0..k {
            for j in 0..k {
                out[i][j] += score[i] * score[j];
            }
        }
    }
    out
}

/// The inverse of a symmetric positive definite matrix; none if it is not one.
fn inverse(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let k = matrix.len();
    let mut out: Vec<Vec<f64>> =
        (0..k).map(|i| (0..k).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for i in 0..k {
        // Without pivoting: of a positive definite matrix all pivots are positive.
        let pivot = matrix[i][i];
        if pivot.is_nan() || pivot <= 0.0 || !pivot.is_finite() {
            return None;
        }
        for j in 0..k {
            matrix[i][j] /= pivot;
            out[i][j] /= pivot;
        }
        let (row, out_row) = (matrix[i].clone(), out[i].clone());
        for other in (0..k).filter(|other| *other != i) {
            let factor = matrix[other][i];
            for j in 0..k {
                matrix[other][j] -= factor * row[j];
                out[other][j] -= factor * out_row[j];
            }
        }
    }
    Some(out)
}
