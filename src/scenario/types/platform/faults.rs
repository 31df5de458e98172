//! What fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dist::Dist;
use crate::units::{Ratio, Span};

/// What fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Tries of one boot, and of one restore, in all.
    pub attempts: u32,
    /// Share of boots that fail.
    pub boot: Ratio,
    /// Share of restores that fail.
    pub restore: Ratio,
    /// Mean time that a host is up before it crashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_mtbf: Option<Span>,
    /// Hosts that crash together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<Zones>,
    /// Times in which the platform starts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalls: Option<Stalls>,
}

/// Hosts that crash together: host n is in zone n mod `count`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zones {
    /// How many zones there are.
    pub count: u32,
    /// Mean time between outages of one zone.
    pub mtbf: Span,
    /// How long one lasts before its hosts boot again.
    pub outage: Dist<Span>,
}

/// Times in which the control plane grants nothing; what runs goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stalls {
    /// Mean time from the end of one to the begin of the next.
    pub mtbf: Span,
    /// How long one lasts.
    pub length: Dist<Span>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            attempts: 1,
            boot: Ratio(0.0),
            restore: Ratio(0.0),
            host_mtbf: None,
            zones: None,
            stalls: None,
        }
    }
}
