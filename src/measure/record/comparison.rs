//! Traditional computing against the platform, in the five dimensions that agent services are sold by.

use serde::{Deserialize, Serialize};

/// The same sessions on traditional computing and on the platform, both simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// What stands for traditional computing.
    pub against: String,
    /// Replications of it.
    pub replications: u32,
    /// Traditional computing.
    pub traditional: SideRecord,
    /// The platform.
    pub platform: SideRecord,
}

/// One side, as it was simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideRecord {
    /// The isolation tier.
    pub isolation: String,
    /// Sandboxes that ran on a host, time average; `None` where hosts are the provider's.
    pub sandboxes_per_host: Option<f64>,
    /// Cold starts.
    pub cold_start: StartRecord,
    /// Share of the total cost that is paid for what waits to be used; `None` without prices.
    pub idle_cost_share: Option<f64>,
    /// Its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_cost_share_ci95: Option<[f64; 2]>,
    /// The same in money a day, hosts that stand empty included.
    pub idle_cost_per_day: Option<f64>,
    /// What sessions find when they come back.
    pub state: StateRecord,
    /// Who has an identity: `session`, `agent`, or `None` where nobody has one of its own.
    pub identity: Option<String>,
    /// Identities issued for each session that came.
    pub identities_per_session: f64,
}

/// Cold starts of one side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// Cold starts, mean per replication.
    pub count: f64,
    /// Mean, seconds.
    pub mean: Option<f64>,
    /// Its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_ci95: Option<[f64; 2]>,
    /// Standard deviation over mean.
    pub cv: Option<f64>,
    /// 99th percentile, seconds.
    pub p99: Option<f64>,
}

/// What sessions find when they come back to a sandbox that was let go meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateRecord {
    /// What is kept of a silent session: `all, running`, `nothing`, `files`, `files and memory`.
    pub keeps: String,
    /// Turns that came to a sandbox which was not running any more, mean per replication.
    pub returns: f64,
    /// Share of them that found their state; `None` where there was none.
    pub found: Option<f64>,
    /// 95th percentile of the time to bring it back, seconds.
    pub recovery_p95: Option<f64>,
}
