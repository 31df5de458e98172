//! Failures that several runtimes tell in the same words.

use std::fs;
use std::io;
use std::path::Path;

use super::link::LinkError;
use super::{RuntimeError, SandboxId};
use crate::drive::guest::protocol::Message;

/// How much of a guest's stderr goes into an error message.
const STDERR_TAIL: usize = 400;

/// Name, in a sandbox's directory, of the file with what was said on stderr.
pub const STDERR: &str = "stderr";

/// A process could not be started or ended.
pub fn no_process(source: io::Error) -> RuntimeError {
    RuntimeError::Environment {
        what: "start or end a sandbox's process".into(),
        source,
        mend: "raise the limits of processes and open files (`ulimit -u`, `ulimit -n`), or lower \
               `live.max_alive`",
    }
}

/// The guest said what does not belong there.
pub fn babble(sandbox: SandboxId, message: &Message) -> RuntimeError {
    RuntimeError::Protocol { sandbox, line: format!("{message:?}") }
}

/// The guest is gone; what it said last may tell why.
pub fn gone(sandbox: SandboxId, directory: &Path, error: LinkError) -> RuntimeError {
    match error {
        LinkError::Babble(line) => RuntimeError::Protocol { sandbox, line },
        LinkError::Gone | LinkError::Socket(_) => {
            RuntimeError::GuestGone { sandbox, stderr: tail(&directory.join(STDERR)) }
        }
    }
}

/// The end of a file of messages; empty if it cannot be read.
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let tail = &text[text.len().saturating_sub(STDERR_TAIL)..];
    String::from_utf8_lossy(tail).trim().to_owned()
}
