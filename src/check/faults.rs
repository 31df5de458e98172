//! What fails.

use super::{Findings, path};
use crate::scenario::types::{Capacity, Stalls, Zones};

pub(super) fn check(findings: &mut Findings<'_>) {
    tries(findings);
    hosts(findings);
    let faults = &findings.scenario.platform.faults;
    if let Some(zones) = &faults.zones {
        self::zones(findings, zones);
    }
    if let Some(stalls) = &faults.stalls {
        self::stalls(findings, stalls);
    }
}

fn tries(findings: &mut Findings<'_>) {
    let faults = &findings.scenario.platform.faults;
    let place = path(["platform", "faults"]);
    findings.share(&place.key("boot"), faults.boot);
    findings.share(&place.key("restore"), faults.restore);
    let why = "nothing would ever be tried";
    findings.not_zero(
        &place.key("attempts"),
        faults.attempts == 0,
        why,
        "it counts all tries: expected 1 or more",
    );
}

const ONCE: &str = "expected a time above zero, such as `720h`";

fn hosts(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let place = path(["platform", "faults"]);
    let none = platform.faults.host_mtbf.is_some_and(|mtbf| mtbf.is_zero());
    let why = "hosts would crash the moment they are up";
    findings.not_zero(&place.key("host_mtbf"), none, why, ONCE);
    if matches!(platform.capacity, Capacity::Hosts(_)) {
        return;
    }
    let there = [
        ("host_mtbf", platform.faults.host_mtbf.is_some()),
        ("zones", platform.faults.zones.is_some()),
    ];
    for (key, _) in there.into_iter().filter(|(_, there)| *there) {
        let why = "an elastic platform has no hosts";
        let help = "remove it, or give `capacity: {hosts: {…}}`";
        findings.no_effect(&place.key(key), "platform.capacity", why, help);
    }
}

fn zones(findings: &mut Findings<'_>, zones: &Zones) {
    let place = path(["platform", "faults", "zones"]);
    let help = "expected 1 or more: host n is in zone n mod `count`";
    findings.not_zero(&place.key("count"), zones.count == 0, "no host would be in a zone", help);
    let why = "zones would be out from the start";
    findings.not_zero(&place.key("mtbf"), zones.mtbf.is_zero(), why, ONCE);
    findings.settles(&place.key("outage"), &zones.outage);
}

fn stalls(findings: &mut Findings<'_>, stalls: &Stalls) {
    let place = path(["platform", "faults", "stalls"]);
    let none = stalls.mtbf.is_zero();
    findings.not_zero(&place.key("mtbf"), none, "nothing would ever start", ONCE);
    let length = place.key("length");
    findings.settles(&length, &stalls.length);
    if stalls.length.mean() == 0.0 {
        let help = "write how long a stall lasts, such as `30s`, or remove `stalls`";
        findings.no_effect(&length, &length, "stalls that take no time hold up nobody", help);
    }
}
