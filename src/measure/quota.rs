//! What came to a quota, and what it held up.

use crate::stats::TimeWeighted;

/// What one quota saw in a replication.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaUse {
    /// Requests that came to it since the warm-up's end.
    pub asked: u64,
    /// Those that waited, were refused or were turned away because of it.
    pub held_up: u64,
    /// What is used of it: at present, or in the window that ends now.
    pub level: TimeWeighted,
}

impl QuotaUse {
    /// A quota of which nothing is used.
    pub(super) fn new() -> Self {
        QuotaUse { asked: 0, held_up: 0, level: TimeWeighted::new() }
    }

    /// The same quota with nothing counted: what is used stays used.
    pub(super) fn uncounted(&self) -> Self {
        QuotaUse { asked: 0, held_up: 0, level: self.level.clone() }
    }

    /// Takes a later piece of the same replication, but for its level.
    pub(super) fn add(&mut self, later: &QuotaUse) {
        self.asked += later.asked;
        self.held_up += later.held_up;
    }

    /// The most that was used of it for any time.
    pub fn peak(&self) -> i64 {
        self.level.max().unwrap_or(0)
    }
}
