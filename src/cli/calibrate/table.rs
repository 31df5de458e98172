//! Groups of samples from a table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{Args, Group, Unseen, check_tier, today};
use crate::calibrate::{About, Columns, Keeps, LiveSeries, Series, Stage, TableError, read_table};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::units::{Quantity, Span};

/// The groups of a table.
pub(super) fn from_table(
    args: &Args,
    file: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<Group>, Failure> {
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
            unseen.push(Unseen::series(label.clone(), LiveSeries::of(stage, rest)));
        }
        for (file, others) in &others {
            match others.get(label) {
                Some(other) => {
                    let what = format!("{label} of {}", file.display());
                    unseen.push(Unseen::series(what, LiveSeries::of(stage, other.clone())));
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
