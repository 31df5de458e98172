//! Where sessions run: the parts of a platform, each in a room of its own.

use super::{Findings, capacity, faults, governance, hosts, idle, isolation, path, pool};
use crate::scenario::types::{Capacity, RateCard};
use crate::units::Quantity;

pub(super) fn check(findings: &mut Findings<'_>) {
    isolation::check(findings);
    capacity::check(findings);
    hosts::check(findings);
    pool::check(findings);
    rollouts(findings);
    idle::check(findings);
    governance::check(findings);
    faults::check(findings);
    rates(findings);
}

fn rollouts(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let Some(rollouts) = &platform.rollouts else { return };
    let every = path(["platform", "rollouts", "every"]);
    let none = rollouts.every.is_zero();
    let why = "endlessly many new versions would come at time 0";
    findings.not_zero(&every, none, why, "expected a time above zero, such as `7d`");
    if !none && platform.pool.is_none() && platform.isolation.tier().image.is_zero() {
        let place = path(["platform", "rollouts"]);
        let why = "there is no `pool` and no `image` that a new version could make stale";
        findings.no_effect(&place, "platform.pool", why, "remove it, or give one of them");
    }
}

fn rates(findings: &mut Findings<'_>) {
    charged_twice(findings);
    let platform = &findings.scenario.platform;
    let RateCard { archive, .. } = &platform.rates;
    let place = path(["platform", "rates", "archive"]);
    if archive.base() > 0.0 && platform.archive.is_none() && findings.is_written_by_hand(&place) {
        let at = findings.at;
        let message = "the rate of archived snapshots has no effect: the platform archives none";
        let found = at.depends(at.warning("no-effect", &place, message), "platform.archive");
        findings.push(found.help("remove it, or write `archive: {after: 7d}` below `platform`"));
    }
}

/// What runs on hosts that are paid for is paid for.
fn charged_twice(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let Capacity::Hosts(hosts) = &platform.capacity else { return };
    let priced = hosts::placed(hosts).into_iter().find(|(_, host)| host.price.base() > 0.0);
    let compute = &platform.rates.compute;
    let key = match (compute.vcpu.base() > 0.0, compute.memory.base() > 0.0) {
        (true, _) => "vcpu",
        (false, true) => "memory",
        (false, false) => return,
    };
    let Some((host, _)) = priced else { return };
    let at = findings.at;
    let place = path(["platform", "rates", "compute", key]);
    let message = "compute is charged twice: by the host, and by what sandboxes are given";
    let found = at.warning("charged-twice", &place, message);
    let found = at.with(found, host.key("price"), "hosts are paid for while they are up");
    findings.push(found.help(
        "keep the hosts' `price` if they are yours, the rates of `compute` if a provider charges sandboxes",
    ));
}
