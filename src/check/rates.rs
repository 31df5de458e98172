//! What the platform charges.

use super::{Findings, hosts, path};
use crate::scenario::source::Path;
use crate::scenario::types::{BillIdle, Capacity, ComputeShape, MemoryLevel, RateCard};
use crate::units::Quantity;

pub(super) fn check(findings: &mut Findings<'_>) {
    charged_twice(findings);
    shape(findings);
    rounding(findings);
    free(findings);
    floor(findings);
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

fn compute(key: &str) -> Path {
    path(["platform", "rates", "compute", key])
}

/// Prices of quantities that the shape does not charge.
fn shape(findings: &mut Findings<'_>) {
    let card = &findings.scenario.platform.rates.compute;
    let place = compute("shape");
    let name = card.shape.name();
    if card.shape == ComputeShape::Session {
        if card.session.is_zero() {
            let message = "the shape `session` charges `session` alone, and that has no price";
            let found = findings.at.error("no-price", &place, message);
            let found = findings.at.depends(found, compute("session"));
            findings.push(found.help(
                "write `session: $0.03` for each, or `session: $0.03/h` for the time that a sandbox is held",
            ));
        }
        for (key, priced) in
            [("vcpu", card.vcpu.base() > 0.0), ("memory", card.memory.base() > 0.0)]
        {
            if priced && findings.is_written_by_hand(&compute(key)) {
                let why = "the shape `session` charges neither CPU nor memory";
                findings.no_effect(
                    &compute(key),
                    &place,
                    why,
                    "remove it, or choose another shape",
                );
            }
        }
    }
    let BillIdle::Rates(idle) = card.bill_idle else { return };
    let here = compute("bill_idle");
    if card.shape == ComputeShape::Session {
        let why = "the shape `session` has no prices of CPU and memory";
        findings.no_effect(&here, &place, why, "write `full` or `none`");
    } else if card.shape.is_active_cpu() && idle.vcpu.base() > 0.0 {
        let why = format!("an idle sandbox has no active CPU, which `{name}` charges");
        findings.no_effect(&here.key("vcpu"), &place, &why, "remove it");
    }
}

fn rounding(findings: &mut Findings<'_>) {
    let card = &findings.scenario.platform.rates.compute;
    let Some(round) = card.round else { return };
    let place = compute("round");
    if round.to.is_zero() && round.min.is_zero() {
        let why = "it rounds to nothing";
        findings.no_effect(&place, &place, why, "write `{to: 1h}` or `{min: 1s}`, or remove it");
    }
}

/// Grants of what has no price.
fn free(findings: &mut Findings<'_>) {
    let card = &findings.scenario.platform.rates.compute;
    let grants = [
        ("vcpu_seconds", card.free.vcpu_seconds.0, "vcpu", card.vcpu.base()),
        ("gib_seconds", card.free.gib_seconds.0, "memory", card.memory.base()),
    ];
    for (key, granted, price_key, price) in grants {
        let charged = price > 0.0 && card.shape != ComputeShape::Session;
        let place = compute("free").key(key);
        if granted > 0.0 && !charged && findings.is_written_by_hand(&place) {
            let why = format!("`{price_key}` is not charged");
            let help = format!("remove it, or give `compute.{price_key}` a price");
            findings.no_effect(&place, compute(price_key), &why, &help);
        }
    }
}

/// What a sandbox consumes at least.
fn floor(findings: &mut Findings<'_>) {
    let card = &findings.scenario.platform.rates.compute;
    if card.shape != ComputeShape::ActiveCpuConsumedMemory {
        let why = format!("the shape `{}` does not charge consumed memory", card.shape.name());
        let help = "remove it, or write `shape: active-cpu-consumed-memory`";
        let levels = [
            ("memory_floor", card.memory_floor.0 > 0),
            ("memory_level", card.memory_level != MemoryLevel::Held),
        ];
        for (key, set) in levels {
            if set && findings.is_written_by_hand(&compute(key)) {
                findings.no_effect(&compute(key), compute("shape"), &why, help);
            }
        }
        return;
    }
    let at = findings.at;
    for (name, class) in findings.classes() {
        let memory = class.sandbox.memory;
        if memory >= card.memory_floor {
            continue;
        }
        let message = format!(
            "a sandbox of `{name}` has {memory}, less than the {} that it is charged for at least",
            card.memory_floor
        );
        let found = at.warning("memory-floor", compute("memory_floor"), message);
        let sandbox = path(["workload", "classes", name, "sandbox", "memory"]);
        let found = at.depends(found, sandbox);
        findings.push(found.help("give the sandbox as much memory, or lower the floor"));
    }
}
