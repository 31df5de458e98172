//! Several sessions in one container: how agents are run traditionally, and what the other runtimes
//! are held against.
//!
//! 1. A container is a sandbox of another runtime, a process sandbox or one by an OCI runtime, whose
//!    guest hosts: it starts a process for each session and reaps it.
//! 2. A session gets a place in a container that has one free; else a container is made for it.
//!    Containers stay until the run ends, as those of a traditional platform do.
//! 3. Sessions of a container share its files, its list of processes, its memory, its limits and its
//!    network. Nothing but good manners keeps them apart.
//!
//! A snapshot is the session's own files and identity, as an application keeps them; memory is lost.

mod rooms;
mod tier;

use super::managed::Managed;
use super::oci::OciConfig;
use super::process::ProcessConfig;
use super::{Common, CreateSpec, Limits, OciRuntime, ProcessRuntime, RuntimeError, SandboxId};
use crate::drive::clock::Clock;
use crate::drive::journal::{Journal, RunTag};
use rooms::{Outer, Rooms};

/// Stands for the session that finds things out; no other has this name.
const FIRST: SandboxId = SandboxId(u64::MAX);

/// Sessions in a container, unless something else is said.
pub const SESSIONS_PER_SANDBOX: u64 = 8;

/// What makes the containers.
#[derive(Clone, Debug)]
pub enum Containers {
    /// Process sandboxes.
    Process(ProcessConfig),
    /// An OCI runtime.
    Oci(OciConfig),
}

/// How containers are shared.
#[derive(Clone, Debug)]
pub struct SharedConfig {
    /// What makes the containers.
    pub containers: Containers,
    /// Sessions that a container has place for; at least one.
    pub sessions_per_sandbox: u64,
}

impl SharedConfig {
    /// Process sandboxes that are shared.
    pub fn with(process: ProcessConfig) -> Self {
        let containers = Containers::Process(process);
        SharedConfig { containers, sessions_per_sandbox: SESSIONS_PER_SANDBOX }
    }

    fn common(&self) -> Common {
        match &self.containers {
            Containers::Process(config) => config.common(),
            Containers::Oci(config) => config.common.clone(),
        }
    }
}

/// Sandboxes that are processes of a container that others live in, too.
#[derive(Debug)]
pub struct Shared {
    rooms: Rooms,
}

/// A runtime of shared containers.
pub type SharedRuntime = Managed<Shared>;

impl Managed<Shared> {
    /// Begins a run: that of the containers, a journal, and a first session to see that it works.
    ///
    /// # Errors
    /// If the containers' runtime does not work here, or cannot hand sockets to a guest.
    pub async fn start(config: SharedConfig, clock: Clock) -> Result<Self, RuntimeError> {
        let mut common = config.common();
        let places = config.sessions_per_sandbox.max(1);
        let outer = match config.containers {
            Containers::Process(config) => {
                Outer::Process(ProcessRuntime::start(config, clock).await?)
            }
            Containers::Oci(config) => Outer::Oci(OciRuntime::start(config, clock).await?),
        };
        common.rounds_per_second = Some(outer.rounds_per_second());
        let journal = Journal::begin(&common.state, RunTag::fresh()?, &[])?;
        let tier = Shared { rooms: Rooms::of(outer, places) };
        let runtime = Managed::over(tier, common, clock, journal).await?;
        let spec = CreateSpec { sandbox: FIRST, token: "first".into(), limits: Limits::default() };
        runtime.try_out(spec).await?;
        // Its container was made to other limits than those of the sessions to come.
        runtime.tier().rooms.clear().await?;
        Ok(runtime)
    }

    /// What marks the containers of this run; their run is one of its own.
    pub fn container_tag(&self) -> RunTag {
        self.tier().rooms.outer().tag().clone()
    }

    /// Sessions that a container has place for.
    pub fn sessions_per_sandbox(&self) -> u64 {
        self.tier().rooms.per_container()
    }

    /// The container that a session lives in.
    pub fn container_of(&self, session: SandboxId) -> Option<SandboxId> {
        self.live(session).map(|live| live.body.container)
    }
}
