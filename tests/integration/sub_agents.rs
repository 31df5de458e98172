//! Sub-agents, worked out by hand.

use plimsoll::measure::{Counter, Metric};

use super::kit::{ran, scenario};

#[test]
fn a_sub_agent_has_the_cores_and_the_memory_of_its_parent_s_sandbox() {
    // The parent calls for 1 s. Its sub-agent, of a class with 2 vCPU, calls for 1 s and has 4 CPU-seconds of
    // work that could use 2 cores: in the parent's sandbox of 1 vCPU that takes 4 s. Closed at 6 s. It needs
    // 1 GiB, which that sandbox has; one of its own class would not.
    let text = "
version: 1
name: sub-agents
workload:
  arrivals: {every: 1000s}
  classes:
    parent: {share: 100%, turns: 1, steps: 1, sub_agents: {class: child, count: 1}, sandbox: {vcpu: 1, memory: 2GiB}}
    child:
      share: 0%
      turns: 1
      steps: 1
      tools: {calls: 1, cores: 2, cpu: 4s, memory: 1GiB}
      sandbox: {vcpu: 2, memory: 512MiB}
platform: {isolation: {container: {}}, idle: {then: keep}}
models: {default: {latency: {base: 1s}}}
experiment: {start: empty, warmup: none, measure: 999s, replications: 1}
";
    let ran = ran(scenario(text));
    assert_eq!(ran.count(Counter::OomKills), 0);
    assert_eq!(ran.metric(Metric::ToolExec), (1, 4.0));
    assert_eq!(ran.metric(Metric::Session), (1, 6.0));
}
