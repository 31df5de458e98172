//! What the event queue costs, against loops written by hand over the standard heap.
//!
//! `engine_mm1` and `engine_mmc16` are queues at load 0.8 with statistics: the time-weighted number of
//! customers and the waits. The reference knows that nothing is ever cancelled and counts in plain
//! variables; the goal is 0.65 of its events a second. `engine_hold_1e6` is the hold model (Jones 1986) with
//! a million pending events: pop one, push one an exponential time later; after every sixteenth push
//! any one pending event is cancelled and scheduled anew. The goal is 150 ns a pop and push.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use plimsoll::engine::{EventQueue, Timer};
use plimsoll::stats::TimeWeighted;
use plimsoll::units::Time;

const CUSTOMERS: u64 = 100_000;
const MEAN_SERVICE: f64 = 1e9;
const LOAD: f64 = 0.8;

const PENDING: usize = 1_000_000;
const HOLDS: usize = 100_000;
/// Pushes for each event that is cancelled and scheduled anew.
const PER_CANCEL: usize = 16;

/// A generator that costs next to nothing, so that the queue is what is measured (Marsaglia 2003).
struct XorShift(u64);

impl Default for XorShift {
    fn default() -> Self {
        XorShift(88_172_645_463_325_252)
    }
}

impl XorShift {
    #[inline]
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    #[inline]
    fn exponential(&mut self, mean: f64) -> u64 {
        let uniform = ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (-libm::log(uniform) * mean) as u64
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Departure,
    Arrival,
}

/// What both queues find: exact, so that the two loops can be seen to be one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// ∫ customers dt, in customer·nanoseconds.
    customers: i128,
    most: i64,
    waits: u64,
    longest: u64,
}

/// M/M/c through the public engine.
fn by_engine(servers: u32) -> Found {
    let mean_gap = MEAN_SERVICE / (LOAD * f64::from(servers));
    let (mut draws, mut queue) = (XorShift::default(), EventQueue::default());
    let (mut waiting, mut free, mut arrived) = (VecDeque::new(), servers, 0);
    let (mut customers, mut waits, mut longest) = (TimeWeighted::new(), 0, 0);
    let after = |now: Time, nanos: u64| Time::from_nanos(now.nanos() + nanos);
    let first = after(Time::ZERO, draws.exponential(mean_gap));
    queue.schedule(first, Kind::Arrival as u8, Kind::Arrival);
    while let Some((now, kind)) = queue.pop() {
        match kind {
            Kind::Arrival => {
                arrived += 1;
                if arrived < CUSTOMERS {
                    let next = after(now, draws.exponential(mean_gap));
                    queue.schedule(next, Kind::Arrival as u8, Kind::Arrival);
                }
                customers.add(now, 1);
                waiting.push_back(now);
            }
            Kind::Departure => {
                customers.add(now, -1);
                free += 1;
            }
        }
        if free > 0
            && let Some(since) = waiting.pop_front()
        {
            let wait = now.since(since).nanos();
            waits += wait;
            longest = longest.max(wait);
            free -= 1;
            let end = after(now, draws.exponential(MEAN_SERVICE));
            queue.schedule(end, Kind::Departure as u8, Kind::Departure);
        }
    }
    let most = customers.max().unwrap_or(0);
    Found { customers: customers.integral_nanos(), most, waits, longest }
}

/// The same by hand: a heap of instant, rank and scheduling order.
fn by_hand(servers: u32) -> Found {
    let mean_gap = MEAN_SERVICE / (LOAD * f64::from(servers));
    let (mut draws, mut heap, mut order) = (XorShift::default(), BinaryHeap::new(), 0_u64);
    let (mut waiting, mut free, mut arrived) = (VecDeque::new(), servers, 0);
    let (mut found, mut customers, mut latest) = (Found::default(), 0_i64, 0_u64);
    heap.push(Reverse((draws.exponential(mean_gap), Kind::Arrival, order)));
    while let Some(Reverse((now, kind, _))) = heap.pop() {
        if now > latest {
            found.customers += i128::from(customers) * i128::from(now - latest);
            found.most = found.most.max(customers);
            latest = now;
        }
        match kind {
            Kind::Arrival => {
                arrived += 1;
                if arrived < CUSTOMERS {
                    order += 1;
                    heap.push(Reverse((now + draws.exponential(mean_gap), Kind::Arrival, order)));
                }
                customers += 1;
                waiting.push_back(now);
            }
            Kind::Departure => {
                customers -= 1;
                free += 1;
            }
        }
        if free > 0
            && let Some(since) = waiting.pop_front()
        {
            found.waits += now - since;
            found.longest = found.longest.max(now - since);
            free -= 1;
            order += 1;
            heap.push(Reverse((now + draws.exponential(MEAN_SERVICE), Kind::Departure, order)));
        }
    }
    found
}

/// An event of the size that the simulator has: 16 bytes.
#[derive(Clone, Copy)]
struct Held {
    id: u32,
    _more: [u32; 3],
}

impl Held {
    fn new(id: usize) -> Self {
        Held { id: id as u32, _more: [0; 3] }
    }
}

/// Pending events that can be held.
trait Hold {
    /// Lets event `id`, which is not pending, happen at `at`.
    fn push(&mut self, at: u64, id: usize);
    fn pop(&mut self) -> (u64, usize);
    /// Lets event `id`, which is pending, happen at `at` instead.
    fn postpone(&mut self, at: u64, id: usize);
}

struct EngineHold {
    queue: EventQueue<Held>,
    timers: Vec<Option<Timer>>,
}

impl Hold for EngineHold {
    #[inline]
    fn push(&mut self, at: u64, id: usize) {
        self.timers[id] = Some(self.queue.schedule(Time::from_nanos(at), 0, Held::new(id)));
    }

    #[inline]
    fn pop(&mut self) -> (u64, usize) {
        let (at, held) = self.queue.pop().expect("events are pending");
        (at.nanos(), held.id as usize)
    }

    #[inline]
    fn postpone(&mut self, at: u64, id: usize) {
        self.queue.cancel(self.timers[id].expect("all events are pending"));
        self.push(at, id);
    }
}

/// By hand: an entry is stale if it is not the latest of its event. Greater keys come later, as
/// `BinaryHeap` gives the greatest first.
#[derive(Default)]
struct HeapHold {
    heap: BinaryHeap<Reverse<(u64, u8, u64, HeldInHeap)>>,
    latest: Vec<u64>,
    order: u64,
}

/// An event that does not take part in the order, which is decided before it.
struct HeldInHeap(Held);

impl PartialEq for HeldInHeap {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for HeldInHeap {}
impl PartialOrd for HeldInHeap {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for HeldInHeap {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Hold for HeapHold {
    #[inline]
    fn push(&mut self, at: u64, id: usize) {
        self.order += 1;
        self.latest[id] = self.order;
        self.heap.push(Reverse((at, 0, self.order, HeldInHeap(Held::new(id)))));
    }

    #[inline]
    fn pop(&mut self) -> (u64, usize) {
        loop {
            let Reverse((at, _, order, held)) = self.heap.pop().expect("events are pending");
            let id = held.0.id as usize;
            if self.latest[id] == order {
                return (at, id);
            }
        }
    }

    #[inline]
    fn postpone(&mut self, at: u64, id: usize) {
        self.push(at, id);
    }
}

/// A million pending events in their steady state: residual exponential times are exponential.
fn fill(hold: &mut impl Hold, draws: &mut XorShift) {
    for id in 0..PENDING {
        hold.push(draws.exponential(1e12), id);
    }
    holds(hold, draws, PENDING);
}

/// Pops and pushes; a number that depends on all of them.
fn holds(hold: &mut impl Hold, draws: &mut XorShift, count: usize) -> u64 {
    let mut seen = 0_u64;
    for number in 0..count {
        let (now, id) = hold.pop();
        seen = seen.rotate_left(7) ^ now ^ id as u64;
        hold.push(now + draws.exponential(1e12), id);
        if number % PER_CANCEL == 0 {
            let any = draws.next() as usize % PENDING;
            hold.postpone(now + draws.exponential(1e12), any);
        }
    }
    seen
}

fn bench_hold(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, hold: &mut impl Hold) {
    let mut draws = XorShift::default();
    fill(hold, &mut draws);
    group.bench_function(name, |b| b.iter(|| holds(hold, &mut draws, HOLDS)));
}

fn engine_hold(c: &mut Criterion) {
    let engine = || EngineHold { queue: EventQueue::default(), timers: vec![None; PENDING] };
    let heap = || HeapHold { latest: vec![0; PENDING], ..HeapHold::default() };
    let (mut one, mut other) = (XorShift::default(), XorShift::default());
    let (mut by_engine, mut by_heap) = (engine(), heap());
    fill(&mut by_engine, &mut one);
    fill(&mut by_heap, &mut other);
    let seen = holds(&mut by_engine, &mut one, HOLDS);
    assert_eq!(seen, holds(&mut by_heap, &mut other, HOLDS), "the two hold models are one");
    drop((by_engine, by_heap));

    let mut group = c.benchmark_group("engine_hold_1e6");
    group.throughput(Throughput::Elements(HOLDS as u64));
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    bench_hold(&mut group, "plimsoll", &mut engine());
    bench_hold(&mut group, "std_heap", &mut heap());
    group.finish();
}

fn engine_queue(c: &mut Criterion, name: &str, servers: u32) {
    assert_eq!(by_engine(servers), by_hand(servers), "the two loops are one queue");
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(2 * CUSTOMERS));
    group.sample_size(50);
    group.bench_function("plimsoll", |b| b.iter(|| by_engine(black_box(servers))));
    group.bench_function("reference", |b| b.iter(|| by_hand(black_box(servers))));
    group.finish();
}

fn engine_mm1(c: &mut Criterion) {
    engine_queue(c, "engine_mm1", 1);
}

fn engine_mmc16(c: &mut Criterion) {
    engine_queue(c, "engine_mmc16", 16);
}

criterion_group!(benches, engine_mm1, engine_mmc16, engine_hold);
criterion_main!(benches);
