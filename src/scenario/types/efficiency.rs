//! Token efficiency of a model, and its price in quality.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Change;

/// A claim about a model beside the one that the workload was measured with: it needs fewer tokens,
/// and perhaps more tries and more steps for that. Fewer tokens then cost what they cost, and the
/// verdict shows both sides.
///
/// The arrival rate of `load: {open_sessions: …}` is that of the workload as written, whatever the
/// efficiency: a better model does not change who comes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Efficiency {
    /// Change of the tokens that the model itself brings about: its outputs and the tool results that
    /// it asks for. What people write and the system prompt stay.
    pub tokens: Change,
    /// Change of `error_rate`, relative: `+50%` makes 2 % into 3 %.
    pub error_rate: Change,
    /// Steps more in each turn, as a share of its steps: `10%` adds one step to every tenth.
    pub extra_steps: Change,
    /// Where the figures come from; without it they are assumed, and `check` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}
