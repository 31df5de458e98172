//! What the JSON Schema of a type says about merging: where a value is a choice between forms.

use serde_json::Value;

use super::schema::is_tagged_form;
use super::source::{Merge, Path, Segment};

/// Reads choices off a schema, so that whoever writes the types has nothing to declare: an
/// externally tagged enum is a `oneOf` of one-key maps, and `{every: 5s}` laid over
/// `{poisson: {…}}` replaces it because no form has both keys, while two maps of the same form are
/// merged.
#[derive(Clone, Debug)]
pub struct Shape {
    schema: Value,
}

/// How deep references and alternatives are followed; types are not nested deeper.
const DEPTH: usize = 32;

impl Shape {
    /// From the schema of the type that the scenario is read into.
    pub fn new(schema: Value) -> Self {
        Shape { schema }
    }

    /// From the type.
    pub fn of<T: schemars::JsonSchema>() -> Self {
        Shape::new(schemars::schema_for!(T).to_value())
    }

    /// All maps that may stand at `path`: each alternative's schema.
    fn maps_at(&self, path: &Path) -> Vec<&Value> {
        let mut here = vec![&self.schema];
        for segment in &path.0 {
            here = here
                .iter()
                .flat_map(|s| self.alternatives(s))
                .flat_map(|s| below(s, segment))
                .collect();
        }
        let mut maps: Vec<&Value> = here.iter().flat_map(|s| self.alternatives(s)).collect();
        maps.retain(|s| {
            s.get("properties").is_some()
                || s.get("additionalProperties").is_some_and(Value::is_object)
        });
        maps
    }

    /// The schemas without `$ref`, `anyOf`, `oneOf` and `allOf` that `schema` stands for.
    fn alternatives<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let mut found = Vec::new();
        self.expand(schema, DEPTH, &mut found);
        found
    }

    fn expand<'a>(&'a self, schema: &'a Value, depth: usize, found: &mut Vec<&'a Value>) {
        let Some(depth) = depth.checked_sub(1) else { return };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            if let Some(target) = self.schema.pointer(target.trim_start_matches('#')) {
                self.expand(target, depth, found);
            }
            return;
        }
        for word in ["oneOf", "anyOf", "allOf"] {
            for alternative in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
                self.expand(alternative, depth, found);
            }
        }
        if schema.get("properties").is_some() || schema.get("type").is_some() {
            found.push(schema);
        }
    }
}

fn below<'a>(schema: &'a Value, segment: &Segment) -> Option<&'a Value> {
    match segment {
        Segment::Key(key) => schema
            .get("properties")
            .and_then(|p| p.get(key))
            .or_else(|| schema.get("additionalProperties").filter(|a| a.is_object())),
        Segment::Index(index) => schema
            .get("prefixItems")
            .and_then(|items| items.get(index))
            .or_else(|| schema.get("items").filter(|items| items.is_object())),
    }
}

fn accepts(map: &Value, key: &str) -> bool {
    map.get("properties").is_some_and(|p| p.get(key).is_some())
        || map.get("additionalProperties").is_some_and(Value::is_object)
}

impl Merge for Shape {
    fn fits(&self, path: &Path, keys: &[&str]) -> bool {
        let maps = self.maps_at(path);
        let tagged = |map: &&Value| map.as_object().is_some_and(is_tagged_form);
        // Neither several forms nor one of a choice that has no others yet: a key that does not
        // belong here is the typed reading's business.
        (maps.len() < 2 && !maps.iter().any(tagged))
            || maps.iter().any(|map| keys.iter().all(|key| accepts(map, key)))
    }
}
