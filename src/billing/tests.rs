//! Ledgers whose cost is worked out by hand, and what holds for every ledger.

use indexmap::IndexMap;
use proptest::prelude::*;

use super::{
    Cost, CostKey, LongTokens, Phases, ProvisionedTokens, Rates, TokenLedger, Usage, price,
};
use crate::scenario::types::{ModelRates, RateCard};

pub(super) fn card(text: &str) -> RateCard {
    serde_yaml::from_str(text).unwrap()
}

pub(super) fn rates(platform: &str, models: &[(&str, &str)]) -> Rates {
    let models = models.iter().map(|(name, text)| {
        let rates: ModelRates = serde_yaml::from_str(text).unwrap();
        ((*name).to_owned(), rates)
    });
    Rates { platform: card(platform), models: models.collect(), ..Rates::default() }
}

fn tokens(name: &str, input: f64, cached: f64, output: f64) -> IndexMap<String, TokenLedger> {
    IndexMap::from([(
        name.to_owned(),
        TokenLedger { input, cached, output, written: None, long: None, provisioned: None },
    )])
}

#[track_caller]
pub(super) fn close(found: f64, expected: f64) {
    let distance = (found - expected).abs();
    assert!(distance <= 1e-12 * expected.abs().max(1e-3), "found {found}, expected {expected}");
}

const FOUNDRY: &str = "compute: {vcpu: $0.0994/h, memory: $0.0118/GiB-h}";

fn turn(vcpu_seconds: f64, gib_seconds: f64) -> Usage {
    Usage {
        measured_s: 3600.0,
        vcpu_seconds: Phases { turn: vcpu_seconds, ..Phases::default() },
        gib_seconds: Phases { turn: gib_seconds, ..Phases::default() },
        ..Usage::default()
    }
}

#[test]
fn foundry_one_vcpu_and_two_gib_for_an_hour() {
    // 1 × 0.0994 + 2 × 0.0118 = 0.123.
    let cost = price(&turn(3600.0, 7200.0), &rates(FOUNDRY, &[]));
    close(cost.compute, 0.123);
    close(cost.tco, 0.123);
    close(cost.per_day.unwrap(), 2.952); // 24 × 0.123
    close(cost.per_month.unwrap(), 88.56); // 720 × 0.123
    assert_eq!(cost.compute_idle, 0.0);
    assert_eq!(cost.unpriced, Vec::<String>::new());
}

#[test]
fn e2b_and_daytona_for_the_same_hour() {
    // 1 × 0.0504 + 2 × 0.0162 = 0.0828.
    let e2b = "compute: {vcpu: $0.0504/h, memory: $0.0162/GiB-h}";
    close(price(&turn(3600.0, 7200.0), &rates(e2b, &[])).tco, 0.0828);
}

#[test]
fn bill_from_create_charges_starts_and_from_ready_does_not() {
    let usage = Usage {
        measured_s: 100.0,
        vcpu_seconds: Phases { starting: 10.0, turn: 40.0, idle: 50.0, ..Phases::default() },
        ..Usage::default()
    };
    // $3600/h is $1 for each vCPU-second: 10 for starts, 40 for turns, 50 for idling.
    let ready = price(&usage, &rates("compute: {vcpu: $3600/h}", &[]));
    close(ready.compute, 90.0);
    close(ready.compute_idle, 50.0);
    let create = price(&usage, &rates("compute: {vcpu: $3600/h, bill_from: create}", &[]));
    close(create.compute, 100.0);
    close(create.idle_cost_share.unwrap(), 0.5);
}

#[test]
fn bill_idle_none_charges_no_idle_sandbox() {
    let usage = Usage {
        measured_s: 100.0,
        vcpu_seconds: Phases { starting: 0.0, turn: 40.0, idle: 60.0, ..Phases::default() },
        gib_seconds: Phases { starting: 0.0, turn: 80.0, idle: 120.0, ..Phases::default() },
        ..Usage::default()
    };
    // Turns: 40 × $1 + 80 GiB-s × $0.5 = 80; idle 60 + 60 = 120, or nothing.
    let full = price(&usage, &rates("compute: {vcpu: $3600/h, memory: $1800/GiB-h}", &[]));
    close(full.compute, 200.0);
    close(full.compute_idle, 120.0);
    let none = rates("compute: {vcpu: $3600/h, memory: $1800/GiB-h, bill_idle: none}", &[]);
    let none = price(&usage, &none);
    close(none.compute, 80.0);
    assert_eq!(none.compute_idle, 0.0);
    assert_eq!(none.idle_cost_share, Some(0.0));
}

#[test]
fn storage_is_by_byte_months_of_thirty_days() {
    // 5 GiB for 15 days at $0.1 a GiB-month: 5 × 0.5 × 0.1 = 0.25.
    let seconds = 15.0 * 86_400.0;
    let usage = Usage {
        measured_s: seconds,
        snapshot_byte_seconds: 5.0 * 1_073_741_824.0 * seconds,
        ..Usage::default()
    };
    let cost = price(&usage, &rates("storage: $0.1/GiB-month", &[]));
    close(cost.storage, 0.25);
    close(cost.per_month.unwrap(), 0.5);
    close(cost.idle_cost_share.unwrap(), 1.0);
}

#[test]
fn tokens_are_priced_by_uncached_cached_and_output_parts() {
    // 1M prompt tokens, 600K of them cached, 50K output at $5, $0.5 and $30 a million:
    // 0.4 × 5 = 2; 0.6 × 0.5 = 0.3; 0.05 × 30 = 1.5; together 3.8.
    let usage = Usage { turns: 19.0, tokens: tokens("gpt-5.5", 1e6, 6e5, 5e4), ..Usage::default() };
    let cost = price(
        &usage,
        &rates("{}", &[("gpt-5.5", "{input: $5/Mtok, cached: $0.5/Mtok, output: $30/Mtok}")]),
    );
    close(cost.tokens_input, 2.0);
    close(cost.tokens_cached, 0.3);
    close(cost.tokens_output, 1.5);
    close(cost.tco, 3.8);
    close(cost.per_turn.unwrap(), 0.2);
}

#[test]
fn cached_tokens_cost_as_uncached_ones_unless_said_otherwise() {
    // 1M prompt tokens at $5 a million, cached or not: 2 + 3 = 5.
    let usage = Usage { tokens: tokens("m", 1e6, 6e5, 0.0), ..Usage::default() };
    let cost = price(&usage, &rates("{}", &[("m", "{input: $5/Mtok, output: $30/Mtok}")]));
    close(cost.tokens_input, 2.0);
    close(cost.tokens_cached, 3.0);
    let free = price(
        &usage,
        &rates("{}", &[("m", "{input: $5/Mtok, cached: $0/Mtok, output: $30/Mtok}")]),
    );
    close(free.tco, 2.0);
}

#[test]
fn calls_with_a_long_prompt_have_their_own_prices() {
    // Short: 300K uncached × $1, 100K cached × $0.1, 30K output × $10: 0.3 + 0.01 + 0.3 = 0.61.
    // Long: 500K uncached × $2, 100K cached × $0.2, 20K output × $15: 1 + 0.02 + 0.3 = 1.32.
    let long = LongTokens { above: 272_000, input: 6e5, cached: 1e5, output: 2e4, written: 0.0 };
    let ledger = TokenLedger {
        input: 1e6,
        cached: 2e5,
        output: 5e4,
        written: None,
        long: Some(long),
        provisioned: None,
    };
    let usage = Usage { tokens: IndexMap::from([("m".to_owned(), ledger)]), ..Usage::default() };
    let card = |above: &str| {
        let base = "input: $1/Mtok, cached: $0.1/Mtok, output: $10/Mtok";
        let dear = "input: $2/Mtok, cached: $0.2/Mtok, output: $15/Mtok";
        rates("{}", &[("m", &format!("{{{base}, long_context: {{above: {above}, {dear}}}}}"))])
    };
    let cost = price(&usage, &card("272K"));
    close(cost.tokens_input, 1.3);
    close(cost.tokens_cached, 0.03);
    close(cost.tokens_output, 0.6);
    close(cost.tco, 1.93);
    assert_eq!(cost.unpriced, Vec::<String>::new());
    // A card that draws the line elsewhere cannot be applied to what was counted here.
    let elsewhere = price(&usage, &card("128K"));
    assert_eq!(elsewhere.unpriced, ["long prompts of m (not counted at this length)"]);
}

#[test]
fn two_models_have_their_own_prices() {
    // a: 2M × $1 + 1M × $4 = 6; b: 1M × $10 = 10.
    let mut usage = Usage { tokens: tokens("a", 2e6, 0.0, 1e6), ..Usage::default() };
    usage.tokens.extend(tokens("b", 1e6, 0.0, 0.0));
    let models = [("a", "{input: $1/Mtok, output: $4/Mtok}"), ("b", "{input: $10/Mtok}")];
    let cost = price(&usage, &rates("{}", &models));
    close(cost.tokens_input, 12.0);
    close(cost.tokens_output, 4.0);
    close(cost.tco, 16.0);
}

#[test]
fn sessions_and_the_plan_have_prices() {
    // 200 sessions × $0.03 = 6 (started, not completed); a day of $150 a month is 5; together 11,
    // over 110 completed sessions 0.1 each.
    let usage = Usage {
        measured_s: 86_400.0,
        sessions_started: 200.0,
        sessions_completed: 110.0,
        ..Usage::default()
    };
    let cost = price(&usage, &rates("{compute: {session: $0.03}, platform_fee: $150/month}", &[]));
    close(cost.compute, 6.0);
    close(cost.platform_fee, 5.0);
    close(cost.tco, 11.0);
    close(cost.per_session.unwrap(), 0.1);
}

#[test]
fn a_day_of_a_small_platform() {
    // vCPU: (100 h in turns + 25 h idle) × 0.1 = 12.5, 2.5 of it idle. Storage: 300 GiB-days are 10
    // GiB-months × 0.1 = 1. Tokens: 10M × $2 = 20, output 0.5M × $12 = 6. Fee: 30 / 30 = 1. Together
    // 40.5; idle share (2.5 + 1) / 40.5. A quarter of the turns' CPU was served, so 3/4 of the 10 for
    // turns was paid for waiting.
    let day = 86_400.0;
    let usage = Usage {
        measured_s: day,
        sessions_completed: 81.0,
        vcpu_seconds: Phases {
            starting: 999.0,
            turn: 360_000.0,
            idle: 90_000.0,
            ..Phases::default()
        },
        cpu_seconds_served: 90_000.0,
        snapshot_byte_seconds: 300.0 * 1_073_741_824.0 * day,
        tokens: tokens("m", 10e6, 0.0, 0.5e6),
        ..Usage::default()
    };
    let platform = "{compute: {vcpu: $0.1/h}, storage: $0.1/GiB-month, platform_fee: $30/month}";
    let cost = price(&usage, &rates(platform, &[("m", "{input: $2/Mtok, output: $12/Mtok}")]));
    close(cost.compute, 12.5);
    close(cost.compute_idle, 2.5);
    close(cost.storage, 1.0);
    close(cost.tco, 40.5);
    close(cost.per_session.unwrap(), 0.5);
    close(cost.idle_cost_share.unwrap(), 3.5 / 40.5);
    close(cost.turn_wait_cost_share.unwrap(), 7.5 / 40.5);
}

#[test]
fn nothing_used_costs_nothing_and_divides_by_nothing() {
    let cost = price(&Usage::default(), &rates(FOUNDRY, &[]));
    assert_eq!(cost.tco, 0.0);
    for key in [CostKey::PerSession, CostKey::PerTurn, CostKey::PerDay, CostKey::IdleCostShare] {
        assert_eq!(cost.get(key), None, "{}", key.name());
    }
    assert_eq!(cost.unpriced, Vec::<String>::new());
}

#[test]
fn what_has_no_price_is_named_not_free() {
    let usage =
        Usage { snapshot_byte_seconds: 1.0, tokens: tokens("m", 1.0, 0.0, 0.0), ..turn(1.0, 1.0) };
    let cost = price(&usage, &Rates::default());
    assert_eq!(cost.unpriced, ["compute", "storage", "tokens of m"]);
}

#[test]
fn the_mean_ledger_is_the_mean_of_each_quantity() {
    let mut other = turn(30.0, 1.0);
    other.tokens = tokens("m", 4.0, 2.0, 6.0);
    let mean = Usage::mean([&turn(10.0, 3.0), &other]);
    assert_eq!(mean.vcpu_seconds.turn, 20.0);
    assert_eq!(mean.gib_seconds.turn, 2.0);
    assert_eq!(
        mean.tokens["m"],
        TokenLedger {
            input: 2.0,
            cached: 1.0,
            output: 3.0,
            written: None,
            long: None,
            provisioned: None
        }
    );
    assert_eq!(Usage::mean([]), Usage::default());
}

fn any_usage() -> impl Strategy<Value = Usage> {
    let amount = || 0.0..1e9_f64;
    let phases = move || {
        (amount(), amount(), amount()).prop_map(|(starting, turn, idle)| Phases {
            starting,
            turn,
            idle,
            ..Phases::default()
        })
    };
    let tokens =
        (amount(), 0.0..=1.0_f64, amount()).prop_map(|(input, share, output)| TokenLedger {
            input,
            cached: input * share,
            output,
            written: None,
            long: Some(LongTokens {
                written: 0.0,
                above: 1000,
                input: input * 0.5,
                cached: input * share * 0.5,
                output: output * 0.25,
            }),
            provisioned: Some(ProvisionedTokens {
                unit_seconds: output,
                capacity: input,
                charged: input * 0.25,
                input: input * 0.25,
                cached: input * share * 0.25,
                output: output * 0.5,
                ..ProvisionedTokens::default()
            }),
        });
    let plain = (0.0..1e7_f64, 0.0..1e6_f64, 0.0..1e6_f64, 0.0..1e6_f64);
    (plain, phases(), phases(), amount(), 0.0..1e18_f64, tokens).prop_map(
        |(plain, vcpu, gib, served, bytes, tokens)| Usage {
            measured_s: plain.0,
            sessions_started: plain.1,
            sessions_completed: plain.2,
            turns: plain.3,
            vcpu_seconds: vcpu,
            gib_seconds: gib,
            cpu_seconds_served: served,
            snapshot_byte_seconds: bytes,
            tokens: IndexMap::from([("m".to_owned(), tokens)]),
            ..Usage::default()
        },
    )
}

fn any_rates() -> impl Strategy<Value = Rates> {
    let price = || 0..1000_u32;
    let compute = (price(), price(), price(), any::<bool>(), any::<bool>());
    (compute, price(), price(), price(), proptest::option::of(price()), price()).prop_map(
        |((vcpu, memory, session, create, idle), storage, fee, input, cached, output)| {
            let platform = format!(
                "{{compute: {{vcpu: ${vcpu}/h, memory: ${memory}/GiB-h, session: ${session}, \
                 bill_from: {}, bill_idle: {}}}, \
                 storage: ${storage}/GiB-month, platform_fee: ${fee}/month}}",
                if create { "create" } else { "ready" },
                if idle { "full" } else { "none" },
            );
            let cached = cached.map(|price| format!("cached: ${price}/Mtok, ")).unwrap_or_default();
            let model = format!(
                "{{input: ${input}/Mtok, {cached}output: ${output}/Mtok, \
                 long_context: {{above: 1000, input: ${output}/Mtok, output: ${input}/Mtok}}, \
                 provisioned: ${fee}/h}}"
            );
            rates(&platform, &[("m", &model)])
        },
    )
}

fn parts(cost: &Cost) -> f64 {
    // Written out again, so that a part forgotten by `Cost::parts` is missed here.
    cost.compute
        + cost.pool
        + cost.storage
        + cost.storage_requests
        + cost.requests
        + cost.egress
        + cost.tokens_input
        + cost.tokens_cached
        + cost.tokens_output
        + cost.provisioned
        + cost.telemetry
        + cost.platform_fee
        + cost.management
}

proptest! {
    #[test]
    fn parts_sum_to_tco(usage in any_usage(), rates in any_rates()) {
        let cost = price(&usage, &rates);
        prop_assert!((parts(&cost) - cost.tco).abs() <= 1e-12 * cost.tco);
        prop_assert!(cost.compute_idle <= cost.compute * (1.0 + 1e-12));
        let lines: f64 = cost.lines.iter().map(|line| line.amount).sum();
        prop_assert!((lines - cost.tco).abs() <= 1e-12 * cost.tco);
        for line in &cost.lines {
            prop_assert_eq!(line.quantity * line.price, line.amount);
        }
        for share in [cost.idle_cost_share, cost.turn_wait_cost_share].into_iter().flatten() {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&share), "{share}");
        }
    }

    #[test]
    fn cost_is_additive_over_ledgers(a in any_usage(), b in any_usage(), rates in any_rates()) {
        let both = price(&Usage::mean([&a, &b]), &rates).tco * 2.0;
        let each = price(&a, &rates).tco + price(&b, &rates).tco;
        prop_assert!((both - each).abs() <= 1e-9 * each);
    }

    #[test]
    fn a_cost_reads_back_from_json(usage in any_usage(), rates in any_rates()) {
        let cost = price(&usage, &rates);
        let text = serde_json::to_string(&cost).unwrap();
        let read: Cost = serde_json::from_str(&text).unwrap();
        // The rate card goes through `$0.0994/h`, twelve digits; the amounts are exact.
        for key in CostKey::ALL {
            prop_assert_eq!(read.get(*key), cost.get(*key), "{}", key.name());
        }
    }
}
