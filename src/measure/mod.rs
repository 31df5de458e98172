//! Observations in, one record out, wherever they came from.

mod assemble;
pub mod clusters;
mod estimate;
pub mod interval;
mod names;
mod pool;
mod quota;
pub mod record;
mod recorder;
mod scorecard;
pub mod series;
#[cfg(test)]
mod tests;
mod totals;

pub use assemble::RunInput;
pub use estimate::{Estimate, Spread};
pub use names::{Counter, Gauge, Holding, HostHolding, Metric};
pub use pool::metric_record;
pub use quota::QuotaUse;
pub use recorder::{Recorder, SeriesPoint, TurnSample};
pub use scorecard::{cost_terms, reprice, score_terms};
pub use totals::{ReservedUse, Served, Surplus, SurplusTotals, TokenUse, Totals};
