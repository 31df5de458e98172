//! Hosts of one's own: instance types, placement, the autoscaler.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::CreateRate;
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
    /// Boots and restores per time on each host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_rate: Option<CreateRate>,
    /// Starts and stops hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
    /// Stopped hosts that come up faster than new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
}

/// Room is counted in millionths of a vCPU.
const MICRO: f64 = 1e6;

impl HostType {
    /// Memory that a host of this type promises to sandboxes, their overhead included.
    pub fn promised_memory(&self) -> Bytes {
        Bytes((self.memory.0 as f64 * self.overcommit.memory.0).round() as u64)
    }

    /// vCPUs that a host of this type promises to sandboxes.
    pub fn promised_vcpu(&self) -> Cores {
        Cores((self.cores.0 * MICRO * self.overcommit.cpu.0).round() / MICRO)
    }

    /// Sandboxes of this memory, overhead included, and this many vCPUs that an empty host takes:
    /// by its memory, and by its vCPUs. It takes the smaller number.
    pub fn holds(&self, memory: Bytes, vcpu: Cores) -> (u64, u64) {
        let promised = (self.cores.0 * MICRO * self.overcommit.cpu.0).round() as u64;
        let taken = (vcpu.0 * MICRO).round() as u64;
        let by_memory = self.promised_memory().0.checked_div(memory.0);
        (by_memory.unwrap_or(u64::MAX), promised.checked_div(taken).unwrap_or(u64::MAX))
    }

    /// The most hosts of this type, `None` for no limit.
    pub fn most(&self) -> Option<u64> {
        let least = u64::from(self.min);
        match (&self.autoscaler, self.max) {
            (Some(_), Some(max)) => max.get().map(|max| max.max(least)),
            _ => Some(least),
        }
    }
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
const KEYS: [&str; 13] = [
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
    "create_rate",
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HostsVisitor)
    }
}

struct HostsVisitor;

impl<'de> Visitor<'de> for HostsVisitor {
    type Value = Hosts;

    // In serde's words, so that the keys that are known are listed.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct HostType")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Hosts, A::Error> {
        let mut map = Peeked::new(map)?;
        if map.first().is_none_or(|key| KEYS.contains(&key)) {
            let only = HostType::deserialize(MapAccessDeserializer::new(map))?;
            return Ok(Hosts::One(Box::new(only)));
        }
        let mut types = IndexMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let seed = NamedType { name: &name, first: types.is_empty() };
            if let Some(host) = map.next_value_seed(seed)? {
                types.insert(name, host);
            }
        }
        Ok(Hosts::Named(types))
    }
}

/// Reads a type by name, and sees where a misspelt key of an only type was taken for a name.
struct NamedType<'n> {
    name: &'n str,
    first: bool,
}

impl<'de> DeserializeSeed<'de> for NamedType<'_> {
    /// None for a key of host types without a value.
    type Value = Option<HostType>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let name = self.name;
        if KEYS.contains(&name) {
            let said = Option::<IgnoredAny>::deserialize(deserializer)?;
            return said.map_or(Ok(None), |_| {
                Err(D::Error::custom(format!(
                    "`{name}` stands beside host types with names: write it in each of them"
                )))
            });
        }
        // Keys that hold maps, as types do: one slip is a misspelling, more is a name.
        let maps = ["overcommit", "autoscaler", "standby"];
        if self.first && maps.iter().any(|key| strsim::damerau_levenshtein(key, name) == 1) {
            return Err(D::Error::unknown_field(name, &KEYS));
        }
        deserializer.deserialize_any(self).map(Some)
    }
}

impl<'de> Visitor<'de> for NamedType<'_> {
    type Value = HostType;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct HostType")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HostType, A::Error> {
        HostType::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HostType, E> {
        Err(self.no_type(Unexpected::Str(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<HostType, E> {
        Err(self.no_type(Unexpected::Unsigned(number)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<HostType, E> {
        Err(self.no_type(Unexpected::Float(number)))
    }

    fn visit_unit<E: Error>(self) -> Result<HostType, E> {
        Err(self.no_type(Unexpected::Unit))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<HostType, E> {
        Err(self.no_type(Unexpected::Bool(truth)))
    }
}

impl NamedType<'_> {
    /// What is first and no map was meant as a key of an only type.
    fn no_type<E: Error>(&self, found: Unexpected<'_>) -> E {
        if self.first { E::unknown_field(self.name, &KEYS) } else { E::invalid_type(found, self) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_of_a_host_type() {
        let schema = schemars::schema_for!(HostType).to_value();
        let mut fields: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut keys = KEYS.to_vec();
        fields.sort_unstable();
        keys.sort_unstable();
        assert_eq!(keys, fields);
    }
}
