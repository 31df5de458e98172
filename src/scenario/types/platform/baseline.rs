//! The second arm: another platform under the same demand.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::rates::RateCard;
use super::super::{Model, is_default};
use super::{
    Archive, Capacity, Faults, Governance, Idle, Isolation, Platform, Pool, Queue, Retention,
    Rollouts, is_unlimited, unlimited_span,
};
use crate::units::Bytes;

/// What the platform is compared with: another one, under the same demand and the same draws. It
/// has the keys of `platform`, and `models` beside them. With `use` it is that preset and what
/// stands here; without, the scenario's own platform and what stands here. A model that is named
/// here is the scenario's own of that name with what stands here laid over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// What keeps sandboxes apart, and what that costs.
    pub isolation: Isolation,
    /// How many sandboxes there can be.
    #[serde(default)]
    pub capacity: Capacity,
    /// Sandboxes that wait, booted, to be claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// A new version of the agent this often: pooled sandboxes and cached images of the old one go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollouts: Option<Rollouts>,
    /// What happens to a sandbox whose session is silent.
    #[serde(default)]
    pub idle: Idle,
    /// How long a snapshot is kept.
    #[serde(default = "unlimited_span", skip_serializing_if = "is_unlimited")]
    #[schemars(with = "String")]
    pub retention: Retention,
    /// When stored snapshots move to a slower, cheaper store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// Bytes of stored snapshots, archived ones apart, from which on no new sandbox boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_quota: Option<Bytes>,
    /// Where requests wait for a slot.
    #[serde(default, skip_serializing_if = "is_default")]
    pub queue: Queue,
    /// Policies that sessions, model calls and tool calls pass.
    #[serde(default, skip_serializing_if = "is_default")]
    pub governance: Governance,
    /// What fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub faults: Faults,
    /// What it costs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rates: RateCard,
    /// Models that differ from the scenario's own, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub models: IndexMap<String, Model>,
}

impl Baseline {
    /// The platform of this arm.
    pub fn platform(&self) -> Platform {
        let Baseline {
            isolation,
            capacity,
            pool,
            rollouts,
            idle,
            retention,
            archive,
            storage_quota,
            queue,
            governance,
            faults,
            rates,
            models: _,
        } = self.clone();
        Platform {
            isolation,
            capacity,
            pool,
            rollouts,
            idle,
            retention,
            archive,
            storage_quota,
            queue,
            governance,
            faults,
            rates,
        }
    }
}
