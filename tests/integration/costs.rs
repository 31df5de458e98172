//! What hosts, pools and stores cost, worked out by hand.
//!
//! Times in comments are seconds; $3.6 an hour are $0.001 a second. Sandboxes have 1 vCPU and 2 GiB.

use plimsoll::measure::Counter;

use super::kit::{Case, close};
use super::script::{turn, turns};

const EXACT: f64 = 1e-9;

#[test]
fn hosts_are_paid_while_they_are_up_and_idle_memory_is_shown() {
    // Two hosts of 10 GiB, up 0..20. One sandbox 0..20, idle 10..15: of $0.04, 2/10 · 5 s are idle; 2/10 ·
    // 20 s are reserved, the rest is not. Promised twice, a byte costs half.
    for (more, idle, unreserved) in
        [("", 0.001, 0.036), (", overcommit: {memory: 200%}", 0.0005, 0.038)]
    {
        let cost = Case::on(&format!(
            "{{isolation: {{container: {{}}}}, capacity: {{hosts: {{min: 2, cores: 8, \
               memory: 10GiB, price: $3.6/h{more}}}}}}}"
        ))
        .session(0.0, &turns(&[turn(0.0, 10.0), turn(5.0, 5.0)]))
        .run()
        .cost();
        close("compute", cost.compute, 0.04, EXACT);
        close("idle", cost.compute_idle, idle, EXACT);
        close("unreserved", cost.compute_unreserved, unreserved, EXACT);
        close("tco", cost.tco, 0.04, EXACT);
        close("share", cost.idle_cost_share.unwrap(), idle / 0.04, EXACT);
        close("a session", cost.per_session.unwrap(), 0.04, EXACT);
        assert_eq!(cost.unpriced, ["tokens of default"]);
    }
}

#[test]
fn boots_of_hosts_are_paid_if_the_card_says_so() {
    // Asked at 0, started at 10, up at 15, done at 20: 5 up and 5 booting.
    for (bill_boot, paid) in [(false, 0.005), (true, 0.010)] {
        let cost = Case::on(&format!(
            "{{isolation: {{container: {{}}}}, capacity: {{hosts: {{min: 0, max: 1, cores: 8, \
               memory: 10GiB, boot: 5s, price: $3.6/h, bill_boot: {bill_boot}, \
               autoscaler: {{interval: 10s}}}}}}}}"
        ))
        .session(0.0, &turn(0.0, 5.0))
        .run()
        .cost();
        close("compute", cost.compute, paid, EXACT);
        close("tco", cost.tco, paid, EXACT);
    }
}

#[test]
fn each_type_of_host_has_its_price() {
    // Big, $0.001 a second, and small, $0.0001, up 0..10. The sandbox, idle 4..9, is on small.
    let cost = Case::on(
        "{isolation: {container: {}}, capacity: {hosts: { \
          big: {cores: 8, memory: 10GiB, price: $3.6/h, placement: best-fit}, \
          small: {cores: 8, memory: 4GiB, price: $0.36/h}}}}",
    )
    .session(0.0, &turns(&[turn(0.0, 4.0), turn(5.0, 1.0)]))
    .run()
    .cost();
    close("compute", cost.compute, 0.011, EXACT);
    close("idle", cost.compute_idle, 0.5 * 5.0 * 0.0001, EXACT);
    close("unreserved", cost.compute_unreserved, 0.010 + 0.5 * 10.0 * 0.0001, EXACT);
}

#[test]
fn a_pools_share_of_a_host_is_the_pools() {
    // One place of 2 GiB, booting or ready, on a host of 10 GiB all of 0..20: a fifth of $0.02. The
    // sandbox claimed at 10 is the session's.
    let cost = Case::on(
        "{isolation: {container: {boot: 5s}}, pool: {fixed: {size: 1}}, \
          capacity: {hosts: {cores: 8, memory: 10GiB, price: $3.6/h}}}",
    )
    .session(10.0, &turn(0.0, 10.0))
    .run()
    .cost();
    close("pool", cost.pool, 0.004, EXACT);
    close("compute", cost.compute, 0.016, EXACT);
    close("unreserved", cost.compute_unreserved, 0.02 - 0.004 - 0.002, EXACT);
    close("tco", cost.tco, 0.02, EXACT);
    close("share", cost.idle_cost_share.unwrap(), 0.2, EXACT);
}

#[test]
fn an_elastic_pool_is_paid_from_ready_or_from_its_begin() {
    // $0.001 a vCPU-second. Places ready 5..10 and 15..20, booting 0..5 and 10..15; the session has its
    // sandbox 10..20.
    for (from, pool) in [("ready", 0.010), ("create", 0.020)] {
        let cost = Case::on(&format!(
            "{{isolation: {{container: {{boot: 5s}}}}, pool: {{fixed: {{size: 1}}}}, \
               rates: {{compute: {{vcpu: $3.6/h, bill_from: {from}}}}}}}"
        ))
        .session(10.0, &turn(0.0, 10.0))
        .run()
        .cost();
        close("pool", cost.pool, pool, EXACT);
        close("compute", cost.compute, 0.010, EXACT);
        close("tco", cost.tco, 0.010 + pool, EXACT);
    }
}

#[test]
fn a_session_that_claims_has_started_like_any_other() {
    // $1 a session: one claims at 10, one boots cold at 11.
    let ran = Case::on(
        "{isolation: {container: {boot: 5s}}, pool: {fixed: {size: 1}}, \
          rates: {compute: {session: $1}}}",
    )
    .session(10.0, &turn(0.0, 1.0))
    .session(11.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::PoolClaims), 1);
    close("compute", ran.cost().compute, 2.0, EXACT);
}

#[test]
fn snapshots_are_paid_where_they_lie_and_by_the_request() {
    // As in `archive`: 1 GiB 2..12 and 27..36 in the first store at $0.0001 a second, 12..27 in the
    // archive at a tenth. Two put, two got.
    let cost = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {base: 1GiB}}, restore: {fixed: 2s}}}, \
          idle: {timeout: 1s, then: hibernate}, archive: {after: 10s, restore: 4s}, \
          rates: {storage: $0.36/GiB-h, archive: $0.036/GiB-h, \
                  storage_requests: {put: $0.01, get: $0.001}}}",
    )
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 1.0), turn(5.0, 1.0)]))
    .run()
    .cost();
    close("storage", cost.storage, 0.0019 + 0.00015, EXACT);
    close("requests", cost.storage_requests, 0.022, EXACT);
    close("tco", cost.tco, 0.0019 + 0.00015 + 0.022, EXACT);
}
