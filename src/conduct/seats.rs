//! Sessions that share a sandbox. The sandbox is an agent of its own, which holds the slot; its
//! sessions have seats in it.

use super::Conduct;
use super::agent::{Agent, Kind, Slot};
use super::executor::Executor;
use super::starts::PLACES;
use crate::control::Start;
use crate::measure::Counter;
use crate::units::{Bytes, Time};
use crate::workload::session::Session;

/// A sandbox with seats.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vessel {
    /// Its agent.
    agent: u32,
    /// Sessions in it that are in a turn.
    in_turn: u32,
}

impl<X: Executor> Conduct<X> {
    /// A session was granted a slot, for a sandbox that others may share.
    pub(super) fn launched(&mut self, now: Time, id: u32, number: u32, host: u32) {
        let waits = self.agents.get(id).waiting;
        let waited = self.unqueue(now, id);
        let class = self.agents.get(id).session.class();
        self.recorder.count(Counter::SandboxesMade, 1);
        self.note_create(now, class);
        if !waits {
            self.note_request(class, None);
        }
        self.observe_wait(id, waited);
        let session = Session::absent(class, PLACES + self.places);
        self.places += 1;
        let vessel = self.agents.insert(Agent::new(session, Kind::Vessel { number }, now));
        self.agents.get(vessel).host = host;
        let place = number as usize;
        if self.vessels.len() <= place {
            self.vessels.resize(place + 1, Vessel::default());
        }
        self.vessels[place] = Vessel { agent: vessel, in_turn: 0 };
        self.set_slot(vessel, Slot::Starting);
        self.take_seat(id, vessel, Slot::Boarding, true);
    }

    /// A session has a seat in a sandbox that is there, or is being booted.
    pub(super) fn seated(&mut self, now: Time, id: u32, number: u32, runs: bool) {
        let vessel = self.vessels[number as usize].agent;
        let waits = self.agents.get(id).waiting;
        if waits {
            let waited = self.unqueue(now, id);
            self.observe_wait(id, waited);
        } else {
            self.has_sandbox(id);
        }
        // Who neither waited nor waits, and lost no sandbox, found it running.
        if runs && !waits && !self.asked_again.contains_key(&id) {
            self.take_seat(id, vessel, Slot::SeatTurn, false);
            self.turns_in(vessel, 1);
        } else {
            self.take_seat(id, vessel, Slot::Boarding, !runs);
        }
    }

    fn take_seat(&mut self, id: u32, vessel: u32, slot: Slot, is_cold: bool) {
        let agent = self.agents.get(id);
        (agent.host, agent.slot) = (vessel, slot);
        // What is neither resumed nor taken over starts cold.
        (agent.resumes, agent.claims) = (false, !is_cold);
        agent.dirtied = Bytes(0);
    }

    pub(super) fn begin_vessel(&mut self, now: Time, number: u32, beside: u32, exec: &mut X) {
        let vessel = self.vessels[number as usize].agent;
        self.begin(now, vessel, Start::Boot, beside, exec);
    }

    /// Nobody is left in the sandbox.
    pub(super) fn scrapped(&mut self, now: Time, number: u32, exec: &mut X) {
        let vessel = self.vessels[number as usize].agent;
        exec.destroy(now, vessel);
        self.set_slot(vessel, Slot::Free);
        self.agents.remove(vessel);
        exec.gone(vessel);
    }

    /// A session that has a seat begins a turn, or ends one; whether it has a seat.
    pub(super) fn seat_turns(&mut self, id: u32, slot: Slot) -> bool {
        let agent = self.agents.get(id);
        if !agent.slot.is_seat() {
            return false;
        }
        let vessel = agent.host;
        let before = std::mem::replace(&mut agent.slot, slot);
        let in_turn = |slot: Slot| i32::from(slot == Slot::SeatTurn);
        self.turns_in(vessel, in_turn(slot) - in_turn(before));
        true
    }

    /// Leaves its seat, if it has one; whether it had.
    pub(super) fn leave_seat(&mut self, id: u32) -> bool {
        if !self.seat_turns(id, Slot::Free) {
            return false;
        }
        let agent = self.agents.get(id);
        (agent.host, agent.dirtied) = (0, Bytes(0));
        true
    }

    /// The sandbox is in a turn as long as one of its sessions is.
    fn turns_in(&mut self, vessel: u32, change: i32) {
        let Kind::Vessel { number } = self.agents.get(vessel).kind else {
            unreachable!("seats are in sandboxes that have them")
        };
        let in_turn = &mut self.vessels[number as usize].in_turn;
        let before = *in_turn;
        *in_turn = before.checked_add_signed(change).expect("no more turns end than began");
        let slot = match (before, *in_turn) {
            (0, 1..) => Slot::Turn,
            (1.., 0) => Slot::Idle,
            _ => return,
        };
        self.set_slot(vessel, slot);
    }
}
