//! Windows of time that are measured apart.

use crate::units::{Span, Time};

/// When a window is, in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowTimes {
    /// It comes again after this long; `None` for once.
    pub cycle: Option<Span>,
    /// Where it begins, counted from the cycle's begin, or from time 0.
    pub from: Span,
    /// Where it ends; before `from` it ends in the next cycle.
    pub to: Span,
}

impl WindowTimes {
    /// Whether an instant is in it; its end is not.
    pub fn holds(&self, at: Time) -> bool {
        let place = self.place(at);
        if self.from <= self.to {
            (self.from..self.to).contains(&place)
        } else {
            place >= self.from || place < self.to
        }
    }

    /// Its next edge after an instant.
    fn next_edge(&self, after: Time) -> Option<Time> {
        let place = self.place(after);
        let begun = after.nanos() - place.nanos();
        let edges = [self.from, self.to];
        let this = edges.into_iter().filter(|edge| *edge > place).min().map(|edge| (begun, edge));
        let next = || {
            let cycle = self.cycle?;
            let first = edges.into_iter().min()?;
            Some((begun.checked_add(cycle.nanos())?, first))
        };
        let (begun, edge) = this.or_else(next)?;
        begun.checked_add(edge.nanos()).map(Time::from_nanos)
    }

    /// The place of an instant within the cycle.
    fn place(&self, at: Time) -> Span {
        let nanos = self.cycle.map_or(at.nanos(), |cycle| at.nanos() % cycle.nanos());
        Span::from_nanos(nanos)
    }
}

/// The first edge of any window after an instant; [`Time::MAX`] for none.
pub(super) fn next_edge(windows: &[WindowTimes], after: Time) -> Time {
    windows.iter().filter_map(|window| window.next_edge(after)).min().unwrap_or(Time::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(n: u64) -> Span {
        Span::from_secs(3_600 * n)
    }

    fn at(n: u64) -> Time {
        Time::ZERO + hours(n)
    }

    #[test]
    fn a_window_of_each_day_comes_again() {
        let window = WindowTimes { cycle: Some(hours(24)), from: hours(14), to: hours(18) };
        let inside: Vec<u64> = (0..48).filter(|n| window.holds(at(*n))).collect();
        assert_eq!(inside, [14, 15, 16, 17, 38, 39, 40, 41]);
        assert_eq!(window.next_edge(at(0)), Some(at(14)));
        assert_eq!(window.next_edge(at(14)), Some(at(18)));
        assert_eq!(window.next_edge(at(18)), Some(at(38)));
        assert_eq!(next_edge(&[window], at(41)), at(42));
    }

    #[test]
    fn over_midnight_and_only_once() {
        let night = WindowTimes { cycle: Some(hours(24)), from: hours(22), to: hours(2) };
        let inside: Vec<u64> = (0..26).filter(|n| night.holds(at(*n))).collect();
        assert_eq!(inside, [0, 1, 22, 23, 24, 25]);
        assert_eq!(night.next_edge(at(22)), Some(at(26)));
        let once = WindowTimes { cycle: None, from: hours(1), to: hours(3) };
        assert_eq!(once.next_edge(at(1)), Some(at(3)));
        assert_eq!(once.next_edge(at(3)), None);
        assert_eq!(next_edge(&[once, night], at(3)), at(22));
        assert_eq!(next_edge(&[], at(3)), Time::MAX);
    }
}
