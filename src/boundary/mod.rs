//! What must hold, judged on a record with its intervals.
//!
//! A boundary holds if the whole 95 % interval of its quantity is on the right side of the
//! threshold, is broken if the whole interval is on the wrong side, and is inconclusive otherwise;
//! without an interval it is inconclusive too, unless nothing in the run is random. A live run is one
//! replication: what its single sessions tell is judged over them.

mod change;
mod expr;
mod live;
mod lookup;
mod quantity;
mod replicated;
mod stage;
#[cfg(test)]
mod tests;
mod unit;
mod verdict;

pub use change::{change_record, find_change};
pub use expr::{Comparison, Expr, ExprError};
pub use live::LiveSessions;
pub use lookup::{Found, find, find_at};
pub use quantity::{Extent, Quantity, Stat, names};
pub use replicated::{state_at, widen};
pub use stage::{TierKnown, judge as stage};
pub use unit::Unit;
pub use verdict::{Boundaries, Judgement, Levels, Outcome, Parts, decide};
