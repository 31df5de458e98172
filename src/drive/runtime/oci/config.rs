//! How a container runtime is set up.

use std::path::{Path, PathBuf};

use crate::drive::runtime::cgroup::GUEST_MEMORY;
use crate::drive::runtime::process::ProcessConfig;
use crate::drive::runtime::{Common, RuntimeError};
use crate::units::Bytes;

/// What gVisor needs of a sandbox's memory for its own kernel: its published density benchmark has
/// 23.7 MB for an idle container, more under load.
const SENTRY_MEMORY: Bytes = Bytes(128 << 20);

/// Who puts a container into control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// The runtime, as the bundle tells it.
    Runtime,
    /// Plimsoll: the runtime is started in them, and told to make none.
    Plimsoll,
}

/// What hibernation keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Files and memory where that works, else files.
    Most,
    /// Files.
    Files,
}

/// How a container runtime is set up.
#[derive(Clone, Debug)]
pub struct OciConfig {
    /// What all runtimes have.
    pub common: Common,
    /// Its name in scenarios and records.
    pub name: String,
    /// The program, by path or by name.
    pub program: PathBuf,
    /// Arguments before the command: `PROGRAM FLAGS --root DIR run …`.
    pub flags: Vec<String>,
    /// Who makes the control groups.
    pub groups: Groups,
    /// It has gVisor's `checkpoint` and `restore`.
    pub checkpoints: bool,
    /// What hibernation is to keep.
    pub keep: Keep,
    /// Whether containers have the host's network; else they have none.
    pub network: bool,
    /// Memory that counts against the sandbox's beside its tool work.
    pub overhead: Bytes,
    /// Processes in a container read the host's monotonic clock.
    pub clock_shared: bool,
}

impl OciConfig {
    /// A runtime by its name, with what is known of that name; of others it is assumed that they are
    /// like `runc`. State and guest as for processes.
    ///
    /// # Errors
    /// If this program's own path or the state directory cannot be found.
    pub fn named(name: &str) -> Result<Self, RuntimeError> {
        Ok(OciConfig::with(name, ProcessConfig::here()?.common()))
    }

    /// The same with settings of one's own.
    pub fn with(name: &str, common: Common) -> Self {
        let plain = OciConfig {
            common,
            name: name.to_owned(),
            program: PathBuf::from(name),
            flags: Vec::new(),
            groups: Groups::Runtime,
            checkpoints: false,
            keep: Keep::Most,
            network: false,
            overhead: GUEST_MEMORY,
            clock_shared: true,
        };
        match name {
            "runsc" => OciConfig {
                // Its own control groups need a layout that mixed hosts do not have.
                flags: vec!["--ignore-cgroups".into()],
                groups: Groups::Plimsoll,
                checkpoints: true,
                overhead: SENTRY_MEMORY,
                clock_shared: false,
                ..plain
            },
            // A virtual machine has a clock of its own.
            "kata-runtime" => OciConfig { clock_shared: false, ..plain },
            _ => plain,
        }
    }

    /// The arguments that come first.
    pub(super) fn leading(&self, state: &Path) -> Vec<String> {
        let mut words = vec![self.program.display().to_string()];
        words.extend(self.flags.iter().cloned());
        if self.is_gvisor() && !self.flags.iter().any(|flag| flag.starts_with("--network")) {
            let network = if self.network { "host" } else { "none" };
            words.push(format!("--network={network}"));
        }
        words.extend(["--root".to_owned(), state.display().to_string()]);
        words
    }

    /// Whether containers have the host's kernel; a runtime that is not known is taken to be so.
    pub(super) fn shares_kernel(&self) -> bool {
        !self.is_gvisor() && self.name != "kata-runtime"
    }

    fn is_gvisor(&self) -> bool {
        self.program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("runsc"))
    }
}

/// Where a program is, if it is anywhere; `PATH` is searched for bare names.
pub fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.exists().then(|| program.to_owned());
    }
    // Runtimes stand where only root's path leads, by custom.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let directories = std::env::split_paths(&path).chain(more);
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn config(name: &str) -> OciConfig {
        let common = Common {
            launcher: "plimsoll".into(),
            state: "state".into(),
            create_within: Span::from_secs(1),
            exec_within: Span::from_secs(1),
            stop_within: Span::from_secs(1),
            rounds_per_second: Some(1.0),
        };
        OciConfig::with(name, common)
    }

    #[test]
    fn gvisor_has_no_network_unless_asked() {
        let words = config("runsc").leading(Path::new("/state"));
        assert_eq!(words, ["runsc", "--ignore-cgroups", "--network=none", "--root", "/state"]);
        let asked = OciConfig { network: true, ..config("runsc") };
        assert!(asked.leading(Path::new("/state")).contains(&"--network=host".to_owned()));
        let plain = config("runc").leading(Path::new("/state"));
        assert_eq!(plain, ["runc", "--root", "/state"]);
    }

    #[test]
    fn a_program_is_found_by_name_and_by_path() {
        let by_name = find(Path::new("sh")).unwrap();
        assert!(by_name.is_absolute() && find(&by_name) == Some(by_name.clone()));
        assert_eq!(find(Path::new("no-such-runtime-anywhere")), None);
        assert_eq!(find(Path::new("/no/such/runtime")), None);
    }
}
