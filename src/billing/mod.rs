//! Usage × a dated rate card = cost.
//!
//! The ledger ([`Usage`]) holds quantities only, so that a changed price needs no new run:
//! [`price`] is a pure function of a saved ledger and any rate card.

mod compute;
mod cost;
mod hosts;
#[cfg(test)]
mod ledgers;
mod line;
mod metered;
mod price;
#[cfg(test)]
mod reserved;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;

pub use cost::{Cost, CostIntervals, CostKey};
pub use line::{CostLine, Part};
pub use metered::{ConsumedLedger, MemoryTerms, MeterTerms, RoundedLedger};
pub use price::{CURRENCY, HostRates, Rates, lacks, price};
pub use tokens::{BreakEven, break_even};
pub use usage::{HostLedger, LongTokens, Phases, ProvisionedTokens, TokenLedger, Usage};
