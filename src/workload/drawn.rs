//! Session plans drawn from the classes' distributions.
//!
//! Every part of a plan is a pure function of `(seed, replication, session, purpose, index)`, where
//! `session` is the arrival's number. Nothing is stored for a session that is under way, a part can
//! be asked for in any order, and supply cannot shift demand.
//!
//! | part | purpose | index |
//! |---|---|---|
//! | class, turns, end, system tokens | `Class`, `Turns`, `End`, `SystemTokens` | 0 |
//! | think before a turn, its steps, its user message | `Think`, `Steps`, `UserTokens` | the turn, from 0 |
//! | tool result, output, number of tool calls | `ToolResultTokens`, `OutputTokens`, `ToolCalls` | the step, from 0 over the session |
//! | a tool call's CPU, I/O, memory, disk, cores | `ToolCpu`, `ToolIo`, … | step · 64 + the call's number in its batch |
//!
//! Turns and steps are rounded half up to whole numbers; a session has at least one turn.

use indexmap::IndexMap;

use super::length;
use super::plan::{CallPlan, ClassId, End, ModelId, Outline, StepAt, ToolPlan};
use crate::dist::Dist;
use crate::random::{Draws, Purpose};
use crate::scenario::types::{Class, DEFAULT_NAME, Model, TokenDemand, ToolDemand};
use crate::units::{Cores, Count, Span};

/// Tool calls of a step that have draws of their own.
pub const TOOL_CALLS_PER_STEP: u32 = 64;
/// Sub-agents of a step at most: more are cut off.
pub const CHILDREN_PER_STEP: u32 = 63;
/// Chance of a larger batch from which on a class is refused.
const LARGER_BATCH_CHANCE: f64 = 1e-9;
/// Shares may miss 1 by this much: they are written in decimals.
const SHARE_TOLERANCE: f64 = 1e-6;
/// Marks numbers of sessions that others are copies of; those of a run have other bits.
const COPIED: u64 = 1 << 60;

/// Plans drawn on demand.
#[derive(Clone, Debug)]
pub struct DrawnPlans {
    seed: u64,
    classes: Box<[DrawnClass]>,
    /// Running sums of the shares; the last is 1.
    shares: Box<[f64]>,
}

/// What a class's plans are drawn from.
#[derive(Clone, Debug)]
pub(super) struct DrawnClass {
    pub turns: Dist<Count>,
    pub think: Dist<Span>,
    pub steps: Dist<Count>,
    pub tokens: TokenDemand,
    pub tools: ToolDemand,
    pub abandon: f64,
    pub model: ModelId,
    /// Cores of the sandbox, which bound a tool call's speed.
    pub vcpu: Cores,
    /// Recorded sessions that the class was fitted to.
    pub fitted_on: Option<u64>,
    /// Its sessions are copies of so many, drawn anew in each replication.
    pub copies_of: Option<u64>,
    /// Sub-agents of a step: how many, and their class.
    pub children: Option<(Dist<Count>, ClassId)>,
}

/// Why no plans can be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DrawnError {
    /// A class calls a model that is not there.
    #[error("class `{class}` calls the model `{model}`, which `models` does not name")]
    UnknownModel {
        /// The class.
        class: String,
        /// The model.
        model: String,
    },
    /// One of several classes has no share.
    #[error("class `{0}` has no `share`: with several classes each needs one")]
    NoShare(String),
    /// The shares do not sum to 1.
    #[error("the shares of the classes sum to {0}: expected 1")]
    Shares(f64),
    /// Sub-agents are of no class.
    #[error("class `{class}` has sub-agents of class `{child}`, which is not there")]
    NoChildClass {
        /// The class.
        class: String,
        /// What it names.
        child: String,
    },
    /// Sub-agents would have sub-agents without end.
    #[error("class `{0}` would be among the sub-agents of its own sub-agents, without end")]
    EndlessChildren(String),
    /// Batches of tool calls may be larger than the draws can tell apart.
    #[error(
        "class `{0}` may have more than {TOOL_CALLS_PER_STEP} tool calls in a step: \
         give `tools.calls` a `max` of {TOOL_CALLS_PER_STEP} or less"
    )]
    LargeBatch(String),
}

impl DrawnPlans {
    /// Plans of these classes. Without any class there is one, [`Class::default`]; without any
    /// model each class calls the implied one.
    ///
    /// # Errors
    /// If a class names no known model, shares are missing or do not sum to 1, or a batch of tool
    /// calls may exceed [`TOOL_CALLS_PER_STEP`].
    pub fn new(
        seed: u64,
        classes: &IndexMap<String, Class>,
        models: &IndexMap<String, Model>,
    ) -> Result<Self, DrawnError> {
        let implied = IndexMap::from([(DEFAULT_NAME.to_owned(), Class::default())]);
        let classes = if classes.is_empty() { &implied } else { classes };
        let compiled: Result<Vec<_>, _> =
            classes.iter().map(|(name, class)| DrawnClass::new(name, class, models)).collect();
        let mut compiled = compiled?;
        for (drawn, (name, class)) in compiled.iter_mut().zip(classes) {
            drawn.children = children_of(name, class, classes)?;
        }
        Ok(DrawnPlans { seed, classes: compiled.into(), shares: shares(classes)? })
    }

    /// The same plans with the demand itself uncertain (parametric bootstrap): of a class that was
    /// fitted to n recorded sessions, each replication draws n sessions of its own, and every session
    /// is a copy of one of them, drawn with replacement. So replications differ as far as two such
    /// recordings do, and not only as two runs on endless recordings.
    #[must_use]
    pub fn resampled(&self) -> Self {
        let mut plans = self.clone();
        plans.classes.iter_mut().for_each(|class| class.copies_of = class.fitted_on);
        plans
    }

    /// The session whose turns, thinks, tokens and tools a session has: itself, or the one it copies.
    #[inline]
    fn body(&self, replication: u16, session: u64, class: ClassId) -> u64 {
        let Some(n) = self.classes[usize::from(class.0)].copies_of else { return session };
        let u = self.draws(replication, session, Purpose::Resample, 0).uniform();
        let copied = ((u * n as f64) as u64).min(n.saturating_sub(1));
        // Numbers that no session of a run has, apart for each class.
        COPIED | u64::from(class.0) << 40 | copied
    }

    /// The class of a session, its turns and its end.
    pub fn outline(&self, replication: u16, session: u64) -> Outline {
        let class = self.class_of(replication, session);
        let drawn = &self.classes[usize::from(class.0)];
        let body = self.body(replication, session, class);
        let turns = drawn.turns.sample(&mut self.draws(replication, body, Purpose::Turns, 0));
        let abandons = drawn.abandon > 0.0
            && self.draws(replication, session, Purpose::End, 0).bernoulli(drawn.abandon);
        let end = if abandons { End::Abandon } else { End::Close };
        Outline { session, class, turns: whole(turns).max(1), end }
    }

    /// Think time before a turn; none before the first.
    pub fn think(&self, replication: u16, session: u64, class: ClassId, turn: u32) -> Span {
        if turn == 0 {
            return Span::ZERO;
        }
        let drawn = &self.classes[usize::from(class.0)];
        let session = self.body(replication, session, class);
        drawn.think.sample(&mut self.draws(replication, session, Purpose::Think, turn))
    }

    /// The model that sessions of a class call.
    pub fn model_of(&self, class: ClassId) -> ModelId {
        self.classes[usize::from(class.0)].model
    }

    /// Steps of a turn.
    pub fn steps(&self, replication: u16, session: u64, class: ClassId, turn: u32) -> u32 {
        let drawn = &self.classes[usize::from(class.0)];
        let session = self.body(replication, session, class);
        whole(drawn.steps.sample(&mut self.draws(replication, session, Purpose::Steps, turn)))
    }

    /// The model call of a step. Its new tokens are the system prompt (first call of the session),
    /// the user message (first call of a turn) and the tool result (later calls of a turn).
    pub fn call(&self, replication: u16, session: u64, class: ClassId, at: StepAt) -> CallPlan {
        let drawn = &self.classes[usize::from(class.0)];
        let tokens = &drawn.tokens;
        let session = self.body(replication, session, class);
        let draws = |purpose, index| self.draws(replication, session, purpose, index);
        let mut input = if at.step == 0 {
            tokens.user.sample(&mut draws(Purpose::UserTokens, at.turn))
        } else {
            tokens.tool_result.sample(&mut draws(Purpose::ToolResultTokens, at.ordinal))
        };
        if at.ordinal == 0 {
            input += tokens.system.sample(&mut draws(Purpose::SystemTokens, 0));
        }
        let output = tokens.output.sample(&mut draws(Purpose::OutputTokens, at.ordinal));
        let (input, output) = (input.0, output.0);
        CallPlan { model: drawn.model, input, output, latency: None, context: None }
    }

    /// Tool calls of a step.
    pub fn tool_count(&self, replication: u16, session: u64, class: ClassId, at: StepAt) -> u32 {
        let calls = &self.classes[usize::from(class.0)].tools.calls;
        match calls.as_constant() {
            Some(calls) => whole(calls),
            None => {
                let session = self.body(replication, session, class);
                let mut draws = self.draws(replication, session, Purpose::ToolCalls, at.ordinal);
                whole(calls.sample(&mut draws))
            }
        }
    }

    /// Appends the tool calls of a step to `out`.
    pub fn tools(
        &self,
        replication: u16,
        session: u64,
        class: ClassId,
        at: StepAt,
        out: &mut Vec<ToolPlan>,
    ) {
        let drawn = &self.classes[usize::from(class.0)];
        let calls = self.tool_count(replication, session, class, at);
        let first = at.ordinal.wrapping_mul(TOOL_CALLS_PER_STEP);
        let session = self.body(replication, session, class);
        out.extend((0..calls).map(|number| {
            let index = first.wrapping_add(number);
            drawn.tool(|purpose| self.draws(replication, session, purpose, index))
        }));
    }

    /// Whether any class has sub-agents.
    pub fn have_children(&self) -> bool {
        self.classes.iter().any(|class| class.children.is_some())
    }

    /// The sub-agents of a step: a word that numbers each, and their class.
    pub fn children(
        &self,
        replication: u16,
        session: u64,
        class: ClassId,
        at: StepAt,
    ) -> impl Iterator<Item = (u64, ClassId)> + '_ {
        let first = at.ordinal.wrapping_mul(CHILDREN_PER_STEP + 1);
        let children = self.classes[usize::from(class.0)].children.as_ref();
        let number = children.map_or(0, |(count, _)| {
            let mut draws = self.draws(replication, session, Purpose::Children, first);
            whole(count.sample(&mut draws)).min(CHILDREN_PER_STEP)
        });
        let class = children.map_or(class, |(_, class)| *class);
        (1..=number).map(move |child| {
            let index = first.wrapping_add(child);
            (self.draws(replication, session, Purpose::Children, index).next_u64(), class)
        })
    }

    /// The outline of a sub-agent.
    pub fn child_outline(&self, replication: u16, session: u64, class: ClassId) -> Outline {
        let drawn = &self.classes[usize::from(class.0)];
        let body = self.body(replication, session, class);
        let turns =
            whole(drawn.turns.sample(&mut self.draws(replication, body, Purpose::Turns, 0)));
        Outline { session, class, turns: turns.max(1), end: End::Close }
    }

    /// Mean planned length of a session of this class: see [`length`].
    ///
    /// # Errors
    /// If a mean is infinite or a model's latency is only recorded.
    pub fn planned_length(
        &self,
        class: ClassId,
        models: &IndexMap<String, Model>,
    ) -> Result<Span, length::LengthError> {
        let drawn = &self.classes[usize::from(class.0)];
        let alone = length::of_class(drawn, &length::model_at(models, drawn.model))?;
        let Some((count, child)) = &drawn.children else { return Ok(alone) };
        let spawns = length::steps_in_session(drawn) * (1.0 - count.sampler().cdf(0.5));
        let child = self.planned_length(*child, models)?.seconds();
        Ok(Span::from_seconds(alone.seconds() + spawns * child))
    }

    /// Mean planned length over the mix of classes.
    ///
    /// # Errors
    /// As [`Self::planned_length`].
    pub fn mean_planned_length(
        &self,
        models: &IndexMap<String, Model>,
    ) -> Result<Span, length::LengthError> {
        let mut below = 0.0;
        let mut seconds = 0.0;
        for (class, up_to) in (0..).map(ClassId).zip(&self.shares) {
            seconds += (up_to - below) * self.planned_length(class, models)?.seconds();
            below = *up_to;
        }
        Ok(Span::from_seconds(seconds))
    }

    fn class_of(&self, replication: u16, session: u64) -> ClassId {
        if self.shares.len() == 1 {
            return ClassId(0);
        }
        let u = self.draws(replication, session, Purpose::Class, 0).uniform();
        // The last share reaches 1 and a uniform does not.
        ClassId(self.shares.partition_point(|up_to| *up_to <= u) as u16)
    }

    #[inline]
    fn draws(&self, replication: u16, session: u64, purpose: Purpose, index: u32) -> Draws {
        Draws::new(self.seed, replication, session, purpose, index)
    }
}

impl DrawnClass {
    fn new(
        name: &str,
        class: &Class,
        models: &IndexMap<String, Model>,
    ) -> Result<Self, DrawnError> {
        let model = match models.get_index_of(&class.model) {
            Some(place) => ModelId(place as u16),
            None if models.is_empty() => ModelId(0),
            None => {
                let (class, model) = (name.to_owned(), class.model.clone());
                return Err(DrawnError::UnknownModel { class, model });
            }
        };
        let most = f64::from(TOOL_CALLS_PER_STEP) + 0.5;
        if 1.0 - class.tools.calls.sampler().cdf(most) > LARGER_BATCH_CHANCE {
            return Err(DrawnError::LargeBatch(name.to_owned()));
        }
        Ok(DrawnClass {
            turns: class.turns.clone(),
            think: class.think.clone(),
            steps: class.steps.clone(),
            tokens: class.tokens.clone(),
            tools: class.tools.clone(),
            abandon: class.abandon.0,
            model,
            vcpu: class.sandbox.vcpu,
            fitted_on: class.fitted_on,
            copies_of: None,
            children: None,
        })
    }

    /// One tool call from the draws for each purpose.
    #[inline]
    pub fn tool(&self, draws: impl Fn(Purpose) -> Draws) -> ToolPlan {
        let tools = &self.tools;
        ToolPlan {
            cpu: tools.cpu.sample(&mut draws(Purpose::ToolCpu)),
            cores: tools.cores.sample(&mut draws(Purpose::ToolCores)),
            io: tools.io_wait.sample(&mut draws(Purpose::ToolIo)),
            memory: tools.memory.sample(&mut draws(Purpose::ToolMemory)),
            dirty: tools.disk_dirty.sample(&mut draws(Purpose::ToolDirty)),
        }
    }
}

/// Rounds a drawn count half up.
pub(super) fn whole(count: Count) -> u32 {
    (count.0 + 0.5) as u32
}

/// The sub-agents of a class, if none of them is of that class again.
fn children_of(
    name: &str,
    class: &Class,
    classes: &IndexMap<String, Class>,
) -> Result<Option<(Dist<Count>, ClassId)>, DrawnError> {
    let Some(first) = &class.sub_agents else { return Ok(None) };
    let place = |child: &str| {
        classes.get_index_of(child).ok_or_else(|| DrawnError::NoChildClass {
            class: name.to_owned(),
            child: child.to_owned(),
        })
    };
    let (mut at, mut steps) = (place(&first.class)?, 0);
    while let Some(next) = &classes[at].sub_agents {
        at = place(&next.class)?;
        steps += 1;
        if classes.get_index_of(name) == Some(at) || steps > classes.len() {
            return Err(DrawnError::EndlessChildren(name.to_owned()));
        }
    }
    if first.class == name {
        return Err(DrawnError::EndlessChildren(name.to_owned()));
    }
    Ok(Some((first.count.clone(), ClassId(place(&first.class)? as u16))))
}

fn shares(classes: &IndexMap<String, Class>) -> Result<Box<[f64]>, DrawnError> {
    if classes.len() == 1 {
        return Ok(Box::new([1.0]));
    }
    let mut sums = Vec::with_capacity(classes.len());
    let mut sum = 0.0;
    for (name, class) in classes {
        sum += class.share.ok_or_else(|| DrawnError::NoShare(name.clone()))?.0;
        sums.push(sum);
    }
    if (sum - 1.0).abs() > SHARE_TOLERANCE {
        // Six decimals: a person did not write the rounding error of a sum.
        return Err(DrawnError::Shares((sum * 1e6).round() / 1e6));
    }
    sums.iter_mut().for_each(|up_to| *up_to /= sum);
    // Exactly 1, so that each uniform finds a class; `sum / sum` is.
    Ok(sums.into())
}

#[cfg(test)]
#[path = "drawn_tests.rs"]
pub(super) mod tests;
