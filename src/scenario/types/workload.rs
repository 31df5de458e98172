//! Demand.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DEFAULT_NAME, is_default};
use crate::dist::Dist;
use crate::units::{Bytes, Cores, Count, Rate, Ratio, Span, Tokens};

/// Who comes, when, and what they want.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The load by its size: sets the arrival rate. Instead of `arrivals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// The arrival process. Instead of `load`; beside `trace` it overrides the trace's times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// How the arrival rate moves over the day or week; factors multiply the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Recorded sessions to replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// Kinds of sessions, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub classes: IndexMap<String, Class>,
}

/// The load by its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Sessions open at once, on average, at full speed: the arrival rate is this over the planned
    /// session length (thinks, and model and tool time at full speed).
    pub open_sessions: Count,
}

/// An arrival process of sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrivals {
    /// Exponential gaps.
    Poisson {
        /// Mean arrivals per time.
        rate: Rate,
    },
    /// Gamma gaps.
    Renewal {
        /// Mean arrivals per time.
        rate: Rate,
        /// Coefficient of variation of the gaps.
        cv: Count,
    },
    /// A Markov-modulated Poisson process: Poisson arrivals whose rate is that of a state.
    Mmpp {
        /// The states, each followed by the next and the last by the first. At time 0 the process is in
        /// one of them by its share of the time.
        states: Vec<ModulatedState>,
    },
    /// Session k arrives at k times this gap, from 0.
    Every(Span),
    /// A fixed population: as one session leaves, the next arrives.
    Closed {
        /// Sessions open at all times.
        population: u64,
    },
}

/// A state of a modulated arrival process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModulatedState {
    /// Mean arrivals per time while it lasts; may be zero.
    pub rate: Rate,
    /// How long it lasts on average: its length is exponential.
    pub mean: Span,
}

/// Factors of the arrival rate over a cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Profile {
    /// `[time of day, factor]` steps; each factor holds until the next.
    Day(Vec<(Span, Ratio)>),
    /// Steps over a week from Monday 0:00, or a named profile.
    Week(WeekProfile),
}

/// A week's profile.
#[derive(Clone, Debug, PartialEq)]
pub enum WeekProfile {
    /// A named one: `office-hours` (mean factor 1 over the week).
    OfficeHours,
    /// `[time since Monday 0:00, factor]` steps.
    Steps(Vec<(Span, Ratio)>),
}

/// Recorded sessions to replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The file, relative to the scenario; `.gz` is unpacked.
    pub file: String,
    /// How to read it.
    pub format: TraceFormat,
    /// What counts as a turn (`agent-sessions`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub turns: TraceTurns,
    /// Which times are replayed (`agent-sessions`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub timing: TraceTiming,
    /// What happens to sub-agents' rows (`agent-sessions`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub sub_agents: SubAgents,
    /// Which column numbers the sessions (`agent-sessions`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: TraceOrder,
    /// Spread arrivals that share a tick evenly over the tick (`mooncake`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub spread_ticks: bool,
}

/// A trace file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TraceFormat {
    /// `TIMESTAMP,ContextTokens,GeneratedTokens`.
    AzureLlm,
    /// JSON lines with `timestamp` (ms), `input_length`, `output_length`, `hash_ids`.
    Mooncake,
    /// One row a model request, grouped into sessions.
    AgentSessions,
    /// plimsoll's own session plans, JSON lines.
    Plans,
}

/// What counts as a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceTurns {
    /// Each model request is a turn.
    #[default]
    Request,
    /// A turn begins where a person spoke.
    UserMessage,
}

/// Which times of a session are replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceTiming {
    /// The recorded call duration, then the recorded think time.
    #[default]
    ApiAndThink,
    /// The recorded start of each request.
    StartTimes,
}

/// What happens to sub-agents' rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubAgents {
    /// They are left out, and counted.
    #[default]
    Skip,
    /// They run in their parent's sandbox, started by the request before them.
    Include,
}

/// Which column numbers the sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceOrder {
    /// Sessions sorted by their identifier.
    #[default]
    SessionId,
    /// Sessions in the order of their first row.
    File,
}

/// One kind of session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Class {
    /// Share of the arrivals; the shares of all classes sum to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Ratio>,
    /// Whose sessions these are; quotas and fairness go by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Larger is served first in the queue for slots.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// Turns in a session, at least 1.
    pub turns: Dist<Count>,
    /// Time between the end of a turn and the begin of the next.
    pub think: Dist<Span>,
    /// Steps in a turn: one model call each, then a batch of tool calls.
    pub steps: Dist<Count>,
    /// New tokens.
    pub tokens: TokenDemand,
    /// Tool calls after each model call.
    pub tools: ToolDemand,
    /// Sub-agents that a step may start after its tool calls, and waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_agents: Option<SubAgentDemand>,
    /// Share of the sessions that are left open without a word at their last turn's end.
    pub abandon: Ratio,
    /// The model that is called, a key of `models`.
    pub model: String,
    /// The sandbox that a session runs in.
    pub sandbox: Sandbox,
    /// Recorded sessions that its distributions were fitted to: how much they can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitted_on: Option<u64>,
}

impl Default for Class {
    fn default() -> Self {
        Class {
            share: None,
            tenant: None,
            priority: 0,
            turns: Dist::constant(Count(1.0)),
            think: Dist::constant(Span::ZERO),
            steps: Dist::constant(Count(1.0)),
            tokens: TokenDemand::default(),
            tools: ToolDemand::default(),
            sub_agents: None,
            abandon: Ratio(0.0),
            model: DEFAULT_NAME.to_owned(),
            sandbox: Sandbox::default(),
            fitted_on: None,
        }
    }
}

/// Sub-agents of a step: sessions that run side by side in their parent's sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubAgentDemand {
    /// The class that says what each does; its sandbox is not used. Give it `share: 0` if it comes
    /// in no other way.
    pub class: String,
    /// How many a step starts.
    pub count: Dist<Count>,
}

/// New tokens, by where they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenDemand {
    /// System prompt and tool definitions, once a session.
    pub system: Dist<Tokens>,
    /// User message, once a turn.
    pub user: Dist<Tokens>,
    /// Tool results that enter the next model call of the same turn.
    pub tool_result: Dist<Tokens>,
    /// Output of each model call.
    pub output: Dist<Tokens>,
}

impl Default for TokenDemand {
    fn default() -> Self {
        let none = || Dist::constant(Tokens(0));
        TokenDemand { system: none(), user: none(), tool_result: none(), output: none() }
    }
}

/// Tool calls of one step, side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolDemand {
    /// Calls in a step.
    pub calls: Dist<Count>,
    /// Cores that a call can use.
    pub cores: Dist<Cores>,
    /// CPU time of a call on the reference core.
    pub cpu: Dist<Span>,
    /// Time a call waits for I/O.
    pub io_wait: Dist<Span>,
    /// Peak memory of a call.
    pub memory: Dist<Bytes>,
    /// Bytes a call dirties on disk.
    pub disk_dirty: Dist<Bytes>,
}

impl Default for ToolDemand {
    fn default() -> Self {
        ToolDemand {
            calls: Dist::constant(Count(0.0)),
            cores: Dist::constant(Cores(1.0)),
            cpu: Dist::constant(Span::ZERO),
            io_wait: Dist::constant(Span::ZERO),
            memory: Dist::constant(Bytes(0)),
            disk_dirty: Dist::constant(Bytes(0)),
        }
    }
}

/// What a session's sandbox is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// Virtual CPUs.
    pub vcpu: Cores,
    /// Memory, without the isolation's overhead.
    pub memory: Bytes,
    /// Disk.
    pub disk: Bytes,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox { vcpu: Cores(1.0), memory: Bytes(2 << 30), disk: Bytes(10 << 30) }
    }
}

impl Serialize for WeekProfile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            WeekProfile::OfficeHours => serializer.serialize_str("office-hours"),
            WeekProfile::Steps(steps) => steps.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for WeekProfile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = WeekProfile;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`office-hours` or a list of `[time, factor]` steps")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<WeekProfile, E> {
                if text == "office-hours" {
                    Ok(WeekProfile::OfficeHours)
                } else {
                    Err(E::custom(format!(
                        "unknown week profile `{text}`: expected `office-hours` or a list of steps"
                    )))
                }
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<WeekProfile, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = seq.next_element()? {
                    steps.push(step);
                }
                Ok(WeekProfile::Steps(steps))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for WeekProfile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WeekProfile".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let steps = generator.subschema_for::<Vec<(Span, Ratio)>>();
        schemars::json_schema!({"oneOf": [{"const": "office-hours"}, steps]})
    }
}
