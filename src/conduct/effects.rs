//! What the control machine does, done.

use super::Conduct;
use super::agent::Slot;
use super::executor::{Event, Executor, Rank};
use super::sessions::Outcome;
use crate::control::{Effect, TimerKind};
use crate::measure::{Counter, Gauge};
use crate::units::{Span, Time};

impl<X: Executor> Conduct<X> {
    /// Does all effects in their order, those too that doing them brings about.
    pub(super) fn run_effects(&mut self, now: Time, exec: &mut X) {
        let mut done = 0;
        while done < self.effects.len() {
            let effect = self.effects[done];
            done += 1;
            self.log_effect(effect);
            self.run_effect(now, effect, exec);
        }
        self.effects.clear();
    }

    fn run_effect(&mut self, now: Time, effect: Effect, exec: &mut X) {
        match effect {
            Effect::Queued { id } => self.joined(now, id),
            Effect::Granted { id, start, host } => self.granted(now, id, start, host),
            Effect::Begin { id, start, attempt: _, beside } => {
                self.begin(now, id, start, beside, exec);
            }
            Effect::Launched { id, vessel, host } => self.launched(now, id, vessel, host),
            Effect::Seated { id, vessel, runs } => self.seated(now, id, vessel, runs),
            Effect::BeginVessel { vessel, beside } => self.begin_vessel(now, vessel, beside, exec),
            Effect::Scrapped { vessel } => self.scrapped(now, vessel, exec),
            Effect::Claimed { id, place, pool } => self.take_over(now, id, place, pool, exec),
            Effect::Ready { id } => self.ready(now, id, exec),
            Effect::Save { id } => self.save(now, id, exec),
            Effect::Hibernated { id } => {
                self.agents.get(id).hibernated = true;
                self.recorder.shift(Gauge::SandboxesHibernated, 1);
                self.set_slot(id, Slot::Free);
            }
            Effect::AskAgain { id } => {
                let timer = exec.schedule(now, Rank::Asks, Event::Acquire { id });
                self.agents.get(id).pending = Some(timer);
            }
            Effect::Destroy { id } => self.destroy(now, id, exec),
            Effect::Kill { id } => {
                self.recorder.count(Counter::Kills, 1);
                self.destroy(now, id, exec);
            }
            Effect::Crashed { id, rolls_back } => self.crashed(now, id, rolls_back, exec),
            Effect::DropSnapshot { id, expired } => self.drop_snapshot(now, id, expired, exec),
            Effect::Archive { id } => self.archive(id),
            Effect::StateLost { id } => self.state_lost(id),
            Effect::TurnedAway { id, had_sandbox } => {
                let agent = self.agents.get(id);
                if !agent.waiting {
                    let class = agent.session.class();
                    self.note_request(class, Some(self.control.held_up_by()));
                }
                self.unqueue(now, id);
                self.leave(id, if had_sandbox { Outcome::Failed } else { Outcome::Rejected });
            }
            Effect::StartFailed { id } => self.leave(id, Outcome::Failed),
            // The session's next turn, which will stop this timer, is known to come first.
            Effect::SetTimer { id, kind: TimerKind::Idle, after }
                if self.agents.get(id).thinks_until() <= now + after => {}
            Effect::SetTimer { id, kind: _, after } => {
                let timer = exec.schedule(now + after, Rank::GivesUp, Event::Timer { id });
                self.agents.get(id).timer = Some(timer);
            }
            Effect::ClearTimer { id } => {
                if let Some(timer) = self.agents.get(id).timer.take() {
                    exec.cancel(timer);
                }
            }
            Effect::Gone { id } => {
                self.agents.remove(id);
                self.forget(id);
                exec.gone(id);
            }
            Effect::NewPlace { pool, after } => self.new_place(now, pool, after, exec),
            Effect::PlaceExpired { id: _ } => self.recorder.count(Counter::PoolExpired, 1),
            Effect::ServeSoon => {
                exec.schedule(now, Rank::Serves, Event::Serve);
            }
            Effect::ServeAt { at } => {
                exec.schedule(at, Rank::Serves, Event::Serve);
            }
            Effect::StartHost { .. }
            | Effect::HostUp { .. }
            | Effect::StopHost { .. }
            | Effect::HostDown { .. } => self.host_effect(now, effect, exec),
        }
    }

    /// What few sessions have is kept aside, and goes with them.
    fn forget(&mut self, id: u32) {
        for aside in [&mut self.asked_again, &mut self.identified_at] {
            if !aside.is_empty() {
                aside.remove(&id);
            }
        }
        if !self.saved_dirt.is_empty() {
            self.saved_dirt.remove(&id);
        }
    }

    fn joined(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        agent.waiting = true;
        agent.since = now;
        let class = agent.session.class();
        self.note_request(class, Some(self.control.held_up_by()));
        self.recorder.shift(Gauge::QueueLength, 1);
        if self.scale_out_from.is_none() {
            // What was empty for no time was not empty.
            let before = self.scaled_out.take().map(|(from, _)| from);
            self.scale_out_from = Some(before.unwrap_or(now));
        }
    }

    /// The request is no longer in the queue; how long it was.
    pub(super) fn unqueue(&mut self, now: Time, id: u32) -> Span {
        let agent = self.agents.get(id);
        if !std::mem::take(&mut agent.waiting) {
            return Span::ZERO;
        }
        let waited = now.since(agent.since);
        self.recorder.shift(Gauge::QueueLength, -1);
        if self.recorder.value(Gauge::QueueLength) == 0
            && let Some(from) = self.scale_out_from.take()
        {
            self.scaled_out = Some((from, now));
        }
        waited
    }

    fn log_effect(&mut self, effect: Effect) {
        let Some(log) = &mut self.log else { return };
        let id = match effect {
            Effect::Queued { id }
            | Effect::Claimed { id, .. }
            | Effect::Crashed { id, .. }
            | Effect::Archive { id }
            | Effect::PlaceExpired { id }
            | Effect::Granted { id, .. }
            | Effect::Begin { id, .. }
            | Effect::Launched { id, .. }
            | Effect::Seated { id, .. }
            | Effect::Ready { id }
            | Effect::Save { id }
            | Effect::Hibernated { id }
            | Effect::AskAgain { id }
            | Effect::Destroy { id }
            | Effect::Kill { id }
            | Effect::DropSnapshot { id, .. }
            | Effect::StateLost { id }
            | Effect::TurnedAway { id, .. }
            | Effect::StartFailed { id }
            | Effect::SetTimer { id, .. }
            | Effect::ClearTimer { id }
            | Effect::Gone { id } => id,
            Effect::BeginVessel { .. }
            | Effect::Scrapped { .. }
            | Effect::ServeSoon
            | Effect::ServeAt { .. }
            | Effect::NewPlace { .. }
            | Effect::StartHost { .. }
            | Effect::HostUp { .. }
            | Effect::StopHost { .. }
            | Effect::HostDown { .. } => return,
        };
        if let Some(agent) = self.agents.find(id).filter(|agent| !agent.is_place()) {
            log.push((agent.session.number(), effect));
        }
    }
}
