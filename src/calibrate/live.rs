//! Live runs: stages and numbers from their single operations.

use super::full_speed::full_speed;
use super::on_machine::on_machine;
use super::own_time::{Crowded, LiveRun, own_times};
use super::profile::{Keeps, Number, Stage};
use super::quantile::Z;
use super::ratio::{Terms, ratio};
use super::series::{Series, Timed};
use crate::dist::rounded;
use crate::drive::samples::{OperationSample, Samples, ToolSample};
use crate::units::{Bandwidth, Bytes, Quantity, Span};

/// Transfers needed for a bandwidth.
const FEWEST_TRANSFERS: usize = 30;

/// Standard errors that a slope must be away from zero for a bandwidth to be told.
const CLEAR: f64 = 4.0;

/// What live runs say of a tier: durations by stage, and numbers beside them.
#[derive(Clone, Debug, Default)]
pub struct LiveSeries {
    /// Durations; stages that did not happen are left out.
    pub stages: Vec<(Stage, Series)>,
    /// Factors, sizes, bandwidths.
    pub numbers: Vec<Number>,
    /// Operations that found no core free.
    pub crowded: Crowded,
    /// What was taken off.
    off: Off,
}

/// What is taken off measured times.
#[derive(Clone, Copy, Debug, Default)]
struct Off {
    /// Seconds a byte, of snapshots and restores.
    per_byte: [f64; 2],
    /// Speed of a core while all work; none where they are not slower.
    full_speed: Option<f64>,
}

/// The stages and numbers of live runs, pooled.
///
/// A tool call is reach + I/O wait · io_factor + CPU · cpu_factor: factors are ratios of sums, and
/// reach is the rest. A restore or snapshot whose time grows clearly with its bytes has a bandwidth
/// (least squares), and what is left is its fixed part.
///
/// A profile says what a platform takes by itself. So, where a run tells of its machine, operations that
/// had more of them beside them than it has cores are left out, if enough others are there, for waiting
/// comes of the load; and times but for I/O wait are multiplied by the share of the wanted CPU time that
/// an operation alone got, and by the speed of a core beside as many others at work.
pub fn live_series(runs: &[LiveRun], keeps: Keeps) -> LiveSeries {
    series(runs, keeps, None)
}

impl LiveSeries {
    /// One stage alone.
    pub fn of(stage: Stage, series: Series) -> Self {
        LiveSeries { stages: vec![(stage, series)], ..LiveSeries::default() }
    }

    /// The stages of other runs, with that taken off which is of this one: what it is to predict.
    pub fn unseen(&self, runs: &[LiveRun], keeps: Keeps) -> LiveSeries {
        series(runs, keeps, Some(self.off))
    }
}

fn series(runs: &[LiveRun], keeps: Keeps, given: Option<Off>) -> LiveSeries {
    let mut found = LiveSeries::default();
    let mut crowded = Crowded::default();
    let full = full_speed(runs);
    let own = full.as_ref().map(|number| number.base);
    found.off.full_speed = given.map_or(own, |given| given.full_speed);
    let speed = found.off.full_speed.unwrap_or(1.0);
    let mut pooled = |of: fn(&Samples) -> &Vec<OperationSample>| -> Vec<OperationSample> {
        own_times(runs, of, speed, &mut crowded).into_iter().map(|(_, one)| one).collect()
    };
    let boots = pooled(|run| &run.boots);
    found.push(Stage::Boot, boots.iter().map(|boot| (boot.took, boot.in_flight)), true);
    let (snapshots, restores) = (pooled(|run| &run.snapshots), pooled(|run| &run.restores));
    let key = format!("snapshot.{}", keeps.name());
    let per_byte = given.map(|given| given.per_byte);
    found.off.per_byte[0] =
        found.transfers(Stage::Snapshot, &snapshots, &key, per_byte.map(|given| given[0]));
    if !snapshots.is_empty() {
        found.numbers.extend(sizes(&snapshots, &key));
    }
    found.off.per_byte[1] =
        found.transfers(Stage::Restore, &restores, "restore", per_byte.map(|given| given[1]));
    // Sessions of different runs have the same numbers.
    let tools = own_times(runs, |samples| &samples.tools, speed, &mut crowded);
    found.crowded = crowded;
    let reach = |tool: &ToolSample| tool.took.saturating_sub(tool.computing + tool.waiting);
    found.push(Stage::Exec, tools.iter().map(|(_, tool)| (reach(tool), 1)), false);
    let alone = |tool: &ToolSample| tool.cpu.seconds() / tool.cores.0;
    found
        .numbers
        .extend(factor("cpu_factor", &tools, |tool| (tool.computing.seconds(), alone(tool))));
    found
        .numbers
        .extend(factor("io_factor", &tools, |tool| (tool.waiting.seconds(), tool.io.seconds())));
    found.numbers.extend(on_machine(runs, speed));
    found.numbers.extend(full);
    found
}

impl LiveSeries {
    fn push(
        &mut self,
        stage: Stage,
        values: impl Iterator<Item = (Span, u32)>,
        has_in_flight: bool,
    ) {
        let timed = |(took, in_flight)| Timed { took, day: 0, in_flight };
        let values: Vec<Timed> = values.map(timed).collect();
        if !values.is_empty() {
            let days = vec![String::new()];
            self.stages.push((stage, Series { values, days, without_time: 0, has_in_flight }));
        }
    }

    /// Fixed part and bandwidth of restores or snapshots; the seconds a byte that were taken off.
    fn transfers(
        &mut self,
        stage: Stage,
        samples: &[OperationSample],
        key: &str,
        given: Option<f64>,
    ) -> f64 {
        let points: Vec<(f64, f64)> =
            samples.iter().map(|one| (one.bytes.0 as f64, one.took.seconds())).collect();
        let slope = if given.is_some() { None } else { slope(&points) };
        let told = slope.map(|(slope, error)| match least(&points) {
            // Noise grows with size, and a steeper slope would leave many a fixed part below nothing.
            least if least < slope => Told { per_byte: least, error: None },
            _ => Told { per_byte: slope, error: Some(error) },
        });
        let per_byte = given.unwrap_or_else(|| told.map_or(0.0, |told| told.per_byte));
        let fixed = |one: &OperationSample| {
            let moving = Span::from_seconds(one.bytes.0 as f64 * per_byte);
            (one.took.saturating_sub(moving).max(Span::from_nanos(1)), 1)
        };
        self.push(stage, samples.iter().map(fixed), false);
        if let Some(Told { per_byte, error }) = told {
            let bandwidth = |slope: f64| 1.0 / slope;
            self.numbers.push(Number {
                key: format!("{key}.bandwidth"),
                value: Bandwidth::from_base(rounded(bandwidth(per_byte))).to_string(),
                base: bandwidth(per_byte),
                ci95: error.map(|e| [1.0, -1.0].map(|side| bandwidth(per_byte + side * Z * e))),
                n: points.len(),
                how: match error {
                    Some(_) => "least squares of time on bytes",
                    None => {
                        "the least time a byte took, but for 1 in 50; least squares would leave \
                             less than nothing to the fixed part"
                    }
                },
            });
        }
        per_byte
    }
}

/// Seconds a byte, as they are told; the standard error where they are the slope's.
#[derive(Clone, Copy)]
struct Told {
    per_byte: f64,
    error: Option<f64>,
}

/// The 2% quantile of seconds a byte.
fn least(points: &[(f64, f64)]) -> f64 {
    let mut rates: Vec<f64> = points.iter().map(|(bytes, seconds)| seconds / bytes).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates[(0.02 * rates.len() as f64).ceil() as usize - 1]
}

/// Seconds a byte with the standard error, where time grows clearly with bytes.
fn slope(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    if points.len() < FEWEST_TRANSFERS {
        return None;
    }
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (mut squares, mut cross) = (0.0, 0.0);
    for point in points {
        squares += (point.0 - x) * (point.0 - x);
        cross += (point.0 - x) * (point.1 - y);
    }
    let slope = cross / squares;
    // White's standard error: spread may grow with size.
    let rests = points.iter().map(|p| {
        let rest = (p.1 - y - slope * (p.0 - x)) * (p.0 - x);
        rest * rest
    });
    let error = rests.sum::<f64>().sqrt() / squares;
    (slope > CLEAR * error && error.is_finite()).then_some((slope, error))
}

/// How large snapshots are: all of it in the mean, none in the bytes that a session dirtied.
fn sizes(snapshots: &[OperationSample], key: &str) -> Vec<Number> {
    let n = snapshots.len() as f64;
    let mean = snapshots.iter().map(|one| one.bytes.0 as f64).sum::<f64>() / n;
    let away = |one: &OperationSample| (one.bytes.0 as f64 - mean) * (one.bytes.0 as f64 - mean);
    let square = snapshots.iter().map(away).sum::<f64>() / (n - 1.0).max(1.0);
    let half = Z * (square / n).sqrt();
    vec![
        Number {
            key: format!("{key}.base"),
            value: Bytes(mean.round() as u64).to_string(),
            base: mean,
            ci95: (n > 1.0).then_some([mean - half, mean + half]),
            n: snapshots.len(),
            how: "mean size in the store, whatever the session wrote",
        },
        Number {
            key: format!("{key}.dedupe"),
            value: "1".to_owned(),
            base: 1.0,
            ci95: None,
            n: snapshots.len(),
            how: "by definition: the whole size is in `base`",
        },
    ]
}

/// Measured over planned. None where nothing was planned, or nothing measured: a runtime that does nothing
/// has no factor.
fn factor(
    key: &str,
    tools: &[(usize, ToolSample)],
    of: impl Fn(&ToolSample) -> (f64, f64),
) -> Option<Number> {
    let terms = tools.iter().map(|(run, tool)| {
        let (top, bottom) = of(tool);
        Terms { cluster: (*run, tool.session), top, bottom }
    });
    let found = ratio(&terms.collect::<Vec<_>>())?;
    let how = "ratio of sums, measured over planned; the interval is over sessions";
    Some(Number::of(key.to_owned(), found.value, found.ci95, tools.len(), how))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::record::MachineRecord;
    use crate::random::{Draws, Purpose};
    use crate::units::Cores;

    fn uniform(i: u64, index: u32) -> f64 {
        Draws::new(9, 0, i, Purpose::Think, index).uniform()
    }

    /// A run on a machine of so many cores, of whose wanted time that share was stolen.
    fn on(samples: Samples, machine: Option<(u32, f64)>) -> LiveRun {
        let machine = machine.map(|(cores, stolen)| MachineRecord {
            cores,
            busy_s: 100.0 * (1.0 - stolen),
            stolen_s: 100.0 * stolen,
            background_cores: None,
            stolen_alone: None,
        });
        LiveRun { samples, machine }
    }

    fn operation(session: u64, took: f64, bytes: f64) -> OperationSample {
        OperationSample {
            session,
            in_flight: 1,
            under_way: 1,
            others: 0.0,
            crowded: 0.0,
            took: Span::from_seconds(took),
            lasted: Some(Span::from_seconds(took)),
            busy: None,
            bytes: Bytes(bytes as u64),
            stages: Default::default(),
        }
    }

    #[test]
    fn factors_bandwidths_and_fixed_parts_are_found_again() {
        let tool = |session: u64| ToolSample {
            session,
            under_way: 1,
            others: 0.0,
            crowded: 0.0,
            cpu: Span::from_millis(100),
            cores: Cores(1.0),
            io: Span::from_millis(50),
            took: Span::from_millis(200 + session % 3),
            service: Span::from_millis(190),
            computing: Span::from_seconds(0.1 * (1.1 + 0.2 * uniform(session, 0))),
            waiting: Span::from_millis(51),
            busy: None,
            first: false,
        };
        let restore = |session: u64| {
            let bytes = 1e6 + 9e6 * uniform(session, 1);
            let took = 0.05 + 0.01 * uniform(session, 2) + bytes / 100e6;
            operation(session, took, bytes)
        };
        let samples = Samples {
            restores: (0..400).map(restore).collect(),
            tools: (0..400).map(tool).collect(),
            ..Samples::default()
        };
        let found = live_series(&[on(samples, None)], Keeps::Filesystem);
        let number = |key: &str| found.numbers.iter().find(|one| one.key == key).unwrap();
        for (key, truth) in [("cpu_factor", 1.2), ("restore.bandwidth", 100e6)] {
            let one = number(key);
            let [low, high] = one.ci95.unwrap();
            let slack = (high - low) / 2.0;
            assert!(low - slack < truth && truth < high + slack, "{one:?}");
        }
        let io = number("io_factor");
        assert!((io.base - 1.02).abs() < 1e-9, "{io:?}");
        let (_, fixed) = found.stages.iter().find(|(stage, _)| *stage == Stage::Restore).unwrap();
        let mean = fixed.seconds().iter().sum::<f64>() / 400.0;
        assert!((mean - 0.055).abs() < 0.002, "{mean}");
        assert!(found.stages.iter().all(|(stage, _)| *stage != Stage::Boot), "nothing booted");
    }

    #[test]
    fn what_began_with_no_core_free_is_not_the_platforms_own_time() {
        let boot = |session, under_way, took| OperationSample {
            under_way,
            ..operation(session, took, 0.0)
        };
        let run = |free: u64, cores: Option<u32>| {
            let crowded = (0..40).map(|i| boot(i, 3, 0.5));
            let boots = (0..free).map(|i| boot(i, 2, 0.05)).chain(crowded).collect();
            on(Samples { boots, ..Samples::default() }, cores.map(|cores| (cores, 0.0)))
        };
        let found = |free, cores| live_series(&[run(free, cores)], Keeps::Filesystem);
        let seconds = |found: &LiveSeries| found.stages[0].1.seconds();
        let kept = found(30, Some(2));
        assert_eq!(seconds(&kept), vec![0.05; 30]);
        assert_eq!(kept.crowded, Crowded { left_out: 40, kept: 0, of: 70 });
        // What is to be predicted is taken the same way.
        let unseen = kept.unseen(&[run(31, Some(2))], Keeps::Filesystem);
        assert_eq!(seconds(&unseen), vec![0.05; 31]);
        // Too few, a third core, or a machine that does not tell: nothing is left out.
        for all in [found(29, Some(2)), found(30, Some(3)), found(30, None)] {
            assert!(seconds(&all).contains(&0.5) && all.crowded.left_out == 0);
        }
        assert_eq!(found(29, Some(2)).crowded.kept, 40, "which is told");
    }

    #[test]
    fn stolen_time_is_taken_off_all_but_waiting() {
        // A quarter was stolen: boots of 80 ms take 60; of a call 40 reach and 20 compute, 10 wait.
        let ms = Span::from_millis;
        let tool = ToolSample {
            session: 0,
            under_way: 1,
            others: 0.0,
            crowded: 0.0,
            cpu: ms(10),
            cores: Cores(1.0),
            io: ms(10),
            took: ms(70),
            service: ms(30),
            computing: ms(20),
            waiting: ms(10),
            busy: None,
            first: false,
        };
        let samples = Samples {
            boots: vec![operation(0, 0.08, 0.0)],
            tools: vec![tool],
            ..Samples::default()
        };
        let found = live_series(&[on(samples, Some((2, 0.25)))], Keeps::Filesystem);
        let seconds = |place: usize| found.stages[place].1.seconds()[0];
        assert!((seconds(0) - 0.06).abs() < 1e-9 && (seconds(1) - 0.03).abs() < 1e-9);
        let number = |key: &str| found.numbers.iter().find(|one| one.key == key).unwrap().base;
        assert!((number("cpu_factor") - 1.5).abs() < 1e-9);
        assert!((number("io_factor") - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_fixed_part_is_never_below_nothing() {
        // 20 ns a byte times 1 to 3: the mean line passes above most of the times.
        let save = |session: u64| {
            let bytes = 1e6 + 9e6 * uniform(session, 4);
            let took = bytes * 20e-9 * (1.0 + 2.0 * uniform(session, 5).powi(4));
            operation(session, took, bytes)
        };
        let samples = Samples { snapshots: (0..400).map(save).collect(), ..Samples::default() };
        let found = live_series(&[on(samples, None)], Keeps::Filesystem);
        let bandwidth = found.numbers.iter().find(|one| one.key.ends_with("bandwidth")).unwrap();
        assert!((49e6..=50.1e6).contains(&bandwidth.base), "{bandwidth:?}");
        assert_eq!(bandwidth.ci95, None);
        let (_, fixed) = &found.stages[0];
        let nothing = fixed.seconds().iter().filter(|seconds| **seconds <= 1e-9).count();
        // One in 50, and those that rounding moves.
        assert!(nothing <= 10, "{nothing} of 400");
    }

    #[test]
    fn sizes_that_do_not_vary_give_no_bandwidth() {
        let points: Vec<(f64, f64)> =
            (0..100).map(|i| (1e6 + (i % 2) as f64, 0.1 + 0.01 * uniform(i, 3))).collect();
        assert_eq!(slope(&points), None);
    }
}
