//! What one replication measured, whole or in pieces.

use super::names::{Counter, Gauge, Holding, HostHolding, Metric};
use super::quota::QuotaUse;
use super::recorder::SeriesPoint;
use crate::stats::{Summary, TimeWeighted};
use crate::units::{Span, Time};

/// Tokens of one model, for the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUse {
    /// Prompt tokens billed.
    pub input: u64,
    /// The part from the cache.
    pub cached: u64,
    /// Output tokens.
    pub output: u64,
    /// Prompt tokens that served calls wrote to the prompt cache.
    pub written: u64,
}

impl TokenUse {
    pub(super) fn add(&mut self, other: TokenUse) {
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
        self.written += other.written;
    }
}

/// How a try of a call was served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// It is priced as a long one.
    pub long: bool,
    /// Tokens that reserved throughput was charged for it; `None` for pay-as-you-go.
    pub reserved: Option<u64>,
}

/// What reserved throughput of one model served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReservedUse {
    /// Tokens that it was charged.
    pub charged: u64,
    /// Tokens of the calls.
    pub all: TokenUse,
    /// The part of them in calls that would be priced as long ones.
    pub long: TokenUse,
}

impl ReservedUse {
    pub(super) fn add(&mut self, other: ReservedUse) {
        self.charged += other.charged;
        self.all.add(other.all);
        self.long.add(other.long);
    }
}

/// What rounding one holding of a slot up adds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surplus {
    /// Seconds for turn, idle and pool.
    pub seconds: [f64; 3],
    /// vCPUs that were held.
    pub vcpu: f64,
    /// vCPUs that were held in the pool.
    pub pool_vcpu: f64,
    /// Memory that was held.
    pub bytes: f64,
}

/// What rounding holdings up adds, for turn, idle and pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SurplusTotals {
    /// Holdings.
    pub holdings: u64,
    /// Seconds.
    pub seconds: [f64; 3],
    /// vCPU-seconds.
    pub vcpu_seconds: [f64; 3],
    /// Byte-seconds.
    pub byte_seconds: [f64; 3],
}

impl SurplusTotals {
    pub(super) fn add(&mut self, other: &SurplusTotals) {
        self.holdings += other.holdings;
        for phase in 0..3 {
            self.seconds[phase] += other.seconds[phase];
            self.vcpu_seconds[phase] += other.vcpu_seconds[phase];
            self.byte_seconds[phase] += other.byte_seconds[phase];
        }
    }
}

/// What one replication, or one live run, measured.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Counters since the warm-up's end.
    pub counters: [u64; Counter::COUNT],
    /// Observations that completed since the warm-up's end.
    pub metrics: Vec<Summary>,
    /// Gauges, integrated from the warm-up's end.
    pub gauges: Vec<TimeWeighted>,
    /// Held resources, integrated from the warm-up's end.
    pub holdings: Vec<TimeWeighted>,
    /// Held resources of hosts by type, in the order of [`HostHolding::ALL`].
    pub host_holdings: Vec<[TimeWeighted; HostHolding::COUNT]>,
    /// Tokens by model.
    pub tokens: Vec<TokenUse>,
    /// The part of them in calls that are priced as long ones, by model; without what is reserved.
    pub long_tokens: Vec<TokenUse>,
    /// The part of them that reserved throughput served, by model.
    pub reserved_tokens: Vec<ReservedUse>,
    /// What quotas saw, in the order in which the run names them.
    pub quotas: Vec<QuotaUse>,
    /// CPU time served to tool calls that ended since the warm-up's end.
    pub cpu_served: Span,
    /// What rounding holdings up adds that ended since the warm-up's end, or with the measure.
    pub surplus: SurplusTotals,
    /// Whether the cores that serve tool calls are in their gauge.
    pub cpu_metered: bool,
    /// Whether the memory that tool calls held is in the holdings.
    pub memory_metered: bool,
    /// Sessions open at the warm-up's end.
    pub in_flight_at_start: u64,
    /// Sessions open at the end.
    pub in_flight_at_end: u64,
    /// When the warm-up ended.
    pub began: Time,
    /// When the measure ended.
    pub ended: Time,
    /// Events handled, for progress and speed.
    pub events: u64,
    /// Gauge values at evenly spaced instants.
    pub series: Vec<SeriesPoint>,
    /// The part of each window of time: observations that complete in it, integrals over it. Its
    /// `began` is so long before `ended` as its parts are together.
    pub windows: Vec<Totals>,
}

/// A measure that is cut at the edges of windows: what is recorded is the piece since the last edge.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// All pieces before; the first one is to come where there is none.
    pub(super) whole: Option<Totals>,
    /// The pieces in each window.
    pub(super) windows: Vec<Option<Totals>>,
    /// The windows that the piece under way is in.
    pub(super) inside: Vec<bool>,
}

impl Cut {
    /// A piece is over.
    pub(super) fn take(&mut self, piece: Totals) {
        for (window, inside) in self.windows.iter_mut().zip(&self.inside) {
            match window {
                _ if !inside => {}
                Some(window) => window.append(&piece),
                None => *window = Some(Totals { series: Vec::new(), ..piece.clone() }),
            }
        }
        match &mut self.whole {
            Some(whole) => {
                whole.append(&piece);
                whole.series.extend(piece.series);
            }
            None => self.whole = Some(piece),
        }
    }
}

impl Totals {
    /// Nothing measured yet.
    pub(super) fn nothing(models: usize, host_types: usize) -> Self {
        Totals {
            counters: [0; Counter::COUNT],
            metrics: (0..Metric::COUNT).map(|_| Summary::durations()).collect(),
            gauges: (0..Gauge::COUNT).map(|_| TimeWeighted::new()).collect(),
            holdings: (0..Holding::COUNT).map(|_| TimeWeighted::new()).collect(),
            host_holdings: (0..host_types).map(|_| Default::default()).collect(),
            tokens: vec![TokenUse::default(); models],
            long_tokens: vec![TokenUse::default(); models],
            reserved_tokens: vec![ReservedUse::default(); models],
            quotas: Vec::new(),
            cpu_served: Span::ZERO,
            surplus: SurplusTotals::default(),
            cpu_metered: false,
            memory_metered: false,
            in_flight_at_start: 0,
            in_flight_at_end: 0,
            began: Time::ZERO,
            ended: Time::ZERO,
            events: 0,
            series: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// Begins where `before` ended: gauges keep their values.
    pub(super) fn go_on(&mut self, before: &Totals) {
        (self.began, self.in_flight_at_start) = (before.ended, before.in_flight_at_end);
        (self.cpu_metered, self.memory_metered) = (before.cpu_metered, before.memory_metered);
        self.gauges.clone_from(&before.gauges);
        self.holdings.clone_from(&before.holdings);
        self.host_holdings.clone_from(&before.host_holdings);
        self.quotas = before.quotas.iter().map(QuotaUse::uncounted).collect();
        let at = before.ended;
        self.integrals().for_each(|gauge| gauge.restart(at));
    }

    /// Takes a later piece of the same replication; `series` is left as it is.
    pub(super) fn append(&mut self, later: &Totals) {
        let measured = self.measured() + later.measured();
        for (sum, n) in self.counters.iter_mut().zip(later.counters) {
            *sum += n;
        }
        for (all, metric) in self.metrics.iter_mut().zip(&later.metrics) {
            all.merge(metric);
        }
        let hosts = later.host_holdings.iter().flatten();
        let levels = later.quotas.iter().map(|quota| &quota.level);
        let pieces: Vec<&TimeWeighted> =
            later.gauges.iter().chain(&later.holdings).chain(hosts).chain(levels).collect();
        for (gauge, piece) in self.integrals().zip(pieces) {
            gauge.append(piece);
        }
        for (all, tokens) in self.tokens.iter_mut().zip(&later.tokens) {
            all.add(*tokens);
        }
        for (all, tokens) in self.long_tokens.iter_mut().zip(&later.long_tokens) {
            all.add(*tokens);
        }
        for (all, tokens) in self.reserved_tokens.iter_mut().zip(&later.reserved_tokens) {
            all.add(*tokens);
        }
        for (all, quota) in self.quotas.iter_mut().zip(&later.quotas) {
            all.add(quota);
        }
        self.cpu_served += later.cpu_served;
        self.surplus.add(&later.surplus);
        (self.in_flight_at_end, self.ended) = (later.in_flight_at_end, later.ended);
        self.began = Time::ZERO + later.ended.since(Time::ZERO + measured);
    }

    pub(super) fn integrals(&mut self) -> impl Iterator<Item = &mut TimeWeighted> {
        let hosts = self.host_holdings.iter_mut().flatten();
        let levels = self.quotas.iter_mut().map(|quota| &mut quota.level);
        self.gauges.iter_mut().chain(&mut self.holdings).chain(hosts).chain(levels)
    }

    /// A counter's value.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// A metric's observations.
    pub fn metric(&self, metric: Metric) -> &Summary {
        &self.metrics[metric as usize]
    }

    /// A gauge's history.
    pub fn gauge(&self, gauge: Gauge) -> &TimeWeighted {
        &self.gauges[gauge as usize]
    }

    /// A held resource's history.
    pub fn holding(&self, holding: Holding) -> &TimeWeighted {
        &self.holdings[holding as usize]
    }

    /// How long was measured.
    pub fn measured(&self) -> Span {
        self.ended.since(self.began)
    }
}
