//! How long a session is planned to last, for `load: {open_sessions: N}`.
//!
//! By Little's law, N sessions are open on average if they arrive at rate N / L, where L is the
//! mean length. The length that a platform makes of a session depends on the platform, and then so
//! would demand; so L is the *planned* length, at full speed:
//!
//! ```text
//! L = E[think] · (E[turns] − 1) + Σ model calls + Σ tool batches
//! model call = E[base] + uncached · per_input + E[output] · per_output
//! tool batch = E[max over its calls (io + cpu / min(cores, vcpu))]
//! ```
//!
//! - No queueing, no boots, no retries, no isolation factors, no sharing of cores, also not among
//!   the calls of a batch.
//! - `uncached`: with a prompt cache every call hits it, so the new tokens of the call; without
//!   one (`prompt_cache: none`) the whole context, whose mean over a session follows from the
//!   moments of turns and steps. A context window caps the mean context of a call.
//! - Turns and steps count as drawn: rounded half up, turns at least 1.
//! - Sub-agents: a step waits for the longest of them. Of drawn ones that is taken for one mean session
//!   of their class where there are any, which is a little short where there are several.
//! - A batch that is never larger than one call of constant cores has its closed form; any other
//!   is the mean of 16,384 batches drawn with keys of their own (seed 0), the same on every machine.

use indexmap::IndexMap;

use super::drawn::{DrawnClass, whole};
use super::plan::{ModelId, SessionPlan, ToolPlan};
use crate::dist::Dist;
use crate::random::{Draws, Purpose};
use crate::scenario::types::{Latency, Model, ModelFormula, PromptCache};
use crate::units::{Cores, Count, Quantity, Span};

/// Batches drawn where a batch's mean length has no closed form.
const BATCHES: u64 = 16_384;
/// Terms of a tail sum that are added one by one.
const TERMS: u32 = 10_000;
/// Tail probability that ends a sum.
const NEGLIGIBLE: f64 = 1e-14;

/// Why a planned length is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// A mean is infinite.
    #[error(
        "the planned session length is infinite, so no arrival rate gives this many open sessions: \
         bound {0}, or give `arrivals`"
    )]
    Infinite(&'static str),
    /// Nothing takes any time.
    #[error("the planned session length is zero, so no arrival rate gives this many open sessions")]
    Zero,
    /// The model has no latency formula and the plan no latency.
    #[error(
        "`latency: recorded` has no recorded latency to plan with: give the model a latency formula"
    )]
    NotRecorded,
}

/// Moments of a whole number of turns or steps.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Whole {
    mean: f64,
    square: f64,
    /// Chance that it is at least 1.
    positive: f64,
}

/// The model of an id; the implied one where a scenario names none.
pub(super) fn model_at(models: &IndexMap<String, Model>, id: ModelId) -> Model {
    models.get_index(usize::from(id.0)).map(|(_, model)| model.clone()).unwrap_or_default()
}

/// Mean planned length of a class's sessions.
pub(super) fn of_class(class: &DrawnClass, model: &Model) -> Result<Span, LengthError> {
    let Latency::Formula(formula) = &model.latency else { return Err(LengthError::NotRecorded) };
    let turns = moments(&class.turns, 1);
    let steps = moments(&class.steps, 0);
    let calls = turns.mean * steps.mean;
    let input =
        times(uncached_per_session(class, model, turns, steps), formula.per_input.seconds());
    let think = times(class.think.mean(), turns.mean - 1.0);
    let parts = [
        (think, "`think` or `turns` with `max`"),
        (
            times(formula.base.mean(), calls),
            "the model's `base` latency, `turns` or `steps` with `max`",
        ),
        (input, "`tokens`, `turns` or `steps` with `max`, or the model with a `context_window`"),
        (
            times(class.tokens.output.mean() * formula.per_output.seconds(), calls),
            "`tokens.output` with `max`",
        ),
        (times(batch_seconds(class), calls), "`tools` with `max`"),
    ];
    if let Some((_, part)) = parts.iter().find(|(seconds, _)| !seconds.is_finite()) {
        return Err(LengthError::Infinite(part));
    }
    let seconds: f64 = parts.iter().map(|(seconds, _)| *seconds).sum();
    if seconds > 0.0 { Ok(Span::from_seconds(seconds)) } else { Err(LengthError::Zero) }
}

/// Mean number of steps in a session of a class.
pub(super) fn steps_in_session(class: &DrawnClass) -> f64 {
    moments(&class.turns, 1).mean * moments(&class.steps, 0).mean
}

/// Mean planned length of recorded sessions: what they recorded, and the formula where they did
/// not. A recorded context counts as uncached where the model has no prompt cache.
///
/// # Errors
/// If there are no sessions, nothing takes time, or a call has neither latency nor formula.
pub fn of_recorded(
    sessions: &[SessionPlan],
    models: &IndexMap<String, Model>,
    vcpu: impl Fn(&SessionPlan) -> Cores,
) -> Result<Span, LengthError> {
    let models: Vec<Model> =
        (0..models.len().max(1)).map(|id| model_at(models, ModelId(id as u16))).collect();
    let seconds = planned_seconds(sessions, &models, &vcpu)?;
    let mean = seconds / sessions.len() as f64;
    if mean > 0.0 { Ok(Span::from_seconds(mean)) } else { Err(LengthError::Zero) }
}

/// Planned time of all sessions together, in seconds.
fn planned_seconds(
    sessions: &[SessionPlan],
    models: &[Model],
    vcpu: &dyn Fn(&SessionPlan) -> Cores,
) -> Result<f64, LengthError> {
    let mut seconds = 0.0;
    for session in sessions {
        let vcpu = vcpu(session);
        let mut before = 0;
        for turn in &session.turns {
            seconds += turn.think.seconds();
            for step in &turn.steps {
                let call = &step.call;
                let model = &models[usize::from(call.model.0)];
                let context = call.context.unwrap_or(before + call.input);
                before = context + call.output;
                let uncached = match model.prompt_cache {
                    PromptCache::None => window(context as f64, model),
                    PromptCache::Lifetime(_) => call.input as f64,
                };
                seconds += match (&model.latency, call.latency) {
                    (_, Some(latency)) => latency.seconds(),
                    (Latency::Formula(formula), None) => {
                        latency(formula, uncached, call.output as f64)
                    }
                    (Latency::Recorded, None) => return Err(LengthError::NotRecorded),
                };
                seconds += longest(step.tools.iter().copied(), vcpu);
                // The step waits for the longest of its sub-agents.
                let children: Vec<SessionPlan> =
                    step.children.iter().map(|c| child(session, *c)).collect();
                let mut longest: f64 = 0.0;
                for child in &children {
                    let alone = std::slice::from_ref(child);
                    longest = longest.max(planned_seconds(alone, models, &|_| vcpu)?);
                }
                seconds += longest;
            }
        }
    }
    Ok(seconds)
}

/// A sub-agent as a session of its own.
fn child(session: &SessionPlan, place: u16) -> SessionPlan {
    let plan = session.sub_agents[usize::from(place)].clone();
    SessionPlan { sub_agents: session.sub_agents.clone(), ..plan }
}
fn latency(formula: &ModelFormula, uncached: f64, output: f64) -> f64 {
    formula.base.mean()
        + uncached * formula.per_input.seconds()
        + output * formula.per_output.seconds()
}

fn window(context: f64, model: &Model) -> f64 {
    model.context_window.map_or(context, |window| context.min(window.base()))
}

/// A product in which nothing of something infinite is nothing.
fn times(amount: f64, often: f64) -> f64 {
    if amount == 0.0 || often == 0.0 { 0.0 } else { amount * often }
}

/// Mean uncached prompt tokens of a session's calls.
fn uncached_per_session(class: &DrawnClass, model: &Model, turns: Whole, steps: Whole) -> f64 {
    let tokens = &class.tokens;
    let (system, user) = (tokens.system.mean(), tokens.user.mean());
    let (result, output) = (tokens.tool_result.mean(), tokens.output.mean());
    let calls = turns.mean * steps.mean;
    let first_calls = turns.mean * steps.positive;
    if matches!(model.prompt_cache, PromptCache::Lifetime(_)) {
        let any_call = 1.0 - chance_of_no_call(class, steps);
        return times(system, any_call)
            + times(user, first_calls)
            + times(result, calls - first_calls);
    }
    // A token is in its own call's context and in all later ones. Pairs of turns t < u, and of
    // calls i < j, are counted by the second moments; turns and steps are independent.
    let turn_pairs = (turns.square - turns.mean) / 2.0;
    let step_pairs = (steps.square - steps.mean) / 2.0;
    let later = turn_pairs * steps.mean;
    let by_user = calls + times(later, steps.positive);
    let by_result = times(step_pairs, turns.mean) + times(later, steps.mean - steps.positive);
    let by_output = times(step_pairs, turns.mean) + times(later, steps.mean);
    let whole = times(system, calls)
        + times(user, by_user)
        + times(result, by_result)
        + times(output, by_output);
    let cap = model.context_window.map_or(f64::INFINITY, |window| times(window.base(), calls));
    whole.min(cap)
}

/// Chance that a session never calls a model: no turn has a step.
fn chance_of_no_call(class: &DrawnClass, steps: Whole) -> f64 {
    let none = 1.0 - steps.positive;
    if none == 0.0 {
        return 0.0;
    }
    // E[none^turns] = Σ none^k · P(turns = k)
    let tail = |k: f64| tail(&class.turns, k);
    let mut chance = none * (1.0 - tail(2.0));
    let mut power = none;
    for k in 2..TERMS {
        power *= none;
        let k = f64::from(k);
        chance += power * (tail(k) - tail(k + 1.0));
        if power * tail(k + 1.0) < NEGLIGIBLE {
            break;
        }
    }
    chance
}

/// P(a drawn count, rounded half up, is at least k).
fn tail(dist: &Dist<Count>, k: f64) -> f64 {
    // Just below k − ½, so that a distribution with mass there is rounded up.
    (1.0 - dist.sampler().cdf((k - 0.5) * (1.0 - f64::EPSILON))).max(0.0)
}

/// Moments of a count as drawn: rounded half up, at least `least`.
///
/// `E[X] = Σ P(X ≥ k)` and `E[X²] = Σ (2k − 1) P(X ≥ k)` over k ≥ 1. A tail that is still there after
/// ten thousand terms is integrated on a grid that grows by 1 % a step.
fn moments(dist: &Dist<Count>, least: u32) -> Whole {
    if let Some(count) = dist.as_constant() {
        let n = f64::from(whole(count).max(least));
        return Whole { mean: n, square: n * n, positive: if n > 0.0 { 1.0 } else { 0.0 } };
    }
    let reach = |k: u32| if k <= least { 1.0 } else { tail(dist, f64::from(k)) };
    let (mut mean, mut square) = (0.0, 0.0);
    let mut last = 1.0;
    for k in 1..=TERMS {
        last = reach(k);
        mean += last;
        square += (2.0 * f64::from(k) - 1.0) * last;
        if last < NEGLIGIBLE && k > least {
            break;
        }
    }
    let positive = reach(1);
    if last >= NEGLIGIBLE {
        if !dist.mean().is_finite() {
            return Whole { mean: f64::INFINITY, square: f64::INFINITY, positive };
        }
        let (far_mean, far_square) = far_tail(dist);
        mean += far_mean;
        square += if dist.variance().is_finite() { far_square } else { f64::INFINITY };
    }
    Whole { mean, square, positive }
}

/// ∫ P(X > x) dx and ∫ 2x P(X > x) dx from the last term of the sum on, by trapezoids.
fn far_tail(dist: &Dist<Count>) -> (f64, f64) {
    let beyond = |x: f64| 1.0 - dist.sampler().cdf(x);
    let mut x = f64::from(TERMS);
    let mut here = beyond(x);
    let (mut mean, mut square) = (0.0, 0.0);
    while here > NEGLIGIBLE && x < 1e15 {
        let next = 1.01 * x;
        let there = beyond(next);
        mean += 0.5 * (here + there) * (next - x);
        square += (here * x + there * next) * (next - x);
        (x, here) = (next, there);
    }
    (mean, square)
}

/// Mean seconds of a batch of tool calls at full speed.
fn batch_seconds(class: &DrawnClass) -> f64 {
    let tools = &class.tools;
    let calls = moments(&tools.calls, 0);
    if calls.mean == 0.0 {
        return 0.0;
    }
    let io_and_cpu = [tools.io_wait.mean(), tools.cpu.mean()];
    if io_and_cpu.iter().any(|mean| mean.is_infinite()) {
        return f64::INFINITY;
    }
    if let (true, Some(cores)) = (tail(&tools.calls, 2.0) == 0.0, tools.cores.as_constant()) {
        return calls.positive * (io_and_cpu[0] + io_and_cpu[1] / speed(cores, class.vcpu));
    }
    let mut sum = 0.0;
    for batch in 0..BATCHES {
        let draws = |purpose, index| Draws::new(0, 0, batch, purpose, index);
        let size = whole(tools.calls.sample(&mut draws(Purpose::ToolCalls, 0)));
        let batch = (0..size).map(|number| class.tool(|purpose| draws(purpose, number)));
        sum += longest(batch, class.vcpu);
    }
    sum / BATCHES as f64
}

/// Seconds of the longest of some tool calls side by side, each at full speed.
fn longest(tools: impl Iterator<Item = ToolPlan>, vcpu: Cores) -> f64 {
    let seconds =
        tools.map(|tool| tool.io.seconds() + tool.cpu.seconds() / speed(tool.cores, vcpu));
    seconds.fold(0.0, f64::max)
}

/// Cores that one call can keep busy in its sandbox.
fn speed(cores: Cores, vcpu: Cores) -> f64 {
    cores.0.min(vcpu.0)
}

#[cfg(test)]
#[path = "length_tests.rs"]
mod tests;
