//! `plimsoll simulate`: a scenario at its full scale, in virtual time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::load::{self, Ready};
use super::options::{Format, RunOptions, ScenarioOptions};
use super::progress::Progress;
use super::results::Results;
use crate::conduct;
use crate::measure::record::Run;
use crate::report::{headline, sections, tidy_csv};
use crate::scenario::types::{Measure, Scenario};
use crate::study::{self, SimulateError, Simulated};
use crate::units::Time;
use crate::workload::trace::{Names, write_plans};

const EXAMPLES: &str = "\
Examples:
  plimsoll simulate scenarios/quickstart.yaml
  plimsoll simulate scenarios/quickstart.yaml --set platform.idle.timeout=5m --format json
  plimsoll simulate scenarios/replay.yaml --set workload.trace.file=trace.csv --export-plans plans.jsonl";

/// Arguments of `simulate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    options: RunOptions,
    /// Also write the session plans of replication 0, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    export_plans: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let ready = load::ready(&args.scenario, console)?;
    ready.notes.iter().for_each(|note| console.note(&format!("note: trace: {note}")));
    let results = Results::prepare(&ready.loaded.value, &args.scenario, &args.options)?;
    if let Some(file) = &args.export_plans {
        export(file, &ready)?;
    }
    let interrupt = Interrupt::listen();
    let simulated = simulate(&ready, args.options.thread_count(), &interrupt, console)?;
    Results::record(&results.directory, &simulated.run, &simulated.totals, &[])?;
    results.finish(&simulated.totals, &simulated.warmup_reason)?;
    print(&simulated.run, console)?;
    console.note(&format!(
        "simulated in {:.1} s (warm-up: {}); results in {}",
        results.seconds(),
        simulated.warmup_reason,
        results.directory.display()
    ));
    Ok(if simulated.interrupted { Exit::Interrupted } else { simulated.outcome.into() })
}

/// Simulates a scenario on its own pool of threads.
pub fn simulate(
    ready: &Ready,
    threads: usize,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<Simulated, Failure> {
    let scenario = &ready.loaded.value;
    let _progress = Progress::simulation("simulating", &interrupt.watch, console);
    let mut simulated = pool(threads)?
        .install(|| {
            let options = conduct::RunOptions::default();
            let recorded = ready.recorded.as_ref().map(Arc::clone);
            study::simulated(scenario, recorded, &options, &ready.notes, &interrupt.watch)
        })
        .map_err(|error| failure(&error))?;
    ready.trace_run(&mut simulated.run);
    Ok(simulated)
}

/// Threads that simulate.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
        Failure::of(Exit::Environment, &error).help("`--threads 1` needs the fewest")
    })
}

/// A simulation that was not made.
pub fn failure(error: &SimulateError) -> Failure {
    let exit = match error {
        SimulateError::NothingMeasured => Exit::Interrupted,
        SimulateError::Design(_) | SimulateError::Boundary { .. } => Exit::Usage,
    };
    Failure::of(exit, error)
}

/// Prints a record in the format asked for.
pub fn print(run: &Run, console: &Console) -> Result<(), Failure> {
    match console.format {
        Format::Json => console.answer(&run.to_json()),
        Format::Csv => {
            let kind = serde_json::to_value(run.kind).unwrap_or_default();
            let name = kind.as_str().unwrap_or_default();
            let table = tidy_csv(&[(name, run)]);
            console.answer(&table.map_err(|error| Failure::of(Exit::Bug, &error))?);
        }
        Format::Table => {
            console.answer(&format!("{}\n\n", headline(run)));
            console.tables(&sections(run));
        }
        Format::Markdown => {
            console.answer(&format!("## {}\n\n", headline(run)));
            console.tables(&sections(run));
        }
    }
    Ok(())
}

/// Writes the plans of the sessions that arrive in replication 0.
fn export(file: &Path, ready: &Ready) -> Result<(), Failure> {
    let scenario = &ready.loaded.value;
    let recorded = ready.recorded.as_ref().map(Arc::clone);
    let setup =
        study::setup(scenario, recorded).map_err(|error| Failure::of(Exit::Usage, &error))?;
    let until = horizon(scenario);
    if until.is_none() && setup.sessions.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "the plans of sessions that arrive for ever cannot be written",
        )
        .help("give `experiment.measure: 24h`; plans of its warm-up, if `auto`, are not written"));
    }
    let arrivals = setup.arrivals(0).enumerate();
    let sessions = arrivals
        .map(|(index, arrival)| (index as u64, arrival))
        .take_while(|(index, at)| {
            until.is_none_or(|until| *at <= until) && setup.sessions.is_none_or(|n| *index < n)
        })
        .map(|(index, arrival)| setup.plans().record(0, index, arrival));
    let sessions: Vec<_> = sessions.collect();
    let names = Names { classes: &scenario.workload.classes, models: &scenario.models };
    let unwritable = |error: std::io::Error| {
        let message = format!("cannot write plans to {}: {error}", file.display());
        Failure::new(Exit::Environment, message)
    };
    let mut out = BufWriter::new(File::create(file).map_err(unwritable)?);
    write_plans(&mut out, &sessions, &names).map_err(|error| {
        Failure::new(
            Exit::Environment,
            format!("cannot write plans to {}: {error}", file.display()),
        )
    })?;
    out.flush().map_err(unwritable)
}

/// The last instant at which a session's arrival is measured; `None` for all of them.
fn horizon(scenario: &Scenario) -> Option<Time> {
    use crate::scenario::types::Warmup;
    let Measure::For(measure) = scenario.experiment.measure else { return None };
    let warmup = match scenario.experiment.warmup {
        Warmup::For(span) => span,
        Warmup::None | Warmup::Auto => crate::units::Span::ZERO,
    };
    Some(Time::ZERO + warmup + measure)
}
