//! Tests of the readers together: formats, real data, broken files.

mod broken;
mod data;
mod formats;
mod round_trip;

use std::path::{Path, PathBuf};

use super::*;
use crate::scenario::types::{SubAgents, TraceOrder, TraceTiming, TraceTurns};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces").join(name)
}

fn trace(format: TraceFormat) -> Trace {
    Trace {
        file: String::new(),
        format,
        turns: TraceTurns::default(),
        timing: TraceTiming::default(),
        sub_agents: SubAgents::default(),
        order: TraceOrder::default(),
        spread_ticks: false,
    }
}

/// Classes and models by name alone.
struct Known {
    classes: IndexMap<String, Class>,
    models: IndexMap<String, Model>,
}

impl Known {
    fn new(classes: &[&str], models: &[&str]) -> Self {
        Known {
            classes: classes.iter().map(|name| ((*name).to_owned(), Class::default())).collect(),
            models: models.iter().map(|name| ((*name).to_owned(), Model::default())).collect(),
        }
    }

    fn names(&self) -> Names<'_> {
        Names { classes: &self.classes, models: &self.models }
    }
}

fn read_known(path: &Path, trace: &Trace, known: &Known) -> (Vec<SessionPlan>, TraceReport) {
    read(path, trace, &known.names()).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// A text as a file, for one read.
fn write_file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All gaps, calls and waits of a session, added up.
fn length(session: &SessionPlan) -> crate::units::Span {
    let steps = session.turns.iter().flat_map(|turn| &turn.steps);
    let waits = steps.clone().flat_map(|step| &step.tools).map(|tool| tool.io);
    let calls = steps.filter_map(|step| step.call.latency);
    session.turns.iter().map(|turn| turn.think).chain(waits).chain(calls).sum()
}
