//! Supply: where sessions run, and the second arm, which is another supply under the same demand.

mod capacity;
mod faults;
mod governance;
mod hosts;
mod idle;
mod image;
mod isolation;
mod peeked;
mod pool;

pub use capacity::{Capacity, CreateRate, Elastic, TenantLimits};
pub use faults::{Faults, Stalls, Zones};
pub use governance::{
    Governance, Identity, IdentityPer, Management, Policy, PolicyPoint, Telemetry, TenantQuota,
};
pub use hosts::{
    Autoscaler, DEFAULT_HOST_TYPE, Forecast, HostType, Hosts, Overcommit, Placement, Standby,
};
pub use idle::{Archive, Idle, IdleThen, Queue, QueueOrder};
pub use image::{Contention, ContentionPoint, Image, Pull};
pub use isolation::{CoreUse, Isolation, OnMachine, Restore, Snapshot, SnapshotKind, Tier};
pub use pool::{ClassPool, FixedPool, PausedLevel, Pool, PredictivePool, Refill};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rates::RateCard;
use super::{Model, is_default};
use crate::units::{Bytes, Span};

/// Two types of the same keys: serde can't flatten one into the other and still name unknown keys.
macro_rules! platforms {
    ($($(#[$meta:meta])* $key:ident: $type:ty,)*) => {
        /// A platform that runs sandboxes.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Platform {
            $($(#[$meta])* pub $key: $type,)*
        }

        /// What the platform is compared with: another one, under the same demand and the same draws. It
        /// has the keys of `platform`, and `models` beside them. With `use` it is that preset and what
        /// stands here; without, the scenario's own platform and what stands here. A model that is named
        /// here is the scenario's own of that name with what stands here laid over it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Baseline {
            $($(#[$meta])* pub $key: $type,)*
            /// Models that differ from the scenario's own, by name.
            #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
            pub models: IndexMap<String, Model>,
        }

        impl Baseline {
            /// The platform of this arm.
            pub fn platform(&self) -> Platform {
                Platform { $($key: self.$key.clone(),)* }
            }
        }
    };
}

platforms! {
    /// What keeps sandboxes apart, and what that costs.
    isolation: Isolation,
    /// How many sandboxes there can be.
    #[serde(default)]
    capacity: Capacity,
    /// Sandboxes that wait, booted, to be claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<Pool>,
    /// A new version of the agent this often: pooled sandboxes and cached images of the old one go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollouts: Option<Rollouts>,
    /// What happens to a sandbox whose session is silent.
    #[serde(default)]
    idle: Idle,
    /// How long a snapshot is kept.
    #[serde(default = "unlimited_span", skip_serializing_if = "is_unlimited")]
    #[schemars(with = "String")]
    retention: Retention,
    /// When stored snapshots move to a slower, cheaper store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive: Option<Archive>,
    /// Bytes of stored snapshots, archived ones apart, from which on no new sandbox boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_quota: Option<Bytes>,
    /// Where requests wait for a slot.
    #[serde(default, skip_serializing_if = "is_default")]
    queue: Queue,
    /// Policies that sessions, model calls and tool calls pass.
    #[serde(default, skip_serializing_if = "is_default")]
    governance: Governance,
    /// What fails.
    #[serde(default, skip_serializing_if = "is_default")]
    faults: Faults,
    /// What it costs.
    #[serde(default, skip_serializing_if = "is_default")]
    rates: RateCard,
}

/// New versions of the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollouts {
    /// Time between two; the first comes after this long.
    pub every: Span,
}

/// A duration or `unlimited`.
pub type Retention = super::experiment::SpanOrUnlimited;

fn unlimited_span() -> Retention {
    Retention::default()
}

fn is_unlimited(retention: &Retention) -> bool {
    retention.get().is_none()
}
