//! Cost and scorecard of a record, with intervals between its replications.

use indexmap::IndexMap;

use super::interval;
use super::names::{Counter, Metric};
use super::record::{ReplicationRecord, Run, Scorecard, ScorecardKey};
use crate::billing::{Cost, CostIntervals, CostKey, Rates, Usage, lacks, price};
use crate::scenario::types::Scenario;

const DAY_SECONDS: f64 = 86_400.0;

/// The cost of the mean ledger, with intervals over the replications' own costs.
pub(super) fn cost(replications: &[ReplicationRecord], rates: &Rates) -> Cost {
    let mean = Usage::mean(replications.iter().map(|r| &r.usage));
    let mut cost = price(&mean, rates);
    let priced = |r: &ReplicationRecord| ReplicationRecord {
        cost: amounts(&r.usage, rates),
        usage: r.usage.clone(),
        ..ReplicationRecord::default()
    };
    let priced: Vec<ReplicationRecord> = replications.iter().map(priced).collect();
    cost.ci95 = cost_intervals(&priced);
    cost
}

/// What a ledger costs, by [`CostKey::name`].
pub(super) fn amounts(usage: &Usage, rates: &Rates) -> IndexMap<String, f64> {
    let cost = price(usage, rates);
    let named = |key: &CostKey| Some((key.name().to_owned(), cost.get(*key)?));
    CostKey::ALL.iter().filter_map(named).collect()
}

/// What a record costs at other rates, without a new run.
///
/// # Errors
/// With the quantities that these rates charge by and the run did not record.
pub fn reprice(run: &Run, rates: &Rates) -> Result<Cost, Vec<String>> {
    let lacks = lacks(&run.usage, rates);
    if lacks.is_empty() { Ok(cost(&run.per_replication, rates)) } else { Err(lacks) }
}

/// The numerators and denominators of a cost quantity in each replication. Every one is a ratio of
/// two sums over replications: an amount over their number, `tco` over sessions, idle cost over
/// `tco`.
pub fn cost_terms(replications: &[ReplicationRecord], key: CostKey) -> (Vec<f64>, Vec<f64>) {
    let usage =
        |of: fn(&Usage) -> f64| replications.iter().map(|r| of(&r.usage)).collect::<Vec<f64>>();
    let get = |r: &ReplicationRecord, key: CostKey| r.cost.get(key.name()).copied().unwrap_or(0.0);
    let amounts = |key: CostKey| replications.iter().map(|r| get(r, key)).collect::<Vec<f64>>();
    let tco = amounts(CostKey::Tco);
    match key {
        CostKey::PerSession => (tco, usage(|u| u.sessions_completed)),
        CostKey::PerTurn => (tco, usage(|u| u.turns)),
        CostKey::PerDay => (tco, usage(|u| u.measured_s / DAY_SECONDS)),
        CostKey::PerMonth => (tco, usage(|u| u.measured_s / (30.0 * DAY_SECONDS))),
        CostKey::IdleCostShare => {
            let idle =
                |r| get(r, CostKey::ComputeIdle) + get(r, CostKey::Pool) + get(r, CostKey::Storage);
            (replications.iter().map(idle).collect(), tco)
        }
        CostKey::TurnWaitCostShare => {
            let share = |r| get(r, CostKey::TurnWaitCostShare) * get(r, CostKey::Tco);
            (replications.iter().map(share).collect(), tco)
        }
        _ => (amounts(key), vec![1.0; replications.len()]),
    }
}

fn cost_intervals(replications: &[ReplicationRecord]) -> CostIntervals {
    let mut intervals = IndexMap::new();
    for key in CostKey::ALL {
        let (top, bottom) = cost_terms(replications, *key);
        if let Some([low, high]) = interval::of_ratio(&top, &bottom) {
            let high = if key.is_share() { high.min(1.0) } else { high };
            intervals.insert(key.name().to_owned(), [low.max(0.0), high]);
        }
    }
    intervals
}

/// A ratio of the scorecard: its numerator and denominator in one replication, and its interval.
struct Ratio {
    key: ScorecardKey,
    terms: fn(&Counts<'_>) -> (f64, f64),
    interval: fn(&[f64], &[f64]) -> Option<[f64; 2]>,
}

const RATIOS: [Ratio; 6] = [
    Ratio {
        key: ScorecardKey::TokenOutputRatio,
        terms: |c| {
            let output = c.of(Counter::TokensOutput);
            (c.of(Counter::TokensInput) - c.of(Counter::TokensCached) + output, output)
        },
        interval: interval::of_ratio,
    },
    Ratio {
        key: ScorecardKey::RetryRate,
        terms: |c| {
            let attempts = c.of(Counter::ModelAttempts);
            (attempts - c.of(Counter::ModelCalls), attempts)
        },
        interval: interval::of_share,
    },
    Ratio {
        key: ScorecardKey::ErrorRate,
        terms: |c| (c.of(Counter::ModelErrors), c.of(Counter::ModelAttempts)),
        interval: interval::of_share,
    },
    Ratio {
        key: ScorecardKey::SuccessRate,
        terms: |c| {
            let completed = c.of(Counter::SessionsCompleted);
            (completed, completed + c.of(Counter::SessionsFailed) + c.of(Counter::SessionsRejected))
        },
        interval: interval::of_share,
    },
    Ratio {
        key: ScorecardKey::TokensPerDay,
        terms: |c| {
            let tokens = c.of(Counter::TokensInput) + c.of(Counter::TokensOutput);
            (tokens, c.0.usage.measured_s / DAY_SECONDS)
        },
        interval: interval::of_ratio,
    },
    Ratio {
        key: ScorecardKey::PoolHitRate,
        terms: |c| {
            let claims = c.of(Counter::PoolClaims);
            let cold = c.0.metrics[Metric::ColdStart.name()].count as f64;
            // Without a pool there is nothing to hit.
            if claims == 0.0 { (0.0, 0.0) } else { (claims, claims + cold) }
        },
        interval: interval::of_share,
    },
];

/// A replication's counters.
struct Counts<'a>(&'a ReplicationRecord);

impl Counts<'_> {
    fn of(&self, counter: Counter) -> f64 {
        self.0.counters[counter.name()]
    }
}

/// The numerators and denominators of a ratio of the scorecard in each replication; `None` for what
/// is no ratio.
pub fn score_terms(
    replications: &[ReplicationRecord],
    key: ScorecardKey,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let ratio = RATIOS.iter().find(|ratio| ratio.key == key)?;
    Some(replications.iter().map(|r| (ratio.terms)(&Counts(r))).unzip())
}

/// The ratios that a record is judged by.
pub(super) fn scorecard(
    replications: &[ReplicationRecord],
    scenario: &Scenario,
    warnings: &mut Vec<String>,
) -> Scorecard {
    let overhead = scenario.platform.isolation.tier().memory_overhead;
    let mut scorecard =
        Scorecard { memory_overhead_bytes: Some(overhead.0 as f64), ..Scorecard::default() };
    for Ratio { key, terms, interval } in &RATIOS {
        let (top, bottom): (Vec<f64>, Vec<f64>) =
            replications.iter().map(|r| terms(&Counts(r))).unzip();
        let (sum, by): (f64, f64) = (top.iter().sum(), bottom.iter().sum());
        if by <= 0.0 {
            continue;
        }
        if sum < 0.0 {
            warnings.push(format!(
                "{}: below 0 by calls that straddle the ends of the measure, shown as 0",
                key.name()
            ));
        }
        scorecard.set(*key, (sum / by).max(0.0));
        if let Some([low, high]) = interval(&top, &bottom) {
            scorecard.ci95.insert(key.name().to_owned(), [low.max(0.0), high]);
        }
    }
    scorecard
}
