//! Two arms under common random numbers, windows of time, and what the record says of them.

use plimsoll::conduct::RunOptions;
use plimsoll::measure::record::{Run, Verdict};
use plimsoll::sim::Watch;
use plimsoll::study::simulated;

use super::kit::{close, scenario, studied};

/// Coding agents on VMs that hibernate, against containers that are kept, with prices.
const CODING: &str = "
version: 1
name: arms
workload:
  arrivals: {poisson: {rate: 30/h}}
  classes:
    coder:
      turns: {geometric: {mean: 5}}
      think: {lognormal: {median: 2m, p95: 20m}}
      steps: {geometric: {mean: 4}}
      tokens: {system: 4000, user: {lognormal: {median: 180, p95: 900}}, tool_result: 800, output: {lognormal: {median: 200, p95: 900}}}
      tools: {calls: 1, cpu: {exponential: {mean: 2s}}, io_wait: 1s, disk_dirty: 20MiB}
      model: m
platform:
  isolation: {microvm: {boot: 2s, snapshot: {filesystem: {fixed: 1s}}, restore: {fixed: 500ms}}}
  idle: {timeout: 5m, then: hibernate}
  retention: 1d
  rates: {compute: {vcpu: $0.1/h, memory: $0.01/GiB-h}, storage: $0.1/GiB-month}
models:
  m: {latency: {base: 500ms, per_output: 15ms}, rates: {input: $2/Mtok, cached: $0.2/Mtok, output: $10/Mtok}}
baseline:
  isolation: {container: {boot: 500ms, cpu_factor: 0.95}}
  idle: {then: keep}
boundaries:
  dearer: {require: per_session.change < -1%, against: baseline}
experiment: {start: empty, warmup: 2h, measure: 12h, replications: 20, seed: SEED}
";

fn run(text: &str) -> Run {
    let scenario = scenario(text);
    let watch = Watch::default();
    simulated(&scenario, None, &RunOptions::default(), &[], &watch).expect("it can be run").run
}

fn coding(seed: u64) -> Run {
    run(&CODING.replace("SEED", &seed.to_string()))
}

fn per_session(replications: &[plimsoll::measure::record::ReplicationRecord]) -> Vec<f64> {
    replications.iter().map(|r| r.cost["per_session"]).collect()
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)
}

#[test]
fn common_random_numbers_take_away_most_of_the_difference_s_variance() {
    let (run, other) = (coding(1), coding(2));
    let vm = per_session(&run.per_replication);
    let container = per_session(&run.baseline.as_ref().unwrap().part.per_replication);
    let independent = per_session(&other.baseline.as_ref().unwrap().part.per_replication);
    let difference =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let paired = variance(&difference(&vm, &container));
    let unpaired = variance(&difference(&vm, &independent));
    println!("variance of the difference: paired {paired:e}, independent {unpaired:e}");
    assert!(paired <= 0.1 * unpaired, "paired {paired}, independent {unpaired}");
    // Not because nothing differs.
    assert!(vm.iter().zip(&container).all(|(a, b)| a != b));
}

#[test]
fn both_arms_have_the_same_sessions_and_a_paired_change() {
    let run = coding(1);
    let baseline = run.baseline.as_ref().unwrap();
    assert_eq!(baseline.isolation, "container");
    for (own, other) in run.per_replication.iter().zip(&baseline.part.per_replication) {
        for name in ["sessions_arrived", "sessions_in_flight_at_start"] {
            let relative = if name == "sessions_arrived" { 0.0 } else { 0.5 };
            close(name, own.counters[name], other.counters[name], relative);
        }
    }
    assert_eq!(baseline.part.counters["snapshots"], 0.0, "the baseline keeps its sandboxes");
    assert!(run.counters["snapshots"] > 0.0);
    let change = baseline.changes["tco"];
    close("tco", change.value, run.cost.tco, 1e-12);
    close("tco of the baseline", change.baseline, baseline.part.cost.tco, 1e-12);
    close("change", change.change.unwrap(), run.cost.tco / baseline.part.cost.tco - 1.0, 1e-12);
    assert_eq!(run.scorecard.tco_change, change.change);
    let [low, high] = change.change_ci95.unwrap();
    assert_eq!(run.scorecard.ci95["tco.change"], [low, high]);
    assert!(low < change.change.unwrap() && change.change.unwrap() < high);
    // Unpaired, each arm alone is less certain than their difference.
    let [own_low, own_high] = run.cost.ci95["tco"];
    let [low, high] = change.difference_ci95.unwrap();
    assert!(high - low < 0.5 * (own_high - own_low));
    let judged = &run.boundaries["dearer"];
    assert_eq!(judged.value, baseline.changes["per_session"].change);
    assert_ne!(judged.verdict, Verdict::Inconclusive, "{}", judged.why);
}

/// A day of a load that moves; every number of a window is worked out from the whole of a run that
/// is measured in the window alone.
#[test]
fn a_window_is_what_a_run_measures_there() {
    let text = "
version: 1
name: windows
workload:
  arrivals: {poisson: {rate: 200/h}}
  profile: {day: [[0h, 0.4], [9h, 1.0], [14h, 2.0], [18h, 0.7]]}
platform:
  isolation: {container: {boot: 1s}}
  capacity: {elastic: {max_concurrent: 20}}
  rates: {compute: {vcpu: $0.1/h, memory: $0.01/GiB-h}}
models:
  default: {latency: {base: {exponential: {mean: 2m}}}}
";
    let whole = format!(
        "{text}boundaries:
  peak: {{require: queue_wait.mean < 10m, during: peak-hour}}
  day: queue_wait.mean < 10m
  afternoon: {{require: queue_length < 100, during: {{day: [14h, 18h]}}}}
experiment: {{start: empty, warmup: none, measure: 1d, replications: 3, windows: {{late: {{measure: [18h, 24h]}}}}}}
"
    );
    let alone = |warmup: &str, measure: &str| {
        run(&format!(
            "{text}experiment: {{start: empty, warmup: {warmup}, measure: {measure}, replications: 3}}\n"
        ))
    };
    let run_whole = run(&whole);
    for (name, run_alone) in [
        ("peak-hour", alone("14h", "1h")),
        ("14h to 18h of each day", alone("14h", "4h")),
        ("late", alone("18h", "6h")),
    ] {
        let window = &run_whole.windows[name];
        let part = &window.part;
        assert_eq!(part.measured_s, run_alone.measured_s, "{name}");
        for (counter, value) in &run_alone.counters {
            assert_eq!(part.counters[counter], *value, "{name}: {counter}");
        }
        assert_eq!(part.metrics, run_alone.metrics, "{name}");
        for (gauge, value) in &run_alone.gauges {
            let found = &part.gauges[gauge];
            assert_eq!((found.min, found.max), (value.min, value.max), "{name}: {gauge}");
            close(gauge, found.integral, value.integral, 1e-12);
        }
        close("tco", part.cost.tco, run_alone.cost.tco, 1e-12);
    }
    // Cutting changes nothing of the whole.
    let uncut = alone("none", "1d");
    assert_eq!(run_whole.counters, uncut.counters);
    assert_eq!(run_whole.metrics, uncut.metrics);
    assert_eq!(run_whole.gauges, uncut.gauges);
    assert_eq!(run_whole.usage, uncut.usage);
    let found = |name: &str| run_whole.boundaries[name].value.unwrap();
    assert_eq!(Some(found("peak")), run_whole.windows["peak-hour"].part.metrics["queue_wait"].mean);
    assert_eq!(Some(found("day")), uncut.metrics["queue_wait"].mean);
    assert!(found("peak") > 2.0 * found("day"), "a day's mean hides its peak");
    assert_eq!(run_whole.boundaries["peak"].during.as_deref(), Some("peak-hour"));
}

/// A boundary far off is decided at the first look, one at the very value at none.
#[test]
fn looks_go_on_until_all_is_decided_at_the_spent_level() {
    let queue = |boundaries: &str| {
        run(&format!(
            "version: 1\nname: looks\nworkload: {{arrivals: {{poisson: {{rate: 0.5/s}}}}}}\n\
             platform: {{isolation: {{container: {{}}}}, capacity: {{elastic: {{max_concurrent: 1}}}}}}\n\
             models: {{default: {{latency: {{base: {{exponential: {{mean: 1s}}}}}}}}}}\n\
             boundaries: {boundaries}\n\
             experiment: {{start: empty, warmup: 300s, measure: 2000s}}\n"
        ))
    };
    let far = queue("{a: queue_wait.mean < 100s}");
    let decision = far.decision.as_ref().unwrap();
    assert_eq!((far.replications, far.boundaries["a"].verdict), (10, Verdict::Holds));
    assert_eq!(decision.looks[0].open.as_deref(), Some(&[][..]));
    assert_eq!((decision.looks.len(), &decision.looks[1].open), (3, &None));
    assert!((decision.looks[0].level - 0.05 / 64.0).abs() < 1e-12);
    assert_eq!(far.boundaries["a"].level, Some(decision.looks[0].level));
    let [low, high] = far.boundaries["a"].interval.unwrap();
    let [usual_low, usual_high] = far.boundaries["a"].ci95.unwrap();
    assert!(low < usual_low && usual_high < high, "the verdict takes more than 95%");
    // The mean wait of M/M/1 at load 0.5 is 1 s.
    let near = queue("{a: queue_wait.mean < 1s, b: queue_wait.mean < 100s}");
    let decision = near.decision.as_ref().unwrap();
    assert_eq!((near.replications, near.boundaries["a"].verdict), (40, Verdict::Inconclusive));
    let open: Vec<_> = decision.looks.iter().map(|look| look.open.clone().unwrap()).collect();
    assert_eq!(open, [["a"], ["a"], ["a"]]);
}

#[test]
fn both_arms_windows_and_resampling_have_the_same_bytes_on_any_number_of_threads() {
    let text = CODING
        .replace("SEED", "5")
        .replace("measure: 12h, replications: 20", "measure: 6h, replications: 6, input: resample")
        .replace("model: m\n", "model: m\n      fitted_on: 40\n")
        .replace(
            "against: baseline}",
            "against: baseline, during: {measure: [1h, 3h]}}\n  slow: turn.p95 < 1h",
        );
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&text)).to_json()
    };
    let one = on(1);
    assert!(one.contains("\"dearer\"") && one.contains("simulation_ci95"));
    for threads in [2, 8] {
        assert!(on(threads) == one, "{threads} threads");
    }
}

/// The five dimensions of traditional computing against an agent service, each read off the simulation.
#[test]
fn traditional_computing_against_the_platform() {
    // Two turns a session, 100 s apart; one session each 50 s. The platform lets a silent sandbox go after 10 s and
    // brings its files back in 3 s; the container that sessions share throws them away after 60 s. Boots take 2 s, and
    // either 0.5 or 1.5 s.
    let text = "
version: 1
name: dimensions
workload:
  arrivals: {every: 50s}
  classes:
    agent: {turns: 2, think: 100s, steps: 1, tools: {calls: 0}, abandon: 0%, model: m, sandbox: {vcpu: 1, memory: 2GiB}}
platform:
  isolation: {microvm: {boot: 2s, snapshot: {filesystem: {fixed: 1s}}, restore: {fixed: 3s}}}
  idle: {timeout: 10s, then: hibernate}
  retention: 1d
  governance: {identity: {per: session}}
  rates: {compute: {vcpu: $3.6/h}}
models: {m: {latency: {base: 5s}}}
baseline:
  isolation: {shared-container: {boot: {mixture: [{weight: 0.5, uniform: {low: 500ms, high: 500ms}}, {weight: 0.5, uniform: {low: 1500ms, high: 1500ms}}]}}}
  capacity: {hosts: {min: 2, cores: 8, memory: 16GiB, price: $3.6/h}}
  idle: {timeout: 60s, then: kill}
  governance: {identity: {per: agent}}
  rates: {compute: {vcpu: $0/h}}
experiment: {start: empty, warmup: 10min, measure: 100h, replications: 2}
";
    let run = studied(text);
    let found = run.comparison.as_deref().unwrap();
    let (old, new) = (&found.traditional, &found.platform);
    assert_eq!((old.isolation.as_str(), new.isolation.as_str()), ("shared-container", "microvm"));
    // A constant has no spread. The mixture's mean is 1 s, its deviation 0.5 s; one boot a session and one more
    // for its second turn, 72 + 72 an hour.
    close("platform's mean", new.cold_start.mean.unwrap(), 2.0, 1e-9);
    close("platform's cv", new.cold_start.cv.unwrap(), 0.0, 1e-9);
    close("mean", old.cold_start.mean.unwrap(), 1.0, 0.02);
    close("cv", old.cold_start.cv.unwrap(), 0.5, 0.02);
    close("starts", old.cold_start.count, 14_400.0, 1e-3);
    close("platform's starts", new.cold_start.count, 7_200.0, 1e-3);
    // All 7,200 second turns come back to a sandbox that was let go: here they find their files, there nothing.
    close("returns", new.state.returns, 7_200.0, 1e-3);
    close("returns", old.state.returns, 7_200.0, 1e-3);
    assert_eq!((new.state.keeps.as_str(), old.state.keeps.as_str()), ("files", "nothing"));
    assert_eq!((new.state.found, old.state.found), (Some(1.0), Some(0.0)));
    close("back", new.state.recovery_p95.unwrap(), 3.0, 1e-3);
    assert_eq!(old.state.recovery_p95, None);
    // A session's sandbox is idle for 10 s and 1 s of its snapshot, of 2 · 5 + 11 that are charged from ready on: 11 / 21.
    close("platform's idle share", new.idle_cost_share.unwrap(), 11.0 / 21.0, 2e-3);
    // Each day 1,728 sessions, idle for 11 s at $0.001.
    close("platform's idle cost", new.idle_cost_per_day.unwrap(), 1_728.0 * 0.011, 2e-3);
    // Two hosts are $0.002 a second, and all of it that no sandbox in a turn or starting holds is idle: a sandbox's
    // share is 2 of 16 GiB of a host, and a session holds it for its turns, 10 s, and its boots, 2 s on average.
    let busy = (10.0 + 2.0) / 50.0 * (2.0 / 16.0) * 0.001;
    close("idle cost", old.idle_cost_per_day.unwrap(), (0.002 - busy) * 86_400.0, 2e-3);
    assert_eq!(
        (new.identity.as_deref(), old.identity.as_deref()),
        (Some("session"), Some("agent"))
    );
    close("identities", new.identities_per_session, 1.0, 1e-3);
    // The agent has had its own since before the measure.
    assert_eq!(old.identities_per_session, 0.0);
    let shared = old.sandboxes_per_host.unwrap();
    // Of each 50 s a session holds its sandbox for 12 s and for 60 s of silence, on two hosts.
    close("on a host", shared, (12.0 + 60.0) / 50.0 / 2.0, 2e-3);
    assert_eq!(new.sandboxes_per_host, None);
}
