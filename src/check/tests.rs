//! The check takes any scenario, and what it accepts can be set up.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::check;
use crate::conduct::{RunOptions, Setup};
use crate::control::{HostTerms, Shape};
use crate::scenario::types::{HostType, Scenario};
use crate::scenario::{Loader, Outcome};
use crate::units::{Bytes, Cores};

fn load(text: &str) -> Outcome<Scenario> {
    Loader::default().load_text("scenario.yaml", text, &[], &check)
}

/// A scenario that says something of every part.
const WHOLE: &str = "\
version: 1
name: whole
description: every part
workload:
  arrivals: {poisson: {rate: 40/min}}
  profile: {day: [[0h, 0.4], [9h, 1.6], [20h, 0.7]]}
  classes:
    coder:
      share: 70%
      turns: {geometric: {mean: 4}}
      think: {lognormal: {median: 2m, p95: 30m}}
      steps: {geometric: {mean: 7}}
      tokens: {system: 6000, user: {lognormal: {median: 180, p95: 900}}, tool_result: 500, output: 300}
      tools: {calls: 1, cores: 1, cpu: {exponential: {mean: 1s}}, io_wait: 1s, memory: 64MiB, disk_dirty: 1MiB}
      abandon: 30%
      model: gpt-5.5
      sandbox: {vcpu: 1, memory: 2GiB, disk: 10GiB}
    \"a.b \\\" [0]\": {share: 30%, model: \"gpt 5..5\"}
platform:
  isolation:
    microvm:
      schedule: 200ms
      boot: {gamma: {mean: 1s, cv: 0.5}}
      cpu_factor: 1.1
      snapshot: {full: {fixed: 1s, bandwidth: 100MiB/s, base: 1MiB, dedupe: 20%, compression: 0.5}}
      restore: {fixed: 1s, bandwidth: 100MiB/s, working_set: 50%}
  capacity: {elastic: {max_concurrent: 1500, create_rate: {limit: 25/s, window: 2s}}}
  idle: {timeout: 15m, then: hibernate}
  retention: 12h
  queue: {capacity: 500, timeout: 30s}
  governance: {policies: {audit: {at: model, latency: 5ms}}}
  faults: {attempts: 2, boot: 1%, restore: 1%}
  rates: {compute: {vcpu: $0.1/h}, storage: $0.1/GiB-month}
models:
  gpt-5.5:
    latency: {base: 1s, per_input: 0.1ms, per_output: 20ms}
    prompt_cache: {lifetime: 5m}
    context_window: 272K
    error_rate: 1%
    quota: {rpm: 2000, tpm: 80M, concurrency: 100, window: 60s}
    retries: {max: 3, base: 1s, cap: 1m}
    rates: {input: $5/Mtok, output: $30/Mtok}
  \"gpt 5..5\": {latency: {base: 2s}}
boundaries:
  cold-start: cold_start.p99 < 1s
  cost: {require: tco < $5000, why: budget, stage: production, expect: broken}
experiment: {seed: 7, start: steady, warmup: auto, measure: 7d, replications: {looks: [10, 20], until: decided}}
live: {target: {runtime: process}, load: {open_sessions: 8}, repeat: 2, sessions: 32, max_alive: 8, compress_time: 60}
";

/// A scenario on hosts that says something of every part that [`WHOLE`] has not.
const HOSTED: &str = "\
version: 1
name: hosted
workload:
  arrivals: {closed: {population: 40}}
  classes:
    coder: {share: 70%, tenant: blue, priority: 2, think: 20s, model: m, sandbox: {vcpu: 1, memory: 2GiB}}
    reviewer: {share: 30%, tenant: green, think: 20s, model: m, sandbox: {vcpu: 2, memory: 4GiB}}
platform:
  isolation:
    container:
      image: {pull: {bytes: 2GiB, bandwidth: 500MiB/s}}
      boot: 1s
      contention: {table: [[1, 1], [8, 1.6]]}
      drift: {lognormal: {mean: 1, cv: 0.2}}
      memory_overhead: 64MiB
      snapshot: {filesystem: {fixed: 1s}}
  capacity:
    hosts:
      small:
        min: 2
        max: 6
        cores: 16
        memory: 64GiB
        boot: 2m
        price: $0.5/h
        bill_boot: true
        overcommit: {cpu: 2, memory: 1.2}
        placement: best-fit
        starts_per_host: 4
        standby: {count: 1, resume: 20s}
        autoscaler: {interval: 30s, target: 80%, cooldown: 5m, forecast: {window: 5m, ahead: 2m}}
      large: {cores: 64, memory: 256GiB}
  pool:
    classes:
      coder: {fixed: {size: 4, claim: 1s, ttl: 30m, refill: {delay: 1s, rate: 2/s}, paused: {size: 2, claim: 2s}, image: true}}
      reviewer: {predictive: {cover: 95%, window: 10m}}
  rollouts: {every: 3d}
  idle: {timeout: 15m, then: hibernate}
  retention: 12h
  archive: {after: 2h, restore: 1m}
  storage_quota: 500GiB
  queue: {capacity: 500, timeout: 30s, backfill: true, order: {fair: {blue: 3, green: 1}}}
  governance:
    policies: {audit: {at: tool, latency: 5ms}}
    identity: {per: session, issue: 50ms, lifetime: 1h}
    quotas: {blue: {sessions: 300, tokens_per_day: 5M}}
    telemetry: {bytes_per_event: 2KiB, cpu_share: 1%, price: $0.5/GiB}
    management: {changes_per_month: 4, time_per_change: 30m, interfaces: 2, hourly_rate: $90/h}
  faults: {host_mtbf: 720h, zones: {count: 3, mtbf: 8760h, outage: 1h}, stalls: {mtbf: 240h, length: 1m}}
  rates: {archive: $0.01/GiB-month, storage_requests: {put: $0.00001, get: $0.000001}}
models:
  m: {latency: {base: 1s}}
experiment: {start: empty, warmup: none, measure: 7d}
";

/// Values that are wrong somewhere and right elsewhere.
const VALUES: &[&str] = &[
    "0",
    "0s",
    "0B",
    "0%",
    "-1",
    "1",
    "2",
    "0.5",
    "1e300",
    "1e-300",
    "18446744073709551616",
    "1000%",
    "unlimited",
    "end",
    "auto",
    "none",
    "keep",
    "kill",
    "recorded",
    "1/s",
    "0/s",
    "1e-300/s",
    "1e300s",
    "20s",
    "24h",
    "1MiB",
    "1e300GiB",
    "$1",
    "$1/h",
    "\"\"",
    "~",
    "[]",
    "{}",
    "[[1h, 1]]",
    "[1, 2, 3]",
    "x",
    "\"x.y\"",
    "retry_rate > 5",
    "< 1",
    "{pareto: {shape: 0.5, scale: 1}}",
    "{pareto: {shape: 0.5, scale: 1s}}",
    "{uniform: {low: 0, high: 1}}",
    "{poisson: {mean: 100}}",
    "{closed: {population: 3}}",
    "{every: 0s}",
    "{every: 5s}",
    "{container: {}}",
    "{week: office-hours}",
    "{looks: [3, 2]}",
    "{elastic: {max_concurrent: 5, per_tenant: {max_concurrent: 2}}}",
    "{cores: 4, memory: 8GiB}",
    "{fixed: {size: 3}}",
    "{pull: {bytes: 1GiB, bandwidth: 1MiB/s}}",
    "{fair: {blue: 2}}",
    "{table: [1, 2]}",
    "[[1, 2], [2, 3]]",
    "blue",
    "{}, x: 1",
];

/// The byte ranges of what may be exchanged: values behind `: `, up to what ends them.
fn spots(text: &str) -> Vec<(usize, usize)> {
    let ends = |from: usize| {
        let mut depth = 0;
        for (at, c) in text[from..].char_indices() {
            match c {
                '{' | '[' => depth += 1,
                '}' | ']' if depth == 0 => return from + at,
                '}' | ']' => depth -= 1,
                ',' | '\n' if depth == 0 => return from + at,
                _ => {}
            }
        }
        text.len()
    };
    let spots = text.match_indices(": ").map(|(at, _)| (at + 2, ends(at + 2)));
    spots.chain(text.match_indices('\n').map(|(at, _)| (at + 1, at + 1))).collect()
}

/// The text with some values exchanged or lines taken out.
fn mutate(whole: &str, changes: &[(usize, usize, bool)]) -> String {
    let mut text = whole.to_owned();
    for (spot, value, cut) in changes {
        let spots = spots(&text);
        let (from, to) = spots[spot % spots.len()];
        if *cut {
            let start = text[..from].rfind('\n').map_or(0, |at| at + 1);
            let end = text[from..].find('\n').map_or(text.len(), |at| from + at + 1);
            text.replace_range(start..end, "");
        } else if from < to {
            text.replace_range(from..to, VALUES[value % VALUES.len()]);
        }
        if text.is_empty() {
            break;
        }
    }
    text
}

#[test]
fn the_whole_scenarios_are_sound() {
    for whole in [WHOLE, HOSTED] {
        let outcome = load(whole);
        assert_eq!(outcome.render(false), "");
        Setup::new(&outcome.loaded.unwrap().value, None, &RunOptions::default()).unwrap();
    }
}

/// What is said to fit is what the control machine finds to fit.
#[test]
fn the_check_and_the_fleet_agree_on_what_fits() {
    let pick = |values: &'static [f64]| prop::sample::select(values);
    let sizes = (pick(&[0.5, 1.0, 2.0, 4.0, 4.3]), pick(&[0.1, 1.0, 2.0, 3.9, 8.0]));
    let factors = (pick(&[0.3, 1.0, 1.1, 2.15]), pick(&[0.3, 0.7, 1.0, 1.075]));
    let asked = (pick(&[0.15, 1.0, 2.15, 4.3, 8.6]), pick(&[0.1, 1.0, 2.15, 4.3, 8.6]));
    let seen = Cell::new([0; 2]);
    let agree = |((cores, gib), (cpu, memory), (vcpu, asked)): Fit| {
        let bytes = |gib: f64| Bytes((gib * f64::from(1 << 30)) as u64);
        let text = format!(
            "{{cores: {cores}, memory: {}B, overcommit: {{cpu: {cpu}, memory: {memory}}}}}",
            bytes(gib).0
        );
        let host: HostType = serde_yaml::from_str(&text).unwrap();
        let (by_memory, by_vcpu) = host.holds(bytes(asked), Cores(vcpu));
        let fits = HostTerms::new(&host, 1.0).fits(Shape::new(Cores(vcpu), bytes(asked)));
        prop_assert_eq!(by_memory.min(by_vcpu) > 0, fits);
        let mut counts = seen.get();
        counts[usize::from(fits)] += 1;
        seen.set(counts);
        Ok(())
    };
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() };
    TestRunner::new(config).run(&(sizes, factors, asked), agree).unwrap();
    assert!(seen.get().iter().all(|count| *count > 100), "{:?} fit or not", seen.get());
}

/// A host's cores and GiB, their overcommit, and the vCPU and GiB that are asked for.
type Fit = ((f64, f64), (f64, f64), (f64, f64));

#[test]
fn names_that_are_no_paths_are_pointed_at() {
    let text = WHOLE.replace("share: 30%, model: \"gpt 5..5\"", "share: 40%, model: \"gpt 5..6\"");
    let outcome = load(&text);
    let lines: Vec<usize> = outcome
        .diagnostics
        .iter()
        .map(|found| outcome.sources.line_column(found.place.unwrap()).line)
        .collect();
    let class = 1 + text.lines().position(|line| line.contains("a.b")).unwrap();
    let unused = 1 + text.lines().position(|line| line.contains("\"gpt 5..5\":")).unwrap();
    assert_eq!(lines, [class, class, unused], "{}", outcome.render(false));
}

/// Neither the reading nor the check panics, whatever is written; every rendering succeeds; and what
/// is accepted can be set up.
#[test]
fn any_scenario_is_judged() {
    let change = (any::<usize>(), any::<usize>(), prop::bool::weighted(0.15));
    let changes = (any::<bool>(), prop::collection::vec(change, 1..5));
    let config = ProptestConfig { cases: 800, failure_persistence: None, ..Default::default() };
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let judge = |(hosted, changes): (bool, Vec<(usize, usize, bool)>)| {
        let text = mutate(if hosted { HOSTED } else { WHOLE }, &changes);
        let outcome = load(&text);
        let rendered = outcome.render(false);
        prop_assert_eq!(outcome.loaded.is_none(), outcome.diagnostics.errors() > 0);
        let Some(loaded) = outcome.loaded else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        accepted.set(accepted.get() + 1);
        let setup = Setup::new(&loaded.value, None, &RunOptions::default());
        prop_assert!(setup.is_ok(), "{}\n{}{}", setup.unwrap_err(), rendered, text);
        Ok(())
    };
    TestRunner::new(config).run(&changes, judge).unwrap();
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(accepted >= 40 && refused >= 200, "{accepted} accepted, {refused} refused");
}
