//! The physical parts of a platform in virtual time: boot stages and their image cache, store
//! bandwidth, tool work. It executes what the conduct wants.

use super::pipe::Pipe;
use super::share::{Share, alone};
use crate::conduct::{
    ClassTerms, Event, Executor, Rank, SaveJob, SaveOutcome, Setup, StartJob, ToolJob, ToolReport,
};
use crate::control::Start;
use crate::engine::{EventQueue, Timer};
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
    /// The fixed part of a snapshot or restore is over: its bytes flow.
    Flow(Direction, u32),
    /// The next transfer of this direction ends.
    Arrived(Direction),
    /// A tool call's I/O wait is over and its CPU part begins beside others.
    CpuDue(u32, u16),
    /// The next CPU part in this sandbox ends.
    CpuOver(u32),
}

/// Which way bytes flow: writes and reads do not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Snapshots.
    Write,
    /// Restores.
    Read,
}

/// Physical work under way for one session.
#[derive(Debug, Default)]
struct Work {
    /// Boot stages after the image.
    after_image: Span,
    image: Span,
    fails: bool,
    bytes: f64,
    stored: Bytes,
    calls: Vec<ToolRun>,
    share: Share,
    share_timer: Option<Timer>,
}

#[derive(Clone, Copy, Debug)]
struct ToolRun {
    from: Time,
    cpu: Span,
    cores: f64,
    dirtied: Bytes,
}

/// The physical platform, and the clock.
#[derive(Debug)]
pub struct World {
    queue: EventQueue<Occurrence>,
    tier: Tier,
    classes: Vec<ClassTerms>,
    seed: u64,
    replication: u16,
    /// End of the first image stage: known from when that stage begins.
    image_cached_at: Option<Time>,
    writes: Flow,
    reads: Flow,
    work: Vec<Work>,
}

#[derive(Debug)]
struct Flow {
    pipe: Pipe,
    timer: Option<Timer>,
}

impl Flow {
    fn new(pipe: Pipe) -> Self {
        Flow { pipe, timer: None }
    }
}

impl World {
    /// A platform at time 0.
    pub fn new(setup: &Setup, replication: u16) -> Self {
        let tier = setup.tier.clone();
        let write = tier
            .snapshot
            .as_ref()
            .map_or(crate::units::Bandwidth::UNLIMITED, |s| s.kind().bandwidth);
        World {
            queue: EventQueue::default(),
            writes: Flow::new(Pipe::new(write)),
            reads: Flow::new(Pipe::new(tier.restore.bandwidth)),
            tier,
            classes: setup.classes.clone(),
            seed: setup.seed,
            replication,
            image_cached_at: None,
            work: Vec::new(),
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

    /// Does a step of physical work.
    pub fn step(&mut self, now: Time, physical: Physical) {
        match physical {
            Physical::ImageDue(id) => self.image_due(now, id),
            Physical::Flow(direction, id) => {
                let bytes = self.work[id as usize].bytes;
                self.flow(direction).pipe.join(now, id, bytes);
                self.reschedule(direction);
            }
            Physical::Arrived(direction) => self.arrived(now, direction),
            Physical::CpuDue(id, number) => {
                let work = &mut self.work[id as usize];
                let call = work.calls[number as usize];
                work.share.join(now, number, call.cores, call.cpu);
                self.reschedule_share(id);
            }
            Physical::CpuOver(id) => {
                self.work[id as usize].share_timer = None;
                while let Some(number) = self.work[id as usize].share.take_ended(now) {
                    self.conduct(now, Rank::Frees, Event::ToolEnded { id, number });
                }
                self.reschedule_share(id);
            }
        }
    }

    fn conduct(&mut self, at: Time, rank: Rank, event: Event) -> Timer {
        self.queue.schedule(at, rank as u8, Occurrence::Conduct(event))
    }

    fn physical(&mut self, at: Time, physical: Physical) -> Timer {
        self.queue.schedule(at, Rank::Frees as u8, Occurrence::Physical(physical))
    }

    fn draw(&self, purpose: Purpose, session: u64, index: u32) -> Draws {
        Draws::new(self.seed, self.replication, session, purpose, index)
    }

    fn work(&mut self, id: u32) -> &mut Work {
        let index = id as usize;
        if index >= self.work.len() {
            self.work.resize_with(index + 1, Work::default);
        }
        &mut self.work[index]
    }

    fn boot(&mut self, now: Time, job: StartJob) {
        let stage = |dist: &crate::dist::Dist<Span>, purpose| match dist.as_constant() {
            Some(span) => span,
            None => dist.sample(&mut self.draw(purpose, job.session, job.tries)),
        };
        let schedule = stage(&self.tier.schedule, Purpose::BootSchedule);
        let image = stage(&self.tier.image, Purpose::BootImage);
        let after =
            stage(&self.tier.boot, Purpose::Boot) + stage(&self.tier.harness, Purpose::BootHarness);
        let work = self.work(job.id);
        (work.after_image, work.image, work.fails) = (after, image, job.fails);
        let imageless = self.tier.image.as_constant() == Some(Span::ZERO);
        if imageless || self.image_is_cached(now) {
            self.end_start(now + schedule + after, job.id);
        } else {
            self.physical(now + schedule, Physical::ImageDue(job.id));
        }
    }

    /// Whether the image is there is looked at when its own stage begins.
    fn image_due(&mut self, now: Time, id: u32) {
        let cached = self.image_is_cached(now);
        let work = &self.work[id as usize];
        let (image, rest) = (work.image, work.after_image);
        if cached {
            return self.end_start(now + rest, id);
        }
        let here = now + image;
        self.image_cached_at = Some(self.image_cached_at.map_or(here, |first| first.min(here)));
        self.end_start(here + rest, id);
    }

    /// A stage that ends at the instant at which another begins is over, whichever was scheduled
    /// first.
    fn image_is_cached(&self, at: Time) -> bool {
        self.image_cached_at.is_some_and(|here| here <= at)
    }

    fn end_start(&mut self, at: Time, id: u32) {
        let ok = !self.work[id as usize].fails;
        self.conduct(at, Rank::Frees, Event::Started { id, ok });
    }

    fn restore(&mut self, now: Time, job: StartJob) {
        let fixed = self.tier.restore.fixed.sample(&mut self.draw(
            Purpose::Restore,
            job.session,
            job.tries,
        ));
        let bytes = job.snapshot.0 as f64 * self.tier.restore.working_set.0;
        let work = self.work(job.id);
        (work.fails, work.bytes) = (job.fails, bytes);
        if bytes == 0.0 || self.reads.pipe.is_unlimited() {
            self.end_start(now + fixed, job.id);
        } else {
            self.physical(now + fixed, Physical::Flow(Direction::Read, job.id));
        }
    }

    fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Write => &mut self.writes,
            Direction::Read => &mut self.reads,
        }
    }

    fn reschedule(&mut self, direction: Direction) {
        let flow = self.flow(direction);
        let (old, next) = (flow.timer.take(), flow.pipe.next_end());
        if let Some(timer) = old {
            self.queue.cancel(timer);
        }
        if let Some(at) = next {
            let timer = self.physical(at, Physical::Arrived(direction));
            self.flow(direction).timer = Some(timer);
        }
    }

    fn arrived(&mut self, now: Time, direction: Direction) {
        self.flow(direction).timer = None;
        while let Some(id) = self.flow(direction).pipe.take_ended(now) {
            match direction {
                Direction::Write => {
                    self.conduct(now, Rank::Frees, Event::Saved { id });
                }
                Direction::Read => self.end_start(now, id),
            }
        }
        self.reschedule(direction);
    }

    fn reschedule_share(&mut self, id: u32) {
        let work = &mut self.work[id as usize];
        let (old, next) = (work.share_timer.take(), work.share.next_end());
        if let Some(timer) = old {
            self.queue.cancel(timer);
        }
        if let Some(at) = next {
            let timer = self.physical(at, Physical::CpuOver(id));
            self.work[id as usize].share_timer = Some(timer);
        }
    }
}

/// Bytes of a snapshot: compression × (base + dirtied × (1 − dedupe) + memory if full), rounded
/// half up. Zero where the tier takes none.
pub fn snapshot_bytes(tier: &Tier, class: &ClassTerms, dirtied: Bytes) -> Bytes {
    let Some(snapshot) = &tier.snapshot else { return Bytes(0) };
    let kind = snapshot.kind();
    let memory = if snapshot.is_full() { class.memory.0 as f64 } else { 0.0 };
    let raw = kind.base.0 as f64 + dirtied.0 as f64 * (1.0 - kind.dedupe.0) + memory;
    Bytes((kind.compression.0 * raw + 0.5) as u64)
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
        (work.stored, work.bytes) = (stored, stored.0 as f64);
        if stored.0 == 0 || self.writes.pipe.is_unlimited() {
            self.conduct(now + fixed, Rank::Frees, Event::Saved { id: job.id });
        } else {
            self.physical(now + fixed, Physical::Flow(Direction::Write, job.id));
        }
    }

    fn save_outcome(&mut self, id: u32) -> SaveOutcome {
        SaveOutcome::Stored(self.work[id as usize].stored)
    }

    fn destroy(&mut self, _now: Time, _id: u32) {}

    fn drop_snapshot(&mut self, _now: Time, _id: u32) {}

    fn run_tool(&mut self, now: Time, job: ToolJob) {
        let vcpu = self.classes[job.class.0 as usize].vcpu.0;
        let from = now + job.policies;
        let cpu = Span::from_seconds(job.plan.cpu.seconds() * self.tier.cpu_factor.0);
        let io = Span::from_seconds(job.plan.io.seconds() * self.tier.io_factor.0);
        let reach = match self.tier.exec.as_constant() {
            Some(span) => span,
            None => self.tier.exec.sample(&mut self.draw(Purpose::ToolReach, job.session, job.key)),
        };
        let work = self.work(job.id);
        if job.number == 0 {
            work.calls.clear();
            work.share.reset(vcpu);
        }
        let cores = job.plan.cores.0;
        work.calls.push(ToolRun { from, cpu, cores, dirtied: job.plan.dirty });
        let due = from + reach + io;
        if job.batch == 1 || cpu.is_zero() {
            let end = if cpu.is_zero() { due } else { due + alone(cpu, cores, vcpu) };
            self.conduct(end, Rank::Frees, Event::ToolEnded { id: job.id, number: job.number });
        } else {
            self.physical(due, Physical::CpuDue(job.id, job.number));
        }
    }

    fn tool_report(&mut self, now: Time, id: u32, number: u16) -> ToolReport {
        let call = self.work[id as usize].calls[number as usize];
        ToolReport { took: now.since(call.from), cpu: call.cpu, dirtied: call.dirtied }
    }

    fn gone(&mut self, _id: u32) {}
}
