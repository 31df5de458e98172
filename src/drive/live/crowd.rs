//! Operations from when they are asked for until they are over, and how crowded the backend was meanwhile.

use crate::drive::runtime::StartStages;
use crate::drive::samples::OperationSample;
use crate::units::{Bytes, Span, Time};

/// Integrals over time of what is under way, which is how an operation knows what was beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    cores: u64,
    at: Time,
    /// Operations under way times seconds.
    operations: f64,
    /// Seconds with more operations under way than the machine has cores.
    crowded: f64,
}

/// What was beside one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Company {
    /// From its begin to its end.
    pub lasted: Span,
    /// Other operations under way, in the mean over that time.
    pub others: f64,
    /// The share of that time with more operations under way than the machine has cores.
    pub crowded: f64,
}

impl Crowd {
    pub fn on(cores: usize) -> Self {
        Crowd { cores: cores as u64, at: Time::ZERO, operations: 0.0, crowded: 0.0 }
    }

    /// Up to now so many operations were under way, since last asked.
    pub fn advance(&mut self, now: Time, under_way: u64) {
        let seconds = now.since(self.at).seconds();
        self.at = self.at.max(now);
        self.operations += under_way as f64 * seconds;
        if under_way > self.cores {
            self.crowded += seconds;
        }
    }

    /// What was beside an operation that is over now and began then.
    pub fn since(&self, begun: &Crowd) -> Company {
        let lasted = self.at.since(begun.at);
        if lasted.is_zero() {
            return Company { lasted, others: 0.0, crowded: 0.0 };
        }
        let per_second = 1.0 / lasted.seconds();
        Company {
            lasted,
            others: ((self.operations - begun.operations) * per_second - 1.0).max(0.0),
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
        let Company { lasted, others, crowded } = self.crowd.since(&asked.crowd);
        let took = self.at.since(asked.at);
        OperationSample {
            session,
            in_flight: 1,
            under_way: asked.under_way,
            others,
            crowded,
            took,
            lasted: lasted.max(took),
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
        // It begins at 3 beside one other; a third comes at 5; one goes at 6, it and the last at 7.
        crowd.advance(at(3), 1);
        let begun = crowd;
        crowd.advance(at(5), 2);
        crowd.advance(at(6), 3);
        crowd.advance(at(7), 2);
        let company = crowd.since(&begun);
        assert_eq!(company.lasted, Span::from_secs(4));
        assert!((company.others - (1.0 + 1.0 + 2.0 + 1.0) / 4.0).abs() < 1e-12, "{company:?}");
        assert!((company.crowded - 0.25).abs() < 1e-12, "{company:?}");
        // Clocks of two threads may be a little apart.
        crowd.advance(at(6), 2);
        assert_eq!(crowd.since(&crowd.clone()).others, 0.0);
    }
}
