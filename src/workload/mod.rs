//! Demand at work: arrival processes, session plans, the session machine, trace readers.

pub mod arrivals;
pub mod drawn;
pub mod length;
mod modulated;
pub mod plan;
pub mod profile;
mod request;
pub mod session;
mod terms;
pub mod trace;
