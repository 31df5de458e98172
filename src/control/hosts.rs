//! What the machine does when hosts come up, go down, or are looked at by their autoscaler.

use super::effect::Effect;
use super::entry::{Flag, State};
use super::machine::Control;
use crate::units::{Span, Time};

impl Control {
    /// How often each type's autoscaler looks.
    pub fn scaler_ticks(&self) -> Vec<(u16, Span)> {
        let super::RoomConfig::Fleet(fleet) = &self.config.room else { return Vec::new() };
        let interval = |(kind, terms): (u16, &super::HostTerms)| Some((kind, terms.interval()?));
        (0..).zip(&fleet.types).filter_map(interval).collect()
    }

    /// A host that was started has booted.
    pub fn host_up(&mut self, host: u32, out: &mut Vec<Effect>) {
        if self.room.fleet().up(host, out) {
            self.serve_soon(out);
        }
    }

    /// Whether the host is up.
    pub fn host_is_up(&mut self, host: u32) -> bool {
        self.room.fleet().is_up(host)
    }

    /// The autoscaler of a type looks.
    pub fn scale(&mut self, now: Time, kind: u16, out: &mut Vec<Effect>) {
        self.room.fleet().tick(now, kind, out);
    }

    /// A host that is up goes down; what runs there is lost. Sessions in a turn ask again, from
    /// their snapshots where they have one; starts and claims begin anew.
    pub fn crash(&mut self, now: Time, host: u32, out: &mut Vec<Effect>) {
        self.room.fleet().close(host);
        let mut short = Vec::new();
        for id in 0..self.entries.len() as u32 {
            let entry = self.entries[id as usize];
            if entry.host == host && entry.holds_slot() {
                short.extend(entry.pool());
                self.crash_one(id, out);
            }
        }
        self.room.fleet().crash(host, out);
        for pool in short {
            self.refill(now, pool, out);
        }
    }

    fn crash_one(&mut self, id: u32, out: &mut Vec<Effect>) {
        let entry = self.entries[id as usize];
        self.clear_timer(id, out);
        if let State::Starting { .. } = entry.state {
            self.start_over(id, out);
        }
        let rolls_back = entry.is(Flag::HasSnapshot);
        out.push(Effect::Crashed { id, rolls_back });
        self.free_slot(id, out);
        if let Some(pool) = entry.pool() {
            let pool = &mut self.pools[usize::from(pool)];
            match entry.state {
                State::Pooled => pool.lost(id),
                _ => pool.unmade(),
            }
            self.entries[id as usize].state = State::None;
            return out.push(Effect::Gone { id });
        }
        let asks = match entry.state {
            State::Starting { .. } | State::Claiming | State::Busy => true,
            State::Saving { wanted } => wanted,
            _ => false,
        };
        self.entries[id as usize].state = if rolls_back { State::Hibernated } else { State::None };
        if asks {
            out.push(Effect::AskAgain { id });
        } else if rolls_back {
            self.keep_snapshot(id, out);
        } else {
            self.gone_if_over(id, out);
        }
    }
}
