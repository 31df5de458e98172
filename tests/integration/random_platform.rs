//! Random supply beside slots and sandboxes: hosts, pools, stores, faults, tenants.

use std::fmt::Write;

use proptest::option::weighted;
use proptest::prelude::*;

/// Hosts of one or two types.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub min: u32,
    pub more: u32,
    /// Sandboxes of the smaller class that a host's memory and vCPUs promise.
    pub room: u32,
    pub cpu_percent: u32,
    pub memory_percent: u32,
    boot_ms: u32,
    placement: &'static str,
    pub starts: Option<u32>,
    /// Interval, target, cooldown; without, the fleet is fixed.
    pub scaler: Option<(u32, u32, u32)>,
    forecast: bool,
    standby: Option<u32>,
    pub two_types: bool,
}

/// Sandboxes that wait to be claimed.
#[derive(Clone, Debug)]
pub enum Pool {
    Fixed {
        size: u32,
        paused: Option<u32>,
        image: bool,
        refill: (u32, Option<u32>),
    },
    Predictive {
        cover: u32,
        window_s: u32,
    },
    /// Of the second class alone.
    Class {
        size: u32,
    },
}

#[derive(Clone, Debug)]
pub struct Store {
    archive: Option<(u32, u32)>,
    pub quota_mb: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Faults {
    pub mtbf_s: Option<u32>,
    pub zones: Option<(u32, u32, u32)>,
    pub stalls: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
pub struct Tenants {
    pub priority: i32,
    pub sessions: Option<u32>,
    pub tokens_per_day: Option<u32>,
    pub slots: Option<u32>,
    pub backfill: bool,
    fair: bool,
    identity: Option<(bool, u32, u32)>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Extra {
    pub fleet: Option<Fleet>,
    pub pool: Option<Pool>,
    claim_ms: u32,
    ttl_s: Option<u32>,
    pub store: Store,
    pub faults: Faults,
    pub tenants: Tenants,
    /// Sandboxes of the second class are twice as large.
    pub two_shapes: bool,
    pub tool_mib: u32,
    pub overhead_mib: u32,
    pull: bool,
    contention: u32,
    drift: bool,
    rollouts_s: Option<u32>,
}

/// MiB of the first class's sandboxes.
pub const MEMORY_MIB: u32 = 64;

prop_compose! {
    fn fleet()(
        min in 0_u32..4, more in 0_u32..4, room in 2_u32..6,
        cpu_percent in 100_u32..300, memory_percent in prop_oneof![Just(100_u32), 100_u32..200],
        boot_ms in prop_oneof![Just(0_u32), 1_u32..40_000],
        placement in prop_oneof![Just("first-fit"), Just("best-fit"), Just("worst-fit")],
        starts in proptest::option::of(1_u32..3),
        scaler in proptest::option::of((1_u32..30, 40_u32..=100, 0_u32..60)),
        (forecast, two_types) in any::<(bool, bool)>(),
        standby in proptest::option::of(1_u32..3),
    ) -> Fleet {
        let min = if scaler.is_some() { min } else { min.max(1) };
        let more = if min == 0 { more.max(1) } else { more };
        Fleet {
            min, more, room, cpu_percent, memory_percent, boot_ms, placement, starts, scaler,
            forecast, standby, two_types,
        }
    }
}

fn pool() -> impl Strategy<Value = Pool> {
    let refill = (prop_oneof![Just(0_u32), 1_u32..10], proptest::option::of(6_u32..120));
    prop_oneof![
        (0_u32..5, proptest::option::of(0_u32..3), any::<bool>(), refill)
            .prop_map(|(size, paused, image, refill)| Pool::Fixed { size, paused, image, refill }),
        (50_u32..100, 5_u32..200)
            .prop_map(|(cover, window_s)| Pool::Predictive { cover, window_s }),
        (1_u32..4).prop_map(|size| Pool::Class { size }),
    ]
}

prop_compose! {
    fn faults()(
        mtbf_s in weighted(0.3, 60_u32..2_000),
        zones in weighted(0.2, (1_u32..4, 100_u32..3_000, 1_u32..60)),
        stalls in weighted(0.3, (20_u32..600, 1_u32..30)),
    ) -> Faults {
        Faults { mtbf_s, zones, stalls }
    }
}

prop_compose! {
    fn tenants()(
        priority in -1_i32..2, sessions in weighted(0.3, 0_u32..20),
        tokens_per_day in weighted(0.2, 1_000_u32..500_000),
        slots in weighted(0.3, 1_u32..6), (backfill, fair) in any::<(bool, bool)>(),
        identity in proptest::option::of((any::<bool>(), 0_u32..2_000, 1_u32..100)),
    ) -> Tenants {
        Tenants { priority, sessions, tokens_per_day, slots, backfill, fair, identity }
    }
}

prop_compose! {
    /// Any of it, or none.
    pub fn extra()(
        fleet in proptest::option::of(fleet()), pool in proptest::option::of(pool()),
        claim_ms in 0_u32..2_000, ttl_s in weighted(0.4, 1_u32..120),
        archive in weighted(0.4, (1_u32..100, 0_u32..5_000)),
        quota_mb in weighted(0.25, 1_u32..300),
        faults in faults(), tenants in tenants(),
        (two_shapes, pull, drift) in any::<(bool, bool, bool)>(),
        tool_mib in prop_oneof![Just(0_u32), 1_u32..50], overhead_mib in 0_u32..20,
        contention in 0_u32..3, rollouts_s in weighted(0.3, 10_u32..300),
    ) -> Extra {
        let shared = matches!(pool, Some(Pool::Fixed { .. } | Pool::Predictive { .. }));
        let on_hosts = fleet.is_some();
        let mut faults: Faults = faults;
        if !on_hosts {
            (faults.mtbf_s, faults.zones) = (None, None);
        }
        Extra {
            fleet, pool, claim_ms, ttl_s, store: Store { archive, quota_mb }, faults, tenants,
            two_shapes: two_shapes && !shared, tool_mib, overhead_mib, pull, contention, drift,
            rollouts_s,
        }
    }
}

impl Extra {
    /// Whether something goes on for ever by itself, so that a run which is stuck would not end.
    pub fn never_rests(&self) -> bool {
        let Faults { mtbf_s, zones, stalls } = &self.faults;
        mtbf_s.is_some() || zones.is_some() || stalls.is_some() || self.ttl_s.is_some()
    }

    /// Whether work is lost or held up by faults whose time is compressed, and the work is not.
    pub fn has_faults(&self) -> bool {
        let Faults { mtbf_s, zones, stalls } = &self.faults;
        mtbf_s.is_some() || zones.is_some() || stalls.is_some()
    }

    /// MiB that a sandbox of the first class takes of a host.
    pub fn need_mib(&self) -> u32 {
        MEMORY_MIB + self.overhead_mib
    }

    /// MiB of a host's memory.
    pub fn host_mib(&self, fleet: &Fleet) -> u32 {
        // Two of the smaller make one of the larger, overhead for each being generous.
        fleet.room * self.need_mib()
    }

    /// `capacity`, for sandboxes of so many vCPUs; `elastic` are the slots where there are no hosts.
    pub fn capacity(&self, vcpu: u32, elastic: &str) -> String {
        let Some(fleet) = &self.fleet else {
            let own = self.tenants.slots.map_or_else(String::new, |slots| {
                format!(", per_tenant: {{max_concurrent: {slots}}}")
            });
            return format!("{{elastic: {{{elastic}{own}}}}}");
        };
        if !fleet.two_types {
            return format!("{{hosts: {{{}}}}}", self.host(fleet, vcpu));
        }
        let other = Fleet { boot_ms: fleet.boot_ms / 3, room: fleet.room + 1, ..fleet.clone() };
        format!(
            "{{hosts: {{one: {{{}}}, two: {{{}}}}}}}",
            self.host(fleet, vcpu),
            self.host(&other, vcpu)
        )
    }

    fn host(&self, fleet: &Fleet, vcpu: u32) -> String {
        let mut text = format!(
            "min: {}, max: {}, cores: {}, memory: {}MiB, boot: {}ms, price: $1/h, bill_boot: true, \
             overcommit: {{cpu: {}%, memory: {}%}}, placement: {}",
            fleet.min,
            fleet.min + fleet.more,
            fleet.room * vcpu,
            self.host_mib(fleet),
            fleet.boot_ms,
            fleet.cpu_percent,
            fleet.memory_percent,
            fleet.placement
        );
        if let Some(starts) = fleet.starts {
            write!(text, ", starts_per_host: {starts}").unwrap();
        }
        if fleet.room.is_multiple_of(3) {
            write!(text, ", create_rate: {{limit: {}/min, window: 20s}}", 3 + fleet.boot_ms % 40)
                .unwrap();
        }
        if let Some((interval, target, cooldown)) = fleet.scaler {
            let forecast =
                if fleet.forecast { ", forecast: {window: 60s, ahead: 20s}" } else { "" };
            write!(
                text,
                ", autoscaler: {{interval: {interval}s, target: {target}%, \
                 cooldown: {cooldown}s{forecast}}}"
            )
            .unwrap();
            if let Some(count) = fleet.standby {
                write!(text, ", standby: {{count: {count}, resume: 500ms}}").unwrap();
            }
        }
        text
    }

    /// Keys of the isolation tier; the image takes `image_ms`.
    pub fn tier(&self, image_ms: u32) -> String {
        let image = if self.pull {
            "{pull: {bytes: 30MB, bandwidth: 10MB/s}}".to_owned()
        } else {
            format!("{image_ms}ms")
        };
        let contention = match self.contention {
            0 => "",
            1 => ", contention: {knee: 2, exponent: 0.7}",
            _ => ", contention: {table: [1, 1.5, 2.5]}",
        };
        let drift = if self.drift { ", drift: {lognormal: {median: 1, p95: 1.6}}" } else { "" };
        format!("image: {image}, memory_overhead: {}MiB{contention}{drift}", self.overhead_mib)
    }

    /// Further keys of the platform.
    pub fn platform(&self) -> String {
        let mut text = String::new();
        if let Some(pool) = &self.pool {
            write!(text, ", pool: {}", self.pool(pool)).unwrap();
        }
        if let Some(every) = self.rollouts_s {
            write!(text, ", rollouts: {{every: {every}s}}").unwrap();
        }
        if let Some((after, restore)) = self.store.archive {
            write!(text, ", archive: {{after: {after}s, restore: {restore}ms}}").unwrap();
        }
        if let Some(quota) = self.store.quota_mb {
            write!(text, ", storage_quota: {quota}MB").unwrap();
        }
        write!(
            text,
            ", rates: {{compute: {}, storage: $0.1/GiB-month, archive: $0.01/GiB-month, \
             storage_requests: {{put: $0.001, get: $0.0001}}, platform_fee: $30/month}}",
            self.compute_rates()
        )
        .unwrap();
        text
    }

    /// A rate card of each shape, by a number that is random anyway.
    fn compute_rates(&self) -> &'static str {
        match self.tool_mib % 5 {
            0 => "{vcpu: $0.1/h, memory: $0.01/GiB-h, session: $0.01, bill_from: create}",
            1 => {
                "{shape: active-cpu-provisioned-memory, vcpu: $0.1/h, memory: $0.01/GiB-h, \
                  round: {to: 10ms}, free: {vcpu_seconds: 20000, gib_seconds: 9000}}"
            }
            2 => {
                "{shape: active-cpu-consumed-memory, vcpu: $0.1/h, memory: $0.01/GiB-h, \
                  memory_floor: 3MiB, round: {to: 7s, min: 20s}}"
            }
            3 => {
                "{shape: active-cpu-consumed-memory, vcpu: $0.1/h, memory: $0.01/GiB-h, \
                  memory_floor: 1MiB, memory_level: peak, bill_from: create, bill_idle: none}"
            }
            _ => "{shape: session, session: $0.1/h, bill_from: create, round: {to: 1h}}",
        }
    }

    fn pool(&self, pool: &Pool) -> String {
        let ttl = self.ttl_s.map_or_else(String::new, |ttl| format!(", ttl: {ttl}s"));
        let claim = format!("claim: {}ms{ttl}", self.claim_ms);
        match pool {
            Pool::Class { size } => {
                format!("{{classes: {{second: {{fixed: {{size: {size}, {claim}}}}}}}}}")
            }
            Pool::Predictive { cover, window_s } => {
                format!("{{predictive: {{cover: {cover}%, window: {window_s}s, {claim}}}}}")
            }
            Pool::Fixed { size, paused, image, refill: (delay, rate) } => {
                let rate = rate.map_or_else(String::new, |rate| format!(", rate: {rate}/min"));
                let paused = paused.map_or_else(String::new, |size| {
                    format!(", paused: {{size: {size}, claim: 1s}}")
                });
                format!(
                    "{{fixed: {{size: {size}, {claim}, image: {image}, \
                     refill: {{delay: {delay}s{rate}}}{paused}}}}}"
                )
            }
        }
    }

    /// Keys of the queue.
    pub fn queue(&self) -> String {
        let fair = if self.tenants.fair { ", order: {fair: {default: 2, other: 1}}" } else { "" };
        format!("backfill: {}{fair}", self.tenants.backfill)
    }

    /// Keys of `faults`.
    pub fn faults(&self) -> String {
        let mut text = String::new();
        if let Some(mtbf) = self.faults.mtbf_s {
            write!(text, ", host_mtbf: {mtbf}s").unwrap();
        }
        if let Some((count, mtbf, outage)) = self.faults.zones {
            let outage = format!("{{exponential: {{mean: {outage}s}}}}");
            write!(text, ", zones: {{count: {count}, mtbf: {mtbf}s, outage: {outage}}}").unwrap();
        }
        if let Some((mtbf, length)) = self.faults.stalls {
            let length = format!("{{exponential: {{mean: {length}s}}}}");
            write!(text, ", stalls: {{mtbf: {mtbf}s, length: {length}}}").unwrap();
        }
        text
    }

    /// Keys of `governance`.
    pub fn governance(&self) -> String {
        let tenants = &self.tenants;
        let mut text = String::from(
            ", telemetry: {bytes_per_event: 500B, cpu_share: 3%, price: $1/GB}, management: \
             {changes_per_month: 4, time_per_change: 1h, hourly_rate: $50/h}",
        );
        let sessions = tenants.sessions.map_or("unlimited".to_owned(), |n| n.to_string());
        let tokens =
            tenants.tokens_per_day.map_or_else(String::new, |n| format!(", tokens_per_day: {n}"));
        write!(text, ", quotas: {{other: {{sessions: {sessions}{tokens}}}}}").unwrap();
        if let Some((agent, issue, lifetime)) = tenants.identity {
            let per = if agent { "agent" } else { "session" };
            write!(text, ", identity: {{per: {per}, issue: {issue}ms, lifetime: {lifetime}s}}")
                .unwrap();
        }
        text
    }
}
