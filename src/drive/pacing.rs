//! Open-loop pacing: work starts at its intended instant, whatever the backend does.
//!
//! Tokio's own timer counts in milliseconds and wakes up to one millisecond late. A timerfd with an
//! absolute deadline on the monotonic clock wakes within tens of microseconds, and a late wake-up
//! never moves the deadlines that follow. Those tens of microseconds are much the same each time, so
//! the pacer learns them, sets the timer that much earlier, and spins over the little that is left.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

use super::clock::{Clock, monotonic_nanos};
use crate::units::Time;

/// The longest lead over a deadline, and so the longest spin.
const LEAD_MAX_NANOS: u64 = 80_000;

/// How fast the lead follows what is seen. It settles where one wake-up in four comes sooner: those
/// spin a little, the other three are late by what they exceed it.
const LEAD_UP_NANOS: u64 = 250;
const LEAD_DOWN_NANOS: u64 = 750;

/// How many wake-ups make the first guess of the lead.
const GUESSES: u32 = 8;

/// Why pacing is not possible.
#[derive(Debug, thiserror::Error)]
pub enum PacingError {
    /// The kernel gives no timer.
    #[error(
        "cannot make a timer (timerfd): {0}; check `ulimit -n`, and that a seccomp filter of the \
         container allows timerfd_create"
    )]
    Timer(#[from] io::Error),
    /// The task that serves a [`Sleeper`] has ended with its runtime.
    #[error("the pacing task has ended: the run is over")]
    Ended,
}

/// Something whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due<T> {
    /// When it was to happen.
    pub intended: Time,
    /// When the pacer noticed.
    pub woke: Time,
    /// What was scheduled.
    pub item: T,
}

struct Entry<T> {
    at: Time,
    number: u64,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    /// Equal instants come out first scheduled first.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Many deadlines on one timerfd, for one dispatcher loop.
///
/// For the least lateness run that loop as the main future of a current-thread tokio runtime on a
/// thread of its own: then the timer's wake-up is the loop's, with no hand-over between threads.
pub struct Pacer<T> {
    clock: Clock,
    timer: AsyncFd<OwnedFd>,
    /// For which instant the timer is set; it fires `lead` before.
    armed: Option<Time>,
    lead: u64,
    learned: u32,
    /// Something was handed out since others last had a chance to run.
    handed_out: bool,
    deadlines: BinaryHeap<Reverse<Entry<T>>>,
    scheduled: u64,
}

impl<T> Pacer<T> {
    /// A pacer on this clock. Must be called inside a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// If the kernel gives no timerfd.
    pub fn new(clock: Clock) -> Result<Self, PacingError> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(io::Error::from)?;
        let timer = super::watched::readable(fd)?;
        Ok(Pacer {
            clock,
            timer,
            armed: None,
            lead: 0,
            learned: 0,
            handed_out: false,
            deadlines: BinaryHeap::new(),
            scheduled: 0,
        })
    }

    /// The clock that deadlines are read on.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Schedules an item. An instant in the past is due at once and stays the intended one.
    pub fn schedule(&mut self, at: Time, item: T) {
        self.deadlines.push(Reverse(Entry { at, number: self.scheduled, item }));
        self.scheduled += 1;
    }

    /// How many are still to come.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether nothing is scheduled.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// The next item if it is due now.
    pub fn try_next(&mut self) -> Option<Due<T>> {
        let at = self.deadlines.peek()?.0.at;
        let woke = self.clock.now();
        if at > woke {
            return None;
        }
        let Reverse(entry) = self.deadlines.pop()?;
        Some(Due { intended: entry.at, woke, item: entry.item })
    }

    /// Waits for the earliest deadline; `None` if nothing is scheduled. Dropping the future before
    /// it is done loses nothing.
    ///
    /// # Errors
    /// If the timer cannot be set or read.
    pub async fn next(&mut self) -> Result<Option<Due<T>>, PacingError> {
        loop {
            if self.deadlines.is_empty() {
                return Ok(None);
            }
            if self.head().is_some_and(|at| at <= self.clock.now()) {
                // A dispatcher that is behind must still let the tasks that it started run. Before
                // taking the item, since whoever waits may be dropped here.
                tokio::task::coop::consume_budget().await;
                self.handed_out = true;
                return Ok(self.try_next());
            }
            if std::mem::take(&mut self.handed_out) {
                // What was handed out goes before setting the timer, and before spinning.
                tokio::task::yield_now().await;
                continue;
            }
            self.wait_for(self.head().unwrap_or(Time::MAX)).await?;
        }
    }

    /// Waits until an instant, beside what is scheduled. Returns the instant of waking.
    ///
    /// # Errors
    /// If the timer cannot be set or read.
    pub async fn sleep_until(&mut self, at: Time) -> Result<Time, PacingError> {
        loop {
            let now = self.clock.now();
            if at <= now {
                return Ok(now);
            }
            self.wait_for(at).await?;
        }
    }

    fn head(&self) -> Option<Time> {
        self.deadlines.peek().map(|entry| entry.0.at)
    }

    /// Waits until an instant is reached or nearly so.
    async fn wait_for(&mut self, at: Time) -> Result<(), PacingError> {
        let fires = self.clock.monotonic_at(at).saturating_sub(self.lead);
        if monotonic_nanos() < fires {
            if self.armed != Some(at) {
                arm(self.timer.get_ref(), fires)?;
                self.armed = Some(at);
            }
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0_u8; 8];
            match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut expirations)?)) {
                Ok(Ok(_)) => self.armed = None,
                Ok(Err(error)) => return Err(error.into()),
                // Set anew since it last fired; wait again.
                Err(_would_block) => return Ok(()),
            }
            self.learn(monotonic_nanos().saturating_sub(fires));
        }
        while self.clock.now() < at {
            std::hint::spin_loop();
        }
        Ok(())
    }

    /// Moves the lead towards the lower quartile of wake-up latencies, from a first guess that is
    /// the shortest of a few.
    fn learn(&mut self, latency: u64) {
        self.learned = self.learned.saturating_add(1);
        self.lead = match self.learned {
            1 => latency.min(LEAD_MAX_NANOS),
            2..=GUESSES => latency.min(self.lead),
            _ if latency > self.lead => (self.lead + LEAD_UP_NANOS).min(LEAD_MAX_NANOS),
            _ => self.lead.saturating_sub(LEAD_DOWN_NANOS),
        };
    }
}

/// Sets a one-shot deadline in nanoseconds of the monotonic clock.
fn arm(timer: &OwnedFd, monotonic: u64) -> io::Result<()> {
    // A value of zero would disarm the timer; one nanosecond after boot is as much in the past.
    let monotonic = monotonic.clamp(1, i64::MAX as u64);
    let value = Timespec {
        tv_sec: (monotonic / 1_000_000_000) as i64,
        tv_nsec: (monotonic % 1_000_000_000) as i64,
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &once)?;
    Ok(())
}

/// Lets many tasks wait for absolute instants on one timerfd. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sleeper {
    clock: Clock,
    requests: mpsc::UnboundedSender<(Time, oneshot::Sender<Time>)>,
}

impl Sleeper {
    /// Starts the task that serves the sleepers, on the present tokio runtime.
    ///
    /// # Errors
    /// If the kernel gives no timerfd.
    pub fn start(clock: Clock) -> Result<Self, PacingError> {
        let pacer = Pacer::new(clock)?;
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(serve(pacer, inbox));
        Ok(Sleeper { clock, requests })
    }

    /// The clock that instants are read on.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Waits until an instant and returns the instant of waking; at once if it has passed.
    ///
    /// # Errors
    /// [`PacingError::Ended`] if the serving task is gone.
    pub async fn sleep_until(&self, at: Time) -> Result<Time, PacingError> {
        let now = self.clock.now();
        if at <= now {
            return Ok(now);
        }
        let (wake, woken) = oneshot::channel();
        self.requests.send((at, wake)).map_err(|_| PacingError::Ended)?;
        woken.await.map_err(|_| PacingError::Ended)
    }
}

/// Serves sleepers until all handles are gone; an error of the timer ends it, which every sleeper
/// sees as [`PacingError::Ended`].
async fn serve(
    mut pacer: Pacer<oneshot::Sender<Time>>,
    mut inbox: mpsc::UnboundedReceiver<(Time, oneshot::Sender<Time>)>,
) {
    loop {
        tokio::select! {
            request = inbox.recv() => match request {
                Some((at, wake)) => pacer.schedule(at, wake),
                None => return,
            },
            due = pacer.next(), if !pacer.is_empty() => match due {
                // A sleeper that was dropped no longer listens.
                Ok(Some(due)) => drop(due.item.send(due.woke)),
                Ok(None) => {}
                Err(_) => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn deadlines_come_in_order_of_time_then_of_scheduling_and_never_early() {
        block_on(async {
            let clock = Clock::start();
            let mut pacer = Pacer::new(clock).unwrap();
            let base = clock.now();
            let at = |ms| base + Span::from_millis(ms);
            for (ms, item) in [(6, 'd'), (2, 'a'), (4, 'b'), (4, 'c')] {
                pacer.schedule(at(ms), item);
            }
            let mut order = String::new();
            while let Some(due) = pacer.next().await.unwrap() {
                assert!(due.woke >= due.intended);
                order.push(due.item);
            }
            assert_eq!(order, "abcd");
        });
    }

    #[test]
    fn the_past_is_due_at_once_and_keeps_its_intended_instant() {
        block_on(async {
            let clock = Clock::start();
            let mut pacer = Pacer::new(clock).unwrap();
            pacer.schedule(Time::ZERO, ());
            let due = pacer.next().await.unwrap().unwrap();
            assert_eq!(due.intended, Time::ZERO);
            assert!(pacer.next().await.unwrap().is_none());
        });
    }

    #[test]
    fn a_dropped_wait_loses_nothing_and_an_earlier_deadline_overtakes() {
        block_on(async {
            let clock = Clock::start();
            let mut pacer = Pacer::new(clock).unwrap();
            let base = clock.now();
            pacer.schedule(base + Span::from_secs(3600), "late");
            tokio::select! {
                biased;
                _ = pacer.next() => panic!("an hour has not passed"),
                () = std::future::ready(()) => {}
            }
            pacer.schedule(base + Span::from_millis(1), "early");
            assert_eq!(pacer.next().await.unwrap().unwrap().item, "early");
            assert_eq!(pacer.len(), 1);
        });
    }

    #[test]
    fn the_lead_settles_at_the_lower_quartile_of_latencies() {
        block_on(async {
            let mut pacer = Pacer::<()>::new(Clock::start()).unwrap();
            // 40, 41, … 79 microseconds, in a scrambled order.
            for k in 0..40_000_u64 {
                pacer.learn(40_000 + (k * 17 % 40) * 1000);
            }
            assert!((47_000..=53_000).contains(&pacer.lead), "{}", pacer.lead);
            for _ in 0..1000 {
                pacer.learn(10_000_000);
            }
            assert_eq!(pacer.lead, LEAD_MAX_NANOS, "a lead is bounded, and so is the spin");
        });
    }

    #[test]
    fn many_tasks_sleep_on_one_timer() {
        block_on(async {
            let sleeper = Sleeper::start(Clock::start()).unwrap();
            let base = sleeper.clock().now();
            let tasks: Vec<_> = (0..200_u64)
                .map(|k| {
                    let sleeper = sleeper.clone();
                    let at = base + Span::from_nanos((k * 7919 % 200) * 20_000);
                    tokio::spawn(async move { (at, sleeper.sleep_until(at).await.unwrap()) })
                })
                .collect();
            for task in tasks {
                let (at, woke) = task.await.unwrap();
                assert!(woke >= at);
            }
        });
    }
}
