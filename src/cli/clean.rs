//! `plimsoll clean`: removes what a killed live run left, and only that.

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::options::Format;
use crate::drive::journal::{CleanReport, clean, state_directory};
use crate::report::{Table, number_head, text_head};

const EXAMPLES: &str = "\
Examples:
  plimsoll clean
  plimsoll clean --format json

Runs that live are not touched, nor is anything that no journal of a run names.";

/// Arguments of `clean`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Runs the command.
pub fn run(_: &Args, console: &Console) -> Result<Exit, Failure> {
    let state = state_directory().map_err(|error| Failure::of(Exit::Environment, &error))?;
    let report = clean(&state).map_err(|error| Failure::of(Exit::Environment, &error))?;
    if console.format == Format::Json {
        console.json(&report);
    } else {
        console.tables(&[table(&report)]);
    }
    Ok(if report.problems.is_empty() { Exit::Yes } else { Exit::Environment })
}

fn table(report: &CleanReport) -> Table {
    let heads = vec![
        text_head("removed run"),
        number_head("processes"),
        number_head("directories"),
        number_head("snapshots"),
        number_head("control groups"),
        number_head("mounts"),
        number_head("containers"),
        number_head("images"),
    ];
    let mut table = Table::new("Left by killed runs", heads);
    for run in &report.removed {
        table.row([
            run.tag.as_str().into(),
            run.processes.to_string().into(),
            run.directories.to_string().into(),
            run.snapshots.to_string().into(),
            run.cgroups.to_string().into(),
            run.mounts.to_string().into(),
            run.containers.to_string().into(),
            run.images.to_string().into(),
        ]);
    }
    if report.removed.is_empty() {
        table.notes.push("nothing was left".to_owned());
    }
    table.notes.extend(report.live.iter().map(|tag| format!("{tag} lives, and was not touched")));
    table.notes.extend(report.problems.iter().cloned());
    table
}
