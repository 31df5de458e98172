//! Hosts, and what happens by itself: autoscalers' looks, crashes, outages, stalls, rollouts.

use super::Conduct;
use super::agent::{NO_CALL, Slot};
use super::executor::{Event, Executor, Rank};
use crate::control::{Effect, HostStart};
use crate::measure::{Counter, Gauge, HostHolding};
use crate::random::{Draws, Purpose};
use crate::units::{Quantity, Span, Time};

/// A host, as the conduct sees it.
#[derive(Debug)]
pub(super) struct HostInfo<T> {
    pub kind: u16,
    boots: u32,
    crashes: u32,
    crash: Option<T>,
}

impl<X: Executor> Conduct<X> {
    /// Schedules what happens by itself.
    pub(super) fn open_background(&mut self, exec: &mut X) {
        for (kind, interval) in self.control.scaler_ticks() {
            self.repeat(Time::ZERO, interval, Event::Scale { kind }, exec);
        }
        let looks: Vec<(u16, Span)> = self.control.pool_looks().collect();
        for (pool, every) in looks {
            self.repeat(Time::ZERO, every, Event::Look { pool }, exec);
        }
        if let Some(every) = self.setup.rollouts {
            self.repeat(Time::ZERO, every, Event::Rollout, exec);
        }
        if self.setup.stalls.is_some() {
            self.next_stall(Time::ZERO, exec);
        }
        for zone in 0..self.setup.zones.as_ref().map_or(0, |zones| zones.count) {
            self.next_outage(Time::ZERO, zone, exec);
        }
    }

    fn repeat(&mut self, now: Time, every: Span, event: Event, exec: &mut X) {
        exec.schedule(now + every, Rank::Ticks, event);
        self.background += 1;
    }

    /// A look, and the next one.
    pub(super) fn tick(&mut self, now: Time, event: Event, exec: &mut X) {
        self.background -= 1;
        let every = match event {
            Event::Scale { kind } => {
                self.control.scale(now, kind, &mut self.effects);
                let ticks = self.control.scaler_ticks();
                let own = ticks.iter().find(|(other, _)| *other == kind);
                own.expect("a type whose autoscaler looked has one").1
            }
            Event::Look { pool } => {
                self.control.look(now, pool, &mut self.effects);
                let mut looks = self.control.pool_looks();
                looks.find(|look| look.0 == pool).expect("a pool that looked looks").1
            }
            Event::Rollout => {
                self.recorder.count(Counter::Rollouts, 1);
                self.control.rollout(now, &mut self.effects);
                exec.forget_images();
                self.setup.rollouts.expect("rollouts go on")
            }
            _ => unreachable!("only looks are repeated"),
        };
        self.repeat(now, every, event, exec);
    }

    pub(super) fn host_effect(&mut self, now: Time, effect: Effect, exec: &mut X) {
        match effect {
            Effect::StartHost { host, kind, how } => self.start_host(now, host, kind, how, exec),
            Effect::HostUp { host, kind } => self.host_is_up(now, host, kind, exec),
            Effect::StopHost { host, kind, up } => {
                self.recorder.count(Counter::HostStops, 1);
                let holding = if up { HostHolding::Up } else { HostHolding::Booting };
                self.recorder.hold_host(kind, holding, -1);
                if up {
                    self.recorder.shift(Gauge::HostsUp, -1);
                }
                self.cancel_crash(host, exec);
            }
            Effect::HostDown { host, kind } => {
                self.recorder.count(Counter::HostCrashes, 1);
                self.recorder.hold_host(kind, HostHolding::Up, -1);
                self.recorder.shift(Gauge::HostsUp, -1);
                self.cancel_crash(host, exec);
            }
            _ => unreachable!("only effects on hosts come here"),
        }
    }

    fn host(&mut self, host: u32, kind: u16) -> &mut HostInfo<X::Timer> {
        let place = host as usize;
        while self.hosts.len() <= place {
            self.hosts.push(HostInfo { kind, boots: 0, crashes: 0, crash: None });
        }
        &mut self.hosts[place]
    }

    fn start_host(&mut self, now: Time, host: u32, kind: u16, how: HostStart, exec: &mut X) {
        let info = self.host(host, kind);
        let number = info.boots;
        info.boots += 1;
        let terms = &self.setup.host_types[usize::from(kind)];
        let time = match (&terms.standby, how) {
            (Some(standby), HostStart::Standby) => &standby.resume,
            _ => &terms.boot,
        };
        let (seed, replication) = (self.demand.seed, self.demand.replication);
        let mut draws = Draws::new(seed, replication, u64::from(host), Purpose::HostBoot, number);
        let mut at = now + time.sample(&mut draws);
        if how == HostStart::Again {
            at += self.outage_left(now, host);
        } else {
            self.recorder.count(Counter::HostStarts, 1);
        }
        self.recorder.hold_host(kind, HostHolding::Booting, 1);
        exec.schedule(at, Rank::Frees, Event::HostUp { host });
    }

    pub(super) fn host_booted(&mut self, host: u32) {
        let kind = self.hosts[host as usize].kind;
        let before = self.effects.len();
        self.control.host_up(host, &mut self.effects);
        // A host that was stopped while it booted is booting no more.
        if self.effects.len() > before {
            self.recorder.hold_host(kind, HostHolding::Booting, -1);
        }
    }

    fn host_is_up(&mut self, now: Time, host: u32, kind: u16, exec: &mut X) {
        self.recorder.hold_host(kind, HostHolding::Up, 1);
        self.recorder.shift(Gauge::HostsUp, 1);
        exec.host_up(host, kind);
        let Some(mtbf) = self.setup.host_mtbf else {
            self.host(host, kind);
            return;
        };
        let info = self.host(host, kind);
        let number = info.crashes;
        info.crashes += 1;
        let lives = self.exponential(mtbf, u64::from(host), Purpose::HostCrash, number);
        let timer = exec.schedule(now + lives, Rank::Frees, Event::Crash { host });
        self.background += 1;
        self.hosts[host as usize].crash = Some(timer);
    }

    fn cancel_crash(&mut self, host: u32, exec: &mut X) {
        if let Some(timer) = self.hosts[host as usize].crash.take() {
            exec.cancel(timer);
            self.background -= 1;
        }
    }

    fn exponential(&self, mean: Span, session: u64, purpose: Purpose, index: u32) -> Span {
        let (seed, replication) = (self.demand.seed, self.demand.replication);
        let u = Draws::new(seed, replication, session, purpose, index).uniform();
        Span::from_seconds(-libm::log(u) * mean.seconds())
    }

    pub(super) fn crash(&mut self, now: Time, host: u32) {
        if self.hosts[host as usize].crash.take().is_some() {
            self.background -= 1;
        }
        if self.control.host_is_up(host) {
            self.control.crash(now, host, &mut self.effects);
        }
    }

    fn next_outage(&mut self, now: Time, zone: u32, exec: &mut X) {
        let zones = self.setup.zones.as_ref().expect("only zones have outages");
        let number = self.outages;
        self.outages += 1;
        let calm = self.exponential(zones.mtbf, u64::from(zone), Purpose::ZoneOutage, number);
        exec.schedule(now + calm, Rank::Frees, Event::Outage { zone });
        self.background += 1;
    }

    /// A zone goes out: its hosts crash together, and boot when it is back.
    pub(super) fn outage(&mut self, now: Time, zone: u32, exec: &mut X) {
        self.background -= 1;
        self.recorder.count(Counter::ZoneOutages, 1);
        let zones = self.setup.zones.as_ref().expect("only zones have outages");
        let (count, number) = (zones.count, self.outages);
        let mut draws = Draws::new(
            self.demand.seed,
            self.demand.replication,
            u64::from(zone),
            Purpose::OutageLength,
            number,
        );
        let lasts = zones.outage.sample(&mut draws);
        if self.zones_back.len() < count as usize {
            self.zones_back.resize(count as usize, Time::ZERO);
        }
        self.zones_back[zone as usize] = now + lasts;
        for host in (0..self.hosts.len() as u32).filter(|host| host % count == zone) {
            if self.control.host_is_up(host) {
                self.control.crash(now, host, &mut self.effects);
            }
        }
        self.next_outage(now + lasts, zone, exec);
    }

    /// How long the host's zone stays out.
    fn outage_left(&self, now: Time, host: u32) -> Span {
        let Some(zones) = &self.setup.zones else { return Span::ZERO };
        let zone = (host % zones.count) as usize;
        self.zones_back.get(zone).map_or(Span::ZERO, |back| back.since(now))
    }

    fn next_stall(&mut self, now: Time, exec: &mut X) {
        let stalls = self.setup.stalls.as_ref().expect("only a platform that stalls does");
        let calm = self.exponential(stalls.mtbf, 0, Purpose::StallGap, self.stalls);
        exec.schedule(now + calm, Rank::Frees, Event::Stall { begins: true });
        self.background += 1;
    }

    /// The control plane stalls, or goes on.
    pub(super) fn stall(&mut self, now: Time, begins: bool, exec: &mut X) {
        self.background -= 1;
        self.control.stall(begins, &mut self.effects);
        if !begins {
            return self.next_stall(now, exec);
        }
        self.recorder.count(Counter::Stalls, 1);
        let stalls = self.setup.stalls.as_ref().expect("only a platform that stalls does");
        let mut draws = Draws::new(
            self.demand.seed,
            self.demand.replication,
            0,
            Purpose::StallLength,
            self.stalls,
        );
        let lasts = Span::from_seconds(stalls.length.sample(&mut draws).base());
        self.stalls += 1;
        exec.schedule(now + lasts, Rank::Frees, Event::Stall { begins: false });
        self.background += 1;
    }

    /// The model call being served is not waited for any longer.
    pub(super) fn drop_call(&mut self, id: u32) {
        let call = std::mem::replace(&mut self.agents.get(id).call, NO_CALL);
        if call != NO_CALL {
            let reserved = self.calls.remove(call).reserved;
            if reserved.is_none() {
                let model = self.agents.get(id).session.model().0;
                self.end_try(model);
            }
        }
    }

    /// A sandbox went down with its host. A session in a turn goes back to the begin of its step.
    pub(super) fn crashed(&mut self, now: Time, id: u32, rolls_back: bool, exec: &mut X) {
        exec.abort(now, id);
        self.drop_children(now, id, exec);
        let agent = self.agents.get(id);
        let had_state =
            matches!(agent.slot, Slot::Turn | Slot::Idle | Slot::SeatTurn | Slot::SeatIdle);
        if agent.in_turn {
            if let Some(pending) = agent.pending.take() {
                exec.cancel(pending);
            }
            agent.session.interrupt();
            self.asked_again.insert(id, now);
            self.drop_call(id);
        }
        let dirtied = if rolls_back { self.saved_dirt.get(&id).copied() } else { None };
        let agent = self.agents.get(id);
        agent.dirtied = dirtied.unwrap_or_default();
        if rolls_back {
            agent.hibernated = true;
            self.recorder.shift(Gauge::SandboxesHibernated, 1);
        }
        if had_state && agent.open {
            let counter = if rolls_back { Counter::StateRolledBack } else { Counter::StateLost };
            self.recorder.count(counter, 1);
        }
        if !self.leave_seat(id) {
            self.set_slot(id, Slot::Free);
        }
    }
}
