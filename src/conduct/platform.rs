//! What the machines need of a platform, from what a person wrote.

use super::setup::{ClassTerms, TenantTerms};
use crate::control::{
    ClassPolicy, ControlConfig, ElasticTerms, FleetConfig, PoolTerms, RoomConfig, Shape,
};
use crate::dist::Dist;
use crate::scenario::types::{
    Capacity, ClassPool, DEFAULT_NAME, FixedPool, HostType, Pool, QueueOrder, Scenario, Tier,
};
use crate::units::Span;

/// Why there is no such pool.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// Sandboxes of different shapes cannot come from one pool.
    #[error(
        "`platform.pool` holds sandboxes of one shape, but `{0}` and `{1}` differ: name a pool for each, as in \
         `pool: {{classes: {{{0}: {{fixed: {{size: 4}}}}}}}}`"
    )]
    Shapes(String, String),
    /// A pool is for a class that is not there.
    #[error("`platform.pool.classes.{0}`: there is no class `{0}`")]
    NoClass(String),
}

/// Tenants in the order in which classes and quotas name them.
pub(super) fn tenants(scenario: &Scenario) -> Vec<TenantTerms> {
    let quotas = &scenario.platform.governance.quotas;
    let classes = scenario.workload.classes.values();
    let mut names: Vec<&str> = Vec::new();
    let of_classes = classes.map(|class| class.tenant.as_deref().unwrap_or(DEFAULT_NAME));
    for name in of_classes.chain(quotas.keys().map(String::as_str)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.push(DEFAULT_NAME);
    }
    let terms = |name: &str| {
        let quota = quotas.get(name);
        TenantTerms {
            name: name.to_owned(),
            sessions: quota.and_then(|q| q.sessions.get()),
            tokens_per_day: quota.and_then(|q| q.tokens_per_day).map(|tokens| tokens.0),
        }
    };
    names.into_iter().map(terms).collect()
}

/// Instance types, by number.
pub(super) fn host_types(scenario: &Scenario) -> Vec<HostType> {
    match &scenario.platform.capacity {
        Capacity::Elastic(_) => Vec::new(),
        Capacity::Hosts(hosts) => hosts.types().into_iter().map(|(_, host)| host.clone()).collect(),
    }
}

/// Whether a pool puts images on hosts before they are asked for.
pub(super) fn images_placed(pool: Option<&Pool>) -> bool {
    let fixed = |pool: &ClassPool| matches!(pool, ClassPool::Fixed(FixedPool { image: true, .. }));
    match pool {
        Some(Pool::Fixed(pool)) => pool.image,
        Some(Pool::Classes(classes)) => classes.values().any(fixed),
        Some(Pool::Predictive(_)) | None => false,
    }
}

/// A pool with the time it takes to claim from it.
type Level = (PoolTerms, Dist<Span>);

/// All pools and their levels; a level's `next` is its place in the list.
pub(super) fn pools(
    scenario: &Scenario,
    classes: &[ClassTerms],
    compression: f64,
) -> Result<Vec<Level>, PoolError> {
    let start = mean_start(scenario.platform.isolation.tier());
    let mut levels = Vec::new();
    let mut add = |class: u16, pool: &ClassPool| match pool {
        ClassPool::Fixed(fixed) => {
            let mut first = PoolTerms::fixed(class, fixed, compression);
            if let Some(paused) = &fixed.paused {
                first.next = Some(levels.len() as u16 + 1);
                levels.push((first, fixed.claim.clone()));
                let size = FixedPool { size: paused.size, ..fixed.clone() };
                let mut second = PoolTerms::fixed(class, &size, compression);
                second.paused = true;
                levels.push((second, paused.claim.clone()));
            } else {
                levels.push((first, fixed.claim.clone()));
            }
        }
        ClassPool::Predictive(pool) => {
            let terms = PoolTerms::predictive(class, pool, start, compression);
            levels.push((terms, pool.claim.clone()));
        }
    };
    match &scenario.platform.pool {
        None => {}
        Some(Pool::Fixed(fixed)) => {
            one_shape(classes)?;
            add(0, &ClassPool::Fixed(fixed.clone()));
        }
        Some(Pool::Predictive(predictive)) => {
            one_shape(classes)?;
            add(0, &ClassPool::Predictive(predictive.clone()));
        }
        Some(Pool::Classes(by_class)) => {
            for (name, pool) in by_class {
                let class = classes.iter().position(|class| class.name == *name);
                let class = class.ok_or_else(|| PoolError::NoClass(name.clone()))?;
                add(class as u16, pool);
            }
        }
    }
    Ok(levels)
}

fn one_shape(classes: &[ClassTerms]) -> Result<(), PoolError> {
    let first = &classes[0];
    let other = classes
        .iter()
        .find(|class| (class.micro_vcpu, class.memory) != (first.micro_vcpu, first.memory));
    other.map_or(Ok(()), |other| Err(PoolError::Shapes(first.name.clone(), other.name.clone())))
}

/// Mean time of a cold boot with nothing beside it.
fn mean_start(tier: &Tier) -> Span {
    let stages = [tier.schedule.mean(), tier.image.mean(), tier.boot.mean(), tier.harness.mean()];
    Span::from_seconds(stages.iter().sum())
}

/// The control machine's view of a scenario.
pub(super) fn control(
    scenario: &Scenario,
    classes: &[ClassTerms],
    tenants: &[TenantTerms],
    pools: &[Level],
    compression: f64,
) -> ControlConfig {
    let room = match &scenario.platform.capacity {
        Capacity::Elastic(elastic) => RoomConfig::Elastic(ElasticTerms::new(elastic)),
        Capacity::Hosts(hosts) => RoomConfig::Fleet(FleetConfig::new(hosts, compression)),
    };
    let shared = !matches!(scenario.platform.pool, Some(Pool::Classes(_)));
    let behind: Vec<u16> = pools.iter().filter_map(|(terms, _)| terms.next).collect();
    let pool_of = |class: usize| {
        let first = (0..).zip(pools).find(|(number, (terms, _))| {
            !behind.contains(number) && (shared || usize::from(terms.class) == class)
        });
        first.map(|(number, _)| number)
    };
    let policy = |(number, class): (usize, &ClassTerms)| ClassPolicy {
        shape: Shape { micro_vcpu: class.micro_vcpu as u64, memory: class.reserved },
        priority: class.priority,
        tenant: class.tenant,
        pool: pool_of(number),
    };
    let policies = classes.iter().enumerate().map(policy).collect();
    let terms = pools.iter().map(|(terms, _)| terms.clone()).collect();
    let mut config = ControlConfig::new(&scenario.platform, room, policies, terms, compression);
    config.tenants = tenants.len();
    if let QueueOrder::Fair(weights) = &scenario.platform.queue.order {
        let weight = |tenant: &TenantTerms| weights.get(&tenant.name).map_or(1.0, |w| w.0);
        config.weights = Some(tenants.iter().map(weight).collect());
    }
    config
}
