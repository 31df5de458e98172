//! Warm pools and rollouts, worked out by hand.
//!
//! Times in comments are seconds; sandboxes have 1 vCPU and 2 GiB unless said otherwise.

use plimsoll::measure::{Counter, Gauge, Holding, Metric};

use super::kit::Case;
use super::script::{turn, turns};

#[test]
fn a_ready_sandbox_is_claimed_and_an_empty_pool_falls_back_to_a_cold_boot() {
    // Boots of 5. The place of 0 is ready at 5; A claims it 7..8, over at 9. The next boots 7..12. B at
    // 10 boots cold to 15, over at 16. C claims 20..21, over at 22.
    let ran = Case::on("{isolation: {container: {boot: 5s}}, pool: {fixed: {size: 1, claim: 1s}}}")
        .session(7.0, &turn(0.0, 1.0))
        .session(10.0, &turn(0.0, 1.0))
        .session(20.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.count(Counter::PoolClaims), 2);
    assert_eq!(ran.metric(Metric::PoolClaim), (2, 2.0));
    // Places ready at 5 and 12, and B; the place of 20 still boots.
    assert_eq!(ran.count(Counter::ColdBoots), 3);
    assert_eq!(ran.metric(Metric::ColdStart), (1, 5.0));
    assert_eq!(ran.metric(Metric::Ready), (3, 1.0 + 5.0 + 1.0));
    // A claim made at once has no wait for a slot.
    assert_eq!(ran.metric(Metric::QueueWait), (1, 0.0));
    assert_eq!(ran.integral(Gauge::SandboxesPool), 22.0);
    assert_eq!(ran.integral(Gauge::SandboxesRunning), 22.0 + 2.0 + 6.0 + 2.0);
    assert_eq!(ran.count(Counter::SandboxesMade), 4);
    assert_eq!(ran.count(Counter::SandboxesDestroyed), 3);
    assert_eq!(ran.end(), 22.0);
}

#[test]
fn a_place_goes_to_the_first_who_waits_and_is_refilled_behind_sessions() {
    // One slot, taken by the place at 0. A waits from 0 and gets it at 5: claim to 6, over at 7. The
    // next place waits behind B, there since 3, which boots 7..12, over at 13.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s}}, pool: {fixed: {size: 1, claim: 1s}}, \
          capacity: {elastic: {max_concurrent: 1}}}",
    )
    .session(0.0, &turn(0.0, 1.0))
    .session(3.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (2, 5.0 + 4.0));
    assert_eq!(ran.metric(Metric::QueueWaitNew), (2, 9.0));
    assert_eq!(ran.metric(Metric::Ready), (2, 6.0 + 9.0));
    assert_eq!(ran.metric(Metric::ColdStart), (1, 9.0));
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    // The place that waits is in no queue.
    assert_eq!(ran.integral(Gauge::QueueLength), 9.0);
    assert_eq!(ran.integral(Gauge::SandboxesPool), 5.0);
    assert_eq!(ran.end(), 13.0);
}

#[test]
fn a_place_that_becomes_ready_passes_by_those_with_a_snapshot() {
    // Two slots. A: boots 0..5 beside the place, both ready at 5; turn to 6, hibernated at 7. B claims
    // at 6.5 and keeps it until 40. The refill waits from 6.5 and boots 7..12. A, back at 9, and C, at
    // 10, wait. At 12 the place goes to C, which has no snapshot: claim 12..13, over at 14. Then A:
    // restored at 14 in no time, over at 15.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s, snapshot: {filesystem: {}}}}, \
          pool: {fixed: {size: 1, claim: 1s}}, capacity: {elastic: {max_concurrent: 2}}, \
          idle: {timeout: 1s, then: hibernate}}",
    )
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(3.0, 1.0)]))
    .session(6.5, &turn(0.0, 32.5))
    .session(10.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::PoolClaims), 2);
    assert_eq!(ran.metric(Metric::QueueWaitNew), (2, 0.0 + 2.0));
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 5.0));
    assert_eq!(ran.metric(Metric::Ready), (4, 5.0 + 1.0 + 3.0 + 5.0));
    assert_eq!(ran.end(), 40.0);
}

#[test]
fn a_sandbox_that_waited_its_time_is_replaced() {
    // Ready at 2, expires at 12, the next ready at 14. A asks at 24, as that expires: arrivals come
    // first, and it is claimed.
    let ran = Case::on("{isolation: {container: {boot: 2s}}, pool: {fixed: {size: 1, ttl: 10s}}}")
        .session(24.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.count(Counter::PoolExpired), 1);
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    assert_eq!(ran.metric(Metric::Ready), (1, 0.0));
    assert_eq!(ran.count(Counter::SandboxesMade), 3);
    assert_eq!(ran.integral(Gauge::SandboxesPool), 25.0);
}

#[test]
fn a_failed_boot_of_a_place_is_followed_by_another() {
    // All drawn boots fail, the session's own is said not to. Places fail at 5, 10, 15; the one of 15
    // still boots at 18. Attempts are the sessions' alone.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s}}, pool: {fixed: {size: 1}}, \
          faults: {boot: 100%, attempts: 7}}",
    )
    .line(format!(
        r#"{{"session": 0, "arrival_s": 12, "turns": [{}], "faults": {{"boot": [false], "restore": []}}}}"#,
        turn(0.0, 1.0)
    ))
    .run();
    assert_eq!(ran.count(Counter::BootFailures), 3);
    assert_eq!(ran.count(Counter::SandboxesMade), 5);
    assert_eq!(ran.count(Counter::PoolClaims), 0);
    assert_eq!(ran.metric(Metric::ColdStart), (1, 5.0));
    assert_eq!(ran.integral(Gauge::SandboxesPool), 18.0);
    assert_eq!(ran.end(), 18.0);
}

#[test]
fn a_refill_waits_its_delay() {
    // Ready at 1; A claims at 2; another is asked for at 5, ready at 6. B at 5.5 boots cold; C claims
    // at 7.
    let ran = Case::on(
        "{isolation: {container: {boot: 1s}}, pool: {fixed: {size: 1, refill: {delay: 3s}}}}",
    )
    .session(2.0, &turn(0.0, 1.0))
    .session(5.5, &turn(0.0, 1.0))
    .session(7.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::ColdStart), (1, 1.0));
    assert_eq!(ran.count(Counter::PoolClaims), 2);
    // 0..2, 5..7; the third is asked for at 10.
    assert_eq!(ran.integral(Gauge::SandboxesPool), 4.0);
    assert_eq!(ran.end(), 8.0);
}

#[test]
fn refills_come_at_their_rate() {
    // One each 2: asked for at 0, 2 and 4. A claims at 10, the next is asked for at once.
    let ran = Case::on(
        "{isolation: {container: {boot: 1s}}, \
          pool: {fixed: {size: 3, refill: {rate: {limit: 30/min, window: 2s}}}}}",
    )
    .session(10.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.integral(Gauge::SandboxesPool), 10.0 + 9.0 + 7.0 + 1.0);
    assert_eq!(ran.totals.gauge(Gauge::SandboxesPool).max(), Some(3));
}

#[test]
fn a_paused_level_stands_behind_the_ready_one() {
    // One ready, one paused, boots of 5. A at 10 has the ready one in 1, B at 11 the paused one in 3,
    // C at 12 finds both being made: cold, to 17, over at 18. They are there again at 15 and at 16.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s}}, \
          pool: {fixed: {size: 1, claim: 1s, paused: {size: 1, claim: 3s}}}}",
    )
    .session(10.0, &turn(0.0, 1.0))
    .session(11.0, &turn(0.0, 1.0))
    .session(12.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::PoolClaim), (2, 1.0 + 3.0));
    assert_eq!(ran.metric(Metric::Ready), (3, 1.0 + 3.0 + 5.0));
    assert_eq!(ran.metric(Metric::ColdStart), (1, 5.0));
    assert_eq!(ran.integral(Gauge::SandboxesPool), 2.0 * 18.0);
    // Ready 5..10 and 15..18; paused 5..11 and 16..18, which hold memory and no CPU.
    assert_eq!(ran.totals.holding(Holding::VcpuPool).integral(), 8e6);
    let gib = 2_147_483_648.0;
    assert_eq!(ran.totals.holding(Holding::MemoryPool).integral(), (8.0 + 8.0) * gib);
    assert_eq!(ran.end(), 18.0);
}

#[test]
fn classes_have_pools_of_their_own() {
    // Only big ones wait booted. Small boots cold at 10, big claims; at 12 big, whose next is there at
    // 15, boots cold too.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s}}, pool: {classes: {big: {fixed: {size: 1}}}}}",
    )
    .classes("{small: {}, big: {sandbox: {memory: 4GiB}}}")
    .session_of("small", 10.0, &turn(0.0, 1.0))
    .session_of("big", 10.0, &turn(0.0, 1.0))
    .session_of("big", 12.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    assert_eq!(ran.metric(Metric::ColdStart), (2, 10.0));
    // Ready 5..10 and 15..18, of 4 GiB.
    assert_eq!(ran.totals.holding(Holding::MemoryPool).integral(), 8.0 * 4_294_967_296.0);
}

#[test]
fn a_pool_follows_the_demand_of_late() {
    // Starts of 20, window 100, looked at each 10. Five come in 1..5 and boot cold. From 10 on 5 in
    // 100 s, 1 in a start: P(N ≤ 2) = 0.92, P(N ≤ 3) = 0.98: three, ready at 30. One more claims at
    // 50: 1.2 a start, P(N ≤ 3) = 0.97: it is refilled, and over at 51. At 105 the five are out of the
    // window, at 110 it sees one: 0.2 a start, P(N ≤ 1) = 0.98: one. What is ready stays.
    let mut case = Case::on(
        "{isolation: {container: {boot: 20s}}, pool: {predictive: {cover: 95%, window: 100s}}}",
    );
    for arrival in 1..=5 {
        case = case.session(f64::from(arrival), &turn(0.0, 1.0));
    }
    let ran = case.clone().session(50.0, &turn(0.0, 1.0)).run();
    assert_eq!(ran.metric(Metric::ColdStart), (5, 100.0));
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    assert_eq!(ran.count(Counter::SandboxesMade), 5 + 3 + 1);
    assert_eq!(ran.integral(Gauge::SandboxesPool), 3.0 * 41.0);
    // Two more claim. At 120, 0.4 a start with the claim of 50: P(N ≤ 1) = 0.94, so two are wanted, and
    // two are left. At 121, 0.6: P(N ≤ 1) = 0.88, P(N ≤ 2) = 0.98: two are wanted, one is left.
    let ran = case
        .session(50.0, &turn(0.0, 1.0))
        .session(120.0, &turn(0.0, 1.0))
        .session(121.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.count(Counter::PoolClaims), 3);
    // Three from 10 to 120, two to 122.
    assert_eq!(ran.count(Counter::SandboxesMade), 5 + 3 + 1 + 1);
    assert_eq!(ran.integral(Gauge::SandboxesPool), 3.0 * 110.0 + 2.0 * 2.0);
}

#[test]
fn a_new_version_replaces_pooled_sandboxes_and_images() {
    // Image 3, boot 2, a new version each 20. The place of 0 is ready at 5 and goes at 20; the next,
    // whose image is here at 23, is ready at 25. A at 22 begins its own image stage before: ready at
    // 27, over at 28. B claims at 30; the place after it needs no image: 30..32.
    let ran = Case::on(
        "{isolation: {container: {image: 3s, boot: 2s}}, pool: {fixed: {size: 1}}, \
          rollouts: {every: 20s}}",
    )
    .session(22.0, &turn(0.0, 1.0))
    .session(30.0, &turn(0.0, 5.0))
    .run();
    assert_eq!(ran.count(Counter::Rollouts), 1);
    assert_eq!(ran.count(Counter::PoolExpired), 1);
    assert_eq!(ran.metric(Metric::ColdStart), (1, 5.0));
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    // Ready 5..20, 25..30, 32..35.
    assert_eq!(ran.totals.holding(Holding::VcpuPool).integral(), 23e6);
    assert_eq!(ran.end(), 35.0);
}

#[test]
fn an_image_that_a_rollout_takes_before_its_stage_is_fetched_again() {
    // Schedule 2, image 3. A at 0 brings the image by 5. B at 9: its image stage begins at 11, after
    // the new version of 10: 2 + 3, and brings that by 14. C at 15: 2.
    let case =
        Case::on("{isolation: {container: {schedule: 2s, image: 3s}}, rollouts: {every: 10s}}")
            .session(0.0, &turn(0.0, 1.0))
            .session(9.0, &turn(0.0, 1.0));
    assert_eq!(case.clone().run().metric(Metric::ColdStart), (2, 5.0 + 5.0));
    let ran = case.session(15.0, &turn(0.0, 1.0)).run();
    assert_eq!(ran.metric(Metric::ColdStart), (3, 5.0 + 5.0 + 2.0));
}

#[test]
fn images_can_be_on_hosts_before_they_are_asked_for() {
    // Image 4, boot 1, no sandbox booted ahead. On both hosts at 0, and again after the new version of
    // 20.
    let ran = Case::on(
        "{isolation: {container: {image: 4s, boot: 1s}}, pool: {fixed: {size: 0, image: true}}, \
          rollouts: {every: 20s}, capacity: {hosts: {min: 2, cores: 1, memory: 64GiB}}}",
    )
    .session(0.0, &turn(0.0, 1.0))
    .session(0.0, &turn(0.0, 1.0))
    .session(21.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::ColdStart), (3, 3.0));
}

#[test]
fn pool_boots_slow_those_beside_them_and_take_create_tokens() {
    // Factors 1, 2, 2: two places at 0 boot in 5 and 10. One token each 4, two at first: A at 1 finds
    // nothing ready and waits for the token of 4; it boots beside both: 10, to 14, over at 15.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s, contention: {table: [1, 2]}}}, \
          pool: {fixed: {size: 2}}, \
          capacity: {elastic: {create_rate: {limit: 15/min, window: 8s}}}}",
    )
    .session(1.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWait), (1, 3.0));
    assert_eq!(ran.metric(Metric::ColdStart), (1, 13.0));
    assert_eq!(ran.integral(Gauge::SandboxesPool), 30.0);
}
