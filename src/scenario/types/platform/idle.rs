//! What happens to silent sandboxes, and where requests wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use indexmap::IndexMap;

use crate::dist::Dist;
use crate::scenario::types::is_default;
use crate::units::{Count, Limit, Span};

/// What happens to a sandbox whose session is silent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idle {
    /// Silence after which it happens; needed unless `then: keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What happens.
    #[serde(default)]
    pub then: IdleThen,
}

impl Default for Idle {
    fn default() -> Self {
        Idle { timeout: None, then: IdleThen::Keep }
    }
}

/// What happens to an idle sandbox at its timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdleThen {
    /// It runs on.
    #[default]
    Keep,
    /// It is destroyed, its state lost.
    Kill,
    /// It is saved and stopped.
    Hibernate,
}

/// Where requests wait for a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Requests that can wait at once; more are turned away.
    pub capacity: Limit,
    /// How long a request waits before it gives up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Lets later requests that fit pass one that does not.
    #[serde(skip_serializing_if = "is_default")]
    pub backfill: bool,
    /// Who is first among those of one priority.
    #[serde(skip_serializing_if = "is_default")]
    pub order: QueueOrder,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            capacity: Limit::UNLIMITED,
            timeout: None,
            backfill: false,
            order: QueueOrder::Fifo,
        }
    }
}

/// Who is first among those of one priority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum QueueOrder {
    /// First in, first out.
    #[default]
    Fifo,
    /// Tenants share by their weights: start-time fair queueing (Goyal, Vin and Cheng 1996). A
    /// tenant that is not named has weight 1.
    Fair(IndexMap<String, Count>),
}

/// A slower, cheaper store for old snapshots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// How long a snapshot lies in the first store while its session sleeps.
    pub after: Span,
    /// What the way back adds to a restore.
    #[serde(default = "at_once")]
    pub restore: Dist<Span>,
}

fn at_once() -> Dist<Span> {
    Dist::constant(Span::ZERO)
}
