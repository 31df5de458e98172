//! The isolation tier: how long starts take, what they do to each other, what snapshots are.

use super::{Findings, path};
use crate::scenario::source::Path;
use crate::scenario::types::{
    Contention, ContentionPoint, IdleThen, Image, Isolation, OnMachine, RuntimeName, Tier,
};

pub(super) fn check(findings: &mut Findings<'_>) {
    let isolation = &findings.scenario.platform.isolation;
    let tier: &Tier = isolation.tier();
    let place = path(["platform", "isolation", isolation.name()]);
    let help = "it is relative to the reference: 1 for the same, 1.2 for a fifth more";
    let why = "tool work would take no time";
    findings.not_zero(&place.key("cpu_factor"), tier.cpu_factor.0 == 0.0, why, help);
    let why = "I/O would take no time";
    findings.not_zero(&place.key("io_factor"), tier.io_factor.0 == 0.0, why, help);
    findings.share(&place.key("restore").key("working_set"), tier.restore.working_set);
    if let Some(snapshot) = &tier.snapshot {
        let form = if snapshot.is_full() { "full" } else { "filesystem" };
        let place = place.key("snapshot").key(form);
        findings.share(&place.key("dedupe"), snapshot.kind().dedupe);
        compression(findings, &place.key("compression"), snapshot.kind().compression.0);
        findings.settles(&place.key("fixed"), &snapshot.kind().fixed);
    }
    findings.settles(&place.key("restore").key("fixed"), &tier.restore.fixed);
    for (name, dist) in [
        ("schedule", &tier.schedule),
        ("boot", &tier.boot),
        ("harness", &tier.harness),
        ("exec", &tier.exec),
    ] {
        findings.settles(&place.key(name), dist);
    }
    image(findings, &place.key("image"), &tier.image);
    if let Some(found) = &tier.contention {
        contention(findings, &place.key("contention"), found);
    }
    drift(findings, &place.key("drift"), tier);
    sharing(findings, &place.key("sessions_per_sandbox"), isolation);
    on_machine(findings, &place.key("on_machine"), &tier.on_machine);
}

fn on_machine(findings: &mut Findings<'_>, place: &Path, takes: &OnMachine) {
    let full = place.key("full_speed");
    findings.share(&full, takes.full_speed);
    let help = "1 is a core whose speed is the same whatever the others do";
    findings.not_zero(&full, takes.full_speed.0 == 0.0, "nothing would ever be done", help);
    let each = [
        ("boot", takes.boot),
        ("restore", takes.restore),
        ("snapshot", takes.snapshot),
        ("destroy", takes.destroy),
        ("exec", takes.exec),
    ];
    for (name, takes) in each {
        let help = "write the cores that it keeps busy on average, such as `1.2`";
        let place = place.key(name).key("cores");
        findings.not_zero(&place, takes.cores.0 == 0.0, "it would never be done", help);
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

fn image(findings: &mut Findings<'_>, place: &Path, image: &Image) {
    match image {
        Image::Time(time) => findings.settles(place, time),
        Image::Pull(pull) => {
            let place = place.key("pull");
            let why = "there is no image to fetch";
            let help = "expected the image's size, such as `2GiB`, or remove `image`";
            findings.not_zero(&place.key("bytes"), pull.bytes.0 == 0, why, help);
            // The bandwidth cannot be read as zero, but comes to it where it is tiny.
            let none = pull.bandwidth.bytes_per_second() <= 0.0;
            let why = "nothing would ever arrive";
            let help = "expected a bandwidth, such as `500MiB/s`";
            findings.not_zero(&place.key("bandwidth"), none, why, help);
        }
    }
}

/// A knee and an exponent, or a table.
fn contention(findings: &mut Findings<'_>, place: &Path, contention: &Contention) {
    let at = findings.at;
    let table = place.key("table");
    let forms =
        "write `contention: {knee: 8, exponent: 1.5}` or `contention: {table: [[1, 1], [8, 1.6]]}`";
    let by_knee = contention.knee.is_some() || contention.exponent.is_some();
    if by_knee && at.is_written(&table) {
        let message = "starts slow each other down by a knee and an exponent, or by a table";
        let found = at.error("contention", &table, message);
        let other = if contention.knee.is_some() { "knee" } else { "exponent" };
        let found = at.with(found, place.key(other), "this says it too");
        findings.push(found.help("keep one of them"));
        return;
    }
    match (contention.knee, contention.exponent) {
        (Some(_), None) => lacking(findings, place, "knee", "exponent"),
        (None, Some(_)) => lacking(findings, place, "exponent", "knee"),
        (Some(knee), Some(exponent)) => {
            let why = "every start would take for ever";
            let help = "expected the starts from which on each slows the others, such as `8`";
            findings.not_zero(&place.key("knee"), knee.0 == 0.0, why, help);
            if exponent.0 == 0.0 {
                let place = place.key("exponent");
                let why = "the factor of any number of starts is 1";
                let help = "write how steeply starts slow each other, such as `exponent: 1`";
                findings.no_effect(&place, &place, why, help);
            }
        }
        (None, None) if contention.table.is_empty() => {
            let (what, place) = if at.is_written(&table) {
                ("the table of `contention` has no points", &table)
            } else {
                ("`contention` says nothing", place)
            };
            findings.push(at.error("contention", place, what).help(forms));
        }
        (None, None) => points(findings, &table, &contention.table),
    }
}

fn lacking(findings: &mut Findings<'_>, place: &Path, given: &str, lacking: &str) {
    let at = findings.at;
    let message = format!("`{given}` alone says nothing: there is no `{lacking}`");
    let found = at.error("contention", place.key(given), message);
    let found = at.depends(found, place.key(lacking));
    findings.push(found.help("the factor is max(1, (starts / knee)^exponent): write both"));
}

fn points(findings: &mut Findings<'_>, table: &Path, points: &[ContentionPoint]) {
    let at = findings.at;
    let mut before: Option<(usize, u32)> = None;
    for (number, point) in points.iter().enumerate() {
        let item = table.index(number);
        let factor_place = if point.starts.is_some() { item.index(1) } else { item.clone() };
        let factor = point.factor;
        if !factor.is_finite() || factor <= 0.0 {
            let message = format!("a start cannot take {factor} times as long as alone");
            let found = at.error("out-of-range", &factor_place, message);
            findings.push(found.help("expected 1 for no slower, 1.6 for 60% slower"));
        } else if factor < 1.0 {
            let message = format!("the factor {factor} makes starts beside others faster");
            let found = at.warning("out-of-range", &factor_place, message);
            findings.push(found.help("1 is for no slower, 1.6 for 60% slower"));
        }
        let starts = point.starts.unwrap_or(number as u32 + 1);
        if let Some((earlier, less)) = before.filter(|(_, less)| starts <= *less) {
            let message = format!("this point of {starts} starts does not come after the last one");
            let found = at.error("contention", &item, message);
            let found = at.with(found, table.index(earlier), format!("this one is of {less}"));
            findings.push(found.help("write the points in the order of their starts"));
        } else {
            before = Some((number, starts));
        }
        if point.starts == Some(0) {
            let message = "a start is never one of 0: it counts itself";
            let found = at.error("contention", item.index(0), message);
            findings.push(found.help("write the factor of 1 start first"));
        }
    }
}

fn drift(findings: &mut Findings<'_>, place: &Path, tier: &Tier) {
    let Some(drift) = &tier.drift else { return };
    findings.settles(place, drift);
    let why = "boots would take no time";
    let help =
        "it is a factor for each day: write one about 1, such as `{lognormal: {mean: 1, cv: 0.2}}`";
    findings.not_zero(place, drift.mean() == 0.0, why, help);
}

/// Several sessions in one sandbox: only in a shared container, and nothing there is one session's alone.
fn sharing(findings: &mut Findings<'_>, place: &Path, isolation: &Isolation) {
    let Some(sessions) = isolation.tier().sessions_per_sandbox else { return };
    let at = findings.at;
    let alone = "remove it, or write 1: each session then has a sandbox of its own";
    findings.not_zero(place, sessions == 0, "no session could ever run", alone);
    if sessions < 2 {
        return;
    }
    if !matches!(isolation, Isolation::SharedContainer(_)) {
        let name = isolation.name();
        let message =
            format!("`sessions_per_sandbox` is {sessions}, but each session has its own `{name}`");
        let found = at.error("not-shared", place, message);
        let found = at.depends(found, path(["platform", "isolation", name]));
        findings.push(found.help("remove it: only sessions of a `shared-container` share one"));
        return;
    }
    let platform = &findings.scenario.platform;
    let their_own = "write 1: each session then has a sandbox of its own";
    if platform.idle.then == IdleThen::Hibernate {
        let message = format!(
            "{sessions} sessions share a sandbox, and none of them can be hibernated alone"
        );
        let found = at.error("shared-hibernates", place, message);
        let found = at.depends(found, path(["platform", "idle", "then"]));
        findings
            .push(found.help(format!("write `idle: {{then: keep}}` or `kill`; or {their_own}")));
    }
    if platform.pool.is_some() {
        let message =
            format!("{sessions} sessions share a sandbox, and a pool's place is claimed by one");
        let found = at.error("shared-pool", place, message);
        let found = at.depends(found, path(["platform", "pool"]));
        findings.push(found.help(format!("remove `pool`; or {their_own}")));
    }
    let live = findings.scenario.live.as_ref();
    if live.is_some_and(|live| live.target.runtime != RuntimeName::Shared) {
        let message = format!(
            "{sessions} sessions share a sandbox when simulated, and each has its own when driven live"
        );
        let found = at.warning("shared-not-live", place, message);
        let found = at.depends(found, path(["live", "target", "runtime"]));
        findings.push(
            found.help("`live.target.runtime: shared` has live sessions share containers, too"),
        );
    }
}
