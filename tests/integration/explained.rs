//! What `check` says of a scenario: numbers worked out by hand, and what cannot be.

use plimsoll::scenario::types::Capacity;
use plimsoll::study::{Explanation, expectation, explain, setup};

use super::kit::{close, scenario};

/// A session arrives each 10 s; it has two turns of two steps, with 40 s between them. A step is a call of 1 s + 10 ms for
/// each of its 100 output tokens, that is 2 s, and a tool call of 3 s, 2 of them CPU. So it is in turns for 2 · 2 · 5
/// = 20 s and lasts 60.
///
/// Prompts: 1,000 + 100; then 300 of results and the 100 of the output more: 1,500; a user's 100 and 100 more: 1,700 after
/// another turn, 2,100. Of these all but what is new is cached.
const SCENARIO: &str = "
version: 1
name: explained
workload:
  arrivals: {every: 10s}
  classes:
    agent:
      turns: 2
      think: 40s
      steps: 2
      tokens: {system: 1000, user: 100, tool_result: 300, output: 100}
      tools: {calls: 1, cores: 1, cpu: 2s, io_wait: 1s}
      abandon: 0%
      model: m
      sandbox: {vcpu: 1, memory: 2GiB}
platform:
  isolation: {microvm: {schedule: 1s, boot: 2s, harness: {exponential: {mean: 1s}}, snapshot: {filesystem: {}}}}
  capacity: {elastic: {max_concurrent: SLOTS}}
  idle: {timeout: 15s, then: hibernate}
  retention: 30d
  rates: {compute: {vcpu: $3.6/h, memory: $0/GiB-h}}
models:
  m:
    latency: {base: 1s, per_output: 10ms}
    prompt_cache: {lifetime: 5m}
    quota: {rpm: RPM, tpm: unlimited}
    rates: {input: $1000/Mtok, cached: $100/Mtok, output: $2000/Mtok}
boundaries: {BOUNDARIES}
experiment: {measure: 7d, replications: 1}
";

fn explained(slots: &str, rpm: &str, boundaries: &str) -> Explanation {
    let text =
        SCENARIO.replace("SLOTS", slots).replace("RPM", rpm).replace("BOUNDARIES", boundaries);
    let scenario = scenario(&text);
    let setup = setup(&scenario, None).unwrap();
    let Capacity::Elastic(elastic) = &scenario.platform.capacity else { unreachable!() };
    explain(&scenario, &setup, &expectation(&setup), elastic.max_concurrent.get())
}

#[test]
fn a_scenario_in_sentences() {
    let found = explained("10", "unlimited", "");
    // 8,640 sessions a day; by Little's law 6 open and 2 in a turn. Four calls a session: 24 a minute. Their prompts
    // are 1,100 + 1,500 + 1,700 + 2,100 = 6,400, of which 1,100 + 1,500 + 1,700 are cached, outputs 400: 40,800 a minute,
    // 58,752,000 a day.
    insta::assert_snapshot!(found.says.join("\n"));
    assert_eq!(found.contradictions, [""; 0]);
    // A session: 2,100 fresh tokens of $0.001, 4,300 of $0.0001, 400 of $0.002, and 20 s of a vCPU of $0.001.
    let floor = found.floor.unwrap();
    close("a session", floor.per_session.unwrap(), 2.1 + 0.43 + 0.8 + 0.02, 1e-9);
    close("a day", floor.tco, 8_640.0 * 3.35, 1e-9);
}

#[test]
fn what_cannot_be_is_said() {
    // Two sandboxes work all the time, and 24 calls come in a minute.
    let found = explained("1", "20", "");
    assert_eq!(
        found.contradictions,
        [
            "sandboxes in turns alone are 2, more than the 1 slots there are: the queue grows without bound, or turns \
             sessions away",
            "`models.m.quota.rpm` is 20, but 24 calls a minute are asked for on average",
        ]
    );
    // What is asked for is below what arithmetic gives, or above it; the other sides are possible.
    let bounds = |boundary: &str| explained("10", "unlimited", boundary).contradictions;
    let impossible = [
        ("a: turn.mean < 9s", "turn at full speed is 10 s"),
        ("a: session.mean < 59s", "session at full speed is 60 s"),
        ("a: sessions_open.mean < 5", "Little's law gives at full speed is 6"),
        ("a: sessions_in_turn.mean < 1", "Little's law gives at full speed is 2"),
        ("a: sessions_open.mean > 7", "Little's law gives 6 open sessions"),
        ("a: cold_start.p50 < 2s", "stages of a start with a certain length take is 3 s"),
        ("a: per_session < $3", "the cost floor is $3.35"),
        ("a: token_output_ratio < 6", "the ratio with a cache that forgets nothing is 6.25"),
    ];
    for (boundary, says) in impossible {
        let found = bounds(boundary);
        assert_eq!(found.len(), 1, "{boundary}: {found:?}");
        assert!(found[0].contains(says), "{boundary}: {found:?}");
    }
    for boundary in [
        "a: turn.mean < 11s",
        "a: sessions_open.mean > 5",
        "a: cold_start.p99 < 4s",
        "a: per_session < $4",
        "a: token_output_ratio < 7",
        "a: {require: turn.mean < 9s, expect: broken}",
    ] {
        assert_eq!(bounds(boundary), [""; 0], "{boundary}");
    }
}

#[test]
fn a_measure_shorter_than_what_it_measures() {
    let text =
        SCENARIO.replace("SLOTS", "10").replace("RPM", "unlimited").replace("BOUNDARIES", "");
    let text = text
        .replace("measure: 7d", "measure: 30s")
        .replace("memory: $0/GiB-h", "memory: $0/GiB-h, round: {to: 1h}");
    let scenario = scenario(&text);
    let setup = setup(&scenario, None).unwrap();
    let found = explain(&scenario, &setup, &expectation(&setup), None).contradictions;
    assert_eq!(
        found,
        [
            "a session lasts 60 s on average, longer than the 30 s that are measured: of most only a part is seen",
            "each holding is rounded up to 1h, longer than the 30 s that are measured",
        ]
    );
}
