//! `plimsoll probe`: what a runtime's sandboxes really are, found out from inside them.

use std::fs;
use std::path::PathBuf;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::observed::{Look, observed};
use super::options::Format;
use crate::drive::DriveError;
use crate::drive::probe::{Observation, SandboxCost, Verdict};
use crate::report::number::three;
use crate::report::{Cell, Table, Tone, number_head, text_head};
use crate::scenario::types::{RuntimeName, Target, TargetNetwork};

const EXAMPLES: &str = "\
Examples:
  plimsoll probe --runtime process
  plimsoll probe --runtime runc --runtime runsc --runtime microvm --measure
  plimsoll probe --runtime shared --program runc --format json
  plimsoll probe --runtime docker --socket /run/podman/podman.sock --out results/probe

Exit codes: 0 as expected, 1 a runtime claims what does not hold, 3 a runtime is not
available, 4 a probe says nothing";

/// Arguments of `probe`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A runtime: process, runc, crun, runsc, oci, microvm, docker, shared; may be repeated
    #[arg(long, required = true, value_name = "NAME", value_parser = runtime)]
    runtime: Vec<RuntimeName>,
    /// Its program, as `live.target.program`
    #[arg(long, value_name = "PROGRAM", help_heading = "Runtime")]
    program: Option<String>,
    /// Arguments before its command, as `live.target.flags`; may be repeated
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true, help_heading = "Runtime")]
    flags: Option<Vec<String>>,
    /// The kernel of virtual machines, as `live.target.kernel`
    #[arg(long, value_name = "FILE", help_heading = "Runtime")]
    kernel: Option<String>,
    /// The socket of a container engine, as `live.target.socket`
    #[arg(long, value_name = "FILE", help_heading = "Runtime")]
    socket: Option<String>,
    /// Containers have the host's network, as `live.target.network: host`
    #[arg(long, help_heading = "Runtime")]
    host_network: bool,
    /// Sessions in one shared container
    #[arg(long, value_name = "N", help_heading = "Runtime", value_parser = clap::value_parser!(u64).range(1..))]
    sessions_per_sandbox: Option<u64>,
    /// Measure what a sandbox costs, too: parts of its start, memory, how much slower work is
    #[arg(long)]
    measure: bool,
    /// Directory in which to keep the observations
    #[arg(
        long,
        value_name = "DIR",
        env = "PLIMSOLL_OUT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    out: Option<PathBuf>,
}

/// A runtime by its name in scenarios.
fn runtime(text: &str) -> Result<RuntimeName, String> {
    // The stand-in has no sandboxes to look into.
    let known = serde_json::from_value(text.into()).ok().filter(|it| *it != RuntimeName::Instant);
    known.ok_or_else(|| {
        "expected process, runc, crun, runsc, oci, microvm, docker or shared".to_owned()
    })
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out).map_err(|error| Failure::of(Exit::Environment, &error))?;
    }
    let mut observations = Vec::new();
    let mut missing = Vec::new();
    for name in &args.runtime {
        console.note(&format!("probing {}", word(*name)));
        match probed(args, *name) {
            Ok(Some(observation)) => observations.push(observation),
            Ok(None) => return Ok(Exit::Interrupted),
            Err(error) if args.runtime.len() == 1 => return Err(unavailable(&error)),
            Err(error) => missing.push(format!("{}: {error}", word(*name))),
        }
    }
    if let Some(out) = &args.out {
        keep(out, &observations)?;
    }
    if console.format == Format::Json {
        console.json(&observations);
    } else {
        console.tables(&tables(&observations, &missing));
    }
    Ok(exit(&observations, &missing))
}

fn word(name: RuntimeName) -> String {
    serde_json::to_value(name)
        .ok()
        .and_then(|word| Some(word.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn exit(observations: &[Observation], missing: &[String]) -> Exit {
    if observations.iter().any(Observation::broken) {
        Exit::No
    } else if !missing.is_empty() {
        Exit::Environment
    } else if observations.iter().any(Observation::void) {
        Exit::Inconclusive
    } else {
        Exit::Yes
    }
}

fn unavailable(error: &DriveError) -> Failure {
    Failure::of(Exit::Environment, error).help("`plimsoll doctor` tells what works on this machine")
}

/// What is observed of a runtime, used as the arguments say; nothing if interrupted.
fn probed(args: &Args, name: RuntimeName) -> Result<Option<Observation>, DriveError> {
    let target = Target {
        program: args.program.clone(),
        flags: args.flags.clone(),
        kernel: args.kernel.clone(),
        socket: args.socket.clone(),
        network: args.host_network.then_some(TargetNetwork::Host),
        sessions_per_sandbox: args.sessions_per_sandbox,
        ..Target::of(name)
    };
    let look = if args.measure { Look::Cost } else { Look::Inside };
    Ok(observed(&target, look)?.map(|(observation, _)| observation))
}

fn keep(out: &std::path::Path, observations: &[Observation]) -> Result<(), Failure> {
    let written = serde_json::json!({
        "schema": "plimsoll/probe/1",
        "version": env!("CARGO_PKG_VERSION"),
        "at": jiff::Timestamp::now().to_string(),
        "observations": observations,
    });
    let text = serde_json::to_string_pretty(&written).expect("observations have string keys only");
    let text = text + "\n";
    fs::write(out.join("probe.json"), text)
        .and_then(|()| {
            let tables = tables(observations, &[]);
            let texts: Vec<String> = tables.iter().map(Table::markdown).collect();
            fs::write(out.join("probe.md"), texts.join("\n"))
        })
        .map_err(|error| {
            Failure::of(Exit::Environment, &error).help("`--out DIR` names another directory")
        })
}

fn tables(observations: &[Observation], missing: &[String]) -> Vec<Table> {
    let mut tables = vec![tiers(observations, missing)];
    let costs: Vec<(&str, &SandboxCost)> = observations
        .iter()
        .filter_map(|seen| Some((seen.runtime.as_str(), seen.cost.as_ref()?)))
        .collect();
    if !costs.is_empty() {
        tables.push(cost_table(&costs));
    }
    tables.extend(observations.iter().map(findings));
    tables
}

fn tiers(observations: &[Observation], missing: &[String]) -> Table {
    let heads = vec![
        text_head("runtime"),
        text_head("observed tier"),
        number_head("hold"),
        number_head("broken"),
        number_head("open"),
        number_head("void"),
        text_head("because"),
    ];
    let mut table = Table::new("What sandboxes are, by what was observed in them", heads);
    for seen in observations {
        let count = |verdict| {
            seen.findings.iter().filter(|finding| finding.verdict == verdict).count().to_string()
        };
        table.row([
            seen.runtime.as_str().into(),
            seen.tier.name().into(),
            count(Verdict::Holds).into(),
            count(Verdict::Broken).into(),
            count(Verdict::Open).into(),
            count(Verdict::Void).into(),
            seen.because.join("; ").into(),
        ]);
    }
    table.notes.extend(missing.iter().map(|why| format!("not available: {why}")));
    table.notes.push(
        "open: not so, and not claimed; void: the control did not fire, so the probe says nothing"
            .into(),
    );
    table
}

fn findings(seen: &Observation) -> Table {
    let heads =
        vec![text_head("probe"), text_head("verdict"), text_head("observed"), text_head("control")];
    let mut table = Table::new(format!("{}: {}", seen.runtime, seen.tier.name()), heads);
    for finding in &seen.findings {
        let verdict = match finding.verdict {
            Verdict::Holds => Cell::toned("HOLDS", Tone::Good),
            Verdict::Broken => Cell::toned("BROKEN", Tone::Bad),
            Verdict::Open => Cell::toned("OPEN", Tone::Unsure),
            Verdict::Void => Cell::toned("VOID", Tone::Unsure),
            Verdict::Reported => Cell::from("reported"),
        };
        let control = &finding.control;
        let fired = if control.fired { "" } else { "DID NOT FIRE: " };
        table.row([
            finding.probe.as_str().into(),
            verdict,
            finding.observed.as_str().into(),
            format!("{fired}{}", control.at).into(),
        ]);
    }
    let lost = seen.lost.iter();
    table.notes.extend(lost.map(|lost| format!("not had here: {}: {}", lost.what, lost.why)));
    table
}

fn cost_table(costs: &[(&str, &SandboxCost)]) -> Table {
    let heads = vec![
        text_head("runtime"),
        number_head("image ms"),
        number_head("boot ms"),
        number_head("guest ms"),
        number_head("first exec ms"),
        number_head("exec ms"),
        number_head("destroy ms"),
        number_head("idle MiB"),
        number_head("overhead MiB"),
        number_head("CPU"),
        number_head("memory"),
        number_head("files"),
        number_head("sync"),
    ];
    let mut table = Table::new("What a sandbox costs", heads);
    let ms = |seconds: f64| three(seconds * 1e3);
    let mib = |bytes: crate::units::Bytes| three(bytes.0 as f64 / f64::from(1 << 20));
    for (runtime, cost) in costs {
        table.row([
            (*runtime).into(),
            ms(cost.image_s).into(),
            ms(cost.boot_s).into(),
            ms(cost.guest_s).into(),
            ms(cost.first_exec_s).into(),
            ms(cost.exec_s).into(),
            ms(cost.destroy_s).into(),
            mib(cost.idle.bytes).into(),
            cost.overhead.map_or_else(|| "-".to_owned(), mib).into(),
            three(cost.factors.cpu).into(),
            three(cost.factors.memory).into(),
            three(cost.factors.file).into(),
            three(cost.factors.sync).into(),
        ]);
    }
    let starts = costs.iter().map(|(_, cost)| cost.starts).max().unwrap_or(0);
    table.notes.push(format!(
        "medians of {starts} starts, one after the other; idle: PSS and memory files of all its host processes; \
         overhead: the same while a call holds memory, less what that asked for; the last four: median ratios of \
         the times of the same work inside and outside, done by turns"
    ));
    table
}
