//! Exit codes. They are part of the interface.

use std::process::ExitCode;

use crate::boundary::Outcome;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Yes: all boundaries as expected, no regression.
    Yes = 0,
    /// No: a boundary broken that was not expected to be, a regression.
    No = 1,
    /// Usage, or a scenario or file that is not valid.
    Usage = 2,
    /// The backend or environment is not available.
    Environment = 3,
    /// Inconclusive, or a run cut short; its partial results are kept and marked.
    Inconclusive = 4,
    /// A bug in plimsoll.
    Bug = 70,
    /// Interrupted by a signal; partial results are kept and marked.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Yes => Exit::Yes,
            Outcome::No => Exit::No,
            Outcome::Inconclusive => Exit::Inconclusive,
        }
    }
}
