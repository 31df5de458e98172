//! How late the driver starts work, against a bare loop on the same timer; what it costs, in CPU time a
//! call and in memory a session.
//!
//! Seven pairs at each rate, alternating which comes first; the median of the ratios is what counts,
//! because a single pair on a shared machine says little. The instant runtime does nothing, so what is
//! measured is the driver alone: pacing, a task for each start, a create and a destroy.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use plimsoll::conduct::Setup;
use plimsoll::drive::Backend;
use plimsoll::drive::caps::{Caps, CapsLedger};
use plimsoll::drive::clock::Clock;
use plimsoll::drive::lateness::Lateness;
use plimsoll::drive::open_loop::open_loop;
use plimsoll::drive::pacing::Pacer;
use plimsoll::drive::runtime::{AnyRuntime, InstantRuntime};
use plimsoll::scenario::Loader;
use plimsoll::scenario::types::Scenario;
use plimsoll::study;
use plimsoll::units::{Limit, Span, Time};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

const PAIRS: usize = 7;
const LENGTH: Span = Span::from_secs(2);
const P50_RATIO_MAX: f64 = 1.5;
const P99_RATIO_MAX: f64 = 2.0;

/// Calls that CPU time is told for.
const CALLS: u64 = 10_000;

/// Sessions open at once.
const OPEN: u64 = 20_000;
const BYTES_MAX: u64 = 4096;

fn schedule(base: Time, per_second: u64) -> Vec<Time> {
    let count = (LENGTH.seconds() * per_second as f64) as u64;
    let gap = 1_000_000_000 / per_second;
    (0..count).map(|k| base + Span::from_nanos(k * gap)).collect()
}

/// The yardstick: a thread that blocks on an absolute timer and notes the time.
fn bare_loop(per_second: u64) -> Lateness {
    let clock = Clock::start();
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
    let mut lateness = Lateness::default();
    for at in schedule(clock.now() + Span::from_millis(20), per_second) {
        if clock.now() < at {
            let nanos = clock.monotonic_at(at);
            let value = Timespec {
                tv_sec: (nanos / 1_000_000_000) as i64,
                tv_nsec: (nanos % 1_000_000_000) as i64,
            };
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let once = Itimerspec { it_interval: zero, it_value: value };
            timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &once).unwrap();
            let mut expirations = [0_u8; 8];
            rustix::io::read(&timer, &mut expirations).unwrap();
        }
        lateness.record(at, clock.now());
    }
    lateness
}

/// The driver, as a live run uses it. Returns its lateness and how many starts were dropped.
fn driver(per_second: u64) -> (Lateness, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::start();
        let backend = AnyRuntime::Instant(InstantRuntime::at_once(clock));
        let caps = CapsLedger::new(Caps {
            alive: Limit::UNLIMITED,
            creates: Limit::UNLIMITED,
            run_length: Span::MAX,
            ..Caps::default()
        });
        let pacer = Pacer::new(clock).unwrap();
        let plan = schedule(clock.now() + Span::from_millis(20), per_second);
        let report = open_loop(&backend, &caps, pacer, plan).await.unwrap();
        (report.lateness, report.planned - report.started)
    })
}

fn on_own_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(run).join().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(per_second: u64) -> bool {
    println!("{per_second} starts/s for {LENGTH}, lateness in us");
    println!("  pair   bare p50   p99   driver p50   p99   dropped");
    let (mut p50s, mut p99s, mut dropped_total) = (Vec::new(), Vec::new(), 0);
    for pair in 0..PAIRS {
        let run_driver = move || driver(per_second);
        let run_bare = move || bare_loop(per_second);
        let ((lateness, dropped), bare) = if pair % 2 == 0 {
            let bare = on_own_thread(run_bare);
            (on_own_thread(run_driver), bare)
        } else {
            let driver = on_own_thread(run_driver);
            (driver, on_own_thread(run_bare))
        };
        let us = |span: Span| span.seconds() * 1e6;
        println!(
            "  {pair:>4} {:>10.1} {:>5.0} {:>12.1} {:>5.0} {dropped:>9}",
            us(bare.p50()),
            us(bare.p99()),
            us(lateness.p50()),
            us(lateness.p99()),
        );
        p50s.push(us(lateness.p50()) / us(bare.p50()));
        p99s.push(us(lateness.p99()) / us(bare.p99()));
        dropped_total += dropped;
    }
    let (p50, p99) = (median(p50s), median(p99s));
    let holds = p50 <= P50_RATIO_MAX && p99 <= P99_RATIO_MAX && dropped_total == 0;
    let verdict = if holds { "holds" } else { "does not hold" };
    println!(
        "  median ratio p50 {p50:.2} (at most {P50_RATIO_MAX}), p99 {p99:.2} (at most \
         {P99_RATIO_MAX}), dropped {dropped_total}: {verdict}\n"
    );
    holds
}

/// Sessions of some turns, each with one model call and one tool call, on a backend that does nothing.
fn sessions(count: u64, every: &str, turns: u64, think: &str) -> String {
    format!(
        "
version: 1
name: driver
workload:
  arrivals: {{every: {every}}}
  classes:
    agent:
      turns: {turns}
      think: {think}
      steps: 1
      tokens: {{system: 100, user: 10, output: 10}}
      tools: {{calls: 1}}
      model: m
platform: {{isolation: {{process: {{}}}}, capacity: {{elastic: {{max_concurrent: unlimited}}}}, idle: {{then: keep}}}}
models: {{m: {{latency: {{base: 0s}}}}}}
experiment: {{start: empty, warmup: none, measure: end}}
live: {{target: {{runtime: instant}}, sessions: {count}, max_alive: {count}, max_run: 60s}}
"
    )
}

/// Drives a scenario to its end, as `plimsoll drive` does; the calls that it made.
fn drive(text: &str) -> u64 {
    let read = Loader::default().load_text::<Scenario>("driver.yaml", text, &[], &|_, _, _| {});
    let scenario = read.loaded.expect("the scenario is valid").value;
    let live = scenario.live.clone().expect("it is to be driven");
    let (piece, set) = study::piece(&scenario, &live);
    let setup = Arc::new(Setup::new(&piece, None, &set).expect("it can be run"));
    let outcome = plimsoll::drive::run(&setup, &live, Backend::Instant, |_| {}).expect("it runs");
    assert_eq!((outcome.dropped, outcome.trouble_count), (0, 0));
    outcome.samples.tools.len() as u64
}

/// CPU time of this process, all threads, in seconds.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn cpu_of(run: impl FnOnce() + Send + 'static) -> f64 {
    let begun = cpu_seconds();
    on_own_thread(run);
    cpu_seconds() - begun
}

/// CPU seconds of 10,000 calls: every one a turn with its think time, model call and tool call. The bare
/// loop wakes as often on the same timer and does nothing.
fn cpu() {
    println!("CPU seconds for {CALLS} calls of 1,000 sessions: think, model call, tool call each");
    let (mut bare, mut driver) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        bare.push(cpu_of(|| {
            bare_loop(CALLS / 2);
        }));
        driver.push(cpu_of(|| assert_eq!(drive(&sessions(1_000, "2ms", 10, "50ms")), CALLS)));
    }
    let (bare, driver) = (median(bare), median(driver));
    let ratio = driver / bare;
    println!("  median: bare loop {bare:.3}, driver {driver:.3}, ratio {ratio:.1}\n");
}

/// A line of /proc/self/status, in bytes.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it has that line");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}

/// Bytes that each of many open sessions takes at the most.
fn memory() -> bool {
    drive(&sessions(10, "1ms", 1, "0s"));
    let before = status("VmRSS");
    on_own_thread(|| drive(&sessions(OPEN, "50us", 2, "3s")));
    let each = (status("VmHWM") - before) / OPEN;
    println!("{each} B for each of {OPEN} open sessions (at most {BYTES_MAX})\n");
    each <= BYTES_MAX
}

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this runs.
    if std::env::args().any(|arg| arg == "--test") {
        let (lateness, dropped) = on_own_thread(|| driver(1000));
        assert!(lateness.count() > 0 && dropped == 0);
        assert_eq!(drive(&sessions(3, "1ms", 2, "1ms")), 6);
        return ExitCode::SUCCESS;
    }
    // Memory first: the high-water mark is the process's.
    let small = memory();
    cpu();
    let all = [1000, 10_000].map(compare);
    if !small || all.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
