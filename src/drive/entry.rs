//! The way into a live run from code that is not asynchronous.

use std::path::Path;
use std::sync::Arc;

use super::clock::Clock;
use super::dispatch::{DriveError, LiveOutcome, drive};
use super::runtime::docker::DockerConfig;
use super::runtime::microvm::MicrovmConfig;
use super::runtime::oci::{Keep, OciConfig};
use super::runtime::process::ProcessConfig;
use super::runtime::shared::{Containers, SharedConfig};
use super::runtime::{
    AnyRuntime, DockerRuntime, InstantRuntime, MicrovmRuntime, OciRuntime, ProcessRuntime,
    RuntimeError, SharedRuntime,
};
use super::shutdown::Shutdown;
use crate::conduct::Setup;
use crate::scenario::types::{Live, RuntimeName, Target, TargetKeep, TargetNetwork};

/// A backend to be started for a run.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Real child processes.
    Process(Box<ProcessConfig>),
    /// Containers.
    Oci(Box<OciConfig>),
    /// Virtual machines.
    Microvm(Box<MicrovmConfig>),
    /// Containers of an engine.
    Docker(Box<DockerConfig>),
    /// Containers that several sessions share.
    Shared(Box<SharedConfig>),
    /// Nothing real.
    Instant,
}

impl Backend {
    /// The backend that a scenario names, as it is set up on this machine.
    ///
    /// # Errors
    ///
    /// If the machine lacks what it needs.
    pub fn named(target: &Target) -> Result<Self, DriveError> {
        let containers = |name| Ok(Backend::Oci(Box::new(oci(target, name)?)));
        match target.runtime {
            RuntimeName::Process => Ok(Backend::Process(Box::new(ProcessConfig::here()?))),
            RuntimeName::Runc => containers("runc"),
            RuntimeName::Crun => containers("crun"),
            RuntimeName::Runsc => containers("runsc"),
            RuntimeName::Oci => containers(target.program.as_deref().unwrap_or("runc")),
            RuntimeName::Microvm => Ok(Backend::Microvm(Box::new(microvm(target)?))),
            RuntimeName::Docker => {
                let socket = target.socket.as_ref().map(Into::into);
                let network = target.network == Some(TargetNetwork::Host);
                let config = DockerConfig { socket, network, ..DockerConfig::here()? };
                Ok(Backend::Docker(Box::new(config)))
            }
            RuntimeName::Shared => Ok(Backend::Shared(Box::new(shared(target)?))),
            RuntimeName::Instant => Ok(Backend::Instant),
        }
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it does not work here.
    pub async fn start(self, clock: Clock) -> Result<AnyRuntime, RuntimeError> {
        Ok(match self {
            Backend::Process(config) => {
                AnyRuntime::Process(ProcessRuntime::start(*config, clock).await?)
            }
            Backend::Oci(config) => AnyRuntime::Oci(OciRuntime::start(*config, clock).await?),
            Backend::Microvm(config) => {
                AnyRuntime::Microvm(MicrovmRuntime::start(*config, clock).await?)
            }
            Backend::Docker(config) => {
                AnyRuntime::Docker(DockerRuntime::start(*config, clock).await?)
            }
            Backend::Shared(config) => {
                AnyRuntime::Shared(SharedRuntime::start(*config, clock).await?)
            }
            Backend::Instant => AnyRuntime::Instant(InstantRuntime::at_once(clock)),
        })
    }
}

/// A container runtime as a scenario sets it up: what the program's name tells, then what is said.
fn oci(target: &Target, name: &str) -> Result<OciConfig, RuntimeError> {
    let known = Path::new(name).file_name().map_or(name.into(), |name| name.to_string_lossy());
    let mut config = OciConfig::named(&known)?;
    config.program = target.program.as_deref().unwrap_or(name).into();
    if let Some(flags) = &target.flags {
        config.flags.clone_from(flags);
    }
    config.network = target.network == Some(TargetNetwork::Host);
    if target.keep == Some(TargetKeep::Files) {
        config.keep = Keep::Files;
    }
    Ok(config)
}

/// Virtual machines as a scenario sets them up.
fn microvm(target: &Target) -> Result<MicrovmConfig, RuntimeError> {
    let mut config = MicrovmConfig::here()?;
    if let Some(program) = &target.program {
        config.program = program.into();
    }
    config.kernel = target.kernel.as_ref().map(Into::into);
    if target.keep == Some(TargetKeep::Files) {
        config.keep = Keep::Files;
    }
    Ok(config)
}

/// Shared containers as a scenario sets them up.
fn shared(target: &Target) -> Result<SharedConfig, RuntimeError> {
    let plain = SharedConfig::with(ProcessConfig::here()?);
    let containers = match target.program.as_deref() {
        None | Some("process") => plain.containers,
        Some(name) => Containers::Oci(oci(target, name)?),
    };
    let sessions = target.sessions_per_sandbox.unwrap_or(plain.sessions_per_sandbox);
    Ok(SharedConfig { containers, sessions_per_sandbox: sessions })
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
        let runtime = backend.start(clock).await?;
        drive(setup, options, runtime, clock, &shutdown, on_progress).await
    })
}
