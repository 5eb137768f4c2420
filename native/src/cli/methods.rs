//! `protege methods`: what there is to learn with. Everything here is read from the fields of the
//! configuration.

use super::{Answer, tables};
use protege_core::Result;
use protege_core::run::{Config, FinetuneMethod, Preset, PretrainMethod};
use protege_core::settings::{Choice, Field, group};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Arguments of `methods`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only this method, with every setting: its values in the presets, range, meaning and
    /// source
    #[arg(value_name = "METHOD")]
    method: Option<String>,
    /// Make the tables of settings in the pages of this folder anew, between `<!-- settings:GROUP
    /// -->` and `<!-- /settings -->`
    #[arg(long, value_name = "FOLDER", conflicts_with = "method")]
    docs: Option<PathBuf>,
}

/// Lists.
///
/// # Errors
/// When there is no such method.
pub fn answer(args: &Args) -> Result<Answer> {
    if let Some(folder) = &args.docs {
        return written(folder);
    }
    let mut rows: Vec<Value> = Vec::new();
    for stage in STAGES {
        rows.extend(choices(stage).iter().map(|method| row(stage, method)));
    }
    if let Some(wanted) = &args.method {
        let names = STAGES.iter().flat_map(|stage| names(stage)).collect();
        super::settings::known("method", wanted, names)?;
        rows.retain(|row| row["id"] == wanted.as_str());
    }
    let text = rows
        .iter()
        .map(|row| lines(row, args.method.is_some()))
        .collect();
    Ok(Answer {
        json: Value::Array(rows),
        text,
    })
}

fn written(folder: &std::path::Path) -> Result<Answer> {
    let changed = tables::write(folder)?;
    let names: Vec<String> = changed
        .iter()
        .map(|page| page.display().to_string())
        .collect();
    Ok(Answer {
        text: names.iter().map(|name| format!("{name}\n")).collect(),
        json: json!({ "changed": names }),
    })
}

const STAGES: [&str; 2] = ["pretrain", "finetune"];

/// The methods of a stage, in the order of the code.
fn choices(stage: &str) -> &'static [Choice] {
    match stage {
        "pretrain" => PretrainMethod::CHOICES,
        _ => FinetuneMethod::CHOICES,
    }
}

/// The names of a stage's methods.
pub fn names(stage: &str) -> Vec<String> {
    choices(stage)
        .iter()
        .map(|choice| choice.name.to_owned())
        .collect()
}

/// The names of a configuration's pretraining and finetuning.
pub fn of(config: &Config) -> (String, String) {
    (
        config.pretrain.method.name().to_owned(),
        config.finetune.method.name().to_owned(),
    )
}

fn row(stage: &str, method: &Choice) -> Value {
    let key = format!("{stage}.{}", method.name.replace('-', "_"));
    let mut settings = Map::new();
    for preset in Preset::ALL {
        let values = Config::bare(*preset).to_value();
        let own = &values[stage][method.name.replace('-', "_")];
        settings.insert(preset.name().to_owned(), own.clone());
    }
    let fields = group(Config::FIELDS, &key).unwrap_or_default();
    json!({
        "id": method.name,
        "kind": stage,
        "about": method.meaning,
        "presets": Preset::ALL.iter().map(|preset| preset.name()).collect::<Vec<_>>(),
        "settings": settings,
        "fields": fields.iter().map(|field| described(&key, field)).collect::<Vec<_>>(),
    })
}

fn described(group: &str, field: &Field) -> Value {
    json!({
        "key": tables::full(group, field.name),
        "meaning": tables::meaning(field),
        "range": tables::range(field),
        "source": field.source,
    })
}

fn lines(row: &Value, in_full: bool) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let [id, kind, about] = ["id", "kind", "about"].map(|key| text(&row[key]));
    let mut lines = format!("{id:12}{kind:10}{about}\n");
    let fields = row["fields"].as_array().filter(|_| in_full);
    for field in fields.into_iter().flatten() {
        let [key, meaning, range, source] =
            ["key", "meaning", "range", "source"].map(|part| text(&field[part]));
        let values: Vec<String> = Preset::ALL
            .iter()
            .map(|preset| format!("{} {}", preset.name(), tables::value(*preset, &key)))
            .collect();
        lines += &format!(
            "\n{key} ({})\n    {meaning}\n    {range}",
            values.join(", ")
        );
        lines += &match source.as_str() {
            "" => "\n".to_owned(),
            source => format!("; source: {source}\n"),
        };
    }
    if in_full && row["fields"].as_array().is_none_or(Vec::is_empty) {
        lines += "\nno settings\n";
    }
    lines
}
