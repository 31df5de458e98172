//! What is shipped loads: presets, scenarios, and the schema that editors use.

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll::check::check;
use plimsoll::scenario::types::Scenario;
use plimsoll::scenario::{Loader, PresetKind, Presets, USE_SITES, schema_for};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A whole scenario around a preset.
fn around(kind: PresetKind, id: &str) -> String {
    let used = format!("{{use: {id}}}");
    let model = match kind {
        PresetKind::Model => used.as_str(),
        _ => "{latency: {base: 1s}}",
    };
    let platform = match kind {
        PresetKind::Platform => used.clone(),
        PresetKind::Rates => format!("{{isolation: {{container: {{boot: 1s}}}}, rates: {id}}}"),
        _ => "{isolation: {container: {boot: 1s}}}".to_owned(),
    };
    let class = match kind {
        PresetKind::Workload => {
            format!("{{use: {id}, share: 100%, abandon: 0%, model: the-model}}")
        }
        _ => "{think: 20s, model: the-model}".to_owned(),
    };
    format!(
        "version: 1\nname: around\nworkload:\n  arrivals: {{poisson: {{rate: 1/min}}}}\n  \
         classes: {{the-class: {class}}}\nplatform: {platform}\nmodels: {{the-model: {model}}}\n"
    )
}

#[test]
fn every_preset_loads_into_the_types() {
    let mut kinds = Vec::new();
    for preset in Presets::embedded().iter() {
        let text = around(preset.kind, &preset.id());
        let outcome = Loader::default().load_text::<Scenario>("around.yaml", &text, &[], &check);
        assert_eq!(outcome.render(false), "", "{}\n{text}", preset.id());
        let loaded = outcome.loaded.expect("nothing was said against it");
        assert!(loaded.located.uses.iter().any(|used| used.preset == preset.id()));
        kinds.push(preset.kind);
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 4, "a preset of each kind: {kinds:?}");
}

#[test]
fn every_preset_file_is_embedded() {
    let kinds = [PresetKind::Platform, PresetKind::Model, PresetKind::Workload, PresetKind::Rates];
    for kind in kinds {
        let folder = root().join("scenarios/presets").join(kind.folder());
        for entry in fs::read_dir(folder).expect("each kind has its folder") {
            let path = entry.unwrap().path();
            let id = path.file_stem().unwrap().to_string_lossy().into_owned();
            let preset = Presets::embedded().by_id(&id);
            let preset = preset.unwrap_or_else(|| panic!("{} is not embedded", path.display()));
            assert_eq!(preset.text, fs::read_to_string(&path).unwrap(), "{id}: the same text");
            assert_eq!(preset.kind, kind, "{id}: in the folder of its kind");
        }
    }
}

#[test]
fn every_shipped_scenario_loads_without_a_word() {
    let mut scenarios: Vec<PathBuf> = fs::read_dir(root().join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    scenarios.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    if scenarios.is_empty() {
        println!("skipped: there are no scenarios beside the presets");
    }
    for path in scenarios {
        let outcome = Loader::default().load::<Scenario>(&path, &[], &check);
        assert_eq!(outcome.render(false), "", "{}", path.display());
        assert!(outcome.loaded.is_some());
    }
}

/// Writes the schema anew where the environment says so: `PLIMSOLL_WRITE_SCHEMA=1 cargo test`.
#[test]
fn the_schema_is_that_of_the_types() {
    let path = root().join("scenarios/schema/scenario.json");
    let schema = schema_for::<Scenario>(USE_SITES);
    let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("PLIMSOLL_WRITE_SCHEMA").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &fresh).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == fresh,
        "scenarios/schema/scenario.json is stale: run \
         `PLIMSOLL_WRITE_SCHEMA=1 cargo test --test integration schema`"
    );
}
