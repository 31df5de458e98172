//! The JSON Schema that editors use while a scenario is written.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::uses::UseSite;

/// The schema of a scenario type, with the keys that the types do not have: `extend` at the top and
/// `use` at each of `sites`.
///
/// `required` is dropped except where it tells the forms of a choice apart: presets and extended
/// files may give any key, which an editor cannot see. The loader says what is missing.
pub fn schema_for<T: JsonSchema>(sites: &[UseSite]) -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    drop_required(&mut schema);
    let extend = json!({
        "type": "string",
        "description": "Path of a scenario that this one is laid over, relative to this file",
    });
    add_property(&mut schema, "", "extend", extend);
    for site in sites {
        let parts: Vec<&str> = site.at.split('.').collect();
        for place in find(&schema, "", &parts) {
            let kind = site.kind.name();
            let description = format!(
                "Name of a {kind} preset, `name` or `name@date`; the keys beside it override its values"
            );
            let name = json!({"type": "string", "description": description});
            let target = resolve(&schema, &place);
            add_property(&mut schema, &target, "use", name.clone());
            if site.name_alone {
                allow_name(&mut schema, &place, &name);
            }
        }
    }
    schema
}

/// JSON pointers of the schemas at a path of keys, `*` for any.
fn find(root: &Value, from: &str, parts: &[&str]) -> Vec<String> {
    let Some((part, rest)) = parts.split_first() else { return vec![from.to_owned()] };
    let here = resolve(root, from);
    let Some(schema) = root.pointer(&here) else { return Vec::new() };
    let key = part.replace('~', "~0").replace('/', "~1");
    let named =
        schema.pointer(&format!("/properties/{key}")).map(|_| format!("{here}/properties/{key}"));
    let any = schema
        .get("additionalProperties")
        .filter(|a| a.is_object())
        .map(|_| format!("{here}/additionalProperties"));
    let next = if *part == "*" { any } else { named.or(any) };
    next.map(|next| find(root, &next, rest)).unwrap_or_default()
}

/// Follows `$ref`, and `anyOf` with null (an optional value), to the schema that has the keys.
fn resolve(root: &Value, pointer: &str) -> String {
    let mut pointer = pointer.to_owned();
    while let Some(schema) = root.pointer(&pointer) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            pointer = target.trim_start_matches('#').to_owned();
            continue;
        }
        let one_of_maps = |word: &str| {
            let list = schema.get(word)?.as_array()?;
            let map = |s: &Value| s.get("$ref").is_some() || s.get("properties").is_some();
            let mut maps = (0..list.len()).filter(|i| map(&list[*i]));
            let first = maps.next()?;
            maps.next().is_none().then(|| format!("{pointer}/{word}/{first}"))
        };
        match one_of_maps("anyOf").or_else(|| one_of_maps("oneOf")) {
            Some(next) if schema.get("properties").is_none() => pointer = next,
            _ => break,
        }
    }
    pointer
}

fn add_property(schema: &mut Value, pointer: &str, key: &str, property: Value) {
    let properties = schema
        .pointer_mut(pointer)
        .and_then(Value::as_object_mut)
        .map(|object| object.entry("properties").or_insert_with(|| Value::Object(Map::new())));
    if let Some(properties) = properties.and_then(|p| p.as_object_mut()) {
        properties.insert(key.to_owned(), property);
    }
}

/// Lets a preset's name stand for the map.
fn allow_name(schema: &mut Value, pointer: &str, name: &Value) {
    if let Some(place) = schema.pointer_mut(pointer) {
        let map = place.take();
        *place = json!({"anyOf": [name, map]});
    }
}

fn drop_required(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let tag_only = is_tagged_form(object);
            if !tag_only {
                // A property may itself be called `required`: only the list of names goes.
                if object.get("required").is_some_and(Value::is_array) {
                    object.remove("required");
                }
            }
            for value in object.values_mut() {
                drop_required(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_required),
        _ => {}
    }
}

/// One alternative of an externally tagged enum: exactly one key, and that required.
pub(super) fn is_tagged_form(object: &Map<String, Value>) -> bool {
    let required = object.get("required").and_then(Value::as_array);
    let properties = object.get("properties").and_then(Value::as_object);
    match (required, properties) {
        (Some(required), Some(properties)) => {
            required.len() == 1
                && properties.len() == 1
                && object.get("additionalProperties") == Some(&Value::Bool(false))
        }
        _ => false,
    }
}
