//! What the platform itself does for a session: starts and snapshots. On a platform it takes its time;
//! on one machine it takes a core for that time, and all that the machine does shares the cores.

use rustc_hash::FxHashMap;

use super::cpu::CallKey;
use super::world::{Direction, Physical, World};
use crate::conduct::{Event, Rank, Setup};
use crate::engine::Timer;
use crate::units::{Span, Time};

/// The number, among a session's calls, of what the platform does for it.
const OWN: u16 = u16::MAX;

/// The machine: elastic platforms are one host.
const MACHINE: u32 = 0;

/// What comes when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The sandbox has started, or failed to.
    Started,
    /// The snapshot is stored.
    Saved,
    /// Bytes flow.
    Flow(Direction),
}

/// Starts and snapshots on the cores of one machine.
#[derive(Debug, Default)]
pub(super) struct OwnWork {
    /// How fast the machine's cores are; none if there is no such machine.
    speed: Option<f64>,
    /// By session: its place on the cores, and what comes then.
    running: FxHashMap<u32, (u32, Then)>,
}

impl OwnWork {
    pub fn new(setup: &Setup) -> Self {
        let machine = setup.machine.filter(|_| setup.host_types.is_empty());
        OwnWork { speed: machine.map(|machine| machine.speed), ..OwnWork::default() }
    }

    /// Whether there is one machine, whose cores are shared.
    pub fn takes_cores(&self) -> bool {
        self.speed.is_some()
    }

    /// How fast cores are.
    pub fn speed(&self) -> f64 {
        self.speed.unwrap_or(1.0)
    }
}

/// Whether this is the platform's own work and no tool call.
pub(super) fn is_own(key: CallKey) -> bool {
    key.number == OWN
}

impl World {
    /// For so long the platform works for a session, longer where the cores have more to do; then that
    /// comes.
    pub(super) fn works(&mut self, now: Time, span: Span, id: u32, then: Then) {
        if !self.own_work.takes_cores() || span.is_zero() {
            let timer = self.comes(now + span, id, then);
            self.work.of(id).timer = Some(timer);
            return;
        }
        self.beside.clear();
        let speed = self.own_work.speed();
        let cpu = &mut self.hosts[MACHINE as usize].cpu;
        let before = cpu.busy();
        let key = CallKey { id, number: OWN };
        let place = cpu.join(now, key, speed, span, f64::INFINITY, &mut self.beside);
        self.cpu_change += cpu.busy() - before;
        self.own_work.running.insert(id, (place, then));
        self.work.of(id).timer = None;
        self.reschedule_host(MACHINE);
    }

    fn comes(&mut self, at: Time, id: u32, then: Then) -> Timer {
        match then {
            Then::Started => {
                let ok = !self.work.of(id).fails;
                self.conduct(at, Rank::Frees, Event::Started { id, ok })
            }
            Then::Saved => self.conduct(at, Rank::Frees, Event::Saved { id }),
            Then::Flow(direction) => self.physical(at, Physical::Flow(direction, id)),
        }
    }

    /// A session's own work has had its CPU time.
    pub(super) fn own_work_ended(&mut self, now: Time, id: u32) {
        if let Some(then) = self.leaves_cores(now, id) {
            let timer = self.comes(now, id, then);
            self.work.of(id).timer = Some(timer);
        }
    }

    /// It ends unfinished.
    pub(super) fn abort_own_work(&mut self, now: Time, id: u32) {
        let before = self.hosts.first().map_or(0, |host| host.cpu.busy());
        if self.leaves_cores(now, id).is_some() {
            self.cpu_change += self.hosts[MACHINE as usize].cpu.busy() - before;
            self.reschedule_host(MACHINE);
        }
    }

    fn leaves_cores(&mut self, now: Time, id: u32) -> Option<Then> {
        let (place, then) = self.own_work.running.remove(&id)?;
        self.hosts[MACHINE as usize].cpu.leave(now, place, f64::INFINITY, &[]);
        Some(then)
    }
}
