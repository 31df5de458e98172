//! The image stage, and how starts slow each other down.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::peeked::Peeked;
use crate::dist::Dist;
use crate::units::{Bandwidth, Bytes, Count, Quantity, Span};

/// The image stage: a time, or `{pull: {bytes: 2GiB, bandwidth: 500MiB/s}}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    /// It takes this long, whatever else goes on.
    Time(Dist<Span>),
    /// Its bytes flow; pulls under way on a host share its bandwidth.
    Pull(Pull),
}

/// An image by its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// Bytes to fetch.
    pub bytes: Bytes,
    /// Bandwidth shared by all pulls under way on a host.
    pub bandwidth: Bandwidth,
}

impl Default for Image {
    fn default() -> Self {
        Image::Time(Dist::constant(Span::ZERO))
    }
}

impl Image {
    /// Whether there is no image stage.
    pub fn is_zero(&self) -> bool {
        match self {
            Image::Time(time) => time.as_constant() == Some(Span::ZERO),
            Image::Pull(pull) => pull.bytes.0 == 0 || pull.bandwidth.is_unlimited(),
        }
    }

    /// Mean time in seconds, of a pull without others beside it.
    pub fn mean(&self) -> f64 {
        match self {
            Image::Time(time) => time.mean(),
            Image::Pull(_) if self.is_zero() => 0.0,
            Image::Pull(pull) => pull.bytes.0 as f64 / pull.bandwidth.bytes_per_second(),
        }
    }
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Image::Time(time) => time.serialize(serializer),
            Image::Pull(pull) => BTreeMap::from([("pull", pull)]).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ImageVisitor)
    }
}

/// How an image is written by its size.
const EXAMPLE: &str = "`{pull: {bytes: 2GiB, bandwidth: 500MiB/s}}`";

struct ImageVisitor;

impl<'de> Visitor<'de> for ImageVisitor {
    type Value = Image;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `1.5s`, a distribution, or `{pull: {bytes: 2GiB, bandwidth: 500MiB/s}}`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Image, E> {
        if Bytes::parse(text).is_ok_and(|bytes| bytes.0 > 0) {
            return Err(E::custom(format!(
                "`{text}` is a size, and `image` a time: an image by its size is written {EXAMPLE}"
            )));
        }
        Dist::deserialize(StrDeserializer::new(text)).map(Image::Time)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Image, E> {
        Dist::deserialize(serde::de::value::U64Deserializer::new(number)).map(Image::Time)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Image, E> {
        Dist::deserialize(serde::de::value::F64Deserializer::new(number)).map(Image::Time)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Image, A::Error> {
        let map = Peeked::new(map)?;
        let slip = |key: &str| strsim::damerau_levenshtein(key, "pull") == 1;
        match map.first() {
            Some("pull") => return map.only_value().map(Image::Pull),
            Some(key @ ("bytes" | "bandwidth")) => {
                return Err(A::Error::custom(format!(
                    "`{key}` belongs below `pull`: expected {EXAMPLE}"
                )));
            }
            Some(key) if slip(key) => {
                return Err(A::Error::custom(format!(
                    "unknown form `{key}` of an image: expected `pull`, as in {EXAMPLE}"
                )));
            }
            _ => {}
        }
        Dist::deserialize(MapAccessDeserializer::new(map)).map(Image::Time).map_err(|error| {
            let message = error.to_string();
            let unknown = message.starts_with("unknown distribution");
            if unknown { A::Error::custom(format!("{message}, or {EXAMPLE}")) } else { error }
        })
    }
}

impl JsonSchema for Image {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Image".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (time, pull) =
            (generator.subschema_for::<Dist<Span>>(), generator.subschema_for::<Pull>());
        schemars::json_schema!({"anyOf": [time, {
            "type": "object", "properties": {"pull": pull}, "required": ["pull"],
            "additionalProperties": false
        }]})
    }
}

/// How starts under way at once on a host slow each other's boot stages down: by
/// max(1, (n / knee)^exponent), or by a table over n. n is the number of starts under way when this
/// one begins, itself counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contention {
    /// Starts from which on each slows the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knee: Option<Count>,
    /// How steeply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exponent: Option<Count>,
    /// `[starts, factor]` points, linear between them and level beyond; or factors of 1, 2, … starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub table: Vec<ContentionPoint>,
}

/// A point of a contention table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContentionPoint {
    /// Starts under way; `None` for the point's place in the list, from 1.
    pub starts: Option<u32>,
    /// Factor of boot stages.
    pub factor: f64,
}

impl Contention {
    /// Factor of the boot stages of a start that begins as one of `n`.
    pub fn factor(&self, n: u32) -> f64 {
        let n = f64::from(n);
        if self.table.is_empty() {
            let (Some(knee), Some(exponent)) = (self.knee, self.exponent) else { return 1.0 };
            return libm::pow(n / knee.0, exponent.0).max(1.0);
        }
        let mut before: Option<(f64, f64)> = None;
        for (place, point) in self.table.iter().enumerate() {
            let at = point.starts.map_or(place as f64 + 1.0, f64::from);
            if n <= at {
                return match before {
                    Some((x, y)) if at > x => y + (point.factor - y) * (n - x) / (at - x),
                    _ => point.factor,
                };
            }
            before = Some((at, point.factor));
        }
        before.map_or(1.0, |(_, factor)| factor)
    }
}

impl Serialize for ContentionPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.starts {
            Some(starts) => (starts, self.factor).serialize(serializer),
            None => self.factor.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ContentionPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PointVisitor)
    }
}

struct PointVisitor;

impl<'de> Visitor<'de> for PointVisitor {
    type Value = ContentionPoint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`[starts, factor]` such as `[8, 1.6]`, or a factor")
    }

    fn visit_f64<E: Error>(self, factor: f64) -> Result<ContentionPoint, E> {
        Ok(ContentionPoint { starts: None, factor })
    }

    fn visit_u64<E: Error>(self, factor: u64) -> Result<ContentionPoint, E> {
        Ok(ContentionPoint { starts: None, factor: factor as f64 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ContentionPoint, A::Error> {
        let starts = seq.next_element()?.ok_or_else(|| values(0))?;
        let factor = seq.next_element()?.ok_or_else(|| values(1))?;
        let mut more = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        if more > 0 {
            return Err(values(2 + more));
        }
        Ok(ContentionPoint { starts: Some(starts), factor })
    }
}

/// A point of another length than two.
fn values<E: Error>(there: usize) -> E {
    let many = if there == 1 { "value" } else { "values" };
    E::custom(format!(
        "a point of the table has {there} {many}: expected starts and factor, as in `[8, 1.6]`"
    ))
}

impl JsonSchema for ContentionPoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ContentionPoint".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [
            {"type": "number"},
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "number"}],
             "minItems": 2, "maxItems": 2}
        ]})
    }
}
