//! The schema for editors.

use super::kit::{Demo, SITES};
use crate::scenario::schema_for;

#[test]
fn schema_of_the_test_type() {
    let schema = schema_for::<Demo>(SITES);
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap());
}

#[test]
fn use_and_extend_are_known_and_quantities_are_text() {
    let schema = schema_for::<Demo>(SITES);
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    assert_eq!(at("/properties/extend/type"), "string");
    for definition in ["Class", "Platform", "Rates", "Model"] {
        assert_eq!(at(&format!("/$defs/{definition}/properties/use/type")), "string");
    }
    assert_eq!(at("/$defs/Platform/properties/rates/anyOf/0/type"), "string", "a name alone");
    assert_eq!(at("/$defs/Span/type"), "string");
    assert_eq!(at("/$defs/Ratio/type"), &serde_json::json!(["string", "number"]));
    assert!(schema.get("required").is_none(), "an extended file may give any key");
    assert_eq!(
        at("/$defs/Arrivals/oneOf/1/required/0"),
        "poisson",
        "forms keep what tells them apart"
    );
}
