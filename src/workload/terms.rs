//! What a session needs to know of the models that it calls.

use crate::scenario::types::{Model, PromptCache};
use crate::units::{Change, Span};

/// What a session needs to know of a model to call it.
#[derive(Clone, Debug, Default)]
pub struct CallTerms {
    /// Longest prompt.
    pub context_window: Option<u64>,
    /// How long a prompt stays cached after a call's end; `None` for no cache.
    pub cache_lifetime: Option<Span>,
    /// Retries before the session fails.
    pub max_retries: u32,
    /// First backoff.
    pub backoff_base: Span,
    /// Longest backoff.
    pub backoff_cap: Span,
    /// Prompt tokens above which the context is replaced by a summary, and the tokens of that.
    pub compaction: Option<(u64, u64)>,
    /// Change of the tokens that the model brings about: outputs and tool results.
    pub tokens: Change,
    /// Steps more in each turn, as a share.
    pub extra_steps: Change,
}

impl CallTerms {
    /// The terms of a model, with every waited time divided by `compression`.
    pub fn new(model: &Model, compression: f64) -> Self {
        CallTerms {
            context_window: model.context_window.map(|w| w.0),
            cache_lifetime: match model.prompt_cache {
                PromptCache::None => None,
                PromptCache::Lifetime(lifetime) => Some(lifetime.compressed(compression)),
            },
            max_retries: model.retries.max,
            backoff_base: model.retries.base.compressed(compression),
            backoff_cap: model.retries.cap.compressed(compression),
            compaction: model.compaction.map(|terms| (terms.above.0, terms.summary.0)),
            tokens: model.efficiency.tokens,
            extra_steps: model.efficiency.extra_steps,
        }
    }
}

impl CallTerms {
    /// Tokens that the model brings about, changed by its efficiency and rounded half up.
    pub(super) fn tokens(&self, planned: u64) -> u64 {
        if self.tokens.0 == 0.0 {
            planned
        } else {
            (planned as f64 * self.tokens.factor() + 0.5) as u64
        }
    }
}
