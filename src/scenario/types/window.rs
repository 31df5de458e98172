//! Windows of time, for a day's mean hides its peak.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// The name of the hour of the profile's cycle in which most arrives.
pub const PEAK_HOUR: &str = "peak-hour";

/// A window of time, from and to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Window {
    /// Of each day, from 0:00: `{day: [14h, 18h]}`. One that ends before it begins goes over midnight.
    Day([Span; 2]),
    /// Of each week, from Monday 0:00.
    Week([Span; 2]),
    /// Once, counted from the warm-up's end.
    Measure([Span; 2]),
}

/// When a boundary must hold: `peak-hour`, the name of one of `experiment.windows`, or a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum During {
    /// By its name.
    Named(String),
    /// Written out.
    Window(Window),
}

impl During {
    /// The name that it has in the record.
    pub fn name(&self) -> String {
        match self {
            During::Named(name) => name.clone(),
            During::Window(window) => window.to_string(),
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Window::Day([from, to]) => write!(f, "{from} to {to} of each day"),
            Window::Week([from, to]) => write!(f, "{from} to {to} of each week"),
            Window::Measure([from, to]) => write!(f, "{from} to {to} of the measure"),
        }
    }
}

impl Serialize for During {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            During::Named(name) => serializer.serialize_str(name),
            During::Window(window) => window.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for During {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = During;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`peak-hour`, the name of a window, or `{day: [14h, 18h]}`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<During, E> {
                Ok(During::Named(text.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<During, A::Error> {
                Window::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(During::Window)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for During {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "During".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let window = generator.subschema_for::<Window>();
        schemars::json_schema!({"oneOf": [{"type": "string"}, window]})
    }
}
