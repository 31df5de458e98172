//! What is gated by default, and how.

use crate::billing::CostKey;
use crate::boundary::{Extent, Quantity, Stat, Unit};
use crate::measure::record::ScorecardKey;
use crate::measure::{Gauge, Metric};

/// The direction in which a quantity gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// More is worse.
    More,
    /// Less is worse.
    Less,
}

/// A gated quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Gated {
    /// Its name, as `--tolerance` takes it.
    pub id: String,
    /// What it is.
    pub quantity: Quantity,
    /// When it is worse.
    pub worse: Worse,
    /// Relative change that is tolerated by default.
    pub tolerance: f64,
}

/// Tolerated by default: means and medians move little between runs, tails more.
const OF_MIDDLE: f64 = 0.05;
const OF_TAIL: f64 = 0.10;

/// Durations that say something of the platform; `think` and the like are demand.
const METRICS: [Metric; 10] = [
    Metric::ColdStart,
    Metric::Ready,
    Metric::QueueWait,
    Metric::Restore,
    Metric::Snapshot,
    Metric::ToolExec,
    Metric::ModelCall,
    Metric::Turn,
    Metric::PlatformTime,
    Metric::Session,
];

const STATS: [(&str, Stat, f64); 4] = [
    ("mean", Stat::Mean, OF_MIDDLE),
    ("p50", Stat::P50, OF_MIDDLE),
    ("p95", Stat::P95, OF_TAIL),
    ("p99", Stat::P99, OF_TAIL),
];

/// Everything that is gated, in the order of the record.
pub fn gated() -> Vec<Gated> {
    let mut all = Vec::new();
    for metric in METRICS {
        for (name, stat, tolerance) in STATS {
            let id = format!("{}.{name}", metric.name());
            let quantity = Quantity::Metric(metric, stat);
            all.push(Gated { id, quantity, worse: Worse::More, tolerance });
        }
    }
    for gauge in [Gauge::SandboxesRunning, Gauge::QueueLength, Gauge::SnapshotBytes] {
        let quantity = Quantity::Gauge(gauge, Extent::Mean);
        let id = format!("{}.mean", gauge.name());
        all.push(Gated { id, quantity, worse: Worse::More, tolerance: OF_MIDDLE });
    }
    for key in [CostKey::Tco, CostKey::PerSession, CostKey::PerTurn, CostKey::IdleCostShare] {
        let id = key.name().to_owned();
        let quantity = Quantity::Cost(key);
        all.push(Gated { id, quantity, worse: Worse::More, tolerance: OF_MIDDLE });
    }
    let scores = [
        (ScorecardKey::TokenOutputRatio, Worse::More, OF_MIDDLE),
        (ScorecardKey::RetryRate, Worse::More, OF_MIDDLE),
        (ScorecardKey::ErrorRate, Worse::More, OF_MIDDLE),
        (ScorecardKey::SuccessRate, Worse::Less, 0.005),
    ];
    for (key, worse, tolerance) in scores {
        let quantity = Quantity::Score(key);
        all.push(Gated { id: key.name().to_owned(), quantity, worse, tolerance });
    }
    all
}

impl Gated {
    /// A change smaller than this matters to nobody, whatever the baseline: 1 ms, a tenth of a
    /// percent point, a hundredth of a thing, 1 KiB, a thousandth of a cent.
    pub fn floor(&self) -> f64 {
        match self.quantity.unit() {
            Unit::Time | Unit::Share | Unit::Change => 1e-3,
            Unit::Count | Unit::Ratio => 1e-2,
            Unit::Bytes => 1024.0,
            Unit::Money => 1e-5,
        }
    }
}
