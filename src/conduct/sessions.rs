//! What sessions want, and what becomes of it.

use super::Conduct;
use super::agent::{Agent, Kind, Slot};
use super::executor::{Event, Executor, Rank};
use crate::measure::{Counter, Gauge, Metric};
use crate::scenario::types::PolicyPoint;
use crate::units::{Span, Time};
use crate::workload::plan::End;
use crate::workload::session::{Session, Want};

/// How a session left, other than by its last turn's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Failed,
    Rejected,
}

impl<X: Executor> Conduct<X> {
    pub(super) fn arrive(&mut self, now: Time, exec: &mut X) {
        let session = Session::arrive(&self.demand, self.arrived);
        self.arrived += 1;
        let class = session.class();
        let id = self.agents.insert(Agent::new(session, Kind::Session, now));
        self.control.admit(id, class.0);
        self.recorder.count(Counter::SessionsArrived, 1);
        self.recorder.shift(Gauge::SessionsOpen, 1);
        self.schedule_arrival(exec);
        if !self.let_in(class) {
            return self.leave(id, Outcome::Rejected);
        }
        let mut waits = self.check(id, PolicyPoint::Session);
        waits += self.first_identity(now + waits, id);
        if waits.is_zero() {
            self.begin_turn(now, id, exec);
        } else {
            let timer = exec.schedule(now + waits, Rank::Asks, Event::Turn { id });
            self.agents.get(id).pending = Some(timer);
        }
    }

    pub(super) fn begin_turn(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        if agent.is_child() {
            return self.begin_child_turn(now, id, exec);
        }
        // Before the first turn there was no think time.
        if agent.had_sandbox {
            self.recorder.observe(Metric::Think, now.since(agent.turn_at));
        }
        agent.turn_at = now;
        agent.served = Span::ZERO;
        agent.in_turn = true;
        agent.pending = None;
        let idle = agent.slot == Slot::Idle;
        self.recorder.shift(Gauge::SessionsInTurn, 1);
        if idle {
            self.set_slot(id, Slot::Turn);
        } else {
            self.seat_turns(id, Slot::SeatTurn);
        }
        self.control.acquire(now, id, &mut self.effects);
    }

    pub(super) fn proceed(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        agent.pending = None;
        let want = agent.session.proceed(&self.demand, &mut self.tools);
        self.want(now, id, want, exec);
    }

    /// Does what the session wants. What is due at this instant is asked for behind those who
    /// asked before.
    pub(super) fn want(&mut self, now: Time, id: u32, want: Want, exec: &mut X) {
        match want {
            Want::Nothing => {}
            Want::Proceed => {
                let timer = exec.schedule(now, Rank::Asks, Event::Proceed { id });
                self.agents.get(id).pending = Some(timer);
            }
            Want::Call => self.begin_call(now, id, exec),
            Want::Tools => self.begin_tools(now, id, exec),
            Want::Retry { after } => {
                let timer = exec.schedule(now + after, Rank::Asks, Event::Attempt { id });
                self.agents.get(id).pending = Some(timer);
            }
            Want::Spawn => self.spawn(now, id, exec),
            Want::Think { span } if self.agents.get(id).is_child() => {
                let timer = exec.schedule(now + span, Rank::Asks, Event::Turn { id });
                self.agents.get(id).pending = Some(timer);
            }
            Want::Leave(_) if self.agents.get(id).is_child() => {
                self.child_left(now, id, exec);
            }
            Want::Fail => self.fail(now, id, exec),
            Want::Think { span } => {
                self.end_turn(now, id);
                self.idles(id);
                self.control.release(id, &mut self.effects);
                let timer = exec.schedule(now + span, Rank::Asks, Event::Turn { id });
                let agent = self.agents.get(id);
                (agent.pending, agent.since) = (Some(timer), now + span);
            }
            Want::Leave(end) => self.complete(now, id, end),
        }
    }

    fn end_turn(&mut self, now: Time, id: u32) {
        let agent = self.agents.get(id);
        agent.in_turn = false;
        let length = now.since(agent.turn_at);
        agent.turn_at = now;
        self.recorder.turn(agent.session.index(), length, length.saturating_sub(agent.served));
        self.recorder.shift(Gauge::SessionsInTurn, -1);
    }

    /// Its sandbox runs, and nothing in it for this session.
    fn idles(&mut self, id: u32) {
        if !self.seat_turns(id, Slot::SeatIdle) {
            self.set_slot(id, Slot::Idle);
        }
    }

    fn complete(&mut self, now: Time, id: u32, end: End) {
        self.end_turn(now, id);
        let agent = self.agents.get(id);
        let length = now.since(agent.arrived);
        self.recorder.observe(Metric::Session, length);
        self.recorder.count(Counter::SessionsCompleted, 1);
        self.depart(id);
        match end {
            End::Close => self.control.close(id, &mut self.effects),
            End::Abandon => {
                self.recorder.count(Counter::SessionsAbandoned, 1);
                self.idles(id);
                self.control.abandon(id, &mut self.effects);
            }
        }
    }

    /// A session, or a sub-agent, comes to a bad end.
    pub(super) fn fail(&mut self, now: Time, id: u32, exec: &mut X) {
        if self.agents.get(id).is_child() {
            self.recorder.count(Counter::SubAgentsFailed, 1);
            self.child_left(now, id, exec);
        } else {
            self.leave(id, Outcome::Failed);
        }
    }

    pub(super) fn leave(&mut self, id: u32, outcome: Outcome) {
        self.recorder.count(
            match outcome {
                Outcome::Failed => Counter::SessionsFailed,
                Outcome::Rejected => Counter::SessionsRejected,
            },
            1,
        );
        self.depart(id);
        self.control.close(id, &mut self.effects);
    }

    fn depart(&mut self, id: u32) {
        let agent = self.agents.get(id);
        agent.open = false;
        if std::mem::take(&mut agent.in_turn) {
            self.recorder.shift(Gauge::SessionsInTurn, -1);
        }
        let class = agent.session.class();
        self.recorder.shift(Gauge::SessionsOpen, -1);
        self.let_out(class);
        self.left += 1;
        if self.setup.population.is_some()
            && self
                .setup
                .sessions
                .is_none_or(|n| self.arrived + self.to_come + self.replacements < n)
        {
            self.replacements += 1;
        }
    }
}
