//! `plimsoll calibrate`: platform profiles from samples, and how far they are from what they have not
//! seen.

mod runs;
mod table;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::load;
use super::options::Format;
use super::saved_run::SavedRun;
use crate::calibrate::{
    About, Calibrated, Keeps, LiveSeries, Profile, ProfileRecord, Stage, StageFit, summaries,
    validate,
};
use crate::report::{calibration_tables, foretold_table};
use crate::study::Foretold;

const EXAMPLES: &str = "\
Examples:
  plimsoll calibrate results/one --validate results/two
  plimsoll calibrate --samples starts.csv --value boot_ms --group vmm --in-flight parallel
  plimsoll calibrate --samples tti.csv.gz --value tti_ms --group provider --day day --split 2/3

Runs are directories that `drive` and `run` write; `platform: {use: ./profiles/NAME.yaml}` uses one.";

/// The seed of resamples behind intervals: the same samples give the same profile.
const SEED: u64 = 1;

/// Arguments of `calibrate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Results of live runs: directories that `drive` or `run` wrote
    #[arg(value_name = "RUN", conflicts_with = "samples", required_unless_present = "samples")]
    runs: Vec<PathBuf>,
    /// What `probe --measure --out` or `compare --live` kept: gives the memory overhead
    #[arg(
        long,
        value_name = "FILE.json",
        requires = "runs",
        hide_short_help = true,
        help_heading = "Samples"
    )]
    probe: Option<PathBuf>,
    /// A CSV table instead, one row a duration; may be gzipped
    #[arg(long, value_name = "FILE", help_heading = "Samples")]
    samples: Option<PathBuf>,
    /// The column of durations; an empty cell is a failure
    #[arg(long, value_name = "COLUMN", requires = "samples", help_heading = "Samples")]
    value: Option<String>,
    /// What durations are counted in: ns, us, ms, s, min
    #[arg(
        long,
        value_name = "UNIT",
        default_value = "ms",
        hide_short_help = true,
        help_heading = "Samples"
    )]
    unit: String,
    /// Columns that tell profiles apart: one profile for each combination
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', help_heading = "Samples")]
    group: Vec<String>,
    /// Rows that count, the others are left out; may be repeated
    #[arg(long = "where", value_name = "COLUMN=VALUE", help_heading = "Samples")]
    filters: Vec<String>,
    /// The column of days: gives drift, and intervals by day
    #[arg(long, value_name = "COLUMN", help_heading = "Samples")]
    day: Option<String>,
    /// The column of starts in flight: gives contention
    #[arg(long, value_name = "COLUMN", help_heading = "Samples")]
    in_flight: Option<String>,
    /// What durations are of: schedule, image, boot, harness, exec, restore, snapshot
    #[arg(
        long,
        value_name = "STAGE",
        default_value = "boot",
        hide_short_help = true,
        help_heading = "Samples"
    )]
    stage: String,
    /// Fit the first days only and predict the others: 2/3, 0.5
    #[arg(long, value_name = "SHARE", requires = "day", help_heading = "Validation")]
    split: Option<String>,
    /// Predict this live run or table, and state the errors; may be repeated
    #[arg(long, value_name = "RUN|FILE", help_heading = "Validation")]
    validate: Vec<PathBuf>,
    /// Isolation tier: process, container, gvisor, microvm; runs tell theirs
    #[arg(long, value_name = "TIER", help_heading = "Samples")]
    tier: Option<String>,
    /// Platform preset that the profile lies over
    #[arg(long, value_name = "PRESET", hide_short_help = true, help_heading = "Profile")]
    over: Option<String>,
    /// Name of the profile, or what its groups' names begin with
    #[arg(long, value_name = "NAME", hide_short_help = true, help_heading = "Profile")]
    name: Option<String>,
    /// Where the samples come from; else the file
    #[arg(long, value_name = "TEXT", hide_short_help = true, help_heading = "Profile")]
    source: Option<String>,
    /// When they were measured; else their days, or today
    #[arg(long, value_name = "DATE", hide_short_help = true, help_heading = "Profile")]
    date: Option<String>,
    /// The machine that they were measured on
    #[arg(long, value_name = "TEXT", hide_short_help = true, help_heading = "Profile")]
    host: Option<String>,
    /// Directory of the profiles, or the file of one
    #[arg(long, value_name = "DIR|FILE.yaml", default_value = "profiles", help_heading = "Output")]
    out: PathBuf,
}

/// Samples of one profile: what it is fitted to, and what it is to predict.
struct Group {
    name: String,
    tier: String,
    keeps: Keeps,
    about: About,
    seen: LiveSeries,
    unseen: Vec<Unseen>,
}

/// Samples that are to be predicted.
struct Unseen {
    what: String,
    series: LiveSeries,
    /// The live run that they are of.
    run: Option<SavedRun>,
}

impl Unseen {
    /// Durations of a table.
    fn series(what: String, series: LiveSeries) -> Self {
        Unseen { what, series, run: None }
    }
}

/// The answer.
#[derive(Debug, Default, Serialize)]
struct Answer {
    #[serde(flatten)]
    found: Calibrated,
    /// Whole turns of live runs that were not calibrated on.
    turns: Vec<Foretold>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let mut answer = Answer::default();
    let found = &mut answer.found;
    let groups = match &args.samples {
        Some(file) => table::from_table(args, file, &mut found.notes)?,
        None => vec![runs::from_runs(args, &mut found.notes)?],
    };
    if let (Some(file), true) = (yaml_file(&args.out), groups.len() > 1) {
        let message =
            format!("{} profiles do not go into one file, {}", groups.len(), file.display());
        return Err(Failure::new(Exit::Usage, message).help("`--out DIR` takes them all"));
    }
    for group in &groups {
        let profile = fitted(args, group);
        let file = written(args, &profile)?;
        for unseen in &group.unseen {
            validate_stages(&profile, &group.seen, unseen, found);
            let Some(run) = &unseen.run else { continue };
            let not = |why: &str| format!("{}: whole turns are not predicted: {why}", unseen.what);
            if run.live.samples.turns.is_empty() {
                found.notes.push(not("its samples.csv has no turns"));
                continue;
            }
            match runs::foretold(run, &load::read_profile(&file)?) {
                Ok(foretold) => answer.turns.extend(foretold),
                Err(error) => found.notes.push(not(error.message())),
            }
        }
        found.profiles.push(ProfileRecord::of(&profile, file.display().to_string()));
    }
    found.summary = summaries(&found.validation);
    match console.format {
        Format::Json => console.json(&answer),
        _ => {
            let turns = (!answer.turns.is_empty()).then(|| foretold_table(&answer.turns));
            let mut tables: Vec<_> = turns.into_iter().collect();
            tables.extend(calibration_tables(&answer.found));
            console.tables(&tables);
        }
    }
    told(&answer.found, console);
    Ok(Exit::Yes)
}

/// Holds each stage of what was not seen against the profile.
fn validate_stages(profile: &Profile, seen: &LiveSeries, unseen: &Unseen, found: &mut Calibrated) {
    let what = unseen.what.as_str();
    for (stage, unseen) in &unseen.series.stages {
        let fit = profile.stages.iter().find(|(of, _)| of == stage);
        let seen = seen.stages.iter().find(|(of, _)| of == stage);
        let (Some((_, fit)), Some((_, seen))) = (fit, seen) else {
            let stage = stage.name();
            found.notes.push(format!("{what}: no {stage} to predict its {stage} from"));
            continue;
        };
        found.validation.extend(validate((what, stage.name()), fit, seen, unseen));
    }
}

/// Where the profiles are, and how a scenario uses one.
fn told(answer: &Calibrated, console: &Console) {
    let Some(first) = answer.profiles.first() else { return };
    let more = match answer.profiles.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let file = &first.file;
    let path = if file.starts_with(['/', '.']) { file.clone() } else { format!("./{file}") };
    console.note(&format!("wrote {file}{more}; use it by `platform: {{use: {path}}}`"));
}

fn fitted(args: &Args, group: &Group) -> Profile {
    let stages = group.seen.stages.iter();
    let stages: Vec<(Stage, StageFit)> =
        stages.filter_map(|(stage, series)| Some((*stage, StageFit::of(series, SEED)?))).collect();
    let what: Vec<&str> = stages.iter().map(|(stage, _)| stage.name()).collect();
    Profile {
        name: group.name.clone(),
        date: group.about.date.clone(),
        description: format!(
            "Measured, not promised: {} of the isolation tier `{}`, calibrated by plimsoll {}.",
            what.join(", "),
            group.tier,
            env!("CARGO_PKG_VERSION")
        ),
        tier: group.tier.clone(),
        keeps: group.keeps,
        over: args.over.clone(),
        about: group.about.clone(),
        stages,
        numbers: group.seen.numbers.clone(),
    }
}

fn check_tier(name: &str) -> Result<&str, Failure> {
    const TIERS: [&str; 5] = ["process", "shared-container", "container", "gvisor", "microvm"];
    if TIERS.contains(&name) {
        return Ok(name);
    }
    Err(Failure::new(Exit::Usage, format!("there is no isolation tier `{name}`"))
        .help(format!("tiers: {}", TIERS.join(", "))))
}

fn today() -> String {
    Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// The path if it is that of one file.
fn yaml_file(path: &Path) -> Option<&Path> {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml").then_some(path)
}

/// Writes a profile.
fn written(args: &Args, profile: &Profile) -> Result<PathBuf, Failure> {
    let text = profile.yaml().map_err(|error| Failure::of(Exit::Usage, &error))?;
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = profile.name.chars().map(safe).collect();
    let file = match yaml_file(&args.out) {
        Some(file) => file.to_owned(),
        None => args.out.join(format!("{name}.yaml")),
    };
    let directory = file.parent().unwrap_or(Path::new("")).to_owned();
    let written = std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&file, text));
    written.map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot write {}: {error}", file.display()))
            .help("`--out` names another directory or file")
    })?;
    Ok(file)
}
