//! Quotas: which bind, and how much to ask for.

use serde::{Deserialize, Serialize};

/// Whether a quota stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaVerdict {
    /// Requests waited for it, or were refused because of it.
    Binds,
    /// Nothing came up against it, but only because other quotas held requests back: without them more
    /// than the limit would be used.
    WouldBind,
    /// It holds nothing up, but leaves less than the headroom.
    Tight,
    /// It leaves the headroom.
    Ample,
}

/// One quota against what is asked of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaRecord {
    /// What it limits, for people: `sandboxes at once`.
    pub what: String,
    /// The unit of limit, peaks and what to ask for.
    pub unit: String,
    /// The limit.
    pub limit: f64,
    /// Window that a rate is enforced on, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// Requests that came to it, mean per replication.
    pub asked: f64,
    /// Those that waited, were refused or were turned away because of it, mean per replication.
    pub held_up: f64,
    /// The most that was used, highest of the replications: of a rate in its busiest window.
    pub peak: f64,
    /// The most that would be used if no quota held anything up, highest of `demand_replications`: of
    /// a rate in its busiest window.
    pub demand: f64,
    /// Replications that `demand` was found in.
    pub demand_replications: u32,
    /// Whether these were run again with all quotas lifted; if not, no quota held anything up.
    pub lifted: bool,
    /// Whether it stands in the way.
    pub verdict: QuotaVerdict,
    /// It is the tightest of those that bind, or would: demand over limit is largest.
    pub first: bool,
    /// What to ask for: the demand and the headroom, rounded up to two digits; `None` where the limit
    /// leaves that.
    pub ask: Option<f64>,
    /// The line to put into a request for more.
    pub request: Option<String>,
}
