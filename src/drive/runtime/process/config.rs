//! How a process runtime is set up.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::drive::guest::protocol::Feature;
use crate::drive::journal::state_directory;
use crate::drive::runtime::RuntimeError;
use crate::drive::runtime::managed::Common;
use crate::units::Span;

/// How a process runtime is set up.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// The binary that understands `guest`: this very program, unless a test says otherwise.
    pub launcher: PathBuf,
    /// Where the journal, the sandboxes' files and the snapshots are kept.
    pub state: PathBuf,
    /// Isolation that is not to be built, and counts as lost.
    pub without: BTreeSet<Feature>,
    /// Whether to make control groups where that is possible.
    pub cgroups: bool,
    /// How long a sandbox may take to become ready.
    pub create_within: Span,
    /// How long a call may take.
    pub exec_within: Span,
    /// How long a guest may take to end when asked; then it is killed.
    pub stop_within: Span,
    /// Rounds of the guest's hash loop that make a reference-core second; measured if not given.
    pub rounds_per_second: Option<f64>,
}

impl ProcessConfig {
    /// Defaults, with state where [`state_directory`] says.
    ///
    /// # Errors
    /// If this program's own path or the state directory cannot be found.
    pub fn here() -> Result<Self, RuntimeError> {
        let launcher = std::env::current_exe().map_err(|source| RuntimeError::Environment {
            what: "find this program's own file".into(),
            source,
            mend: "mount /proc",
        })?;
        Ok(ProcessConfig::with(launcher, state_directory()?))
    }

    /// Defaults with this launcher and state directory.
    pub fn with(launcher: PathBuf, state: PathBuf) -> Self {
        ProcessConfig {
            launcher,
            state,
            without: BTreeSet::new(),
            cgroups: true,
            create_within: Span::from_secs(30),
            exec_within: Span::from_secs(600),
            stop_within: Span::from_secs(2),
            rounds_per_second: None,
        }
    }

    /// The settings that all runtimes have.
    pub(in crate::drive) fn common(&self) -> Common {
        Common {
            launcher: self.launcher.clone(),
            state: self.state.clone(),
            create_within: self.create_within,
            exec_within: self.exec_within,
            stop_within: self.stop_within,
            rounds_per_second: self.rounds_per_second,
        }
    }
}
