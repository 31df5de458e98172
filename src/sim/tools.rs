//! Tool calls in virtual time: memory first, then I/O wait, then CPU beside others.

use super::calls::{NO_CALL, NOT_ON_HOST, ToolRun};
use super::cpu::CallKey;
use super::share::{Share, alone};
use super::world::{Physical, World};
use crate::conduct::{Event, Rank, ToolJob, ToolReport};
use crate::engine::Timer;
use crate::random::Purpose;
use crate::units::{Span, Time};

/// The vCPUs of one sandbox on an elastic platform, while calls in their CPU part share them.
#[derive(Debug, Default)]
pub(super) struct Shared {
    share: Share,
    /// When the next of them ends.
    timer: Option<Timer>,
}

impl World {
    /// Begins a call; false if there is no memory for it.
    pub(super) fn begin_tool(&mut self, now: Time, job: ToolJob) -> bool {
        let cpu_factor = self.tier.cpu_factor.0 * self.telemetry_cpu;
        let reach = match self.tier.exec.as_constant() {
            Some(span) => span,
            None => self.tier.exec.sample(&mut self.draw(Purpose::ToolReach, job.session, job.key)),
        };
        let io = Span::from_seconds(job.plan.io.seconds() * self.tier.io_factor.0);
        let cpu = Span::from_seconds(job.plan.cpu.seconds() * cpu_factor);
        // On one machine some of reaching into the sandbox is work as well; it was measured at the pace of a
        // call that is alone in it, and takes no longer or shorter for that.
        let working = Span::from_seconds(reach.seconds() * self.own_work.share_of_reach());
        let alone = job.plan.cores.0.min(self.classes[usize::from(job.class.0)].vcpu.0);
        let reaching = Span::from_seconds(working.seconds() * alone);
        let run = ToolRun {
            key: CallKey { id: job.id, number: job.number },
            next: NO_CALL,
            on_host: NOT_ON_HOST,
            from: now + job.policies,
            waits: reach.saturating_sub(working) + io,
            cpu: cpu + reaching,
            reaching_us: u32::try_from(reaching.nanos() / 1000).unwrap_or(u32::MAX),
            cores: job.plan.cores.0,
            dirtied: job.plan.dirty,
            memory: job.plan.memory.0,
            timer: None,
            busy: 0,
            runs: false,
            alone: job.batch == 1 && !self.share_sandboxes,
        };
        self.work(job.id).root = job.sandbox;
        let work = self.work.of(job.sandbox);
        (work.host, work.class) = (job.host, job.class.0);
        self.calls.push(&mut work.calls, run);
        if job.policies.is_zero() {
            return self.tool_asks(job.id, job.number);
        }
        let timer = self.physical(run.from, Physical::ToolAsks(job.id, job.number));
        self.call(run.key).timer = Some(timer);
        true
    }

    /// Whose sandbox a session or sub-agent runs in.
    #[inline]
    fn root_of(&mut self, id: u32) -> u32 {
        self.work.of(id).root
    }

    #[inline]
    fn call(&mut self, key: CallKey) -> &mut ToolRun {
        let root = self.root_of(key.id);
        self.calls.get(self.work.of(root).calls, key)
    }

    /// The vCPUs of the sandbox in which a session's calls run.
    #[inline]
    fn vcpu(&mut self, root: u32) -> f64 {
        self.classes[usize::from(self.work.of(root).class)].vcpu.0
    }

    /// The call gets its memory and begins; false if there is none in the sandbox, or on a host that
    /// promised more than it has.
    pub(super) fn tool_asks(&mut self, id: u32, number: u16) -> bool {
        let key = CallKey { id, number };
        let root = self.root_of(id);
        let work = self.work.of(root);
        let (latest, host, class) = (work.calls, work.host as usize, work.class);
        let run = *self.calls.get(latest, key);
        let held = self.calls.of(latest).filter(|call| call.runs).map(|call| call.memory);
        let in_sandbox = held.fold(run.memory, u64::saturating_add);
        let on_host = self.hosts[host].memory_held.saturating_add(run.memory);
        let room = self.classes[usize::from(class)].memory.0;
        if in_sandbox > room || on_host > self.hosts[host].memory {
            return false;
        }
        self.hosts[host].memory_held = on_host;
        self.note_memory(root, run.memory as i64);
        let due = run.from + run.waits;
        let timer = if run.cpu.is_zero() {
            self.conduct(due, Rank::Frees, Event::ToolEnded { id, number })
        } else {
            self.physical(due, Physical::CpuDue(id, number))
        };
        let call = self.calls.get(latest, key);
        (call.runs, call.timer) = (true, Some(timer));
        true
    }

    pub(super) fn cpu_due(&mut self, now: Time, id: u32, number: u16) {
        let key = CallKey { id, number };
        let root = self.root_of(id);
        let vcpu = self.vcpu(root);
        let work = self.work.of(root);
        let (latest, host) = (work.calls, work.host);
        let call = self.calls.get(latest, key);
        call.timer = None;
        let run = *call;
        if self.shares_cores() {
            self.beside.clear();
            let others = self.calls.of(latest).map(|call| call.on_host);
            self.beside.extend(others.filter(|place| *place != NOT_ON_HOST));
            let speed = self.own_work.speed();
            let (cores, vcpu) = (run.cores * speed, vcpu * speed);
            let cpu = &mut self.hosts[host as usize].cpu;
            let before = cpu.busy();
            let place = cpu.join(now, key, cores, run.cpu, vcpu, &mut self.beside);
            self.cpu_change += cpu.busy() - before;
            self.calls.get(latest, key).on_host = place;
            return self.reschedule_host(host);
        }
        if run.alone {
            let cores = run.cores.min(vcpu);
            let end = now + alone(run.cpu, cores);
            let timer = self.conduct(end, Rank::Frees, Event::ToolEnded { id, number });
            let call = self.calls.get(latest, key);
            (call.timer, call.busy) = (Some(timer), (cores * 1e9).round() as i64);
            self.cpu_change += call.busy;
            return;
        }
        let share = &mut self.shared(root).share;
        let before = share.busy();
        share.join(now, key, run.cores, run.cpu);
        self.cpu_change += share.busy() - before;
        self.reschedule_sandbox(root);
    }

    /// The shared vCPUs of a sandbox.
    fn shared(&mut self, root: u32) -> &mut Shared {
        let vcpu = self.vcpu(root);
        let share = || Box::new(Shared { share: Share::new(vcpu), timer: None });
        self.work.of(root).shared.get_or_insert_with(share)
    }

    /// The next CPU part in a sandbox ends.
    pub(super) fn sandbox_cpu(&mut self, now: Time, id: u32) {
        let shared = self.shared(id);
        shared.timer = None;
        let before = shared.share.busy();
        while let Some(key) = self.shared(id).share.take_ended(now) {
            self.cpu_part_ended(now, key);
        }
        self.cpu_change += self.shared(id).share.busy() - before;
        self.reschedule_sandbox(id);
    }

    fn cpu_part_ended(&mut self, now: Time, key: CallKey) {
        let event = Event::ToolEnded { id: key.id, number: key.number };
        let timer = self.conduct(now, Rank::Frees, event);
        self.call(key).timer = Some(timer);
    }

    fn reschedule_sandbox(&mut self, root: u32) {
        let Some(shared) = &mut self.work.of(root).shared else { return };
        let (old, next) = (shared.timer.take(), shared.share.next_end());
        self.cancel_timer(old);
        if let Some(at) = next {
            let timer = self.physical(at, Physical::SandboxCpu(root));
            self.shared(root).timer = Some(timer);
        }
    }

    /// The next CPU part on a host ends.
    pub(super) fn host_cpu(&mut self, now: Time, host: u32) {
        self.hosts[host as usize].cpu_timer = None;
        let before = self.hosts[host as usize].cpu.busy();
        let mut ended = std::mem::take(&mut self.ended);
        self.hosts[host as usize].cpu.take_ended(now, &mut ended);
        for &(key, place) in &ended {
            if self.own_work_ended(now, key, place) {
                continue;
            }
            let root = self.root_of(key.id);
            self.leave_cpu(now, root, host, place);
            self.call(key).on_host = NOT_ON_HOST;
            self.cpu_part_ended(now, key);
        }
        self.ended = ended;
        self.cpu_change += self.hosts[host as usize].cpu.busy() - before;
        self.reschedule_host(host);
    }

    /// A call in its CPU part gives its place on the host up; the others of its sandbox get its share.
    fn leave_cpu(&mut self, now: Time, root: u32, host: u32, place: u32) {
        let vcpu = self.vcpu(root) * self.own_work.speed();
        self.beside.clear();
        let others = self.calls.of(self.work.of(root).calls).map(|call| call.on_host);
        self.beside.extend(others.filter(|other| *other != NOT_ON_HOST && *other != place));
        self.hosts[host as usize].cpu.leave(now, place, vcpu, &self.beside);
    }

    pub(super) fn reschedule_host(&mut self, host: u32) {
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
        let reaching = Span::from_nanos(u64::from(run.reaching_us) * 1000);
        let cpu = run.cpu.saturating_sub(reaching);
        ToolReport { took: now.since(run.from), cpu, dirtied: run.dirtied }
    }

    /// The call is over: its memory is free.
    fn take_call(&mut self, key: CallKey) -> ToolRun {
        let root = self.root_of(key.id);
        let work = self.work.of(root);
        let run = self.calls.take(&mut work.calls, key);
        let (last, host) = (work.calls == NO_CALL, work.host as usize);
        let held = if run.runs { run.memory } else { 0 };
        self.hosts[host].memory_held -= held;
        self.cpu_change -= run.busy;
        self.note_memory(root, -(held as i64));
        if last {
            self.work.over(root);
        }
        run
    }

    /// Calls of the session end unfinished: of one that has the sandbox all that run in it, of a
    /// sub-agent its own.
    pub(super) fn abort_tools(&mut self, now: Time, id: u32) {
        let root = self.root_of(id);
        let work = self.work.of(root);
        let (latest, host) = (work.calls, work.host);
        let mine = |run: &&ToolRun| root == id || run.key.id == id;
        let mut runs: Vec<ToolRun> = self.calls.of(latest).filter(mine).copied().collect();
        // In the order in which they began.
        runs.reverse();
        if let Some(shared) = &mut work.shared {
            let before = shared.share.busy();
            runs.iter().for_each(|run| shared.share.remove(now, run.key));
            self.cpu_change += shared.share.busy() - before;
            self.reschedule_sandbox(root);
        }
        let before = self.hosts[host as usize].cpu.busy();
        let on_host = runs.iter().filter(|run| run.on_host != NOT_ON_HOST);
        let mut left = false;
        for run in on_host {
            self.leave_cpu(now, root, host, run.on_host);
            self.call(run.key).on_host = NOT_ON_HOST;
            left = true;
        }
        self.cpu_change += self.hosts[host as usize].cpu.busy() - before;
        if left {
            self.reschedule_host(host);
        }
        for run in runs {
            self.take_call(run.key);
            self.cancel_timer(run.timer);
        }
    }
}
