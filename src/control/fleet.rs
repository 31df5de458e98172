//! Hosts: which there are, what is on them, and when to have more or fewer.

use super::bucket::Bucket;
use super::effect::{Effect, HostStart};
use super::placement::{Index, Room};
use super::ration::Rations;
use crate::scenario::types::{Autoscaler, Forecast, HostType, Hosts, Placement};
use crate::units::{Bytes, Cores, Span, Time};

/// Millionths of a vCPU: room is counted in integers, so that what was taken is given back whole.
pub(super) const MICRO: f64 = 1e6;

/// What a sandbox takes of a host: its memory with the isolation's overhead, its vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// vCPUs in millionths.
    pub micro_vcpu: u64,
    /// Memory, overhead included.
    pub memory: Bytes,
}

impl Shape {
    /// A sandbox of this many vCPUs and this much memory.
    pub fn new(vcpu: Cores, memory: Bytes) -> Self {
        Shape { micro_vcpu: (vcpu.0 * MICRO).round() as u64, memory }
    }

    fn need(self) -> Room {
        Room { memory: self.memory.0 as i64, vcpu: self.micro_vcpu as i64 }
    }
}

/// An instance type, as the fleet needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTerms {
    min: u32,
    max: Option<u64>,
    /// What it promises: its own, overcommitted.
    capacity: Room,
    starts: Option<u64>,
    create_rate: Option<Bucket>,
    standby: u32,
    autoscaler: Option<Autoscaler>,
}

impl HostTerms {
    /// A type, with its autoscaler's waited times divided by `compression`.
    pub fn new(host: &HostType, compression: f64) -> Self {
        let promised = |own: f64, factor: f64| (own * factor).round() as i64;
        HostTerms {
            min: host.min,
            max: host.max.map_or(Some(u64::from(host.min)), |max| max.get()),
            capacity: Room {
                memory: promised(host.memory.0 as f64, host.overcommit.memory.0),
                vcpu: promised(host.cores.0 * MICRO, host.overcommit.cpu.0),
            },
            starts: host.starts_per_host.get(),
            create_rate: host
                .create_rate
                .as_ref()
                .map(|rate| Bucket::new(rate.limit, rate.window, compression)),
            standby: host.standby.as_ref().map_or(0, |standby| standby.count),
            autoscaler: host.autoscaler.as_ref().map(|scaler| Autoscaler {
                interval: scaler.interval.compressed(compression),
                target: scaler.target,
                cooldown: scaler.cooldown.compressed(compression),
                forecast: scaler.forecast.map(|forecast| Forecast {
                    window: forecast.window.compressed(compression),
                    ahead: forecast.ahead.compressed(compression),
                }),
            }),
        }
    }

    /// Whether a sandbox of this shape fits on an empty host.
    pub fn fits(&self, shape: Shape) -> bool {
        self.capacity.fits(shape.need())
    }

    /// How often the autoscaler looks.
    pub fn interval(&self) -> Option<Span> {
        self.autoscaler.as_ref().map(|scaler| scaler.interval)
    }
}

/// A fleet as the machine needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetConfig {
    /// Types, in the order of the scenario.
    pub types: Vec<HostTerms>,
    /// Which host takes a sandbox.
    pub placement: Placement,
}

impl FleetConfig {
    /// The fleet of a scenario.
    pub fn new(hosts: &Hosts, compression: f64) -> Self {
        let types = hosts.types();
        FleetConfig {
            placement: types.first().map_or(Placement::default(), |(_, first)| first.placement),
            types: types.iter().map(|(_, host)| HostTerms::new(host, compression)).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostState {
    Booting,
    Up,
    Stopped,
}

#[derive(Debug)]
struct Host {
    kind: u16,
    state: HostState,
    left: Room,
    sandboxes: u32,
    starts: u32,
}

/// All hosts there ever were, by number; a host that is stopped does not come back.
#[derive(Debug)]
pub(super) struct Fleet {
    config: FleetConfig,
    hosts: Vec<Host>,
    index: Index,
    rations: Rations,
    scalers: Vec<Scaler>,
    /// What sandboxes hold, by type.
    reserved: Vec<Room>,
    /// How many wait, by shape.
    queued: Vec<(Shape, i64)>,
}

/// What an autoscaler remembers of its type.
#[derive(Debug, Default)]
struct Scaler {
    /// Hosts booting or up.
    present: u32,
    standing_by: u32,
    changed_at: Option<Time>,
    /// Demand at past looks, oldest first, for the forecast.
    past: std::collections::VecDeque<(Time, f64)>,
}

impl Fleet {
    pub fn new(config: FleetConfig) -> Self {
        let scaler = |terms: &HostTerms| Scaler { standing_by: terms.standby, ..Scaler::default() };
        Fleet {
            hosts: Vec::new(),
            index: Index::new(config.placement),
            rations: Rations::default(),
            scalers: config.types.iter().map(scaler).collect(),
            reserved: vec![Room::default(); config.types.len()],
            queued: Vec::new(),
            config,
        }
    }

    /// The hosts that are up at time 0.
    pub fn open(&mut self, out: &mut Vec<Effect>) {
        for kind in 0..self.config.types.len() {
            for _ in 0..self.config.types[kind].min {
                let host = self.add(kind as u16);
                self.up(host, out);
            }
        }
    }

    fn add(&mut self, kind: u16) -> u32 {
        let number = u32::try_from(self.hosts.len()).expect("fewer than 2^32 hosts are started");
        let left = self.config.types[usize::from(kind)].capacity;
        self.hosts.push(Host { kind, state: HostState::Booting, left, sandboxes: 0, starts: 0 });
        self.rations.add(self.config.types[usize::from(kind)].create_rate.clone());
        self.scalers[usize::from(kind)].present += 1;
        number
    }

    /// A host has booted; whether it still was to.
    pub fn up(&mut self, host: u32, out: &mut Vec<Effect>) -> bool {
        let there = &mut self.hosts[host as usize];
        if there.state != HostState::Booting {
            return false;
        }
        there.state = HostState::Up;
        let kind = there.kind;
        self.reindex(host);
        out.push(Effect::HostUp { host, kind });
        true
    }

    /// When the next host may have a start again whose create rate holds it up now.
    pub fn rationed_until(&self) -> Option<Time> {
        self.rations.next_at()
    }

    /// Takes room for a sandbox and its start; where.
    pub fn take(&mut self, now: Time, shape: Shape) -> Option<u32> {
        while let Some(host) = self.rations.refilled(now) {
            self.reindex(host);
        }
        let host = self.index.find(shape.need())?;
        self.rations.take(now, host);
        let there = &mut self.hosts[host as usize];
        there.left.memory -= shape.need().memory;
        there.left.vcpu -= shape.need().vcpu;
        there.sandboxes += 1;
        let reserved = &mut self.reserved[usize::from(there.kind)];
        reserved.memory += shape.need().memory;
        reserved.vcpu += shape.need().vcpu;
        self.reindex(host);
        Some(host)
    }

    /// A sandbox is gone.
    pub fn free(&mut self, host: u32, shape: Shape) {
        let there = &mut self.hosts[host as usize];
        there.left.memory += shape.need().memory;
        there.left.vcpu += shape.need().vcpu;
        there.sandboxes -= 1;
        let reserved = &mut self.reserved[usize::from(there.kind)];
        reserved.memory -= shape.need().memory;
        reserved.vcpu -= shape.need().vcpu;
        self.reindex(host);
    }

    /// A start begins; how many are under way there, itself counted.
    pub fn start_begins(&mut self, host: u32) -> u32 {
        let there = &mut self.hosts[host as usize];
        there.starts += 1;
        let starts = there.starts;
        if self.config.types[usize::from(there.kind)].starts.is_some() {
            self.reindex(host);
        }
        starts
    }

    /// A start is over; whether that makes room for another.
    pub fn start_ends(&mut self, host: u32) -> bool {
        let there = &mut self.hosts[host as usize];
        there.starts -= 1;
        let limited = self.config.types[usize::from(there.kind)].starts.is_some();
        if limited {
            self.reindex(host);
        }
        limited
    }

    /// A request waits, or no longer.
    pub fn waits(&mut self, shape: Shape, joins: bool) {
        let sign = if joins { 1 } else { -1 };
        match self.queued.iter_mut().find(|(waiting, _)| *waiting == shape) {
            Some((_, count)) => *count += sign,
            None => self.queued.push((shape, sign)),
        }
    }

    /// What waits that hosts of this type are to take. Types take it in their order, each as much as
    /// all the hosts that it may have could hold beside what they hold; the first that fits takes the
    /// rest. That does not depend on how many hosts there are now: none is given up while it boots
    /// because another type could still grow.
    fn queued_for(&self, kind: usize) -> Room {
        let mut rooms: Vec<Room> = (0..self.config.types.len()).map(|k| self.may_hold(k)).collect();
        let mut mine = Room::default();
        for (shape, count) in &self.queued {
            let (need, mut left) = (shape.need(), *count);
            let mut first = None;
            for (k, room) in rooms.iter_mut().enumerate() {
                if !self.config.types[k].fits(*shape) {
                    continue;
                }
                first = first.or(Some(k));
                let takes = left.min(room.holds(need));
                left -= takes;
                room.add(need, -takes);
                if k == kind {
                    mine.add(need, takes);
                }
            }
            if first == Some(kind) {
                mine.add(need, left);
            }
        }
        mine
    }

    /// What all the hosts that a type may have could hold beside what its hosts hold. A type without
    /// autoscaler has all of its hosts and room on none for what waits.
    fn may_hold(&self, kind: usize) -> Room {
        let terms = &self.config.types[kind];
        let hosts = if terms.autoscaler.is_none() { Some(0) } else { terms.max };
        let Some(hosts) = hosts.map(|max| i64::try_from(max).unwrap_or(i64::MAX)) else {
            return Room { memory: i64::MAX, vcpu: i64::MAX };
        };
        let held = self.reserved[kind];
        Room {
            memory: terms.capacity.memory.saturating_mul(hosts).saturating_sub(held.memory),
            vcpu: terms.capacity.vcpu.saturating_mul(hosts).saturating_sub(held.vcpu),
        }
    }

    /// A host that is up goes down with all that is on it, and boots again. What was on it is freed
    /// by the caller first.
    pub fn crash(&mut self, host: u32, out: &mut Vec<Effect>) {
        let there = &mut self.hosts[host as usize];
        debug_assert_eq!((there.sandboxes, there.starts), (0, 0), "what was on it is gone");
        there.state = HostState::Booting;
        let kind = there.kind;
        self.reindex(host);
        out.push(Effect::HostDown { host, kind });
        out.push(Effect::StartHost { host, kind, how: HostStart::Again });
    }

    /// Takes an up host out before its sandboxes are freed, so that none of them comes back to it.
    pub fn close(&mut self, host: u32) {
        self.index.set(host, None);
        self.hosts[host as usize].state = HostState::Booting;
    }

    /// Whether the host is up.
    pub fn is_up(&self, host: u32) -> bool {
        self.hosts.get(host as usize).is_some_and(|there| there.state == HostState::Up)
    }

    fn reindex(&mut self, host: u32) {
        let there = &self.hosts[host as usize];
        let terms = &self.config.types[usize::from(there.kind)];
        let open = there.state == HostState::Up
            && !self.rations.is_empty(host)
            && terms.starts.is_none_or(|most| u64::from(there.starts) < most);
        self.index.set(host, open.then_some(there.left));
    }

    /// The autoscaler of a type looks at `now`.
    pub fn tick(&mut self, now: Time, kind: u16, out: &mut Vec<Effect>) {
        let Some(scaler) = self.config.types[usize::from(kind)].autoscaler.clone() else { return };
        let wanted = self.wanted(now, kind, &scaler);
        let present = self.scalers[usize::from(kind)].present;
        if wanted > present {
            (present..wanted).for_each(|_| self.start(now, kind, out));
        } else if wanted < present {
            let changed = self.scalers[usize::from(kind)].changed_at;
            if changed.is_none_or(|at| now.since(at) >= scaler.cooldown) {
                self.stop(now, kind, present - wanted, out);
            }
        }
    }

    /// ⌈max over memory and vCPU of (running + queued) / (host capacity · target)⌉ within min and
    /// max; of several types each counts what runs on its hosts and what waits for it.
    fn wanted(&mut self, now: Time, kind: u16, scaler: &Autoscaler) -> u32 {
        let queued = self.queued_for(usize::from(kind));
        let running = self.reserved[usize::from(kind)];
        let terms = &self.config.types[usize::from(kind)];
        let hosts =
            |demand: i64, capacity: i64| demand as f64 / (capacity as f64 * scaler.target.0);
        let memory = hosts(running.memory + queued.memory, terms.capacity.memory);
        let vcpu = hosts(running.vcpu + queued.vcpu, terms.capacity.vcpu);
        let mut demand = memory.max(vcpu);
        if let Some(forecast) = scaler.forecast {
            demand = self.scalers[usize::from(kind)].foreseen(now, demand, forecast);
        }
        // A quotient that is whole but for rounding is that number.
        let hosts = (demand - 1e-9).ceil().max(0.0);
        let most = terms.max.map_or(u32::MAX, |max| u32::try_from(max).unwrap_or(u32::MAX));
        (hosts as u32).clamp(terms.min, most.max(terms.min))
    }

    fn start(&mut self, now: Time, kind: u16, out: &mut Vec<Effect>) {
        let host = self.add(kind);
        let scaler = &mut self.scalers[usize::from(kind)];
        scaler.changed_at = Some(now);
        let how = if scaler.standing_by > 0 {
            scaler.standing_by -= 1;
            HostStart::Standby
        } else {
            HostStart::Boot
        };
        out.push(Effect::StartHost { host, kind, how });
    }

    /// Stops empty hosts, the latest started first.
    fn stop(&mut self, now: Time, kind: u16, most: u32, out: &mut Vec<Effect>) {
        let empty = |h: &Host| h.kind == kind && h.state != HostState::Stopped && h.sandboxes == 0;
        let numbers: Vec<u32> = (0..self.hosts.len() as u32)
            .rev()
            .filter(|host| empty(&self.hosts[*host as usize]))
            .take(most as usize)
            .collect();
        for host in numbers {
            let there = &mut self.hosts[host as usize];
            let up = there.state == HostState::Up;
            there.state = HostState::Stopped;
            self.reindex(host);
            let standby = self.config.types[usize::from(kind)].standby;
            let scaler = &mut self.scalers[usize::from(kind)];
            scaler.present -= 1;
            scaler.changed_at = Some(now);
            scaler.standing_by = (scaler.standing_by + 1).min(standby);
            out.push(Effect::StopHost { host, kind, up });
        }
    }
}

impl Scaler {
    /// Demand in `ahead`, if it goes on to grow as it did over the last window.
    fn foreseen(&mut self, now: Time, demand: f64, forecast: Forecast) -> f64 {
        self.past.push_back((now, demand));
        while self.past.front().is_some_and(|(at, _)| now.since(*at) > forecast.window) {
            self.past.pop_front();
        }
        let (from, before) = *self.past.front().expect("the present look is in it");
        let passed = now.since(from).seconds();
        if passed == 0.0 {
            return demand;
        }
        demand + ((demand - before) / passed * forecast.ahead.seconds()).max(0.0)
    }
}
