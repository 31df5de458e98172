//! A live run that was saved: its operations, and what is known of it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use crate::calibrate::{Keeps, LiveRun};
use crate::drive::samples::Samples;
use crate::measure::record::MachineRecord;

/// A live run from its directory of results.
#[derive(Clone, Debug)]
pub struct SavedRun {
    /// The directory.
    pub directory: PathBuf,
    /// Its operations, and its machine.
    pub live: LiveRun,
    /// The scenario's name.
    pub scenario: String,
    /// The runtime that it drove.
    pub runtime: String,
    /// Whether its snapshots hold files alone although the runtime could do more.
    files_only: bool,
    /// The day on which it began.
    pub date: String,
    /// Whether the driver kept up, so that the run is to be used.
    pub valid: bool,
    /// The scenario as it was driven, resolved, as JSON.
    pub piece: String,
    /// The scenario's file.
    pub file: String,
    /// Whether it went on to its end and dropped no session.
    pub whole: bool,
    /// The machine.
    pub host: Option<String>,
}

impl SavedRun {
    /// Reads the directory that `drive` wrote, or that of `run`, whose live half is below it.
    ///
    /// # Errors
    /// If it holds no operations of a live run.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let below = directory.join("live");
        let of_run = below.join(Samples::FILE).is_file();
        let live = if of_run { below.as_path() } else { directory };
        let path = live.join(Samples::FILE);
        let file = File::open(&path).map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            Failure::new(Exit::Usage, message).help(
                "give a directory that `plimsoll drive` or `plimsoll run` wrote; runs before this \
                 version did not keep their operations, and tables need `--samples`",
            )
        })?;
        let samples = Samples::read(BufReader::new(file)).map_err(|error| {
            Failure::new(Exit::Usage, format!("{}: {error}", path.display()))
                .help("drive the scenario again: this file is not as it was written")
        })?;
        let run = json(&live.join("run.json"))?;
        let manifest = json(&directory.join("manifest.json"))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let target = &run["scenario"]["live"]["target"];
        let machine: Option<MachineRecord> =
            serde_json::from_value(run["quality"]["machine"].clone()).ok();
        Ok(SavedRun {
            directory: directory.to_owned(),
            live: LiveRun { samples, machine },
            scenario: text(&run["scenario"]["name"]).unwrap_or_else(|| "live".to_owned()),
            runtime: text(&target["runtime"]).unwrap_or_else(|| "process".to_owned()),
            files_only: target["keep"] == "files",
            date: text(&manifest["began"]).unwrap_or_default().chars().take(10).collect(),
            valid: run["quality"]["valid"] != Value::Bool(false),
            whole: run["quality"]["complete"] != Value::Bool(false)
                && run["quality"]["dropped"].as_u64().unwrap_or(0) == 0,
            piece: run["scenario"].to_string(),
            file: text(&manifest["scenario"]).unwrap_or_default(),
            host: host(&manifest["host"]),
        })
    }

    /// The isolation tier that the runtime gives.
    pub fn tier(&self) -> &'static str {
        match self.runtime.as_str() {
            "process" | "instant" => "process",
            "runsc" => "gvisor",
            "microvm" => "microvm",
            _ => "container",
        }
    }

    /// What its snapshots hold.
    pub fn keeps(&self) -> Keeps {
        let could = matches!(self.runtime.as_str(), "runsc" | "microvm");
        if could && !self.files_only { Keeps::Full } else { Keeps::Filesystem }
    }
}

/// `name, x86_64 linux, 2 cores`.
fn host(host: &Value) -> Option<String> {
    let name = host["name"].as_str()?;
    let of = |key: &str| host[key].as_str().unwrap_or_default().to_owned();
    let cores = host["cores"].as_u64().unwrap_or(0);
    Some(format!("{name}, {} {}, {cores} cores", of("arch"), of("os")))
}

fn json(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display()))
            .help("give the whole directory as it was written")
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} is no JSON: {error}", path.display()))
            .help("give the whole directory as it was written")
    })
}
