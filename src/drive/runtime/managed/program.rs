//! How fast this machine's core is, and what a guest's program needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Desk;
use crate::drive::runtime::RuntimeError;

impl Desk {
    /// Finds out how many rounds make a reference-core second, by the very program that will do the
    /// work, before anything else runs.
    pub(super) async fn calibrate(&self) -> Result<(), RuntimeError> {
        let rounds = match self.common.rounds_per_second {
            Some(rounds) => rounds,
            None => measure(&self.common.launcher).await?,
        };
        self.rounds_per_second.set(rounds).expect("calibrated once");
        Ok(())
    }

    /// Rounds of the guest's hash loop that make a reference-core second.
    pub fn rounds_per_second(&self) -> f64 {
        *self.rounds_per_second.get().expect("measured at the start")
    }
}

async fn measure(launcher: &Path) -> Result<f64, RuntimeError> {
    let text = said(launcher, "calibrate").await?;
    match text.trim().parse() {
        Ok(rounds) if rounds > 0.0 => Ok(rounds),
        _ => Err(failed(launcher, std::io::Error::other(format!("it said `{}`", text.trim())))),
    }
}

/// Loader and libraries of the guest's program, at the paths by which they are opened.
///
/// # Errors
/// If the program cannot be run.
pub async fn needed_by(launcher: &Path) -> Result<Vec<PathBuf>, RuntimeError> {
    let text = said(launcher, "needs").await?;
    Ok(text.lines().map(PathBuf::from).collect())
}

/// What the guest's program says when asked for itself.
async fn said(launcher: &Path, word: &'static str) -> Result<String, RuntimeError> {
    let mut command = Command::new(launcher);
    command.args(["guest", word]).stdin(Stdio::null()).stderr(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.map_err(|error| failed(launcher, error.into()))?;
    let output = output.map_err(|error| failed(launcher, error))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn failed(launcher: &Path, source: std::io::Error) -> RuntimeError {
    RuntimeError::Environment {
        what: format!("run {} to know what the guest is", launcher.display()),
        source,
        mend: "check that the file is there and may be executed",
    }
}
