//! `plimsoll drive`: a scenario's live piece against a real backend.

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::live;
use super::load;
use super::options::{RunOptions, ScenarioOptions};
use super::results::Results;
use super::simulate;

const EXAMPLES: &str = "\
Examples:
  plimsoll drive scenarios/quickstart.yaml
  plimsoll drive scenarios/quickstart.yaml --set live.sessions=50 --format json

One live run has no intervals, so boundaries are judged on simulations (`simulate`, `run`).";

/// Arguments of `drive`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    options: RunOptions,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let ready = load::ready(&args.scenario, console)?;
    live::options(&ready.loaded.value)?;
    let results = Results::prepare(&ready.loaded.value, &args.scenario, &args.options)?;
    let interrupt = Interrupt::listen();
    let live = live::drive(&ready, &interrupt, console)?;
    let totals = std::slice::from_ref(&live.outcome.totals);
    Results::record(&results.directory, &live.run, totals, &[])?;
    Results::samples(&results.directory, &live.outcome.samples)?;
    results.finish(totals, "none: a live run is measured from its start")?;
    simulate::print(&live.run, console)?;
    console.note(&format!(
        "driven in {:.1} s; results in {}",
        results.seconds(),
        results.directory.display()
    ));
    Ok(live.exit())
}
