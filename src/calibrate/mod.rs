//! Calibration: from what starts and other operations took to a platform profile, and how far its
//! predictions are from what it has not seen.
//!
//! | part | does |
//! |---|---|
//! | [`read_table`] | durations from a CSV table, by group, day and starts in flight |
//! | [`StageFit`] | one stage: the best family of [`crate::stats::fit`], or the sample's own quantiles where that is too far off; contention over starts in flight; drift of days |
//! | [`Prediction`] | what that says of durations to come |
//! | [`live_series`] | durations, factors, sizes and bandwidths from the operations of live runs, as they are without others beside them and with all the CPU time that the machine wanted |
//! | `on_machine`, `full_speed` | what they take of the cores of that machine, and how much those slow each other down, for predictions of other runs on it |
//! | [`Profile`] | all of it as a preset file, each number with its mark, date, host, sample size and interval |
//! | [`validate`], [`summaries`] | its errors, beside those of carrying the sample's quantiles over |

mod contention;
mod drift;
mod full_speed;
mod live;
mod on_machine;
mod own_time;
mod prediction;
mod profile;
mod quantile;
mod ratio;
mod record;
mod series;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod validate;

pub use contention::{ContentionFit, Level};
pub use drift::{Drift, DriftForm};
pub use live::{LiveSeries, live_series};
pub use own_time::{Crowded, LiveRun};
pub use prediction::Prediction;
pub use profile::{About, Keeps, Number, Profile, Stage};
pub use quantile::Quantile;
pub use record::{Calibrated, CandidateRecord, ParameterRecord, ProfileRecord, StageRecord};
pub use series::{Series, Timed};
pub use stage::{Form, KS_CHANCE, Point, StageFit};
pub use table::{Columns, TableError, read_table};
pub use validate::{QuantileError, Summary, Validated, summaries, validate};
