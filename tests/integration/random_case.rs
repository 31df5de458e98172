//! Random scenarios: demand, sandboxes, policies, a model, and all that is in `random_platform`.

use std::sync::Arc;

use plimsoll::conduct::{Machine, RunOptions};
use plimsoll::scenario::types::Scenario;
use plimsoll::sim::{Outcome, Watch};
use plimsoll::study::replicate;
use plimsoll::units::Cores;
use plimsoll::workload::plan::Plans;
use proptest::prelude::*;

use super::kit::{designed, scenario};
use super::random_platform::{Extra, MEMORY_MIB, extra};

/// Sessions of a run that goes on until all have left.
pub const SESSIONS: u64 = 60;

/// How idle sandboxes end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Idle {
    Keep,
    Kill,
    Hibernate,
}

#[derive(Clone, Debug)]
pub struct Demand {
    pub arrivals: String,
    pub turns: f64,
    pub think_s: f64,
    pub steps: u32,
    pub calls: u32,
    pub cpu_ms: u32,
    pub io_ms: u32,
    pub dirty: u32,
    pub tokens: u32,
    pub abandon: u32,
}

#[derive(Clone, Debug)]
pub struct Sandboxes {
    pub vcpu: u32,
    pub stages_ms: [u32; 4],
    pub full: bool,
    pub bandwidth: Option<u32>,
    pub fixed_ms: u32,
    pub working_set: u32,
    pub attempts: u32,
    pub boot_faults: u32,
    pub restore_faults: u32,
}

#[derive(Clone, Debug)]
pub struct Policies {
    pub slots: Option<u32>,
    pub creates: Option<u32>,
    pub idle: Idle,
    pub idle_s: u32,
    pub retention_s: Option<u32>,
    pub capacity: Option<u32>,
    pub timeout_s: Option<u32>,
    pub check_ms: [u32; 3],
}

#[derive(Clone, Debug)]
pub struct Model {
    pub base_ms: u32,
    pub per_token_us: u32,
    pub cached: bool,
    pub window: Option<u32>,
    pub errors: u32,
    pub rpm: Option<u32>,
    pub tpm: Option<u32>,
    pub concurrency: Option<u32>,
    pub retries: u32,
    /// Reserved tokens a minute, and whether what finds none spills over.
    pub reserved: Option<(u32, bool)>,
    /// Prompts above this are summed up.
    pub compaction: Option<u32>,
}

/// A scenario and how it is run.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub demand: Demand,
    pub sandboxes: Sandboxes,
    pub policies: Policies,
    pub model: Model,
    pub extra: Extra,
    pub to_the_end: bool,
    pub warmup_s: u32,
    pub compression: u32,
}

fn maybe(range: std::ops::Range<u32>) -> impl Strategy<Value = Option<u32>> {
    proptest::option::of(range)
}

fn demand() -> impl Strategy<Value = Demand> {
    let rate = 1_u32..200;
    let arrivals = prop_oneof![
        rate.clone().prop_map(|r| format!("{{poisson: {{rate: {r}/min}}}}")),
        rate.clone().prop_map(|r| format!("{{renewal: {{rate: {r}/min, cv: 2}}}}")),
        rate.clone().prop_map(|r| {
            format!(
                "{{mmpp: {{states: [{{rate: {r}/min, mean: 90s}}, {{rate: 0/min, mean: 2m}}]}}}}"
            )
        }),
        rate.prop_map(|r| format!("{{every: {r}s}}")),
    ];
    let times = (0_u32..2_000, 0_u32..5_000, 0_u32..1_000_000);
    let counts = (0_u32..4, 0_u32..4, 0_u32..3_000);
    let abandon = prop_oneof![Just(0_u32), Just(40_u32)];
    (arrivals, 1.0..5.0, prop_oneof![Just(0.0), 0.1..120.0], times, counts, abandon).prop_map(
        |(arrivals, turns, think_s, (cpu_ms, io_ms, dirty), (steps, calls, tokens), abandon)| {
            Demand { arrivals, turns, think_s, steps, calls, cpu_ms, io_ms, dirty, tokens, abandon }
        },
    )
}

fn sandboxes() -> impl Strategy<Value = Sandboxes> {
    let faults = prop_oneof![Just(0_u32), 1_u32..50];
    (
        1_u32..4,
        prop::array::uniform4(0_u32..3_000),
        any::<bool>(),
        maybe(1..64),
        0_u32..3_000,
        0_u32..=100,
        1_u32..4,
        faults.clone(),
        faults,
    )
        .prop_map(
            |(
                vcpu,
                stages_ms,
                full,
                bandwidth,
                fixed_ms,
                working_set,
                attempts,
                boot_faults,
                restore_faults,
            )| Sandboxes {
                vcpu,
                stages_ms,
                full,
                bandwidth,
                fixed_ms,
                working_set,
                attempts,
                boot_faults,
                restore_faults,
            },
        )
}

fn policies() -> impl Strategy<Value = Policies> {
    let idle = prop_oneof![Just(Idle::Keep), Just(Idle::Kill), Just(Idle::Hibernate)];
    (
        maybe(1..12),
        maybe(6..120),
        idle,
        0_u32..90,
        maybe(0..150),
        maybe(0..8),
        maybe(0..60),
        prop::array::uniform3(prop_oneof![Just(0_u32), 1_u32..500]),
    )
        .prop_map(
            |(slots, creates, idle, idle_s, retention_s, capacity, timeout_s, check_ms)| Policies {
                slots,
                creates,
                idle,
                idle_s,
                retention_s,
                capacity,
                timeout_s,
                check_ms,
            },
        )
}

fn model() -> impl Strategy<Value = Model> {
    (
        0_u32..5_000,
        0_u32..500,
        any::<bool>(),
        maybe(1_000..20_000),
        prop_oneof![Just(0_u32), 1_u32..30],
        maybe(1..60),
        maybe(5_000..100_000),
        (maybe(1..5), 0_u32..6),
        proptest::option::weighted(0.3, (5_000_u32..100_000, any::<bool>())),
        proptest::option::weighted(0.2, 1_000_u32..20_000),
    )
        .prop_map(
            |(
                base_ms,
                per_token_us,
                cached,
                window,
                errors,
                rpm,
                tpm,
                (concurrency, retries),
                reserved,
                compaction,
            )| {
                Model {
                    base_ms,
                    per_token_us,
                    cached,
                    window,
                    errors,
                    rpm,
                    tpm,
                    concurrency,
                    retries,
                    reserved,
                    compaction,
                }
            },
        )
}

pub fn case() -> impl Strategy<Value = Case> {
    let how =
        (any::<bool>(), prop_oneof![Just(0_u32), 1_u32..200], prop_oneof![Just(1_u32), 2_u32..60]);
    (any::<u32>(), demand(), sandboxes(), policies(), model(), extra(), how).prop_map(
        |(seed, demand, sandboxes, policies, model, extra, (to_the_end, warmup_s, compression))| {
            let warmup_s = if to_the_end { 0 } else { warmup_s };
            let seed = u64::from(seed);
            let mut policies = policies;
            // Abandoned snapshots that are kept for ever have no steady state, and a measure that
            // begins empty would see their stock fill: the loader's caller refuses both.
            if !to_the_end {
                policies.retention_s.get_or_insert(150);
            }
            // Faults come sooner in compressed time, and work takes as long as ever: it would not end.
            let compression = if extra.has_faults() { 1 } else { compression };
            let mut demand = demand;
            if to_the_end {
                can_end(&mut demand, &mut policies, &extra);
            }
            Case {
                seed,
                demand,
                sandboxes,
                policies,
                model,
                extra,
                to_the_end,
                warmup_s,
                compression,
            }
        },
    )
}

/// What makes sure that all sessions leave at last: that is for those runs that go on until then.
fn can_end(demand: &mut Demand, policies: &mut Policies, extra: &Extra) {
    // Abandoned sandboxes that are kept for ever would leave no room.
    let plain = extra.fleet.is_none() && extra.pool.is_none() && !extra.never_rests();
    if policies.idle == Idle::Keep && (!plain || extra.tenants.slots.is_some()) {
        demand.abandon = 0;
    }
    // Places of a pool that are never claimed may hold all the room that others, or those who come
    // back, wait for.
    let limited =
        policies.slots.is_some() || extra.fleet.is_some() || extra.tenants.slots.is_some();
    if extra.pool.is_some() && limited {
        policies.timeout_s.get_or_insert(50);
    }
    // Who waits to boot into a full store would hold up those who come back and leave.
    if extra.store.quota_mb.is_some() {
        policies.retention_s.get_or_insert(100);
        policies.timeout_s.get_or_insert(50);
    }
}

fn or_unlimited(limit: Option<u32>, unit: &str) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |n| format!("{n}{unit}"))
}

impl Case {
    /// The scenario as a person would write it.
    pub fn text(&self) -> String {
        let measure = if self.to_the_end { "end".to_owned() } else { "400s".to_owned() };
        format!(
            "version: 1\nname: random\nworkload: {}\nplatform: {}\nmodels: {{default: {}}}\n\
             experiment: {{seed: {}, start: {}, warmup: {}s, measure: {measure}, replications: 1}}\n",
            self.workload(),
            self.platform(),
            self.models(),
            self.seed,
            if self.to_the_end { "empty" } else { "steady" },
            self.warmup_s,
        )
    }

    /// Sessions that share a sandbox: more than one in a half of the cases where they can.
    pub fn seats(&self) -> u32 {
        let can = self.policies.idle != Idle::Hibernate && self.extra.pool.is_none();
        if can && self.seed % 2 == 1 { 2 + (self.seed / 2 % 3) as u32 } else { 1 }
    }

    fn workload(&self) -> String {
        let d = &self.demand;
        let think = if d.think_s == 0.0 {
            "0s".to_owned()
        } else {
            format!("{{exponential: {{mean: {:.3}s}}}}", d.think_s)
        };
        let class = format!(
            "turns: {{geometric: {{mean: {:.2}}}}}, \
             think: {think}, steps: {{uniform: {{low: 0, high: {}}}}}, tokens: {{system: {t}, \
             user: {t}, tool_result: {t}, output: {t}}}, tools: {{calls: {{uniform: {{low: 0, \
             high: {}}}}}, cores: 2, cpu: {}ms, io_wait: {{uniform: {{low: 0s, high: {}ms}}}}, \
             memory: {{uniform: {{low: 0B, high: {}MiB}}}}, disk_dirty: {}B}}, abandon: {}%",
            d.turns,
            d.steps.max(1),
            d.calls.max(1),
            d.cpu_ms,
            d.io_ms.max(1),
            self.extra.tool_mib.max(1),
            d.dirty,
            d.abandon,
            t = format!("{{uniform: {{low: 0, high: {}}}}}", d.tokens.max(1)),
        );
        let twice = if self.extra.two_shapes { 2 } else { 1 };
        let sandbox = |times: u32| {
            let vcpu = times * self.sandboxes.vcpu;
            format!("sandbox: {{vcpu: {vcpu}, memory: {}MiB}}", times * MEMORY_MIB)
        };
        // Sub-agents are sessions of the second class.
        let children = if self.seed.is_multiple_of(3) {
            ", sub_agents: {class: second, count: {poisson: {mean: 0.3}}}"
        } else {
            ""
        };
        format!(
            "{{arrivals: {}, classes: {{default: {{share: 60%, {class}, {}{children}}}, second: {{share: 40%, \
             tenant: other, priority: {}, {class}, {}}}}}}}",
            d.arrivals,
            sandbox(1),
            self.extra.tenants.priority,
            sandbox(twice),
        )
    }

    fn platform(&self) -> String {
        let (s, p, x) = (&self.sandboxes, &self.policies, &self.extra);
        let [schedule, image, boot, harness] = s.stages_ms;
        let bandwidth = or_unlimited(s.bandwidth, "MiB/s");
        let kind = if s.full { "full" } else { "filesystem" };
        let creates = p.creates.map_or_else(String::new, |n| {
            format!(", create_rate: {{limit: {n}/min, window: 10s}}")
        });
        let slots = format!("max_concurrent: {}{creates}", or_unlimited(p.slots, ""));
        let idle = match p.idle {
            Idle::Keep => "{then: keep}".to_owned(),
            Idle::Kill => format!("{{timeout: {}s, then: kill}}", p.idle_s),
            Idle::Hibernate => format!("{{timeout: {}s, then: hibernate}}", p.idle_s),
        };
        let timeout = p.timeout_s.map_or_else(String::new, |t| format!(", timeout: {t}s"));
        let [session, model, tool] = p.check_ms;
        let tier = match self.seats() {
            1 => "microvm: {".to_owned(),
            seats => format!("shared-container: {{sessions_per_sandbox: {seats}, "),
        };
        format!(
            "{{isolation: {{{tier}{}schedule: {schedule}ms, {}, \
             boot: {{exponential: {{mean: {}ms}}}}, harness: {harness}ms, \
             snapshot: {{{kind}: {{fixed: {}ms, bandwidth: {bandwidth}, base: 1MB}}}}, \
             restore: {{fixed: {}ms, bandwidth: {bandwidth}, working_set: {}%}}}}}}, \
             capacity: {}, idle: {idle}, \
             retention: {}, queue: {{capacity: {}{timeout}, {}}}, \
             faults: {{attempts: {}, boot: {}%, restore: {}%{}}}, governance: {{policies: \
             {{a: {{at: session, latency: {session}ms}}, b: {{at: model, latency: {model}ms}}, \
             c: {{at: tool, latency: {tool}ms}}}}{}}}{}}}",
            self.on_machine(),
            x.tier(image),
            boot.max(1),
            s.fixed_ms,
            s.fixed_ms,
            s.working_set,
            x.capacity(s.vcpu, &slots),
            or_unlimited(p.retention_s, "s"),
            or_unlimited(p.capacity, ""),
            x.queue(),
            s.attempts,
            s.boot_faults,
            s.restore_faults,
            x.faults(),
            x.governance(),
            x.platform(),
        )
    }

    fn models(&self) -> String {
        let m = &self.model;
        let window = m.window.map_or_else(String::new, |w| format!(", context_window: {w}"));
        let reserved = m.reserved.map_or_else(String::new, |(tokens, spills)| {
            format!(
                ", provisioned: {{units: 1, input_per_unit: {tokens}, output_weight: 4, \
                 cached_weight: 0.5, spill_over: {spills}}}"
            )
        });
        let compaction = m.compaction.map_or_else(String::new, |above| {
            format!(", compaction: {{above: {above}, summary: 500}}")
        });
        // A lifetime that no gap of these runs reaches, so that what is cached can be recomputed.
        let cache = if m.cached { "{lifetime: 1000d}" } else { "none" };
        format!(
            "{{latency: {{base: {}ms, per_input: {us}us, per_output: {us}us}}, \
             prompt_cache: {cache}{window}, error_rate: {}%, quota: {{rpm: {}, tpm: {}, \
             concurrency: {}}}, retries: {{max: {}, base: 1s, cap: 20s}}{reserved}{compaction}}}",
            m.base_ms,
            m.errors,
            or_unlimited(m.rpm, ""),
            or_unlimited(m.tpm, ""),
            or_unlimited(m.concurrency, ""),
            m.retries,
            us = m.per_token_us,
        )
    }

    /// In a third of the cases sandboxes are all on one machine, as in the twin of a live run.
    pub fn machine(&self) -> Option<Machine> {
        let elastic = self.extra.fleet.is_none() && self.seed.is_multiple_of(3);
        let (cores, speed) =
            (1.0 + (self.seed / 3 % 8) as f64, 1.0 - (self.seed % 5) as f64 / 10.0);
        elastic.then_some(Machine { cores: Cores(cores), speed })
    }

    /// In half of these the platform's own work takes other than one core each, and goes on after; no
    /// machine has these, and they make no difference.
    pub fn on_machine(&self) -> String {
        if self.seed.is_multiple_of(2) {
            return String::new();
        }
        let tenths = |at: u64| 0.1 * (1 + self.seed / at % 25) as f64;
        let after = |at: u64| self.seed / at % 900;
        format!(
            "on_machine: {{boot: {{cores: {:.1}, after: {}ms}}, restore: {{cores: {:.1}}}, \
             snapshot: {{cores: {:.1}, after: {}ms}}, destroy: {{after: {}ms}}, exec: {{cores: {:.1}}}, \
             full_speed: {:.2}}}, ",
            tenths(2),
            after(3),
            tenths(5),
            tenths(7),
            after(11),
            after(13),
            tenths(17),
            0.5 + tenths(19) / 5.0,
        )
    }

    pub fn run(&self) -> (Scenario, Outcome, Plans) {
        let scenario = scenario(&self.text());
        let sessions = self.to_the_end.then_some(SESSIONS);
        let options = RunOptions { compression: f64::from(self.compression), sessions };
        let mut design = designed(&scenario, None, &options);
        design.horizon.keep_log = true;
        Arc::make_mut(&mut design.setup).machine = self.machine();
        let outcome = replicate(&design, 0, 1, &Watch::default()).remove(0);
        let plans = design.setup.plans().clone();
        assert_eq!(design.setup.sessions, sessions);
        (scenario, outcome, plans)
    }
}
