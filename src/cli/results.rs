//! Where results go, and what is written there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::options::{RunOptions, ScenarioOptions};
use crate::drive::samples::Samples;
use crate::measure::Totals;
use crate::measure::record::Run;
use crate::report::{Host, Manifest, Record, Table, write_results, write_text};
use crate::scenario::types::Scenario;
use crate::study;

/// Characters of the hash in a directory's name.
const SHORT: usize = 8;

/// A directory of results, made before the long work so that it is known to be writable.
#[derive(Debug)]
pub struct Results {
    /// The directory.
    pub directory: PathBuf,
    began: Timestamp,
    clock: Instant,
    hash: String,
    scenario: String,
    seed: u64,
    threads: usize,
}

impl Results {
    /// `--out`, else `results/<scenario>/<UTC time>-<short hash>`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn prepare(
        scenario: &Scenario,
        which: &ScenarioOptions,
        options: &RunOptions,
    ) -> Result<Self, Failure> {
        let began = Timestamp::now();
        let hash = study::hash(scenario);
        let directory = options.out.clone().unwrap_or_else(|| {
            let stamp = began.strftime("%Y%m%dT%H%M%SZ");
            let run = format!("{stamp}-{}", hash.get(..SHORT).unwrap_or(&hash));
            Path::new("results").join(file_name(&scenario.name)).join(run)
        });
        fs::create_dir_all(&directory).map_err(|error| {
            let message = format!("cannot make the directory of results, {}", directory.display());
            let cause = std::io::Error::new(error.kind(), format!("{message}: {error}"));
            Failure::of(Exit::Environment, &cause).help("`--out DIR` names another one")
        })?;
        let (seed, threads) = (scenario.experiment.seed, options.thread_count());
        let scenario = which.scenario.display().to_string();
        Ok(Results { directory, began, clock: Instant::now(), hash, scenario, seed, threads })
    }

    /// A directory of results below this one, for one of several records.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn below(&self, name: &str) -> Result<PathBuf, Failure> {
        let directory = self.directory.join(name);
        fs::create_dir_all(&directory).map_err(|error| Failure::of(Exit::Environment, &error))?;
        Ok(directory)
    }

    /// Writes a record's files.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn record(
        directory: &Path,
        run: &Run,
        totals: &[Totals],
        extra: &[Table],
    ) -> Result<(), Failure> {
        write_results(directory, Record { run, totals }, extra).map_err(unwritable)
    }

    /// Writes the single operations of a live run, which `calibrate` reads.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn samples(directory: &Path, samples: &Samples) -> Result<(), Failure> {
        let mut text = Vec::new();
        samples.write(&mut text).map_err(|error| Failure::of(Exit::Bug, &error))?;
        let text = String::from_utf8(text).expect("a table of numbers is text");
        write_text(directory, Samples::FILE, &text).map_err(unwritable)
    }

    /// Writes the manifest: what is not the same on every machine.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(&self, totals: &[Totals], warmup: &str) -> Result<(), Failure> {
        let manifest = Manifest {
            tool: "plimsoll",
            version: env!("CARGO_PKG_VERSION"),
            command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            scenario: self.scenario.clone(),
            hash: self.hash.clone(),
            seed: self.seed,
            host: Host::here(),
            threads: self.threads,
            began: self.began.to_string(),
            ended: Timestamp::now().to_string(),
            wall_s: self.clock.elapsed().as_secs_f64(),
            events: totals.iter().map(|t| t.events).sum(),
            warmup: warmup.to_owned(),
        };
        manifest.write(&self.directory).map_err(unwritable)
    }

    /// Seconds since it was made.
    pub fn seconds(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }
}

/// A failure to write a result.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub fn unwritable(error: crate::report::FilesError) -> Failure {
    Failure::of(Exit::Environment, &error).help("`--out DIR` names another directory")
}

/// A scenario's name as one part of a path.
fn file_name(name: &str) -> String {
    let safe =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(safe).collect();
    let trimmed = name.trim_matches('.');
    if trimmed.is_empty() { "scenario".to_owned() } else { trimmed.to_owned() }
}
