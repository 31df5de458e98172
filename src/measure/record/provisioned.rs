//! Reserved throughput against pay-as-you-go.

use serde::{Deserialize, Serialize};

/// Reserved throughput of one model, and whether it pays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedRecord {
    /// Units reserved.
    pub units: u64,
    /// Share of what is reserved that was used.
    pub utilisation: f64,
    /// Its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilisation_ci95: Option<[f64; 2]>,
    /// Share of the tokens that pay-as-you-go served, for want of reserved throughput.
    pub spilled: f64,
    /// What the reserved units cost, mean per replication; `None` without a price.
    pub cost: Option<f64>,
    /// What pay-as-you-go would have charged for the tokens that they served.
    pub on_demand: Option<f64>,
    /// The utilisation, with the same mix of tokens, from which on reserving is cheaper; above 1 it never
    /// is.
    pub break_even: Option<f64>,
    /// Whether reserving is cheaper, where the whole interval of `utilisation` is on one side.
    pub cheaper: Option<bool>,
}
