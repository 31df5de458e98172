//! Supply: models.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::efficiency::Efficiency;
use super::is_default;
use super::provisioned::{Compaction, Provisioned};
use crate::dist::Dist;
use crate::units::{Limit, PerToken, PricePerTime, PricePerToken, Ratio, Span, Tokens};

/// A model that sessions call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// How long a call takes.
    pub latency: Latency,
    /// Whether prompts are cached, and how long.
    pub prompt_cache: PromptCache,
    /// Longest prompt; what is before is cut and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<Tokens>,
    /// Share of attempts that fail.
    #[serde(skip_serializing_if = "is_default")]
    pub error_rate: Ratio,
    /// Contexts above a length are replaced by a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compaction: Option<Compaction>,
    /// Throughput that is reserved, beside pay-as-you-go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<Provisioned>,
    /// Limits of the deployment; of pay-as-you-go, where throughput is reserved too.
    #[serde(skip_serializing_if = "is_default")]
    pub quota: Quota,
    /// What a client does when refused or failed.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: Retries,
    /// What tokens cost.
    #[serde(skip_serializing_if = "is_default")]
    pub rates: ModelRates,
    /// How much fewer tokens it needs than the workload says, and what that does to quality.
    #[serde(skip_serializing_if = "is_default")]
    pub efficiency: Efficiency,
}

/// How long a model call takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// As the trace or plan recorded it.
    Recorded,
    /// By formula.
    Formula(ModelFormula),
}

impl Default for Latency {
    fn default() -> Self {
        Latency::Formula(ModelFormula::default())
    }
}

/// Latency = base + uncached input · per_input + output · per_output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFormula {
    /// Time to the first token of an empty prompt.
    pub base: Dist<Span>,
    /// Time for each uncached prompt token.
    pub per_input: PerToken,
    /// Time for each output token.
    pub per_output: PerToken,
}

impl Default for ModelFormula {
    fn default() -> Self {
        ModelFormula {
            base: Dist::constant(Span::ZERO),
            per_input: PerToken::default(),
            per_output: PerToken::default(),
        }
    }
}

/// Whether prompts are cached.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum PromptCache {
    /// Never.
    #[default]
    None,
    /// For this long after the previous call's end.
    Lifetime(Span),
}

/// Limits of a model deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Requests per minute.
    pub rpm: Limit,
    /// Tokens per minute, input and planned output.
    pub tpm: Limit,
    /// Calls at once.
    pub concurrency: Limit,
    /// The window that the limits are enforced on.
    pub window: Span,
}

impl Default for Quota {
    fn default() -> Self {
        Quota {
            rpm: Limit::UNLIMITED,
            tpm: Limit::UNLIMITED,
            concurrency: Limit::UNLIMITED,
            window: Span::from_secs(60),
        }
    }
}

/// What a client does when refused or failed: backoff before retry n is u · min(cap, base · 2^n).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Retries before the turn and the session fail.
    pub max: u32,
    /// First backoff.
    pub base: Span,
    /// Longest backoff.
    pub cap: Span,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { max: 0, base: Span::from_secs(1), cap: Span::from_secs(60) }
    }
}

/// What tokens cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelRates {
    /// Uncached prompt tokens.
    pub input: PricePerToken,
    /// Cached prompt tokens; by default as uncached ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<PricePerToken>,
    /// Prompt tokens that a served call writes to the prompt cache, which are its uncached ones; by
    /// default as uncached ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PricePerToken>,
    /// Output tokens.
    pub output: PricePerToken,
    /// Dearer prices of calls with a long prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContextRates>,
    /// A unit of reserved throughput, used or not; what it serves has no other price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<PricePerTime>,
}

/// Prices of all tokens of a call whose prompt is longer than `above`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongContextRates {
    /// Prompt tokens, cached ones included, from which on these prices hold (exclusive).
    pub above: Tokens,
    /// Uncached prompt tokens.
    pub input: PricePerToken,
    /// Cached prompt tokens; by default as uncached ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<PricePerToken>,
    /// Prompt tokens that a served call writes to the prompt cache; by default as uncached ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PricePerToken>,
    /// Output tokens.
    pub output: PricePerToken,
}

impl Serialize for Latency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Latency::Recorded => serializer.serialize_str("recorded"),
            Latency::Formula(formula) => formula.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Latency;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`recorded` or `{base: …, per_input: …, per_output: …}`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Latency, E> {
                if text == "recorded" {
                    Ok(Latency::Recorded)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Latency, A::Error> {
                ModelFormula::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(Latency::Formula)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Latency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Latency".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let formula = generator.subschema_for::<ModelFormula>();
        schemars::json_schema!({"oneOf": [{"const": "recorded"}, formula]})
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LifetimeMap {
    lifetime: Span,
}

impl Serialize for PromptCache {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            PromptCache::None => serializer.serialize_str("none"),
            PromptCache::Lifetime(lifetime) => LifetimeMap { lifetime }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PromptCache {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = PromptCache;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`none` or `{lifetime: 5m}`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PromptCache, E> {
                if text == "none" {
                    Ok(PromptCache::None)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<PromptCache, A::Error> {
                let raw =
                    LifetimeMap::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(PromptCache::Lifetime(raw.lifetime))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for PromptCache {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PromptCache".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let map = generator.subschema_for::<LifetimeMap>();
        schemars::json_schema!({"oneOf": [{"const": "none"}, map]})
    }
}
