//! How fast a machine's core is while the others work.

use std::collections::BTreeMap;

use super::own_time::{FEWEST_FREE, LiveRun, beside, found_a_core, share_of_core};
use super::profile::Number;
use super::quantile::Z;
use crate::drive::samples::ToolSample;

/// The least speed that is told: a simulation cannot work with none.
const LEAST_SPEED: f64 = 0.1;

/// Standard errors that the slope must be away from zero for a speed to be told.
const CLEAR: f64 = 2.0;

/// What is told of all cores must have been seen with this share of the others at work, in one call of
/// ten of those that had company.
const SEEN: f64 = 0.5;

/// The computing of one tool call.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// Run and session.
    cluster: (usize, u64),
    /// Seconds on the reference core.
    planned: f64,
    /// Seconds.
    took: f64,
    /// Share of the other cores at work.
    beside: f64,
}

/// Speed of a core while all of them work, relative to one that works alone, from what the computing of
/// tool calls took. None where too few had company, or where they are no slower for it as far as can be
/// told.
///
/// Measured over planned is linear in the share of the other cores at work: weighted least squares with a
/// factor for each run, standard error over sessions.
pub(super) fn full_speed(runs: &[LiveRun]) -> Option<Number> {
    let of_runs: Vec<Vec<Point>> = runs
        .iter()
        .enumerate()
        .map(|(n, run)| points(n, run))
        .filter(|run| !run.is_empty())
        .collect();
    let all: Vec<Point> = of_runs.iter().flatten().copied().collect();
    let mut company: Vec<f64> = all.iter().map(|point| point.beside).filter(|b| *b > 0.0).collect();
    company.sort_unstable_by(f64::total_cmp);
    if company.len() < FEWEST_FREE || company[company.len() * 9 / 10] < SEEN {
        return None;
    }
    let mut clusters: BTreeMap<(usize, u64), Vec<(f64, f64)>> = BTreeMap::new();
    for points in &of_runs {
        let level = mean(points, |point| point.took / point.planned);
        let center = mean(points, |point| point.beside);
        for point in points {
            let x = point.planned * (point.beside - center);
            let y = point.took / level - point.planned;
            clusters.entry(point.cluster).or_default().push((x, y));
        }
    }
    let (slope, error) = line(&clusters);
    let center = mean(&all, |point| point.beside);
    let speed = |slope: f64| {
        let (alone, all) = (1.0 - slope * center, 1.0 + slope * (1.0 - center));
        (alone / all).clamp(LEAST_SPEED, 1.0)
    };
    let ci95 = [speed(slope + Z * error), speed(slope - Z * error)];
    let how = "speed of a core while all work, over one that works alone: least squares of the computing of \
               tool calls on the cores at work beside them";
    let key = "on_machine.full_speed".to_owned();
    let told = slope.is_finite() && error.is_finite() && slope > CLEAR * error;
    told.then(|| Number::of(key, speed(slope), Some(ci95), all.len(), how))
}

/// Calls of a run that computed, and found a core free when they were asked for.
fn points(number: usize, run: &LiveRun) -> Vec<Point> {
    let Some(machine) = run.machine.filter(|machine| machine.cores > 1) else { return Vec::new() };
    let free = run.samples.tools.iter().filter(|tool| found_a_core(Some(machine), *tool));
    let point = |tool: &ToolSample| Point {
        cluster: (number, tool.session),
        planned: tool.cpu.seconds() / tool.cores.0,
        took: tool.computing.seconds() * share_of_core(machine, tool),
        beside: beside(machine, tool),
    };
    free.map(point).filter(|point| point.planned > 0.0 && point.took > 0.0).collect()
}

/// By what was planned.
fn mean(points: &[Point], of: impl Fn(&Point) -> f64) -> f64 {
    let planned: f64 = points.iter().map(|point| point.planned).sum();
    points.iter().map(|point| point.planned * of(point)).sum::<f64>() / planned
}

/// The slope of y over x through nothing, and its standard error over clusters (Liang & Zeger 1986).
fn line(clusters: &BTreeMap<(usize, u64), Vec<(f64, f64)>>) -> (f64, f64) {
    let all = || clusters.values().flatten();
    let squares: f64 = all().map(|(x, _)| x * x).sum();
    let slope = all().map(|(x, y)| x * y).sum::<f64>() / squares;
    let score = |points: &Vec<(f64, f64)>| {
        let sum: f64 = points.iter().map(|(x, y)| x * (y - slope * x)).sum();
        sum * sum
    };
    (slope, clusters.values().map(score).sum::<f64>().sqrt() / squares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::samples::Samples;
    use crate::measure::record::MachineRecord;
    use crate::random::{Draws, Purpose};
    use crate::units::{Cores, Span};

    fn run(seed: u64, level: f64, full: f64) -> LiveRun {
        let machine = MachineRecord {
            cores: 3,
            busy_s: 10.0,
            stolen_s: 0.0,
            background_cores: None,
            stolen_alone: None,
        };
        let tool = |i: u64| {
            let uniform = |index| Draws::new(seed, 0, i, Purpose::Think, index).uniform();
            // Half of them are alone; up to both other cores work beside the others.
            let others = if i.is_multiple_of(2) { 0.0 } else { 2.0 * uniform(0) };
            let cpu = 0.01 + 0.04 * uniform(1);
            let slower = 1.0 + (1.0 / full - 1.0) * others / 2.0;
            let computing = Span::from_seconds(cpu * level * slower * (0.9 + 0.2 * uniform(2)));
            ToolSample {
                session: i / 3,
                under_way: 1,
                others,
                crowded: 0.0,
                cpu: Span::from_seconds(cpu),
                cores: Cores(1.0),
                io: Span::ZERO,
                took: computing,
                service: computing,
                computing,
                waiting: Span::ZERO,
                busy: None,
                first: false,
            }
        };
        let samples = Samples { tools: (0..400).map(tool).collect(), ..Samples::default() };
        LiveRun { samples, machine: Some(machine) }
    }

    #[test]
    fn the_speed_of_a_full_machine_is_found_again_whatever_the_runs_levels() {
        for full in [0.7, 0.9] {
            let found = full_speed(&[run(1, 1.0, full), run(2, 1.6, full)]).unwrap();
            let [low, high] = found.ci95.unwrap();
            assert!((found.base - full).abs() < 0.02, "{found:?}");
            assert!(low < full && full < high && high - low < 0.05, "{found:?}");
        }
    }

    #[test]
    fn nothing_is_told_of_a_machine_that_is_no_slower_when_full() {
        // By chance one of forty would be.
        let told = (1..=20).filter_map(|seed| full_speed(&[run(seed, 1.0, 1.0)]));
        let told: Vec<f64> = told.map(|number| number.base).collect();
        assert!(told.len() <= 3 && told.iter().all(|speed| *speed > 0.97), "{told:?}");
    }

    #[test]
    fn nothing_is_told_of_a_full_machine_that_was_not_seen() {
        let mut few = run(1, 1.0, 0.7);
        few.samples.tools.iter_mut().for_each(|tool| tool.others /= 5.0);
        assert_eq!(full_speed(&[few]), None);
    }

    #[test]
    fn without_company_or_a_second_core_nothing_is_told() {
        let mut alone = run(1, 1.0, 0.7);
        alone.samples.tools.iter_mut().for_each(|tool| tool.others = 0.0);
        assert_eq!(full_speed(&[alone]), None);
        let mut single = run(1, 1.0, 0.7);
        single.machine.as_mut().unwrap().cores = 1;
        assert_eq!(full_speed(&[single]), None);
        assert_eq!(full_speed(&[]), None);
    }
}
