//! Hosts, worked out by hand: placement, starts, images, contention, the autoscaler.
//!
//! Times in comments are seconds; sandboxes have 1 vCPU and 2 GiB unless said otherwise.

use plimsoll::measure::{Counter, Gauge, Metric};

use super::kit::{Case, close};
use super::script::{tool, turn, turn_with, turns};

#[test]
fn first_best_and_worst_fit_choose_their_host() {
    // Big has 6 GiB, small 4. A (3 GiB) 0..10, B (1) 1..11, D (4) from 2 and C (5) from 4 for 1.
    // First: A and B on big, 2 left; D on small; C waits until A leaves big, 4..10.
    // Best: A and B on small; D and then C find big empty.
    // Worst: A on big, B on small, 3 left on each. D waits until A leaves, 2..10, and takes big; C
    // waits behind it until D leaves at 11, 4..11.
    for (placement, waited) in [("first-fit", 6.0), ("best-fit", 0.0), ("worst-fit", 8.0 + 7.0)] {
        let platform = format!(
            "{{isolation: {{container: {{}}}}, capacity: {{hosts: {{\
               big: {{cores: 8, memory: 6GiB, placement: {placement}}}, \
               small: {{cores: 8, memory: 4GiB}}}}}}}}"
        );
        let ran = Case::on(&platform)
            .classes(
                "{one: {sandbox: {memory: 1GiB}}, three: {sandbox: {memory: 3GiB}}, \
                  four: {sandbox: {memory: 4GiB}}, five: {sandbox: {memory: 5GiB}}}",
            )
            .session_of("three", 0.0, &turn(0.0, 10.0))
            .session_of("one", 1.0, &turn(0.0, 10.0))
            .session_of("four", 2.0, &turn(0.0, 1.0))
            .session_of("five", 4.0, &turn(0.0, 1.0))
            .run();
        assert_eq!(ran.metric(Metric::QueueWait), (4, waited), "{placement}");
        assert_eq!(ran.integral(Gauge::QueueLength), waited, "{placement}");
    }
}

#[test]
fn equal_memory_is_told_apart_by_vcpu_left() {
    // Both have 6 GiB; wide has 4 cores, slim 2. A at 0 and B at 0.5 for 10, of 1 vCPU; C, of 3, at 1.
    // First: A and B on wide, 2 cores left: C waits until A leaves at 10.
    // Best: A on slim, which has less vCPU left, B beside it: C finds wide empty.
    // Worst: A on wide, which has more, B on slim, which has more memory left: C fits on wide.
    for (placement, waited) in [("first-fit", 9.0), ("best-fit", 0.0), ("worst-fit", 0.0)] {
        let platform = format!(
            "{{isolation: {{container: {{}}}}, capacity: {{hosts: {{\
               wide: {{cores: 4, memory: 6GiB, placement: {placement}}}, \
               slim: {{cores: 2, memory: 6GiB}}}}}}}}"
        );
        let ran = Case::on(&platform)
            .classes("{default: {}, three: {sandbox: {vcpu: 3}}}")
            .session(0.0, &turn(0.0, 10.0))
            .session(0.5, &turn(0.0, 10.0))
            .session_of("three", 1.0, &turn(0.0, 1.0))
            .run();
        assert_eq!(ran.metric(Metric::QueueWait), (3, waited), "{placement}");
    }
}

#[test]
fn overcommit_and_overhead_set_the_density() {
    // vCPU: 2 cores at 150 % hold 3. Memory: 6 GiB at 200 % hold 4 of 2 + 1 GiB. One more than fits
    // waits until the others leave at 5.
    for (host, fits) in [
        ("cores: 2, memory: 100GiB, overcommit: {cpu: 150%}", 3),
        ("cores: 100, memory: 6GiB, overcommit: {memory: 200%}", 4),
    ] {
        let mut case = Case::on(&format!(
            "{{isolation: {{container: {{memory_overhead: 1GiB}}}}, capacity: {{hosts: {{{host}}}}}}}"
        ));
        for _ in 0..=fits {
            case = case.session(0.0, &turn(0.0, 5.0));
        }
        let ran = case.run();
        assert_eq!(ran.metric(Metric::QueueWait), (fits + 1, 5.0), "{host}");
        assert_eq!(ran.totals.gauge(Gauge::SandboxesRunning).max(), Some(fits as i64), "{host}");
        // Overhead is held too: 3 GiB each for 5 s.
        let held = (fits + 1) as f64 * 5.0 * 3_221_225_472.0;
        assert_eq!(ran.integral(Gauge::HostMemoryReserved), held);
    }
}

const WIDE: &str = "cores: 64, memory: 256GiB";

#[test]
fn starts_on_a_host_wait_for_each_other() {
    // One start at a time on each of two hosts, boots of 3. At 0 A and B start, C waits for 3.
    // A: turn 3..4, idle, hibernated at 5; its restore of 2, asked for at 10, waits for D, which
    // boots 9..12 on host 0, and E, which boots 9.5..12.5 on host 1: it begins at 12.
    let ran = Case::on(&format!(
        "{{isolation: {{container: {{boot: 3s, snapshot: {{filesystem: {{}}}}, \
           restore: {{fixed: 2s}}}}}}, idle: {{timeout: 1s, then: hibernate}}, \
           capacity: {{hosts: {{min: 2, starts_per_host: 1, {WIDE}}}}}}}"
    ))
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(6.0, 1.0)]))
    .session(0.0, &turn(0.0, 1.0))
    .session(0.0, &turn(0.0, 1.0))
    .session(9.0, &turn(0.0, 1.0))
    .session(9.5, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitNew), (5, 3.0));
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 2.0));
    assert_eq!(ran.metric(Metric::ColdStart), (5, 3.0 + 3.0 + 6.0 + 3.0 + 3.0));
    assert_eq!(ran.metric(Metric::ScaleOut), (2, 3.0 + 2.0));
    assert_eq!(ran.end(), 15.0);
}

#[test]
fn starts_are_rationed_on_each_host_by_itself() {
    // One start in 10 on each of two hosts, boots of 1. At 0 A starts on host 0 and B on host 1; C waits
    // for 10 and starts on host 0. D at 12 starts at once on host 1, which has had its token since 10; E
    // at 13 waits for host 0's of 20.
    let hosts = |min| {
        format!("{{hosts: {{min: {min}, create_rate: {{limit: 6/min, window: 10s}}, {WIDE}}}}}")
    };
    let at = |s: f64| (s, turn(0.0, 1.0));
    let mut case =
        Case::on(&format!("{{isolation: {{container: {{boot: 1s}}}}, capacity: {}}}", hosts(2)));
    for (arrival, plan) in [at(0.0), at(0.0), at(0.0), at(12.0), at(13.0)] {
        case = case.session(arrival, &plan);
    }
    let ran = case.run();
    assert_eq!(ran.metric(Metric::QueueWaitNew), (5, 10.0 + 7.0));
    assert_eq!(ran.metric(Metric::ColdStart), (5, 10.0 + 7.0 + 5.0));
    assert_eq!(ran.end(), 22.0);

    // A restore takes one too: boot 0..1, turn 1..2, hibernated at 3, asked for again at 5, from 10 on.
    let ran = Case::on(&format!(
        "{{isolation: {{container: {{boot: 1s, snapshot: {{filesystem: {{}}}}}}}}, \
           idle: {{timeout: 1s, then: hibernate}}, capacity: {}}}",
        hosts(1)
    ))
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(3.0, 1.0)]))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 5.0));
    assert_eq!(ran.end(), 11.0);
}

const ONE_EACH: &str = "min: 2, cores: 1, memory: 64GiB";

#[test]
fn each_host_has_its_own_image() {
    // Image 4, boot 1, one sandbox a host. A on host 0: 0..5 and until 15. B at 6 on host 1, where
    // the image is not: 5. C at 20 on host 0, where it is: 1.
    let ran = Case::on(&format!(
        "{{isolation: {{container: {{image: 4s, boot: 1s}}}}, capacity: {{hosts: {{{ONE_EACH}}}}}}}"
    ))
    .session(0.0, &turn(0.0, 10.0))
    .session(6.0, &turn(0.0, 1.0))
    .session(20.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::ColdStart), (3, 5.0 + 5.0 + 1.0));
}

#[test]
fn pulls_share_bandwidth_on_a_host_and_not_across_hosts() {
    // 100 MB at 10 MB/s. On one host A from 0, B from 4: A has 40 MB by 4, then 5 MB/s each: A is
    // there at 16, B has 60 MB by then and the rest by 20. C at 17 finds the image of 16.
    // On two hosts 10 each; C at 17 finds it on host 0.
    let pull = "isolation: {container: {image: {pull: {bytes: 100MB, bandwidth: 10MB/s}}}}";
    for (hosts, took) in [(WIDE, 16.0 + 16.0), (ONE_EACH, 10.0 + 10.0)] {
        let ran = Case::on(&format!("{{{pull}, capacity: {{hosts: {{{hosts}}}}}}}"))
            .session(0.0, &turn(0.0, 1.0))
            .session(4.0, &turn(0.0, 1.0))
            .session(17.0, &turn(0.0, 1.0))
            .run();
        assert_eq!(ran.metric(Metric::ColdStart), (3, took), "{hosts}");
    }
}

#[test]
fn starts_slow_each_other_by_knee_and_by_table() {
    // Boots of 2. Three at 0 count 1, 2, 3; a fourth at 2.5 counts who is under way still.
    // Knee 2, exponent 1: 1, 1, 1.5; at 2.5 only the third: 2 of them, factor 1: 2 + 2 + 3 + 2.
    // Knee 1, exponent 2: 1, 4, 9: ends at 2, 8, 18; at 2.5 three: 9: 2 + 8 + 18 + 18.
    // Factors 1, 2, 5: ends at 2, 4, 10; at 2.5 three: 5: 2 + 4 + 10 + 10.
    // Points (1, 1), (3, 2): 1, 1.5, 2: ends at 2, 3, 4; at 2.5 three: 2: 2 + 3 + 4 + 4.
    for (contention, took) in [
        ("{knee: 2, exponent: 1}", 9.0),
        ("{knee: 1, exponent: 2}", 46.0),
        ("{table: [1, 2, 5]}", 26.0),
        ("{table: [[1, 1], [3, 2]]}", 13.0),
    ] {
        let platform =
            format!("{{isolation: {{container: {{boot: 2s, contention: {contention}}}}}}}");
        let ran = Case::on(&platform)
            .session(0.0, &turn(0.0, 1.0))
            .session(0.0, &turn(0.0, 1.0))
            .session(0.0, &turn(0.0, 1.0))
            .session(2.5, &turn(0.0, 1.0))
            .run();
        assert_eq!(ran.metric(Metric::ColdStart), (4, took), "{contention}");
    }
}

#[test]
fn contention_is_a_hosts_own_and_drift_is_the_days() {
    // Boots of 2, factors 1, 3. Four at 0, two a host: 2, 6, 2, 6. With a drift of 1.5 all are half
    // as long again: 24.
    for (drift, took) in [("", 16.0), (", drift: 1.5", 24.0)] {
        let mut case = Case::on(&format!(
            "{{isolation: {{container: {{boot: 2s, contention: {{table: [1, 3]}}{drift}}}}}, \
               capacity: {{hosts: {{min: 2, cores: 2, memory: 64GiB}}}}}}"
        ));
        for _ in 0..4 {
            case = case.session(0.0, &turn(0.0, 1.0));
        }
        assert_eq!(case.run().metric(Metric::ColdStart), (4, took), "{drift}");
    }
}

#[test]
fn a_restore_counts_among_starts_and_is_not_slowed_itself() {
    // Factors 1, 3; boots of 2, restores of 2. A: boot 0..2, turn to 3, hibernated at 4, back at 10:
    // restored 10..12. B at 2: boot to 4, turn to 5, hibernated at 6. C at 11 boots beside A's
    // restore: 6. B is back at 11.5: restored in 2, beside A and C.
    let ran = Case::on(
        "{isolation: {container: {boot: 2s, contention: {table: [1, 3]}, \
          snapshot: {filesystem: {}}, restore: {fixed: 2s}}}, idle: {timeout: 1s, then: hibernate}}",
    )
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(7.0, 1.0)]))
    .session(2.0, &turns(&[turn(0.0, 1.0), turn(6.5, 1.0)]))
    .session(11.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::Restore), (2, 2.0 + 2.0));
    assert_eq!(ran.metric(Metric::ColdStart), (3, 2.0 + 2.0 + 6.0));
}

#[test]
fn each_try_of_a_boot_has_its_own_contention() {
    // Boots of 2, factors 1, 3. A's first try, alone, fails at 2. B's, beside it, takes 6. A's
    // second, beside B, takes 6: ready at 8.
    let faults = r#""faults": {"boot": [true, false], "restore": []}"#;
    let ran = Case::on(
        "{isolation: {container: {boot: 2s, contention: {table: [1, 3]}}}, faults: {attempts: 2}}",
    )
    .line(format!(r#"{{"session": 0, "arrival_s": 0, "turns": [{}], {faults}}}"#, turn(0.0, 1.0)))
    .session(0.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::ColdStart), (2, 8.0 + 6.0));
}

#[test]
fn the_autoscaler_starts_within_max_and_stops_after_its_cooldown() {
    // Hosts of one sandbox, 1 to 3 of them, boots of 4, looks each 10. Four sessions of 30 at 3: A at
    // once, to 33. At 10 four are wanted, 3 allowed: two up at 14. B and C 14..44, D at 33 on A's host
    // to 63. At 40 three are in use; from 44 on one. Two stop at 50, 40 after the last change; with
    // a cooldown of 45 at 60.
    for (cooldown, stopped) in [(25, 50.0), (40, 50.0), (45, 60.0)] {
        let mut case = Case::on(&format!(
            "{{isolation: {{container: {{}}}}, capacity: {{hosts: {{min: 1, max: 3, cores: 1, \
               memory: 64GiB, boot: 4s, autoscaler: {{interval: 10s, cooldown: {cooldown}s}}}}}}}}"
        ));
        for _ in 0..4 {
            case = case.session(3.0, &turn(0.0, 30.0));
        }
        let ran = case.run();
        assert_eq!(ran.metric(Metric::QueueWait), (4, 11.0 + 11.0 + 30.0));
        assert_eq!(ran.metric(Metric::ScaleOut), (1, 30.0));
        assert_eq!(ran.count(Counter::HostStarts), 2);
        assert_eq!(ran.count(Counter::HostStops), 2);
        assert_eq!(ran.integral(Gauge::HostsUp), 63.0 + 2.0 * (stopped - 14.0), "{cooldown}");
        assert_eq!(ran.end(), 63.0);
    }
}

#[test]
fn the_autoscaler_keeps_headroom_and_counts_the_scarcer_of_memory_and_vcpu() {
    // Two sandboxes of 1 vCPU and 2 GiB run from 1 to 31; at 10 it looks. On hosts of 2 cores it
    // wants 2 / (2 · 50 %) = 2; on hosts of 64 cores and 4 GiB 4 / (4 · 50 %) = 2 as well, without a
    // target 1, which is there. Nobody ever waits.
    for (host, target, starts) in [
        ("cores: 2, memory: 64GiB", "50%", 1),
        ("cores: 64, memory: 4GiB", "50%", 1),
        ("cores: 64, memory: 4GiB", "100%", 0),
    ] {
        let ran = Case::on(&format!(
            "{{isolation: {{container: {{}}}}, capacity: {{hosts: {{min: 1, max: 9, {host}, \
               autoscaler: {{interval: 10s, target: {target}}}}}}}}}"
        ))
        .session(1.0, &turn(0.0, 30.0))
        .session(1.0, &turn(0.0, 30.0))
        .run();
        assert_eq!(ran.count(Counter::HostStarts), starts, "{host} {target}");
        assert_eq!(ran.metric(Metric::ScaleOut).0, 0);
    }
}

#[test]
fn a_fleet_comes_up_from_nothing_and_goes_to_nothing() {
    // Boots of 15, longer than the interval of 10. A asks at 2, a host is started at 10; at 20 it
    // boots and counts; up at 25. A 25..28. At 30 none is wanted. B at 35: 40, up at 55, done at 56.
    let ran = Case::on(
        "{isolation: {container: {}}, capacity: {hosts: {min: 0, max: 2, cores: 1, memory: 64GiB, \
          boot: 15s, autoscaler: {interval: 10s}}}}",
    )
    .session(2.0, &turn(0.0, 3.0))
    .session(35.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (2, 23.0 + 20.0));
    assert_eq!(ran.metric(Metric::ScaleOut), (2, 43.0));
    assert_eq!(ran.count(Counter::HostStarts), 2);
    assert_eq!(ran.count(Counter::HostStops), 1);
    assert_eq!(ran.integral(Gauge::HostsUp), 5.0 + 1.0);
    assert_eq!(ran.end(), 56.0);
}

#[test]
fn a_host_that_boots_for_nobody_is_stopped() {
    // Who asks at 2 gives up at 14; the host started at 10 would be up at 25 and is stopped at 20. The
    // next, who asks at 21, gives up at 33, its host, started at 30, still booting.
    let ran = Case::on(
        "{isolation: {container: {}}, queue: {timeout: 12s}, capacity: {hosts: {min: 0, max: 2, \
          cores: 1, memory: 64GiB, boot: 15s, autoscaler: {interval: 10s}}}}",
    )
    .session(2.0, &turn(0.0, 3.0))
    .session(21.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::SessionsRejected), 2);
    assert_eq!((ran.count(Counter::HostStarts), ran.count(Counter::HostStops)), (2, 1));
    assert_eq!(ran.integral(Gauge::HostsUp), 0.0);
    assert_eq!(ran.end(), 33.0);
}

#[test]
fn hosts_on_standby_come_up_first_and_faster() {
    // Two are wanted at 10: one stands by and is up at 11, for A until 41; the other boots until 20.
    let ran = Case::on(
        "{isolation: {container: {}}, capacity: {hosts: {min: 0, max: 2, cores: 1, \
          memory: 64GiB, boot: 10s, standby: {count: 1, resume: 1s}, \
          autoscaler: {interval: 10s}}}}",
    )
    .session(0.0, &turn(0.0, 30.0))
    .session(0.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (2, 11.0 + 20.0));
}

#[test]
fn each_host_has_the_cores_of_its_type() {
    // Sandboxes of 2 vCPU. Slow hosts have 1 core, promised twice, and boot 10; fast ones 4 and boot
    // 1. Three sessions at 1, 6 vCPU; at 10 one of each is started: slow is host 0, up at 20, fast is
    // host 1, up at 11. A and B on fast 11..31, then a tool of 2 core-s at 2: to 32. C on slow from
    // 20: to 40, then its tool at 1: to 42.
    let busy = turn_with(0.0, 20.0, &tool(2.0, 2.0, 0.0, 0));
    let ran = Case::on(
        "{isolation: {container: {}}, capacity: {hosts: { \
          slow: {min: 0, max: 1, cores: 1, memory: 64GiB, boot: 10s, overcommit: {cpu: 200%}, \
                 autoscaler: {interval: 10s}}, \
          fast: {min: 0, max: 1, cores: 4, memory: 64GiB, boot: 1s, \
                 autoscaler: {interval: 10s}}}}}",
    )
    .classes("{default: {sandbox: {vcpu: 2}}}")
    .session(1.0, &busy)
    .session(1.0, &busy)
    .session(1.0, &busy)
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (3, 10.0 + 10.0 + 19.0));
    assert_eq!(ran.metric(Metric::ToolExec), (3, 1.0 + 1.0 + 2.0));
    close("core-seconds", ran.core_seconds(), 6.0, 1e-9);
    assert_eq!(ran.end(), 42.0);
}

#[test]
fn a_host_that_boots_is_not_given_up_because_another_type_could_grow() {
    // Asked at 0; the look at 10 starts one of the first type, which is then at its most, up at 110. What
    // waits has room there, so that the second type starts none and the cooldown of 30 stops none.
    let ran = Case::on(
        "{isolation: {container: {}}, capacity: {hosts: { \
          first: {min: 0, max: 1, cores: 4, memory: 2GiB, boot: 100s, \
            autoscaler: {interval: 10s, cooldown: 30s}}, \
          second: {min: 0, max: 1, cores: 4, memory: 2GiB, boot: 100s, \
            autoscaler: {interval: 10s, cooldown: 30s}}}}}",
    )
    .classes("{one: {sandbox: {memory: 1GiB}}}")
    .session_of("one", 0.0, &turn(0.0, 5.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (1, 110.0));
    assert_eq!(ran.integral(Gauge::HostsUp), 5.0);
}

#[test]
fn what_has_no_room_on_one_type_is_for_the_next() {
    // Three of 1 GiB wait; the first type may have one host of 2 GiB, so that the second starts one too. Both
    // are up at 110.
    let ran = Case::on(
        "{isolation: {container: {}}, capacity: {hosts: { \
          first: {min: 0, max: 1, cores: 4, memory: 2GiB, boot: 100s, autoscaler: {interval: 10s}}, \
          second: {min: 0, max: 2, cores: 4, memory: 2GiB, boot: 100s, autoscaler: {interval: 10s}}}}}",
    )
    .classes("{one: {sandbox: {memory: 1GiB}}}")
    .session_of("one", 0.0, &turn(0.0, 5.0))
    .session_of("one", 0.0, &turn(0.0, 5.0))
    .session_of("one", 0.0, &turn(0.0, 5.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (3, 330.0));
    assert_eq!(ran.integral(Gauge::HostsUp), 10.0);
}
