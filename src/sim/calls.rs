//! Tool calls under way, in a list for each sandbox.

use super::cpu::CallKey;
use crate::engine::{Timer, prefetch};
use crate::units::{Bytes, Span, Time};

/// No call, at a list's end.
pub(super) const NO_CALL: u32 = u32::MAX;
/// Not in its CPU part on a host.
pub(super) const NOT_ON_HOST: u32 = u32::MAX;

/// A tool call under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToolRun {
    pub key: CallKey,
    /// The call of the same sandbox that began before it.
    pub next: u32,
    /// Its place among the calls in their CPU part on its host.
    pub on_host: u32,
    pub from: Time,
    /// From its begin to its CPU part.
    pub waits: Span,
    pub cpu: Span,
    pub cores: f64,
    pub dirtied: Bytes,
    pub memory: u64,
    pub timer: Option<Timer>,
    /// Cores that serve it, in billionths, if it is alone in a sandbox with cores of its own.
    pub busy: i64,
    /// Microseconds of its CPU part in which it reaches into the sandbox.
    pub reaching_us: u32,
    /// It has got its memory.
    pub runs: bool,
    /// It has no others beside it.
    pub alone: bool,
}

/// Tool calls of all sandboxes; places are used again. A sandbox knows the one that began last.
#[derive(Debug, Default)]
pub(super) struct ToolRuns {
    runs: Vec<ToolRun>,
    free: Vec<u32>,
}

impl ToolRuns {
    /// A call begins in the sandbox whose latest is `latest`.
    #[inline]
    pub fn push(&mut self, latest: &mut u32, run: ToolRun) {
        let run = ToolRun { next: *latest, ..run };
        *latest = match self.free.pop() {
            Some(place) => {
                self.runs[place as usize] = run;
                place
            }
            None => {
                self.runs.push(run);
                u32::try_from(self.runs.len() - 1).expect("fewer than 2^32 tool calls run at once")
            }
        };
    }

    /// A call of the sandbox whose latest is `latest`.
    ///
    /// # Panics
    ///
    /// If it is not under way.
    #[inline]
    pub fn get(&mut self, latest: u32, key: CallKey) -> &mut ToolRun {
        let mut place = latest;
        while self.runs[place as usize].key != key {
            place = self.runs[place as usize].next;
        }
        &mut self.runs[place as usize]
    }

    /// Takes a call out of its sandbox.
    ///
    /// # Panics
    ///
    /// If it is not under way.
    #[inline]
    pub fn take(&mut self, latest: &mut u32, key: CallKey) -> ToolRun {
        let mut before = None;
        let mut place = *latest;
        while self.runs[place as usize].key != key {
            before = Some(place);
            place = self.runs[place as usize].next;
        }
        let run = self.runs[place as usize];
        match before {
            None => *latest = run.next,
            Some(before) => self.runs[before as usize].next = run.next,
        }
        self.free.push(place);
        run
    }

    /// Calls of a sandbox, the latest first.
    #[inline]
    pub fn of(&self, latest: u32) -> impl Iterator<Item = &ToolRun> {
        let run = |place: u32| self.runs.get(place as usize);
        std::iter::successors(run(latest), move |before| run(before.next))
    }

    /// The calls of a sandbox will be wanted soon.
    #[inline]
    pub fn hint(&self, latest: u32) {
        if let Some(run) = self.runs.get(latest as usize) {
            prefetch(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: u32, number: u16) -> ToolRun {
        ToolRun {
            key: CallKey { id, number },
            next: NO_CALL,
            on_host: NOT_ON_HOST,
            from: Time::ZERO,
            waits: Span::ZERO,
            cpu: Span::ZERO,
            cores: 1.0,
            dirtied: Bytes(0),
            memory: 0,
            timer: None,
            busy: 0,
            reaching_us: 0,
            runs: false,
            alone: false,
        }
    }

    #[test]
    fn each_sandbox_has_its_own_calls_wherever_they_lie() {
        let mut runs = ToolRuns::default();
        let (mut a, mut b) = (NO_CALL, NO_CALL);
        for number in 0..3 {
            runs.push(&mut a, run(1, number));
            runs.push(&mut b, run(2, number));
        }
        let numbers =
            |runs: &ToolRuns, of| runs.of(of).map(|r| (r.key.id, r.key.number)).collect::<Vec<_>>();
        assert_eq!(numbers(&runs, a), [(1, 2), (1, 1), (1, 0)]);
        assert_eq!(runs.take(&mut a, CallKey { id: 1, number: 1 }).key.number, 1);
        assert_eq!(runs.take(&mut b, CallKey { id: 2, number: 2 }).key.number, 2);
        runs.push(&mut b, run(2, 7));
        assert_eq!(numbers(&runs, a), [(1, 2), (1, 0)]);
        assert_eq!(numbers(&runs, b), [(2, 7), (2, 1), (2, 0)]);
        for number in [0, 2] {
            runs.take(&mut a, CallKey { id: 1, number });
        }
        assert_eq!((a, numbers(&runs, b).len(), runs.runs.len()), (NO_CALL, 3, 6));
    }
}
