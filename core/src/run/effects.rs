//! Which settings have an effect on what is done with a configuration.
//!
//! What a setting needs of others its field says ([`settings::unmet`]); what a command does with a
//! configuration, and what it is given instead of making it, is said here. A setting that somebody
//! asks for either has an effect, or is refused with the reason.

use super::Config;
use crate::finetune::{FinetuneMethod, METHODS};
use crate::policy::PolicyKind;
use crate::pretrain;
use crate::settings::{self, Setting, value_at};
use crate::{Error, Result};

/// What is done with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Demonstrations are recorded, by the scripted expert where `scripted`.
    Record {
        /// Whether by the scripted expert, which has styles.
        scripted: bool,
    },
    /// Recordings of others become demonstrations.
    Import,
    /// A whole run, or a part of one.
    Run {
        /// Whether it begins with a policy instead of pretraining one.
        policy: bool,
        /// Whether it is given demonstrations instead of recording them.
        demos: bool,
    },
    /// A policy is evaluated.
    Evaluate,
}

impl Config {
    /// Why the setting at `key` has no effect for this purpose; none: it has.
    pub fn idle(&self, purpose: Purpose, key: &str) -> Option<String> {
        self.outside(purpose, key)
            .or_else(|| self.of_another_method(purpose, key))
            .or_else(|| self.of_pictures(key))
            .or_else(|| settings::unmet(Self::FIELDS, &self.to_value(), key))
    }

    /// Refuses settings that were asked for and that have no effect, or another value now.
    ///
    /// # Errors
    /// Names the first such setting, and the reason.
    pub fn honors(&self, purpose: Purpose, asked: &[Setting]) -> Result<()> {
        for (key, value) in asked {
            self.holds(purpose, key, value)?;
            if let Some(reason) = self.idle(purpose, key) {
                let sentence = format!("{key} has no effect here: {reason}; leave it out");
                return Err(Error::input(sentence));
            }
        }
        Ok(())
    }

    /// Refuses a setting that has another value than was asked for.
    ///
    /// # Errors
    /// Names both values, and what decided.
    pub fn holds(&self, purpose: Purpose, key: &str, asked: &serde_json::Value) -> Result<()> {
        let own = self.to_value();
        let found = value_at(&own, key);
        let same_number = found.as_f64().zip(asked.as_f64());
        if found == asked || same_number.is_some_and(|(a, b)| a == b) {
            return Ok(());
        }
        let because = match purpose {
            Purpose::Run { demos: true, .. } if key.starts_with("demos.") => {
                "as the file of demonstrations says"
            }
            Purpose::Run { policy: true, .. } | Purpose::Evaluate => {
                "as the policy was pretrained, and cannot change with it: pretrain another one"
            }
            _ => "which other settings decide",
        };
        Err(Error::input(format!(
            "{key} cannot be {asked}: it is {found}, {because}"
        )))
    }

    /// Whether the purpose has no use for a setting, whatever the others are.
    fn outside(&self, purpose: Purpose, key: &str) -> Option<String> {
        let group = key.split('.').next().unwrap_or_default();
        let always = ["task", "engine", "preset", "seed"].contains(&key);
        let (useful, reason) = match purpose {
            Purpose::Record { scripted } => {
                let style = key == "demos.varied" && !scripted;
                // Finetuning decides for how long an action is held.
                let decisive = ["pretrain.tasks", "finetune.method"].contains(&key);
                let of_practice = ["env.parallel", "env.horizon", "env.to_horizon"];
                let played = group == "env" && !of_practice.contains(&key);
                let useful = (group == "demos" && !style) || played || decisive;
                (useful, "recording demonstrations does not depend on it")
            }
            Purpose::Import => {
                let decisive = [
                    "task",
                    "demos.count",
                    "env.action_repeat",
                    "finetune.method",
                ];
                let reason = "recordings are imported as they are";
                return (!decisive.contains(&key)).then(|| reason.to_owned());
            }
            Purpose::Run { policy, demos } => return self.outside_run(policy, demos, key),
            Purpose::Evaluate if key == "env.to_horizon" => {
                return Some("it is about practice: set eval.to_horizon".to_owned());
            }
            Purpose::Evaluate => {
                let useful = group == "env"
                    || ["eval.episodes", "eval.to_horizon", "finetune.method"].contains(&key);
                (useful, "the policy is evaluated as it was trained")
            }
        };
        (!useful && !always).then(|| reason.to_owned())
    }

    fn outside_run(&self, policy: bool, demos: bool, key: &str) -> Option<String> {
        if self.policy.kind == PolicyKind::Served && key.starts_with("pretrain.") {
            return Some("a served policy is not pretrained".to_owned());
        }
        if key == "demos.count" || !key.starts_with("demos.") {
            return None;
        }
        if demos {
            return Some("the demonstrations come from a file".to_owned());
        }
        // Those of a checkpoint are compared with what its policy learned from.
        let served = self.policy.kind == PolicyKind::Served && !policy;
        served.then(|| "no demonstrations are recorded for a served policy".to_owned())
    }

    /// A policy's setting that is about pictures, where there are none.
    fn of_pictures(&self, key: &str) -> Option<String> {
        let none = key == "policy.encoder" && self.env.image_size == 0;
        none.then(|| "env.image_size is 0, so there are no pictures".to_owned())
    }

    /// Settings of a method that is not the chosen one. Those of finetuning go with a policy that
    /// is not finetuned yet.
    fn of_another_method(&self, purpose: Purpose, key: &str) -> Option<String> {
        let (stage, name) = key.split_once('.')?;
        let group = name.split_once('.').map(|(group, _)| group);
        let finetune = self.finetune.method;
        if stage == "eval" && purpose != Purpose::Evaluate {
            return None;
        }
        let (chosen, of) = match stage {
            "pretrain" => {
                let infos = pretrain::INFOS.iter().map(|info| info.id);
                // The cloning loop belongs to several methods, and says so itself.
                let mut others = infos.filter(|id| *id != pretrain::bc::METHOD.id().id());
                let id = self.pretrain.method.id();
                (
                    id,
                    others.find(|id| Some(id.replace('-', "_").as_str()) == group),
                )
            }
            "finetune" if finetune != FinetuneMethod::NONE => {
                let mut ids = METHODS.iter().map(|row| row.info.id);
                let of = ids.find(|id| Some(id.replace('-', "_").as_str()) == group);
                (finetune.id(), of)
            }
            _ => return None,
        };
        let of = of.filter(|of| *of != chosen)?;
        Some(format!(
            "it is a setting of {of}, and {stage}.method is {chosen}"
        ))
    }
}
