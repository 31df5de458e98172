//! Tool calls in virtual time: memory first, then I/O wait, then CPU beside others.

use super::cpu::CallKey;
use super::share::{Share, alone};
use super::world::{Physical, World};
use crate::conduct::{Event, Rank, ToolJob, ToolReport};
use crate::engine::Timer;
use crate::random::Purpose;
use crate::units::{Bytes, Span, Time};

/// The tool calls of one step.
#[derive(Debug, Default)]
pub(super) struct Batch {
    calls: Vec<ToolRun>,
    /// The sandbox's vCPUs, for the calls in their CPU part, on an elastic platform.
    share: Share,
    share_timer: Option<Timer>,
    /// The same on a host: places in its list of calls.
    on_host: Vec<u32>,
    vcpu: f64,
    memory: u64,
    memory_held: u64,
}

#[derive(Clone, Copy, Debug)]
struct ToolRun {
    from: Time,
    reach: Span,
    io: Span,
    cpu: Span,
    cores: f64,
    dirtied: Bytes,
    memory: u64,
    timer: Option<Timer>,
    state: ToolState,
    /// It has no others beside it.
    alone: bool,
    /// Cores that serve it, in billionths, if it is alone in a sandbox with cores of its own.
    busy: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToolState {
    /// It has not got its memory yet.
    Asks,
    Runs,
    Over,
}

impl World {
    /// Begins a call; false if there is no memory for it.
    pub(super) fn begin_tool(&mut self, now: Time, job: ToolJob) -> bool {
        let class = &self.classes[job.class.0 as usize];
        let (vcpu, memory) = (class.vcpu.0, class.memory.0);
        let cpu_factor = self.tier.cpu_factor.0 * self.telemetry_cpu;
        let reach = match self.tier.exec.as_constant() {
            Some(span) => span,
            None => self.tier.exec.sample(&mut self.draw(Purpose::ToolReach, job.session, job.key)),
        };
        let run = ToolRun {
            from: now + job.policies,
            reach,
            io: Span::from_seconds(job.plan.io.seconds() * self.tier.io_factor.0),
            cpu: Span::from_seconds(job.plan.cpu.seconds() * cpu_factor),
            cores: job.plan.cores.0,
            dirtied: job.plan.dirty,
            memory: job.plan.memory.0,
            timer: None,
            state: ToolState::Asks,
            alone: job.batch == 1,
            busy: 0,
        };
        let spare = &mut self.spare;
        let index = job.id as usize;
        if index >= self.work.len() {
            self.work.resize_with(index + 1, Default::default);
        }
        let work = &mut self.work[index];
        work.host = job.host;
        let batch = work.batch.get_or_insert_with(|| spare.pop().unwrap_or_default());
        if job.number == 0 {
            batch.calls.clear();
            batch.on_host.clear();
            batch.share.reset(vcpu);
            (batch.vcpu, batch.memory, batch.memory_held) = (vcpu, memory, 0);
        }
        batch.calls.push(run);
        if job.policies.is_zero() {
            return self.tool_asks(now, job.id, job.number);
        }
        let timer = self.physical(run.from, Physical::ToolAsks(job.id, job.number));
        self.call(job.id, job.number).timer = Some(timer);
        true
    }

    fn batch(&mut self, id: u32) -> &mut Batch {
        self.work[id as usize].batch.as_mut().expect("tool calls under way have their batch")
    }

    fn call(&mut self, id: u32, number: u16) -> &mut ToolRun {
        &mut self.batch(id).calls[usize::from(number)]
    }

    /// The call gets its memory and begins; false if there is none in the sandbox, or on a host that
    /// promised more than it has.
    pub(super) fn tool_asks(&mut self, _now: Time, id: u32, number: u16) -> bool {
        let host = self.work[id as usize].host as usize;
        let run = *self.call(id, number);
        let batch = self.batch(id);
        let in_sandbox = batch.memory_held.saturating_add(run.memory) <= batch.memory;
        let on_host =
            self.hosts[host].memory_held.saturating_add(run.memory) <= self.hosts[host].memory;
        if !(in_sandbox && on_host) {
            return false;
        }
        self.batch(id).memory_held += run.memory;
        self.hosts[host].memory_held += run.memory;
        let due = run.from + run.reach + run.io;
        let timer = if run.cpu.is_zero() {
            self.conduct(due, Rank::Frees, Event::ToolEnded { id, number })
        } else {
            self.physical(due, Physical::CpuDue(id, number))
        };
        let call = self.call(id, number);
        (call.state, call.timer) = (ToolState::Runs, Some(timer));
        true
    }

    pub(super) fn cpu_due(&mut self, now: Time, id: u32, number: u16) {
        let run = *self.call(id, number);
        self.call(id, number).timer = None;
        if !self.has_hosts() && run.alone {
            let cores = run.cores.min(self.batch(id).vcpu);
            let end = now + alone(run.cpu, cores);
            let timer = self.conduct(end, Rank::Frees, Event::ToolEnded { id, number });
            let call = self.call(id, number);
            (call.timer, call.busy) = (Some(timer), (cores * 1e9).round() as i64);
            self.cpu_change += call.busy;
            return;
        }
        if !self.has_hosts() {
            let share = &mut self.batch(id).share;
            let before = share.busy();
            share.join(now, number, run.cores, run.cpu);
            self.cpu_change += share.busy() - before;
            return self.reschedule_sandbox(id);
        }
        let work = &mut self.work[id as usize];
        let host = work.host;
        let batch = work.batch.as_mut().expect("tool calls under way have their batch");
        let cpu = &mut self.hosts[host as usize].cpu;
        let before = cpu.busy();
        let key = CallKey { id, number };
        cpu.join(now, key, run.cores, run.cpu, batch.vcpu, &mut batch.on_host);
        self.cpu_change += cpu.busy() - before;
        self.reschedule_host(host);
    }

    /// The next CPU part in a sandbox ends.
    pub(super) fn sandbox_cpu(&mut self, now: Time, id: u32) {
        self.batch(id).share_timer = None;
        let before = self.batch(id).share.busy();
        while let Some(number) = self.batch(id).share.take_ended(now) {
            let timer = self.conduct(now, Rank::Frees, Event::ToolEnded { id, number });
            self.call(id, number).timer = Some(timer);
        }
        self.cpu_change += self.batch(id).share.busy() - before;
        self.reschedule_sandbox(id);
    }

    fn reschedule_sandbox(&mut self, id: u32) {
        let batch = self.batch(id);
        let (old, next) = (batch.share_timer.take(), batch.share.next_end());
        self.cancel_timer(old);
        if let Some(at) = next {
            let timer = self.physical(at, Physical::SandboxCpu(id));
            self.batch(id).share_timer = Some(timer);
        }
    }

    /// The next CPU part on a host ends.
    pub(super) fn host_cpu(&mut self, now: Time, host: u32) {
        self.hosts[host as usize].cpu_timer = None;
        let before = self.hosts[host as usize].cpu.busy();
        for (key, slot) in self.hosts[host as usize].cpu.take_ended(now) {
            let work = &mut self.work[key.id as usize];
            let batch = work.batch.as_mut().expect("tool calls under way have their batch");
            let cpu = &mut self.hosts[host as usize].cpu;
            cpu.leave(now, slot, batch.vcpu, &mut batch.on_host);
            let event = Event::ToolEnded { id: key.id, number: key.number };
            let timer = self.conduct(now, Rank::Frees, event);
            self.call(key.id, key.number).timer = Some(timer);
        }
        self.cpu_change += self.hosts[host as usize].cpu.busy() - before;
        self.reschedule_host(host);
    }

    fn reschedule_host(&mut self, host: u32) {
        let there = &mut self.hosts[host as usize];
        let (old, next) = (there.cpu_timer.take(), there.cpu.next_end());
        self.cancel_timer(old);
        if let Some(at) = next {
            let timer = self.physical(at, Physical::HostCpu(host));
            self.hosts[host as usize].cpu_timer = Some(timer);
        }
    }

    pub(super) fn report_tool(&mut self, now: Time, id: u32, number: u16) -> ToolReport {
        let run = *self.call(id, number);
        self.release(id, number);
        if self.batch(id).calls.iter().all(|call| call.state == ToolState::Over) {
            self.put_away(id);
        }
        ToolReport { took: now.since(run.from), cpu: run.cpu, dirtied: run.dirtied }
    }

    /// The call is over: its memory is free.
    fn release(&mut self, id: u32, number: u16) {
        let host = self.work[id as usize].host as usize;
        let call = self.call(id, number);
        let held = if call.state == ToolState::Runs { call.memory } else { 0 };
        (call.state, call.timer) = (ToolState::Over, None);
        let busy = std::mem::take(&mut call.busy);
        self.cpu_change -= busy;
        self.batch(id).memory_held -= held;
        self.hosts[host].memory_held -= held;
    }

    fn put_away(&mut self, id: u32) {
        if let Some(batch) = self.work[id as usize].batch.take() {
            self.spare.push(batch);
        }
    }

    /// All calls of the session end unfinished.
    pub(super) fn abort_tools(&mut self, now: Time, id: u32) {
        let work = &mut self.work[id as usize];
        let host = work.host;
        let Some(batch) = &mut work.batch else { return };
        let calls = batch.calls.len() as u16;
        let slots = std::mem::take(&mut batch.on_host);
        let vcpu = batch.vcpu;
        let share_timer = batch.share_timer.take();
        self.cpu_change -= batch.share.busy();
        batch.share.reset(vcpu);
        self.cancel_timer(share_timer);
        let mut left = slots.clone();
        let before = self.hosts[host as usize].cpu.busy();
        for &slot in &slots {
            self.hosts[host as usize].cpu.leave(now, slot, vcpu, &mut left);
        }
        if !slots.is_empty() {
            self.cpu_change += self.hosts[host as usize].cpu.busy() - before;
            self.reschedule_host(host);
        }
        for number in 0..calls {
            let timer = self.call(id, number).timer.take();
            self.cancel_timer(timer);
            self.release(id, number);
        }
        self.put_away(id);
    }
}
