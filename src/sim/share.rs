//! Tool calls side by side in one sandbox: each runs at min(its cores, vCPUs / calls).

use super::cpu::CallKey;
use crate::units::{Span, Time};

/// Core-nanoseconds that a rounding error may leave of a call that is over.
const TOLERANCE_NANOS: f64 = 1e-3;

/// A tool call in its CPU part.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Running {
    key: CallKey,
    cores: f64,
    /// CPU time left, in core-nanoseconds.
    left: f64,
}

/// The CPU of one sandbox while a batch of calls uses it.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    vcpu: f64,
    at: Time,
    running: Vec<Running>,
}

impl Share {
    /// Of a sandbox of this many vCPUs, with no call yet.
    pub fn new(vcpu: f64) -> Self {
        Share { vcpu, ..Share::default() }
    }

    /// A call's CPU part begins.
    pub fn join(&mut self, now: Time, key: CallKey, cores: f64, work: Span) {
        self.advance(now);
        self.running.push(Running { key, cores, left: work.nanos() as f64 });
    }

    /// A call whose CPU part has ended by `now`; the one that began first if several have.
    pub fn take_ended(&mut self, now: Time) -> Option<CallKey> {
        self.advance(now);
        let place = self.running.iter().position(|call| call.left <= TOLERANCE_NANOS)?;
        Some(self.running.remove(place).key)
    }

    /// A call ends unfinished, if it is in its CPU part.
    pub fn remove(&mut self, now: Time, key: CallKey) {
        self.advance(now);
        self.running.retain(|call| call.key != key);
    }

    /// Cores that serve calls now, in billionths.
    pub fn busy(&self) -> i64 {
        let rates = self.running.iter().map(|call| self.rate(call));
        (rates.sum::<f64>() * 1e9).round() as i64
    }

    /// When the next CPU part ends, at the next whole nanosecond, if none begins before.
    pub fn next_end(&self) -> Option<Time> {
        let nanos = |call: &Running| (call.left.max(0.0) / self.rate(call) - 1e-6).ceil() as u64;
        let first = self.running.iter().map(nanos).min()?;
        Some(self.at + Span::from_nanos(first))
    }

    fn advance(&mut self, now: Time) {
        let elapsed = now.since(self.at).nanos() as f64;
        self.at = self.at.max(now);
        if elapsed == 0.0 {
            return;
        }
        let share = self.vcpu / self.running.len() as f64;
        for call in &mut self.running {
            call.left -= elapsed * call.cores.min(share);
        }
    }

    fn rate(&self, call: &Running) -> f64 {
        call.cores.min(self.vcpu / self.running.len() as f64)
    }
}

/// How long `work` takes alone on so many cores: shared work ends at the next whole nanosecond.
pub(super) fn alone(work: Span, cores: f64) -> Span {
    Span::from_nanos((work.nanos() as f64 / cores - 1e-6).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Time {
        Time::ZERO + Span::from_seconds(s)
    }

    const A: CallKey = CallKey { id: 7, number: 0 };
    const B: CallKey = CallKey { id: 7, number: 1 };

    #[test]
    fn calls_in_one_sandbox_share_its_cores() {
        // 2 vCPUs. A: 4 core-s, up to 2 cores, from 0 s. B: 1 core-s, 1 core, from 1 s.
        // A alone runs at 2: 2 core-s left at 1 s. Then each at min(cores, 2/2) = 1: B is done at
        // 2 s, A has 1 core-s left, at 2 cores: done at 2.5 s.
        let mut share = Share::new(2.0);
        share.join(seconds(0.0), A, 2.0, Span::from_secs(4));
        assert_eq!(share.next_end(), Some(seconds(2.0)));
        share.join(seconds(1.0), B, 1.0, Span::from_secs(1));
        assert_eq!(share.next_end(), Some(seconds(2.0)));
        assert_eq!(share.take_ended(seconds(2.0)), Some(B));
        assert_eq!(share.take_ended(seconds(2.0)), None);
        assert_eq!(share.next_end(), Some(seconds(2.5)));
        assert_eq!(share.take_ended(seconds(2.5)), Some(A));
    }

    #[test]
    fn a_call_alone_takes_its_work_over_its_cores() {
        assert_eq!(alone(Span::from_secs(3), 1.5), Span::from_secs(2));
        assert_eq!(alone(Span::from_secs(3), 0.5), Span::from_secs(6));
        assert_eq!(alone(Span::from_nanos(1), 3.0), Span::from_nanos(1));
    }
}
