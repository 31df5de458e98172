//! Statistics of runs: summaries of observations, time-weighted averages, intervals, tests.
//!
//! | what | where |
//! |---|---|
//! | observations of one metric: exact sums beside a histogram | [`Summary`], [`write_hlog`] |
//! | gauges: exact integrals over time | [`TimeWeighted`], [`TimeWeightedReal`] |
//! | intervals over replications | [`interval`], [`student_t`] |
//! | differences and ratios of two arms, uncertain demand | [`paired`] |
//! | the level of each of several looks | [`spending`] |
//! | intervals stated after a stop at one of them | [`stopped`] |
//! | warm-up truncation | [`mser5`] |
//! | goodness of fit | [`ks`] |
//! | families fitted to a sample, by maximum likelihood | [`fit`] |

pub mod fit;
mod histogram;
mod hlog;
pub mod interval;
pub mod ks;
mod mser;
pub mod paired;
pub mod special;
pub mod spending;
pub mod stopped;
mod time_weighted;

pub use histogram::{Summary, rank_of};
pub use hlog::{HlogError, write_hlog};
pub use interval::{student_t, student_t_quantile};
pub use mser::{MserError, mser5};
pub use time_weighted::{TimeWeighted, TimeWeightedReal};
