//! What tokens cost.

use super::line::{Part, Price, Sheet};
use super::usage::{LongTokens, TokenLedger, Usage};
use crate::scenario::types::ModelRates;
use crate::units::{PricePerToken, Quantity};

/// Tokens by what they cost, in the order of [`KINDS`].
type Amounts = [f64; 4];

/// Part, key of the price, and words.
const KINDS: [(Part, &str, &str); 4] = [
    (Part::TokensInput, "input", "uncached prompt tokens"),
    (Part::TokensInput, "cache_write", "prompt tokens written to the cache"),
    (Part::TokensCached, "cached", "cached prompt tokens"),
    (Part::TokensOutput, "output", "output tokens"),
];

/// Adds the lines of what a model served: tokens by pay-as-you-go, and reserved throughput by its units.
pub(super) fn lines(model: &str, used: &TokenLedger, card: &ModelRates, sheet: &mut Sheet) {
    on_demand(model, &unreserved(used), card, sheet);
    let (Some(reserved), Some(price)) = (&used.provisioned, card.provisioned) else { return };
    let key = format!("models.{model}.rates.provisioned");
    let price = Price::hourly(key, price.base(), "unit-h");
    let what = format!("reserved throughput of {model}");
    sheet.add(Part::Provisioned, what, reserved.unit_seconds, &price, "reserved, used or not");
}

/// What pay-as-you-go served.
fn unreserved(used: &TokenLedger) -> TokenLedger {
    let Some(reserved) = &used.provisioned else { return *used };
    TokenLedger {
        input: used.input - reserved.input,
        cached: used.cached - reserved.cached,
        output: used.output - reserved.output,
        written: used.written.map(|written| written - reserved.written),
        long: used.long,
        provisioned: None,
    }
}

/// Reserved throughput against pay-as-you-go for the tokens that it served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakEven {
    /// Share of what is reserved that was used.
    pub utilisation: f64,
    /// What the reserved units cost.
    pub cost: f64,
    /// What pay-as-you-go would have charged for the tokens that they served.
    pub on_demand: f64,
    /// The utilisation with the same mix of tokens at which both cost the same: `utilisation` × `cost` /
    /// `on_demand`. Above 1 what is reserved never pays.
    pub break_even: Option<f64>,
}

/// Holds a model's reserved throughput against pay-as-you-go; `None` where none is reserved, or where it
/// or pay-as-you-go has no price.
pub fn break_even(used: &TokenLedger, card: &ModelRates) -> Option<BreakEven> {
    let (reserved, price) = (used.provisioned.as_ref()?, card.provisioned?);
    if reserved.capacity == 0.0 || card.input.base() == 0.0 && card.output.base() == 0.0 {
        return None;
    }
    let served = TokenLedger {
        input: reserved.input,
        cached: reserved.cached,
        output: reserved.output,
        written: Some(reserved.written),
        long: reserved.long,
        provisioned: None,
    };
    let mut sheet = Sheet::default();
    on_demand("", &served, card, &mut sheet);
    let on_demand: f64 = sheet.lines.iter().map(|line| line.amount).sum();
    let cost = reserved.unit_seconds * price.base();
    let utilisation = reserved.charged / reserved.capacity;
    let break_even = (on_demand > 0.0).then(|| utilisation * cost / on_demand);
    Some(BreakEven { utilisation, cost, on_demand, break_even })
}

/// Adds the lines of tokens by pay-as-you-go. Where the card has a price for writing to the cache, what served
/// calls wrote costs that; all else uncached costs the price of input.
fn on_demand(model: &str, used: &TokenLedger, card: &ModelRates, sheet: &mut Sheet) {
    let whole = LongTokens {
        above: 0,
        input: used.input,
        cached: used.cached,
        output: used.output,
        written: used.written.unwrap_or(0.0),
    };
    let prices = [Some(card.input), card.cache_write, card.cached, Some(card.output)];
    let (long, long_card) = match (&used.long, &card.long_context) {
        (Some(long), Some(long_card)) if long.above == long_card.above.0 => (*long, long_card),
        _ => return kinds(model, "rates", "", amounts(whole, card.cache_write), prices, sheet),
    };
    let usual = LongTokens {
        above: 0,
        input: whole.input - long.input,
        cached: whole.cached - long.cached,
        output: whole.output - long.output,
        written: whole.written - long.written,
    };
    kinds(model, "rates", "", amounts(usual, card.cache_write), prices, sheet);
    let prices =
        [Some(long_card.input), long_card.cache_write, long_card.cached, Some(long_card.output)];
    let note = format!(", prompt above {}", long_card.above);
    let amounts = amounts(long, long_card.cache_write);
    kinds(model, "rates.long_context", &note, amounts, prices, sheet);
}

fn amounts(used: LongTokens, cache_write: Option<PricePerToken>) -> Amounts {
    let written = if cache_write.is_some() { used.written } else { 0.0 };
    [used.input - used.cached - written, written, used.cached, used.output]
}

/// A line of each kind; what has no price of its own costs as input.
fn kinds(
    model: &str,
    below: &str,
    note: &str,
    amounts: Amounts,
    prices: [Option<PricePerToken>; 4],
    sheet: &mut Sheet,
) {
    let input = prices[0].unwrap_or_default();
    for ((part, key, what), (amount, price)) in
        KINDS.into_iter().zip(amounts.into_iter().zip(prices))
    {
        let key = format!("models.{model}.{below}.{key}");
        let price = price.unwrap_or(input);
        let price = Price::new(key, price, "Mtok", (price.base(), 1e6));
        sheet.add(part, format!("{what} of {model}{note}"), amount, &price, "by the token");
    }
}

/// What the cards charge apart and the ledger was recorded without.
pub(super) fn lacks(usage: &Usage, models: &indexmap::IndexMap<String, ModelRates>) -> Vec<String> {
    let written = |model: &str| models.get(model).is_some_and(|card| card.cache_write.is_some());
    let found = usage.tokens.iter().filter(|(model, used)| {
        written(model) && used.written.is_none() && used.input > used.cached
    });
    found.map(|(model, _)| format!("tokens written to the cache of {model}")).collect()
}

/// Models that were used without a price, or at a length of prompt that the run did not count.
pub(super) fn unpriced(
    usage: &Usage,
    models: &indexmap::IndexMap<String, ModelRates>,
) -> Vec<String> {
    let mut names = Vec::new();
    for (model, used) in &usage.tokens {
        if used.provisioned.is_some()
            && models.get(model).is_none_or(|card| card.provisioned.is_none())
        {
            names.push(format!("reserved throughput of {model}"));
        }
        let free = |card: &ModelRates| card.input.base() == 0.0 && card.output.base() == 0.0;
        let paid = unreserved(used);
        if paid.input + paid.output > 0.0 && models.get(model).is_none_or(free) {
            names.push(format!("tokens of {model}"));
        } else if models.get(model).is_some_and(|card| long_unknown(used, card)) {
            names.push(format!("long prompts of {model} (not counted at this length)"));
        }
    }
    names
}

/// Whether the card has a price for long prompts that this ledger cannot be charged: the run did not
/// count at that length.
fn long_unknown(used: &TokenLedger, card: &ModelRates) -> bool {
    let counted = used.long.map(|long| long.above);
    card.long_context.as_ref().is_some_and(|long| counted != Some(long.above.0))
}
