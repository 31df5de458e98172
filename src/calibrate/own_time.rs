//! What operations take by themselves, from what they took on a machine that had more to do.

use crate::drive::samples::{OperationSample, Samples, ToolSample};
use crate::measure::record::MachineRecord;
use crate::units::Span;

/// Operations that found a core free needed to leave the others out.
pub(super) const FEWEST_FREE: usize = 30;

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
    /// The share of its time with more operations under way than cores.
    fn crowded(&self) -> f64;
    /// Other operations under way, in the mean.
    fn others(&self) -> f64;
    /// The same on a machine that is so many times as fast; what waits for I/O takes as long.
    fn at(self, speed: f64) -> Self;
}

impl Operation for OperationSample {
    fn under_way(&self) -> u32 {
        self.under_way
    }

    fn crowded(&self) -> f64 {
        self.crowded
    }

    fn others(&self) -> f64 {
        self.others
    }

    fn at(self, speed: f64) -> Self {
        OperationSample { took: scaled(self.took, speed), ..self }
    }
}

impl Operation for ToolSample {
    fn under_way(&self) -> u32 {
        self.under_way
    }

    fn crowded(&self) -> f64 {
        self.crowded
    }

    fn others(&self) -> f64 {
        self.others
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

/// Whether there was a core for the operation when it was asked for. One that became crowded later is
/// not left out: the longer it takes the more often that is so.
pub(super) fn found_a_core(machine: Option<MachineRecord>, one: &impl Operation) -> bool {
    machine.is_none_or(|machine| one.under_way() <= machine.cores)
}

/// The share of a core that the operation had: while it was crowded that of one operation more than
/// there are cores.
pub(super) fn share_of_core(machine: MachineRecord, one: &impl Operation) -> f64 {
    1.0 - one.crowded() / (f64::from(machine.cores) + 1.0)
}

/// How fast the operation's core was: beside others at work, crowded, and robbed.
pub(super) fn speed(machine: MachineRecord, one: &impl Operation, full_speed: f64) -> f64 {
    let slower = 1.0 - (1.0 - full_speed) * beside(machine, one);
    slower * share_of_core(machine, one) * (1.0 - machine.stolen_from_one())
}

/// How many of the machine's other cores were at work beside the operation, as a share of them.
pub(super) fn beside(machine: MachineRecord, one: &impl Operation) -> f64 {
    match machine.cores {
        0 | 1 => 0.0,
        cores => (one.others() / f64::from(cores - 1)).min(1.0),
    }
}

/// Operations of all runs, each with its run: those that found a core free when they were asked for, or
/// all if they are too few; at the speed of a core that is alone at work and that nothing is stolen from.
pub(super) fn own_times<T: Operation>(
    runs: &[LiveRun],
    of: fn(&Samples) -> &Vec<T>,
    full_speed: f64,
    crowded: &mut Crowded,
) -> Vec<(usize, T)> {
    let all = || {
        runs.iter()
            .enumerate()
            .flat_map(|(n, run)| of(&run.samples).iter().map(move |one| (n, one)))
    };
    let free = |(run, one): &(usize, &T)| found_a_core(runs[*run].machine, *one);
    let (count, enough) = (all().count(), all().filter(free).count());
    let some = enough >= FEWEST_FREE;
    crowded.of += count;
    *(if some { &mut crowded.left_out } else { &mut crowded.kept }) += count - enough;
    all()
        .filter(|one| !some || free(one))
        .map(|(run, one)| {
            let speed = runs[run].machine.map_or(1.0, |machine| speed(machine, one, full_speed));
            (run, one.at(speed))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn boot(others: f64, crowded: f64) -> OperationSample {
        OperationSample {
            session: 0,
            in_flight: 1,
            under_way: 1,
            others,
            crowded,
            took: Span::from_millis(100),
            lasted: Some(Span::from_millis(100)),
            busy: None,
            bytes: Bytes(0),
            stages: Default::default(),
        }
    }

    fn times(boots: Vec<OperationSample>, machine: MachineRecord) -> Vec<f64> {
        let run =
            LiveRun { samples: Samples { boots, ..Samples::default() }, machine: Some(machine) };
        let found = own_times(&[run], |run| &run.boots, 0.8, &mut Crowded::default());
        found.iter().map(|(_, one)| one.took.seconds()).collect()
    }

    #[test]
    fn company_slows_and_what_finds_no_core_is_left_out() {
        let machine = MachineRecord {
            cores: 3,
            busy_s: 60.0,
            stolen_s: 40.0,
            background_cores: None,
            stolen_alone: Some(0.5),
        };
        // Alone half of the time was its own; beside one of the other two cores 0.9 of that, beside both 0.8.
        let free = [boot(0.0, 0.0), boot(1.0, 0.0), boot(2.0, 0.0), boot(7.0, 0.0)];
        let mut boots: Vec<OperationSample> = free.iter().copied().cycle().take(40).collect();
        // A quarter of its time four shared three cores; one found none at all.
        boots[1] = boot(1.0, 0.25);
        boots.push(OperationSample { under_way: 4, ..boot(0.0, 0.0) });
        let found = times(boots.clone(), machine);
        assert_eq!(found.len(), 40);
        for (value, wanted) in found.iter().zip([0.05, 0.045 * (1.0 - 0.25 / 4.0), 0.04, 0.04]) {
            assert!((value - wanted).abs() < 1e-9, "{value}, not {wanted}");
        }
        // A run that does not tell what was stolen from those alone has but the whole machine's share.
        let found = times(boots.clone(), MachineRecord { stolen_alone: None, ..machine });
        assert!((found[0] - 0.06).abs() < 1e-9);
        let found = times(boots, MachineRecord { cores: 1, ..machine });
        assert!((found[3] - 0.05).abs() < 1e-9, "there is no other core to slow it");
    }
}
