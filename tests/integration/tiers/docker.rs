//! Containers of an engine: of a Podman that the test starts, else of one that runs already.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use plimsoll::drive::clock::Clock;
use plimsoll::drive::journal::{clean, unmount_below};
use plimsoll::drive::runtime::docker::{DockerConfig, find_socket, remove_all_of};
use plimsoll::drive::runtime::oci::find;
use plimsoll::drive::runtime::{AnyRuntime, DockerRuntime, SandboxId, Work};
use plimsoll::units::Span;

use super::ending::Busy;
use super::{BOUND, Remains, block_on, common, suite};

/// What Podman is told so that it works as root without systemd and on any layout of control groups.
const SETTINGS: &str = "\
[containers]
default_ulimits = []
[engine]
cgroup_manager = \"cgroupfs\"
events_logger = \"none\"
runtime = \"runc\"
";

/// An engine; one that the test started ends with it.
pub struct Engine {
    socket: PathBuf,
    podman: Option<(Child, tempfile::TempDir)>,
}

impl Engine {
    /// `None` with the reason printed where there is none.
    pub fn start() -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root();
        if let (Some(podman), true) = (find(Path::new("podman")), is_root) {
            return Some(Engine::of_podman(&podman));
        }
        match find_socket(None) {
            Some(socket) => Some(Engine { socket, podman: None }),
            None => {
                println!(
                    "skipped: docker: no engine runs, and podman is not installed or not root's"
                );
                None
            }
        }
    }

    fn of_podman(podman: &Path) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("containers.conf"), SETTINGS).unwrap();
        let socket = path("socket");
        // Handed over listening, as systemd does: nobody needs to wait until it is up.
        let listener = UnixListener::bind(&socket).unwrap();
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(podman)
            .arg("--root")
            .arg(path("root"))
            .arg("--runroot")
            .arg(path("runroot"))
            .args(["--storage-driver", "overlay", "system", "service", "--time=0"])
            .env("CONTAINERS_CONF", path("containers.conf"))
            // Its monitors note there that a container ran out of memory.
            .current_dir(place.path())
            .stdin(std::os::fd::OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        Engine { socket, podman: Some((child, place)) }
    }

    /// A runtime on it; it must work, for the engine is there.
    pub async fn runtime(&self, state: &Path) -> DockerRuntime {
        let socket = Some(self.socket.clone());
        let config = DockerConfig { socket, ..DockerConfig::with(common(state)) };
        match DockerRuntime::start(config, Clock::start()).await {
            Ok(runtime) => runtime,
            Err(error) => panic!("{error}\n{}", self.log()),
        }
    }

    fn log(&self) -> String {
        let log = self.podman.as_ref().map(|(_, place)| place.path().join("log"));
        log.map(|log| fs::read_to_string(log).unwrap_or_default()).unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some((child, place)) = &mut self.podman {
            let _ = child.kill();
            let _ = child.wait();
            unmount_below(place.path());
        }
    }
}

/// The runtime that the helper of another test is to run, which names the engine.
pub async fn start(state: &Path, socket: &str) -> DockerRuntime {
    let engine = Engine { socket: socket.into(), podman: None };
    engine.runtime(state).await
}

#[test]
fn an_engines_containers_live_hibernate_and_leave_nothing() {
    let Some(engine) = Engine::start() else { return };
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let docker = engine.runtime(state.path()).await;
        let tag = docker.tag().as_str().to_owned();
        let runtime = AnyRuntime::Docker(docker);
        suite::many_live(&runtime, 2, 2).await;
        suite::one_snapshot_serves_twice(&runtime).await;
        suite::misuse_is_told(&runtime).await;
        suite::limits_hold(&runtime, &tag).await;
        // What still is there is removed by the drain.
        runtime.create(suite::spec(1)).await.unwrap();
        runtime.exec(SandboxId(1), suite::some_work()).await.unwrap();
        runtime.snapshot(SandboxId(1)).await.unwrap();
        runtime.create(suite::spec(2)).await.unwrap();
        let hour = Work { io_wait: Span::from_secs(3600), ..Work::EMPTY };
        let working = runtime.clone();
        tokio::spawn(async move { working.exec(SandboxId(2), hour).await });
        assert_eq!(runtime.drain(BOUND).await.left, Vec::<String>::new(), "{}", engine.log());
        assert_eq!(remove_all_of(&engine.socket, &tag).unwrap(), (0, 0), "what the drain left");
        assert_eq!(Remains::after_an_engine(state.path(), &tag).await, Remains::default());
    });
}

#[test]
fn clean_removes_what_kill_9_left_on_an_engine_and_not_what_lives() {
    let Some(engine) = Engine::start() else { return };
    let state = tempfile::tempdir().unwrap();
    block_on(async {
        let living = engine.runtime(state.path()).await;
        let living_tag = living.tag().as_str().to_owned();
        let living = AnyRuntime::Docker(living);
        living.create(suite::spec(1)).await.unwrap();
        let socket = engine.socket.display().to_string();
        let mut busy = Busy::start("docker", state.path(), &socket).expect("one lives");
        busy.kill();
        let report = clean(state.path()).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.live, [living_tag.as_str()]);
        assert_eq!((report.removed.len(), report.removed[0].tag.as_str()), (1, busy.tag.as_str()));
        assert!(report.removed[0].containers >= 1 && report.removed[0].images >= 2, "{report:?}");
        assert_eq!(remove_all_of(&engine.socket, &busy.tag).unwrap(), (0, 0));
        assert_eq!(Remains::after_an_engine(state.path(), &busy.tag).await, Remains::default());
        living.exec(SandboxId(1), suite::some_work()).await.unwrap();
        assert_eq!(living.drain(BOUND).await.left, Vec::<String>::new());
    });
}

#[test]
fn an_engine_that_is_not_there_is_told_with_its_mend() {
    let state = tempfile::tempdir().unwrap();
    let socket = Some(state.path().join("no-socket"));
    let config = DockerConfig { socket, ..DockerConfig::with(common(state.path())) };
    let message = block_on(DockerRuntime::start(config, Clock::start())).unwrap_err().to_string();
    assert!(message.contains("engine") && message.contains("live.target.socket"), "{message}");
    assert!(!state.path().join("runs").exists(), "nothing was begun");
}
