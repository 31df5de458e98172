//! How starts under way at once slow each other down, as a table.

use serde::Serialize;

use super::quantile::{Ordered, Z};
use super::series::Series;

/// Starts that a level of the table rests on at least; levels with fewer are joined with the next.
const FEWEST: usize = 20;

/// Medians over starts in flight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContentionFit {
    /// The level that the stage is fitted at: the fastest.
    pub base: u32,
    /// All levels, in rising order.
    pub levels: Vec<Level>,
}

/// What was seen with so many starts in flight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// Starts in flight, itself counted; the mean of levels that were joined, rounded.
    pub in_flight: u32,
    /// The lowest and the highest of the levels that were joined.
    pub joined: [u32; 2],
    /// Starts.
    pub n: usize,
    /// Median, seconds.
    pub p50: f64,
    /// Median over the base level's.
    pub factor: f64,
    /// Its 95% interval.
    pub ci95: [f64; 2],
    /// The factor of the table; none for a level that is slower although fewer starts were under
    /// way: it is told, and no base line.
    pub table: Option<f64>,
}

struct Binned {
    levels: [u32; 2],
    mean: f64,
    logs: Vec<f64>,
}

impl ContentionFit {
    /// The table of a series. None where only one level was seen often enough.
    ///
    /// The base is the level with the least median. Levels below it are pooled into it, unless they
    /// are clearly slower: then they are told but not used, for no factor is below 1. Above it
    /// factors never fall (pool adjacent violators).
    pub(super) fn of(series: &Series) -> Option<ContentionFit> {
        if !series.has_in_flight {
            return None;
        }
        let bins = bins(series)?;
        let ordered: Vec<Ordered> = bins.iter().map(|bin| Ordered::new(&bin.logs, None)).collect();
        let medians: Vec<f64> = ordered.iter().map(|one| one.quantile(0.5)).collect();
        let base = (0..bins.len()).min_by(|a, b| medians[*a].total_cmp(&medians[*b]))?;
        let deviation = |place: usize| {
            let [low, high] = ordered[place].interval(0.5);
            (high - low) / (2.0 * Z)
        };
        let half = |place: usize| {
            let (one, other) = (deviation(place), deviation(base));
            if place == base { 0.0 } else { Z * (one * one + other * other).sqrt() }
        };
        let away: Vec<f64> = medians.iter().map(|median| median - medians[base]).collect();
        let clearly_slower = |place: usize| place < base && away[place] > half(place);
        let weights: Vec<f64> = bins[base..].iter().map(|bin| bin.logs.len() as f64).collect();
        let rising = rising(&away[base..], &weights);
        let table = |place: usize| match place.checked_sub(base) {
            Some(above) => Some(libm::exp(rising[above].max(0.0))),
            None => (!clearly_slower(place)).then_some(1.0),
        };
        let level = |place: usize| Level {
            in_flight: bins[place].mean.round() as u32,
            joined: bins[place].levels,
            n: bins[place].logs.len(),
            p50: libm::exp(medians[place]),
            factor: libm::exp(away[place]),
            ci95: [-1.0, 1.0].map(|side| libm::exp(away[place] + side * half(place))),
            table: table(place),
        };
        let levels: Vec<Level> = (0..bins.len()).map(level).collect();
        Some(ContentionFit { base: levels[base].in_flight, levels })
    }

    /// The bin of a number of starts in flight.
    pub(super) fn level(&self, in_flight: u32) -> Option<&Level> {
        self.levels.iter().find(|level| in_flight <= level.joined[1]).or(self.levels.last())
    }

    /// The base level.
    pub(super) fn base_level(&self) -> Option<&Level> {
        self.levels.iter().find(|level| level.in_flight == self.base)
    }

    /// Points of the table that a profile writes: `[starts, factor]`.
    pub fn points(&self) -> Vec<(u32, f64)> {
        let used = self.levels.iter().filter(|level| level.in_flight >= self.base);
        used.filter_map(|level| Some((level.in_flight, level.table?))).collect()
    }
}

/// Levels with their log times, each with enough of them; none if only one is left.
fn bins(series: &Series) -> Option<Vec<Binned>> {
    let mut values: Vec<(u32, f64)> = series
        .values
        .iter()
        .map(|one| (one.in_flight, libm::log(one.took.seconds())))
        .filter(|(_, log)| log.is_finite())
        .collect();
    values.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut bins: Vec<Binned> = Vec::new();
    let mut open = false;
    for level in values.chunk_by(|a, b| a.0 == b.0) {
        let at = level[0].0;
        let logs = level.iter().map(|(_, log)| *log);
        match bins.last_mut().filter(|_| open) {
            Some(bin) => {
                bin.levels[1] = at;
                bin.mean += f64::from(at) * level.len() as f64;
                bin.logs.extend(logs);
            }
            None => bins.push(Binned {
                levels: [at, at],
                mean: f64::from(at) * level.len() as f64,
                logs: logs.collect(),
            }),
        }
        open = bins.last().is_some_and(|bin| bin.logs.len() < FEWEST);
    }
    // What is left over at the top goes to the level below it.
    if open && bins.len() > 1 {
        let top = bins.pop()?;
        let below = bins.last_mut()?;
        below.levels[1] = top.levels[1];
        below.mean += top.mean;
        below.logs.extend(top.logs);
    }
    for bin in &mut bins {
        bin.mean /= bin.logs.len() as f64;
    }
    (bins.len() > 1).then_some(bins)
}

/// The nearest sequence that never falls, by weighted squares (Ayer et al. 1955).
fn rising(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (value, weight) in values.iter().zip(weights) {
        let mut block = (*value, *weight, 1);
        while let Some(last) = blocks.pop_if(|last| last.0 > block.0) {
            let weight = last.1 + block.1;
            let mean = (last.0 * last.1 + block.0 * block.1) / weight;
            block = (mean, weight, last.2 + block.2);
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(value, _, n)| std::iter::repeat_n(value, n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::series::Timed;
    use crate::units::Span;

    fn series(levels: &[(u32, f64, usize)]) -> Series {
        let values = levels.iter().flat_map(|(in_flight, median, n)| {
            // Evenly spread around its median.
            (0..*n).map(move |i| Timed {
                took: Span::from_seconds(median * (0.9 + 0.2 * i as f64 / (*n - 1) as f64)),
                day: 0,
                in_flight: *in_flight,
            })
        });
        let values = values.collect();
        Series { values, days: vec!["".into()], without_time: 0, has_in_flight: true }
    }

    #[test]
    fn the_fastest_level_is_the_base_and_a_slower_one_below_is_told_only() {
        let found =
            ContentionFit::of(&series(&[(1, 1.3, 101), (10, 1.0, 101), (50, 2.0, 101)])).unwrap();
        assert_eq!(found.base, 10);
        let points = found.points();
        assert_eq!(points.len(), 2, "{points:?}");
        assert_eq!(points[0], (10, 1.0));
        assert!((points[1].1 - 2.0).abs() < 1e-9);
        assert!(found.levels[0].table.is_none() && (found.levels[0].factor - 1.3).abs() < 1e-9);
        let [low, high] = found.levels[2].ci95;
        assert!(low < 2.0 && 2.0 < high && high < 2.2, "{low} {high}");
    }

    #[test]
    fn rare_levels_are_joined_and_factors_never_fall() {
        let found = ContentionFit::of(&series(&[
            (1, 1.0, 50),
            (2, 1.4, 30),
            (3, 1.2, 30),
            (4, 3.0, 5),
            (5, 3.0, 15),
            (9, 3.0, 3),
        ]))
        .unwrap();
        let told: Vec<(u32, [u32; 2], usize)> =
            found.levels.iter().map(|l| (l.in_flight, l.joined, l.n)).collect();
        assert_eq!(told, [(1, [1, 1], 50), (2, [2, 2], 30), (3, [3, 3], 30), (5, [4, 9], 23)]);
        let points = found.points();
        assert!(points.is_sorted_by(|a, b| a.1 <= b.1), "{points:?}");
        // ln 1.4 and ln 1.2 are pooled; the median of 30 is the fifteenth, just below the middle.
        assert!((points[1].1 - (1.4_f64 * 1.2).sqrt()).abs() < 0.005, "{points:?}");
        assert!(ContentionFit::of(&series(&[(1, 1.0, 50)])).is_none());
    }
}
