//! The command line: one file a command, each of them parse → resolve → call → render → exit code.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | yes: all boundaries as expected, no regression |
//! | 1 | no: a boundary broken that was not expected to be, a regression |
//! | 2 | usage, or a scenario or file that is not valid |
//! | 3 | backend or environment not available |
//! | 4 | inconclusive, or a run cut short; partial results are kept and marked |
//! | 70 | a bug |
//! | 130 | interrupted |

mod calibrate;
mod check;
mod clean;
mod compare;
mod console;
mod cost;
mod doctor;
mod drive;
mod exit;
mod failure;
mod fleet;
mod gate;
mod init;
mod interrupt;
mod live;
mod load;
mod observed;
mod options;
mod plan;
mod probe;
mod progress;
mod results;
mod run;
mod saved_probe;
mod saved_run;
mod show;
mod simulate;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::panic;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::Console;
pub use exit::Exit;
use options::Everywhere;

const EXAMPLES: &str = "\
Examples:
  plimsoll init my-platform                   write a commented starter scenario
  plimsoll check my-platform.yaml             explain it without running anything
  plimsoll run my-platform.yaml               simulate it, drive it live, compare the two

Exit codes: 0 yes, 1 no, 2 usage or invalid file, 3 backend not available,
4 inconclusive or cut short, 70 a bug, 130 interrupted";

/// Finds the load line of an AI-agent platform: simulated at any scale, driven live, and compared.
#[derive(Debug, Parser)]
#[command(
    name = "plimsoll",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
struct Cli {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate a scenario, drive a piece of it live, and compare the two: the main job
    Run(run::Args),
    /// Simulate a scenario at its full scale
    Simulate(simulate::Args),
    /// Drive a scenario's live piece against a real backend
    Drive(drive::Args),
    /// Drive the same sessions through several runtimes and hold them against each other
    Compare(compare::Args),
    /// Validate and explain a scenario without running anything
    Check(check::Args),
    /// Write a commented starter scenario
    Init(init::Args),
    /// Show the scenario language, presets, or a resolved scenario
    Show(show::Args),
    /// Find the smallest value of one setting that holds every boundary
    Plan(plan::Args),
    /// Show what a saved run costs, line by line, at its own rates or at others
    Cost(cost::Args),
    /// Hold a candidate's record against a baseline's
    Gate(gate::Args),
    /// Find out from inside what a runtime's sandboxes isolate, keep and limit
    Probe(probe::Args),
    /// Fit a platform profile to live runs or samples, and state its error on others
    Calibrate(Box<calibrate::Args>),
    /// Tell what works on this machine and what is missing
    Doctor(doctor::Args),
    /// Remove what a killed live run left behind
    Clean(clean::Args),
}

/// Runs the command of a command line, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // What runs inside a sandbox: before anything else, for it must have one thread only.
    if args.get(1).is_some_and(|command| command == "guest") {
        return crate::drive::guest::main(args.into_iter().skip(2));
    }
    panic::set_hook(Box::new(report_bug));
    match panic::catch_unwind(|| dispatch(args)) {
        Ok(exit) => exit.into(),
        Err(_) => Exit::Bug.into(),
    }
}

/// Runs a command and renders its failure.
fn dispatch(args: Vec<OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that has gone away had enough help.
            let _gone = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Yes };
        }
    };
    let console = Console::new(&cli.everywhere);
    let outcome = match &cli.command {
        Command::Run(args) => run::run(args, &console),
        Command::Simulate(args) => simulate::run(args, &console),
        Command::Drive(args) => drive::run(args, &console),
        Command::Compare(args) => compare::run(args, &console),
        Command::Check(args) => check::run(args, &console),
        Command::Init(args) => init::run(args, &console),
        Command::Show(args) => show::run(args, &console),
        Command::Plan(args) => plan::run(args, &console),
        Command::Cost(args) => cost::run(args, &console),
        Command::Gate(args) => gate::run(args, &console),
        Command::Probe(args) => probe::run(args, &console),
        Command::Calibrate(args) => calibrate::run(args, &console),
        Command::Doctor(args) => doctor::run(args, &console),
        Command::Clean(args) => clean::run(args, &console),
    };
    outcome.unwrap_or_else(|failure| {
        console.stderr(&failure.render(console.colour_on_stderr()));
        failure.exit
    })
}

fn report_bug(info: &panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    eprintln!("error: a bug in plimsoll: {text}");
    eprintln!("  --> {at}");
    eprintln!(
        "help: please report it with the scenario and this message; plimsoll {}",
        env!("CARGO_PKG_VERSION")
    );
}
