//! Supply: where sessions run.

mod baseline;
mod capacity;
mod faults;
mod governance;
mod hosts;
mod idle;
mod image;
mod isolation;
mod peeked;
mod pool;

pub use baseline::Baseline;
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
pub use isolation::{Isolation, Restore, Snapshot, SnapshotKind, Tier};
pub use pool::{ClassPool, FixedPool, PausedLevel, Pool, PredictivePool, Refill};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use super::rates::RateCard;
use crate::units::{Bytes, Span};

/// A platform that runs sandboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Platform {
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
