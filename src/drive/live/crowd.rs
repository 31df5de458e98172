//! Operations from when they are asked for until they are over, and how crowded the backend was meanwhile.

use crate::drive::runtime::StartStages;
use crate::drive::samples::OperationSample;
use crate::units::{Bytes, Span, Time};

/// Integrals over time of what is under way, which is how an operation knows what was beside it. Each
/// counts by the share of its time that it is expected to work: a call that waits leaves its core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    cores: f64,
    at: Time,
    /// Operations at work now.
    at_work: f64,
    /// The same times seconds.
    operations: f64,
    /// Seconds with more operations at work than the machine has cores.
    crowded: f64,
}

/// What was beside one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Company {
    /// From its begin to its end.
    pub lasted: Span,
    /// Other operations at work, in the mean over that time.
    pub others: f64,
    /// The share of that time with more operations at work than the machine has cores.
    pub crowded: f64,
}

impl Crowd {
    pub fn on(cores: usize) -> Self {
        Crowd { cores: cores as f64, at: Time::ZERO, at_work: 0.0, operations: 0.0, crowded: 0.0 }
    }

    /// Time passes.
    pub fn advance(&mut self, now: Time) {
        let seconds = now.since(self.at).seconds();
        self.at = self.at.max(now);
        self.operations += self.at_work * seconds;
        // Shares add up to whole operations but for rounding.
        if self.at_work > self.cores + 1e-9 {
            self.crowded += seconds;
        }
    }

    /// An operation begins that works for that share of its time.
    pub fn begins(&mut self, now: Time, share: f64) {
        self.advance(now);
        self.at_work += share;
    }

    /// It is over.
    pub fn ends(&mut self, now: Time, share: f64) {
        self.advance(now);
        self.at_work = (self.at_work - share).max(0.0);
    }

    /// What was beside an operation that is over now and was asked for then.
    pub fn since(&self, asked: &Asked) -> Company {
        let begun = &asked.crowd;
        let lasted = self.at.since(begun.at);
        if lasted.is_zero() {
            return Company { lasted, others: 0.0, crowded: 0.0 };
        }
        let per_second = 1.0 / lasted.seconds();
        Company {
            lasted,
            others: ((self.operations - begun.operations) * per_second - asked.share).max(0.0),
            crowded: ((self.crowded - begun.crowded) * per_second).clamp(0.0, 1.0),
        }
    }
}

/// When an operation was asked for, and beside how many, itself counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// When it was meant to begin.
    pub at: Time,
    pub under_way: u32,
    /// Of its time, that it is expected to work.
    pub share: f64,
    pub crowd: Crowd,
}

/// An operation that is over: when what it is for was there, what the machine's cores did meanwhile, if
/// nothing else was under way, and how crowded it was up to now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over {
    pub at: Time,
    pub busy: Option<Span>,
    pub crowd: Crowd,
}

impl Over {
    /// As a sample of an operation that has no bytes, stages, or starts beside it.
    pub fn sample(self, session: u64, asked: Asked) -> OperationSample {
        let Company { lasted, others, crowded } = self.crowd.since(&asked);
        let took = self.at.since(asked.at);
        OperationSample {
            session,
            in_flight: 1,
            under_way: asked.under_way,
            others,
            crowded,
            took,
            lasted: Some(lasted.max(took)),
            busy: self.busy,
            bytes: Bytes(0),
            stages: StartStages::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_is_a_mean_over_the_operations_own_time() {
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        let mut crowd = Crowd::on(2);
        crowd.begins(at(0), 1.0);
        // It begins at 3 beside one other; half a one comes at 5, and another half at 6; one goes at 7, it
        // at 8.
        crowd.advance(at(3));
        let asked = Asked { at: at(3), under_way: 2, share: 1.0, crowd };
        crowd.begins(at(3), 1.0);
        crowd.begins(at(5), 0.5);
        crowd.begins(at(6), 0.5);
        crowd.ends(at(7), 1.0);
        crowd.advance(at(8));
        let company = crowd.since(&asked);
        assert_eq!(company.lasted, Span::from_secs(5));
        assert!(
            (company.others - (1.0 + 1.0 + 1.5 + 2.0 + 1.0) / 5.0).abs() < 1e-12,
            "{company:?}"
        );
        assert!((company.crowded - 2.0 / 5.0).abs() < 1e-12, "{company:?}");
        // Clocks of two threads may be a little apart.
        let asked = Asked { crowd, ..asked };
        crowd.ends(at(6), 1.0);
        assert_eq!(crowd.since(&asked).others, 0.0);
    }
}
