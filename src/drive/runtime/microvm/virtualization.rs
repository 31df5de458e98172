//! What the processor offers: virtualization that was tried once, and its time-stamp counter.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::drive::clock::monotonic_nanos;

/// How long the counter is watched.
const WATCHED_NS: u64 = 20_000_000;

/// What came of trying to boot a machine under KVM, kept beside the runs: a machine that hangs takes a
/// quarter of a minute to be given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What the outcome depends on.
    pub key: String,
    /// Why it does not work, if it does not.
    pub refused: Option<String>,
}

impl Tried {
    fn path(state: &Path) -> PathBuf {
        state.join("kvm.json")
    }

    /// The outcome that was written down, if it still holds.
    pub fn read(state: &Path, key: &str) -> Option<Tried> {
        let text = fs::read(Tried::path(state)).ok()?;
        let tried: Tried = serde_json::from_slice(&text).ok()?;
        (tried.key == key).then_some(tried)
    }

    /// Writes it down.
    pub fn write(&self, state: &Path) {
        let text = serde_json::to_vec(self).expect("two strings");
        // If it cannot be kept, it is tried again.
        let _ = fs::write(Tried::path(state), text);
    }
}

/// Changes with each boot of the host.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Ticks of the host's time-stamp counter in a millisecond, watched against the monotonic clock.
#[cfg(target_arch = "x86_64")]
pub fn tsc_khz() -> Option<u64> {
    let (ticks, began) = both_at_once();
    loop {
        let took = monotonic_nanos().saturating_sub(began);
        if took >= WATCHED_NS {
            let (now, at) = both_at_once();
            let took = at.saturating_sub(began);
            let khz = u128::from(now.checked_sub(ticks)?) * 1_000_000 / u128::from(took);
            return u64::try_from(khz).ok().filter(|khz| *khz > 0);
        }
        std::hint::spin_loop();
    }
}

/// Counter and clock as of one instant: of many looks the one that took the fewest ticks, so that
/// nobody else had the core in between.
#[cfg(target_arch = "x86_64")]
fn both_at_once() -> (u64, u64) {
    const LOOKS: usize = 100;
    let looks = (0..LOOKS).map(|_| {
        let before = counter();
        let at = monotonic_nanos();
        (counter().wrapping_sub(before), before, at)
    });
    let (_, ticks, at) = looks.min_by_key(|(took, ..)| *took).expect("there are looks");
    (ticks, at)
}

#[cfg(target_arch = "x86_64")]
fn counter() -> u64 {
    // SAFETY: every 64-bit x86 processor has the instruction; it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Other processors have no such counter.
#[cfg(not(target_arch = "x86_64"))]
pub fn tsc_khz() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_holds_for_what_it_was_tried_with() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Tried::read(state.path(), "a"), None);
        let tried = Tried { key: "a".into(), refused: Some("it hangs".into()) };
        tried.write(state.path());
        assert_eq!(Tried::read(state.path(), "a"), Some(tried));
        assert_eq!(Tried::read(state.path(), "b"), None);
    }

    #[test]
    fn two_looks_at_the_counter_agree() {
        if let (Some(one), Some(two)) = (tsc_khz(), tsc_khz()) {
            let apart = one.abs_diff(two) as f64 / one as f64;
            assert!(apart < 0.01, "{one} and {two}");
        }
    }
}
