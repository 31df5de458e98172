//! Reserved throughput: how much of it is used, and from where on it pays.

use indexmap::IndexMap;

use crate::billing::{TokenLedger, break_even};
use crate::measure::interval;
use crate::measure::record::{ProvisionedRecord, Run};
use crate::scenario::types::{Model, Scenario};

/// The models of a scenario that have throughput reserved, held against pay-as-you-go.
pub(super) fn provisioned(run: &Run, scenario: &Scenario) -> IndexMap<String, ProvisionedRecord> {
    let models = scenario.models.iter();
    models.filter_map(|(name, model)| Some((name.clone(), one(run, name, model)?))).collect()
}

fn one(run: &Run, name: &str, model: &Model) -> Option<ProvisionedRecord> {
    let units = model.provisioned.as_ref()?.units;
    let used = run.usage.tokens.get(name)?;
    let reserved = used.provisioned.as_ref()?;
    let of = |get: fn(&TokenLedger) -> Option<f64>| -> Vec<f64> {
        let ledgers = run.per_replication.iter().filter_map(|r| r.usage.tokens.get(name));
        ledgers.filter_map(get).collect()
    };
    let charged = of(|t| t.provisioned.map(|p| p.charged));
    let capacity = of(|t| t.provisioned.map(|p| p.capacity));
    let utilisation =
        if reserved.capacity > 0.0 { reserved.charged / reserved.capacity } else { 0.0 };
    let (stated, replications) = (run.stated_level(), run.per_replication.len());
    let ci95 = interval::of_ratio(&charged, &capacity)
        .map(|ci| interval::widened(utilisation, ci, stated, replications))
        .map(|[low, high]| [low.max(0.0), high]);
    let all = used.input + used.output;
    let found = break_even(used, &model.rates);
    let from = found.and_then(|found| found.break_even);
    let [low, high] = ci95.unwrap_or([utilisation; 2]);
    let decided = ci95.is_some() || run.quality.exact;
    Some(ProvisionedRecord {
        units,
        utilisation,
        utilisation_ci95: ci95,
        spilled: if all > 0.0 { 1.0 - (reserved.input + reserved.output) / all } else { 0.0 },
        cost: found.map(|found| found.cost),
        on_demand: found.map(|found| found.on_demand),
        break_even: from,
        cheaper: from.filter(|_| decided).and_then(|from| {
            let sides = (low > from, high < from);
            match sides {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            }
        }),
    })
}
