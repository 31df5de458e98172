//! Who may do what: policies, identities, tenants' quotas, telemetry, management.

use super::{Findings, path};
use crate::scenario::diagnostic::{closest, list_of};
use crate::scenario::source::Path;
use crate::scenario::types::{DEFAULT_NAME, Identity, IdentityPer, Management, Telemetry};
use crate::units::Quantity;

pub(super) fn check(findings: &mut Findings<'_>) {
    let governance = &findings.scenario.platform.governance;
    let place = path(["platform", "governance"]);
    for (name, policy) in &governance.policies {
        findings.settles(&place.key("policies").key(name).key("latency"), &policy.latency);
    }
    if let Some(identity) = &governance.identity {
        self::identity(findings, &place.key("identity"), identity);
    }
    quotas(findings, &place.key("quotas"));
    if let Some(telemetry) = &governance.telemetry {
        self::telemetry(findings, &place.key("telemetry"), telemetry);
    }
    if let Some(management) = &governance.management {
        self::management(findings, &place.key("management"), management);
    }
}

/// The tenants that classes name.
pub(super) fn tenants<'a>(findings: &Findings<'a>) -> Vec<&'a str> {
    let classes = findings.scenario.workload.classes.values();
    let mut names: Vec<&str> = Vec::new();
    for name in classes.map(|class| class.tenant.as_deref().unwrap_or(DEFAULT_NAME)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.push(DEFAULT_NAME);
    }
    names
}

/// A tenant that no class names: a slip where one of a similar name is there, else one who does not
/// come here.
pub(super) fn known_tenant(findings: &mut Findings<'_>, place: &Path, name: &str, so: &str) {
    let tenants = tenants(findings);
    if tenants.contains(&name) {
        return;
    }
    let at = findings.at;
    let list = format!("the classes name {}", list_of(&tenants, "and"));
    let message = format!("no class is of a tenant `{name}`, so {so}");
    let meant = closest(name, tenants.iter().copied().filter(|known| *known != DEFAULT_NAME));
    let found = match meant {
        Some(meant) => at
            .error("unknown-tenant", place, message)
            .help(format!("did you mean `{meant}`? {list}")),
        None if tenants == [DEFAULT_NAME] => at
            .warning("unknown-tenant", place, message)
            .help(format!("write `tenant: {name}` in the classes whose sessions are theirs")),
        None => at
            .warning("unknown-tenant", place, message)
            .help(format!("{list}: write `tenant: {name}` in one, or remove this")),
    };
    let found = at.depends(found, "workload.classes");
    let found = match at.tree.key_place_at(place) {
        Some(key) => found.at(key),
        None => found,
    };
    findings.push(match meant {
        Some(meant) => found.instead(meant),
        None => found,
    });
}

fn identity(findings: &mut Findings<'_>, place: &Path, identity: &Identity) {
    findings.settles(&place.key("issue"), &identity.issue);
    let Some(lifetime) = identity.lifetime else { return };
    let lives = place.key("lifetime");
    if identity.per == IdentityPer::Agent {
        let why = "an agent's identity is issued once and never again";
        let help = "remove it, or write `per: session`";
        findings.no_effect(&lives, place.key("per"), why, help);
    } else {
        let why = "each call would need a new identity";
        let help = "expected a time, such as `1h`, or remove it: an identity is then good for ever";
        findings.not_zero(&lives, lifetime.is_zero(), why, help);
    }
}

fn quotas(findings: &mut Findings<'_>, place: &Path) {
    for (name, quota) in &findings.scenario.platform.governance.quotas {
        let place = place.key(name);
        let none = quota.sessions.get() == Some(0);
        let help = "expected 1 or more, or `unlimited`";
        let why = "all sessions of this tenant would be rejected";
        findings.not_zero(&place.key("sessions"), none, why, help);
        let none = quota.tokens_per_day.is_some_and(|tokens| tokens.0 == 0);
        let why = "all sessions of this tenant that call a model would fail";
        let help = "expected tokens a day, such as `5M`";
        findings.not_zero(&place.key("tokens_per_day"), none, why, help);
        if quota.sessions.get().is_none() && quota.tokens_per_day.is_none() {
            let help = "write `sessions` or `tokens_per_day` below it, or remove it";
            findings.no_effect(&place, &place, "it limits nothing", help);
        }
        known_tenant(findings, &place, name, "this quota holds nobody");
    }
}

fn telemetry(findings: &mut Findings<'_>, place: &Path, telemetry: &Telemetry) {
    findings.share(&place.key("cpu_share"), telemetry.cpu_share);
    let (bytes, price) = (place.key("bytes_per_event"), place.key("price"));
    let none = telemetry.bytes_per_event.0 == 0;
    if none && telemetry.price.base() > 0.0 {
        let help = "write the bytes of an event, such as `bytes_per_event: 2KiB`";
        findings.no_effect(&price, &bytes, "events have no `bytes_per_event`", help);
    } else if none && telemetry.cpu_share.0 == 0.0 {
        let why = "it takes neither bytes nor CPU";
        let help = "write `telemetry: {bytes_per_event: 2KiB, cpu_share: 1%, price: $0.5/GiB}`";
        findings.no_effect(place, &bytes, why, help);
    } else if !none && telemetry.price.base() == 0.0 {
        let at = findings.at;
        let message = "telemetry costs nothing: its bytes have no `price`";
        let found = at.depends(at.warning("no-price", &bytes, message), &price);
        findings.push(found.help("write what is paid for it, such as `price: $0.5/GiB`"));
    }
}

fn management(findings: &mut Findings<'_>, place: &Path, management: &Management) {
    if findings.scenario.platform.governance.policies.is_empty() {
        let why = "there are no policies to keep";
        let help = "name them, as in `policies: {audit: {at: tool}}`, or remove it";
        findings.no_effect(place, "platform.governance.policies", why, help);
        return;
    }
    let factors = [
        ("changes_per_month", management.changes_per_month.0),
        ("time_per_change", management.time_per_change.seconds()),
        ("interfaces", management.interfaces.0),
        ("hourly_rate", management.hourly_rate.base()),
    ];
    if let Some((key, _)) = factors.into_iter().find(|(_, factor)| *factor == 0.0) {
        let place = place.key(key);
        let why = "management is this times the others, and costs nothing";
        findings.no_effect(&place, &place, why, "expected more than zero, or no `management`");
    }
}
