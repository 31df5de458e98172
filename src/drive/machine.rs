//! What became of the machine's CPU time during a live run: a virtual machine may not get all that it
//! asks for, and then everything on it takes longer than the platform would need.

use std::fs;
use std::num::NonZero;

use rustix::param::clock_ticks_per_second;

use crate::measure::record::MachineRecord;

/// CPU time of the whole machine, seconds since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// Spent on any work.
    pub busy: f64,
    /// Asked for, and given to other machines by the hypervisor.
    pub stolen: f64,
}

impl CpuTime {
    /// Up to now; none where the kernel does not tell.
    pub fn now() -> Option<CpuTime> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        CpuTime::parse(&text, clock_ticks_per_second() as f64)
    }

    /// The first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal;
    /// guests' time is within user and nice.
    fn parse(stat: &str, ticks_per_second: f64) -> Option<CpuTime> {
        let mut words = stat.lines().next()?.split_whitespace();
        (words.next()? == "cpu").then_some(())?;
        let ticks: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, _, _, irq, softirq, steal] = *ticks.get(..8)? else { return None };
        let busy = user + nice + system + irq + softirq;
        Some(CpuTime { busy: busy / ticks_per_second, stolen: steal / ticks_per_second })
    }
}

/// CPU seconds of which shares tell something: the kernel counts ticks of 10 ms.
const FEWEST_SECONDS: f64 = 1.0;

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// The machine's CPU time since `before`; none if it was too little to tell.
pub fn machine_since(before: Option<CpuTime>) -> Option<MachineRecord> {
    let (before, now) = (before?, CpuTime::now()?);
    let cores = u32::try_from(cores()).ok()?;
    let (busy_s, stolen_s) = (now.busy - before.busy, now.stolen - before.stolen);
    let told = busy_s >= 0.0 && stolen_s >= 0.0 && busy_s + stolen_s >= FEWEST_SECONDS;
    told.then_some(MachineRecord {
        cores,
        busy_s,
        stolen_s,
        background_cores: None,
        stolen_alone: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_time_is_read_as_the_kernel_writes_it() {
        let stat = "cpu  100 20 300 4000 50 6 7 80 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n";
        let read = CpuTime::parse(stat, 100.0);
        assert_eq!(read, Some(CpuTime { busy: 4.33, stolen: 0.8 }));
        assert_eq!(CpuTime::parse("cpu 1 2 3", 100.0), None);
        assert_eq!(CpuTime::parse("intr 1 2 3 4 5 6 7 8 9", 100.0), None);
        assert_eq!(CpuTime::parse("", 100.0), None);
    }

    #[test]
    fn a_busy_loop_shows() {
        let before = CpuTime::now();
        let begun = std::time::Instant::now();
        let mut x = 1_u64;
        assert_eq!(machine_since(before), None, "nothing was done yet");
        while begun.elapsed().as_millis() < 2500 {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        // What the loop wanted it got, or others did.
        let used = machine_since(before).expect("Linux tells");
        assert!(used.cores >= 1 && used.busy_s + used.stolen_s >= 1.0, "{used:?}");
    }
}
