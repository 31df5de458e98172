//! The driver's clock: the kernel's monotonic clock, counted from the start of a run.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::units::Time;

/// Nanoseconds of the kernel's monotonic clock. Processes of one machine agree on it, also across
/// the namespaces that sandboxes live in, so a guest's own timestamps can be placed on the run's
/// time line.
pub fn monotonic_nanos() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// CPU time that the calling thread has used, in nanoseconds.
pub fn thread_cpu_nanos() -> u64 {
    nanos(clock_gettime(ClockId::ThreadCPUTime))
}

fn nanos(stamp: Timespec) -> u64 {
    // Both clocks start at zero (boot, thread start) and never run backwards.
    stamp.tv_sec.unsigned_abs() * 1_000_000_000 + stamp.tv_nsec.unsigned_abs()
}

/// Places the monotonic clock on a run's time line.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: u64,
}

impl Clock {
    /// A clock that shows zero now.
    pub fn start() -> Self {
        Clock { origin: monotonic_nanos() }
    }

    /// The same clock, showing zero at this instant of the present one.
    pub fn starting_at(self, zero: Time) -> Clock {
        Clock { origin: self.monotonic_at(zero) }
    }

    /// The present instant.
    pub fn now(self) -> Time {
        self.place(monotonic_nanos())
    }

    /// A monotonic stamp on the run's time line; what was before the run's start is at zero.
    pub fn place(self, monotonic: u64) -> Time {
        Time::from_nanos(monotonic.saturating_sub(self.origin))
    }

    /// The stamp of the monotonic clock at which this clock shows `at`.
    pub fn monotonic_at(self, at: Time) -> u64 {
        self.origin.saturating_add(at.nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    #[test]
    fn a_stamp_and_its_place_are_inverse() {
        let clock = Clock::start();
        let at = Time::ZERO + Span::from_millis(1500);
        assert_eq!(clock.place(clock.monotonic_at(at)), at);
        assert_eq!(clock.place(0), Time::ZERO);
    }
}
