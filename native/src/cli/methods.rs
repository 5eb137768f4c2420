//! `protege methods`: what there is to learn with, as the methods' rows and settings say.

use super::Answer;
use super::settings::PRESETS;
use protege_core::method::MethodInfo;
use protege_core::run::Config;
use protege_core::{Result, finetune, pretrain};
use serde_json::{Map, Value, json};

/// Arguments of `methods`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only this method, with every setting of every preset
    #[arg(value_name = "METHOD")]
    method: Option<String>,
    /// Print what the page needs to know of them: the contents of www/methods.js
    #[arg(long, hide = true)]
    for_page: bool,
}

/// Lists.
///
/// # Errors
/// When there is no such method.
pub fn answer(args: &Args) -> Result<Answer> {
    if args.for_page {
        let text = page();
        let json = Value::from(text.as_str());
        return Ok(Answer { json, text });
    }
    let mut rows: Vec<Value> = ["pretrain", "finetune"]
        .into_iter()
        .flat_map(|kind| infos(kind).iter().map(move |info| row(kind, info)))
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

/// The methods of a stage (`pretrain` or `finetune`), in the order of the code.
fn infos(kind: &str) -> &'static [&'static MethodInfo] {
    match kind {
        "pretrain" => &pretrain::INFOS,
        _ => &finetune::INFOS,
    }
}

/// The names of a stage's methods.
pub fn names(kind: &str) -> Vec<String> {
    let infos = infos(kind).iter();
    infos.map(|info| info.id.to_owned()).collect()
}

/// The contents of `www/methods.js`.
fn page() -> String {
    let pretrainers = entries(offered("pretrain"), |info| {
        let color = info.color.as_ref().map_or("grey", |color| color.name);
        format!("{{ name: '{}', color: '{color}' }}", info.label)
    });
    let finetuners = entries(offered("finetune"), |info| {
        format!("{{ name: '{}' }}", info.label)
    });
    format!(
        "// Names and colours of the methods, as their rows in core say: written by `protege methods \
         --for-page`.\n\n\
         /** Pretraining; a colour is a custom property without its `--`. */\n\
         export const PRETRAINERS = {{\n{pretrainers}}};\n\n\
         /** Finetuning. */\n\
         export const FINETUNERS = {{\n{finetuners}}};\n"
    )
}

/// The methods of a stage that the page has.
fn offered(kind: &str) -> impl Iterator<Item = &'static MethodInfo> {
    infos(kind).iter().copied().filter(|info| info.on_page)
}

fn entries(
    infos: impl Iterator<Item = &'static MethodInfo>,
    entry: impl Fn(&MethodInfo) -> String,
) -> String {
    infos
        .map(|info| format!("  '{}': {},\n", info.id, entry(info)))
        .collect()
}

/// What `--help` says of `--pretrain` and `--finetune`: `Pretraining method: bc, sigma-bc, ...`.
pub fn help(kind: &str, title: &str, default: &str) -> String {
    let names = names(kind).join(", ");
    format!("{title} method: {names}; see `protege methods` [default: {default}]")
}

/// The names of a configuration's pretraining and finetuning.
pub fn of(config: &Config) -> (String, String) {
    (
        config.pretrain.method.id().to_owned(),
        config.finetune.method.id().to_owned(),
    )
}

/// The name of a plain enum value, as in files.
pub fn plain_name<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|name| Some(name.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn row(kind: &str, info: &MethodInfo) -> Value {
    let settings: Map<String, Value> = PRESETS
        .into_iter()
        .map(|preset| (preset.to_owned(), settings(kind, info.id, preset)))
        .collect();
    let paper = info.paper.as_ref();
    json!({
        "id": info.id,
        "kind": kind,
        "label": info.label,
        "about": info.about,
        "paper": paper.map(|paper| json!({"citation": paper.citation, "link": paper.link})),
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
    let text = |key: &str| text_of(&row[key]);
    let head = format!("{:12}{:10}{}\n", text("id"), text("kind"), text("about"));
    if !in_full {
        return head;
    }
    let paper = match &row["paper"]["link"] {
        Value::String(link) => format!("  {}: {link}\n", text_of(&row["paper"]["citation"])),
        _ => String::new(),
    };
    let settings: String = PRESETS
        .into_iter()
        .map(|preset| format!("  {preset}: {}\n", brief(&row["settings"][preset])))
        .collect();
    head + &paper + &settings
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
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
