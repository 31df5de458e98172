//! What a run needs of a scenario, resolved once and shared by all replications.

use std::sync::Arc;

use super::machine::Machine;
use super::platform::{self, PoolError};
use super::quotas::{self, QuotaTerms};
use crate::billing::MeterTerms;
use crate::control::ControlConfig;
use crate::dist::Dist;
use crate::provider::Endpoint;
use crate::scenario::types::{
    Arrivals, Class, DEFAULT_NAME, HostType, Identity, IdleThen, Load, Measure, Model, PolicyPoint,
    Scenario, Snapshot, Stalls, Tier, Zones,
};
use crate::units::{Bytes, Cores, Count, Rate, Span};
use crate::workload::arrivals::{ArrivalError, ArrivalProcess, ArrivalStream};
use crate::workload::drawn::{DrawnError, DrawnPlans};
use crate::workload::length::LengthError;
use crate::workload::plan::{Plans, SessionPlan, resampled};
use crate::workload::session::{CallTerms, Demand};

/// Millionths of a vCPU: holdings are integers, so that their integrals are exact.
const MICRO: f64 = 1e6;

/// What a class's sandbox is given.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassTerms {
    /// The class's name.
    pub name: String,
    /// vCPUs.
    pub vcpu: Cores,
    /// vCPUs in millionths.
    pub micro_vcpu: i64,
    /// Memory, without overhead.
    pub memory: Bytes,
    /// Memory that it takes of a host, with overhead.
    pub reserved: Bytes,
    /// Its tenant's number.
    pub tenant: u16,
    /// Larger is served first in the queue.
    pub priority: i32,
    /// Share of its sessions that are abandoned.
    pub abandon: f64,
    /// Share of the arrivals.
    pub share: f64,
}

/// A policy and where it is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyTerms {
    /// Where.
    pub at: PolicyPoint,
    /// How long a check takes.
    pub latency: Dist<Span>,
}

/// How a pool's sandbox is taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolClaim {
    /// How long it takes.
    pub claim: Dist<Span>,
    /// Its sandboxes are paused: they hold memory and no CPU.
    pub paused: bool,
}

/// A tenant's quotas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantTerms {
    /// Its name.
    pub name: String,
    /// Sessions open at once.
    pub sessions: Option<u64>,
    /// Prompt and output tokens a day.
    pub tokens_per_day: Option<u64>,
}

/// A scenario, resolved for running.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Classes, by [`ClassId`](crate::workload::plan::ClassId).
    pub classes: Vec<ClassTerms>,
    /// Models and their names, by [`ModelId`](crate::workload::plan::ModelId).
    pub models: Vec<(String, Model)>,
    /// Prompt tokens above which a model's call is priced as a long one, by model.
    pub long_above: Vec<Option<u64>>,
    /// The isolation tier.
    pub tier: Tier,
    /// The platform's policies on slots.
    pub control: ControlConfig,
    /// Its policies on sessions and calls.
    pub policies: Vec<PolicyTerms>,
    /// Share of boots that fail.
    pub boot_faults: f64,
    /// Share of restores that fail.
    pub restore_faults: f64,
    /// Mean time that a host is up before it crashes; compressed.
    pub host_mtbf: Option<Span>,
    /// Hosts that crash together; times compressed but for the outage.
    pub zones: Option<Zones>,
    /// Stalls of the control plane.
    pub stalls: Option<Stalls>,
    /// Time between new versions; compressed.
    pub rollouts: Option<Span>,
    /// Whether images are on hosts from the start.
    pub images_placed: bool,
    /// Host types and their names, by number; none on an elastic platform.
    pub host_types: Vec<HostType>,
    /// How each pool's sandboxes are taken over.
    pub pools: Vec<PoolClaim>,
    /// Tenants by number.
    pub tenants: Vec<TenantTerms>,
    /// What the scenario limits, the platform's quotas first.
    pub quotas: Vec<QuotaTerms>,
    /// What sessions or agents show; lifetime compressed.
    pub identity: Option<Identity>,
    /// What telemetry adds to the CPU time of tool work: 1 for nothing.
    pub telemetry_cpu: f64,
    /// What the archive adds to a restore.
    pub archive_restore: Dist<Span>,
    /// Whether snapshots hold memory.
    pub full_snapshots: bool,
    /// The measure ends at a given time, whatever happens.
    pub measures_a_span: bool,
    /// Whether sessions have sub-agents.
    pub have_children: bool,
    /// What the rate card charges by beside what slots hold.
    pub meter: MeterTerms,
    /// Seed of all draws.
    pub seed: u64,
    /// Factor by which waited time is compressed.
    pub compression: f64,
    /// Sessions that will arrive in all, if there is an end to them.
    pub sessions: Option<u64>,
    /// Sessions always open, if arrivals are closed.
    pub population: Option<u64>,
    /// The one machine that an elastic platform's sandboxes are all on, for the twin of a live run. None
    /// for a platform that gives each sandbox its own cores.
    pub machine: Option<Machine>,
    /// All replications have the demand of this one, and differ in supply alone.
    pub fixed_demand: Option<u16>,
    plans: Plans,
    arrivals: ArrivalProcess,
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetupError {
    /// Nothing arrives.
    #[error("nothing says when sessions arrive: give `workload.load`, `arrivals` or `trace`")]
    NoArrivals,
    /// Two things say how many arrive.
    #[error("both `workload.load` and `workload.arrivals` set the arrival rate: keep one")]
    TwoRates,
    /// What is hibernated cannot be saved.
    #[error(
        "`idle: {{then: hibernate}}` needs `platform.isolation.{0}.snapshot`: this tier takes no snapshots"
    )]
    NoSnapshots(&'static str),
    /// Idle sandboxes are to be dealt with, but never.
    #[error("`platform.idle.then: {0}` needs `platform.idle.timeout`")]
    NoIdleTimeout(&'static str),
    /// A pool holds sandboxes of no class in particular.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The classes make no plans.
    #[error(transparent)]
    Plans(#[from] DrawnError),
    /// The arrival process is none.
    #[error(transparent)]
    Arrivals(#[from] ArrivalError),
    /// The load gives no rate.
    #[error("`workload.load` sets no rate: {0}")]
    Load(#[from] LengthError),
    /// The sessions' planned length is zero.
    #[error("`workload.load.open_sessions` cannot be reached: sessions take no time at full speed")]
    NoLength,
}

/// What is set for a run beside the scenario.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Factor by which waited time is compressed.
    pub compression: f64,
    /// At most this many sessions arrive.
    pub sessions: Option<u64>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions { compression: 1.0, sessions: None }
    }
}

impl Setup {
    /// Resolves a scenario, with the sessions of its trace if it names one.
    ///
    /// # Errors
    ///
    /// If the scenario contradicts itself or leaves out what is needed.
    pub fn new(
        scenario: &Scenario,
        recorded: Option<Arc<Vec<SessionPlan>>>,
        options: &RunOptions,
    ) -> Result<Setup, SetupError> {
        check_idle(scenario)?;
        let seed = scenario.experiment.seed;
        let plans = match &recorded {
            Some(sessions) => Plans::Recorded(Arc::clone(sessions)),
            None => Plans::Drawn(Arc::new(DrawnPlans::new(
                seed,
                &scenario.workload.classes,
                &scenario.models,
            )?)),
        };
        let arrivals = arrivals(scenario, &plans)?.compressed(Count(options.compression));
        let available = recorded.as_ref().map(|sessions| sessions.len() as u64);
        let governance = &scenario.platform.governance;
        let models = models(scenario);
        let compression = options.compression;
        let compressed = |span: Span| span.compressed(compression);
        let platform = &scenario.platform;
        let tenants = platform::tenants(scenario);
        let classes = classes(scenario, &tenants);
        let pools = platform::pools(scenario, &classes, compression)?;
        let faults = &platform.faults;
        let long_above =
            |(_, model): &(String, Model)| Some(model.rates.long_context.as_ref()?.above.0);
        Ok(Setup {
            control: platform::control(scenario, &classes, &tenants, &pools, compression),
            host_mtbf: faults.host_mtbf.map(compressed),
            zones: faults
                .zones
                .clone()
                .map(|zones| Zones { mtbf: compressed(zones.mtbf), ..zones }),
            stalls: faults
                .stalls
                .clone()
                .map(|stalls| Stalls { mtbf: compressed(stalls.mtbf), ..stalls }),
            rollouts: platform.rollouts.as_ref().map(|rollouts| compressed(rollouts.every)),
            images_placed: platform::images_placed(platform.pool.as_ref()),
            host_types: platform::host_types(scenario),
            pools: pools
                .into_iter()
                .map(|(terms, claim)| PoolClaim { claim, paused: terms.paused })
                .collect(),
            identity: governance.identity.clone().map(|identity| Identity {
                lifetime: identity.lifetime.map(compressed),
                ..identity
            }),
            telemetry_cpu: 1.0 + governance.telemetry.as_ref().map_or(0.0, |t| t.cpu_share.0),
            archive_restore: platform
                .archive
                .as_ref()
                .map_or(Dist::constant(Span::ZERO), |archive| archive.restore.clone()),
            full_snapshots: platform
                .isolation
                .tier()
                .snapshot
                .as_ref()
                .is_some_and(Snapshot::is_full),
            have_children: plans.have_children(),
            measures_a_span: matches!(scenario.experiment.measure, Measure::For(_)),
            classes,
            quotas: quotas::terms(scenario, &tenants, &models),
            tenants,
            long_above: models.iter().map(long_above).collect(),
            models,
            tier: scenario.platform.isolation.tier().clone(),
            policies: governance
                .policies
                .values()
                .map(|policy| PolicyTerms { at: policy.at, latency: policy.latency.clone() })
                .collect(),
            boot_faults: scenario.platform.faults.boot.0,
            restore_faults: scenario.platform.faults.restore.0,
            meter: MeterTerms::of(scenario),
            seed,
            compression: options.compression,
            sessions: match (options.sessions, available) {
                (Some(asked), Some(there)) => Some(asked.min(there)),
                (asked, there) => asked.or(there),
            },
            population: arrivals.population(),
            machine: None,
            fixed_demand: None,
            plans,
            arrivals,
        })
    }

    /// The same supply under the demand of `other`: its sessions, when they come and how many.
    #[must_use]
    pub fn with_demand_of(self, other: &Setup) -> Setup {
        Setup {
            plans: other.plans.clone(),
            arrivals: other.arrivals.clone(),
            population: other.population,
            sessions: other.sessions,
            have_children: other.have_children,
            ..self
        }
    }

    /// The same setup whose sessions are drawn again from the recorded ones behind them: those of the
    /// trace, or as many as each class was fitted on.
    #[must_use]
    pub fn resampled(&self, replication: u16) -> Setup {
        let plans = match &self.plans {
            Plans::Drawn(drawn) => Plans::Drawn(Arc::new(drawn.resampled())),
            Plans::Recorded(sessions) => {
                let replication = self.demand_of(replication);
                Plans::Recorded(Arc::new(resampled(sessions, self.seed, replication)))
            }
        };
        Setup { plans, ..self.clone() }
    }

    /// Mean arrivals per time, if arrivals have a rate; compressed.
    pub fn mean_rate(&self) -> Option<Rate> {
        self.arrivals.mean_rate()
    }

    /// Whether sandboxes may be lost with their host.
    pub fn can_crash(&self) -> bool {
        self.host_mtbf.is_some() || self.zones.is_some()
    }

    /// The number of a class's tenant.
    pub fn tenant_of(&self, class: crate::workload::plan::ClassId) -> usize {
        usize::from(self.classes[usize::from(class.0)].tenant)
    }

    /// Where plans come from.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The demand of one replication.
    pub fn demand(&self, replication: u16) -> Demand {
        Demand {
            plans: self.plans.clone(),
            have_children: self.have_children,
            terms: self
                .models
                .iter()
                .map(|(_, model)| CallTerms::new(model, self.compression))
                .collect(),
            seed: self.seed,
            replication: self.demand_of(replication),
            compression: self.compression,
        }
    }

    /// The arrivals of one replication.
    pub fn arrivals(&self, replication: u16) -> ArrivalStream {
        self.arrivals.stream(self.seed, self.demand_of(replication))
    }

    fn demand_of(&self, replication: u16) -> u16 {
        self.fixed_demand.unwrap_or(replication)
    }

    /// The model endpoints of one replication.
    pub fn endpoints(&self, replication: u16) -> Vec<Endpoint> {
        let replication = self.demand_of(replication);
        let endpoint = |(_, model): &(String, Model)| {
            Endpoint::new(model, self.seed, replication, self.compression)
        };
        self.models.iter().map(endpoint).collect()
    }
}

fn check_idle(scenario: &Scenario) -> Result<(), SetupError> {
    let platform = &scenario.platform;
    let name = match platform.idle.then {
        IdleThen::Keep => return Ok(()),
        IdleThen::Kill => "kill",
        IdleThen::Hibernate => "hibernate",
    };
    if platform.idle.timeout.is_none() {
        return Err(SetupError::NoIdleTimeout(name));
    }
    if platform.idle.then == IdleThen::Hibernate && platform.isolation.tier().snapshot.is_none() {
        return Err(SetupError::NoSnapshots(platform.isolation.name()));
    }
    Ok(())
}

fn classes(scenario: &Scenario, tenants: &[TenantTerms]) -> Vec<ClassTerms> {
    let overhead = scenario.platform.isolation.tier().memory_overhead;
    let number = |class: &Class| {
        let name = class.tenant.as_deref().unwrap_or(DEFAULT_NAME);
        tenants.iter().position(|tenant| tenant.name == name).unwrap_or(0) as u16
    };
    let terms = |name: &str, class: &Class| ClassTerms {
        name: name.to_owned(),
        vcpu: class.sandbox.vcpu,
        micro_vcpu: (class.sandbox.vcpu.0 * MICRO).round() as i64,
        memory: class.sandbox.memory,
        reserved: class.sandbox.memory + overhead,
        tenant: number(class),
        priority: class.priority,
        abandon: class.abandon.0,
        share: class.share.map_or(1.0, |share| share.0),
    };
    let workload = &scenario.workload;
    if workload.classes.is_empty() {
        return vec![terms(DEFAULT_NAME, &Class::default())];
    }
    workload.classes.iter().map(|(name, class)| terms(name, class)).collect()
}

fn models(scenario: &Scenario) -> Vec<(String, Model)> {
    if scenario.models.is_empty() {
        return vec![(DEFAULT_NAME.to_owned(), Model::default())];
    }
    scenario.models.iter().map(|(name, model)| (name.clone(), model.clone())).collect()
}

fn arrivals(scenario: &Scenario, plans: &Plans) -> Result<ArrivalProcess, SetupError> {
    let workload = &scenario.workload;
    let profile = workload.profile.as_ref();
    match (&workload.load, &workload.arrivals, plans) {
        (Some(_), Some(_), _) => Err(SetupError::TwoRates),
        (Some(load), None, _) => Ok(by_load(scenario, load, plans)?),
        (None, Some(arrivals), _) => Ok(ArrivalProcess::new(arrivals, profile)?),
        (None, None, Plans::Recorded(sessions)) => {
            Ok(ArrivalProcess::recorded(Arc::clone(sessions), profile)?)
        }
        (None, None, Plans::Drawn(_)) => Err(SetupError::NoArrivals),
    }
}

/// Little's law: the rate that keeps so many sessions open is their number over their length.
fn by_load(scenario: &Scenario, load: &Load, plans: &Plans) -> Result<ArrivalProcess, SetupError> {
    let length = match plans {
        Plans::Drawn(drawn) => drawn.mean_planned_length(&scenario.models)?,
        Plans::Recorded(sessions) => {
            let classes = classes(scenario, &[]);
            let vcpu = |plan: &SessionPlan| classes[usize::from(plan.class.0)].vcpu;
            crate::workload::length::of_recorded(sessions, &scenario.models, vcpu)?
        }
    };
    if length.is_zero() {
        return Err(SetupError::NoLength);
    }
    let rate = Rate::new(load.open_sessions.0, length);
    Ok(ArrivalProcess::new(&Arrivals::Poisson { rate }, scenario.workload.profile.as_ref())?)
}
