//! How much of a run's beginning to leave out.

/// Observations in a batch: the 5 of MSER-5.
const BATCH: usize = 5;
/// Fewest batches that are enough.
const BATCHES: usize = 10;

/// Why a series has no truncation point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MserError {
    /// There are too few observations to tell.
    #[error("the series has {found} observations: MSER-5 needs at least {needed}")]
    TooShort {
        /// Observations in the series.
        found: usize,
        /// Fewest that are enough.
        needed: usize,
    },
    /// The best point is the last candidate, half way: the series has not settled.
    #[error(
        "the series has not settled: MSER-5 would leave out {leave_out} of {found} observations"
    )]
    NotSettled {
        /// Observations before the best point.
        leave_out: usize,
        /// Observations in the series.
        found: usize,
    },
}

/// How many observations at the start of `series` belong to the warm-up, by MSER-5: over batch means
/// of 5, the point d that minimises Σ_{i>d} (Y_i − Ȳ_d)² / (n − d)², the squared half-width of the
/// rest's mean as if it were independent (White 1997, "An effective truncation heuristic for bias
/// reduction in simulation output"; batches of 5: White, Cobb, Spratt 2000). The earliest of equal
/// points is taken. Only the first half is searched, for near the end few batches can have a small
/// spread by chance (Mokashi et al. 2010); its last point stands for "not settled". Observations
/// beyond the last whole batch are not looked at.
pub fn mser5(series: &[f64]) -> Result<usize, MserError> {
    let batches: Vec<f64> =
        series.chunks_exact(BATCH).map(|b| b.iter().sum::<f64>() / BATCH as f64).collect();
    let n = batches.len();
    if n < BATCHES {
        let needed = BATCHES * BATCH;
        return Err(MserError::TooShort { found: series.len(), needed });
    }
    // From the back, so that mean and squared deviations grow by one batch a step (Welford).
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    for (start, y) in batches.iter().enumerate().rev() {
        count += 1.0;
        let off = y - mean;
        mean += off / count;
        squares += off * (y - mean);
        let score = squares / (count * count);
        if start <= n / 2 && score <= best.0 {
            best = (score, start);
        }
    }
    let leave_out = best.1 * BATCH;
    if best.1 == n / 2 {
        return Err(MserError::NotSettled { leave_out, found: series.len() });
    }
    Ok(leave_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};
    use crate::stats::special::normal_quantile;

    #[test]
    fn cuts_a_step_where_it_is() {
        // 20 high observations, then 100 that alternate by batch: every later cut costs more.
        let series: Vec<f64> =
            (0..120).map(|i| if i < 20 { 50.0 } else { f64::from(i / 5 % 2) }).collect();
        assert_eq!(mser5(&series), Ok(20));
        assert_eq!(mser5(&[3.0; 60]), Ok(0));
    }

    /// The definition, written out without running sums.
    fn by_definition(series: &[f64]) -> usize {
        let y: Vec<f64> = series.chunks_exact(5).map(|b| b.iter().sum::<f64>() / 5.0).collect();
        let score = |d: usize| {
            let rest = &y[d..];
            let n = rest.len() as f64;
            let mean = rest.iter().sum::<f64>() / n;
            rest.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n * n)
        };
        let best = (0..=y.len() / 2).min_by(|a, b| score(*a).total_cmp(&score(*b)));
        best.unwrap() * 5
    }

    #[test]
    fn agrees_with_the_definition_on_autoregressive_series_that_start_far_off() {
        for session in 0..50 {
            let mut level = 20.0;
            let series: Vec<f64> = (0..1000)
                .map(|i| {
                    let u = Draws::new(1, 0, session, Purpose::Think, i).uniform();
                    level = 0.9 * level + normal_quantile(u);
                    level
                })
                .collect();
            let cut = mser5(&series).unwrap();
            assert_eq!(cut, by_definition(&series), "series {session}");
            // After 10 steps the start weighs 0.9¹⁰ = 35% of what it did; half of the run remains.
            assert!((10..500).contains(&cut), "series {session}: {cut}");
        }
    }

    #[test]
    fn says_when_a_series_is_too_short_or_does_not_settle() {
        let error = mser5(&[1.0; 49]).unwrap_err();
        assert_eq!(error.to_string(), "the series has 49 observations: MSER-5 needs at least 50");
        let rising: Vec<f64> = (0..200).map(f64::from).collect();
        assert!(
            matches!(mser5(&rising), Err(MserError::NotSettled { .. })),
            "{:?}",
            mser5(&rising)
        );
    }
}
