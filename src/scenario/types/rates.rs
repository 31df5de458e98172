//! What a platform charges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{PricePerByteTime, PricePerCall, PricePerTime};

/// What the platform charges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateCard {
    /// Charges for sandboxes.
    pub compute: ComputeRates,
    /// Stored snapshots.
    pub storage: PricePerByteTime,
    /// Archived snapshots.
    #[serde(skip_serializing_if = "super::is_default")]
    pub archive: PricePerByteTime,
    /// Requests to the snapshot store.
    #[serde(skip_serializing_if = "super::is_default")]
    pub storage_requests: RequestRates,
    /// A plan's fee.
    pub platform_fee: PricePerTime,
}

/// Requests to the snapshot store: a snapshot puts, a restore gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestRates {
    /// For each snapshot.
    pub put: PricePerCall,
    /// For each restore.
    pub get: PricePerCall,
}

/// Charges for sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComputeRates {
    /// Which quantities are charged.
    pub shape: ComputeShape,
    /// For each vCPU.
    pub vcpu: PricePerTime,
    /// For memory.
    pub memory: PricePerByteTime,
    /// For each session that started.
    pub session: PricePerCall,
    /// From when a sandbox is charged.
    pub bill_from: BillFrom,
    /// Whether idle sandboxes are charged.
    pub bill_idle: BillIdle,
}

/// Which quantities are charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComputeShape {
    /// What a sandbox is given, per second.
    #[default]
    Allocated,
}

/// From when a sandbox is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BillFrom {
    /// From when it can run.
    #[default]
    Ready,
    /// From when its start begins.
    Create,
}

/// Whether idle sandboxes are charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BillIdle {
    /// As busy ones.
    #[default]
    Full,
    /// Not at all.
    None,
}
