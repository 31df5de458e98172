//! `plimsoll check`: validates and explains a scenario without running anything.

use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::{Value, json};

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;
use super::fleet;
use super::load::{self, Ready};
use super::options::{Format, ScenarioOptions};
use crate::conduct::Setup;
use crate::report::number::{spread, three};
use crate::report::{Cell, Table, Tone, number_head, text_head};
use crate::scenario::types::{Capacity, Scenario};
use crate::scenario::{Explained, Origin, Presets};
use crate::study::{self, Expectation, Explanation, Mean, ModelLoad};
use crate::units::Quantity;

const DAY: f64 = 86_400.0;
const MINUTE: f64 = 60.0;

const EXAMPLES: &str = "\
Examples:
  plimsoll check scenarios/quickstart.yaml
  plimsoll check scenarios/quickstart.yaml --set workload.load.open_sessions=2000
  plimsoll check scenarios/quickstart.yaml --format json";

/// Arguments of `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scenario: ScenarioOptions,
}

/// One number that follows from the scenario.
#[derive(Clone, Debug, PartialEq)]
struct Derived {
    name: String,
    unit: &'static str,
    value: f64,
    ci95: Option<[f64; 2]>,
    how: String,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let outcome = load::outcome(&args.scenario, &[]);
    let diagnostics = outcome.to_json();
    let text = outcome.render(console.colour_on_stderr());
    let json = console.format == Format::Json;
    let Some(loaded) = outcome.loaded else {
        if json {
            console.json(&json!({"valid": false, "diagnostics": diagnostics}));
        }
        return Err(Failure::rendered(Exit::Usage, text));
    };
    if !text.is_empty() {
        console.note(text.trim_end());
    }
    let ready = load::with_trace(loaded, &args.scenario.scenario)?;
    let scenario = &ready.loaded.value;
    let setup = study::setup(scenario, ready.recorded.as_ref().map(Arc::clone))
        .map_err(|error| Failure::of(Exit::Usage, &error))?;
    let expected = study::expectation(&setup);
    let derived = derived(scenario, &setup, &expected);
    let values = ready.loaded.located.explain(scenario, Presets::embedded());
    let values = values.map_err(|error| Failure::of(Exit::Bug, &error))?;
    let slots = slots(scenario);
    let explained = study::explain(scenario, &setup, &expected, slots);
    let warnings = warnings(&ready);
    if json {
        console.json(&json!({
            "valid": true,
            "name": scenario.name,
            "hash": study::hash(scenario),
            "diagnostics": diagnostics,
            "says": explained.says,
            "contradictions": explained.contradictions,
            "cost_floor": explained.floor,
            "derived": derived.iter().map(Derived::json).collect::<Vec<_>>(),
            "warnings": warnings,
            "values": values,
        }));
    } else {
        let derived = derived_table(&expected, &derived, &warnings);
        let said = said_table(scenario, &explained);
        let tables = said.into_iter().chain([derived, values_table(&values)]);
        console.tables(&tables.collect::<Vec<Table>>());
    }
    Ok(Exit::Yes)
}

impl Derived {
    fn json(&self) -> Value {
        json!({"name": self.name, "unit": self.unit, "value": self.value, "ci95": self.ci95, "how": self.how})
    }
}

/// Collects derived numbers.
struct Sheet(Vec<Derived>);

impl Sheet {
    fn add(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        value: f64,
        how: impl Into<String>,
    ) {
        self.0.push(Derived { name: name.into(), unit, value, ci95: None, how: how.into() });
    }

    fn mean(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        mean: Mean,
        times: f64,
        how: &str,
    ) {
        let ci95 = mean.ci95.map(|ci| ci.map(|end| end * times));
        let value = mean.value * times;
        self.0.push(Derived { name: name.into(), unit, value, ci95, how: how.to_owned() });
    }
}

fn derived(scenario: &Scenario, setup: &Setup, expected: &Expectation) -> Vec<Derived> {
    let mut sheet = Sheet(Vec::new());
    sheet.mean("turns per session", "turns", expected.turns, 1.0, "planned sessions");
    sheet.mean(
        "session length",
        "s",
        expected.length_s,
        1.0,
        "thinks, model and tool time at full speed",
    );
    sheet.mean("of it in turns", "s", expected.in_turn_s, 1.0, "model and tool time at full speed");
    if let Some(rate) = expected.rate {
        let by = if scenario.workload.load.is_some() {
            "open sessions / planned session length (Little's law)"
        } else {
            "the arrival process"
        };
        let rate = rate.base();
        sheet.add("arrivals", "sessions/day", rate * DAY, by);
        sheet.mean(
            "open sessions",
            "sessions",
            expected.length_s,
            rate,
            "arrivals × session length",
        );
        sheet.mean(
            "offered load",
            "sandboxes",
            expected.in_turn_s,
            rate,
            "arrivals × time in turns: sandboxes that work",
        );
        if let (Some(limit), Some(in_turn)) = (slots(scenario), expected.in_turn()) {
            let how = format!("of {limit} slots; idle sandboxes until their timeout come on top");
            sheet.add("slots used in turns", "%", in_turn / limit as f64 * 100.0, how);
        }
        sheet.mean("tool CPU", "cores", expected.cpu_s, rate, "arrivals × CPU time");
        let tokens: f64 = expected.models.iter().map(|m| m.prompt.value + m.output.value).sum();
        if tokens > 0.0 {
            sheet.add(
                "tokens",
                "tokens/day",
                tokens * rate * DAY,
                "prompt and output tokens of all models",
            );
        }
        for load in &expected.models {
            quota(&mut sheet, scenario, load, rate);
        }
    }
    if let Capacity::Hosts(hosts) = &scenario.platform.capacity {
        for line in fleet::lines(scenario, hosts) {
            sheet.add(line.name, line.unit, line.value, line.how);
        }
    }
    if let Some(n) = setup.sessions {
        sheet.add("sessions in all", "sessions", n as f64, "the trace");
    }
    sheet.0
}

/// Sessions that can have a sandbox at once, or a seat in one.
fn slots(scenario: &Scenario) -> Option<u64> {
    let sandboxes = match &scenario.platform.capacity {
        Capacity::Elastic(elastic) => elastic.max_concurrent.get(),
        Capacity::Hosts(hosts) => fleet::slots(scenario, hosts),
    };
    Some(sandboxes?.saturating_mul(u64::from(scenario.platform.isolation.seats())))
}

/// Calls and tokens a minute against the model's quota.
fn quota(sheet: &mut Sheet, scenario: &Scenario, load: &ModelLoad, rate: f64) {
    let name = &load.model;
    let quota = scenario.models.get(name).map(|model| model.quota.clone()).unwrap_or_default();
    let calls = load.calls.value * rate * MINUTE;
    let tokens = (load.prompt.value + load.output.value) * rate * MINUTE;
    for (what, unit, used, limit) in [
        ("calls", "calls/min", calls, quota.rpm.get()),
        ("tokens", "tokens/min", tokens, quota.tpm.get()),
    ] {
        let how = match limit {
            None => "no quota".to_owned(),
            Some(limit) => {
                format!(
                    "{}% of the quota of {} on average",
                    three(used / limit as f64 * 100.0),
                    three(limit as f64)
                )
            }
        };
        sheet.add(format!("{name}: {what}"), unit, used, how);
    }
}

/// What was noticed in the trace, and what averages hide.
fn warnings(ready: &Ready) -> Vec<String> {
    let scenario = &ready.loaded.value;
    let mut warnings = ready.notes.clone();
    if scenario.workload.profile.is_some() {
        warnings.push("the load has a profile: peaks are above these averages".to_owned());
    }
    warnings
}

/// What the scenario says in sentences, and what in it cannot be.
fn said_table(scenario: &Scenario, explained: &Explanation) -> Vec<Table> {
    let mut said =
        Table::new(format!("{} is valid", scenario.name), vec![text_head("what it says")]);
    for sentence in &explained.says {
        said.row([sentence.as_str().into()]);
    }
    let mut against = Table::new("Contradictions", vec![text_head("what cannot be")]);
    for sentence in &explained.contradictions {
        against.row([Cell::toned(sentence, Tone::Bad)]);
    }
    against.notes.push("by arithmetic alone, at full speed; the scenario can be run".to_owned());
    let tables = [said, against].into_iter();
    tables.filter(|table| !table.rows.is_empty()).collect()
}

fn derived_table(expected: &Expectation, derived: &[Derived], warnings: &[String]) -> Table {
    let heads = vec![
        text_head("derived"),
        number_head("value"),
        text_head("95% interval"),
        text_head("unit"),
        text_head("from"),
    ];
    let mut table = Table::new("What follows", heads);
    for one in derived {
        let interval = one.ci95.map(|ci| spread(one.value, ci)).unwrap_or_default();
        let cells = [one.name.as_str(), &three(one.value), &interval, one.unit, &one.how];
        table.row(cells.map(Into::into));
    }
    table.notes.push(format!(
        "over {} planned sessions, before any platform; arithmetic, not predictions",
        expected.sessions
    ));
    table.notes.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    table
}

/// Each value with where it stands; what sources say is told once, below, by number.
fn values_table(values: &[Explained]) -> Table {
    let heads = vec![text_head("value of"), text_head("is"), text_head("from")];
    let mut table = Table::new("Values and where they come from", heads);
    let mut sources: IndexSet<String> = IndexSet::new();
    for one in values {
        let from = match &one.origin {
            Origin::Preset { preset, mark: Some(mark), source: Some(source), date: Some(date) } => {
                let (number, _) = sources.insert_full(format!("{source}, {date}"));
                format!("preset {preset}, {mark} [{}]", number + 1)
            }
            origin => origin.to_string(),
        };
        table.row([one.path.as_str().into(), one.value.as_str().into(), from.into()]);
    }
    let numbered = sources.iter().zip(1..).map(|(source, number)| format!("[{number}] {source}"));
    table.notes.extend(numbered);
    table
}
