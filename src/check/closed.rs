//! A closed population that never lets time pass: as one session leaves the next arrives, so where
//! a session surely leaves at the instant it arrives, the run never gets beyond that instant. Said
//! only where it is certain.

use super::{Findings, path};
use crate::dist::Dist;
use crate::scenario::types::{
    Arrivals, Capacity, Class, IdentityPer, Latency, Model, PolicyPoint, Pool, Scenario,
};
use crate::units::{Bytes, Cores, Quantity};

pub(super) fn check(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    let Some(Arrivals::Closed { population }) = scenario.workload.arrivals else { return };
    if scenario.workload.trace.is_some() || scenario.workload.load.is_some() {
        return;
    }
    let classes = findings.classes();
    if classes.iter().all(|(_, class)| takes_no_time(scenario, class)) {
        let place = path(["workload", "arrivals", "closed"]);
        let at = findings.at;
        let message =
            "time would never pass: sessions take none, and as one leaves the next arrives";
        let found = at.error("endless-instant", &place, message);
        let rests_on = ["workload.classes", "models", "platform"];
        let found = rests_on.iter().fold(found, |found, part| at.depends(found, *part));
        findings.push(found.help(
            "give the classes think time, model calls or tool work, or the platform boot stages",
        ));
        return;
    }
    quotas(findings, population);
    turned_away(findings, population);
}

/// More sessions than their tenants' quotas let in: the rest is rejected as it comes.
fn quotas(findings: &mut Findings<'_>, population: u64) {
    let quotas = &findings.scenario.platform.governance.quotas;
    let of = |tenant: &&str| quotas.get(*tenant).and_then(|quota| quota.sessions.get());
    let tenants = super::governance::tenants(findings);
    let limits: Option<Vec<u64>> = tenants.iter().map(of).collect();
    let Some(room) = limits.map(|limits| limits.iter().fold(0u64, |sum, n| sum.saturating_add(*n)))
    else {
        return;
    };
    if room < population {
        let message = format!(
            "time would never pass: of {population} sessions the tenants' quotas let {room} in, and for each that is \
             turned away the next arrives at once"
        );
        let place = path(["platform", "governance", "quotas"]);
        rejected(findings, &place, message, "workload.classes");
    }
}

/// More sessions than slots and places in the queue: the rest is turned away as it comes.
fn turned_away(findings: &mut Findings<'_>, population: u64) {
    let scenario = findings.scenario;
    let platform = &scenario.platform;
    let (Some(queue), Some(slots)) = (platform.queue.capacity.get(), slots(findings)) else {
        return;
    };
    let slots = slots.saturating_mul(u64::from(platform.isolation.seats()));
    // Who waits for a policy or an identity first lets time pass: of an agent only one session does.
    let identity = platform.governance.identity.as_ref();
    let issue = identity.filter(|identity| !is_zero(&identity.issue));
    let first = match issue.map(|identity| identity.per) {
        None => 0,
        Some(IdentityPer::Agent) => findings.classes().len() as u64,
        Some(IdentityPer::Session) => return,
    };
    let room = slots.saturating_add(queue).saturating_add(first);
    if room >= population || !policies_take_none(scenario, PolicyPoint::Session) {
        return;
    }
    let message = format!(
        "time would never pass: {population} sessions are open, there is room for {slots} and {queue} may wait, and \
         for each that is turned away the next arrives at once"
    );
    let place = path(["platform", "queue", "capacity"]);
    rejected(findings, &place, message, "platform.capacity");
}

fn rejected(
    findings: &mut Findings<'_>,
    place: &crate::scenario::source::Path,
    message: String,
    rests_on: &str,
) {
    let at = findings.at;
    let found = at.error("endless-instant", place, message);
    let found = at.with(found, "workload.arrivals.closed", "so many at all times");
    findings.push(
        at.depends(found, rests_on)
            .help("make room for them all, lower `population`, or give `poisson` arrivals"),
    );
}

/// Sandboxes that there can be at time 0, at most.
fn slots(findings: &Findings<'_>) -> Option<u64> {
    let hosts = match &findings.scenario.platform.capacity {
        Capacity::Elastic(elastic) => return elastic.max_concurrent.get(),
        Capacity::Hosts(hosts) => hosts,
    };
    let classes = findings.classes();
    let overhead = findings.scenario.platform.isolation.tier().memory_overhead;
    let memory = classes.iter().map(|(_, class)| class.sandbox.memory.0).min()?;
    let vcpu = classes.iter().map(|(_, class)| class.sandbox.vcpu.0).reduce(f64::min)?;
    let memory = Bytes(memory.saturating_add(overhead.0));
    let of_type = |host: &crate::scenario::types::HostType| {
        let (by_memory, by_vcpu) = host.holds(memory, Cores(vcpu));
        by_memory.min(by_vcpu).saturating_mul(u64::from(host.min))
    };
    let all = hosts.types().into_iter().map(|(_, host)| of_type(host));
    Some(all.fold(0, u64::saturating_add))
}

fn is_zero<Q: Quantity>(dist: &Dist<Q>) -> bool {
    dist.as_constant().is_some_and(|value| value.base() == 0.0)
}

fn takes_no_time(scenario: &Scenario, class: &Class) -> bool {
    let one_turn = class.turns.as_constant().is_some_and(|turns| turns.0 < 1.5);
    let no_steps = class.steps.as_constant().is_some_and(|steps| steps.0 < 0.5);
    let thinks = !one_turn && !is_zero(&class.think);
    // Whether sub-agents take time is not looked into.
    let steps_take_none = class.sub_agents.is_none()
        && calls_take_none(scenario, class)
        && tools_take_none(scenario, class);
    let works = !no_steps && !steps_take_none;
    !thinks && !works && starts_take_none(scenario)
}

/// Getting in, a sandbox and, at once, out again.
fn starts_take_none(scenario: &Scenario) -> bool {
    let platform = &scenario.platform;
    let tier = platform.isolation.tier();
    let boots = is_zero(&tier.schedule) && is_zero(&tier.boot) && is_zero(&tier.harness);
    let rationed = match &platform.capacity {
        Capacity::Elastic(elastic) => {
            let tenant = elastic.per_tenant.as_ref();
            elastic.create_rate.is_some() || tenant.is_some_and(|t| t.create_rate.is_some())
        }
        // Whether hosts must come up first is not looked into.
        Capacity::Hosts(hosts) => hosts.types().iter().any(|(_, host)| host.min == 0),
    };
    let claims = match &platform.pool {
        None => true,
        Some(Pool::Fixed(pool)) => is_zero(&pool.claim) && pool.paused.is_none(),
        Some(Pool::Predictive(_) | Pool::Classes(_)) => false,
    };
    let governance = &platform.governance;
    let enters = governance.identity.as_ref().is_none_or(|identity| is_zero(&identity.issue));
    boots
        && tier.image.is_zero()
        && !rationed
        && claims
        && enters
        && policies_take_none(scenario, PolicyPoint::Session)
}

fn policies_take_none(scenario: &Scenario, point: PolicyPoint) -> bool {
    let policies = &scenario.platform.governance.policies;
    policies.values().filter(|policy| policy.at == point).all(|policy| is_zero(&policy.latency))
}

fn calls_take_none(scenario: &Scenario, class: &Class) -> bool {
    let implied = Model::default();
    let model = scenario.models.get(&class.model).unwrap_or(&implied);
    let Latency::Formula(formula) = &model.latency else { return false };
    let tokens = &class.tokens;
    let input = [&tokens.system, &tokens.user, &tokens.tool_result].into_iter().all(is_zero);
    let reads = formula.per_input.seconds() == 0.0 || (input && is_zero(&tokens.output));
    let writes = formula.per_output.seconds() == 0.0 || is_zero(&tokens.output);
    // A refused or failed call is tried again after a while.
    let quota = &model.quota;
    let refused = [quota.rpm, quota.tpm, quota.concurrency].iter().any(|q| q.get().is_some());
    let retries = model.retries.max > 0 && (refused || model.error_rate.0 > 0.0);
    is_zero(&formula.base)
        && reads
        && writes
        && !retries
        && policies_take_none(scenario, PolicyPoint::Model)
}

fn tools_take_none(scenario: &Scenario, class: &Class) -> bool {
    let tools = &class.tools;
    let work = is_zero(&tools.cpu) && is_zero(&tools.io_wait);
    let reach = is_zero(&scenario.platform.isolation.tier().exec);
    let none = tools.calls.as_constant().is_some_and(|calls| calls.0 < 0.5);
    none || (work && reach && policies_take_none(scenario, PolicyPoint::Tool))
}
