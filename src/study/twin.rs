//! The twin: a live run and the simulation of the identical sessions, and how far they are apart.
//!
//! Supply is calibrated on the first half of the live sessions, and what the platform adds to a
//! turn (`platform_time`) is predicted for the second half.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calibrate::{Calibration, calibrate};
use super::replicate::{Design, replicate};
use crate::boundary::Stat;
use crate::conduct::{Machine, Setup};
use crate::dist::DistError;
use crate::drive::LiveOutcome;
use crate::measure::record::MachineRecord;
use crate::measure::{Estimate, Metric, Spread, TurnSample};
use crate::random::{Draws, Purpose};
use crate::scenario::types::Tier;
use crate::sim::{Horizon, Outcome, Watch};
use crate::units::{Bytes, Span};

/// Replications of supply over the one demand.
const REPLICATIONS: u16 = 20;

/// Resamples of sessions behind an interval.
const RESAMPLES: u32 = 400;

/// The quantiles that are compared.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.50), ("p95", 0.95)];

/// How far the model is from a live run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelError {
    /// The profile that supply was taken from, calibrated on other runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The machine whose cores starts, snapshots and calls shared in the prediction, at the speed that its
    /// hypervisor had left them live; none if each sandbox had its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineRecord>,
    /// Sessions of the run itself that supply was calibrated on; none with a profile.
    pub calibrated_on: u64,
    /// Sessions that were predicted.
    pub predicted: u64,
    /// What the calibration rests on: observations by key.
    pub observations: Vec<(String, usize)>,
    /// Turns of the predicted sessions, live.
    pub turns: usize,
    /// Errors of `platform_time`, by quantile.
    pub platform_time: Vec<QuantileError>,
    /// What the machine's own noise is taken from.
    pub noise_from: String,
}

/// The error of one quantile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileError {
    /// `p50` or `p95`.
    pub stat: String,
    /// Of the live run, seconds.
    pub live: f64,
    /// Its 95% interval, by resampling sessions.
    pub live_ci95: [f64; 2],
    /// Of the twin, seconds.
    pub twin: f64,
    /// (twin − live) / live.
    pub error: f64,
    /// How far two live runs are apart, relative; of one run, half the width of its interval.
    pub noise: f64,
}

impl ModelError {
    /// Sizes of the errors, as boundaries speak of them, with 95% intervals from the live run's.
    pub fn sizes(&self) -> Vec<(Metric, Stat, Estimate)> {
        let one = |quantile: &QuantileError| {
            let stat = if quantile.stat == "p50" { Stat::P50 } else { Stat::P95 };
            let [low, high] = quantile.live_ci95.map(|live| quantile.twin / live - 1.0);
            let (most, least) = (low.abs().max(high.abs()), low.abs().min(high.abs()));
            let straddles = low.min(high) <= 0.0 && low.max(high) >= 0.0;
            let ends = [if straddles { 0.0 } else { least }, most];
            let spread = if most.is_finite() { Spread::Interval(ends) } else { Spread::TooFew };
            (Metric::PlatformTime, stat, Estimate { value: quantile.error.abs(), spread })
        };
        self.platform_time.iter().map(one).collect()
    }
}

/// What a profile predicts of the turns of a live run that was saved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Foretold {
    /// The run's directory.
    pub run: String,
    /// How far it is from it.
    #[serde(flatten)]
    pub error: ModelError,
}

/// A live run's twin.
#[derive(Clone, Debug)]
pub struct Twin {
    /// The simulations: one demand, supply drawn anew.
    pub outcomes: Vec<Outcome>,
    /// What they were simulated with.
    pub setup: Arc<Setup>,
    /// The calibrated supply.
    pub calibration: Calibration,
    /// How far they are from the live run.
    pub error: Option<ModelError>,
}

/// A calibrated platform from elsewhere.
#[derive(Clone, Debug)]
pub struct TwinProfile {
    /// Its file.
    pub name: String,
    /// Its isolation tier.
    pub tier: Tier,
}

impl TwinProfile {
    /// Its tier; what it has not measured keeps the scenario's value.
    fn over(&self, scenario: &Tier) -> Tier {
        let unmeasured = self.tier.memory_overhead == Bytes(0);
        let overhead = if unmeasured { scenario } else { &self.tier };
        let saves = if self.tier.snapshot.is_some() { &self.tier } else { scenario };
        Tier {
            memory_overhead: overhead.memory_overhead,
            snapshot: saves.snapshot.clone(),
            restore: saves.restore.clone(),
            sessions_per_sandbox: scenario.sessions_per_sandbox,
            ..self.tier.clone()
        }
    }
}

/// Calibrates on the first half of a live run's sessions, simulates them all, and holds the second
/// half against what was predicted; with a `profile` from other runs all are held against it. `again`
/// is the same live run once more, for the machine's noise.
///
/// # Errors
///
/// If the samples do not make a distribution.
pub fn twin(
    setup: &Arc<Setup>,
    live: &LiveOutcome,
    again: Option<&LiveOutcome>,
    profile: Option<&TwinProfile>,
    watch: &Watch,
) -> Result<Twin, DistError> {
    let half = if profile.is_some() { 0 } else { live.planned / 2 };
    let calibration = match profile {
        Some(profile) => Calibration { tier: profile.over(&setup.tier), observations: Vec::new() },
        None => calibrate(&live.samples, |session| session < half, &setup.tier)?,
    };
    // What was calibrated at the run's own load has waited for cores already.
    let machine = live.machine.filter(|_| profile.is_some());
    let (setup, outcomes) = replicas(setup, calibration.tier.clone(), machine, watch);
    let held = Held {
        turns: &live.samples.turns,
        again: again.map(|again| again.samples.turns.as_slice()),
        planned: live.planned,
        from: half,
    };
    let mut error = held.against(&outcomes, setup.seed);
    if let Some(error) = &mut error {
        error.profile = profile.map(|profile| profile.name.clone());
        error.machine = machine;
        let observations = calibration.observations.iter();
        error.observations = observations.map(|(key, n)| ((*key).to_owned(), *n)).collect();
    }
    Ok(Twin { outcomes, setup, calibration, error })
}

/// Holds a live run that was saved, its `turns` of `planned` sessions, against what a `profile`
/// predicts of the identical sessions on that `machine`. None if no turn ended.
pub fn foretold(
    setup: &Arc<Setup>,
    turns: &[TurnSample],
    planned: u64,
    (profile, machine): (&TwinProfile, Option<MachineRecord>),
    watch: &Watch,
) -> Option<ModelError> {
    let (setup, outcomes) = replicas(setup, profile.over(&setup.tier), machine, watch);
    let held = Held { turns, again: None, planned, from: 0 };
    let error = held.against(&outcomes, setup.seed)?;
    Some(ModelError { profile: Some(profile.name.clone()), machine, ..error })
}

/// Replications of supply by a tier, over the one demand of a live run; on a `machine` all that it does
/// shares its cores.
fn replicas(
    setup: &Setup,
    tier: Tier,
    machine: Option<MachineRecord>,
    watch: &Watch,
) -> (Arc<Setup>, Vec<Outcome>) {
    let mut setup = setup.clone();
    (setup.tier, setup.fixed_demand) = (tier, Some(0));
    setup.machine = machine.map(Machine::from);
    let setup = Arc::new(setup);
    let horizon = Horizon { keep_turns: true, ..Horizon::default() };
    let design = Design { setup: Arc::clone(&setup), horizon, steady: false, resample: false };
    (setup, replicate(&design, 0, REPLICATIONS, watch))
}

/// Live turns that a twin's are held against.
struct Held<'a> {
    turns: &'a [TurnSample],
    /// Those of the same run once more.
    again: Option<&'a [TurnSample]>,
    /// Sessions planned.
    planned: u64,
    /// The first session that was not calibrated on.
    from: u64,
}

impl Held<'_> {
    fn against(&self, twins: &[Outcome], seed: u64) -> Option<ModelError> {
        let predicted = |turns: &[TurnSample]| -> Vec<TurnSample> {
            turns.iter().filter(|turn| turn.session >= self.from).copied().collect()
        };
        let times = |turns: &[TurnSample]| sorted(turns.iter().map(|turn| turn.platform_time));
        let lived = predicted(self.turns);
        let simulated: Vec<TurnSample> =
            twins.iter().flat_map(|twin| predicted(&twin.turns)).collect();
        let repeated = self.again.map(|again| times(&predicted(again)));
        let (live_times, twin_times) = (times(&lived), times(&simulated));
        let errors = QUANTILES.iter().map(|(stat, q)| {
            let (live, twin) = (quantile(&live_times, *q)?, quantile(&twin_times, *q)?);
            let live_ci95 = resampled(&lived, *q, seed);
            let noise = match repeated.as_ref().and_then(|times| quantile(times, *q)) {
                Some(other) => (other - live).abs() / live,
                None => (live_ci95[1] - live_ci95[0]) / 2.0 / live,
            };
            let (stat, error) = ((*stat).to_owned(), (twin - live) / live);
            Some(QuantileError { stat, live, live_ci95, twin, error, noise })
        });
        Some(ModelError {
            profile: None,
            machine: None,
            calibrated_on: self.from,
            predicted: self.planned - self.from,
            observations: Vec::new(),
            turns: lived.len(),
            platform_time: errors.collect::<Option<_>>()?,
            noise_from: match self.again {
                Some(_) => "the same live run once more".to_owned(),
                None => "resampling the sessions of the one live run".to_owned(),
            },
        })
    }
}

fn sorted(times: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut times: Vec<Span> = times.into_iter().collect();
    times.sort_unstable();
    times
}

/// The value of rank ⌈q·n⌉, in seconds.
fn quantile(sorted: &[Span], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map(|span| span.seconds())
}

/// Percentile interval of a quantile by resampling whole sessions: turns of one session are not
/// independent (cluster bootstrap).
fn resampled(turns: &[TurnSample], q: f64, seed: u64) -> [f64; 2] {
    let mut sessions: Vec<Vec<Span>> = Vec::new();
    let mut by_session: Vec<&TurnSample> = turns.iter().collect();
    by_session.sort_by_key(|turn| turn.session);
    for group in by_session.chunk_by(|a, b| a.session == b.session) {
        sessions.push(group.iter().map(|turn| turn.platform_time).collect());
    }
    let mut values: Vec<f64> =
        (0..RESAMPLES).filter_map(|number| one_resample(&sessions, q, seed, number)).collect();
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        values.get((share * values.len() as f64) as usize).copied().unwrap_or(f64::NAN)
    };
    [at(0.025), at(0.975)]
}

fn one_resample(sessions: &[Vec<Span>], q: f64, seed: u64, number: u32) -> Option<f64> {
    let n = sessions.len();
    let pick = |place: usize| {
        let u = Draws::new(seed, 0, place as u64, Purpose::Resample, number).uniform();
        &sessions[((u * n as f64) as usize).min(n - 1)]
    };
    quantile(&sorted((0..n).flat_map(pick).copied()), q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_errors_have_the_intervals_of_the_live_run() {
        let quantile = |stat: &str, live: f64, live_ci95: [f64; 2], twin: f64| QuantileError {
            stat: stat.to_owned(),
            live,
            live_ci95,
            twin,
            error: (twin - live) / live,
            noise: 0.0,
        };
        let error = ModelError {
            profile: None,
            machine: None,
            calibrated_on: 0,
            predicted: 10,
            observations: Vec::new(),
            turns: 10,
            platform_time: vec![
                quantile("p50", 1.0, [0.9, 1.1], 0.99),
                quantile("p95", 2.0, [1.8, 2.5], 1.5),
            ],
            noise_from: String::new(),
        };
        let sizes = error.sizes();
        let ends = |place: usize| match sizes[place].2.spread {
            Spread::Interval(ends) => ends,
            other => panic!("{other:?}"),
        };
        // 0.99 lies within the live interval: the error may be none; at most 0.99/0.9 − 1 = 0.1 or
        // 1 − 0.99/1.1 = 0.1.
        assert!((sizes[0].2.value - 0.01).abs() < 1e-12 && ends(0)[0] == 0.0);
        assert!((ends(0)[1] - 0.1).abs() < 1e-12, "{:?}", ends(0));
        // From 1 − 1.5/1.8 to 1 − 1.5/2.5.
        assert!((ends(1)[0] - 1.0 / 6.0).abs() < 1e-12 && (ends(1)[1] - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_profile_keeps_what_it_has_not_measured_from_the_scenario() {
        let scenario = Tier {
            memory_overhead: Bytes(5),
            sessions_per_sandbox: Some(4),
            snapshot: Some(crate::scenario::types::Snapshot::Filesystem(Default::default())),
            ..Tier::default()
        };
        let boot = crate::dist::Dist::constant(Span::from_millis(7));
        let tier = Tier { boot: boot.clone(), ..Tier::default() };
        let found = TwinProfile { name: String::new(), tier }.over(&scenario);
        assert_eq!(found, Tier { boot, ..scenario });
    }
}
