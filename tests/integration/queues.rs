//! Who is served first, worked out by hand; and sessions that pause and queue again, against a
//! second program.
//!
//! Times in comments are seconds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use plimsoll::measure::{Counter, Gauge, Metric};
use plimsoll::sim::Finish;
use plimsoll::workload::plan::SessionPlan;

use super::kit::{Case, close, outcomes, recorded, scenario, traces};
use super::script::{turn, turns};

const ONE_SLOT: &str = "{isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}}";

#[test]
fn priorities_are_strict_and_first_in_first_out_within() {
    // A holds the slot to 10. Low at 1, high at 2 and 3, middle at 4, each for 1: served high at 10 and
    // 11, middle at 12, low at 13. A high one that comes at 10.5 is before middle: at 12.
    let case = Case::on(ONE_SLOT)
        .classes("{default: {}, low: {priority: -1}, high: {priority: 7}}")
        .session(0.0, &turn(0.0, 10.0))
        .session_of("low", 1.0, &turn(0.0, 1.0))
        .session_of("high", 2.0, &turn(0.0, 1.0))
        .session_of("high", 3.0, &turn(0.0, 1.0))
        .session(4.0, &turn(0.0, 1.0));
    let ran = case.clone().run();
    assert_eq!(ran.metric(Metric::QueueWait), (5, 8.0 + 8.0 + 8.0 + 12.0));
    let ran = case.session_of("high", 10.5, &turn(0.0, 1.0)).run();
    assert_eq!(ran.metric(Metric::QueueWait), (6, 8.0 + 8.0 + 1.5 + 9.0 + 13.0));
}

#[test]
fn priorities_hold_for_those_who_come_back_too() {
    // A, low, 0..1, saved at 2, back at 6. B holds the slot 3..10. C, high, asks at 8 and is before A:
    // 10..14. A waits 8.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {}}}}, \
          capacity: {elastic: {max_concurrent: 1}}, idle: {timeout: 1s, then: hibernate}}",
    )
    .classes("{default: {}, high: {priority: 1}}")
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(5.0, 1.0)]))
    .session(3.0, &turn(0.0, 7.0))
    .session_of("high", 8.0, &turn(0.0, 4.0))
    .run();
    assert_eq!(ran.metric(Metric::QueueWaitResume), (1, 8.0));
    assert_eq!(ran.metric(Metric::QueueWaitNew), (3, 2.0));
}

#[test]
fn backfill_lets_what_fits_pass_what_does_not() {
    // 4 GiB. A (3) 0..10; B (4) asks at 1, C (1) at 2 for 5, D (1) at 3 for 9. With backfill C runs
    // 2..7 and D, as C leaves, 7..16, so that B begins at 16. Without, B at 10 for 1, C and D at 11.
    for (backfill, waited) in [("true", 15.0 + 0.0 + 4.0), ("false", 9.0 + 9.0 + 8.0)] {
        let ran = Case::on(&format!(
            "{{isolation: {{container: {{}}}}, queue: {{backfill: {backfill}}}, \
               capacity: {{hosts: {{cores: 8, memory: 4GiB}}}}}}"
        ))
        .classes(
            "{one: {sandbox: {memory: 1GiB}}, three: {sandbox: {memory: 3GiB}}, \
              four: {sandbox: {memory: 4GiB}}}",
        )
        .session_of("three", 0.0, &turn(0.0, 10.0))
        .session_of("four", 1.0, &turn(0.0, 1.0))
        .session_of("one", 2.0, &turn(0.0, 5.0))
        .session_of("one", 3.0, &turn(0.0, 9.0))
        .run();
        assert_eq!(ran.metric(Metric::QueueWait), (4, waited), "{backfill}");
    }
}

const TENANTS: &str = "{x: {tenant: x}, y: {tenant: y}, z: {tenant: z, priority: 1}}";

/// x holds the slot 0..1; x, x, x, then y, y ask at 0.5: those of x for 1, those of y for 2.
fn tenants_at_one_slot(order: &str) -> Case {
    let mut case = Case::on(&format!(
        "{{isolation: {{container: {{}}}}, capacity: {{elastic: {{max_concurrent: 1}}}}, \
           queue: {{order: {order}}}}}"
    ))
    .classes(TENANTS)
    .session_of("x", 0.0, &turn(0.0, 1.0));
    for _ in 0..3 {
        case = case.session_of("x", 0.5, &turn(0.0, 1.0));
    }
    for _ in 0..2 {
        case = case.session_of("y", 0.5, &turn(0.0, 2.0));
    }
    case
}

#[test]
fn tenants_share_the_queue_by_their_weights() {
    // x weighs 2: start tags 0, ½, 1, 1½ (the first for the one in the slot); y weighs 1: 0, 1. Order:
    // y at 1, x at 3, x (which came first) at 4, y at 5, x at 7. First in, first out: x at 1, 2, 3, y
    // at 4, 6.
    let fair: f64 = [0.5, 2.5, 3.5, 4.5, 6.5].iter().sum();
    let fifo: f64 = [0.5, 1.5, 2.5, 3.5, 5.5].iter().sum();
    let ran = tenants_at_one_slot("{fair: {x: 2, y: 1}}").run();
    assert_eq!(ran.metric(Metric::QueueWait), (6, fair));
    let ran = tenants_at_one_slot("fifo").run();
    assert_eq!(ran.metric(Metric::QueueWait), (6, fifo));
    // z, of a higher priority and no name among the weights, is before all: at 1, for 1.
    let ran =
        tenants_at_one_slot("{fair: {x: 2, y: 1}}").session_of("z", 0.9, &turn(0.0, 1.0)).run();
    assert_eq!(ran.metric(Metric::QueueWait), (7, fair + 5.0 + 0.1));
}

#[test]
fn a_tenants_own_slots_hold_up_nobody_else() {
    // Three slots, two for each tenant. x, x, x at 0 for 10, y at 1: the third x waits until 10, y does
    // not. The same by rate: one x each 10.
    for limit in ["max_concurrent: 2", "create_rate: {limit: 6/min, window: 20s}"] {
        let mut case = Case::on(&format!(
            "{{isolation: {{container: {{}}}}, \
               capacity: {{elastic: {{max_concurrent: 3, per_tenant: {{{limit}}}}}}}}}"
        ))
        .classes(TENANTS);
        for _ in 0..3 {
            case = case.session_of("x", 0.0, &turn(0.0, 10.0));
        }
        let ran = case.session_of("y", 1.0, &turn(0.0, 1.0)).run();
        assert_eq!(ran.metric(Metric::QueueWait), (4, 10.0), "{limit}");
        assert_eq!(ran.integral(Gauge::QueueLength), 10.0, "{limit}");
    }
}

#[test]
fn the_queues_capacity_and_timeout_count_sessions_and_no_places() {
    // One slot, taken by the place of 0 and claimed at 2 until 12; its refill waits. One may queue: A at
    // 3, B at 4 finds it full. A gives up at 8. C at 9 has the slot at 12.
    let ran = Case::on(
        "{isolation: {container: {boot: 1s}}, pool: {fixed: {size: 1}}, \
          capacity: {elastic: {max_concurrent: 1}}, queue: {capacity: 1, timeout: 5s}}",
    )
    .session(2.0, &turn(0.0, 10.0))
    .session(3.0, &turn(0.0, 1.0))
    .session(4.0, &turn(0.0, 1.0))
    .session(9.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::SessionsRejected), 2);
    assert_eq!(ran.count(Counter::SessionsCompleted), 2);
    assert_eq!(ran.metric(Metric::QueueWait), (1, 3.0));
    assert_eq!(ran.integral(Gauge::QueueLength), 5.0 + 3.0);
    assert_eq!(ran.end(), 14.0);
}

/// What a row of slots comes to for sessions that give theirs back when idle.
#[derive(Debug, Default)]
struct Limited {
    running_ns: i128,
    paused_ns: i128,
    waited_ns: i128,
    pauses: u64,
    end: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    TurnEnds,
    Asks,
    Pauses,
}

/// The page's rules for slots and idle timeouts, and nothing else, written down a second time. Events
/// of one instant: what ends, then the queue, then what asks (in the order of scheduling; arrivals
/// first), then what gives up.
struct Reference<'a> {
    sessions: &'a [SessionPlan],
    timeout: u64,
    free: u64,
    queue: VecDeque<usize>,
    next_turn: Vec<usize>,
    /// Since when a session holds its slot, is paused, or waits.
    since: Vec<u64>,
    holds: Vec<bool>,
    paused: Vec<bool>,
    events: BinaryHeap<Reverse<(u64, What, u64, usize)>>,
    scheduled: u64,
    idle_until: BTreeMap<usize, u64>,
    sum: Limited,
}

impl<'a> Reference<'a> {
    fn run(sessions: &'a [SessionPlan], arrivals: &[u64], slots: u64, timeout: u64) -> Limited {
        let n = sessions.len();
        let mut reference = Reference {
            sessions,
            timeout,
            free: slots,
            queue: VecDeque::new(),
            next_turn: vec![0; n],
            since: vec![0; n],
            holds: vec![false; n],
            paused: vec![false; n],
            events: BinaryHeap::new(),
            scheduled: 0,
            idle_until: BTreeMap::new(),
            sum: Limited::default(),
        };
        for (session, at) in arrivals.iter().enumerate() {
            reference.schedule(*at, What::Asks, session);
        }
        while let Some(Reverse((now, what, _, session))) = reference.events.pop() {
            reference.sum.end = match what {
                What::Pauses if reference.idle_until.get(&session) != Some(&now) => continue,
                _ => now,
            };
            match what {
                What::TurnEnds => reference.turn_ends(now, session),
                What::Asks => reference.asks(now, session),
                What::Pauses => reference.pauses(now, session),
            }
            let ends_now = reference
                .events
                .peek()
                .is_some_and(|Reverse((at, what, ..))| *at == now && *what == What::TurnEnds);
            if !ends_now {
                reference.serve(now);
            }
        }
        reference.sum
    }

    fn schedule(&mut self, at: u64, what: What, session: usize) {
        self.scheduled += 1;
        self.events.push(Reverse((at, what, self.scheduled, session)));
    }

    fn asks(&mut self, now: u64, session: usize) {
        if self.holds[session] {
            self.idle_until.remove(&session);
            return self.begins(now, session);
        }
        if !self.paused[session] {
            self.since[session] = now;
        }
        self.queue.push_back(session);
        self.sum.waited_ns -= i128::from(now);
    }

    fn serve(&mut self, now: u64) {
        while self.free > 0
            && let Some(session) = self.queue.pop_front()
        {
            self.free -= 1;
            self.sum.waited_ns += i128::from(now);
            if std::mem::take(&mut self.paused[session]) {
                self.sum.paused_ns += i128::from(now - self.since[session]);
            }
            self.holds[session] = true;
            self.since[session] = now;
            self.begins(now, session);
        }
    }

    fn begins(&mut self, now: u64, session: usize) {
        let turn = &self.sessions[session].turns[self.next_turn[session]];
        let busy: u64 = turn.steps.iter().map(|step| step.call.latency.unwrap().nanos()).sum();
        self.schedule(now + busy, What::TurnEnds, session);
    }

    fn turn_ends(&mut self, now: u64, session: usize) {
        self.next_turn[session] += 1;
        match self.sessions[session].turns.get(self.next_turn[session]) {
            None => self.gives_back(now, session),
            Some(next) => {
                self.schedule(now + next.think.nanos(), What::Asks, session);
                self.idle_until.insert(session, now + self.timeout);
                self.schedule(now + self.timeout, What::Pauses, session);
            }
        }
    }

    fn pauses(&mut self, now: u64, session: usize) {
        self.idle_until.remove(&session);
        self.gives_back(now, session);
        (self.paused[session], self.since[session]) = (true, now);
        self.sum.pauses += 1;
    }

    fn gives_back(&mut self, now: u64, session: usize) {
        self.sum.running_ns += i128::from(now - self.since[session]);
        self.holds[session] = false;
        self.free += 1;
    }
}

/// Workloads, section 8, item 5, with capacity limits: pause frees the slot, resume queues again.
#[test]
fn recorded_sessions_pause_and_queue_again_as_a_second_program_says() {
    let Some(folder) = traces() else { return };
    for (slots, timeout) in [(4, 300), (6, 60), (8, 60), (10, 300), (300, 300)] {
        let text = format!(
            "version: 1\nname: limited\nworkload: {{arrivals: {{every: 61.00017s}}, trace: {{file: \
             claude_code_sessions_a.csv.gz, format: agent-sessions, turns: request, timing: \
             api_and_think, sub_agents: skip, order: session_id}}}}\n\
             platform: {{isolation: {{microvm: {{snapshot: {{full: {{}}}}}}}}, \
             idle: {{timeout: {timeout}s, then: hibernate}}, \
             capacity: {{elastic: {{max_concurrent: {slots}}}}}}}\n\
             models: {{default: {{latency: recorded}}}}\n\
             experiment: {{start: empty, warmup: none, measure: end, replications: 1}}\n"
        );
        let scenario = scenario(&text);
        let sessions = recorded(&scenario, &folder);
        let arrivals: Vec<u64> =
            (0..sessions.as_ref().unwrap().len() as u64).map(|k| k * 61_000_170_000).collect();
        let expected =
            Reference::run(sessions.as_ref().unwrap(), &arrivals, slots, timeout * 1_000_000_000);
        let outcome = outcomes(&scenario, sessions).remove(0);
        assert_eq!(outcome.finish, Finish::Complete);
        let totals = &outcome.totals;
        let seconds = |nanos: i128| nanos as f64 / 1e9;
        let name = |what: &str| format!("{slots} slots, {timeout} s: {what}");
        let of = |gauge: Gauge| totals.gauge(gauge).integral();
        close(&name("running"), of(Gauge::SandboxesRunning), seconds(expected.running_ns), 1e-6);
        close(&name("paused"), of(Gauge::SandboxesHibernated), seconds(expected.paused_ns), 1e-6);
        close(&name("queue"), of(Gauge::QueueLength), seconds(expected.waited_ns), 1e-6);
        let waited = totals.metric(Metric::QueueWait).sum() as f64 / 1e9;
        close(&name("waits"), waited, seconds(expected.waited_ns), 1e-6);
        close(&name("end"), totals.ended.seconds(), expected.end as f64 / 1e9, 1e-6);
        assert_eq!(totals.counter(Counter::Snapshots), expected.pauses, "{}", name("pauses"));
        assert_eq!(totals.counter(Counter::Restores), expected.pauses);
    }
}
