//! `plimsoll gate`: a candidate's record against a baseline's.

use std::fs;
use std::path::{Path, PathBuf};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::options::Format;
use crate::gate::{self, GateVerdict, Tolerances};
use crate::measure::record::Run;
use crate::report::gate_table;

const EXAMPLES: &str = "\
Examples:
  plimsoll gate baseline/run.json candidate/run.json
  plimsoll gate baseline/run.json candidate/run.json --tolerance platform_time.p95=5%
  plimsoll gate baseline/run.json candidate/run.json --tolerance-file tolerances.yaml --format json

Exit codes: 0 pass or improvement, 1 regression, 2 not two simulated records, 4 inconclusive";

/// Arguments of `gate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The baseline's run.json
    base: PathBuf,
    /// The candidate's run.json
    candidate: PathBuf,
    /// Tolerate a relative change, such as `platform_time.p95=5%`; may be repeated
    #[arg(long, value_name = "METRIC.STAT=SHARE", help_heading = "Statistics")]
    tolerance: Vec<String>,
    /// Tolerances as a YAML map; `--tolerance` goes before it
    #[arg(
        long,
        value_name = "FILE",
        env = "PLIMSOLL_TOLERANCE_FILE",
        hide_env_values = true,
        help_heading = "Statistics"
    )]
    tolerance_file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let tolerances = tolerances(args)?;
    let (base, candidate) = (read(&args.base)?, read(&args.candidate)?);
    let gate = gate::gate(&base, &candidate, &tolerances)
        .map_err(|error| Failure::of(Exit::Usage, &error))?;
    match console.format {
        Format::Json => console.json(&gate),
        _ => console.tables(&[gate_table(&gate)]),
    }
    Ok(match gate.verdict {
        GateVerdict::Pass | GateVerdict::Improvement => Exit::Yes,
        GateVerdict::Regression => Exit::No,
        GateVerdict::Inconclusive => Exit::Inconclusive,
    })
}

fn tolerances(args: &Args) -> Result<Tolerances, Failure> {
    let mut tolerances = Tolerances::default();
    if let Some(path) = &args.tolerance_file {
        let text = text(path)?;
        tolerances
            .read(&text)
            .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?;
    }
    for one in &args.tolerance {
        tolerances.set(one).map_err(|error| Failure::of(Exit::Usage, &error))?;
    }
    Ok(tolerances)
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display()))
    })
}

/// Reads a record.
fn read(path: &Path) -> Result<Run, Failure> {
    Run::from_json(&text(path)?).map_err(|error| {
        Failure::new(Exit::Usage, format!("{}: {error}", path.display()))
            .help("give the `run.json` of a simulation, as `plimsoll simulate` writes it")
    })
}
