//! The way into a live run from code that is not asynchronous.

use std::sync::Arc;

use super::clock::Clock;
use super::dispatch::{DriveError, LiveOutcome, drive};
use super::runtime::process::ProcessConfig;
use super::runtime::{AnyRuntime, InstantRuntime, ProcessRuntime};
use super::shutdown::Shutdown;
use crate::conduct::Setup;
use crate::scenario::types::{Live, RuntimeName};

/// A backend to be started for a run.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Real child processes.
    Process(Box<ProcessConfig>),
    /// Nothing real.
    Instant,
}

impl Backend {
    /// The backend that a scenario names, as it is set up on this machine.
    ///
    /// # Errors
    ///
    /// If the machine lacks what it needs.
    pub fn named(runtime: RuntimeName) -> Result<Self, DriveError> {
        Ok(match runtime {
            RuntimeName::Process => Backend::Process(Box::new(ProcessConfig::here()?)),
            RuntimeName::Instant => Backend::Instant,
        })
    }
}

/// Drives the sessions of a setup, from start to the last removal. `on_progress` is told how many
/// sessions have left.
///
/// # Errors
///
/// If the timer or the backend does not work at all.
pub fn run(
    setup: &Arc<Setup>,
    options: &Live,
    backend: Backend,
    on_progress: impl Fn(u64) + Send,
) -> Result<LiveOutcome, DriveError> {
    // One thread: the timer's wake-up is the loop's own, with no hand-over between threads.
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio.block_on(async {
        let shutdown = Shutdown::listen()?;
        let clock = Clock::start();
        let runtime = match backend {
            Backend::Process(config) => {
                AnyRuntime::Process(ProcessRuntime::start(*config, clock).await?)
            }
            Backend::Instant => AnyRuntime::Instant(InstantRuntime::at_once(clock)),
        };
        drive(setup, options, runtime, clock, &shutdown, on_progress).await
    })
}
