//! The one machine that a live run's sandboxes are all on, for its twin.

use crate::measure::record::MachineRecord;
use crate::units::Cores;

/// A machine whose cores starts, snapshots and calls share, one core for each at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Its cores.
    pub cores: Cores,
    /// How fast one is that is alone at work: 1 if it gets all the time that it wants, 0.75 if a hypervisor
    /// gives a quarter of it to others.
    pub speed: f64,
}

impl From<MachineRecord> for Machine {
    fn from(record: MachineRecord) -> Self {
        Machine { cores: Cores(f64::from(record.cores)), speed: 1.0 - record.stolen_from_one() }
    }
}
