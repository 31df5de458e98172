//! The physical parts of a platform in virtual time: boot stages and their image cache, store
//! bandwidth, tool work. It executes what the conduct wants.

use super::host::{Flow, Host, HostShape};
use super::tools::Batch;
use crate::conduct::{
    ClassTerms, Event, Executor, Rank, SaveJob, SaveOutcome, Setup, StartJob, ToolJob, ToolReport,
};
use crate::control::Start;
use crate::dist::Dist;
use crate::engine::{EventQueue, Timer};
use crate::random::{Draws, Purpose};
use crate::scenario::types::{Image, Tier};
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

/// Physical work under way for one session or place.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Boot stages after the image, or nothing.
    after_image: Span,
    image: Span,
    /// Bytes that flow next; of a snapshot its size.
    bytes: f64,
    /// The boot's, restore's or snapshot's next event.
    timer: Option<Timer>,
    pub host: u32,
    /// Whose sandbox it runs in.
    pub root: u32,
    fails: bool,
    /// Which way its bytes flow now.
    flowing: Option<Direction>,
    pub batch: Option<Box<Batch>>,
}

/// Work by session. Most sessions think, and have none: they take four bytes.
#[derive(Debug, Default)]
pub(super) struct Works {
    places: Vec<u32>,
    works: Vec<Work>,
    free: Vec<u32>,
}

/// No work is under way.
const NO_WORK: u32 = u32::MAX;

impl Works {
    /// The session's work, begun if there was none.
    #[inline]
    pub fn of(&mut self, id: u32) -> &mut Work {
        if id as usize >= self.places.len() {
            self.places.resize(id as usize + 1, NO_WORK);
        }
        if self.places[id as usize] == NO_WORK {
            let place = self.free.pop().unwrap_or_else(|| {
                self.works.push(Work::default());
                self.works.len() as u32 - 1
            });
            self.works[place as usize] = Work { root: id, ..Work::default() };
            self.places[id as usize] = place;
        }
        &mut self.works[self.places[id as usize] as usize]
    }

    pub fn has(&self, id: u32) -> bool {
        self.places.get(id as usize).is_some_and(|place| *place != NO_WORK)
    }

    /// Nothing is under way any more.
    pub fn over(&mut self, id: u32) {
        if self.has(id) {
            let place = std::mem::replace(&mut self.places[id as usize], NO_WORK);
            self.free.push(place);
        }
    }
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
    /// Batches of tool calls that are over, for those to come.
    pub(super) spare: Vec<Box<Batch>>,
    archive_restore: Dist<Span>,
    /// What telemetry does to the CPU time of tool work.
    pub(super) telemetry_cpu: f64,
    /// The day whose drift is known, and that.
    drift: (u64, f64),
    /// Change of the busy cores of all hosts since it was last taken, in billionths.
    pub(super) cpu_change: i64,
    place_images: bool,
    /// Whether sandboxes may have calls of several sessions in them.
    pub(super) have_children: bool,
    /// New versions come, and no host has the image of one before.
    images_expire: bool,
}

const DAY: Span = Span::from_secs(86_400);

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
            spare: Vec::new(),
            archive_restore: setup.archive_restore.clone(),
            telemetry_cpu: setup.telemetry_cpu,
            drift: (u64::MAX, 1.0),
            cpu_change: 0,
            place_images: setup.images_placed,
            have_children: setup.have_children,
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

    /// Change of the busy cores of all hosts since it was last taken, in billionths.
    pub fn take_cpu_change(&mut self) -> i64 {
        std::mem::take(&mut self.cpu_change)
    }

    /// Whether there are hosts whose cores are shared.
    pub(super) fn has_hosts(&self) -> bool {
        !self.shapes.is_empty()
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

    fn flows(&mut self, now: Time, direction: Direction, id: u32) {
        let work = self.work.of(id);
        let (bytes, host) = (work.bytes, work.host);
        (work.flowing, work.timer) = (Some(direction), None);
        self.flow(direction, host).pipe.join(now, id, bytes);
        self.reschedule(direction, host);
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

    fn stage(&self, dist: &Dist<Span>, purpose: Purpose, job: &StartJob) -> Span {
        match dist.as_constant() {
            Some(span) => span,
            None => dist.sample(&mut self.draw(purpose, job.session, job.tries)),
        }
    }

    /// By how much the day and the starts beside it slow the boot stages of this start.
    fn slowdown(&mut self, now: Time, beside: u32) -> f64 {
        let contention = self.tier.contention.as_ref().map_or(1.0, |c| c.factor(beside));
        let Some(drift) = &self.tier.drift else { return contention };
        let day = now.nanos() / DAY.nanos();
        if self.drift.0 != day {
            let factor = drift.sample(&mut self.draw(Purpose::Drift, 0, day as u32)).0;
            self.drift = (day, factor);
        }
        contention * self.drift.1
    }

    fn boot(&mut self, now: Time, job: StartJob) {
        let factor = self.slowdown(now, job.beside);
        let slow = |span: Span| {
            if factor == 1.0 { span } else { Span::from_seconds(span.seconds() * factor) }
        };
        let schedule = slow(self.stage(&self.tier.schedule, Purpose::BootSchedule, &job));
        let image = match &self.tier.image {
            Image::Time(time) => slow(self.stage(time, Purpose::BootImage, &job)),
            Image::Pull(_) => Span::ZERO,
        };
        let bytes = match &self.tier.image {
            Image::Pull(pull) => pull.bytes.0 as f64,
            Image::Time(_) => 0.0,
        };
        let after = slow(self.stage(&self.tier.boot, Purpose::Boot, &job))
            + slow(self.stage(&self.tier.harness, Purpose::BootHarness, &job));
        let imageless = self.tier.image.is_zero();
        let work = self.work(job.id);
        (work.after_image, work.image, work.bytes) = (after, image, bytes);
        (work.fails, work.host) = (job.fails, job.host);
        // Whether it is still there when its stage begins is known before, if no new version comes.
        let stays = schedule.is_zero() || !self.images_expire;
        if imageless || (stays && self.hosts[job.host as usize].has_image(now)) {
            self.end_start(now + schedule + after, job.id);
        } else {
            let timer = self.physical(now + schedule, Physical::ImageDue(job.id));
            self.work.of(job.id).timer = Some(timer);
        }
    }

    /// Whether the image is there is looked at when its own stage begins.
    fn image_due(&mut self, now: Time, id: u32) {
        let work = self.work.of(id);
        let (image, rest, host) = (work.image, work.after_image, work.host);
        if self.hosts[host as usize].has_image(now) {
            return self.end_start(now + rest, id);
        }
        if let Image::Pull(_) = self.tier.image {
            return self.flows(now, Direction::Pull, id);
        }
        let here = now + image;
        let image_at = &mut self.hosts[host as usize].image_at;
        *image_at = Some(image_at.map_or(here, |first| first.min(here)));
        self.end_start(here + rest, id);
    }

    fn end_start(&mut self, at: Time, id: u32) {
        let ok = !self.work.of(id).fails;
        let timer = self.conduct(at, Rank::Frees, Event::Started { id, ok });
        self.work.of(id).timer = Some(timer);
    }

    fn restore(&mut self, now: Time, job: StartJob) {
        let mut fixed = self.stage(&self.tier.restore.fixed, Purpose::Restore, &job);
        if job.archived {
            fixed += self.stage(&self.archive_restore, Purpose::ArchiveRestore, &job);
        }
        let bytes = job.snapshot.0 as f64 * self.tier.restore.working_set.0;
        let work = self.work(job.id);
        (work.fails, work.bytes, work.host) = (job.fails, bytes, job.host);
        if bytes == 0.0 || self.hosts[job.host as usize].reads.pipe.is_unlimited() {
            self.end_start(now + fixed, job.id);
        } else {
            let timer = self.physical(now + fixed, Physical::Flow(Direction::Read, job.id));
            self.work.of(job.id).timer = Some(timer);
        }
    }

    fn flow(&mut self, direction: Direction, host: u32) -> &mut Flow {
        let host = &mut self.hosts[host as usize];
        match direction {
            Direction::Write => &mut host.writes,
            Direction::Read => &mut host.reads,
            Direction::Pull => &mut host.pulls,
        }
    }

    fn reschedule(&mut self, direction: Direction, host: u32) {
        let flow = self.flow(direction, host);
        let (old, next) = (flow.timer.take(), flow.pipe.next_end());
        self.cancel_timer(old);
        if let Some(at) = next {
            let timer = self.physical(at, Physical::Arrived(direction, host));
            self.flow(direction, host).timer = Some(timer);
        }
    }

    fn arrived(&mut self, now: Time, direction: Direction, host: u32) {
        self.flow(direction, host).timer = None;
        while let Some(id) = self.flow(direction, host).pipe.take_ended(now) {
            self.work.of(id).flowing = None;
            match direction {
                Direction::Write => {
                    let timer = self.conduct(now, Rank::Frees, Event::Saved { id });
                    self.work.of(id).timer = Some(timer);
                }
                Direction::Read => self.end_start(now, id),
                Direction::Pull => {
                    self.hosts[host as usize].image_at.get_or_insert(now);
                    let rest = self.work.of(id).after_image;
                    self.end_start(now + rest, id);
                }
            }
        }
        self.reschedule(direction, host);
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
        let timer = if stored.0 == 0 || self.hosts[job.host as usize].writes.pipe.is_unlimited() {
            self.conduct(now + fixed, Rank::Frees, Event::Saved { id: job.id })
        } else {
            self.physical(now + fixed, Physical::Flow(Direction::Write, job.id))
        };
        self.work.of(job.id).timer = Some(timer);
    }

    fn save_outcome(&mut self, id: u32) -> SaveOutcome {
        let stored = self.work(id).bytes;
        self.work.over(id);
        SaveOutcome::Stored(Bytes(stored as u64))
    }

    fn destroy(&mut self, now: Time, id: u32) {
        // A place's boot, or a snapshot, may still be under way.
        self.abort(now, id);
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
