//! `plimsoll plan`: the smallest value of one setting that holds every boundary.

use std::sync::Arc;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::load;
use super::options::{Format, RunOptions, ScenarioOptions};
use super::progress::Progress;
use super::simulate;
use crate::conduct;
use crate::plan::{self, PlanVerdict, Search, SearchError, Tried};
use crate::report::plan_table;
use crate::study;

const EXAMPLES: &str = "\
Examples:
  plimsoll plan scenarios/quickstart.yaml \\
      --free platform.capacity.elastic.max_concurrent --from 100 --to 2000
  plimsoll plan my.yaml --free platform.queue.capacity --from 1 --to 500 --format json

Exit codes: 0 found, 1 not even the largest value holds, 4 inconclusive";

/// Arguments of `plan`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    options: RunOptions,
    /// Path of the value that is looked for, a whole number
    #[arg(long, value_name = "PATH", help_heading = "Search")]
    free: String,
    /// Smallest value allowed
    #[arg(long, value_name = "N", help_heading = "Search")]
    from: u64,
    /// Largest value allowed
    #[arg(long, value_name = "N", help_heading = "Search")]
    to: u64,
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        Failure::of(Exit::Usage, &error)
    }
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let scenario = load::scenario(&args.scenario, console)?.value;
    if scenario.boundaries.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "the scenario has no boundaries, so every value holds them all",
        )
        .help("add `boundaries: {cold-start: cold_start.p95 < 10s}`"));
    }
    let search = Search {
        free: args.free.clone(),
        from: args.from,
        to: args.to,
        seed: scenario.experiment.seed,
    };
    let interrupt = Interrupt::listen();
    let pool = simulate::pool(args.options.thread_count())?;
    let plan = plan::plan(search, |value, seed| {
        pool.install(|| try_value(args, value, seed, &interrupt, console))
    })?;
    if let Some(directory) = &args.options.out {
        write(directory, &plan)?;
    }
    match console.format {
        Format::Json => console.json(&plan),
        _ => console.tables(&[plan_table(&plan)]),
    }
    Ok(match plan.verdict {
        PlanVerdict::Found => Exit::Yes,
        PlanVerdict::NoneHolds => Exit::No,
        PlanVerdict::Inconclusive => Exit::Inconclusive,
    })
}

fn try_value(
    args: &Args,
    value: u64,
    seed: u64,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<Tried, Failure> {
    let more = [format!("{}={value}", args.free), format!("experiment.seed={seed}")];
    let outcome = load::outcome(&args.scenario, &more);
    let text = outcome.render(console.colour_on_stderr());
    let loaded = outcome.loaded.ok_or_else(|| Failure::rendered(Exit::Usage, text))?;
    let ready = load::with_trace(loaded, &args.scenario.scenario)?;
    let what = format!("trying {} = {value}", args.free);
    let _progress = Progress::simulation(&what, &interrupt.watch, console);
    let recorded = ready.recorded.as_ref().map(Arc::clone);
    let options = conduct::RunOptions::default();
    let simulated =
        study::simulated(&ready.loaded.value, recorded, &options, &ready.notes, &interrupt.watch)
            .map_err(|error| simulate::failure(&error))?;
    if interrupt.happened() {
        return Err(Failure::new(Exit::Interrupted, "interrupted: the search is not over"));
    }
    Ok(Tried::of(value, seed, &simulated.run, simulated.outcome))
}

fn write(directory: &std::path::Path, plan: &plan::Plan) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(plan).expect("a plan has string keys only") + "\n";
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(directory.join("plan.json"), json));
    written.map_err(|error| {
        Failure::new(
            Exit::Environment,
            format!("cannot write {}: {error}", directory.join("plan.json").display()),
        )
    })
}
