//! What a platform charges.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{
    Bytes, Count, PricePerByte, PricePerByteTime, PricePerCall, PricePerTime, Quantity, Span,
    UnitError,
};

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
    /// Requests to the platform.
    #[serde(skip_serializing_if = "super::is_default")]
    pub requests: InvocationRates,
    /// Bytes that leave the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressRates>,
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

/// Requests to the platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InvocationRates {
    /// For each turn: a person's message is a request.
    pub turn: PricePerCall,
    /// For each tool call.
    pub tool_call: PricePerCall,
}

/// Bytes that leave the platform: the prompts of model calls, cached or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressRates {
    /// For what leaves.
    pub price: PricePerByte,
    /// What of it is free in 30 days.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub free: Bytes,
    /// Bytes that a prompt token is sent as.
    #[serde(default = "bytes_of_a_token")]
    pub bytes_per_token: Bytes,
}

/// Four characters a token, the usual rule of thumb.
fn bytes_of_a_token() -> Bytes {
    Bytes(4)
}

/// Charges for sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComputeRates {
    /// Which quantities are charged.
    pub shape: ComputeShape,
    /// For each vCPU: given, or active, as the shape says.
    pub vcpu: PricePerTime,
    /// For memory: given, or consumed, as the shape says.
    pub memory: PricePerByteTime,
    /// For each session that started (`$0.03`), or for the time that a sandbox is held (`$0.03/h`).
    pub session: SessionPrice,
    /// From when a sandbox is charged.
    pub bill_from: BillFrom,
    /// How idle sandboxes are charged.
    pub bill_idle: BillIdle,
    /// How the time that a sandbox is held is rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<Rounding>,
    /// What is free in 30 days.
    #[serde(skip_serializing_if = "super::is_default")]
    pub free: FreeGrant,
    /// Memory that a sandbox consumes at least, where consumed memory is charged.
    #[serde(skip_serializing_if = "super::is_default")]
    pub memory_floor: Bytes,
    /// Which consumption is charged, where consumed memory is.
    #[serde(skip_serializing_if = "super::is_default")]
    pub memory_level: MemoryLevel,
}

/// Which quantities are charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComputeShape {
    /// What a sandbox is given, per second.
    #[default]
    Allocated,
    /// CPU time served to tool calls, and the memory that a sandbox is given.
    ActiveCpuProvisionedMemory,
    /// CPU time served to tool calls, and the memory that they hold.
    ActiveCpuConsumedMemory,
    /// Neither CPU nor memory: `session` alone.
    Session,
}

impl ComputeShape {
    /// Its name in a scenario.
    pub const fn name(self) -> &'static str {
        match self {
            ComputeShape::Allocated => "allocated",
            ComputeShape::ActiveCpuProvisionedMemory => "active-cpu-provisioned-memory",
            ComputeShape::ActiveCpuConsumedMemory => "active-cpu-consumed-memory",
            ComputeShape::Session => "session",
        }
    }

    /// Whether CPU is charged by what was served.
    pub const fn is_active_cpu(self) -> bool {
        matches!(
            self,
            ComputeShape::ActiveCpuProvisionedMemory | ComputeShape::ActiveCpuConsumedMemory
        )
    }
}

/// Which consumption of memory is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryLevel {
    /// What tool calls hold at each instant.
    #[default]
    Held,
    /// The most that they have held since the sandbox is charged.
    Peak,
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

/// How the time that a sandbox is held is rounded up: `{to: 1h}`, `{min: 1s}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rounding {
    /// To a multiple of this.
    pub to: Span,
    /// To this at least.
    pub min: Span,
}

impl Rounding {
    /// What is charged beyond a time.
    pub fn surplus(&self, held: Span) -> Span {
        let (held, to) = (held.nanos(), self.to.nanos());
        let rounded = if to > 0 { held.div_ceil(to).saturating_mul(to) } else { held };
        Span::from_nanos(rounded.max(self.min.nanos()) - held)
    }
}

/// What is free in 30 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FreeGrant {
    /// vCPU-seconds.
    pub vcpu_seconds: Count,
    /// GiB-seconds.
    pub gib_seconds: Count,
}

/// How idle sandboxes are charged: `full`, `none`, or `{vcpu: $0.0108/h, memory: $0.0108/GiB-h}`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum BillIdle {
    /// As busy ones.
    #[default]
    Full,
    /// Not at all.
    None,
    /// At prices of their own.
    Rates(IdleRates),
}

/// Prices of idle sandboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdleRates {
    /// For each vCPU that they are given.
    pub vcpu: PricePerTime,
    /// For memory.
    pub memory: PricePerByteTime,
}

impl Serialize for BillIdle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            BillIdle::Full => serializer.serialize_str("full"),
            BillIdle::None => serializer.serialize_str("none"),
            BillIdle::Rates(rates) => rates.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BillIdle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = BillIdle;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`full`, `none`, or `{vcpu: $0.01/h, memory: $0.01/GiB-h}`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<BillIdle, E> {
                match text {
                    "full" => Ok(BillIdle::Full),
                    "none" => Ok(BillIdle::None),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<BillIdle, A::Error> {
                IdleRates::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(BillIdle::Rates)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for BillIdle {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BillIdle".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let rates = generator.subschema_for::<IdleRates>();
        schemars::json_schema!({
            "description": "How idle sandboxes are charged",
            "oneOf": [{"type": "string", "enum": ["full", "none"]}, rates]
        })
    }
}

/// The price of a session: each one that started, or the time that its sandbox is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SessionPrice {
    /// `$0.03`.
    Each(PricePerCall),
    /// `$0.03/h`.
    PerTime(PricePerTime),
}

impl Default for SessionPrice {
    fn default() -> Self {
        SessionPrice::Each(PricePerCall::default())
    }
}

impl SessionPrice {
    /// Whether it charges nothing.
    pub fn is_zero(self) -> bool {
        match self {
            SessionPrice::Each(price) => price.base() == 0.0,
            SessionPrice::PerTime(price) => price.base() == 0.0,
        }
    }

    /// The price for time, if it is one.
    pub fn per_time(self) -> Option<PricePerTime> {
        match self {
            SessionPrice::PerTime(price) if price.base() > 0.0 => Some(price),
            _ => None,
        }
    }
}

impl fmt::Display for SessionPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionPrice::Each(price) => price.fmt(f),
            SessionPrice::PerTime(price) => price.fmt(f),
        }
    }
}

impl std::str::FromStr for SessionPrice {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.contains('/') {
            return PricePerTime::parse(text).map(SessionPrice::PerTime);
        }
        PricePerCall::parse(text).map(SessionPrice::Each)
    }
}

impl Serialize for SessionPrice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionPrice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = SessionPrice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a price of a session, such as `$0.03`, or of its time, such as `$0.03/h`",
                )
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SessionPrice, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<SessionPrice, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<SessionPrice, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<SessionPrice, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for SessionPrice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SessionPrice".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A price of each session: `$0.03`; or of the time it has a sandbox: `$0.03/h`"
        })
    }
}
