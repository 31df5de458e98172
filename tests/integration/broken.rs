//! Broken scenarios and traces, each with the exact error that a person reads.

use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use plimsoll::check::check;
use plimsoll::scenario::types::{Class, Model, Scenario, Trace};
use plimsoll::scenario::{Diagnostic, Loader, Outcome, Severity};
use plimsoll::workload::trace::{Names, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken")
}

fn load(name: &str, text: &str) -> Outcome<Scenario> {
    Loader::default().load_text(name, text, &[], &check)
}

/// The scenarios by name, in order.
fn scenarios() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).expect("the fixtures are there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

#[test]
fn every_broken_scenario_says_exactly_this() {
    let all = scenarios();
    let (sound, broken): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(name, _)| name.starts_with("sound"));
    assert!(broken.len() >= 45, "{} broken scenarios", broken.len());
    for (name, text) in sound {
        let outcome = load(&format!("{name}.yaml"), &text);
        assert_eq!(
            outcome.render(false),
            "",
            "{name}: what the broken ones are made from is sound"
        );
        assert!(outcome.loaded.is_some());
    }
    for (name, text) in broken {
        let outcome = load(&format!("{name}.yaml"), &text);
        let errors = outcome.diagnostics.errors();
        assert_eq!(outcome.loaded.is_none(), errors > 0, "{name}: loaded exactly where no error");
        assert!(!outcome.diagnostics.is_empty(), "{name}: nothing is said of it");
        insta::assert_snapshot!(name, outcome.render(false));
    }
}

/// What every message owes its reader, whatever it is about.
#[test]
fn every_diagnostic_has_a_place_and_no_word_of_rust() {
    let foreign = ["struct", "enum ", "u32", "u64", "f64", "Some(", "::", "unit variant", "``"];
    for (name, text) in scenarios() {
        let outcome = load(&name, &text);
        for found in outcome.diagnostics.iter() {
            let Diagnostic { message, help, place, severity, .. } = found;
            assert!(place.is_some(), "{name}: {message}: no place");
            let words = format!("{message} {}", help.as_deref().unwrap_or_default());
            for word in foreign {
                assert!(!words.contains(word), "{name}: `{word}` in: {words}");
            }
            assert!(!message.ends_with('.'), "{name}: {message}");
            if *severity == Severity::Warning {
                assert!(help.is_some(), "{name}: a warning says what to do: {message}");
            }
        }
        let places: Vec<_> = outcome.diagnostics.iter().map(|d| d.place).collect();
        assert!(places.is_sorted(), "{name}: in the order of the file");
    }
}

/// `azure-llm.no-rows.csv` is read as a trace of the format `azure-llm`.
#[test]
fn every_broken_trace_says_exactly_this() {
    let classes = IndexMap::from([("coder".to_owned(), Class::default())]);
    let model = || ("gpt-5.5".to_owned(), Model::default());
    let models = IndexMap::from([model(), ("default".to_owned(), Model::default())]);
    let names = Names { classes: &classes, models: &models };
    let folder = folder().join("traces");
    let entries = fs::read_dir(&folder).expect("the fixtures are there");
    let mut files: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} broken traces", files.len());
    let mut all = String::new();
    for file in files {
        let (format, _) = file.split_once('.').expect("the format comes first");
        let trace: Trace = serde_yaml::from_str(&format!("{{file: {file}, format: {format}}}"))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let error = read(&folder.join(&file), &trace, &names).expect_err(&file);
        assert!(error.place.line.is_some() || file.contains("no-rows"), "{file}: no line");
        all += &error.render().replace(&format!("{}/", folder.display()), "");
        all += "\n";
    }
    insta::assert_snapshot!("traces", all);
}
