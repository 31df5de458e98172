//! Estimates that keep what each replication says of them, for differences and ratios of two on the same
//! replications, and for demand that is itself uncertain.

use super::interval::{Interval, TooFew, around, mean_of, pseudovalues, student_t_quantile};

/// An estimate and what each replication says of it: values that scatter around `centre` as
/// independent replications do, so that the deviation of their mean is that of the estimate. For a
/// mean they are the replications' own means, for a ratio of sums its pseudovalues, for a quantile
/// the replications' own quantiles (sectioning).
#[derive(Clone, Debug, PartialEq)]
pub struct Replicated {
    /// The point estimate.
    pub estimate: f64,
    /// One value a replication.
    pub values: Vec<f64>,
    /// What they scatter around.
    pub centre: f64,
    /// The same from replications whose demand was drawn again from the recorded sessions behind it;
    /// with them intervals hold how little those say (see `covariance`).
    pub resampled: Option<Vec<f64>>,
}

impl Replicated {
    /// A mean over replications.
    pub fn of_mean(values: Vec<f64>) -> Self {
        let mean = mean_of(&values);
        Replicated { estimate: mean, values, centre: mean, resampled: None }
    }

    /// A ratio of sums over replications, by the jackknife (see [`interval::ratio`](super::interval::ratio)).
    ///
    /// # Errors
    /// As [`interval::ratio`](super::interval::ratio).
    pub fn of_ratio(numerators: &[f64], denominators: &[f64]) -> Result<Self, TooFew> {
        let values = pseudovalues(numerators, denominators)?;
        let estimate = numerators.iter().sum::<f64>() / denominators.iter().sum::<f64>();
        let centre = mean_of(&values);
        Ok(Replicated { estimate, values, centre, resampled: None })
    }

    /// The difference of two estimates on the same replications.
    ///
    /// # Panics
    /// If they have not the same number of replications.
    #[must_use]
    pub fn minus(&self, other: &Replicated) -> Self {
        assert_eq!(self.values.len(), other.values.len(), "paired replications come in pairs");
        let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let resampled = self.resampled.as_ref().zip(other.resampled.as_ref());
        Replicated {
            estimate: self.estimate - other.estimate,
            values: minus(&self.values, &other.values),
            centre: self.centre - other.centre,
            resampled: resampled.map(|(a, b)| minus(a, b)),
        }
    }

    /// Student's t interval around the estimate.
    ///
    /// # Errors
    /// With fewer than two replications.
    pub fn interval(&self, level: f64) -> Result<Interval, TooFew> {
        if self.resampled.is_none() {
            return around(self.estimate, &self.values, self.centre, level);
        }
        let found = self.values.len();
        if found < 2 {
            return Err(TooFew::Replications { found });
        }
        let t = student_t_quantile(0.5 + 0.5 * level, found as f64 - 1.0);
        let half = t * covariance(self, self).sqrt();
        Ok(Interval {
            estimate: self.estimate,
            low: self.estimate - half,
            high: self.estimate + half,
        })
    }
}

/// The covariance of two estimates on the same n replications: that of their values over n. Where both
/// were replicated with resampled demand too, what the recorded sessions behind it leave open is
/// added: the covariance with resampled demand less that without, which no number of
/// replications makes smaller (Cheng and Holland 1997; Song, Nelson and Pegden 2014, "Advanced
/// tutorial: input uncertainty quantification"). A variance that is smaller with resampled
/// demand adds nothing.
fn covariance(a: &Replicated, b: &Replicated) -> f64 {
    let n = a.values.len() as f64;
    let moment = |u: &[f64], around_u: f64, v: &[f64], around_v: f64| -> f64 {
        let products = u.iter().zip(v).map(|(u, v)| (u - around_u) * (v - around_v));
        products.sum::<f64>() / (u.len() as f64 - 1.0)
    };
    let simulated = moment(&a.values, a.centre, &b.values, b.centre);
    let input = match (&a.resampled, &b.resampled) {
        (Some(u), Some(v)) if u.len() > 1 && u.len() == v.len() => {
            let of_input = moment(u, mean_of(u), v, mean_of(v)) - simulated;
            if std::ptr::eq(a, b) { of_input.max(0.0) } else { of_input }
        }
        _ => 0.0,
    };
    simulated / n + input
}

/// The interval of `a` / `b`, two estimates on the same replications, by Fieller's theorem (Fieller
/// 1954): all ratios ρ for which `a − ρ b` is not told from zero by the paired t test,
/// (a − ρ b)² ≤ t² (s_aa − 2 ρ s_ab + ρ² s_bb), s being the estimates' covariances. Exact where both are normal; what the pairs share
/// cancels in s_ab.
///
/// # Errors
/// With fewer than two replications, or where `b` itself is not told from zero: then the ratios are
/// not bounded.
///
/// # Panics
/// If they have not the same number of replications.
pub fn paired_ratio(a: &Replicated, b: &Replicated, level: f64) -> Result<Interval, TooFew> {
    assert_eq!(a.values.len(), b.values.len(), "paired replications come in pairs");
    let found = a.values.len();
    if found < 2 {
        return Err(TooFew::Replications { found });
    }
    let t = student_t_quantile(0.5 + 0.5 * level, found as f64 - 1.0);
    let (s_aa, s_bb) = (covariance(a, a), covariance(b, b));
    // Differences of covariances may leave what covariances are: no correlation is beyond 1.
    let most = (s_aa * s_bb).sqrt();
    let s_ab = covariance(a, b).clamp(-most, most);
    let (top, bottom) = (a.estimate, b.estimate);
    // ρ² (b² − t² s_bb) − 2 ρ (a b − t² s_ab) + (a² − t² s_aa) ≤ 0
    let t2 = t * t;
    let square = bottom * bottom - t2 * s_bb;
    if square <= 0.0 {
        return Err(TooFew::Denominators);
    }
    let middle = (top * bottom - t2 * s_ab) / square;
    let least = (top * top - t2 * s_aa) / square;
    let half = (middle * middle - least).max(0.0).sqrt();
    Ok(Interval { estimate: top / bottom, low: middle - half, high: middle + half })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::student_t;

    #[test]
    fn the_paired_ratio_is_fiellers_worked_by_hand() {
        // a = 3, b = 2, deviations a: −1 0 1, b: 0 0.5 −0.5; moments over df·n = 6:
        // s_aa = 2/6, s_bb = 0.5/6, s_ab = −0.5/6. t² with 2 degrees at 95%: 18.5128.
        let a = Replicated::of_mean(vec![2.0, 3.0, 4.0]);
        let b = Replicated::of_mean(vec![2.0, 2.5, 1.5]);
        let found = paired_ratio(&a, &b, 0.95).unwrap();
        let t2 = student_t(2.0) * student_t(2.0);
        // Each end is a root of (3 − 2ρ)² = t² (2/6 + ρ/6 + ρ²·0.5/6).
        for rho in [found.low, found.high] {
            let left = (3.0 - 2.0 * rho) * (3.0 - 2.0 * rho);
            let right = t2 * (2.0 + rho + 0.5 * rho * rho) / 6.0;
            assert!((left - right).abs() < 1e-9, "{rho}: {left} {right}");
        }
        assert!(found.low < 1.5 && 1.5 < found.high && found.estimate == 1.5);
        // A constant multiple is known exactly, whatever both do.
        let twice = Replicated::of_mean(vec![4.0, 5.0, 3.0]);
        let found = paired_ratio(&twice, &b, 0.95).unwrap();
        assert!((found.low - 2.0).abs() < 1e-9 && (found.high - 2.0).abs() < 1e-9, "{found:?}");
        let zero = Replicated::of_mean(vec![-1.0, 1.0, 0.1]);
        assert_eq!(paired_ratio(&a, &zero, 0.95), Err(TooFew::Denominators));
    }

    #[test]
    fn resampled_demand_widens_what_replications_cannot_narrow() {
        // Deviation 1 without, √5 with: 1/4 of the first variance, and the difference of 4 whole.
        let values = vec![-1.0, 1.0, -1.0, 1.0];
        let without = Replicated::of_mean(values.clone());
        let wide: Vec<f64> = values.iter().map(|v| v * 5.0_f64.sqrt()).collect();
        let with = Replicated { resampled: Some(wide), ..without.clone() };
        let variance = |r: &Replicated| {
            let half = r.interval(0.95).unwrap().half_width() / student_t(3.0);
            half * half
        };
        let s = 4.0 / 3.0;
        assert!((variance(&without) - s / 4.0).abs() < 1e-9);
        assert!((variance(&with) - (s / 4.0 + 4.0 * s)).abs() < 1e-9);
        // Less with resampled demand is chance, and narrows nothing.
        let tight = Replicated { resampled: Some(vec![0.0; 4]), ..without.clone() };
        assert!((variance(&tight) - s / 4.0).abs() < 1e-9);
        // What both arms share of it cancels in their difference.
        let other = Replicated { estimate: 3.0, ..with.clone() };
        let found = with.minus(&other).interval(0.95).unwrap();
        assert_eq!((found.low, found.high), (-3.0, -3.0));
    }
}
