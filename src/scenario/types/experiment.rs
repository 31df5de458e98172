//! How a scenario is simulated, and how it is driven.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Load, Window, is_default};
use crate::units::{Bytes, Count, Limit, Quantity, Ratio, Span, UnitError};

/// How a scenario is simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// Seed of all draws.
    pub seed: u64,
    /// What is there at time 0.
    pub start: Start,
    /// What is not measured.
    pub warmup: Warmup,
    /// How long it is measured after the warm-up.
    pub measure: Measure,
    /// How often it is repeated with other draws.
    pub replications: Replications,
    /// Whether intervals hold how little the recorded sessions behind the demand say.
    #[serde(skip_serializing_if = "is_default")]
    pub input: Input,
    /// Windows of time that boundaries can speak of, by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub windows: IndexMap<String, Window>,
    /// What a quota should leave above the highest demand; what to ask for has it on top.
    #[serde(skip_serializing_if = "is_usual_headroom")]
    pub headroom: Ratio,
}

/// A fifth: what quota requests usually leave for growth until the next one.
const USUAL_HEADROOM: Ratio = Ratio(0.2);

fn is_usual_headroom(headroom: &Ratio) -> bool {
    *headroom == USUAL_HEADROOM
}

impl Default for Experiment {
    fn default() -> Self {
        Experiment {
            seed: 1,
            start: Start::Steady,
            warmup: Warmup::Auto,
            measure: Measure::For(Span::from_secs(86_400)),
            replications: Replications::default(),
            input: Input::default(),
            windows: IndexMap::new(),
            headroom: USUAL_HEADROOM,
        }
    }
}

/// Where the uncertainty of the demand itself stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// Nowhere: the trace, or the fitted distributions, are taken for the truth.
    #[default]
    Fixed,
    /// In every interval: the sessions behind the demand are drawn again with replacement, those of a
    /// trace themselves, of a fitted class as many as it was `fitted_on`.
    Resample,
}

/// What is there at time 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Nothing.
    Empty,
    /// Stocks that outlive the run-in, by Little's law.
    #[default]
    Steady,
}

/// What is not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmup {
    /// Measured from time 0.
    None,
    /// Found by a pilot run.
    Auto,
    /// This long.
    For(Span),
}

/// How long is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Until the last session has left.
    End,
    /// This long after the warm-up.
    For(Span),
}

/// How often a simulation is repeated with other draws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replications {
    /// This often.
    Fixed(u32),
    /// Until the boundaries are decided.
    Until(Looks),
}

impl Default for Replications {
    fn default() -> Self {
        Replications::Until(Looks { looks: vec![10, 20, 40], until: Until::Decided })
    }
}

/// Replications at which to look whether the boundaries are decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Looks {
    /// Replications so far at each look, rising.
    pub looks: Vec<u32>,
    /// When to stop.
    #[serde(default)]
    pub until: Until,
}

/// When to stop repeating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// When no boundary is inconclusive.
    #[default]
    Decided,
}

/// How a scenario is driven against a live backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// The backend.
    #[serde(default)]
    pub target: Target,
    /// Sessions to start.
    pub sessions: u64,
    /// The load of the piece that is driven, at a constant rate; without it the scenario's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// A platform profile that `calibrate` wrote, by its path: the twin is predicted by its isolation
    /// tier, and all sessions are held against it. Without it half of the sessions calibrate the twin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How often the same piece is driven; from two on the machine's own noise can be told.
    #[serde(default = "once")]
    pub repeat: u32,
    /// Sandboxes alive at once; what exceeds it is dropped and counted.
    #[serde(default = "default_max_alive")]
    pub max_alive: u64,
    /// Divides every waited time alike; measured work is never changed.
    #[serde(default = "one")]
    pub compress_time: Count,
    /// Sandboxes created in all.
    #[serde(default = "unlimited")]
    pub max_creates: Limit,
    /// Longest run.
    #[serde(default = "default_max_run")]
    pub max_run: Span,
    /// Bytes of snapshots stored at once.
    #[serde(default = "default_snapshot_store")]
    pub snapshot_store: Bytes,
}

fn default_max_alive() -> u64 {
    8
}

fn once() -> u32 {
    1
}

fn one() -> Count {
    Count(1.0)
}

fn unlimited() -> Limit {
    Limit::UNLIMITED
}

fn default_max_run() -> Span {
    Span::from_secs(600)
}

fn default_snapshot_store() -> Bytes {
    Bytes(2 << 30)
}

/// A live backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The runtime that plimsoll starts sandboxes with.
    pub runtime: RuntimeName,
    /// The program of a container runtime or of QEMU, by path or by name; if left out the runtime's own
    /// name, or `qemu-system-x86_64`. For `shared` what makes the containers: `process`, `runc`, `crun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Arguments of that program before its command, in place of those that plimsoll knows for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// The kernel of virtual machines, with its modules beside it as its package puts them; looked for
    /// if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The socket of a container engine; if left out that of `DOCKER_HOST`, or the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// What network a container has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<TargetNetwork>,
    /// What hibernation keeps; memory and files if left out, where the runtime can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<TargetKeep>,
    /// Sessions in one container of `shared`; 8 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_per_sandbox: Option<u64>,
}

impl Target {
    /// A runtime as plimsoll knows it.
    pub fn of(runtime: RuntimeName) -> Self {
        Target {
            runtime,
            program: None,
            flags: None,
            kernel: None,
            socket: None,
            network: None,
            keep: None,
            sessions_per_sandbox: None,
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Target::of(RuntimeName::Process)
    }
}

/// The network of a live sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetNetwork {
    /// None at all.
    None,
    /// The host's.
    Host,
}

/// What a live sandbox's hibernation keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKeep {
    /// Memory and files where the runtime can, else files.
    Memory,
    /// Files.
    Files,
}

/// A sandbox runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeName {
    /// Real child processes in their own namespaces; built in.
    Process,
    /// Containers by runc; needs root.
    Runc,
    /// Containers by crun; needs root.
    Crun,
    /// Containers by gVisor's runsc; needs root.
    Runsc,
    /// Containers by another OCI runtime, named by `program`; needs root.
    Oci,
    /// Virtual machines by QEMU's microvm.
    Microvm,
    /// Containers of an engine that speaks Docker's API, as Podman does.
    Docker,
    /// Several sessions in one container, as on a traditional platform; `program` is what makes the
    /// containers, `process` if left out.
    Shared,
    /// Answers at once, starts nothing: for testing the driver.
    Instant,
}

/// A duration, or no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanOrUnlimited(Option<Span>);

impl SpanOrUnlimited {
    /// The duration, `None` for unlimited.
    pub fn get(self) -> Option<Span> {
        self.0
    }
}

impl From<Option<Span>> for SpanOrUnlimited {
    fn from(span: Option<Span>) -> Self {
        SpanOrUnlimited(span)
    }
}

/// A scalar that is a duration or one of some words.
macro_rules! span_or_word {
    ($type:ty, $expected:literal, {$($word:literal => $value:expr),*}, $wrap:expr, $unwrap:expr) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let unwrap: fn(&$type) -> Option<Span> = $unwrap;
                if let Some(span) = unwrap(self) {
                    return write!(f, "{span}");
                }
                $(if *self == $value { return f.write_str($word); })*
                Ok(())
            }
        }
        impl std::str::FromStr for $type {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                match text {
                    $($word => Ok($value),)*
                    _ => Span::parse(text).map($wrap).map_err(|error| UnitError {
                        message: format!("{}, or {}", error.message, $expected),
                        suggestion: error.suggestion,
                    }),
                }
            }
        }
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a duration such as `24h`, or ", $expected))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<$type, E> {
                        self.visit_str(&value.to_string())
                    }
                    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<$type, E> {
                        self.visit_str(&value.to_string())
                    }
                    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<$type, E> {
                        self.visit_str(&value.to_string())
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": concat!("A duration such as `24h`, or ", $expected)})
            }
        }
    };
}

span_or_word!(SpanOrUnlimited, "`unlimited`", {"unlimited" => SpanOrUnlimited(None)}, |s| SpanOrUnlimited(Some(s)), |v| v.0);
span_or_word!(Warmup, "`auto` or `none`", {"auto" => Warmup::Auto, "none" => Warmup::None}, Warmup::For, |v| match v {
    Warmup::For(span) => Some(*span),
    _ => None,
});
span_or_word!(Measure, "`end`", {"end" => Measure::End}, Measure::For, |v| match v {
    Measure::For(span) => Some(*span),
    Measure::End => None,
});

impl Serialize for Replications {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Replications::Fixed(n) => serializer.serialize_u32(*n),
            Replications::Until(looks) => looks.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Replications {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Replications;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of replications, or `{looks: [10, 20, 40], until: decided}`")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Replications, E> {
                match u32::try_from(value) {
                    Ok(n @ 1..=65_535) => Ok(Replications::Fixed(n)),
                    _ => Err(E::custom(format!("{value} replications: expected 1 to 65535"))),
                }
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Replications, E> {
                Err(E::custom(format!("{value} replications: expected 1 to 65535")))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Replications, A::Error> {
                Looks::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(Replications::Until)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Replications {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Replications".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let looks = generator.subschema_for::<Looks>();
        schemars::json_schema!({"oneOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, looks]})
    }
}
