//! Tool calls in virtual time: memory first, then I/O wait, then CPU beside others.

use super::cpu::CallKey;
use super::share::{Share, alone};
use super::world::{Physical, World};
use crate::conduct::{Event, Rank, ToolJob, ToolReport};
use crate::engine::Timer;
use crate::random::Purpose;
use crate::units::{Bytes, Span, Time};

/// The tool calls under way in one sandbox.
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
    key: CallKey,
    from: Time,
    reach: Span,
    io: Span,
    cpu: Span,
    cores: f64,
    dirtied: Bytes,
    memory: u64,
    timer: Option<Timer>,
    /// It has got its memory.
    runs: bool,
    /// It has no others beside it.
    alone: bool,
    /// Cores that serve it, in billionths, if it is alone in a sandbox with cores of its own.
    busy: i64,
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
        let key = CallKey { id: job.id, number: job.number };
        let run = ToolRun {
            key,
            from: now + job.policies,
            reach,
            io: Span::from_seconds(job.plan.io.seconds() * self.tier.io_factor.0),
            cpu: Span::from_seconds(job.plan.cpu.seconds() * cpu_factor),
            cores: job.plan.cores.0,
            dirtied: job.plan.dirty,
            memory: job.plan.memory.0,
            timer: None,
            runs: false,
            alone: job.batch == 1 && !self.have_children,
            busy: 0,
        };
        self.work(job.id).root = job.sandbox;
        self.work(job.sandbox).host = job.host;
        let spare = &mut self.spare;
        let work = self.work.of(job.sandbox);
        let batch = work.batch.get_or_insert_with(|| spare.pop().unwrap_or_default());
        if batch.calls.is_empty() {
            batch.on_host.clear();
            batch.share.reset(vcpu);
            (batch.vcpu, batch.memory, batch.memory_held) = (vcpu, memory, 0);
        }
        // Nearly all batches are of one call.
        if batch.calls.capacity() == 0 {
            batch.calls.reserve_exact(1);
        }
        batch.calls.push(run);
        if job.policies.is_zero() {
            return self.tool_asks(job.id, job.number);
        }
        let timer = self.physical(run.from, Physical::ToolAsks(job.id, job.number));
        self.call(job.id, job.number).timer = Some(timer);
        true
    }

    /// The calls in the sandbox that the session or sub-agent runs in.
    fn batch(&mut self, id: u32) -> &mut Batch {
        let root = self.work.of(id).root;
        self.work.of(root).batch.as_mut().expect("tool calls under way have their batch")
    }

    fn host_of(&mut self, id: u32) -> u32 {
        let root = self.work.of(id).root;
        self.work.of(root).host
    }

    fn call(&mut self, id: u32, number: u16) -> &mut ToolRun {
        let key = CallKey { id, number };
        let mut calls = self.batch(id).calls.iter_mut();
        calls.find(|call| call.key == key).expect("a tool call that is named is under way")
    }

    /// The call gets its memory and begins; false if there is none in the sandbox, or on a host that
    /// promised more than it has.
    pub(super) fn tool_asks(&mut self, id: u32, number: u16) -> bool {
        let host = self.host_of(id) as usize;
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
        let root = self.work.of(id).root;
        self.note_memory(root, run.memory as i64);
        let due = run.from + run.reach + run.io;
        let timer = if run.cpu.is_zero() {
            self.conduct(due, Rank::Frees, Event::ToolEnded { id, number })
        } else {
            self.physical(due, Physical::CpuDue(id, number))
        };
        let call = self.call(id, number);
        (call.runs, call.timer) = (true, Some(timer));
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
            share.join(now, run.key, run.cores, run.cpu);
            self.cpu_change += share.busy() - before;
            let root = self.work.of(id).root;
            return self.reschedule_sandbox(root);
        }
        let host = self.host_of(id);
        let root = self.work.of(id).root;
        let batch = self.work.of(root).batch.as_mut();
        let batch = batch.expect("tool calls under way have their batch");
        let cpu = &mut self.hosts[host as usize].cpu;
        let before = cpu.busy();
        cpu.join(now, run.key, run.cores, run.cpu, batch.vcpu, &mut batch.on_host);
        self.cpu_change += cpu.busy() - before;
        self.reschedule_host(host);
    }

    /// The next CPU part in a sandbox ends.
    pub(super) fn sandbox_cpu(&mut self, now: Time, id: u32) {
        self.batch(id).share_timer = None;
        let before = self.batch(id).share.busy();
        while let Some(CallKey { id, number }) = self.batch(id).share.take_ended(now) {
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
            let root = self.work.of(key.id).root;
            let batch = self.work.of(root).batch.as_mut();
            let batch = batch.expect("tool calls under way have their batch");
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
        let run = self.take_call(CallKey { id, number });
        ToolReport { took: now.since(run.from), cpu: run.cpu, dirtied: run.dirtied }
    }

    /// The call is over: its memory is free.
    fn take_call(&mut self, key: CallKey) -> ToolRun {
        let host = self.host_of(key.id) as usize;
        let batch = self.batch(key.id);
        let place = batch.calls.iter().position(|call| call.key == key);
        let run = batch.calls.remove(place.expect("a tool call that is named is under way"));
        let held = if run.runs { run.memory } else { 0 };
        batch.memory_held -= held;
        let last = batch.calls.is_empty();
        self.hosts[host].memory_held -= held;
        self.cpu_change -= run.busy;
        let root = self.work.of(key.id).root;
        self.note_memory(root, -(held as i64));
        if last {
            let batch = self.work.of(root).batch.take();
            self.spare.extend(batch);
            self.work.over(root);
        }
        run
    }

    /// Calls of the session end unfinished: of one that has the sandbox all that run in it, of a
    /// sub-agent its own.
    pub(super) fn abort_tools(&mut self, now: Time, id: u32) {
        let root = self.work.of(id).root;
        let Some(batch) = &mut self.work.of(root).batch else { return };
        let mine = |key: CallKey| root == id || key.id == id;
        let keys: Vec<CallKey> =
            batch.calls.iter().map(|call| call.key).filter(|key| mine(*key)).collect();
        let (before, vcpu) = (batch.share.busy(), batch.vcpu);
        keys.iter().for_each(|key| batch.share.remove(now, *key));
        self.cpu_change += batch.share.busy() - before;
        let mut inside = std::mem::take(&mut batch.on_host);
        let host = self.host_of(id);
        let cpu = &mut self.hosts[host as usize].cpu;
        let before = cpu.busy();
        let left: Vec<u32> = inside.iter().copied().filter(|slot| mine(cpu.key(*slot))).collect();
        left.iter().for_each(|slot| cpu.leave(now, *slot, vcpu, &mut inside));
        self.cpu_change += cpu.busy() - before;
        if let Some(batch) = &mut self.work.of(root).batch {
            batch.on_host = inside;
        }
        if !left.is_empty() {
            self.reschedule_host(host);
        }
        if !self.has_hosts() {
            self.reschedule_sandbox(root);
        }
        for key in keys {
            let run = self.take_call(key);
            self.cancel_timer(run.timer);
        }
    }
}
