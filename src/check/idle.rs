//! What becomes of silent sandboxes, and where their snapshots lie.

use super::{Findings, path, percent};
use crate::scenario::types::IdleThen;

pub(super) fn check(findings: &mut Findings<'_>) {
    idle(findings);
    retention(findings);
    archive(findings);
    storage_quota(findings);
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

const UNUSED: &str = "nothing is hibernated, so there are no snapshots";
const HIBERNATE: &str = "remove it, or write `idle: {timeout: 15m, then: hibernate}`";

fn archive(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let Some(archive) = &platform.archive else { return };
    let place = path(["platform", "archive"]);
    findings.settles(&place.key("restore"), &archive.restore);
    if platform.idle.then != IdleThen::Hibernate {
        findings.no_effect(&place, "platform.idle.then", UNUSED, HIBERNATE);
        return;
    }
    let Some(retention) = platform.retention.get() else { return };
    if archive.after >= retention {
        let at = findings.at;
        let message = format!(
            "no snapshot is ever archived: it is deleted before it is {} old",
            archive.after
        );
        let found = at.warning("never-archived", place.key("after"), message);
        let found = at.with(found, "platform.retention", "snapshots are kept this long");
        findings.push(found.help("archive earlier, or keep snapshots longer"));
    }
}

fn storage_quota(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let Some(quota) = platform.storage_quota else { return };
    let place = path(["platform", "storage_quota"]);
    if quota.0 == 0 {
        let why = "no new sandbox could ever start";
        findings.not_zero(&place, true, why, "expected a size, such as `500GiB`");
    } else if platform.idle.then != IdleThen::Hibernate {
        findings.no_effect(&place, "platform.idle.then", UNUSED, HIBERNATE);
    }
}
