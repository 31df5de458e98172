//! What a fleet of hosts holds, for `check`: arithmetic on what the scenario says.

use std::borrow::Cow;

use crate::scenario::types::{Class, DEFAULT_NAME, HostType, Hosts, Scenario};
use crate::units::{Bytes, Cores};

/// One derived number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub name: String,
    pub unit: &'static str,
    pub value: f64,
    pub how: String,
}

/// What a sandbox of a class takes of a host.
struct Need<'a> {
    class: &'a str,
    memory: Bytes,
    vcpu: Cores,
}

/// How many sandboxes of each class a host of each type holds, and the whole fleet at its smallest
/// and largest, each class as if it were alone.
pub(super) fn lines(scenario: &Scenario, hosts: &Hosts) -> Vec<Line> {
    let types = hosts.types();
    let mut lines = Vec::new();
    for need in needs(scenario) {
        for (name, host) in &types {
            let on = if types.len() > 1 { format!("a host `{name}`") } else { "a host".to_owned() };
            lines.push(on_host(&need, host, &on));
        }
        lines.push(at_least(&need, &types));
        lines.extend(at_most(&need, &types));
    }
    lines
}

/// Sandboxes that the largest fleet holds, if those of all classes are alike.
pub(super) fn slots(scenario: &Scenario, hosts: &Hosts) -> Option<u64> {
    let needs = needs(scenario);
    let first = needs.first()?;
    let alike = needs.iter().all(|need| (need.memory, need.vcpu) == (first.memory, first.vcpu));
    alike.then(|| most(first, &hosts.types())).flatten()
}

fn needs(scenario: &Scenario) -> Vec<Need<'_>> {
    let overhead = scenario.platform.isolation.tier().memory_overhead;
    let classes = &scenario.workload.classes;
    let implied = classes.is_empty().then(|| (DEFAULT_NAME, Cow::Owned(Class::default())));
    let written = classes.iter().map(|(name, class)| (name.as_str(), Cow::Borrowed(class)));
    implied
        .into_iter()
        .chain(written)
        .map(|(class, terms)| Need {
            class,
            memory: Bytes(terms.sandbox.memory.0.saturating_add(overhead.0)),
            vcpu: terms.sandbox.vcpu,
        })
        .collect()
}

fn holds(need: &Need<'_>, host: &HostType) -> u64 {
    let (by_memory, by_vcpu) = host.holds(need.memory, need.vcpu);
    by_memory.min(by_vcpu)
}

fn on_host(need: &Need<'_>, host: &HostType, on: &str) -> Line {
    let (by_memory, by_vcpu) = host.holds(need.memory, need.vcpu);
    let binds = match by_memory.cmp(&by_vcpu) {
        std::cmp::Ordering::Less => "memory binds",
        std::cmp::Ordering::Greater => "vCPU binds",
        std::cmp::Ordering::Equal => "both bind",
    };
    Line {
        name: format!("{} on {on}", need.class),
        unit: "sandboxes",
        value: by_memory.min(by_vcpu) as f64,
        how: format!("{by_memory} by memory, {by_vcpu} by vCPU: {binds}"),
    }
}

fn at_least(need: &Need<'_>, types: &[(&str, &HostType)]) -> Line {
    let hosts: u64 = types.iter().map(|(_, host)| u64::from(host.min)).sum();
    let held = types.iter().map(|(_, host)| holds(need, host).saturating_mul(host.min.into()));
    Line {
        name: format!("{} at the fewest hosts", need.class),
        unit: "sandboxes",
        value: held.fold(0, u64::saturating_add) as f64,
        how: alone_on(hosts),
    }
}

fn alone_on(hosts: u64) -> String {
    format!("{hosts} host{}, nothing else on them", if hosts == 1 { "" } else { "s" })
}

/// None where the fleet never grows.
fn at_most(need: &Need<'_>, types: &[(&str, &HostType)]) -> Option<Line> {
    if types.iter().all(|(_, host)| host.most() == Some(host.min.into())) {
        return None;
    }
    let hosts: Option<u64> = types.iter().map(|(_, host)| host.most()).sum();
    let held = most(need, types)?;
    Some(Line {
        name: format!("{} at the most hosts", need.class),
        unit: "sandboxes",
        value: held as f64,
        how: alone_on(hosts?),
    })
}

/// Sandboxes at the most hosts, `None` for no limit.
fn most(need: &Need<'_>, types: &[(&str, &HostType)]) -> Option<u64> {
    let of_type = |host: &HostType| Some(holds(need, host).saturating_mul(host.most()?));
    types.iter().try_fold(0u64, |sum, (_, host)| Some(sum.saturating_add(of_type(host)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(platform: &str) -> Vec<(String, f64, String)> {
        let text = format!("{{version: 1, name: x, workload: {{}}, platform: {platform}}}");
        let yaml = serde_yaml::Deserializer::from_str(&text);
        let scenario: Scenario =
            serde_yaml::with::singleton_map_recursive::deserialize(yaml).unwrap();
        let crate::scenario::types::Capacity::Hosts(hosts) = &scenario.platform.capacity else {
            panic!("no hosts in {platform}")
        };
        let all = lines(&scenario, hosts).into_iter();
        all.map(|line| (line.name, line.value, line.how)).collect()
    }

    /// A sandbox is 1 vCPU and 2 GiB, and 128 MiB of overhead: 256 GiB / 2.125 GiB = 120.5; 64 cores
    /// promised twice are 128.
    #[test]
    fn memory_binds_with_the_overhead() {
        let found = of(
            "{isolation: {microvm: {memory_overhead: 128MiB}}, capacity: {hosts: {min: 2, max: 10, \
             cores: 64, memory: 256GiB, overcommit: {cpu: 2}, autoscaler: {interval: 30s}}}}",
        );
        let expected = [
            ("default on a host", 120.0, "120 by memory, 128 by vCPU: memory binds"),
            ("default at the fewest hosts", 240.0, "2 hosts, nothing else on them"),
            ("default at the most hosts", 1200.0, "10 hosts, nothing else on them"),
        ];
        assert_eq!(found, expected.map(|(n, v, h)| (n.to_owned(), v, h.to_owned())));
    }

    /// Without an autoscaler, or without a limit, there is no largest fleet to speak of.
    #[test]
    fn types_add_up_and_what_never_grows_is_said_once() {
        let hosts =
            "small: {cores: 4, memory: 16GiB, min: 3}, large: {cores: 64, memory: 64GiB, max: 9}";
        let found =
            of(&format!("{{isolation: {{container: {{}}}}, capacity: {{hosts: {{{hosts}}}}}}}"));
        let values: Vec<_> = found.iter().map(|(name, value, _)| (name.as_str(), *value)).collect();
        // 4 by vCPU, 32 by memory; 3 × 4 + 1 × 32.
        let expected = [
            ("default on a host `small`", 4.0),
            ("default on a host `large`", 32.0),
            ("default at the fewest hosts", 44.0),
        ];
        assert_eq!(values, expected);
    }
}
