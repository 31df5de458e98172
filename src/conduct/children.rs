//! Sub-agents: sessions that run in the sandbox and slot of the one that started them.

use super::Conduct;
use super::agent::{Agent, Kind};
use super::executor::{Event, Executor, Rank};
use crate::measure::Counter;
use crate::units::Time;
use crate::workload::session::Session;

impl<X: Executor> Conduct<X> {
    /// Starts the sub-agents of a step; their first turns ask behind those who asked before.
    pub(super) fn spawn(&mut self, now: Time, id: u32, exec: &mut X) {
        let mut children = Vec::new();
        let agent = self.agents.get(id);
        agent.session.children(&self.demand, &mut children);
        agent.session.spawned(children.len());
        self.recorder.count(Counter::SubAgents, children.len() as u64);
        for (index, class) in children {
            let session = Session::child(&self.demand, index, class);
            let child = self.agents.insert(Agent::new(session, Kind::Child { parent: id }, now));
            let timer = exec.schedule(now, Rank::Asks, Event::Turn { id: child });
            self.agents.get(child).pending = Some(timer);
        }
    }

    /// A sub-agent's turn finds its sandbox running.
    pub(super) fn begin_child_turn(&mut self, now: Time, id: u32, exec: &mut X) {
        let agent = self.agents.get(id);
        agent.pending = None;
        let want = agent.session.sandbox_ready(&self.demand);
        if want == crate::workload::session::Want::Proceed {
            self.proceed(now, id, exec);
        } else {
            self.want(now, id, want, exec);
        }
    }

    /// A sub-agent has left: who started it goes on when it was the last.
    pub(super) fn child_left(&mut self, now: Time, id: u32, exec: &mut X) {
        let Kind::Child { parent } = self.agents.get(id).kind else {
            unreachable!("only a sub-agent leaves as one")
        };
        self.agents.remove(id);
        exec.gone(id);
        let want = self.agents.get(parent).session.child_ended(&self.demand);
        self.want(now, parent, want, exec);
    }

    /// The sandbox is lost, and with it all sub-agents in it.
    pub(super) fn drop_children(&mut self, now: Time, root: u32, exec: &mut X) {
        if !self.demand.have_children {
            return;
        }
        let mut lost = self.agents.all(|agent| agent.is_child());
        lost.retain(|id| self.agents.root(*id) == root);
        let shared = self.agents.get(root).slot.is_seat();
        for id in lost {
            // The sandbox, and with it what runs there, goes behind its last session.
            if shared {
                exec.abort(now, id);
            }
            if let Some(pending) = self.agents.get(id).pending.take() {
                exec.cancel(pending);
            }
            self.drop_call(id);
            self.agents.remove(id);
            exec.gone(id);
        }
    }
}
