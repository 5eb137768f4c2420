//! From a preset, a TOML file and flags to a configuration.

use super::names::{self, known};
use crate::engines::CATALOG;
use clap::Args;
use protege_core::error::excerpt;
use protege_core::policy::PolicyKind;
use protege_core::run::{Config, Preset, Purpose, resolve};
use protege_core::settings::{Setting, leaves};
use protege_core::{Error, Result};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Settings of a run. A preset gives every setting a value, `--config` changes some, flags and
/// `--set` have the last word.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Task, `suite/name`; see `protege tasks` [default: lab/pick-place]. `lab/*`: all of them,
    /// learned by one flow-transformer
    #[arg(long)]
    pub task: Option<String>,
    /// Physics engine, `rapier` or `mujoco` [default: the first that `protege tasks` shows for the
    /// task]
    #[arg(long)]
    pub engine: Option<String>,
    #[arg(
        long,
        value_name = "METHOD",
        help = names::help("pretrain", "Pretraining", "post-bc")
    )]
    pub pretrain: Option<String>,
    #[arg(
        long,
        value_name = "METHOD",
        help = names::help("finetune", "Finetuning", "best-of-n")
    )]
    pub finetune: Option<String>,
    #[arg(long, value_name = "KIND", help = kinds_of_policy())]
    pub policy: Option<String>,
    /// Demonstrations to learn from, of each task [default: 10]
    #[arg(long, value_name = "N")]
    pub demos: Option<usize>,
    /// Seed of everything random; with `--seeds`, the first [default: 0]
    #[arg(long, value_name = "K")]
    pub seed: Option<u64>,
    /// Sizes: `paper`, `cpu` (minutes on two cores) or `tiny` (seconds) [default: cpu]
    #[arg(long)]
    pub preset: Option<String>,
    /// A TOML file with any of the settings that `config.toml` of a run shows
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, such as `finetune.best_of_n.samples=16`; may be repeated: of several values of
    /// one setting the last counts
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Settings {
    /// The resolved configuration. What goes on from a policy begins with the settings that it was
    /// pretrained with.
    ///
    /// # Errors
    /// Names an unknown key, method or preset and the nearest known one, or a value that does not
    /// fit.
    pub fn resolve(&self, policy: Option<&Config>) -> Result<Config> {
        let mut settings = match policy {
            Some(config) => config.policy_settings(&CATALOG)?,
            None => Vec::new(),
        };
        settings.extend(self.filed()?);
        settings.extend(self.asked()?);
        Config::resolve(&settings, &CATALOG)
    }

    /// What the file says.
    fn filed(&self) -> Result<Vec<Setting>> {
        let Some(path) = &self.config else {
            return Ok(Vec::new());
        };
        let file = Value::Object(read_toml(path)?);
        resolve::renamed(leaves(&file, ""))
    }

    /// What the flags and `--set` say; of several values of one setting the last.
    ///
    /// # Errors
    /// When there is no such preset or method, or a pair is none.
    fn asked(&self) -> Result<Vec<Setting>> {
        let mut asked = Vec::new();
        if let Some(name) = &self.preset {
            let presets = Preset::ALL.iter().map(|preset| preset.name().to_owned());
            known("preset", name, presets.collect())?;
            asked.push(("preset".to_owned(), Value::from(name.as_str())));
        }
        asked.extend(resolve::parsed(&self.pairs()?)?);
        let values = asked.clone();
        let mut place = 0;
        asked.retain(|(key, _)| {
            place += 1;
            !values[place..].iter().any(|(later, _)| later == key)
        });
        Ok(asked)
    }

    /// Whether the file, a flag or `--set` gives this setting.
    ///
    /// # Errors
    /// Those of [`Settings::resolve`].
    pub fn gives(&self, key: &str) -> Result<bool> {
        let given = self.filed()?.into_iter().chain(self.asked()?);
        Ok(given.into_iter().any(|(name, _)| name == key))
    }

    /// Refuses settings that `config`, which they came to, does not have, and flags that have no
    /// effect. A file may describe more than is done with it: which of its settings that differ
    /// from the usual ones have no effect is given back, in a sentence.
    ///
    /// # Errors
    /// Names the first such setting, and the reason.
    pub fn check(&self, config: &Config, purpose: Purpose) -> Result<Option<String>> {
        let asked = self.asked()?;
        config.honors(purpose, &asked)?;
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let own = config.own_settings(&CATALOG)?;
        let has = |settings: &[Setting], key: &str| settings.iter().any(|(name, _)| name == key);
        let mut idle = Vec::new();
        for (key, value) in self.filed()? {
            if has(&asked, &key) {
                continue;
            }
            let held = config.holds(purpose, &key, &value);
            // Demonstrations are those that there are, whatever a file says of others.
            if held.is_err() && key.starts_with("demos.") {
                idle.push(key);
                continue;
            }
            held.map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
            if has(&own, &key) && config.idle(purpose, &key).is_some() {
                idle.push(key);
            }
        }
        Ok(unread(path, &idle))
    }

    /// The same settings without finetuning, unless one is given: not every method could go on with
    /// what is recorded or pretrained.
    #[must_use]
    pub fn before_finetuning(&self) -> Self {
        Self {
            finetune: self.finetune.clone().or_else(|| Some("none".into())),
            ..self.clone()
        }
    }

    /// The same settings for a policy that is served at `address`.
    #[must_use]
    pub fn served(&self, address: &str) -> Self {
        let served = [
            "policy.kind=served".to_owned(),
            format!("policy.served.address={address}"),
        ];
        Self {
            set: served.into_iter().chain(self.set.iter().cloned()).collect(),
            ..self.clone()
        }
    }

    /// The flags as (key, JSON or bare text).
    fn pairs(&self) -> Result<Vec<(String, String)>> {
        let methods = [("pretrain", &self.pretrain), ("finetune", &self.finetune)];
        for (stage, name) in methods {
            name.as_deref().map_or(Ok(()), |name| {
                known(&format!("{stage} method"), name, names::methods(stage))
            })?;
        }
        let text = |value: &Option<String>| {
            value
                .as_ref()
                .map(|name| Value::from(name.as_str()).to_string())
        };
        let together = self
            .task
            .as_deref()
            .filter(|task| task.ends_with('*'))
            .map(all_like)
            .transpose()?;
        let first = together.as_ref().and_then(|tasks| tasks.first()).cloned();
        let flags = [
            ("task", text(&first.or_else(|| self.task.clone()))),
            (
                "pretrain.tasks",
                together.map(|tasks| Value::from(tasks).to_string()),
            ),
            ("policy.kind", text(&self.policy)),
            ("engine", text(&self.engine)),
            ("pretrain.method", text(&self.pretrain)),
            ("finetune.method", text(&self.finetune)),
            ("demos.count", self.demos.map(|n| n.to_string())),
            ("seed", self.seed.map(|n| n.to_string())),
        ];
        let flags = flags
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), text?)));
        flags
            .map(Ok)
            .chain(self.set.iter().map(|pair| split(pair)))
            .collect()
    }
}

/// Settings that a sentence names at most.
const NAMED: usize = 5;

/// The sentence on a file's settings that have no effect; none where all have.
fn unread(path: &Path, keys: &[String]) -> Option<String> {
    let named = keys.iter().take(NAMED).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match keys.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let sentence = format!(
        "{} has settings without effect here: {named}{more}",
        path.display()
    );
    (!keys.is_empty()).then_some(sentence)
}

/// What `--help` says of `--policy`: the kinds that can be trained.
fn kinds_of_policy() -> String {
    let kinds = PolicyKind::ALL.iter();
    let trained = kinds.filter(|kind| **kind != PolicyKind::Served);
    let names: Vec<&str> = trained.map(|kind| kind.name()).collect();
    format!("Kind of policy: {} [default: flow]", names.join(", "))
}

/// The tasks that a pattern such as `lab/*` names.
fn all_like(pattern: &str) -> Result<Vec<String>> {
    let beginning = pattern.trim_end_matches('*');
    let names = CATALOG.all().into_iter().map(|task| task.spec.id);
    let tasks: Vec<String> = names.filter(|id| id.starts_with(beginning)).collect();
    if tasks.is_empty() {
        Err(Error::input(format!(
            "no task is like `{}`: `protege tasks` lists them",
            excerpt(pattern)
        )))
    } else {
        Ok(tasks)
    }
}

fn split(pair: &str) -> Result<(String, String)> {
    let (key, value) = pair.split_once('=').ok_or_else(|| {
        Error::input(format!(
            "--set {} has no `=`: write it as --set key=value",
            excerpt(pair)
        ))
    })?;
    // Scripts outlive names.
    let key = resolve::name_of_now(key.trim());
    Ok((key.to_owned(), value.trim().to_owned()))
}

/// Reads a TOML file as JSON.
///
/// # Errors
/// When it is no TOML, or has a value that no setting can have.
pub fn read_toml(path: &Path) -> Result<Map<String, Value>> {
    let file = path.display();
    let text = String::from_utf8(crate::files::read(path)?)
        .map_err(|_| Error::input(format!("{file} is not a text file")))?;
    let table: toml::Table = toml::from_str(&text).map_err(|e: toml::de::Error| {
        let before = e.span().and_then(|span| text.get(..span.start));
        let line = 1 + before.unwrap_or_default().matches('\n').count();
        let message: Vec<&str> = e.message().lines().collect();
        let message = message.join(", ");
        Error::input(format!("{file} is not valid TOML: line {line}: {message}"))
    })?;
    if let Some(what) = without_json(&table, "") {
        return Err(Error::input(format!(
            "{file}: {what}, which no setting can be: give it another value"
        )));
    }
    let json = serde_json::to_value(table);
    match json {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Error::failed(format!("{file} cannot be read as JSON"))),
    }
}

/// The first value that JSON does not have: `env.noise is nan`.
fn without_json(table: &toml::Table, group: &str) -> Option<String> {
    let entries = table.iter();
    let mut found = entries.map(|(name, value)| {
        let name = excerpt(name);
        let key = if group.is_empty() {
            name
        } else {
            format!("{group}.{name}")
        };
        value_without_json(value, &key)
    });
    found.find_map(|what| what)
}

fn value_without_json(value: &toml::Value, key: &str) -> Option<String> {
    match value {
        toml::Value::Float(number) if !number.is_finite() => {
            Some(format!("{key} is {}", number.to_string().to_lowercase()))
        }
        toml::Value::Datetime(date) => Some(format!("{key} is the date {date}")),
        toml::Value::Array(list) => list.iter().find_map(|inner| value_without_json(inner, key)),
        toml::Value::Table(inner) => without_json(inner, key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a TOML file is told with the line that it stands in, and a value that no
    /// setting can have as it was written.
    #[test]
    fn a_fault_in_toml_is_told_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        for (text, part) in [
            ("[demos]\ncount=1\ncount=2", "line 3"),
            ("seed=", "line 1"),
            ("seed=1\r\n\r\n[demos\r\n", "line 3"),
            ("[demos]\nnoise = nan", "demos.noise is nan"),
            ("[demos]\nnoise = -inf", "demos.noise is -inf"),
            ("seed = 1979-05-27", "seed is the date 1979-05-27"),
            ("[pretrain]\ntasks = [[07:32:00]]", "07:32:00"),
        ] {
            std::fs::write(&path, text).unwrap();
            let sentence = read_toml(&path).unwrap_err().to_string();
            assert!(sentence.contains(part), "{text:?}: {sentence}");
        }
    }
}
