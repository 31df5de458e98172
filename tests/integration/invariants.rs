//! What every run must hold, over random scenarios.
//!
//! Each case is a seed: it is printed when it fails, with the smallest scenario that still fails, and
//! `PLIMSOLL_CASE=<seed>` runs it alone. `PLIMSOLL_NIGHTLY=1` runs 10,000 cases instead of 500.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use plimsoll::billing::MeterTerms;
use plimsoll::control::Effect;
use plimsoll::measure::record::{Kind, Quality, Run};
use plimsoll::measure::{Counter, Gauge, Holding, HostHolding, Metric, RunInput, Totals};
use plimsoll::scenario::types::{Capacity, Scenario};
use plimsoll::sim::{Finish, Outcome};
use plimsoll::units::Span;
use plimsoll::workload::plan::{Outline, Plans, StepAt};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::random_case::{Case, Idle, SESSIONS, case};
use super::random_platform::Pool;

const CASES: u64 = 500;
const NIGHTLY_CASES: u64 = 10_000;

/// What happened over all cases, so that a generator which no longer reaches something is noticed.
static REACHED: [AtomicU64; Counter::COUNT] = [const { AtomicU64::new(0) }; Counter::COUNT];

/// Everything that must hold of one run.
fn check(case: &Case) {
    let (scenario, outcome, plans) = case.run();
    let totals = &outcome.totals;
    for (counter, reached) in Counter::ALL.iter().zip(&REACHED) {
        reached.fetch_add(totals.counter(*counter), Ordering::Relaxed);
    }
    check_conservation(case, totals);
    check_counts(case, totals);
    check_holdings(case, &scenario, totals);
    check_metered(&scenario, totals);
    super::quotas::check_use(totals);
    check_hosts(&scenario, totals);
    if let Some(machine) = case.machine() {
        let most = totals.gauge(Gauge::HostCpuBusy).max().unwrap_or(0) as f64;
        assert!(
            most * Gauge::HostCpuBusy.scale() <= machine.cores.0 * machine.speed * (1.0 + 1e-9),
            "more than the cores"
        );
    }
    check_cost(&scenario, totals);
    if case.seats() == 1 {
        check_log(case, &outcome);
    } else {
        check_seats(case, &outcome);
    }
    if case.to_the_end {
        check_end(case, &outcome);
        check_little(case, &outcome);
        check_tokens(case, totals, &plans);
    }
}

/// Slots of an elastic platform, if they are limited.
fn slots(case: &Case) -> Option<u32> {
    case.policies.slots.filter(|_| case.extra.fleet.is_none())
}

fn check_conservation(case: &Case, totals: &Totals) {
    let count = |counter| totals.counter(counter);
    let left = count(Counter::SessionsCompleted)
        + count(Counter::SessionsFailed)
        + count(Counter::SessionsRejected);
    assert_eq!(
        totals.in_flight_at_start + count(Counter::SessionsArrived),
        left + totals.in_flight_at_end,
        "sessions are conserved"
    );
    assert_eq!(totals.in_flight_at_end as i64, totals.gauge(Gauge::SessionsOpen).value());
    for gauge in Gauge::ALL {
        let lowest = totals.gauge(*gauge).min().unwrap_or(0).min(totals.gauge(*gauge).value());
        assert!(lowest >= 0, "{} is {lowest}", gauge.name());
    }
    for holding in Holding::ALL {
        let held = totals.holding(*holding);
        let lowest = held.min().unwrap_or(0).min(held.value());
        assert!(lowest >= 0, "{} is {lowest}", holding.name());
    }
    if case.warmup_s == 0 {
        let alive = totals.gauge(Gauge::SandboxesRunning).value() as u64;
        let (made, gone) = (count(Counter::SandboxesMade), count(Counter::SandboxesDestroyed));
        assert_eq!(made, gone + alive, "sandboxes made are destroyed or alive");
    }
    if let Some(slots) = slots(case) {
        let most = totals.gauge(Gauge::SandboxesRunning).max().unwrap_or(0);
        assert!(most <= i64::from(slots), "{most} sandboxes on {slots} slots");
    }
    if let (Some(capacity), queue) = (case.policies.capacity, totals.gauge(Gauge::QueueLength)) {
        assert!(queue.max().unwrap_or(0) <= i64::from(capacity), "more wait than may");
    }
}

/// Counters and observations of the same things.
fn check_counts(case: &Case, totals: &Totals) {
    let count = |counter| totals.counter(counter);
    let seen = |metric| totals.metric(metric).count();
    assert_eq!(seen(Metric::Session), count(Counter::SessionsCompleted));
    assert_eq!(seen(Metric::Turn), count(Counter::Turns));
    assert_eq!(seen(Metric::PlatformTime), count(Counter::Turns));
    assert_eq!(seen(Metric::ToolExec), count(Counter::ToolCalls));
    assert_eq!(seen(Metric::Restore), count(Counter::Restores));
    let paths = [Metric::RestoreMemory, Metric::RestoreFilesystem, Metric::RestoreArchived];
    assert_eq!(paths.map(seen).iter().sum::<u64>(), count(Counter::Restores));
    assert_eq!(seen(Metric::Snapshot), count(Counter::Snapshots));
    if case.seats() > 1 {
        // Who waits may get a seat, and a boot is waited for by all who have one.
        assert!(seen(Metric::QueueWait) >= count(Counter::SandboxesMade));
        assert_eq!(count(Counter::Restores) + count(Counter::PoolClaims), 0);
    } else if case.extra.pool.is_none() {
        assert_eq!(seen(Metric::QueueWait), count(Counter::SandboxesMade));
        assert_eq!(seen(Metric::Ready), count(Counter::ColdBoots) + count(Counter::Restores));
        assert_eq!(count(Counter::PoolClaims), 0);
        assert_eq!(totals.gauge(Gauge::SandboxesPool).max().unwrap_or(0), 0);
    } else {
        let started = count(Counter::ColdBoots) + count(Counter::Restores);
        assert!(seen(Metric::Ready) <= started + seen(Metric::PoolClaim));
        assert!(seen(Metric::Ready) >= count(Counter::Restores) + seen(Metric::PoolClaim));
    }
    if case.warmup_s == 0 {
        assert!(seen(Metric::PoolClaim) <= count(Counter::PoolClaims));
    }
    assert!(case.seats() > 1 || seen(Metric::ColdStart) <= count(Counter::ColdBoots));
    assert_eq!(seen(Metric::Ttft), seen(Metric::ModelCall));
    assert_eq!(count(Counter::OomKills), count(Counter::TurnsFailed));
    let failed = count(Counter::SessionsFailed) + count(Counter::SubAgentsFailed);
    assert!(count(Counter::OomKills) <= failed);
    assert!(count(Counter::TokenQuotaFailures) <= failed);
    let (new, resumed) =
        (totals.metric(Metric::QueueWaitNew), totals.metric(Metric::QueueWaitResume));
    assert_eq!(seen(Metric::QueueWait), new.count() + resumed.count());
    assert_eq!(totals.metric(Metric::QueueWait).sum(), new.sum() + resumed.sum());
    assert!(totals.metric(Metric::PlatformTime).sum() <= totals.metric(Metric::Turn).sum());
    assert!(count(Counter::TokensCached) <= count(Counter::TokensInput));
    let by_model: u64 = totals.tokens.iter().map(|tokens| tokens.input).sum();
    assert_eq!(by_model, count(Counter::TokensInput), "the ledger has what was counted");
}

/// What is held is the sandbox times the gauges of who holds it, exactly.
fn check_holdings(case: &Case, scenario: &Scenario, totals: &Totals) {
    let held = |holding| totals.holding(holding).integral_nanos();
    // A call that ends just after the warm-up was served before it too.
    if totals.began.nanos() == 0 {
        let served = i128::from(totals.cpu_served.nanos()) * 1_000_000;
        // CPU time takes a wall-clock second on a vCPU at least, and is rounded by the call.
        let calls = i128::from(totals.counter(Counter::ToolCalls));
        let rounding = calls * 4_000_000;
        assert!(served <= held(Holding::VcpuTurn) + rounding, "more CPU served than turns held");
        let busy = totals.gauge(Gauge::HostCpuBusy).integral() * Gauge::HostCpuBusy.scale();
        let served = totals.cpu_served.seconds();
        assert!(served <= busy * (1.0 + 1e-6) + 1e-3, "{served} s served in {busy} busy core-s");
    }
    if case.extra.two_shapes {
        return;
    }
    let sandbox = &scenario.workload.classes[0].sandbox;
    let vcpu = (sandbox.vcpu.0 * 1e6).round() as i128;
    let memory = i128::from(sandbox.memory.0);
    let gauge = |gauge: Gauge| totals.gauge(gauge).integral_nanos();
    let paused = matches!(case.extra.pool, Some(Pool::Fixed { paused: Some(_), .. }));
    let of_vcpu = [Holding::VcpuStarting, Holding::VcpuTurn, Holding::VcpuIdle];
    let of_memory = [Holding::MemoryStarting, Holding::MemoryTurn, Holding::MemoryIdle];
    let all = [
        (vcpu, of_vcpu, [Holding::VcpuPoolStarting, Holding::VcpuPool], paused),
        (memory, of_memory, [Holding::MemoryPoolStarting, Holding::MemoryPool], false),
    ];
    let sum = |holdings: &[Holding]| holdings.iter().map(|h| held(*h)).sum::<i128>();
    for (each, own, pool, less) in all {
        let pooled = each * gauge(Gauge::SandboxesPool);
        let running = each * gauge(Gauge::SandboxesRunning) - pooled;
        assert_eq!(sum(&own), running, "{:?}", own[0]);
        assert_eq!(held(own[2]), each * gauge(Gauge::SandboxesIdle), "{:?}", own[2]);
        assert!(sum(&pool) == pooled || (less && sum(&pool) <= pooled), "{:?}", pool[0]);
    }
}

/// What only some rate cards charge agrees with the gauges of who holds slots, exactly, and with what
/// sandboxes are given.
fn check_metered(scenario: &Scenario, totals: &Totals) {
    let terms = MeterTerms::of(scenario);
    let held = |holding| totals.holding(holding).integral_nanos();
    let gauge = |gauge| totals.gauge(gauge).integral_nanos();
    if terms.slots {
        let pool = held(Holding::SandboxPoolStarting) + held(Holding::SandboxPool);
        let own = [Holding::SandboxStarting, Holding::SandboxTurn, Holding::SandboxIdle].map(held);
        assert_eq!(pool, gauge(Gauge::SandboxesPool));
        assert_eq!(own.iter().sum::<i128>() + pool, gauge(Gauge::SandboxesRunning));
        assert_eq!(own[2], gauge(Gauge::SandboxesIdle));
    }
    if let Some(memory) = terms.memory {
        for (consumed, given) in [
            (Holding::ConsumedTurn, Holding::MemoryTurn),
            (Holding::ConsumedIdle, Holding::MemoryIdle),
        ] {
            let least = totals.holding(consumed).min().unwrap_or(0);
            assert!(least >= 0, "{} is {least}", consumed.name());
            assert!(held(consumed) <= held(given), "more consumed than given: {consumed:?}");
        }
        let idle = held(Holding::ConsumedIdle);
        assert!(memory.peak || idle == 0, "no call runs in an idle sandbox");
    }
    let surplus = &totals.surplus;
    let most = terms.round.map_or(0.0, |(round, _)| round.to.seconds().max(round.min.seconds()));
    let sum: f64 = surplus.seconds.iter().sum();
    assert!((0.0..=most * surplus.holdings as f64 + 1e-6).contains(&sum), "{surplus:?}");
    let made = totals.counter(Counter::SandboxesMade);
    if terms.round.is_some() && totals.began.nanos() == 0 {
        assert!(surplus.holdings <= made, "{} holdings of {made} sandboxes", surplus.holdings);
    }
}

/// No type of hosts holds more memory than its hosts promise, or serves more than their cores.
fn check_hosts(scenario: &Scenario, totals: &Totals) {
    let Capacity::Hosts(hosts) = &scenario.platform.capacity else { return };
    let (mut cores, mut up) = (0.0, 0.0);
    for ((name, host), held) in hosts.types().iter().zip(&totals.host_holdings) {
        let of = |holding: HostHolding| &held[holding as usize];
        for holding in HostHolding::ALL {
            let lowest = of(*holding).min().unwrap_or(0).min(of(*holding).value());
            assert!(lowest >= 0, "{name}: {} is {lowest}", holding.name());
        }
        let promised = (host.memory.0 as f64 * host.overcommit.memory.0).round();
        let most = of(HostHolding::Up).max().unwrap_or(0) as f64 * promised;
        let reserved = of(HostHolding::Reserved);
        assert!(reserved.max().unwrap_or(0) as f64 <= most, "{name}: more held than promised");
        let room = of(HostHolding::Up).integral() * promised;
        assert!(reserved.integral() <= room * (1.0 + 1e-12), "{name}: more held than there was");
        let parts = of(HostHolding::Idle).integral_nanos() + of(HostHolding::Pool).integral_nanos();
        assert!(parts <= reserved.integral_nanos(), "{name}: idle and pooled are parts");
        cores += host.cores.0 * of(HostHolding::Up).integral();
        up += of(HostHolding::Up).integral();
    }
    let busy = totals.gauge(Gauge::HostCpuBusy).integral() * Gauge::HostCpuBusy.scale();
    assert!(busy <= cores * (1.0 + 1e-9) + 1e-6, "{busy} core-s on {cores} that were up");
    let all = totals.gauge(Gauge::HostsUp).integral();
    assert!((up - all).abs() <= 1e-9 * all, "hosts by type, {up}, are all, {all}");
    let reserved = totals.host_holdings.iter().map(|h| h[HostHolding::Reserved as usize].value());
    assert_eq!(reserved.sum::<i64>(), totals.gauge(Gauge::HostMemoryReserved).value());
}

/// What it cost is the sum of its parts, each of them a cost.
fn check_cost(scenario: &Scenario, totals: &Totals) {
    let cost = Run::assemble(RunInput {
        kind: Kind::Simulated,
        scenario,
        hash: String::new(),
        seed: scenario.experiment.seed,
        models: &["default".to_owned()],
        replications: std::slice::from_ref(totals),
        quality: Quality::default(),
    })
    .cost;
    let sum: f64 = cost.parts().iter().sum();
    assert!((sum - cost.tco).abs() <= 1e-9 * cost.tco, "parts are {sum}, tco {}", cost.tco);
    let least = -1e-9 * cost.tco;
    for (what, part) in [
        ("a part", cost.parts().iter().copied().fold(f64::INFINITY, f64::min)),
        ("compute_idle", cost.compute_idle),
        ("compute_unreserved", cost.compute_unreserved),
        ("compute in use", cost.compute - cost.compute_idle - cost.compute_unreserved),
    ] {
        assert!(part >= least, "{what} is {part}");
    }
    assert!(cost.idle_cost_share.is_none_or(|share| (-1e-9..=1.0 + 1e-9).contains(&share)));
}

/// At each effect: no more slots than there are, no session with two, no host with more sandboxes than
/// it promises or more starts than it may have. Pool places are not in the log, but on the hosts.
fn check_log(case: &Case, outcome: &Outcome) {
    let limit = slots(case).map_or(u64::MAX, u64::from);
    let (mut on_host, most) = (FxHashMap::<u32, u64>::default(), most_on_a_host(case));
    let starts = case.extra.fleet.as_ref().and_then(|fleet| fleet.starts).unwrap_or(u32::MAX);
    // Whose slot is on which host; of one that was claimed the log does not say.
    let mut holders: FxHashMap<u64, Option<u32>> = FxHashMap::default();
    let mut held = 0_u64;
    for (session, effect) in &outcome.log {
        match effect {
            Effect::Granted { host, .. } | Effect::Claimed { place: host, .. } => {
                held += 1;
                let claimed = matches!(effect, Effect::Claimed { .. });
                let before = holders.insert(*session, (!claimed).then_some(*host));
                assert_eq!(before, None, "session {session} is given a second slot");
                assert!(held <= limit, "{held} slots of {limit} at session {session}");
                if !claimed {
                    let here = on_host.entry(*host).or_default();
                    *here += 1;
                    assert!(*here <= most, "{here} sandboxes on host {host}, which takes {most}");
                }
            }
            Effect::Begin { beside, .. } => assert!(*beside <= starts, "{beside} starts at once"),
            Effect::Destroy { .. }
            | Effect::Kill { .. }
            | Effect::Hibernated { .. }
            | Effect::Crashed { .. } => {
                held -= 1;
                let before = holders.remove(session);
                let before = before.unwrap_or_else(|| panic!("{session} gives back what it lacks"));
                if let Some(host) = before {
                    *on_host.get_mut(&host).expect("it was counted") -= 1;
                }
            }
            _ => {}
        }
    }
    let pooled = outcome.totals.gauge(Gauge::SandboxesPool).value();
    let running = outcome.totals.gauge(Gauge::SandboxesRunning).value();
    assert_eq!(held as i64 + pooled, running, "who holds a slot");
}

/// At each effect: no sandbox with more sessions than it has seats, no session with two seats.
fn check_seats(case: &Case, outcome: &Outcome) {
    let (mut sitting, mut of) = (FxHashMap::<u32, u32>::default(), FxHashMap::default());
    for (session, effect) in &outcome.log {
        match effect {
            Effect::Launched { vessel, .. } | Effect::Seated { vessel, .. } => {
                let here = sitting.entry(*vessel).or_default();
                let launches = matches!(effect, Effect::Launched { .. });
                assert!(!launches || *here == 0, "{session} boots a sandbox that others sit in");
                *here += 1;
                assert!(*here <= case.seats(), "{here} sessions in one sandbox");
                assert_eq!(of.insert(*session, *vessel), None, "{session} has a second seat");
            }
            Effect::Destroy { .. } | Effect::Kill { .. } | Effect::Crashed { .. } => {
                let vessel = of.remove(session).expect("only who has a seat leaves one");
                *sitting.get_mut(&vessel).expect("it was counted") -= 1;
            }
            _ => {}
        }
    }
    let there = sitting.values().filter(|here| **here > 0).count() as i64;
    assert_eq!(there, outcome.totals.gauge(Gauge::SandboxesRunning).value(), "sandboxes sat in");
}

/// The most sandboxes of the first class's size that any host promises room for.
fn most_on_a_host(case: &Case) -> u64 {
    let Some(fleet) = &case.extra.fleet else { return u64::MAX };
    let room = fleet.room + u32::from(fleet.two_types);
    u64::from(room * fleet.memory_percent / 100).min(u64::from(room * fleet.cpu_percent / 100))
}

/// How a run that goes on until all have left ends.
fn check_end(case: &Case, outcome: &Outcome) {
    let totals = &outcome.totals;
    // Abandoned sandboxes that are kept for ever may hold all slots.
    let may_be_stuck = slots(case).is_some()
        && case.policies.idle == Idle::Keep
        && totals.counter(Counter::SessionsAbandoned) > 0;
    assert_ne!(outcome.finish, Finish::Interrupted);
    assert!(outcome.finish == Finish::Complete || may_be_stuck, "{:?}", outcome.finish);
    if outcome.finish == Finish::Stuck {
        let slots = i64::from(slots(case).unwrap());
        assert_eq!(totals.gauge(Gauge::SandboxesRunning).value(), slots, "stuck with a free slot");
        assert!(totals.gauge(Gauge::QueueLength).value() > 0, "stuck with nobody waiting");
        return;
    }
    assert_eq!(totals.counter(Counter::SessionsArrived), SESSIONS);
    assert_eq!(totals.in_flight_at_end, 0);
    assert_eq!(totals.gauge(Gauge::QueueLength).value(), 0);
    assert_eq!(totals.gauge(Gauge::SessionsInTurn).value(), 0);
    if totals.counter(Counter::SessionsAbandoned) == 0 {
        let value = |gauge| totals.gauge(gauge).value();
        let running = value(Gauge::SandboxesRunning);
        assert_eq!(running, value(Gauge::SandboxesPool), "only the pool runs when all have closed");
        for gauge in [
            Gauge::SandboxesIdle,
            Gauge::SandboxesHibernated,
            Gauge::SnapshotBytes,
            Gauge::SnapshotArchivedBytes,
        ] {
            assert_eq!(value(gauge), 0, "{} when all have closed", gauge.name());
        }
        // On one machine places that are still booting take a core each.
        let booting = case.machine().map_or(0, |_| value(Gauge::SandboxesPool));
        let busy = value(Gauge::HostCpuBusy) as f64 * Gauge::HostCpuBusy.scale();
        match case.machine().filter(|_| !case.on_machine().is_empty()) {
            None => assert!(busy <= booting as f64, "{busy} cores busy when all have closed"),
            // What goes on when nobody waits for it.
            Some(machine) => assert!((0.0..=machine.cores.0).contains(&busy), "{busy} cores busy"),
        }
        let pools = [
            Holding::VcpuPool,
            Holding::VcpuPoolStarting,
            Holding::MemoryPool,
            Holding::MemoryPoolStarting,
            Holding::SandboxPool,
            Holding::SandboxPoolStarting,
        ];
        for holding in Holding::ALL.iter().filter(|holding| !pools.contains(holding)) {
            assert_eq!(totals.holding(*holding).value(), 0, "{holding:?} when all have closed");
        }
    }
}

/// Little's law is exact for integrals: what is there over time is how long each was there.
fn check_little(case: &Case, outcome: &Outcome) {
    if outcome.finish == Finish::Stuck {
        return;
    }
    let totals = &outcome.totals;
    let sum = |metric| totals.metric(metric).sum() as i128;
    let integral = |gauge: Gauge| totals.gauge(gauge).integral_nanos();
    let all_completed =
        totals.counter(Counter::SessionsFailed) + totals.counter(Counter::SessionsRejected) == 0;
    let (open, in_turn) = (integral(Gauge::SessionsOpen), integral(Gauge::SessionsInTurn));
    if all_completed {
        assert_eq!(open, sum(Metric::Session), "sessions");
        assert_eq!(in_turn, sum(Metric::Turn), "turns");
    } else {
        assert!(open >= sum(Metric::Session), "sessions that failed were there too");
        assert!(in_turn >= sum(Metric::Turn));
    }
    let timeout = case.policies.timeout_s.map_or(Span::ZERO, |s| {
        Span::from_secs(u64::from(s)).compressed(f64::from(case.compression))
    });
    let gave_up = i128::from(gave_up(outcome)) * i128::from(timeout.nanos());
    assert_eq!(integral(Gauge::QueueLength), sum(Metric::QueueWait) + gave_up, "the queue");
    // A queue is there while someone is in it.
    assert!(sum(Metric::ScaleOut) <= integral(Gauge::QueueLength));
    assert!(sum(Metric::ColdStart) <= sum(Metric::Ready));
    assert!(sum(Metric::QueueWait) <= sum(Metric::Ready) + integral(Gauge::SessionsOpen));
}

/// Requests that joined the queue and left it without a slot.
fn gave_up(outcome: &Outcome) -> u64 {
    let mut queued: FxHashMap<u64, bool> = FxHashMap::default();
    let mut gave_up = 0;
    for (session, effect) in &outcome.log {
        match effect {
            Effect::Queued { .. } => {
                queued.insert(*session, true);
            }
            Effect::Granted { .. }
            | Effect::Claimed { .. }
            | Effect::Launched { .. }
            | Effect::Seated { .. } => {
                queued.insert(*session, false);
            }
            Effect::TurnedAway { .. } if queued.insert(*session, false) == Some(true) => {
                gave_up += 1;
            }
            _ => {}
        }
    }
    gave_up
}

/// Tokens billed are those of the plans, recomputed call by call.
fn check_tokens(case: &Case, totals: &Totals, plans: &Plans) {
    let count = |counter| totals.counter(counter);
    let failed = count(Counter::SessionsFailed) + count(Counter::SubAgentsFailed);
    if failed + count(Counter::SessionsRejected) > 0 || totals.in_flight_at_end > 0 {
        return;
    }
    let planned = planned(case, plans);
    if case.model.compaction.is_some() {
        // Summaries are calls that no plan knows.
        let calls = planned.calls + count(Counter::Compactions);
        assert!(count(Counter::ModelCalls) >= calls && count(Counter::Turns) == planned.turns);
        return;
    }
    if count(Counter::HostCrashes) > 0 {
        // Steps that were interrupted are done again: at least what was planned.
        assert_eq!(count(Counter::Turns), planned.turns, "turns");
        assert!(count(Counter::TokensOutput) >= planned.output);
        assert!(totals.metric(Metric::ModelCall).count() >= planned.calls);
        return assert!(count(Counter::ToolCalls) >= planned.tools);
    }
    assert_eq!(count(Counter::TokensOutput), planned.output, "output tokens");
    assert_eq!(count(Counter::ModelCalls), planned.calls, "model calls");
    assert_eq!(totals.metric(Metric::ModelCall).count(), planned.calls, "calls served");
    assert_eq!(count(Counter::Turns), planned.turns, "turns");
    assert_eq!(count(Counter::ToolCalls), planned.tools, "tool calls");
    assert_eq!(count(Counter::ContextTruncations), planned.truncated, "prompts cut");
    let tried = planned.calls + count(Counter::ModelRateLimited) + count(Counter::ModelErrors);
    assert_eq!(count(Counter::ModelAttempts), tried, "each try is served, refused or failed");
    if count(Counter::ModelErrors) == 0 {
        assert_eq!(count(Counter::TokensInput), planned.input, "input tokens");
        assert_eq!(count(Counter::TokensCached), planned.cached, "cached tokens");
    } else {
        assert!(count(Counter::TokensInput) >= planned.input, "failed tries bill their input");
    }
}

#[derive(Default)]
struct Planned {
    turns: u64,
    calls: u64,
    tools: u64,
    input: u64,
    cached: u64,
    output: u64,
    truncated: u64,
}

fn planned(case: &Case, plans: &Plans) -> Planned {
    let window = case.model.window.map_or(u64::MAX, u64::from);
    let mut sum = Planned::default();
    let mut tools = Vec::new();
    // Sessions, and the sub-agents that are found on the way; these finish no turns of the record.
    let mut waiting: Vec<(u64, Outline, bool)> =
        (0..SESSIONS).map(|session| (session, plans.outline(0, session), true)).collect();
    while let Some((session, outline, counts)) = waiting.pop() {
        let (mut context, mut before, mut ordinal) = (0, 0, 0);
        for turn in 0..outline.turns {
            sum.turns += u64::from(counts);
            for step in 0..plans.steps(0, session, outline.class, turn) {
                let at = StepAt { turn, step, ordinal };
                let call = plans.call(0, session, outline.class, at);
                let prompt = (context + call.input).min(window);
                sum.truncated += u64::from(context + call.input > window);
                sum.calls += 1;
                sum.input += prompt;
                sum.output += call.output;
                sum.cached += if case.model.cached { prompt.min(before) } else { 0 };
                before = prompt;
                context += call.input + call.output;
                plans.tools(0, session, outline.class, at, &mut tools);
                let mut children = Vec::new();
                plans.children(0, session, outline.class, at, &mut children);
                waiting.extend(
                    children
                        .into_iter()
                        .map(|(child, class)| (child, plans.child_outline(0, child, class), false)),
                );
                ordinal += 1;
            }
        }
    }
    sum.tools = tools.len() as u64;
    sum
}

/// Runs the case of a seed; what failed, smallest first.
fn run_case(seed: u64) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let found = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        catch_unwind(AssertUnwindSafe(|| check(&case))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            TestCaseError::fail(text.unwrap_or_default())
        })
    });
    match found {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => Err(format!(
            "PLIMSOLL_CASE={seed}: {why}\nsmallest case: sessions {}, compressed {}\n{}",
            if case.to_the_end { SESSIONS.to_string() } else { "unlimited".to_owned() },
            case.compression,
            case.text()
        )),
        Err(TestError::Abort(why)) => Err(format!("PLIMSOLL_CASE={seed}: {why}")),
    }
}

#[test]
fn every_run_holds_the_invariants() {
    if let Some(seed) = std::env::var("PLIMSOLL_CASE").ok().and_then(|seed| seed.parse().ok()) {
        run_case(seed).unwrap_or_else(|why| panic!("{why}"));
        return;
    }
    let nightly = std::env::var_os("PLIMSOLL_NIGHTLY").is_some();
    let cases = if nightly { NIGHTLY_CASES } else { CASES };
    let failed: Vec<String> =
        (0..cases).into_par_iter().filter_map(|seed| run_case(seed).err()).collect();
    let first = failed[..failed.len().min(3)].join("\n\n");
    assert!(failed.is_empty(), "{} of {cases} cases failed\n{first}", failed.len());
    for (counter, reached) in Counter::ALL.iter().zip(&REACHED) {
        assert!(reached.load(Ordering::Relaxed) > 0, "no case reaches {}", counter.name());
    }
}
