//! How many sandboxes there can be: an elastic platform's quotas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hosts::Hosts;
use crate::units::{Bytes, Cores, Limit, Rate, Span};

/// How many sandboxes there can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Capacity {
    /// The provider has room; quotas limit.
    Elastic(Elastic),
    /// Hosts of one's own.
    Hosts(Hosts),
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity::Elastic(Elastic::default())
    }
}

/// An elastic platform's quotas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Elastic {
    /// Sandboxes at once.
    pub max_concurrent: Limit,
    /// vCPUs of all sandboxes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<Cores>,
    /// Memory of all sandboxes together, overhead included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Boots and restores per time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_rate: Option<CreateRate>,
    /// The same for each tenant by itself. Who waits for its own tenant's limit holds up nobody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_tenant: Option<TenantLimits>,
}

/// Quotas of each tenant on an elastic platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Sandboxes at once.
    pub max_concurrent: Limit,
    /// Boots and restores per time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_rate: Option<CreateRate>,
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits { max_concurrent: Limit::UNLIMITED, create_rate: None }
    }
}

impl Default for Elastic {
    fn default() -> Self {
        Elastic {
            max_concurrent: Limit::UNLIMITED,
            vcpu: None,
            memory: None,
            create_rate: None,
            per_tenant: None,
        }
    }
}

/// A token bucket of sandbox creations: `25/s` or `{limit: 25/s, window: 10s}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CreateRate {
    /// Creations per time.
    pub limit: Rate,
    /// The bucket holds limit × window, by default the limit's own unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateRateMap {
    limit: Rate,
    #[serde(default)]
    window: Option<Span>,
}

impl<'de> Deserialize<'de> for CreateRate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = CreateRate;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a rate such as `25/s`, or `{limit: 25/s, window: 10s}`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CreateRate, E> {
                let limit = text.parse().map_err(E::custom)?;
                Ok(CreateRate { limit, window: None })
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<CreateRate, A::Error> {
                let raw =
                    CreateRateMap::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(CreateRate { limit: raw.limit, window: raw.window })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for CreateRate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CreateRate".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (rate, map) =
            (generator.subschema_for::<Rate>(), generator.subschema_for::<CreateRateMap>());
        schemars::json_schema!({"oneOf": [rate, map]})
    }
}
