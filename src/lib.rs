//! plimsoll: the load line of an AI-agent platform.
pub mod units;
