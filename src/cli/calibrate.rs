//! `plimsoll calibrate`: platform profiles from samples, and how far they are from what they have not
//! seen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::options::Format;
use super::saved_probe::memory_overhead;
use super::saved_run::SavedRun;
use crate::calibrate::{
    About, Calibrated, Columns, Keeps, LiveSeries, Profile, ProfileRecord, Series, Stage, StageFit,
    TableError, live_series, read_table, summaries, validate,
};
use crate::report::calibration_tables;
use crate::units::{Quantity, Span};

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
    unseen: Vec<(String, LiveSeries)>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let mut answer = Calibrated::default();
    let groups = match &args.samples {
        Some(file) => from_table(args, file, &mut answer.notes)?,
        None => vec![from_runs(args, &mut answer.notes)?],
    };
    if let (Some(file), true) = (yaml_file(&args.out), groups.len() > 1) {
        let message =
            format!("{} profiles do not go into one file, {}", groups.len(), file.display());
        return Err(Failure::new(Exit::Usage, message).help("`--out DIR` takes them all"));
    }
    for group in &groups {
        let profile = fitted(args, group);
        let file = written(args, &profile)?;
        for (what, unseen) in &group.unseen {
            for (stage, unseen) in &unseen.stages {
                let fit = profile.stages.iter().find(|(of, _)| of == stage);
                let seen = group.seen.stages.iter().find(|(of, _)| of == stage);
                let (Some((_, fit)), Some((_, seen))) = (fit, seen) else {
                    let stage = stage.name();
                    answer.notes.push(format!("{what}: no {stage} to predict its {stage} from"));
                    continue;
                };
                answer.validation.extend(validate((what, stage.name()), fit, seen, unseen));
            }
        }
        answer.profiles.push(ProfileRecord::of(&profile, file.display().to_string()));
    }
    answer.summary = summaries(&answer.validation);
    match console.format {
        Format::Json => console.json(&answer),
        _ => console.tables(&calibration_tables(&answer)),
    }
    told(&answer, console);
    Ok(Exit::Yes)
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

/// The groups of a table.
fn from_table(args: &Args, file: &Path, notes: &mut Vec<String>) -> Result<Vec<Group>, Failure> {
    let columns = columns(args)?;
    let stage = stage(&args.stage)?;
    let tier = args.tier.as_deref().unwrap_or("container");
    let tier = check_tier(tier)?.to_owned();
    let all = read_table(file, &columns).map_err(|error| unreadable(&error))?;
    let stem =
        file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let stem = stem.split('.').next().unwrap_or_default().to_owned();
    let days: BTreeSet<&String> = all.values().flat_map(|series| &series.days).collect();
    let first_days: Option<BTreeSet<String>> = match &args.split {
        None => None,
        Some(text) => {
            let count = (share(text)? * days.len() as f64).round() as usize;
            if count == 0 || count >= days.len() {
                let message =
                    format!("`--split {text}` of {} days leaves a part empty", days.len());
                return Err(Failure::new(Exit::Usage, message)
                    .help("a share such as 2/3, and a table of several days"));
            }
            let first: BTreeSet<String> = days.into_iter().take(count).cloned().collect();
            let last = first.last().cloned().unwrap_or_default();
            notes.push(format!(
                "fitted to the {count} days up to {last}, predicting those after it"
            ));
            Some(first)
        }
    };
    let others: Vec<(&PathBuf, IndexMap<String, Series>)> = args
        .validate
        .iter()
        .map(|file| Ok((file, read_table(file, &columns).map_err(|error| unreadable(&error))?)))
        .collect::<Result<_, Failure>>()?;
    let mut groups = Vec::new();
    for (label, series) in &all {
        let of_first = |series: &Series, day: usize| {
            first_days.as_ref().is_none_or(|first| first.contains(&series.days[day]))
        };
        let mut seen = series.part(|one| of_first(series, one.day));
        seen.without_time = series.without_time;
        if seen.values.is_empty() {
            notes.push(format!(
                "{label}: not predicted, for the days that are fitted have none of it"
            ));
            continue;
        }
        let mut unseen = Vec::new();
        if first_days.is_some() {
            let rest = series.part(|one| !of_first(series, one.day));
            unseen.push((label.clone(), LiveSeries::of(stage, rest)));
        }
        for (file, others) in &others {
            match others.get(label) {
                Some(other) => {
                    let what = format!("{label} of {}", file.display());
                    unseen.push((what, LiveSeries::of(stage, other.clone())));
                }
                None => notes.push(format!("{}: nothing of {label}", file.display())),
            }
        }
        let name = [args.name.as_deref().unwrap_or(""), label.as_str()];
        let name: Vec<&str> = name.into_iter().filter(|part| !part.is_empty()).collect();
        let name = if name.is_empty() { stem.clone() } else { name.join("-") };
        let about = about_table(args, file, &columns, label, &seen);
        let seen = LiveSeries::of(stage, seen);
        groups.push(Group {
            name,
            tier: tier.clone(),
            keeps: Keeps::Filesystem,
            about,
            seen,
            unseen,
        });
    }
    Ok(groups)
}

/// Where a group's numbers come from.
fn about_table(args: &Args, file: &Path, columns: &Columns, label: &str, seen: &Series) -> About {
    let name =
        file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut source = args.source.clone().unwrap_or(name);
    source += &format!(", {}", columns.value);
    if !columns.group.is_empty() {
        source += &format!(", {} {label}", columns.group.join("-"));
    }
    for (column, value) in &columns.filters {
        source += &format!(", {column} = {value}");
    }
    let days = match (seen.days.first(), seen.days.last()) {
        (Some(first), Some(last)) if !first.is_empty() && first != last => {
            Some(format!("{first} to {last}"))
        }
        (Some(day), _) if !day.is_empty() => Some(day.clone()),
        _ => None,
    };
    let date = args.date.clone().or(days).unwrap_or_else(today);
    About { source, date, host: args.host.clone() }
}

/// The one group of live runs.
fn from_runs(args: &Args, notes: &mut Vec<String>) -> Result<Group, Failure> {
    let runs: Vec<SavedRun> =
        args.runs.iter().map(|run| SavedRun::read(run)).collect::<Result<_, _>>()?;
    let first = runs.first().expect("clap asks for a run or a table");
    if let Some(other) = runs.iter().find(|run| run.runtime != first.runtime) {
        let message = format!(
            "{} ran on {} and {} on {}: one profile is of one runtime",
            first.directory.display(),
            first.runtime,
            other.directory.display(),
            other.runtime
        );
        return Err(Failure::new(Exit::Usage, message).help("calibrate them one after the other"));
    }
    let tier = check_tier(args.tier.as_deref().unwrap_or(first.tier()))?.to_owned();
    let keeps = first.keeps();
    let samples: Vec<_> = runs.iter().map(|run| run.samples.clone()).collect();
    let mut seen = live_series(&samples, keeps);
    if seen.stages.is_empty() {
        return Err(Failure::new(Exit::Usage, "these runs hold no operation that succeeded")
            .help("drive sessions that start sandboxes, for instance `--set live.sessions=50`"));
    }
    if let Some(file) = &args.probe {
        seen.numbers.push(memory_overhead(file, &first.runtime)?);
    }
    let mut unseen = Vec::new();
    for path in &args.validate {
        let run = SavedRun::read(path)?;
        let series = seen.unseen(std::slice::from_ref(&run.samples), keeps);
        unseen.push((path.display().to_string(), series));
    }
    let told = |run: &SavedRun| {
        let not = if run.valid { "" } else { " (not valid)" };
        format!("{}{not}", run.directory.display())
    };
    let directories: Vec<String> = runs.iter().map(told).collect();
    for run in runs.iter().filter(|run| !run.valid) {
        notes.push(format!(
            "warning: {} is not a valid run, for its driver could not keep up: its operations may have waited for \
             the driver; drive it again on a quieter machine",
            run.directory.display()
        ));
    }
    let about = About {
        source: args.source.clone().unwrap_or_else(|| {
            format!(
                "live runs of `{}` on {}: {}",
                first.scenario,
                first.runtime,
                directories.join(", ")
            )
        }),
        date: args.date.clone().unwrap_or_else(|| first.date.clone()),
        host: args.host.clone().or_else(|| first.host.clone()),
    };
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| format!("{}-{}", first.scenario, first.runtime));
    Ok(Group { name, tier, keeps, about, seen, unseen })
}

fn columns(args: &Args) -> Result<Columns, Failure> {
    let value = args.value.clone().ok_or_else(|| {
        Failure::new(Exit::Usage, "`--samples` needs `--value`: which column holds the durations")
            .help("for instance `--value boot_ms --unit ms`")
    })?;
    let unit = Span::parse(&format!("1{}", args.unit)).map_err(|error| {
        Failure::new(Exit::Usage, format!("`--unit {}`: {error}", args.unit))
            .help("units: ns, us, ms, s, min")
    })?;
    let filter = |text: &String| match text.split_once('=') {
        Some((column, value)) => Ok((column.trim().to_owned(), value.trim().to_owned())),
        None => Err(Failure::new(Exit::Usage, format!("`--where {text}` has no `=`"))
            .help("write `--where COLUMN=VALUE`, for instance `--where mode=sequential`")),
    };
    Ok(Columns {
        value,
        unit,
        group: args.group.clone(),
        filters: args.filters.iter().map(filter).collect::<Result<_, _>>()?,
        day: args.day.clone(),
        in_flight: args.in_flight.clone(),
    })
}

fn stage(name: &str) -> Result<Stage, Failure> {
    Stage::ALL.into_iter().find(|stage| stage.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        Failure::new(Exit::Usage, format!("there is no stage `{name}`"))
            .help(format!("stages: {}", names.join(", ")))
    })
}

fn check_tier(name: &str) -> Result<&str, Failure> {
    const TIERS: [&str; 5] = ["process", "shared-container", "container", "gvisor", "microvm"];
    if TIERS.contains(&name) {
        return Ok(name);
    }
    Err(Failure::new(Exit::Usage, format!("there is no isolation tier `{name}`"))
        .help(format!("tiers: {}", TIERS.join(", "))))
}

/// `2/3` or `0.67`, in (0, 1).
fn share(text: &str) -> Result<f64, Failure> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    let found = match text.split_once('/') {
        Some((top, bottom)) => number(top).zip(number(bottom)).map(|(top, bottom)| top / bottom),
        None => number(text),
    };
    found.filter(|share| *share > 0.0 && *share < 1.0).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`--split {text}` is no share between 0 and 1"))
            .help("for instance `--split 2/3`")
    })
}

fn unreadable(error: &TableError) -> Failure {
    Failure::of(Exit::Usage, error).help(error.help())
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
