//! From a scenario file to what is run: read, checked, its trace read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::options::ScenarioOptions;
use crate::billing::Cost;
use crate::check::check;
use crate::measure::record::Run;
use crate::scenario::source;
use crate::scenario::types::{Isolation, Live, Scenario};
use crate::scenario::{Loaded, Loader, Located, Origin, Outcome, Preset, PresetKind, Presets};
use crate::study::TwinProfile;
use crate::workload::plan::SessionPlan;
use crate::workload::trace::{self, Names};

/// A scenario with the sessions of its trace.
#[derive(Debug)]
pub struct Ready {
    /// The scenario and where its values stand.
    pub loaded: Loaded<Scenario>,
    /// The sessions of its trace, if it names one.
    pub recorded: Option<Arc<Vec<SessionPlan>>>,
    /// What was noticed in the trace.
    pub notes: Vec<String>,
}

impl Ready {
    /// Notes where the prices of a record's costs come from, in both of its arms.
    pub fn trace_run(&self, run: &mut Run) {
        self.trace(&mut run.cost);
        let located = &self.loaded.located;
        if let (Some(comparison), Some(preset)) = (&mut run.comparison, self.baseline_preset()) {
            comparison.against = preset;
        }
        if let Some(baseline) = &mut run.baseline {
            baseline.part.cost.trace(|key| {
                let own = key.strip_prefix("platform.").unwrap_or(key);
                let path = source::Path::find(&format!("baseline.{own}"), &located.tree).ok()?;
                let inherited = || source::Path::find(key, &located.tree).ok();
                let path = if located.is_written(&path) { Some(path) } else { inherited() };
                Some(located.origin(path?, Presets::embedded()))
            });
        }
    }

    /// The preset that stands for the baseline.
    pub fn baseline_preset(&self) -> Option<String> {
        let uses = self.loaded.located.uses.iter();
        let of_baseline = |used: &&crate::scenario::Use| used.path.to_string() == "baseline";
        uses.rev().find(of_baseline).map(|used| used.preset.clone())
    }

    /// Notes where the prices of a cost come from.
    pub fn trace(&self, cost: &mut Cost) {
        let located = &self.loaded.located;
        cost.trace(|key| {
            let path = source::Path::find(key, &located.tree).ok()?;
            Some(located.origin(path, Presets::embedded()))
        });
    }
}

/// Reads a scenario and checks it; warnings are told.
///
/// # Errors
/// With every problem of the file at once.
pub fn scenario(options: &ScenarioOptions, console: &Console) -> Result<Loaded<Scenario>, Failure> {
    let outcome = outcome(options, &[]);
    let text = outcome.render(console.colour_on_stderr());
    match outcome.loaded {
        Some(loaded) => {
            if !text.is_empty() {
                console.note(text.trim_end());
            }
            Ok(loaded)
        }
        None => Err(Failure::rendered(Exit::Usage, text)),
    }
}

/// Reads a scenario with further overrides.
pub fn outcome(options: &ScenarioOptions, more: &[String]) -> Outcome<Scenario> {
    let sets: Vec<String> = options.sets().iter().chain(more).cloned().collect();
    Loader::default().load(&options.scenario, &sets, &check)
}

/// Reads a scenario and its trace.
///
/// # Errors
/// If either is not valid.
pub fn ready(options: &ScenarioOptions, console: &Console) -> Result<Ready, Failure> {
    with_trace(scenario(options, console)?, &options.scenario)
}

/// Reads the trace of a scenario, if it names one.
///
/// # Errors
/// If the trace cannot be read or is not of its format.
pub fn with_trace(loaded: Loaded<Scenario>, file: &Path) -> Result<Ready, Failure> {
    let scenario = &loaded.value;
    let Some(trace) = &scenario.workload.trace else {
        return Ok(Ready { loaded, recorded: None, notes: Vec::new() });
    };
    let path = named_path(&loaded.located, file, "workload.trace.file", &trace.file);
    let names = Names { classes: &scenario.workload.classes, models: &scenario.models };
    let (sessions, report) = trace::read(&path, trace, &names).map_err(|error| {
        Failure::of(Exit::Usage, &error).help("`--set workload.trace.file=PATH` names another file")
    })?;
    let notes = report.warnings();
    Ok(Ready { recorded: Some(Arc::new(sessions)), notes, loaded })
}

/// The profile that predicts a live run, if the scenario names one.
///
/// # Errors
/// If it cannot be read or is no platform profile with an isolation tier.
pub fn profile(
    loaded: &Loaded<Scenario>,
    live: &Live,
    file: &Path,
) -> Result<Option<TwinProfile>, Failure> {
    let Some(named) = &live.profile else { return Ok(None) };
    let path = named_path(&loaded.located, file, "live.profile", named);
    read_profile(&path).map(Some)
}

/// The isolation tier of a platform profile, as `plimsoll calibrate` writes them.
///
/// # Errors
/// If it cannot be read or is no platform profile with an isolation tier.
pub fn read_profile(path: &Path) -> Result<TwinProfile, Failure> {
    let name = path.display().to_string();
    let help = "`live.profile` names a platform profile as `plimsoll calibrate` writes it, relative \
                to the scenario";
    let wrong = |what: String| Failure::new(Exit::Usage, format!("{name}: {what}")).help(help);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let preset = Preset::read_own(&name, &text).map_err(|error| wrong(error.message))?;
    if preset.kind != PresetKind::Platform {
        return Err(wrong(format!("it is a {} preset", preset.kind.name())));
    }
    let values: serde_yaml::Value =
        serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let isolation = values["values"]["isolation"].clone();
    let isolation: Isolation = serde_yaml::with::singleton_map_recursive::deserialize(isolation)
        .map_err(|error| wrong(format!("its isolation tier cannot be read: {error}")))?;
    Ok(TwinProfile { tier: isolation.tier().clone(), name })
}

/// A path in a file is relative to that file, one on the command line to where the command runs.
fn named_path(located: &Located, file: &Path, key: &str, named: &str) -> PathBuf {
    let beside = match located.origin(key, Presets::embedded()) {
        Origin::Set => return PathBuf::from(named),
        Origin::File { path, .. } => PathBuf::from(path),
        Origin::Default | Origin::Preset { .. } => file.to_owned(),
    };
    beside.parent().unwrap_or(Path::new("")).join(named)
}
