//! JSON Schema of a distribution, from the same tables that reading uses.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::Dist;
use super::family::{FAMILIES, Family, Form, Kind, Range};
use crate::units::{Quantity, Ratio};

impl<Q: Quantity + JsonSchema> JsonSchema for Dist<Q> {
    fn schema_name() -> Cow<'static, str> {
        format!("Distribution_of_{}", Q::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let quantity = generator.subschema_for::<Q>().to_value();
        let mut constant = quantity.clone();
        if let Value::Object(map) = &mut constant {
            map.insert("description".into(), json!("A constant."));
        }
        let forms = forms(generator, &quantity);
        let one_key = |(name, about, inside): (&str, &str, Value)| {
            json!({
                "type": "object", "description": about, "additionalProperties": false,
                "required": [name], "properties": {name: inside},
            })
        };
        let alternatives: Vec<Value> =
            std::iter::once(constant).chain(forms.into_iter().map(one_key)).collect();
        json_schema!({
            "description": format!("A {}, or a distribution of it.", Q::NAME),
            "oneOf": alternatives,
        })
    }
}

/// Name, description and inside of each form that is a map with one key.
fn forms(
    generator: &mut SchemaGenerator,
    quantity: &Value,
) -> Vec<(&'static str, &'static str, Value)> {
    let mut forms: Vec<_> =
        FAMILIES.iter().map(|f| (f.name, f.about, family_schema(f, quantity))).collect();
    forms.push(("empirical", EMPIRICAL, empirical_schema(generator, quantity)));
    forms.push(("constant", "Always this value.", quantity.clone()));
    let branch = |(name, about, inside): &(&str, &str, Value)| {
        json!({
            "type": "object", "description": about, "additionalProperties": false,
            "required": ["weight", name],
            "properties": {"weight": {"type": "number", "minimum": 0}, *name: inside},
        })
    };
    let branches: Vec<Value> = forms.iter().map(branch).collect();
    let mixture = json!({"type": "array", "minItems": 1, "items": {"oneOf": branches}});
    forms.push(("mixture", "One of several distributions, by weight.", mixture));
    forms
}

const EMPIRICAL: &str = "Observed values, with weights if they are not equal, or points of the \
                         inverse distribution function, linear between them.";

fn parameter_schema(kind: Kind, range: Range, quantity: &Value) -> Value {
    match (kind, range) {
        (Kind::Quantity, _) => quantity.clone(),
        (Kind::Number, Range::Any) => json!({"type": "number"}),
        (Kind::Number, Range::NotNegative) => json!({"type": "number", "minimum": 0}),
        (Kind::Number, Range::AboveZero) => json!({"type": "number", "exclusiveMinimum": 0}),
        (Kind::Number, Range::AtLeastOne) => json!({"type": "number", "minimum": 1}),
        (Kind::Number, Range::WholeFromOne) => json!({"type": "integer", "minimum": 1}),
    }
}

fn with_bounds(mut properties: Map<String, Value>, required: &[&str], quantity: &Value) -> Value {
    for name in ["shift", "min", "max"] {
        properties.insert(name.into(), quantity.clone());
    }
    json!({
        "type": "object", "additionalProperties": false,
        "required": required, "properties": properties,
    })
}

fn family_schema(family: &Family, quantity: &Value) -> Value {
    let form = |form: &Form| {
        let schema = |p: &super::family::Parameter| {
            (p.name.to_owned(), parameter_schema(p.kind, p.range, quantity))
        };
        let required: Vec<&str> = form.parameters.iter().map(|p| p.name).collect();
        with_bounds(form.parameters.iter().map(schema).collect(), &required, quantity)
    };
    match family.forms {
        [only] => form(only),
        several => json!({"oneOf": several.iter().map(form).collect::<Vec<_>>()}),
    }
}

fn empirical_schema(generator: &mut SchemaGenerator, quantity: &Value) -> Value {
    let ratio = generator.subschema_for::<Ratio>().to_value();
    let values = Map::from_iter([
        ("values".to_owned(), json!({"type": "array", "minItems": 1, "items": quantity})),
        ("weights".to_owned(), json!({"type": "array", "items": {"type": "number", "minimum": 0}})),
    ]);
    let point =
        json!({"type": "array", "prefixItems": [ratio, quantity], "minItems": 2, "maxItems": 2});
    let quantiles = Map::from_iter([(
        "quantiles".to_owned(),
        json!({"type": "array", "minItems": 2, "items": point}),
    )]);
    json!({"oneOf": [
        with_bounds(values, &["values"], quantity),
        with_bounds(quantiles, &["quantiles"], quantity),
    ]})
}
