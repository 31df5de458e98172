//! Intervals of all kinds that a record states cover closed forms as often as they say: means,
//! quantiles, ratios, differences and changes against a baseline, and all of these after a study that
//! stopped at a look because its boundaries were decided.
//!
//! A session of one turn with one model call holds its slot for that call. Without waiting, the
//! `session` metric is the service time itself; with one slot it is the time in M/M/1, exponential
//! with rate μ − λ.

use plimsoll::conduct::RunOptions;
use plimsoll::measure::record::Run;
use plimsoll::sim::Watch;
use plimsoll::study::simulated;
use rayon::prelude::*;

use super::kit::scenario;

/// What a record states of a number that is known.
struct Row {
    name: &'static str,
    truth: f64,
    read: fn(&Run) -> Option<[f64; 2]>,
}

/// A scenario with known numbers; `SEED` in its text is the seed.
struct Case {
    name: &'static str,
    text: String,
    rows: Vec<Row>,
}

const LN_20: f64 = 2.995_732_273_553_991;
const LN_2: f64 = std::f64::consts::LN_2;

fn session(run: &Run) -> plimsoll::measure::record::MetricIntervals {
    run.metrics["session"].ci95.expect("there are several replications")
}

fn change(run: &Run, name: &str) -> Option<[f64; 2]> {
    run.baseline.as_ref().expect("it has a baseline").changes[name].change_ci95
}

fn difference(run: &Run, name: &str) -> Option<[f64; 2]> {
    run.baseline.as_ref().expect("it has a baseline").changes[name].difference_ci95
}

/// Mean time in M/M/2 with mean service 1 at rate λ: 1 / (1 − (λ/2)²).
fn mm2(rate: f64) -> f64 {
    1.0 / (1.0 - rate * rate / 4.0)
}

/// M/M/1 at load 0.5, against the same with two slots, and with a faster model.
fn arms() -> Vec<Case> {
    let mean = |name, truth, read| Row { name, truth, read };
    vec![
        Case {
            name: "M/M/1 against M/M/2, load 0.5",
            text: "
version: 1
name: coverage
workload: {arrivals: {poisson: {rate: 0.5/s}}}
platform: {isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}, rates: {compute: {vcpu: $3.6/h}}}
models: {default: {latency: {base: {exponential: {mean: 1s}}}}}
baseline: {capacity: {elastic: {max_concurrent: 2}}}
experiment: {seed: SEED, start: empty, warmup: 100s, measure: 4000s, replications: 10}
".into(),
            rows: vec![
                mean("mean", 2.0, |run| session(run).mean),
                mean("median", 2.0 * LN_2, |run| session(run).p50),
                mean("95th percentile", 2.0 * LN_20, |run| session(run).p95),
                // $3.6 an hour is $0.001 a second.
                mean("cost per session", 0.001, |run| run.cost.ci95.get("per_session").copied()),
                mean("difference of means", 2.0 - mm2(0.5), |run| difference(run, "session.mean")),
                mean("change of means", 2.0 / mm2(0.5) - 1.0, |run| change(run, "session.mean")),
            ],
        },
        Case {
            name: "M/M/1, service of 1 s against 0.8 s",
            text: "
version: 1
name: coverage
workload: {arrivals: {poisson: {rate: 0.5/s}}}
platform: {isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}, rates: {compute: {vcpu: $3.6/h}}}
models: {default: {latency: {base: {exponential: {mean: 1s}}}}}
baseline: {models: {default: {latency: {base: {exponential: {mean: 800ms}}}}}}
experiment: {seed: SEED, start: empty, warmup: 100s, measure: 4000s, replications: 10}
".into(),
            // Rates of the time in the system: 1 − 0.5 and 1.25 − 0.5.
            rows: vec![
                mean("change of means", 0.5, |run| change(run, "session.mean")),
                mean("change of 95th percentiles", 0.5, |run| change(run, "session.p95")),
                mean("difference of 95th percentiles", LN_20 * (2.0 - 1.0 / 0.75), |run| {
                    difference(run, "session.p95")
                }),
                mean("change of cost", 0.25, |run| change(run, "tco")),
                mean("change of cost per session", 0.25, |run| change(run, "per_session")),
            ],
        },
    ]
}

/// Studies that stop at a look: thresholds where the stop is early, late and at random. One replication's
/// mean of `session` deviates by some 0.19 from the true 2.
fn stopping() -> Vec<Case> {
    let row = || Row { name: "mean, after the stop", truth: 2.0, read: |run| session(run).mean };
    let quantile = || Row {
        name: "95th percentile, after the stop",
        truth: 2.0 * LN_20,
        read: |run| session(run).p95,
    };
    let boundary = || Row {
        name: "the boundary's own interval",
        truth: 2.0,
        read: |run| run.boundaries["a"].ci95,
    };
    let rows = || vec![row(), quantile(), boundary()];
    let stops = |(threshold, name): (&str, &'static str)| Case {
        name,
        text: format!(
            "
version: 1
name: coverage
workload: {{arrivals: {{poisson: {{rate: 0.5/s}}}}}}
platform: {{isolation: {{container: {{}}}}, capacity: {{elastic: {{max_concurrent: 1}}}}}}
models: {{default: {{latency: {{base: {{exponential: {{mean: 1s}}}}}}}}}}
boundaries: {{a: session.mean < {threshold}}}
experiment: {{seed: SEED, start: empty, warmup: 100s, measure: 2000s}}
"
        ),
        rows: rows(),
    };
    [
        ("2030ms", "threshold 2.03 s: mostly at the last look"),
        ("2100ms", "threshold 2.1 s: at any look"),
        ("2200ms", "threshold 2.2 s: at the first two looks"),
    ]
    .map(stops)
    .into()
}

/// What one record says of all rows, how many replications it took, and whether it decided wrongly.
struct Said {
    intervals: Vec<Option<[f64; 2]>>,
    replications: u32,
}

fn said(case: &Case, seed: u64) -> Said {
    let scenario = scenario(&case.text.replace("SEED", &seed.to_string()));
    let watch = Watch::default();
    let run = simulated(&scenario, None, &RunOptions::default(), &[], &watch)
        .expect("the scenario can be run")
        .run;
    let intervals = case.rows.iter().map(|row| (row.read)(&run)).collect();
    Said { intervals, replications: run.replications }
}

/// Coverage of a row: how many of the seeds' intervals hold the truth, and their mean half width.
fn covered(all: &[Said], place: usize, truth: f64) -> (usize, f64) {
    let intervals: Vec<[f64; 2]> =
        all.iter().map(|s| s.intervals[place].expect("there is an interval")).collect();
    let inside = intervals.iter().filter(|[low, high]| *low <= truth && truth <= *high).count();
    let half = intervals.iter().map(|[low, high]| 0.5 * (high - low)).sum::<f64>();
    (inside, half / intervals.len() as f64)
}

fn every(case: &Case, first: u64, seeds: u64) -> Vec<Said> {
    (first..first + seeds).into_par_iter().map(|seed| said(case, seed)).collect()
}

#[test]
fn intervals_of_all_kinds_cover_in_sixteen_of_twenty_seeds() {
    for case in arms() {
        let all = every(&case, 1, 20);
        for (place, Row { name, truth, .. }) in case.rows.iter().enumerate() {
            let (inside, half) = covered(&all, place, *truth);
            assert!(inside >= 16, "{}, {name}: {inside} of 20 cover {truth}", case.name);
            assert!(half < 0.25 * truth.abs(), "{}, {name}: ± {half} of {truth}", case.name);
        }
    }
}

#[test]
fn intervals_after_a_stop_cover_in_sixteen_of_twenty_seeds() {
    let case = &stopping()[1];
    let all = every(case, 1, 20);
    let looks: std::collections::BTreeSet<u32> = all.iter().map(|s| s.replications).collect();
    assert!(looks.len() > 1, "it stops at different looks: {looks:?}");
    for (place, Row { name, truth, .. }) in case.rows.iter().enumerate() {
        let (inside, _) = covered(&all, place, *truth);
        assert!(inside >= 16, "{}, {name}: {inside} of 20 cover {truth}", case.name);
    }
}

#[test]
fn nightly_intervals_of_all_kinds_cover_as_often_as_they_say() {
    // Its value is the first seed, so that a row near an end can be told from chance by others.
    let Some(first) = std::env::var("PLIMSOLL_NIGHTLY").ok().and_then(|n| n.parse().ok()) else {
        println!("skipped: 400 seeds of each are for PLIMSOLL_NIGHTLY=1 (release mode)");
        return;
    };
    const SEEDS: u64 = 400;
    println!("| case | number | truth | mean half width | mean replications | covered |");
    println!("|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for case in arms().iter().chain(&stopping()) {
        let all = every(case, first, SEEDS);
        let taken = all.iter().map(|s| f64::from(s.replications)).sum::<f64>() / SEEDS as f64;
        for (place, Row { name, truth, .. }) in case.rows.iter().enumerate() {
            let (inside, half) = covered(&all, place, *truth);
            let share = inside as f64 / SEEDS as f64;
            let percent = 100.0 * share;
            println!(
                "| {} | {name} | {truth:.6} | {half:.6} | {taken:.1} | {percent:.2} % |",
                case.name
            );
            if !(0.925..=0.975).contains(&share) {
                wrong.push(format!("{}: {name}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "coverage is not 92.5 to 97.5 %: {wrong:?}");
}
