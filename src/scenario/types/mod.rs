//! What a person writes, as types. Tagged things are one-key maps, never `kind:` tags, so that
//! every error keeps its line and column.

mod boundary;
mod efficiency;
mod experiment;
mod model;
mod platform;
mod provisioned;
mod rates;
mod window;
mod workload;

pub use boundary::{Against, Boundary, BoundarySpec, Expect, StageName};
pub use efficiency::Efficiency;
pub use experiment::{
    Experiment, Input, Live, Looks, Measure, Replications, RuntimeName, Start, Target, TargetKeep,
    TargetNetwork, Until, Warmup,
};
pub use model::{
    Latency, LongContextRates, Model, ModelFormula, ModelRates, PromptCache, Quota, Retries,
};
pub use platform::*;
pub use provisioned::{Compaction, Provisioned};
pub use rates::{
    BillFrom, BillIdle, ComputeRates, ComputeShape, EgressRates, FreeGrant, IdleRates,
    InvocationRates, MemoryLevel, RateCard, RequestRates, Rounding, SessionPrice,
};
pub use workload::{
    Arrivals, Class, Load, ModulatedState, Profile, Sandbox, SubAgentDemand, SubAgents,
    TokenDemand, ToolDemand, Trace, TraceFormat, TraceOrder, TraceTiming, TraceTurns, WeekProfile,
    Workload,
};

pub use window::{During, PEAK_HOUR, Window};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scenario: demand, supply, and what must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of the scenario language; this is 1.
    pub version: u32,
    /// Name of the scenario; results go to `results/<name>/`.
    pub name: String,
    /// What the scenario is about, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Demand: who comes, when, and what they want.
    pub workload: Workload,
    /// Supply: where sessions run.
    pub platform: Platform,
    /// Supply: the models that sessions call, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub models: IndexMap<String, Model>,
    /// A second platform under the same demand and the same draws, to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// What must hold, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub boundaries: IndexMap<String, Boundary>,
    /// How it is simulated.
    #[serde(default)]
    pub experiment: Experiment,
    /// How it is driven against a live backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

impl Scenario {
    /// The scenario of the baseline: the same demand on the other platform, with no boundaries of
    /// its own. `None` without a baseline.
    pub fn of_baseline(&self) -> Option<Scenario> {
        let baseline = self.baseline.as_ref()?;
        let mut models = self.models.clone();
        // Demand names models by their place, so those that are there keep theirs.
        for (name, model) in &baseline.models {
            models.insert(name.clone(), model.clone());
        }
        Some(Scenario {
            platform: baseline.platform(),
            models,
            baseline: None,
            boundaries: IndexMap::new(),
            live: None,
            ..self.clone()
        })
    }
}

/// The name a model or class has where none is given.
pub const DEFAULT_NAME: &str = "default";

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
