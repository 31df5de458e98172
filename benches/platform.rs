//! The whole platform model at size: hosts, placement, pools, snapshots, tokens, statistics.
//!
//! `platform/{1e4,1e6}_sessions` hold that many sessions open all the time; the goals are 5 and 2.5
//! million events a second. Beside the rate they print the largest resident memory over the number of
//! open sessions. `serverless` has 10,000 classes on 1,000 hosts, a keep-alive of 600 s and one service
//! draw a start; the goal is 2.5 million starts a second. `replications` runs one replication on one
//! thread and two on two: the goal is 1.8 times as much.

use std::fmt::Write;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::conduct::RunOptions;
use plimsoll::measure::{Counter, Totals};
use plimsoll::scenario::Loader;
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::Watch;
use plimsoll::study::{Design, design, replicate};

/// Everything on: `sessions` open, on so many hosts, hibernated after `idle`, measured for this long.
fn full(sessions: u64, hosts: u64, idle: &str, measure: &str) -> String {
    format!(
        "
version: 1
name: full
workload:
  arrivals: {{closed: {{population: {sessions}}}}}
  classes:
    agent:
      turns: {{geometric: {{mean: 6}}}}
      think: {{lognormal: {{median: 2m, p95: 20m}}}}
      steps: {{geometric: {{mean: 4}}}}
      tokens: {{system: 6000, user: {{lognormal: {{median: 180, p95: 900}}}}, tool_result: {{lognormal: {{median: 300, p95: 3000}}}}, output: {{lognormal: {{median: 150, p95: 900}}}}}}
      tools: {{calls: 1, cpu: {{lognormal: {{median: 100ms, p95: 1s}}}}, io_wait: 300ms, memory: 200MiB, disk_dirty: 2MiB}}
      abandon: 10%
      sandbox: {{vcpu: 1, memory: 2GiB}}
platform:
  isolation:
    microvm:
      boot: {{lognormal: {{median: 400ms, p95: 900ms}}}}
      memory_overhead: 64MiB
      contention: {{knee: 8, exponent: 0.5}}
      snapshot: {{full: {{fixed: 100ms, bandwidth: 8GiB/s, compression: 0.4}}}}
      restore: {{fixed: 80ms, bandwidth: 8GiB/s, working_set: 20%}}
  capacity: {{hosts: {{min: {hosts}, cores: 64, memory: 640GiB, overcommit: {{cpu: 6, memory: 1}}, placement: best-fit, price: $2/h}}}}
  pool: {{fixed: {{size: 200, claim: 50ms}}}}
  idle: {{timeout: {idle}, then: hibernate}}
  retention: 50s
models: {{default: {{latency: {{base: {{lognormal: {{median: 500ms, p95: 2s}}}}, per_input: 20us, per_output: 12ms}}, prompt_cache: {{lifetime: 5m}}}}}}
experiment: {{start: empty, warmup: none, measure: {measure}, replications: 1}}
"
    )
}

/// 10,000 functions, each called every now and then.
fn serverless() -> String {
    let mut classes = String::new();
    for class in 0..10_000 {
        let think = 20 + class % 400;
        writeln!(
            classes,
            "    f{class}: {{share: 0.01%, turns: 1000000, think: {{exponential: {{mean: {think}s}}}}, \
             sandbox: {{vcpu: 1, memory: 512MiB}}}}"
        )
        .expect("a string takes all");
    }
    format!(
        "
version: 1
name: serverless
workload:
  arrivals: {{closed: {{population: 20000}}}}
  classes:
{classes}
platform:
  isolation: {{container: {{boot: 250ms}}}}
  capacity: {{hosts: {{min: 1000, cores: 32, memory: 64GiB, overcommit: {{cpu: 4, memory: 1}}}}}}
  idle: {{timeout: 600s, then: kill}}
models: {{default: {{latency: {{base: {{exponential: {{mean: 300ms}}}}}}}}}}
experiment: {{start: empty, warmup: none, measure: 3600s, replications: 1}}
"
    )
}

fn designed(text: &str) -> Design {
    let read = Loader::default().load_text::<Scenario>("bench.yaml", text, &[], &|_, _, _| {});
    let loaded = read.loaded.expect("the scenario is valid");
    design(&loaded.value, None, &RunOptions::default(), &Watch::default())
        .expect("the scenario can be run")
        .design
}

fn run(design: &Design) -> Totals {
    let outcome = replicate(design, 0, 1, &Watch::default()).swap_remove(0);
    outcome.totals
}

/// The largest resident memory of this process so far, in bytes.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn platform(c: &mut Criterion) {
    let mut group = c.benchmark_group("platform");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for (name, sessions, hosts, idle, measure) in
        [("1e6_sessions", 1_000_000, 4_000, "20s", "1m"), ("1e4_sessions", 10_000, 50, "5m", "1h")]
    {
        let design = designed(&full(sessions, hosts, idle, measure));
        let begun = Instant::now();
        let totals = run(&design);
        let rate = totals.events as f64 / begun.elapsed().as_secs_f64();
        eprintln!("{name}: {} events, the first time {rate:.0} a second", totals.events);
        if let Some(peak) = peak_memory() {
            let (mib, each) = (peak >> 20, peak / sessions);
            eprintln!("{name}: {mib} MiB at most so far, {each} B an open session");
        }
        group.throughput(Throughput::Elements(totals.events));
        group.bench_function(name, |b| b.iter(|| run(&design).events));
    }
    group.finish();
}

fn serverless_starts(c: &mut Criterion) {
    let design = designed(&serverless());
    let starts = run(&design).counter(Counter::Turns);
    let mut group = c.benchmark_group("serverless");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(starts));
    group.bench_function("starts", |b| b.iter(|| run(&design).events));
    group.finish();
}

/// Work that touches no memory: what two cores are to one on this machine at this time.
fn registers(seed: u64) -> u64 {
    let mut state = seed + 1;
    for _ in 0..100_000_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

/// Time for one replication on one thread, and for two on two; beside it a loop in registers.
fn replications(c: &mut Criterion) {
    let design = designed(&full(2_000, 12, "5m", "30m"));
    let mut group = c.benchmark_group("replications");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for threads in [1_u16, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build();
        let pool = pool.expect("threads can be started");
        group.throughput(Throughput::Elements(u64::from(threads)));
        let name = format!("reference_{threads}_on_{threads}");
        group.bench_function(name, |b| {
            b.iter(|| pool.broadcast(|place| registers(place.index() as u64)));
        });
        group.bench_function(format!("{threads}_on_{threads}"), |b| {
            b.iter_custom(|times| {
                let begun = Instant::now();
                for _ in 0..times {
                    pool.install(|| replicate(&design, 0, threads, &Watch::default()));
                }
                begun.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, platform, serverless_starts, replications);
criterion_main!(benches);
