//! A container as the OCI runtime specification wants it: a directory with a root and `config.json`.
//!
//! ```text
//! upper/       what the sandbox writes, with its identity: what a snapshot packs
//! work/        the overlay's own
//! rootfs/      the overlay of `upper` over the run's image, mounted
//! config.json  what the container is
//! pid          its process, as the runtime says
//! stderr       what guest and runtime said
//! ```

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};

use crate::drive::guest::protocol::Inside;
use crate::drive::runtime::Limits;
use crate::drive::runtime::layer;
use crate::drive::runtime::managed::image::{BINARY, FILES, IDENTITY, below};
use crate::units::Bytes;

/// The directory of a snapshot's files, in a sandbox's.
pub const UPPER: &str = "upper";
/// The mounted root.
pub const ROOT: &str = "rootfs";
/// The file in which the runtime names the container's process.
pub const PID: &str = "pid";

/// Length of the period over which CPU time is limited, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// Open files that a guest may have.
const OPEN_FILES: u64 = 256;

/// What one container is.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub directory: PathBuf,
    pub image: PathBuf,
    pub tag: String,
    pub slot: u64,
    pub limits: Limits,
    /// Memory beside that of tool work.
    pub overhead: Bytes,
    pub library_path: String,
    /// Where the runtime makes control groups, if it does.
    pub group: Option<String>,
    pub network: bool,
    /// Whether system calls that reach across containers are to be refused.
    pub filters: bool,
}

impl Bundle {
    /// Makes a new sandbox's files: nothing but its identity.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn with_token(&self, token: &str) -> io::Result<()> {
        fs::create_dir(self.directory.join(UPPER))?;
        let path = below(&self.directory.join(UPPER), Path::new(IDENTITY));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
        file.write_all(token.as_bytes())
    }

    /// Makes a sandbox's files from a snapshot's.
    ///
    /// # Errors
    /// If they cannot be unpacked.
    pub fn with_layer(&self, archive: &Path) -> io::Result<()> {
        let upper = self.directory.join(UPPER);
        fs::create_dir(&upper)?;
        layer::unpack(archive, &upper)
    }

    /// Mounts the root and writes what the container is.
    ///
    /// # Errors
    /// If the overlay cannot be mounted, or the file not be written.
    pub fn finish(&self) -> io::Result<()> {
        let (work, root) = (self.directory.join("work"), self.directory.join(ROOT));
        fs::create_dir(&work)?;
        fs::create_dir(&root)?;
        let mut options = Vec::new();
        let upper = self.directory.join(UPPER);
        for (name, path) in
            [("lowerdir=", &self.image), (",upperdir=", &upper), (",workdir=", &work)]
        {
            options.extend_from_slice(name.as_bytes());
            options.extend(escaped(path));
        }
        let options = CString::new(options).map_err(io::Error::other)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("overlay", &root, "overlay", flags, options.as_c_str()).map_err(|error| {
            io::Error::new(error.kind(), format!("mounting an overlay: {error}"))
        })?;
        fs::write(self.directory.join("config.json"), self.config().to_string())
    }

    /// See the runtime specification, config.md and config-linux.md.
    fn config(&self) -> Value {
        let inside = Inside {
            files: FILES.into(),
            identity: IDENTITY.into(),
            launched_ns: 0,
            isolated_ns: 0,
            with_parent: false,
            limits: None,
        };
        let inside = serde_json::to_string(&inside).expect("plain paths and numbers");
        let slot = self.slot.to_string();
        let mut environment = vec!["PATH=/".to_owned()];
        if !self.library_path.is_empty() {
            environment.push(format!("LD_LIBRARY_PATH={}", self.library_path));
        }
        let data = (self.limits.memory + self.overhead).0;
        let rlimits = [
            ("RLIMIT_DATA", data),
            ("RLIMIT_FSIZE", self.limits.disk.0),
            ("RLIMIT_NOFILE", OPEN_FILES),
            ("RLIMIT_CORE", 0),
        ]
        .map(|(kind, most)| json!({"type": kind, "hard": most, "soft": most}));
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": [BINARY, "guest", "inside", self.tag, slot, inside],
                "env": environment,
                "cwd": "/",
                "capabilities": {},
                "rlimits": rlimits,
                "noNewPrivileges": true,
            },
            "root": {"path": ROOT, "readonly": false},
            "hostname": format!("sandbox-{slot}"),
            "mounts": mounts(),
            "linux": self.linux(),
        })
    }

    fn linux(&self) -> Value {
        let mut kinds = vec!["pid", "ipc", "uts", "mount"];
        if !self.network {
            kinds.push("network");
        }
        let namespaces: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind})).collect();
        let quota = ((self.limits.vcpu.0 * CPU_PERIOD_US as f64) as u64).max(1000);
        let mut linux = json!({
            "namespaces": namespaces,
            // What Docker and containerd hide by default.
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        });
        if self.filters {
            // The user's keyring is not of any namespace that a container has: without this, each
            // container reads what the others keep there. Docker and containerd forbid the same calls.
            linux["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {"names": ["add_key", "keyctl", "request_key"], "action": "SCMP_ACT_ERRNO"},
                ],
            });
        }
        if let Some(group) = &self.group {
            linux["cgroupsPath"] = json!(group);
            linux["resources"] = json!({
                "memory": {"limit": (self.limits.memory + self.overhead).0},
                "cpu": {"quota": quota, "period": CPU_PERIOD_US},
                "pids": {"limit": self.limits.processes},
                "devices": [{"allow": false, "access": "rwm"}],
            });
        }
        linux
    }
}

fn mounts() -> Value {
    json!([
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=64k"],
        },
        {
            "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
            "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"],
        },
    ])
}

/// A path in an overlay's options, where commas and colons separate; the kernel's overlayfs.rst.
fn escaped(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'\\' | b',' | b':') {
            bytes.push(b'\\');
        }
        bytes.push(*byte);
    }
    bytes
}

/// Unmounts a sandbox's root; that it is not mounted is as well.
///
/// # Errors
/// If it cannot be unmounted.
pub fn unmount_root(directory: &Path) -> io::Result<()> {
    match unmount(directory.join(ROOT), UnmountFlags::DETACH) {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Cores;

    fn bundle(group: Option<String>) -> Bundle {
        Bundle {
            directory: "/run/0".into(),
            image: "/run/image".into(),
            tag: "1-2-ab".into(),
            slot: 7,
            limits: Limits { vcpu: Cores(0.5), memory: Bytes(64 << 20), ..Limits::default() },
            overhead: Bytes(32 << 20),
            library_path: "/lib".into(),
            group,
            network: false,
            filters: true,
        }
    }

    #[test]
    fn limits_are_written_where_the_runtime_makes_the_groups() {
        let config = bundle(Some("plimsoll-1-2-ab/7".into())).config();
        let resources = &config["linux"]["resources"];
        assert_eq!(resources["memory"]["limit"], 96 << 20);
        assert_eq!(resources["cpu"], json!({"quota": 50_000, "period": 100_000}));
        assert_eq!(resources["pids"]["limit"], 256);
        assert_eq!(config["linux"]["cgroupsPath"], "plimsoll-1-2-ab/7");
        assert!(bundle(None).config()["linux"].get("resources").is_none());
    }

    #[test]
    fn there_is_no_network_unless_asked_and_no_privilege() {
        let namespace = json!({"type": "network"});
        let has =
            |config: &Value| config["linux"]["namespaces"].as_array().unwrap().contains(&namespace);
        assert!(has(&bundle(None).config()));
        assert!(!has(&Bundle { network: true, ..bundle(None) }.config()));
        let process = &bundle(None).config()["process"];
        assert_eq!(process["capabilities"], json!({}));
        assert_eq!(process["noNewPrivileges"], true);
        let refused = &bundle(None).config()["linux"]["seccomp"]["syscalls"][0]["names"];
        assert_eq!(*refused, json!(["add_key", "keyctl", "request_key"]));
    }

    #[test]
    fn paths_with_separators_are_one_option_each() {
        assert_eq!(escaped(Path::new("/a,b:c\\d")), b"/a\\,b\\:c\\\\d");
    }
}
