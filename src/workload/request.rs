//! One attempt of a model call, as a provider is asked.

use super::plan::ModelId;
use crate::units::Span;

/// One attempt of a model call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// The session's number, which keys draws.
    pub session: u64,
    /// The step in the session and the attempt, which key draws.
    pub key: u32,
    /// The model called.
    pub model: ModelId,
    /// Prompt tokens, cut to the window.
    pub prompt: u64,
    /// The part of them that comes from the cache.
    pub cached: u64,
    /// Output tokens planned.
    pub output: u64,
    /// Recorded duration, not compressed.
    pub latency: Option<Span>,
    /// Whether the plan says that this attempt fails; `None` leaves it to a draw.
    pub fails: Option<bool>,
    /// Whether the prompt was cut.
    pub truncated: bool,
    /// Attempts of this call before this one.
    pub attempt: u32,
}
