//! How many events a second one core simulates.
//!
//! `quickstart_week` is the whole simulator on a virtual week of the shipped quickstart; the goal is
//! 2 million events a second. `mm1` is one and the same queue three times: by a loop written by
//! hand over the standard heap, by the engine's event queue, and as a scenario, so that it can be seen
//! what each layer costs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::conduct::RunOptions;
use plimsoll::engine::EventQueue;
use plimsoll::scenario::Loader;
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::Watch;
use plimsoll::study::{Design, design, replicate};
use plimsoll::units::{Span, Time};

/// Customers of the M/M/1 queue, at load 0.8.
const CUSTOMERS: u64 = 100_000;
const MEAN_GAP: f64 = 1.25e9;
const MEAN_SERVICE: f64 = 1e9;

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

/// A generator that costs next to nothing, so that the queue is what is measured (Marsaglia 2003).
struct XorShift(u64);

impl XorShift {
    fn exponential(&mut self, mean: f64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let uniform = ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (-libm::log(uniform) * mean) as u64
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Arrival,
    Departure,
}

/// Sum of waits of an M/M/1 queue, with events kept by `schedule` and `pop`.
fn mm1<Q>(
    queue: &mut Q,
    schedule: fn(&mut Q, u64, Kind),
    pop: fn(&mut Q) -> Option<(u64, Kind)>,
) -> u64 {
    let mut draws = XorShift(88_172_645_463_325_252);
    let (mut waiting, mut busy, mut arrived, mut waits) = (VecDeque::new(), false, 0, 0);
    schedule(queue, draws.exponential(MEAN_GAP), Kind::Arrival);
    while let Some((now, kind)) = pop(queue) {
        match kind {
            Kind::Arrival => {
                arrived += 1;
                if arrived < CUSTOMERS {
                    schedule(queue, now + draws.exponential(MEAN_GAP), Kind::Arrival);
                }
                waiting.push_back(now);
            }
            Kind::Departure => busy = false,
        }
        if !busy && let Some(since) = waiting.pop_front() {
            waits += now - since;
            busy = true;
            schedule(queue, now + draws.exponential(MEAN_SERVICE), Kind::Departure);
        }
    }
    waits
}

fn by_hand() -> u64 {
    type Heap = (BinaryHeap<Reverse<(u64, u64, Kind)>>, u64);
    let mut heap: Heap = Heap::default();
    mm1(
        &mut heap,
        |(heap, order), at, kind| {
            *order += 1;
            heap.push(Reverse((at, *order, kind)));
        },
        |(heap, _)| heap.pop().map(|Reverse((at, _, kind))| (at, kind)),
    )
}

fn by_engine() -> u64 {
    mm1(
        &mut EventQueue::default(),
        |queue, at, kind| {
            queue.schedule(Time::from_nanos(at), kind as u8, kind);
        },
        |queue| queue.pop().map(|(at, kind)| (at.nanos(), kind)),
    )
}

fn engine_mm1(c: &mut Criterion) {
    assert_eq!(by_hand(), by_engine(), "the two loops are one queue");
    let scenario = Loader::default().load_text::<Scenario>("mm1.yaml", MM1, &[], &|_, _, _| {});
    let design = designed(&scenario.loaded.expect("the scenario is valid").value);
    let mut group = c.benchmark_group("mm1");
    group.throughput(Throughput::Elements(2 * CUSTOMERS));
    group.bench_function("by_hand", |b| b.iter(by_hand));
    group.bench_function("engine_mm1", |b| b.iter(by_engine));
    group.throughput(Throughput::Elements(events_of(&design)));
    group.bench_function("as_a_scenario", |b| b.iter(|| events_of(&design)));
    group.finish();
}

criterion_group!(benches, quickstart_week, engine_mm1);
criterion_main!(benches);
