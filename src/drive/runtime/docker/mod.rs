//! Containers through an engine: Docker's API over its socket, which Podman serves too.
//!
//! 1. The sandboxes' root is imported as an image once a run; a sandbox is a container of it.
//! 2. The guest talks over the container's standard input and output, to which the driver attaches.
//! 3. A snapshot is an image, made of the paused container; restoring makes a container of it.
//!
//! Everything that a run makes on the engine carries its tag as a label; that is what is removed, and
//! nothing else.

mod attach;
mod engine;
mod http;
mod tier;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::managed::{Managed, image, needed_by};
use super::process::ProcessConfig;
use super::{Common, CreateSpec, Limits, RuntimeError, SandboxId};
use crate::drive::clock::Clock;
use crate::drive::journal::{Journal, RunTag};
use crate::units::Bytes;
use engine::Engine;

/// Stands for the sandbox that finds things out; no other has this name.
const FIRST: SandboxId = SandboxId(u64::MAX);

/// How an engine is used.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// What all runtimes have.
    pub common: Common,
    /// Where the engine listens; looked for if not given.
    pub socket: Option<PathBuf>,
    /// Whether containers have the host's network; else they have none.
    pub network: bool,
}

impl DockerConfig {
    /// Defaults on this machine.
    ///
    /// # Errors
    /// If this program's own path or the state directory cannot be found.
    pub fn here() -> Result<Self, RuntimeError> {
        Ok(DockerConfig::with(ProcessConfig::here()?.common()))
    }

    /// Defaults with settings of one's own.
    pub fn with(common: Common) -> Self {
        DockerConfig { common, socket: None, network: false }
    }
}

/// The socket that was named, or that of `DOCKER_HOST`, or the first of the usual ones that is there.
pub fn find_socket(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return named.exists().then(|| named.to_owned());
    }
    let set = std::env::var("DOCKER_HOST").ok();
    let set = set.and_then(|host| host.strip_prefix("unix://").map(PathBuf::from));
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"];
    let all = set.into_iter().chain(usual.map(PathBuf::from));
    let mut all = all.chain(own.map(|own| own.join("podman/podman.sock")));
    all.find(|path| path.exists())
}

/// What an engine says of itself.
///
/// # Errors
/// If nobody listens there, or it is no engine.
pub fn version_at(socket: &Path) -> io::Result<String> {
    Engine::at(socket, "").version()
}

/// Removes what a run made on an engine: how many containers and images there were.
///
/// # Errors
/// If the engine is not to be reached, or something cannot be removed.
pub fn remove_all_of(socket: &Path, run: &str) -> io::Result<(u64, u64)> {
    let engine = Engine::at(socket, run);
    Ok((engine.remove_containers()?, engine.remove_images()?))
}

/// Sandboxes that are an engine's containers.
#[derive(Debug)]
pub struct Docker {
    config: DockerConfig,
    engine: Engine,
    library_path: String,
    image: Mutex<Image>,
}

/// The image that all sandboxes are made of.
#[derive(Clone, Debug, Default)]
struct Image {
    name: String,
    bytes: Bytes,
}

/// A runtime of an engine's containers.
pub type DockerRuntime = Managed<Docker>;

impl Managed<Docker> {
    /// Begins a run: journal, image, and a first container to see that it works.
    ///
    /// # Errors
    /// If there is no engine, or a container does not work.
    pub async fn start(config: DockerConfig, clock: Clock) -> Result<Self, RuntimeError> {
        let socket = find_socket(config.socket.as_deref());
        let socket = socket.ok_or_else(|| no_engine(io::ErrorKind::NotFound.into()))?;
        version_at(&socket).map_err(no_engine)?;
        let needs = needed_by(&config.common.launcher).await?;
        let tag = RunTag::fresh()?;
        let engine = Engine::at(&socket, tag.as_str());
        let journal = Journal::begin_on(&config.common.state, tag, &[], Some(&socket))?;
        let common = config.common.clone();
        let library_path = image::library_path(&needs);
        let tier = Docker { config, engine, library_path, image: Mutex::default() };
        let root = journal.directory().image();
        let binary = common.launcher.clone();
        let runtime = Managed::over(tier, common, clock, journal).await?;
        let engine = runtime.tier().engine.clone();
        let imported = runtime.desk().blocking("import an image", move || {
            image::build(&root, &binary, &needs)?;
            let packed = packed(&root)?;
            fs::remove_dir_all(&root)?;
            let name = engine.import(&packed)?;
            Ok(Image { bytes: engine.size(&name)?, name })
        });
        let imported = imported.await?;
        *runtime.tier().image.lock().unwrap_or_else(PoisonError::into_inner) = imported;
        let spec = CreateSpec { sandbox: FIRST, token: "first".into(), limits: Limits::default() };
        runtime.try_out(spec).await?;
        Ok(runtime)
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// If it is not to be reached any more.
    pub fn engine_version(&self) -> io::Result<String> {
        self.tier().engine.version()
    }
}

fn packed(root: &Path) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", root)?;
    builder.into_inner()
}

fn no_engine(source: io::Error) -> RuntimeError {
    RuntimeError::Environment {
        what: "reach a container engine".into(),
        source,
        mend: "start Docker, or Podman's (`podman system service --time=0 unix://PATH`), and name its \
               socket as `live.target.socket` or in DOCKER_HOST",
    }
}
