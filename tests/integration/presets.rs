//! Presets at work: each simulates, and rate cards give the published prices of one busy hour.

use std::sync::Arc;

use plimsoll::check::check;
use plimsoll::conduct::RunOptions;
use plimsoll::measure::record::{Kind, Quality, Run};
use plimsoll::measure::{Counter, Metric, RunInput};
use plimsoll::scenario::types::Scenario;
use plimsoll::scenario::{Loader, PresetKind, Presets};
use plimsoll::sim::{Finish, Outcome, Watch};
use plimsoll::study::replicate;

use super::kit::{Case, designed};
use super::script::turn_with;

/// Cost of compute of a sandbox of 1 vCPU and 2 GiB that works for an hour, its CPU busy for a share of
/// it and its memory in use, at list prices: free grants and fees apart.
fn busy_hour(rates: &str, busy: f64) -> f64 {
    let work = 3600.0 * busy;
    let call = format!(
        r#"{{"cpu_s": {work}, "cores": 1, "io_s": {}, "memory_bytes": {}, "dirty_bytes": 0}}"#,
        3600.0 - work,
        2_u64 << 30
    );
    let free = "free: {vcpu_seconds: 0, gib_seconds: 0}";
    Case::on(&format!(
        "{{isolation: {{microvm: {{}}}}, rates: {{use: {rates}, compute: {{{free}}}}}}}"
    ))
    .session(0.0, &turn_with(0.0, 0.0, &call))
    .run()
    .cost()
    .compute
}

#[test]
fn one_busy_hour_costs_what_the_price_lists_come_to() {
    // 1 vCPU + 2 GiB, from the price lists: E2B and Daytona 0.0504 + 2 × 0.0162 = 0.0828; Foundry 0.0994 +
    // 2 × 0.0118 = 0.123; AgentCore V1 0.0895 + 2 × 0.00945 = 0.1084, at 30 % 0.02685 + 0.0189 = 0.04575; V2
    // 0.1276 + 2 × 0.0169 = 0.1614 and 0.03828 + 0.0338 = 0.07208; Cloudflare 0.072 + 2 × 0.009 = 0.09 and
    // 0.0216 + 0.018 = 0.0396; Lambda MicroVMs 0.0997 + 2 × 0.0132 = 0.1261; Fargate 0.04048 + 2 × 0.004445 =
    // 0.04937; Modal 0.070956 + 2 × 0.024192 = 0.11934; a started hour of an ACA session 0.03.
    let table = [
        ("e2b-rates@2026-08", 1.0, "0.083"),
        ("daytona-rates@2026-05", 1.0, "0.083"),
        ("azure@2026-09", 1.0, "0.123"),
        ("agentcore-v1-rates@2026-09", 1.0, "0.108"),
        ("agentcore-v1-rates@2026-09", 0.3, "0.046"),
        ("agentcore-v2-rates@2026-10", 1.0, "0.161"),
        ("agentcore-v2-rates@2026-10", 0.3, "0.072"),
        ("cloudflare@2026-11", 1.0, "0.090"),
        ("cloudflare@2026-11", 0.3, "0.040"),
        ("aws-lambda-microvms@2026-11", 1.0, "0.126"),
        ("aws-fargate@2026-11", 1.0, "0.049"),
        ("modal-rates@2026-10", 1.0, "0.119"),
        ("aca-sessions@2026-11", 0.3, "0.030"),
    ];
    for (rates, busy, expected) in table {
        let found = busy_hour(rates, busy);
        assert_eq!(format!("{found:.3}"), expected, "{rates} at {busy}: {found}");
    }
}

fn simulate(text: &str) -> (Scenario, Outcome) {
    let outcome = Loader::default().load_text::<Scenario>("preset.yaml", text, &[], &check);
    assert_eq!(outcome.diagnostics.errors(), 0, "{}\n{text}", outcome.render(false));
    let scenario = outcome.loaded.expect("there is no error").value;
    let design = designed(&scenario, None, &RunOptions::default());
    let outcome = replicate(&design, 0, 1, &Arc::new(Watch::default())).remove(0);
    (scenario, outcome)
}

fn around(platform: &str, class: &str) -> String {
    format!(
        "version: 1\nname: around\nworkload:\n  arrivals: {{poisson: {{rate: 30/h}}}}\n  \
         classes: {{the-class: {class}}}\nplatform: {platform}\n\
         models: {{the-model: {{latency: {{base: 2s, per_output: 10ms}}, \
         rates: {{input: $1/Mtok, output: $4/Mtok}}}}}}\n\
         experiment: {{start: steady, warmup: 1h, measure: 4h, replications: 1}}\n"
    )
}

const CLASS: &str = "{turns: {geometric: {mean: 3}}, think: {lognormal: {median: 1m, p95: 30m}}, \
    steps: {geometric: {mean: 4}}, tokens: {system: 1000, user: 100, tool_result: 200, output: 100}, \
    tools: {calls: 1, cpu: 500ms, io_wait: 1s, memory: 256MiB, disk_dirty: 1MiB}, abandon: 20%, \
    model: the-model}";

#[test]
fn every_preset_of_platforms_and_rates_simulates() {
    let mut seen = 0;
    for preset in Presets::embedded().iter() {
        let id = preset.id();
        let platform = match preset.kind {
            PresetKind::Platform => format!("{{use: {id}}}"),
            PresetKind::Rates => {
                format!(
                    "{{isolation: {{container: {{boot: 1s}}}}, idle: {{timeout: 10m, then: kill}}, rates: {id}}}"
                )
            }
            PresetKind::Model | PresetKind::Workload => continue,
        };
        seen += 1;
        let (scenario, outcome) = simulate(&around(&platform, CLASS));
        assert_eq!(outcome.finish, Finish::Complete, "{id}");
        let done = outcome.totals.counter(Counter::SessionsCompleted);
        assert!(done > 60, "{id}: {done} sessions of about 120 completed");
        let cost = Run::assemble(RunInput {
            kind: Kind::Simulated,
            scenario: &scenario,
            hash: String::new(),
            seed: 1,
            models: &["the-model".to_owned()],
            replications: std::slice::from_ref(&outcome.totals),
            quality: Quality::default(),
        })
        .cost;
        let compute = cost.compute + cost.pool;
        let only_stores = id.starts_with("self-hosted");
        assert!(compute > 0.0 || only_stores, "{id} charges compute");
        let unpriced: Vec<&String> =
            cost.unpriced.iter().filter(|what| !(only_stores && *what == "compute")).collect();
        let no_store_price = ["storage".to_owned()];
        assert!(
            unpriced.is_empty() || unpriced == no_store_price.iter().collect::<Vec<_>>(),
            "{id}: {unpriced:?}"
        );
        for line in &cost.lines {
            assert!(line.amount.is_finite(), "{id}: {line:?}");
        }
    }
    assert!(seen >= 26, "{seen} presets of platforms and rates");
}

#[test]
fn every_preset_of_workloads_simulates() {
    let mut seen = 0;
    for preset in Presets::embedded().iter().filter(|p| p.kind == PresetKind::Workload) {
        let id = preset.id();
        let class = format!("{{use: {id}, share: 100%, abandon: 0%, model: the-model}}");
        let platform = "{isolation: {container: {boot: 1s}}, idle: {timeout: 10m, then: kill}}";
        let (_, outcome) = simulate(&around(platform, &class));
        assert_eq!(outcome.finish, Finish::Complete, "{id}");
        let turns = outcome.totals.counter(Counter::Turns);
        assert!(turns > 100, "{id}: {turns} turns");
        assert_eq!(outcome.totals.counter(Counter::OomKills), 0, "{id}");
        seen += 1;
    }
    assert!(seen >= 7, "{seen} presets of workloads");
}

/// The means that `copilot-2026` is made from.
#[test]
fn the_workload_of_copilot_has_the_published_means() {
    let text = around(
        "{isolation: {container: {}}}",
        "{use: copilot-2026, abandon: 0%, think: 1s, model: the-model, \
          tools: {calls: {empirical: {values: [0, 1, 2], weights: [0.166, 0.734, 0.1]}}, io_wait: 0s, cpu: 0s}}",
    )
    .replace("rate: 30/h", "rate: 600/h")
    .replace("measure: 4h", "measure: 12h");
    let (_, outcome) = simulate(&text);
    let count = |counter| outcome.totals.counter(counter) as f64;
    let sessions = count(Counter::SessionsCompleted);
    // Published: 3.95 turns, 30.9 calls and 28.8 tool calls a session; 67.8 thousand prompt tokens and 528 of
    // output a call. Some 7,000 sessions whose calls have a coefficient of variation near 1 vary by 1.5 %.
    for (what, found, published, within) in [
        ("turns", count(Counter::Turns) / sessions, 3.95, 0.05),
        ("calls", count(Counter::ModelCalls) / sessions, 30.9, 0.06),
        ("tool calls", count(Counter::ToolCalls) / sessions, 28.8, 0.06),
        ("prompt", count(Counter::TokensInput) / count(Counter::ModelCalls), 67_800.0, 0.1),
        ("output", count(Counter::TokensOutput) / count(Counter::ModelCalls), 528.0, 0.05),
    ] {
        assert!((found / published - 1.0).abs() < within, "{what}: {found}, published {published}");
    }
}

/// Cold starts of a platform's preset with no limit on how many: count, median and 90th percentile.
fn cold_starts(preset: &str, plans: &str, replications: u16) -> (u64, f64, f64) {
    let text = format!(
        "version: 1\nname: starts\nworkload: {{trace: {{file: plans.jsonl, format: plans}}}}\n\
         platform: {{use: {preset}, capacity: {{elastic: {{max_concurrent: unlimited, create_rate: 100000/s}}}}}}\n\
         models: {{default: {{latency: {{base: 0s}}}}}}\n\
         experiment: {{start: empty, warmup: none, measure: end, replications: {replications}}}\n"
    );
    let scenario = super::kit::scenario(&text);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plans.jsonl"), plans).unwrap();
    let recorded = super::kit::recorded(&scenario, folder.path());
    let design = designed(&scenario, recorded, &RunOptions::default());
    let mut all = Vec::new();
    for outcome in replicate(&design, 0, replications, &Watch::default()) {
        let starts = outcome.totals.metric(Metric::ColdStart);
        let seconds = |q| starts.quantile(q).expect("there were starts") as f64 / 1e9;
        all.push((starts.count(), seconds(0.5), seconds(0.9)));
    }
    let n = all.len() as f64;
    let mean = |of: fn(&(u64, f64, f64)) -> f64| all.iter().map(of).sum::<f64>() / n;
    (all.iter().map(|one| one.0).sum(), mean(|one| one.1), mean(|one| one.2))
}

/// Sessions of one turn, closed after it, arriving at these seconds.
fn arriving(at: impl Iterator<Item = f64>) -> String {
    let line = |(number, at): (usize, f64)| {
        format!(
            "{{\"session\": {number}, \"arrival_s\": {at}, \"turns\": [{}]}}\n",
            turn_with(0.0, 1.0, "")
        )
    };
    at.enumerate().map(line).collect()
}

/// The fits of hosted platforms give back what was measured: one start after another over 100 days, and
/// 100 at once on one day, each day with its own drift.
#[test]
fn start_times_of_hosted_platforms_are_those_that_were_measured() {
    // Median and 90th percentile of sequential starts, median of bursts of 100, in ms, of 23 days in April
    // 2026 (computesdk/benchmarks 0a010e0).
    for (preset, median, p90, burst) in [
        ("e2b", 397.0, 666.0, 684.0),
        ("daytona", 115.0, 287.0, 281.0),
        ("modal", 1603.0, 2096.0, 1955.0),
        ("cloudflare-containers", 1731.0, 2525.0, 1975.0),
    ] {
        let near = |what: &str, found: f64, measured: f64, within: f64| {
            let error = found * 1e3 / measured - 1.0;
            assert!(error.abs() < within, "{preset}: {what} {found} s, measured {measured} ms");
        };
        let (count, found_median, found_p90) =
            cold_starts(preset, &arriving((0..2400).map(|k| f64::from(k) * 3600.0)), 1);
        assert_eq!(count, 2400, "{preset}");
        near("median", found_median, median, 0.06);
        near("90th percentile", found_p90, p90, 0.18);
        let (count, found_burst, _) =
            cold_starts(preset, &arriving(std::iter::repeat_n(0.0, 100)), 40);
        assert_eq!(count, 4000, "{preset}");
        near("median in a burst", found_burst, burst, 0.1);
    }
}
