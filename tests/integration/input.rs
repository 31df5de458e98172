//! Intervals hold what the recorded sessions behind a demand leave open.

use std::sync::Arc;

use plimsoll::conduct::RunOptions;
use plimsoll::measure::record::Run;
use plimsoll::random::{Draws, Purpose};
use plimsoll::sim::Watch;
use plimsoll::study::simulated;
use rayon::prelude::*;

use super::kit::{recorded, scenario};

/// Recorded sessions behind a fit.
const RECORDED: u32 = 30;

/// A world of exponential sessions of mean 60 s, of which one recording has 30: the scenario that an
/// engineer fits to it.
fn fitted(seed: u64, input: &str) -> Run {
    let length = |k| Draws::new(99, 0, seed, Purpose::Think, k).uniform();
    let sum: f64 = (0..RECORDED).map(|k| -60.0 * libm::log(length(k))).sum();
    let mean = sum / f64::from(RECORDED);
    let text = format!(
        "version: 1\nname: fitted\n\
         workload: {{arrivals: {{poisson: {{rate: 2/s}}}}, classes: {{default: {{turns: 2, \
         think: {{exponential: {{mean: {mean:.6}s}}}}, fitted_on: {RECORDED}}}}}}}\n\
         platform: {{isolation: {{container: {{}}}}}}\n\
         models: {{default: {{latency: {{base: 0s}}}}}}\n\
         experiment: {{seed: {seed}, start: empty, warmup: 400s, measure: 600s, replications: 10, input: {input}}}\n"
    );
    let watch = Watch::default();
    simulated(&scenario(&text), None, &RunOptions::default(), &[], &watch).unwrap().run
}

/// How many of so many recordings' intervals hold the world's mean: with resampling, and of
/// simulation alone.
fn covered(seeds: u64) -> (usize, usize) {
    let holds = |[low, high]: [f64; 2]| low <= 60.0 && 60.0 <= high;
    let all: Vec<(bool, bool)> = (1..=seeds)
        .into_par_iter()
        .map(|seed| {
            let run = fitted(seed, "resample");
            let input = run.input.as_ref().unwrap();
            let with = run.metrics["session"].ci95.unwrap().mean.unwrap();
            (holds(with), holds(input.simulation_ci95["session.mean"]))
        })
        .collect();
    (all.iter().filter(|(with, _)| *with).count(), all.iter().filter(|(_, alone)| *alone).count())
}

#[test]
fn many_sessions_drawn_from_few_are_no_many_sessions() {
    let (with, alone) = covered(20);
    assert!(with >= 16, "{with} of 20 recordings' intervals hold the truth");
    assert!(alone <= 8, "simulation alone looks certain and is not: {alone} of 20");
}

#[test]
fn nightly_intervals_of_fitted_demand_cover_the_world_behind_it() {
    if std::env::var_os("PLIMSOLL_NIGHTLY").is_none() {
        println!("skipped: 400 recordings are for PLIMSOLL_NIGHTLY=1 (release mode)");
        return;
    }
    let (with, alone) = covered(400);
    println!("of 400 recordings {with} are covered with resampling, {alone} by simulation alone");
    assert!((370..=390).contains(&with), "{with} of 400");
}

#[test]
fn resampling_widens_intervals_and_moves_no_estimate() {
    let (fixed, wide) = (fitted(3, "fixed"), fitted(3, "resample"));
    assert_eq!(fixed.metrics["session"].mean, wide.metrics["session"].mean);
    assert_eq!(fixed.counters, wide.counters);
    assert!(fixed.input.is_none());
    let input = wide.input.as_ref().unwrap();
    assert_eq!(input.sessions["default"], u64::from(RECORDED));
    let alone = input.simulation_ci95["session.mean"];
    assert_eq!(Some(alone), fixed.metrics["session"].ci95.unwrap().mean);
    let with = wide.metrics["session"].ci95.unwrap().mean.unwrap();
    assert!(with[1] - with[0] > 2.0 * (alone[1] - alone[0]), "{with:?} {alone:?}");
    // Copies of 30 sessions have at most 30 different lengths; arrivals are as they were.
    for (own, again) in wide.per_replication.iter().zip(&input.per_replication) {
        assert_eq!(own.counters["sessions_arrived"], again.counters["sessions_arrived"]);
    }
    let means: Vec<f64> =
        input.per_replication.iter().filter_map(|r| r.metrics["session"].mean).collect();
    assert!(means.windows(2).all(|pair| pair[0] != pair[1]), "each draws its own");
}

#[test]
fn a_trace_is_drawn_again_session_by_session() {
    let text = "version: 1\nname: traced\n\
         workload: {trace: {file: case.jsonl, format: plans}}\n\
         platform: {isolation: {container: {}}}\n\
         models: {default: {latency: recorded}}\n\
         experiment: {start: empty, warmup: none, measure: end, input: resample, \
         replications: 20}\n";
    // 40 sessions of 1 to 40 s: mean 20.5 s, standard error √(σ²/40) = √(133.25/40) = 1.825 s.
    let plans: Vec<String> = (0..40)
        .map(|k| {
            let step = format!(
                r#"{{"model": {{"name": "default", "input": 1, "output": 1, "latency_s": {}.0}}, "tools": []}}"#,
                k + 1
            );
            format!(
                r#"{{"session": {k}, "arrival_s": {k}.0, "turns": [{{"think_s": 0.0, "steps": [{step}]}}]}}"#
            )
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("case.jsonl"), plans.join("\n")).unwrap();
    let scenario = scenario(text);
    let sessions = recorded(&scenario, folder.path());
    let run = |sessions: &Option<Arc<_>>| {
        let watch = Watch::default();
        simulated(&scenario, sessions.clone(), &RunOptions::default(), &[], &watch).unwrap().run
    };
    let found = run(&sessions);
    assert_eq!(found.metrics["session"].mean, Some(20.5), "the trace itself is the estimate");
    let input = found.input.as_ref().unwrap();
    assert_eq!(input.sessions["trace"], 40);
    let alone = input.simulation_ci95["session.mean"];
    assert!(alone[1] - alone[0] < 1e-9, "nothing but the trace is random: {alone:?}");
    let [low, high] = found.metrics["session"].ci95.unwrap().mean.unwrap();
    // t(19) = 2.093; the deviation of 20 replications is known to some 16%.
    let half = 0.5 * (high - low) / 2.093;
    assert!((1.2..2.6).contains(&half), "standard error {half}, by hand 1.825");
    assert_eq!(run(&sessions).to_json(), found.to_json(), "draws are stateless");
}
