//! What every run must hold, over random scenarios.
//!
//! Each case is a seed: it is printed when it fails, with the smallest scenario that still fails, and
//! `PLIMSOLL_CASE=<seed>` runs it alone. `PLIMSOLL_NIGHTLY=1` runs 5,000 cases instead of 128.

use std::panic::{AssertUnwindSafe, catch_unwind};

use plimsoll::conduct::RunOptions;
use plimsoll::control::Effect;
use plimsoll::measure::{Counter, Gauge, Holding, Metric, Totals};
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::{Finish, Outcome, Watch};
use plimsoll::study::replicate;
use plimsoll::units::Span;
use plimsoll::workload::plan::{Plans, StepAt};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::kit::{designed, scenario};

const CASES: u64 = 128;
const NIGHTLY_CASES: u64 = 5_000;
/// Sessions of a run that goes on until all have left.
const SESSIONS: u64 = 60;

/// How idle sandboxes end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Idle {
    Keep,
    Kill,
    Hibernate,
}

#[derive(Clone, Debug)]
struct Demand {
    arrivals: String,
    turns: f64,
    think_s: f64,
    steps: u32,
    calls: u32,
    cpu_ms: u32,
    io_ms: u32,
    dirty: u32,
    tokens: u32,
    abandon: u32,
}

#[derive(Clone, Debug)]
struct Sandboxes {
    vcpu: u32,
    stages_ms: [u32; 4],
    full: bool,
    bandwidth: Option<u32>,
    fixed_ms: u32,
    working_set: u32,
    attempts: u32,
    boot_faults: u32,
    restore_faults: u32,
}

#[derive(Clone, Debug)]
struct Policies {
    slots: Option<u32>,
    creates: Option<u32>,
    idle: Idle,
    idle_s: u32,
    retention_s: Option<u32>,
    capacity: Option<u32>,
    timeout_s: Option<u32>,
    check_ms: [u32; 3],
}

#[derive(Clone, Debug)]
struct Model {
    base_ms: u32,
    per_token_us: u32,
    cached: bool,
    window: Option<u32>,
    errors: u32,
    rpm: Option<u32>,
    tpm: Option<u32>,
    concurrency: Option<u32>,
    retries: u32,
}

/// A scenario and how it is run.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    demand: Demand,
    sandboxes: Sandboxes,
    policies: Policies,
    model: Model,
    to_the_end: bool,
    warmup_s: u32,
    compression: u32,
}

fn maybe(range: std::ops::Range<u32>) -> impl Strategy<Value = Option<u32>> {
    proptest::option::of(range)
}

fn demand() -> impl Strategy<Value = Demand> {
    let rate = 1_u32..200;
    let arrivals = prop_oneof![
        rate.clone().prop_map(|r| format!("{{poisson: {{rate: {r}/min}}}}")),
        rate.clone().prop_map(|r| format!("{{renewal: {{rate: {r}/min, cv: 2}}}}")),
        rate.prop_map(|r| format!("{{every: {r}s}}")),
    ];
    let times = (0_u32..2_000, 0_u32..5_000, 0_u32..1_000_000);
    let counts = (0_u32..4, 0_u32..4, 0_u32..3_000);
    let abandon = prop_oneof![Just(0_u32), Just(40_u32)];
    (arrivals, 1.0..5.0, prop_oneof![Just(0.0), 0.1..120.0], times, counts, abandon).prop_map(
        |(arrivals, turns, think_s, (cpu_ms, io_ms, dirty), (steps, calls, tokens), abandon)| {
            Demand { arrivals, turns, think_s, steps, calls, cpu_ms, io_ms, dirty, tokens, abandon }
        },
    )
}

fn sandboxes() -> impl Strategy<Value = Sandboxes> {
    let faults = prop_oneof![Just(0_u32), 1_u32..50];
    (
        1_u32..4,
        prop::array::uniform4(0_u32..3_000),
        any::<bool>(),
        maybe(1..64),
        0_u32..3_000,
        0_u32..=100,
        1_u32..4,
        faults.clone(),
        faults,
    )
        .prop_map(
            |(
                vcpu,
                stages_ms,
                full,
                bandwidth,
                fixed_ms,
                working_set,
                attempts,
                boot_faults,
                restore_faults,
            )| Sandboxes {
                vcpu,
                stages_ms,
                full,
                bandwidth,
                fixed_ms,
                working_set,
                attempts,
                boot_faults,
                restore_faults,
            },
        )
}

fn policies() -> impl Strategy<Value = Policies> {
    let idle = prop_oneof![Just(Idle::Keep), Just(Idle::Kill), Just(Idle::Hibernate)];
    (
        maybe(1..12),
        maybe(6..120),
        idle,
        0_u32..90,
        maybe(0..150),
        maybe(0..8),
        maybe(0..60),
        prop::array::uniform3(prop_oneof![Just(0_u32), 1_u32..500]),
    )
        .prop_map(
            |(slots, creates, idle, idle_s, retention_s, capacity, timeout_s, check_ms)| Policies {
                slots,
                creates,
                idle,
                idle_s,
                retention_s,
                capacity,
                timeout_s,
                check_ms,
            },
        )
}

fn model() -> impl Strategy<Value = Model> {
    (
        0_u32..5_000,
        0_u32..500,
        any::<bool>(),
        maybe(1_000..20_000),
        prop_oneof![Just(0_u32), 1_u32..30],
        maybe(1..60),
        maybe(5_000..100_000),
        maybe(1..5),
        0_u32..6,
    )
        .prop_map(
            |(base_ms, per_token_us, cached, window, errors, rpm, tpm, concurrency, retries)| {
                Model {
                    base_ms,
                    per_token_us,
                    cached,
                    window,
                    errors,
                    rpm,
                    tpm,
                    concurrency,
                    retries,
                }
            },
        )
}

fn case() -> impl Strategy<Value = Case> {
    let how =
        (any::<bool>(), prop_oneof![Just(0_u32), 1_u32..200], prop_oneof![Just(1_u32), 2_u32..60]);
    (any::<u32>(), demand(), sandboxes(), policies(), model(), how).prop_map(
        |(seed, demand, sandboxes, policies, model, (to_the_end, warmup_s, compression))| {
            let warmup_s = if to_the_end { 0 } else { warmup_s };
            let seed = u64::from(seed);
            let mut policies = policies;
            // Abandoned snapshots that are kept for ever have no steady state, and a measure that
            // begins empty would see their stock fill: the loader's caller refuses both.
            if !to_the_end {
                policies.retention_s.get_or_insert(150);
            }
            Case { seed, demand, sandboxes, policies, model, to_the_end, warmup_s, compression }
        },
    )
}

fn or_unlimited(limit: Option<u32>, unit: &str) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |n| format!("{n}{unit}"))
}

impl Case {
    /// The scenario as a person would write it.
    fn text(&self) -> String {
        let measure = if self.to_the_end { "end".to_owned() } else { "400s".to_owned() };
        format!(
            "version: 1\nname: random\nworkload: {}\nplatform: {}\nmodels: {{default: {}}}\n\
             experiment: {{seed: {}, start: {}, warmup: {}s, measure: {measure}, replications: 1}}\n",
            self.workload(),
            self.platform(),
            self.models(),
            self.seed,
            if self.to_the_end { "empty" } else { "steady" },
            self.warmup_s,
        )
    }

    fn workload(&self) -> String {
        let d = &self.demand;
        let think = if d.think_s == 0.0 {
            "0s".to_owned()
        } else {
            format!("{{exponential: {{mean: {:.3}s}}}}", d.think_s)
        };
        format!(
            "{{arrivals: {}, classes: {{default: {{turns: {{geometric: {{mean: {:.2}}}}}, \
             think: {think}, steps: {{uniform: {{low: 0, high: {}}}}}, tokens: {{system: {t}, \
             user: {t}, tool_result: {t}, output: {t}}}, tools: {{calls: {{uniform: {{low: 0, \
             high: {}}}}}, cores: 2, cpu: {}ms, io_wait: {{uniform: {{low: 0s, high: {}ms}}}}, \
             disk_dirty: {}B}}, abandon: {}%, sandbox: {{vcpu: {}, memory: 64MiB}}}}}}}}",
            d.arrivals,
            d.turns,
            d.steps.max(1),
            d.calls.max(1),
            d.cpu_ms,
            d.io_ms.max(1),
            d.dirty,
            d.abandon,
            self.sandboxes.vcpu,
            t = format!("{{uniform: {{low: 0, high: {}}}}}", d.tokens.max(1)),
        )
    }

    fn platform(&self) -> String {
        let (s, p) = (&self.sandboxes, &self.policies);
        let [schedule, image, boot, harness] = s.stages_ms;
        let bandwidth = or_unlimited(s.bandwidth, "MiB/s");
        let kind = if s.full { "full" } else { "filesystem" };
        let creates = p.creates.map_or_else(String::new, |n| {
            format!(", create_rate: {{limit: {n}/min, window: 10s}}")
        });
        let idle = match p.idle {
            Idle::Keep => "{then: keep}".to_owned(),
            Idle::Kill => format!("{{timeout: {}s, then: kill}}", p.idle_s),
            Idle::Hibernate => format!("{{timeout: {}s, then: hibernate}}", p.idle_s),
        };
        let timeout = p.timeout_s.map_or_else(String::new, |t| format!(", timeout: {t}s"));
        let [session, model, tool] = p.check_ms;
        format!(
            "{{isolation: {{microvm: {{schedule: {schedule}ms, image: {image}ms, \
             boot: {{exponential: {{mean: {}ms}}}}, harness: {harness}ms, \
             snapshot: {{{kind}: {{fixed: {}ms, bandwidth: {bandwidth}, base: 1MB}}}}, \
             restore: {{fixed: {}ms, bandwidth: {bandwidth}, working_set: {}%}}}}}}, \
             capacity: {{elastic: {{max_concurrent: {}{creates}}}}}, idle: {idle}, \
             retention: {}, queue: {{capacity: {}{timeout}}}, \
             faults: {{attempts: {}, boot: {}%, restore: {}%}}, governance: {{policies: \
             {{a: {{at: session, latency: {session}ms}}, b: {{at: model, latency: {model}ms}}, \
             c: {{at: tool, latency: {tool}ms}}}}}}}}",
            boot.max(1),
            s.fixed_ms,
            s.fixed_ms,
            s.working_set,
            or_unlimited(p.slots, ""),
            or_unlimited(p.retention_s, "s"),
            or_unlimited(p.capacity, ""),
            s.attempts,
            s.boot_faults,
            s.restore_faults,
        )
    }

    fn models(&self) -> String {
        let m = &self.model;
        let window = m.window.map_or_else(String::new, |w| format!(", context_window: {w}"));
        // A lifetime that no gap of these runs reaches, so that what is cached can be recomputed.
        let cache = if m.cached { "{lifetime: 1000d}" } else { "none" };
        format!(
            "{{latency: {{base: {}ms, per_input: {us}us, per_output: {us}us}}, \
             prompt_cache: {cache}{window}, error_rate: {}%, quota: {{rpm: {}, tpm: {}, \
             concurrency: {}}}, retries: {{max: {}, base: 1s, cap: 20s}}}}",
            m.base_ms,
            m.errors,
            or_unlimited(m.rpm, ""),
            or_unlimited(m.tpm, ""),
            or_unlimited(m.concurrency, ""),
            m.retries,
            us = m.per_token_us,
        )
    }

    fn run(&self) -> (Scenario, Outcome, Plans) {
        let scenario = scenario(&self.text());
        let sessions = self.to_the_end.then_some(SESSIONS);
        let options = RunOptions { compression: f64::from(self.compression), sessions };
        let mut design = designed(&scenario, None, &options);
        design.horizon.keep_log = true;
        let outcome = replicate(&design, 0, 1, &Watch::default()).remove(0);
        let plans = design.setup.plans().clone();
        assert_eq!(design.setup.sessions, sessions);
        (scenario, outcome, plans)
    }
}

/// Everything that must hold of one run.
fn check(case: &Case) {
    let (scenario, outcome, plans) = case.run();
    let totals = &outcome.totals;
    check_conservation(case, totals);
    check_counts(totals);
    check_holdings(&scenario, totals);
    check_log(case, &outcome);
    if case.to_the_end {
        check_end(case, &outcome);
        check_little(case, &outcome);
        check_tokens(case, totals, &plans);
    }
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
    if case.warmup_s == 0 {
        let alive = totals.gauge(Gauge::SandboxesRunning).value() as u64;
        let (made, gone) = (count(Counter::SandboxesMade), count(Counter::SandboxesDestroyed));
        assert_eq!(made, gone + alive, "sandboxes made are destroyed or alive");
    }
    if let Some(slots) = case.policies.slots {
        let most = totals.gauge(Gauge::SandboxesRunning).max().unwrap_or(0);
        assert!(most <= i64::from(slots), "{most} sandboxes on {slots} slots");
    }
}

/// Counters and observations of the same things.
fn check_counts(totals: &Totals) {
    let count = |counter| totals.counter(counter);
    let seen = |metric| totals.metric(metric).count();
    assert_eq!(seen(Metric::Session), count(Counter::SessionsCompleted));
    assert_eq!(seen(Metric::Turn), count(Counter::Turns));
    assert_eq!(seen(Metric::PlatformTime), count(Counter::Turns));
    assert_eq!(seen(Metric::ToolExec), count(Counter::ToolCalls));
    assert_eq!(seen(Metric::Restore), count(Counter::Restores));
    assert_eq!(seen(Metric::Snapshot), count(Counter::Snapshots));
    assert_eq!(seen(Metric::QueueWait), count(Counter::SandboxesMade));
    assert_eq!(seen(Metric::Ready), count(Counter::ColdBoots) + count(Counter::Restores));
    assert!(seen(Metric::ColdStart) <= count(Counter::ColdBoots));
    assert_eq!(seen(Metric::Ttft), seen(Metric::ModelCall));
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
fn check_holdings(scenario: &Scenario, totals: &Totals) {
    let sandbox = &scenario.workload.classes[0].sandbox;
    let vcpu = (sandbox.vcpu.0 * 1e6).round() as i128;
    let memory = i128::from(sandbox.memory.0);
    let held = |holding| totals.holding(holding).integral_nanos();
    let gauge = |gauge: Gauge| totals.gauge(gauge).integral_nanos();
    let running = gauge(Gauge::SandboxesRunning);
    let all = [
        (vcpu, [Holding::VcpuStarting, Holding::VcpuTurn, Holding::VcpuIdle]),
        (memory, [Holding::MemoryStarting, Holding::MemoryTurn, Holding::MemoryIdle]),
    ];
    for (each, [starting, turn, idle]) in all {
        assert_eq!(held(starting) + held(turn) + held(idle), each * running, "{starting:?}");
        assert_eq!(held(idle), each * gauge(Gauge::SandboxesIdle), "{idle:?}");
        assert!([starting, turn, idle].iter().all(|h| held(*h) >= 0));
    }
    // A call that ends just after the warm-up was served before it too.
    if totals.began.nanos() == 0 {
        let served = i128::from(totals.cpu_served.nanos()) * 1_000_000;
        assert!(served <= held(Holding::VcpuTurn), "CPU served is at most what turns held");
    }
}

/// At each effect: no more slots than there are, and no session with two.
fn check_log(case: &Case, outcome: &Outcome) {
    let limit = case.policies.slots.map_or(u64::MAX, u64::from);
    let mut holders: FxHashMap<u64, bool> = FxHashMap::default();
    let mut held = 0_u64;
    for (session, effect) in &outcome.log {
        match effect {
            Effect::Granted { .. } => {
                held += 1;
                let before = holders.insert(*session, true);
                assert_ne!(before, Some(true), "session {session} is granted a second slot");
                assert!(held <= limit, "{held} slots of {limit} at session {session}");
            }
            Effect::Destroy { .. } | Effect::Kill { .. } | Effect::Hibernated { .. } => {
                held -= 1;
                let before = holders.insert(*session, false);
                assert_eq!(before, Some(true), "session {session} gives back what it lacks");
            }
            _ => {}
        }
    }
    assert_eq!(held as i64, outcome.totals.gauge(Gauge::SandboxesRunning).value());
}

/// How a run that goes on until all have left ends.
fn check_end(case: &Case, outcome: &Outcome) {
    let totals = &outcome.totals;
    // Abandoned sandboxes that are kept for ever may hold all slots.
    let may_be_stuck = case.policies.slots.is_some()
        && case.policies.idle == Idle::Keep
        && totals.counter(Counter::SessionsAbandoned) > 0;
    assert_ne!(outcome.finish, Finish::Interrupted);
    assert!(outcome.finish == Finish::Complete || may_be_stuck, "{:?}", outcome.finish);
    if outcome.finish == Finish::Stuck {
        let slots = i64::from(case.policies.slots.unwrap());
        assert_eq!(totals.gauge(Gauge::SandboxesRunning).value(), slots, "stuck with a free slot");
        assert!(totals.gauge(Gauge::QueueLength).value() > 0, "stuck with nobody waiting");
        return;
    }
    assert_eq!(totals.counter(Counter::SessionsArrived), SESSIONS);
    assert_eq!(totals.in_flight_at_end, 0);
    assert_eq!(totals.gauge(Gauge::QueueLength).value(), 0);
    assert_eq!(totals.gauge(Gauge::SessionsInTurn).value(), 0);
    if totals.counter(Counter::SessionsAbandoned) == 0 {
        for gauge in [Gauge::SandboxesRunning, Gauge::SandboxesHibernated, Gauge::SnapshotBytes] {
            assert_eq!(totals.gauge(gauge).value(), 0, "{} when all have closed", gauge.name());
        }
        for holding in Holding::ALL {
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
            Effect::Granted { .. } => {
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
    if count(Counter::SessionsFailed) + count(Counter::SessionsRejected) > 0
        || totals.in_flight_at_end > 0
    {
        return;
    }
    let planned = planned(case, plans);
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
    for session in 0..SESSIONS {
        let outline = plans.outline(0, session);
        let (mut context, mut before, mut ordinal) = (0, 0, 0);
        for turn in 0..outline.turns {
            sum.turns += 1;
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
}
