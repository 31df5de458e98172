//! Who may do what, and what it costs to say so.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dist::Dist;
use crate::units::{Bytes, Count, Limit, PricePerByte, PricePerTime, Ratio, Span, Tokens};

/// Policies of the platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Governance {
    /// Policies by name, each checked at its point.
    pub policies: IndexMap<String, Policy>,
    /// What agents or sessions show to be let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Quotas by tenant.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub quotas: IndexMap<String, TenantQuota>,
    /// What is recorded of what agents do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// Work of the people who keep the policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
}

/// What agents or sessions show to be let in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Who has one.
    #[serde(default)]
    pub per: IdentityPer,
    /// How long issuing one takes.
    #[serde(default = "zero_span")]
    pub issue: Dist<Span>,
    /// How long one is good (`per: session`); by default for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
}

/// Who has an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityPer {
    /// Each session; issued at its arrival, and again when older than its lifetime.
    #[default]
    Session,
    /// Each agent, that is each class: its first session pays, others do not wait.
    Agent,
}

/// A tenant's quotas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantQuota {
    /// Sessions open at once; more are rejected at their arrival.
    pub sessions: Limit,
    /// Prompt and output tokens a day, days counted from time 0; a call beyond fails its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<Tokens>,
}

impl Default for TenantQuota {
    fn default() -> Self {
        TenantQuota { sessions: Limit::UNLIMITED, tokens_per_day: None }
    }
}

/// What is recorded of what agents do: an event for each session, turn, try of a model call, tool
/// call and policy check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Bytes of an event.
    pub bytes_per_event: Bytes,
    /// CPU time of tool work that it takes besides.
    pub cpu_share: Ratio,
    /// Price of what is taken in.
    pub price: PricePerByte,
}

/// Work of the people who keep the policies: policies × changes × time × interfaces × rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// Changes of each policy in 30 days.
    pub changes_per_month: Count,
    /// Time that one change takes in one interface.
    pub time_per_change: Span,
    /// Interfaces in which each change is made.
    #[serde(default = "one")]
    pub interfaces: Count,
    /// What an hour of this work costs.
    pub hourly_rate: PricePerTime,
}

fn one() -> Count {
    Count(1.0)
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
