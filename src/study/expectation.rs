//! What a scenario's demand asks for at full speed, before anything is simulated.
//!
//! Sessions are planned and added up without a platform: no waits, no boots, no retries, an isolation
//! tier that costs nothing. So these are the numbers to hold quotas against, not predictions.

use crate::conduct::{ClassTerms, Setup};
use crate::scenario::types::{Latency, Model, PromptCache};
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
    /// Output tokens per session.
    pub output: Mean,
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
        output: mean(&|s| s.models[id].output),
    });
    Expectation {
        sessions,
        rate: setup.mean_rate(),
        turns: mean(&|s| s.turns),
        length_s: mean(&|s| s.think + s.in_turn),
        in_turn_s: mean(&|s| s.in_turn),
        cpu_s: mean(&|s| s.cpu),
        models: models.filter(|load| load.calls.value > 0.0).collect(),
    }
}

/// What one session asks of one model.
#[derive(Clone, Copy, Debug, Default)]
struct ModelSums {
    calls: f64,
    prompt: f64,
    output: f64,
}

/// What one session asks for.
#[derive(Clone, Debug, Default)]
struct Sums {
    turns: f64,
    think: f64,
    in_turn: f64,
    cpu: f64,
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
        let sums = Sums {
            turns: f64::from(outline.turns),
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
        let context = call.context.unwrap_or(self.before + call.input).min(window);
        let cached = match model.prompt_cache {
            PromptCache::None => 0,
            PromptCache::Lifetime(_) => self.prompt.min(context),
        };
        self.before = context + call.output;
        self.prompt = context;
        let sums = &mut self.sums.models[usize::from(id)];
        sums.calls += 1.0;
        sums.prompt += context as f64;
        sums.output += call.output as f64;
        let recorded = call.latency.map(Span::seconds);
        self.sums.in_turn +=
            recorded.unwrap_or_else(|| latency(model, context - cached, call.output));
        self.tools(at);
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
        }
        self.sums.in_turn += longest;
    }
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
