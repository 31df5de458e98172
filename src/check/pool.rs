//! Warm pools.

use super::{Findings, capacity, path};
use crate::scenario::diagnostic::{closest, list_of};
use crate::scenario::source::Path;
use crate::scenario::types::{
    Capacity, ClassPool, FixedPool, IdleThen, Pool, PredictivePool, Refill,
};
use crate::units::Span;

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(pool) = &findings.scenario.platform.pool else { return };
    let place = path(["platform", "pool"]);
    match pool {
        Pool::Fixed(pool) => {
            fixed(findings, &place.key("fixed"), pool);
            one_shape(findings, &place);
        }
        Pool::Predictive(pool) => {
            predictive(findings, &place.key("predictive"), pool);
            one_shape(findings, &place);
        }
        Pool::Classes(pools) => {
            let place = place.key("classes");
            if pools.is_empty() {
                let help = "name them, as in `classes: {coder: {fixed: {size: 4}}}`, or remove it";
                findings.no_effect(&place, &place, "no class has a pool", help);
            }
            for (name, pool) in pools {
                let place = place.key(name);
                known_class(findings, &place, name);
                match pool {
                    ClassPool::Fixed(pool) => fixed(findings, &place.key("fixed"), pool),
                    ClassPool::Predictive(pool) => {
                        predictive(findings, &place.key("predictive"), pool);
                    }
                }
            }
        }
    }
    leaves_room(findings, &place, pool);
}

fn fixed(findings: &mut Findings<'_>, place: &Path, pool: &FixedPool) {
    let help = "expected 1 or more, or no `pool`";
    findings.not_zero(&place.key("size"), pool.size == 0, "nothing would be pooled", help);
    terms(findings, place, pool.ttl, &pool.refill);
    findings.settles(&place.key("claim"), &pool.claim);
    if let Some(paused) = &pool.paused {
        let place = place.key("paused");
        let none = paused.size == 0;
        let help = "expected 1 or more, or no `paused`";
        findings.not_zero(&place.key("size"), none, "nothing would be paused", help);
        findings.settles(&place.key("claim"), &paused.claim);
    }
    let isolation = &findings.scenario.platform.isolation;
    if pool.image && isolation.tier().image.is_zero() {
        let image = path(["platform", "isolation", isolation.name(), "image"]);
        let why = "starts fetch no image";
        let help = "remove it, or give the tier an `image`";
        findings.no_effect(&place.key("image"), &image, why, help);
    }
}

fn predictive(findings: &mut Findings<'_>, place: &Path, pool: &PredictivePool) {
    let at = findings.at;
    let cover = place.key("cover");
    findings.share(&cover, pool.cover);
    if pool.cover.0 == 0.0 || pool.cover.0 == 1.0 {
        let written = at.written(&cover).unwrap_or_default();
        let why = if pool.cover.0 == 0.0 {
            "no demand at all would be covered"
        } else {
            "no pool covers any demand for certain"
        };
        let message = format!("`cover` is {written}: {why}");
        let found = at.error("out-of-range", &cover, message);
        findings.push(found.help("expected a chance between 0% and 100%, such as `95%`"));
    }
    let help = "expected how far back to look, such as `10m`";
    let why = "there would be no demand to look at";
    findings.not_zero(&place.key("window"), pool.window.is_zero(), why, help);
    terms(findings, place, pool.ttl, &pool.refill);
    findings.settles(&place.key("claim"), &pool.claim);
    let isolation = &findings.scenario.platform.isolation;
    let tier = isolation.tier();
    let stages = [&tier.schedule, &tier.boot, &tier.harness].map(|stage| stage.mean());
    if tier.image.mean() + stages.iter().sum::<f64>() == 0.0 {
        let why = "it covers the demand of one start time, and starts take no time";
        let help = "give the tier its boot stages, or write `fixed: {size: 4}`";
        findings.no_effect(place, path(["platform", "isolation"]), why, help);
    }
}

fn terms(findings: &mut Findings<'_>, place: &Path, ttl: Option<Span>, refill: &Refill) {
    let why = "what is pooled would expire at once";
    let help = "expected a time, such as `30m`, or remove it";
    findings.not_zero(&place.key("ttl"), ttl.is_some_and(|ttl| ttl.is_zero()), why, help);
    let Some(rate) = &refill.rate else { return };
    let place = place.key("refill").key("rate");
    let none = rate.limit.per_second() == 0.0;
    let limit = capacity::limit_of(findings, &place);
    let help = "expected a rate above zero, such as `2/s`";
    findings.not_zero(&limit, none, "the pool would be filled once and never again", help);
    if rate.window.is_some() {
        let why = "a refill has no bucket: one place after the other is asked for";
        findings.no_effect(&place.key("window"), &place, why, "write the rate alone");
    }
}

fn known_class(findings: &mut Findings<'_>, place: &Path, name: &str) {
    let classes = findings.classes();
    let names: Vec<&str> = classes.iter().map(|(name, _)| *name).collect();
    if names.contains(&name) {
        return;
    }
    let at = findings.at;
    let message = format!("there is no class `{name}` for this pool");
    let found = at.depends(at.error("unknown-class", place, message), "workload.classes");
    let list = match names.as_slice() {
        [only] => format!("the only class is `{only}`"),
        many => format!("the classes are {}", list_of(many, "and")),
    };
    findings.push(match closest(name, names.iter().copied()) {
        Some(meant) => found.help(format!("did you mean `{meant}`? {list}")).instead(meant),
        None => found.help(list),
    });
}

/// A pool that all classes share holds sandboxes of one shape.
fn one_shape(findings: &mut Findings<'_>, place: &Path) {
    let classes = findings.classes();
    let shape = |at: usize| {
        let sandbox = &classes[at].1.sandbox;
        ((sandbox.vcpu.0 * 1e6).round() as i64, sandbox.memory)
    };
    let Some(other) = (1..classes.len()).find(|at| shape(*at) != shape(0)) else { return };
    let (first, other) = (classes[0].0, classes[other].0);
    let at = findings.at;
    let message =
        format!("one pool cannot serve `{first}` and `{other}`: their sandboxes are not alike");
    let found = at.error("pool-shapes", place, message);
    let sandbox = |class| path(["workload", "classes", class, "sandbox"]);
    let found = [first, other].into_iter().fold(found, |found, class| {
        if at.is_written(sandbox(class)) {
            at.with(found, sandbox(class), format!("the sandbox of `{class}`"))
        } else {
            at.depends(found, sandbox(class))
        }
    });
    findings.push(found.help(format!(
        "name a pool for each class: `pool: {{classes: {{{first}: {{fixed: {{size: 4}}}}}}}}`"
    )));
}

/// What is pooled holds slots like all else.
fn leaves_room(findings: &mut Findings<'_>, place: &Path, pool: &Pool) {
    let Capacity::Elastic(elastic) = &findings.scenario.platform.capacity else { return };
    let Some(slots) = elastic.max_concurrent.get().filter(|slots| *slots > 0) else { return };
    let size = |pool: &FixedPool| {
        u64::from(pool.size) + pool.paused.as_ref().map_or(0, |paused| u64::from(paused.size))
    };
    let (pooled, all_claim, place) = match pool {
        Pool::Fixed(pool) => (size(pool), true, place.key("fixed").key("size")),
        Pool::Predictive(_) => return,
        Pool::Classes(pools) => {
            let sizes = pools.values().map(|pool| match pool {
                ClassPool::Fixed(pool) => size(pool),
                ClassPool::Predictive(_) => 0,
            });
            let classes = findings.classes();
            let all_claim = classes.iter().all(|(name, _)| pools.contains_key(*name));
            (sizes.sum(), all_claim, place.key("classes"))
        }
    };
    let hibernates = findings.scenario.platform.idle.then == IdleThen::Hibernate;
    let at = findings.at;
    let found = if pooled > slots {
        let message = format!("a pool of {pooled} never fits: there are {slots} slots in all");
        at.error("never-fits", &place, message)
    } else if pooled == slots && (hibernates || !all_claim) {
        let whom = if hibernates { "sessions that come back from a snapshot" } else { "others" };
        let message = format!("the pool takes all {slots} slots while it is full: none for {whom}");
        at.warning("no-room", &place, message)
    } else {
        return;
    };
    let most = path(["platform", "capacity", "elastic", "max_concurrent"]);
    let found = at.with(found, &most, "what is pooled holds slots too");
    let found = at.depends(at.depends(found, "platform.idle.then"), "workload.classes");
    findings.push(found.help("raise `max_concurrent`, or pool fewer"));
}
