//! The same sessions driven through several runtimes: what each takes, and how many times what the
//! first of them takes.
//!
//! Runtimes take turns, in one order and then in the other, so that what the machine does meanwhile
//! falls on all of them alike. Intervals come from resampling passes, and sessions within them, the
//! same ones for all runtimes (two-level bootstrap: Davison and Hinkley 1997, "Bootstrap methods and
//! their application", 3.8): turns of one session are not independent, nor are sessions of one pass.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::drive::LiveOutcome;
use crate::drive::samples::{OperationSample, Samples};
use crate::random::{Draws, Purpose};
use crate::units::Span;

/// Resamples behind an interval.
const RESAMPLES: u32 = 1_000;

/// Observations without which a quantile is not stated.
const FEWEST: usize = 10;

/// Runtimes side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TierComparison {
    /// The runtime that all are held against: the first.
    pub reference: String,
    /// Sessions of a pass.
    pub sessions: u64,
    /// The runtimes of each pass, in the order in which they were driven.
    pub order: Vec<Vec<String>>,
    /// By runtime, what was measured.
    pub runtimes: IndexMap<String, TierRecord>,
    /// What a reader should know before believing a number.
    pub warnings: Vec<String>,
}

/// What was measured of one runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TierRecord {
    /// Numbers by name; one is missing where too little was seen.
    pub measures: IndexMap<String, Measured>,
    /// Sandboxes made.
    pub boots: usize,
    /// Tool calls done.
    pub calls: usize,
    /// Snapshots taken.
    pub snapshots: usize,
    /// Snapshots restored.
    pub restores: usize,
}

/// A number and how it stands to the reference's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The number: seconds, bytes, or a factor.
    pub value: f64,
    /// Its 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// The number over the reference's; none for the reference itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The 95 % interval of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio_ci95: Option<[f64; 2]>,
}

/// One number that runtimes are held against each other by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TierMeasure {
    /// Median time of a cold boot, seconds.
    StartP50,
    /// 95th percentile of it.
    StartP95,
    /// Median of what a tool call takes beside its own work, seconds.
    ReachP50,
    /// 95th percentile of it.
    ReachP95,
    /// CPU time of tool work over the planned, on the reference core.
    CpuFactor,
    /// I/O wait of tool work over the planned.
    IoFactor,
    /// Median time of a snapshot, seconds.
    SnapshotP50,
    /// Mean bytes of a snapshot in the store.
    SnapshotBytes,
    /// Median time of a restore, seconds.
    RestoreP50,
    /// 95th percentile of it.
    RestoreP95,
    /// Median time of destroying a sandbox, seconds.
    DestroyP50,
    /// Median of what the platform adds to a turn, seconds.
    PlatformP50,
    /// 95th percentile of it.
    PlatformP95,
}

impl TierMeasure {
    /// All, in the order of the record.
    pub const ALL: [TierMeasure; 13] = [
        TierMeasure::StartP50,
        TierMeasure::StartP95,
        TierMeasure::ReachP50,
        TierMeasure::ReachP95,
        TierMeasure::CpuFactor,
        TierMeasure::IoFactor,
        TierMeasure::SnapshotP50,
        TierMeasure::SnapshotBytes,
        TierMeasure::RestoreP50,
        TierMeasure::RestoreP95,
        TierMeasure::DestroyP50,
        TierMeasure::PlatformP50,
        TierMeasure::PlatformP95,
    ];

    /// Its name in the record.
    pub const fn name(self) -> &'static str {
        match self {
            TierMeasure::StartP50 => "start.p50",
            TierMeasure::StartP95 => "start.p95",
            TierMeasure::ReachP50 => "reach.p50",
            TierMeasure::ReachP95 => "reach.p95",
            TierMeasure::CpuFactor => "cpu_factor",
            TierMeasure::IoFactor => "io_factor",
            TierMeasure::SnapshotP50 => "snapshot.p50",
            TierMeasure::SnapshotBytes => "snapshot_bytes.mean",
            TierMeasure::RestoreP50 => "restore.p50",
            TierMeasure::RestoreP95 => "restore.p95",
            TierMeasure::DestroyP50 => "destroy.p50",
            TierMeasure::PlatformP50 => "platform_time.p50",
            TierMeasure::PlatformP95 => "platform_time.p95",
        }
    }

    /// The number of some sessions; `None` where too little was seen.
    fn of(self, sessions: &[&OfSession]) -> Option<f64> {
        let quantile = |of: fn(&OfSession) -> &Vec<f64>, q: f64| {
            let mut all: Vec<f64> = sessions.iter().flat_map(|s| of(s)).copied().collect();
            all.sort_unstable_by(f64::total_cmp);
            let beyond = (all.len() as f64 * (1.0 - q)).floor() as usize;
            let enough = all.len() >= FEWEST && (q <= 0.5 || beyond >= 1);
            enough.then(|| all[((q * all.len() as f64).ceil() as usize).max(1) - 1])
        };
        let share = |of: fn(&OfSession) -> (f64, f64)| {
            let (top, bottom) = sessions
                .iter()
                .map(|s| of(s))
                .fold((0.0, 0.0), |sum, terms| (sum.0 + terms.0, sum.1 + terms.1));
            (bottom > 0.0).then(|| top / bottom)
        };
        match self {
            TierMeasure::StartP50 => quantile(|s| &s.starts, 0.5),
            TierMeasure::StartP95 => quantile(|s| &s.starts, 0.95),
            TierMeasure::ReachP50 => quantile(|s| &s.reaches, 0.5),
            TierMeasure::ReachP95 => quantile(|s| &s.reaches, 0.95),
            TierMeasure::CpuFactor => share(|s| s.cpu),
            TierMeasure::IoFactor => share(|s| s.io),
            TierMeasure::SnapshotP50 => quantile(|s| &s.snapshots, 0.5),
            TierMeasure::SnapshotBytes => share(|s| (s.snapshot_bytes, s.snapshots.len() as f64)),
            TierMeasure::RestoreP50 => quantile(|s| &s.restores, 0.5),
            TierMeasure::RestoreP95 => quantile(|s| &s.restores, 0.95),
            TierMeasure::DestroyP50 => quantile(|s| &s.destroys, 0.5),
            TierMeasure::PlatformP50 => quantile(|s| &s.platform, 0.5),
            TierMeasure::PlatformP95 => quantile(|s| &s.platform, 0.95),
        }
    }
}

/// What one session of one pass took, in seconds.
#[derive(Clone, Debug, Default)]
struct OfSession {
    starts: Vec<f64>,
    reaches: Vec<f64>,
    /// Taken, planned.
    cpu: (f64, f64),
    /// Taken, planned.
    io: (f64, f64),
    snapshots: Vec<f64>,
    snapshot_bytes: f64,
    restores: Vec<f64>,
    destroys: Vec<f64>,
    platform: Vec<f64>,
}

/// The sessions of one pass, by number.
type Pass = Vec<OfSession>;

/// Holds runtimes against the first of them. `driven` are the passes in the order in which they were
/// driven: which runtime, and what it came to; each runtime was driven as often as any other.
pub fn tiers(driven: &[(String, LiveOutcome)], seed: u64) -> TierComparison {
    let mut passes: IndexMap<&str, Vec<Pass>> = IndexMap::new();
    let mut order: Vec<Vec<String>> = Vec::new();
    for (name, outcome) in driven {
        let of_runtime = passes.entry(name).or_default();
        of_runtime.push(sessions(outcome));
        order.resize(order.len().max(of_runtime.len()), Vec::new());
        order[of_runtime.len() - 1].push(name.clone());
    }
    let sessions = driven.first().map_or(0, |(_, outcome)| outcome.planned);
    let reference = passes.keys().next().map_or_else(String::new, ToString::to_string);
    let numbers: IndexMap<&str, Vec<Option<Resampled>>> =
        passes.iter().map(|(name, passes)| (*name, all_measures(passes, seed))).collect();
    let against = numbers.get(reference.as_str());
    let runtimes = numbers.iter().map(|(name, numbers)| {
        let against = against.filter(|_| *name != reference);
        let all = TierMeasure::ALL.iter().zip(numbers).enumerate();
        let measures = all.filter_map(|(place, (measure, own))| {
            let other = against.and_then(|all| all[place].as_ref());
            Some((measure.name().to_owned(), own.as_ref()?.against(other)))
        });
        let count = |of: fn(&OfSession) -> usize| passes[name].iter().flatten().map(of).sum();
        let record = TierRecord {
            measures: measures.collect(),
            boots: count(|s| s.starts.len()),
            calls: count(|s| s.reaches.len()),
            snapshots: count(|s| s.snapshots.len()),
            restores: count(|s| s.restores.len()),
        };
        ((*name).to_owned(), record)
    });
    let runtimes = runtimes.collect();
    TierComparison { sessions, order, runtimes, warnings: warnings(driven), reference }
}

fn warnings(driven: &[(String, LiveOutcome)]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (number, (name, outcome)) in driven.iter().enumerate() {
        let mut warn = |what: String| {
            warnings.push(format!("{name}, drive {} of {}: {what}", number + 1, driven.len()));
        };
        if let Some(why) = outcome.invalid() {
            warn(why);
        }
        if let Some(why) = outcome.stolen() {
            warn(why);
        }
        if outcome.dropped > 0 {
            warn(format!("{} of {} sessions dropped at a cap", outcome.dropped, outcome.planned));
        }
        if let Some(first) = outcome.troubles.first() {
            warn(format!("{} operations failed, the first: {first}", outcome.trouble_count));
        }
        for lost in &outcome.lost_isolation {
            warn(format!("no {}: {}", lost.what, lost.why));
        }
    }
    warnings
}

fn sessions(outcome: &LiveOutcome) -> Pass {
    let mut all: Pass = vec![OfSession::default(); outcome.planned as usize];
    let Samples { boots, restores, snapshots, destroys, tools, turns } = &outcome.samples;
    let mut each = |samples: &[OperationSample], add: fn(&mut OfSession, &OperationSample)| {
        for sample in samples {
            if let Some(session) = all.get_mut(sample.session as usize) {
                add(session, sample);
            }
        }
    };
    each(boots, |session, boot| session.starts.push(boot.took.seconds()));
    each(restores, |session, restore| session.restores.push(restore.took.seconds()));
    each(destroys, |session, destroy| session.destroys.push(destroy.took.seconds()));
    each(snapshots, |session, snapshot| {
        session.snapshots.push(snapshot.took.seconds());
        session.snapshot_bytes += snapshot.bytes.0 as f64;
    });
    for tool in tools {
        let Some(session) = all.get_mut(tool.session as usize) else { continue };
        let own: Span = tool.computing + tool.waiting;
        session.reaches.push(tool.took.saturating_sub(own).seconds());
        session.cpu.0 += tool.computing.seconds();
        session.cpu.1 += tool.cpu.seconds() / tool.cores.0;
        session.io.0 += tool.waiting.seconds();
        session.io.1 += tool.io.seconds();
    }
    for turn in turns {
        if let Some(session) = all.get_mut(turn.session as usize) {
            session.platform.push(turn.platform_time.seconds());
        }
    }
    all
}

/// A number, and the same over resamples.
struct Resampled {
    value: f64,
    /// By resample; none where too little was drawn.
    again: Vec<Option<f64>>,
}

impl Resampled {
    fn against(&self, other: Option<&Resampled>) -> Measured {
        let ratio = other.filter(|other| other.value > 0.0);
        let ratios = ratio.map(|other| {
            let pairs = self.again.iter().zip(&other.again);
            pairs.filter_map(|(a, b)| Some((*a)? / (*b)?)).filter(|r| r.is_finite()).collect()
        });
        Measured {
            value: self.value,
            ci95: interval(self.again.iter().flatten().copied().collect()),
            ratio: ratio.map(|other| self.value / other.value),
            ratio_ci95: ratios.and_then(interval),
        }
    }
}

/// All measures of a runtime's passes; the draws are the same for every runtime.
fn all_measures(passes: &[Pass], seed: u64) -> Vec<Option<Resampled>> {
    let whole: Vec<&OfSession> = passes.iter().flatten().collect();
    let resamples: Vec<Vec<&OfSession>> =
        (0..RESAMPLES).map(|number| resample(passes, seed, number)).collect();
    let all = TierMeasure::ALL.iter().map(|measure| {
        let value = measure.of(&whole)?;
        let again = resamples.iter().map(|sessions| measure.of(sessions)).collect();
        Some(Resampled { value, again })
    });
    all.collect()
}

/// Passes drawn with replacement, and sessions within each of them.
fn resample(passes: &[Pass], seed: u64, number: u32) -> Vec<&OfSession> {
    let mut drawn = Vec::new();
    let pick = |place: usize, of: usize| {
        let u = Draws::new(seed, 0, place as u64, Purpose::Resample, number).uniform();
        ((u * of as f64) as usize).min(of - 1)
    };
    let mut place = 0;
    let mut next = |of: usize| {
        place += 1;
        pick(place - 1, of)
    };
    for _ in passes {
        let pass = &passes[next(passes.len())];
        for _ in pass {
            drawn.push(&pass[next(pass.len())]);
        }
    }
    drawn
}

/// Percentile interval; none where most resamples say nothing.
fn interval(mut values: Vec<f64>) -> Option<[f64; 2]> {
    if values.len() < (RESAMPLES / 2) as usize {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((share * values.len() as f64) as usize).min(values.len() - 1)];
    Some([at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(starts: &[f64], slower: f64) -> Pass {
        let session = |start: &f64| OfSession {
            starts: vec![start * slower],
            cpu: (2.0 * slower, 4.0),
            snapshots: vec![0.5],
            snapshot_bytes: 100.0 * slower,
            ..OfSession::default()
        };
        starts.iter().map(session).collect()
    }

    /// Twice as slow on every session of every pass: the ratio is 2, and its interval too, however much
    /// sessions and passes differ, for both are drawn alike.
    #[test]
    fn what_is_always_twice_as_slow_is_so_for_certain() {
        let starts: Vec<f64> = (1..=20).map(f64::from).collect();
        let later: Vec<f64> = starts.iter().map(|start| start * 1.3).collect();
        let of = |slower| all_measures(&[pass(&starts, slower), pass(&later, slower)], 7);
        let (one, two) = (of(1.0), of(2.0));
        let at = |all: &[Option<Resampled>], measure: TierMeasure| {
            let place = TierMeasure::ALL.iter().position(|m| *m == measure).unwrap();
            let against = one[place].as_ref();
            all[place].as_ref().map(|own| own.against(against))
        };
        for measure in [TierMeasure::StartP50, TierMeasure::CpuFactor, TierMeasure::SnapshotBytes] {
            let found = at(&two, measure).unwrap();
            assert!((found.ratio.unwrap() - 2.0).abs() < 1e-12, "{measure:?}");
            let [low, high] = found.ratio_ci95.unwrap();
            assert!((low - 2.0).abs() < 1e-9 && (high - 2.0).abs() < 1e-9, "{measure:?}");
        }
        // 40 starts, 1.3 to 26: the 20th of them.
        let found = at(&one, TierMeasure::StartP50).unwrap();
        let [low, high] = found.ci95.unwrap();
        assert!(low < found.value && found.value < high && found.value > 10.0, "{found:?}");
        // 2 s of 4 s planned.
        assert_eq!(at(&one, TierMeasure::CpuFactor).unwrap().value, 0.5);
    }

    #[test]
    fn what_was_seen_too_seldom_is_not_stated() {
        let all = all_measures(&[pass(&[1.0; 9], 1.0)], 1);
        assert!(all[0].is_none() && all[8].is_none(), "nine boots, no restore");
        assert!(all[4].is_some(), "a share of sums needs no quantile");
    }
}
