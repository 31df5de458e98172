//! What the conduct wants, begun on the live backend.

use super::{Ended, Live, NO_REPORT, Paced, Place};
use crate::conduct::{Event, Executor, Rank, SaveJob, SaveOutcome, StartJob, ToolJob, ToolReport};
use crate::control::Start;
use crate::drive::runtime::Work;
use crate::units::Time;

/// An instant of the runtime's clock on the run's own time line.
fn placed(at: Time, zero: Time) -> Time {
    Time::ZERO + at.since(zero)
}

/// The share of a call's time that it is expected to keep a core: not that of its policies and of I/O.
fn share_at_work(job: &ToolJob) -> f64 {
    let working = job.plan.cpu.seconds() / job.plan.cores.0;
    let waiting = (job.plan.io + job.policies).seconds();
    if waiting == 0.0 { 1.0 } else { working / (working + waiting) }
}

impl Executor for Live {
    type Timer = u64;

    fn schedule(&mut self, at: Time, _rank: Rank, event: Event) -> u64 {
        self.scheduled += 1;
        let ahead = at > self.clock.now();
        self.pacer.schedule(at, Paced { number: self.scheduled, event, ahead });
        self.scheduled
    }

    fn cancel(&mut self, timer: u64) {
        self.cancelled.insert(timer);
    }

    fn begin(&mut self, now: Time, job: StartJob) {
        self.place(job.id).index = job.index;
        let alive = match self.caps.admit(self.clock.now()) {
            Ok(alive) => alive,
            Err(dropped) => {
                self.trouble(&dropped);
                self.dropped_sessions.insert(job.index);
                self.schedule(now, Rank::Frees, Event::Started { id: job.id, ok: false });
                return;
            }
        };
        let (spec, runtime, clock, zero) =
            (self.spec(&job), self.runtime.clone(), self.clock, self.zero);
        self.starting += 1;
        let (asked, starts) = (self.asks(now, 1.0), self.starting);
        let snapshot = self.place(job.id).snapshot.as_ref().map(|(snapshot, _)| *snapshot);
        self.spawn(job.id, asked.share, async move {
            let sandbox = spec.sandbox;
            let result = match (job.start, snapshot) {
                (Start::Restore, Some(snapshot)) => runtime.restore(sandbox, snapshot).await,
                _ => runtime.create(spec).await,
            };
            // The driver's own checks after readiness are not the platform's time.
            let at =
                result.as_ref().map_or_else(|_| clock.now(), |created| placed(created.ready, zero));
            (
                at,
                Ended::Started {
                    job,
                    asked,
                    starts,
                    result: result.map(|created| (sandbox, created)),
                    place: alive,
                },
            )
        });
    }

    fn begun(&mut self, _id: u32) {}

    fn save(&mut self, now: Time, job: SaveJob) {
        let place = self.place(job.id);
        let (Some(sandbox), Some(alive)) = (place.sandbox.take(), place.alive.take()) else {
            unreachable!("a sandbox that is saved runs")
        };
        self.fresh.remove(&sandbox);
        let (runtime, clock, zero) = (self.runtime.clone(), self.clock, self.zero);
        let asked = self.asks(now, 1.0);
        self.spawn(job.id, asked.share, async move {
            let result = runtime.snapshot(sandbox).await;
            let at = match &result {
                Ok(info) => placed(info.stored, zero),
                Err(_) => {
                    // What could not be saved is not left running. That it may be gone is fine.
                    let _ = runtime.destroy(sandbox).await;
                    clock.now()
                }
            };
            (at, Ended::Saved { asked, result, place: alive })
        });
    }

    fn save_outcome(&mut self, id: u32) -> SaveOutcome {
        self.place(id).outcome.take().expect("a snapshot that ended has an outcome")
    }

    fn destroy(&mut self, _now: Time, id: u32) {
        let place = self.place(id);
        if let (Some(sandbox), Some(alive)) = (place.sandbox.take(), place.alive.take()) {
            let index = place.index;
            self.remove(sandbox, alive, index);
        }
    }

    fn drop_snapshot(&mut self, _now: Time, id: u32) {
        if let Some((snapshot, _)) = self.place(id).snapshot.take() {
            self.forget(snapshot);
        }
    }

    fn run_tool(&mut self, now: Time, job: ToolJob) -> bool {
        let place = self.place(job.id);
        if job.number == 0 {
            place.reports = vec![NO_REPORT; job.batch as usize];
        }
        let sandbox = self.place(job.sandbox).sandbox;
        let sandbox = sandbox.expect("a session in a turn has a sandbox");
        let plan = job.plan;
        let work = Work {
            cpu: plan.cpu,
            cores: plan.cores,
            io_wait: plan.io,
            memory: plan.memory,
            dirty: plan.dirty,
        };
        let (runtime, sleeper, clock, zero) =
            (self.runtime.clone(), self.sleeper.clone(), self.clock, self.zero);
        let begun = now + job.policies;
        let asked = self.asks(begun, share_at_work(&job));
        self.spawn(job.id, asked.share, async move {
            if !job.policies.is_zero() {
                // Only a run that ends takes the sleeper away, and then nobody waits for this.
                let _ = sleeper.sleep_until(begun).await;
            }
            let result = runtime.exec(sandbox, work).await;
            let at = result
                .as_ref()
                .map_or_else(|_| clock.now(), |report| placed(report.received, zero));
            (at, Ended::Tool { job, asked, result })
        });
        true
    }

    fn tool_report(&mut self, _now: Time, id: u32, number: u16) -> ToolReport {
        self.place(id).reports[number as usize]
    }

    fn claim(&mut self, _now: Time, place: u32, id: u32) {
        let from = self.place(place);
        let (sandbox, alive) = (from.sandbox.take(), from.alive.take());
        let to = self.place(id);
        (to.sandbox, to.alive) = (sandbox, alive);
    }

    fn abort(&mut self, now: Time, id: u32) {
        // What is under way ends as that of one who is gone.
        self.destroy(now, id);
        let place = self.place(id);
        place.epoch = place.epoch.wrapping_add(1);
    }

    fn host_up(&mut self, _host: u32, _kind: u16) {}

    fn forget_images(&mut self) {}

    fn pending(&self) -> usize {
        self.pacer.len() + self.under_way as usize
    }

    fn gone(&mut self, id: u32) {
        let place = self.place(id);
        let epoch = place.epoch.wrapping_add(1);
        *place = Place { epoch, ..Place::default() };
    }
}
