//! Totals of replications in, the public record out.

use indexmap::IndexMap;

use super::names::{Counter, Gauge, Holding, HostHolding, Metric};
use super::pool;
use super::record::{
    GaugeRecord, IN_FLIGHT, IN_FLIGHT_AT_START, Kind, MetricRecord, Quality, ReplicationRecord,
    Run, SCHEMA,
};
use super::scorecard;
use super::totals::{ReservedUse, TokenUse, Totals};
use crate::billing::{
    ConsumedLedger, Cost, HostLedger, LongTokens, MemoryTerms, MeterTerms, Phases,
    ProvisionedTokens, Rates, RoundedLedger, TokenLedger, Usage,
};
use crate::scenario::types::{BillFrom, Capacity, HostType, Provisioned, Rounding, Scenario};
use crate::units::Span;

const GIB: f64 = 1_073_741_824.0;
/// Holdings count vCPUs in millionths.
const PER_VCPU: f64 = 1e6;
/// Seconds in the billing month: 30 days.
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// What a record is made from.
#[derive(Clone, Debug)]
pub struct RunInput<'a> {
    /// Simulated or live.
    pub kind: Kind,
    /// The resolved scenario.
    pub scenario: &'a Scenario,
    /// Its hash.
    pub hash: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Names of the models, in the order of [`Totals::tokens`].
    pub models: &'a [String],
    /// What each replication measured, in their order.
    pub replications: &'a [Totals],
    /// What is known of its quality; warnings are added.
    pub quality: Quality,
}

impl Run {
    /// Pools replications into a record. `boundaries` and `stage` are left empty: who judges the
    /// record fills them in.
    ///
    /// # Panics
    /// Without a replication, or if `models` does not name each model of the totals.
    pub fn assemble(input: RunInput<'_>) -> Run {
        let RunInput { kind, scenario, hash, seed, models, replications, mut quality } = input;
        assert!(!replications.is_empty(), "a record needs at least one replication");
        assert!(
            replications.iter().all(|t| t.tokens.len() == models.len()),
            "each model has a name"
        );
        let rates = Rates::of(scenario);
        let per_replication: Vec<ReplicationRecord> = replications
            .iter()
            .map(|totals| replication(totals, scenario, models, &rates))
            .collect();
        let metrics = metrics(replications, &mut quality.warnings);
        let cost = scorecard::cost(&per_replication, &rates);
        warn_of_cost(&cost, &mut quality.warnings);
        let scorecard = scorecard::scorecard(&per_replication, scenario, &mut quality.warnings);
        Run {
            schema: SCHEMA.to_owned(),
            kind,
            scenario: serde_json::to_value(scenario).expect("a scenario has string keys only"),
            hash,
            seed,
            replications: u32::try_from(replications.len())
                .expect("replications are counted in u32"),
            measured_s: mean(replications.iter().map(|t| t.measured().seconds())),
            warmup_s: mean(replications.iter().map(|t| t.began.seconds())),
            counters: counters(&per_replication),
            metrics,
            gauges: gauges(&per_replication),
            usage: Usage::mean(per_replication.iter().map(|r| &r.usage)),
            cost,
            scorecard,
            boundaries: IndexMap::new(),
            stage: None,
            baseline: None,
            windows: IndexMap::new(),
            quotas: IndexMap::new(),
            provisioned: IndexMap::new(),
            comparison: None,
            decision: None,
            input: None,
            per_replication,
            quality,
        }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// One replication by itself.
fn replication(
    totals: &Totals,
    scenario: &Scenario,
    models: &[String],
    rates: &Rates,
) -> ReplicationRecord {
    let named = Metric::ALL
        .iter()
        .map(|metric| (metric.name().to_owned(), pool::replication_metric(totals.metric(*metric))));
    let gauges = Gauge::ALL.iter().map(|gauge| {
        let record = pool::replication_gauge(gauge.unit(), gauge.scale(), totals.gauge(*gauge));
        (gauge.name().to_owned(), record)
    });
    let usage = usage(totals, scenario, models);
    let cost = scorecard::amounts(&usage, rates);
    ReplicationRecord {
        counters: replication_counters(totals),
        metrics: named.collect(),
        gauges: gauges.collect(),
        usage,
        cost,
    }
}

/// Counters in the record's order: sessions in flight stand beside the other ends of a session.
fn replication_counters(totals: &Totals) -> IndexMap<String, f64> {
    let mut counters = IndexMap::new();
    for counter in Counter::ALL {
        counters.insert(counter.name().to_owned(), totals.counter(*counter) as f64);
        if *counter == Counter::SessionsRejected {
            counters.insert(IN_FLIGHT.to_owned(), totals.in_flight_at_end as f64);
            counters.insert(IN_FLIGHT_AT_START.to_owned(), totals.in_flight_at_start as f64);
        }
    }
    counters
}

fn counters(replications: &[ReplicationRecord]) -> IndexMap<String, f64> {
    let names = replications[0].counters.keys();
    names.map(|name| (name.clone(), mean(replications.iter().map(|r| r.counters[name])))).collect()
}

fn metrics(replications: &[Totals], warnings: &mut Vec<String>) -> IndexMap<String, MetricRecord> {
    let mut metrics = IndexMap::new();
    for metric in Metric::ALL {
        let parts: Vec<_> = replications.iter().map(|totals| totals.metric(*metric)).collect();
        metrics
            .insert(metric.name().to_owned(), pool::pooled_metric(metric.name(), &parts, warnings));
    }
    metrics
}

fn gauges(replications: &[ReplicationRecord]) -> IndexMap<String, GaugeRecord> {
    let pooled = Gauge::ALL.iter().map(|gauge| {
        let parts: Vec<GaugeRecord> =
            replications.iter().map(|r| r.gauges[gauge.name()].clone()).collect();
        (gauge.name().to_owned(), pool::pooled_gauge(gauge.unit(), &parts))
    });
    pooled.collect()
}

/// One replication's ledger.
fn usage(totals: &Totals, scenario: &Scenario, models: &[String]) -> Usage {
    let metered = MeterTerms::of(scenario);
    let held = |holding| totals.holding(holding).integral();
    let tokens = models.iter().enumerate().map(|(i, name)| {
        let long_rates =
            scenario.models.get(name).and_then(|model| model.rates.long_context.as_ref());
        let long = long_rates.map(|rates| long_tokens(rates.above.0, totals.long_tokens[i]));
        let provisioned = scenario.models.get(name).and_then(|model| {
            let reserved = model.provisioned.as_ref()?;
            let long = long_rates.map(|rates| rates.above.0);
            Some(reserved_tokens(reserved, totals.measured(), long, totals.reserved_tokens[i]))
        });
        let TokenUse { input, cached, output, written } = totals.tokens[i];
        (
            name.clone(),
            TokenLedger {
                input: input as f64,
                cached: cached as f64,
                output: output as f64,
                written: Some(written as f64),
                long,
                provisioned,
            },
        )
    });
    Usage {
        measured_s: totals.measured().seconds(),
        sessions_started: totals.counter(Counter::SessionsStarted) as f64,
        sessions_completed: totals.counter(Counter::SessionsCompleted) as f64,
        turns: totals.counter(Counter::Turns) as f64,
        tool_calls: totals.counter(Counter::ToolCalls) as f64,
        vcpu_seconds: Phases {
            starting: held(Holding::VcpuStarting) / PER_VCPU,
            turn: held(Holding::VcpuTurn) / PER_VCPU,
            idle: held(Holding::VcpuIdle) / PER_VCPU,
            pool_starting: held(Holding::VcpuPoolStarting) / PER_VCPU,
            pool: held(Holding::VcpuPool) / PER_VCPU,
        },
        gib_seconds: Phases {
            starting: held(Holding::MemoryStarting) / GIB,
            turn: held(Holding::MemoryTurn) / GIB,
            idle: held(Holding::MemoryIdle) / GIB,
            pool_starting: held(Holding::MemoryPoolStarting) / GIB,
            pool: held(Holding::MemoryPool) / GIB,
        },
        cpu_seconds_served: totals.cpu_served.seconds(),
        cpu_seconds_active: totals
            .cpu_metered
            .then(|| totals.gauge(Gauge::HostCpuBusy).integral() * Gauge::HostCpuBusy.scale()),
        sandbox_seconds: metered.slots.then(|| sandbox_seconds(totals)),
        consumed: metered
            .memory
            .filter(|_| totals.memory_metered)
            .map(|terms| consumed(totals, terms)),
        rounded: metered.round.map(|(round, from)| rounded(totals, round, from)),
        snapshot_byte_seconds: totals.gauge(Gauge::SnapshotBytes).integral(),
        archived_byte_seconds: totals.gauge(Gauge::SnapshotArchivedBytes).integral(),
        snapshots_put: totals.counter(Counter::Snapshots) as f64,
        snapshots_got: totals.counter(Counter::Restores) as f64,
        telemetry_bytes: telemetry_bytes(totals, scenario),
        management_seconds: management_seconds(totals, scenario),
        hosts: hosts(totals, scenario),
        tokens: tokens.collect(),
    }
}

fn reserved_tokens(
    reserved: &Provisioned,
    measured: Span,
    long_above: Option<u64>,
    used: ReservedUse,
) -> ProvisionedTokens {
    let minutes = measured.seconds() / 60.0;
    let TokenUse { input, cached, output, written } = used.all;
    ProvisionedTokens {
        unit_seconds: reserved.units as f64 * measured.seconds(),
        capacity: reserved.per_minute() * minutes,
        charged: used.charged as f64,
        input: input as f64,
        cached: cached as f64,
        output: output as f64,
        written: written as f64,
        long: long_above.map(|above| long_tokens(above, used.long)),
    }
}

fn sandbox_seconds(totals: &Totals) -> Phases {
    let held = |holding| totals.holding(holding).integral();
    Phases {
        starting: held(Holding::SandboxStarting),
        turn: held(Holding::SandboxTurn),
        idle: held(Holding::SandboxIdle),
        pool_starting: held(Holding::SandboxPoolStarting),
        pool: held(Holding::SandboxPool),
    }
}

fn consumed(totals: &Totals, terms: MemoryTerms) -> ConsumedLedger {
    let above = |holding| totals.holding(holding).integral() / GIB;
    ConsumedLedger {
        floor_bytes: terms.floor.0,
        peak: terms.peak,
        gib_seconds_above: Phases {
            turn: above(Holding::ConsumedTurn),
            idle: above(Holding::ConsumedIdle),
            ..Phases::default()
        },
    }
}

fn rounded(totals: &Totals, round: Rounding, bill_from: BillFrom) -> RoundedLedger {
    let phases = |[turn, idle, pool]: [f64; 3]| Phases { turn, idle, pool, ..Phases::default() };
    let sum = &totals.surplus;
    RoundedLedger {
        round,
        bill_from,
        holdings: sum.holdings as f64,
        seconds: phases(sum.seconds),
        vcpu_seconds: phases(sum.vcpu_seconds),
        gib_seconds: phases(sum.byte_seconds.map(|bytes| bytes / GIB)),
    }
}

/// Bytes of an event for each session, turn, try of a model call, tool call and policy check.
fn telemetry_bytes(totals: &Totals, scenario: &Scenario) -> f64 {
    let Some(telemetry) = &scenario.platform.governance.telemetry else { return 0.0 };
    let events: u64 = [
        Counter::SessionsArrived,
        Counter::Turns,
        Counter::ModelAttempts,
        Counter::ToolCalls,
        Counter::PolicyChecks,
    ]
    .into_iter()
    .map(|counter| totals.counter(counter))
    .sum();
    events as f64 * telemetry.bytes_per_event.0 as f64
}

/// Policies × changes in the measured time × time per change × interfaces, seconds of work.
fn management_seconds(totals: &Totals, scenario: &Scenario) -> f64 {
    let governance = &scenario.platform.governance;
    let Some(management) = &governance.management else { return 0.0 };
    let months = totals.measured().seconds() / MONTH_SECONDS;
    governance.policies.len() as f64
        * management.changes_per_month.0
        * months
        * management.time_per_change.seconds()
        * management.interfaces.0
}

fn hosts(totals: &Totals, scenario: &Scenario) -> IndexMap<String, HostLedger> {
    let Capacity::Hosts(hosts) = &scenario.platform.capacity else { return IndexMap::new() };
    let ledger = |((name, host), held): ((&str, &HostType), &[_; HostHolding::COUNT])| {
        let of = |holding: HostHolding| {
            let gauge: &crate::stats::TimeWeighted = &held[holding as usize];
            gauge.integral()
        };
        let ledger = HostLedger {
            up_seconds: of(HostHolding::Up),
            boot_seconds: of(HostHolding::Booting),
            reserved_byte_seconds: of(HostHolding::Reserved),
            idle_byte_seconds: of(HostHolding::Idle),
            pool_byte_seconds: of(HostHolding::Pool),
            memory_bytes: host.memory.0 as f64 * host.overcommit.memory.0,
        };
        (name.to_owned(), ledger)
    };
    hosts.types().into_iter().zip(&totals.host_holdings).map(ledger).collect()
}

fn long_tokens(above: u64, used: TokenUse) -> LongTokens {
    LongTokens {
        above,
        input: used.input as f64,
        cached: used.cached as f64,
        output: used.output as f64,
        written: used.written as f64,
    }
}

fn warn_of_cost(cost: &Cost, warnings: &mut Vec<String>) {
    if !cost.unpriced.is_empty() {
        warnings.push(format!(
            "used without a price, so that the cost is too low: {}",
            cost.unpriced.join(", ")
        ));
    }
}
