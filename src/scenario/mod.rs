//! What a person writes: scenario text to typed values, with all that is wrong said at once.
//!
//! ```text
//! files, presets, --set ─ source ─► positioned trees ─ layers ─► one tree ─ typed ─► T ─ checks ─► Loaded<T>
//!                                         └───────────── problems, each with its place ─┘
//! ```
//!
//! This module knows no scenario type: [`Loader::load`] reads any type that has serde's
//! `Deserialize` (with `deny_unknown_fields`, externally tagged enums) and a JSON Schema.

pub mod diagnostic;
mod layers;
mod loaded;
mod preset;
mod preset_files;
mod render;
mod schema;
mod shape;
pub mod source;
mod typed;
pub mod types;
mod uses;

#[cfg(test)]
mod tests;

use std::path::Path as FilePath;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use layers::ReadFile;
pub use loaded::{Explained, Loaded, Located, Origin, ToPath};
pub use preset::{Mark, Note, Preset, PresetError, PresetKind, Presets};
pub use schema::schema_for;
use source::{Path, Sources};
use uses::Heir;
pub use uses::{Use, UseSite};

/// Where `use` may stand in a scenario.
pub const USE_SITES: &[UseSite] = &[
    UseSite { at: "workload.classes.*", kind: PresetKind::Workload, name_alone: false },
    UseSite { at: "platform", kind: PresetKind::Platform, name_alone: false },
    UseSite { at: "platform.rates", kind: PresetKind::Rates, name_alone: true },
    UseSite { at: "baseline", kind: PresetKind::Platform, name_alone: false },
    UseSite { at: "baseline.rates", kind: PresetKind::Rates, name_alone: true },
    UseSite { at: "baseline.models.*", kind: PresetKind::Model, name_alone: false },
    UseSite { at: "models.*", kind: PresetKind::Model, name_alone: false },
];

/// What inherits from what, unless it says `use`.
const HEIRS: &[Heir] = &[
    Heir { at: "baseline", from: "platform" },
    Heir { at: "baseline.models.*", from: "models.*" },
];

/// What a loading brought.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The scenario, if there is no error.
    pub loaded: Option<Loaded<T>>,
    /// What was found, in file order.
    pub diagnostics: Diagnostics,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

impl<T> Outcome<T> {
    /// The diagnostics for people, the count at the end; empty if there are none.
    pub fn render(&self, colour: bool) -> String {
        render::render(&self.diagnostics, &self.sources, colour)
    }

    /// The diagnostics for machines.
    pub fn to_json(&self) -> serde_json::Value {
        self.diagnostics.to_json(&self.sources)
    }
}

/// Checks of meaning: what the types cannot say. It sees stand-ins where a value could not be
/// read; diagnostics made by [`Located::error`] about such values are dropped.
pub type Check<'a, T> = dyn Fn(&T, &Located, &mut Vec<Diagnostic>) + 'a;

/// Reads scenarios.
pub struct Loader<'a> {
    read: &'a ReadFile<'a>,
    presets: &'a Presets,
    sites: &'a [UseSite],
}

impl Default for Loader<'_> {
    fn default() -> Self {
        Loader { read: &|path| std::fs::read(path), presets: Presets::embedded(), sites: USE_SITES }
    }
}

impl<'a> Loader<'a> {
    /// A loader with its own way of reading files, presets and places for `use`.
    pub fn new(read: &'a ReadFile<'a>, presets: &'a Presets, sites: &'a [UseSite]) -> Self {
        Loader { read, presets, sites }
    }

    /// Reads a scenario file with `--set` overrides (`path=value` each), and checks it.
    pub fn load<T: DeserializeOwned + JsonSchema>(
        &self,
        path: &FilePath,
        sets: &[String],
        check: &Check<'_, T>,
    ) -> Outcome<T> {
        let shape = shape::Shape::of::<T>();
        self.read(
            layers::Assembler::new(self.read, self.presets, self.sites, &shape).file(path, sets),
            check,
        )
    }

    /// Reads a scenario from text; `name` is what diagnostics call it, and `extend` is relative to.
    pub fn load_text<T: DeserializeOwned + JsonSchema>(
        &self,
        name: &str,
        text: &str,
        sets: &[String],
        check: &Check<'_, T>,
    ) -> Outcome<T> {
        let shape = shape::Shape::of::<T>();
        self.read(
            layers::Assembler::new(self.read, self.presets, self.sites, &shape)
                .text(name, text, sets),
            check,
        )
    }

    fn read<T: DeserializeOwned>(
        &self,
        assembled: layers::Assembled,
        check: &Check<'_, T>,
    ) -> Outcome<T> {
        let layers::Assembled { tree, sources, problems, incomplete, uses, files } = assembled;
        let mut diagnostics = Diagnostics::default();
        diagnostics.extend(problems);
        let mut loaded = None;
        if let Some(tree) = tree {
            let extra_keys = |path: &Path| self.extra_keys(path);
            let context = typed::Context { incomplete: &incomplete, extra_keys: &extra_keys };
            let mut reading = typed::read::<T>(&tree, &context);
            // Nothing can be said of what a missing layer would have given.
            reading.repaired.extend(incomplete);
            diagnostics.extend(reading.problems);
            let repaired = reading.repaired;
            let located = Located { tree, sources: sources.clone(), uses, files, repaired };
            if let Some(value) = reading.value {
                let mut found = Vec::new();
                check(&value, &located, &mut found);
                diagnostics.extend(found.into_iter().filter(|d| !located.is_moot(d)));
                loaded = Some(Loaded { value, located });
            }
        }
        let loaded = loaded.filter(|l| diagnostics.errors() == 0 && l.located.repaired.is_empty());
        if loaded.is_none() && diagnostics.errors() == 0 {
            // Never silent: a reading that failed without a word must not look like a clean one.
            diagnostics.push(Diagnostic::error("unreadable", "this scenario cannot be read"));
        }
        diagnostics.sort();
        Outcome { loaded, diagnostics, sources }
    }

    fn extra_keys(&self, path: &Path) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if path.0.is_empty() {
            keys.push("extend");
        }
        if uses::site_at(self.sites, path).is_some() {
            keys.push("use");
        }
        keys
    }
}
