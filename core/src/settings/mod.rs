//! What a setting is: its key, its meaning, its range, its value in each preset.
//!
//! A field of a configuration struct says all of it ([`Settings`]). The presets, the checks, the
//! JSON schema, what `protege methods` prints and the tables in the docs are made of the fields.

mod needs;
mod schema;
mod tree;

pub use needs::unmet;
pub(crate) use protege_derive::{Choices, Settings};
pub use schema::schema;
pub use tree::{Setting, leaves};
pub(crate) use tree::{put, value_at};

use crate::error::{excerpt, nearest};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Sizes for three occasions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The published sizes.
    Paper,
    /// Learns on two cores in minutes.
    Cpu,
    /// Learns in a browser tab, and in the tests, in under two minutes.
    Tiny,
}

/// One setting, or one group of them.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The last part of its key.
    pub name: &'static str,
    /// Its name in a form; empty where no form has it.
    pub label: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The least and the greatest value that a form offers.
    pub usual: Option<(f64, f64)>,
    /// Where the paper's value comes from; empty: it is ours.
    pub source: &'static str,
    /// Whether the values of other settings depend on it.
    pub base: bool,
    /// When it has an effect, see [`unmet`]; empty: always.
    pub needs: &'static str,
}

impl Field {
    /// The least number that it takes; of other settings 0.
    pub const fn least(&self) -> f64 {
        match self.kind {
            Kind::Whole { low, .. } => low as f64,
            Kind::Number { low, .. } => low,
            _ => 0.0,
        }
    }
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Whole numbers in a range, both ends included.
    Whole {
        /// The least.
        low: u64,
        /// The greatest.
        high: u64,
    },
    /// Numbers in a range, both ends included.
    Number {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
    },
    /// True or false.
    Switch,
    /// Any text.
    Text,
    /// A list of texts.
    List,
    /// One of these names.
    Name(&'static [Choice]),
    /// None: it is a group of settings.
    Group(&'static [Field]),
}

/// What is said of a setting for those who read docs, schemas and refusals. The page has none of
/// them, and a visitor would load every word: there it is empty.
pub(crate) const fn prose(text: &'static str) -> &'static str {
    if cfg!(target_family = "wasm") {
        ""
    } else {
        text
    }
}

/// A value that a setting can have, by its name.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The field of this name; what names none does not compile where it stands in a constant.
pub const fn field(fields: &'static [Field], name: &str) -> Field {
    let mut i = 0;
    while i < fields.len() {
        if same(fields[i].name, name) {
            return fields[i];
        }
        i += 1;
    }
    panic!("there is no setting of that name")
}

/// Comparing strings is not possible in constants yet.
const fn same(a: &str, b: &str) -> bool {
    let a = a.as_bytes();
    let b = b.as_bytes();
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// The fields of the group at `key`, `finetune.dsrl`; of all settings where it is empty. None:
/// there is no such group.
pub fn group(fields: &'static [Field], key: &str) -> Option<&'static [Field]> {
    key.split('.')
        .filter(|part| !part.is_empty())
        .try_fold(fields, |group, part| {
            let field = group.iter().find(|field| field.name == part)?;
            match field.kind {
                Kind::Group(inner) => Some(inner),
                _ => None,
            }
        })
}

/// Every setting with its key; `path` is that of the group that they are in.
pub fn keys(fields: &'static [Field], path: &str) -> Vec<(String, &'static Field)> {
    let mut all = Vec::new();
    for field in fields {
        let key = join(path, field.name);
        match field.kind {
            Kind::Group(inner) => all.extend(keys(inner, &key)),
            _ => all.push((key, field)),
        }
    }
    all
}

/// The key of a setting in a group.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Checks that a setting lies in its range.
///
/// # Errors
/// Names the key, the value and the range.
pub(crate) fn within<T: PartialOrd + std::fmt::Display>(
    path: &str,
    name: &str,
    value: T,
    low: T,
    high: T,
) -> Result<()> {
    if value >= low && value <= high {
        return Ok(());
    }
    crate::error::within(&join(path, name), value, low, high)
}

/// What is wrong with a key that names nothing.
pub(crate) fn unknown(key: &str, known: impl Iterator<Item = String>) -> Error {
    let unknown = excerpt(key);
    match nearest(key, known) {
        Some(near) => Error::input(format!(
            "there is no setting {unknown}: did you mean {near}?"
        )),
        None => Error::input(format!("there is no setting {unknown}")),
    }
}
