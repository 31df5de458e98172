//! The physical parts of a platform in virtual time: boot stages and their image cache, store
//! bandwidth, tool work. It executes what the conduct wants.

use super::calls::ToolRuns;
use super::cpu::CallKey;
use super::host::{Host, HostShape};
use super::own_work::OwnWork;
use super::starts::snapshot_bytes;
use super::work::{Work, Works};
use crate::conduct::{
    ClassTerms, Event, Executor, Rank, SaveJob, SaveOutcome, Setup, StartJob, ToolJob, ToolReport,
};
use crate::control::Start;
use crate::dist::Dist;
use crate::engine::{EventQueue, Timer, prefetch};
use crate::random::{Draws, Purpose};
use crate::scenario::types::Tier;
use crate::units::{Bytes, Span, Time};

/// What happens in the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// Something that the conduct handles.
    Conduct(Event),
    /// Something physical.
    Physical(Physical),
}

/// A step of physical work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physical {
    /// A boot comes to its image stage.
    ImageDue(u32),
    /// The fixed part of a snapshot or restore is over, or a pull begins: its bytes flow.
    Flow(Direction, u32),
    /// The next transfer of this direction ends on this host.
    Arrived(Direction, u32),
    /// A tool call has passed its policies and asks for memory.
    ToolAsks(u32, u16),
    /// A tool call's I/O wait is over and its CPU part begins beside others.
    CpuDue(u32, u16),
    /// The next CPU part in this sandbox ends.
    SandboxCpu(u32),
    /// The next CPU part on this host ends.
    HostCpu(u32),
}

/// Which way bytes flow: they do not share with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Snapshots.
    Write,
    /// Restores.
    Read,
    /// Images.
    Pull,
}

/// The physical platform, and the clock.
#[derive(Debug)]
pub struct World {
    queue: EventQueue<Occurrence>,
    pub(super) tier: Tier,
    pub(super) classes: Vec<ClassTerms>,
    seed: u64,
    replication: u16,
    /// Host types; none on an elastic platform.
    shapes: Vec<HostShape>,
    pub(super) hosts: Vec<Host>,
    pub(super) work: Works,
    pub(super) calls: ToolRuns,
    /// Starts and snapshots on the cores of the one machine.
    pub(super) own_work: OwnWork,
    /// Places on a host of calls side by side, while they are looked at.
    pub(super) beside: Vec<u32>,
    /// Calls whose CPU part ended on a host at one instant, while they are looked at.
    pub(super) ended: Vec<(CallKey, u32)>,
    pub(super) archive_restore: Dist<Span>,
    /// What telemetry does to the CPU time of tool work.
    pub(super) telemetry_cpu: f64,
    /// The day whose drift is known, and that.
    pub(super) drift: (u64, f64),
    /// Change of the busy cores of all hosts since it was last taken, in billionths.
    pub(super) cpu_change: i64,
    /// Changes of what tool calls hold, by sandbox, since they were last taken; none if nobody asks.
    pub(super) memory_changes: Option<Vec<(u32, i64)>>,
    pub(super) place_images: bool,
    /// Versions of the agent that have come out.
    pub(super) image_version: u32,
    /// Whether sandboxes may have calls of several sessions in them.
    pub(super) share_sandboxes: bool,
    /// New versions come, and no host has the image of one before.
    pub(super) images_expire: bool,
}

/// With fewer events pending, what they are about is in the cache anyway.
const MANY_PENDING: usize = 1 << 14;

pub(super) const DAY: Span = Span::from_secs(86_400);

impl World {
    /// A platform at time 0.
    pub fn new(setup: &Setup, replication: u16) -> Self {
        let shapes: Vec<HostShape> =
            (0..setup.host_types.len()).map(|kind| HostShape::new(setup, Some(kind))).collect();
        let hosts = if shapes.is_empty() {
            vec![Host::new(HostShape::new(setup, None))]
        } else {
            Vec::new()
        };
        World {
            queue: EventQueue::default(),
            tier: setup.tier.clone(),
            classes: setup.classes.clone(),
            seed: setup.seed,
            replication,
            shapes,
            hosts,
            work: Works::default(),
            calls: ToolRuns::default(),
            own_work: OwnWork::new(setup),
            beside: Vec::new(),
            ended: Vec::new(),
            archive_restore: setup.archive_restore.clone(),
            telemetry_cpu: setup.telemetry_cpu,
            drift: (u64::MAX, 1.0),
            cpu_change: 0,
            memory_changes: setup.meter.memory.map(|_| Vec::new()),
            place_images: setup.images_placed,
            image_version: 0,
            share_sandboxes: setup.have_children || setup.control.seats > 1,
            images_expire: setup.rollouts.is_some(),
        }
    }

    /// The next occurrence's instant.
    pub fn next_at(&mut self) -> Option<Time> {
        self.queue.next_at()
    }

    /// The next occurrence.
    pub fn pop(&mut self) -> Option<(Time, Occurrence)> {
        self.queue.pop()
    }

    /// The session that the occurrence this far ahead is about, and the host.
    #[inline]
    fn ahead(&self, ahead: usize) -> (Option<u32>, Option<u32>) {
        match self.queue.upcoming(ahead) {
            Some(Occurrence::Conduct(event)) => (event.agent(), None),
            Some(Occurrence::Physical(physical)) => match *physical {
                Physical::ImageDue(id)
                | Physical::Flow(_, id)
                | Physical::ToolAsks(id, _)
                | Physical::CpuDue(id, _)
                | Physical::SandboxCpu(id) => (Some(id), None),
                Physical::Arrived(_, host) | Physical::HostCpu(host) => (None, Some(host)),
            },
            None => (None, None),
        }
    }

    /// The session whose work ends next on a host, if that is the occurrence this far ahead, or the
    /// session that the occurrence is about.
    #[inline]
    fn session_ahead(&self, ahead: usize) -> Option<u32> {
        match self.ahead(ahead) {
            (Some(id), _) => Some(id),
            (None, Some(host)) => self.hosts[host as usize].cpu.next_call().map(|call| call.id),
            (None, None) => None,
        }
    }

    /// Has at hand what the next occurrences are about; gives the sessions that the conduct will be
    /// asked about.
    #[inline]
    pub fn look_ahead(&self) -> [Option<u32>; 2] {
        if self.queue.len() < MANY_PENDING {
            return [None; 2];
        }
        if let Some(id) = self.session_ahead(1) {
            self.calls.hint(self.work.latest_call(id));
        }
        if let Some(id) = self.session_ahead(3) {
            self.work.hint_work(id);
        }
        let (session, host) = self.ahead(9);
        if let Some(id) = session {
            self.work.hint_place(id);
        }
        if let Some(host) = host {
            prefetch(&self.hosts[host as usize]);
        }
        let worked = match self.ahead(6) {
            (None, Some(host)) => self.hosts[host as usize].cpu.next_call().map(|call| call.id),
            _ => None,
        };
        if let Some(id) = worked {
            self.work.hint_place(id);
        }
        [session, worked]
    }

    /// Change of the busy cores of all hosts since it was last taken, in billionths.
    pub fn take_cpu_change(&mut self) -> i64 {
        std::mem::take(&mut self.cpu_change)
    }

    /// The tool calls in a sandbox hold so many bytes more, or less.
    #[inline]
    pub(super) fn note_memory(&mut self, sandbox: u32, delta: i64) {
        if let Some(changes) = &mut self.memory_changes {
            changes.push((sandbox, delta));
        }
    }

    /// Whether somebody asks what tool calls hold.
    pub fn meters_memory(&self) -> bool {
        self.memory_changes.is_some()
    }

    /// Changes of what tool calls hold, by sandbox, since they were last taken.
    pub fn take_memory_changes(&mut self) -> Option<&mut Vec<(u32, i64)>> {
        self.memory_changes.as_mut().filter(|changes| !changes.is_empty())
    }

    /// Whether all sandboxes are on one machine, whose cores starts and snapshots share too.
    pub fn is_one_machine(&self) -> bool {
        self.own_work.takes_cores()
    }

    /// Whether sandboxes share cores with others.
    pub(super) fn shares_cores(&self) -> bool {
        !self.shapes.is_empty() || self.own_work.takes_cores()
    }

    /// Does a step of physical work; what the conduct is to handle at once.
    pub fn step(&mut self, now: Time, physical: Physical) -> Option<Event> {
        match physical {
            Physical::ToolAsks(id, number) if !self.tool_asks(id, number) => {
                return Some(Event::ToolKilled { id });
            }
            Physical::ToolAsks(..) => {}
            Physical::ImageDue(id) => self.image_due(now, id),
            Physical::Flow(direction, id) => self.flows(now, direction, id),
            Physical::Arrived(direction, host) => self.arrived(now, direction, host),
            Physical::CpuDue(id, number) => self.cpu_due(now, id, number),
            Physical::SandboxCpu(id) => self.sandbox_cpu(now, id),
            Physical::HostCpu(host) => self.host_cpu(now, host),
        }
        None
    }

    pub(super) fn conduct(&mut self, at: Time, rank: Rank, event: Event) -> Timer {
        self.queue.schedule(at, rank as u8, Occurrence::Conduct(event))
    }

    pub(super) fn physical(&mut self, at: Time, physical: Physical) -> Timer {
        self.queue.schedule(at, Rank::Frees as u8, Occurrence::Physical(physical))
    }

    pub(super) fn cancel_timer(&mut self, timer: Option<Timer>) {
        if let Some(timer) = timer {
            self.queue.cancel(timer);
        }
    }

    pub(super) fn draw(&self, purpose: Purpose, session: u64, index: u32) -> Draws {
        Draws::new(self.seed, self.replication, session, purpose, index)
    }

    pub(super) fn work(&mut self, id: u32) -> &mut Work {
        self.work.of(id)
    }
}

impl Executor for World {
    type Timer = Timer;

    fn schedule(&mut self, at: Time, rank: Rank, event: Event) -> Timer {
        self.conduct(at, rank, event)
    }

    fn cancel(&mut self, timer: Timer) {
        self.queue.cancel(timer);
    }

    fn begin(&mut self, now: Time, job: StartJob) {
        match job.start {
            Start::Boot => self.boot(now, job),
            Start::Restore => self.restore(now, job),
        }
    }

    fn begun(&mut self, id: u32) {
        self.work.over(id);
    }

    fn save(&mut self, now: Time, job: SaveJob) {
        let stored = snapshot_bytes(&self.tier, &self.classes[job.class.0 as usize], job.dirtied);
        let snapshot =
            self.tier.snapshot.as_ref().expect("a platform that hibernates can take snapshots");
        let fixed = snapshot.kind().fixed.sample(&mut self.draw(
            Purpose::Snapshot,
            job.session,
            job.number,
        ));
        let work = self.work(job.id);
        (work.bytes, work.host) = (stored.0 as f64, job.host);
        self.transfers(now, fixed, job.id, Direction::Write);
    }

    fn save_outcome(&mut self, id: u32) -> SaveOutcome {
        let stored = self.work(id).bytes;
        self.work.over(id);
        SaveOutcome::Stored(Bytes(stored as u64))
    }

    fn destroy(&mut self, now: Time, id: u32) {
        // A place's boot, or a snapshot, may still be under way.
        self.abort(now, id);
        self.works_to_destroy(now);
    }

    fn drop_snapshot(&mut self, _now: Time, _id: u32) {}

    fn run_tool(&mut self, now: Time, job: ToolJob) -> bool {
        self.begin_tool(now, job)
    }

    fn tool_report(&mut self, now: Time, id: u32, number: u16) -> ToolReport {
        self.report_tool(now, id, number)
    }

    fn claim(&mut self, _now: Time, _place: u32, _id: u32) {}

    fn abort(&mut self, now: Time, id: u32) {
        if !self.work.has(id) {
            return;
        }
        let work = self.work.of(id);
        let (timer, flowing, host) = (work.timer.take(), work.flowing.take(), work.host);
        self.cancel_timer(timer);
        if let Some(direction) = flowing {
            self.flow(direction, host).pipe.remove(now, id);
            self.reschedule(direction, host);
        }
        self.abort_own_work(now, id);
        self.abort_tools(now, id);
    }

    fn host_up(&mut self, host: u32, kind: u16) {
        let shape = self.shapes[usize::from(kind)];
        while self.hosts.len() <= host as usize {
            self.hosts.push(Host::new(shape));
        }
        // Hosts of several types come up in another order than that of their numbers.
        self.hosts[host as usize].is_of(shape);
    }

    fn forget_images(&mut self) {
        self.image_version += 1;
        let placed = self.place_images.then_some(Time::ZERO);
        self.hosts.iter_mut().for_each(|host| host.image_at = placed);
    }

    fn pending(&self) -> usize {
        self.queue.len()
    }

    fn gone(&mut self, id: u32) {
        self.work.over(id);
    }
}
