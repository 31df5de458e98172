//! Scenarios that reduce to queues with a closed form: the intervals that a record states must cover
//! it as often as they say.
//!
//! A session of one turn with one model call, whose base latency is the service time, holds its slot
//! for exactly that long; slots are servers. Runs start empty, so each has a warm-up of some 15
//! relaxation times or more, 1 / (μ (1 − √ρ)²) for M/M/1 and its like: what is left of the start is
//! far below the interval's width. The measure is long enough that a replication's mean is nearly
//! normal; under lognormal service, whose squares hardly have a mean, that takes the longest.

use plimsoll::conduct::RunOptions;
use plimsoll::measure::Counter;
use plimsoll::measure::record::Run;
use plimsoll::sim::Watch;
use plimsoll::study::simulated;
use rayon::prelude::*;

use super::kit::scenario;
use super::platform_forms;

const SECOND: &str = "{latency: {base: 1s}}";
const EXPONENTIAL: &str = "{latency: {base: {exponential: {mean: 1s}}}}";
const SLOT: &str = "isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}";

/// How long each of how many replications is measured.
#[derive(Clone, Copy)]
pub struct Length {
    measure_s: u64,
    replications: u32,
}

/// A scenario whose answer is known.
pub struct Form {
    pub name: &'static str,
    pub workload: &'static str,
    pub platform: &'static str,
    /// The model `default`, and further ones.
    pub model: &'static str,
    pub warmup_s: u64,
    pub quick: Length,
    pub nightly: Length,
    pub truth: f64,
    pub read: fn(&Run) -> Stated,
}

/// What a record says.
pub struct Stated {
    pub estimate: f64,
    pub interval: [f64; 2],
}

pub fn length(measure_s: u64, replications: u32) -> Length {
    Length { measure_s, replications }
}

pub fn mean_wait(run: &Run) -> Stated {
    let wait = run.metric(plimsoll::measure::Metric::QueueWait).unwrap();
    let interval = wait.ci95.as_ref().unwrap().mean.unwrap();
    Stated { estimate: wait.mean.unwrap(), interval }
}

pub fn rejected_share(run: &Run) -> Stated {
    let [low, high] = run.scorecard.ci95["success_rate"];
    Stated {
        estimate: 1.0 - run.scorecard.success_rate.unwrap(),
        interval: [1.0 - high, 1.0 - low],
    }
}

/// Share of thinks after which the sandbox still ran; `ended` counts those it had not.
fn hits(run: &Run, ended: Counter) -> Stated {
    let thinks: Vec<f64> =
        run.per_replication.iter().map(|r| r.metrics["think"].count as f64).collect();
    let still = |(r, all): (&plimsoll::measure::record::ReplicationRecord, &f64)| {
        all - r.counters[ended.name()]
    };
    let still: Vec<f64> = run.per_replication.iter().zip(&thinks).map(still).collect();
    let interval = plimsoll::measure::interval::of_share(&still, &thinks).unwrap();
    Stated { estimate: still.iter().sum::<f64>() / thinks.iter().sum::<f64>(), interval }
}

/// Mean wait of M/G/1 with mean service 1 (Pollaczek and Khinchine): ρ (1 + cv²) / (2 (1 − ρ)).
fn mg1(load: f64, cv: f64) -> f64 {
    load * (1.0 + cv * cv) / (2.0 * (1.0 - load))
}

/// Erlang's loss formula, by its recursion over the servers.
pub fn erlang_b(erlangs: f64, servers: u32) -> f64 {
    (1..=servers).fold(1.0, |b, c| erlangs * b / (f64::from(c) + erlangs * b))
}

/// Mean wait of M/M/c with mean service 1: Erlang's delay probability over c − a.
fn mmc(erlangs: f64, servers: u32) -> f64 {
    let (b, c) = (erlang_b(erlangs, servers), f64::from(servers));
    let delayed = c * b / (c - erlangs * (1.0 - b));
    delayed / (c - erlangs)
}

/// Mean wait of GI/M/1 with mean service 1 and gamma gaps: σ / (1 − σ), σ being the root below 1 of
/// σ = (1 + (1 − σ) / (shape · load))^(−shape), the gaps' transform at 1 − σ.
fn gamma_m1(load: f64, shape: f64) -> f64 {
    let mut sigma = 0.5;
    for _ in 0..10_000 {
        sigma = libm::pow(1.0 + (1.0 - sigma) / (shape * load), -shape);
    }
    sigma / (1.0 - sigma)
}

/// The printed values of the closed forms, against those worked out here.
#[test]
fn the_formulas_give_their_published_values() {
    for (found, printed, to) in [
        (mg1(0.8, 1.0), 4.0, 1e-12),
        (mmc(0.8, 1), 4.0, 1e-12),
        (mmc(7.2, 8), 0.876_916, 5e-7),
        (mg1(0.8, 0.0), 2.0, 1e-12),
        (mg1(0.8, 2.0), 10.0, 1e-12),
        (erlang_b(24.0, 30), 0.040_121, 5e-7),
        (gamma_m1(0.8, 0.25), 10.955_2, 5e-5),
        (gamma_m1(0.8, 0.5), 6.316_6, 5e-5),
        (gamma_m1(0.8, 4.0), 2.267_4, 5e-5),
    ] {
        assert!((found - printed).abs() <= to, "{found}, printed {printed}");
    }
}

const POISSON: &str = "{arrivals: {poisson: {rate: 0.8/s}}}";
/// Thinks of mean 60 s, 20 turns a session.
const THINKERS: &str = "{arrivals: {poisson: {rate: 0.02/s}}, classes: {default: \
     {turns: {geometric: {mean: 20}}, think: {exponential: {mean: 60s}}}}}";

fn queues() -> Vec<Form> {
    vec![
        Form {
            name: "M/M/1, load 0.5",
            workload: "{arrivals: {poisson: {rate: 0.5/s}}}",
            platform: SLOT,
            model: EXPONENTIAL,
            warmup_s: 300,
            quick: length(4_000, 10),
            nightly: length(5_000, 20),
            truth: mmc(0.5, 1),
            read: mean_wait,
        },
        Form {
            name: "M/M/1, load 0.8",
            workload: POISSON,
            platform: SLOT,
            model: EXPONENTIAL,
            warmup_s: 1_500,
            quick: length(10_000, 10),
            nightly: length(10_000, 20),
            truth: mmc(0.8, 1),
            read: mean_wait,
        },
        Form {
            name: "M/M/8, load 7.2",
            workload: "{arrivals: {poisson: {rate: 7.2/s}}}",
            platform: "isolation: {container: {}}, capacity: {elastic: {max_concurrent: 8}}",
            model: EXPONENTIAL,
            warmup_s: 800,
            quick: length(1_600, 10),
            nightly: length(2_500, 10),
            truth: mmc(7.2, 8),
            read: mean_wait,
        },
        Form {
            name: "M/D/1, load 0.8",
            workload: POISSON,
            platform: SLOT,
            model: SECOND,
            warmup_s: 800,
            quick: length(8_000, 10),
            nightly: length(8_000, 20),
            truth: mg1(0.8, 0.0),
            read: mean_wait,
        },
        Form {
            name: "M/G/1, lognormal cv 2, load 0.8",
            workload: POISSON,
            platform: SLOT,
            model: "{latency: {base: {lognormal: {mean: 1s, cv: 2}}}}",
            warmup_s: 3_500,
            quick: length(25_000, 10),
            nightly: length(50_000, 20),
            truth: mg1(0.8, 2.0),
            read: mean_wait,
        },
        Form {
            name: "GI/M/1, gamma shape 0.25, load 0.8",
            workload: "{arrivals: {renewal: {rate: 0.8/s, cv: 2}}}",
            platform: SLOT,
            model: EXPONENTIAL,
            warmup_s: 3_500,
            quick: length(12_000, 10),
            nightly: length(12_000, 20),
            truth: gamma_m1(0.8, 0.25),
            read: mean_wait,
        },
    ]
}

fn shares() -> Vec<Form> {
    let hit_rate = 1.0 - libm::exp(-1.5);
    vec![
        Form {
            name: "Erlang B, 24 on 30",
            workload: "{arrivals: {poisson: {rate: 24/s}}}",
            platform: "isolation: {container: {}}, capacity: {elastic: {max_concurrent: 30}}, \
                       queue: {capacity: 0}",
            model: EXPONENTIAL,
            warmup_s: 30,
            quick: length(400, 10),
            nightly: length(400, 10),
            truth: erlang_b(24.0, 30),
            read: rejected_share,
        },
        Form {
            name: "idle timeout 90 s, thinks of 60 s, hibernated",
            workload: THINKERS,
            platform: "isolation: {container: {snapshot: {filesystem: {}}}}, \
                       idle: {timeout: 90s, then: hibernate}",
            model: SECOND,
            warmup_s: 8_000,
            quick: length(4_000, 10),
            nightly: length(4_000, 10),
            truth: hit_rate,
            read: |run| hits(run, Counter::Restores),
        },
        Form {
            name: "idle timeout 90 s, thinks of 60 s, killed",
            workload: THINKERS,
            platform: "isolation: {container: {boot: 1s}}, idle: {timeout: 90s, then: kill}",
            model: SECOND,
            warmup_s: 8_000,
            quick: length(4_000, 10),
            nightly: length(4_000, 10),
            truth: hit_rate,
            // Of cold boots, those that follow a think come after a kill; a session that is over
            // leaves nothing to kill.
            read: |run| hits(run, Counter::Kills),
        },
    ]
}

/// What a record of one seed states.
fn stated(form: &Form, length: Length, seed: u64) -> Stated {
    let text = format!(
        "version: 1\nname: closed-form\nworkload: {}\nplatform: {{{}}}\nmodels: {{default: {}}}\n\
         experiment: {{seed: {seed}, start: empty, warmup: {}s, measure: {}s, replications: {}}}\n",
        form.workload,
        form.platform,
        form.model,
        form.warmup_s,
        length.measure_s,
        length.replications
    );
    let simulated =
        simulated(&scenario(&text), None, &RunOptions::default(), &[], &Watch::default());
    (form.read)(&simulated.expect("the scenario can be run").run)
}

/// Coverage of one form over seeds from 1 on, with the mean estimate and half width.
struct Coverage {
    covered: usize,
    seeds: u64,
    estimate: f64,
    half_width: f64,
}

fn coverage(form: &Form, length: Length, seeds: u64) -> Coverage {
    let all: Vec<Stated> =
        (1..=seeds).into_par_iter().map(|seed| stated(form, length, seed)).collect();
    let inside = |s: &&Stated| s.interval[0] <= form.truth && form.truth <= s.interval[1];
    let n = all.len() as f64;
    Coverage {
        covered: all.iter().filter(inside).count(),
        seeds,
        estimate: all.iter().map(|s| s.estimate).sum::<f64>() / n,
        half_width: all.iter().map(|s| 0.5 * (s.interval[1] - s.interval[0])).sum::<f64>() / n,
    }
}

pub fn check_twenty(forms: &[Form]) {
    for form in forms {
        let found = coverage(form, form.quick, 20);
        assert!(
            found.covered >= 16,
            "{}: {} of 20 intervals cover {}; mean estimate {}, half width {}",
            form.name,
            found.covered,
            form.truth,
            found.estimate,
            found.half_width
        );
        // The interval says something: it is narrow, and centred on the truth.
        assert!(found.half_width < 0.2 * form.truth, "{}: ±{}", form.name, found.half_width);
        let off = (found.estimate - form.truth).abs();
        assert!(off < found.half_width, "{}: {} is off", form.name, found.estimate);
    }
}

#[test]
fn intervals_cover_queueing_theory_in_sixteen_of_twenty_seeds() {
    check_twenty(&queues());
}

#[test]
fn intervals_cover_losses_and_idle_timeouts_in_sixteen_of_twenty_seeds() {
    check_twenty(&shares());
}

#[test]
fn nightly_intervals_cover_as_often_as_they_say() {
    if std::env::var_os("PLIMSOLL_NIGHTLY").is_none() {
        println!(
            "skipped: 400 seeds of each closed form are for PLIMSOLL_NIGHTLY=1 (release mode)"
        );
        return;
    }
    const SEEDS: u64 = 400;
    println!("| closed form | truth | mean of {SEEDS} estimates | mean half width | covered |");
    println!("|---|---|---|---|---|");
    let mut wrong = Vec::new();
    let all = [queues(), shares(), platform_forms::all()];
    for form in all.iter().flatten() {
        let found = coverage(form, form.nightly, SEEDS);
        let share = found.covered as f64 / found.seeds as f64;
        println!(
            "| {} | {:.6} | {:.6} | {:.6} | {:.2} % |",
            form.name,
            form.truth,
            found.estimate,
            found.half_width,
            100.0 * share
        );
        if !(0.925..=0.975).contains(&share) {
            wrong.push(form.name);
        }
    }
    assert!(wrong.is_empty(), "coverage is not 92.5 to 97.5 %: {wrong:?}");
}
