//! A bandwidth shared equally by the transfers under way.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::units::{Bandwidth, Span, Time};

/// Time that a rounding error may leave of a transfer that is over, in nanoseconds.
const TOLERANCE_NANOS: f64 = 1e-6;
/// Bytes on the clock from which on it starts over, so that its rounding error does not grow.
const CLOCK_MAX: f64 = 1e9;

/// Equal sharing by one virtual clock: it counts the bytes that each transfer under way has been
/// served, so a transfer ends when the clock reaches its size beyond where the clock stood when it
/// began (Egalitarian processor sharing).
#[derive(Debug)]
pub struct Pipe {
    bytes_per_nano: f64,
    clock: f64,
    at: Time,
    under_way: BinaryHeap<Transfer>,
    begun: u64,
}

#[derive(Debug, PartialEq)]
struct Transfer {
    ends: f64,
    order: u64,
    id: u32,
}

impl Pipe {
    /// A pipe of this bandwidth with nothing in it.
    pub fn new(bandwidth: Bandwidth) -> Self {
        Pipe {
            bytes_per_nano: bandwidth.bytes_per_second() / 1e9,
            clock: 0.0,
            at: Time::ZERO,
            under_way: BinaryHeap::new(),
            begun: 0,
        }
    }

    /// How long so many bytes take that nothing is beside.
    pub fn alone(&self, bytes: f64) -> Span {
        Span::from_seconds(bytes / self.bytes_per_nano / 1e9)
    }

    /// Whether transfers take no time.
    pub fn is_unlimited(&self) -> bool {
        self.bytes_per_nano.is_infinite()
    }

    /// A transfer begins.
    pub fn join(&mut self, now: Time, id: u32, bytes: f64) {
        self.advance(now);
        self.begun += 1;
        self.under_way.push(Transfer { ends: self.clock + bytes, order: self.begun, id });
    }

    /// A transfer that ended by `now`; the one that began first if several did.
    pub fn take_ended(&mut self, now: Time) -> Option<u32> {
        self.advance(now);
        let over = self.first_left()? <= TOLERANCE_NANOS;
        if over { self.under_way.pop().map(|transfer| transfer.id) } else { None }
    }

    /// The transfer of `id` ends unfinished.
    pub fn remove(&mut self, now: Time, id: u32) {
        self.advance(now);
        self.under_way.retain(|transfer| transfer.id != id);
    }

    /// When the next transfer ends, at the next whole nanosecond, if none begins before.
    pub fn next_end(&self) -> Option<Time> {
        let left = self.first_left()?;
        Some(self.at + Span::from_nanos((left - TOLERANCE_NANOS).ceil() as u64))
    }

    /// Nanoseconds until the first transfer ends, if none begins before. Whether it is over and when
    /// it ends go by this one number: what is not over ends a nanosecond later at least.
    fn first_left(&self) -> Option<f64> {
        let bytes = (self.under_way.peek()?.ends - self.clock).max(0.0);
        Some(bytes * self.under_way.len() as f64 / self.bytes_per_nano)
    }

    fn advance(&mut self, now: Time) {
        let elapsed = now.since(self.at).nanos() as f64;
        self.at = self.at.max(now);
        if self.under_way.is_empty() {
            self.clock = 0.0;
            return;
        }
        self.clock += elapsed * self.bytes_per_nano / self.under_way.len() as f64;
        if self.clock > CLOCK_MAX {
            let clock = std::mem::take(&mut self.clock);
            let mut transfers = std::mem::take(&mut self.under_way).into_vec();
            transfers.iter_mut().for_each(|transfer| transfer.ends -= clock);
            self.under_way = transfers.into();
        }
    }
}

impl Eq for Transfer {}

impl Ord for Transfer {
    /// Reversed: the heap's greatest ends first; of equals, the one that began first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.ends.total_cmp(&self.ends).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Transfer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Time {
        Time::ZERO + Span::from_seconds(s)
    }

    #[test]
    fn two_transfers_share_and_the_late_one_speeds_up() {
        // 100 B/s. A (300 B) from 0 s, B (100 B) from 1 s. A alone: 100 B by 1 s. Then 50 B/s each:
        // B is done at 3 s, A has 100 B left and the whole pipe: done at 4 s.
        let mut pipe = Pipe::new("100B/s".parse().expect("a bandwidth"));
        pipe.join(seconds(0.0), 7, 300.0);
        assert_eq!(pipe.next_end(), Some(seconds(3.0)));
        pipe.join(seconds(1.0), 8, 100.0);
        assert_eq!(pipe.next_end(), Some(seconds(3.0)));
        assert_eq!(pipe.take_ended(seconds(3.0)), Some(8));
        assert_eq!(pipe.take_ended(seconds(3.0)), None);
        assert_eq!(pipe.next_end(), Some(seconds(4.0)));
        assert_eq!(pipe.take_ended(seconds(4.0)), Some(7));
        assert_eq!(pipe.next_end(), None);
    }

    #[test]
    fn shared_work_ends_at_the_next_whole_nanosecond() {
        let mut pipe = Pipe::new("3B/s".parse().expect("a bandwidth"));
        pipe.join(Time::ZERO, 0, 1.0);
        // 1/3 s is 333,333,333.3 ns.
        assert_eq!(pipe.next_end(), Some(Time::from_nanos(333_333_334)));
        assert_eq!(pipe.take_ended(Time::from_nanos(333_333_334)), Some(0));
    }

    #[test]
    fn equal_ends_come_in_the_order_they_began() {
        let mut pipe = Pipe::new("10B/s".parse().expect("a bandwidth"));
        for id in [4, 2, 9] {
            pipe.join(Time::ZERO, id, 5.0);
        }
        let end = pipe.next_end().expect("three are under way");
        assert_eq!(end, seconds(1.5));
        let order: Vec<_> = std::iter::from_fn(|| pipe.take_ended(end)).collect();
        assert_eq!(order, [4, 2, 9]);
    }

    /// A pipe that is never empty for a year: 10 GB/s, transfers of 3 GB and a little every 0.2 s,
    /// two at a time at least.
    #[test]
    fn a_pipe_that_never_runs_dry_stays_exact() {
        let mut pipe = Pipe::new("10000MB/s".parse().expect("a bandwidth"));
        let (mut now, mut done, mut looks) = (Time::ZERO, 0_u32, 0_u32);
        pipe.join(now, 0, 3e9 + 1.0);
        for number in 1..200_000 {
            pipe.join(now, number, 3e9 + f64::from(number % 7) / 3.0);
            while pipe.under_way.len() > 1 {
                now = pipe.next_end().expect("two are under way");
                while pipe.take_ended(now).is_some() {
                    done += 1;
                }
                looks += 1;
            }
        }
        assert!(looks <= done + 10, "{looks} looks for {done} ends");
        // Work is conserved: all bytes but those of the one under way have passed.
        let (left, served) = (pipe.first_left().expect("one is left"), now.seconds() * 1e10);
        let passed = f64::from(done) * 3e9;
        assert!(
            left >= 0.0 && (served - passed).abs() < 4e9,
            "{served} B served, {passed} B passed"
        );
    }
}
