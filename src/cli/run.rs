//! `plimsoll run`: the main job. Simulated at full scale, driven live, and the live piece simulated
//! too.

use std::sync::Arc;

use serde::Serialize;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::live::{self, Lived};
use super::load::{self, Ready};
use super::options::{Format, RunOptions, ScenarioOptions};
use super::progress::Progress;
use super::results::{Results, unwritable};
use super::simulate;
use crate::measure::Totals;
use crate::measure::record::{ComparisonRecord, Run};
use crate::report::{
    Part, Table, headline, html, model_error_table, sections, tidy_csv, write_text,
};
use crate::study::{self, ModelError, Simulated, TwinProfile};

const EXAMPLES: &str = "\
Examples:
  plimsoll run scenarios/quickstart.yaml
  plimsoll run scenarios/quickstart.yaml --format json > answer.json
  plimsoll run scenarios/quickstart.yaml --set live.sessions=30 --out results/today

Boundaries are judged on the simulation at full scale; a live run that is cut short or not
valid makes the answer inconclusive.";

/// Arguments of `run`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    options: RunOptions,
}

/// The live half with its twin.
struct Second {
    lived: Lived,
    twin: Run,
    twin_totals: Vec<Totals>,
    error: Option<ModelError>,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    simulated: &'a Run,
    live: Option<&'a Run>,
    twin: Option<&'a Run>,
    model_error: Option<&'a ModelError>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let ready = load::ready(&args.scenario, console)?;
    ready.notes.iter().for_each(|note| console.note(&format!("note: trace: {note}")));
    let profile =
        load::profile(&ready.loaded, live::options(&ready.loaded.value)?, &args.scenario.scenario)?;
    let results = Results::prepare(&ready.loaded.value, &args.scenario, &args.options)?;
    let interrupt = Interrupt::listen();
    let threads = args.options.thread_count();
    let mut simulated = simulate::simulate(&ready, threads, &interrupt, console)?;
    if simulated.run.comparison.is_none() && !simulated.interrupted {
        simulated.run.comparison = compared(args, &simulated.run, threads, &interrupt, console)?;
    }
    Results::record(&results.below("simulated")?, &simulated.run, &simulated.totals, &[])?;
    if simulated.interrupted {
        finish(&results, &simulated, None, console)?;
        return Ok(Exit::Interrupted);
    }
    let mut second = second(&ready, profile.as_ref(), threads, &interrupt, console)?;
    if let Some(error) = &second.error {
        simulated.outcome = second.lived.with_model_error(error, &mut simulated.run)?;
        Results::record(&results.below("simulated")?, &simulated.run, &simulated.totals, &[])?;
    }
    let live_totals = std::slice::from_ref(&second.lived.outcome.totals);
    Results::record(&results.below("live")?, &second.lived.run, live_totals, &[])?;
    Results::samples(&results.below("live")?, &second.lived.outcome.samples)?;
    Results::record(&results.below("twin")?, &second.twin, &second.twin_totals, &[])?;
    finish(&results, &simulated, Some(&second), console)?;
    Ok(match second.lived.exit() {
        Exit::Yes => simulated.outcome.into(),
        other => other,
    })
}

/// What stands for traditional computing where a scenario has no baseline.
const TRADITIONAL: &str = "traditional-shared-container";

/// The same sessions on traditional computing, beside a scenario without a baseline of its own.
fn compared(
    args: &Args,
    run: &Run,
    threads: usize,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<Option<Box<ComparisonRecord>>, Failure> {
    let more = format!("baseline.use={TRADITIONAL}");
    let Some(loaded) = load::outcome(&args.scenario, &[more]).loaded else {
        console.note(&format!(
            "note: not compared with traditional computing: the scenario does not load with `baseline: {{use: {TRADITIONAL}}}`"
        ));
        return Ok(None);
    };
    let ready = load::with_trace(loaded, &args.scenario.scenario)?;
    let _progress =
        Progress::simulation("simulating traditional computing", &interrupt.watch, console);
    let found = simulate::pool(threads)?.install(|| {
        study::beside(run, &ready.loaded.value, ready.recorded.clone(), &interrupt.watch)
    });
    let mut found = match found {
        Ok(found) => found,
        Err(error) => {
            console.note(&format!("note: not compared with traditional computing: {error}"));
            None
        }
    };
    if let Some(comparison) = &mut found {
        comparison.against = ready.baseline_preset().unwrap_or_else(|| TRADITIONAL.to_owned());
    }
    Ok(found.map(Box::new))
}

/// Drives the live piece and simulates it.
fn second(
    ready: &Ready,
    profile: Option<&TwinProfile>,
    threads: usize,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<Second, Failure> {
    let lived = live::drive(ready, interrupt, console)?;
    let twin = {
        let _progress = Progress::simulation("simulating the live run", &interrupt.watch, console);
        // The signal that cut the live run short is not meant for its twin.
        let watch = Arc::default();
        simulate::pool(threads)?.install(|| {
            study::twin(&lived.setup, &lived.outcome, lived.again.as_ref(), profile, &watch)
        })
    };
    let twin = twin.map_err(|error| {
        Failure::of(Exit::Inconclusive, &error)
            .help("drive more sessions: the live run left too little to calibrate on")
    })?;
    let mut record = study::twin_record(&lived.piece, &twin);
    live::judge(&mut record, &lived.piece, &lived.isolation)?;
    ready.trace(&mut record.cost);
    let twin_totals = twin.outcomes.into_iter().map(|outcome| outcome.totals).collect();
    Ok(Second { lived, twin: record, twin_totals, error: twin.error })
}

/// Writes what speaks of all records, and prints the answer.
fn finish(
    results: &Results,
    simulated: &Simulated,
    second: Option<&Second>,
    console: &Console,
) -> Result<(), Failure> {
    let error = second.and_then(|second| second.error.as_ref());
    let answer = Answer {
        simulated: &simulated.run,
        live: second.map(|s| &s.lived.run),
        twin: second.map(|s| &s.twin),
        model_error: error,
    };
    let extra: Vec<Table> = error.map(model_error_table).into_iter().collect();
    let json = serde_json::to_string_pretty(&answer).expect("records have string keys only") + "\n";
    write_text(&results.directory, "answer.json", &json).map_err(unwritable)?;
    let page = html(&name(&simulated.run), &extra, &parts(simulated, second));
    let page = page.map_err(|error| Failure::of(Exit::Bug, &error))?;
    write_text(&results.directory, "report.html", &page).map_err(unwritable)?;
    results.finish(&simulated.totals, &simulated.warmup_reason)?;
    print(&answer, &json, &extra, console)?;
    console.note(&format!(
        "done in {:.1} s; results in {}",
        results.seconds(),
        results.directory.display()
    ));
    Ok(())
}

fn name(run: &Run) -> String {
    run.scenario.get("name").and_then(|name| name.as_str()).unwrap_or("plimsoll").to_owned()
}

fn parts<'a>(simulated: &'a Simulated, second: Option<&'a Second>) -> Vec<Part<'a>> {
    let part = |name, run, totals: &'a [Totals]| {
        let series = totals.first().map_or(&[][..], |totals| &totals.series);
        Part { name, run, series }
    };
    let mut parts = vec![part("Simulated at full scale", &simulated.run, &simulated.totals)];
    if let Some(second) = second {
        let live = std::slice::from_ref(&second.lived.outcome.totals);
        parts.push(part("Live", &second.lived.run, live));
        parts.push(part("Twin: the live run simulated", &second.twin, &second.twin_totals));
    }
    parts
}

fn print(
    answer: &Answer<'_>,
    json: &str,
    extra: &[Table],
    console: &Console,
) -> Result<(), Failure> {
    let runs =
        [("simulated", Some(answer.simulated)), ("live", answer.live), ("twin", answer.twin)];
    let runs: Vec<(&str, &Run)> =
        runs.into_iter().filter_map(|(name, run)| Some((name, run?))).collect();
    match console.format {
        Format::Json => console.answer(json),
        Format::Csv => {
            let table = tidy_csv(&runs).map_err(|error| Failure::of(Exit::Bug, &error))?;
            console.answer(&table);
        }
        Format::Table | Format::Markdown => {
            let head = if console.format == Format::Markdown { "## " } else { "== " };
            for (name, run) in runs {
                console.answer(&format!("{head}{name}: {}\n\n", headline(run)));
                console.tables(&brief(name, run));
                console.answer("\n");
            }
            console.tables(extra);
        }
    }
    Ok(())
}

/// Boundaries and stage are the full scale's; the live piece and its twin show their times.
fn brief(name: &str, run: &Run) -> Vec<Table> {
    let all = sections(run);
    if name == "simulated" {
        return all;
    }
    let kept = |table: &Table| matches!(table.title.as_str(), "Times" | "Quality");
    all.into_iter().filter(kept).collect()
}
