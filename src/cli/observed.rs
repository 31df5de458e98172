//! A runtime looked at from inside its sandboxes, and measured.

use crate::drive::clock::Clock;
use crate::drive::journal::state_directory;
use crate::drive::probe::{Observation, ProbeOptions, Scale, observe, observe_tier, scale};
use crate::drive::runtime::{AnyRuntime, RuntimeError};
use crate::drive::shutdown::Shutdown;
use crate::drive::{Backend, DriveError};
use crate::scenario::types::Target;
use crate::units::Span;

/// How long what the probes made may take to go.
const DRAIN_WITHIN: Span = Span::from_secs(60);

/// How far a look goes; each goes as far as the one before it, and further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// Which isolation tier they are.
    Tier,
    /// What sandboxes are.
    Inside,
    /// What one costs.
    Cost,
    /// What many at once do.
    Many,
}

/// Starts a runtime, probes it, and removes all that it made; nothing if interrupted.
///
/// # Errors
/// If the runtime does not work here.
pub fn observed(
    target: &Target,
    look: Look,
) -> Result<Option<(Observation, Option<Scale>)>, DriveError> {
    let backend = Backend::named(target)?;
    let launcher = std::env::current_exe()?;
    let mut options = ProbeOptions::with(&launcher);
    if look >= Look::Cost {
        options.measure_in = Some(state_directory().map_err(RuntimeError::from)?);
    }
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    threads.block_on(async {
        let shutdown = Shutdown::listen()?;
        let runtime = backend.start(Clock::start()).await?;
        let looked = async {
            let observation = match look {
                Look::Tier => observe_tier(&runtime, &options).await?,
                _ => observe(&runtime, &options).await,
            };
            let scale = if look == Look::Many { Some(scale(&runtime).await?) } else { None };
            Ok::<_, RuntimeError>((observation, scale))
        };
        let observed = tokio::select! {
            looked = looked => Some(looked),
            _ = shutdown.asked() => None,
        };
        drained(&runtime).await;
        Ok(observed.transpose()?)
    })
}

async fn drained(runtime: &AnyRuntime) {
    for left in runtime.drain(DRAIN_WITHIN).await.left {
        eprintln!("plimsoll: {left}; `plimsoll clean` will try again");
    }
}
