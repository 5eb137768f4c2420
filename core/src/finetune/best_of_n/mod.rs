//! Best of N: the pretrained policy proposes, a critic chooses.
//!
//! The frozen policy is rolled out, an IQL critic is fitted to its own rollouts, and at every
//! decision the best of N proposals by the critic is played (PostBC, appendix D.1; IDQL). The
//! policy's weights never change: what finetuning can reach is what the policy proposes, which is
//! why the coverage of pretraining matters.

pub mod iql;
mod trainer;

use super::frozen::Frozen;
use super::{FinetuneMethod, FinetunedPolicy, Memory, Method, check_encoder};
use crate::data::Archive;
use crate::error::within;
use crate::memory::{NUMBER, Need, NetworkSize, Sizes};
use crate::method::{DemoUse, LocalFuture, MethodInfo, Paper};
use crate::nn::{self, SMALLEST_IMAGE};
use crate::obs::ObsBatch;
use crate::policy::{self, Policy, PolicyKind};
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
pub use iql::{Critic, Iql};
use serde::{Deserialize, Serialize};
pub(crate) use trainer::BestOfNTrainer;

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "best-of-n",
        label: "best-of-N",
        sentence: "Learns to judge: of several proposals of the frozen policy the best is played.",
        about: "Best of N samples by an IQL critic.",
        paper: Some(Paper {
            citation: "Hansen-Estruch et al. 2023 (IDQL)",
            link: "https://arxiv.org/abs/2304.10573",
        }),
        color: None,
        policies: &[
            PolicyKind::Gaussian,
            PolicyKind::Flow,
            PolicyKind::FlowTransformer,
            PolicyKind::Diffusion,
            PolicyKind::Squashed,
        ],
        because: "draws many proposals for every decision",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        demos: DemoUse::Unused,
        insights: &[],
        on_page: true,
    },
    check: |_, policy, cameras| check_encoder(METHOD.id(), policy, cameras),
    new: |config, cx| {
        let trainer = BestOfNTrainer::new(config.best_of_n.clone(), cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let trainer = BestOfNTrainer::load(config.best_of_n.clone(), cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |config, policy, prefix, archive, device| {
        let loaded = BestOfNPolicy::load(&config.best_of_n, policy, prefix, archive, device)?;
        Ok(Box::new(loaded))
    },
    practice: Some(|_, policy, _, device| Ok(Box::new(Frozen::of(policy, device)))),
};

/// Which critics choose among the proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Chooser {
    /// Those that learn, as their last update left them.
    Online,
    /// Their slow copies, which average over the last 1 / `target_rate` updates.
    Target,
}

/// Settings of best-of-N.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct BestOfNConfig {
    /// Episodes of the frozen policy that the critic learns from.
    #[setting(
        range = 1..=10_000_000, value = 900, paper = 1000,
        source = "PostBC: 1000 or 2000 on robomimic"
    )]
    pub rollouts: usize,
    /// Points of the learning curve: the rollouts are collected in this many equal parts, the
    /// critic is fitted anew to all episodes so far, and the result is evaluated.
    #[setting(range = 1..=10_000_000, value = 1, cpu = 3, source = "PostBC")]
    pub rounds: usize,
    /// Gradient steps of the critic per round.
    #[setting(range = 1..=1_000_000_000, value = 3000, paper = 2_000_000, source = "PostBC")]
    pub updates: usize,
    /// Decisions per gradient step.
    #[setting(range = 1..=1 << 20, value = 256, source = "PostBC's Libero runs")]
    pub batch: usize,
    /// Adam's learning rate.
    #[setting(range = 0.0..=1.0, value = 1e-3, paper = 3e-4, source = "PostBC's Libero runs")]
    pub lr: f64,
    /// Discount per decision.
    #[setting(
        range = 0.0..=1.0, value = 0.99, paper = 0.999,
        source = "PostBC: per action on robomimic; 0.99 in its Libero runs, chunks of 4"
    )]
    pub gamma: f64,
    /// Expectile of the value loss; 0.5 is the mean.
    #[setting(range = 0.0..=1.0, value = 0.7, source = "PostBC: 0.5 to 0.9 by task")]
    pub expectile: f64,
    /// Whether an episode that the time limit cut off goes on for the critic (its last value is
    /// bootstrapped) or is a failure. Where it is a failure, success counts within the horizon
    /// only, and values anchored at failures are learned in far fewer updates.
    #[setting(value = false)]
    pub bootstrap_truncated: bool,
    /// Polyak rate of the target critics, per gradient step.
    #[setting(
        range = 0.0..=1.0, value = 0.02, paper = 0.005,
        source = "PostBC; faster where updates are few"
    )]
    pub target_rate: f64,
    /// Critics; a pair of observation and chunk is worth what the most pessimistic of them says.
    #[setting(
        range = 1..=1000, value = 4, paper = 2,
        source = "IQL; more, so that a proposal must convince all of them"
    )]
    pub critics: usize,
    /// Which critics choose among the proposals.
    #[setting(
        value = Chooser::Online, paper = Chooser::Target,
        source = "IDQL's and DPPO's code: target"
    )]
    pub chooser: Chooser,
    /// Proposals per decision, N.
    #[setting(
        range = 1..=100_000, value = 16, paper = 32,
        source = "PostBC's Libero runs; WidowX: 4 and 16"
    )]
    pub samples: usize,
    /// Units per hidden layer of the critics.
    #[setting(range = 1..=8192, value = 128, paper = 256, source = "PostBC's Libero runs")]
    pub hidden: usize,
    /// Hidden layers of the critics.
    #[setting(range = 1..=16, value = 2, source = "PostBC's Libero runs")]
    pub layers: usize,
}

impl BestOfNConfig {
    /// A round has at least one rollout.
    ///
    /// # Errors
    /// When there are more rounds than rollouts.
    pub fn check(&self) -> Result<()> {
        within("finetune.best_of_n.rounds", self.rounds, 1, self.rollouts)
    }
}

impl BestOfNConfig {
    /// What it takes of memory.
    pub(super) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let obs = policy::memory::features(sizes);
        let inputs = obs + sizes.policy.chunk * sizes.act;
        let shape = (self.hidden, self.layers);
        let critics = NetworkSize::stack(self.critics, (inputs, 1), shape);
        let value = NetworkSize::stack(1, (obs, 1), shape);
        let weights = critics.learned() + critics.following() + value.learned();
        let step = critics.and(value).learning(self.batch as f64);
        let proposals = (sizes.parallel * self.samples) as f64;
        let noise = proposals * (policy::memory::noise_len(sizes) + inputs as f64) * 3.0 * NUMBER;
        let widest = policy::memory::deciding(sizes).acting(proposals);
        let choice = noise + widest.max(critics.acting(proposals));
        let decisions = self.rollouts as f64 * sizes.decisions();
        let group = "finetune.best_of_n";
        let (samples, batch) = (format!("{group}.samples"), "batch");
        vec![
            Need::of(
                group,
                "the critics' weights",
                &["critics", "hidden", "layers"],
                weights,
            ),
            Need::of(
                group,
                "a step",
                &[batch, "critics", "hidden", "layers"],
                step,
            ),
            Need::new("the proposals", &["env.parallel", &samples], choice),
            Need::of(
                group,
                "the replay",
                &["rollouts"],
                sizes.replay(decisions, obs, sizes.chunk_len()),
            ),
        ]
    }
}

/// The deployed result: a frozen policy and the critic that chooses among its proposals.
#[derive(Clone)]
pub struct BestOfNPolicy {
    /// Scores (observation, chunk) pairs, both normalized.
    pub critic: Critic,
    /// N, proposals per decision.
    pub samples: usize,
}

impl BestOfNPolicy {
    /// For every raw observation: N proposals from `noise` (`[rows * N, noise]`), the best of
    /// which is played.
    async fn choose(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        let inner_device = device.clone().without_autodiff();
        let n = self.samples;
        let rows = obs.len();
        let features = policy.features_len();
        let obs = policy.features(obs, &inner_device);
        // N consecutive rows per observation: one batch for policy and critic.
        let repeated: Tensor<2> = obs
            .unsqueeze_dim::<3>(1)
            .expand([rows, n, features])
            .reshape([rows * n, features]);
        let chunks = policy.sample(
            repeated.clone(),
            nn::matrix(noise, policy.noise_len(), &inner_device),
        );
        let scores = nn::read(self.critic.score(repeated, chunks.clone())).await?;
        let chunks = policy.act_scale.invert(&nn::read(chunks).await?);
        let width = policy.sizes.chunk_len();
        // Greedy, as IDQL acts in evaluation; chunks are clamped once they are unscaled.
        let best = (0..rows).flat_map(|row| {
            let winner = row * n + argmax(&scores[row * n..(row + 1) * n]);
            chunks[winner * width..(winner + 1) * width]
                .iter()
                .map(|a| a.clamp(-1.0, 1.0))
        });
        Ok(best.collect())
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub(crate) fn load(
        config: &BestOfNConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let samples = archive.get(&format!("{prefix}/samples"))?;
        if samples != config.samples {
            return Err(Error::input(format!(
                "the checkpoint's critic chooses among {samples} proposals, its configuration says \
                 {}",
                config.samples
            )));
        }
        let critic = Critic::load(
            config,
            policy.features_len(),
            policy.sizes.chunk_len(),
            &format!("{prefix}/critic"),
            archive,
            device,
        )?;
        Ok(Self { critic, samples })
    }
}

impl FinetunedPolicy for BestOfNPolicy {
    fn method(&self) -> FinetuneMethod {
        METHOD.id()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    fn noise_len(&self, policy: &Policy) -> usize {
        self.samples * policy.noise_len()
    }

    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        _: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>> {
        Box::pin(self.choose(policy, obs, noise, device))
    }

    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            archive.put(format!("{prefix}/samples"), &self.samples)?;
            self.critic.save(&format!("{prefix}/critic"), archive).await
        })
    }
}

fn argmax(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
