//! When to look at the verdicts, and how much error each look may spend.

use std::sync::OnceLock;

use crate::boundary::{Judgement, Outcome};
use crate::measure::record::{DecisionRecord, LookRecord, Together};
use crate::scenario::types::{Expect, Replications};
use crate::stats::{spending, stopped};

/// Share of runs in which a boundary may be decided wrongly, both sides together.
const ERROR: f64 = 0.05;

/// Families beyond this size share the levels of this one's Bonferroni bound.
const FAMILIES: usize = 256;

/// The looks of a study, and the levels at them.
pub(super) struct LookPlan {
    /// Replications at each look.
    pub(super) looks: Vec<u32>,
    /// Nothing is random, so nothing is tested.
    exact: bool,
    /// Verdicts tell when to stop.
    decides: bool,
    /// By the size of the family less one: the levels at the looks.
    levels: Vec<OnceLock<Vec<f64>>>,
    /// The level that intervals are stated at.
    stated: OnceLock<f64>,
}

impl LookPlan {
    /// The looks that a scenario asks for. Where nothing is random one replication says all.
    pub(super) fn new(replications: &Replications, exact: bool, decides: bool) -> Self {
        let looks = match replications {
            Replications::Fixed(n) => vec![*n],
            Replications::Until(_) if exact => vec![1],
            Replications::Until(looks) => looks.looks.clone(),
        };
        let levels = (0..FAMILIES).map(|_| OnceLock::new()).collect();
        LookPlan { looks, exact, decides, levels, stated: OnceLock::new() }
    }

    /// The two-sided level of one of `family` hypotheses at a look.
    pub(super) fn level(&self, look: usize, family: usize) -> f64 {
        let error = ERROR / family.max(1) as f64;
        if self.looks.len() < 2 {
            return error;
        }
        let family = family.clamp(1, FAMILIES);
        let levels = self.levels[family - 1]
            .get_or_init(|| spending::levels(&self.looks, ERROR / family as f64));
        let level = levels.get(look).copied().unwrap_or(0.0);
        level * (error / (ERROR / family as f64)).min(1.0)
    }

    /// The two-sided level that intervals are stated at, so that they miss in 5 % of runs also where
    /// the study stops when it is decided.
    pub(super) fn stated(&self) -> f64 {
        let level = || {
            let depends = self.decides && !self.exact;
            if depends { stopped::stated_level(&self.looks, ERROR) } else { ERROR }
        };
        *self.stated.get_or_init(level)
    }

    /// What the record says of it; `None` where nothing was tested.
    pub(super) fn record(
        &self,
        judgement: &Judgement,
        open: Vec<Vec<String>>,
    ) -> Option<DecisionRecord> {
        if judgement.boundaries.is_empty() || self.exact {
            return None;
        }
        let last = f64::from(*self.looks.last()?);
        let mut open = open.into_iter();
        let looks = self.looks.iter().enumerate().map(|(number, look)| LookRecord {
            replications: *look,
            spent: spending::spent(f64::from(*look) / last, ERROR),
            level: self.level(number, 1),
            open: open.next(),
        });
        let surprising = |expected: Expect, verdict| {
            use crate::measure::record::Verdict::{Broken, Holds};
            matches!((expected, verdict), (Expect::Holds, Broken) | (Expect::Broken, Holds))
        };
        let surprises =
            judgement.boundaries.iter().filter(|(_, b)| surprising(b.expected, b.verdict));
        Some(DecisionRecord {
            error: ERROR,
            spending: if self.looks.len() > 1 {
                "error × (share of the looks)³ (Lan and DeMets 1983; Kim and DeMets 1987)"
                    .to_owned()
            } else {
                "one look".to_owned()
            },
            looks: looks.collect(),
            intervals: self.stated(),
            together: match judgement.outcome {
                Outcome::Yes => Together::AsExpected,
                Outcome::No => Together::Surprise,
                Outcome::Inconclusive => Together::Inconclusive,
            },
            all_as_expected: "intersection-union (Berger 1982): each at its own level".to_owned(),
            surprises: surprises.map(|(name, _)| name.clone()).collect(),
            surprises_by: "Holm (1979): none is named wrongly in 95% of runs".to_owned(),
        })
    }
}
