//! From a preset, a TOML file and flags to a configuration.

use super::names::{self, known};
use crate::engines::CATALOG;
use clap::Args;
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
    /// One setting, such as `finetune.best_of_n.samples=16`; may be repeated
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

    /// What the flags and `--set` say.
    ///
    /// # Errors
    /// When they contradict each other.
    fn asked(&self) -> Result<Vec<Setting>> {
        let mut asked = Vec::new();
        if let Some(name) = &self.preset {
            let presets = Preset::ALL.iter().map(|preset| preset.name().to_owned());
            known("preset", name, presets.collect())?;
            asked.push(("preset".to_owned(), Value::from(name.as_str())));
        }
        asked.extend(resolve::parsed(&self.pairs()?)?);
        for (i, (key, value)) in asked.iter().enumerate() {
            let first = asked[..i].iter().find(|(other, _)| other == key);
            if let Some((_, other)) = first.filter(|(_, other)| other != value) {
                return Err(Error::input(format!(
                    "{key} is given twice, as {other} and as {value}: give it once"
                )));
            }
        }
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
            config
                .holds(purpose, &key, &value)
                .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
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
            "no task is like `{pattern}`: `protege tasks` lists them"
        )))
    } else {
        Ok(tasks)
    }
}

fn split(pair: &str) -> Result<(String, String)> {
    let (key, value) = pair.split_once('=').ok_or_else(|| {
        Error::input(format!(
            "--set {pair} has no `=`: write it as --set key=value"
        ))
    })?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Reads a TOML file as JSON.
pub fn read_toml(path: &Path) -> Result<Map<String, Value>> {
    let text = String::from_utf8(crate::files::read(path)?)
        .map_err(|_| Error::input(format!("{} is not a text file", path.display())))?;
    toml::from_str(&text).map_err(|e: toml::de::Error| {
        let line = e
            .span()
            .map_or(1, |span| text[..span.start].lines().count().max(1));
        Error::input(format!(
            "{} is not valid TOML: line {line}: {}",
            path.display(),
            e.message().lines().collect::<Vec<_>>().join(", ")
        ))
    })
}
