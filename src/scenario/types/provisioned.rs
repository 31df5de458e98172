//! Throughput that is reserved, and contexts that are replaced by summaries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use crate::units::{Count, Span, Tokens};

/// Reserved throughput of a model, beside pay-as-you-go: paid by the hour, used or not
/// (`rates.provisioned`). A call is charged uncached input + cached · `cached_weight` + output ·
/// `output_weight` when it is let in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    /// Units reserved.
    pub units: u64,
    /// Input tokens a minute that one unit serves.
    pub input_per_unit: Tokens,
    /// Input tokens that an output token counts for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub output_weight: Count,
    /// Input tokens that a cached prompt token counts for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cached_weight: Count,
    /// The window that it is enforced on.
    #[serde(default = "minute", skip_serializing_if = "is_minute")]
    pub window: Span,
    /// What finds no room goes to pay-as-you-go and its quota; else it is refused.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spill_over: bool,
}

impl Provisioned {
    /// Tokens that it serves a minute, as charged.
    pub fn per_minute(&self) -> f64 {
        self.units as f64 * self.input_per_unit.0 as f64
    }
}

/// A session's context that would grow above a length is replaced by a summary: a call of its own, with
/// the context as its prompt. The prompt cache is lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compaction {
    /// Prompts longer than this are not sent.
    pub above: Tokens,
    /// Tokens of the summary, which is the context from then on.
    pub summary: Tokens,
}

fn one() -> Count {
    Count(1.0)
}

fn is_one(count: &Count) -> bool {
    *count == one()
}

fn minute() -> Span {
    Span::from_secs(60)
}

fn is_minute(span: &Span) -> bool {
    *span == minute()
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    !is_default(value)
}
