//! What the sessions of one live run say by themselves.

use super::quantity::{Quantity, Stat};
use crate::measure::clusters::{self, Clusters, OfTurn};
use crate::measure::record::ScorecardKey;
use crate::measure::{Counter, Estimate, Metric, Spread, Totals, TurnSample, interval};

/// The sessions of a live run: one replication, but many sessions, which are nearly independent.
#[derive(Clone, Debug)]
pub struct LiveSessions {
    turns: Clusters,
    completed: u64,
    over: u64,
    model_error: Vec<(Metric, Stat, Estimate)>,
}

impl LiveSessions {
    /// From what was measured, and its turns.
    pub fn of(totals: &Totals, turns: &[TurnSample]) -> Self {
        let completed = totals.counter(Counter::SessionsCompleted);
        let lost = [Counter::SessionsFailed, Counter::SessionsRejected];
        let over = completed + lost.iter().map(|c| totals.counter(*c)).sum::<u64>();
        LiveSessions { turns: Clusters::of(turns), completed, over, model_error: Vec::new() }
    }

    /// With how far the run's twin is from it: absolute relative errors, with 95 % intervals.
    #[must_use]
    pub fn with_model_error(self, model_error: Vec<(Metric, Stat, Estimate)>) -> Self {
        LiveSessions { model_error, ..self }
    }

    /// A quantity with the interval that misses it in the share `error` of runs; `None` for one that
    /// single sessions do not tell: their turns' lengths and ends do.
    pub(super) fn find(&self, quantity: Quantity, error: f64) -> Option<Estimate> {
        let (metric, stat) = match quantity {
            Quantity::Score(ScorecardKey::SuccessRate) => {
                return clusters::share(self.completed, self.over, error);
            }
            Quantity::Metric(metric, stat) => (metric, stat),
            Quantity::ModelError(metric, stat) => return self.error_of(metric, stat, error),
            _ => return None,
        };
        let of: OfTurn = match metric {
            Metric::Turn => |turn| turn.length,
            Metric::PlatformTime => |turn| turn.platform_time,
            _ => return None,
        };
        let q = match stat {
            Stat::Mean => return self.turns.mean(of, error),
            Stat::P50 => 0.5,
            Stat::P90 => 0.9,
            Stat::P95 => 0.95,
            Stat::P99 => 0.99,
            Stat::P999 => 0.999,
            Stat::Max | Stat::Min | Stat::Count => return None,
        };
        self.turns.quantile(of, q, error)
    }

    fn error_of(&self, metric: Metric, stat: Stat, error: f64) -> Option<Estimate> {
        let found = self.model_error.iter().find(|(m, s, _)| (*m, *s) == (metric, stat))?.2;
        let Spread::Interval(ci95) = found.spread else { return Some(found) };
        let [low, high] = interval::widened(found.value, ci95, error, self.turns.sessions());
        Some(Estimate { spread: Spread::Interval([low.max(0.0), high]), ..found })
    }

    /// What an estimate rests on, and how many sessions would decide it.
    pub(super) fn say(&self, estimate: &Estimate, threshold: f64, open: bool) -> String {
        let n = self.turns.sessions();
        let rests = format!("over {n} sessions of one live run");
        match clusters::needed(estimate, threshold, n).filter(|_| open) {
            Some(needed) => format!("{rests}; some {needed} sessions would decide"),
            None if open => format!("{rests}; more sessions would say more"),
            None => rests,
        }
    }
}
