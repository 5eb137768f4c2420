//! The small policy: a squashed Gaussian from a HETSTAT network (Watson, Huang and Heess 2023,
//! "Coherent Soft Imitation Learning").

use super::ActorConfig;
use crate::nn::{Hetstat, HetstatConfig, Keypoints, Observations};
use crate::obs::ImageSpec;
use crate::policy::Sizes;
use crate::rl::SquashedGaussian;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// tanh(mean(x) + std(x) e).
#[derive(Module, Debug)]
pub(crate) struct HetstatPolicy {
    net: Hetstat,
    /// One for each camera.
    image_encoder: Vec<Keypoints>,
    /// How many of the inputs' numbers it reads: all, or only the observation before the pretrained
    /// policy's action.
    reads: usize,
}

impl HetstatPolicy {
    /// Fresh weights, for observations and actions of these sizes, and for these cameras.
    pub(crate) fn new(
        config: &ActorConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let reads = if config.sees_base() {
            sizes.obs + sizes.act
        } else {
            sizes.obs
        };
        let settings = HetstatConfig {
            inputs: reads + cameras.len() * Keypoints::WIDTH,
            hidden: vec![config.hidden; 2],
            bottleneck: config.bottleneck,
            features: config.features,
            outputs: sizes.act,
            log_scale: config.log_scale,
            floor: config.variance_floor,
        };
        let net = Hetstat::new(&settings, rng, device);
        Self {
            net,
            image_encoder: Keypoints::of(cameras, rng, device),
            reads,
        }
    }

    /// What encodes the pictures of each camera.
    pub(crate) fn image_encoders(&self) -> Vec<Keypoints> {
        self.image_encoder.clone()
    }

    fn read(&self, x: Observations) -> Tensor<2> {
        x.encode_with(&self.image_encoder, self.reads)
    }

    /// What it does at inputs of obs + act numbers.
    pub(crate) fn at(&self, x: Observations) -> SquashedGaussian {
        self.net.forward(self.read(x)).into()
    }

    /// The faithful loss (CSIL): the squared error of the squashed mean, which teaches means and
    /// features, and the likelihood with both held fixed, which teaches the spread.
    pub(crate) fn faithful_loss(&self, x: Observations, actions: Tensor<2>) -> Tensor<1> {
        let (mean, fixed) = self.net.forward_faithful(self.read(x));
        let act = actions.dims()[1] as f64;
        let error = (mean.tanh() - actions.clone()).square().mean();
        error - SquashedGaussian::from(fixed).log_prob(actions).mean() / act
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::actor_critic::Compose;
    use crate::nn::{self, gradient_check::worst_error_of_smooth};
    use crate::settings::Preset;
    use pollster::block_on;

    const SIZES: Sizes = Sizes {
        obs: 2,
        act: 2,
        chunk: 1,
    };

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    fn config() -> ActorConfig {
        ActorConfig {
            compose: Compose::Residual,
            hidden: 5,
            bottleneck: 3,
            features: 6,
            log_scale: 0.0,
            ..ActorConfig::preset(Preset::Tiny)
        }
    }

    /// The faithful loss is its two parts, and its gradient reaches means and features by the
    /// squared error alone, the spread by the likelihood alone.
    #[test]
    fn the_faithful_loss_has_the_right_gradients() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(0, "test", 0);
        let policy = HetstatPolicy::new(&config(), SIZES, &[], &mut rng, &device);
        let x = Observations::from(nn::matrix(rng.normals(28), 4, &device));
        let actions = nn::matrix(rng.normals(14), 2, &device).tanh();
        let plain = |policy: &HetstatPolicy| policy.at(x.clone());
        let parts = |policy: &HetstatPolicy| {
            let at = plain(policy);
            [
                (at.mode() - actions.clone()).square().mean(),
                at.log_prob(actions.clone()).mean() / -2.0,
            ]
        };
        let found = read(policy.faithful_loss(x.clone(), actions.clone()).inner())[0];
        let [error, nll] = parts(&policy).map(|part| read(part.inner())[0]);
        assert!((found - error - nll).abs() < 1e-5);
        let step = |loss: Tensor<1>| {
            nn::Adam::new(nn::AdamConfig {
                lr: 1e-2,
                clip_norm: None,
            })
            .step(policy.clone(), &loss)
        };
        let [both, by_error, by_likelihood] = [
            policy.faithful_loss(x.clone(), actions.clone()),
            parts(&policy)[0].clone(),
            parts(&policy)[1].clone(),
        ]
        .map(step);
        let mean = |p: &HetstatPolicy| read(plain(p).mean.inner());
        let std = |p: &HetstatPolicy| read(plain(p).std.inner());
        assert_eq!(
            mean(&both),
            mean(&by_error),
            "the means follow the squared error"
        );
        assert_ne!(mean(&by_likelihood), mean(&by_error));
        assert_ne!(
            std(&both),
            std(&by_error),
            "the spread follows the likelihood"
        );
    }

    /// Likelihood and divergence have the right gradient in every parameter.
    #[test]
    fn likelihood_and_divergence_have_the_right_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let mut policy = HetstatPolicy::new(&config(), SIZES, &[], &mut rng, &device);
        // Where C is the identity and the means are 0, many gradients vanish.
        let train = Observations::from(nn::matrix(rng.normals(28), 4, &device));
        let mut adam = nn::Adam::new(nn::AdamConfig {
            lr: 3e-2,
            clip_norm: None,
        });
        let other = HetstatPolicy::new(&config(), SIZES, &[], &mut rng, &device);
        let actions = nn::matrix(rng.normals(14), 2, &device).tanh() * 0.9;
        for _ in 0..30 {
            let loss = policy.faithful_loss(train.clone(), actions.clone());
            policy = adam.step(policy, &loss);
        }
        let fixed = other.at(train.clone());
        let error = worst_error_of_smooth(&policy, 1e-3, |policy| {
            let at = policy.at(train.clone());
            at.log_prob(actions.clone()).mean() * 0.3 + at.kl(&fixed).mean()
        });
        assert!(error < 3e-2, "{error}");
    }
}
