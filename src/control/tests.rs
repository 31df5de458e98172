//! The control machine alone: events in, effects out, no simulator and no driver.

use super::{
    ClassPolicy, Control, ControlConfig, Effect, ElasticTerms, RoomConfig, Start, TimerKind,
};
use crate::scenario::types::{CreateRate, IdleThen};
use crate::units::{Span, Time};

const IDLE: Span = Span::from_secs(10);
const RETENTION: Span = Span::from_secs(100);

/// An elastic platform that hibernates, with `slots`.
fn config(slots: Option<u64>) -> ControlConfig {
    ControlConfig {
        room: RoomConfig::Elastic(ElasticTerms { slots, ..ElasticTerms::default() }),
        classes: vec![ClassPolicy::default()],
        tenants: 1,
        tenant_limits: false,
        weights: None,
        pools: Vec::new(),
        backfill: false,
        archive_after: None,
        storage_quota: None,
        queue_capacity: None,
        queue_timeout: None,
        idle_timeout: IDLE,
        idle_then: IdleThen::Hibernate,
        retention: Some(RETENTION),
        seats: 1,
        attempts: 1,
        compression: 1.0,
    }
}

/// How many starts are under way beside one is not what these tests are about.
fn apart(effect: Effect) -> Effect {
    match effect {
        Effect::Begin { id, start, attempt, .. } => begin(id, start, attempt),
        other => other,
    }
}

fn begin(id: u32, start: Start, attempt: u32) -> Effect {
    Effect::Begin { id, start, attempt, beside: 0 }
}

fn seconds(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

/// A machine whose effects are taken after each event.
struct Bench {
    control: Control,
    out: Vec<Effect>,
}

impl Bench {
    fn new(config: ControlConfig) -> Self {
        Bench { control: Control::new(config), out: Vec::new() }
    }

    fn admit(&mut self, ids: std::ops::Range<u32>) {
        ids.for_each(|id| self.control.admit(id, 0));
    }

    /// What an event brings about.
    fn on(&mut self, event: impl FnOnce(&mut Control, &mut Vec<Effect>)) -> Vec<Effect> {
        event(&mut self.control, &mut self.out);
        std::mem::take(&mut self.out).into_iter().map(apart).collect()
    }

    fn acquire(&mut self, at: u64, id: u32) -> Vec<Effect> {
        self.on(|control, out| control.acquire(seconds(at), id, out))
    }

    fn started(&mut self, id: u32, ok: bool) -> Vec<Effect> {
        self.on(|control, out| control.started(Time::ZERO, id, ok, out))
    }

    fn release(&mut self, id: u32) -> Vec<Effect> {
        self.on(|control, out| control.release(id, out))
    }

    fn timer(&mut self, id: u32) -> Vec<Effect> {
        self.on(|control, out| control.timer(Time::ZERO, id, out))
    }

    fn saved(&mut self, id: u32) -> Vec<Effect> {
        self.on(|control, out| control.saved(id, out))
    }

    fn close(&mut self, id: u32) -> Vec<Effect> {
        self.on(|control, out| control.close(id, out))
    }

    fn serve(&mut self, at: u64) -> Vec<Effect> {
        self.on(|control, out| control.serve(seconds(at), out))
    }

    /// Brings a session to its first turn.
    fn run(&mut self, id: u32) {
        assert_eq!(self.acquire(0, id), granted(id, Start::Boot));
        assert_eq!(self.started(id, true), [Effect::Ready { id }]);
    }

    /// Brings a running session to sleep.
    fn hibernate(&mut self, id: u32) {
        self.release(id);
        assert_eq!(self.timer(id), [Effect::Save { id }]);
        let kept = Effect::SetTimer { id, kind: TimerKind::Retention, after: RETENTION };
        assert_eq!(self.saved(id), [Effect::Hibernated { id }, kept]);
    }
}

fn granted(id: u32, start: Start) -> Vec<Effect> {
    vec![Effect::Granted { id, start, host: 0 }, begin(id, start, 0)]
}

#[test]
fn a_life_from_boot_to_close() {
    let mut bench = Bench::new(config(Some(1)));
    let id = 0;
    bench.admit(0..1);
    bench.run(id);
    let idle = Effect::SetTimer { id, kind: TimerKind::Idle, after: IDLE };
    assert_eq!(bench.release(id), [idle]);
    // The next turn finds it running.
    assert_eq!(bench.acquire(5, id), [Effect::ClearTimer { id }, Effect::Ready { id }]);
    bench.hibernate(id);
    assert_eq!(bench.control.slots_held(), Some(0));
    assert!(!bench.control.holds_slot(id));
    let mut back = vec![Effect::ClearTimer { id }];
    back.extend(granted(id, Start::Restore));
    assert_eq!(bench.acquire(60, id), back);
    assert!(bench.control.holds_slot(id));
    assert_eq!(bench.started(id, true), [Effect::Ready { id }]);
    // The snapshot it came from is there until it is closed.
    let dropped = Effect::DropSnapshot { id, expired: false };
    assert_eq!(bench.close(id), [Effect::Destroy { id }, dropped, Effect::Gone { id }]);
    assert_eq!(bench.control.slots_held(), Some(0));
}

#[test]
fn the_queue_is_served_in_order_and_not_overtaken() {
    let mut bench = Bench::new(config(Some(1)));
    bench.admit(0..4);
    bench.run(0);
    assert_eq!(bench.acquire(1, 1), [Effect::Queued { id: 1 }]);
    assert_eq!(bench.acquire(1, 2), [Effect::Queued { id: 2 }]);
    assert_eq!(bench.control.queue_length(), 2);
    assert_eq!(
        bench.close(0),
        [Effect::Destroy { id: 0 }, Effect::ServeSoon, Effect::Gone { id: 0 }]
    );
    // There is a free slot, but two came before.
    assert_eq!(bench.acquire(2, 3), [Effect::Queued { id: 3 }]);
    assert_eq!(bench.serve(2), granted(1, Start::Boot));
    assert_eq!(bench.serve(2), []);
    assert_eq!(bench.control.queue_length(), 2);
}

#[test]
fn one_serving_is_asked_for_at_a_time() {
    let mut bench = Bench::new(config(Some(2)));
    bench.admit(0..4);
    bench.run(0);
    bench.run(1);
    bench.acquire(1, 2);
    bench.acquire(1, 3);
    assert!(bench.close(0).contains(&Effect::ServeSoon));
    assert!(!bench.close(1).contains(&Effect::ServeSoon));
    let both = [granted(2, Start::Boot), granted(3, Start::Boot)].concat();
    assert_eq!(bench.serve(1), both);
    // Nobody waits: a freed slot asks for nothing.
    assert_eq!(bench.close(2), [Effect::Destroy { id: 2 }, Effect::Gone { id: 2 }]);
}

#[test]
fn who_gives_up_leaves_the_queue_to_the_next() {
    let timeout = Span::from_secs(30);
    let mut bench = Bench::new(ControlConfig { queue_timeout: Some(timeout), ..config(Some(1)) });
    bench.admit(0..3);
    bench.run(0);
    let wait = |id| {
        [Effect::Queued { id }, Effect::SetTimer { id, kind: TimerKind::Queue, after: timeout }]
    };
    assert_eq!(bench.acquire(1, 1), wait(1));
    assert_eq!(bench.acquire(2, 2), wait(2));
    assert_eq!(bench.timer(1), [Effect::TurnedAway { id: 1, had_sandbox: false }]);
    assert_eq!(bench.close(1), [Effect::Gone { id: 1 }]);
    bench.close(0);
    let mut next = vec![Effect::ClearTimer { id: 2 }];
    next.extend(granted(2, Start::Boot));
    assert_eq!(bench.serve(31), next);
}

#[test]
fn a_number_used_again_does_not_take_the_place_of_who_left() {
    let mut bench = Bench::new(config(Some(1)));
    bench.admit(0..3);
    bench.run(0);
    bench.acquire(1, 1);
    bench.acquire(1, 2);
    // 1 is closed in the queue; a new session takes the number and joins behind 2.
    assert_eq!(bench.close(1), [Effect::Gone { id: 1 }]);
    bench.admit(1..2);
    assert_eq!(bench.acquire(3, 1), [Effect::Queued { id: 1 }]);
    bench.close(0);
    assert_eq!(bench.serve(4), granted(2, Start::Boot));
}

#[test]
fn a_full_queue_turns_away_and_says_whom() {
    let mut bench = Bench::new(ControlConfig { queue_capacity: Some(0), ..config(Some(1)) });
    bench.admit(0..2);
    bench.run(0);
    assert_eq!(bench.acquire(1, 1), [Effect::TurnedAway { id: 1, had_sandbox: false }]);
    bench.close(1);
    bench.hibernate(0);
    bench.admit(1..2);
    bench.run(1);
    // 0 had a sandbox: its snapshot goes when it is closed.
    assert_eq!(
        bench.acquire(50, 0),
        [Effect::ClearTimer { id: 0 }, Effect::TurnedAway { id: 0, had_sandbox: true }]
    );
    let dropped = Effect::DropSnapshot { id: 0, expired: false };
    assert_eq!(bench.close(0), [dropped, Effect::Gone { id: 0 }]);
}

#[test]
fn a_missing_token_says_when_to_serve_again() {
    let rate = Some(CreateRate {
        limit: "1/s".parse().expect("a rate"),
        window: Some(Span::from_secs(1)),
    });
    let mut bench = Bench::new(ControlConfig {
        room: RoomConfig::Elastic(ElasticTerms { create_rate: rate, ..ElasticTerms::default() }),
        ..config(None)
    });
    bench.admit(0..3);
    bench.run(0);
    let due = Effect::ServeAt { at: seconds(1) };
    assert_eq!(bench.acquire(0, 1), [Effect::Queued { id: 1 }, due]);
    // It was said already.
    assert_eq!(bench.acquire(0, 2), [Effect::Queued { id: 2 }]);
    let mut first = granted(1, Start::Boot);
    first.push(Effect::ServeAt { at: seconds(2) });
    assert_eq!(bench.serve(1), first);
    assert_eq!(bench.serve(2), granted(2, Start::Boot));
}

#[test]
fn tries_are_counted_by_kind_and_a_lost_snapshot_boots_cold() {
    let mut bench = Bench::new(ControlConfig { attempts: 2, ..config(Some(1)) });
    let id = 0;
    let begin = |start, attempt| begin(id, start, attempt);
    bench.admit(0..1);
    bench.run(id);
    bench.hibernate(id);
    bench.acquire(60, id);
    assert_eq!(bench.started(id, false), [begin(Start::Restore, 1)]);
    assert_eq!(bench.started(id, false), [Effect::StateLost { id }, begin(Start::Boot, 0)]);
    assert_eq!(bench.started(id, false), [begin(Start::Boot, 1)]);
    assert_eq!(bench.started(id, false), [Effect::StartFailed { id }]);
    // It held its slot all along.
    assert_eq!(bench.control.slots_held(), Some(1));
    let dropped = Effect::DropSnapshot { id, expired: false };
    assert_eq!(bench.close(id), [Effect::Destroy { id }, dropped, Effect::Gone { id }]);
}

#[test]
fn who_asks_while_being_saved_asks_again() {
    let mut bench = Bench::new(config(Some(1)));
    let id = 0;
    bench.admit(0..1);
    bench.run(id);
    bench.release(id);
    bench.timer(id);
    assert_eq!(bench.acquire(12, id), []);
    // No retention: it is wanted.
    assert_eq!(bench.saved(id), [Effect::Hibernated { id }, Effect::AskAgain { id }]);
    assert_eq!(bench.acquire(15, id), granted(id, Start::Restore));
}

#[test]
fn a_failed_save_loses_the_sandbox_and_the_snapshot_before() {
    let mut bench = Bench::new(config(Some(1)));
    let id = 0;
    bench.admit(0..1);
    bench.run(id);
    bench.hibernate(id);
    bench.acquire(60, id);
    bench.started(id, true);
    bench.release(id);
    bench.timer(id);
    let failed = bench.on(|control, out| control.save_failed(id, out));
    let dropped = Effect::DropSnapshot { id, expired: false };
    assert_eq!(failed, [Effect::Destroy { id }, Effect::StateLost { id }, dropped]);
    assert_eq!(bench.acquire(90, id), granted(id, Start::Boot));
}

#[test]
fn an_abandoned_session_is_idle_until_its_snapshot_expires() {
    let mut bench = Bench::new(config(None));
    let id = 0;
    bench.admit(0..1);
    bench.run(id);
    let idle = Effect::SetTimer { id, kind: TimerKind::Idle, after: IDLE };
    assert_eq!(bench.on(|control, out| control.abandon(id, out)), [idle]);
    bench.timer(id);
    bench.saved(id);
    let expired = Effect::DropSnapshot { id, expired: true };
    assert_eq!(bench.timer(id), [expired, Effect::Gone { id }]);
}

#[test]
fn an_abandoned_sandbox_is_killed_or_kept() {
    for (then, ends) in [(IdleThen::Kill, true), (IdleThen::Keep, false)] {
        let mut bench = Bench::new(ControlConfig { idle_then: then, ..config(None) });
        let id = 0;
        bench.admit(0..1);
        bench.run(id);
        let effects = bench.on(|control, out| control.abandon(id, out));
        assert_eq!(!effects.is_empty(), ends);
        if ends {
            assert_eq!(bench.timer(id), [Effect::Kill { id }, Effect::Gone { id }]);
        }
        assert_eq!(bench.control.slots_held(), Some(u64::from(!ends)));
    }
}

#[test]
fn a_stocked_snapshot_only_expires() {
    let mut bench = Bench::new(config(None));
    let residual = Span::from_secs(7);
    let seeded = bench.on(|control, out| control.seed_snapshot(3, 0, residual, out));
    assert_eq!(seeded, [Effect::SetTimer { id: 3, kind: TimerKind::Retention, after: residual }]);
    let expired = Effect::DropSnapshot { id: 3, expired: true };
    assert_eq!(bench.timer(3), [expired, Effect::Gone { id: 3 }]);
    assert_eq!(bench.control.slots_held(), Some(0));
}
