//! Replications, warm-up, when to stop, and the twin of a live run.

mod calibrate;
mod changes;
mod comparison;
mod design;
mod exact;
mod expectation;
mod explain;
mod input;
mod lived;
mod looks;
mod piece;
mod provisioned;
mod quotas;
mod replicate;
mod simulated;
mod stock;
mod tiers;
mod twin;
mod windows;

pub use calibrate::{Calibration, calibrate};
pub use comparison::beside;
pub use design::{Arms, DesignError, Study, arms, design};
pub use expectation::{Expectation, Mean, ModelLoad, expectation};
pub use explain::{Explanation, explain};
pub use lived::{live_record, twin_record};
pub use piece::piece;
pub use replicate::{Design, replicate, replicate_arms, until_decided};
pub use simulated::{SimulateError, Simulated, hash, judge, judge_live, setup, simulated};
pub use tiers::{Measured, TierComparison, TierMeasure, TierRecord, tiers};
pub use twin::{Foretold, ModelError, QuantileError, Twin, TwinProfile, foretold, twin};
pub use windows::{NamedWindow, WindowError, windows};
