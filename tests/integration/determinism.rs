//! The same scenario and seed give the same bytes, whatever the number of threads, and supply never
//! changes demand.

use std::fmt::Write;
use std::process::Command;
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
      tools: {calls: {uniform: {low: 0, high: 3}}, cpu: {exponential: {mean: 800ms}}, io_wait: {pareto: {shape: 2.2, scale: 300ms}}, memory: {exponential: {mean: 150MiB}}, disk_dirty: {exponential: {mean: 3MB}}}
      abandon: 30%
      sub_agents: {class: helper, count: {poisson: {mean: 0.1}}}
      sandbox: {vcpu: 2, memory: 1GiB}
    reviewer:
      share: 30%
      tenant: acme
      priority: 1
      turns: 2
      think: 30s
      tokens: {output: 300}
    helper:
      share: 0%
      steps: {geometric: {mean: 2}}
      tokens: {user: 500, output: 100}
      tools: {calls: 1, cpu: {exponential: {mean: 300ms}}, memory: {exponential: {mean: 250MiB}}}
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
    provisioned: {units: 10, input_per_unit: 5000, output_weight: 4, cached_weight: 0.5, window: 10s}
    compaction: {above: 40K, summary: 2K}
experiment: {seed: 9, start: steady, warmup: 5m, measure: 30m, replications: 6}
";

/// The same demand on hosts that crash, with pools, an archive, tenants and new versions.
const FLEET: &str = "platform:
  isolation:
    gvisor:
      schedule: 100ms
      image: {pull: {bytes: 400MB, bandwidth: 200MB/s}}
      boot: {lognormal: {median: 1.2s, p95: 2s}}
      contention: {knee: 3, exponent: 0.8}
      drift: {lognormal: {median: 1, p95: 1.5}}
      memory_overhead: 100MiB
      cpu_factor: 1.3
      exec: {exponential: {mean: 5ms}}
      snapshot: {filesystem: {fixed: 300ms, bandwidth: 50MiB/s, base: 20MB}}
      restore: {fixed: {exponential: {mean: 400ms}}, bandwidth: 100MiB/s}
  capacity:
    hosts:
      large: {min: 2, max: 8, cores: 16, memory: 32GiB, boot: {lognormal: {median: 40s, p95: 90s}}, price: $1/h, overcommit: {cpu: 200%, memory: 120%}, placement: best-fit, starts_per_host: 4, autoscaler: {interval: 15s, target: 80%, cooldown: 60s}, standby: {count: 1, resume: 5s}}
      small: {min: 1, max: 6, cores: 8, memory: 16GiB, boot: 20s, price: $0.4/h, autoscaler: {interval: 20s, target: 90%, forecast: {window: 2m, ahead: 30s}}}
  pool:
    classes:
      coder: {fixed: {size: 4, claim: 200ms, ttl: 90s, refill: {delay: 2s}, paused: {size: 2, claim: 1s}}}
      reviewer: {predictive: {cover: 95%, window: 5m, claim: {exponential: {mean: 100ms}}}}
  rollouts: {every: 7m}
  idle: {timeout: 45s, then: hibernate}
  retention: 10m
  archive: {after: 2m, restore: {exponential: {mean: 3s}}}
  storage_quota: 200GB
  queue: {capacity: 60, timeout: 90s, backfill: true, order: {fair: {default: 2, acme: 1}}}
  faults: {attempts: 2, boot: 3%, restore: 5%, host_mtbf: 30m, zones: {count: 3, mtbf: 20m, outage: {exponential: {mean: 30s}}}, stalls: {mtbf: 5m, length: {exponential: {mean: 5s}}}}
  governance:
    policies: {safety: {at: model, latency: {exponential: {mean: 20ms}}}}
    identity: {per: session, issue: {exponential: {mean: 300ms}}, lifetime: 3m}
    quotas: {acme: {sessions: 30, tokens_per_day: 200K}}
    telemetry: {bytes_per_event: 800B, cpu_share: 2%, price: $0.5/GB}
";

/// The demand and models of [`EVERYTHING`] on another platform.
fn on(platform: &str) -> String {
    let (demand, rest) = EVERYTHING.split_once("platform:\n").unwrap();
    let (_, models) = rest.split_once("models:\n").unwrap();
    format!("{demand}{platform}models:\n{models}")
}

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
    let scenarios = [scenario(EVERYTHING), scenario(&on(FLEET))];
    let one = scenarios.each_ref().map(|scenario| totals(scenario, 1));
    // All that can happen happens in one of them, else the comparison would say little.
    for counter in Counter::ALL {
        let sum: u64 = one.iter().flatten().map(|totals| totals.counter(*counter)).sum();
        assert_eq!(sum > 0, *counter != Counter::Kills, "{}", counter.name());
    }
    for (scenario, one) in scenarios.iter().zip(&one) {
        for threads in [2, 8] {
            assert!(dump(&totals(scenario, threads)) == dump(one), "{threads} threads");
        }
    }
}

/// Runs the binary on a scenario; what it wrote into `file`.
fn written(text: &str, file: &str, more: &[&str], tunables: Option<&str>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("it.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["simulate", "it.yaml", "--quiet", "--out", "."]).args(more);
    command.current_dir(folder.path()).env_remove("PLIMSOLL_FORMAT");
    if let Some(tunables) = tunables {
        command.env("GLIBC_TUNABLES", tunables);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    std::fs::read(folder.path().join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}\n{said}"))
}

#[test]
fn a_record_of_a_fleet_is_the_same_bytes_for_any_threads_and_any_processor() {
    let text = on(FLEET);
    let record = |threads: &str, tunables: Option<&str>| {
        written(&text, "run.json", &["--threads", threads], tunables)
    };
    let one = record("1", None);
    assert!(record("2", None) == one, "2 threads");
    assert!(record("8", None) == one, "8 threads");
    // Old and new names of the same: without them the C library takes other paths through its mathematics.
    for tunables in ["glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable", "glibc.cpu.hwcaps=-AVX2,-FMA"] {
        assert!(record("2", Some(tunables)) == one, "{tunables}");
    }
}

#[test]
fn hosts_pools_and_crashes_change_no_plan() {
    let without = |platform: &str, lines: &[&str]| {
        let keep = |line: &&str| !lines.iter().any(|key| line.trim_start().starts_with(key));
        platform.lines().filter(keep).map(|line| format!("{line}\n")).collect::<String>()
    };
    let elastic = "platform: {isolation: {container: {}}}\n";
    let no_pool = without(FLEET, &["pool:", "classes:", "coder:", "reviewer:"]);
    let no_crashes = without(FLEET, &["faults:", "rollouts:"]);
    let (mut plans, mut waits) = (Vec::new(), Vec::new());
    for platform in [FLEET, elastic, &no_pool, &no_crashes] {
        let text = on(platform).replace("replications: 6", "replications: 1");
        let exported = written(&text, "plans.jsonl", &["--export-plans", "plans.jsonl"], None);
        assert!(exported.len() > 100_000, "{} bytes of plans", exported.len());
        plans.push(exported);
        let design = designed(&scenario(&text), None, &RunOptions::default());
        let outcome = replicate(&design, 0, 1, &Watch::default()).remove(0);
        waits.push(outcome.totals.metric(Metric::Ready).sum());
    }
    assert!(plans.iter().all(|other| *other == plans[0]), "the plans differ");
    // And supply did change what came of them.
    waits.sort_unstable();
    waits.dedup();
    assert_eq!(waits.len(), 4);
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
