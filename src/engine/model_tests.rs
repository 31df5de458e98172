//! The queue beside the simplest thing that has the same order: a map by instant, rank and number.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::random::{Purpose, draw};

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

/// The queue and the map, which do the same and must say the same.
#[derive(Default)]
struct Both {
    queue: EventQueue<u64>,
    map: BTreeMap<(u64, u8, u64), ()>,
    /// All timers ever given, with the keys of their events.
    timers: Vec<(Timer, (u64, u8, u64))>,
    scheduled: u64,
    arrival: bool,
}

impl Both {
    /// `after` the present instant; what would be later than the last instant is at it.
    fn schedule(&mut self, after: u64, rank: u8) {
        self.scheduled += 1;
        let key = (self.queue.now().nanos().saturating_add(after), rank, self.scheduled);
        self.map.insert(key, ());
        let timer = self.queue.schedule(at(key.0), rank, self.scheduled);
        self.timers.push((timer, key));
    }

    /// An arrival comes before all of its instant and rank: number 0.
    fn arrive(&mut self, after: u64, rank: u8) {
        if !std::mem::replace(&mut self.arrival, true) {
            let nanos = self.queue.now().nanos().saturating_add(after);
            self.map.insert((nanos, rank, 0), ());
            self.queue.schedule_arrival(at(nanos), rank, 0);
        }
    }

    /// Any timer, whether its event has happened or not.
    fn cancel(&mut self, which: usize) {
        if !self.timers.is_empty() {
            let (timer, key) = self.timers[which % self.timers.len()];
            self.map.remove(&key);
            self.queue.cancel(timer);
        }
        assert_eq!(self.queue.len(), self.map.len());
    }

    fn peek(&mut self) {
        let expected = self.map.first_key_value().map(|((nanos, ..), ())| at(*nanos));
        assert_eq!(self.queue.next_at(), expected);
    }

    /// Gives the rank of what happened.
    fn pop(&mut self) -> Option<u8> {
        let expected = self.map.pop_first().map(|(key, ())| key);
        let popped = self.queue.pop().map(|(now, number)| (now.nanos(), number));
        assert_eq!(popped, expected.map(|(nanos, _, number)| (nanos, number)));
        assert_eq!(
            (self.queue.len(), self.queue.is_empty()),
            (self.map.len(), self.map.is_empty())
        );
        let (nanos, rank, number) = expected?;
        assert_eq!(self.queue.now().nanos(), nanos);
        self.arrival &= number != 0;
        Some(rank)
    }

    fn pop_some(&mut self, count: u16) {
        for _ in 0..count {
            self.pop();
        }
    }

    fn pop_all(&mut self) {
        while self.pop().is_some() {}
        self.peek();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Schedule(u64, u8),
    Arrive(u64, u8),
    /// So many events, from `.1` on, `.2` apart.
    Burst(u16, u64, u64),
    Cancel(prop::sample::Index),
    CancelMany(u16, prop::sample::Index),
    Peek,
    Pop,
    PopMany(u16),
    /// Pops, and schedules a smaller rank at the same instant each time.
    Undercut(u8),
}

/// From ties to the end of time.
fn after() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0),
        4 => 0..4_u64,
        4 => 0..1_000_u64,
        3 => 0..1_000_000_000_u64,
        2 => (0..64_u32, any::<u64>()).prop_map(|(shift, bits)| bits >> shift),
        1 => Just(u64::MAX),
    ]
}

fn rank() -> impl Strategy<Value = u8> {
    prop_oneof![8 => 0..4_u8, 1 => any::<u8>(), 1 => Just(u8::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (after(), rank()).prop_map(|(after, rank)| Step::Schedule(after, rank)),
        2 => (after(), rank()).prop_map(|(after, rank)| Step::Arrive(after, rank)),
        2 => (1..300_u16, after(), prop_oneof![Just(0), 0..3_u64, after().prop_map(|a| a >> 16)])
            .prop_map(|(count, from, apart)| Step::Burst(count, from, apart)),
        4 => index().prop_map(Step::Cancel),
        1 => (1..200_u16, index()).prop_map(|(count, which)| Step::CancelMany(count, which)),
        4 => Just(Step::Peek),
        8 => Just(Step::Pop),
        2 => (1..200_u16).prop_map(Step::PopMany),
        1 => (1..=u8::MAX).prop_map(Step::Undercut),
    ]
}

fn do_step(both: &mut Both, step: &Step) {
    match step {
        Step::Schedule(after, rank) => both.schedule(*after, *rank),
        Step::Arrive(after, rank) => both.arrive(*after, *rank),
        Step::Burst(count, from, apart) => {
            for number in 0..u64::from(*count) {
                let after = from.saturating_add(apart.saturating_mul(number));
                both.schedule(after, (number % 3) as u8);
            }
        }
        Step::Cancel(which) => both.cancel(which.index(usize::MAX)),
        Step::CancelMany(count, which) => {
            let from = which.index(usize::MAX / 2);
            (0..usize::from(*count)).for_each(|number| both.cancel(from + number));
        }
        Step::Peek => both.peek(),
        Step::Pop => both.pop_some(1),
        Step::PopMany(count) => both.pop_some(*count),
        Step::Undercut(count) => {
            for number in 0..*count {
                if let Some(rank) = both.pop() {
                    both.schedule(0, rank / 2);
                    both.schedule(u64::from(number % 2), rank);
                }
                both.peek();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn is_the_map_under_any_steps(steps in prop::collection::vec(step(), 0..200)) {
        let mut both = Both::default();
        for step in &steps {
            do_step(&mut both, step);
        }
        both.pop_all();
    }
}

/// Numbers for the long tests.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        draw(1, 0, self.0, Purpose::Think, 0)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The hold model at several sizes: pop one, schedule one, at times cancel one and schedule another.
fn hold(size: u64, mut after: impl FnMut(&mut Words) -> u64) {
    let mut words = Words(size);
    let mut both = Both::default();
    for _ in 0..size {
        let rank = words.below(3) as u8;
        both.schedule(after(&mut words), rank);
    }
    for round in 0..size.max(2_000) {
        both.pop();
        if round % 7 == 0 {
            both.peek();
        }
        let rank = words.below(3) as u8;
        both.schedule(after(&mut words), rank);
        if round % 8 == 0 {
            both.cancel(words.next() as usize);
            both.schedule(after(&mut words), rank);
        }
    }
    both.pop_all();
}

#[test]
fn is_the_map_while_few_to_many_are_pending() {
    for size in [0, 1, 2, 17, 127, 128, 129, 1_000, 10_000, 100_000] {
        hold(size, |words| (-libm::log(words.below(1 << 40) as f64 / 2_f64.powi(40)) * 1e9) as u64);
    }
}

#[test]
fn is_the_map_under_ties_outliers_and_narrow_spreads() {
    hold(20_000, |words| words.below(5)); // a few thousand events an instant
    hold(20_000, |words| words.below(1_000) * 1_000_000_000); // ticks
    hold(20_000, |words| 1 << words.below(63)); // all scales at once
    hold(20_000, |words| if words.below(10) == 0 { u64::MAX } else { words.below(50_000) });
    hold(20_000, |_| 1_000_000); // each behind all others
    hold(20_000, |words| words.below(2) * 3_600_000_000_000 + words.below(1_000)); // two clusters
}

#[test]
fn is_the_map_when_scheduled_forwards_backwards_and_inwards() {
    const COUNT: u64 = 5_000;
    let orders: [fn(u64) -> u64; 4] = [
        |number| number * 1_000,
        |number| (COUNT - number) * 1_000,
        |number| if number % 2 == 0 { number * 1_000 } else { (2 * COUNT - number) * 1_000 },
        |number| number * 7_919 % COUNT,
    ];
    for order in orders {
        let mut both = Both::default();
        (0..COUNT).for_each(|number| both.schedule(order(number), 0));
        both.pop_all();
    }
}

/// A look at the next instant, when that is far and has a crowd, must not keep a crowd from being
/// scheduled before it.
#[test]
fn a_look_far_ahead_does_not_bind_the_present() {
    for gap in [10, 20, 30, 40] {
        let (mut both, mut words) = (Both::default(), Words(0));
        for _ in 0..20 {
            for _ in 0..500 {
                both.schedule((1 << gap) + words.below(1 << (gap - 2)), 0);
            }
            (0..100).for_each(|_| both.schedule(words.below(1 << (gap - 2)), 0));
            both.pop_some(99);
            for _ in 0..3 {
                both.pop();
                both.peek();
                (0..100).for_each(|_| both.schedule(words.below(1 << (gap - 1)), 1));
            }
            both.pop_some(700);
        }
        both.pop_all();
    }
}

/// While one instant's thousands of events of rank 3 happen, each schedules smaller ranks at it.
#[test]
fn smaller_ranks_overtake_a_crowd_at_its_own_instant() {
    let mut both = Both::default();
    (0..5_000).for_each(|_| both.schedule(1_000, 3));
    for round in 0..2_000_u32 {
        both.pop();
        if round < 200 {
            for rank in [2, 0, 1, 3] {
                both.schedule(0, rank);
            }
        }
    }
    (0..300).for_each(|_| both.schedule(0, 2)); // more than the sorted array takes
    both.pop_all();
}

#[test]
fn the_last_instant_has_all_ranks() {
    let mut both = Both::default();
    for number in 0..2_000_u32 {
        both.schedule(u64::MAX, (number % 256) as u8);
    }
    both.arrive(u64::MAX, 255);
    both.pop_some(1_000);
    both.schedule(0, 0);
    both.pop_all();
}
