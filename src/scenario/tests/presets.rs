//! The embedded presets.

use std::collections::BTreeSet;
use std::path::Path;

use crate::scenario::preset_files::FILES;
use crate::scenario::source::Sources;
use crate::scenario::{Preset, PresetKind, Presets};
use crate::units::{
    Bandwidth, Bytes, Limit, PricePerByte, PricePerByteTime, PricePerCall, PricePerTime,
    PricePerToken, Quantity, Rate, Ratio, Span, Tokens,
};

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/presets");
    let mut there = BTreeSet::new();
    for kind in std::fs::read_dir(&folder).unwrap() {
        let kind = kind.unwrap();
        for file in std::fs::read_dir(kind.path()).unwrap() {
            let name =
                format!("{}/{}", kind.file_name().display(), file.unwrap().file_name().display());
            there.insert(name);
        }
    }
    let embedded: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(there, embedded);
}

#[test]
fn files_are_named_after_what_is_in_them() {
    for (path, text) in FILES {
        let preset = Preset::read(path, text).unwrap();
        assert_eq!(*path, format!("{}/{}.yaml", preset.kind.folder(), preset.id()));
        assert!(preset.description.len() > 40, "{path} says what it is");
    }
}

/// Origins and `show preset` go by `name@date` alone.
#[test]
fn no_two_presets_have_the_same_name() {
    let mut ids: Vec<String> = Presets::embedded().iter().map(Preset::id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    let kinds: BTreeSet<(String, PresetKind)> =
        Presets::embedded().iter().map(|p| (p.name.clone(), p.kind)).collect();
    let names: BTreeSet<&String> = kinds.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), kinds.len(), "a name is of one kind: {kinds:?}");
}

/// A number, with or without unit or price mark.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || "$+-.".contains(c))
}

#[test]
fn each_number_has_a_note() {
    let mut numbers = 0;
    for preset in Presets::embedded().iter() {
        let values = preset.values(&mut Sources::default());
        for (path, leaf) in values.leaves() {
            let Some(text) = leaf.text().filter(|text| is_number(text)) else { continue };
            numbers += 1;
            let note = preset
                .note(&path)
                .unwrap_or_else(|| panic!("{}: {path} = {text} has no note", preset.id()));
            assert!(note.source.len() > 10, "{}: the note of {path} says nothing", preset.id());
            assert!(note.date.starts_with("20"), "{}: the note of {path} has no date", preset.id());
        }
    }
    assert!(numbers > 40, "only {numbers} numbers were looked at");
}

/// Whether any quantity reads the text.
fn is_quantity(text: &str) -> bool {
    fn reads<Q: Quantity>(text: &str) -> bool {
        Q::parse(text).is_ok()
    }
    let readers: [fn(&str) -> bool; 12] = [
        reads::<Span>,
        reads::<Bytes>,
        reads::<Tokens>,
        reads::<Ratio>,
        reads::<Limit>,
        reads::<Rate>,
        reads::<Bandwidth>,
        reads::<PricePerTime>,
        reads::<PricePerByteTime>,
        reads::<PricePerToken>,
        reads::<PricePerCall>,
        reads::<PricePerByte>,
    ];
    // The logarithm of a median may be below zero.
    let size = text.strip_prefix('-').filter(|rest| rest.parse::<f64>().is_ok()).unwrap_or(text);
    readers.iter().any(|reads| reads(size))
}

#[test]
fn each_number_is_a_quantity() {
    for preset in Presets::embedded().iter() {
        for (path, leaf) in preset.values(&mut Sources::default()).leaves() {
            if let Some(text) = leaf.text().filter(|text| is_number(text)) {
                assert!(is_quantity(text), "{}: {path} = {text}", preset.id());
            }
        }
    }
    assert!(!is_quantity("5 parsec"));
}

#[test]
fn a_number_without_a_note_is_found() {
    let text = "name: a\ndate: 2026-01\nkind: rates\ndescription: d\nvalues: {a: $1/h, b: 2}\n\
                notes: {a: {mark: P, source: s, date: 2026-01-01}}";
    let preset = Preset::read("test", text).unwrap();
    let values = preset.values(&mut Sources::default());
    let bare: Vec<String> = values
        .leaves()
        .into_iter()
        .filter(|(path, leaf)| leaf.text().is_some_and(is_number) && preset.note(path).is_none())
        .map(|(path, _)| path.to_string())
        .collect();
    assert_eq!(bare, ["b"]);
}

#[test]
fn a_note_for_nothing_is_an_error() {
    let text = "name: a\ndate: 2026-01\nkind: rates\ndescription: d\nvalues: {a: 1}\n\
                notes: {b: {mark: P, source: s, date: 2026-01-01}}";
    assert_eq!(
        Preset::read("f", text).unwrap_err().to_string(),
        "preset f: note `b`: no such value"
    );
}

#[test]
fn the_presets_of_the_quickstart_are_there() {
    for (kind, name) in [
        (PresetKind::Workload, "claude-code-weka"),
        (PresetKind::Model, "gpt-5.5@2026-11"),
        (PresetKind::Platform, "foundry-agent-service@2026-09"),
        (PresetKind::Rates, "azure"),
    ] {
        assert!(Presets::embedded().find(kind, name).is_some(), "{name}");
    }
    assert!(
        Presets::embedded().find(PresetKind::Rates, "gpt-5.5").is_none(),
        "kinds are kept apart"
    );
}

#[test]
fn presets_hold_no_absolute_path() {
    for (path, text) in FILES {
        assert!(!text.contains(" /"), "{path} cites a local path");
    }
}
