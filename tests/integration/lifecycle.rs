//! Small scenarios whose answers are worked out by hand from the model's page.
//!
//! Times in comments are seconds. Unless said otherwise boots take no time and a model call takes
//! what its plan says.

use plimsoll::measure::{Counter, Gauge, Metric};
use plimsoll::sim::Finish;

use super::kit::Case;
use super::script::{call, calls, step, tool, turn, turn_with};

const PLAIN: &str = "{isolation: {container: {}}}";

#[test]
fn boot_stages_come_in_series_and_skip_a_cached_image() {
    // Stages 1 + 4 + 2 + 3 = 10; without the image 6.
    // A at 0: image 1..5, ready 10. B at 2: its image stage begins at 3, A's has not ended: 10.
    // C at 4: its image stage begins at 5, as A's ends: cached, 6. D at 20: 6.
    let ran =
        Case::on("{isolation: {container: {schedule: 1s, image: 4s, boot: 2s, harness: 3s}}}")
            .session(0.0, &turn(0.0, 1.0))
            .session(2.0, &turn(0.0, 1.0))
            .session(4.0, &turn(0.0, 1.0))
            .session(20.0, &turn(0.0, 1.0))
            .run();
    assert_eq!(ran.metric(Metric::ColdStart), (4, 10.0 + 10.0 + 6.0 + 6.0));
    assert_eq!(ran.metric(Metric::Ready), (4, 32.0));
    assert_eq!(ran.metric(Metric::Turn), (4, 36.0));
    assert_eq!(ran.count(Counter::ColdBoots), 4);
    // A slot is held from the grant on.
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 36.0);
    assert_eq!(ran.end(), 27.0);
}

#[test]
fn an_image_that_arrives_as_another_stage_begins_is_there() {
    // A at 0: schedule to 2, image 2..3. B at 1: schedule to 3; its image stage was scheduled before
    // A's end was, and still begins after it: ready at 1 + 2.
    let ran = Case::on("{isolation: {container: {schedule: 2s, image: 1s}}}")
        .session(0.0, &turn(0.0, 1.0))
        .session(1.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.metric(Metric::ColdStart), (2, 3.0 + 2.0));
}

#[test]
fn creates_wait_in_order_for_their_tokens() {
    // A bucket of 2, one token a second. Five at 0: 0, 0, 1, 2, 3. One at 2.5 comes after them: 4.
    let mut case = Case::on(
        "{isolation: {container: {}}, \
          capacity: {elastic: {create_rate: {limit: 1/s, window: 2s}}}}",
    );
    for arrival in [0.0, 0.0, 0.0, 0.0, 0.0, 2.5] {
        case = case.session(arrival, &turn(0.0, 0.1));
    }
    let ran = case.run();
    assert_eq!(ran.metric(Metric::QueueWait), (6, 1.0 + 2.0 + 3.0 + 1.5));
    assert_eq!(ran.totals.metric(Metric::QueueWait).max(), Some(3_000_000_000));
    assert_eq!(ran.integral(Gauge::QueueLength), 7.5);
    // Three wait from 0, two from 1, one from 2, two from 2.5, one from 3 to 4.
    assert_eq!(ran.totals.gauge(Gauge::QueueLength).max(), Some(3));
    assert_eq!(ran.metric(Metric::ScaleOut), (1, 4.0));
    assert_eq!(ran.end(), 4.1);
}

#[test]
fn restores_take_create_tokens_too() {
    // One token in 10 s. Created at 0 and done at 1; hibernated at 2; back at 5: the token is there
    // at 10, restored by 12.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {}}, restore: {fixed: 2s}}}, \
          capacity: {elastic: {create_rate: {limit: 6/min, window: 10s}}}, \
          idle: {timeout: 1s, then: hibernate}}",
    )
    .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(4.0, 1.0)))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitNew), (1, 0.0));
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 5.0));
    assert_eq!(ran.metric(Metric::Ready), (2, 7.0));
    assert_eq!(ran.metric(Metric::Restore), (1, 2.0));
    assert_eq!(ran.end(), 13.0);
}

#[test]
fn a_slot_freed_at_the_queue_timeout_is_still_taken() {
    // One slot, timeout 5. A holds it 0..5; B and C wait from 0. At 5 A frees it, B gets it, then C
    // gives up.
    let ran = Case::on(
        "{isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}, \
          queue: {timeout: 5s}}",
    )
    .session(0.0, &turn(0.0, 5.0))
    .session(0.0, &turn(0.0, 3.0))
    .session(0.0, &turn(0.0, 3.0))
    .run();
    assert_eq!(ran.count(Counter::SessionsCompleted), 2);
    assert_eq!(ran.count(Counter::SessionsRejected), 1);
    assert_eq!(ran.count(Counter::SessionsFailed), 0);
    // Only what was granted is observed; who gave up is in the queue's integral.
    assert_eq!(ran.metric(Metric::QueueWait), (2, 5.0));
    assert_eq!(ran.integral(Gauge::QueueLength), 10.0);
    assert_eq!(ran.metric(Metric::ScaleOut), (1, 5.0));
    assert_eq!(ran.end(), 8.0);
}

#[test]
fn a_full_queue_rejects_the_new_and_fails_those_it_knew() {
    // One slot, one place to wait. A: 0..1, idle, hibernated at 2. B takes the slot at 3 until 20, C
    // waits from 4, D finds the queue full at 5: rejected. A comes back at 6: failed, its snapshot
    // (100 B, stored since 2) goes at once.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {base: 100B}}}}, \
          capacity: {elastic: {max_concurrent: 1}}, queue: {capacity: 1}, \
          idle: {timeout: 1s, then: hibernate}}",
    )
    .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(5.0, 1.0)))
    .session(3.0, &turn(0.0, 17.0))
    .session(4.0, &turn(0.0, 1.0))
    .session(5.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::SessionsRejected), 1);
    assert_eq!(ran.count(Counter::SessionsFailed), 1);
    assert_eq!(ran.count(Counter::SessionsCompleted), 2);
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 400.0);
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 4.0);
    assert_eq!(ran.integral(Gauge::QueueLength), 16.0);
    assert_eq!(ran.count(Counter::StateLost), 0);
    assert_eq!(ran.end(), 21.0);
}

#[test]
fn a_think_gap_equal_to_the_idle_timeout_does_not_fire_it() {
    let platform = "{isolation: {container: {snapshot: {filesystem: {}}}}, \
                     idle: {timeout: 10s, then: hibernate}}";
    for (think, snapshots) in [(10.0, 0), (10.000_000_001, 1)] {
        let ran = Case::on(platform)
            .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(think, 1.0)))
            .run();
        assert_eq!(ran.count(Counter::Snapshots), snapshots, "{think}");
        assert_eq!(ran.count(Counter::Restores), snapshots, "{think}");
        assert_eq!(ran.metric(Metric::Ready).0, 1 + snapshots, "{think}");
        assert_eq!(ran.metric(Metric::Think), (1, think));
    }
}

#[test]
fn who_comes_back_while_being_hibernated_waits_for_the_snapshot() {
    // Turn 0..1, idle fires at 11, snapshot 11..16. The next turn begins at 13, waits until 16, is
    // restored by 18, ends at 19.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {fixed: 5s}}, restore: {fixed: 2s}}}, \
          idle: {timeout: 10s, then: hibernate}, retention: 1s}",
    )
    .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(12.0, 1.0)))
    .run();
    assert_eq!(ran.metric(Metric::Snapshot), (1, 5.0));
    assert_eq!(ran.metric(Metric::Restore), (1, 2.0));
    assert_eq!(ran.metric(Metric::Ready), (2, 5.0));
    assert_eq!(ran.metric(Metric::Turn), (2, 1.0 + 6.0));
    // Its request for a slot is made, and granted, at 16.
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 0.0));
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 19.0);
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 0.0);
    assert_eq!(ran.count(Counter::SnapshotsExpired), 0);
}

#[test]
fn a_hibernated_session_queues_for_its_restore() {
    // One slot. A: 0..1, hibernated at 3. B, there since 2.5, holds the slot 3..23. A asks at 11,
    // gets the slot at 23, is restored by 24, ends at 25. Retention, 9 from 3 on, stands still while
    // A queues: at 11 one second of it is left.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {}}, restore: {fixed: 1s}}}, \
          capacity: {elastic: {max_concurrent: 1}}, idle: {timeout: 2s, then: hibernate}, \
          retention: 9s}",
    )
    .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(10.0, 1.0)))
    .session(2.5, &turn(0.0, 20.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitNew), (2, 0.5));
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 12.0));
    assert_eq!(ran.metric(Metric::QueueWait), (3, 12.5));
    assert_eq!(ran.metric(Metric::Ready), (3, 0.5 + 13.0));
    assert_eq!(ran.metric(Metric::ColdStart), (2, 0.5));
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 20.0);
    assert_eq!(ran.integral(Gauge::QueueLength), 12.5);
    assert_eq!(ran.metric(Metric::ScaleOut), (2, 12.5));
    assert_eq!(ran.count(Counter::StateLost), 0);
    assert_eq!(ran.end(), 25.0);
}

#[test]
fn a_killed_sandbox_is_followed_by_a_cold_boot() {
    // Boot 0..2, turn to 3, killed at 8. Next turn at 23: boot to 25, done at 26.
    let ran = Case::on("{isolation: {container: {boot: 2s}}, idle: {timeout: 5s, then: kill}}")
        .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(20.0, 1.0)))
        .run();
    assert_eq!(ran.count(Counter::Kills), 1);
    assert_eq!(ran.count(Counter::StateLost), 0);
    assert_eq!(ran.count(Counter::ColdBoots), 2);
    assert_eq!(ran.metric(Metric::ColdStart), (2, 4.0));
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 8.0 + 3.0);
    assert_eq!(ran.integral(Gauge::SandboxesIdle), 5.0);
    assert_eq!(ran.count(Counter::SandboxesMade), 2);
    assert_eq!(ran.count(Counter::SandboxesDestroyed), 2);
}

#[test]
fn an_expired_snapshot_is_lost_state() {
    // Turn 0..1, hibernated at 2, expires at 12. Next turn at 21 boots cold.
    let platform = "{isolation: {container: {boot: 1s, snapshot: {filesystem: {base: 100B}}}}, \
                     idle: {timeout: 1s, then: hibernate}, retention: 10s}";
    let ran =
        Case::on(platform).session(0.0, &format!("{}, {}", turn(0.0, 0.0), turn(20.0, 1.0))).run();
    assert_eq!(ran.count(Counter::SnapshotsExpired), 1);
    assert_eq!(ran.count(Counter::StateLost), 1);
    assert_eq!(ran.count(Counter::Restores), 0);
    assert_eq!(ran.metric(Metric::ColdStart), (2, 2.0));
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 10.0);
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 1000.0);
    // A turn that begins as it expires, at 12, still finds it.
    let ran =
        Case::on(platform).session(0.0, &format!("{}, {}", turn(0.0, 0.0), turn(11.0, 1.0))).run();
    assert_eq!(ran.count(Counter::StateLost), 0);
    assert_eq!(ran.count(Counter::Restores), 1);
}

#[test]
fn retention_starts_anew_at_each_snapshot() {
    // Snapshots at 2 and at 10, retention 10, stored until 20: the first one's end, 12, is nothing.
    // Turns 0..1, 8..9, 19..20.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {base: 1B}}}}, \
          idle: {timeout: 1s, then: hibernate}, retention: 10s}",
    )
    .session(0.0, &format!("{}, {}, {}", turn(0.0, 1.0), turn(7.0, 1.0), turn(10.0, 1.0)))
    .run();
    assert_eq!(ran.count(Counter::Snapshots), 2);
    assert_eq!(ran.count(Counter::Restores), 2);
    assert_eq!(ran.count(Counter::SnapshotsExpired), 0);
    // Paid until replaced or closed: also while it runs.
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 18.0);
}

#[test]
fn an_abandoned_session_goes_on_costing() {
    // Turn 0..1: completed. Idle to 4, saved 4..6, expires at 16.
    let platform = "{isolation: {container: {snapshot: {filesystem: {fixed: 2s, base: 7B}}}}, \
                     idle: {timeout: 3s, then: hibernate}, retention: 10s}";
    let line = format!(
        r#"{{"session": 0, "arrival_s": 0, "end": "abandon", "turns": [{}]}}"#,
        turn(0.0, 1.0)
    );
    let ran = Case::on(platform)
        .experiment("{start: empty, warmup: none, measure: 30s, replications: 1}")
        .line(line.clone())
        .run();
    assert_eq!(ran.count(Counter::SessionsCompleted), 1);
    assert_eq!(ran.count(Counter::SessionsAbandoned), 1);
    assert_eq!(ran.metric(Metric::Session), (1, 1.0));
    assert_eq!(ran.integral(Gauge::SessionsOpen), 1.0);
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 6.0);
    assert_eq!(ran.integral(Gauge::SandboxesIdle), 5.0);
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 10.0);
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 70.0);
    assert_eq!(ran.count(Counter::SnapshotsExpired), 1);
    // It was over: nobody's state is lost.
    assert_eq!(ran.count(Counter::StateLost), 0);
    assert_eq!(ran.end(), 30.0);
    // Measured to the end, the last session has left at 1.
    let ran = Case::on(platform).line(line).run();
    assert_eq!((ran.finish, ran.end()), (Finish::Complete, 1.0));
    assert_eq!(ran.totals.gauge(Gauge::SandboxesRunning).value(), 1);
}

#[test]
fn snapshots_hold_what_the_formula_says() {
    // Full: ½ · (1000 + 1200 · ¾ + 1 MiB) = 525,238, then ½ · (1000 + 5200 · ¾ + 1 MiB) = 526,738.
    // Files: ½ · 1900 = 950, then ½ · 4900 = 2450. Memory overhead is in neither. Saved at 2,
    // replaced at 12, closed at 21.
    for (kind, first, second) in [("full", 525_238.0, 526_738.0), ("filesystem", 950.0, 2450.0)] {
        let platform = format!(
            "{{isolation: {{container: {{memory_overhead: 64MiB, \
               snapshot: {{{kind}: {{base: 1000B, dedupe: 25%, compression: 50%}}}}}}}}, \
               idle: {{timeout: 1s, then: hibernate}}}}"
        );
        let first_turn =
            turn_with(0.0, 1.0, &[tool(0.0, 1.0, 0.0, 400), tool(0.0, 1.0, 0.0, 800)].join(","));
        let second_turn = turn_with(9.0, 1.0, &tool(0.0, 1.0, 0.0, 4000));
        let ran = Case::on(&platform)
            .classes("{default: {sandbox: {memory: 1MiB}}}")
            .session(0.0, &[first_turn, second_turn, turn(9.0, 1.0)].join(","))
            .run();
        assert_eq!(ran.count(Counter::Snapshots), 2);
        assert_eq!(ran.totals.gauge(Gauge::SnapshotBytes).max(), Some(second as i64));
        let integral = first * 10.0 + second * 9.0;
        assert_eq!(ran.integral(Gauge::SnapshotBytes), integral, "{kind}");
        assert_eq!(ran.totals.gauge(Gauge::SnapshotBytes).value(), 0);
    }
}

#[test]
fn snapshots_share_bandwidth_and_restores_share_their_own() {
    // 100 B/s each way, 300 B each. A saves from 2, B from 3: A has 100 B by 3, then 50 B/s each: A
    // is done at 7; B has 100 B left and all of it: 8. Back at 101 and 102, 150 B needed: A has 100
    // by 102, the other 50 by 103; B 50 by 103, the other 100 by 104.
    let case = |rest: &str| {
        format!(
            "{{isolation: {{container: {{snapshot: {{filesystem: {{base: 300B, \
               bandwidth: 100B/s}}}}, restore: {{bandwidth: 100B/s{rest}}}}}}}, \
               idle: {{timeout: 1s, then: hibernate}}}}"
        )
    };
    let turns = format!("{}, {}", turn(0.0, 1.0), turn(100.0, 1.0));
    let ran = Case::on(&case(", working_set: 0.5")).session(0.0, &turns).session(1.0, &turns).run();
    assert_eq!(ran.metric(Metric::Snapshot), (2, 5.0 + 5.0));
    assert_eq!(ran.metric(Metric::Restore), (2, 2.0 + 2.0));
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 7.0 + 7.0 + 3.0 + 3.0);
    assert_eq!(ran.end(), 105.0);
    // Without a working set all bytes are needed: A has 100 by 102, then 50 B/s each until A's other
    // 200 are there at 106; B has 200 by then and its last 100 by 107.
    let ran = Case::on(&case("")).session(0.0, &turns).session(1.0, &turns).run();
    assert_eq!(ran.metric(Metric::Restore), (2, 5.0 + 5.0));
}

#[test]
fn a_save_and_a_restore_at_once_do_not_share() {
    // 100 B/s, 100 B. A is saved 2..3 and back at 10: restored 10..11. B is saved 10..11.
    let platform = "{isolation: {container: {snapshot: {filesystem: {base: 100B, \
                     bandwidth: 100B/s}}, restore: {bandwidth: 100B/s}}}, \
                     idle: {timeout: 1s, then: hibernate}}";
    let turns = format!("{}, {}", turn(0.0, 1.0), turn(9.0, 1.0));
    let ran = Case::on(platform).session(0.0, &turns).session(8.0, &turns).run();
    assert_eq!(ran.metric(Metric::Snapshot), (2, 2.0));
    assert_eq!(ran.metric(Metric::Restore), (2, 2.0));
}

#[test]
fn tool_calls_side_by_side_share_their_sandbox() {
    // 2 vCPUs, CPU and I/O factor 2. First batch: A 2 → 4 core-s on up to 2 cores; B waits ½ → 1,
    // then 0.5 → 1 core-s. A runs at 2 until 1, then both at 1: B ends at 2, A at 2.5. Second
    // batch: three calls of 1 → 2 core-s on one core each, at ⅔: 3 s.
    let first = [tool(2.0, 2.0, 0.0, 0), tool(0.5, 1.0, 0.5, 0)].join(",");
    let second = [(); 3].map(|()| tool(1.0, 1.0, 0.0, 0)).join(",");
    let turn =
        format!(r#"{{"think_s": 0, "steps": [{}, {}]}}"#, step(0.0, &first), step(0.0, &second));
    let ran = Case::on("{isolation: {container: {cpu_factor: 2, io_factor: 2}}}")
        .classes("{default: {sandbox: {vcpu: 2}}}")
        .session(0.0, &turn)
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (5, 2.5 + 2.0 + 3.0 * 3.0));
    assert_eq!(ran.totals.cpu_served.seconds(), 5.0 + 6.0);
    assert_eq!(ran.metric(Metric::Turn), (1, 5.5));
    assert_eq!(ran.metric(Metric::PlatformTime), (1, 5.5));
}

#[test]
fn a_tool_call_alone_runs_at_its_cores_or_the_sandboxs() {
    // 4 core-s: on 4 cores of 2 vCPUs 2 s, on half a core 8 s.
    let steps = [step(0.0, &tool(4.0, 4.0, 0.0, 0)), step(0.0, &tool(4.0, 0.5, 0.0, 0))].join(",");
    let ran = Case::on(PLAIN)
        .classes("{default: {sandbox: {vcpu: 2}}}")
        .session(0.0, &format!(r#"{{"think_s": 0, "steps": [{steps}]}}"#))
        .run();
    assert_eq!(ran.metric(Metric::ToolExec), (2, 10.0));
}

const ONE_IN_TEN_SECONDS: &str = "quota: {rpm: 6, window: 10s}";

#[test]
fn refused_calls_back_off_at_least_until_the_bucket_can_serve_them() {
    // A bucket of one request, one each 10 s; base 8, cap 12. A is served at 0. B and C are
    // refused: backoff ½ · 8 = 4, retry after 10. At 10 B is served; C is refused again: backoff
    // 1 · min(12, 16) = 12, retry after 10: served at 22.
    let models = format!(
        "{{default: {{latency: {{base: 1s}}, {ONE_IN_TEN_SECONDS}, \
           retries: {{max: 2, base: 8s, cap: 12s}}}}}}"
    );
    let mut case = Case::on(PLAIN).models(&models);
    for _ in 0..3 {
        case = case.session(0.0, &calls(&[(0.0, call(1, 1, r#", "u": [0.5, 1.0]"#))]));
    }
    let ran = case.run();
    assert_eq!(ran.count(Counter::ModelCalls), 3);
    assert_eq!(ran.count(Counter::ModelAttempts), 6);
    assert_eq!(ran.count(Counter::ModelRateLimited), 3);
    assert_eq!(ran.metric(Metric::ModelCall), (3, 1.0 + 11.0 + 23.0));
    assert_eq!(ran.metric(Metric::Ttft), (3, 3.0));
    assert_eq!(ran.metric(Metric::PlatformTime), (3, 32.0));
    // A refused try costs nothing.
    assert_eq!(ran.count(Counter::TokensInput), 3);
}

#[test]
fn a_call_fails_its_session_when_its_retries_are_used_up() {
    // The same with a single retry: C fails at 10. Without any, by default, B and C fail at 0.
    for (retries, failed, attempts) in
        [("retries: {max: 1, base: 8s}", 1, 5), ("retries: {}", 2, 3)]
    {
        let models =
            format!("{{default: {{latency: {{base: 1s}}, {ONE_IN_TEN_SECONDS}, {retries}}}}}");
        let mut case = Case::on(PLAIN).models(&models);
        for _ in 0..3 {
            case = case.session(0.0, &calls(&[(0.0, call(1, 1, r#", "u": [0.5, 1.0]"#))]));
        }
        let ran = case.run();
        assert_eq!(ran.count(Counter::SessionsFailed), failed);
        assert_eq!(ran.count(Counter::SessionsCompleted), 3 - failed);
        assert_eq!(ran.count(Counter::ModelAttempts), attempts);
        assert_eq!(ran.count(Counter::Turns), 3 - failed);
        assert_eq!(ran.totals.gauge(Gauge::SandboxesRunning).value(), 0);
    }
}

#[test]
fn tokens_a_minute_are_charged_whole_and_say_when_to_come_back() {
    // 600 tokens, 10 a second. A takes 500 at 0. B needs 400, 100 are there: back at 30. C needs
    // more than the bucket holds: it fails at once.
    let models = "{default: {latency: {base: 1s}, quota: {tpm: 600}, \
                   retries: {max: 1, base: 1s}}}";
    let ran = Case::on(PLAIN)
        .models(models)
        .session(0.0, &calls(&[(0.0, call(300, 200, ""))]))
        .session(0.0, &calls(&[(0.0, call(250, 150, r#", "u": [1.0]"#))]))
        .session(0.0, &calls(&[(0.0, call(401, 200, ""))]))
        .run();
    assert_eq!(ran.metric(Metric::ModelCall), (2, 1.0 + 31.0));
    assert_eq!(ran.count(Counter::ModelRateLimited), 1);
    assert_eq!(ran.count(Counter::SessionsFailed), 1);
    assert_eq!(ran.count(Counter::ModelCalls), 3);
    assert_eq!(ran.count(Counter::ModelAttempts), 4);
    assert_eq!(ran.count(Counter::TokensInput), 550);
    assert_eq!(ran.count(Counter::TokensOutput), 350);
}

#[test]
fn calls_at_once_are_limited() {
    // One at a time, 5 s each. B is refused at 0, backs off 1 · 2, refused at 2, backs off 1 · 4,
    // served at 6.
    let models = "{default: {latency: {base: 5s}, quota: {concurrency: 1}, \
                   retries: {max: 2, base: 2s}}}";
    let turns = calls(&[(0.0, call(1, 1, r#", "u": [1.0, 1.0]"#))]);
    let ran = Case::on(PLAIN).models(models).session(0.0, &turns).session(0.0, &turns).run();
    assert_eq!(ran.metric(Metric::ModelCall), (2, 5.0 + 11.0));
    assert_eq!(ran.count(Counter::ModelRateLimited), 2);
}

#[test]
fn a_failed_try_takes_its_first_token_and_bills_its_input() {
    // Prefill 2 + 100 · 10 ms = 3: the first try fails at 3, backs off ½ · 4, is tried at 5 and
    // served after 3 + 10 · 100 ms at 9.
    let models = "{default: {latency: {base: 2s, per_input: 10ms, per_output: 100ms}, \
                   retries: {max: 1, base: 4s}}}";
    let errors = r#", "u": [0.5], "errors": [true, false]"#;
    let ran =
        Case::on(PLAIN).models(models).session(0.0, &calls(&[(0.0, call(100, 10, errors))])).run();
    assert_eq!(ran.metric(Metric::ModelCall), (1, 9.0));
    assert_eq!(ran.metric(Metric::Ttft), (1, 3.0));
    assert_eq!(ran.metric(Metric::PlatformTime), (1, 5.0));
    assert_eq!(ran.count(Counter::ModelErrors), 1);
    assert_eq!(ran.count(Counter::ModelAttempts), 2);
    assert_eq!(ran.count(Counter::ModelCalls), 1);
    assert_eq!(ran.count(Counter::TokensInput), 200);
    assert_eq!(ran.count(Counter::TokensOutput), 10);
    // Without retries left it fails the session.
    let models = models.replace("max: 1", "max: 0");
    let ran =
        Case::on(PLAIN).models(&models).session(0.0, &calls(&[(0.0, call(100, 10, errors))])).run();
    assert_eq!((ran.count(Counter::SessionsFailed), ran.end()), (1, 3.0));
    assert_eq!(ran.count(Counter::TokensInput), 100);
    assert_eq!(ran.metric(Metric::ModelCall).0, 0);
}

#[test]
fn a_failed_try_keeps_its_limits_charged() {
    // A bucket of one request, one each 10 s: the second try, due at 3 + 2, is refused until 10.
    let models = format!(
        "{{default: {{latency: {{base: 3s}}, {ONE_IN_TEN_SECONDS}, \
           retries: {{max: 2, base: 4s}}}}}}"
    );
    let turns = calls(&[(0.0, call(1, 1, r#", "u": [0.5, 0.0], "errors": [true, false]"#))]);
    let ran = Case::on(PLAIN).models(&models).session(0.0, &turns).run();
    assert_eq!(ran.metric(Metric::ModelCall), (1, 13.0));
    assert_eq!(ran.count(Counter::ModelAttempts), 3);
}

#[test]
fn failing_boots_are_tried_again_in_their_slot() {
    // Boot 2 s, three tries, one slot. A fails twice: ready at 6, done at 7. B, waiting since 0,
    // fails three times 7..13 and is over. C boots 13..15.
    let platform = "{isolation: {container: {boot: 2s}}, faults: {attempts: 3}, \
                     capacity: {elastic: {max_concurrent: 1}}}";
    let session = |number: u32, faults: &str| {
        format!(
            r#"{{"session": {number}, "arrival_s": 0, "turns": [{}], "faults": {{"boot": [{faults}], "restore": []}}}}"#,
            turn(0.0, 1.0)
        )
    };
    let ran = Case::on(platform)
        .line(session(0, "true, true, false"))
        .line(session(1, "true, true, true"))
        .line(session(2, "false"))
        .run();
    assert_eq!(ran.count(Counter::BootFailures), 5);
    assert_eq!(ran.count(Counter::ColdBoots), 2);
    assert_eq!(ran.count(Counter::SessionsFailed), 1);
    assert_eq!(ran.count(Counter::SessionsRejected), 0);
    assert_eq!(ran.metric(Metric::ColdStart), (2, 6.0 + 15.0));
    assert_eq!(ran.metric(Metric::QueueWait), (3, 0.0 + 7.0 + 13.0));
    assert_eq!(ran.count(Counter::SandboxesMade), 3);
    assert_eq!(ran.count(Counter::SandboxesDestroyed), 3);
    assert_eq!(ran.end(), 16.0);
}

#[test]
fn after_the_last_restore_a_session_boots_cold() {
    // Two tries each. Boot 0..4, turn to 5, hibernated at 6. Next turn at 10: restores fail at 13
    // and 16, the boot's second try of the session fails at 20, the third succeeds at 24. Dirtied
    // files count from there: the next snapshot, at 26, has the base only.
    let platform = "{isolation: {container: {boot: 4s, snapshot: {filesystem: {base: 10B}}, \
                     restore: {fixed: 3s}}}, faults: {attempts: 2}, \
                     idle: {timeout: 1s, then: hibernate}}";
    let turns =
        [turn_with(0.0, 1.0, &tool(0.0, 1.0, 0.0, 90)), turn(5.0, 1.0), turn(5.0, 1.0)].join(",");
    let ran = Case::on(platform)
        .line(format!(
            r#"{{"session": 0, "arrival_s": 0, "turns": [{turns}], "faults": {{"boot": [false, true, false], "restore": [true, true, false]}}}}"#
        ))
        .run();
    assert_eq!(ran.count(Counter::RestoreFailures), 2);
    assert_eq!(ran.count(Counter::BootFailures), 1);
    assert_eq!(ran.count(Counter::ColdBoots), 2);
    assert_eq!(ran.count(Counter::Restores), 1);
    assert_eq!(ran.count(Counter::StateLost), 1);
    // The boot after the restores is no cold start, but it is in `ready`.
    assert_eq!(ran.metric(Metric::ColdStart), (1, 4.0));
    assert_eq!(ran.metric(Metric::Ready), (3, 4.0 + 14.0 + 3.0));
    assert_eq!(ran.metric(Metric::Restore), (1, 3.0));
    assert_eq!(ran.count(Counter::SandboxesMade), 3);
    // 100 B from 6, 10 B from 26; turn 3 at 30, restored by 33, over at 34.
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 100.0 * 20.0 + 10.0 * 8.0);
    assert_eq!(ran.end(), 34.0);
}

#[test]
fn context_grows_is_cut_to_the_window_and_stays_cached_for_a_while() {
    // Prompts 100; 150 + 30 = 180; 200 + 200 = 400, cut to 300; 410 + 1, cut to 300. Cached: none;
    // 100 (gap 4); 180 (gap 5, the lifetime); none (gap 1 ns more). 1 s + 1 ms a token not cached:
    // 1.1 + 1.08 + 1.12 + 1.3.
    let models = "{default: {latency: {base: 1s, per_input: 1ms}, prompt_cache: {lifetime: 5s}, \
                   context_window: 300}}";
    let ran = Case::on(PLAIN)
        .models(models)
        .session(
            0.0,
            &calls(&[
                (0.0, call(100, 50, "")),
                (4.0, call(30, 20, "")),
                (5.0, call(200, 10, "")),
                (5.000_000_001, call(1, 10, "")),
            ]),
        )
        .run();
    assert_eq!(ran.count(Counter::TokensInput), 100 + 180 + 300 + 300);
    assert_eq!(ran.count(Counter::TokensCached), 100 + 180);
    assert_eq!(ran.count(Counter::TokensOutput), 90);
    assert_eq!(ran.count(Counter::ContextTruncations), 2);
    assert_eq!(ran.metric(Metric::ModelCall), (4, 4.6));
}

#[test]
fn a_recorded_context_replaces_the_accumulation() {
    // Prompts 500 as recorded, then 500 + 10 + 7.
    let models = "{default: {latency: {base: 1s}, prompt_cache: {lifetime: 5s}}}";
    let turns = calls(&[(0.0, call(100, 10, r#", "context": 500"#)), (1.0, call(7, 10, ""))]);
    let ran = Case::on(PLAIN).models(models).session(0.0, &turns).run();
    assert_eq!(ran.count(Counter::TokensInput), 500 + 517);
    assert_eq!(ran.count(Counter::TokensCached), 500);
}

#[test]
fn policies_take_their_time_where_they_are_checked() {
    // 1 s at arrival, then the turn begins; each step 2 + call 1 + each tool call 3 + wait 4 = 10.
    let platform = "{isolation: {container: {}}, governance: {policies: { \
                     admission: {at: session, latency: 1s}, prompt: {at: model, latency: 2s}, \
                     command: {at: tool, latency: 3s}}}}";
    let one = step(1.0, &[tool(0.0, 1.0, 4.0, 0), tool(0.0, 1.0, 4.0, 0)].join(","));
    let ran = Case::on(platform)
        .session(0.0, &format!(r#"{{"think_s": 0, "steps": [{one}, {one}]}}"#))
        .run();
    assert_eq!(ran.count(Counter::PolicyChecks), 1 + 2 + 4);
    assert_eq!(ran.metric(Metric::Session), (1, 21.0));
    assert_eq!(ran.metric(Metric::Turn), (1, 20.0));
    assert_eq!(ran.metric(Metric::ModelCall), (2, 2.0));
    assert_eq!(ran.metric(Metric::ToolExec), (4, 16.0));
    assert_eq!(ran.metric(Metric::PlatformTime), (1, 18.0));
    assert_eq!(ran.metric(Metric::Ready), (1, 0.0));
}

#[test]
fn a_turn_without_steps_still_needs_its_sandbox() {
    // Boot 0..1 is the first turn; the second, at 6, takes no time.
    let ran = Case::on("{isolation: {container: {boot: 1s}}}")
        .session(0.0, r#"{"think_s": 0, "steps": []}, {"think_s": 5, "steps": []}"#)
        .run();
    assert_eq!(ran.count(Counter::Turns), 2);
    assert_eq!(ran.count(Counter::ModelCalls), 0);
    assert_eq!(ran.metric(Metric::Turn), (2, 1.0));
    assert_eq!(ran.metric(Metric::Session), (1, 6.0));
    assert_eq!(ran.integral(Gauge::SandboxesIdle), 5.0);
}

#[test]
fn compressed_time_divides_what_waits_and_leaves_what_works() {
    // k = 10. A: boot 0..2, call 20 / 10, to 4, tool 4 to 8, idle 50 / 10: fires at 13, saved by 14,
    // think 100 / 10: back at 18, restored by 20, call to 22. B arrives at 30 / 10 = 3: the bucket
    // of 1, one token a second instead of each 10, is full again. C at 3.1 waits for the token of 4.
    // A's snapshot, kept 45 / 10 from 14 on, is there at 18.
    let platform = "{isolation: {container: {boot: 2s, snapshot: {filesystem: {fixed: 1s}}, \
                     restore: {fixed: 2s}}}, idle: {timeout: 50s, then: hibernate}, \
                     retention: 45s, \
                     capacity: {elastic: {create_rate: {limit: 6/min, window: 10s}}}}";
    let turns = [turn_with(0.0, 20.0, &tool(0.0, 1.0, 4.0, 0)), turn(100.0, 20.0)].join(",");
    let case = Case::on(platform)
        .session(0.0, &turns)
        .session(30.0, &turn(0.0, 10.0))
        .session(31.0, &turn(0.0, 10.0))
        .compressed(10.0);
    let ran = case.run();
    assert_eq!(ran.metric(Metric::Think), (1, 10.0));
    assert_eq!(ran.metric(Metric::QueueWait), (4, 0.9));
    assert_eq!(ran.metric(Metric::ModelCall), (4, 2.0 + 2.0 + 1.0 + 1.0));
    assert_eq!(ran.metric(Metric::ToolExec), (1, 4.0));
    assert_eq!(ran.metric(Metric::Snapshot), (1, 1.0));
    assert_eq!(ran.count(Counter::Restores), 1);
    assert_eq!(ran.integral(Gauge::SandboxesHibernated), 4.0);
    assert_eq!(ran.end(), 22.0);
}

#[test]
fn compressed_time_divides_backoff_cache_lifetime_and_queue_timeout() {
    // k = 10. A's calls: base 20 / 10 = 2 each; the first try fails at 2, backs off 1 · 40 / 10 = 4,
    // served 6..8; think 30 / 10: the next call, 3 after the first's end, is within the cache's
    // 30 / 10 and fails no more. B queues from 0 for 5 / 10.
    let platform = "{isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}, \
                     queue: {timeout: 5s}}";
    let models = "{default: {latency: {base: 20s}, prompt_cache: {lifetime: 30s}, \
                   retries: {max: 1, base: 40s}}}";
    let turns = calls(&[
        (0.0, call(100, 10, r#", "u": [1.0], "errors": [true, false]"#)),
        (30.0, call(5, 10, "")),
    ]);
    let ran = Case::on(platform)
        .models(models)
        .session(0.0, &turns)
        .session(0.0, &turns)
        .compressed(10.0)
        .run();
    assert_eq!(ran.metric(Metric::ModelCall), (2, 8.0 + 2.0));
    assert_eq!(ran.count(Counter::TokensCached), 100);
    assert_eq!(ran.count(Counter::SessionsRejected), 1);
    assert_eq!(ran.integral(Gauge::QueueLength), 0.5);
    assert_eq!(ran.end(), 13.0);
}

#[test]
fn what_happens_at_the_ends_of_the_measure_is_in_it() {
    // Warm-up to 10, measure to 20. A 5..10 is in flight as the measure begins and completes in it.
    // B 10..11 and D 12..20 are in it, C arrives at 20 and is in flight. E comes after.
    let ran = Case::on(PLAIN)
        .experiment("{start: empty, warmup: 10s, measure: 10s, replications: 1}")
        .session(5.0, &turn(0.0, 5.0))
        .session(10.0, &turn(0.0, 1.0))
        .session(12.0, &turn(0.0, 8.0))
        .session(20.0, &turn(0.0, 1.0))
        .session(20.5, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.totals.in_flight_at_start, 1);
    assert_eq!(ran.count(Counter::SessionsArrived), 3);
    assert_eq!(ran.count(Counter::SessionsCompleted), 3);
    assert_eq!(ran.totals.in_flight_at_end, 1);
    assert_eq!(ran.metric(Metric::Session), (3, 5.0 + 1.0 + 8.0));
    assert_eq!(ran.metric(Metric::QueueWait), (3, 0.0));
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 9.0);
    // C's sandbox came at the very end: that value did not last.
    assert_eq!(ran.totals.gauge(Gauge::SandboxesRunning).max(), Some(1));
    assert_eq!(ran.totals.measured().seconds(), 10.0);
}

#[test]
fn what_straddles_the_warm_up_counts_by_its_end() {
    // One slot, warm-up to 10. A holds it 0..12; B waits 4..12 and ends at 13: its wait, 8, counts
    // whole; the queue's integral only from 10 on.
    let ran = Case::on("{isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}}")
        .experiment("{start: empty, warmup: 10s, measure: 10s, replications: 1}")
        .session(0.0, &turn(0.0, 12.0))
        .session(4.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.metric(Metric::QueueWait), (1, 8.0));
    assert_eq!(ran.integral(Gauge::QueueLength), 2.0);
    assert_eq!(ran.metric(Metric::ScaleOut), (1, 8.0));
    assert_eq!(ran.count(Counter::SessionsArrived), 0);
    assert_eq!(ran.totals.in_flight_at_start, 2);
    assert_eq!(ran.integral(Gauge::SessionsOpen), 2.0 + 3.0);
}

#[test]
fn a_run_that_ends_within_its_warm_up_measures_nothing() {
    let ran = Case::on(PLAIN)
        .experiment("{start: empty, warmup: 10s, measure: end, replications: 1}")
        .session(0.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.count(Counter::SessionsArrived), 0);
    assert_eq!(ran.count(Counter::SessionsCompleted), 0);
    assert_eq!(ran.metric(Metric::Session).0, 0);
    assert_eq!(ran.integral(Gauge::SessionsOpen), 0.0);
}

#[test]
fn arrivals_ask_before_turns_of_the_same_instant() {
    // One slot. A: 0..1, hibernated at 2, back at 10. B arrives at 10 and gets the slot, though its
    // arrival was scheduled long after A's return; A follows at 15.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {}}}}, \
          capacity: {elastic: {max_concurrent: 1}}, idle: {timeout: 1s, then: hibernate}}",
    )
    .session(0.0, &format!("{}, {}", turn(0.0, 1.0), turn(9.0, 1.0)))
    .session(9.5, &turn(0.0, 0.5))
    .session(10.0, &turn(0.0, 5.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitNew), (3, 0.0));
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 5.0));
}

#[test]
fn sessions_of_one_instant_are_served_in_the_order_of_their_numbers() {
    // Lines of the file are in another order than the sessions' numbers. One slot; session k holds
    // it for k + 1 seconds: waits 0, 1, 3.
    let line = |k: u32| {
        let turn = turn(0.0, f64::from(k) + 1.0);
        format!(r#"{{"session": {k}, "arrival_s": 0, "turns": [{turn}]}}"#)
    };
    let ran = Case::on("{isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}}")
        .line(line(2))
        .line(line(0))
        .line(line(1))
        .run();
    assert_eq!(ran.metric(Metric::QueueWait), (3, 0.0 + 1.0 + 3.0));
}

#[test]
fn sessions_that_nobody_can_serve_are_reported_as_stuck() {
    // A abandons its only slot and is kept for ever: B waits for ever.
    let ran = Case::on("{isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}}")
        .line(format!(
            r#"{{"session": 0, "arrival_s": 0, "end": "abandon", "turns": [{}]}}"#,
            turn(0.0, 1.0)
        ))
        .session(0.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.finish, Finish::Stuck);
    assert_eq!(ran.totals.in_flight_at_end, 1);
}
