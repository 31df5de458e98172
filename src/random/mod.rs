//! Stateless random draws: a draw is a pure function of what it is for.
//!
//! Nothing is stored per stream, so a draw can be taken in any order, on any thread, by any
//! machine, and a change of supply never shifts the draws of demand.
//!
//! # The function
//!
//! `draw` is one block of Philox2x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As
//! Easy as 1, 2, 3", SC 2011; the variant of the Random123 library), with
//!
//! ```text
//! key        = seed                                                   (64 bits)
//! counter[0] = session                                                (64 bits)
//! counter[1] = replication << 48 | purpose << 40 | index << 8 | block (16 | 8 | 32 | 8 bits)
//! ```
//!
//! One round maps `(c0, c1)` to `(hi ^ key ^ c1, lo)`, where `hi:lo` is the 128-bit product of `c0`
//! and `0xD2B74407B1CE6E93`; there are ten rounds, and before each but the first the key grows by
//! `0x9E3779B97F4A7C15` (wrapping). `draw` is the first word of block 0. A sampler that needs more
//! than one word reads [`Draws`]: word 0 and word 1 of block 0, then of block 1, and so on.
//!
//! A word `x` becomes a number in the open interval (0, 1) as `((x >> 12) + 0.5) · 2⁻⁵²`. Fifty-two
//! bits, not 53: with 53 the half would not fit the mantissa, and the largest word would round
//! to 1. So `u` and `1 − u` are both exact, and neither is ever 0.
//!
//! # Test vectors
//!
//! | seed | replication | session | purpose | index | `draw` |
//! |---|---|---|---|---|---|
//! | 0 | 0 | 0 | 0 (`ArrivalGap`) | 0 | `0xca00a0459843d731` |
//! | 1 | 0 | 0 | 0 (`ArrivalGap`) | 0 | `0xebd2527805330b9c` |
//! | 42 | 3 | 1000 | 0x06 (`Think`) | 7 | `0xf0eb083b1e9adf13` |
//! | 2⁶⁴−1 | 2¹⁶−1 | 2⁶⁴−1 | 0x53 (`ModelError`) | 2³²−1 | `0x7686af5947de3e70` |
//!
//! ```
//! use plimsoll::random::{Purpose, draw};
//! assert_eq!(draw(0, 0, 0, Purpose::ArrivalGap, 0), 0xca00a0459843d731);
//! ```

mod draws;
mod philox;
mod purpose;

pub use draws::{Draws, draw};
pub use purpose::Purpose;
