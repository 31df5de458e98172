//! Quantities with units, as types: a bare `f64` of seconds or `u64` of bytes crosses no module's
//! border. Each type reads and writes the text form that scenarios use (`250ms`, `2GiB`, `40/min`).

mod amount;
mod money;
mod parse;
pub(crate) mod quantity;
mod rate;
mod time;

pub use amount::{Bytes, Change, Cores, Count, Limit, Ratio, Tokens};
pub use money::{Money, PricePerByte, PricePerByteTime, PricePerCall, PricePerTime, PricePerToken};
pub use parse::UnitError;
pub use quantity::Quantity;
pub use rate::{Bandwidth, PerToken, Rate};
pub use time::{Span, Time};
