//! Where the demand comes from, for intervals that hold what that leaves open.

use indexmap::IndexMap;

use crate::conduct::Setup;
use crate::measure::record::InputRecord;
use crate::scenario::types::{Input, Scenario};
use crate::workload::plan::Plans;

/// What the record says of a resampled demand; `None` where it is taken as it is.
pub(super) fn record(scenario: &Scenario, setup: &Setup) -> Option<InputRecord> {
    if scenario.experiment.input == Input::Fixed {
        return None;
    }
    let (how, sessions) = match setup.plans() {
        Plans::Recorded(sessions) => (
            "the sessions of the trace are drawn again with replacement; arrival times are kept",
            IndexMap::from([("trace".to_owned(), sessions.len() as u64)]),
        ),
        Plans::Drawn(_) => {
            let classes = scenario.workload.classes.iter();
            let fitted = classes.filter_map(|(name, class)| Some((name.clone(), class.fitted_on?)));
            (
                "each replication draws as many sessions as the class was fitted on, and all its \
                 sessions are copies of these (parametric bootstrap)",
                fitted.collect(),
            )
        }
    };
    let method = format!(
        "{how}; intervals are Student's t on the variance over replications / their number + the \
         variance that resampling adds"
    );
    let (simulation_ci95, per_replication) = (IndexMap::new(), Vec::new());
    Some(InputRecord { method, sessions, simulation_ci95, per_replication })
}
