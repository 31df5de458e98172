//! What people read, as snapshots.

use super::kit::{GOOD, load, load_checked, text};
use crate::scenario::Diagnostic;
use crate::units::Ratio;

/// Snapshots the rendered diagnostics of a text.
macro_rules! shows {
    ($name:ident, $text:expr) => {
        #[test]
        fn $name() {
            let outcome = text($text);
            assert!(outcome.loaded.is_none(), "no scenario where there is an error");
            insta::assert_snapshot!(stringify!($name), outcome.render(false));
        }
    };
}

/// Snapshots the rendered diagnostics of the good scenario with a replacement.
macro_rules! breaks {
    ($name:ident, $from:literal => $to:expr) => {
        shows!($name, &{
            assert!(GOOD.contains($from), "the text to replace is there");
            GOOD.replace($from, $to)
        });
    };
}

breaks!(syntax_open_brace, "{rpm: 2000}" => "{rpm: 2000");
breaks!(syntax_colon_in_text, "name: demo" => "name: demo: the second");
breaks!(syntax_wrong_indentation, "  classes:" => " classes:");
breaks!(tab_indentation, "  arrivals" => "\tarrivals");
breaks!(duplicate_key, "name: demo" => "name: demo\nname: other");
breaks!(duplicate_keys_in_two_places, "version: 1\nname: demo" => "version: 1\nversion: 2\nname: demo\nname: other");
breaks!(yaml_tag, "{poisson: {rate: 40/min}}" => "!poisson {rate: 40/min}");
breaks!(second_document, "models:" => "---\nmodels:");
breaks!(unknown_key_with_suggestion, "timeout: 15m" => "timeot: 15m");
breaks!(unknown_key_far_from_all, "timeout: 15m" => "zebra: 15m");
breaks!(unknown_key_at_the_top, "name: demo" => "name: demo\nextends: x.yaml");
breaks!(unknown_key_instead_of_a_required_one, "rpm: 2000" => "rpn: 2000");
breaks!(wrong_type_number, "version: 1" => "version: one");
breaks!(wrong_type_map_for_text, "name: demo" => "name: {a: b}");
breaks!(wrong_type_list_for_map, "{share: 70%, think: 20s}" => "[70%, 20s]");
breaks!(wrong_type_of_an_item, "name: demo" => "name: demo\npoints: [[1, 2], [3], [4, x], 5]");
breaks!(wrong_type_boolean, "rpm: 2000" => "rpm: 2000, stream: yes");
breaks!(number_out_of_range, "think: 20s}" => "think: 20s, priority: 300}");
breaks!(negative_number, "version: 1" => "version: -1");
breaks!(empty_value, "name: demo" => "name:");
breaks!(bare_number_for_duration, "think: 20s" => "think: 20");
breaks!(unknown_unit, "think: 20s" => "think: 20 parsec");
breaks!(missing_key_at_the_top, "name: demo\n" => "");
breaks!(missing_keys_deep, "{poisson: {rate: 40/min}}" => "{renewal: {}}");
breaks!(unknown_word, "hibernate" => "hibernat");
breaks!(unknown_form, "poisson:" => "poison:");
breaks!(two_forms, "{poisson: {rate: 40/min}}" => "{poisson: {rate: 40/min}, every: 5s}");
breaks!(no_form, "{poisson: {rate: 40/min}}" => "{}");
breaks!(number_for_a_form, "{poisson: {rate: 40/min}}" => "5");
breaks!(form_without_its_settings, "{poisson: {rate: 40/min}}" => "poisson");
breaks!(settings_of_a_form_without_any, "{poisson: {rate: 40/min}}" => "{trace: {file: x}}");
breaks!(unknown_preset, "{share: 70%, think: 20s}" => "{use: codr, share: 70%, think: 20s}");
breaks!(unknown_preset_date, "{share: 70%, think: 20s}" => "{use: coder@2025-01, share: 70%, think: 20s}");
breaks!(preset_of_another_kind, "{share: 70%, think: 20s}" => "{use: cloud, share: 70%, think: 20s}");
breaks!(preset_name_is_a_list, "{share: 70%, think: 20s}" => "{use: [coder], share: 70%, think: 20s}");
breaks!(presets_in_a_circle, "{rpm: 2000}" => "{use: round}");
breaks!(missing_in_a_preset, "{share: 70%, think: 20s}" => "{use: coder@2026-11}");
breaks!(own_words_with_suggestion, "think: 20s}" => "think: 20s, weights: {mean: 1, mediam: 2}}");
breaks!(own_words_about_a_key, "think: 20s}" => "think: 20s, weights: {mean: 1, median: -2}}");
breaks!(own_words_after_an_error_below, "think: 20s}" => "think: 20s, weights: {mean: x, median: -2}}");
breaks!(beyond_ascii, "name: demo" => "name: müßig\nzähler: 1");
shows!(empty_file, "");
shows!(only_comments, "# nothing\n");
shows!(not_a_map, "- a\n- b\n");
shows!(a_word, "hello\n");
shows!(
    many_errors_in_file_order,
    "versoin: 1
name: [demo]
workload:
  arrivals: {poisson: {rate: 40}}
  classes:
    coder: {shar: 70%, think: 20}
    coder: {share: 70%}
    reviewer: {think: soon}
platform:
  idle: {timeout: -5s, then: sleep}
  max_concurrent: 0.5
  region: north
models:
  gpt-5.5: {rpm: many, stream: 3}
  other: 7
points: [[1], {a: b}]
"
);

#[test]
fn file_not_found() {
    insta::assert_snapshot!(load(&[], &[]).render(false));
}

#[test]
fn not_utf8() {
    let bytes = b"version: 1\nname: caf\xe9 noir\n";
    insta::assert_snapshot!(load(&[("main.yaml", bytes)], &[]).render(false));
}

#[test]
fn utf16() {
    let bytes: Vec<u8> = "version: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bytes = [&[0xff, 0xfe], bytes.as_slice()].concat();
    insta::assert_snapshot!(load(&[("main.yaml", &bytes)], &[]).render(false));
}

#[test]
fn bad_sets() {
    let sets = [
        "name",
        "=5",
        "workload..arrivals=5",
        "platform.idle.timeot=5m",
        "platform.idle.timeout=5",
        "name={a: ",
        "models.gpt-5.5.rpm=lots",
        "version.major=2",
        "points.3=[1, 2]",
    ];
    let text = GOOD.to_owned() + "points: [[1, 2]]\n";
    insta::assert_snapshot!(load(&[("main.yaml", text.as_bytes())], &sets).render(false));
}

#[test]
fn extend_cycle() {
    let files: &[(&str, &[u8])] = &[
        ("main.yaml", b"extend: parts/base.yaml\nversion: 1\n"),
        ("parts/base.yaml", b"extend: ../other.yaml\nname: demo\n"),
        ("other.yaml", b"version: 1\nextend: ./main.yaml\n"),
    ];
    insta::assert_snapshot!(load(files, &[]).render(false));
}

#[test]
fn extended_file_is_missing() {
    // What the missing file would have given is not reported as missing; the wrong key is.
    let files: &[(&str, &[u8])] = &[("main.yaml", b"version: 1\nextend: base.yaml\nnam: x\n")];
    insta::assert_snapshot!(load(files, &[]).render(false));
}

#[test]
fn error_in_the_extended_file() {
    let files: &[(&str, &[u8])] = &[
        ("main.yaml", b"extend: base.yaml\nname: 1.10\nplatform: {idle: {then: sleep}}\n"),
        ("base.yaml", GOOD.as_bytes()),
    ];
    let broken = GOOD.replace("think: 2m", "think: 2");
    let files = [files[0], ("base.yaml", broken.as_bytes())];
    insta::assert_snapshot!(load(&files, &[]).render(false));
}

fn shares_sum_to_one(
    demo: &super::kit::Demo,
    at: &crate::scenario::Located,
    found: &mut Vec<Diagnostic>,
) {
    let sum: f64 = demo.workload.classes.values().map(|c| c.share.0).sum();
    if (sum - 1.0).abs() > 1e-9 {
        let problem = at.error(
            "shares",
            "workload.classes.coder.share",
            format!("the shares sum to {sum}, not 1"),
        );
        let problem = at.with(problem, "workload.classes.reviewer.share", "the other share");
        found.push(problem.help("make them sum to 100%"));
    }
    if demo.platform.max_concurrent.is_none() {
        found.push(at.warning(
            "no-limit",
            "platform.max_concurrent",
            "no limit of concurrent sandboxes",
        ));
    }
}

#[test]
fn semantic_errors_render_alike_and_in_order() {
    let text = GOOD.replace("70%", "90%").replace("rpm: 2000", "rpm: 2000, strem: true");
    let outcome = load_checked(&[("main.yaml", text.as_bytes())], &[], &shares_sum_to_one);
    insta::assert_snapshot!(outcome.render(false));
}

#[test]
fn semantic_errors_about_unreadable_values_are_dropped() {
    let text = GOOD.replace("70%", "most");
    let outcome = load_checked(&[("main.yaml", text.as_bytes())], &[], &shares_sum_to_one);
    let codes: Vec<_> = outcome.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["invalid-value", "no-limit"]);
}

#[test]
fn warnings_alone_leave_the_scenario() {
    let outcome = load_checked(&[("main.yaml", GOOD.as_bytes())], &[], &shares_sum_to_one);
    assert_eq!(outcome.diagnostics.summary(), "1 warning");
    assert_eq!(outcome.loaded.unwrap().value.workload.classes["coder"].share, Ratio(0.7));
}

#[test]
fn json_form() {
    let text = GOOD.replace("timeout: 15m", "timeot: 15m").replace("think: 20s", "think: 20");
    let json = load(&[("main.yaml", text.as_bytes())], &["version=x"]).to_json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn colour_adds_only_escapes() {
    let outcome = text("version: 1\n");
    let coloured = outcome.render(true);
    assert!(coloured.contains("\u{1b}["));
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, outcome.render(false));
}

#[test]
fn every_error_has_a_place_inside_its_text() {
    let text = GOOD.replace("70%", "x").replace("2m", "{}").replace("2000", "[1]");
    let outcome = load(&[("main.yaml", text.as_bytes())], &["name=[1]"]);
    assert_eq!(outcome.diagnostics.errors(), 4);
    for diagnostic in outcome.diagnostics.iter() {
        let place = diagnostic.place.unwrap();
        assert!(!outcome.sources.text_of(place).is_empty(), "{diagnostic:?}");
    }
}
