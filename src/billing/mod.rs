//! Usage × a dated rate card = cost.
//!
//! The ledger ([`Usage`]) holds quantities only, so that a changed price needs no new run:
//! [`price`] is a pure function of a saved ledger and any rate card.

mod cost;
mod price;
#[cfg(test)]
mod tests;
mod usage;

pub use cost::{Cost, CostIntervals, CostKey};
pub use price::{CURRENCY, HostRates, Rates, price};
pub use usage::{HostLedger, LongTokens, Phases, TokenLedger, Usage};
