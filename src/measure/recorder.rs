//! Observations in, one replication's totals out.

use super::names::{Counter, Gauge, Holding, HostHolding, Metric};
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
    fn add(&mut self, other: TokenUse) {
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
        self.written += other.written;
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
    fn add(&mut self, other: &SurplusTotals) {
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
    /// The part of them in calls that are priced as long ones, by model.
    pub long_tokens: Vec<TokenUse>,
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

/// A measure that is cut at the edges of windows: what is recorded is the piece since the last edge.
#[derive(Clone, Debug)]
struct Cut {
    /// All pieces before; the first one is to come where there is none.
    whole: Option<Totals>,
    /// The pieces in each window.
    windows: Vec<Option<Totals>>,
    /// The windows that the piece under way is in.
    inside: Vec<bool>,
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

    /// Tokens billed for a try of a call to `model`; `long` if it is priced as a long one.
    #[inline]
    pub fn tokens(&mut self, model: usize, used: TokenUse, long: bool) {
        self.count(Counter::TokensInput, used.input);
        self.count(Counter::TokensCached, used.cached);
        self.count(Counter::TokensOutput, used.output);
        if self.measuring {
            self.totals.tokens[model].add(used);
            if long {
                self.totals.long_tokens[model].add(used);
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

impl Cut {
    /// A piece is over.
    fn take(&mut self, piece: Totals) {
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
    fn nothing(models: usize, host_types: usize) -> Self {
        Totals {
            counters: [0; Counter::COUNT],
            metrics: (0..Metric::COUNT).map(|_| Summary::durations()).collect(),
            gauges: (0..Gauge::COUNT).map(|_| TimeWeighted::new()).collect(),
            holdings: (0..Holding::COUNT).map(|_| TimeWeighted::new()).collect(),
            host_holdings: (0..host_types).map(|_| Default::default()).collect(),
            tokens: vec![TokenUse::default(); models],
            long_tokens: vec![TokenUse::default(); models],
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
    fn go_on(&mut self, before: &Totals) {
        (self.began, self.in_flight_at_start) = (before.ended, before.in_flight_at_end);
        (self.cpu_metered, self.memory_metered) = (before.cpu_metered, before.memory_metered);
        self.gauges.clone_from(&before.gauges);
        self.holdings.clone_from(&before.holdings);
        self.host_holdings.clone_from(&before.host_holdings);
        let at = before.ended;
        self.integrals().for_each(|gauge| gauge.restart(at));
    }

    /// Takes a later piece of the same replication; `series` is left as it is.
    fn append(&mut self, later: &Totals) {
        let measured = self.measured() + later.measured();
        for (sum, n) in self.counters.iter_mut().zip(later.counters) {
            *sum += n;
        }
        for (all, metric) in self.metrics.iter_mut().zip(&later.metrics) {
            all.merge(metric);
        }
        let hosts = later.host_holdings.iter().flatten();
        let pieces: Vec<&TimeWeighted> =
            later.gauges.iter().chain(&later.holdings).chain(hosts).collect();
        for (gauge, piece) in self.integrals().zip(pieces) {
            gauge.append(piece);
        }
        for (all, tokens) in self.tokens.iter_mut().zip(&later.tokens) {
            all.add(*tokens);
        }
        for (all, tokens) in self.long_tokens.iter_mut().zip(&later.long_tokens) {
            all.add(*tokens);
        }
        self.cpu_served += later.cpu_served;
        self.surplus.add(&later.surplus);
        (self.in_flight_at_end, self.ended) = (later.in_flight_at_end, later.ended);
        self.began = Time::ZERO + later.ended.since(Time::ZERO + measured);
    }

    fn integrals(&mut self) -> impl Iterator<Item = &mut TimeWeighted> {
        let hosts = self.host_holdings.iter_mut().flatten();
        self.gauges.iter_mut().chain(&mut self.holdings).chain(hosts)
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
