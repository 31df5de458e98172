//! What only some rate cards charge, metered by the simulator and worked out by hand: rounding,
//! consumed memory, the time of sandboxes.
//!
//! Times in comments are seconds. `$3600/h` is $1 for a vCPU-second, `$3600/GiB-h` $1 for a GiB-second;
//! sandboxes have 1 vCPU and 2 GiB.

use plimsoll::billing::{Cost, Rates};
use plimsoll::measure::reprice;
use plimsoll::scenario::types::RateCard;

use super::kit::{Case, close};
use super::script::{hungry, tool, turn, turn_with, turns};

const EXACT: f64 = 1e-9;
const GIB: u64 = 1 << 30;

/// A platform of containers with these other parts and compute rates.
fn on(more: &str, compute: &str) -> Case {
    Case::on(&format!(
        "{{isolation: {{container: {{boot: 0s}}}}, {more} rates: {{compute: {compute}}}}}"
    ))
}

/// Compute, its idle part, and the pool.
#[track_caller]
fn costs(cost: &Cost, compute: f64, idle: f64, pool: f64) {
    close("compute", cost.compute, compute, EXACT);
    close("idle", cost.compute_idle, idle, EXACT);
    close("pool", cost.pool, pool, EXACT);
    close("tco", cost.tco, compute + pool, EXACT);
}

#[test]
fn a_holding_is_rounded_up_over_its_turns_and_idle_windows() {
    // Held 0..20, idle 10..15. To a minute 40 more: 30 for turns, 10 idle.
    let case = |idle: &str| {
        on("", &format!("{{vcpu: $3600/h, round: {{to: 1min}}, bill_idle: {idle}}}"))
            .session(0.0, &turns(&[turn(0.0, 10.0), turn(5.0, 5.0)]))
            .run()
            .cost()
    };
    costs(&case("full"), 60.0, 15.0, 0.0);
    costs(&case("none"), 45.0, 0.0, 0.0);
    costs(&case("{vcpu: $360/h}"), 45.0 + 1.5, 1.5, 0.0);
}

#[test]
fn each_holding_is_rounded_by_itself() {
    // Idle for 5 of 100, then killed: held 0..15 and 110..120. A minute each; 45 more are 30 for the turn and
    // 15 idle, 50 more are for the turn.
    let cost = on("idle: {timeout: 5s, then: kill},", "{vcpu: $3600/h, round: {min: 1min}}")
        .session(0.0, &turns(&[turn(0.0, 10.0), turn(100.0, 10.0)]))
        .run()
        .cost();
    costs(&cost, 120.0, 20.0, 0.0);
    // What is longer than the least stays as it is: 10 becomes 30, 90 stays.
    let cost = on("", "{vcpu: $3600/h, round: {min: 30s}}")
        .session(0.0, &turn(0.0, 10.0))
        .session(0.0, &turn(0.0, 90.0))
        .run()
        .cost();
    costs(&cost, 120.0, 0.0, 0.0);
}

#[test]
fn a_slot_is_held_until_its_snapshot_is_done() {
    // Turn 0..10, idle to 15, saved to 17: to 20 are 3 more, 10/17 of them the turn's. The next turn
    // restores at 110 and holds 110..120 without surplus.
    let case = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {fixed: 2s}}}}, \
          idle: {timeout: 5s, then: hibernate}, \
          rates: {compute: {memory: $3600/GiB-h, round: {to: 10s}}}}",
    );
    let cost = case.session(0.0, &turns(&[turn(0.0, 10.0), turn(100.0, 10.0)])).run().cost();
    let (busy, idle) = (2.0 * (10.0 + 30.0 / 17.0), 2.0 * (7.0 + 21.0 / 17.0));
    costs(&cost, busy + idle + 20.0, idle, 0.0);
}

#[test]
fn a_holding_counts_from_where_it_is_charged() {
    // Boots 0..10, turn to 15. From creation 15 are 24, from ready 5 are 12.
    for (from, paid) in [("create", 24.0), ("ready", 12.0)] {
        let cost = Case::on(&format!(
            "{{isolation: {{container: {{boot: 10s}}}}, \
               rates: {{compute: {{vcpu: $3600/h, round: {{to: 12s}}, bill_from: {from}}}}}}}"
        ))
        .session(0.0, &turn(0.0, 5.0))
        .run()
        .cost();
        costs(&cost, paid, 0.0, 0.0);
    }
}

#[test]
fn a_boot_that_fails_is_charged_from_creation_alone() {
    // It boots 0..5 in vain; a minute at least, or nothing: it was never ready.
    for (from, paid) in [("create", 60.0), ("ready", 0.0)] {
        let line = r#"{"session": 0, "arrival_s": 0, "turns": [TURN], "faults": {"boot": [true]}}"#;
        let cost = Case::on(&format!(
            "{{isolation: {{container: {{boot: 5s}}}}, \
               rates: {{compute: {{vcpu: $3600/h, round: {{min: 1min}}, bill_from: {from}}}}}}}"
        ))
        .line(line.replace("TURN", &turn(0.0, 5.0)))
        .run()
        .cost();
        costs(&cost, paid, 0.0, 0.0);
    }
}

#[test]
fn a_claimed_place_is_one_holding_and_its_surplus_is_shared() {
    // Ready at 5, claimed at 10, over at 20: 15 become 20, a third of the 5 more is the pool's. The next
    // place boots 10..15 and is held at the end: 5 become 20, all of the pool.
    let case = |more: &str| {
        Case::on(&format!(
            "{{isolation: {{container: {{boot: 5s}}}}, pool: {{fixed: {{size: 1}}}}, \
               rates: {{compute: {{{more}, round: {{to: 20s}}}}}}}}"
        ))
        .session(10.0, &turn(0.0, 10.0))
        .run()
        .cost()
    };
    let (turn_part, pool) = (10.0 + 10.0 / 3.0, 5.0 + 5.0 / 3.0 + 20.0);
    costs(&case("vcpu: $3600/h"), turn_part, 0.0, pool);
    costs(&case("memory: $3600/GiB-h"), 2.0 * turn_part, 0.0, 2.0 * pool);
    // By the time of sandboxes it is the same.
    costs(&case("shape: session, session: $3600/h"), turn_part, 0.0, pool);
}

#[test]
fn what_is_held_at_the_end_is_rounded_there() {
    // Measured 10..30. One session is held 0..100: at the end 30, rounded to 60, 30 more on the 20
    // measured. One was over at 5, before it began.
    let cost = on("", "{vcpu: $3600/h, round: {to: 1min}}")
        .experiment("{start: empty, warmup: 10s, measure: 20s, replications: 1}")
        .session(0.0, &turn(0.0, 100.0))
        .session(0.0, &turn(0.0, 5.0))
        .run()
        .cost();
    costs(&cost, 50.0, 0.0, 0.0);
}

#[test]
fn the_time_of_sandboxes_is_charged_as_other_compute() {
    // Boots 0..10, turns 10..15 and 20..25, idle between.
    for (more, paid, idle) in
        [("", 15.0, 5.0), ("bill_from: create", 25.0, 5.0), ("bill_idle: none", 10.0, 0.0)]
    {
        let cost = Case::on(&format!(
            "{{isolation: {{container: {{boot: 10s}}}}, \
               rates: {{compute: {{shape: session, session: $3600/h, {more}}}}}}}"
        ))
        .session(0.0, &turns(&[turn(0.0, 5.0), turn(5.0, 5.0)]))
        .run()
        .cost();
        costs(&cost, paid, idle, 0.0);
    }
}

const CONSUMED: &str =
    "shape: active-cpu-consumed-memory, memory: $3600/GiB-h, memory_floor: 256MiB";

#[test]
fn consumed_memory_is_what_calls_hold_and_the_floor_at_least() {
    // Held 0..6: the floor of 0.25 is 1.5. One call of 1 GiB 2..6: 0.75 above for 4. Two side by side, the
    // other of 0.5 to 4: 1.25 above for 2, then 0.75 for 2. One below the floor adds nothing.
    let one = hungry(4.0, GIB);
    let two = format!("{one}, {}", hungry(2.0, GIB / 2));
    for (calls, above) in [(one, 3.0), (two, 4.0), (hungry(4.0, GIB / 8), 0.0)] {
        let cost = on("", &format!("{{{CONSUMED}}}"))
            .session(0.0, &turn_with(0.0, 2.0, &calls))
            .run()
            .cost();
        costs(&cost, 1.5 + above, 0.0, 0.0);
    }
}

#[test]
fn idle_sandboxes_consume_the_floor_or_the_peak() {
    // A call of 1 GiB 2..6, idle to 16, a turn without calls to 19. Held: the floor for 19 is 4.75, above it
    // 3; idle 2.5. Peak: 0.75 above from 2 on for 17 is 12.75; idle 10.
    let case = |more: &str| {
        on("", &format!("{{{CONSUMED}, {more}}}"))
            .session(0.0, &turns(&[turn_with(0.0, 2.0, &hungry(4.0, GIB)), turn(10.0, 3.0)]))
            .run()
            .cost()
    };
    costs(&case("memory_level: held"), 7.75, 2.5, 0.0);
    costs(&case("memory_level: peak"), 17.5, 10.0, 0.0);
    costs(&case("memory_level: peak, bill_idle: none"), 7.5, 0.0, 0.0);
}

#[test]
fn the_peak_begins_anew_with_each_sandbox() {
    // Killed after 1 idle second. Held 0..7 and 106..109; above the floor 0.75 in 2..7 only.
    let cost =
        on("idle: {timeout: 1s, then: kill},", &format!("{{{CONSUMED}, memory_level: peak}}"))
            .session(0.0, &turns(&[turn_with(0.0, 2.0, &hungry(4.0, GIB)), turn(100.0, 3.0)]))
            .run()
            .cost();
    costs(&cost, 0.25 * 10.0 + 0.75 * 5.0, 1.0, 0.0);
}

#[test]
fn a_call_that_is_killed_consumes_no_more() {
    // At 2 the first call takes 1.5 GiB, the second asks for 1 more and is killed, and the session fails.
    let calls = format!("{}, {}", hungry(4.0, GIB + GIB / 2), hungry(4.0, GIB));
    let cost = on("", &format!("{{{CONSUMED}}}"))
        .session(0.0, &turn_with(0.0, 2.0, &calls))
        .session(10.0, &turn(0.0, 4.0))
        .run()
        .cost();
    costs(&cost, 0.25 * 6.0, 0.0, 0.0);
}

#[test]
fn active_cpu_is_what_was_served_after_the_tiers_factor() {
    // 4 CPU-seconds at a factor of 1.5 are 6, on half a core 12 long; memory 2 GiB for 1 + 12.
    let cost = Case::on(
        "{isolation: {gvisor: {cpu_factor: 1.5}}, \
          rates: {compute: {shape: active-cpu-provisioned-memory, vcpu: $3600/h, memory: $3600/GiB-h}}}",
    )
    .session(0.0, &turn_with(0.0, 1.0, &tool(4.0, 0.5, 0.0, 0)))
    .run()
    .cost();
    costs(&cost, 6.0 + 26.0, 0.0, 0.0);
}

#[test]
fn active_cpu_is_what_was_served_in_the_measured_time() {
    // A call of 10 CPU-seconds 2..12, measured 5..10: 5 are served, and the call has not ended.
    let ran = on("", "{shape: active-cpu-provisioned-memory, vcpu: $3600/h}")
        .experiment("{start: empty, warmup: 5s, measure: 5s, replications: 1}")
        .session(0.0, &turn_with(0.0, 2.0, &tool(10.0, 1.0, 0.0, 0)))
        .run();
    costs(&ran.cost(), 5.0, 0.0, 0.0);
    assert_eq!(ran.record().usage.cpu_seconds_served, 0.0);
}

#[test]
fn a_run_is_priced_anew_or_refused_with_the_reason() {
    let case = |compute: &str| {
        on("", compute)
            .session(0.0, &turns(&[turn_with(0.0, 2.0, &hungry(4.0, GIB)), turn(10.0, 3.0)]))
            .run()
            .record()
    };
    let card = |compute: &str| Rates {
        platform: serde_yaml::from_str::<RateCard>(&format!("compute: {compute}")).unwrap(),
        ..case("{vcpu: $1/h}").cost.rates
    };
    let plain = case("{vcpu: $1/h}");
    let other = "{vcpu: $3600/h, memory: $1800/GiB-h, bill_idle: none}";
    let priced = reprice(&plain, &card(other)).expect("it charges what every run records");
    let simulated = case(other).cost;
    assert_eq!(priced.tco, simulated.tco);
    assert_eq!(priced.lines, simulated.lines);
    let refused = |compute: &str| reprice(&plain, &card(compute)).unwrap_err().join("; ");
    assert_eq!(
        refused("{vcpu: $1/h, round: {to: 1h}}"),
        "holdings rounded up (each holding to a multiple of 1h)"
    );
    assert_eq!(refused("{shape: session, session: $0.03/h}"), "sandbox time");
    assert_eq!(refused(&format!("{{{CONSUMED}}}")), "memory consumed above 256MiB; sandbox time");
    // Where the run's own card asked for it, another price of the same is no new run.
    let metered = case(&format!("{{{CONSUMED}}}"));
    let dearer = CONSUMED.replace("$3600", "$7200");
    let twice = reprice(&metered, &card(&format!("{{{dearer}}}"))).unwrap();
    close("twice", twice.tco, 2.0 * metered.cost.tco, EXACT);
}
