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
    /// The sessions behind the demand are drawn again for each replication.
    pub resample: bool,
}

/// Runs replications `from..to`, in parallel on rayon's current pool; outcomes in their order.
/// Gauges are noted over time only in replication 0.
pub fn replicate(design: &Design, from: u16, to: u16, watch: &Watch) -> Vec<Outcome> {
    (from..to).into_par_iter().map(|replication| one(design, replication, watch)).collect()
}

fn one(design: &Design, replication: u16, watch: &Watch) -> Outcome {
    let mut horizon = design.horizon.clone();
    let resampled = design.resample.then(|| Arc::new(design.setup.resampled(replication)));
    let setup = resampled.as_ref().unwrap_or(&design.setup);
    if design.steady {
        horizon.stock = stock::snapshots(setup, replication);
    }
    if replication != 0 || design.resample {
        horizon.series_every = None;
    }
    simulate(setup, replication, &horizon, watch)
}

/// Runs replications `from..to` of several arms, in parallel; for each replication the outcomes of
/// its arms in their order. Arms that share their demand and seed share their draws (common random
/// numbers).
pub fn replicate_arms(arms: &[&Design], from: u16, to: u16, watch: &Watch) -> Vec<Vec<Outcome>> {
    let runs: Vec<(u16, &Design)> = (from..to)
        .flat_map(|replication| arms.iter().map(move |arm| (replication, *arm)))
        .collect();
    let run = |(replication, arm): (u16, &Design)| one(arm, replication, watch);
    let mut outcomes = runs.into_par_iter().map(run).collect::<Vec<Outcome>>().into_iter();
    (from..to).map(|_| outcomes.by_ref().take(arms.len()).collect()).collect()
}

/// Runs replications of all arms look by look until `decided` says so of those that are complete, or
/// the last look is over; it is told which look it is. Stops early, with what is complete, where the
/// watch says so.
pub fn until_decided(
    arms: &[&Design],
    looks: &[u32],
    watch: &Watch,
    mut decided: impl FnMut(usize, &[Vec<Outcome>]) -> bool,
) -> Vec<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (number, look) in looks.iter().enumerate() {
        let from = u16::try_from(outcomes.len()).expect("replications are numbered by 16 bits");
        let to = u16::try_from(*look).expect("replications are numbered by 16 bits");
        outcomes.extend(replicate_arms(arms, from, to.max(from), watch));
        let interrupted = |outcome: &Outcome| outcome.finish == Finish::Interrupted;
        if outcomes.iter().flatten().any(interrupted) || decided(number, &outcomes) {
            break;
        }
    }
    outcomes
}
