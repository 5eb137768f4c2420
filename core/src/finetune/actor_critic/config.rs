//! Settings of the actor, and how its action and the pretrained policy's become one.

use crate::memory::{NORMED, Need, NetworkSize, Sizes};
use crate::nn::Keypoints;
use crate::obs::ObsSpec;
use crate::rl::{CriticConfig, CriticKind, Schedule};
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The edge of an action's range, in the range of the tanh: at 1 itself, which tanh never reaches,
/// no density is finite.
pub(crate) const ACTION_LIMIT: f64 = 0.95;

/// How the actor's action and the pretrained policy's become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Compose {
    /// Their mean.
    Ensemble,
    /// The pretrained policy's action, and `residual_scale` times the actor's.
    Residual,
    /// The actor acts alone.
    Alone,
}

/// Settings of the actor beside the pretrained policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct ActorConfig {
    /// How its action and the pretrained policy's become one.
    #[setting(value = Compose::Ensemble, source = "CSIL++'s main method")]
    pub compose: Compose,
    /// Of a residual action, in the range of actions: how far it reaches.
    #[setting(
        range = 1e-3..=2.0, value = 0.2, source = "residual policies: 0.1 to 0.2",
        needs = "compose = residual"
    )]
    pub residual_scale: f64,
    /// Gradient steps that clone it from the demonstrations.
    #[setting(range = 1..=100_000_000, paper = 25_000, cpu = 2000, tiny = 800, source = "CSIL")]
    pub clone_updates: usize,
    /// Adam's learning rate while cloning.
    #[setting(range = 0.0..=1.0, value = 1e-3, source = "CSIL")]
    pub clone_lr: f64,
    /// Units of both hidden layers.
    #[setting(range = 1..=8192, paper = 256, cpu = 128, tiny = 64, source = "CSIL")]
    pub hidden: usize,
    /// Numbers that it narrows an input to.
    #[setting(range = 1..=1024, value = 12, source = "CSIL")]
    pub bottleneck: usize,
    /// Random features, an even number.
    #[setting(range = 2..=2048, paper = 256, cpu = 64, tiny = 32, source = "CSIL")]
    pub features: usize,
    /// Logarithm of the scales of the features at the start.
    #[setting(
        range = -10.0..=10.0, value = -1.0, paper = -5.0,
        source = "CSIL, which has 25,000 steps to learn it"
    )]
    pub log_scale: f64,
    /// Least variance, before its tanh: how sure a clone of few demonstrations can become. It
    /// bounds the reward that csil learns.
    #[setting(range = 1e-8..=1.0, value = 1e-2, paper = 1e-5, source = "CSIL")]
    pub variance_floor: f64,
}

/// How a method practices with its actor.
#[derive(Debug, Clone)]
pub(crate) struct PracticeConfig {
    /// The actor.
    pub(crate) actor: ActorConfig,
    /// Environments that practice in lockstep.
    pub(crate) envs: usize,
    /// When it updates, is evaluated and is done.
    pub(crate) schedule: Schedule,
    /// Decisions that the replay of practice holds at most.
    pub(crate) capacity: usize,
    /// Decisions per update, demonstrated ones included.
    pub(crate) batch: usize,
    /// The share of a batch that demonstrations are.
    pub(crate) demo_fraction: f64,
}

impl ActorConfig {
    /// What single ranges do not say; `group` is the key of these settings.
    ///
    /// # Errors
    /// Names the setting that does not fit.
    pub fn check(&self, group: &str) -> Result<()> {
        if self.features.is_multiple_of(2) {
            return Ok(());
        }
        Err(Error::input(format!(
            "{group}.features is {}, but half of the features are one wave and half another: set \
             it to an even number",
            self.features
        )))
    }

    /// Whether the actor sees the pretrained policy's action of this step: what it adds to that
    /// depends on it. For the ensemble its likelihood is about the demonstrator's action, whatever
    /// the other one proposes. Critics always see it.
    pub(crate) fn sees_base(&self) -> bool {
        self.compose == Compose::Residual
    }

    /// The action that is played, from the pretrained policy's and the actor's own; within ±1.
    pub(crate) fn composed(&self, base: &[f32], own: &[f32]) -> Vec<f32> {
        let scale = self.residual_scale as f32;
        let compose = |(base, own): (&f32, &f32)| {
            let own = (own / ACTION_LIMIT as f32).clamp(-1.0, 1.0);
            match self.compose {
                Compose::Ensemble => 0.5 * (base + own),
                Compose::Residual => base + scale * own,
                Compose::Alone => own,
            }
        };
        let actions = base.iter().zip(own).map(compose);
        actions.map(|a| a.clamp(-1.0, 1.0)).collect()
    }

    /// What the actor is to learn of a demonstrated action: the action itself, or what the
    /// pretrained policy's lacks.
    pub(crate) fn target(&self, base: &[f32], demonstrated: &[f32]) -> Vec<f32> {
        let scale = self.residual_scale as f32;
        let lacking = |(base, demonstrated): (&f32, &f32)| match self.compose {
            Compose::Ensemble | Compose::Alone => *demonstrated,
            Compose::Residual => (demonstrated - base) / scale,
        };
        let own = base.iter().zip(demonstrated).map(lacking);
        own.map(|a| a.clamp(-1.0, 1.0) * ACTION_LIMIT as f32)
            .collect()
    }
}

/// What categorical critics keep of a pass, in the ways of others: batch normalization goes over
/// states and those that follow them, and every atom has a logarithm.
const CATEGORICAL: f64 = 4.5;

/// What becomes of the encoders of pictures in practice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// The actor's and the critics' go on learning.
    Learns,
    /// The clone's stays, and is everybody's.
    Frozen,
}

impl PracticeConfig {
    /// What a method that practices like this takes of memory, with these critics; `group` is the
    /// key of its settings, `followers` how many copies of the actor there are beside it.
    pub(crate) fn memory(
        &self,
        critics: &CriticConfig,
        followers: f64,
        group: &str,
        sizes: &Sizes,
        encoder: Encoder,
    ) -> Vec<Need> {
        let actor = self.actor.network(sizes);
        let inputs = sizes.obs.numbers() + 2 * sizes.act;
        let places = Keypoints::WIDTH * sizes.obs.cameras.len();
        let (outputs, kept) = match critics.kind {
            CriticKind::Categorical(atoms) => (atoms.count, CATEGORICAL),
            CriticKind::Scalar { .. } => (1, NORMED),
        };
        let shape = (critics.hidden, critics.layers);
        let heads = NetworkSize::stack(critics.critics, (inputs + places, outputs), shape);
        let cameras = sizes
            .obs
            .cameras
            .iter()
            .filter(|_| encoder == Encoder::Learns);
        let eyes = cameras
            .map(|camera| NetworkSize::convolutions(camera, 1.0))
            .fold(NetworkSize::default(), NetworkSize::and);
        let seeing = heads.and(eyes);
        let rows = self.batch as f64;
        // States, and those that follow them.
        let critics_step = heads.learning(rows) * kept + eyes.learning(2.0 * rows);
        let step = critics_step.max(actor.learning(rows));
        let held = self.capacity.min(self.schedule.total_steps) as f64;
        let stored = match encoder {
            Encoder::Learns => sizes.obs.clone(),
            Encoder::Frozen => ObsSpec {
                state: places + sizes.obs.state,
                ..sizes.obs.without_cameras()
            },
        };
        vec![
            Need::of(
                group,
                "the actor's weights",
                &["actor.hidden", "actor.features", "actor.bottleneck"],
                actor.learned() + followers * actor.following(),
            ),
            Need::of(
                group,
                "the critics' weights",
                &["critics", "hidden", "layers"],
                seeing.learned() + seeing.following(),
            ),
            Need::of(
                group,
                "a step of learning",
                &["batch", "critics", "hidden", "layers"],
                step,
            )
            .also(sizes.sight()),
            Need::of(
                group,
                "its environments",
                &["envs"],
                sizes.environments(self.envs),
            ),
            Need::of(
                group,
                "the replay",
                &["capacity", "total_steps"],
                sizes.episodes_of(&stored, held),
            ),
        ]
    }
}

impl ActorConfig {
    /// The actor's network: a perceptron, and a triangular matrix of features for each number of an
    /// action.
    fn network(&self, sizes: &Sizes) -> NetworkSize {
        let places = Keypoints::WIDTH * sizes.obs.cameras.len();
        let inputs = sizes.obs.numbers() + sizes.act + places;
        let body = NetworkSize::stack(1, (inputs, self.bottleneck), (self.hidden, 2));
        let features = self.features as f64;
        let spread = sizes.act as f64 * features;
        let cameras = sizes.obs.cameras.iter();
        let alone = NetworkSize {
            weights: body.weights + spread * (features + 2.0),
            outputs: body.outputs + spread + 2.0 * features,
            widest: body.widest.max(spread),
        };
        cameras
            .map(|camera| NetworkSize::convolutions(camera, 1.0))
            .fold(alone, NetworkSize::and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    fn close(found: &[f32], expected: &[f32]) {
        let near = |(f, e): (&f32, &f32)| (f - e).abs() < 1e-6;
        let same = found.len() == expected.len() && found.iter().zip(expected).all(near);
        assert!(same, "{found:?} {expected:?}");
    }

    /// The ensemble plays the mean, the residual adds a small part, and both and the actor alone
    /// stay within ±1; what is learned of a demonstration makes the demonstrated action (the
    /// ensemble: where the pretrained policy imitates it, too).
    #[test]
    fn actions_are_composed_as_configured() {
        let config = |compose: Compose| ActorConfig {
            compose,
            residual_scale: 0.25,
            ..ActorConfig::preset(Preset::Tiny)
        };
        let base = [0.6, -0.9];
        let own = [ACTION_LIMIT as f32, -1.0];
        let composed = |compose: Compose| config(compose).composed(&base, &own);
        close(&composed(Compose::Ensemble), &[0.8, -0.95]);
        close(&composed(Compose::Residual), &[0.85, -1.0]);
        close(&composed(Compose::Alone), &[1.0, -1.0]);
        for (compose, base) in [
            (Compose::Ensemble, [0.5, -1.0]),
            (Compose::Residual, [0.4, -0.8]),
            (Compose::Alone, [0.0, 0.3]),
        ] {
            let config = config(compose);
            let own = config.target(&base, &[0.5, -1.0]);
            close(&config.composed(&base, &own), &[0.5, -1.0]);
        }
    }

    /// An odd number of features is refused by its key.
    #[test]
    fn an_odd_number_of_features_is_refused() {
        let config = ActorConfig {
            features: 7,
            ..ActorConfig::preset(Preset::Tiny)
        };
        let sentence = config.check("finetune.sac.actor").unwrap_err().to_string();
        assert!(sentence.contains("finetune.sac.actor.features"));
    }
}
