//! A small scenario type, files in memory, presets of their own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Check, Loader, Outcome, Preset, PresetKind, Presets, UseSite};
use crate::units::{Limit, Rate, Ratio, Span};

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    pub version: u32,
    pub name: String,
    pub workload: Workload,
    #[serde(default)]
    pub platform: Platform,
    #[serde(default)]
    pub models: BTreeMap<String, Model>,
    #[serde(default)]
    pub points: Vec<(f64, f64)>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    pub arrivals: Arrivals,
    #[serde(default)]
    pub classes: BTreeMap<String, Class>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrivals {
    Poisson(Poisson),
    Every(Span),
    Renewal { rate: Rate, cv: f64 },
    Trace,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Poisson {
    pub rate: Rate,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    pub share: Ratio,
    pub think: Span,
    #[serde(default)]
    pub priority: Option<u8>,
    #[serde(default)]
    pub weights: Option<Weights>,
}

/// A type with a reading and words of its own, as distributions have.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<String, f64>")]
pub struct Weights(BTreeMap<String, f64>);

impl TryFrom<BTreeMap<String, f64>> for Weights {
    type Error = String;

    fn try_from(map: BTreeMap<String, f64>) -> Result<Self, String> {
        if let Some(name) = map.keys().find(|name| !["mean", "median"].contains(&name.as_str())) {
            return Err(format!("unknown weight `{name}`: expected `mean` or `median`"));
        }
        match map.iter().find(|(_, weight)| **weight < 0.0) {
            Some((name, weight)) => Err(format!("`{name}` is {weight}: expected zero or more")),
            None => Ok(Weights(map)),
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    #[serde(default)]
    pub idle: Idle,
    #[serde(default)]
    pub max_concurrent: Option<Limit>,
    #[serde(default)]
    pub rates: Option<Rates>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    pub vcpu: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Idle {
    pub timeout: Span,
    pub then: Then,
}

impl Default for Idle {
    fn default() -> Self {
        Idle { timeout: Span::from_secs(900), then: Then::Keep }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    Keep,
    Kill,
    Hibernate,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub rpm: Limit,
    #[serde(default)]
    pub stream: bool,
}

pub const SITES: &[UseSite] = &[
    UseSite { at: "workload.classes.*", kind: PresetKind::Workload, name_alone: false },
    UseSite { at: "platform", kind: PresetKind::Platform, name_alone: false },
    UseSite { at: "platform.rates", kind: PresetKind::Rates, name_alone: true },
    UseSite { at: "models.*", kind: PresetKind::Model, name_alone: false },
];

pub fn presets() -> Presets {
    let preset = |text: &str| Preset::read("test", text).unwrap();
    Presets::new(vec![
        preset(
            "name: coder\ndate: 2026-01\nkind: workload\ndescription: old\nvalues: {share: 100%, think: 1m}\n\
             notes: {think: {mark: U, source: nobody, date: 2026-01-01}}",
        ),
        preset(
            "name: coder\ndate: 2026-11\nkind: workload\ndescription: new\nvalues: {think: 20s}\n\
             notes: {think: {mark: P, source: a paper, date: 2026-11-22}}",
        ),
        preset(
            "name: cloud\ndate: 2026-11\nkind: platform\ndescription: d\n\
             values: {idle: {timeout: 5m}, max_concurrent: 50, rates: list}\n\
             notes: {idle: {mark: P, source: docs, date: 2026-11-22}, max_concurrent: {mark: assumed, source: why not, date: 2026-11-22}}",
        ),
        preset(
            "name: list\ndate: 2026-11\nkind: rates\ndescription: d\nvalues: {vcpu: 0.1}\n\
             notes: {vcpu: {mark: S, source: a page, date: 2026-11-22}}",
        ),
        preset(
            "name: round\ndate: 2026-11\nkind: model\ndescription: d\nvalues: {use: round, rpm: 1}\n\
             notes: {rpm: {mark: S, source: a page, date: 2026-11-22}}",
        ),
    ])
}

/// Loads `main.yaml` of these files.
pub fn load(files: &[(&str, &[u8])], sets: &[&str]) -> Outcome<Demo> {
    load_checked(files, sets, &|_, _, _| {})
}

pub fn load_checked(
    files: &[(&str, &[u8])],
    sets: &[&str],
    check: &Check<'_, Demo>,
) -> Outcome<Demo> {
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found
            .map(|(_, bytes)| bytes.to_vec())
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let presets = presets();
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Loader::new(&read, &presets, SITES).load(Path::new("main.yaml"), &sets, check)
}

/// Loads one text.
pub fn text(text: &str) -> Outcome<Demo> {
    load(&[("main.yaml", text.as_bytes())], &[])
}

/// A scenario without a fault.
pub const GOOD: &str = "\
version: 1
name: demo
workload:
  arrivals: {poisson: {rate: 40/min}}
  classes:
    coder: {share: 70%, think: 20s}
    reviewer: {share: 0.3, think: 2m}
platform:
  idle: {timeout: 15m, then: hibernate}
models:
  gpt-5.5: {rpm: 2000}
";
