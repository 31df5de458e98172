//! Where sessions run.

use super::{Findings, path, percent};
use crate::scenario::source::Path;
use crate::scenario::types::{Capacity, CreateRate, IdleThen, Tier};

pub(super) fn check(findings: &mut Findings<'_>) {
    tier(findings);
    idle(findings);
    retention(findings);
    capacity(findings);
    queue(findings);
    faults(findings);
}

fn tier(findings: &mut Findings<'_>) {
    let isolation = &findings.scenario.platform.isolation;
    let tier: &Tier = isolation.tier();
    let place = path(["platform", "isolation", isolation.name()]);
    let help = "it is relative to the reference: 1 for the same, 1.2 for a fifth more";
    let why = "tool work would take no time";
    findings.not_zero(&place.key("cpu_factor"), tier.cpu_factor.0 == 0.0, why, help);
    findings.not_zero(
        &place.key("io_factor"),
        tier.io_factor.0 == 0.0,
        "I/O would take no time",
        help,
    );
    findings.share(&place.key("restore").key("working_set"), tier.restore.working_set);
    if let Some(snapshot) = &tier.snapshot {
        let form = if snapshot.is_full() { "full" } else { "filesystem" };
        let place = place.key("snapshot").key(form);
        findings.share(&place.key("dedupe"), snapshot.kind().dedupe);
        compression(findings, &place.key("compression"), snapshot.kind().compression.0);
    }
    for (name, dist) in [
        ("schedule", &tier.schedule),
        ("boot", &tier.boot),
        ("harness", &tier.harness),
        ("exec", &tier.exec),
    ] {
        if !dist.mean().is_finite() {
            let message = format!("`{name}` has no finite mean, so averages over it never settle");
            let found = findings.at.warning("infinite-mean", place.key(name), message);
            findings.push(found.help(format!("give `{name}` a `max`")));
        }
    }
}

fn compression(findings: &mut Findings<'_>, place: &Path, ratio: f64) {
    let help = "it is the stored size over the raw size, such as `0.4`";
    findings.not_zero(place, ratio == 0.0, "snapshots would hold nothing", help);
    if ratio > 1.0 {
        let message =
            format!("`compression` is {ratio}: snapshots would grow when they are packed");
        let found = findings.at.error("out-of-range", place, message);
        // To three decimals: a proposal, not a conversion.
        let meant = (1000.0 / ratio).round() / 1000.0;
        findings.push(if meant > 0.0 {
            found
                .help(format!("{help}; for {ratio} to 1 write `{meant}`"))
                .instead(meant.to_string())
        } else {
            found.help(help)
        });
    }
}

fn idle(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let at = findings.at;
    let then = match platform.idle.then {
        IdleThen::Keep => {
            if platform.idle.timeout.is_some() {
                let place = path(["platform", "idle", "timeout"]);
                let why = "`then: keep` leaves idle sandboxes running";
                let help = "write `then: kill` or `then: hibernate` if that is meant";
                findings.no_effect(&place, "platform.idle.then", why, help);
            }
            return kept(findings);
        }
        IdleThen::Kill => "kill",
        IdleThen::Hibernate => "hibernate",
    };
    if platform.idle.timeout.is_none() {
        let message = format!("`then: {then}` never happens: there is no `timeout`");
        let found = at.error("idle", "platform.idle.then", message);
        let found = at.depends(found, "platform.idle.timeout");
        findings.push(found.help(format!("write `idle: {{timeout: 15m, then: {then}}}`")));
    }
    let isolation = &platform.isolation;
    if platform.idle.then == IdleThen::Hibernate && isolation.tier().snapshot.is_none() {
        let name = isolation.name();
        let message = format!("sandboxes are to hibernate, but `{name}` here takes no snapshots");
        let found = at.error("no-snapshots", "platform.idle.then", message);
        let place = path(["platform", "isolation", name]);
        let found = at.with(found, &place, "it has no `snapshot`");
        let found = at.depends(found, place.key("snapshot"));
        findings.push(found.help(format!(
            "give `{name}` a `snapshot: {{filesystem: {{…}}}}` or `{{full: {{…}}}}`, or write `then: kill`"
        )));
    }
}

/// Sandboxes of abandoned sessions that nothing ever ends.
fn kept(findings: &mut Findings<'_>) {
    let classes = &findings.scenario.workload.classes;
    let leaving = classes.iter().find(|(_, class)| class.abandon.0 > 0.0);
    let Some((name, class)) = leaving.filter(|_| findings.trace().is_none()) else { return };
    let message = format!(
        "{} of the sessions of `{name}` are abandoned, and nothing ever ends their sandboxes",
        percent(class.abandon.0)
    );
    let at = findings.at;
    let found = at.warning("abandoned", "platform.idle.then", message);
    let place = path(["workload", "classes", name, "abandon"]);
    let found = at.with(found, &place, "these run on for ever");
    findings.push(
        found.help(
            "they pile up without end: write `idle: {timeout: 15m, then: kill}` or `hibernate`",
        ),
    );
}

fn retention(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let Some(retention) = platform.retention.get() else { return };
    let place = path(["platform", "retention"]);
    if platform.idle.then != IdleThen::Hibernate {
        let why = "nothing is hibernated, so there are no snapshots to keep";
        let help = "remove it, or write `idle: {timeout: 15m, then: hibernate}`";
        findings.no_effect(&place, "platform.idle.then", why, help);
    } else if retention.is_zero() {
        let why = "each snapshot would be deleted the moment it is taken";
        findings.not_zero(
            &place,
            true,
            why,
            "write `idle: {then: kill}` if state is not to be kept",
        );
    }
}

fn capacity(findings: &mut Findings<'_>) {
    let Capacity::Elastic(elastic) = &findings.scenario.platform.capacity else { return };
    let place = path(["platform", "capacity", "elastic"]);
    let none = elastic.max_concurrent.get() == Some(0);
    let help = "expected 1 or more, or `unlimited`";
    findings.not_zero(&place.key("max_concurrent"), none, "no sandbox could ever start", help);
    if let Some(rate) = &elastic.create_rate {
        create_rate(findings, &place.key("create_rate"), rate);
    }
}

fn create_rate(findings: &mut Findings<'_>, place: &Path, rate: &CreateRate) {
    let limit = place.key("limit");
    let at = findings.at;
    let limit = if at.is_written(&limit) { limit } else { place.clone() };
    let help = "expected a rate above zero, such as `25/s`";
    findings.not_zero(&limit, rate.limit.per_second() == 0.0, "no sandbox could ever start", help);
    let window = rate.window.unwrap_or(rate.limit.unit());
    let holds = rate.limit.per_second() * window.seconds();
    // Less than one, beyond what rounding makes of one.
    if holds > 0.0 && holds < 1.0 - 1e-9 || (window.is_zero() && rate.limit.per_second() > 0.0) {
        let message = format!(
            "no sandbox could ever start: in {window} there is room for {} of one",
            percent(holds)
        );
        let found = at.error("never-fits", &limit, message);
        findings.push(found.help(
            "a bucket holds limit × window, by default the limit's own unit: write the limit per a longer time, \
             such as `30/min` for `0.5/s`, or give a longer `window`",
        ));
    }
}

fn queue(findings: &mut Findings<'_>) {
    let queue = &findings.scenario.platform.queue;
    let none = queue.timeout.is_some_and(|timeout| timeout.is_zero());
    let place = path(["platform", "queue", "timeout"]);
    let why = "whoever must wait gives up at once";
    findings.not_zero(&place, none, why, "write `queue: {capacity: 0}` if nobody is to wait");
    if let (Some(0), Some(_)) = (queue.capacity.get(), queue.timeout.filter(|t| !t.is_zero())) {
        let why = "with `capacity: 0` nobody waits";
        findings.no_effect(&place, "platform.queue.capacity", why, "remove it");
    }
}

fn faults(findings: &mut Findings<'_>) {
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
