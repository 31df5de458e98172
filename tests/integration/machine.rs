//! One machine whose cores starts, snapshots and calls share, worked out by hand. Times in comments are
//! seconds.

use plimsoll::measure::{Counter, Gauge, Metric};

use super::kit::Case;
use super::script::{tool, turn, turn_with, turns};

fn on(cores: f64, tier: &str) -> Case {
    Case::on(&format!(
        "{{isolation: {{container: {{{tier}}}}}, idle: {{timeout: 1s, then: hibernate}}, retention: 1h}}"
    ))
    .machine(cores, 1.0)
}

#[test]
fn starts_at_once_share_the_cores() {
    let two = |case: Case| case.session(0.0, &turn(0.0, 1.0)).session(0.0, &turn(0.0, 1.0)).run();
    let boot = "boot: 2s, snapshot: {filesystem: {}}";
    assert_eq!(two(on(1.0, boot)).metric(Metric::ColdStart), (2, 4.0 + 4.0));
    assert_eq!(two(on(2.0, boot)).metric(Metric::ColdStart), (2, 2.0 + 2.0));
    // One takes one core at most.
    assert_eq!(two(on(8.0, boot)).metric(Metric::ColdStart), (2, 2.0 + 2.0));
}

#[test]
fn a_machine_that_is_robbed_of_half_its_time_takes_twice_as_long_but_for_waits() {
    // Boot 2 takes 4; 1 of reach and 1 of CPU take 4 and 1 of I/O 1; the model's second is its own.
    let ran = on(2.0, "boot: 2s, exec: 1s, snapshot: {filesystem: {}}")
        .machine(2.0, 0.5)
        .session(0.0, &turn_with(0.0, 1.0, &tool(1.0, 1.0, 1.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ColdStart), (1, 4.0));
    assert_eq!(ran.metric(Metric::ToolExec), (1, 5.0));
    assert_eq!(ran.metric(Metric::Turn), (1, 10.0));
    assert_eq!(ran.record().usage.cpu_seconds_served, 1.0);
}

#[test]
fn a_boot_slows_a_call_and_a_call_a_boot() {
    // A boots to 2 and calls for 3 of CPU; B boots from 3. From there both have 2 left, and half a core: to 7.
    let ran = on(1.0, "boot: 2s, snapshot: {filesystem: {}}")
        .session(0.0, &turn_with(0.0, 0.0, &tool(3.0, 1.0, 0.0, 0)))
        .session(3.0, &turn(0.0, 0.0))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (1, 5.0));
    assert_eq!(ran.metric(Metric::ColdStart), (2, 2.0 + 4.0));
    assert_eq!(ran.metric(Metric::Turn), (2, 7.0 + 4.0));
    // The core was never idle.
    assert_eq!(ran.core_seconds(), 7.0);
    assert_eq!(ran.end(), 7.0);
}

#[test]
fn snapshots_and_restores_take_a_core_their_bytes_too() {
    // A's first turn is 0..1, idle to 2, its snapshot of 1 and of 2 MiB at 1 MiB/s 2..5: nobody is beside it. It
    // thinks 9, to 10: restore 1 and 2 MiB/s: 10..12. B calls from 12 for 4 of CPU: A is done then.
    let tier = "snapshot: {filesystem: {fixed: 1s, bandwidth: 1MiB/s, base: 2MiB}}, \
                restore: {fixed: 1s, bandwidth: 2MiB/s}";
    let a = turns(&[turn(0.0, 1.0), turn(9.0, 1.0)]);
    let ran = on(1.0, tier)
        .session(0.0, &a)
        .session(12.0, &turn_with(0.0, 0.0, &tool(4.0, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::Snapshot), (1, 3.0));
    assert_eq!(ran.metric(Metric::Restore), (1, 2.0));
    assert_eq!(ran.metric(Metric::ToolExec), (1, 4.0));
    // B from 10: A's restore has half a core for its 2, to 14, and B the whole for its last 2, to 16.
    let ran = on(1.0, tier)
        .session(0.0, &a)
        .session(10.0, &turn_with(0.0, 0.0, &tool(4.0, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::Restore), (1, 4.0));
    assert_eq!(ran.metric(Metric::ToolExec), (1, 6.0));
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 5.0);
}

#[test]
fn reaching_into_a_sandbox_takes_a_core_and_waiting_none_and_only_work_is_billed() {
    // A waits 1 for I/O, then has 1 of reach and 1 of CPU left, beside B's 5 of CPU: 1..5, and B to 7.
    let ran = on(1.0, "exec: 1s, snapshot: {filesystem: {}}")
        .session(0.0, &turn_with(0.0, 0.0, &tool(1.0, 1.0, 1.0, 0)))
        .session(0.0, &turn_with(0.0, 0.0, &tool(4.0, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (2, 5.0 + 7.0));
    assert_eq!(ran.core_seconds(), 7.0);
    assert_eq!(ran.record().usage.cpu_seconds_served, 5.0);
    assert_eq!(ran.count(Counter::ToolCalls), 2);
}

#[test]
fn reach_takes_as_long_as_it_was_measured_whatever_the_calls_cores() {
    let of = |vcpu: &str, cores: f64| {
        on(8.0, "exec: 2s, snapshot: {filesystem: {}}")
            .classes(&format!("{{default: {{sandbox: {{vcpu: {vcpu}, memory: 1GiB}}}}}}"))
            .session(0.0, &turn_with(0.0, 0.0, &tool(4.0, cores, 0.0, 0)))
            .run()
            .metric(Metric::ToolExec)
    };
    assert_eq!(of("1", 1.0), (1, 2.0 + 4.0));
    assert_eq!(of("0.5", 1.0), (1, 2.0 + 8.0));
    assert_eq!(of("4", 4.0), (1, 2.0 + 1.0));
}

#[test]
fn bytes_move_slower_where_time_is_stolen() {
    // A snapshot of 1 and of 2 MiB at 1 MiB/s, on half a machine.
    let tier = "snapshot: {filesystem: {fixed: 1s, bandwidth: 1MiB/s, base: 2MiB}}, restore: {}";
    let ran = on(2.0, tier)
        .machine(2.0, 0.5)
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 1.0)]))
        .run();
    assert_eq!(ran.metric(Metric::Snapshot), (1, 2.0 + 4.0));
}

#[test]
fn what_the_platform_does_itself_is_no_active_cpu_of_a_sandbox() {
    let ran = on(1.0, "boot: 2s, exec: 1s, snapshot: {filesystem: {}}")
        .session(0.0, &turn_with(0.0, 0.0, &tool(1.0, 1.0, 0.0, 0)))
        .run();
    let usage = ran.record().usage;
    assert_eq!((usage.cpu_seconds_served, usage.cpu_seconds_active), (1.0, None));
    assert_eq!(ran.core_seconds(), 4.0);
}

#[test]
fn work_of_several_processes_takes_several_cores_and_work_that_waits_less_than_one() {
    let two = |cores: f64, takes: f64| {
        on(
            cores,
            &format!(
                "boot: 2s, on_machine: {{boot: {{cores: {takes}}}}}, snapshot: {{filesystem: {{}}}}"
            ),
        )
        .session(0.0, &turn(0.0, 1.0))
        .session(0.0, &turn(0.0, 1.0))
        .run()
        .metric(Metric::ColdStart)
    };
    // Each is 4 core seconds, and gets one core of two.
    assert_eq!(two(2.0, 2.0), (2, 4.0 + 4.0));
    assert_eq!(two(4.0, 2.0), (2, 2.0 + 2.0));
    assert_eq!(two(8.0, 2.0), (2, 2.0 + 2.0));
    assert_eq!(two(1.0, 0.5), (2, 2.0 + 2.0));
    assert_eq!(two(1.0, 1.0), (2, 4.0 + 4.0));
}

#[test]
fn what_a_snapshot_leaves_to_do_slows_others() {
    // A's snapshot is there at 3 and goes on for 2. B's call of 2 from 3 has half the core, to 7.
    let ran = on(1.0, "on_machine: {snapshot: {after: 2s}}, snapshot: {filesystem: {fixed: 1s}}")
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 1.0)]))
        .session(3.0, &turn_with(0.0, 0.0, &tool(2.0, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::Snapshot), (1, 1.0));
    assert_eq!(ran.metric(Metric::ToolExec), (1, 4.0));
    // The snapshot, what it left to do, and the call.
    assert_eq!(ran.core_seconds(), 1.0 + 2.0 + 2.0);
}

#[test]
fn a_sandbox_that_goes_takes_cores_though_nobody_waits() {
    // A leaves at 1. Its sandbox takes 2 to destroy, beside B's call of 2 from 1: to 5.
    let ran = on(1.0, "on_machine: {destroy: {after: 2s}}, snapshot: {filesystem: {}}")
        .session(0.0, &turn(0.0, 1.0))
        .session(1.0, &turn_with(0.0, 0.0, &tool(2.0, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (1, 4.0));
    assert_eq!(ran.metric(Metric::Session), (2, 1.0 + 4.0));
    // That B's goes comes after the run.
    assert_eq!(ran.core_seconds(), 2.0 + 2.0);
}

#[test]
fn reach_that_waits_takes_less_than_a_core() {
    // Of 2 of reach 1 is waiting and 1 is work, and then there is 1 of CPU.
    let ran = on(1.0, "exec: 2s, on_machine: {exec: {cores: 0.5}}, snapshot: {filesystem: {}}")
        .session(0.0, &turn_with(0.0, 0.0, &tool(1.0, 1.0, 0.0, 0)))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (1, 3.0));
    assert_eq!(ran.core_seconds(), 2.0);
    assert_eq!(ran.record().usage.cpu_seconds_served, 1.0);
}

#[test]
fn without_a_machine_none_of_it_matters() {
    let takes = "boot: 2s, exec: 1s, snapshot: {filesystem: {fixed: 1s}}, on_machine: {boot: {cores: 3}, \
                 snapshot: {after: 9s}, destroy: {after: 9s}, exec: {cores: 0.2}}";
    let case = |tier: &str| {
        Case::on(&format!("{{isolation: {{container: {{{tier}}}}}}}"))
            .session(0.0, &turn_with(0.0, 1.0, &tool(1.0, 1.0, 0.0, 0)))
            .run()
    };
    let (with, without) = (case(takes), case(takes.split(", on_machine").next().unwrap()));
    assert_eq!(with.metric(Metric::Turn), without.metric(Metric::Turn));
    assert_eq!(with.core_seconds(), without.core_seconds());
}

#[test]
fn cores_that_all_work_are_slower_than_one_alone() {
    let slow = "on_machine: {full_speed: 0.5}, boot: 0s, snapshot: {filesystem: {}}";
    let call = turn_with(0.0, 0.0, &tool(1.0, 1.0, 0.0, 0));
    let one = on(2.0, slow).session(0.0, &call).run();
    assert_eq!(one.metric(Metric::ToolExec), (1, 1.0));
    let two = || on(2.0, slow).session(0.0, &call).session(0.0, &call);
    assert_eq!(two().run().metric(Metric::ToolExec), (2, 2.0 + 2.0));
    // Half of what a robbed machine's cores do alone, too.
    assert_eq!(two().machine(2.0, 0.5).run().metric(Metric::ToolExec), (2, 4.0 + 4.0));
    // Two of five cores are a quarter of the way from one to all: 1 - 0.5 / 4.
    let five = two().machine(5.0, 1.0).run().metric(Metric::ToolExec);
    assert!((five.1 - 2.0 / 0.875).abs() < 1e-6, "{five:?}");
    // Work of several cores was measured with the slowing by its own in it, up to all there are.
    for cores in [1.0, 1.5, 2.0, 3.0] {
        let boot = format!(
            "on_machine: {{full_speed: 0.5, boot: {{cores: {cores}}}}}, boot: 3s, snapshot: {{filesystem: {{}}}}"
        );
        let ran = on(4.0, &boot).session(0.0, &turn(0.0, 0.0)).run();
        let (_, took) = ran.metric(Metric::ColdStart);
        assert!((took - 3.0).abs() < 1e-6, "{took} s with {cores} cores");
    }
    // A call of 3 beside a boot of 3 that keeps half a core busy: both at 1 - 0.5 / 2.
    let boot =
        "on_machine: {full_speed: 0.5, boot: {cores: 0.5}}, boot: 3s, snapshot: {filesystem: {}}";
    let ran = on(2.0, boot)
        .session(0.0, &turn_with(0.0, 0.0, &tool(3.0, 1.0, 0.0, 0)))
        .session(3.0, &turn(0.0, 0.0))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (1, 4.0));
    assert_eq!(ran.metric(Metric::ColdStart), (2, 3.0 + 4.0));
}
