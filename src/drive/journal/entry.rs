//! The journal's lines.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::proc::ProcessId;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Who the run is. The first line.
    Run {
        tag: String,
        process: ProcessId,
        /// The kernel's boot id: pids mean nothing across boots.
        boot: String,
        version: String,
        began: String,
        /// Control groups that the run makes, each named after the tag.
        cgroups: Vec<PathBuf>,
        /// Socket of the engine on which the run makes containers and images, labelled with the tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        engine: Option<PathBuf>,
    },
    /// Sandboxes with these numbers may exist from now on.
    Intent { from: u64, below: u64 },
    /// A sandbox's launcher runs.
    Started { slot: u64, process: ProcessId },
    /// Nothing of a sandbox is left.
    Done { slot: u64 },
}

impl Entry {
    /// As a line, with its end.
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("paths that plimsoll makes are UTF-8");
        line.push('\n');
        line
    }
}

/// Reads a journal. A last line without its end was being written when the run was killed; it and
/// whatever cannot be understood are passed over: what they speak of also carries the run's tag.
pub fn read(text: &str) -> Vec<Entry> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_passed_over() {
        let done = Entry::Done { slot: 7 };
        let intent = Entry::Intent { from: 0, below: 64 };
        let text = intent.line() + &done.line() + "{\"done\":{\"sl";
        assert_eq!(read(&text), [intent, done]);
    }
}
