//! Session plans: what each session will want, independent of the platform it runs on.
//!
//! A plan is either drawn on demand by stateless keyed draws, so that nothing is stored for a
//! session that is under way, or recorded in a trace or `plans` file.

use std::sync::Arc;

use super::drawn::DrawnPlans;
use crate::random::{Draws, Purpose};
use crate::units::{Bytes, Cores, Span, Time};

/// A class of sessions: its place in the scenario's `classes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u16);

/// A model: its place in the scenario's `models`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub u16);

/// How a session ends after its last turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// The platform is told; sandbox and snapshot go at once.
    #[default]
    Close,
    /// Nobody tells the platform.
    Abandon,
}

/// What is known of a session at its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The number that keys this session's draws.
    pub session: u64,
    /// Its class.
    pub class: ClassId,
    /// Turns, at least 1.
    pub turns: u32,
    /// How it ends.
    pub end: End,
}

/// One model call: new tokens only, unless a trace recorded the whole prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallPlan {
    /// The model called.
    pub model: ModelId,
    /// New input tokens of this call.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Recorded duration; `None` leaves it to the model's formula.
    pub latency: Option<Span>,
    /// Recorded full prompt tokens; replaces the accumulation of context.
    pub context: Option<u64>,
}

/// One tool call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolPlan {
    /// CPU time on the reference core.
    pub cpu: Span,
    /// Cores it can use.
    pub cores: Cores,
    /// Time it waits for I/O.
    pub io: Span,
    /// Peak memory.
    pub memory: Bytes,
    /// Bytes dirtied on disk.
    pub dirty: Bytes,
}

/// One step of a recorded plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepPlan {
    /// The model call.
    pub call: CallPlan,
    /// Backoff fractions of retries 0, 1, …; empty leaves them to draws.
    pub backoff: Box<[f64]>,
    /// Whether attempt 0, 1, … fails; empty leaves it to draws.
    pub errors: Box<[bool]>,
    /// Tool calls, side by side after the model call.
    pub tools: Box<[ToolPlan]>,
    /// Sub-agents that run side by side after the tool calls, and are waited for: their places in the
    /// session's [`SessionPlan::sub_agents`].
    pub children: Box<[u16]>,
}

/// One turn of a recorded plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnPlan {
    /// Time from the end of the turn before; of the first turn zero.
    pub think: Span,
    /// Its steps, possibly none.
    pub steps: Vec<StepPlan>,
}

/// A recorded session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionPlan {
    /// Its number; keys its draws and orders arrivals at one instant.
    pub session: u64,
    /// Its class.
    pub class: ClassId,
    /// When it arrives.
    pub arrival: Time,
    /// How it ends.
    pub end: End,
    /// Its turns, at least one.
    pub turns: Vec<TurnPlan>,
    /// Whether boot try 0, 1, … fails; empty leaves it to draws.
    pub boot_faults: Box<[bool]>,
    /// Whether restore try 0, 1, … fails; empty leaves it to draws.
    pub restore_faults: Box<[bool]>,
    /// All sub-agents of the session and of its sub-agents; steps name them by their place here.
    pub sub_agents: Vec<SessionPlan>,
}

/// Bits of a session's index that number the session itself; those above number its sub-agents.
const INDEX_BITS: u32 = 40;
/// Marks numbers of drawn sub-agents; sessions, pool places and stocks have other bits.
const DRAWN_CHILD: u64 = 1 << 61;

/// Recorded sessions drawn again with replacement (bootstrap over sessions): the k-th arrives when the
/// k-th did, and does what one of them did, drawn with `draw(seed, replication, k, Resample, 0)`.
pub fn resampled(sessions: &[SessionPlan], seed: u64, replication: u16) -> Vec<SessionPlan> {
    let n = sessions.len();
    let pick = |(k, at): (usize, &SessionPlan)| {
        let u = Draws::new(seed, replication, k as u64, Purpose::Resample, 0).uniform();
        let taken = &sessions[((u * n as f64) as usize).min(n - 1)];
        SessionPlan { session: at.session, arrival: at.arrival, ..taken.clone() }
    };
    sessions.iter().enumerate().map(pick).collect()
}

/// Where plans come from. Cheap to clone; shared by all replications.
#[derive(Clone, Debug)]
pub enum Plans {
    /// Drawn from the classes' distributions.
    Drawn(Arc<DrawnPlans>),
    /// Read from a trace, sorted by arrival, then session number.
    Recorded(Arc<Vec<SessionPlan>>),
}

/// The place of a step: its turn, its number in the turn, and its number in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepAt {
    /// The turn, from 0.
    pub turn: u32,
    /// The step in the turn, from 0.
    pub step: u32,
    /// The step in the session, from 0; keys its draws.
    pub ordinal: u32,
}

impl Plans {
    /// The outline of the session that arrives as number `index`, in this replication.
    pub fn outline(&self, replication: u16, index: u64) -> Outline {
        match self {
            Plans::Drawn(drawn) => drawn.outline(replication, index),
            Plans::Recorded(sessions) => {
                let plan = whole_plan(sessions, index);
                let turns =
                    u32::try_from(plan.turns.len()).expect("a plan has fewer than 2^32 turns");
                Outline { session: plan.session, class: plan.class, turns, end: plan.end }
            }
        }
    }

    /// Time from the end of the turn before to the begin of turn `turn`.
    pub fn think(&self, replication: u16, index: u64, class: ClassId, turn: u32) -> Span {
        match self {
            Plans::Drawn(drawn) => drawn.think(replication, index, class, turn),
            Plans::Recorded(sessions) => whole_plan(sessions, index).turns[turn as usize].think,
        }
    }

    /// The model that sessions of a class call; `None` where each call names its own.
    pub fn model_of(&self, class: ClassId) -> Option<ModelId> {
        match self {
            Plans::Drawn(drawn) => Some(drawn.model_of(class)),
            Plans::Recorded(_) => None,
        }
    }

    /// Steps in turn `turn`.
    pub fn steps(&self, replication: u16, index: u64, class: ClassId, turn: u32) -> u32 {
        match self {
            Plans::Drawn(drawn) => drawn.steps(replication, index, class, turn),
            Plans::Recorded(sessions) => {
                let steps = whole_plan(sessions, index).turns[turn as usize].steps.len();
                u32::try_from(steps).expect("a turn has fewer than 2^32 steps")
            }
        }
    }

    /// The model call of a step.
    pub fn call(&self, replication: u16, index: u64, class: ClassId, at: StepAt) -> CallPlan {
        match self {
            Plans::Drawn(drawn) => drawn.call(replication, index, class, at),
            Plans::Recorded(sessions) => recorded(sessions, index, at).call,
        }
    }

    /// The recorded duration of a step's model call.
    pub fn latency(&self, index: u64, at: StepAt) -> Option<Span> {
        match self {
            Plans::Drawn(_) => None,
            Plans::Recorded(sessions) => recorded(sessions, index, at).call.latency,
        }
    }

    /// Whether a step has tool calls.
    pub fn has_tools(&self, replication: u16, index: u64, class: ClassId, at: StepAt) -> bool {
        match self {
            Plans::Drawn(drawn) => drawn.tool_count(replication, index, class, at) > 0,
            Plans::Recorded(sessions) => !recorded(sessions, index, at).tools.is_empty(),
        }
    }

    /// Appends the tool calls of a step to `out`.
    pub fn tools(
        &self,
        replication: u16,
        index: u64,
        class: ClassId,
        at: StepAt,
        out: &mut Vec<ToolPlan>,
    ) {
        match self {
            Plans::Drawn(drawn) => drawn.tools(replication, index, class, at, out),
            Plans::Recorded(sessions) => {
                out.extend_from_slice(&recorded(sessions, index, at).tools)
            }
        }
    }

    /// Whether any session has sub-agents.
    pub fn have_children(&self) -> bool {
        match self {
            Plans::Drawn(drawn) => drawn.have_children(),
            Plans::Recorded(sessions) => sessions.iter().any(|plan| !plan.sub_agents.is_empty()),
        }
    }

    /// Appends the sub-agents of a step to `out`: their indices and classes.
    pub fn children(
        &self,
        replication: u16,
        index: u64,
        class: ClassId,
        at: StepAt,
        out: &mut Vec<(u64, ClassId)>,
    ) {
        match self {
            Plans::Drawn(drawn) => {
                let child = |(word, class)| (DRAWN_CHILD | word >> 3, class);
                out.extend(drawn.children(replication, index, class, at).map(child));
            }
            Plans::Recorded(sessions) => {
                let top = index & ((1 << INDEX_BITS) - 1);
                let all = &sessions[top as usize].sub_agents;
                out.extend(recorded(sessions, index, at).children.iter().map(|place| {
                    let index = top | (u64::from(*place) + 1) << INDEX_BITS;
                    (index, all[usize::from(*place)].class)
                }));
            }
        }
    }

    /// The outline of a sub-agent.
    pub fn child_outline(&self, replication: u16, index: u64, class: ClassId) -> Outline {
        match self {
            Plans::Drawn(drawn) => drawn.child_outline(replication, index, class),
            Plans::Recorded(_) => self.outline(replication, index),
        }
    }

    /// The whole plan of the session that arrives as number `index`, written out: what `plans`
    /// files hold. Of drawn sessions it has no recorded latencies, backoffs or faults.
    pub fn record(&self, replication: u16, index: u64, arrival: Time) -> SessionPlan {
        if let Plans::Recorded(sessions) = self {
            return SessionPlan { arrival, ..sessions[index as usize].clone() };
        }
        let outline = self.outline(replication, index);
        let mut sub_agents = Vec::new();
        let plan = self.record_drawn(replication, index, outline, &mut sub_agents);
        SessionPlan { arrival, sub_agents, ..plan }
    }

    /// Writes a drawn session out; its sub-agents go to `all`.
    fn record_drawn(
        &self,
        replication: u16,
        index: u64,
        outline: Outline,
        all: &mut Vec<SessionPlan>,
    ) -> SessionPlan {
        let Outline { session, class, turns, end } = outline;
        let mut ordinal = 0;
        let turns = (0..turns).map(|turn| {
            let think = self.think(replication, index, class, turn);
            let steps = (0..self.steps(replication, index, class, turn)).map(|step| {
                let at = StepAt { turn, step, ordinal };
                ordinal += 1;
                let mut tools = Vec::new();
                self.tools(replication, index, class, at, &mut tools);
                let call = self.call(replication, index, class, at);
                let mut found = Vec::new();
                self.children(replication, index, class, at, &mut found);
                let children = found.into_iter().map(|(child, class)| {
                    let outline = self.child_outline(replication, child, class);
                    let place = all.len() as u16;
                    all.push(SessionPlan::default());
                    all[usize::from(place)] = self.record_drawn(replication, child, outline, all);
                    place
                });
                let children = children.collect();
                StepPlan { call, tools: tools.into(), children, ..StepPlan::default() }
            });
            TurnPlan { think, steps: steps.collect() }
        });
        let turns = turns.collect();
        SessionPlan { session, class, end, turns, ..SessionPlan::default() }
    }

    /// The recorded backoff fraction of a retry of a step's call, if there is one.
    pub fn backoff(&self, index: u64, at: StepAt, retry: u32) -> Option<f64> {
        match self {
            Plans::Drawn(_) => None,
            Plans::Recorded(sessions) => {
                recorded(sessions, index, at).backoff.get(retry as usize).copied()
            }
        }
    }

    /// Whether an attempt of a step's call was recorded to fail; tries past the record's end
    /// succeed. `None` where nothing was recorded.
    pub fn call_fails(&self, index: u64, at: StepAt, attempt: u32) -> Option<bool> {
        match self {
            Plans::Drawn(_) => None,
            Plans::Recorded(sessions) => {
                recorded_try(&recorded(sessions, index, at).errors, attempt)
            }
        }
    }

    /// Whether the session's boot try was recorded to fail, counted over the whole session.
    pub fn boot_fails(&self, index: u64, try_number: u32) -> Option<bool> {
        match self {
            Plans::Drawn(_) => None,
            Plans::Recorded(sessions) => {
                recorded_try(&sessions[index as usize].boot_faults, try_number)
            }
        }
    }

    /// Whether the session's restore try was recorded to fail, counted over the whole session.
    pub fn restore_fails(&self, index: u64, try_number: u32) -> Option<bool> {
        match self {
            Plans::Drawn(_) => None,
            Plans::Recorded(sessions) => {
                recorded_try(&sessions[index as usize].restore_faults, try_number)
            }
        }
    }
}

/// The plan of a session, or of a sub-agent.
fn whole_plan(sessions: &[SessionPlan], index: u64) -> &SessionPlan {
    let top = &sessions[(index & ((1 << INDEX_BITS) - 1)) as usize];
    match index >> INDEX_BITS {
        0 => top,
        child => &top.sub_agents[child as usize - 1],
    }
}

fn recorded(sessions: &[SessionPlan], index: u64, at: StepAt) -> &StepPlan {
    &whole_plan(sessions, index).turns[at.turn as usize].steps[at.step as usize]
}

/// A list of recorded outcomes: past its end a try succeeds; without a list nothing is known.
fn recorded_try(outcomes: &[bool], number: u32) -> Option<bool> {
    if outcomes.is_empty() {
        None
    } else {
        Some(outcomes.get(number as usize).copied().unwrap_or(false))
    }
}
