//! Hosts: whether there are any, whether sandboxes fit, what their autoscalers can do.

use super::{Findings, path, percent};
use crate::scenario::source::Path;
use crate::scenario::types::{Autoscaler, Capacity, Forecast, HostType, Hosts};
use crate::units::{Bytes, Cores, Quantity};

pub(super) fn check(findings: &mut Findings<'_>) {
    let Capacity::Hosts(hosts) = &findings.scenario.platform.capacity else { return };
    let types = placed(hosts);
    for (place, host) in &types {
        room(findings, place, host);
        numbers(findings, place, host);
        standby(findings, place, host);
        if let Some(scaler) = &host.autoscaler {
            autoscaler(findings, place, host, scaler);
        }
        findings.settles(&place.key("boot"), &host.boot);
        if host.bill_boot && host.price.base() == 0.0 {
            let why = "these hosts have no price";
            let help = "write `price`, such as `$0.5/h`, or remove it";
            findings.no_effect(&place.key("bill_boot"), place.key("price"), why, help);
        }
    }
    placement(findings, &types);
    if any_starts(findings, &types) {
        fits(findings, &types);
    }
}

/// The types with the places where they are written.
pub(super) fn placed(hosts: &Hosts) -> Vec<(Path, &HostType)> {
    let place = path(["platform", "capacity", "hosts"]);
    match hosts {
        Hosts::One(only) => vec![(place, only)],
        Hosts::Named(types) => types.iter().map(|(name, host)| (place.key(name), host)).collect(),
    }
}

/// What a host has, and how much of it is promised.
fn room(findings: &mut Findings<'_>, place: &Path, host: &HostType) {
    let why = "no sandbox could ever start";
    // Room is counted in millionths of a vCPU.
    let help = "expected the cores of a host, such as `64`";
    findings.not_zero(&place.key("cores"), host.cores.0 < 1e-6, why, help);
    let help = "expected the memory of a host, such as `256GiB`";
    findings.not_zero(&place.key("memory"), host.memory.0 == 0, why, help);
    let help = "expected 1 or more, or `unlimited`";
    let none = host.starts_per_host.get() == Some(0);
    findings.not_zero(&place.key("starts_per_host"), none, why, help);
    if let Some(rate) = &host.create_rate {
        super::capacity::create_rate(findings, &place.key("create_rate"), rate);
    }
    let help = "it is what a host promises over what it has: 1 for no more, 1.5 for half more";
    for (key, factor) in [("cpu", host.overcommit.cpu.0), ("memory", host.overcommit.memory.0)] {
        let place = place.key("overcommit").key(key);
        findings.not_zero(&place, factor == 0.0, why, help);
        if factor > 0.0 && factor < 1.0 {
            let of = if key == "cpu" { "cores" } else { "memory" };
            let message = format!("a host promises only {} of its {of}", percent(factor));
            findings.push(findings.at.warning("overcommit", &place, message).help(help));
        }
    }
}

/// How many hosts there are.
fn numbers(findings: &mut Findings<'_>, place: &Path, host: &HostType) {
    let at = findings.at;
    let Some(max) = host.max else { return };
    let (min_place, max_place) = (place.key("min"), place.key("max"));
    if max.get().is_some_and(|max| max < u64::from(host.min)) {
        let message = format!("`max` is {max}, less than `min`, which is {}", host.min);
        let found = at.error("out-of-range", &max_place, message);
        let found = if at.is_written(&min_place) {
            at.with(found, &min_place, "these are up at time 0")
        } else {
            at.depends(found, &min_place)
        };
        findings.push(found.help("`min` hosts are up from the start, 1 if not said"));
    } else if host.autoscaler.is_none() && max.get() != Some(u64::from(host.min)) {
        let why = format!("no `autoscaler` starts more hosts than the {} of `min`", host.min);
        let help = "write `autoscaler: {interval: 30s, target: 80%}` beside it, or set `min`";
        findings.no_effect(&max_place, place.key("autoscaler"), &why, help);
    }
}

fn standby(findings: &mut Findings<'_>, place: &Path, host: &HostType) {
    let Some(standby) = &host.standby else { return };
    let here = place.key("standby");
    findings.settles(&here.key("resume"), &standby.resume);
    if host.autoscaler.is_none() {
        let why = "no `autoscaler` starts hosts";
        let help = "write `autoscaler: {interval: 30s, target: 80%}` beside it, or remove it";
        findings.no_effect(&here, place.key("autoscaler"), why, help);
    } else if standby.count == 0 {
        let count = here.key("count");
        findings.no_effect(&count, &count, "no host stands by", "write how many, or remove it");
    } else if standby.resume.mean() >= host.boot.mean() {
        let at = findings.at;
        let message = "hosts that stand by come up no faster than new ones";
        let found = at.warning("standby", here.key("resume"), message);
        let found = if at.is_written(place.key("boot")) {
            at.with(found, place.key("boot"), "new ones take this long")
        } else {
            at.depends(found, place.key("boot"))
        };
        findings.push(found.help("write the `boot` of a new host, and a shorter `resume`"));
    }
}

fn autoscaler(findings: &mut Findings<'_>, place: &Path, host: &HostType, scaler: &Autoscaler) {
    let here = place.key("autoscaler");
    let why = "it would look endlessly often at time 0";
    let help = "expected a time above zero, such as `30s`";
    findings.not_zero(&here.key("interval"), scaler.interval.is_zero(), why, help);
    let target = here.key("target");
    let why = "it would want endlessly many hosts";
    let help = "it is the share of the fleet that is to be in use, such as `80%`";
    findings.not_zero(&target, scaler.target.0 == 0.0, why, help);
    findings.share(&target, scaler.target);
    // What is below `min`, or brings no hosts at all, is said where that is looked at.
    let below = host.max.and_then(|max| max.get()).is_some_and(|max| max < u64::from(host.min));
    if host.min > 0 && !below && host.most() == Some(u64::from(host.min)) {
        let max = place.key("max");
        let n = host.min;
        let why = if host.max.is_some() {
            format!("`min` and `max` are both {n}")
        } else {
            format!("there is no `max`, so there are {n} hosts, the `min`, at any time")
        };
        let help = "write a `max` above `min`, such as `max: 20` or `max: unlimited`";
        findings.no_effect(&here, &max, &why, help);
    }
    if let Some(forecast) = &scaler.forecast {
        self::forecast(findings, &here, scaler, forecast);
    }
}

fn forecast(findings: &mut Findings<'_>, scaler: &Path, terms: &Autoscaler, forecast: &Forecast) {
    let here = scaler.key("forecast");
    let (ahead, window) = (here.key("ahead"), here.key("window"));
    if forecast.ahead.is_zero() {
        let help = "write how far ahead to look, such as the time that a host takes to boot";
        findings.no_effect(&ahead, &ahead, "it looks no time ahead", help);
    }
    if forecast.window < terms.interval {
        let why = format!("it spans no two looks, which are {} apart", terms.interval);
        let help = "a slope takes two looks: write a window of several intervals";
        findings.no_effect(&window, scaler.key("interval"), &why, help);
    }
}

/// The first type says where sandboxes go, over all hosts.
fn placement(findings: &mut Findings<'_>, types: &[(Path, &HostType)]) {
    let Some(((first_place, first), others)) = types.split_first() else { return };
    let at = findings.at;
    for (place, host) in others {
        let here = place.key("placement");
        if host.placement != first.placement && at.is_written(&here) {
            let message = "`placement` has no effect: that of the first type holds for all hosts";
            let found = at.warning("no-effect", &here, message);
            let of_first = first_place.key("placement");
            let found = if at.is_written(&of_first) {
                at.with(found, &of_first, "this one holds")
            } else {
                at.with(found, first_place, "this is the first type; it says none: `first-fit`")
            };
            findings.push(found.help("write it in the first type"));
        }
    }
}

/// Whether hosts of any type come up at all.
fn any_starts(findings: &mut Findings<'_>, types: &[(Path, &HostType)]) -> bool {
    let at = findings.at;
    let comes = |host: &HostType| host.most() != Some(0);
    let none = types.iter().all(|(_, host)| !comes(host));
    for (place, host) in types.iter().filter(|(_, host)| !comes(host)) {
        let min = place.key("min");
        let why = match (&host.autoscaler, host.max) {
            (None, _) => "no `autoscaler` starts any",
            (Some(_), Some(_)) => "`max` is 0",
            (Some(_), None) => "there is no `max`",
        };
        let help = "write a `min` of 1 or more, or an `autoscaler` and a `max`";
        let found = if none {
            let message = format!("there are never any hosts: `min` is 0, and {why}");
            at.error("no-hosts", &min, message)
        } else {
            let name = place.short();
            let message = format!("there are never any hosts `{name}`: `min` is 0, and {why}");
            at.warning("no-hosts", &min, message)
        };
        let found = at.depends(at.depends(found, place.key("autoscaler")), place.key("max"));
        findings.push(found.help(help));
    }
    !none
}

/// A sandbox larger than any host never starts, and holds up all that wait behind it.
fn fits(findings: &mut Findings<'_>, types: &[(Path, &HostType)]) {
    let types: Vec<_> = types.iter().filter(|(_, host)| host.most() != Some(0)).collect();
    let sound = |host: &HostType| host.promised_memory().0 > 0 && host.promised_vcpu().0 > 0.0;
    if !types.iter().all(|(_, host)| sound(host)) {
        return;
    }
    let overhead = findings.scenario.platform.isolation.tier().memory_overhead;
    for (name, class) in findings.classes() {
        // Sub-agents run in their parent's sandbox.
        if class.share.is_some_and(|share| share.0 == 0.0) {
            continue;
        }
        let memory = Bytes(class.sandbox.memory.0.saturating_add(overhead.0));
        let vcpu = class.sandbox.vcpu;
        let holds = types.iter().map(|(_, host)| host.holds(memory, vcpu));
        let (by_memory, by_vcpu) =
            holds.clone().fold((0, 0), |(m, v), (by_m, by_v)| (by_m.max(m), by_v.max(v)));
        if holds.into_iter().any(|(by_memory, by_vcpu)| by_memory.min(by_vcpu) > 0) {
            continue;
        }
        let too_large = match (by_memory, by_vcpu) {
            (0, _) => TooLarge::Memory { asked: memory, overhead },
            (_, 0) => TooLarge::Cpu(vcpu),
            _ => TooLarge::Both,
        };
        too_large.report(findings, name, &types);
    }
}

/// What of a sandbox fits on no host.
enum TooLarge {
    Memory {
        asked: Bytes,
        overhead: Bytes,
    },
    Cpu(Cores),
    /// Its memory fits on some hosts, its vCPUs on others.
    Both,
}

impl TooLarge {
    fn report(&self, findings: &mut Findings<'_>, class: &str, types: &[&(Path, &HostType)]) {
        let at = findings.at;
        let sandbox = path(["workload", "classes", class, "sandbox"]);
        let what = format!("a sandbox of `{class}`");
        let found = match self {
            TooLarge::Memory { asked, overhead } => {
                let with = if overhead.0 > 0 { ", overhead included" } else { "" };
                let largest = types.iter().max_by_key(|(_, host)| host.promised_memory());
                let (place, host) = largest.expect("there are types");
                let (asked, most) = (size(*asked), size(host.promised_memory()));
                let message = format!(
                    "{what} takes {asked} of memory{with}, and no host promises more than {most}"
                );
                let found = at.error("never-fits", sandbox.key("memory"), message);
                at.with(found, place.key("memory"), "what the largest host has")
            }
            TooLarge::Cpu(vcpu) => {
                let promised = |host: &HostType| host.promised_vcpu().0;
                let largest =
                    types.iter().max_by(|(_, a), (_, b)| promised(a).total_cmp(&promised(b)));
                let (place, host) = largest.expect("there are types");
                let message = format!(
                    "{what} takes {} vCPU, and no host promises more than {}",
                    vcpu.0,
                    promised(host)
                );
                let found = at.error("never-fits", sandbox.key("vcpu"), message);
                at.with(found, place.key("cores"), "what the largest host has")
            }
            TooLarge::Both => {
                let message =
                    format!("{what} fits on no host: those with the memory lack the cores");
                let found = at.error("never-fits", &sandbox, message);
                at.depends(found, "platform.capacity")
            }
        };
        let rests_on = types.iter().map(|(place, _)| place.key("overcommit"));
        let found = rests_on.fold(found, |found, place| at.depends(found, place));
        let found = at.depends(found, "platform.isolation");
        findings.push(found.help("give larger hosts, or a smaller sandbox"));
    }
}

/// A size for people: to three decimals.
fn size(bytes: Bytes) -> String {
    const GIB: u64 = 1 << 30;
    if bytes.0.is_multiple_of(GIB) || bytes.0 < GIB {
        return bytes.to_string();
    }
    format!("{}GiB", (bytes.gib() * 1000.0).round() / 1000.0)
}
