//! Settings by key: taken out of JSON, and put into it.

use super::{Field, Kind, join, unknown};
use crate::error::{excerpt, nearest_few};
use crate::{Error, Result};
use serde_json::Value;

/// A setting's key and its value.
pub type Setting = (String, Value);

/// The settings of a JSON object, one by one; `path` is the key of the group that it is.
pub fn leaves(value: &Value, path: &str) -> Vec<Setting> {
    let Value::Object(group) = value else {
        return vec![(path.to_owned(), value.clone())];
    };
    let mut all = Vec::new();
    for (name, inner) in group {
        all.extend(leaves(inner, &join(path, name)));
    }
    all
}

/// The value at `key`; null where there is none.
pub(crate) fn value_at<'a>(tree: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(tree, |group, name| &group[name])
}

/// Puts a value in its place.
///
/// # Errors
/// Names an unknown key and the nearest known one, or the key whose value does not fit.
pub(crate) fn put(tree: &mut Value, fields: &'static [Field], setting: &Setting) -> Result<()> {
    let (key, value) = setting;
    let field = find(fields, key)?;
    let slot = key.split('.').fold(tree, |group, name| &mut group[name]);
    *slot = fitting(field, key, value, slot)?;
    Ok(())
}

/// The field of a key.
fn find(fields: &'static [Field], key: &str) -> Result<&'static Field> {
    let mut group = fields;
    let mut path = String::new();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let here = join(&path, part);
        let Some(field) = group.iter().find(|field| field.name == part) else {
            return Err(unknown(
                &here,
                group.iter().map(|field| join(&path, field.name)),
            ));
        };
        match (field.kind, parts.peek().is_some()) {
            (Kind::Group(inner), true) => group = inner,
            (Kind::Group(_), false) => {
                return Err(Error::input(format!(
                    "{here} is a group of settings: name one of them, as in {here}.<name>"
                )));
            }
            (_, true) => return Err(unknown(key, std::iter::once(here))),
            (_, false) => return Ok(field),
        }
        path = here;
    }
    Err(unknown(
        key,
        group.iter().map(|field| join(&path, field.name)),
    ))
}

/// The value as the setting wants it: 2e3 is a whole number, too.
fn fitting(field: &Field, key: &str, value: &Value, present: &Value) -> Result<Value> {
    let fits = match field.kind {
        Kind::Whole { .. } => whole(value).map(Value::from),
        Kind::Number { .. } => value.is_number().then(|| value.clone()),
        Kind::Switch => value.is_boolean().then(|| value.clone()),
        Kind::Text => value.is_string().then(|| value.clone()),
        Kind::List => is_list(value).then(|| value.clone()),
        Kind::Name(choices) => {
            let known = choices.iter().any(|choice| value == choice.name);
            known.then(|| value.clone())
        }
        Kind::Group(_) => None,
    };
    fits.ok_or_else(|| {
        let wanted = match field.kind {
            Kind::Whole { .. } => format!("a whole number, such as {present}"),
            Kind::Number { .. } => format!("a number, such as {present}"),
            Kind::Switch => "true or false".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::List => "a list of texts, such as [\"lab/lift\"]".to_owned(),
            Kind::Name(choices) => {
                let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
                let near = nearest_few(value.as_str().unwrap_or_default(), &names);
                format!("one of {} names, such as {near}", choices.len())
            }
            Kind::Group(_) => "a group of settings".to_owned(),
        };
        let value = excerpt(&value.to_string());
        Error::input(format!("{key} = {value} does not fit: it must be {wanted}"))
    })
}

/// A whole number, as far as a float counts exactly.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        let exact = number.fract() == 0.0 && (0.0..=9e15).contains(&number);
        exact.then_some(number as u64)
    })
}

fn is_list(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().all(Value::is_string))
}
