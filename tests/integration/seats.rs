//! Sessions that share a sandbox, worked out by hand. Times in comments are seconds.

use plimsoll::measure::{Counter, Gauge, Metric};

use super::kit::Case;
use super::script::{hungry, tool, turn, turn_with, turns};

fn shared(boot: &str, seats: u32, more: &str) -> Case {
    Case::on(&format!(
        "{{isolation: {{shared-container: {{boot: {boot}, sessions_per_sandbox: {seats}}}}}{more}}}"
    ))
}

#[test]
fn a_sandbox_takes_in_as_many_as_it_has_seats_and_goes_with_the_last() {
    // Boots take 2, two seats. A at 0 boots one, ready at 2; B at 1 comes in and is ready with it; C at 1.5 finds
    // no seat: its own is ready at 3.5. Turns of 3: A and B to 5, C to 6.5.
    let ran = shared("2s", 2, "")
        .session(0.0, &turn(0.0, 3.0))
        .session(1.0, &turn(0.0, 3.0))
        .session(1.5, &turn(0.0, 3.0))
        .run();
    assert_eq!(ran.metric(Metric::ColdStart), (3, 2.0 + 1.0 + 2.0));
    assert_eq!(ran.metric(Metric::Turn), (3, 5.0 + 4.0 + 5.0));
    // Who takes a seat was granted no slot.
    assert_eq!(ran.metric(Metric::QueueWait), (2, 0.0));
    assert_eq!(ran.count(Counter::ColdBoots), 2);
    assert_eq!(ran.count(Counter::SandboxesMade), 2);
    assert_eq!(ran.count(Counter::SandboxesDestroyed), 2);
    assert_eq!(ran.count(Counter::SessionsStarted), 3);
    // 0 to 5 and 1.5 to 6.5.
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 10.0);
    assert_eq!(ran.integral(Gauge::SandboxesIdle), 0.0);
    assert_eq!(ran.end(), 6.5);
}

#[test]
fn who_finds_a_seat_in_a_running_sandbox_waits_for_nothing() {
    // A's turns are 2..3 and 13..14, B's is 5..6. The sandbox idles 3..5 and 6..13.
    let ran = shared("2s", 8, "")
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(10.0, 1.0)]))
        .session(5.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.metric(Metric::Ready), (1, 2.0));
    assert_eq!(ran.metric(Metric::Turn), (3, 3.0 + 1.0 + 1.0));
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 14.0);
    assert_eq!(ran.integral(Gauge::SandboxesIdle), 9.0);
    assert_eq!(ran.count(Counter::ColdBoots), 1);
}

#[test]
fn a_seat_that_comes_free_goes_to_the_first_in_the_queue() {
    // One slot, two seats: A to 4, B to 6. C and D wait from 1; C sits 4..5, D 5..6.
    let ran = shared("0s", 2, ", capacity: {elastic: {max_concurrent: 1}}")
        .session(0.0, &turn(0.0, 4.0))
        .session(0.0, &turn(0.0, 6.0))
        .session(1.0, &turn(0.0, 1.0))
        .session(1.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.metric(Metric::QueueWait), (3, 0.0 + 3.0 + 4.0));
    assert_eq!(ran.metric(Metric::Ready), (3, 0.0 + 3.0 + 4.0));
    // They did not boot it.
    assert_eq!(ran.metric(Metric::ColdStart), (1, 0.0));
    assert_eq!(ran.integral(Gauge::QueueLength), 7.0);
    assert_eq!(ran.count(Counter::SandboxesMade), 1);
    assert_eq!(ran.end(), 6.0);
}

#[test]
fn classes_do_not_share() {
    let case = shared("1s", 8, "").classes("{one: {}, other: {}}");
    let case = case.session_of("one", 0.0, &turn(0.0, 1.0));
    let ran = case.session_of("other", 0.0, &turn(0.0, 1.0)).run();
    assert_eq!(ran.count(Counter::ColdBoots), 2);
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 4.0);
}

#[test]
fn cores_and_memory_are_shared() {
    // A vCPU: two calls of 2 CPU seconds from 1 on end at 5, not at 3.
    for capacity in ["", ", capacity: {hosts: {min: 1, max: 1, cores: 4, memory: 8GiB}}"] {
        let one = turn_with(0.0, 1.0, &tool(2.0, 1.0, 0.0, 0));
        let case = shared("0s", 2, capacity).session(0.0, &one).session(0.0, &one);
        let ran = case.run();
        assert_eq!(ran.metric(Metric::ToolExec), (2, 8.0), "{capacity}");
        assert_eq!(ran.end(), 5.0, "{capacity}");
    }
    // 1 GiB: A's call holds 600 MiB from 1 to 11; B's, that asks for as much at 2, is killed, and B with it. A
    // goes on.
    let call = |busy: f64| turn_with(0.0, busy, &hungry(10.0, 600 << 20));
    let ran = shared("0s", 2, "")
        .classes("{default: {sandbox: {memory: 1GiB}}}")
        .session(0.0, &call(1.0))
        .session(0.0, &call(2.0))
        .run();
    assert_eq!(ran.count(Counter::OomKills), 1);
    assert_eq!(ran.count(Counter::SessionsFailed), 1);
    assert_eq!(ran.count(Counter::SessionsCompleted), 1);
    assert_eq!(ran.count(Counter::SandboxesDestroyed), 1);
    assert_eq!(ran.end(), 11.0);
}

#[test]
fn silence_costs_a_session_its_seat() {
    // Silent for 5: A, whose turn ended at 1, leaves its seat at 6. C takes it at 7, so A boots its own at 21. B's
    // turn keeps the sandbox to 30; C's ends at 47.
    let ran = shared("0s", 2, ", idle: {timeout: 5s, then: kill}")
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 1.0)]))
        .session(0.0, &turn(0.0, 30.0))
        .session(7.0, &turn(0.0, 40.0))
        .run();
    assert_eq!(ran.count(Counter::Kills), 1);
    assert_eq!(ran.count(Counter::ColdBoots), 2);
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 47.0 + 1.0);
    assert_eq!(ran.end(), 47.0);
}

#[test]
fn a_boot_that_fails_fails_all_who_wait_for_it() {
    // Every boot fails, two tries of 2: A at 0 and B at 1 fail at 4.
    let ran = shared("2s", 4, ", faults: {boot: 100%, attempts: 2}")
        .session(0.0, &turn(0.0, 1.0))
        .session(1.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.count(Counter::BootFailures), 2);
    assert_eq!(ran.count(Counter::SessionsFailed), 2);
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 4.0);
    assert_eq!(ran.end(), 4.0);
}

#[test]
fn one_seat_is_a_sandbox_each() {
    let one = shared("2s", 1, "").session(0.0, &turn(0.0, 3.0)).session(1.0, &turn(0.0, 3.0));
    let plain = Case::on("{isolation: {shared-container: {boot: 2s}}}")
        .session(0.0, &turn(0.0, 3.0))
        .session(1.0, &turn(0.0, 3.0));
    for ran in [one.run(), plain.run()] {
        assert_eq!(ran.integral(Gauge::SandboxesRunning), 10.0);
        assert_eq!(ran.count(Counter::ColdBoots), 2);
    }
}
