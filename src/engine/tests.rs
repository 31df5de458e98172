//! Examples, and bounds on memory.

use super::*;
use crate::random::{Purpose, draw};

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

#[test]
fn instants_then_ranks_then_scheduling_order() {
    let mut queue = EventQueue::default();
    for (nanos, rank, name) in [(5, 1, "d"), (5, 0, "b"), (3, 4, "a"), (5, 1, "e"), (5, 0, "c")] {
        queue.schedule(at(nanos), rank, name);
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
    assert_eq!(order, ["a", "b", "c", "d", "e"]);
}

#[test]
fn cancelled_events_do_not_happen_and_are_cleared_away() {
    let mut queue = EventQueue::default();
    let timers: Vec<_> = (0..20_000).map(|i| queue.schedule(at(i), 0, i)).collect();
    for timer in timers.iter().skip(1).step_by(2).chain(timers.iter().skip(2).step_by(4)) {
        queue.cancel(*timer);
    }
    let entries = queue.near.len() + queue.far.len();
    assert!(entries <= 5_000 + 2_500 + STALE_MIN + 1, "the queue keeps {entries} entries");
    assert_eq!(queue.len(), 5_000);
    assert_eq!(queue.next_at(), Some(at(0)));
    let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, i)| i).collect();
    assert_eq!(left, (0..20_000).step_by(4).collect::<Vec<_>>());
    assert!(queue.is_empty());
}

#[test]
fn what_is_cancelled_and_scheduled_again_for_ever_takes_bounded_memory() {
    let mut queue = EventQueue::default();
    let mut timer = queue.schedule(at(1), 0, 0);
    for round in 0..100_000 {
        queue.cancel(timer);
        timer = queue.schedule(at(1_000_000 + round * 1_000), 0, round);
    }
    let entries = queue.near.len() + queue.far.len();
    assert!(entries <= STALE_MIN + 2, "the queue keeps {entries} entries for one event");
    assert_eq!(queue.pop(), Some((at(1_000_000 + 99_999 * 1_000), 99_999)));
}

#[test]
#[should_panic(expected = "in the past")]
fn the_past_is_refused() {
    let mut queue = EventQueue::default();
    queue.schedule(at(2), 0, ());
    queue.pop();
    queue.schedule(at(1), 0, ());
}

#[test]
#[should_panic(expected = "in the past")]
fn an_arrival_in_the_past_is_refused() {
    let mut queue = EventQueue::default();
    queue.schedule_arrival(at(2), 0, ());
    queue.pop();
    queue.schedule_arrival(at(1), 0, ());
}

#[test]
#[should_panic(expected = "has not happened yet")]
fn a_second_arrival_is_refused() {
    let mut queue = EventQueue::default();
    queue.schedule_arrival(at(2), 0, ());
    queue.schedule_arrival(at(3), 0, ());
}

#[test]
fn a_timer_that_has_fired_takes_nothing_back() {
    let mut queue = EventQueue::default();
    let fired = queue.schedule(at(1), 0, 'a');
    assert_eq!(queue.pop(), Some((at(1), 'a')));
    queue.schedule(at(2), 0, 'b'); // in the same slot
    queue.cancel(fired);
    assert_eq!(queue.pop(), Some((at(2), 'b')));
}

#[test]
fn an_arrival_comes_first_among_equals_and_waits_for_what_is_before_it() {
    let mut queue = EventQueue::default();
    queue.schedule(at(5), 1, "scheduled first");
    queue.schedule(at(5), 0, "smaller rank");
    queue.schedule(at(4), 9, "before");
    queue.schedule_arrival(at(5), 1, "arrival");
    assert_eq!((queue.len(), queue.next_at()), (4, Some(at(4))));
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
    assert_eq!(order, ["before", "smaller rank", "arrival", "scheduled first"]);
    assert_eq!(queue.next_at(), None);
}

/// Bytes a pending event after a hold model in which `cancelled` of a thousand holds also cancel an
/// event and schedule it anew.
fn bytes_a_pending_event(cancelled: usize) -> f64 {
    const COUNT: usize = 100_000;
    let mut words = (0..).map(|session| draw(1, 0, session, Purpose::Think, 0) as usize);
    let mut below = |bound| words.next().expect("there is no end of words") % bound;
    let later = |now: Time, nanos: usize| at(now.nanos() + nanos as u64);
    let mut queue = EventQueue::default();
    let mut timers: Vec<Timer> = Vec::new();
    for id in 0..COUNT {
        timers.push(queue.schedule(later(Time::ZERO, below(1 << 40)), 0, [id as u32, 0, 0, 0]));
    }
    for round in 0..4 * COUNT {
        let (now, [id, ..]) = queue.pop().expect("events are pending");
        timers[id as usize] = queue.schedule(later(now, below(1 << 40)), 0, [id, 0, 0, 0]);
        if round % 1000 < cancelled {
            let id = below(COUNT) as u32;
            queue.cancel(timers[id as usize]);
            timers[id as usize] = queue.schedule(later(now, below(1 << 40)), 0, [id, 0, 0, 0]);
        }
    }
    assert_eq!(queue.len(), COUNT);
    (queue.slots.bytes() + queue.far.bytes()) as f64 / COUNT as f64
}

/// 24 bytes for the slot of a 16-byte event without niche, 16 for the entry, some for half-filled chunks.
#[test]
fn a_pending_event_takes_few_bytes() {
    let bytes = bytes_a_pending_event(0);
    assert!(bytes < 48.0, "{bytes} bytes a pending event");
}

/// Half as many again for cancelled ones.
#[test]
fn cancelled_events_take_bounded_memory() {
    for cancelled in [63, 1000] {
        let bytes = bytes_a_pending_event(cancelled);
        assert!(bytes < 1.5 * 48.0, "{bytes} bytes a pending event");
    }
}

#[test]
fn dropped_events_are_dropped_once() {
    use std::rc::Rc;
    let token = Rc::new(());
    let mut queue = EventQueue::default();
    let timers: Vec<_> = (0..1_000).map(|i| queue.schedule(at(i), 0, Rc::clone(&token))).collect();
    timers.iter().step_by(2).for_each(|timer| queue.cancel(*timer));
    assert_eq!(Rc::strong_count(&token), 501);
    (0..100).for_each(|_| drop(queue.pop()));
    assert_eq!(Rc::strong_count(&token), 401);
    drop(queue);
    assert_eq!(Rc::strong_count(&token), 1);
}
