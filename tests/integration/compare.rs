//! `plimsoll compare --live`: real processes beside a stand-in that takes no time.

use serde_json::Value;

use super::cli::{Bench, ends_with, text};

const SCENARIO: &str = "
version: 1
name: side-by-side
workload:
  arrivals: {every: 60ms}
  classes:
    worker:
      turns: 2
      think: 40ms
      steps: 1
      tokens: {system: 100, user: 10, output: 10}
      tools: {calls: 1, cpu: 1ms, io_wait: 2ms, memory: 1MiB, disk_dirty: 4KiB}
      model: m
      sandbox: {vcpu: 1, memory: 64MiB}
platform:
  isolation: {process: {boot: 5ms, snapshot: {filesystem: {fixed: 5ms}}, restore: {fixed: 5ms}}}
  capacity: {elastic: {max_concurrent: 16}}
  idle: {timeout: 5ms, then: hibernate}
  retention: 1m
models: {m: {latency: {base: 1ms}}}
experiment: {seed: 3, start: empty, warmup: none, measure: 10s}
live: {target: {runtime: process}, sessions: 12, max_alive: 12, max_run: 60s}
";

#[test]
fn runtimes_are_held_against_the_first_over_the_same_sessions() {
    let bench = Bench::new();
    bench.write("side.yaml", SCENARIO);
    let args = [
        "compare",
        "--live",
        "side.yaml",
        "--runtimes",
        "instant,process",
        "--no-probe",
        "--out",
        "out",
    ];
    let output = bench.run(&args);
    // A busy machine may make the driver late: said, and then the answer is 4.
    let valid = output.status.code() == Some(0);
    assert!(valid || output.status.code() == Some(4), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(valid || table.contains("warning:"), "{table}");
    for said in
        ["Starting a sandbox", "instant", "process", "×", "instant, process; process, instant"]
    {
        assert!(table.contains(said), "{said}: {table}");
    }
    let json = std::fs::read_to_string(bench.path("out/compare.json")).unwrap();
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["schema"], "plimsoll/compare/1");
    assert_eq!(answer["reference"], "instant");
    let (instant, process) = (&answer["runtimes"]["instant"], &answer["runtimes"]["process"]);
    // Twelve sessions a pass, two passes, each session put aside once and brought back.
    for runtime in [instant, process] {
        assert_eq!((&runtime["boots"], &runtime["calls"]), (&24.into(), &48.into()));
        assert_eq!(runtime["restores"], 24);
    }
    let start = &process["measures"]["start.p50"];
    let (value, ratio) = (start["value"].as_f64().unwrap(), start["ratio"].as_f64().unwrap());
    let reference = instant["measures"]["start.p50"]["value"].as_f64().unwrap();
    assert!((ratio - value / reference).abs() < 1e-9 * ratio, "{ratio}");
    let [low, high] = [0, 1].map(|end| start["ratio_ci95"][end].as_f64().unwrap());
    assert!(low <= ratio && ratio <= high && low > 1.0, "a process takes longer: {low} {high}");
    assert!(instant["measures"]["start.p50"].get("ratio").is_none());
    assert!(bench.path("out/report.html").exists());
}

#[test]
fn what_cannot_be_compared_is_a_usage_error() {
    let bench = Bench::new();
    bench.write("side.yaml", SCENARIO);
    let cases: [(&[&str], &str); 4] = [
        (&["side.yaml", "--runtimes", "process,instant"], "--live"),
        (&["--live", "side.yaml", "--runtimes", "process"], "two or more different"),
        (
            &["--live", "side.yaml", "--runtimes", "process,instant,process"],
            "two or more different",
        ),
        (&["--live", "side.yaml", "--runtimes", "process,qemu"], "microvm"),
    ];
    for (args, said) in cases {
        let output = bench.run(&[&["compare"], args].concat());
        ends_with(&output, 2);
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}
