//! `plimsoll show`: the scenario language, presets, a resolved scenario.

use serde_json::json;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::load;
use super::options::{Format, ScenarioOptions};
use crate::report::{Table, text_head};
use crate::scenario::diagnostic::closest;
use crate::scenario::types::Scenario;
use crate::scenario::{Preset, Presets, USE_SITES, schema_for};

const EXAMPLES: &str = "\
Examples:
  plimsoll show presets
  plimsoll show preset gpt-5.5
  plimsoll show scenario scenarios/quickstart.yaml --set platform.idle.timeout=5m
  plimsoll show schema > scenarios/schema/scenario.json";

/// Arguments of `show`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// The JSON Schema of scenarios, for editors
    Schema,
    /// All presets
    Presets,
    /// One preset with the source of each number
    Preset {
        /// `name` (the latest) or `name@date`
        name: String,
    },
    /// A scenario with presets and overrides resolved
    Scenario(ScenarioOptions),
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    match &args.what {
        What::Schema => console.answer(&schema()),
        What::Presets => presets(console),
        What::Preset { name } => console.answer(&preset(name)?.text),
        What::Scenario(options) => scenario(options, console)?,
    }
    Ok(Exit::Yes)
}

/// The schema as it stands in `scenarios/schema/scenario.json`.
pub fn schema() -> String {
    let schema = schema_for::<Scenario>(USE_SITES);
    serde_json::to_string_pretty(&schema).expect("a schema has string keys only") + "\n"
}

fn presets(console: &Console) {
    let all = Presets::embedded();
    if console.format == Format::Json {
        let list =
            all.iter().map(|p| json!({"id": p.id(), "kind": p.kind, "description": p.description}));
        return console.json(&list.collect::<Vec<_>>());
    }
    let heads = vec![text_head("preset"), text_head("kind"), text_head("description")];
    let mut table = Table::new("Presets", heads);
    for preset in all.iter() {
        table.row([
            preset.id().into(),
            preset.kind.name().into(),
            preset.description.trim().into(),
        ]);
    }
    console.tables(&[table]);
}

fn preset(name: &str) -> Result<&'static Preset, Failure> {
    let all = Presets::embedded();
    let by_name = || all.iter().filter(|p| p.name == name).max_by(|a, b| a.date.cmp(&b.date));
    all.by_id(name).or_else(by_name).ok_or_else(|| {
        let ids: Vec<String> = all.iter().map(Preset::id).collect();
        let near = closest(name, all.iter().map(|p| p.name.as_str()));
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        Failure::new(Exit::Usage, format!("there is no preset `{name}`"))
            .help(format!("{near}presets: {}", ids.join(", ")))
    })
}

fn scenario(options: &ScenarioOptions, console: &Console) -> Result<(), Failure> {
    let loaded = load::scenario(options, console)?;
    if console.format == Format::Json {
        console.json(&loaded.value);
        return Ok(());
    }
    let mut text = Vec::new();
    let mut yaml = serde_yaml::Serializer::new(&mut text);
    serde_yaml::with::singleton_map_recursive::serialize(&loaded.value, &mut yaml)
        .map_err(|error| Failure::of(Exit::Bug, &error))?;
    console.answer(&String::from_utf8(text).expect("YAML is text"));
    Ok(())
}
