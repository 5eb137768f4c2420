//! The phases of PostBC: fit the ensemble, then clone with the posterior that it gives. Where the
//! policy sees, one is cloned before that, through whose image encoder the ensemble reads.

use super::{Ensemble, Posterior, seen};
use crate::Result;
use crate::data::{Archive, Pairs};
use crate::method::LocalFuture;
use crate::policy::Policy;
use crate::pretrain::{Cloning, Context, Losses, PretrainPhase, Pretrainer, TargetNoise};

/// Says of an archive that the policy in it is the one whose image encoder is learned.
const OF_ENCODER: &str = "encoder/phase";

/// PostBC at work.
pub enum PostBc {
    /// The first phase where there are pictures: a policy is cloned as by `bc`, of which the image
    /// encoder is kept.
    Encoder(Box<Cloning>),
    /// The ensemble is fitted.
    Ensemble(Box<Fitting>),
    /// The last phase: the policy is cloned, from fresh weights as without pictures, so that it
    /// differs from that of `bc` in nothing but its targets.
    Cloning(Box<Cloning>),
}

/// An ensemble, and what it learns from.
pub struct Fitting {
    ensemble: Ensemble,
    /// What is seen of the pairs; none where they have no pictures.
    seen: Option<Pairs>,
}

impl Fitting {
    fn begin(cx: &Context, seen: Option<Pairs>) -> Self {
        let config = cx.config.post_bc.clone();
        let data = seen.as_ref().unwrap_or(cx.pairs);
        Self {
            ensemble: Ensemble::new(config, data, cx.seed, cx.device.clone()),
            seen,
        }
    }

    fn load(cx: &Context, archive: &Archive) -> Result<Self> {
        let config = cx.config.post_bc.clone();
        let seen = seen::load(archive, cx.pairs)?;
        let data = seen.as_ref().unwrap_or(cx.pairs);
        let device = cx.device.clone();
        Ok(Self {
            ensemble: Ensemble::load(config, data, cx.seed, archive, device)?,
            seen,
        })
    }

    fn step(&mut self, pairs: &Pairs) -> Losses {
        let data = self.seen.as_ref().unwrap_or(pairs);
        self.ensemble.step(data)
    }

    async fn posterior(&self, cx: &Context<'_>) -> Result<Posterior> {
        let data = self.seen.as_ref().unwrap_or(cx.pairs);
        let config = &cx.config.post_bc;
        let posterior = self.ensemble.posterior(data).await?;
        let act = data.action_dim / cx.policy.chunk;
        Ok(posterior
            .with_gripper(act, config.gripper)
            .on_share_of_uses(config.share))
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        if let Some(seen) = &self.seen {
            seen::save(seen, archive);
        }
        self.ensemble.save(archive).await
    }
}

impl PostBc {
    /// Before the first step.
    ///
    /// # Errors
    /// When the demonstrations are too short.
    pub fn new(cx: &Context) -> Result<Self> {
        if cx.pairs.images.is_empty() {
            return Ok(Self::Ensemble(Box::new(Fitting::begin(cx, None))));
        }
        let cloning = Cloning::begin(cx, TargetNoise::None)?;
        Ok(Self::Encoder(Box::new(cloning)))
    }

    /// Restores what [`Pretrainer::save`] wrote with the same settings and demonstrations.
    ///
    /// # Errors
    /// When the archive is damaged or foreign.
    pub(crate) fn load(cx: &Context, archive: &Archive) -> Result<Self> {
        if archive.contains("ensemble/state") {
            return Ok(Self::Ensemble(Box::new(Fitting::load(cx, archive)?)));
        }
        let cloning = Box::new(Cloning::resume(cx, archive)?);
        Ok(match archive.contains(OF_ENCODER) {
            true => Self::Encoder(cloning),
            false => Self::Cloning(cloning),
        })
    }

    /// Ends a phase: the image encoder is what the ensemble reads through, its posterior the noise
    /// of the cloning loop.
    async fn next(&mut self, cx: &Context<'_>) -> Result<Option<Vec<(&'static str, f64)>>> {
        match self {
            Self::Encoder(cloning) => {
                let policy = cloning.result();
                let seen = seen::through(&policy, cx.pairs, cx.device).await?;
                *self = Self::Ensemble(Box::new(Fitting::begin(cx, Some(seen))));
                Ok(Some(Vec::new()))
            }
            Self::Ensemble(fitting) => {
                let posterior = fitting.posterior(cx).await?;
                let found = vec![("policy/posterior_std", posterior.mean_std())];
                let cloning = Cloning::begin(cx, TargetNoise::Posterior(posterior))?;
                *self = Self::Cloning(Box::new(cloning));
                Ok(Some(found))
            }
            Self::Cloning(_) => Ok(None),
        }
    }

    async fn write_encoder(cloning: &Cloning, archive: &mut Archive) -> Result<()> {
        archive.put(OF_ENCODER, &true)?;
        cloning.save(archive).await
    }
}

impl Pretrainer for PostBc {
    fn phase(&self) -> PretrainPhase {
        match self {
            Self::Encoder(_) => PretrainPhase::Encoder,
            Self::Ensemble(_) => PretrainPhase::Ensemble,
            Self::Cloning(_) => PretrainPhase::Policy,
        }
    }

    fn progress(&self) -> (usize, usize) {
        match self {
            Self::Encoder(cloning) | Self::Cloning(cloning) => cloning.progress(),
            Self::Ensemble(fitting) => fitting.ensemble.progress(),
        }
    }

    fn step(&mut self, data: &Pairs) -> Losses {
        match self {
            Self::Encoder(cloning) => {
                let losses = cloning.step(data);
                // The policy's own curve begins with its phase.
                let renamed = losses.into_iter().map(|(_, loss)| ("loss/encoder", loss));
                renamed.collect()
            }
            Self::Ensemble(fitting) => fitting.step(data),
            Self::Cloning(cloning) => cloning.step(data),
        }
    }

    fn begin_next<'a>(
        &'a mut self,
        cx: &'a Context<'a>,
    ) -> LocalFuture<'a, Option<Vec<(&'static str, f64)>>> {
        Box::pin(self.next(cx))
    }

    fn policy(&self) -> Option<Policy> {
        match self {
            Self::Encoder(_) | Self::Ensemble(_) => None,
            Self::Cloning(cloning) => cloning.policy(),
        }
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        match self {
            Self::Encoder(cloning) => Box::pin(Self::write_encoder(cloning, archive)),
            Self::Ensemble(fitting) => Box::pin(fitting.write(archive)),
            Self::Cloning(cloning) => cloning.save(archive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Meta, Normaliser};
    use crate::obs::{ImageSpec, Images, ObsSpec};
    use crate::policy::{PolicyConfig, PolicyKind};
    use crate::pretrain::{BcConfig, PostBcConfig, PretrainConfig};
    use crate::run::{Config, Preset};
    use burn::tensor::Device;
    use pollster::block_on;

    /// Pixels along each side.
    const SIDE: usize = 32;
    const PAIRS: usize = 24;

    /// Every other picture has a stripe at the left, and there the demonstrator always does the
    /// same; where it is at the right, it does one of two things.
    fn pairs(camera: &ImageSpec) -> Pairs {
        let stripe = |i: usize| if i.is_multiple_of(2) { 5 } else { SIDE - 6 };
        let pixel = |i: usize, at: usize| match (at % SIDE).abs_diff(stripe(i)) < 3 {
            true => 255,
            false => 20,
        };
        let picture = |i: usize| (0..camera.stack_len()).map(move |at| pixel(i, at));
        let pixels: Vec<u8> = (0..PAIRS).flat_map(picture).collect();
        let actions = (0..PAIRS).map(|i| match i % 4 {
            1 => 0.8,
            3 => -0.8,
            _ => 0.5,
        });
        Pairs {
            obs: vec![0.0; PAIRS],
            images: vec![Images::of(camera.clone(), &pixels)],
            actions: actions.collect(),
            episode_pairs: vec![1; PAIRS],
            obs_dim: 1,
            action_dim: 1,
        }
    }

    fn config() -> (PretrainConfig, PolicyConfig) {
        let tiny = Config::preset(Preset::Tiny);
        let bc = BcConfig {
            updates: 30,
            batch: 16,
            lr: 3e-3,
            ..tiny.pretrain.bc
        };
        let post_bc = PostBcConfig {
            members: 16,
            hidden: 16,
            layers: 1,
            updates: 200,
            batch: 16,
            lr: 1e-2,
            ..tiny.pretrain.post_bc
        };
        let pretrain = PretrainConfig {
            bc,
            post_bc,
            ..tiny.pretrain
        };
        let policy = PolicyConfig {
            chunk: 1,
            hidden: 16,
            layers: 1,
            ..tiny.policy
        };
        (pretrain, policy)
    }

    fn demos(reads: &ObsSpec) -> Dataset {
        Dataset {
            meta: Meta {
                task: String::new(),
                engine: String::new(),
                seed: 0,
                code_version: String::new(),
                obs: reads.clone(),
                act: 1,
                action_repeat: 1,
                controller: String::new(),
                demonstrator: String::new(),
            },
            episodes: Vec::new(),
        }
    }

    /// From pictures alone the posterior is wide where they do not decide what the demonstrator
    /// does, and narrow where they do: through a perceptron's image encoder, and through a
    /// transformer's.
    #[test]
    fn the_posterior_is_wide_where_pictures_do_not_decide() {
        let (config, flow) = config();
        let transformer = PolicyConfig {
            kind: PolicyKind::FlowTransformer,
            hidden: 32,
            ..flow.clone()
        };
        let reads = ObsSpec {
            cameras: ImageSpec::unnamed(SIDE, 1),
            ..ObsSpec::of_state(1)
        };
        let pairs = pairs(&reads.cameras[0]);
        let demos = demos(&reads);
        let device = Device::flex().autodiff();
        for policy in [flow, transformer] {
            let cx = Context {
                config: &config,
                policy: &policy,
                reads: reads.clone(),
                demos: &demos,
                pairs: &pairs,
                scales: &(Normaliser::identity(1), Normaliser::identity(1)),
                seed: 0,
                device: &device,
            };
            let mut method = PostBc::new(&cx).unwrap();
            for phase in [PretrainPhase::Encoder, PretrainPhase::Ensemble] {
                assert!(method.phase() == phase && method.policy().is_none());
                while method.progress().0 < method.progress().1 {
                    method.step(&pairs);
                }
                if phase == PretrainPhase::Encoder {
                    block_on(method.begin_next(&cx)).unwrap().unwrap();
                }
            }
            let PostBc::Ensemble(fitting) = &method else {
                panic!("{:?}", method.phase());
            };
            let posterior = block_on(fitting.posterior(&cx)).unwrap();
            let spread = [posterior.std(0)[0], posterior.std(1)[0]];
            // Half of the 24 demonstrations are at the right: their mean has a standard error of
            // 0.8 / sqrt(12) = 0.23.
            assert!(
                spread[0] < 0.08 && (0.12..0.4).contains(&spread[1]),
                "{:?}: {spread:?}",
                policy.kind
            );
            let found = block_on(method.begin_next(&cx)).unwrap().unwrap();
            assert_eq!(found[0].0, "policy/posterior_std");
            assert_eq!(method.phase(), PretrainPhase::Policy);
            method.step(&pairs);
        }
    }
}
