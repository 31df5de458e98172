//! `plimsoll doctor`: what works on this machine, and a self-test of the driver.

use serde_json::json;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::options::Format;
use crate::drive::doctor::{Finding, StallPlan, Status, examine, stall_self_test};
use crate::drive::runtime::process::ProcessConfig;
use crate::report::number::{percent, three};
use crate::report::{Cell, Table, Tone, number_head, text_head};

const EXAMPLES: &str = "\
Examples:
  plimsoll doctor             which backends work here, and how to mend what does not
  plimsoll doctor --stall     does the driver see a backend that stops for 500 ms?

Exit codes: 0 live runs work, 1 the self-test failed, 3 something needed is missing";

/// Arguments of `doctor`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Self-test of the driver against a backend that stops once; takes five seconds
    #[arg(long)]
    stall: bool,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    if args.stall { stall(console) } else { examined(console) }
}

fn examined(console: &Console) -> Result<Exit, Failure> {
    let config = ProcessConfig::here().map_err(|error| Failure::of(Exit::Environment, &error))?;
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let tokio = tokio.map_err(|error| Failure::of(Exit::Environment, &error))?;
    let findings = tokio.block_on(examine(config));
    if console.format == Format::Json {
        console.json(&findings);
    } else {
        console.tables(&[table(&findings)]);
    }
    let missing = findings.iter().any(|finding| finding.status == Status::Missing);
    Ok(if missing { Exit::Environment } else { Exit::Yes })
}

fn table(findings: &[Finding]) -> Table {
    let heads = vec![text_head("what"), text_head("status"), text_head("seen")];
    let mut table = Table::new("This machine", heads);
    for finding in findings {
        let status = match finding.status {
            Status::Works => Cell::toned("WORKS", Tone::Good),
            Status::Degraded => Cell::toned("DEGRADED", Tone::Unsure),
            Status::Absent => Cell::toned("ABSENT", Tone::Unsure),
            Status::Missing => Cell::toned("MISSING", Tone::Bad),
        };
        table.row([finding.name.as_str().into(), status, finding.detail.as_str().into()]);
        if let Some(mend) = &finding.mend {
            table.notes.push(format!("{}: {mend}", finding.name));
        }
    }
    table
}

fn stall(console: &Console) -> Result<Exit, Failure> {
    let report = stall_self_test(StallPlan::default())
        .map_err(|error| Failure::of(Exit::Environment, &error))?;
    let passes = report.passes();
    if console.format == Format::Json {
        console.json(&json!({
            "passes": passes,
            "planned": report.planned,
            "started": report.started,
            "p99_reported_s": report.p99_reported.seconds(),
            "p99_true_s": report.p99_true.seconds(),
            "error": report.error().0,
            "lateness_p99_s": report.lateness.p99().seconds(),
        }));
    } else {
        let ms = |span: crate::units::Span| three(span.seconds() * 1e3);
        let heads = vec![
            text_head("self-test"),
            number_head("planned"),
            number_head("started"),
            number_head("p99 reported ms"),
            number_head("p99 true ms"),
            number_head("error"),
            number_head("driver late p99 ms"),
        ];
        let mut table = Table::new("A backend that stops once", heads);
        let word = if passes {
            Cell::toned("PASSES", Tone::Good)
        } else {
            Cell::toned("FAILS", Tone::Bad)
        };
        table.row([
            word,
            report.planned.to_string().into(),
            report.started.to_string().into(),
            ms(report.p99_reported).into(),
            ms(report.p99_true).into(),
            percent(report.error().0).into(),
            ms(report.lateness.p99()).into(),
        ]);
        table.notes.push(
            "the truth follows from the schedule alone; at most 2% off, and nothing dropped"
                .to_owned(),
        );
        console.tables(&[table]);
    }
    Ok(if passes { Exit::Yes } else { Exit::No })
}
