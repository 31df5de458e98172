//! What must hold.

use super::window::During;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A boundary: `cold_start.p99 < 1s`, or the same with reasons and expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundary(pub BoundarySpec);

/// A boundary written out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundarySpec {
    /// The expression: a quantity of the record, `<`, `<=`, `>` or `>=`, a value with its unit.
    pub require: String,
    /// What a `.change` is measured against; the baseline if not said, for there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// The window of time that is looked at; the whole measure if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<During>,
    /// Why it matters, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The stage that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The verdict that counts as a yes.
    #[serde(default)]
    pub expect: Expect,
}

/// What a change is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The scenario's `baseline`, replication by replication.
    Baseline,
}

/// A stage of an agent platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// Under 10 agents, under 10K tokens a day, shared containers.
    Development,
    /// Over 1,000 agents, over 1M tokens a day, VM isolation, policies.
    Production,
}

/// Whether a boundary is expected to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// It must hold.
    #[default]
    Holds,
    /// It is known not to hold; holding is the surprise.
    Broken,
}

impl Serialize for Boundary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Boundary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Boundary;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an expression such as `cold_start.p99 < 1s`, or `{require: …}`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Boundary, E> {
                let require = text.to_owned();
                Ok(Boundary(BoundarySpec {
                    require,
                    against: None,
                    during: None,
                    why: None,
                    stage: None,
                    expect: Expect::Holds,
                }))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Boundary, A::Error> {
                BoundarySpec::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(Boundary)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Boundary {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Boundary".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let spec = generator.subschema_for::<BoundarySpec>();
        schemars::json_schema!({"oneOf": [{"type": "string"}, spec]})
    }
}
