//! An elastic platform's quotas, and the queue for slots.

use super::{Findings, path, percent};
use crate::scenario::source::Path;
use crate::scenario::types::{Capacity, CreateRate, Elastic, QueueOrder, TenantLimits};
use crate::units::Limit;

pub(super) fn check(findings: &mut Findings<'_>) {
    if let Capacity::Elastic(elastic) = &findings.scenario.platform.capacity {
        self::elastic(findings, elastic);
    }
    queue(findings);
    backfill(findings);
    order(findings);
}

const NEVER: &str = "no sandbox could ever start";

fn elastic(findings: &mut Findings<'_>, elastic: &Elastic) {
    let place = path(["platform", "capacity", "elastic"]);
    limits(findings, &place, elastic.max_concurrent, elastic.create_rate.as_ref());
    sizes(findings, &place, elastic);
    let Some(tenant) = &elastic.per_tenant else { return };
    let TenantLimits { max_concurrent, create_rate } = tenant;
    let of_tenant = place.key("per_tenant");
    limits(findings, &of_tenant, *max_concurrent, create_rate.as_ref());
    if max_concurrent.get().is_none() && create_rate.is_none() {
        let why = "it limits nothing";
        let help = "write `max_concurrent` or `create_rate` below it, or remove it";
        findings.no_effect(&of_tenant, &of_tenant, why, help);
    }
    if let (Some(own), Some(all)) = (max_concurrent.get(), elastic.max_concurrent.get())
        && own > all
        && all > 0
    {
        let why = format!("all tenants together have {all} at most");
        let whole = place.key("max_concurrent");
        let own = of_tenant.key("max_concurrent");
        findings.no_effect(&own, &whole, &why, "lower it, or raise the limit of all");
    }
}

/// Quotas of vCPUs and memory have room for one sandbox of each class.
fn sizes(findings: &mut Findings<'_>, place: &Path, elastic: &Elastic) {
    let overhead = findings.scenario.platform.isolation.tier().memory_overhead;
    for (name, class) in findings.classes() {
        let memory = class.sandbox.memory + overhead;
        let too_small = [
            ("vcpu", elastic.vcpu.is_some_and(|limit| limit < class.sandbox.vcpu)),
            ("memory", elastic.memory.is_some_and(|limit| limit < memory)),
        ];
        for (key, _) in too_small.into_iter().filter(|(_, too_small)| *too_small) {
            let at = findings.at;
            let message = format!("no sandbox of `{name}` could ever start: it needs more `{key}`");
            let found = at.error("never-fits", place.key(key), message);
            let sandbox = path(["workload", "classes", name, "sandbox"]);
            let found = at.depends(found, &sandbox);
            findings
                .push(found.help(format!("raise `{key}`, which holds for all sandboxes together")));
        }
    }
}

fn limits(findings: &mut Findings<'_>, place: &Path, most: Limit, rate: Option<&CreateRate>) {
    let help = "expected 1 or more, or `unlimited`";
    findings.not_zero(&place.key("max_concurrent"), most.get() == Some(0), NEVER, help);
    if let Some(rate) = rate {
        create_rate(findings, &place.key("create_rate"), rate);
    }
}

/// Where the limit of a rate stands: `25/s`, or `limit` below it.
pub(super) fn limit_of(findings: &Findings<'_>, place: &Path) -> Path {
    let limit = place.key("limit");
    if findings.at.is_written(&limit) { limit } else { place.clone() }
}

pub(super) fn create_rate(findings: &mut Findings<'_>, place: &Path, rate: &CreateRate) {
    let at = findings.at;
    let limit = limit_of(findings, place);
    let help = "expected a rate above zero, such as `25/s`";
    findings.not_zero(&limit, rate.limit.per_second() == 0.0, NEVER, help);
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

/// On an elastic platform without quotas of vCPUs or memory all sandboxes take the same room, a slot: none
/// fits where another does not, but that a full store lets hibernated ones come back.
fn backfill(findings: &mut Findings<'_>) {
    let platform = &findings.scenario.platform;
    let alike = matches!(&platform.capacity, Capacity::Elastic(e) if e.vcpu.is_none() && e.memory.is_none());
    if platform.queue.backfill && alike && platform.storage_quota.is_none() {
        let place = path(["platform", "queue", "backfill"]);
        let why = "on an elastic platform every request asks for the same, one slot";
        findings.no_effect(&place, "platform.capacity", why, "remove it; it is for `hosts`");
    }
}

/// Weights within these bounds keep their ratios to 1% or better in the queue's arithmetic.
const WEIGHTS: std::ops::RangeInclusive<f64> = 1e-6..=1e4;

fn order(findings: &mut Findings<'_>) {
    let QueueOrder::Fair(weights) = &findings.scenario.platform.queue.order else { return };
    let at = findings.at;
    let place = path(["platform", "queue", "order", "fair"]);
    for (name, weight) in weights {
        let place = place.key(name);
        if weight.0 == 0.0 {
            let why = "its sessions would never be served";
            findings.not_zero(&place, true, why, "expected a weight above zero, such as `1`");
        } else if !WEIGHTS.contains(&weight.0) {
            let much = if weight.0 > 1.0 { "large" } else { "small" };
            let message = format!("the weight {} is too {much} to be kept exactly", weight.0);
            let found = at.error("out-of-range", &place, message);
            findings.push(found.help("only ratios count: write weights from 0.000001 to 10000"));
        }
        super::governance::known_tenant(findings, &place, name, "its weight counts for nobody");
    }
    if super::governance::tenants(findings).len() == 1 {
        let why = "all sessions are of one tenant";
        let place = path(["platform", "queue", "order"]);
        let help = "name tenants by `tenant: …` in the classes, or remove it";
        findings.no_effect(&place, "workload.classes", why, help);
    }
}
