//! Quantities that only some rate cards need. A run records them if its own card does.

use serde::{Deserialize, Serialize};

use super::usage::Phases;
use crate::scenario::types::{
    BillFrom, ComputeRates, ComputeShape, MemoryLevel, Rounding, Scenario,
};
use crate::units::Bytes;

/// What of a platform's rate card has to be metered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeterTerms {
    /// Slots held, by what for.
    pub slots: bool,
    /// Memory consumed.
    pub memory: Option<MemoryTerms>,
    /// Holdings rounded up.
    pub round: Option<(Rounding, BillFrom)>,
}

/// How consumed memory is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryTerms {
    /// What a sandbox consumes at least.
    pub floor: Bytes,
    /// The most that was held so far counts.
    pub peak: bool,
}

impl MeterTerms {
    /// What the scenario's rate card needs.
    pub fn of(scenario: &Scenario) -> Self {
        let ComputeRates { shape, session, round, bill_from, memory_floor, memory_level, .. } =
            scenario.platform.rates.compute;
        let consumes = shape == ComputeShape::ActiveCpuConsumedMemory;
        let peak = memory_level == MemoryLevel::Peak;
        MeterTerms {
            slots: consumes || session.per_time().is_some(),
            memory: consumes.then_some(MemoryTerms { floor: memory_floor, peak }),
            round: round
                .filter(|round| !(round.to.is_zero() && round.min.is_zero()))
                .map(|round| (round, bill_from)),
        }
    }

    /// Whether nothing has to be metered.
    pub fn is_idle(&self) -> bool {
        *self == MeterTerms::default()
    }
}

/// Memory that sandboxes consumed, above a floor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumedLedger {
    /// The floor, bytes: what a sandbox consumes at least.
    pub floor_bytes: u64,
    /// Whether the most that was held so far counts, and not what is held.
    pub peak: bool,
    /// GiB-seconds above the floor, by what the holder was doing.
    pub gib_seconds_above: Phases,
}

/// What rounding each holding of a slot up adds, by what its holder was doing; starts have none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundedLedger {
    /// The rounding.
    pub round: Rounding,
    /// From when a holding is charged.
    pub bill_from: BillFrom,
    /// Holdings that were rounded.
    pub holdings: f64,
    /// Seconds.
    pub seconds: Phases,
    /// vCPU-seconds.
    pub vcpu_seconds: Phases,
    /// GiB-seconds.
    pub gib_seconds: Phases,
}

impl ConsumedLedger {
    pub(super) fn add(&mut self, other: &ConsumedLedger) {
        self.gib_seconds_above.add(&other.gib_seconds_above);
    }

    pub(super) fn divide(&mut self, n: f64) {
        self.gib_seconds_above.divide(n);
    }
}

impl RoundedLedger {
    /// Nothing rounded yet.
    pub fn new(round: Rounding, bill_from: BillFrom) -> Self {
        let none = Phases::default();
        RoundedLedger {
            round,
            bill_from,
            holdings: 0.0,
            seconds: none,
            vcpu_seconds: none,
            gib_seconds: none,
        }
    }

    pub(super) fn add(&mut self, other: &RoundedLedger) {
        self.holdings += other.holdings;
        self.seconds.add(&other.seconds);
        self.vcpu_seconds.add(&other.vcpu_seconds);
        self.gib_seconds.add(&other.gib_seconds);
    }

    pub(super) fn divide(&mut self, n: f64) {
        self.holdings /= n;
        self.seconds.divide(n);
        self.vcpu_seconds.divide(n);
        self.gib_seconds.divide(n);
    }
}

/// Adds to what may not be there yet.
pub(super) fn merge<T: Copy>(sum: &mut Option<T>, other: Option<&T>, add: fn(&mut T, &T)) {
    match (sum, other) {
        (Some(sum), Some(other)) => add(sum, other),
        (sum @ None, Some(other)) => *sum = Some(*other),
        (_, None) => {}
    }
}
