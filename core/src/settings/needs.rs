//! When a setting has an effect: conditions on other settings.
//!
//! A field states them as `needs`, in a small language: `kind = flow | diffusion`, `kind !=
//! served`, `image_size > 0`, `offset != 0`, joined by `and` and, more loosely, by `or`. A name
//! stands for a setting of the same group.

use super::{Field, Kind, join, value_at};
use serde_json::Value;

/// Which condition of the setting at `key` does not hold in `tree`, as a sentence part: `it needs
/// policy.kind = diffusion, which is flow`. None: all hold, or there is no such setting.
pub fn unmet(fields: &'static [Field], tree: &Value, key: &str) -> Option<String> {
    let mut group = fields;
    let mut path = String::new();
    for part in key.split('.') {
        let field = group.iter().find(|field| field.name == part)?;
        if let Some(reason) = unmet_by(field, &path, tree) {
            return Some(reason);
        }
        path = join(&path, part);
        if let Kind::Group(inner) = field.kind {
            group = inner;
        }
    }
    None
}

fn unmet_by(field: &Field, path: &str, tree: &Value) -> Option<String> {
    if field.needs.is_empty() {
        return None;
    }
    let group = value_at_group(tree, path);
    let mut first = None;
    for alternative in field.needs.split(" or ") {
        let mut conditions = alternative.split(" and ");
        let failed = conditions.find(|condition| !holds(condition, group))?;
        first = first.or(Some(failed));
    }
    let failed = first?;
    let (name, wanted) = failed.split_once(' ')?;
    let key = join(path, name);
    let wanted = wanted.replace(" | ", " or ").replace("= ", "");
    Some(match wanted.strip_prefix('!') {
        Some(other) => format!("it needs {key} to be other than {}", other.trim_start()),
        None => format!(
            "it needs {key} to be {wanted}, which is {}",
            text(&group[name])
        ),
    })
}

fn value_at_group<'a>(tree: &'a Value, path: &str) -> &'a Value {
    match path {
        "" => tree,
        path => value_at(tree, path),
    }
}

/// Whether `name = a | b`, `name != a` or `name > 0` holds in a group.
fn holds(condition: &str, group: &Value) -> bool {
    let mut words = condition.split(' ');
    let name = words.next().unwrap_or_default();
    let relation = words.next().unwrap_or_default();
    let mut values = words.filter(|word| *word != "|");
    let value = &group[name];
    let found = text(value);
    match relation {
        "=" => values.any(|wanted| wanted == found),
        "!=" => values.all(|other| !is(value, &found, other)),
        _ => value.as_f64().is_some_and(|number| number > 0.0),
    }
}

/// Whether a value, which reads `found`, is the one that a condition names: 0 is 0.0, too.
fn is(value: &Value, found: &str, named: &str) -> bool {
    match (value.as_f64(), named.parse::<f64>()) {
        (Some(number), Ok(named)) => number == named,
        _ => found == named,
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, keys};
    use super::*;
    use crate::run::{Config, Preset};

    /// Every condition reads as one: its setting is in the same group, and takes these values.
    #[test]
    fn conditions_are_about_settings_and_values_that_there_are() {
        for fields in groups(Config::FIELDS) {
            for field in fields {
                for condition in field.needs.split(" or ").flat_map(|all| all.split(" and ")) {
                    check(condition, fields, field.name);
                }
            }
        }
    }

    fn groups(fields: &'static [Field]) -> Vec<&'static [Field]> {
        let mut all = vec![fields];
        for field in fields {
            if let Kind::Group(inner) = field.kind {
                all.extend(groups(inner));
            }
        }
        all
    }

    fn check(condition: &str, fields: &[Field], of: &str) {
        if condition.is_empty() {
            return;
        }
        let words: Vec<&str> = condition.split(' ').filter(|word| *word != "|").collect();
        let named = fields.iter().find(|field| field.name == words[0]);
        let kind = named.unwrap_or_else(|| panic!("{of}: {condition}")).kind;
        match (kind, words[1]) {
            (Kind::Name(choices), "=" | "!=") => {
                let known = |word: &&str| choices.iter().any(|choice| choice.name == *word);
                assert!(words[2..].iter().all(known), "{of}: {condition}");
            }
            (Kind::Switch, "=") => assert!(["true", "false"].contains(&words[2]), "{of}"),
            (Kind::Whole { .. } | Kind::Number { .. }, ">" | "!=") => assert_eq!(words[2..], ["0"]),
            _ => panic!("{of}: {condition}"),
        }
    }

    /// A setting, and one of a group, are found to lack what they need; one of two alternatives is
    /// enough.
    #[test]
    fn the_condition_that_does_not_hold_is_named() {
        let mut tree = Config::preset(Preset::Tiny).to_value();
        let lacking = |tree: &Value, key: &str| unmet(Config::FIELDS, tree, key);
        let sentence = lacking(&tree, "policy.sampler").unwrap();
        assert!(
            sentence.contains("policy.kind to be diffusion, which is flow"),
            "{sentence}"
        );
        assert!(lacking(&tree, "policy.served.prompt").is_some());
        assert!(lacking(&tree, "policy.inference_steps").is_none());
        tree["policy"]["kind"] = "diffusion".into();
        assert!(lacking(&tree, "policy.sampler").is_none());
        assert!(lacking(&tree, "policy.inference_steps").is_none());
        tree["policy"]["sampler"] = "ddpm".into();
        assert!(lacking(&tree, "policy.inference_steps").is_some());
        let sentence = lacking(&tree, "finetune.dsrl.offset_per").unwrap();
        assert!(
            sentence.contains("finetune.dsrl.reward_offset to be other than 0"),
            "{sentence}"
        );
        tree["finetune"]["dsrl"]["reward_offset"] = (-0.5).into();
        assert!(lacking(&tree, "finetune.dsrl.offset_per").is_none());
        let free = |(key, _): &(String, &Field)| lacking(&tree, key).is_none();
        assert!(keys(Config::FIELDS, "").iter().any(free));
    }
}
