//! Values put where the written one is wrong, so that the rest can be read.

use serde_yaml::{Mapping, Value};

use super::complaint::tuple_size;
use crate::scenario::source::Scalar;

/// A name that no type knows: serde answers with the names that it does know.
pub(super) const PROBE: &str = "?";

/// Tried in turn where what serde expects tells nothing.
const GUESSES: &[&str] =
    &["1", "1s", "?", "1/s", "1B", "1B/s", "$1", "$1/h", "$1/GiB-h", "$1/Mtok"];

/// Whether the stand-in for this makes serde list the names it knows.
pub(super) fn lists_what_it_knows(expected: &str) -> bool {
    expected.starts_with("enum ") || expected.starts_with("struct ")
}

/// A value that a type probably takes which says that it expects this.
pub(super) fn for_expected(expected: &str, tries: usize) -> Value {
    if expected.starts_with("enum ") {
        return Value::String(PROBE.into());
    }
    if expected.starts_with("struct ") {
        let mut map = Mapping::new();
        map.insert(Value::String(PROBE.into()), Value::Null);
        return Value::Mapping(map);
    }
    if let Some(size) = tuple_size(expected) {
        return Value::Sequence(vec![Value::Null; size]);
    }
    match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => 1.into(),
        "f32" | "f64" => 1.0.into(),
        "a string" | "a borrowed string" | "a character" | "string" => Value::String(PROBE.into()),
        "a boolean" => false.into(),
        "a map" => Value::Mapping(Mapping::new()),
        "a sequence" => Value::Sequence(Vec::new()),
        "unit" | "fewer elements in sequence" => Value::Null,
        _ => example(expected, tries),
    }
}

/// One of the examples that the words give in backticks, else a guess.
fn example(expected: &str, tries: usize) -> Value {
    let examples: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let all: Vec<&str> = examples.into_iter().chain(GUESSES.iter().copied()).collect();
    let text = all[tries.saturating_sub(1) % all.len()].to_owned();
    Scalar { text, quoted: false }.to_value()
}
