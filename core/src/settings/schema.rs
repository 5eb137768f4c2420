//! The JSON schema of settings.

use super::{Field, Kind};
use serde_json::{Map, Value, json};

/// The schema of a group of settings: meanings, ranges, names, sources, and the values in each
/// preset. `presets` holds each preset's name and its values of this group.
pub fn schema(fields: &'static [Field], presets: &[(&'static str, Value)]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let own: Vec<(&'static str, Value)> = presets
            .iter()
            .map(|(preset, values)| (*preset, values[field.name].clone()))
            .collect();
        properties.insert(field.name.to_owned(), property(field, &own));
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn property(field: &Field, presets: &[(&'static str, Value)]) -> Value {
    let mut property = match field.kind {
        Kind::Group(inner) => schema(inner, presets),
        Kind::Whole { low, high } => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number { low, high } => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Text => json!({ "type": "string" }),
        Kind::List => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Name(choices) => {
            let options: Vec<Value> = choices
                .iter()
                .map(|choice| json!({ "const": choice.name, "description": choice.meaning }))
                .collect();
            json!({ "oneOf": options })
        }
    };
    property["description"] = json!(field.meaning);
    if matches!(field.kind, Kind::Group(_)) {
        return property;
    }
    let values: Map<String, Value> = presets
        .iter()
        .map(|(preset, value)| ((*preset).to_owned(), value.clone()))
        .collect();
    property["presets"] = Value::Object(values);
    if !field.needs.is_empty() {
        property["needs"] = json!(field.needs);
    }
    if !field.source.is_empty() {
        property["source"] = json!(field.source);
    }
    property
}
