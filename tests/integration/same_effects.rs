//! One `plans` file through simulator and driver: each session meets the same control effects.
//!
//! The plans are spaced so that timing leaves no choice: whatever a machine's delays, a think time
//! is far from the idle timeout on one side of it, and a slot is long held when somebody asks.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::conduct::{Logged, RunOptions, Setup};
use plimsoll::drive::{self, Backend, runtime::process::ProcessConfig};
use plimsoll::scenario::Loader;
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::{Horizon, Watch, simulate};
use plimsoll::workload::plan::SessionPlan;
use plimsoll::workload::trace::{self, Names};

const SCENARIO: &str = "
version: 1
name: same-effects
workload:
  trace: {file: plans.jsonl, format: plans}
platform:
  isolation: {process: {boot: 1ms, snapshot: {filesystem: {fixed: 1ms}}, restore: {fixed: 1ms}}}
  capacity: {elastic: {max_concurrent: 3}}
  idle: {timeout: 600ms, then: hibernate}
  retention: 2s
  faults: {attempts: 2}
models:
  default: {latency: recorded, retries: {max: 1, base: 1ms}}
experiment: {start: empty, warmup: none, measure: end, replications: 1}
live: {target: {runtime: process}, sessions: 7, max_alive: 8}
";

/// A step: a model call of 10 ms and, if `io` is not zero, a tool call that waits so long.
fn step(io: f64) -> String {
    let tools = if io > 0.0 {
        format!(
            r#"[{{"cpu_s": 0.0, "cores": 1, "io_s": {io}, "memory_bytes": 4096, "dirty_bytes": 5000}}]"#
        )
    } else {
        "[]".to_owned()
    };
    let model = r#"{"name": "default", "input": 10, "output": 5, "latency_s": 0.01}"#;
    format!(r#"{{"model": {model}, "tools": {tools}}}"#)
}

fn session(number: u32, arrival: f64, end: &str, turns: &[(f64, f64)], extra: &str) -> String {
    let turns: Vec<String> = turns
        .iter()
        .map(|(think, io)| format!(r#"{{"think_s": {think}, "steps": [{}]}}"#, step(*io)))
        .collect();
    format!(
        r#"{{"session": {number}, "class": "a", "arrival_s": {arrival}, "end": "{end}", "turns": [{}]{extra}}}"#,
        turns.join(", ")
    )
}

fn plans() -> String {
    let faults = r#", "faults": {"boot": [true, false], "restore": []}"#;
    let dead = r#", "faults": {"boot": [true, true], "restore": []}"#;
    let lost = r#", "faults": {"boot": [], "restore": [true, true]}"#;
    [
        // Stays running over a short think; hibernates in a long one and comes back.
        session(0, 0.0, "close", &[(0.0, 0.05), (0.1, 0.05), (1.2, 0.05)], ""),
        // Its first boot fails.
        session(1, 0.1, "close", &[(0.0, 0.05)], faults),
        // All its boots fail.
        session(2, 0.3, "close", &[(0.0, 0.05)], dead),
        // Its snapshot expires before it comes back.
        session(3, 0.4, "close", &[(0.0, 0.0), (3.5, 0.05)], ""),
        // Every restore fails: it boots cold.
        session(4, 0.5, "close", &[(0.0, 0.05), (1.2, 0.05)], lost),
        // Two that hold two slots for long while the third is idle or gone …
        session(5, 4.6, "abandon", &[(0.0, 1.5)], ""),
        session(6, 4.7, "close", &[(0.0, 1.5), (0.1, 0.3)], ""),
    ]
    .join("\n")
}

fn load(directory: &Path) -> (Scenario, Arc<Vec<SessionPlan>>) {
    let path = directory.join("plans.jsonl");
    let mut file = std::fs::File::create(&path).expect("a scratch file");
    file.write_all(plans().as_bytes()).expect("a scratch file is written");
    let outcome =
        Loader::default().load_text::<Scenario>("same.yaml", SCENARIO, &[], &|_, _, _| {});
    let scenario = outcome.loaded.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics)).value;
    let trace = scenario.workload.trace.clone().expect("the scenario names its plans");
    let names = Names { classes: &scenario.workload.classes, models: &scenario.models };
    let (sessions, _) = trace::read(&path, &trace, &names).expect("plans are read");
    (scenario, Arc::new(sessions))
}

/// What each session met, without the numbers that it was known by and how many others started beside
/// it: that is a matter of timing.
fn by_session(log: &[Logged], sessions: u64) -> Vec<Vec<String>> {
    (0..sessions)
        .map(|session| {
            let mine = log.iter().filter(|(of, _)| *of == session);
            mine.map(|(_, effect)| nameless(&format!("{effect:?}"))).collect()
        })
        .collect()
}

fn nameless(effect: &str) -> String {
    let Some((before, rest)) = effect.split_once("id: ") else { return effect.to_owned() };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(", ");
    let after = after.split_once(", beside: ").map_or(after, |(after, _)| after);
    format!("{before}{after}")
}

fn compare(backend: Backend) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (scenario, recorded) = load(directory.path());
    let sessions = recorded.len() as u64;
    let setup = Setup::new(&scenario, Some(recorded), &RunOptions::default()).expect("a setup");
    let setup = Arc::new(setup);
    let horizon = Horizon { keep_log: true, ..Horizon::default() };
    let simulated = simulate(&setup, 0, &horizon, &Watch::default());
    let options = scenario.live.as_ref().expect("a live section");
    let lived = drive::run(&setup, options, backend, |_| {}).expect("the backend works");
    assert_eq!(lived.trouble_count, 0, "{:?}", lived.troubles);
    assert_eq!((lived.planned, lived.started, lived.dropped), (sessions, sessions, 0));
    let (virtual_, real) = (by_session(&simulated.log, sessions), by_session(&lived.log, sessions));
    for (session, (virtual_, real)) in virtual_.iter().zip(&real).enumerate() {
        assert!(virtual_.len() >= 4, "session {session} met only {virtual_:?}");
        assert_eq!(virtual_, real, "session {session}");
    }
}

#[test]
fn simulator_and_instant_runtime_agree_on_every_effect() {
    compare(Backend::Instant);
}

#[test]
fn simulator_and_real_processes_agree_on_every_effect() {
    let state = tempfile::tempdir().expect("a scratch directory");
    let launcher = PathBuf::from(env!("CARGO_BIN_EXE_plimsoll"));
    let config = ProcessConfig::with(launcher, state.path().to_owned());
    compare(Backend::Process(Box::new(config)));
}
