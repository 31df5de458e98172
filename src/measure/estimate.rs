//! A number that travels with its interval, or with the reason why it has none.

use std::fmt;

/// A number and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number, in the record's unit.
    pub value: f64,
    /// How well it is known.
    pub spread: Spread,
}

/// How well a number is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// A 95 % interval, low and high.
    Interval([f64; 2]),
    /// Nothing about it is random.
    Exact,
    /// One replication says nothing about the next one.
    OneReplication,
    /// There are several replications, but too few observations for this statistic.
    TooFew,
}

impl Estimate {
    /// The 95 % interval, if there is one.
    pub fn ci95(&self) -> Option<[f64; 2]> {
        match self.spread {
            Spread::Interval(interval) => Some(interval),
            _ => None,
        }
    }

    /// Why there is no interval; `None` if there is one.
    pub fn why_none(&self) -> Option<&'static str> {
        match self.spread {
            Spread::Interval(_) => None,
            Spread::Exact => Some("exact: nothing is random"),
            Spread::OneReplication => Some("one replication"),
            Spread::TooFew => Some("too few observations"),
        }
    }
}

impl Spread {
    /// The spread of a record's number: its interval if it has one, else the reason.
    pub fn of(interval: Option<[f64; 2]>, exact: bool, replications: usize) -> Self {
        match interval {
            _ if exact => Spread::Exact,
            Some(interval) => Spread::Interval(interval),
            None if replications < 2 => Spread::OneReplication,
            None => Spread::TooFew,
        }
    }
}

impl fmt::Display for Estimate {
    /// `1.56 [1.5, 1.62]`, or `1.56 (one replication)`: full precision, for logs and tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spread {
            Spread::Interval([low, high]) => write!(f, "{} [{low}, {high}]", self.value),
            _ => write!(f, "{} ({})", self.value, self.why_none().unwrap_or_default()),
        }
    }
}
