//! Crashes, outages and stalls, worked out by hand from the instants that the draws give.
//!
//! Times in comments are seconds.

use plimsoll::measure::{Counter, Gauge, Metric};
use plimsoll::random::{Draws, Purpose};

use super::kit::{Case, close};
use super::script::{step, tool, turn, turn_with, turns};

const SEED: u64 = 1;
const EXACT: f64 = 1e-9;

/// An exponential time of mean `mean` as the page says that it is drawn.
fn drawn(mean: f64, key: u64, purpose: Purpose, number: u32) -> f64 {
    -libm::log(Draws::new(SEED, 0, key, purpose, number).uniform()) * mean
}

fn seeded(platform: &str) -> Case {
    Case::on(platform)
        .experiment("{seed: 1, start: empty, warmup: none, measure: end, replications: 1}")
}

/// A host that crashes: when first, and that it then lives long enough.
fn first_crash(mtbf: f64) -> f64 {
    let [first, second] = [0, 1].map(|number| drawn(mtbf, 0, Purpose::HostCrash, number));
    assert!(first > 100.0 && second > 200.0, "another mean is needed: {first}, {second}");
    first
}

const MTBF: f64 = 100_000.0;

#[test]
fn an_interrupted_turn_begins_its_step_anew_on_a_cold_sandbox() {
    // The host crashes at x. Boot 0..2, a call to x − 10, its tool to x − 5; step two, of 30, is lost at x.
    // The host is up at x + 7, the sandbox boots in 2: step two x + 9 to x + 39.
    let x = first_crash(MTBF);
    let first = step(x - 12.0, &tool(0.0, 1.0, 5.0, 100));
    let ran = seeded(
        "{isolation: {container: {boot: 2s}}, faults: {host_mtbf: 100000s}, \
          capacity: {hosts: {cores: 8, memory: 64GiB, boot: 7s}}}",
    )
    .session(0.0, &format!(r#"{{"think_s": 0, "steps": [{first}, {}]}}"#, step(30.0, "")))
    .run();
    assert_eq!(ran.count(Counter::HostCrashes), 1);
    assert_eq!((ran.count(Counter::StateLost), ran.count(Counter::StateRolledBack)), (1, 0));
    assert_eq!((ran.count(Counter::ColdBoots), ran.count(Counter::SandboxesMade)), (2, 2));
    assert_eq!(ran.count(Counter::SandboxesDestroyed), 2);
    assert_eq!(ran.count(Counter::ModelCalls), 3);
    assert_eq!(ran.count(Counter::ToolCalls), 1);
    close("turn", ran.metric(Metric::Turn).1, x + 39.0, EXACT);
    close("waits", ran.metric(Metric::QueueWait).1, 7.0, EXACT);
    close("up", ran.integral(Gauge::HostsUp), x + 32.0, EXACT);
    assert_eq!(ran.count(Counter::HostStarts), 0);
}

#[test]
fn an_interrupted_turn_goes_back_to_its_snapshot() {
    // Turn 0..1 dirties 100 B, saved at 2 (100 B). Back at 6, restored in 3, by 9; dirties 900 B at once,
    // then a step of which x − 10 to x is lost. Up at x + 7, restored by x + 10, the step anew: 20, to
    // x + 30. Idle, saved again: 100 B, for the 900 are lost.
    let x = first_crash(MTBF);
    let second = format!(
        r#"{{"think_s": 5, "steps": [{}, {}]}}"#,
        step(x - 19.0, &tool(0.0, 1.0, 0.0, 900)),
        step(20.0, "")
    );
    let ran = seeded(
        "{isolation: {container: {snapshot: {filesystem: {}}, restore: {fixed: 3s}}}, \
          idle: {timeout: 1s, then: hibernate}, faults: {host_mtbf: 100000s}, \
          capacity: {hosts: {cores: 8, memory: 64GiB, boot: 7s}}}",
    )
    .session(
        0.0,
        &turns(&[turn_with(0.0, 1.0, &tool(0.0, 1.0, 0.0, 100)), second, turn(50.0, 1.0)]),
    )
    .run();
    assert_eq!((ran.count(Counter::StateLost), ran.count(Counter::StateRolledBack)), (0, 1));
    assert_eq!(ran.metric(Metric::Restore), (3, 9.0));
    assert_eq!(ran.count(Counter::Snapshots), 2);
    assert_eq!(ran.totals.gauge(Gauge::SnapshotBytes).max(), Some(100));
    // Saved at x + 31, back at x + 80, restored by x + 83, over at x + 84.
    close("end", ran.end(), x + 84.0, EXACT);
    close("ready", ran.metric(Metric::Ready).1, 3.0 + 10.0 + 3.0, EXACT);
    assert_eq!(ran.metric(Metric::ColdStart), (1, 0.0));
}

#[test]
fn a_snapshot_in_the_archive_is_not_archived_again_after_a_crash() {
    // Turn 0..1, saved at 31, archived at 41. Back at x − 20: the restore, 2 + 4, fails at x − 14, the
    // sandbox boots cold, turn to x − 9. It crashes idle, at x; the old snapshot is still there, in the
    // archive, where it stays. Back at x + 60: restored by x + 66, in the first store again, closed at
    // x + 67.
    let x = first_crash(MTBF);
    let all = turns(&[turn(0.0, 1.0), turn(x - 21.0, 5.0), turn(69.0, 1.0)]);
    let ran = seeded(
        "{isolation: {container: {snapshot: {filesystem: {base: 100B}}, restore: {fixed: 2s}}}, \
          idle: {timeout: 30s, then: hibernate}, archive: {after: 10s, restore: 4s}, \
          faults: {host_mtbf: 100000s}, capacity: {hosts: {cores: 8, memory: 64GiB, boot: 7s}}}",
    )
    .line(format!(
        r#"{{"session": 0, "arrival_s": 0, "turns": [{all}], "faults": {{"boot": [], "restore": [true, false]}}}}"#
    ))
    .run();
    assert_eq!((ran.count(Counter::StateLost), ran.count(Counter::StateRolledBack)), (1, 1));
    assert_eq!(ran.count(Counter::SnapshotsArchived), 1);
    assert_eq!(ran.metric(Metric::RestoreArchived), (1, 6.0));
    close("first store", ran.integral(Gauge::SnapshotBytes), 100.0 * (10.0 + 1.0), EXACT);
    let archived = 100.0 * (x + 66.0 - 41.0);
    close("archive", ran.integral(Gauge::SnapshotArchivedBytes), archived, EXACT);
    assert_eq!(ran.totals.gauge(Gauge::SnapshotBytes).min(), Some(0));
    close("end", ran.end(), x + 67.0, EXACT);
}

#[test]
fn an_idle_sandbox_and_a_pools_place_go_down_with_their_host() {
    // A claims at 10, its turn is over at 11; it thinks until x + 50 and its state is lost at x, as are two
    // places. Both boot again when the host is up, at x + 7. A claims at x + 50, over at x + 51.
    let x = first_crash(MTBF);
    let ran = seeded(
        "{isolation: {container: {boot: 5s}}, pool: {fixed: {size: 2}}, \
          faults: {host_mtbf: 100000s}, \
          capacity: {hosts: {cores: 8, memory: 64GiB, boot: 7s}}}",
    )
    .session(10.0, &turns(&[turn(0.0, 1.0), turn(x + 39.0, 1.0)]))
    .run();
    assert_eq!((ran.count(Counter::StateLost), ran.count(Counter::StateRolledBack)), (1, 0));
    // Two places all along, but for x to x + 7.
    assert_eq!(ran.count(Counter::PoolClaims), 2);
    close("places", ran.integral(Gauge::SandboxesPool), 2.0 * (x + 51.0 - 7.0), EXACT);
    // 2 at first, one after each claim, 2 after the crash.
    assert_eq!(ran.count(Counter::SandboxesMade), 6);
    close("end", ran.end(), x + 51.0, EXACT);
}

#[test]
fn an_outage_takes_all_hosts_of_its_zone_and_no_other() {
    // Four hosts of one sandbox in two zones. Four sessions, at t 10 into a step of 100. The outage of t, of
    // 60, takes two of them: their hosts are up at t + 67, the step begins anew: to t + 167. The others
    // end at t + 90.
    let first = [0_u32, 1].map(|zone| drawn(MTBF, u64::from(zone), Purpose::ZoneOutage, zone));
    let t = first[0].min(first[1]);
    let zone = u64::from(first[1] < first[0]);
    let next = drawn(MTBF, zone, Purpose::ZoneOutage, 2);
    assert!(first[0].max(first[1]) > t + 500.0 && t > 100.0 && next > 500.0, "{first:?} {next}");
    let mut case = seeded(
        "{isolation: {container: {}}, \
          faults: {zones: {count: 2, mtbf: 100000s, outage: 60s}}, \
          capacity: {hosts: {min: 4, cores: 1, memory: 64GiB, boot: 7s}}}",
    );
    let steps = format!("{}, {}", step(t - 10.0, ""), step(100.0, ""));
    for _ in 0..4 {
        case = case.session(0.0, &format!(r#"{{"think_s": 0, "steps": [{steps}]}}"#));
    }
    let ran = case.run();
    assert_eq!(ran.count(Counter::ZoneOutages), 1);
    assert_eq!(ran.count(Counter::HostCrashes), 2);
    assert_eq!(ran.count(Counter::StateLost), 2);
    close("waits", ran.metric(Metric::QueueWait).1, 2.0 * 67.0, EXACT);
    close("turns", ran.metric(Metric::Turn).1, 2.0 * (t + 90.0) + 2.0 * (t + 167.0), EXACT);
    close("up", ran.integral(Gauge::HostsUp), 4.0 * (t + 167.0) - 2.0 * 67.0, EXACT);
    close("end", ran.end(), t + 167.0, EXACT);
}

#[test]
fn a_stalled_control_plane_grants_nothing_and_what_runs_goes_on() {
    // The stall is t to t + 50. A: t − 10 to t + 20. B asks at t + 1 and waits 49; C, as the stall ends, no
    // longer than that.
    let t = drawn(MTBF, 0, Purpose::StallGap, 0);
    assert!(t > 100.0 && drawn(MTBF, 0, Purpose::StallGap, 1) > 100.0, "{t}");
    let ran = seeded(
        "{isolation: {container: {boot: 2s}}, \
          faults: {stalls: {mtbf: 100000s, length: 50s}}}",
    )
    .session(t - 10.0, &turn(0.0, 28.0))
    .session(t + 1.0, &turn(0.0, 1.0))
    .session(t + 51.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::Stalls), 1);
    let (granted, waited) = ran.metric(Metric::QueueWait);
    assert_eq!(granted, 3);
    close("waits", waited, 49.0, EXACT);
    close("ready", ran.metric(Metric::Ready).1, 2.0 + 51.0 + 2.0, EXACT);
    close("sessions", ran.metric(Metric::Session).1, 30.0 + 52.0 + 3.0, EXACT);
}

#[test]
fn a_pools_ready_sandbox_is_claimed_when_the_stall_is_over() {
    // A place is ready at 2. A asks in the stall of t to t + 50, at t + 1, and claims as it ends; it needs
    // no boot.
    let t = drawn(MTBF, 0, Purpose::StallGap, 0);
    let ran = seeded(
        "{isolation: {container: {boot: 2s}}, pool: {fixed: {size: 1}}, \
          faults: {stalls: {mtbf: 100000s, length: 50s}}}",
    )
    .session(t + 1.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    close("ready", ran.metric(Metric::Ready).1, 49.0, EXACT);
}
