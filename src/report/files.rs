//! The files of `results/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::html::{HtmlError, Part, html};
use super::table::Table;
use crate::measure::record::Run;
use crate::measure::series::{write_metrics, write_series};
use crate::measure::{Metric, Totals};
use crate::stats::{HlogError, Summary, write_hlog};

/// A record and what stands beside it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The record.
    pub run: &'a Run,
    /// What each replication measured.
    pub totals: &'a [Totals],
}

/// What is not the same on every machine.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// `plimsoll`.
    pub tool: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The command line.
    pub command: Vec<String>,
    /// The scenario's file.
    pub scenario: String,
    /// Hash of the resolved scenario.
    pub hash: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Name of the machine, its architecture and its cores.
    pub host: Host,
    /// Threads that simulated.
    pub threads: usize,
    /// When it began, UTC.
    pub began: String,
    /// When it ended, UTC.
    pub ended: String,
    /// How long it took, seconds.
    pub wall_s: f64,
    /// Simulated events of all replications.
    pub events: u64,
    /// Where the warm-up came from.
    pub warmup: String,
}

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Operating system.
    pub os: &'static str,
    /// Architecture.
    pub arch: &'static str,
    /// Cores that this process may use.
    pub cores: usize,
}

impl Host {
    /// This machine.
    pub fn here() -> Self {
        let uname = rustix::system::uname();
        Host {
            name: uname.nodename().to_string_lossy().into_owned(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// Why the results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or directory.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table.
    #[error("cannot write {path}")]
    Table {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: csv::Error,
    },
    /// The histograms.
    #[error("cannot write {path}")]
    Histograms {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: HlogError,
    },
    /// The page.
    #[error(transparent)]
    Page(#[from] HtmlError),
}

/// Writes `run.json`, `metrics.csv`, `series.csv` and `histograms.hlog` of one record, and
/// `report.html`, into an existing directory.
///
/// # Errors
/// If a file cannot be written.
pub fn write_results(
    directory: &Path,
    record: Record<'_>,
    extra: &[Table],
) -> Result<(), FilesError> {
    let Record { run, totals } = record;
    text(directory, "run.json", &run.to_json())?;
    table(directory, "metrics.csv", |out| write_metrics(run, out))?;
    table(directory, "series.csv", |out| write_series(totals, out))?;
    histograms(directory, record)?;
    let series = totals.first().map_or(&[][..], |totals| &totals.series);
    let name = run.scenario.get("name").and_then(|n| n.as_str()).unwrap_or("plimsoll");
    let page = html(name, extra, &[Part { name: "Record", run, series }])?;
    text(directory, "report.html", &page)
}

impl Manifest {
    /// Writes `manifest.json`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), FilesError> {
        let json = serde_json::to_string_pretty(self).expect("a manifest has string keys only");
        text(directory, "manifest.json", &(json + "\n"))
    }
}

/// Writes a whole file.
///
/// # Errors
/// If it cannot be written.
pub fn text(directory: &Path, name: &str, content: &str) -> Result<(), FilesError> {
    let path = directory.join(name);
    fs::write(&path, content).map_err(|source| FilesError::File { path, source })
}

fn table(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), csv::Error>,
) -> Result<(), FilesError> {
    let path = directory.join(name);
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|source| FilesError::Table { path: path.clone(), source })?;
    fs::write(&path, bytes).map_err(|source| FilesError::File { path, source })
}

/// One histogram a metric, all replications pooled, in nanoseconds.
fn histograms(directory: &Path, Record { run, totals }: Record<'_>) -> Result<(), FilesError> {
    let path = directory.join("histograms.hlog");
    let pooled: Vec<(&str, Summary)> = Metric::ALL
        .iter()
        .map(|metric| {
            let mut all = Summary::durations();
            totals.iter().for_each(|t| all.merge(t.metric(*metric)));
            (metric.name(), all)
        })
        .filter(|(_, summary)| summary.count() > 0)
        .collect();
    let mut bytes = Vec::new();
    let start = Duration::from_secs_f64(run.warmup_s.max(0.0));
    let length = Duration::from_secs_f64(run.measured_s.max(0.0));
    write_hlog(&mut bytes, start, length, pooled.iter().map(|(name, summary)| (*name, summary)))
        .map_err(|source| FilesError::Histograms { path: path.clone(), source })?;
    fs::write(&path, bytes).map_err(|source| FilesError::File { path, source })
}
