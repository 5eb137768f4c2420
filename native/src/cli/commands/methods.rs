//! `protege methods`: what there is to learn with, as the methods' rows and the fields of the
//! configuration say.

use crate::cli::answer::Answer;
use crate::cli::names::{STAGES, infos, known};
use crate::cli::tables;
use crate::terminal;
use protege_core::Result;
use protege_core::method::MethodInfo;
use protege_core::run::{Config, Preset};
use protege_core::settings::{Field, group, keys};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

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
    /// Print what the page needs to know of them: the contents of www/methods.js
    #[arg(long, hide = true)]
    for_page: bool,
}

/// Lists.
///
/// # Errors
/// When there is no such method.
pub fn answer(args: &Args) -> Result<Answer> {
    if let Some(folder) = &args.docs {
        return written(folder);
    }
    if args.for_page {
        let text = page();
        let json = Value::from(text.as_str());
        return Ok(Answer { json, text });
    }
    let mut rows: Vec<Value> = Vec::new();
    for stage in STAGES {
        rows.extend(infos(stage).iter().map(|info| row(stage, info)));
    }
    if let Some(wanted) = &args.method {
        let ids = rows.iter().filter_map(|row| row["id"].as_str());
        known("method", wanted, ids.map(str::to_owned).collect())?;
        rows.retain(|row| row["id"] == wanted.as_str());
    }
    let in_full = args.method.is_some();
    let text = rows.iter().map(|row| lines(row, in_full)).collect();
    Ok(Answer {
        json: Value::Array(rows),
        text,
    })
}

fn written(folder: &Path) -> Result<Answer> {
    let changed = tables::write(folder)?;
    let names: Vec<String> = changed.iter().map(|page| terminal::path(page)).collect();
    Ok(Answer {
        text: names.iter().map(|name| format!("{name}\n")).collect(),
        json: json!({ "changed": names }),
    })
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
        "// Names and colors of the methods, as their rows in core say: written by `protege \
        methods \
         --for-page`.\n\n\
         /** Pretraining; a color is a custom property without its `--`. */\n\
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

fn row(stage: &str, info: &MethodInfo) -> Value {
    let name = info.id.replace('-', "_");
    let key = format!("{stage}.{name}");
    let mut settings = Map::new();
    for preset in Preset::ALL {
        let values = Config::bare(*preset).to_value();
        settings.insert(preset.name().to_owned(), values[stage][&name].clone());
    }
    let fields = keys(group(Config::FIELDS, &key).unwrap_or_default(), &key);
    let presets = Preset::ALL.iter().map(|preset| preset.name());
    let paper = info.paper.as_ref();
    json!({
        "id": info.id,
        "kind": stage,
        "label": info.label,
        "about": info.about,
        "paper": paper.map(|paper| json!({"citation": paper.citation, "link": paper.link})),
        "presets": presets.collect::<Vec<_>>(),
        "settings": settings,
        "fields": fields.iter().map(|(key, field)| described(key, field)).collect::<Vec<_>>(),
    })
}

fn described(key: &str, field: &Field) -> Value {
    json!({
        "key": key,
        "meaning": tables::meaning(field),
        "range": tables::range(field),
        "source": field.source,
    })
}

fn lines(row: &Value, in_full: bool) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let [id, kind, about] = ["id", "kind", "about"].map(|key| text(&row[key]));
    let mut lines = format!("{id:12}{kind:10}{about}\n");
    if !in_full {
        return lines;
    }
    if let Value::String(link) = &row["paper"]["link"] {
        let citation = text(&row["paper"]["citation"]);
        lines += &format!("{citation}: {link}\n");
    }
    let fields = row["fields"].as_array();
    for field in fields.into_iter().flatten() {
        lines += &setting(field);
    }
    if fields.is_none_or(Vec::is_empty) {
        lines += "\nno settings\n";
    }
    lines
}

/// A setting's key and values, its meaning, and its range with the source of its value.
fn setting(field: &Value) -> String {
    let text = |part: &str| field[part].as_str().unwrap_or_default().to_owned();
    let [key, meaning, range, source] = ["key", "meaning", "range", "source"].map(text);
    let value = |preset: &Preset| format!("{} {}", preset.name(), tables::value(*preset, &key));
    let values: Vec<String> = Preset::ALL.iter().map(value).collect();
    let source = match source.as_str() {
        "" => String::new(),
        source => format!("; source: {source}"),
    };
    format!(
        "\n{key} ({})\n    {meaning}\n    {range}{source}\n",
        values.join(", ")
    )
}
