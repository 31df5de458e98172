//! From what single operations of a live run took to a tier that repeats it.

use crate::dist::{Dist, DistError};
use crate::drive::samples::{OperationSample, Samples, ToolSample};
use crate::scenario::types::{Image, Restore, Snapshot, SnapshotKind, Tier};
use crate::units::{Bandwidth, Bytes, Ratio, Span};

/// A calibrated tier and what it rests on.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The tier.
    pub tier: Tier,
    /// Observations behind each part, by its key; none where the scenario's own value was kept.
    pub observations: Vec<(&'static str, usize)>,
}

/// Fits a tier to the samples of the sessions that `take` picks. What was not seen keeps the
/// scenario's value.
///
/// Boot, restore and snapshot times become empirical distributions of their response times, with
/// bytes and bandwidth inside. A tool call is reach + I/O wait · io_factor + CPU · cpu_factor: the
/// factors are ratios of sums, and reach is the empirical rest, which holds memory and disk work.
///
/// # Errors
///
/// If samples do not make a distribution.
pub fn calibrate(
    samples: &Samples,
    take: impl Fn(u64) -> bool,
    tier: &Tier,
) -> Result<Calibration, DistError> {
    let mut tier = tier.clone();
    let of = |all: &[OperationSample]| -> Vec<OperationSample> {
        all.iter().filter(|sample| take(sample.session)).copied().collect()
    };
    let (boots, restores, snapshots) =
        (of(&samples.boots), of(&samples.restores), of(&samples.snapshots));
    let tools: Vec<ToolSample> =
        samples.tools.iter().filter(|tool| take(tool.session)).copied().collect();
    if !boots.is_empty() {
        let zero = || Dist::constant(Span::ZERO);
        (tier.schedule, tier.image, tier.harness) = (zero(), Image::default(), zero());
        tier.boot = times(&boots)?;
    }
    if !restores.is_empty() {
        let working_set = Ratio(1.0);
        tier.restore =
            Restore { fixed: times(&restores)?, bandwidth: Bandwidth::UNLIMITED, working_set };
    }
    if !snapshots.is_empty() {
        let mean = snapshots.iter().map(|s| s.bytes.0).sum::<u64>() / snapshots.len() as u64;
        tier.snapshot = Some(Snapshot::Filesystem(SnapshotKind {
            fixed: times(&snapshots)?,
            bandwidth: Bandwidth::UNLIMITED,
            base: Bytes(mean),
            // All of the size is in its mean, none in the bytes of the single session.
            dedupe: Ratio(1.0),
            compression: Ratio(1.0),
        }));
    }
    if !tools.is_empty() {
        tools_into(&tools, &mut tier)?;
    }
    let observations = vec![
        ("boot", boots.len()),
        ("restore.fixed", restores.len()),
        ("snapshot.fixed", snapshots.len()),
        ("exec", tools.len()),
    ];
    Ok(Calibration { tier, observations })
}

fn times(samples: &[OperationSample]) -> Result<Dist<Span>, DistError> {
    Dist::empirical(samples.iter().map(|sample| sample.took).collect())
}

fn tools_into(tools: &[ToolSample], tier: &mut Tier) -> Result<(), DistError> {
    let alone = |tool: &ToolSample| tool.cpu.seconds() / tool.cores.0;
    let planned: f64 = tools.iter().map(alone).sum();
    let computed: f64 = tools.iter().map(|tool| tool.computing.seconds()).sum();
    if planned > 0.0 {
        tier.cpu_factor = Ratio(computed / planned);
    }
    let planned: f64 = tools.iter().map(|tool| tool.io.seconds()).sum();
    let waited: f64 = tools.iter().map(|tool| tool.waiting.seconds()).sum();
    if planned > 0.0 {
        tier.io_factor = Ratio(waited / planned);
    }
    let reach = |tool: &ToolSample| tool.took.saturating_sub(tool.computing + tool.waiting);
    tier.exec = Dist::empirical(tools.iter().map(reach).collect())?;
    Ok(())
}
