//! Intervals that are stated after a study stopped because its question was decided.
//!
//! Such a stop favours estimates that lie too far from the threshold, so a plain 95 % interval misses
//! in more than 5 % of runs: with looks at 10, 20 and 40 in up to 6.5 %, where the threshold is worst
//! placed (Jennison and Turnbull 2000, "Group sequential methods", chapter 8). Intervals are therefore
//! drawn at a smaller error level, the one that misses in 5 % at the worst place; elsewhere it misses
//! less. Intervals by an order of the sample space (Tsiatis, Rosner and Mehta 1984) would be exact, but
//! for one statistic that alone decides; a record states many, and several boundaries stop a study.

use super::special::{normal_cdf, normal_density, normal_quantile};
use super::spending::levels;

/// Points of the density of what goes on; odd, for Simpson's rule.
const POINTS: usize = 81;

/// Steps of the distance between truth and threshold, in standard errors of the last look.
const STEP: f64 = 0.25;

/// Studies beyond this distance stop at the first look, whatever comes.
const BEYOND: f64 = 4.0;

/// The two-sided error level at which intervals, drawn at whichever look a study stops, miss in at most
/// `error` of runs, wherever the threshold lies. `replications` are those at each look, rising; the looks
/// test at [`levels`] of the same error. Sums are taken for normal, as there.
pub fn stated_level(replications: &[u32], error: f64) -> f64 {
    let Some(last) = replications.last().filter(|last| **last > 0) else { return error };
    if replications.len() < 2 {
        return error;
    }
    let looks: Vec<Look> = replications
        .iter()
        .zip(levels(replications, error))
        .map(|(n, level)| Look {
            t: f64::from(*n) / f64::from(*last),
            z: -normal_quantile(0.5 * level),
        })
        .collect();
    let furthest = (looks[0].z + BEYOND) / looks[0].t.sqrt();
    let steps = (furthest / STEP).ceil() as usize;
    let places: Vec<Vec<GoesOn>> =
        (0..=steps).map(|step| goes_on(&looks, STEP * step as f64)).collect();
    let worst = |level: f64| {
        let z = -normal_quantile(0.5 * level);
        let misses = places.iter().map(|on| missed(&looks, on, z));
        misses.fold(0.0, f64::max)
    };
    // Misses rise with the level, nearly in proportion.
    let (mut low, mut high) = (0.25 * error, error);
    for _ in 0..16 {
        let middle = 0.5 * (low + high);
        *(if worst(middle) > error { &mut high } else { &mut low }) = middle;
    }
    low
}

/// One look: its share of the most replications, and the z value beyond which it decides.
struct Look {
    t: f64,
    z: f64,
}

impl Look {
    /// Where the sum, measured from the threshold, decides: beyond ±.
    fn end(&self) -> f64 {
        self.z * self.t.sqrt()
    }
}

/// The sums of studies that have not stopped before a look, as weighted points.
struct GoesOn {
    /// Share of the replications so far.
    t: f64,
    /// What the sum drifts by over all replications: truth less threshold.
    drift: f64,
    /// Sums and their chances.
    sums: Vec<(f64, f64)>,
}

/// For each look, what has not stopped before it.
fn goes_on(looks: &[Look], drift: f64) -> Vec<GoesOn> {
    let mut all = vec![GoesOn { t: 0.0, drift, sums: vec![(0.0, 1.0)] }];
    for look in &looks[..looks.len() - 1] {
        let before = &all[all.len() - 1];
        all.push(before.past(look));
    }
    all
}

impl GoesOn {
    /// What a look does not stop.
    fn past(&self, look: &Look) -> GoesOn {
        let (step, end) = ((look.t - self.t).sqrt(), look.end());
        let moved = self.drift * (look.t - self.t);
        let width = 2.0 * end / (POINTS - 1) as f64;
        let sum = |i: usize| {
            let s = width * i as f64 - end;
            let density = self.sums.iter().map(|(before, chance)| {
                chance * normal_density((s - before - moved) / step) / step
            });
            let simpson = match i {
                _ if i == 0 || i == POINTS - 1 => 1.0,
                _ if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            (s, density.sum::<f64>() * simpson * width / 3.0)
        };
        GoesOn { t: look.t, drift: self.drift, sums: (0..POINTS).map(sum).collect() }
    }

    /// Chance that a study stops at `look`, the last or not, with an interval of ±z that misses.
    fn stops_and_misses(&self, look: &Look, last: bool, z: f64) -> f64 {
        let (step, end) = ((look.t - self.t).sqrt(), if last { 0.0 } else { look.end() });
        let moved = self.drift * (look.t - self.t);
        let (centre, half) = (self.drift * look.t, z * look.t.sqrt());
        let chance = |from: f64, to: f64, before: f64| {
            let at = |x: f64| normal_cdf((x - before - moved) / step);
            if from < to { at(to) - at(from) } else { 0.0 }
        };
        let (low, high) = (centre - half, centre + half);
        let missed = |before: f64| {
            chance(f64::NEG_INFINITY, low.min(-end), before)
                + chance(end, low, before)
                + chance(high, -end, before)
                + chance(high.max(end), f64::INFINITY, before)
        };
        self.sums.iter().map(|(before, weight)| weight * missed(*before)).sum()
    }
}

/// Share of runs whose interval of ±z misses, at whichever look they stop.
fn missed(looks: &[Look], on: &[GoesOn], z: f64) -> f64 {
    let last = looks.len() - 1;
    let each = looks.iter().zip(on).enumerate();
    each.map(|(number, (look, on))| on.stops_and_misses(look, number == last, z)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};

    #[test]
    fn one_look_states_what_it_says() {
        assert_eq!(stated_level(&[10], 0.05), 0.05);
        assert_eq!(stated_level(&[], 0.05), 0.05);
    }

    #[test]
    fn without_a_stop_plain_intervals_miss_as_they_say() {
        // Ends so far out that only the last look stops.
        let looks = [Look { t: 0.25, z: 12.0 }, Look { t: 0.5, z: 12.0 }, Look { t: 1.0, z: 2.0 }];
        for drift in [0.0, 1.5] {
            let share = missed(&looks, &goes_on(&looks, drift), 1.959_964);
            assert!((share - 0.05).abs() < 1e-4, "{share}");
        }
    }

    /// Sums of independent normals of mean θ/√40, looked at after 10, 20 and 40: shares of 40,000 runs
    /// whose interval misses θ, within 4 standard errors of the integrals, at several places.
    #[test]
    fn the_integrals_are_what_drawn_studies_do() {
        let looks_at = [10u32, 20, 40];
        let level = stated_level(&looks_at, 0.05);
        assert!((0.03..0.045).contains(&level), "{level}");
        let z = -normal_quantile(0.5 * level);
        let looks: Vec<Look> = looks_at
            .iter()
            .zip(levels(&looks_at, 0.05))
            .map(|(n, level)| Look { t: f64::from(*n) / 40.0, z: -normal_quantile(0.5 * level) })
            .collect();
        let runs = 40_000u64;
        for (place, drift) in [0.0, 1.5, 2.0, 3.0, 5.0, 6.5].into_iter().enumerate() {
            let misses = |run: &u64| {
                let (mut sum, mut n) = (0.0, 0u32);
                for (number, (count, look)) in looks_at.iter().zip(&looks).enumerate() {
                    while n < *count {
                        let u = Draws::new(7 + place as u64, 0, *run, Purpose::Think, n).uniform();
                        sum += (normal_quantile(u) + drift / 40f64.sqrt()) / 40f64.sqrt();
                        n += 1;
                    }
                    if sum.abs() > look.end() || number == 2 {
                        return (sum - drift * look.t).abs() > z * look.t.sqrt();
                    }
                }
                unreachable!("the last look stops")
            };
            let share = (0..runs).filter(misses).count() as f64 / runs as f64;
            let said = missed(&looks, &goes_on(&looks, drift), z);
            let error = (said * (1.0 - said) / runs as f64).sqrt();
            assert!((share - said).abs() < 4.0 * error, "{drift}: {share}, {said}");
            assert!(said < 0.0502, "{drift}: {said}");
        }
    }
}
