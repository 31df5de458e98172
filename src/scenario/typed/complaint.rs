//! serde's standard error messages, taken apart.
//!
//! serde fixes their wording (`serde::de::Error`'s provided methods); serde_yaml adds two of its
//! own for enums written as one-key maps. What is none of these is the words of a type of ours.

/// What serde complained of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// A key that the type does not have.
    UnknownKey { key: String, known: Vec<String> },
    /// A key that the type needs.
    Missing { key: String },
    /// No alternative of an enum.
    UnknownVariant { variant: String, known: Vec<String> },
    /// An alternative with settings, written as a word alone.
    NeedsSettings,
    /// An alternative without settings, written as a map.
    TakesNoSettings,
    /// No key or several where one names the alternative.
    NotOneKey,
    /// Wrong type, value or length.
    Unexpected { expected: String },
    /// In a type's own words.
    Own(String),
}

impl Complaint {
    /// Takes a message apart.
    pub(super) fn read(message: &str) -> Self {
        if let Some((key, known)) = named(message, "unknown field ") {
            return Complaint::UnknownKey { key, known };
        }
        if let Some((variant, known)) = named(message, "unknown variant ") {
            return Complaint::UnknownVariant { variant, known };
        }
        if let Some((key, _)) = named(message, "missing field ") {
            return Complaint::Missing { key };
        }
        let unexpected = ["invalid type: ", "invalid value: ", "invalid length "]
            .iter()
            .find_map(|start| message.strip_prefix(start))
            .and_then(|rest| rest.split_once(", expected "));
        match unexpected {
            Some(("unit variant", _)) => Complaint::NeedsSettings,
            Some((_, "unit variant")) => Complaint::TakesNoSettings,
            Some((_, "map with a single key")) => Complaint::NotOneKey,
            Some((_, expected)) => Complaint::Unexpected { expected: expected.to_owned() },
            None => Complaint::Own(message.to_owned()),
        }
    }
}

/// The name in backticks behind `start`, and all names in backticks after it.
fn named(message: &str, start: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix(start)?.strip_prefix('`')?;
    // The name is the writer's and may hold a backtick; the list that follows is ours.
    let end = ["`, expected ", "`, there are no "].iter().find_map(|mark| rest.find(mark));
    let (name, rest) = match end {
        Some(end) => rest.split_at(end),
        None => (rest.strip_suffix('`')?, ""),
    };
    let known = rest.split('`').skip(2).step_by(2).map(str::to_owned).collect();
    Some((name.to_owned(), known))
}

/// What a type expects, for people: no type names. `found` is the text that is there: a range is
/// named only to whom it matters.
pub(super) fn wanted(expected: &str, found: &str) -> String {
    let too_large = found.bytes().all(|b| b.is_ascii_digit()) && !found.is_empty();
    let first = expected.split(' ').next().unwrap_or_default();
    let fixed = match expected {
        "u8" if too_large => "a whole number from 0 to 255",
        "u16" if too_large => "a whole number from 0 to 65535",
        "u32" if too_large => "a whole number from 0 to 4294967295",
        "u64" | "usize" if too_large => "a whole number from 0 to 18446744073709551615",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "a character" | "string" => "text",
        "a boolean" => "`true` or `false`",
        "a map" => "a map of keys",
        "a sequence" => "a list",
        "fewer elements in sequence" => "a list of fewer values",
        "unit" => "empty",
        _ => match first {
            "struct" => "a map of keys",
            "enum" => "one of its forms",
            _ => "",
        },
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    match tuple_size(expected) {
        Some(size) => format!("a list of {size} values"),
        None if matches!(first, "tuple" | "unit" | "newtype") => "written otherwise".to_owned(),
        None => expected.to_owned(),
    }
}

/// N of `a tuple of size N`.
pub(super) fn tuple_size(expected: &str) -> Option<usize> {
    expected.strip_prefix("a tuple of size ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_messages_are_taken_apart() {
        let known = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let cases = [
            (
                "unknown field `arrr`, expected `n` or `arr`",
                Complaint::UnknownKey { key: "arrr".into(), known: known(&["n", "arr"]) },
            ),
            (
                "unknown field `a`, there are no fields",
                Complaint::UnknownKey { key: "a".into(), known: known(&[]) },
            ),
            (
                "unknown variant `x`y`, expected one of `a`, `b`, `c`",
                Complaint::UnknownVariant { variant: "x`y".into(), known: known(&["a", "b", "c"]) },
            ),
            ("missing field `rate`", Complaint::Missing { key: "rate".into() }),
            ("invalid type: unit variant, expected struct variant", Complaint::NeedsSettings),
            ("invalid type: map, expected unit variant", Complaint::TakesNoSettings),
            ("invalid value: map, expected map with a single key", Complaint::NotOneKey),
            (
                "invalid length 1, expected a tuple of size 2",
                Complaint::Unexpected { expected: "a tuple of size 2".into() },
            ),
            (
                "the limit `0.5` is not a whole number",
                Complaint::Own("the limit `0.5` is not a whole number".into()),
            ),
        ];
        for (message, complaint) in cases {
            assert_eq!(Complaint::read(message), complaint, "{message}");
        }
    }

    #[test]
    fn no_type_name_reaches_people() {
        for expected in [
            "struct Foo",
            "enum Foo",
            "tuple struct Foo",
            "unit struct Foo",
            "u32",
            "struct variant A::B",
        ] {
            let text = wanted(expected, "x");
            assert!(
                !text.contains("Foo") && !text.contains("u32") && !text.contains("::"),
                "{text}"
            );
        }
    }
}
