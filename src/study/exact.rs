//! Whether anything in a run is random. Where nothing is, its numbers need no interval.

use crate::conduct::Setup;
use crate::dist::Dist;
use crate::scenario::types::{
    Arrivals, IdleThen, Image, Latency, Measure, Model, Scenario, Start, Tier,
};
use crate::units::{Limit, Quantity};
use crate::workload::plan::{End, Plans, SessionPlan};

/// True if the run's plans, arrivals and supply leave nothing to a draw. Careful: in doubt, false.
pub(super) fn is_exact(scenario: &Scenario, setup: &Setup) -> bool {
    let Plans::Recorded(sessions) = setup.plans() else { return false };
    arrivals_are_fixed(scenario)
        && tier_is_fixed(&setup.tier)
        && setup.policies.iter().all(|policy| fixed(&policy.latency))
        && platform_is_fixed(setup)
        && faults_are_fixed(setup, sessions)
        && setup.models.iter().all(|(_, model)| model_is_fixed(model, sessions))
        && no_stock(scenario, setup, sessions)
}

fn fixed<Q: Quantity>(dist: &Dist<Q>) -> bool {
    dist.as_constant().is_some()
}

fn arrivals_are_fixed(scenario: &Scenario) -> bool {
    let workload = &scenario.workload;
    let process = match &workload.arrivals {
        None => workload.load.is_none(),
        Some(Arrivals::Every(_) | Arrivals::Closed { .. }) => true,
        Some(Arrivals::Poisson { .. } | Arrivals::Renewal { .. } | Arrivals::Mmpp { .. }) => false,
    };
    // A profile thins arrivals by draws.
    process && workload.profile.is_none()
}

fn tier_is_fixed(tier: &Tier) -> bool {
    let stages = [&tier.schedule, &tier.boot, &tier.harness, &tier.exec, &tier.restore.fixed];
    let image = match &tier.image {
        Image::Time(time) => fixed(time),
        Image::Pull(_) => true,
    };
    let drift = tier.drift.as_ref().is_none_or(fixed);
    let snapshot = tier.snapshot.as_ref().is_none_or(|snapshot| fixed(&snapshot.kind().fixed));
    stages.into_iter().all(fixed) && image && drift && snapshot
}

/// Hosts, pools, archive and identities come after constant times, and nothing crashes.
fn platform_is_fixed(setup: &Setup) -> bool {
    let hosts = setup.host_types.iter().all(|host| {
        fixed(&host.boot) && host.standby.as_ref().is_none_or(|standby| fixed(&standby.resume))
    });
    let crashes = setup.host_mtbf.is_some() || setup.zones.is_some() || setup.stalls.is_some();
    let pools = setup.pools.iter().all(|pool| fixed(&pool.claim));
    let pool_faults = setup.pools.is_empty() || setup.boot_faults == 0.0;
    let identity = setup.identity.as_ref().is_none_or(|identity| fixed(&identity.issue));
    hosts && !crashes && pools && pool_faults && identity && fixed(&setup.archive_restore)
}

fn faults_are_fixed(setup: &Setup, sessions: &[SessionPlan]) -> bool {
    let certain = |share: f64| share == 0.0 || share == 1.0;
    // Of a sandbox that sessions share no session says whether its boot fails.
    let planned = setup.control.seats == 1;
    let boots =
        certain(setup.boot_faults) || planned && sessions.iter().all(|s| !s.boot_faults.is_empty());
    let restores =
        certain(setup.restore_faults) || sessions.iter().all(|s| !s.restore_faults.is_empty());
    boots && restores
}

fn model_is_fixed(model: &Model, sessions: &[SessionPlan]) -> bool {
    let latency = match &model.latency {
        Latency::Recorded => true,
        Latency::Formula(formula) => fixed(&formula.base),
    };
    let quota = &model.quota;
    let refuses = model.provisioned.as_ref().is_some_and(|reserved| !reserved.spill_over);
    let limits = [quota.rpm, quota.tpm, quota.concurrency];
    let limited = refuses || limits.iter().any(|l| *l != Limit::UNLIMITED);
    let steps = || sessions.iter().flat_map(|s| &s.turns).flat_map(|turn| &turn.steps);
    let errors = model.error_rate.0 == 0.0 || steps().all(|step| !step.errors.is_empty());
    // Backoff is drawn for each retry that the plan gives no fraction for.
    let may_retry = model.retries.max > 0
        && (limited || model.error_rate.0 > 0.0 || steps().any(|s| s.errors.contains(&true)));
    let backoff =
        !may_retry || steps().all(|step| step.backoff.len() >= model.retries.max as usize);
    latency && errors && backoff
}

/// Snapshots that are there at time 0 have drawn sizes and lives.
fn no_stock(scenario: &Scenario, setup: &Setup, sessions: &[SessionPlan]) -> bool {
    let steady =
        scenario.experiment.start == Start::Steady && scenario.experiment.measure != Measure::End;
    let abandons = sessions.iter().any(|session| session.end == End::Abandon);
    !(steady && abandons && setup.control.idle_then == IdleThen::Hibernate)
}
