//! What tokens cost.

use super::line::{Part, Price, Sheet};
use super::usage::{TokenLedger, Usage};
use crate::scenario::types::{LongContextRates, ModelRates};
use crate::units::{PricePerToken, Quantity};

/// Adds the lines of a model's tokens.
pub(super) fn lines(model: &str, used: &TokenLedger, card: &ModelRates, sheet: &mut Sheet) {
    let cached = card.cached.unwrap_or(card.input);
    let usual = [card.input, cached, card.output];
    let (long, long_card) = match (&used.long, &card.long_context) {
        (Some(long), Some(long_card)) if long.above == long_card.above.0 => (*long, long_card),
        _ => {
            let amounts = [used.input - used.cached, used.cached, used.output];
            return kinds(model, "rates", "", amounts, usual, sheet);
        }
    };
    let (input, cached) = (used.input - long.input, used.cached - long.cached);
    let amounts = [input - cached, cached, used.output - long.output];
    kinds(model, "rates", "", amounts, usual, sheet);
    let amounts = [long.input - long.cached, long.cached, long.output];
    let note = format!(", prompt above {}", long_card.above);
    kinds(model, "rates.long_context", &note, amounts, long_prices(long_card), sheet);
}

fn long_prices(card: &LongContextRates) -> [PricePerToken; 3] {
    [card.input, card.cached.unwrap_or(card.input), card.output]
}

/// Lines of uncached prompt, cached prompt and output tokens.
fn kinds(
    model: &str,
    below: &str,
    note: &str,
    amounts: [f64; 3],
    prices: [PricePerToken; 3],
    sheet: &mut Sheet,
) {
    let kinds = [
        (Part::TokensInput, "input", "uncached prompt tokens"),
        (Part::TokensCached, "cached", "cached prompt tokens"),
        (Part::TokensOutput, "output", "output tokens"),
    ];
    for ((part, key, what), (amount, price)) in
        kinds.into_iter().zip(amounts.into_iter().zip(prices))
    {
        let key = format!("models.{model}.{below}.{key}");
        let price = Price::new(key, price, "Mtok", (price.base(), 1e6));
        sheet.add(part, format!("{what} of {model}{note}"), amount, &price, "by the token");
    }
}

/// Models that were used without a price, or at a length of prompt that the run did not count.
pub(super) fn unpriced(
    usage: &Usage,
    models: &indexmap::IndexMap<String, ModelRates>,
) -> Vec<String> {
    let mut names = Vec::new();
    for (model, used) in &usage.tokens {
        let free = |card: &ModelRates| card.input.base() == 0.0 && card.output.base() == 0.0;
        if used.input + used.output > 0.0 && models.get(model).is_none_or(free) {
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
