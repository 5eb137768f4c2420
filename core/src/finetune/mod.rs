//! Finetuning: reinforcement learning that finishes what pretraining began. One folder, one page of
//! docs each.
//!
//! A method at work is a state machine, as the run is: it does a little at a time, says when its
//! result so far should be evaluated, and can be saved between any two steps. What it makes of the
//! policy is an [`Improved`], which acts in the policy's place.

pub mod best_of_n;
pub mod csil;
pub mod dppo;
pub mod dsrl;
pub mod td_mpc;

use crate::data::{Archive, Dataset, Replay};
use crate::env::{Decision, Finished, RolloutSpec};
use crate::policy::{Policy, PolicyConfig};
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
use best_of_n::{BestOfNConfig, Chooser};
use burn::tensor::{Device, Tensor};
use csil::CsilConfig;
use dppo::{DppoConfig, Finetuned};
use dsrl::{DsrlConfig, Steering};
use serde::{Deserialize, Serialize};
use td_mpc::TdMpcConfig;

/// Gradient steps that a method makes at most per step of its own.
pub(crate) const UPDATES: usize = 10;
/// Losses are read back and recorded every so many gradient steps: reading waits for the device.
pub(crate) const RECORD_EVERY: usize = 50;

/// Which finetuning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum FinetuneMethod {
    /// None: the pretrained policy is the result.
    None,
    /// Best of N samples by an IQL critic.
    BestOfN,
    /// Diffusion steering: SAC chooses the noise from which the policy makes its actions.
    Dsrl,
    /// Diffusion policy policy optimization: PPO on the denoising steps.
    Dppo,
    /// TD-MPC: a world model of the task, and a planner over it.
    TdMpc,
    /// CSIL: a small policy beside the pretrained one learns from a reward that it learned from the
    /// demonstrations.
    Csil,
}

/// Finetuning: the method and each method's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// The method.
    #[setting(base, value = FinetuneMethod::BestOfN)]
    pub method: FinetuneMethod,
    /// Best of N samples by an IQL critic.
    #[setting(group)]
    pub best_of_n: BestOfNConfig,
    /// Diffusion steering.
    #[setting(group)]
    pub dsrl: DsrlConfig,
    /// Diffusion policy policy optimization.
    #[setting(group)]
    pub dppo: DppoConfig,
    /// World model and planner.
    #[setting(group)]
    pub td_mpc: TdMpcConfig,
    /// A small policy beside the pretrained one, and a learned reward.
    #[setting(group)]
    pub csil: CsilConfig,
}

impl FinetuneConfig {
    /// Says in one sentence what is wrong, if anything is: a setting, or a policy that the method
    /// cannot improve.
    pub fn check(&self, policy: &PolicyConfig) -> Result<()> {
        self.best_of_n.check()?;
        self.dsrl.check()?;
        self.dppo.check()?;
        self.td_mpc.check()?;
        self.csil.check()?;
        match self.method {
            FinetuneMethod::None | FinetuneMethod::BestOfN | FinetuneMethod::Csil => Ok(()),
            FinetuneMethod::Dsrl => dsrl::check_policy(policy),
            FinetuneMethod::Dppo => dppo::check_policy(policy),
            FinetuneMethod::TdMpc => td_mpc::check_policy(&self.td_mpc, policy),
        }
    }
}

/// What every method works with.
pub struct Context<'a> {
    /// The pretrained policy, frozen.
    pub policy: &'a Policy,
    /// The demonstrations, where there are any.
    pub demos: Option<&'a Dataset>,
    /// The environments to practice in, and the run's seed.
    pub rollouts: &'a RolloutSpec,
    /// The device that trains, with autodiff.
    pub device: &'a Device,
}

/// What comes after a step of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More of the same.
    GoOn,
    /// The result so far is worth a point of the learning curve.
    Evaluate,
    /// The method is done.
    Finish,
}

/// What one step of a method did.
#[derive(Debug)]
pub struct Work {
    /// Whether it was playing rather than learning.
    pub playing: bool,
    /// How much of the present stretch of playing or learning is done, and how much there is.
    pub progress: (u64, u64),
    /// Figures by name.
    pub values: Vec<(&'static str, f64)>,
    /// Practice episodes that ended.
    pub finished: Vec<Finished>,
    /// Control steps of practice.
    pub env_steps: u64,
    /// Decisions of practice.
    pub decisions: u64,
    /// Gradient steps.
    pub updates: u64,
    /// What comes next.
    pub next: Next,
}

impl Work {
    /// Practice that made these decisions and finished these episodes.
    pub(crate) fn played(
        decisions: &[Decision],
        finished: Vec<Finished>,
        progress: (u64, u64),
    ) -> Self {
        let env_steps = decisions
            .iter()
            .map(|decision| decision.step.steps as u64)
            .sum();
        let decisions = decisions.len() as u64;
        Self {
            playing: true,
            progress,
            values: Vec::new(),
            finished,
            env_steps,
            decisions,
            updates: 0,
            next: Next::GoOn,
        }
    }

    /// So many gradient steps.
    pub(crate) fn learned(updates: usize, progress: (usize, usize)) -> Self {
        let progress = (progress.0 as u64, progress.1 as u64);
        let updates = updates as u64;
        Self {
            playing: false,
            progress,
            values: Vec::new(),
            finished: Vec::new(),
            env_steps: 0,
            decisions: 0,
            updates,
            next: Next::GoOn,
        }
    }
}

/// A method at work.
pub enum Finetuner {
    /// See [`best_of_n`].
    BestOfN(Box<best_of_n::Practice>),
    /// See [`dsrl`].
    Dsrl(Box<dsrl::Practice>),
    /// See [`dppo`].
    Dppo(Box<dppo::Practice>),
    /// See [`td_mpc`].
    TdMpc(Box<td_mpc::Practice>),
    /// See [`csil`].
    Csil(Box<csil::Practice>),
}

impl Finetuner {
    /// The configured method at its beginning; none where none is configured.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub fn new(config: &FinetuneConfig, cx: &Context) -> Result<Option<Self>> {
        Ok(match config.method {
            FinetuneMethod::None => None,
            FinetuneMethod::BestOfN => Some(Self::BestOfN(Box::new(best_of_n::Practice::new(
                config.best_of_n.clone(),
                cx,
            )?))),
            FinetuneMethod::Dsrl => Some(Self::Dsrl(Box::new(dsrl::Practice::new(
                config.dsrl.clone(),
                cx,
            )?))),
            FinetuneMethod::Dppo => Some(Self::Dppo(Box::new(dppo::Practice::new(
                config.dppo.clone(),
                cx,
            )?))),
            FinetuneMethod::TdMpc => Some(Self::TdMpc(Box::new(td_mpc::Practice::new(
                config.td_mpc.clone(),
                cx,
            )?))),
            FinetuneMethod::Csil => Some(Self::Csil(Box::new(csil::Practice::new(
                config.csil.clone(),
                cx,
            )?))),
        })
    }

    /// Does a little: one decision in every running episode, or a few gradient steps.
    pub async fn step(&mut self, cx: &Context<'_>) -> Result<Work> {
        match self {
            Self::BestOfN(practice) => practice.step(cx).await,
            Self::Dsrl(practice) => practice.step(cx).await,
            Self::Dppo(practice) => practice.step(cx).await,
            Self::TdMpc(practice) => practice.step(cx).await,
            Self::Csil(practice) => practice.step(cx).await,
        }
    }

    /// The result so far; none before anything was learned.
    pub fn improved(&self) -> Option<Improved> {
        match self {
            Self::BestOfN(practice) => practice.chooser().map(Improved::BestOfN),
            Self::Dsrl(practice) => Some(Improved::Dsrl(practice.steering())),
            Self::Dppo(practice) => Some(Improved::Dppo(Box::new(practice.finetuned()))),
            Self::TdMpc(practice) => Some(Improved::TdMpc(Box::new(practice.agent()))),
            Self::Csil(practice) => Some(Improved::Csil(Box::new(practice.agent()))),
        }
    }

    /// Writes the whole state into the archive under `finetuner/`.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        match self {
            Self::BestOfN(practice) => practice.save(archive).await,
            Self::Dsrl(practice) => practice.save(archive).await,
            Self::Dppo(practice) => practice.save(archive).await,
            Self::TdMpc(practice) => practice.save(archive).await,
            Self::Csil(practice) => practice.save(archive).await,
        }
    }

    /// Restores what [`Finetuner::save`] wrote under the same settings.
    pub fn load(config: &FinetuneConfig, cx: &Context, archive: &mut Archive) -> Result<Self> {
        Ok(match config.method {
            FinetuneMethod::None => {
                return Err(Error::input(
                    "the checkpoint is of a run without finetuning: use an undamaged checkpoint",
                ));
            }
            FinetuneMethod::BestOfN => Self::BestOfN(Box::new(best_of_n::Practice::load(
                config.best_of_n.clone(),
                cx,
                archive,
            )?)),
            FinetuneMethod::Dsrl => Self::Dsrl(Box::new(dsrl::Practice::load(
                config.dsrl.clone(),
                cx,
                archive,
            )?)),
            FinetuneMethod::Dppo => Self::Dppo(Box::new(dppo::Practice::load(
                config.dppo.clone(),
                cx,
                archive,
            )?)),
            FinetuneMethod::TdMpc => Self::TdMpc(Box::new(td_mpc::Practice::load(
                config.td_mpc.clone(),
                cx,
                archive,
            )?)),
            FinetuneMethod::Csil => Self::Csil(Box::new(csil::Practice::load(
                config.csil.clone(),
                cx,
                archive,
            )?)),
        })
    }
}

/// What finetuning made of a policy: it decides in the policy's place.
#[derive(Clone)]
pub enum Improved {
    /// A critic chooses among the policy's proposals.
    BestOfN(Chooser),
    /// An actor chooses the policy's noise.
    Dsrl(Steering),
    /// A copy of the policy's network, finetuned, makes the last denoising steps.
    Dppo(Box<Finetuned>),
    /// A world model's planner decides, the policy at most proposes.
    TdMpc(Box<td_mpc::Agent>),
    /// A small policy acts together with the policy, at every step.
    Csil(Box<csil::Agent>),
}

/// What an actor remembers of an episode from one decision to the next; nothing at its start. A
/// planner remembers its plan, a small policy what is left of the chunk that it acts beside.
pub type Memory = Vec<f32>;

impl Improved {
    /// Length of the noise vector per decision.
    pub fn noise_len(&self, policy: &Policy) -> usize {
        match self {
            Self::BestOfN(chooser) => chooser.samples * policy.noise_len(),
            Self::Dsrl(_) | Self::Dppo(_) => policy.noise_len(),
            Self::TdMpc(agent) => agent.noise_len(policy),
            Self::Csil(agent) => agent.noise_len(policy),
        }
    }

    /// Actions per decision.
    pub fn chunk(&self, policy: &Policy) -> usize {
        match self {
            Self::BestOfN(_) | Self::Dsrl(_) | Self::Dppo(_) => policy.sizes.chunk,
            Self::TdMpc(_) | Self::Csil(_) => 1,
        }
    }

    /// Raw observation rows, what each episode remembers, and noise rows to raw action rows, as
    /// [`Policy::act`].
    pub async fn act(
        &self,
        policy: &Policy,
        obs: &[f32],
        memories: &mut [Memory],
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        match self {
            Self::TdMpc(agent) => agent.act(policy, obs, memories, &noise, device).await,
            Self::Csil(agent) => agent.act(policy, obs, memories, &noise, device).await,
            Self::BestOfN(chooser) => chooser.act(policy, obs, noise, device).await,
            Self::Dsrl(steering) => steering.act(policy, obs, noise, device).await,
            Self::Dppo(finetuned) => finetuned.act(policy, obs, noise, device).await,
        }
    }

    /// Writes it into the archive under `prefix/`.
    pub async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        let method = match self {
            Self::BestOfN(_) => FinetuneMethod::BestOfN,
            Self::Dsrl(_) => FinetuneMethod::Dsrl,
            Self::Dppo(_) => FinetuneMethod::Dppo,
            Self::TdMpc(_) => FinetuneMethod::TdMpc,
            Self::Csil(_) => FinetuneMethod::Csil,
        };
        archive.put(format!("{prefix}/method"), &method)?;
        match self {
            Self::BestOfN(chooser) => chooser.save(prefix, archive).await,
            Self::Dsrl(steering) => steering.save(prefix, archive).await,
            Self::Dppo(finetuned) => finetuned.save(prefix, archive).await,
            Self::TdMpc(agent) => agent.save(prefix, archive).await,
            Self::Csil(agent) => agent.save(prefix, archive).await,
        }
    }

    /// Restores what [`Improved::save`] wrote under the same settings and prefix; none where
    /// nothing was written.
    pub fn load(
        config: &FinetuneConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Option<Self>> {
        if !archive.contains(&format!("{prefix}/method")) {
            return Ok(None);
        }
        Ok(match archive.get(&format!("{prefix}/method"))? {
            FinetuneMethod::None => None,
            FinetuneMethod::BestOfN => Some(Self::BestOfN(Chooser::load(
                &config.best_of_n,
                policy,
                prefix,
                archive,
                device,
            )?)),
            FinetuneMethod::Dsrl => Some(Self::Dsrl(Steering::load(
                &config.dsrl,
                policy,
                prefix,
                archive,
                device,
            )?)),
            FinetuneMethod::Dppo => Some(Self::Dppo(Box::new(Finetuned::load(
                policy, prefix, archive,
            )?))),
            FinetuneMethod::TdMpc => Some(Self::TdMpc(Box::new(td_mpc::Agent::load(
                &config.td_mpc,
                policy,
                prefix,
                archive,
                device,
            )?))),
            FinetuneMethod::Csil => Some(Self::Csil(Box::new(csil::Agent::load(
                &config.csil,
                policy,
                prefix,
                archive,
                device,
            )?))),
        })
    }
}

/// Losses of one gradient step, read back.
pub(crate) async fn read_losses<const N: usize>(
    losses: [(&'static str, Tensor<1>); N],
) -> Result<Vec<(&'static str, f64)>> {
    let mut values = Vec::new();
    for (name, loss) in losses {
        values.push((name, f64::from(crate::nn::scalar(loss).await?)));
    }
    Ok(values)
}

/// A replay from an archive, which must hold what the policy reads and `action` numbers per
/// decision.
pub(crate) fn load_replay(cx: &Context, action: usize, archive: &mut Archive) -> Result<Replay> {
    let replay = Replay::load(archive, "finetuner/replay")?;
    if replay.row_sizes() != (cx.policy.sizes.obs, action) {
        return Err(Error::input(
            "the checkpoint's replay does not fit its policy: use an undamaged checkpoint",
        ));
    }
    Ok(replay)
}
