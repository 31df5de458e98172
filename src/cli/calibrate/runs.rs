//! The group of samples of live runs, and whole turns of runs that it has not seen.

use std::path::Path;
use std::sync::Arc;

use super::{Args, Group, Unseen, check_tier};
use crate::calibrate::{About, Crowded, LiveRun, live_series};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load;
use crate::cli::saved_probe::memory_overhead;
use crate::cli::saved_run::SavedRun;
use crate::conduct::{RunOptions, Setup};
use crate::measure::record::MachineRecord;
use crate::scenario::Loader;
use crate::study::{self, Foretold, TwinProfile};

/// The one group of live runs.
pub(super) fn from_runs(args: &Args, notes: &mut Vec<String>) -> Result<Group, Failure> {
    let runs: Vec<SavedRun> =
        args.runs.iter().map(|run| SavedRun::read(run)).collect::<Result<_, _>>()?;
    let first = runs.first().expect("clap asks for a run or a table");
    let held: Vec<SavedRun> =
        args.validate.iter().map(|run| SavedRun::read(run)).collect::<Result<_, _>>()?;
    let all = || runs.iter().chain(&held);
    if let Some(other) = all().find(|run| run.runtime != first.runtime) {
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
    let live: Vec<LiveRun> = runs.iter().map(|run| run.live.clone()).collect();
    let mut seen = live_series(&live, keeps);
    if seen.stages.is_empty() {
        return Err(Failure::new(Exit::Usage, "these runs hold no operation that succeeded")
            .help("drive sessions that start sandboxes, for instance `--set live.sessions=50`"));
    }
    if let Some(file) = &args.probe {
        seen.numbers.push(memory_overhead(file, &first.runtime)?);
    }
    let told = |run: &SavedRun| {
        let not = if run.valid { "" } else { " (not valid)" };
        format!("{}{not}", run.directory.display())
    };
    let directories: Vec<String> = runs.iter().map(told).collect();
    for run in all().filter(|run| !run.valid) {
        notes.push(format!(
            "warning: {} is not a valid run, for its driver could not keep up: its operations may have waited for \
             the driver; drive it again on a quieter machine",
            run.directory.display()
        ));
    }
    for run in all() {
        let stolen = run.live.machine.map_or(0.0, |machine| machine.stolen_from_one());
        if stolen <= MachineRecord::STOLEN_AT_MOST {
            continue;
        }
        notes.push(format!(
            "{}: the hypervisor gave {:.0}% of the CPU time that one operation wants to others: its times but \
             for I/O wait are taken as {:.2} of what they were",
            run.directory.display(),
            stolen * 100.0,
            1.0 - stolen
        ));
    }
    let Crowded { left_out, kept, of } = seen.crowded;
    if left_out > 0 {
        notes.push(format!(
            "{left_out} of {of} operations found no core of the machine free and are not fitted: predictions of live \
             runs share the cores anew"
        ));
    }
    if kept > 0 {
        notes.push(format!(
            "warning: {kept} of {of} operations found no core of the machine free and are fitted, for too few others \
             of their kind are there: predictions of live runs count their waiting twice; drive at a lower load too"
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
    let unseen = |run: SavedRun| {
        let series = seen.unseen(std::slice::from_ref(&run.live), keeps);
        Unseen { what: run.directory.display().to_string(), series, run: Some(run) }
    };
    let unseen = held.into_iter().map(unseen).collect();
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| format!("{}-{}", first.scenario, first.runtime));
    Ok(Group { name, tier, keeps, about, seen, unseen })
}

/// Whole turns of a live run, predicted by a profile: the identical sessions are simulated.
///
/// # Errors
/// If its scenario or trace cannot be read again, or it was not driven to its end.
pub(super) fn foretold(run: &SavedRun, profile: &TwinProfile) -> Result<Option<Foretold>, Failure> {
    let shown = run.directory.display().to_string();
    if !run.whole {
        let message = "it was cut short, or dropped sessions at a cap";
        return Err(Failure::new(Exit::Usage, message));
    }
    // A trace stands where it stood beside the scenario's file.
    let file = Path::new(&run.file);
    let outcome = Loader::default().load_text(&run.file, &run.piece, &[], &|_, _, _| {});
    let Some(loaded) = outcome.loaded else {
        let text = outcome.render(false);
        return Err(Failure::new(
            Exit::Usage,
            format!("its scenario cannot be read again: {text}"),
        ));
    };
    let ready = load::with_trace(loaded, file)?;
    let scenario = &ready.loaded.value;
    let Some(live) = &scenario.live else { return Ok(None) };
    let set = RunOptions { compression: live.compress_time.0, sessions: Some(live.sessions) };
    let setup = Setup::new(scenario, ready.recorded, &set)
        .map_err(|error| Failure::of(Exit::Usage, &error))?;
    let (turns, machine) = (&run.live.samples.turns, run.live.machine);
    let (setup, watch) = (Arc::new(setup), Arc::default());
    let error = study::foretold(&setup, turns, live.sessions, (profile, machine), &watch);
    Ok(error.map(|error| Foretold { run: shown, error }))
}
