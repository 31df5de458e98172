//! `plimsoll cost`: a saved run's cost line by line, at its own rates or at others.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::options::Format;
use crate::billing::{Cost, Rates};
use crate::measure::record::Run;
use crate::measure::reprice;
use crate::report::{cost_tables, headline};
use crate::scenario::source::{self, Sources};
use crate::scenario::types::RateCard;
use crate::scenario::{Origin, Preset, PresetKind, Presets};

const EXAMPLES: &str = "\
Examples:
  plimsoll cost results/fleet/20260901T120000Z-1234abcd
  plimsoll cost run.json --rates e2b-rates
  plimsoll cost run.json --rates my-rates.yaml --format json

A file of rates is written as `platform.rates` in a scenario, or as a preset with
`kind: rates`, `values` and `notes` (see `plimsoll show preset e2b-rates`).";

/// The key of the platform's rate card in a scenario.
const CARD: &str = "platform.rates.";

/// Arguments of `cost`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run's run.json, or the directory with it
    run: PathBuf,
    /// Price it at another rate card: a preset's name or a file; hosts and models keep their prices
    #[arg(long, value_name = "NAME|FILE")]
    rates: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let mut run = read(&args.run)?;
    let card = args.rates.as_deref().map(Card::find).transpose()?;
    run.cost = priced(&run, card.as_ref(), args)?;
    if let Some(card) = &card {
        told(&run, card, console);
    }
    match console.format {
        Format::Json => console.json(&run.cost),
        Format::Csv => console.tables(&cost_tables(&run)),
        Format::Table | Format::Markdown => {
            console.answer(&format!("{}\n\n", headline(&run)));
            console.tables(&cost_tables(&run));
        }
    }
    Ok(Exit::Yes)
}

/// The run's cost at the card, or at its own.
fn priced(run: &Run, card: Option<&Card>, args: &Args) -> Result<Cost, Failure> {
    let own = &run.cost.rates;
    let rates = card
        .map_or_else(|| own.clone(), |card| Rates { platform: card.values.clone(), ..own.clone() });
    let mut cost = reprice(run, &rates).map_err(|lacks| {
        let message =
            format!("these rates charge by what the run did not record: {}", lacks.join(", "));
        let with = match &args.rates {
            Some(name) if !Path::new(name).is_file() => format!("`--set platform.rates={name}`"),
            _ => "these `platform.rates`".to_owned(),
        };
        Failure::new(Exit::Usage, message).help(format!(
            "simulate the scenario with {with}: a run records what its own card needs"
        ))
    })?;
    let before = |key: &str| run.cost.lines.iter().find(|line| line.key == key)?.source.clone();
    cost.trace(|key| match (card, key.strip_prefix(CARD)) {
        (Some(card), Some(rest)) => card.origin(rest),
        _ => before(key),
    });
    Ok(cost)
}

/// What a reader of a repriced run should know.
fn told(run: &Run, card: &Card, console: &Console) {
    let own = run.cost.rates.hosts.values().any(|host| host.price != Default::default());
    let by_sandbox =
        run.cost.lines.iter().any(|line| line.key.starts_with("platform.rates.compute."));
    if own && by_sandbox {
        console.note(
            "note: compute is charged twice: the run's hosts keep their price, and these rates charge sandboxes too",
        );
    }
    console.note(&format!("note: priced at {}; what happened in the run is as it was", card.name));
}

/// Reads a record.
fn read(path: &Path) -> Result<Run, Failure> {
    let file = if path.is_dir() { path.join("run.json") } else { path.to_owned() };
    Run::from_json(&text(&file)?).map_err(|error| {
        Failure::new(Exit::Usage, format!("{}: {error}", file.display()))
            .help("give the `run.json` of a run, as `plimsoll simulate` writes it")
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display()))
    })
}

/// A rate card and where its prices come from.
struct Card {
    name: String,
    values: RateCard,
    from: From,
}

/// What a rate card was read from.
enum From {
    Preset(Box<Preset>),
    File { path: String, text: String },
}

#[derive(Deserialize)]
struct Values {
    values: RateCard,
}

impl Card {
    /// The card of this name: a file that is there, else a preset.
    fn find(named: &str) -> Result<Self, Failure> {
        let path = Path::new(named);
        if path.is_file() {
            return Card::of_file(path);
        }
        let all = Presets::embedded();
        let preset = all.find(PresetKind::Rates, named).ok_or_else(|| {
            let unknown = all.unknown(PresetKind::Rates, named);
            let failure = Failure::new(Exit::Usage, unknown.message);
            failure.help(unknown.help.unwrap_or_default())
        })?;
        let values = serde_yaml::from_str::<Values>(&preset.text)
            .map_err(|error| Failure::of(Exit::Bug, &error))?
            .values;
        let from = From::Preset(Box::new(preset.clone()));
        Ok(Card { name: format!("the rates {}", preset.id()), values, from })
    }

    fn of_file(path: &Path) -> Result<Self, Failure> {
        let (name, text) = (path.display().to_string(), text(path)?);
        let fail = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format!("{name}: {error}"))
                .help("write it as `platform.rates` in a scenario: `compute: {vcpu: $0.05/h}`")
        };
        if let Ok(preset) = Preset::read(&name, &text) {
            let values =
                serde_yaml::from_str::<Values>(&text).map_err(|error| fail(&error))?.values;
            return Ok(Card { name, values, from: From::Preset(Box::new(preset)) });
        }
        let values = serde_yaml::from_str::<RateCard>(&text).map_err(|error| fail(&error))?;
        Ok(Card { from: From::File { path: name.clone(), text }, name, values })
    }

    /// Where a price of the card stands.
    fn origin(&self, key: &str) -> Option<Origin> {
        let mut sources = Sources::default();
        match &self.from {
            From::Preset(preset) => {
                let tree = preset.values(&mut sources);
                let path = source::Path::find(key, &tree).ok()?;
                let note = preset.note(&path);
                Some(Origin::Preset {
                    preset: preset.id(),
                    mark: note.map(|note| note.mark),
                    source: note.map(|note| note.source.clone()),
                    date: note.map(|note| note.date.clone()),
                })
            }
            From::File { path: name, text } => {
                let id = sources.add(name.as_str(), text.as_str(), source::SourceKind::File);
                let tree = source::parse(id, text, &mut Vec::new())?;
                let place = tree.place_at(&source::Path::find(key, &tree).ok()?);
                let source::LineColumn { line, column } = sources.line_column(place);
                Some(Origin::File { path: name.clone(), line, column })
            }
        }
    }
}
