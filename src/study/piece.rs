//! The piece of a scenario that is driven live, as a scenario of its own.

use crate::conduct::RunOptions;
use crate::scenario::types::{Isolation, Live, Measure, Scenario, Start, Warmup};

/// The scenario of the live piece and what is set beside it: so many sessions, to their last, from
/// an empty platform, in compressed time. The twin is simulated with the very same.
pub fn piece(scenario: &Scenario, live: &Live) -> (Scenario, RunOptions) {
    let mut piece = scenario.clone();
    if let Some(load) = &live.load {
        piece.workload.load = Some(load.clone());
        piece.workload.arrivals = None;
        // The piece's load is one instant of the cycle, not a cycle in seconds.
        piece.workload.profile = None;
    }
    // A live session has a sandbox of its own; a runtime whose sessions share one sees to that itself.
    if let Isolation::SharedContainer(tier) = &mut piece.platform.isolation {
        tier.sessions_per_sandbox = None;
    }
    piece.experiment.start = Start::Empty;
    piece.experiment.warmup = Warmup::None;
    piece.experiment.measure = Measure::End;
    let options = RunOptions { compression: live.compress_time.0, sessions: Some(live.sessions) };
    (piece, options)
}
