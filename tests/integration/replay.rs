//! Recorded traces replayed: answers that two other programs agreed on, to 1e-6.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use plimsoll::measure::{Counter, Gauge, Metric, Totals};
use plimsoll::sim::Finish;
use plimsoll::stats::Summary;
use plimsoll::workload::plan::{CallPlan, SessionPlan};
use serde_json::Value;

use super::kit::{close, outcomes, recorded, scenario, traces};

const EXACT: f64 = 1e-6;

/// The first scenario of the interface, as printed there.
const CONV_28_SLOTS: &str = r"
version: 1
name: conv-28-slots
workload:
  trace: {file: azure_llm_2023_conv_0000_1800s.csv, format: azure-llm}     # relative to the scenario, or --set workload.trace.file=…
platform:
  isolation: {container: {boot: 0s}}
  capacity: {elastic: {max_concurrent: 28}}
  idle: {then: keep}
models:
  default: {latency: {base: 50ms, per_input: 0.1ms, per_output: 20ms}, prompt_cache: none}
experiment: {start: empty, warmup: none, measure: end, replications: 1}
";

/// The second scenario of the interface, as printed there.
const AGENT_SESSIONS: &str = r"
version: 1
name: agent-sessions-in-sandboxes
workload:
  arrivals: {every: 61.00017s}                      # session k arrives at k × 61.00017 s, from 0
  trace: {file: claude_code_sessions_a.csv.gz, format: agent-sessions, turns: request, timing: api_and_think, sub_agents: skip, order: session_id}
platform:
  isolation: {microvm: {boot: 0s, snapshot: {full: {fixed: 0s, bandwidth: unlimited}}, restore: {fixed: 0s, bandwidth: unlimited}}}
  idle: {timeout: 300s, then: hibernate}
  capacity: {elastic: {max_concurrent: unlimited}}
models:
  default: {latency: recorded}
experiment: {start: empty, warmup: none, measure: end, replications: 1}
";

/// A queue at a row of slots, and how long a call takes there.
struct Station {
    key: &'static str,
    file: &'static str,
    format: &'static str,
    latency: &'static str,
    /// Base, per input and per output token, in seconds.
    service: [f64; 3],
}

const AZURE: [f64; 3] = [0.05, 1e-4, 0.02];
const AZURE_TEXT: &str = "{base: 50ms, per_input: 0.1ms, per_output: 20ms}";
const STATIONS: [Station; 3] = [
    Station {
        key: "azure_code",
        file: "azure_llm_2023_code.csv",
        format: "azure-llm",
        latency: AZURE_TEXT,
        service: AZURE,
    },
    Station {
        key: "azure_conv_0_1800",
        file: "azure_llm_2023_conv_0000_1800s.csv",
        format: "azure-llm",
        latency: AZURE_TEXT,
        service: AZURE,
    },
    Station {
        key: "mooncake_conv_0_1800",
        file: "mooncake_conversation_0000_1800s.jsonl.gz",
        format: "mooncake",
        latency: "{base: 100ms, per_input: 0.02ms, per_output: 20ms}",
        service: [0.1, 2e-5, 0.02],
    },
];

fn reference(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("reference_selfcheck.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn station_text(station: &Station, servers: u64) -> String {
    format!(
        "version: 1\nname: station\n\
         workload: {{trace: {{file: {}, format: {}}}}}\n\
         platform: {{isolation: {{container: {{boot: 0s}}}}, \
         capacity: {{elastic: {{max_concurrent: {servers}}}}}, idle: {{then: keep}}}}\n\
         models: {{default: {{latency: {}, prompt_cache: none}}}}\n\
         experiment: {{start: empty, warmup: none, measure: end, replications: 1}}\n",
        station.file, station.format, station.latency
    )
}

#[test]
fn recorded_arrivals_at_a_row_of_slots_wait_as_two_other_programs_say() {
    let Some(folder) = traces() else { return };
    let reference = reference(&folder);
    for station in &STATIONS {
        let cases = reference[station.key]["results"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            check_station(station, case, &folder);
        }
    }
}

fn check_station(station: &Station, case: &Value, folder: &Path) {
    let servers = case["servers"].as_u64().unwrap();
    let scenario = scenario(&station_text(station, servers));
    let sessions = recorded(&scenario, folder);
    let outcome = outcomes(&scenario, sessions.clone()).remove(0);
    assert_eq!(outcome.finish, Finish::Complete);
    let totals = &outcome.totals;
    let name = |what: &str| format!("{} on {servers}: {what}", station.key);
    let expected = |key: &str| case[key].as_f64().unwrap();
    let wait = totals.metric(Metric::QueueWait);

    assert_eq!(wait.count(), case["n"].as_u64().unwrap());
    assert_eq!(totals.counter(Counter::SessionsCompleted), wait.count());
    close(&name("mean wait"), wait.mean().unwrap() / 1e9, expected("mean_wait_s"), EXACT);
    close(&name("max wait"), wait.max().unwrap() as f64 / 1e9, expected("max_wait_s"), EXACT);
    close(&name("sum of waits"), wait.sum() as f64 / 1e9, expected("sum_wait_s"), EXACT);
    let sojourn = totals.metric(Metric::Session).mean().unwrap() / 1e9;
    close(&name("mean sojourn"), sojourn, expected("mean_sojourn_s"), EXACT);
    let running = totals.gauge(Gauge::SandboxesRunning);
    close(&name("busy seconds"), running.integral(), expected("busy_server_seconds"), EXACT);
    assert_eq!(running.max().unwrap(), case["peak_busy"].as_i64().unwrap(), "{}", name("peak"));
    let makespan = totals.measured().seconds();
    close(&name("makespan"), makespan, expected("makespan_s"), EXACT);
    let queue = totals.gauge(Gauge::QueueLength);
    close(&name("mean queue"), queue.mean().unwrap(), expected("time_avg_queue_len"), EXACT);
    assert_eq!(queue.max(), case["max_queue_len"].as_i64(), "{}", name("longest queue"));
    close(
        &name("utilisation"),
        running.mean().unwrap() / servers as f64,
        expected("utilisation_over_makespan"),
        EXACT,
    );
    check_quantiles(&name("quantile"), case, wait, &waits(&sessions.unwrap(), station, servers));
}

/// Waits in nanoseconds, sorted, by the textbook: each takes the server that is free first.
fn waits(sessions: &[SessionPlan], station: &Station, servers: u64) -> Vec<u64> {
    let mut free: BinaryHeap<Reverse<u64>> = (0..servers).map(|_| Reverse(0)).collect();
    let [base, per_input, per_output] = station.service;
    let mut waits: Vec<u64> = sessions
        .iter()
        .map(|session| {
            let CallPlan { input, output, .. } = session.turns[0].steps[0].call;
            let service = base + input as f64 * per_input + output as f64 * per_output;
            let arrival = session.arrival.nanos();
            let Reverse(from) = free.pop().unwrap();
            let start = from.max(arrival);
            free.push(Reverse(start + (service * 1e9).round() as u64));
            start - arrival
        })
        .collect();
    waits.sort_unstable();
    waits
}

/// The reference interpolates its quantiles, the record gives ranks: the sorted waits are held
/// against both.
fn check_quantiles(name: &str, case: &Value, found: &Summary, waits: &[u64]) {
    let n = waits.len();
    let waiting = waits.iter().filter(|wait| **wait > 0).count() as u64;
    assert_eq!(waiting, case["n_waiting"].as_u64().unwrap(), "{name}: how many wait");
    // The histogram's own count of those who waited: a rank below it is zero, one above is not.
    let none = n - waiting as usize;
    if none > 0 {
        assert_eq!(
            found.quantile(none as f64 / n as f64),
            Some(0),
            "{name}: those who do not wait"
        );
    }
    assert!(found.quantile((none + 1) as f64 / n as f64) > Some(0), "{name}: the first who waits");
    for (key, q) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        let place = q * (n - 1) as f64;
        let (below, above) = (waits[place.floor() as usize], waits[place.ceil() as usize]);
        let between = below as f64 + (above - below) as f64 * place.fract();
        let expected = case[format!("{key}_wait_s")].as_f64().unwrap();
        close(&format!("{name} {key}, interpolated"), between / 1e9, expected, EXACT);
        let rank = waits[(q * n as f64).ceil() as usize - 1] as f64;
        close(&format!("{name} {key}, by rank"), found.quantile(q).unwrap() as f64, rank, 1e-3);
    }
}

#[test]
fn totals_of_the_traces_are_those_of_their_publishers() {
    let Some(folder) = traces() else { return };
    let reference = reference(&folder);
    for station in &STATIONS {
        let scenario = scenario(&station_text(station, 100));
        let sessions = recorded(&scenario, &folder).unwrap();
        let totals = &reference[station.key]["totals"];
        let number = |a: &str, b: &str| totals[a].as_u64().or(totals[b].as_u64()).unwrap();
        let calls = || sessions.iter().map(|session| session.turns[0].steps[0].call);
        assert_eq!(sessions.len() as u64, totals["rows"].as_u64().unwrap());
        let input: u64 = calls().map(|call| call.input).sum();
        let output: u64 = calls().map(|call| call.output).sum();
        assert_eq!(input, number("context_tokens", "input_tokens"), "{}", station.key);
        assert_eq!(output, number("generated_tokens", "output_tokens"), "{}", station.key);
        let span = sessions.last().unwrap().arrival.since(sessions[0].arrival).seconds();
        close("span", span, totals["span_s"].as_f64().unwrap(), EXACT);
        // They come out of the simulator as they went in.
        let outcome = outcomes(&scenario, Some(sessions)).remove(0);
        assert_eq!(outcome.totals.counter(Counter::TokensInput), input);
        assert_eq!(outcome.totals.counter(Counter::TokensOutput), output);
    }
}

/// Workloads, section 8, items 2 and 3: servers that the reference file lacks.
#[test]
fn other_rows_of_slots() {
    let Some(folder) = traces() else { return };
    let cases = [(1, 28, 1.564_237), (1, 32, 0.255_174), (0, 8, 3.295_065), (2, 30, 0.339_051)];
    for (station, servers, mean) in cases {
        let scenario = scenario(&station_text(&STATIONS[station], servers));
        for seed in [1, 77] {
            let mut scenario = scenario.clone();
            scenario.experiment.seed = seed;
            let outcome = outcomes(&scenario, recorded(&scenario, &folder)).remove(0);
            let found = outcome.totals.metric(Metric::QueueWait).mean().unwrap() / 1e9;
            // The list gives six decimals, some cut and not rounded.
            assert!((found - mean).abs() <= 1e-6, "{servers} slots: {found}, expected {mean}");
        }
    }
}

#[test]
fn the_first_scenario_of_the_interface() {
    let Some(folder) = traces() else { return };
    let scenario = scenario(CONV_28_SLOTS);
    let outcome = outcomes(&scenario, recorded(&scenario, &folder)).remove(0);
    let mean = outcome.totals.metric(Metric::QueueWait).mean().unwrap() / 1e9;
    close("queue_wait.mean", mean, 1.564_236_917_886_829_2, 1e-9);
}

#[test]
fn the_second_scenario_of_the_interface() {
    let Some(folder) = traces() else { return };
    let scenario = scenario(AGENT_SESSIONS);
    let outcome = outcomes(&scenario, recorded(&scenario, &folder)).remove(0);
    let running = outcome.totals.gauge(Gauge::SandboxesRunning).integral();
    close("sandboxes_running.integral", running, 1_262_475.7, 1e-9);
    assert_eq!(outcome.totals.counter(Counter::Snapshots), 1606);
}

/// Workloads, section 8, items 1 and 5, and the last part of the reference file.
#[test]
fn agent_sessions_pause_and_resume_as_recorded() {
    let Some(folder) = traces() else { return };
    let reference = &reference(&folder)["claude_code_sessions_a_lifecycle"];
    let known = &reference["totals"];
    for case in reference["results"].as_array().unwrap() {
        let idle = match case["idle_timeout_s"].as_u64() {
            Some(timeout) => format!("{{timeout: {timeout}s, then: hibernate}}"),
            None => "{then: keep}".to_owned(),
        };
        let text = AGENT_SESSIONS.replace("{timeout: 300s, then: hibernate}", &idle);
        let scenario = scenario(&text);
        let sessions = recorded(&scenario, &folder);
        let totals = outcomes(&scenario, sessions.clone()).remove(0).totals;
        check_lifecycle(&idle, case, known, &totals);
        check_recorded_tokens(known, &sessions.unwrap());
    }
}

fn check_lifecycle(idle: &str, case: &Value, known: &Value, totals: &Totals) {
    let running = totals.gauge(Gauge::SandboxesRunning).integral();
    let paused = totals.gauge(Gauge::SandboxesHibernated).integral();
    let expected = |key: &str| case[key].as_f64().unwrap();
    close(&format!("{idle} running"), running, expected("running_sandbox_seconds"), 1e-9);
    close(&format!("{idle} paused"), paused, expected("paused_seconds"), 1e-9);
    // Open sessions either run or are paused: together they never change.
    let open = totals.gauge(Gauge::SessionsOpen).integral_nanos();
    let both = totals.gauge(Gauge::SandboxesRunning).integral_nanos()
        + totals.gauge(Gauge::SandboxesHibernated).integral_nanos();
    assert_eq!(open, both, "{idle}");
    let pauses = case["pauses"].as_u64().unwrap();
    assert_eq!(totals.counter(Counter::Snapshots), pauses, "{idle}");
    assert_eq!(totals.counter(Counter::Restores), pauses, "{idle}");
    let known = |key: &str| known[key].as_u64().unwrap();
    assert_eq!(totals.counter(Counter::SessionsCompleted), known("sessions"));
    assert_eq!(totals.counter(Counter::ModelCalls), known("requests"));
    assert_eq!(totals.counter(Counter::TokensInput), known("input_tokens"));
    assert_eq!(totals.counter(Counter::TokensOutput), known("output_tokens"));
}

fn check_recorded_tokens(known: &Value, sessions: &Arc<Vec<SessionPlan>>) {
    let calls = sessions.iter().flat_map(|s| &s.turns).flat_map(|turn| &turn.steps);
    let context: u64 = calls.map(|step| step.call.context.unwrap()).sum();
    assert_eq!(context, known["input_tokens"].as_u64().unwrap());
}
