//! What can be wrong with a trace file, in words that say how to mend it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a trace cannot be read, and where.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TraceError {
    /// The file, and the line if it belongs to one.
    pub place: Place,
    /// What is wrong.
    pub problem: Box<Problem>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column of text, from 1, where the format's reader knows it.
    pub column: Option<u64>,
}

impl Place {
    /// A whole file.
    pub fn file(file: &Path) -> Self {
        Place { file: file.to_owned(), line: None, column: None }
    }

    /// A line of a file.
    pub fn line(file: &Path, line: u64) -> Self {
        Place { file: file.to_owned(), line: Some(line), column: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        Ok(())
    }
}

/// What is wrong with a trace.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be opened.
    #[error("cannot open the trace: {0}")]
    Open(io::Error),
    /// Reading failed half-way.
    #[error("cannot read on after this line: {0}")]
    Read(io::Error),
    /// A gzip file ends before its end, or is damaged.
    #[error("the gzip data are cut short or damaged after this line: {0}")]
    Gzip(io::Error),
    /// The bytes are no text.
    #[error("the line is not UTF-8 text")]
    NotText,
    /// There is nothing to replay.
    #[error("the trace has no {0}")]
    Empty(&'static str),
    /// The first line does not name the columns that are needed.
    #[error("{found}")]
    Header {
        /// What the first line is, as a fragment.
        found: String,
        /// How to mend it.
        help: String,
    },
    /// A row has more or fewer fields than the header.
    #[error("the row has {found} fields, the header {expected}")]
    Fields {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A field is not what its column holds.
    #[error("{what} `{name}`: found {found}, expected {expected}")]
    Field {
        /// `column` or `key`.
        what: &'static str,
        /// The column's name, or the path of a JSON key.
        name: Box<str>,
        /// The text found, quoted, or `nothing`.
        found: Box<str>,
        /// What was expected.
        expected: Box<str>,
        /// How to mend it.
        help: Option<Box<str>>,
    },
    /// A line is not the JSON that was expected.
    #[error("{message}")]
    Json {
        /// What the JSON reader says.
        message: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// A class or model that the scenario lacks.
    #[error("unknown {what} `{found}`")]
    UnknownName {
        /// `class` or `model`.
        what: &'static str,
        /// The name found.
        found: String,
        /// The name that was probably meant, and those there are.
        help: String,
    },
    /// The rows contradict each other or what they mean.
    #[error("{found}")]
    Meaning {
        /// What is wrong, as a fragment.
        found: String,
        /// How to mend it.
        help: String,
    },
}

impl TraceError {
    /// A problem at a place.
    pub fn new(place: Place, problem: Problem) -> Self {
        TraceError { place, problem: Box::new(problem) }
    }

    /// How to mend it, if there is more to say than the error itself.
    pub fn help(&self) -> Option<&str> {
        match &*self.problem {
            Problem::Open(error) if error.kind() == io::ErrorKind::NotFound => Some(
                "the path is relative to the scenario; \
                 another file: `--set workload.trace.file=PATH`",
            ),
            Problem::Gzip(_) => Some("fetch the file again; `gzip -t` checks it"),
            Problem::NotText => Some("traces are UTF-8 text, plain or gzipped"),
            Problem::Header { help, .. }
            | Problem::UnknownName { help, .. }
            | Problem::Meaning { help, .. } => Some(help),
            Problem::Field { help, .. } => help.as_deref(),
            Problem::Json { help, .. } => help.as_deref(),
            Problem::Open(_) | Problem::Read(_) | Problem::Empty(_) | Problem::Fields { .. } => {
                None
            }
        }
    }

    /// The error as a person reads it: what, where, how to mend it.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n  --> {}\n", self.problem, self.place);
        if let Some(help) = self.help() {
            text.push_str("   = help: ");
            text.push_str(help);
            text.push('\n');
        }
        text
    }
}

/// The known name that `found` is probably a slip of.
pub(super) fn closest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Jaro-Winkler similarity above which a name is worth proposing.
    const CLOSE: f64 = 0.8;
    let found = found.to_lowercase();
    known
        .map(|name| (strsim::jaro_winkler(&found, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// "did you mean `x`? " if a known name is close, then all known names.
pub(super) fn suggest<'a>(found: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let names: Vec<String> = known.clone().map(|name| format!("`{name}`")).collect();
    let names = format!("known: {}", names.join(", "));
    match closest(found, known) {
        Some(name) => format!("did you mean `{name}`? {names}"),
        None => names,
    }
}
