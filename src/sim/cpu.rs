//! The cores of a host, shared by all tool calls in their CPU part: max-min fair, each call capped.
//!
//! Calls with the same cap are served at the same rate, so each distinct cap has one virtual clock:
//! the CPU time that a call of that cap has been served. A call ends when its clock reaches its work
//! beyond where the clock stood when it began. With one cap that is egalitarian processor sharing.
//! The rates are the water level: min(cap, level), their sum being at most the host's cores.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::units::{Span, Time};

/// Time that rounding may leave of a call that is over, in nanoseconds.
const TOLERANCE_NANOS: f64 = 1e-3;
/// A clock from which on it starts over, so that its rounding error does not grow.
const CLOCK_MAX: f64 = 1e10;

/// A tool call, by its session and its number in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallKey {
    pub id: u32,
    pub number: u16,
}

/// The CPU of one host.
#[derive(Debug, Default)]
pub(super) struct CpuShare {
    cores: f64,
    slowing: Option<Slowing>,
    at: Time,
    groups: Vec<Group>,
    calls: Vec<Running>,
    free: Vec<u32>,
    begun: u64,
}

/// How cores that work slow each other down.
#[derive(Clone, Copy, Debug)]
struct Slowing {
    /// What one core serves alone.
    one: f64,
    /// Speed of each, where all work.
    full: f64,
}

impl Slowing {
    /// Speed of each core while so many work of so many.
    fn speed(self, working: f64, cores: f64) -> f64 {
        1.0 - (1.0 - self.full) * ((working - self.one) / (cores - self.one)).clamp(0.0, 1.0)
    }
}

/// Calls of one cap.
#[derive(Debug)]
struct Group {
    cap: f64,
    rate: f64,
    /// CPU nanoseconds served to each.
    clock: f64,
    count: usize,
    ends: BinaryHeap<End>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    key: CallKey,
    cores: f64,
    cap: f64,
    /// On the clock of its group.
    end: f64,
    order: u64,
    /// Changes with the group, so that what is left in another heap is known for stale.
    stamp: u32,
    live: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    at: f64,
    order: u64,
    slot: u32,
    stamp: u32,
}

impl CpuShare {
    pub fn new(cores: f64) -> Self {
        CpuShare { cores, ..CpuShare::default() }
    }

    /// The more cores work, the slower each is: all of them at `full` of the speed of `one` alone.
    pub fn slowing(cores: f64, one: f64, full: f64) -> Self {
        let slowing = (full < 1.0 && cores > one).then_some(Slowing { one, full });
        CpuShare { slowing, ..CpuShare::new(cores) }
    }

    /// A call's CPU part begins; gives its place. `beside` are the calls of its sandbox already in
    /// theirs, and then it too; each is capped by its cores and an equal share of the sandbox's vCPUs.
    pub fn join(
        &mut self,
        now: Time,
        key: CallKey,
        cores: f64,
        work: Span,
        vcpu: f64,
        beside: &mut Vec<u32>,
    ) -> u32 {
        self.advance(now);
        let cap = cores.min(vcpu / (beside.len() + 1) as f64);
        self.begun += 1;
        let call = Running { key, cores, cap, end: 0.0, order: self.begun, stamp: 0, live: true };
        let slot = match self.free.pop() {
            Some(slot) => {
                let stamp = self.calls[slot as usize].stamp;
                self.calls[slot as usize] = Running { stamp, ..call };
                slot
            }
            None => {
                self.calls.push(call);
                (self.calls.len() - 1) as u32
            }
        };
        beside.push(slot);
        self.enter(slot, work.nanos() as f64);
        self.recap(vcpu, beside);
        self.level();
        slot
    }

    /// A call that will be among the next to end.
    pub fn next_call(&self) -> Option<CallKey> {
        let end = self.groups.iter().find_map(|group| group.ends.peek())?;
        Some(self.calls[end.slot as usize].key)
    }

    /// Takes the calls that have ended by `now`, in the order in which they began, into `ended`.
    pub fn take_ended(&mut self, now: Time, ended: &mut Vec<(CallKey, u32)>) {
        self.advance(now);
        ended.clear();
        for group in &mut self.groups {
            while let Some(end) = group.first(&self.calls) {
                if end.at - group.clock > TOLERANCE_NANOS * 1.5 * group.rate {
                    break;
                }
                group.ends.pop();
                group.count -= 1;
                let call = &mut self.calls[end.slot as usize];
                (call.live, call.stamp) = (false, call.stamp.wrapping_add(1));
                ended.push((call.key, end.slot));
            }
        }
        ended.sort_unstable_by_key(|(_, slot)| self.calls[*slot as usize].order);
    }

    /// A call that ended, or is to end unfinished, leaves more room to those of its sandbox that stay.
    pub fn leave(&mut self, now: Time, slot: u32, vcpu: f64, stay: &[u32]) {
        self.advance(now);
        if std::mem::take(&mut self.calls[slot as usize].live) {
            let call = &mut self.calls[slot as usize];
            call.stamp = call.stamp.wrapping_add(1);
            let cap = call.cap;
            self.group(cap).count -= 1;
        }
        self.free.push(slot);
        self.recap(vcpu, stay);
        self.level();
    }

    /// When the next call ends, at the next whole nanosecond, if none begins before.
    pub fn next_end(&mut self) -> Option<Time> {
        let calls = &self.calls;
        let left = |group: &mut Group| {
            let end = group.first(calls)?;
            Some((end.at - group.clock).max(0.0) / group.rate)
        };
        let first = self.groups.iter_mut().filter_map(left).reduce(f64::min)?;
        Some(self.at + Span::from_nanos((first - TOLERANCE_NANOS).ceil().max(0.0) as u64))
    }

    /// Cores that serve calls now, in billionths.
    pub fn busy(&self) -> i64 {
        let rates = self.groups.iter().map(|group| group.rate * group.count as f64);
        (rates.sum::<f64>() * 1e9).round() as i64
    }

    fn advance(&mut self, now: Time) {
        let elapsed = now.since(self.at).nanos() as f64;
        self.at = self.at.max(now);
        if elapsed == 0.0 {
            return;
        }
        for group in &mut self.groups {
            group.clock += elapsed * group.rate;
            if group.clock > CLOCK_MAX {
                group.start_over(&mut self.calls);
            }
        }
    }

    /// Puts a call with so much work left into the group of its cap.
    fn enter(&mut self, slot: u32, left: f64) {
        let cap = self.calls[slot as usize].cap;
        let group = self.group(cap);
        let at = group.clock + left;
        group.count += 1;
        let call = &mut self.calls[slot as usize];
        call.end = at;
        call.stamp = call.stamp.wrapping_add(1);
        let end = End { at, order: call.order, slot, stamp: call.stamp };
        self.group(cap).ends.push(end);
    }

    /// Gives each call of a sandbox its cap, now that their number has changed.
    fn recap(&mut self, vcpu: f64, members: &[u32]) {
        let share = vcpu / members.len() as f64;
        for &slot in members {
            let Running { cores, cap, end, live, .. } = self.calls[slot as usize];
            let new = cores.min(share);
            if new == cap || !live {
                continue;
            }
            let old = self.group(cap);
            old.count -= 1;
            let left = (end - old.clock).max(0.0);
            self.calls[slot as usize].cap = new;
            self.enter(slot, left);
        }
    }

    fn group(&mut self, cap: f64) -> &mut Group {
        let place = self.groups.partition_point(|group| group.cap < cap);
        if self.groups.get(place).is_none_or(|group| group.cap != cap) {
            let ends = BinaryHeap::new();
            self.groups.insert(place, Group { cap, rate: 0.0, clock: 0.0, count: 0, ends });
        }
        &mut self.groups[place]
    }

    /// Sets the rates: from the smallest cap up, each call gets its cap or an equal share of what is
    /// left.
    fn level(&mut self) {
        self.groups.retain(|group| group.count > 0);
        let mut cores = self.cores;
        let mut calls: usize = self.groups.iter().map(|group| group.count).sum();
        for group in &mut self.groups {
            group.rate = group.cap.min(cores / calls as f64);
            cores -= group.rate * group.count as f64;
            calls -= group.count;
        }
        if let Some(slowing) = self.slowing {
            let now = slowing.speed(self.cores - cores, self.cores);
            for group in &mut self.groups {
                // What a call takes alone has the slowing by its own cores in it.
                group.rate *= now / slowing.speed(group.cap.min(self.cores), self.cores);
            }
        }
    }
}

impl Group {
    /// The first that has not left the group.
    fn first(&mut self, calls: &[Running]) -> Option<End> {
        while let Some(end) = self.ends.peek() {
            if calls[end.slot as usize].stamp == end.stamp {
                return Some(*end);
            }
            self.ends.pop();
        }
        None
    }

    fn start_over(&mut self, calls: &mut [Running]) {
        let clock = std::mem::take(&mut self.clock);
        let mut ends = std::mem::take(&mut self.ends).into_vec();
        ends.retain(|end| calls[end.slot as usize].stamp == end.stamp);
        for end in &mut ends {
            end.at -= clock;
            calls[end.slot as usize].end = end.at;
        }
        self.ends = ends.into();
    }
}

impl Eq for End {}

impl Ord for End {
    /// Reversed: the heap's greatest ends first; of equals, the one that began first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Time {
        Time::ZERO + Span::from_seconds(s)
    }

    fn key(id: u32) -> CallKey {
        CallKey { id, number: 0 }
    }

    fn taken(cpu: &mut CpuShare, now: Time) -> Vec<(CallKey, u32)> {
        let mut ended = Vec::new();
        cpu.take_ended(now, &mut ended);
        ended
    }

    #[test]
    fn the_water_level_leaves_small_caps_whole() {
        // 3 cores. A capped at 0.5 with 1 core-s, B and C capped at 4 with 5 core-s each. Rates: 0.5,
        // then (3 − 0.5) / 2 = 1.25 each. A ends at 2 s; B and C have 5 − 2.5 = 2.5 left, at 1.5 each:
        // 5/3 s more.
        let mut cpu = CpuShare::new(3.0);
        let mut alone: Vec<Vec<u32>> = vec![Vec::new(); 3];
        for (n, (cores, work)) in [(0.5, 1), (4.0, 5), (4.0, 5)].into_iter().enumerate() {
            let key = key(n as u32);
            cpu.join(Time::ZERO, key, cores, Span::from_secs(work), 8.0, &mut alone[n]);
        }
        assert_eq!(cpu.busy(), 3_000_000_000);
        assert_eq!(cpu.next_end(), Some(seconds(2.0)));
        let ended = taken(&mut cpu, seconds(2.0));
        assert_eq!(ended.iter().map(|e| e.0.id).collect::<Vec<_>>(), [0]);
        cpu.leave(seconds(2.0), ended[0].1, 8.0, &[]);
        assert_eq!(cpu.next_end(), Some(Time::from_nanos(3_666_666_667)));
        let ended = taken(&mut cpu, Time::from_nanos(3_666_666_667));
        assert_eq!(ended.iter().map(|e| e.0.id).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn calls_of_one_sandbox_share_its_vcpus_and_speed_up_when_one_ends() {
        // 8 cores, one sandbox of 2 vCPUs: A 4 core-s on up to 2 cores from 0 s, B 1 core-s from 1 s.
        // As in the sandbox alone: B ends at 2 s, A at 2.5 s.
        let mut cpu = CpuShare::new(8.0);
        let mut inside = Vec::new();
        cpu.join(Time::ZERO, key(1), 2.0, Span::from_secs(4), 2.0, &mut inside);
        let b = CallKey { id: 1, number: 1 };
        cpu.join(seconds(1.0), b, 1.0, Span::from_secs(1), 2.0, &mut inside);
        assert_eq!(cpu.next_end(), Some(seconds(2.0)));
        let ended = taken(&mut cpu, seconds(2.0));
        assert_eq!(ended[0].0, b);
        cpu.leave(seconds(2.0), ended[0].1, 2.0, &inside[..1]);
        assert_eq!(cpu.next_end(), Some(seconds(2.5)));
    }

    #[test]
    fn what_is_taken_away_leaves_its_share_to_the_others() {
        let mut cpu = CpuShare::new(1.0);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        cpu.join(Time::ZERO, key(1), 1.0, Span::from_secs(2), 1.0, &mut a);
        cpu.join(Time::ZERO, key(2), 1.0, Span::from_secs(2), 1.0, &mut b);
        cpu.leave(seconds(1.0), a[0], 1.0, &[]);
        // B had half a second's work done; the rest alone.
        assert_eq!(cpu.next_end(), Some(seconds(2.5)));
        assert_eq!(taken(&mut cpu, seconds(2.5)).len(), 1);
        assert_eq!(cpu.next_end(), None);
    }
}
