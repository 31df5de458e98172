//! Scenarios from text, and what comes of running them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::billing::Cost;
use plimsoll::conduct::{Machine, RunOptions};
use plimsoll::measure::record::{Kind, Quality, Run};
use plimsoll::measure::{Counter, Gauge, Metric, RunInput, Totals};
use plimsoll::scenario::Loader;
use plimsoll::scenario::types::{Replications, Scenario};
use plimsoll::sim::{Finish, Outcome, Watch};
use plimsoll::study::{Design, design, replicate, simulated};
use plimsoll::units::Cores;
use plimsoll::workload::plan::SessionPlan;
use plimsoll::workload::trace::{self, Names};

/// The scenario in a text.
///
/// # Panics
/// With its diagnostics, if it is not valid.
pub fn scenario(text: &str) -> Scenario {
    let outcome = Loader::default().load_text::<Scenario>("test.yaml", text, &[], &|_, _, _| {});
    let report = outcome.render(false);
    outcome.loaded.unwrap_or_else(|| panic!("the scenario is not valid:\n{report}\n{text}")).value
}

/// The sessions of the scenario's trace, its file being in `folder`.
pub fn recorded(scenario: &Scenario, folder: &Path) -> Option<Arc<Vec<SessionPlan>>> {
    let trace = scenario.workload.trace.as_ref()?;
    let names = Names { classes: &scenario.workload.classes, models: &scenario.models };
    let (sessions, _) = trace::read(&folder.join(&trace.file), trace, &names)
        .unwrap_or_else(|error| panic!("the trace cannot be read: {error}"));
    Some(Arc::new(sessions))
}

/// What is run for a scenario.
pub fn designed(
    scenario: &Scenario,
    recorded: Option<Arc<Vec<SessionPlan>>>,
    options: &RunOptions,
) -> Design {
    design(scenario, recorded, options, &Watch::default()).expect("the scenario can be run").design
}

/// All replications of a scenario that asks for a fixed number of them.
pub fn outcomes(scenario: &Scenario, recorded: Option<Arc<Vec<SessionPlan>>>) -> Vec<Outcome> {
    let Replications::Fixed(n) = scenario.experiment.replications else {
        panic!("tests say how many replications they want")
    };
    let design = designed(scenario, recorded, &RunOptions::default());
    replicate(&design, 0, u16::try_from(n).unwrap(), &Watch::default())
}

/// A scenario on `plans`, small enough to be followed by hand.
#[derive(Clone, Debug)]
pub struct Case {
    platform: String,
    models: String,
    classes: String,
    experiment: String,
    plans: Vec<String>,
    compression: f64,
    machine: Option<(f64, f64)>,
}

impl Case {
    /// A platform, in YAML flow style; measured to the end, from the start.
    pub fn on(platform: &str) -> Self {
        Case {
            platform: platform.to_owned(),
            models: "{default: {latency: {base: 0s}}}".to_owned(),
            classes: "{}".to_owned(),
            experiment: "{start: empty, warmup: none, measure: end, replications: 1}".to_owned(),
            plans: Vec::new(),
            compression: 1.0,
            machine: None,
        }
    }

    /// Other models.
    pub fn models(mut self, models: &str) -> Self {
        self.models = models.to_owned();
        self
    }

    /// Other classes.
    pub fn classes(mut self, classes: &str) -> Self {
        self.classes = classes.to_owned();
        self
    }

    /// Another experiment.
    pub fn experiment(mut self, experiment: &str) -> Self {
        self.experiment = experiment.to_owned();
        self
    }

    /// Compressed time.
    pub fn compressed(mut self, factor: f64) -> Self {
        self.compression = factor;
        self
    }

    /// One machine of so many cores, which all that it does shares, and how fast they are.
    pub fn machine(mut self, cores: f64, speed: f64) -> Self {
        self.machine = Some((cores, speed));
        self
    }

    /// A session as a line of a `plans` file.
    pub fn line(mut self, json: impl Into<String>) -> Self {
        self.plans.push(json.into());
        self
    }

    /// A session that is closed: its number is its place, its turns are given in JSON.
    pub fn session(self, arrival: f64, turns: &str) -> Self {
        let number = self.plans.len();
        self.line(format!(r#"{{"session": {number}, "arrival_s": {arrival}, "turns": [{turns}]}}"#))
    }

    /// The same of a class.
    pub fn session_of(self, class: &str, arrival: f64, turns: &str) -> Self {
        let number = self.plans.len();
        self.line(format!(
            r#"{{"session": {number}, "class": "{class}", "arrival_s": {arrival}, "turns": [{turns}]}}"#
        ))
    }

    /// The same, but nobody tells the platform that it is over.
    pub fn abandoned(self, arrival: f64, turns: &str) -> Self {
        let number = self.plans.len();
        self.line(format!(
            r#"{{"session": {number}, "arrival_s": {arrival}, "end": "abandon", "turns": [{turns}]}}"#
        ))
    }

    /// The scenario and its sessions.
    fn ready(&self) -> (Scenario, Option<Arc<Vec<SessionPlan>>>) {
        let text = format!(
            "version: 1\nname: case\nworkload: {{trace: {{file: case.jsonl, format: plans}}, \
             classes: {}}}\nplatform: {}\nmodels: {}\nexperiment: {}\n",
            self.classes, self.platform, self.models, self.experiment
        );
        let scenario = scenario(&text);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("case.jsonl"), self.plans.join("\n")).unwrap();
        let recorded = recorded(&scenario, folder.path());
        (scenario, recorded)
    }

    /// The judged record.
    pub fn studied(&self) -> Run {
        let (scenario, recorded) = self.ready();
        let watch = Watch::default();
        simulated(&scenario, recorded, &RunOptions::default(), &[], &watch).unwrap().run
    }

    /// Runs the one replication.
    pub fn run(&self) -> Ran {
        let (scenario, recorded) = self.ready();
        let options = RunOptions { compression: self.compression, ..RunOptions::default() };
        let mut design = designed(&scenario, recorded, &options);
        Arc::make_mut(&mut design.setup).machine =
            self.machine.map(|(cores, speed)| Machine { cores: Cores(cores), speed });
        let outcome = replicate(&design, 0, 1, &Watch::default()).remove(0);
        Ran { finish: outcome.finish, totals: outcome.totals, scenario }
    }
}

/// A case that has run.
#[derive(Debug)]
pub struct Ran {
    pub finish: Finish,
    pub totals: Totals,
    scenario: Scenario,
}

/// A scenario of drawn sessions, its one replication run.
pub fn ran(scenario: Scenario) -> Ran {
    let outcome = outcomes(&scenario, None).swap_remove(0);
    Ran { finish: outcome.finish, totals: outcome.totals, scenario }
}

/// The judged record of a scenario that stands in a text.
pub fn studied(text: &str) -> Run {
    let watch = Watch::default();
    simulated(&scenario(text), None, &RunOptions::default(), &[], &watch).unwrap().run
}

/// The recorded sessions of a scenario that stands in a text, its trace being in `folder`, run once.
pub fn replayed(text: &str, folder: &Path) -> Ran {
    let scenario = scenario(text);
    let outcome = outcomes(&scenario, recorded(&scenario, folder)).swap_remove(0);
    Ran { finish: outcome.finish, totals: outcome.totals, scenario }
}

impl Ran {
    /// What the scenario's rates make of it.
    pub fn cost(&self) -> Cost {
        self.record().cost
    }

    /// Its record.
    pub fn record(&self) -> Run {
        let models: Vec<String> = self.scenario.models.keys().cloned().collect();
        Run::assemble(RunInput {
            kind: Kind::Simulated,
            scenario: &self.scenario,
            hash: String::new(),
            seed: 1,
            models: &models,
            replications: std::slice::from_ref(&self.totals),
            quality: Quality::default(),
        })
    }

    /// Busy cores over time.
    pub fn core_seconds(&self) -> f64 {
        self.integral(Gauge::HostCpuBusy) * Gauge::HostCpuBusy.scale()
    }

    /// A counter.
    pub fn count(&self, counter: Counter) -> u64 {
        self.totals.counter(counter)
    }

    /// A metric: how many observations, and their sum in seconds.
    pub fn metric(&self, metric: Metric) -> (u64, f64) {
        let summary = self.totals.metric(metric);
        (summary.count(), summary.sum() as f64 / 1e9)
    }

    /// A gauge's integral in seconds.
    pub fn integral(&self, gauge: Gauge) -> f64 {
        self.totals.gauge(gauge).integral()
    }

    /// When the measure ended, in seconds.
    pub fn end(&self) -> f64 {
        self.totals.ended.seconds()
    }
}

/// The folder of recorded traces, or `None` after printing why there is none.
pub fn traces() -> Option<PathBuf> {
    let folder = std::env::var_os("PLIMSOLL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no folder of traces at {} (PLIMSOLL_DATA)", folder.display());
    None
}

/// Asserts that `found` is `expected` to `relative`.
#[track_caller]
pub fn close(what: &str, found: f64, expected: f64, relative: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= relative * expected.abs().max(f64::MIN_POSITIVE) || error == 0.0,
        "{what}: found {found}, expected {expected}, relative error {:e}",
        error / expected.abs()
    );
}
