//! Reserved throughput, worked out by hand.

use indexmap::IndexMap;

use super::tests::rates;
use super::{LongTokens, ProvisionedTokens, TokenLedger, Usage, break_even, price};
use crate::scenario::types::ModelRates;

#[test]
fn reserved_throughput_is_paid_by_the_hour_and_its_tokens_are_not() {
    // Of 10M in (4M cached) and 1M out, reserved units served 6M (3M cached) and 0.5M; of that 2M (1M cached) and
    // 0.1M in long calls. 20 unit-hours at $1.
    let reserved = ProvisionedTokens {
        unit_seconds: 72_000.0,
        capacity: 12e6,
        charged: 6e6,
        input: 6e6,
        cached: 3e6,
        output: 0.5e6,
        written: 0.0,
        long: Some(LongTokens {
            above: 1_000,
            input: 2e6,
            cached: 1e6,
            output: 0.1e6,
            written: 0.0,
        }),
    };
    let used = TokenLedger {
        input: 10e6,
        cached: 4e6,
        output: 1e6,
        written: None,
        long: Some(LongTokens { above: 1_000, ..LongTokens::default() }),
        provisioned: Some(reserved),
    };
    let card = "{input: $5/Mtok, cached: $0.5/Mtok, output: $30/Mtok, provisioned: $1/h, \
                long_context: {above: 1000, input: $10/Mtok, cached: $1/Mtok, output: $45/Mtok}}";
    let usage = Usage { tokens: IndexMap::from([("m".to_owned(), used)]), ..Usage::default() };
    let rates = rates("{}", &[("m", card)]);
    let cost = price(&usage, &rates);
    // Left for pay-as-you-go: 3M uncached, 1M cached, 0.5M out.
    assert_eq!(
        (cost.tokens_input, cost.tokens_cached, cost.tokens_output, cost.provisioned),
        (15.0, 0.5, 15.0, 20.0)
    );
    // It would have charged 2M · $5 + 2M · $0.5 + 0.4M · $30 = 23, and for the long ones 1M · $10 + 1M · $1 +
    // 0.1M · $45 = 15.5: 38.5 for what costs 20 at a use of a half.
    let found = break_even(&used, &rates.models["m"]).unwrap();
    assert_eq!((found.utilisation, found.cost), (0.5, 20.0));
    assert!((found.on_demand - 38.5).abs() < 1e-9);
    assert!((found.break_even.unwrap() - 0.5 * 20.0 / 38.5).abs() < 1e-12);
    // Nothing reserved, no price, or nothing served: nothing to hold it against.
    assert_eq!(break_even(&TokenLedger { provisioned: None, ..used }, &rates.models["m"]), None);
    let free = ModelRates { provisioned: None, ..rates.models["m"].clone() };
    assert_eq!(break_even(&used, &free), None);
    let idle = ProvisionedTokens {
        unit_seconds: 72_000.0,
        capacity: 12e6,
        ..ProvisionedTokens::default()
    };
    let idle = break_even(&TokenLedger { provisioned: Some(idle), ..used }, &rates.models["m"]);
    assert_eq!(idle.unwrap().break_even, None);
}
