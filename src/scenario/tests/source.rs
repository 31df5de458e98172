//! Positions and scalars.

use proptest::prelude::*;

use crate::scenario::source::{Kind, Node, Path, Place, SourceKind, Sources, parse};

fn tree(text: &str) -> (Sources, Node) {
    let mut sources = Sources::default();
    let source = sources.add("t", text, SourceKind::File);
    let mut problems = Vec::new();
    let tree = parse(source, text, &mut problems).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    (sources, tree)
}

#[test]
fn places_are_exact_beyond_ascii_and_with_any_line_end() {
    for newline in ["\n", "\r\n"] {
        let text = ["é: {ü: 'x y', b: [1, zwei ]}", "# ☃", "k:", "  inner: val ue  # c", "e:", ""]
            .join(newline);
        let (sources, tree) = tree(&text);
        let shown = |path: &str| {
            let place: Place = tree.place_at(&Path::find(path, &tree).unwrap());
            let at = sources.line_column(place);
            format!("{}:{} {}", at.line, at.column, sources.text_of(place))
        };
        assert_eq!(shown("é.ü"), "1:8 'x y'");
        assert_eq!(shown("é.b.1"), "1:22 zwei");
        assert_eq!(shown("k"), "3:1 k");
        assert_eq!(shown("k.inner"), "4:10 val ue");
        assert_eq!(shown("e"), "5:1 e");
        assert_eq!(shown("k.nowhere.at.all"), "3:1 k");
    }
}

#[test]
fn paths_print_as_they_are_read() {
    let (_, tree) = tree("a: {b.c: {d: [1, {e: 2}]}}");
    for text in ["a.b.c.d[1].e", "a.b.c.d[0]", "a.x.y"] {
        assert_eq!(Path::find(text, &tree).unwrap().to_string(), text);
    }
    assert_eq!(Path::find("a.\"b.c\".d.1", &tree).unwrap().to_string(), "a.b.c.d[1]");
    for bad in ["", ".a", "a.", "a..b", "a.\"b"] {
        assert!(Path::find(bad, &tree).is_err(), "{bad}");
    }
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
    }
    let mut problems = Vec::new();
    let source = Sources::default().add("t", "", SourceKind::File);
    assert!(parse(source, &text, &mut problems).is_none());
    assert_eq!(problems[0].code, "syntax");
}

/// Scalars whose reading is easily got wrong.
const SCALARS: &[&str] = &[
    "1",
    "-1",
    "+1",
    "1.10",
    ".5",
    "1.",
    "1e3",
    "1E-3",
    "0x1F",
    "0o17",
    "0b11",
    "017",
    "-0x1",
    "1_000",
    "~",
    "null",
    "Null",
    "NULL",
    "nUll",
    "true",
    "True",
    "TRUE",
    "tRue",
    "yes",
    "no",
    "on",
    "off",
    ".inf",
    "-.inf",
    "+.INF",
    ".nan",
    ".NaN",
    "inf",
    "nan",
    "NaN",
    "infinity",
    "2026-11-22",
    "12:30",
    "20s",
    "50%",
    "$5/Mtok",
    "18446744073709551615",
    "-9223372036854775808",
    "1e400",
    "a b",
    "0",
    "-0",
    "0.0",
    "00",
    "--1",
    "e3",
    "0x",
    "<<",
    "=",
];

/// The values that serde_yaml and the tree read from a text.
fn both(text: &str) -> (serde_yaml::Value, serde_yaml::Value) {
    let (_, tree) = tree(text);
    (serde_yaml::from_str(text).unwrap(), tree.to_value())
}

#[test]
fn scalars_are_resolved_as_serde_yaml_does() {
    for scalar in SCALARS {
        for text in [
            format!("k: {scalar}"),
            format!("k: [{scalar}]"),
            format!("k: '{scalar}'"),
            format!("k: \"{scalar}\""),
        ] {
            let (theirs, ours) = both(&text);
            // NaN is unequal to itself: compare what is written.
            assert_eq!(
                serde_yaml::to_string(&theirs).unwrap(),
                serde_yaml::to_string(&ours).unwrap(),
                "{text}"
            );
        }
    }
    for text in ["k: |\n  1\n", "k: >-\n  true\n", "k: !!str 5", "k:", "k: !!str"] {
        let (theirs, ours) = both(text);
        assert_eq!(theirs, ours, "{text}");
    }
}

proptest! {
    #[test]
    fn any_scalar_is_resolved_as_serde_yaml_does(text in "[-+.0-9a-zA-Z_~:%/$ ]{0,12}") {
        let document = format!("k: {text}");
        let theirs: Result<serde_yaml::Value, _> = serde_yaml::from_str(&document);
        let mut problems = Vec::new();
        let source = Sources::default().add("t", "", SourceKind::File);
        let ours = parse(source, &document, &mut problems);
        if let (Ok(theirs), Some(ours)) = (theirs, ours)
            && let Some(node) = ours.get_key("k")
            && matches!(node.value.kind, Kind::Scalar(_))
        {
            let written = |value| serde_yaml::to_string(&value).unwrap();
            prop_assert_eq!(written(theirs), written(ours.to_value()));
        }
    }

    /// Whatever the text: no panic, and no scenario without either a value or an error.
    #[test]
    fn any_text_is_read_or_refused(cut in 0usize..300, insert in "[-{}\\[\\]:,&*!|>'\"%@`#\\t\\n a-z0-9é]{0,6}") {
        let good = super::kit::GOOD;
        let at = cut.min(good.len());
        let text = format!("{}{insert}{}", &good[..at], &good[at..]);
        let outcome = super::kit::text(&text);
        prop_assert_eq!(outcome.loaded.is_none(), outcome.diagnostics.errors() > 0);
        // Rendering must not panic on any place either.
        let _ = outcome.render(false);
        let _ = outcome.to_json();
    }
}
