//! Archive, retention and storage quota, worked out by hand.
//!
//! Times in comments are seconds; snapshots are of 100 bytes, taken after an idle second.

use plimsoll::measure::{Counter, Gauge, Metric};

use super::kit::Case;
use super::script::{turn, turns};

/// A platform that takes such snapshots, and `rest`.
fn saving(rest: &str) -> String {
    format!(
        "{{isolation: {{container: {{snapshot: {{filesystem: {{base: 100B}}}}, \
           restore: {{fixed: 2s}}}}}}, idle: {{timeout: 1s, then: hibernate}}{rest}}}"
    )
}

#[test]
fn an_archived_snapshot_comes_back_slower_and_lies_in_the_first_store_again() {
    // Turn 0..1, saved at 2, archived at 12. Back at 21: 2 + 4, restored by 27, turn to 28. Saved
    // again at 29, which replaces it; back at 33, before 39: 2, closed at 36.
    let ran = Case::on(&saving(", archive: {after: 10s, restore: 4s}"))
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 1.0), turn(5.0, 1.0)]))
        .run();
    assert_eq!(ran.count(Counter::SnapshotsArchived), 1);
    assert_eq!(ran.metric(Metric::Restore), (2, 6.0 + 2.0));
    assert_eq!(ran.metric(Metric::RestoreArchived), (1, 6.0));
    assert_eq!(ran.metric(Metric::RestoreFilesystem), (1, 2.0));
    assert_eq!(ran.metric(Metric::RestoreMemory).0, 0);
    // First store 2..12 and 27..36; archive 12..27, the restore included.
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 100.0 * (10.0 + 9.0));
    assert_eq!(ran.integral(Gauge::SnapshotArchivedBytes), 100.0 * 15.0);
    assert_eq!(ran.totals.gauge(Gauge::SnapshotBytes).max(), Some(100));
    assert_eq!(ran.end(), 36.0);
}

#[test]
fn a_turn_that_begins_as_its_snapshot_would_be_archived_finds_it() {
    // Saved at 2: to be archived at 12, what asks then comes first.
    for (think, archived) in [(11.0, 0), (11.000_000_001, 1)] {
        let ran = Case::on(&saving(", archive: {after: 10s, restore: 4s}"))
            .session(0.0, &turns(&[turn(0.0, 1.0), turn(think, 1.0)]))
            .run();
        assert_eq!(ran.count(Counter::SnapshotsArchived), archived);
        assert_eq!(ran.metric(Metric::RestoreArchived).0, archived);
    }
}

#[test]
fn retention_counts_from_the_snapshot_through_the_archive() {
    // Saved at 2, archived at 12, expires at 17: the turn of 21 boots cold. Kept for 8 only, it
    // expires at 10 and never sees the archive.
    for (retention, first, archived) in [(15, 10.0, 5.0), (10, 10.0, 0.0), (8, 8.0, 0.0)] {
        let ran = Case::on(&saving(&format!(
            ", archive: {{after: 10s, restore: 4s}}, retention: {retention}s"
        )))
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 0.5)]))
        .run();
        assert_eq!(ran.count(Counter::SnapshotsExpired), 1, "{retention}");
        assert_eq!(ran.count(Counter::StateLost), 1);
        assert_eq!(ran.count(Counter::Restores), 0);
        assert_eq!(ran.integral(Gauge::SnapshotBytes), 100.0 * first);
        assert_eq!(ran.integral(Gauge::SnapshotArchivedBytes), 100.0 * archived);
        assert_eq!(ran.integral(Gauge::SandboxesHibernated), first + archived);
    }
}

#[test]
fn a_session_that_queues_for_its_restore_is_not_archived_meanwhile() {
    // One slot. A: 0..1, saved at 2, to be archived at 12. B takes the slot at 3 until 23. A is back
    // at 11 and waits until 23: restored by 25 as from the first store.
    let ran = Case::on(&saving(
        ", archive: {after: 10s, restore: 4s}, retention: 12s, \
           capacity: {elastic: {max_concurrent: 1}}",
    ))
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(10.0, 1.0)]))
    .session(3.0, &turn(0.0, 20.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 12.0));
    assert_eq!(ran.metric(Metric::Restore), (1, 2.0));
    assert_eq!(ran.integral(Gauge::SnapshotArchivedBytes), 0.0);
    assert_eq!(ran.end(), 26.0);
}

#[test]
fn an_abandoned_session_is_archived_and_expires() {
    // Over at 1, saved at 2, archived at 12, gone at 32; measured to 50.
    let ran = Case::on(&saving(", archive: {after: 10s}, retention: 30s"))
        .experiment("{start: empty, warmup: none, measure: 50s, replications: 1}")
        .abandoned(0.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.integral(Gauge::SnapshotBytes), 100.0 * 10.0);
    assert_eq!(ran.integral(Gauge::SnapshotArchivedBytes), 100.0 * 20.0);
    assert_eq!(ran.count(Counter::SnapshotsExpired), 1);
    assert_eq!(ran.count(Counter::StateLost), 0);
}

#[test]
fn a_full_store_boots_nothing_new_until_a_snapshot_is_gone() {
    // Room for less than 150 B. A and B, abandoned, are saved at 2 and 3: 200 B. C at 5 waits until
    // A's expires at 12. An archive at 7 makes room as well: A's then, C boots at 7.
    for (rest, waited) in [("retention: 10s", 7.0), ("archive: {after: 5s}", 2.0)] {
        let ran = Case::on(&saving(&format!(", storage_quota: 150B, {rest}")))
            .abandoned(0.0, &turn(0.0, 1.0))
            .abandoned(0.0, &turn(0.0, 2.0))
            .session(5.0, &turn(0.0, 1.0))
            .run();
        assert_eq!(ran.metric(Metric::QueueWait), (3, waited), "{rest}");
        assert_eq!(ran.integral(Gauge::QueueLength), waited);
        assert_eq!(ran.end(), 6.0 + waited);
    }
}

#[test]
fn restores_need_no_room_in_the_store_but_keep_their_place_in_the_queue() {
    // A and B are saved at 2 and 3: 200 B of 150. C at 3.5 waits to boot. B is back at 4. With backfill
    // it passes C: restored by 6, over at 7, its snapshot gone: C boots at 7. Without, both wait until
    // A's expires at 12.
    for (backfill, new, resumed) in [("true", 3.5, 0.0), ("false", 8.5, 8.0)] {
        let ran = Case::on(&saving(&format!(
            ", storage_quota: 150B, retention: 10s, queue: {{backfill: {backfill}}}"
        )))
        .abandoned(0.0, &turn(0.0, 1.0))
        .session(0.0, &turns(&[turn(0.0, 2.0), turn(2.0, 1.0)]))
        .session(3.5, &turn(0.0, 1.0))
        .run();
        assert_eq!(ran.metric(Metric::QueueWaitNew), (3, new), "{backfill}");
        assert_eq!(ran.metric(Metric::QueueWaitResume), (1, resumed), "{backfill}");
    }
}

#[test]
fn a_pool_does_not_boot_into_a_full_store_either() {
    // Boots of 1. A claims the place of 0 at 1, is over at 2, abandoned, and saved at 3: 100 B of 100.
    // B claims the place of 1 at 5; the next waits until A's snapshot expires at 13. C at 6 waits
    // for the store and gets room at 13, before the place.
    let ran = Case::on(
        "{isolation: {container: {boot: 1s, snapshot: {filesystem: {base: 100B}}}}, \
          idle: {timeout: 1s, then: hibernate}, retention: 10s, storage_quota: 100B, \
          pool: {fixed: {size: 1}}}",
    )
    .abandoned(1.0, &turn(0.0, 1.0))
    .session(5.0, &turn(0.0, 20.0))
    .session(6.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::PoolClaims), 2);
    assert_eq!(ran.metric(Metric::QueueWait), (1, 7.0));
    assert_eq!(ran.metric(Metric::ColdStart), (1, 8.0));
    // 0..1, 1..5, 13..25.
    assert_eq!(ran.integral(Gauge::SandboxesPool), 1.0 + 4.0 + 12.0);
}
