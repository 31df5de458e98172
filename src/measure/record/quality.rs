//! How far a record can be trusted.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::number::MetricRecord;

/// How far a record can be trusted. What does not apply is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// False if the numbers are not to be used: a live driver that was late itself.
    pub valid: bool,
    /// False if the run was cut short; what is here is what had been measured by then.
    pub complete: bool,
    /// True if nothing in the run is random, so that its numbers need no interval.
    pub exact: bool,
    /// How late the live driver was at what it had planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<MetricRecord>,
    /// Sessions that the live driver had planned: started + dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u64>,
    /// Sessions that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// Sessions that a cap of the live driver kept from starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// What answered model calls, if it was not a model: `stub` for sampled latencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The parts of cold starts of a live run: `schedule` (waiting for the driver and the machine),
    /// `image`, `boot`, `guest`, and what the first call took beside its work, `first_exec`; with
    /// `exec`, the same of all other calls.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub start_stages: IndexMap<String, MetricRecord>,
    /// What became of the live machine's CPU time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineRecord>,
    /// Isolation that the live machine did not grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub isolation_lost: Vec<String>,
    /// What else a reader should know.
    pub warnings: Vec<String>,
}

/// A machine during a live run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// Its cores.
    pub cores: u32,
    /// CPU seconds that it spent, the driver's own among them.
    pub busy_s: f64,
    /// CPU seconds that it wanted and that its hypervisor gave to others.
    pub stolen_s: f64,
    /// Cores that were busy while no operation was under way; none if there always was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_cores: Option<f64>,
    /// Share of the wanted CPU time that others got while one operation was under way and nothing else;
    /// none if that was too little to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_alone: Option<f64>,
}

impl MachineRecord {
    /// More than this share of the wanted CPU time stolen is told.
    pub const STOLEN_AT_MOST: f64 = 0.05;

    /// Share of the wanted CPU time that others got of an operation that was alone, as far as that is
    /// known: a hypervisor takes more where more cores are wanted.
    pub fn stolen_from_one(&self) -> f64 {
        self.stolen_alone.unwrap_or_else(|| self.stolen_share()).clamp(0.0, 0.99)
    }

    /// Share of the wanted CPU time that others got.
    pub fn stolen_share(&self) -> f64 {
        let wanted = self.busy_s + self.stolen_s;
        // A machine that gets nothing at all does not run.
        if wanted > 0.0 { (self.stolen_s / wanted).clamp(0.0, 0.99) } else { 0.0 }
    }
}

impl Default for Quality {
    /// A valid, complete, random run without anything to say.
    fn default() -> Self {
        Quality {
            valid: true,
            complete: true,
            exact: false,
            lateness: None,
            planned: None,
            started: None,
            dropped: None,
            model: None,
            start_stages: IndexMap::new(),
            machine: None,
            isolation_lost: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
