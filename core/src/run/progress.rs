//! What a run tells whoever drives it.

use super::stats::wilson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Collecting demonstrations from the scripted expert; counted in episodes.
    Demos,
    /// Cloning a policy whose image encoder the ensemble reads through; counted in gradient steps.
    Encoder,
    /// Fitting the ensemble; counted in gradient steps.
    Ensemble,
    /// Cloning; counted in gradient steps.
    Pretrain,
    /// Evaluating; counted in episodes.
    Evaluate,
    /// Rolling out the policy for finetuning; counted in episodes.
    Collect,
    /// Finetuning; counted in gradient steps.
    Finetune,
    /// Nothing more to do.
    Done,
}

impl Phase {
    /// The phase's name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demos => "demos",
            Self::Encoder => "encoder",
            Self::Ensemble => "ensemble",
            Self::Pretrain => "pretrain",
            Self::Evaluate => "evaluate",
            Self::Collect => "collect",
            Self::Finetune => "finetune",
            Self::Done => "done",
        }
    }
}

/// Figures at one moment of the run; names are those of the metric vocabulary (`eval/success`,
/// `loss/bc`, `time/updates`, ...).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Control steps that the run's learner has seen so far; demonstrations and evaluation do not
    /// count.
    pub step: u64,
    /// Name and value.
    pub values: BTreeMap<String, f64>,
}

/// One finished episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// What it was played for.
    pub phase: Phase,
    /// The seed that picked its start; a text in JSON, which keeps all of its bits.
    #[serde(with = "seed_text")]
    pub seed: u64,
    /// Whether the task's success rule held at any step.
    pub success: bool,
    /// Whether it held at the last step; none where the first success ends an episode, and in files
    /// of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_at_end: Option<bool>,
    /// Sum of rewards.
    pub episode_return: f32,
    /// Control steps.
    pub length: u64,
    /// [`Record::step`] at its end.
    pub step: u64,
}

/// Seeds of episodes have 64 bits, and JavaScript, jq and others keep 53 of a number: in JSON they
/// are texts. Earlier versions wrote numbers, which are read, too.
mod seed_text {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt::{Formatter, Result as Written};

    struct Seed;

    impl Visitor<'_> for Seed {
        type Value = u64;

        fn expecting(&self, to: &mut Formatter) -> Written {
            to.write_str("a seed")
        }

        fn visit_u64<E: Error>(self, seed: u64) -> Result<u64, E> {
            Ok(seed)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(E::custom)
        }
    }

    pub fn serialize<S: Serializer>(seed: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(seed)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        from.deserialize_any(Seed)
    }
}

/// What one [`super::Run::step`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What the run is doing now.
    pub phase: Phase,
    /// How much of the phase is done.
    pub done: u64,
    /// How much there is to do in the phase.
    pub total: u64,
    /// Figures to log.
    pub records: Vec<Record>,
    /// Episodes that ended.
    pub episodes: Vec<EpisodeRecord>,
    /// Whether the run is over.
    pub finished: bool,
}

/// A success rate with its 95% Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Share of episodes that succeeded.
    pub success: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Episodes.
    pub episodes: u64,
    /// Episodes that succeeded.
    pub successes: u64,
}

impl Outcome {
    /// `successes` of `episodes` (at least one).
    pub fn new(successes: u64, episodes: u64) -> Self {
        let interval = wilson(successes as usize, episodes as usize);
        Self {
            success: successes as f64 / episodes as f64,
            low: interval.low,
            high: interval.high,
            episodes,
            successes,
        }
    }
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The task.
    pub task: String,
    /// The pretraining method.
    pub pretrain: String,
    /// The finetuning method.
    pub finetune: String,
    /// The seed.
    pub seed: u64,
    /// Before finetuning.
    pub before: Option<Outcome>,
    /// After finetuning.
    pub after: Option<Outcome>,
    /// Control steps that finetuning used.
    pub env_steps: u64,
    /// Decisions that finetuning used.
    pub decisions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every bit of a seed comes back from JSON, which others can read; so does what earlier
    /// versions wrote.
    #[test]
    fn seeds_keep_their_bits_in_json() {
        let episode = EpisodeRecord {
            phase: Phase::Evaluate,
            seed: u64::MAX - 1,
            success: true,
            success_at_end: None,
            episode_return: 1.0,
            length: 3,
            step: 0,
        };
        let text = serde_json::to_string(&episode).unwrap();
        assert!(text.contains("\"seed\":\"18446744073709551614\""), "{text}");
        assert_eq!(
            serde_json::from_str::<EpisodeRecord>(&text).unwrap(),
            episode
        );
        let earlier = text.replace("\"18446744073709551614\"", "18446744073709551614");
        assert_eq!(
            serde_json::from_str::<EpisodeRecord>(&earlier).unwrap(),
            episode
        );
    }
}
