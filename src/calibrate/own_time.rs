//! What operations take by themselves, from what they took on a machine that had more to do.

use crate::drive::samples::{OperationSample, Samples, ToolSample};
use crate::measure::record::MachineRecord;
use crate::units::Span;

/// Operations that found a core free needed to leave the others out.
const FEWEST_FREE: usize = 30;

/// A live run's operations, and the machine that they were done on; none if the run does not tell.
#[derive(Clone, Debug, Default)]
pub struct LiveRun {
    /// The operations.
    pub samples: Samples,
    /// What became of the machine's CPU time.
    pub machine: Option<MachineRecord>,
}

/// An operation that takes CPU time.
pub(super) trait Operation: Copy {
    /// Operations under way when it began, itself counted.
    fn under_way(&self) -> u32;
    /// The same on a machine that is so many times as fast; what waits for I/O takes as long.
    fn at(self, speed: f64) -> Self;
}

impl Operation for OperationSample {
    fn under_way(&self) -> u32 {
        self.under_way
    }

    fn at(self, speed: f64) -> Self {
        OperationSample { took: scaled(self.took, speed), ..self }
    }
}

impl Operation for ToolSample {
    fn under_way(&self) -> u32 {
        self.under_way
    }

    fn at(self, speed: f64) -> Self {
        let working = scaled(self.took.saturating_sub(self.waiting), speed);
        let computing = scaled(self.computing, speed);
        ToolSample { took: working + self.waiting, computing, ..self }
    }
}

fn scaled(span: Span, by: f64) -> Span {
    if by == 1.0 { span } else { Span::from_seconds(span.seconds() * by) }
}

/// Operations that were asked for beside more of them than the machine has cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowded {
    /// Left out.
    pub left_out: usize,
    /// Kept, because too few others of their kind are there.
    pub kept: usize,
    /// Operations in all.
    pub of: usize,
}

/// Operations of all runs, each with its run: those that were asked for beside no more than the machine
/// has cores, or all if they are too few; at the speed that the machine would have had if nothing had been stolen.
pub(super) fn own_times<T: Operation>(
    runs: &[LiveRun],
    of: fn(&Samples) -> &Vec<T>,
    crowded: &mut Crowded,
) -> Vec<(usize, T)> {
    let all = || {
        runs.iter()
            .enumerate()
            .flat_map(|(n, run)| of(&run.samples).iter().map(move |one| (n, one)))
    };
    let free = |(run, one): &(usize, &T)| {
        runs[*run].machine.is_none_or(|machine| one.under_way() <= machine.cores)
    };
    let (count, enough) = (all().count(), all().filter(free).count());
    let some = enough >= FEWEST_FREE;
    crowded.of += count;
    *(if some { &mut crowded.left_out } else { &mut crowded.kept }) += count - enough;
    all()
        .filter(|one| !some || free(one))
        .map(|(run, one)| {
            let speed = runs[run].machine.map_or(1.0, |machine| 1.0 - machine.stolen_share());
            (run, one.at(speed))
        })
        .collect()
}
