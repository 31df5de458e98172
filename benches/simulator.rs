//! How many events a second one core simulates.
//!
//! `quickstart_week` is the whole simulator on a virtual week of the shipped quickstart; the goal is
//! 2 million events a second. `mm1` is the queue of `benches/engine.rs` as a scenario, so that it can be
//! seen what the layers above the event queue cost.

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::conduct::RunOptions;
use plimsoll::scenario::Loader;
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::Watch;
use plimsoll::study::{Design, design, replicate};
use plimsoll::units::Span;

/// M/M/1 at load 0.8, with about 100,000 customers.
const MM1: &str = "
version: 1
name: mm1
workload: {arrivals: {poisson: {rate: 0.8/s}}}
platform: {isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}}
models: {default: {latency: {base: {exponential: {mean: 1s}}}}}
experiment: {start: empty, warmup: none, measure: 125000s, replications: 1}
";

fn designed(scenario: &Scenario) -> Design {
    let watch = Watch::default();
    design(scenario, None, &RunOptions::default(), &watch).expect("the scenario can be run").design
}

fn events_of(design: &Design) -> u64 {
    replicate(design, 0, 1, &Watch::default())[0].totals.events
}

fn quickstart_week(c: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quickstart.yaml");
    let read = Loader::default().load::<Scenario>(&path, &[], &|_, _, _| {});
    let loaded = read.loaded.expect("the shipped quickstart is valid");
    let mut design = designed(&loaded.value);
    design.horizon.warmup = Span::ZERO;
    let mut group = c.benchmark_group("simulator");
    group.throughput(Throughput::Elements(events_of(&design)));
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("quickstart_week", |b| b.iter(|| events_of(&design)));
    group.finish();
}

/// What an M/M/1 queue costs with all that a scenario has around it; `benches/engine.rs` has the bare one.
fn mm1_as_a_scenario(c: &mut Criterion) {
    let scenario = Loader::default().load_text::<Scenario>("mm1.yaml", MM1, &[], &|_, _, _| {});
    let design = designed(&scenario.loaded.expect("the scenario is valid").value);
    let mut group = c.benchmark_group("mm1");
    group.throughput(Throughput::Elements(events_of(&design)));
    group.bench_function("as_a_scenario", |b| b.iter(|| events_of(&design)));
    group.finish();
}

criterion_group!(benches, quickstart_week, mm1_as_a_scenario);
criterion_main!(benches);
