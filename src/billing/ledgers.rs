//! More ledgers worked out by hand: each billing shape, idle windows, rounding, grants, hosts.
//!
//! `$3600/h` is $1 for a vCPU-second, `$3600/GiB-h` $1 for a GiB-second.

use indexmap::IndexMap;

use super::tests::{card, close, rates};
use super::{
    ConsumedLedger, Cost, HostLedger, HostRates, Phases, Rates, RoundedLedger, TokenLedger, Usage,
    lacks, price,
};

const DAY: f64 = 86_400.0;
const GIB: f64 = 1_073_741_824.0;

fn phases(starting: f64, turn: f64, idle: f64) -> Phases {
    Phases { starting, turn, idle, ..Phases::default() }
}

/// A sandbox of 1 vCPU and 2 GiB that was in a turn for an hour, a share of which its CPU was busy.
fn busy_hour(busy: f64) -> Usage {
    Usage {
        measured_s: 3600.0,
        vcpu_seconds: phases(0.0, 3600.0, 0.0),
        gib_seconds: phases(0.0, 7200.0, 0.0),
        cpu_seconds_served: 3600.0 * busy,
        ..Usage::default()
    }
}

/// Sandboxes of 1 vCPU and 4 GiB: 10 s starting, 40 s in turns, 50 s idle; 8 CPU-seconds served.
fn mixed() -> Usage {
    Usage {
        measured_s: 100.0,
        vcpu_seconds: phases(10.0, 40.0, 50.0),
        gib_seconds: phases(40.0, 160.0, 200.0),
        cpu_seconds_served: 8.0,
        sandbox_seconds: Some(phases(10.0, 40.0, 50.0)),
        ..Usage::default()
    }
}

fn rounded(round: &str, from: &str) -> RoundedLedger {
    RoundedLedger::new(serde_yaml::from_str(round).unwrap(), serde_yaml::from_str(from).unwrap())
}

fn of(cost: &Cost, what: &str) -> f64 {
    let lines = cost.lines.iter().filter(|line| line.what == what);
    lines.map(|line| line.amount).sum()
}

#[test]
fn active_cpu_and_provisioned_memory() {
    // Cloudflare at 30 %: 0.3 × 0.072 + 2 × 0.009 = 0.0216 + 0.018 = 0.0396; busy all along 0.09.
    let rates = rates(
        "compute: {shape: active-cpu-provisioned-memory, vcpu: $0.072/h, memory: $0.009/GiB-h}",
        &[],
    );
    close(price(&busy_hour(0.3), &rates).tco, 0.0396);
    close(price(&busy_hour(1.0), &rates).tco, 0.09);
}

#[test]
fn an_idle_sandbox_has_provisioned_memory_and_no_active_cpu() {
    // 8 CPU-s × 1 in turns; memory 160 in turns, 200 idle: 368, of it 200 idle. Waiting in turns pays for
    // memory alone: 160 × (1 − 8 / 40) = 128.
    let shape = "shape: active-cpu-provisioned-memory, vcpu: $3600/h, memory: $3600/GiB-h";
    let full = price(&mixed(), &rates(&format!("compute: {{{shape}}}"), &[]));
    close(full.tco, 368.0);
    close(full.compute_idle, 200.0);
    close(full.turn_wait_cost_share.unwrap(), 128.0 / 368.0);
    // From creation, memory of 40 GiB-s while starting too; the CPU of a boot is not metered.
    let create = rates(&format!("compute: {{{shape}, bill_from: create}}"), &[]);
    close(price(&mixed(), &create).tco, 408.0);
}

#[test]
fn active_cpu_and_consumed_memory_with_a_floor() {
    // AgentCore at 30 %: one sandbox-hour; 0.125 GiB is the floor, 1.875 GiB-hours above it.
    // 0.3 × 0.0895 + (0.125 + 1.875) × 0.00945 = 0.02685 + 0.0189 = 0.04575.
    let usage = Usage {
        sandbox_seconds: Some(phases(0.0, 3600.0, 0.0)),
        consumed: Some(ConsumedLedger {
            floor_bytes: 128 << 20,
            peak: false,
            gib_seconds_above: phases(0.0, 1.875 * 3600.0, 0.0),
        }),
        ..busy_hour(0.3)
    };
    let shape = "shape: active-cpu-consumed-memory, memory_floor: 128MiB";
    let v1 = rates(&format!("compute: {{{shape}, vcpu: $0.0895/h, memory: $0.00945/GiB-h}}"), &[]);
    close(price(&usage, &v1).tco, 0.04575);
    // With the CPU busy all along and V2's prices: 0.1276 + 2 × 0.0169 = 0.1614.
    let v2 = rates(&format!("compute: {{{shape}, vcpu: $0.1276/h, memory: $0.0169/GiB-h}}"), &[]);
    let busy = Usage { cpu_seconds_served: 3600.0, ..usage };
    close(price(&busy, &v2).tco, 0.1614);
}

#[test]
fn an_idle_sandbox_consumes_the_floor() {
    // Floor 0.5 GiB: 40 s of turns 20, 50 s idle 25, 10 s starting 5; above it 30 in turns, 4 idle.
    let usage = Usage {
        consumed: Some(ConsumedLedger {
            floor_bytes: 512 << 20,
            peak: true,
            gib_seconds_above: phases(0.0, 30.0, 4.0),
        }),
        ..mixed()
    };
    let text = |more: &str| {
        format!(
            "compute: {{shape: active-cpu-consumed-memory, memory: $3600/GiB-h, \
             memory_floor: 512MiB, memory_level: peak{more}}}"
        )
    };
    let full = price(&usage, &rates(&text(""), &[]));
    close(full.tco, 20.0 + 30.0 + 25.0 + 4.0);
    close(full.compute_idle, 29.0);
    close(price(&usage, &rates(&text(", bill_from: create"), &[])).tco, 84.0);
    let none = price(&usage, &rates(&text(", bill_idle: none"), &[]));
    close(none.tco, 50.0);
    close(none.compute_idle, 0.0);
    // Another floor, or what is held now instead of the peak, was not recorded.
    let other = rates(&text("").replace("512MiB", "1GiB"), &[]);
    assert_eq!(lacks(&usage, &other), ["memory consumed above 1GiB"]);
    assert_eq!(price(&usage, &other).unpriced, ["memory consumed above 1GiB (not recorded)"]);
}

#[test]
fn sessions_by_the_started_hour() {
    // ACA: two sessions of 10 and 70 minutes are one and two hours, at $0.03: 0.09.
    // Held 4800 s; rounding adds 50 and 50 minutes, 6000 s.
    let usage = Usage {
        measured_s: DAY,
        sessions_started: 2.0,
        vcpu_seconds: phases(0.0, 4800.0, 0.0),
        sandbox_seconds: Some(phases(0.0, 4800.0, 0.0)),
        rounded: Some(RoundedLedger {
            holdings: 2.0,
            seconds: phases(0.0, 6000.0, 0.0),
            ..rounded("{to: 1h}", "create")
        }),
        ..Usage::default()
    };
    let text = "compute: {shape: session, session: $0.03/h, bill_from: create, round: {to: 1h}}";
    let cost = price(&usage, &rates(text, &[]));
    close(cost.compute, 0.09);
    assert_eq!(cost.unpriced, Vec::<String>::new());
    // Without rounding 4800 / 3600 × 0.03; each session once is 2 × 0.03.
    let plain = "compute: {shape: session, session: $0.03/h, bill_from: create}";
    close(price(&usage, &rates(plain, &[])).compute, 0.04);
    close(price(&usage, &rates("compute: {shape: session, session: $0.03}", &[])).compute, 0.06);
}

#[test]
fn what_rounding_adds_is_charged_where_it_belongs() {
    // Rounding adds 6 vCPU-s to turns, 3 to idle, 1 to the pool: 46 + 53 in compute, 1 in the pool.
    let usage = Usage {
        rounded: Some(RoundedLedger {
            holdings: 1.0,
            vcpu_seconds: Phases { pool: 1.0, ..phases(0.0, 6.0, 3.0) },
            ..rounded("{to: 20s}", "ready")
        }),
        ..mixed()
    };
    let full = price(&usage, &rates("compute: {vcpu: $3600/h, round: {to: 20s}}", &[]));
    close(full.compute, 99.0);
    close(full.compute_idle, 53.0);
    close(full.pool, 1.0);
    close(of(&full, "vCPU in turns, rounded up"), 6.0);
    // Idle windows are free, and so is what rounding adds to them.
    let none = "compute: {vcpu: $3600/h, round: {to: 20s}, bill_idle: none}";
    close(price(&usage, &rates(none, &[])).tco, 47.0);
    // A card that rounds otherwise cannot be applied, nor one that counts from creation.
    let hour = rates("compute: {vcpu: $3600/h, round: {to: 1h}}", &[]);
    assert_eq!(lacks(&usage, &hour), ["holdings rounded up (each holding to a multiple of 1h)"]);
    let create = "compute: {vcpu: $3600/h, round: {to: 20s}, bill_from: create}";
    assert_eq!(lacks(&usage, &rates(create, &[])).len(), 1);
    // One that does not round can.
    let plain = rates("compute: {vcpu: $3600/h}", &[]);
    assert_eq!(lacks(&usage, &plain), Vec::<String>::new());
    close(price(&usage, &plain).tco, 90.0);
}

#[test]
fn rounding_is_of_time_and_leaves_active_cpu_alone() {
    // 8 CPU-s are 8; memory 160 + 200 and 24 + 12 that rounding adds.
    let usage = Usage {
        rounded: Some(RoundedLedger {
            vcpu_seconds: phases(0.0, 6.0, 3.0),
            gib_seconds: phases(0.0, 24.0, 12.0),
            ..rounded("{min: 1min}", "ready")
        }),
        ..mixed()
    };
    let text = "compute: {shape: active-cpu-provisioned-memory, vcpu: $3600/h, \
                memory: $3600/GiB-h, round: {min: 1min}}";
    close(price(&usage, &rates(text, &[])).tco, 8.0 + 360.0 + 36.0);
}

#[test]
fn idle_sandboxes_have_their_own_prices() {
    // Turns: 40 × 1 + 160 × 0.5 = 120; idle: 50 × 0.125 + 200 × 0.5 = 106.25.
    let text = "compute: {vcpu: $3600/h, memory: $1800/GiB-h, \
                bill_idle: {vcpu: $450/h, memory: $1800/GiB-h}}";
    let cost = price(&mixed(), &rates(text, &[]));
    close(cost.compute, 226.25);
    close(cost.compute_idle, 106.25);
}

#[test]
fn grants_are_of_thirty_days_and_pro_rata() {
    // Three days of 30: a tenth of the grants. 180,000 vCPU-s: 18,000 of 60,000 are free, 42,000 × $0.000024
    // = 1.008. 360,000 GiB-s: 36,000 of 120,000 are free, 84,000 × $0.000003 = 0.252.
    let usage = Usage {
        measured_s: 3.0 * DAY,
        vcpu_seconds: phases(0.0, 60_000.0, 0.0),
        gib_seconds: phases(0.0, 120_000.0, 0.0),
        ..Usage::default()
    };
    let text = "compute: {vcpu: $0.0864/h, memory: $0.0108/GiB-h, \
                free: {vcpu_seconds: 180000, gib_seconds: 360000}}";
    let cost = price(&usage, &rates(text, &[]));
    close(cost.compute, 1.26);
    close(of(&cost, "vCPU in turns, free"), -18_000.0 * 0.000_024);
    // A grant is never paid out: of 9,000 vCPU-s and 30,000 GiB-s nothing is charged.
    let small = Usage {
        vcpu_seconds: phases(0.0, 9_000.0, 0.0),
        gib_seconds: phases(0.0, 30_000.0, 0.0),
        ..usage
    };
    let free = price(&small, &rates(text, &[]));
    assert!(free.tco.abs() < 1e-12, "{}", free.tco);
}

#[test]
fn a_grant_is_spread_over_what_is_charged() {
    // 40 in turns and 50 idle are charged (starts are not): 18 of 90 free is a fifth of each. Turns 32 at
    // $1, idle 40 at $0.1: 36. The grant of 100 s of 30 days: 466,560 × 100 / 2,592,000 = 18.
    let text = |idle: &str| {
        format!("compute: {{vcpu: $3600/h, bill_idle: {idle}, free: {{vcpu_seconds: 466560}}}}")
    };
    let cost = price(&mixed(), &rates(&text("{vcpu: $360/h}"), &[]));
    close(cost.tco, 36.0);
    close(cost.compute_idle, 4.0);
    // Where idle windows are free, the grant goes to turns alone: 40 − 18 = 22.
    close(price(&mixed(), &rates(&text("none"), &[])).tco, 22.0);
}

#[test]
fn pool_places_are_charged_as_pool() {
    // Ready places 30 vCPU-s and 60 GiB-s, 5 and 10 while they booted: 90, from creation 105.
    let usage = Usage {
        measured_s: 100.0,
        vcpu_seconds: Phases { pool_starting: 5.0, pool: 30.0, ..Phases::default() },
        gib_seconds: Phases { pool_starting: 10.0, pool: 60.0, ..Phases::default() },
        ..Usage::default()
    };
    let text =
        |from: &str| format!("compute: {{vcpu: $3600/h, memory: $3600/GiB-h, bill_from: {from}}}");
    let ready = price(&usage, &rates(&text("ready"), &[]));
    close(ready.pool, 90.0);
    close(ready.compute, 0.0);
    close(ready.idle_cost_share.unwrap(), 1.0);
    close(price(&usage, &rates(&text("create"), &[])).pool, 105.0);
}

fn fleet(bill_boot: bool) -> Rates {
    let host = HostRates { price: "$3600/h".parse().unwrap(), bill_boot };
    Rates { hosts: IndexMap::from([("host".to_owned(), host)]), ..Rates::default() }
}

#[test]
fn hosts_are_charged_by_up_time_and_shared_by_memory() {
    // 100 s up at $1. 10 GiB promised twice: 20. 600 GiB-s reserved are 30 s, of them 200 idle (10 s) and
    // 100 pool (5 s): compute 95, of it 10 idle and 70 not reserved; pool 5. Boots of 40 s if asked.
    let ledger = HostLedger {
        up_seconds: 100.0,
        boot_seconds: 40.0,
        reserved_byte_seconds: 600.0 * GIB,
        idle_byte_seconds: 200.0 * GIB,
        pool_byte_seconds: 100.0 * GIB,
        memory_bytes: 20.0 * GIB,
    };
    let usage = Usage {
        measured_s: 100.0,
        hosts: IndexMap::from([("host".to_owned(), ledger)]),
        ..Usage::default()
    };
    let cost = price(&usage, &fleet(false));
    close(cost.tco, 100.0);
    close(cost.compute, 95.0);
    close(cost.compute_idle, 10.0);
    close(cost.compute_unreserved, 70.0);
    close(cost.pool, 5.0);
    close(cost.idle_cost_share.unwrap(), 0.15);
    close(price(&usage, &fleet(true)).tco, 140.0);
}

#[test]
fn a_store_charges_what_lies_there_and_each_request() {
    // 90 GiB-days are 3 GiB-months: at $0.1 0.3; 60 archived GiB-days 2 × 0.01 = 0.02; 50 puts at $0.001
    // and 20 gets at $0.0005: 0.06.
    let usage = Usage {
        measured_s: DAY,
        snapshot_byte_seconds: 90.0 * GIB * DAY,
        archived_byte_seconds: 60.0 * GIB * DAY,
        snapshots_put: 50.0,
        snapshots_got: 20.0,
        ..Usage::default()
    };
    let text = "{storage: $0.1/GiB-month, archive: $0.01/GiB-month, \
                storage_requests: {put: $0.001, get: $0.0005}}";
    let cost = price(&usage, &rates(text, &[]));
    close(cost.storage, 0.32);
    close(cost.storage_requests, 0.06);
    close(of(&cost, "archived snapshots"), 0.02);
}

#[test]
fn requests_and_what_leaves_are_charged() {
    // 3M turns at $0.4 a million and 5M tool calls at $0.2 a million: 1.2 + 1. 500M prompt tokens of 4 B are
    // 2 GB; a tenth of the month's free 5 GB is 0.5 GB: 1.5 × 0.05 = 0.075.
    let tokens = TokenLedger {
        input: 500e6,
        cached: 300e6,
        output: 1e6,
        written: None,
        long: None,
        provisioned: None,
    };
    let usage = Usage {
        measured_s: 3.0 * DAY,
        turns: 3e6,
        tool_calls: 5e6,
        tokens: IndexMap::from([("m".to_owned(), tokens)]),
        ..Usage::default()
    };
    let text = "{requests: {turn: $0.0000004, tool_call: $0.0000002}, \
                egress: {price: $0.05/GB, free: 5GB}}";
    let cost = price(&usage, &rates(text, &[("m", "{input: $0/Mtok}")]));
    close(cost.requests, 2.2);
    close(cost.egress, 0.075);
    close(cost.tco, 2.275);
}

#[test]
fn a_ledger_has_a_price_at_every_card() {
    // The same busy hour at 30 %: E2B 0.0828, Foundry 0.123, Cloudflare 0.0396.
    let cards = [
        ("compute: {vcpu: $0.0504/h, memory: $0.0162/GiB-h}", 0.0828),
        ("compute: {vcpu: $0.0994/h, memory: $0.0118/GiB-h}", 0.123),
        (
            "compute: {shape: active-cpu-provisioned-memory, vcpu: $0.072/h, memory: $0.009/GiB-h}",
            0.0396,
        ),
    ];
    for (text, expected) in cards {
        close(price(&busy_hour(0.3), &rates(text, &[])).tco, expected);
    }
}

#[test]
fn each_amount_names_its_price_and_rule() {
    let text = "compute: {vcpu: $0.0994/h, bill_from: create}";
    let cost = price(&mixed(), &rates(text, &[]));
    // 10, 40 and 50 seconds in hours, to nine digits.
    let digits = |value: f64| (value * 1e9).round() / 1e9;
    let told: Vec<String> = cost
        .lines
        .iter()
        .map(|line| {
            let (quantity, amount) = (digits(line.quantity), digits(line.amount));
            format!("{quantity} {} × {} = {amount}", line.unit, line.rate)
        })
        .collect();
    assert_eq!(
        told,
        [
            "0.002777778 vCPU-h × $0.0994/h = 0.000276111",
            "0.011111111 vCPU-h × $0.0994/h = 0.001104444",
            "0.013888889 vCPU-h × $0.0994/h = 0.001380556",
        ]
    );
    for line in &cost.lines {
        assert_eq!(line.part.name(), "compute");
        assert_eq!(
            (line.rule.as_str(), line.key.as_str()),
            ("allocated, from create", "platform.rates.compute.vcpu")
        );
    }
    let memory = price(
        &mixed(),
        &rates("{compute: {memory: $0.00945/GiB-h}, platform_fee: $150/month}", &[]),
    );
    let shown: Vec<&str> = memory.lines.iter().map(|line| line.rate.as_str()).collect();
    assert_eq!(shown, ["$0.00945/GiB-h", "$0.00945/GiB-h", "$150/month"]);
    assert!(cost.lines[2].idle && !cost.lines[1].idle);
}

#[test]
fn mean_ledgers_keep_what_only_some_cards_need() {
    let usage = |seconds: f64| Usage {
        sandbox_seconds: Some(phases(0.0, seconds, 0.0)),
        consumed: Some(ConsumedLedger {
            floor_bytes: 7,
            peak: true,
            gib_seconds_above: phases(0.0, 2.0 * seconds, 0.0),
        }),
        rounded: Some(RoundedLedger { holdings: seconds, ..rounded("{to: 1h}", "create") }),
        ..Usage::default()
    };
    let mean = Usage::mean([&usage(10.0), &usage(30.0)]);
    assert_eq!(mean.sandbox_seconds.unwrap().turn, 20.0);
    assert_eq!(mean.consumed.unwrap().gib_seconds_above.turn, 40.0);
    assert_eq!(mean.rounded.unwrap().holdings, 20.0);
    let read: Usage = serde_json::from_str(&serde_json::to_string(&mean).unwrap()).unwrap();
    assert_eq!(read, mean);
}

#[test]
fn cards_read_back_as_they_were_written() {
    for text in [
        "{shape: session, session: $0.03/h, round: {to: 1h, min: 0s}}",
        "{bill_idle: {vcpu: $0.0108/h, memory: $0.0108/GiB-h}, free: {vcpu_seconds: 5, gib_seconds: 6}}",
        "{bill_idle: none, session: $0.03, memory_floor: 128MiB, memory_level: peak}",
    ] {
        let card = card(&format!("compute: {text}"));
        let again: crate::scenario::types::RateCard =
            serde_json::from_str(&serde_json::to_string(&card).unwrap()).unwrap();
        assert_eq!(again, card, "{text}");
    }
}
