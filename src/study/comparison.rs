//! Traditional computing against the platform: the five dimensions by which agent services are sold, read
//! off two simulations of the same sessions.

use std::sync::Arc;

use indexmap::IndexMap;

use super::design::{DesignError, arms};
use super::replicate::replicate;
use crate::billing::Cost;
use crate::conduct::RunOptions;
use crate::measure::record::{
    ComparisonRecord, GaugeRecord, Kind, MetricRecord, PartRecord, Quality, Run, SideRecord,
    StartRecord, StateRecord,
};
use crate::measure::{Counter, Gauge, Metric, RunInput, Totals};
use crate::scenario::types::{IdentityPer, IdleThen, Scenario, Snapshot};
use crate::sim::{Finish, Watch};
use crate::workload::plan::SessionPlan;

const DAY: f64 = 86_400.0;

/// Replications of a traditional arm that stands beside a scenario without a baseline.
const BESIDE: u32 = 4;

/// What was measured of one side.
struct Side<'a> {
    scenario: &'a Scenario,
    counters: &'a IndexMap<String, f64>,
    metrics: &'a IndexMap<String, MetricRecord>,
    gauges: &'a IndexMap<String, GaugeRecord>,
    cost: &'a Cost,
    measured_s: f64,
    replications: u32,
}

/// The platform of `run` against that of another arm.
pub(super) fn comparison(
    run: &Run,
    scenario: &Scenario,
    other: &PartRecord,
    of_other: &Scenario,
) -> ComparisonRecord {
    let platform = Side {
        scenario,
        counters: &run.counters,
        metrics: &run.metrics,
        gauges: &run.gauges,
        cost: &run.cost,
        measured_s: run.measured_s,
        replications: run.replications,
    };
    let replications = other.per_replication.len() as u32;
    let traditional = Side {
        scenario: of_other,
        counters: &other.counters,
        metrics: &other.metrics,
        gauges: &other.gauges,
        cost: &other.cost,
        measured_s: other.measured_s,
        replications,
    };
    ComparisonRecord {
        against: of_other.platform.isolation.name().to_owned(),
        replications,
        traditional: traditional.record(),
        platform: platform.record(),
    }
}

/// Simulates the baseline of `scenario` beside the record of the same scenario without one, a few times, and
/// compares the two; `None` where it was stopped.
///
/// # Errors
/// If the baseline cannot be run.
pub fn beside(
    run: &Run,
    scenario: &Scenario,
    recorded: Option<Arc<Vec<SessionPlan>>>,
    watch: &Watch,
) -> Result<Option<ComparisonRecord>, DesignError> {
    let Some((other, study)) = arms(scenario, recorded, &RunOptions::default(), watch)?.baseline
    else {
        return Ok(None);
    };
    let times = run.replications.min(BESIDE) as u16;
    let outcomes = replicate(&study.design, 0, times, watch);
    if outcomes.iter().any(|outcome| outcome.finish == Finish::Interrupted) {
        return Ok(None);
    }
    let totals: Vec<Totals> = outcomes.into_iter().map(|outcome| outcome.totals).collect();
    let models: Vec<String> =
        study.design.setup.models.iter().map(|(name, _)| name.clone()).collect();
    let part = Run::assemble(RunInput {
        kind: Kind::Simulated,
        scenario: &other,
        hash: String::new(),
        seed: other.experiment.seed,
        models: &models,
        replications: &totals,
        quality: Quality::default(),
    });
    Ok(Some(comparison(run, scenario, &PartRecord::from(part), &other)))
}

impl Side<'_> {
    fn record(&self) -> SideRecord {
        let arrived = self.counter(Counter::SessionsArrived);
        let issued = self.counter(Counter::IdentitiesIssued);
        let priced = self.cost.tco > 0.0;
        let idle = (self.cost.idle() + self.cost.compute_unreserved) * DAY / self.measured_s;
        let identity = self.scenario.platform.governance.identity.as_ref();
        SideRecord {
            isolation: self.scenario.platform.isolation.name().to_owned(),
            sandboxes_per_host: self.per_host(),
            cold_start: self.starts(),
            idle_cost_share: self.cost.idle_cost_share.filter(|_| priced),
            idle_cost_share_ci95: self.cost.ci95.get("idle_cost_share").copied(),
            idle_cost_per_day: (priced && self.measured_s > 0.0).then_some(idle),
            state: self.state(),
            identity: identity.map(|identity| {
                let per = match identity.per {
                    IdentityPer::Session => "session",
                    IdentityPer::Agent => "agent",
                };
                per.to_owned()
            }),
            identities_per_session: if arrived > 0.0 { issued / arrived } else { 0.0 },
        }
    }

    fn counter(&self, counter: Counter) -> f64 {
        self.counters.get(counter.name()).copied().unwrap_or(0.0)
    }

    fn per_host(&self) -> Option<f64> {
        let mean = |gauge: Gauge| self.gauges.get(gauge.name()).and_then(|gauge| gauge.mean);
        let hosts = mean(Gauge::HostsUp).filter(|hosts| *hosts > 0.0)?;
        Some(mean(Gauge::SandboxesRunning)? / hosts)
    }

    /// Observations of a metric, mean per replication.
    fn observed(&self, metric: Metric) -> f64 {
        let count = self.metrics.get(metric.name()).map_or(0, |metric| metric.count);
        count as f64 / f64::from(self.replications.max(1))
    }

    fn starts(&self) -> StartRecord {
        let Some(starts) = self.metrics.get(Metric::ColdStart.name()) else {
            return StartRecord::default();
        };
        StartRecord {
            count: self.observed(Metric::ColdStart),
            mean: starts.mean,
            mean_ci95: starts.ci95.as_ref().and_then(|ci95| ci95.mean),
            cv: starts.cv,
            p99: starts.p99,
        }
    }

    fn state(&self) -> StateRecord {
        let platform = &self.scenario.platform;
        let keeps = match platform.idle.then {
            IdleThen::Keep => "all, running",
            IdleThen::Kill => "nothing",
            IdleThen::Hibernate => match &platform.isolation.tier().snapshot {
                Some(snapshot) if Snapshot::is_full(snapshot) => "files and memory",
                Some(_) => "files",
                None => "nothing",
            },
        };
        // Turns that did not find their sandbox running, without those that never had one.
        let first = self.counter(Counter::SessionsStarted);
        let returns = (self.observed(Metric::Ready) - first).max(0.0);
        let found = self.observed(Metric::Restore);
        let restores = self.metrics.get(Metric::Restore.name());
        StateRecord {
            keeps: keeps.to_owned(),
            returns,
            found: (returns > 0.0).then(|| (found / returns).min(1.0)),
            recovery_p95: restores.and_then(|restores| restores.p95),
        }
    }
}
