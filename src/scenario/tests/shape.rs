//! Which maps may be merged.

use serde_json::json;

use crate::scenario::shape::Shape;
use crate::scenario::source::{Merge, Path};

/// A distribution as its schema says it: a constant, or one of two families, one of which has two
/// sets of parameters.
fn shape() -> Shape {
    let family = |name: &str, inside: serde_json::Value| json!({"type": "object", "additionalProperties": false, "required": [name], "properties": {name: inside}});
    let set = |a: &str, b: &str| {
        json!({"type": "object", "additionalProperties": false, "required": [a, b],
               "properties": {a: {"type": "number"}, b: {"type": "number"}, "max": {"type": "number"}}})
    };
    let lognormal = json!({"oneOf": [set("median", "p95"), set("mean", "cv")]});
    Shape::new(json!({
        "type": "object",
        "properties": {"think": {"$ref": "#/$defs/Dist"}, "free": {"type": "object"},
                       "capacity": {"$ref": "#/$defs/Capacity"}},
        "$defs": {"Dist": {"oneOf": [
            {"type": "string"},
            family("lognormal", lognormal),
            family("gamma", set("mean", "cv")),
        ]}, "Capacity": {"oneOf": [family("elastic", json!({"type": "object"}))]}},
    }))
}

#[test]
fn forms_and_parametrisations_are_not_mixed() {
    let think = Path::top().key("think");
    let inside = think.key("lognormal");
    let cases: &[(&Path, &[&str], bool)] = &[
        (&think, &["lognormal"], true),
        (&think, &["lognormal", "gamma"], false),
        (&inside, &["median", "p95", "max"], true),
        (&inside, &["mean", "max"], true),
        (&inside, &["median", "p95", "mean", "cv"], false),
    ];
    for (path, keys, fits) in cases {
        assert_eq!(shape().fits(path, keys), *fits, "{path}: {keys:?}");
    }
}

#[test]
fn a_choice_of_one_form_is_a_choice() {
    let capacity = Path::top().key("capacity");
    assert!(shape().fits(&capacity, &["elastic"]));
    assert!(!shape().fits(&capacity, &["elastic", "hosts"]));
}

#[test]
fn what_is_no_choice_is_merged_whatever_its_keys() {
    for path in [Path::top(), Path::top().key("free"), Path::top().key("nowhere").index(3)] {
        assert!(shape().fits(&path, &["any", "thing"]), "{path}");
    }
}
