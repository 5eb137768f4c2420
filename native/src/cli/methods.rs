//! `protege methods`: what there is to learn with. Everything here is read from the configuration's
//! schema.

use super::Answer;
use super::settings::PRESETS;
use protege_core::Result;
use protege_core::run::Config;
use serde_json::{Map, Value, json};

/// Arguments of `methods`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only this method, with every setting of every preset
    #[arg(value_name = "METHOD")]
    method: Option<String>,
}

/// Lists.
///
/// # Errors
/// When there is no such method.
pub fn answer(args: &Args) -> Result<Answer> {
    let mut rows: Vec<Value> = ["pretrain", "finetune"]
        .into_iter()
        .flat_map(|kind| variants(kind).into_iter().map(move |v| row(kind, v)))
        .collect();
    if let Some(wanted) = &args.method {
        super::settings::known(
            "method",
            wanted,
            rows.iter()
                .filter_map(|row| Some(row["id"].as_str()?.to_owned()))
                .collect(),
        )?;
        rows.retain(|row| row["id"] == wanted.as_str());
    }
    let text = rows
        .iter()
        .map(|row| line(row, args.method.is_some()))
        .collect();
    Ok(Answer {
        json: Value::Array(rows),
        text,
    })
}

/// A method's name and what it is.
struct Variant {
    id: String,
    about: String,
}

/// The methods of a stage (`pretrain` or `finetune`), in the order of the code.
fn variants(kind: &str) -> Vec<Variant> {
    let schema = Config::schema();
    let list = match kind {
        "pretrain" => &schema["$defs"]["PretrainMethod"]["oneOf"],
        _ => &schema["$defs"]["FinetuneMethod"]["oneOf"],
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.as_array()
        .into_iter()
        .flatten()
        .map(|v| Variant {
            id: text(&v["const"]),
            about: text(&v["description"]).replace('\n', " "),
        })
        .collect()
}

/// The names of a stage's methods.
pub fn names(kind: &str) -> Vec<String> {
    variants(kind)
        .into_iter()
        .map(|variant| variant.id)
        .collect()
}

/// The names of a configuration's pretraining and finetuning.
pub fn of(config: &Config) -> (String, String) {
    (
        plain_name(&config.pretrain.method),
        plain_name(&config.finetune.method),
    )
}

/// The name of a plain enum value, as in files.
pub fn plain_name<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|name| Some(name.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn row(kind: &str, variant: Variant) -> Value {
    let settings: Map<String, Value> = PRESETS
        .into_iter()
        .map(|preset| (preset.to_owned(), settings(kind, &variant.id, preset)))
        .collect();
    json!({
        "id": variant.id,
        "kind": kind,
        "about": variant.about,
        "presets": PRESETS,
        "settings": settings,
    })
}

/// A method's settings in a preset; null for a method without any.
fn settings(kind: &str, id: &str, preset: &str) -> Value {
    let config = serde_json::from_value(preset.into())
        .ok()
        .map(Config::preset);
    let config = serde_json::to_value(config).unwrap_or_default();
    config[kind][id.replace('-', "_")].clone()
}

fn line(row: &Value, in_full: bool) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let head = format!("{:12}{:10}{}\n", text("id"), text("kind"), text("about"));
    let presets = PRESETS.into_iter().filter(|_| in_full);
    let settings: String = presets
        .map(|preset| format!("  {preset}: {}\n", brief(&row["settings"][preset])))
        .collect();
    head + &settings
}

/// `members 20, alpha 1.0, ...`
fn brief(settings: &Value) -> String {
    let Value::Object(settings) = settings else {
        return "no settings".to_owned();
    };
    settings
        .iter()
        .map(|(key, value)| format!("{key} {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}
