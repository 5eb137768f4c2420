//! Tables of settings: what the docs show of them is made from the fields of the configuration.

use crate::engines::CATALOG;
use protege_core::run::{Config, Preset, published};
use protege_core::settings::{Field, Kind, group};
use protege_core::{Error, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- settings:";
const END: &str = "<!-- /settings -->";
const RULES: [&str; 2] = ["<!-- rules -->", "<!-- /rules -->"];

/// Makes the tables of the pages in `folder` and its folders anew; gives the pages that changed.
///
/// # Errors
/// When a page cannot be read or written, or shows settings that there are not.
pub fn write(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for page in pages(folder)? {
        let old = text_of(&page)?;
        let new = updated(&old)?;
        if new != old {
            crate::files::write_atomic(&page, new.as_bytes())?;
            changed.push(page);
        }
    }
    Ok(changed)
}

/// The pages in a folder and its folders.
fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |e| Error::input(format!("{} cannot be read: {e}", folder.display()));
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // Links to folders are not followed: they may lead back.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            all.extend(pages(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

fn text_of(page: &Path) -> Result<String> {
    String::from_utf8(crate::files::read(page)?)
        .map_err(|_| Error::input(format!("{} is not a text file", page.display())))
}

/// A page with the tables between its marks made anew.
fn updated(page: &str) -> Result<String> {
    let mut parts = page.split(BEGIN);
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let marked = part.split_once(" -->").zip(part.split_once(END));
        let Some(((key, _), (_, rest))) = marked else {
            return Err(Error::input(format!(
                "a table of settings has no end: write {END} after it"
            )));
        };
        new += &format!("{BEGIN}{key} -->\n{}{END}{rest}", table(key)?);
    }
    let [begin, end] = RULES;
    let marked = new.split_once(begin).zip(new.split_once(end));
    Ok(match marked {
        Some(((before, _), (_, after))) => format!("{before}{begin}\n{}{end}{after}", rules()),
        None => new,
    })
}

/// The table of the rules by which settings follow from others.
fn rules() -> String {
    let mut table = "\n| what it follows from, and the source | settings |\n|---|---|\n".to_owned();
    for (what, settings) in published::rules(&CATALOG) {
        let settings: Vec<String> = settings.iter().map(|key| format!("`{key}`")).collect();
        table += &format!("| {what} | {} |\n", settings.join(", "));
    }
    table + "\n"
}

/// The table of the settings of one group, those of groups in it left out.
fn table(key: &str) -> Result<String> {
    let fields = group(Config::FIELDS, key)
        .ok_or_else(|| Error::input(format!("there is no group of settings {key}")))?;
    let mut table = "\n| setting | meaning | range | paper | cpu | tiny | source |\n".to_owned();
    table += "|---|---|---|---|---|---|---|\n";
    let mut names = String::new();
    for field in fields {
        if matches!(field.kind, Kind::Group(_)) {
            continue;
        }
        let setting = full(key, field.name);
        let values = Preset::ALL
            .iter()
            .map(|preset| value(*preset, &setting))
            .collect::<Vec<_>>()
            .join(" | ");
        let meaning = meaning(field);
        let range = range(field);
        table += &format!(
            "| `{setting}` | {meaning} | {range} | {values} | {} |\n",
            field.source
        );
        names += &meanings(&setting, field);
    }
    Ok(format!("{table}\n{names}"))
}

/// What the names mean that a setting takes, as a list.
fn meanings(setting: &str, field: &Field) -> String {
    let Kind::Name(choices) = field.kind else {
        return String::new();
    };
    let mut list = format!("`{setting}` is one of:\n\n");
    for choice in choices {
        list += &format!("* `{}`: {}\n", choice.name, choice.meaning);
    }
    list + "\n"
}

/// A setting's key.
pub fn full(group: &str, name: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{group}.{name}")
    }
}

/// What a setting means, in sentences.
pub fn meaning(field: &Field) -> String {
    let base = if field.base {
        " Other settings depend on it."
    } else {
        ""
    };
    let needs = match field.needs {
        "" => String::new(),
        needs => format!(" Only where `{}`.", needs.replace('|', "or")),
    };
    format!("{}{base}{needs}", field.meaning)
}

/// What values a setting takes, in words.
pub fn range(field: &Field) -> String {
    match field.kind {
        Kind::Whole {
            low,
            high: u64::MAX,
        } => format!("{low} or more"),
        Kind::Whole { low, high } => format!("{} to {}", brief(low as f64), brief(high as f64)),
        Kind::Number { low, high } => format!("{} to {}", brief(low), brief(high)),
        Kind::Switch => "true, false".to_owned(),
        Kind::Text => "a text".to_owned(),
        Kind::List => "a list of texts".to_owned(),
        Kind::Name(choices) => {
            let names: Vec<String> = choices.iter().map(|c| format!("`{}`", c.name)).collect();
            names.join(", ")
        }
        Kind::Group(_) => String::new(),
    }
}

/// A setting's value in a preset by itself: what follows from other settings is not in it.
pub fn value(preset: Preset, key: &str) -> String {
    let config = Config::bare(preset).to_value();
    let value = key.split('.').fold(&config, |group, name| &group[name]);
    match value {
        Value::Number(number) if number.is_f64() => brief(number.as_f64().unwrap_or_default()),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        other => other.to_string(),
    }
}

/// `0.05`, `3e-4`, `100000`, `1e9`: powers of ten where they are much shorter.
fn brief(number: f64) -> String {
    let plain = format!("{number}");
    let short = format!("{number:e}");
    if short.len() + 1 < plain.len() {
        short
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables in the docs are those of the fields.
    #[test]
    fn the_docs_show_the_settings_that_there_are() {
        let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
        let mut shown = String::new();
        for page in pages(docs).unwrap() {
            let text = text_of(&page).unwrap();
            assert!(
                updated(&text).unwrap() == text,
                "the tables of {} are not those of the settings: run `protege methods --docs docs`",
                page.display()
            );
            shown += &text;
        }
        for (key, _) in protege_core::settings::keys(Config::FIELDS, "") {
            assert!(
                shown.contains(&format!("| `{key}` |")),
                "no page shows {key}: give its group a place, `{BEGIN}GROUP -->` and `{END}`"
            );
        }
    }
}
