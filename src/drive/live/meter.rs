//! What an operation costs the machine: the CPU time of the whole of it while nothing else was under way.
//!
//! An operation's work is done by many hands: the driver, tools that the runtime calls, the kernel, the
//! sandbox. Only the machine as a whole sees it all. The kernel counts in ticks, so a single reading says
//! little; their mean is right.

use crate::drive::machine::CpuTime;
use crate::measure::record::MachineRecord;
use crate::units::{Span, Time};

/// Readings at most, so that a run of very many short operations is not slowed by them.
const READINGS: u32 = 2000;

/// Time of which shares tell something: the kernel's ticks are of 10 ms.
const ENOUGH: Span = Span::from_secs(1);

/// CPU time, seconds, of operations that were alone from which on what was stolen of it is told: a
/// neighbour's bursts last long.
const ENOUGH_ALONE: f64 = 5.0;

/// Reads the machine's CPU time where an operation begins or ends that has no other beside it.
#[derive(Debug)]
pub(super) struct Meter {
    readings_left: u32,
    /// When the one operation under way began, as long as it is the only one.
    alone: Option<CpuTime>,
    /// CPU time during all that were.
    alone_all: CpuTime,
    /// Since when nothing is under way.
    idle: Option<(Time, CpuTime)>,
    idle_for: Span,
    idle_busy: f64,
}

impl Meter {
    pub fn new() -> Self {
        Meter {
            readings_left: READINGS,
            alone: None,
            alone_all: CpuTime::default(),
            idle: None,
            idle_for: Span::ZERO,
            idle_busy: 0.0,
        }
    }

    fn read(&mut self) -> Option<CpuTime> {
        self.readings_left = self.readings_left.checked_sub(1)?;
        CpuTime::now()
    }

    /// An operation begins beside so many others.
    pub fn begins(&mut self, now: Time, others: u64) {
        if others > 0 {
            // What it did until now it did alone: were it left out, what was stolen would be told too low,
            // for what is robbed lasts longer and so is joined more often.
            if self.alone.is_some() {
                self.was_alone();
            }
            return;
        }
        self.alone = self.read();
        if let (Some((since, before)), Some(read)) = (self.idle.take(), self.alone) {
            self.idle_for += now.since(since);
            self.idle_busy += (read.busy - before.busy).max(0.0);
        }
    }

    /// An operation ends, and so many stay; what the machine's cores did during it, if it was alone all
    /// the time.
    pub fn ends(&mut self, now: Time, others: u64) -> Option<Span> {
        if others > 0 {
            return None;
        }
        if self.alone.is_some() {
            let (ended, busy) = self.was_alone()?;
            self.idle = Some((now, ended));
            return Some(Span::from_seconds(busy));
        }
        self.idle = self.read().map(|read| (now, read));
        None
    }

    /// The one operation under way is alone no longer; the reading, and what the cores did until it.
    fn was_alone(&mut self) -> Option<(CpuTime, f64)> {
        let begun = self.alone.take()?;
        let ended = self.read()?;
        let busy = (ended.busy - begun.busy).max(0.0);
        self.alone_all.busy += busy;
        self.alone_all.stolen += (ended.stolen - begun.stolen).max(0.0);
        Some((ended, busy))
    }

    /// Puts what was seen into a record of the machine, as far as it was enough.
    pub fn tell(&self, machine: MachineRecord) -> MachineRecord {
        let CpuTime { busy, stolen } = self.alone_all;
        let (long, much) = (self.idle_for >= ENOUGH, busy + stolen >= ENOUGH_ALONE);
        MachineRecord {
            background_cores: long.then(|| self.idle_busy / self.idle_for.seconds()),
            stolen_alone: much.then(|| stolen / (busy + stolen)),
            ..machine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work_for(millis: u128) {
        let begun = std::time::Instant::now();
        let mut x = 1_u64;
        while begun.elapsed().as_millis() < millis {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }

    #[test]
    fn only_what_was_alone_all_the_time_is_measured() {
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let mut meter = Meter::new();
        meter.begins(at(0), 0);
        work_for(300);
        // Others may work on this machine at the same time.
        let alone = meter.ends(at(300), 0).expect("nothing was beside it");
        assert!(alone >= Span::from_millis(30), "{alone}");
        let machine = MachineRecord {
            cores: 2,
            busy_s: 1.0,
            stolen_s: 0.0,
            background_cores: None,
            stolen_alone: None,
        };
        // As far as the clock given says, and whatever others did on this machine meanwhile.
        meter.alone_all = CpuTime::default();
        assert_eq!(meter.tell(machine), machine, "too little to tell");
        meter.begins(at(2000), 0);
        assert!(meter.tell(machine).background_cores.is_some(), "1.7 s by the clock given");
        meter.alone_all = CpuTime { busy: 6.0, stolen: 2.0 };
        assert_eq!(meter.tell(machine).stolen_alone, Some(0.25));
        meter.begins(at(2001), 1);
        assert!(meter.alone_all.busy >= 6.0 && meter.alone.is_none(), "its begin counts");
        assert_eq!(meter.ends(at(2002), 1), None, "one stays");
        assert_eq!(meter.ends(at(2003), 0), None, "it had one beside it");
        meter.readings_left = 1;
        meter.begins(at(2004), 0);
        assert_eq!(meter.ends(at(2005), 0), None, "no reading is left");
    }
}
