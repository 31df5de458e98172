//! What the platform itself does for a session: starts, snapshots, destructions. On a platform starts and
//! snapshots take their time; on one machine all of it takes cores for that time, which everything that
//! the machine does shares.

use rustc_hash::FxHashMap;

use super::cpu::CallKey;
use super::world::{Direction, Physical, World};
use crate::conduct::{Event, Rank, Setup};
use crate::scenario::types::{CoreUse, OnMachine};
use crate::units::{Cores, Span, Time};

/// The number, among a session's calls, of what the platform does for it.
const OWN: u16 = u16::MAX;

/// Whose it is when the session has what it waited for: nobody's.
const NOBODY: u32 = u32::MAX;

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

/// Operations that a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Boot,
    Restore,
    Snapshot,
}

/// One of them on the cores.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// Its place there.
    place: u32,
    then: Then,
    takes: CoreUse,
}

/// The platform's own work on the cores of one machine.
#[derive(Debug, Default)]
pub(super) struct OwnWork {
    /// How fast the machine's cores are; none if there is no such machine.
    speed: Option<f64>,
    takes: OnMachine,
    /// By session.
    running: FxHashMap<u32, Running>,
}

impl OwnWork {
    pub fn new(setup: &Setup) -> Self {
        let machine = setup.machine.filter(|_| setup.host_types.is_empty());
        let speed = machine.map(|machine| machine.speed);
        OwnWork { speed, takes: setup.tier.on_machine, ..OwnWork::default() }
    }

    /// Whether there is one machine, whose cores are shared.
    pub fn takes_cores(&self) -> bool {
        self.speed.is_some()
    }

    /// How fast cores are.
    pub fn speed(&self) -> f64 {
        self.speed.unwrap_or(1.0)
    }

    /// How much of reaching into a sandbox is work for a core. What would take more than one is taken for
    /// one.
    pub fn share_of_reach(&self) -> f64 {
        if self.takes_cores() { self.takes.exec.cores.0.min(1.0) } else { 0.0 }
    }

    fn takes(&self, operation: Operation) -> CoreUse {
        match operation {
            Operation::Boot => self.takes.boot,
            Operation::Restore => self.takes.restore,
            Operation::Snapshot => self.takes.snapshot,
        }
    }
}

impl World {
    /// For so long the platform works for a session, longer where the cores have more to do; then that
    /// comes.
    pub(super) fn works(&mut self, now: Time, span: Span, id: u32, what: (Operation, Then)) {
        let (operation, then) = what;
        if !self.own_work.takes_cores() {
            return self.comes(now + span, id, then);
        }
        let takes = self.own_work.takes(operation);
        if span.is_zero() {
            self.comes(now, id, then);
            return self.works_for_nobody(now, takes);
        }
        let place = self.begins_on_cores(now, CallKey { id, number: OWN }, span, takes.cores);
        self.own_work.running.insert(id, Running { place, then, takes });
        self.work.of(id).timer = None;
    }

    /// A sandbox is destroyed; nobody waits for it.
    pub(super) fn works_to_destroy(&mut self, now: Time) {
        if self.own_work.takes_cores() {
            self.works_for_nobody(now, self.own_work.takes.destroy);
        }
    }

    fn works_for_nobody(&mut self, now: Time, takes: CoreUse) {
        if !takes.after.is_zero() {
            let key = CallKey { id: NOBODY, number: OWN };
            self.begins_on_cores(now, key, takes.after, takes.cores);
        }
    }

    /// Work joins the others, and who ends next is asked anew.
    fn begins_on_cores(&mut self, now: Time, key: CallKey, span: Span, cores: Cores) -> u32 {
        let before = self.hosts[MACHINE as usize].cpu.busy();
        let place = self.joins_cores(now, key, span, cores);
        self.cpu_change += self.hosts[MACHINE as usize].cpu.busy() - before;
        self.reschedule_host(MACHINE);
        place
    }

    /// Work that takes so long with so many cores that nothing is stolen from, and can use no more; gives
    /// its place.
    fn joins_cores(&mut self, now: Time, key: CallKey, span: Span, cores: Cores) -> u32 {
        self.beside.clear();
        let cap = cores.0 * self.own_work.speed();
        let work = Span::from_seconds(span.seconds() * cores.0);
        let cpu = &mut self.hosts[MACHINE as usize].cpu;
        cpu.join(now, key, cap, work, f64::INFINITY, &mut self.beside)
    }

    /// Work on the machine's cores is done, if it is the platform's own; else it is a tool call's. The
    /// caller counts busy cores and asks anew who ends next.
    pub(super) fn own_work_ended(&mut self, now: Time, key: CallKey, place: u32) -> bool {
        match (key.number, key.id) {
            (OWN, NOBODY) => {
                self.hosts[MACHINE as usize].cpu.leave(now, place, f64::INFINITY, &[]);
                true
            }
            (OWN, _) => {
                let ended = self.leaves_cores(now, key.id);
                let Running { then, takes, .. } = ended.expect("what ends was running");
                self.comes(now, key.id, then);
                if !takes.after.is_zero() {
                    let key = CallKey { id: NOBODY, ..key };
                    self.joins_cores(now, key, takes.after, takes.cores);
                }
                true
            }
            _ => false,
        }
    }

    /// What the work was for comes at that instant.
    pub(super) fn comes(&mut self, at: Time, id: u32, then: Then) {
        let timer = match then {
            Then::Started => {
                let ok = !self.work.of(id).fails;
                self.conduct(at, Rank::Frees, Event::Started { id, ok })
            }
            Then::Saved => self.conduct(at, Rank::Frees, Event::Saved { id }),
            Then::Flow(direction) => self.physical(at, Physical::Flow(direction, id)),
        };
        self.work.of(id).timer = Some(timer);
    }

    /// It ends unfinished.
    pub(super) fn abort_own_work(&mut self, now: Time, id: u32) {
        let before = self.hosts.first().map_or(0, |host| host.cpu.busy());
        if self.leaves_cores(now, id).is_some() {
            self.cpu_change += self.hosts[MACHINE as usize].cpu.busy() - before;
            self.reschedule_host(MACHINE);
        }
    }

    fn leaves_cores(&mut self, now: Time, id: u32) -> Option<Running> {
        let running = self.own_work.running.remove(&id)?;
        self.hosts[MACHINE as usize].cpu.leave(now, running.place, f64::INFINITY, &[]);
        Some(running)
    }
}
