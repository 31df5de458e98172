//! Containers by an OCI runtime: `runc`, `crun`, gVisor's `runsc`, or any other by name and flags.
//!
//! Plimsoll makes the bundle and looks after the container, the runtime isolates it:
//!
//! 1. All sandboxes of a run share one image, the guest and what it is linked to; each writes into a
//!    layer of its own over it.
//! 2. The runtime is started under a tender, which reaps the container and has the runtime delete it.
//! 3. A snapshot is the layer, packed. With gVisor it is the memory too, where its `checkpoint` and
//!    `restore` work here, which is found out once at the start.
//!
//! Overlays and control groups need root.

mod bundle;
mod config;
mod tier;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::process::geteuid;

use super::cgroup::Cgroups;
use super::managed::{Managed, image, needed_by};
use super::tender::Tenders;
use super::{CreateSpec, Limits, LostIsolation, RuntimeError, SandboxId};
use crate::drive::clock::Clock;
use crate::drive::journal::{Journal, RunTag};
use crate::units::Span;
pub(in crate::drive::runtime) use bundle::ROOT;
pub use config::{Groups, Keep, OciConfig, find};

/// Stands for the sandbox that finds things out; no other has this name.
const FIRST: SandboxId = SandboxId(u64::MAX);

/// Sandboxes that are containers.
#[derive(Debug)]
pub struct Oci {
    config: OciConfig,
    cgroups: Cgroups,
    /// Files through which the runtime joins the group that it runs in.
    joins: Vec<PathBuf>,
    tenders: Tenders,
    /// Loader and libraries of the guest.
    needs: Vec<PathBuf>,
    /// Whether snapshots hold memory, found out at the start; and what was lost.
    found: Mutex<Found>,
}

#[derive(Clone, Debug, Default)]
struct Found {
    memory: bool,
    lost: Vec<LostIsolation>,
}

/// A runtime of containers.
pub type OciRuntime = Managed<Oci>;

impl Managed<Oci> {
    /// Begins a run: journal, control groups, image, and a first container to find out what works.
    ///
    /// # Errors
    /// If there is no such runtime, this is not root, or a container does not work.
    pub async fn start(mut config: OciConfig, clock: Clock) -> Result<Self, RuntimeError> {
        config.program = find(&config.program).ok_or_else(|| not_installed(&config))?;
        if !geteuid().is_root() {
            let source = std::io::ErrorKind::PermissionDenied.into();
            let mend = "run as root: overlays and control groups need it";
            return Err(RuntimeError::Environment {
                what: format!("make containers with {}", config.name),
                source,
                mend,
            });
        }
        let needs = needed_by(&config.common.launcher).await?;
        let tag = RunTag::fresh()?;
        let mut cgroups = match config.groups {
            Groups::Runtime => Cgroups::plan_for_runtime(tag.as_str()),
            Groups::Plimsoll => Cgroups::plan(tag.as_str()),
        };
        let journal = Journal::begin(&config.common.state, tag, &cgroups.paths())?;
        cgroups.make();
        let common = config.common.clone();
        let tier = Oci {
            found: Mutex::new(Found { memory: false, lost: cgroups.lost().to_vec() }),
            tenders: Tenders::start()?,
            joins: Vec::new(),
            config,
            cgroups,
            needs,
        };
        let (image, state) = (journal.directory().image(), journal.directory().runtime());
        let tier = match tier.furnish(&image, &state, &common.launcher) {
            Ok(tier) => tier,
            Err(source) => {
                // Nothing runs yet; the journal goes with what there is.
                let _ = journal.end();
                return Err(RuntimeError::Environment {
                    what: "make the containers' image and groups".into(),
                    source,
                    mend: "check the free space and the rights of the state directory (PLIMSOLL_STATE)",
                });
            }
        };
        let runtime = Managed::over(tier, common, clock, journal).await?;
        runtime.try_out(first()).await?;
        runtime.try_memory().await;
        Ok(runtime)
    }

    /// Finds out whether snapshots can hold memory, by making one and restoring it.
    async fn try_memory(&self) {
        let tier = self.tier();
        if !tier.config.checkpoints || tier.config.keep == Keep::Files {
            return;
        }
        tier.found().memory = true;
        let tried = async {
            self.create(first()).await?;
            let stored = self.snapshot(FIRST).await?;
            let restored = self.restore(FIRST, stored.snapshot).await;
            self.drop_snapshot(stored.snapshot).await?;
            restored?;
            self.destroy(FIRST).await
        };
        let outcome: Result<Span, RuntimeError> = tried.await;
        if let Err(error) = outcome {
            let mut found = tier.found();
            found.memory = false;
            found.lost.push(LostIsolation {
                what: "memory in snapshots".into(),
                why: error.to_string(),
                mend: format!("another version of {}; hibernation keeps files", tier.config.name),
            });
        }
    }
}

impl Oci {
    /// Makes what all sandboxes share.
    fn furnish(mut self, image: &Path, state: &Path, binary: &Path) -> std::io::Result<Self> {
        image::build(image, binary, &self.needs)?;
        fs::create_dir(state)?;
        if self.config.groups == Groups::Runtime {
            self.joins = self.cgroups.make_launch()?;
        }
        Ok(self)
    }
}

fn first() -> CreateSpec {
    CreateSpec { sandbox: FIRST, token: "first".into(), limits: Limits::default() }
}

fn not_installed(config: &OciConfig) -> RuntimeError {
    RuntimeError::Environment {
        what: format!("find the container runtime `{}`", config.program.display()),
        source: std::io::ErrorKind::NotFound.into(),
        mend: "install it (Debian: `apt-get install runc`, `crun` or `runsc`), or name its path as \
               `live.target.program`",
    }
}
