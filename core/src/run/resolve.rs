//! From settings to a configuration, in one way for new runs, for what goes on from a policy, for
//! saved configurations and for the page.
//!
//! Settings come in an order: a policy's own, a file's, flags. Of those on which others depend
//! (`base`), the last of each comes first: it chooses the preset and the rules of
//! [`published`]. Then every setting is put in its place, and the result is checked.

use super::config::{Config, FinetuneMethod};
use super::published;
use crate::env::Catalog;
use crate::env::catalogue::CORE;
use crate::error::excerpt;
use crate::finetune::csil;
use crate::settings::{self, Preset, Setting, keys, leaves, put, value_at};
use crate::{Error, Result};
use serde_json::Value;

impl Config {
    /// The settings of a preset, on `lab/pick-place`, by PostBC and best-of-N.
    pub fn preset(preset: Preset) -> Self {
        published::with_rules(Self::bare(preset), &CORE)
    }

    /// The configuration that settings make, over the preset that they name, else `cpu`, with the
    /// tasks of `catalog`. Of several values of one setting the last counts.
    ///
    /// # Errors
    /// Names an unknown key and the nearest known one, the key whose value does not fit, or
    /// settings that cannot work together.
    pub fn resolve(settings: &[Setting], catalog: &Catalog) -> Result<Self> {
        let config = Self::implied_by(settings, catalog)?.with(settings)?;
        config.check(catalog)?;
        Ok(config)
    }

    /// The same for `overlay` (from TOML or JSON), over `fallback` where it names no preset.
    pub fn from_overlay(overlay: &Value, fallback: Preset, catalog: &Catalog) -> Result<Self> {
        let mut settings = vec![("preset".to_owned(), fallback.name().into())];
        settings.extend(leaves(overlay, ""));
        Self::resolve(&settings, catalog)
    }

    /// Reads a configuration that was saved, by whatever version: what it does not know yet has its
    /// usual value or, where rules give it another one now, the only one that there was; what has
    /// another name now is renamed.
    ///
    /// # Errors
    /// When it has settings of a later version, or cannot work.
    pub fn from_saved(saved: &Value, catalog: &Catalog) -> Result<Self> {
        let mut settings = renamed(leaves(saved, ""))?;
        // Before policies had an image encoder they saw nothing, whatever the run showed.
        let shown = |(key, value): &Setting| key == "env.image_size" && *value != 0;
        let blind = settings.iter().any(shown).then_some(BLIND);
        for (key, value) in ADDED.into_iter().chain(blind) {
            if !settings.iter().any(|(name, _)| name == key) {
                settings.push((
                    key.to_owned(),
                    serde_json::from_str(value).unwrap_or_default(),
                ));
            }
        }
        let known = keys(Self::FIELDS, "");
        let is_known = |key: &str| known.iter().any(|(name, _)| name == key);
        if let Some((key, _)) = settings.iter().find(|(key, _)| !is_known(key)) {
            return Err(Error::input(format!(
                "the saved configuration has the setting {key}, which this version does not know: \
                 it was written by a later version of protege; use that"
            )));
        }
        Self::resolve(&settings, catalog)
    }

    /// Changes the one setting at `key` (`finetune.best_of_n.samples`), and what follows from it.
    /// `text` is JSON (numbers, true, false) or else a bare string.
    ///
    /// # Errors
    /// Names an unknown key and the nearest known one, or the key whose value does not fit.
    pub fn set(&self, key: &str, text: &str, catalog: &Catalog) -> Result<Self> {
        self.set_all(&[(key.to_owned(), text.to_owned())], catalog)
    }

    /// Changes several settings; what results is checked at the end, so that settings which bound
    /// each other may come in any order.
    pub fn set_all(&self, changes: &[(String, String)], catalog: &Catalog) -> Result<Self> {
        let mut settings = self.own_settings(catalog)?;
        settings.extend(parsed(changes)?);
        Self::resolve(&settings, catalog)
    }

    /// The settings that make this configuration: those on which others depend, and whatever
    /// differs from what follows from them.
    pub fn own_settings(&self, catalog: &Catalog) -> Result<Vec<Setting>> {
        let own = self.to_value();
        let setting = |key: &str| (key.to_owned(), value_at(&own, key).clone());
        let known = keys(Self::FIELDS, "");
        let mut base: Vec<Setting> = known
            .iter()
            .filter(|(_, field)| field.base)
            .map(|(key, _)| setting(key))
            .collect();
        // Some of these follow from others, too, such as the kind of policy that a method trains.
        for (key, field) in &known {
            let others: Vec<Setting> = base.iter().filter(|(k, _)| k != key).cloned().collect();
            if field.base
                && value_at(&Self::implied_by(&others, catalog)?.to_value(), key) == &setting(key).1
            {
                base = others;
            }
        }
        let implied = Self::implied_by(&base, catalog)?.to_value();
        for (key, _) in &known {
            if value_at(&implied, key) != value_at(&own, key) {
                base.push(setting(key));
            }
        }
        Ok(base)
    }

    /// The settings of whatever goes on from a policy of this configuration: its own, and what the
    /// policy is as it was pretrained. Having been made without finetuning does not say what is
    /// wanted of it now.
    pub fn policy_settings(&self, catalog: &Catalog) -> Result<Vec<Setting>> {
        let mut settings = self.own_settings(catalog)?;
        settings
            .retain(|(key, value)| key != "finetune.method" || value != FinetuneMethod::NONE.id());
        let own = self.to_value();
        for (key, _) in keys(Self::FIELDS, "") {
            let fixed = key.starts_with("policy.") || key == "env.action_repeat";
            if fixed {
                let value = value_at(&own, &key).clone();
                settings.push((key, value));
            }
        }
        Ok(settings)
    }

    /// The JSON schema of the configuration: meanings, ranges, names, and values in every preset.
    pub fn schema() -> Value {
        let presets: Vec<(&'static str, Value)> = Preset::ALL
            .iter()
            .map(|preset| (preset.name(), Self::preset(*preset).to_value()))
            .collect();
        settings::schema(Self::FIELDS, &presets)
    }

    /// What follows from those of the settings on which others depend.
    fn implied_by(settings: &[Setting], catalog: &Catalog) -> Result<Self> {
        let base: Vec<Setting> = settings
            .iter()
            .filter(|(key, _)| is_base(key))
            .cloned()
            .collect();
        let preset = base.iter().rev().find(|(key, _)| key == "preset");
        let preset = preset.map_or(Ok(Preset::Cpu), |(_, value)| preset_named(value))?;
        Ok(published::with_rules(
            Self::bare(preset).with(&base)?,
            catalog,
        ))
    }

    /// The same configuration with other values of some settings.
    fn with(&self, settings: &[Setting]) -> Result<Self> {
        let mut tree = self.to_value();
        for setting in settings {
            put(&mut tree, Self::FIELDS, setting)
                .map_err(|error| answer_of_now(setting).unwrap_or(error))?;
        }
        serde_json::from_value(tree)
            .map_err(|e| Error::failed(format!("the settings are no configuration: {e}")))
    }
}

/// Settings given as text: JSON (numbers, true, false) or else bare strings.
///
/// # Errors
/// When one is the preset, which is no setting among others.
pub fn parsed(changes: &[(String, String)]) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for (key, text) in changes {
        if key == "preset" {
            return Err(Error::input(
                "preset is where the other settings start from: choose it first, then change \
                 settings one by one",
            ));
        }
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        settings.extend(leaves(&value, key));
    }
    Ok(settings)
}

fn is_base(key: &str) -> bool {
    let (group, name) = key.rsplit_once('.').unwrap_or(("", key));
    settings::group(Config::FIELDS, group)
        .into_iter()
        .flatten()
        .any(|field| field.name == name && field.base)
}

fn preset_named(value: &Value) -> Result<Preset> {
    let preset = Preset::ALL.iter().find(|preset| value == preset.name());
    preset.copied().ok_or_else(|| {
        let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        Error::input(format!(
            "preset = {} does not fit: it must be one of {}",
            excerpt(&value.to_string()),
            names.join(", ")
        ))
    })
}

/// How a value of a setting that has another name now is read.
#[derive(Debug, Clone, Copy)]
enum Conversion {
    /// As it is.
    Same,
    /// It counted decisions of each environment, of which there are as many as this setting says.
    TimesEnvs(&'static str),
    /// It was per decision of all environments together.
    PerEnv(&'static str),
}

/// Settings of before that say nothing any more: a policy's file says what it reads.
const DROPPED: [&str; 3] = ["policy.labels", "policy.view.size", "policy.view.stack"];

/// Settings that came later, and that rules decide: a file without them was written when there was
/// only this, in JSON.
const ADDED: [(&str, &str); 2] = [
    ("env.to_horizon", "false"),
    ("finetune.dsrl.offset_per", "\"decision\""),
];

/// The same of a file whose run showed pictures.
const BLIND: (&str, &str) = ("policy.encoder", "\"none\"");

const DSRL_ENVS: &str = "finetune.dsrl.envs";

/// Settings that have another name now: old, new, conversion.
const RENAMED: &[(&str, &str, Conversion)] = &[
    ("pretrain.bc.steps", "pretrain.bc.updates", Conversion::Same),
    (
        "pretrain.post_bc.steps",
        "pretrain.post_bc.updates",
        Conversion::Same,
    ),
    (
        "pretrain.value_dice.steps",
        "pretrain.value_dice.updates",
        Conversion::Same,
    ),
    (
        "finetune.best_of_n.steps",
        "finetune.best_of_n.updates",
        Conversion::Same,
    ),
    (
        "finetune.best_of_n.tau",
        "finetune.best_of_n.target_rate",
        Conversion::Same,
    ),
    (
        "finetune.dsrl.steps",
        "finetune.dsrl.total_steps",
        Conversion::TimesEnvs(DSRL_ENVS),
    ),
    (
        "finetune.dsrl.warmup",
        "finetune.dsrl.learning_starts",
        Conversion::TimesEnvs(DSRL_ENVS),
    ),
    (
        "finetune.dsrl.eval_every",
        "finetune.dsrl.eval_every",
        Conversion::TimesEnvs(DSRL_ENVS),
    ),
    (
        "finetune.dsrl.updates",
        "finetune.dsrl.utd_ratio",
        Conversion::PerEnv(DSRL_ENVS),
    ),
    (
        "finetune.dsrl.noise_updates",
        "finetune.dsrl.noise_utd_ratio",
        Conversion::PerEnv(DSRL_ENVS),
    ),
    (
        "finetune.dsrl.tau",
        "finetune.dsrl.target_rate",
        Conversion::Same,
    ),
    (
        "finetune.td_mpc.decisions",
        "finetune.td_mpc.total_steps",
        Conversion::Same,
    ),
    (
        "finetune.td_mpc.seed_decisions",
        "finetune.td_mpc.learning_starts",
        Conversion::Same,
    ),
    (
        "finetune.td_mpc.updates_per_decision",
        "finetune.td_mpc.utd_ratio",
        Conversion::Same,
    ),
    (
        "finetune.td_mpc.tau",
        "finetune.td_mpc.target_rate",
        Conversion::Same,
    ),
    (
        "finetune.csil.decisions",
        "finetune.csil.total_steps",
        Conversion::Same,
    ),
    (
        "finetune.csil.seed_decisions",
        "finetune.csil.learning_starts",
        Conversion::Same,
    ),
    (
        "finetune.csil.updates_per_decision",
        "finetune.csil.utd_ratio",
        Conversion::Same,
    ),
    (
        "finetune.csil.tau",
        "finetune.csil.target_rate",
        Conversion::Same,
    ),
    (
        "finetune.csil.compose",
        "finetune.csil.actor.compose",
        Conversion::Same,
    ),
    (
        "finetune.csil.residual_scale",
        "finetune.csil.actor.residual_scale",
        Conversion::Same,
    ),
    (
        "finetune.csil.clone_updates",
        "finetune.csil.actor.clone_updates",
        Conversion::Same,
    ),
    (
        "finetune.csil.clone_lr",
        "finetune.csil.actor.clone_lr",
        Conversion::Same,
    ),
    (
        "finetune.csil.policy_hidden",
        "finetune.csil.actor.hidden",
        Conversion::Same,
    ),
    (
        "finetune.csil.bottleneck",
        "finetune.csil.actor.bottleneck",
        Conversion::Same,
    ),
    (
        "finetune.csil.features",
        "finetune.csil.actor.features",
        Conversion::Same,
    ),
    (
        "finetune.csil.log_scale",
        "finetune.csil.actor.log_scale",
        Conversion::Same,
    ),
    (
        "finetune.csil.variance_floor",
        "finetune.csil.actor.variance_floor",
        Conversion::Same,
    ),
    (
        "finetune.td_mpc.handover",
        "finetune.td_mpc.seed_policy_decay",
        Conversion::Same,
    ),
];

/// Which reinforcement learning csil did: csil's own, or one that is a method now.
const VARIANT: &str = "finetune.csil.variant";

/// What to set instead of a setting that there was before.
fn answer_of_now((key, value): &Setting) -> Option<Error> {
    if key == VARIANT {
        return Some(variant_now(value));
    }
    let (_, now, _) = RENAMED
        .iter()
        .find(|(old, now, _)| old == key && old != now)?;
    Some(Error::input(format!(
        "the setting {key} is called {now} now: set that"
    )))
}

/// What to set instead of a variant of csil.
fn variant_now(value: &Value) -> Error {
    let method = value.as_str().unwrap_or_default();
    Error::input(format!(
        "{VARIANT} = {method}: the variants of csil are methods of their own now; use --finetune \
         {method}, or set finetune.method to it"
    ))
}

/// The name of now of a setting that was only renamed; any other is given back as it is.
pub fn name_of_now(key: &str) -> &str {
    let renamed = RENAMED
        .iter()
        .find(|(old, _, conversion)| *old == key && matches!(conversion, Conversion::Same));
    renamed.map_or(key, |(_, now, _)| now)
}

/// Settings by their names of now, as a file of an earlier version has them.
///
/// # Errors
/// When the file does not say how a value is to be counted now.
pub fn renamed(settings: Vec<Setting>) -> Result<Vec<Setting>> {
    let present = settings.clone();
    let is_old = |group: &str| {
        let old = |key: &str| {
            RENAMED
                .iter()
                .any(|(old, now, _)| *old == key && old != now)
        };
        present
            .iter()
            .any(|(key, _)| key.starts_with(group) && old(key))
    };
    let number = |key: &str| {
        let setting = present.iter().rev().find(|(name, _)| name == key);
        setting.and_then(|(_, value)| value.as_f64())
    };
    let rename = |(key, value): Setting| {
        let Some((_, now, conversion)) = RENAMED.iter().find(|(old, _, _)| *old == key) else {
            return Ok((key, value));
        };
        // A setting that counts otherwise under its old name is told by others of its group.
        let group = key.rsplit_once('.').map_or("", |(group, _)| group);
        if *now == key && !is_old(group) {
            return Ok((key, value));
        }
        let envs = match conversion {
            Conversion::Same => return Ok(((*now).to_owned(), value)),
            Conversion::TimesEnvs(envs) | Conversion::PerEnv(envs) => envs,
        };
        let (Some(count), Some(envs)) = (value.as_f64(), number(envs)) else {
            return Err(Error::input(format!(
                "the setting {key} is called {now} now, and counts all environments together: set \
                 that"
            )));
        };
        let value = match conversion {
            Conversion::PerEnv(_) => Value::from(count / envs),
            _ => Value::from((count * envs) as u64),
        };
        Ok(((*now).to_owned(), value))
    };
    let is_kept = |(key, _): &Setting| !DROPPED.contains(&key.as_str());
    let renamed: Vec<Setting> = settings
        .into_iter()
        .filter(is_kept)
        .map(rename)
        .collect::<Result<_>>()?;
    without_variant(renamed)
}

/// Settings without csil's variant: where it was another method, that one, and its settings in the
/// place of csil's; what it did not look at is left out.
///
/// # Errors
/// When there is a variant but no method, so that it is open whether csil was meant at all.
fn without_variant(settings: Vec<Setting>) -> Result<Vec<Setting>> {
    let last = |key: &str| settings.iter().rev().find(|(name, _)| name == key);
    let Some(variant) = last(VARIANT) else {
        return Ok(settings);
    };
    let csil = csil::METHOD.id();
    let method = FinetuneMethod::by_id(variant.1.as_str().unwrap_or_default())?;
    if method != csil && last("finetune.method").is_none() {
        return Err(variant_now(&variant.1));
    }
    let known = keys(Config::FIELDS, "");
    let is_known = |key: &str| known.iter().any(|(name, _)| name == key);
    let moved = |(key, value): Setting| {
        if key == "finetune.method" && value == csil.id() {
            return Some((key, method.id().into()));
        }
        let Some(name) = key.strip_prefix("finetune.csil.") else {
            return Some((key, value));
        };
        let now = format!("finetune.{}.{name}", method.id());
        let was_csils = is_known(&key) || ["variant", "temperature"].contains(&name);
        (is_known(&now) || !was_csils).then_some((now, value))
    };
    Ok(settings.into_iter().filter_map(moved).collect())
}
