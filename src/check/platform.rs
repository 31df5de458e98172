//! Where sessions run: the parts of a platform, each in a room of its own.

use super::{Findings, capacity, faults, governance, hosts, idle, isolation, path, pool, rates};

pub(super) fn check(findings: &mut Findings<'_>) {
    isolation::check(findings);
    capacity::check(findings);
    hosts::check(findings);
    pool::check(findings);
    rollouts(findings);
    idle::check(findings);
    governance::check(findings);
    faults::check(findings);
    rates::check(findings);
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
