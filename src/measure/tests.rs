//! Records assembled from hand-made totals.

use super::record::{Kind, Quality, Run};
use super::recorder::Recorder;
use super::totals::{Served, TokenUse, Totals};
use super::{Counter, Gauge, Holding, Metric, RunInput, series};
use crate::scenario::types::Scenario;
use crate::units::{Span, Time};

const SCENARIO: &str = "
version: 1
name: hand-made
workload:
  arrivals: {every: 10s}
  classes: {default: {}}
platform:
  isolation: {microvm: {memory_overhead: 64MiB}}
  rates: {compute: {vcpu: $3600/h, memory: $1800/GiB-h}, storage: $1/GiB-month}
models:
  small: {rates: {input: $1/Mtok, cached: $0.1/Mtok, output: $10/Mtok}}
";

fn scenario(text: &str) -> Scenario {
    // By way of JSON, where an enum is a one-key map as in scenarios.
    let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
    serde_json::from_value(value).unwrap()
}

fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

/// 100 s after a warm-up of 20 s: one session of one turn with a call of 1,000 tokens in (200 of them
/// cached) and 100 out, on one vCPU and 2 GiB from 30 s to 40 s, then idle to 60 s, then a snapshot
/// of 1 GiB to the end. `turn` is the turn's length.
fn totals(turn: Span) -> Totals {
    let mut recorder = Recorder::new(1, 0);
    recorder.warm_up();
    recorder.sample_series(at(20), Span::from_secs(40));
    recorder.begin_measure(at(20));
    recorder.advance(at(30));
    recorder.count(Counter::SessionsArrived, 1);
    recorder.shift(Gauge::SessionsOpen, 1);
    recorder.shift(Gauge::SessionsInTurn, 1);
    recorder.observe(Metric::QueueWait, Span::ZERO);
    recorder.observe(Metric::QueueWaitNew, Span::ZERO);
    recorder.count(Counter::SandboxesMade, 1);
    recorder.count(Counter::ColdBoots, 1);
    recorder.shift(Gauge::SandboxesRunning, 1);
    recorder.hold(Holding::VcpuTurn, 1_000_000);
    recorder.hold(Holding::MemoryTurn, 2 << 30);
    recorder.count(Counter::ModelCalls, 1);
    recorder.count(Counter::ModelAttempts, 2);
    recorder.count(Counter::ModelErrors, 1);
    let served = Served { long: false, reserved: None };
    recorder.tokens(0, TokenUse { input: 1000, cached: 200, output: 100, written: 800 }, served);
    recorder.advance(at(40));
    recorder.turn(0, turn, turn);
    recorder.cpu_served(Span::from_secs(4));
    recorder.shift(Gauge::SessionsInTurn, -1);
    recorder.shift(Gauge::SandboxesIdle, 1);
    recorder.hold(Holding::VcpuTurn, -1_000_000);
    recorder.hold(Holding::MemoryTurn, -(2 << 30));
    recorder.hold(Holding::VcpuIdle, 1_000_000);
    recorder.hold(Holding::MemoryIdle, 2 << 30);
    recorder.count(Counter::SessionsCompleted, 1);
    recorder.shift(Gauge::SessionsOpen, -1);
    recorder.observe(Metric::Session, Span::from_secs(10));
    recorder.advance(at(60));
    recorder.count(Counter::Snapshots, 1);
    recorder.shift(Gauge::SandboxesIdle, -1);
    recorder.shift(Gauge::SandboxesRunning, -1);
    recorder.shift(Gauge::SandboxesHibernated, 1);
    recorder.shift(Gauge::SnapshotBytes, 1 << 30);
    recorder.hold(Holding::VcpuIdle, -1_000_000);
    recorder.hold(Holding::MemoryIdle, -(2 << 30));
    recorder.finish(at(120), 42)
}

fn assemble(replications: &[Totals]) -> Run {
    Run::assemble(RunInput {
        kind: Kind::Simulated,
        scenario: &scenario(SCENARIO),
        hash: "0123abcd".to_owned(),
        seed: 42,
        models: &["small".to_owned()],
        replications,
        quality: Quality::default(),
    })
}

/// `n` replications of `each` turns, turn k of replication r taking k + r milliseconds.
fn many(n: u64, each: u64) -> Vec<Totals> {
    let one = |r: u64| {
        let mut recorder = Recorder::new(1, 0);
        for k in 1..=each {
            recorder.turn(k, Span::from_millis(k + r), Span::ZERO);
        }
        recorder.finish(at(100), 0)
    };
    (0..n).map(one).collect()
}

#[test]
fn one_replication_as_it_is_written() {
    insta::assert_snapshot!(assemble(&[totals(Span::from_secs(10))]).to_json());
}

#[test]
fn the_hand_made_run_worked_by_hand() {
    let run = assemble(&[totals(Span::from_secs(10)), totals(Span::from_secs(12))]);
    assert_eq!((run.measured_s, run.warmup_s, run.replications), (100.0, 20.0, 2));
    assert_eq!(run.counters["sessions_in_flight"], 0.0);
    // Turns 10 and 12 s: mean 11; half-width t(1) · 1 = 12.706, so the low end is 0, not negative.
    let turn = &run.metrics["turn"];
    assert_eq!(
        (turn.count, turn.mean, turn.min, turn.max),
        (2, Some(11.0), Some(10.0), Some(12.0))
    );
    let [low, high] = turn.ci95.unwrap().mean.unwrap();
    assert!(low == 0.0 && (high - 23.706_205).abs() < 1e-5, "{high}");
    assert_eq!(turn.ci95.unwrap().p50, None);
    assert!(
        run.quality
            .warnings
            .iter()
            .any(|w| w.starts_with("turn: too few observations for an interval of p50, p95, p99"))
    );
    // vCPU: 10 s in the turn, 20 s idle, $1 each. Memory: 20 and 40 GiB-s at $0.5.
    assert_eq!((run.usage.vcpu_seconds.turn, run.usage.vcpu_seconds.idle), (10.0, 20.0));
    assert_eq!((run.usage.gib_seconds.turn, run.usage.gib_seconds.idle), (20.0, 40.0));
    assert!((run.cost.compute - 60.0).abs() < 1e-9 && (run.cost.compute_idle - 40.0).abs() < 1e-9);
    // A snapshot of 1 GiB for 60 s: 60 / 2,592,000 months.
    assert!((run.cost.storage - 60.0 / 2_592_000.0).abs() < 1e-12);
    // 800 uncached × $1, 200 × $0.1, 100 × $10 a million.
    assert!((run.cost.tokens_input - 800e-6).abs() < 1e-15);
    assert!((run.cost.tokens_cached - 20e-6).abs() < 1e-15);
    assert!((run.cost.tokens_output - 1e-3).abs() < 1e-15);
    assert_eq!(run.cost.per_session, Some(run.cost.tco));
    // Identical ledgers: the interval of the cost has no width.
    let [low, high] = run.cost.ci95["tco"];
    assert!((low - run.cost.tco).abs() < 1e-9 && (high - run.cost.tco).abs() < 1e-9);
    let score = &run.scorecard;
    assert_eq!(
        (score.token_output_ratio, score.retry_rate, score.error_rate),
        (Some(9.0), Some(0.5), Some(0.5))
    );
    assert_eq!((score.success_rate, score.memory_overhead_bytes), (Some(1.0), Some(67_108_864.0)));
    // 1,100 tokens in 100 s.
    assert!((score.tokens_per_day.unwrap() - 950_400.0).abs() < 1e-6);
    // Two successes of two trials say little: from 0.025^(1/2).
    assert!((score.ci95["success_rate"][0] - 0.158_114).abs() < 1e-6);
    let open = &run.gauges["sessions_open"];
    assert_eq!(
        (open.mean, open.min, open.max, open.integral),
        (Some(0.1), Some(0.0), Some(1.0), 10.0)
    );
    assert_eq!(open.ci95.unwrap().mean, Some([0.1, 0.1]));
}

#[test]
fn what_was_not_observed_is_null_and_not_zero() {
    let run = assemble(&many(2, 5));
    let json: serde_json::Value = serde_json::from_str(&run.to_json()).unwrap();
    let restore = &json["metrics"]["restore"];
    assert_eq!(restore["count"], 0);
    for statistic in ["mean", "stddev", "cv", "min", "p50", "p99", "max"] {
        assert!(
            restore.get(statistic).is_some_and(serde_json::Value::is_null),
            "{statistic}: {restore}"
        );
    }
    assert!(json["cost"]["per_session"].is_null() && json["scorecard"]["retry_rate"].is_null());
    assert_eq!(json["metrics"]["platform_time"]["cv"], serde_json::Value::Null, "0 / 0");
}

#[test]
fn quantiles_are_of_the_pool_and_have_intervals_where_there_is_enough() {
    let run = assemble(&many(10, 1000));
    let turn = &run.metrics["turn"];
    let ci = turn.ci95.unwrap();
    assert_eq!(turn.count, 10_000);
    for (q, value, interval) in
        [(0.5, turn.p50, ci.p50), (0.95, turn.p95, ci.p95), (0.99, turn.p99, ci.p99)]
    {
        // Replication r's quantile is q + r ms, r from 0 to 9.
        let middle = q + 0.0045;
        let (value, [low, high]) = (value.unwrap(), interval.unwrap());
        assert!((value - middle).abs() < 2e-3, "{q}: {value}");
        assert!(low < middle && middle < high && high - low < 6e-3, "{q}: {low} {high}");
    }
    assert_eq!(ci.p999, None, "one observation beyond it in each replication");
    assert!(
        !run.quality.warnings.iter().any(|w| w.starts_with("turn")),
        "{:?}",
        run.quality.warnings
    );
    let few = assemble(&many(10, 999));
    assert_eq!(few.metrics["turn"].ci95.unwrap().p99, None);
    let warning =
        "turn: too few observations for an interval of p99 (999 in the smallest replication)";
    assert!(few.quality.warnings.iter().any(|w| w == warning), "{:?}", few.quality.warnings);
}

#[test]
fn what_overflows_a_histogram_is_told() {
    let mut recorder = Recorder::new(1, 0);
    recorder.turn(0, Span::from_secs(200 * 86_400), Span::ZERO);
    let run = assemble(&[recorder.finish(at(1), 0)]);
    assert!(
        run.quality.warnings[0].starts_with("turn: 1 observations above 115 days"),
        "{:?}",
        run.quality.warnings
    );
    assert_eq!(run.metrics["turn"].p99, Some(17_280_000.0));
}

#[test]
fn a_record_reads_back_and_refuses_another_schema() {
    let run = assemble(&[totals(Span::from_secs(10)), totals(Span::from_nanos(10_123_456_789))]);
    let text = run.to_json();
    let read = Run::from_json(&text).unwrap();
    assert_eq!(read.to_json(), text);
    assert_eq!(read.metrics, run.metrics);
    assert_eq!(read.per_replication, run.per_replication);
    let other = text.replace("plimsoll/run/1", "plimsoll/run/2");
    assert_eq!(
        Run::from_json(&other).unwrap_err().to_string(),
        "the record has schema `plimsoll/run/2`, but this version reads `plimsoll/run/1`"
    );
    assert!(Run::from_json("{}").is_err());
}

#[test]
fn a_measure_without_length_has_no_averages() {
    let mut recorder = Recorder::new(1, 0);
    recorder.begin_measure(at(5));
    let run = assemble(&[recorder.finish(at(5), 0)]);
    assert_eq!((run.gauges["queue_length"].mean, run.gauges["queue_length"].max), (None, None));
    assert_eq!((run.cost.per_day, run.scorecard.tokens_per_day), (None, None));
    assert!(Run::from_json(&run.to_json()).is_ok());
}

#[test]
fn tables_beside_the_record() {
    let replications = [totals(Span::from_secs(10)), totals(Span::from_secs(12))];
    let run = assemble(&replications);
    let mut metrics = Vec::new();
    series::write_metrics(&run, &mut metrics).unwrap();
    let mut over_time = Vec::new();
    series::write_series(&replications, &mut over_time).unwrap();
    let [metrics, over_time] = [metrics, over_time].map(|bytes| String::from_utf8(bytes).unwrap());
    insta::assert_snapshot!(format!("{metrics}\n{over_time}"));
    let mut log = Vec::new();
    series::write_histograms(&replications, &mut log).unwrap();
    let log = String::from_utf8(log).unwrap();
    let tagged: Vec<&str> = log
        .lines()
        .filter(|l| l.starts_with("Tag="))
        .map(|l| l.split(',').next().unwrap())
        .collect();
    assert_eq!(
        tagged,
        ["Tag=queue_wait", "Tag=queue_wait_new", "Tag=turn", "Tag=platform_time", "Tag=session"]
    );
}
