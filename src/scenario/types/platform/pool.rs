//! Sandboxes that wait, booted, to be claimed.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::capacity::CreateRate;
use crate::dist::Dist;
use crate::scenario::types::is_default;
use crate::units::{Ratio, Span};

/// A warm pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pool {
    /// Always this many, ready or being made.
    Fixed(FixedPool),
    /// As many as the demand of late asks for.
    Predictive(PredictivePool),
    /// One for each class named; other classes have none.
    Classes(IndexMap<String, ClassPool>),
}

/// The pool of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClassPool {
    /// Always this many, ready or being made.
    Fixed(FixedPool),
    /// As many as the demand of late asks for.
    Predictive(PredictivePool),
}

/// A pool of a fixed size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedPool {
    /// Sandboxes ready or being made.
    pub size: u32,
    /// From a claim until the sandbox can run.
    #[serde(default = "at_once")]
    pub claim: Dist<Span>,
    /// How long a ready sandbox waits before it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// How fast it is filled again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refill: Refill,
    /// A second level behind the ready ones: booted and paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<PausedLevel>,
    /// A third level: the image is on every host from its start, and again after each rollout.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image: bool,
}

/// A pool whose size follows demand: the `cover` quantile of the demand over one mean start time,
/// Poisson with the mean rate of the last `window`; looked at when one is claimed and each tenth of
/// a window. What is ready above that is left to its `ttl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictivePool {
    /// Chance that the demand over one start time is covered.
    pub cover: Ratio,
    /// How far back the demand is looked at.
    pub window: Span,
    /// From a claim until the sandbox can run.
    #[serde(default = "at_once")]
    pub claim: Dist<Span>,
    /// How long a ready sandbox waits before it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// How fast it is filled again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refill: Refill,
}

/// How fast a pool is filled again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Refill {
    /// From a claim, expiry or failed boot until another is asked for.
    pub delay: Span,
    /// Sandboxes asked for per time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<CreateRate>,
}

/// Sandboxes that are booted and paused: they hold their memory and no CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PausedLevel {
    /// Sandboxes paused or being made.
    pub size: u32,
    /// From a claim until the sandbox can run.
    pub claim: Dist<Span>,
}

fn at_once() -> Dist<Span> {
    Dist::constant(Span::ZERO)
}
