//! How late the driver starts work, against a bare loop on the same timer.
//!
//! Seven pairs at each rate, alternating which comes first; the median of the ratios is what counts,
//! because a single pair on a shared machine says little. The instant runtime does nothing, so what is
//! measured is the driver alone: pacing, a task for each start, a create and a destroy.

use std::process::ExitCode;
use std::thread;

use plimsoll::drive::caps::{Caps, CapsLedger};
use plimsoll::drive::clock::Clock;
use plimsoll::drive::lateness::Lateness;
use plimsoll::drive::open_loop::open_loop;
use plimsoll::drive::pacing::Pacer;
use plimsoll::drive::runtime::{AnyRuntime, InstantRuntime};
use plimsoll::units::{Limit, Span, Time};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

const PAIRS: usize = 7;
const LENGTH: Span = Span::from_secs(2);
const P50_RATIO_MAX: f64 = 1.5;
const P99_RATIO_MAX: f64 = 2.0;

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

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this runs.
    if std::env::args().any(|arg| arg == "--test") {
        let (lateness, dropped) = on_own_thread(|| driver(1000));
        assert!(lateness.count() > 0 && dropped == 0);
        return ExitCode::SUCCESS;
    }
    let all = [1000, 10_000].map(compare);
    if all.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
