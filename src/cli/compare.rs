//! `plimsoll compare --live`: the same sessions through several runtimes.

use std::sync::Arc;

use serde::Serialize;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::live;
use super::load::{self, Ready};
use super::observed::{Look, observed};
use super::options::{Format, RunOptions, ScenarioOptions};
use super::results::{Results, unwritable};
use crate::conduct::Setup;
use crate::drive::probe::{Observation, Scale};
use crate::drive::{LiveFinish, LiveOutcome};
use crate::report::{ObservedRuntime, Table, html, observed_tables, tier_tables, write_text};
use crate::scenario::types::{Live, RuntimeName, Target};
use crate::study::{self, TierComparison};

const EXAMPLES: &str = "\
Examples:
  plimsoll compare --live scenarios/tiers.yaml --runtimes process,runc,runsc,microvm
  plimsoll compare --live my-platform.yaml --runtimes process,runc --passes 4 --format markdown

Each pass drives the scenario's live piece once through every runtime, in alternating order. The first
runtime is what the others are held against.
Exit codes: 0 compared, 2 usage, 3 a runtime is not available, 4 a drive was cut short or is not valid";

/// Arguments of `compare`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioOptions,
    /// Drive real runtimes
    #[arg(long, required = true, help_heading = "Runtimes")]
    live: bool,
    /// Runtimes, the first being the reference: process, runc, crun, runsc, microvm, docker, shared
    #[arg(
        long,
        value_name = "A,B,…",
        value_delimiter = ',',
        required = true,
        value_parser = runtime,
        help_heading = "Runtimes"
    )]
    runtimes: Vec<RuntimeName>,
    /// Times that each runtime is driven
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=100),
        help_heading = "Runtimes"
    )]
    passes: u32,
    /// Do not look into sandboxes: no isolation, memory, contention
    #[arg(long, help_heading = "Runtimes")]
    no_probe: bool,
    #[command(flatten)]
    options: RunOptions,
}

fn runtime(name: &str) -> Result<RuntimeName, String> {
    serde_json::from_value(name.into()).map_err(|_| {
        "known are process, runc, crun, runsc, oci, microvm, docker, shared".to_owned()
    })
}

fn name(runtime: RuntimeName) -> String {
    let json = serde_json::to_value(runtime).expect("a name is a string");
    json.as_str().expect("a name is a string").to_owned()
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    scenario: &'a str,
    #[serde(flatten)]
    comparison: &'a TierComparison,
    observed: Vec<Seen>,
}

/// A runtime as it was observed.
#[derive(Serialize)]
struct Seen {
    runtime: String,
    observation: Observation,
    scale: Option<Scale>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let mut runtimes = args.runtimes.clone();
    runtimes.dedup();
    if runtimes.len() < 2 || runtimes.iter().enumerate().any(|(i, r)| runtimes[..i].contains(r)) {
        let message = "`--runtimes` wants two or more different runtimes";
        return Err(Failure::new(Exit::Usage, message).help("such as `--runtimes process,runc`"));
    }
    let ready = load::ready(&args.scenario, console)?;
    let live = live::options(&ready.loaded.value)?.clone();
    let results = Results::prepare(&ready.loaded.value, &args.scenario, &args.options)?;
    let interrupt = Interrupt::listen();
    let (driven, exit) = drive(&ready, &live, &runtimes, args.passes, &interrupt, console)?;
    if driven.len() < runtimes.len() {
        let message = "stopped before every runtime was driven once: there is nothing to compare";
        return Err(Failure::new(exit, message));
    }
    // Only whole passes, so that each runtime was driven as often as the others.
    let whole = driven.len() / runtimes.len() * runtimes.len();
    let comparison = study::tiers(&driven[..whole], ready.loaded.value.experiment.seed);
    let mut answer = Answer {
        schema: "plimsoll/compare/1",
        scenario: &ready.loaded.value.name,
        comparison: &comparison,
        observed: Vec::new(),
    };
    if exit == Exit::Yes && !args.no_probe {
        // Drives take long: what they found is kept, whatever comes of the looking.
        keep(&results, &answer)?;
        // The looks have sandboxes to remove before the process may end.
        interrupt.set_simulating(false);
        answer.observed = look(&live, &runtimes, console)?;
        interrupt.set_simulating(true);
    }
    let tables = keep(&results, &answer)?;
    results.finish(&[], "none: live runs are measured from their start")?;
    match console.format {
        Format::Json => console.json(&answer),
        _ => console.tables(&tables),
    }
    console.note(&format!(
        "compared in {:.1} s; results in {}",
        results.seconds(),
        results.directory.display()
    ));
    let invalid = driven.iter().any(|(_, outcome)| outcome.invalid().is_some());
    Ok(if exit == Exit::Yes && invalid { Exit::Inconclusive } else { exit })
}

/// All passes: forwards, backwards, forwards.
fn drive(
    ready: &Ready,
    live: &Live,
    runtimes: &[RuntimeName],
    passes: u32,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<(Vec<(String, LiveOutcome)>, Exit), Failure> {
    let (piece, set) = study::piece(&ready.loaded.value, live);
    let recorded = ready.recorded.as_ref().map(Arc::clone);
    let setup = Setup::new(&piece, recorded, &set);
    let setup = Arc::new(setup.map_err(|error| Failure::of(Exit::Usage, &error))?);
    let mut driven = Vec::new();
    for pass in 0..passes {
        let mut turn = runtimes.to_vec();
        if pass % 2 == 1 {
            turn.reverse();
        }
        for runtime in turn {
            let options = Live { target: target(live, runtime), ..live.clone() };
            let what = format!("driving {}, pass {} of {passes}", name(runtime), pass + 1);
            let outcome = live::pass(&setup, &options, &what, interrupt, console)?;
            let exit = match outcome.finish {
                LiveFinish::Complete => Exit::Yes,
                LiveFinish::Interrupted => Exit::Interrupted,
                LiveFinish::CutShort => Exit::Inconclusive,
            };
            if exit != Exit::Yes {
                let name = name(runtime);
                console.note(&format!("pass {} of {name} was cut short and is left out", pass + 1));
                return Ok((driven, exit));
            }
            driven.push((name(runtime), outcome));
        }
    }
    Ok((driven, Exit::Yes))
}

/// What a scenario says of a runtime, where it is the one it names.
fn target(live: &Live, runtime: RuntimeName) -> Target {
    if runtime == live.target.runtime { live.target.clone() } else { Target::of(runtime) }
}

/// Looks into sandboxes of each runtime.
fn look(live: &Live, runtimes: &[RuntimeName], console: &Console) -> Result<Vec<Seen>, Failure> {
    let mut all = Vec::new();
    for runtime in runtimes {
        let runtime = *runtime;
        console.note(&format!("looking into sandboxes of {}", name(runtime)));
        match observed(&target(live, runtime), Look::Many)
            .map_err(|error| live::unavailable(&error))?
        {
            Some((observation, scale)) => {
                all.push(Seen { runtime: name(runtime), observation, scale });
            }
            None => break,
        }
    }
    Ok(all)
}

/// Writes the answer as JSON and as a page; its tables.
fn keep(results: &Results, answer: &Answer<'_>) -> Result<Vec<Table>, Failure> {
    let mut tables = tier_tables(answer.comparison);
    let seen: Vec<ObservedRuntime<'_>> = answer
        .observed
        .iter()
        .map(|seen| (seen.runtime.as_str(), &seen.observation, seen.scale.as_ref()))
        .collect();
    if !seen.is_empty() {
        tables.extend(observed_tables(&seen));
    }
    let json = serde_json::to_string_pretty(answer).expect("names are strings") + "\n";
    write_text(&results.directory, "compare.json", &json).map_err(unwritable)?;
    let page = html(&format!("{}: runtimes side by side", answer.scenario), &tables, &[]);
    let page = page.map_err(|error| Failure::of(Exit::Bug, &error))?;
    write_text(&results.directory, "report.html", &page).map_err(unwritable)?;
    Ok(tables)
}
