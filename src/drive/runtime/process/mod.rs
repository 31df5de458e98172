//! The embedded runtime: each sandbox a real child process in namespaces of its own.
//!
//! Needs no root, no package and no image. What isolation a machine does not allow is found out once,
//! at the start, by building a sandbox; from then on every sandbox is built alike, and what was lost
//! stands in [`ProcessRuntime::lost_isolation`].

mod build;
mod config;
mod negotiate;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::blame::no_process;
use super::cgroup::{Cgroups, Controller};
use super::children::{Children, KILL_WITHIN, Spawner};
use super::managed::{Built, Desk, Managed, Order, Sandbox, Saved, Tier};
use super::pack::{self, ARCHIVE};
use super::{Abilities, Footprint, LostIsolation, RuntimeError, SandboxId, Stage, Stages};
use crate::drive::clock::Clock;
use crate::drive::guest::protocol::Feature;
use crate::drive::journal::{Journal, ProcessId, RunTag};
use crate::units::{Bytes, Span};
pub use config::ProcessConfig;

/// Sandboxes that are child processes.
#[derive(Debug)]
pub struct Process {
    config: ProcessConfig,
    cgroups: Cgroups,
    children: Arc<Children>,
    spawner: Spawner,
    // Found out at the start, and the same from then on.
    features: Mutex<BTreeSet<Feature>>,
    lost: Mutex<Vec<LostIsolation>>,
}

/// The embedded runtime.
pub type ProcessRuntime = Managed<Process>;

impl Managed<Process> {
    /// Begins a run: journal, control groups, calibration, and a first sandbox to find out which
    /// isolation this machine allows.
    ///
    /// # Errors
    /// If the state directory cannot be written, or not even a sandbox without isolation works.
    pub async fn start(config: ProcessConfig, clock: Clock) -> Result<Self, RuntimeError> {
        let tag = RunTag::fresh()?;
        let mut cgroups =
            if config.cgroups { Cgroups::plan(tag.as_str()) } else { Cgroups::default() };
        let journal = Journal::begin(&config.state, tag, &cgroups.paths())?;
        cgroups.make();
        let children = Arc::new(Children::default());
        let spawner = Spawner::start(Arc::clone(&children)).map_err(no_thread)?;
        let common = config.common();
        let (features, lost) = (Mutex::default(), Mutex::default());
        let tier = Process { config, cgroups, children, spawner, features, lost };
        let runtime = Managed::over(tier, common, clock, journal).await?;
        runtime.negotiate().await?;
        Ok(runtime)
    }

    /// What every sandbox is isolated by.
    pub fn isolation(&self) -> BTreeSet<Feature> {
        self.tier().features()
    }

    /// The pid, on the host, of a sandbox's launcher; the guest is its only child.
    pub fn launcher_of(&self, sandbox: SandboxId) -> Option<i32> {
        self.live(sandbox).map(|sandbox| sandbox.body.pid)
    }
}

impl Process {
    fn features(&self) -> BTreeSet<Feature> {
        self.features.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tier for Process {
    type Body = ProcessId;
    type Stored = PathBuf;

    fn abilities(&self) -> Abilities {
        Abilities {
            name: "process".into(),
            real: true,
            snapshot_files: true,
            snapshot_memory: false,
            limits_memory: true,
            limits_processes: self.cgroups.limits(Controller::Pids),
            limits_cpu: self.cgroups.limits(Controller::Cpu),
            clock_shared: true,
        }
    }

    fn lost(&self) -> Vec<LostIsolation> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn guest_paces(&self) -> bool {
        !self.cgroups.limits(Controller::Cpu)
    }

    async fn build(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, PathBuf>,
        stages: &mut Stages,
    ) -> Result<Built<ProcessId>, RuntimeError> {
        self.launch(desk, slot, order, stages).await
    }

    async fn footprint(&self, _: &Desk, live: &Sandbox<Self>) -> Result<Footprint, RuntimeError> {
        Ok(Footprint { roots: vec![live.body.pid], sessions: 1 })
    }

    async fn save(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
        place: &Path,
        stages: &mut Stages,
    ) -> Result<Saved<PathBuf>, RuntimeError> {
        let began = desk.clock.now();
        self.stop(desk, live.slot, Some(live), desk.common.stop_within).await?;
        let stopped = desk.clock.now();
        stages.push(Stage::Stop, stopped.since(began));
        let (from, archive) = (desk.directory(live.slot), place.join(ARCHIVE));
        let to = archive.clone();
        let packed =
            desk.blocking("pack a sandbox's files", move || pack::pack(&from, &to)).await?;
        let packing = desk.clock.now().since(stopped);
        stages.push(Stage::Pack, packing.saturating_sub(packed.syncing));
        stages.push(Stage::Sync, packed.syncing);
        Ok(Saved { stored: archive, bytes: packed.bytes, memory: Bytes(0), memory_raw: None })
    }

    async fn stop(
        &self,
        _: &Desk,
        slot: u64,
        live: Option<&Sandbox<Self>>,
        within: Span,
    ) -> Result<bool, RuntimeError> {
        self.children.stop(slot, live.map(|live| &live.link), within).await.map_err(no_process)
    }

    async fn clear(&self, desk: &Desk, slot: u64) -> Result<(), RuntimeError> {
        let cgroups = self.cgroups.clone();
        desk.blocking("remove a sandbox's control groups", move || cgroups.remove(slot)).await
    }

    fn kill_all(&self) -> (u64, Vec<String>) {
        self.children.kill_all(KILL_WITHIN)
    }

    fn clear_all(&self, _: &Desk) -> Vec<String> {
        self.cgroups.remove_all()
    }
}

pub(super) fn no_thread(source: io::Error) -> RuntimeError {
    let mend = "raise the limit of processes (`ulimit -u`)";
    RuntimeError::Environment { what: "start a thread".into(), source, mend }
}
