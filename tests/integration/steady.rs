//! Stocks that outlive the measure: their cost by Little's law, and what an empty start is told.

use plimsoll::check::check;
use plimsoll::conduct::RunOptions;
use plimsoll::measure::RunInput;
use plimsoll::measure::record::{Kind, Quality, Run};
use plimsoll::scenario::types::Scenario;
use plimsoll::scenario::{Loader, Outcome};
use plimsoll::sim::Watch;
use plimsoll::study::replicate;

use super::kit::designed;

/// Abandoned sessions, ten an hour, kept for 30 days and measured for 7.
fn load(start: &str) -> Outcome<Scenario> {
    let text = format!(
        "version: 1
name: kept
workload:
  arrivals: {{every: 6min}}
  classes: {{left: {{turns: 1, think: 20s, steps: 1, abandon: 100%, model: m}}}}
platform:
  isolation: {{container: {{snapshot: {{filesystem: {{base: 1GiB}}}}}}}}
  idle: {{timeout: 15m, then: hibernate}}
  retention: 30d
  rates: {{compute: {{vcpu: $0.1/h}}, storage: $0.1/GiB-month}}
models: {{m: {{latency: {{base: 60s}}}}}}
experiment: {{start: {start}, warmup: 1h, measure: 7d, replications: 1}}
"
    );
    Loader::default().load_text("kept.yaml", &text, &[], &check)
}

#[test]
fn thirty_days_of_snapshots_cost_what_littles_law_says_in_seven() {
    let loaded = load("steady").loaded.expect("a steady start is sound");
    let design = designed(&loaded.value, None, &RunOptions::default());
    let outcome = replicate(&design, 0, 1, &Watch::default()).remove(0);
    let run = Run::assemble(RunInput {
        kind: Kind::Simulated,
        scenario: &loaded.value,
        hash: String::new(),
        seed: 1,
        models: &["m".to_owned()],
        replications: std::slice::from_ref(&outcome.totals),
        quality: Quality::default(),
    });
    // Ten an hour, each with a snapshot of 1 GiB for 720 h: L = λ · W = 7,200 GiB. Storage in seven of 30
    // days: 7,200 × 0.1 × 7 / 30 = $168. Compute: 1,680 sessions of a turn of 60 s and an idle window of 900 s:
    // 1,680 × 960 / 3600 × 0.1 = $44.80, of it idle 1,680 × 900 / 3600 × 0.1 = $42. idle_cost_share = (42 + 168) /
    // (44.8 + 168) = 0.98684.
    // The ends of the 7,200 that are there at the start are drawn over 30 days: the number that has ended by
    // day 7 varies by sqrt(7200 × 7/30 × 23/30) = 36, the mean over the days by about 0.3 %.
    let near = |what: &str, found: f64, expected: f64, within: f64| {
        assert!((found / expected - 1.0).abs() < within, "{what}: {found}, expected {expected}");
    };
    near("snapshots", run.gauges["sandboxes_hibernated"].mean.unwrap(), 7200.0, 0.012);
    near("storage", run.cost.storage, 168.0, 0.012);
    near("compute", run.cost.compute, 44.8, 1e-3);
    near("compute_idle", run.cost.compute_idle, 42.0, 1e-3);
    near("idle_cost_share", run.cost.idle_cost_share.unwrap(), 210.0 / 212.8, 5e-4);
}

#[test]
fn an_empty_start_that_measures_a_stock_while_it_fills_is_refused() {
    let outcome = load("empty");
    assert!(outcome.loaded.is_none(), "it would show a storage cost that is far too low");
    let text = outcome.render(false);
    assert!(text.contains("error"), "{text}");
    assert!(text.contains("30d"), "it names what outlives the measure:\n{text}");
    assert!(text.contains("steady"), "it says what to do:\n{text}");
}
