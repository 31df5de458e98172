//! The same scenario and seed give the same bytes, whatever the number of threads, and supply never
//! changes demand.

use std::fmt::Write;
use std::sync::Arc;

use plimsoll::conduct::RunOptions;
use plimsoll::measure::{Counter, Metric, Totals};
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::Watch;
use plimsoll::study::replicate;
use plimsoll::units::Span;
use plimsoll::workload::plan::{Plans, StepAt};

use super::kit::{designed, scenario};

/// A bit of everything: mixtures, bandwidth, faults, quotas, policies, abandoned sessions.
const EVERYTHING: &str = "
version: 1
name: everything
workload:
  arrivals: {renewal: {rate: 40/min, cv: 1.7}}
  classes:
    coder:
      share: 70%
      turns: {geometric: {mean: 4}}
      think: {mixture: [{weight: 0.7, lognormal: {median: 40s, p95: 200s}}, {weight: 0.3, weibull: {shape: 0.7, scale: 90s}}]}
      steps: {geometric: {mean: 3}}
      tokens: {system: 6000, user: {lognormal: {median: 180, p95: 900}}, tool_result: {gamma: {mean: 900, cv: 1.4}}, output: {lognormal: {median: 200, p95: 900}}}
      tools: {calls: {uniform: {low: 0, high: 3}}, cpu: {exponential: {mean: 800ms}}, io_wait: {pareto: {shape: 2.2, scale: 300ms}}, disk_dirty: {exponential: {mean: 3MB}}}
      abandon: 30%
      sandbox: {vcpu: 2, memory: 1GiB}
    reviewer:
      share: 30%
      turns: 2
      think: 30s
      tokens: {output: 300}
platform:
  isolation:
    microvm:
      schedule: 100ms
      image: 4s
      boot: {lognormal: {median: 1.2s, p95: 2s}}
      harness: {weibull: {shape: 1.5, scale: 2s}}
      snapshot: {full: {fixed: 300ms, bandwidth: 200MiB/s, base: 20MB, dedupe: 30%, compression: 60%}}
      restore: {fixed: {exponential: {mean: 400ms}}, bandwidth: 400MiB/s, working_set: 40%}
  capacity: {elastic: {max_concurrent: 60, create_rate: {limit: 90/min, window: 10s}}}
  idle: {timeout: 45s, then: hibernate}
  retention: 10m
  queue: {capacity: 40, timeout: 50s}
  faults: {attempts: 2, boot: 3%, restore: 5%}
  governance: {policies: {safety: {at: model, latency: {exponential: {mean: 20ms}}}, allow: {at: tool, latency: 2ms}}}
models:
  default:
    latency: {base: {lognormal: {median: 900ms, p95: 3s}}, per_input: 0.02ms, per_output: 8ms}
    prompt_cache: {lifetime: 60s}
    context_window: 30K
    error_rate: 2%
    quota: {rpm: 400, tpm: 3M, concurrency: 40, window: 5s}
    retries: {max: 4, base: 1s, cap: 20s}
experiment: {seed: 9, start: steady, warmup: 5m, measure: 30m, replications: 6}
";

/// Everything that a run measured, as text: nothing that differs is lost.
fn dump(all: &[Totals]) -> String {
    let mut text = String::new();
    for totals in all {
        writeln!(text, "{totals:?}").unwrap();
    }
    text
}

fn totals(scenario: &Scenario, threads: usize) -> Vec<Totals> {
    let design = designed(scenario, None, &RunOptions::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let outcomes = pool.install(|| replicate(&design, 0, 6, &Watch::default()));
    outcomes.into_iter().map(|outcome| outcome.totals).collect()
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let scenario = scenario(EVERYTHING);
    let one = totals(&scenario, 1);
    // All that can happen happens in this scenario, else the comparison would say little.
    for counter in Counter::ALL {
        let sum: u64 = one.iter().map(|totals| totals.counter(*counter)).sum();
        let absent = [Counter::PoolClaims, Counter::Kills];
        assert_eq!(sum > 0, !absent.contains(counter), "{}", counter.name());
    }
    let one = dump(&one);
    for threads in [2, 8] {
        assert!(dump(&totals(&scenario, threads)) == one, "{threads} threads");
    }
}

#[test]
fn another_seed_gives_other_numbers() {
    let mut scenario = scenario(EVERYTHING);
    let one = dump(&totals(&scenario, 2));
    scenario.experiment.seed += 1;
    assert!(dump(&totals(&scenario, 2)) != one);
}

/// Every part of the first sessions' plans, as text.
fn plans_text(plans: &Plans) -> String {
    let mut text = String::new();
    for replication in [0, 3] {
        for session in 0..200 {
            let outline = plans.outline(replication, session);
            write!(text, "{outline:?}").unwrap();
            let mut ordinal = 0;
            for turn in 0..outline.turns {
                let think = plans.think(replication, session, outline.class, turn);
                write!(text, "{think:?}").unwrap();
                for step in 0..plans.steps(replication, session, outline.class, turn) {
                    let at = StepAt { turn, step, ordinal };
                    let call = plans.call(replication, session, outline.class, at);
                    let mut tools = Vec::new();
                    plans.tools(replication, session, outline.class, at, &mut tools);
                    write!(text, "{call:?}{tools:?}").unwrap();
                    ordinal += 1;
                }
            }
        }
    }
    text
}

#[test]
fn supply_changes_no_demand() {
    let here = scenario(EVERYTHING);
    let there = scenario(
        &EVERYTHING
            .replace("max_concurrent: 60", "max_concurrent: 7")
            .replace(
                "boot: {lognormal: {median: 1.2s, p95: 2s}}",
                "boot: {uniform: {low: 1s, high: 9s}}",
            )
            .replace("{timeout: 45s, then: hibernate}", "{timeout: 5s, then: kill}")
            .replace("retention: 10m", "retention: 1m")
            .replace("error_rate: 2%", "error_rate: 20%")
            .replace("rpm: 400", "rpm: 40")
            .replace("{median: 900ms, p95: 3s}", "{median: 9s, p95: 30s}"),
    );
    assert_ne!(here, there);
    let (here, there) = (
        designed(&here, None, &RunOptions::default()),
        designed(&there, None, &RunOptions::default()),
    );
    let arrivals = |design: &plimsoll::study::Design| {
        let setup = Arc::clone(&design.setup);
        [0, 3].map(|replication| setup.arrivals(replication).take(2_000).collect::<Vec<_>>())
    };
    assert_eq!(arrivals(&here), arrivals(&there));
    assert_eq!(plans_text(here.setup.plans()), plans_text(there.setup.plans()));
    // And supply did change what came of it.
    let waits = |design| {
        let outcome = replicate(design, 0, 1, &Watch::default()).remove(0);
        outcome.totals.metric(Metric::QueueWait).sum()
    };
    assert_ne!(waits(&here), waits(&there));
}

#[test]
fn a_longer_measure_begins_as_the_shorter_one() {
    // Draws are stateless, so what happens does not depend on how long one looks.
    let scenario = scenario(EVERYTHING);
    let mut design = designed(&scenario, None, &RunOptions::default());
    (design.horizon.keep_log, design.horizon.series_every) = (true, None);
    let short = replicate(&design, 0, 1, &Watch::default()).remove(0);
    design.horizon.measure = Some(Span::from_secs(7_200));
    let long = replicate(&design, 0, 1, &Watch::default()).remove(0);
    assert!(long.log.len() > short.log.len());
    assert!(long.log[..short.log.len()] == short.log[..]);
}
