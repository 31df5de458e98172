//! What sandboxes of one host share, worked out by hand: cores, memory, the snapshot store.
//!
//! Times in comments are seconds; sandboxes have 1 vCPU and 2 GiB unless said otherwise.

use plimsoll::measure::{Counter, Gauge, Metric};

use super::kit::{Case, close};
use super::script::{hungry, step, tool, turn, turn_with, turns};

const MIB: u64 = 1 << 20;

fn on(host: &str) -> String {
    format!("{{isolation: {{container: {{}}}}, capacity: {{hosts: {{{host}}}}}}}")
}

#[test]
fn small_caps_are_served_whole_and_the_rest_share_a_full_host() {
    // 2 cores. A: 2 core-s on half a core at most; B and C: 3.75 on one. Rates ½, ¾, ¾: A ends at 4,
    // B and C have 0.75 left then and a core each: 4.75.
    let ran = Case::on(&on("cores: 2, memory: 64GiB, overcommit: {cpu: 200%}"))
        .session(0.0, &turn_with(0.0, 0.0, &tool(2.0, 0.5, 0.0, 0)))
        .session(0.0, &turn_with(0.0, 0.0, &tool(3.75, 1.0, 0.0, 0)))
        .session(0.0, &turn_with(0.0, 0.0, &tool(3.75, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (3, 4.0 + 4.75 + 4.75));
    close("core-seconds", ran.core_seconds(), 9.5, 1e-9);
    assert_eq!(ran.totals.gauge(Gauge::HostCpuBusy).max(), Some(2_000_000_000));
}

#[test]
fn a_lone_call_has_its_sandboxs_vcpus_and_a_late_one_halves_a_full_host() {
    // 1 core, promised to two. A: 3 core-s from 0, alone at 1 core; B: 1 core-s from 1, each at ½:
    // B ends at 3, A has 1 left and ends at 4. I/O, 0.5 before B's CPU part, shares with nobody.
    let ran = Case::on(&on("cores: 1, memory: 64GiB, overcommit: {cpu: 200%}"))
        .session(0.0, &turn_with(0.0, 0.0, &tool(3.0, 1.0, 0.0, 0)))
        .session(0.5, &turn_with(0.0, 0.0, &tool(1.0, 1.0, 0.5, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (2, 4.0 + 2.5));
    assert_eq!(ran.end(), 4.0);
}

#[test]
fn calls_side_by_side_share_their_sandbox_and_then_the_host() {
    // 2 cores, sandboxes of 2 vCPU. A runs two calls of 2 core-s, at most 2 / 2 = 1 core each; B one
    // of 4 on up to 2. All three at ⅔: A's end at 3, B has 2 left, at 2 cores: 4.
    let pair = [tool(2.0, 2.0, 0.0, 0), tool(2.0, 2.0, 0.0, 0)].join(", ");
    let ran = Case::on(&on("cores: 2, memory: 64GiB, overcommit: {cpu: 200%}"))
        .classes("{default: {sandbox: {vcpu: 2}}}")
        .session(0.0, &turn_with(0.0, 0.0, &pair))
        .session(0.0, &turn_with(0.0, 0.0, &tool(4.0, 2.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (3, 3.0 + 3.0 + 4.0));
    close("core-seconds", ran.core_seconds(), 8.0, 1e-9);
}

#[test]
fn hosts_do_not_share_cores_with_each_other() {
    // Two hosts of 1 core for one sandbox each; a third waits. 3 core-s each: 3, 3, then 3 more.
    let mut case = Case::on(&on("min: 2, cores: 1, memory: 64GiB"));
    for _ in 0..3 {
        case = case.session(0.0, &turn_with(0.0, 0.0, &tool(3.0, 1.0, 0.0, 0)));
    }
    let ran = case.run();
    assert_eq!(ran.metric(Metric::ToolExec), (3, 9.0));
    assert_eq!(ran.metric(Metric::QueueWait), (3, 3.0));
    close("core-seconds", ran.core_seconds(), 9.0, 1e-9);
    assert_eq!(ran.end(), 6.0);
}

#[test]
fn isolation_and_telemetry_weigh_on_cpu_before_it_is_shared() {
    // 1 core-s · 2 · 1.5 = 3, exec 0.25, I/O 1 · 3. Two of them on one core of the host: CPU parts
    // from 3.25 on at ½ each: 9.25.
    let one = turn_with(0.0, 0.0, &tool(1.0, 1.0, 1.0, 0));
    let ran = Case::on(
        "{isolation: {gvisor: {cpu_factor: 2, io_factor: 3, exec: 250ms}}, \
          capacity: {hosts: {cores: 1, memory: 64GiB, overcommit: {cpu: 200%}}}, \
          governance: {telemetry: {cpu_share: 50%}}}",
    )
    .session(0.0, &one)
    .session(0.0, &one)
    .run();
    assert_eq!(ran.metric(Metric::ToolExec), (2, 9.25 * 2.0));
    assert_eq!(ran.totals.cpu_served.seconds(), 6.0);
    close("core-seconds", ran.core_seconds(), 6.0, 1e-9);
}

#[test]
fn memory_of_calls_side_by_side_adds_up_and_one_after_another_does_not() {
    // 1,000 MiB. 600 + 400 at once is just there; 600 after 600 too; 600 + 401 is not: the call that
    // asked last is killed at once, its turn and session fail, the other call with it.
    let class = "{default: {sandbox: {memory: 1000MiB}}}";
    let pair = |a: u64, b: u64| [hungry(5.0, a * MIB), hungry(5.0, b * MIB)].join(", ");
    let one_by_one = format!(
        r#"{{"think_s": 0, "steps": [{}, {}]}}"#,
        step(0.0, &hungry(5.0, 600 * MIB)),
        step(0.0, &hungry(5.0, 600 * MIB))
    );
    for platform in ["{isolation: {container: {}}}".to_owned(), on("cores: 1, memory: 64GiB")] {
        let ran = Case::on(&platform)
            .classes(class)
            .session(0.0, &turn_with(0.0, 0.0, &pair(600, 400)))
            .session(20.0, &one_by_one)
            .session(40.0, &turn_with(0.0, 1.0, &pair(600, 401)))
            .run();
        assert_eq!(ran.count(Counter::OomKills), 1);
        assert_eq!(ran.count(Counter::TurnsFailed), 1);
        assert_eq!(ran.count(Counter::Turns), 2);
        assert_eq!(ran.count(Counter::SessionsFailed), 1);
        assert_eq!(ran.count(Counter::SessionsCompleted), 2);
        assert_eq!(ran.metric(Metric::ToolExec), (4, 20.0));
        assert_eq!(ran.end(), 41.0);
        assert_eq!(ran.totals.gauge(Gauge::SandboxesRunning).value(), 0);
    }
}

#[test]
fn bursts_on_an_overcommitted_host_are_killed_and_give_their_memory_back() {
    // The host has 1 GiB and promises 2; sandboxes of 1 GiB. A holds 700 MiB 0..10. B asks for 400 at
    // 5: killed, its session fails. C takes B's room, asks for 300 at 6, runs to 16: 1,000 are held.
    // D, after A, at 10.5 has 700 again.
    let ran = Case::on(&on("cores: 4, memory: 1GiB, overcommit: {memory: 200%}"))
        .classes("{default: {sandbox: {memory: 1GiB}}}")
        .session(0.0, &turn_with(0.0, 0.0, &hungry(10.0, 700 * MIB)))
        .session(0.0, &turn_with(0.0, 5.0, &hungry(10.0, 400 * MIB)))
        .session(1.0, &turn_with(0.0, 1.0, &hungry(10.0, 300 * MIB)))
        .session(1.0, &turn_with(0.0, 0.5, &hungry(1.0, 700 * MIB)))
        .run();
    assert_eq!(ran.count(Counter::OomKills), 1);
    assert_eq!(ran.count(Counter::SessionsFailed), 1);
    assert_eq!(ran.count(Counter::SessionsCompleted), 3);
    // C waits from 1 to 5, D from 1 to 10.
    assert_eq!(ran.metric(Metric::QueueWait), (4, 4.0 + 9.0));
    assert_eq!(ran.metric(Metric::ToolExec), (3, 10.0 + 10.0 + 1.0));
    assert_eq!(ran.end(), 16.0);
    // Where a host promises no more than it has, nobody is killed.
    let ran = Case::on(&on("cores: 4, memory: 2GiB"))
        .classes("{default: {sandbox: {memory: 1GiB}}}")
        .session(0.0, &turn_with(0.0, 0.0, &hungry(10.0, 1000 * MIB)))
        .session(0.0, &turn_with(0.0, 0.0, &hungry(10.0, 1000 * MIB)))
        .run();
    assert_eq!((ran.count(Counter::OomKills), ran.end()), (0, 10.0));
}

#[test]
fn a_killed_call_frees_the_cores_of_the_calls_beside_it() {
    // 1 core, policies of 1 before each call. A's only call has 2 core-s. B, in another sandbox, has
    // two side by side: 4 core-s, and one that asks for 2 GiB of its 1 GiB. All ask at 1; B's second is
    // killed and its first with it, so A runs alone, 1..3.
    let ran = Case::on(
        "{isolation: {container: {}}, governance: {policies: {p: {at: tool, latency: 1s}}}, \
          capacity: {hosts: {cores: 1, memory: 64GiB, overcommit: {cpu: 200%}}}}",
    )
    .classes("{default: {sandbox: {memory: 1GiB}}}")
    .session(0.0, &turn_with(0.0, 0.0, &tool(2.0, 1.0, 0.0, 0)))
    .session(
        0.0,
        &turn_with(0.0, 0.0, &[tool(4.0, 1.0, 0.0, 0), hungry(1.0, 2048 * MIB)].join(", ")),
    )
    .run();
    assert_eq!(ran.count(Counter::OomKills), 1);
    assert_eq!(ran.metric(Metric::ToolExec), (1, 2.0));
    assert_eq!(ran.end(), 3.0);
    close("core-seconds", ran.core_seconds(), 2.0, 1e-9);
}

#[test]
fn snapshots_and_restores_share_bandwidth_on_a_host_and_not_across_hosts() {
    // 300 B at 100 B/s. A and B: 0..1, saved from 2; alone on their hosts by 5, together by 8. Back
    // at 10: alone restored by 13, together by 16.
    for (hosts, takes) in
        [("min: 2, cores: 1, memory: 64GiB", 3.0), ("cores: 2, memory: 64GiB", 6.0)]
    {
        let both = turns(&[turn(0.0, 1.0), turn(9.0, 1.0)]);
        let ran = Case::on(&format!(
            "{{isolation: {{container: {{snapshot: {{filesystem: {{base: 300B, \
               bandwidth: 100B/s}}}}, restore: {{bandwidth: 100B/s}}}}}}, \
               idle: {{timeout: 1s, then: hibernate}}, capacity: {{hosts: {{{hosts}}}}}}}"
        ))
        .session(0.0, &both)
        .session(0.0, &both)
        .run();
        assert_eq!(ran.metric(Metric::Snapshot), (2, 2.0 * takes), "{hosts}");
        assert_eq!(ran.metric(Metric::Restore), (2, 2.0 * takes), "{hosts}");
        assert_eq!(ran.metric(Metric::RestoreFilesystem), (2, 2.0 * takes), "{hosts}");
        assert_eq!(ran.end(), 11.0 + takes);
    }
}

#[test]
fn a_session_comes_back_on_another_host_and_shares_there() {
    // Two hosts of one sandbox, image 4. A on host 0: image 0..4, turn to 5, saved 6..9. B at 10 on
    // host 0, where the image is: 0, to 30. A is back at 14 on host 1: restored by 17, over at 18. C at
    // 20 on host 1, to which the restore brought no image: 4.
    let ran = Case::on(
        "{isolation: {container: {image: 4s, snapshot: {filesystem: {base: 300B, \
          bandwidth: 100B/s}}, restore: {bandwidth: 100B/s}}}, \
          idle: {timeout: 1s, then: hibernate}, \
          capacity: {hosts: {min: 2, cores: 1, memory: 64GiB}}}",
    )
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(9.0, 1.0)]))
    .session(10.0, &turn(0.0, 20.0))
    .session(20.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::Restore), (1, 3.0));
    assert_eq!(ran.metric(Metric::ColdStart), (3, 4.0 + 0.0 + 4.0));
    assert_eq!(ran.end(), 30.0);
}
