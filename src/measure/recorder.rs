//! Observations in, one replication's totals out.

use super::names::{Counter, Gauge, Holding, HostHolding, Metric};
use super::quota::QuotaUse;
use super::totals::{Cut, ReservedUse, Served, Surplus, TokenUse, Totals};
use crate::units::{Span, Time};

/// A finished turn of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnSample {
    /// Number of the session in the order of arrival.
    pub session: u64,
    /// The turn.
    pub length: Span,
    /// The turn less its served model calls' latency.
    pub platform_time: Span,
}

/// Gauge values at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesPoint {
    /// When.
    pub at: Time,
    /// Values in the order of [`Gauge::ALL`].
    pub values: [i64; Gauge::COUNT],
}

/// Takes observations as they happen.
#[derive(Clone, Debug)]
pub struct Recorder {
    totals: Totals,
    now: Time,
    measuring: bool,
    sample_every: Option<Span>,
    next_sample: Time,
    turns: Option<Vec<TurnSample>>,
    cut: Option<Box<Cut>>,
}

impl Recorder {
    /// A recorder for so many models and host types that measures from the start;
    /// [`Recorder::begin_measure`] forgets what came before it.
    pub fn new(models: usize, host_types: usize) -> Self {
        Recorder {
            totals: Totals::nothing(models, host_types),
            now: Time::ZERO,
            measuring: true,
            sample_every: None,
            next_sample: Time::ZERO,
            turns: None,
            cut: None,
        }
    }

    /// The measure crosses edges of windows of time at `at`: what comes is in those that `inside` says.
    pub fn cut(&mut self, at: Time, inside: Vec<bool>) {
        self.advance(at);
        let mut cut = self.cut.take().unwrap_or_else(|| {
            let windows = vec![None; inside.len()];
            Box::new(Cut { whole: None, windows, inside: vec![false; inside.len()] })
        });
        let piece = self.piece();
        self.totals = Totals::nothing(piece.tokens.len(), piece.host_holdings.len());
        self.totals.go_on(&piece);
        cut.take(piece);
        cut.inside = inside;
        self.cut = Some(cut);
    }

    /// What was measured since the last edge, up to now.
    fn piece(&mut self) -> Totals {
        let end = self.now;
        for gauge in self.totals.integrals() {
            gauge.advance(end);
        }
        self.totals.in_flight_at_end =
            u64::try_from(self.value(Gauge::SessionsOpen)).expect("no gauge is negative");
        self.totals.ended = end;
        let nothing = Totals::nothing(0, 0);
        std::mem::replace(&mut self.totals, nothing)
    }

    /// Also notes all gauges every `span` from `from` on.
    pub fn sample_series(&mut self, from: Time, span: Span) {
        self.sample_every = Some(span);
        self.next_sample = from;
    }

    /// There are so many quotas.
    pub fn meter_quotas(&mut self, quotas: usize) {
        self.totals.quotas = (0..quotas).map(|_| QuotaUse::new()).collect();
    }

    /// A request came to a quota; whether that held it up.
    #[inline]
    pub fn asked(&mut self, quota: usize, held_up: bool) {
        let quota = &mut self.totals.quotas[quota];
        quota.asked += 1;
        quota.held_up += u64::from(held_up);
    }

    /// What is used of a quota changes by `delta` at `at`, now or since the last change.
    #[inline]
    pub fn used(&mut self, quota: usize, at: Time, delta: i64) {
        self.totals.quotas[quota].level.add(at, delta);
    }

    /// What is used of a quota now.
    pub fn in_use(&self, quota: usize) -> i64 {
        self.totals.quotas[quota].level.value()
    }

    /// Whoever executes tells which cores serve tool calls.
    pub fn meter_cpu(&mut self) {
        self.totals.cpu_metered = true;
    }

    /// Whoever executes tells what tool calls hold.
    pub fn meter_memory(&mut self) {
        self.totals.memory_metered = true;
    }

    /// Also keeps each finished turn.
    pub fn keep_turns(&mut self) {
        self.turns = Some(Vec::new());
    }

    /// The turns kept so far.
    pub fn take_turns(&mut self) -> Vec<TurnSample> {
        self.turns.take().unwrap_or_default()
    }

    /// A session's turn is over.
    #[inline]
    pub fn turn(&mut self, session: u64, length: Span, platform_time: Span) {
        self.observe(Metric::Turn, length);
        self.observe(Metric::PlatformTime, platform_time);
        self.count(Counter::Turns, 1);
        if let (true, Some(turns)) = (self.measuring, &mut self.turns) {
            turns.push(TurnSample { session, length, platform_time });
        }
    }

    /// Until [`Recorder::begin_measure`], observations are forgotten.
    pub fn warm_up(&mut self) {
        self.measuring = false;
    }

    /// The warm-up ends at `at`: integrals and counters start here.
    pub fn begin_measure(&mut self, at: Time) {
        self.advance(at);
        self.measuring = true;
        self.totals.began = at;
        self.totals.counters = [0; Counter::COUNT];
        self.totals.in_flight_at_start =
            u64::try_from(self.value(Gauge::SessionsOpen)).expect("no gauge is negative");
        for gauge in self.totals.integrals() {
            gauge.restart(at);
        }
        for quota in &mut self.totals.quotas {
            (quota.asked, quota.held_up) = (0, 0);
        }
    }

    /// Time has come to `now`; an instant before the latest one is taken as that one.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        if self.sample_every.is_some() && now > self.next_sample {
            self.sample(now);
        }
        self.now = self.now.max(now);
    }

    /// Counts `n`.
    #[inline]
    pub fn count(&mut self, counter: Counter, n: u64) {
        self.totals.counters[counter as usize] += n;
    }

    /// Observes a duration that completes now.
    #[inline]
    pub fn observe(&mut self, metric: Metric, span: Span) {
        if self.measuring {
            self.totals.metrics[metric as usize].record(span.nanos());
        }
    }

    /// A gauge changes by `delta` now.
    #[inline]
    pub fn shift(&mut self, gauge: Gauge, delta: i64) {
        self.totals.gauges[gauge as usize].add(self.now, delta);
    }

    /// A held resource changes by `delta` now.
    #[inline]
    pub fn hold(&mut self, holding: Holding, delta: i64) {
        self.totals.holdings[holding as usize].add(self.now, delta);
    }

    /// A held resource of hosts of one type changes by `delta` now.
    #[inline]
    pub fn hold_host(&mut self, kind: u16, holding: HostHolding, delta: i64) {
        self.totals.host_holdings[usize::from(kind)][holding as usize].add(self.now, delta);
    }

    /// Present value of a gauge.
    pub fn value(&self, gauge: Gauge) -> i64 {
        self.totals.gauges[gauge as usize].value()
    }

    /// Tokens billed for a try of a call to `model`.
    #[inline]
    pub fn tokens(&mut self, model: usize, used: TokenUse, served: Served) {
        self.count(Counter::TokensInput, used.input);
        self.count(Counter::TokensCached, used.cached);
        self.count(Counter::TokensOutput, used.output);
        if self.measuring {
            self.totals.tokens[model].add(used);
            let long = if served.long { used } else { TokenUse::default() };
            match served.reserved {
                None => self.totals.long_tokens[model].add(long),
                Some(charged) => {
                    self.totals.reserved_tokens[model].add(ReservedUse {
                        charged,
                        all: used,
                        long,
                    });
                }
            }
        }
    }

    /// CPU time served to a tool call that ends now.
    #[inline]
    pub fn cpu_served(&mut self, span: Span) {
        if self.measuring {
            self.totals.cpu_served += span;
        }
    }

    /// A holding of a slot ends and is rounded up.
    pub fn surplus(&mut self, added: &Surplus) {
        if !self.measuring {
            return;
        }
        let sum = &mut self.totals.surplus;
        sum.holdings += 1;
        for (i, vcpu) in [added.vcpu, added.vcpu, added.pool_vcpu].into_iter().enumerate() {
            let seconds = added.seconds[i];
            sum.seconds[i] += seconds;
            sum.vcpu_seconds[i] += seconds * vcpu;
            sum.byte_seconds[i] += seconds * added.bytes;
        }
    }

    /// The latest instant.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The measure ends at `at`.
    pub fn finish(mut self, at: Time, events: u64) -> Totals {
        self.advance(at);
        let piece = self.piece();
        let mut totals = match self.cut.take() {
            None => piece,
            Some(mut cut) => {
                cut.take(piece);
                let mut whole = cut.whole.expect("a piece was taken");
                let (models, hosts) = (whole.tokens.len(), whole.host_holdings.len());
                let empty = || Totals {
                    began: whole.ended,
                    ended: whole.ended,
                    ..Totals::nothing(models, hosts)
                };
                whole.windows = cut.windows.into_iter().map(|w| w.unwrap_or_else(empty)).collect();
                whole
            }
        };
        totals.events = events;
        totals
    }

    fn sample(&mut self, now: Time) {
        let Some(every) = self.sample_every else { return };
        while self.next_sample < now {
            let values = std::array::from_fn(|i| self.totals.gauges[i].value());
            self.totals.series.push(SeriesPoint { at: self.next_sample, values });
            self.next_sample += every;
        }
    }
}
