//! Replications in parallel, the same bytes for any number of threads.

use std::sync::Arc;

use rayon::prelude::*;

use super::stock;
use crate::conduct::Setup;
use crate::sim::{Finish, Horizon, Outcome, Watch, simulate};

/// What one replication runs with.
#[derive(Clone, Debug)]
pub struct Design {
    /// The resolved scenario.
    pub setup: Arc<Setup>,
    /// Horizon without the stock, which is drawn anew for each replication.
    pub horizon: Horizon,
    /// Seeds stocks that outlive the run-in.
    pub steady: bool,
}

/// Runs replications `from..to`, in parallel on rayon's current pool; outcomes in their order.
/// Gauges are noted over time only in replication 0.
pub fn replicate(design: &Design, from: u16, to: u16, watch: &Watch) -> Vec<Outcome> {
    (from..to).into_par_iter().map(|replication| one(design, replication, watch)).collect()
}

fn one(design: &Design, replication: u16, watch: &Watch) -> Outcome {
    let mut horizon = design.horizon.clone();
    if design.steady {
        horizon.stock = stock::snapshots(&design.setup, replication);
    }
    if replication != 0 {
        horizon.series_every = None;
    }
    simulate(&design.setup, replication, &horizon, watch)
}

/// Runs replications look by look until `decided` says so of those that are complete, or the last
/// look is over. Stops early, with what is complete, where the watch says so.
pub fn until_decided(
    design: &Design,
    looks: &[u32],
    watch: &Watch,
    mut decided: impl FnMut(&[Outcome]) -> bool,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for look in looks {
        let from = u16::try_from(outcomes.len()).expect("replications are numbered by 16 bits");
        let to = u16::try_from(*look).expect("replications are numbered by 16 bits");
        outcomes.extend(replicate(design, from, to.max(from), watch));
        let interrupted = outcomes.iter().any(|outcome| outcome.finish == Finish::Interrupted);
        if interrupted || decided(&outcomes) {
            break;
        }
    }
    outcomes
}
