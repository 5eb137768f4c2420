//! From a preset, a TOML file and flags to a configuration.

use crate::engines;
use clap::Args;
use protege_core::run::{Config, Preset};
use protege_core::{Error, Result};
use serde_json::{Map, Value, json};
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
    /// Pretraining method; see `protege methods` [default: post-bc]
    #[arg(long, value_name = "METHOD")]
    pub pretrain: Option<String>,
    /// Finetuning method, or `none` [default: best-of-n]
    #[arg(long, value_name = "METHOD")]
    pub finetune: Option<String>,
    /// Kind of policy: flow, diffusion, gaussian, squashed or flow-transformer [default: flow]
    #[arg(long, value_name = "KIND")]
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
    /// The resolved configuration. `base` (a checkpoint's own configuration) stands in for the
    /// preset.
    ///
    /// # Errors
    /// Names an unknown key, method or preset and the nearest known one, or a value that does not
    /// fit.
    pub fn resolve(&self, base: Option<&Config>) -> Result<Config> {
        let flag = self.preset.as_deref().map(preset).transpose()?;
        let mut overlay = self
            .config
            .as_deref()
            .map(read_toml)
            .transpose()?
            .unwrap_or_default();
        if let Some(Value::String(name)) = overlay.get("preset") {
            preset(name)?;
        }
        let pairs = self.pairs()?;
        let config = match (base, flag) {
            (Some(base), None) => over(base, overlay)?,
            (_, flag) => {
                // What the paper's settings are depends on the job, so that comes first.
                JOB.iter()
                    .try_for_each(|key| choose(&mut overlay, key, &pairs))?;
                overlay.retain(|key, _| key != "preset" || flag.is_none());
                Config::from_overlay(&Value::Object(overlay), flag.unwrap_or(Preset::Cpu))?
            }
        };
        config.set_all(&pairs)
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

    /// Refuses settings of the policy where the policy comes with a checkpoint: they would have no
    /// effect.
    ///
    /// # Errors
    /// Names the first such setting.
    pub fn refuse_policy(&self) -> Result<()> {
        match self.set.iter().find(|pair| pair.starts_with("policy.")) {
            Some(pair) => Err(Error::input(format!(
                "--set {pair} cannot change the policy of a checkpoint, which is as it was \
                 pretrained: pretrain another one with it"
            ))),
            None => Ok(()),
        }
    }

    /// The flags as (key, JSON or bare text).
    fn pairs(&self) -> Result<Vec<(String, String)>> {
        let methods = [("pretrain", &self.pretrain), ("finetune", &self.finetune)];
        for (stage, name) in methods {
            name.as_deref().map_or(Ok(()), |name| {
                known(
                    &format!("{stage} method"),
                    name,
                    super::methods::names(stage),
                )
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

/// The settings that say what the job is.
const JOB: [&str; 8] = [
    "task",
    "pretrain.method",
    "finetune.method",
    "finetune.td_mpc.backbone",
    "finetune.csil.variant",
    "env.image_size",
    "policy.kind",
    "policy.served.address",
];

/// The tasks that a pattern such as `lab/*` names.
fn all_like(pattern: &str) -> Result<Vec<String>> {
    let beginning = pattern.trim_end_matches('*');
    let names = engines::catalog()
        .all()
        .into_iter()
        .map(|task| task.spec.id);
    let tasks: Vec<String> = names.filter(|id| id.starts_with(beginning)).collect();
    if tasks.is_empty() {
        Err(Error::input(format!(
            "no task is like `{pattern}`: `protege tasks` lists them"
        )))
    } else {
        Ok(tasks)
    }
}

/// Puts the last value that flags give the setting `key` into the overlay.
fn choose(overlay: &mut Map<String, Value>, key: &str, pairs: &[(String, String)]) -> Result<()> {
    let Some((_, text)) = pairs.iter().rev().find(|(name, _)| name == key) else {
        return Ok(());
    };
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()));
    let (groups, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut settings = overlay;
    for group in groups.split('.').filter(|group| !group.is_empty()) {
        settings = match settings.entry(group).or_insert_with(|| json!({})) {
            Value::Object(inner) => inner,
            _ => {
                return Err(Error::input(format!(
                    "{group} is a group of settings: name one of them, as in {group}.<name>"
                )));
            }
        };
    }
    settings.insert(name.to_owned(), value);
    Ok(())
}

/// The preset of this name.
fn preset(name: &str) -> Result<Preset> {
    known("preset", name, PRESETS.map(str::to_owned).to_vec())?;
    serde_json::from_value(name.into())
        .map_err(|e| Error::failed(format!("the preset {name} cannot be read: {e}")))
}

/// The names of all presets, the largest first.
pub const PRESETS: [&str; 3] = ["paper", "cpu", "tiny"];

/// Checks a name against those there are.
///
/// # Errors
/// Names what is unknown, the nearest name and all of them.
pub fn known(what: &str, name: &str, names: Vec<String>) -> Result<()> {
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let nearest = names
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let nearest = nearest.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err(Error::input(format!(
        "there is no {what} `{name}`{nearest} (there are {})",
        names.join(", ")
    )))
}

/// Puts what a file says over a whole configuration, setting by setting, so that unknown keys are
/// named.
fn over(base: &Config, overlay: Map<String, Value>) -> Result<Config> {
    let mut leaves = Vec::new();
    flatten("", &Value::Object(overlay), &mut leaves);
    leaves
        .into_iter()
        .try_fold(base.clone(), |config, (key, value)| {
            config.set(&key, &value.to_string())
        })
}

fn flatten(path: &str, value: &Value, leaves: &mut Vec<(String, Value)>) {
    let Value::Object(group) = value else {
        return leaves.push((path.to_owned(), value.clone()));
    };
    for (name, inner) in group {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        flatten(&path, inner, leaves);
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
fn read_toml(path: &Path) -> Result<Map<String, Value>> {
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
