//! The platform against its baseline, quantity by quantity.

use indexmap::IndexMap;

use crate::billing::CostKey;
use crate::boundary::{Extent, Quantity, Stat, change_record};
use crate::measure::record::{ChangeRecord, Run, Scorecard, ScorecardKey};
use crate::measure::{Counter, Gauge, Metric};

const STATS: [(&str, Stat); 4] =
    [("mean", Stat::Mean), ("p50", Stat::P50), ("p95", Stat::P95), ("p99", Stat::P99)];

/// All quantities of both arms, by the names that boundaries are written with, with intervals at the
/// two-sided error level `error`.
pub(super) fn all(run: &Run, baseline: &Run, error: f64) -> IndexMap<String, ChangeRecord> {
    let costs = CostKey::ALL.iter().map(|key| {
        // The bare name of some is a counter's.
        let bare = Counter::from_name(key.name()).is_none();
        let name = if bare { key.name().to_owned() } else { format!("cost.{}", key.name()) };
        (name, Quantity::Cost(*key))
    });
    let scores = ScorecardKey::ALL.iter().map(|key| (key.name().to_owned(), Quantity::Score(*key)));
    let metrics = Metric::ALL.iter().flat_map(|metric| {
        STATS
            .iter()
            .map(|(stat, of)| (format!("{}.{stat}", metric.name()), Quantity::Metric(*metric, *of)))
    });
    let gauges = Gauge::ALL
        .iter()
        .map(|gauge| (format!("{}.mean", gauge.name()), Quantity::Gauge(*gauge, Extent::Mean)));
    let quantities = costs.chain(scores).chain(metrics).chain(gauges);
    let found = quantities.filter_map(|(name, quantity)| {
        Some((name, change_record(run, baseline, quantity, error)?))
    });
    found.filter(|(_, change)| change.value != 0.0 || change.baseline != 0.0).collect()
}

/// What of it stands in the scorecard.
pub(super) fn into_scorecard(changes: &IndexMap<String, ChangeRecord>, scorecard: &mut Scorecard) {
    let Some(tco) = changes.get(CostKey::Tco.name()) else { return };
    scorecard.tco_change = tco.change;
    if let Some(interval) = tco.change_ci95 {
        scorecard.ci95.insert("tco.change".to_owned(), interval);
    }
}
