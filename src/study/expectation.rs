//! What a scenario's demand asks for at full speed, before anything is simulated.
//!
//! Sessions are planned and added up without a platform: no waits, no boots, no retries, an isolation
//! tier that costs nothing. So these are the numbers to hold quotas against, not predictions.

use indexmap::IndexMap;

use crate::billing::{
    ConsumedLedger, HostLedger, LongTokens, MeterTerms, Phases, ProvisionedTokens, TokenLedger,
    Usage,
};
use crate::conduct::{ClassTerms, Setup};
use crate::scenario::types::{Capacity, HostType, Latency, Model, PromptCache, Scenario};
use crate::stats::interval;
use crate::units::{Quantity, Rate, Span};
use crate::workload::plan::{ModelId, Outline, Plans, StepAt};

/// Sessions planned for the sample of a drawn demand.
const SAMPLE: u64 = 2_000;

/// A mean per session with its 95 % interval; none for recorded sessions, which are all there are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// The interval, low and high.
    pub ci95: Option<[f64; 2]>,
}

/// What sessions ask of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelLoad {
    /// The model's name.
    pub model: String,
    /// Calls per session.
    pub calls: Mean,
    /// Prompt tokens per session, cached ones included.
    pub prompt: Mean,
    /// The part of them that a cache which forgets nothing would hold.
    pub cached: Mean,
    /// Output tokens per session.
    pub output: Mean,
    /// Seconds of calls per session.
    pub busy_s: Mean,
    /// Tokens in calls with a prompt that is priced as a long one: prompt, cached and output.
    pub long: [Mean; 3],
}

/// What a scenario's demand asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Sessions that these numbers rest on.
    pub sessions: u64,
    /// Mean arrivals per time; `None` where arrivals have no rate.
    pub rate: Option<Rate>,
    /// Turns per session.
    pub turns: Mean,
    /// Seconds from arrival to the end of the last turn, at full speed.
    pub length_s: Mean,
    /// Seconds of that in turns.
    pub in_turn_s: Mean,
    /// CPU-seconds of tool calls, on the reference core.
    pub cpu_s: Mean,
    /// Tool calls.
    pub tool_calls: Mean,
    /// vCPU-seconds that sandboxes in turns hold.
    pub vcpu_s: Mean,
    /// GiB-seconds that they hold.
    pub gib_s: Mean,
    /// By model, in the scenario's order; models that nobody calls are left out.
    pub models: Vec<ModelLoad>,
}

/// Adds up sessions: all of a trace's, or a sample of drawn ones.
pub fn expectation(setup: &Setup) -> Expectation {
    let plans = setup.plans();
    let (sessions, sampled) = match plans {
        Plans::Recorded(sessions) => (sessions.len() as u64, false),
        Plans::Drawn(_) => (SAMPLE.min(setup.sessions.unwrap_or(SAMPLE)), true),
    };
    let all: Vec<Sums> = (0..sessions).map(|index| Walk::session(setup, index)).collect();
    let mean = |of: &dyn Fn(&Sums) -> f64| {
        let values: Vec<f64> = all.iter().map(of).collect();
        let found = interval::mean(&values, 0.95).ok().filter(|_| sampled);
        Mean {
            value: values.iter().sum::<f64>() / (values.len().max(1) as f64),
            ci95: found.map(|i| [i.low.max(0.0), i.high]),
        }
    };
    let models = setup.models.iter().enumerate().map(|(id, (name, _))| ModelLoad {
        model: name.clone(),
        calls: mean(&|s| s.models[id].calls),
        prompt: mean(&|s| s.models[id].prompt),
        cached: mean(&|s| s.models[id].cached),
        output: mean(&|s| s.models[id].output),
        busy_s: mean(&|s| s.models[id].busy),
        long: [0, 1, 2].map(|part| mean(&|s| s.models[id].long[part])),
    });
    Expectation {
        sessions,
        rate: setup.mean_rate(),
        turns: mean(&|s| s.turns),
        length_s: mean(&|s| s.think + s.in_turn),
        in_turn_s: mean(&|s| s.in_turn),
        cpu_s: mean(&|s| s.cpu),
        tool_calls: mean(&|s| s.tool_calls),
        vcpu_s: mean(&|s| s.in_turn * s.vcpu),
        gib_s: mean(&|s| s.in_turn * s.gib),
        models: models.filter(|load| load.calls.value > 0.0).collect(),
    }
}

/// What one session asks of one model.
#[derive(Clone, Copy, Debug, Default)]
struct ModelSums {
    calls: f64,
    prompt: f64,
    cached: f64,
    output: f64,
    busy: f64,
    long: [f64; 3],
}

/// What one session asks for.
#[derive(Clone, Debug, Default)]
struct Sums {
    turns: f64,
    think: f64,
    in_turn: f64,
    cpu: f64,
    tool_calls: f64,
    /// What its sandbox is given.
    vcpu: f64,
    gib: f64,
    models: Vec<ModelSums>,
}

/// A session walked through at full speed.
struct Walk<'a> {
    setup: &'a Setup,
    index: u64,
    outline: Outline,
    /// Tokens before the next call.
    before: u64,
    /// Prompt of the call before: what a cache may hold.
    prompt: u64,
    sums: Sums,
}

impl Walk<'_> {
    fn session(setup: &Setup, index: u64) -> Sums {
        let outline = setup.plans().outline(0, index);
        let class = &setup.classes[usize::from(outline.class.0)];
        let sums = Sums {
            turns: f64::from(outline.turns),
            vcpu: class.vcpu.0,
            gib: class.memory.gib(),
            models: vec![ModelSums::default(); setup.models.len()],
            ..Sums::default()
        };
        let mut walk = Walk { setup, index, outline, before: 0, prompt: 0, sums };
        let mut ordinal = 0;
        for turn in 0..outline.turns {
            let plans = setup.plans();
            walk.sums.think += plans.think(0, index, outline.class, turn).seconds();
            for step in 0..plans.steps(0, index, outline.class, turn) {
                walk.step(StepAt { turn, step, ordinal });
                ordinal += 1;
            }
        }
        walk.sums
    }

    fn step(&mut self, at: StepAt) {
        let plans = self.setup.plans();
        let call = plans.call(0, self.index, self.outline.class, at);
        let ModelId(id) = call.model;
        let (_, model) = &self.setup.models[usize::from(id)];
        let window = model.context_window.map_or(u64::MAX, |w| w.0);
        if let (Some(terms), None) = (model.compaction, call.context)
            && self.before + call.input > terms.above.0
            && self.before > terms.summary.0
        {
            self.compact(id, terms.summary.0);
        }
        let context = call.context.unwrap_or(self.before + call.input).min(window);
        let cached = match model.prompt_cache {
            PromptCache::None => 0,
            PromptCache::Lifetime(_) => self.prompt.min(context),
        };
        self.before = context + call.output;
        self.prompt = context;
        let recorded = call.latency.map(Span::seconds);
        let takes = recorded.unwrap_or_else(|| latency(model, context - cached, call.output));
        self.call(id, [context, cached, call.output], takes);
        self.tools(at);
    }

    /// A call that replaces the context by a summary.
    fn compact(&mut self, id: u16, summary: u64) {
        let (_, model) = &self.setup.models[usize::from(id)];
        let context = self.before.min(model.context_window.map_or(u64::MAX, |w| w.0));
        let cached = match model.prompt_cache {
            PromptCache::None => 0,
            PromptCache::Lifetime(_) => self.prompt.min(context),
        };
        self.call(id, [context, cached, summary], latency(model, context - cached, summary));
        (self.before, self.prompt) = (summary, 0);
    }

    /// Adds a call of so many tokens: prompt, cached and output.
    fn call(&mut self, id: u16, tokens: [u64; 3], takes: f64) {
        let sums = &mut self.sums.models[usize::from(id)];
        let [prompt, cached, output] = tokens.map(|tokens| tokens as f64);
        sums.calls += 1.0;
        sums.prompt += prompt;
        sums.cached += cached;
        sums.output += output;
        sums.busy += takes;
        if self.setup.long_above[usize::from(id)].is_some_and(|above| tokens[0] > above) {
            sums.long.iter_mut().zip([prompt, cached, output]).for_each(|(sum, n)| *sum += n);
        }
        self.sums.in_turn += takes;
    }

    fn tools(&mut self, at: StepAt) {
        let mut tools = Vec::new();
        self.setup.plans().tools(0, self.index, self.outline.class, at, &mut tools);
        let ClassTerms { vcpu, .. } = &self.setup.classes[usize::from(self.outline.class.0)];
        let mut longest: f64 = 0.0;
        for tool in tools {
            let cores = tool.cores.0.min(vcpu.0);
            longest = longest.max(tool.io.seconds() + tool.cpu.seconds() / cores);
            self.sums.cpu += tool.cpu.seconds();
            self.sums.tool_calls += 1.0;
        }
        self.sums.in_turn += longest;
    }
}

impl ModelLoad {
    /// The tokens of so many sessions in so many seconds.
    fn ledger(&self, model: &Model, sessions: f64, seconds: f64) -> TokenLedger {
        let of = |mean: Mean| mean.value * sessions;
        let (input, cached, output) = (of(self.prompt), of(self.cached), of(self.output));
        let written = if super::explain::caches(model) { input - cached } else { 0.0 };
        let long = model.rates.long_context.as_ref().map(|rates| {
            let [input, cached, output] = self.long.map(of);
            let written = if super::explain::caches(model) { input - cached } else { 0.0 };
            LongTokens { above: rates.above.0, input, cached, output, written }
        });
        // What is reserved may serve it all, and is paid anyway.
        let provisioned = model.provisioned.as_ref().map(|reserved| ProvisionedTokens {
            unit_seconds: reserved.units as f64 * seconds,
            input,
            cached,
            output,
            written,
            ..ProvisionedTokens::default()
        });
        let long = long.filter(|_| provisioned.is_none());
        TokenLedger { input, cached, output, written: Some(written), long, provisioned }
    }
}

/// Hosts that are always up.
fn always_up(scenario: &Scenario, seconds: f64) -> IndexMap<String, HostLedger> {
    let Capacity::Hosts(hosts) = &scenario.platform.capacity else { return IndexMap::new() };
    let up = |(name, host): (&str, &HostType)| {
        let ledger = HostLedger {
            up_seconds: f64::from(host.min) * seconds,
            memory_bytes: host.memory.0 as f64 * host.overcommit.memory.0,
            ..HostLedger::default()
        };
        (name.to_owned(), ledger)
    };
    hosts.types().into_iter().map(up).collect()
}

/// Latency at the formula's means; a call without a recorded latency takes none where none is modelled.
fn latency(model: &Model, uncached: u64, output: u64) -> f64 {
    match &model.latency {
        Latency::Recorded => 0.0,
        Latency::Formula(formula) => {
            formula.base.mean()
                + uncached as f64 * formula.per_input.seconds()
                + output as f64 * formula.per_output.seconds()
        }
    }
}

impl Expectation {
    /// What the sessions of `seconds` use at least: their turns, tokens and tools at full speed, and hosts that
    /// are always up. `None` without an arrival rate.
    pub fn usage(&self, scenario: &Scenario, seconds: f64) -> Option<Usage> {
        let sessions = self.rate?.base() * seconds;
        // At best all seats of a shared sandbox are in turns together.
        let shared = sessions / f64::from(scenario.platform.isolation.seats());
        let in_turn = |mean: Mean| Phases { turn: mean.value * shared, ..Phases::default() };
        let meter = MeterTerms::of(scenario);
        let consumed = meter.memory.map(|terms| ConsumedLedger {
            floor_bytes: terms.floor.0,
            peak: terms.peak,
            gib_seconds_above: Phases::default(),
        });
        let tokens = self.models.iter().map(|load| {
            let model = scenario.models.get(&load.model).cloned().unwrap_or_default();
            (load.model.clone(), load.ledger(&model, sessions, seconds))
        });
        Some(Usage {
            measured_s: seconds,
            sessions_started: sessions,
            sessions_completed: sessions,
            turns: self.turns.value * sessions,
            tool_calls: self.tool_calls.value * sessions,
            vcpu_seconds: in_turn(self.vcpu_s),
            gib_seconds: in_turn(self.gib_s),
            cpu_seconds_served: self.cpu_s.value * sessions,
            sandbox_seconds: meter.slots.then(|| in_turn(self.in_turn_s)),
            consumed,
            hosts: always_up(scenario, seconds),
            tokens: tokens.collect(),
            ..Usage::default()
        })
    }

    /// Sessions open on average, by Little's law; `None` without an arrival rate.
    pub fn open_sessions(&self) -> Option<f64> {
        Some(self.rate?.base() * self.length_s.value)
    }

    /// Sessions in a turn on average: the load offered to slots, in erlangs, if idle sandboxes went
    /// at once.
    pub fn in_turn(&self) -> Option<f64> {
        Some(self.rate?.base() * self.in_turn_s.value)
    }
}
