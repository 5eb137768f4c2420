//! What a visitor chooses, as the address bar keeps it:
//! `task=lab/lift&pretrain=bc,post-bc&demos=5&...`.

use protege_core::env::catalogue::CORE;
use protege_core::method::MethodInfo;
use protege_core::pretrain::PostBcConfig;
use protege_core::run::config::DemosConfig;
use protege_core::run::{Config, FinetuneMethod, Preset, PretrainMethod};
use protege_core::settings::{self, Field};
use protege_core::{Error, Result, tasks};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the page can learn on.
pub const DEVICES: [&str; 2] = ["cpu", "webgpu"];

/// The number of demonstrations, as a setting. Copies, so that the page does not carry all others.
pub const DEMOS: Field = settings::field(DemosConfig::FIELDS, "count");
/// PostBC's alpha.
pub const ALPHA: Field = settings::field(PostBcConfig::FIELDS, "alpha");
/// PostBC's ensemble size.
pub const MEMBERS: Field = settings::field(PostBcConfig::FIELDS, "members");
/// The seed.
pub const SEED: Field = settings::field(Config::FIELDS, "seed");

/// The settings that the page offers; the preset `tiny` gives all the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// The task, `lab/...`.
    pub task: String,
    /// Pretraining methods, one lane each, separated by commas.
    pub pretrain: String,
    /// The finetuning method.
    pub finetune: String,
    /// Demonstrations, the same for all lanes.
    pub demos: usize,
    /// PostBC's alpha: how much of the posterior's spread is added.
    pub alpha: f64,
    /// PostBC's ensemble size.
    pub members: usize,
    /// The seed.
    pub seed: u64,
    /// Speed of what is shown; 1 is real time.
    pub speed: f64,
    /// What learns: `cpu` or `webgpu`.
    pub device: String,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            task: "lab/lift".into(),
            pretrain: "bc,post-bc".into(),
            finetune: "dsrl".into(),
            demos: 3,
            alpha: 1.0,
            members: 10,
            seed: 0,
            speed: 1.0,
            device: "cpu".into(),
        }
    }
}

impl Choice {
    /// The pretraining methods, at least one.
    pub fn lanes(&self) -> Vec<&str> {
        self.pretrain.split(',').map(str::trim).collect()
    }

    /// The address bar's form, what is default left out.
    pub fn to_hash(&self) -> String {
        let own = fields(self);
        let default = fields(&Self::default());
        let changed = own
            .iter()
            .filter(|(key, value)| default.get(*key) != Some(value));
        changed
            .map(|(key, value)| format!("{key}={}", unquoted(value)))
            .collect::<Vec<_>>()
            .join("&")
    }

    /// Reads the address bar's form over `self`. Names that are not settings of this page are left
    /// to others.
    ///
    /// # Errors
    /// Names the setting whose value does not fit.
    pub fn with_hash(&self, hash: &str) -> Result<Self> {
        let pairs = hash
            .trim_start_matches('#')
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        let known = fields(self);
        pairs
            .filter(|(key, _)| known.contains_key(*key))
            .try_fold(self.clone(), |choice, (key, text)| {
                choice.with(key, &unescape(text))
            })
    }

    /// Changes one setting, given as text.
    ///
    /// # Errors
    /// Names the setting, and says what fits.
    pub fn with(&self, key: &str, text: &str) -> Result<Self> {
        let mut all = fields(self);
        let slot = all
            .get_mut(key)
            .ok_or_else(|| Error::input(format!("there is no setting {key} on this page")))?;
        let value = if key == "pretrain" {
            json!(text.split(',').map(str::trim).collect::<Vec<_>>().join(","))
        } else if slot.is_string() {
            json!(text)
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        };
        *slot = value;
        let choice: Self = serde_json::from_value(Value::Object(all))
            .map_err(|e| Error::input(format!("{key}={text} does not fit: {e}")))?;
        choice.check()?;
        Ok(choice)
    }

    /// This choice with what is different in `after` than in `before`.
    pub fn follow(&self, before: &Self, after: &Self) -> Self {
        let known = fields(before);
        let changed = fields(after).into_iter();
        let changed = changed.filter(|(key, value)| known.get(key) != Some(value));
        let mut all = fields(self);
        all.extend(changed);
        serde_json::from_value(Value::Object(all)).unwrap_or_else(|_| after.clone())
    }

    /// Says in one sentence what is wrong with a name or a number, if anything is. What cannot work
    /// together is found out by [`Choice::config`], which the page leaves to the worker: it would
    /// make the page heavy.
    pub fn check(&self) -> Result<()> {
        let range =
            |name: &str, value: f64, low: f64, high: f64| match (low..=high).contains(&value) {
                true => Ok(()),
                false => Err(Error::input(format!(
                    "{name} is {value}; it must lie between {low} and {high}"
                ))),
            };
        // The upper ends are those of a tab, which has less memory and patience than the settings.
        range("demos", self.demos as f64, DEMOS.least(), 200.0)?;
        range("alpha", self.alpha, ALPHA.least(), 10.0)?;
        range("members", self.members as f64, MEMBERS.least(), 100.0)?;
        range("speed", self.speed, 0.1, 8.0)?;
        range("the number of lanes", self.lanes().len() as f64, 1.0, 4.0)?;
        if tasks::all().iter().all(|task| task.id != self.task) {
            let ids: Vec<&str> = tasks::all().iter().map(|task| task.id).collect();
            return Err(Error::input(format!(
                "task is {}; here are: {}",
                self.task,
                ids.join(", ")
            )));
        }
        if !DEVICES.contains(&self.device.as_str()) {
            return Err(Error::input(format!(
                "device is {}; here are: {}",
                self.device,
                DEVICES.join(", ")
            )));
        }
        offered("finetune", FinetuneMethod::by_id(&self.finetune)?.info())?;
        self.lanes()
            .iter()
            .try_for_each(|lane| offered("pretrain", PretrainMethod::by_id(lane)?.info()))
    }

    /// The run's configuration for one lane.
    ///
    /// # Errors
    /// When a name is unknown or a value does not fit.
    pub fn config(&self, pretrain: &str) -> Result<Config> {
        let overlay = json!({
            "task": self.task,
            "seed": self.seed,
            "demos": { "count": self.demos },
            "pretrain": {
                "method": pretrain,
                "post_bc": { "alpha": self.alpha, "members": self.members },
            },
            "finetune": { "method": self.finetune },
        });
        Config::from_overlay(&overlay, Preset::Tiny, &CORE)
    }
}

fn fields(choice: &Choice) -> Map<String, Value> {
    match serde_json::to_value(choice) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Not every method of the command line is one of the page.
fn offered(key: &str, method: &MethodInfo) -> Result<()> {
    if method.on_page {
        return Ok(());
    }
    Err(Error::input(format!(
        "{key} is {}, which this page does not have: use the command line",
        method.id
    )))
}

fn unquoted(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Undoes what browsers and those who pass links on do to characters in them: `%2F` is a slash.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protege_core::finetune;

    /// A link reproduces what its sender saw, and the default needs no link.
    #[test]
    fn a_hash_and_back_is_the_same_choice() {
        assert_eq!(Choice::default().to_hash(), "");
        let choice = Choice {
            task: "lab/assembly".into(),
            pretrain: "post-bc".into(),
            alpha: 0.5,
            seed: 7,
            ..Choice::default()
        };
        assert_eq!(
            choice.to_hash(),
            "alpha=0.5&pretrain=post-bc&seed=7&task=lab/assembly"
        );
        assert_eq!(
            Choice::default()
                .with_hash(&format!("#{}", choice.to_hash()))
                .unwrap(),
            choice
        );
        assert_eq!(
            Choice::default()
                .with_hash("#task=lab%2Fassembly&kind=race")
                .unwrap()
                .task,
            "lab/assembly"
        );
        let spaced = Choice::default().with("pretrain", "bc, sigma-bc").unwrap();
        let link = spaced.to_hash().replace(',', "%2C").replace('-', "%2d");
        assert_eq!(Choice::default().with_hash(&link).unwrap(), spaced);
        assert_eq!(unescape("100%&%4"), "100%&%4");
    }

    /// Who follows another choice takes over what changes in it, and keeps what is its own.
    #[test]
    fn a_choice_follows_the_changes_of_another() {
        let before = Choice::default();
        let after = before.with("speed", "2").unwrap();
        let own = before.with("alpha", "0.5").unwrap();
        let followed = own.follow(&before, &after);
        assert_eq!((followed.speed, followed.alpha), (2.0, 0.5));
        assert_eq!(own.follow(&before, &before), own);
    }

    /// A link that cannot work says what is wrong with it.
    #[test]
    fn a_wrong_link_is_answered_with_a_sentence() {
        let sentence = |hash: &str| Choice::default().with_hash(hash).unwrap_err().to_string();
        assert!(sentence("task=lab/lfit").contains("lab/lift, lab/pick-place"));
        assert!(sentence("demos=many").contains("demos"));
        assert!(sentence("demos=0").contains("between 1 and 200"));
        assert!(sentence("pretrain=bc,postbc").contains("did you mean `post-bc`"));
        let together = Choice::default()
            .with_hash("finetune=dsrl&pretrain=value-dice")
            .unwrap();
        assert!(
            together
                .config("value-dice")
                .unwrap_err()
                .to_string()
                .contains("dsrl")
        );
    }

    /// Every task with every method that the page offers is a run.
    #[test]
    fn every_offered_combination_is_a_run() {
        for task in tasks::all() {
            for finetune in finetune::INFOS.into_iter().filter(|info| info.on_page) {
                let choice = Choice {
                    task: task.id.into(),
                    finetune: finetune.id.into(),
                    pretrain: "bc,sigma-bc,post-bc".into(),
                    ..Choice::default()
                };
                choice.check().unwrap();
                choice
                    .lanes()
                    .iter()
                    .for_each(|lane| drop(choice.config(lane).unwrap()));
            }
        }
    }
}
