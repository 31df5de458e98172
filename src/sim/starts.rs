//! Boots, restores and snapshots in virtual time: stages, image caches, bytes that flow.

use super::host::Flow;
use super::own_work::{Operation, Then};
use super::world::{DAY, Direction, Physical, World};
use crate::conduct::{ClassTerms, StartJob};
use crate::dist::Dist;
use crate::random::Purpose;
use crate::scenario::types::{Image, Tier};
use crate::units::{Bytes, Span, Time};

impl World {
    pub(super) fn flows(&mut self, now: Time, direction: Direction, id: u32) {
        let work = self.work.of(id);
        let (bytes, host) = (work.bytes, work.host);
        (work.flowing, work.timer) = (Some(direction), None);
        self.flow(direction, host).pipe.join(now, id, bytes);
        self.reschedule(direction, host);
    }

    pub(super) fn stage(&self, dist: &Dist<Span>, purpose: Purpose, job: &StartJob) -> Span {
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

    pub(super) fn boot(&mut self, now: Time, job: StartJob) {
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
            self.works(now, schedule + after, job.id, (Operation::Boot, Then::Started));
        } else {
            let timer = self.physical(now + schedule, Physical::ImageDue(job.id));
            self.work.of(job.id).timer = Some(timer);
        }
    }

    /// Whether the image is there is looked at when its own stage begins.
    pub(super) fn image_due(&mut self, now: Time, id: u32) {
        let work = self.work.of(id);
        let (image, rest, host) = (work.image, work.after_image, work.host);
        if self.hosts[host as usize].has_image(now) {
            return self.works(now, rest, id, (Operation::Boot, Then::Started));
        }
        if let Image::Pull(_) = self.tier.image {
            self.work.of(id).version = self.image_version;
            return self.flows(now, Direction::Pull, id);
        }
        let here = now + image;
        let image_at = &mut self.hosts[host as usize].image_at;
        *image_at = Some(image_at.map_or(here, |first| first.min(here)));
        self.works(now, image + rest, id, (Operation::Boot, Then::Started));
    }

    pub(super) fn restore(&mut self, now: Time, job: StartJob) {
        let mut fixed = self.stage(&self.tier.restore.fixed, Purpose::Restore, &job);
        if job.archived {
            fixed += self.stage(&self.archive_restore, Purpose::ArchiveRestore, &job);
        }
        let bytes = job.snapshot.0 as f64 * self.tier.restore.working_set.0;
        let work = self.work(job.id);
        (work.fails, work.bytes, work.host) = (job.fails, bytes, job.host);
        self.transfers(now, fixed, job.id, Direction::Read);
    }

    /// A snapshot or restore: a fixed part, and bytes that flow. On one machine moving them is work as
    /// well, as it was when their bandwidth was measured.
    pub(super) fn transfers(&mut self, now: Time, fixed: Span, id: u32, direction: Direction) {
        let (operation, done) = match direction {
            Direction::Write => (Operation::Snapshot, Then::Saved),
            Direction::Read => (Operation::Restore, Then::Started),
            Direction::Pull => unreachable!("a boot pulls its image itself"),
        };
        let work = self.work.of(id);
        let (bytes, host) = (work.bytes, work.host);
        let on_cores = self.own_work.takes_cores();
        let pipe = &self.flow(direction, host).pipe;
        let (span, then) = if bytes == 0.0 || pipe.is_unlimited() {
            (fixed, done)
        } else if on_cores {
            (fixed + pipe.alone(bytes), done)
        } else {
            (fixed, Then::Flow(direction))
        };
        self.works(now, span, id, (operation, then));
    }

    pub(super) fn flow(&mut self, direction: Direction, host: u32) -> &mut Flow {
        let host = &mut self.hosts[host as usize];
        match direction {
            Direction::Write => &mut host.writes,
            Direction::Read => &mut host.reads,
            Direction::Pull => &mut host.pulls,
        }
    }

    pub(super) fn reschedule(&mut self, direction: Direction, host: u32) {
        let flow = self.flow(direction, host);
        let (old, next) = (flow.timer.take(), flow.pipe.next_end());
        self.cancel_timer(old);
        if let Some(at) = next {
            let timer = self.physical(at, Physical::Arrived(direction, host));
            self.flow(direction, host).timer = Some(timer);
        }
    }

    pub(super) fn arrived(&mut self, now: Time, direction: Direction, host: u32) {
        self.flow(direction, host).timer = None;
        while let Some(id) = self.flow(direction, host).pipe.take_ended(now) {
            self.work.of(id).flowing = None;
            match direction {
                Direction::Write => self.comes(now, id, Then::Saved),
                Direction::Read => self.comes(now, id, Then::Started),
                Direction::Pull => {
                    // One of an old version is of no use to others.
                    if self.work.of(id).version == self.image_version {
                        self.hosts[host as usize].image_at.get_or_insert(now);
                    }
                    let rest = self.work.of(id).after_image;
                    self.works(now, rest, id, (Operation::Boot, Then::Started));
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
