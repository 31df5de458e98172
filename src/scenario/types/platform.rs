//! Supply: where sessions run.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use super::rates::RateCard;
use crate::dist::Dist;
use crate::units::{Bandwidth, Bytes, Limit, Rate, Ratio, Span};

/// A platform that runs sandboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// What keeps sandboxes apart, and what that costs.
    pub isolation: Isolation,
    /// How many sandboxes there can be.
    #[serde(default)]
    pub capacity: Capacity,
    /// What happens to a sandbox whose session is silent.
    #[serde(default)]
    pub idle: Idle,
    /// How long a snapshot is kept.
    #[serde(default = "unlimited_span", skip_serializing_if = "is_unlimited")]
    #[schemars(with = "String")]
    pub retention: Retention,
    /// Where requests wait for a slot.
    #[serde(default, skip_serializing_if = "is_default")]
    pub queue: Queue,
    /// Policies that sessions, model calls and tool calls pass.
    #[serde(default, skip_serializing_if = "is_default")]
    pub governance: Governance,
    /// What fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub faults: Faults,
    /// What it costs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rates: RateCard,
}

/// A duration or `unlimited`.
pub type Retention = super::experiment::SpanOrUnlimited;

fn unlimited_span() -> Retention {
    Retention::default()
}

fn is_unlimited(retention: &Retention) -> bool {
    retention.get().is_none()
}

/// An isolation tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Isolation {
    /// A process in its own namespaces.
    Process(Tier),
    /// A container a session.
    Container(Tier),
    /// A user-space kernel a session.
    Gvisor(Tier),
    /// A small virtual machine a session.
    Microvm(Tier),
}

impl Isolation {
    /// The tier's numbers.
    pub fn tier(&self) -> &Tier {
        match self {
            Isolation::Process(t)
            | Isolation::Container(t)
            | Isolation::Gvisor(t)
            | Isolation::Microvm(t) => t,
        }
    }

    /// The tier's name as written.
    pub fn name(&self) -> &'static str {
        match self {
            Isolation::Process(_) => "process",
            Isolation::Container(_) => "container",
            Isolation::Gvisor(_) => "gvisor",
            Isolation::Microvm(_) => "microvm",
        }
    }
}

/// What an isolation tier costs and can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// Boot stage: finding a place.
    pub schedule: Dist<Span>,
    /// Boot stage: fetching the image; skipped once the platform has it cached.
    pub image: Dist<Span>,
    /// Boot stage: starting the sandbox.
    pub boot: Dist<Span>,
    /// Boot stage: starting the agent's harness in it.
    pub harness: Dist<Span>,
    /// Memory that each sandbox costs beyond what it is given.
    pub memory_overhead: Bytes,
    /// CPU time of tool work, relative to the reference core.
    pub cpu_factor: Ratio,
    /// I/O wait of tool work, relative to no isolation.
    pub io_factor: Ratio,
    /// Time that each tool call takes before its own work: reaching into the sandbox.
    pub exec: Dist<Span>,
    /// How a sandbox's state is saved; without it nothing can be hibernated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// How a saved sandbox comes back.
    pub restore: Restore,
}

impl Default for Tier {
    fn default() -> Self {
        let zero = || Dist::constant(Span::ZERO);
        Tier {
            schedule: zero(),
            image: zero(),
            boot: zero(),
            harness: zero(),
            memory_overhead: Bytes(0),
            cpu_factor: Ratio(1.0),
            io_factor: Ratio(1.0),
            exec: zero(),
            snapshot: None,
            restore: Restore::default(),
        }
    }
}

/// How a sandbox's state is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Snapshot {
    /// Its files only.
    Filesystem(SnapshotKind),
    /// Its files and memory.
    Full(SnapshotKind),
}

impl Snapshot {
    /// The numbers of either kind.
    pub fn kind(&self) -> &SnapshotKind {
        match self {
            Snapshot::Filesystem(kind) | Snapshot::Full(kind) => kind,
        }
    }

    /// Whether memory is saved too.
    pub fn is_full(&self) -> bool {
        matches!(self, Snapshot::Full(_))
    }
}

/// Size and speed of taking a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotKind {
    /// Time before bytes flow.
    pub fixed: Dist<Span>,
    /// Bandwidth shared by all snapshots under way.
    pub bandwidth: Bandwidth,
    /// Bytes that every snapshot holds.
    pub base: Bytes,
    /// Share of dirtied bytes that are saved already.
    pub dedupe: Ratio,
    /// Stored size over raw size.
    pub compression: Ratio,
}

impl Default for SnapshotKind {
    fn default() -> Self {
        SnapshotKind {
            fixed: Dist::constant(Span::ZERO),
            bandwidth: Bandwidth::UNLIMITED,
            base: Bytes(0),
            dedupe: Ratio(0.0),
            compression: Ratio(1.0),
        }
    }
}

/// Speed of restoring a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// Time before bytes flow.
    pub fixed: Dist<Span>,
    /// Bandwidth shared by all restores under way.
    pub bandwidth: Bandwidth,
    /// Share of the bytes that must arrive before the sandbox runs.
    pub working_set: Ratio,
}

impl Default for Restore {
    fn default() -> Self {
        Restore {
            fixed: Dist::constant(Span::ZERO),
            bandwidth: Bandwidth::UNLIMITED,
            working_set: Ratio(1.0),
        }
    }
}

/// How many sandboxes there can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Capacity {
    /// The provider has room; quotas limit.
    Elastic(Elastic),
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
    /// Boots and restores per time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_rate: Option<CreateRate>,
}

impl Default for Elastic {
    fn default() -> Self {
        Elastic { max_concurrent: Limit::UNLIMITED, create_rate: None }
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

/// What happens to a sandbox whose session is silent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idle {
    /// Silence after which it happens; needed unless `then: keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What happens.
    #[serde(default)]
    pub then: IdleThen,
}

impl Default for Idle {
    fn default() -> Self {
        Idle { timeout: None, then: IdleThen::Keep }
    }
}

/// What happens to an idle sandbox at its timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdleThen {
    /// It runs on.
    #[default]
    Keep,
    /// It is destroyed, its state lost.
    Kill,
    /// It is saved and stopped.
    Hibernate,
}

/// Where requests wait for a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Requests that can wait at once; more are turned away.
    pub capacity: Limit,
    /// How long a request waits before it gives up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

impl Default for Queue {
    fn default() -> Self {
        Queue { capacity: Limit::UNLIMITED, timeout: None }
    }
}

/// Policies of the platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Governance {
    /// Policies by name, each checked at its point.
    pub policies: IndexMap<String, Policy>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What it is checked at.
    pub at: PolicyPoint,
    /// How long a check takes.
    #[serde(default = "zero_span")]
    pub latency: Dist<Span>,
}

fn zero_span() -> Dist<Span> {
    Dist::constant(Span::ZERO)
}

/// Where a policy is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyPoint {
    /// At a session's arrival.
    Session,
    /// Before each model call.
    Model,
    /// Before each tool call.
    Tool,
}

/// What fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Tries of one boot, and of one restore, in all.
    pub attempts: u32,
    /// Share of boots that fail.
    pub boot: Ratio,
    /// Share of restores that fail.
    pub restore: Ratio,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { attempts: 1, boot: Ratio(0.0), restore: Ratio(0.0) }
    }
}
