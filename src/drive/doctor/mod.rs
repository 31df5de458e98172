//! What works on this machine, what does not, and how to mend it.

mod stall;
mod tiers;

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

use super::clock::Clock;
use super::guest;
use super::guest::protocol::Feature;
use super::lateness::Lateness;
use super::pacing::{Pacer, PacingError};
use super::runtime::process::{ProcessConfig, ProcessRuntime};
use crate::units::{Bytes, Span};

pub use stall::{StallError, StallPlan, StallReport, stall_self_test};

/// Less free space than this is worth a warning.
const SPACE_WANTED: Bytes = Bytes(1 << 30);

/// A timer that wakes later than this, in the median, is worth a warning.
const LATENESS_WANTED: Span = Span::from_millis(1);

/// How well something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should.
    Works,
    /// Runs go on without it, and say so.
    Degraded,
    /// A tier that is not there; the others work.
    Absent,
    /// Live runs are not possible.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What.
    pub name: String,
    /// How well it works.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// What to do about it, if something is to be done.
    pub mend: Option<String>,
}

impl Finding {
    fn works(name: impl Into<String>, detail: impl Into<String>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        Finding { name, status: Status::Works, detail, mend: None }
    }

    fn not(
        status: Status,
        name: impl Into<String>,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Finding { name: name.into(), status, detail: detail.into(), mend: Some(mend.into()) }
    }
}

/// Looks at everything that a live run needs. Builds a sandbox of each kind that there is, and
/// removes it.
pub async fn examine(config: ProcessConfig) -> Vec<Finding> {
    let mut findings = vec![loader()];
    let (state, common) = (config.state.clone(), config.common());
    findings.extend(sandboxes(config.clone()).await);
    findings.extend(tiers::examine(&config, &common).await);
    findings.push(timer().await);
    findings.push(compression());
    findings.push(space(&state));
    findings
}

fn loader() -> Finding {
    let name = "loader and libraries";
    match guest::needed_files() {
        Ok(files) if files.is_empty() => Finding::works(name, "a static program needs none"),
        Ok(files) => {
            let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            Finding::works(name, names.join(", "))
        }
        Err(error) => Finding::not(
            Status::Missing,
            name,
            format!("cannot tell what this program was loaded from: {error}"),
            "mount /proc",
        ),
    }
}

/// One finding for each isolation and each limit.
async fn sandboxes(config: ProcessConfig) -> Vec<Finding> {
    let name = "process sandboxes";
    let runtime = match ProcessRuntime::start(config, Clock::start()).await {
        Ok(runtime) => runtime,
        Err(error) => {
            let mend = "mend what the message names; simulations work without";
            return vec![Finding::not(Status::Missing, name, error.to_string(), mend)];
        }
    };
    let mut findings = vec![match runtime.own_overhead().await {
        Ok(own) => {
            Finding::works(name, format!("an empty call takes {}", rounded(own.exec_round_trip)))
        }
        Err(error) => {
            Finding::not(Status::Missing, name, error.to_string(), "mend what the message names")
        }
    }];
    for feature in Feature::ALL.into_iter().filter(|have| runtime.isolation().contains(have)) {
        findings.push(Finding::works(feature.name(), "each sandbox has one"));
    }
    for lost in runtime.lost_isolation() {
        findings.push(Finding::not(Status::Degraded, lost.what, lost.why, lost.mend));
    }
    if runtime.lost_isolation().iter().all(|lost| !lost.what.contains("control group")) {
        findings.push(Finding::works("limits by control groups", "memory, CPU and processes"));
    }
    let drained = runtime.drain(Span::from_secs(10)).await;
    for left in drained.left {
        let mend = "run `plimsoll clean`";
        findings.push(Finding::not(Status::Degraded, "removal of sandboxes", left, mend));
    }
    findings
}

async fn timer() -> Finding {
    let name = "timer (timerfd)";
    match measure_timer().await {
        Err(error) => Finding::not(
            Status::Missing,
            name,
            error.to_string(),
            "let the container's seccomp profile allow timerfd_create",
        ),
        Ok(lateness) => {
            let (p50, p99) = (rounded(lateness.p50()), rounded(lateness.p99()));
            let detail = format!("wakes late by p50 {p50}, p99 {p99}");
            if lateness.p50() <= LATENESS_WANTED {
                Finding::works(name, detail)
            } else {
                let mend = "free the machine's cores: live runs would be late by as much";
                Finding::not(Status::Degraded, name, detail, mend)
            }
        }
    }
}

async fn measure_timer() -> Result<Lateness, PacingError> {
    let clock = Clock::start();
    let mut pacer = Pacer::new(clock)?;
    let base = clock.now();
    for k in 1..=200 {
        pacer.schedule(base + Span::from_millis(k), ());
    }
    let mut lateness = Lateness::default();
    while let Some(due) = pacer.next().await? {
        lateness.record(due.intended, due.woke);
    }
    Ok(lateness)
}

/// To the microsecond, for reading.
fn rounded(span: Span) -> Span {
    Span::from_nanos(span.nanos().div_ceil(1000) * 1000)
}

fn compression() -> Finding {
    let name = "compression (zstd)";
    let sample = b"plimsoll ".repeat(1000);
    let round_trip = || -> io::Result<(usize, Vec<u8>)> {
        let packed = zstd::encode_all(sample.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
        Ok((packed.len(), zstd::decode_all(packed.as_slice())?))
    };
    match round_trip() {
        Ok((packed, unpacked)) if unpacked == sample => {
            Finding::works(name, format!("{} bytes pack to {packed} and back", sample.len()))
        }
        Ok(_) => {
            let mend = "do not trust this machine's memory";
            Finding::not(Status::Missing, name, "what comes back is not what was packed", mend)
        }
        Err(error) => Finding::not(Status::Missing, name, error.to_string(), "free some memory"),
    }
}

fn space(state: &Path) -> Finding {
    let name = "disk space for sandboxes";
    let existing = state.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match statvfs(existing) {
        Ok(disk) => {
            let free = Bytes(disk.f_bavail.saturating_mul(disk.f_frsize));
            let detail = format!("{:.1} GiB free under {}", free.gib(), state.display());
            if free >= SPACE_WANTED {
                Finding::works(name, detail)
            } else {
                let mend = "free some, or set PLIMSOLL_STATE to a directory on another disk";
                Finding::not(Status::Degraded, name, detail, mend)
            }
        }
        Err(error) => {
            let mend = "set PLIMSOLL_STATE to a directory that can be read";
            Finding::not(Status::Missing, name, error.to_string(), mend)
        }
    }
}
