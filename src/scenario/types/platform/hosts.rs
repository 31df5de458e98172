//! Hosts of one's own: instance types, placement, the autoscaler.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::peeked::Peeked;
use crate::dist::Dist;
use crate::scenario::types::is_default;
use crate::units::{Bytes, Cores, Limit, PricePerTime, Ratio, Span};

/// Name of the only type where types are not named.
pub const DEFAULT_HOST_TYPE: &str = "host";

/// A fleet: one instance type, or several by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Hosts {
    /// One type.
    One(Box<HostType>),
    /// Types by name. A sandbox goes where the first type's `placement` says, over all hosts.
    Named(IndexMap<String, HostType>),
}

impl Hosts {
    /// The types by name, in the order written.
    pub fn types(&self) -> Vec<(&str, &HostType)> {
        match self {
            Hosts::One(only) => vec![(DEFAULT_HOST_TYPE, only)],
            Hosts::Named(types) => types.iter().map(|(name, t)| (name.as_str(), t)).collect(),
        }
    }
}

/// An instance type of hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostType {
    /// Hosts that are up at time 0, and the fewest that the autoscaler leaves.
    #[serde(default = "one")]
    pub min: u32,
    /// The most hosts; by default `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Limit>,
    /// CPU cores of a host.
    pub cores: Cores,
    /// Memory of a host.
    pub memory: Bytes,
    /// From the decision to start a host until it takes sandboxes.
    #[serde(default = "at_once")]
    pub boot: Dist<Span>,
    /// Price of a host while it is up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub price: PricePerTime,
    /// Whether booting is paid too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bill_boot: bool,
    /// How much more than it has a host promises.
    #[serde(default)]
    pub overcommit: Overcommit,
    /// Which host takes a sandbox.
    #[serde(default)]
    pub placement: Placement,
    /// Boots and restores under way at once on a host.
    #[serde(default = "unlimited", skip_serializing_if = "is_unlimited")]
    pub starts_per_host: Limit,
    /// Starts and stops hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
    /// Stopped hosts that come up faster than new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
}

/// How much more than it has a host promises: 1 for no more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Overcommit {
    /// vCPUs promised for each core.
    pub cpu: Ratio,
    /// Memory promised for each byte.
    pub memory: Ratio,
}

impl Default for Overcommit {
    fn default() -> Self {
        Overcommit { cpu: Ratio(1.0), memory: Ratio(1.0) }
    }
}

/// Which host takes a sandbox, among those with room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// The one with the lowest number.
    #[default]
    FirstFit,
    /// The one with least memory left, then vCPU, then number.
    BestFit,
    /// The one with most memory left, then vCPU; then the lowest number.
    WorstFit,
}

/// Stopped hosts that come up faster than new ones. Starts take them first; a host that is stopped
/// becomes one while fewer than `count` stand by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Standby {
    /// How many there are at time 0, and at most.
    pub count: u32,
    /// Time to come up.
    pub resume: Dist<Span>,
}

/// Starts and stops hosts, at whole multiples of its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscaler {
    /// Time between looks.
    pub interval: Span,
    /// Share of the fleet's capacity that is to be in use.
    #[serde(default = "whole")]
    pub target: Ratio,
    /// Time after any start or stop before a host is stopped.
    #[serde(default)]
    pub cooldown: Span,
    /// Looks ahead instead of at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

/// Adds to what is wanted now the growth that the last `window` would bring within `ahead`, by a
/// straight line; a fall is not foreseen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// How far back the slope is taken.
    pub window: Span,
    /// How far ahead; a host's boot time is a good choice.
    pub ahead: Span,
}

fn one() -> u32 {
    1
}

fn at_once() -> Dist<Span> {
    Dist::constant(Span::ZERO)
}

fn unlimited() -> Limit {
    Limit::UNLIMITED
}

fn is_unlimited(limit: &Limit) -> bool {
    limit.get().is_none()
}

fn whole() -> Ratio {
    Ratio(1.0)
}

/// Keys of [`HostType`]: a map that begins with one of them is one type, not several by name.
const KEYS: [&str; 12] = [
    "min",
    "max",
    "cores",
    "memory",
    "boot",
    "price",
    "bill_boot",
    "overcommit",
    "placement",
    "starts_per_host",
    "autoscaler",
    "standby",
];

impl Serialize for Hosts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Hosts::One(only) => only.serialize(serializer),
            Hosts::Named(types) => types.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Hosts;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a host type such as `{min: 2, max: 10, cores: 64, memory: 256GiB}`, or several by name")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Hosts, A::Error> {
                let map = Peeked::new(map)?;
                let single = map.first().is_none_or(|key| KEYS.contains(&key));
                let map = serde::de::value::MapAccessDeserializer::new(map);
                if single {
                    HostType::deserialize(map).map(|only| Hosts::One(Box::new(only)))
                } else {
                    IndexMap::deserialize(map).map(Hosts::Named)
                }
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl JsonSchema for Hosts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hosts".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<HostType>();
        let several = generator.subschema_for::<IndexMap<String, HostType>>();
        schemars::json_schema!({"anyOf": [one, several]})
    }
}
