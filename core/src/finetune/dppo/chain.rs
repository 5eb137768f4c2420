//! The two-layer MDP (DPPO, sec. 4.1): every decision is a chain of denoising decisions, each a
//! draw from a Gaussian whose mean is the network's.
//!
//! A chain of K steps leads from noise to the action chunk. The pretrained network makes the first
//! K - K' of them, the finetuned one the last K', and only those are learned from.

use crate::nn;
use crate::policy::Policy;
use burn::tensor::Tensor;

/// Bound of a draw, in standard deviations (DPPO, `randn_clip_value`).
const LARGEST_DRAW: f64 = 3.0;
/// Range of one component's log-density (DPPO).
const LOG_DENSITY: (f64, f64) = (-5.0, 2.0);

/// Floors of a denoising step's standard deviation (DPPO, `diffusion_vpg.py`:
/// `min_sampling_denoising_std`, `min_logprob_denoising_std`).
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Least standard deviation of a draw.
    pub(crate) sampling: f32,
    /// Least standard deviation in a log-probability.
    pub(crate) logprob: f32,
}

/// The part of a batch's chains that learning needs.
pub struct ChainSample {
    /// K' + 1 latents `[batch, chunk * act]`: before the first finetuned step, and after each. The
    /// last is the action chunk.
    pub latents: Vec<Tensor<2>>,
    /// Log-probabilities of the K' finetuned steps, `[batch, 1]` each.
    pub(crate) log_probs: Vec<Tensor<2>>,
}

/// Length of the noise of a decision in practice: the start of the chain, and a draw for each of
/// its steps.
pub(crate) fn noise_len(policy: &Policy) -> usize {
    (policy.chain_len() + 1) * policy.sizes.chunk_len()
}

/// K', the number of last steps that are finetuned: `wanted`, or all that there are.
pub fn finetuned_steps(policy: &Policy, wanted: usize) -> usize {
    wanted.min(policy.chain_len())
}

/// What both networks make of the same observations ([`Policy::features`]): the finetuned one's
/// image encoders are finetuned, too.
pub struct Features {
    /// `[batch, features]`.
    pub(crate) pretrained: Tensor<2>,
    /// `[batch, features]`.
    pub(crate) finetuned: Tensor<2>,
}

/// Draws a chain per row of observations from `noise` (`[batch, noise_len]`); the last `steps` are
/// `finetuned`'s.
pub fn draw(
    pretrained: &Policy,
    finetuned: &Policy,
    steps: usize,
    spread: Spread,
    features: &Features,
    noise: Tensor<2>,
) -> ChainSample {
    let length = finetuned.chain_len();
    let [batch, _] = noise.dims();
    let mut noise = noise.chunk(length + 1, 1).into_iter();
    let mut x = noise.next().expect("a chain begins with noise");
    let mut latents = Vec::new();
    let mut log_probs = Vec::new();
    for (step, draw) in noise.enumerate() {
        // Steps are counted from the noisiest: the last K' are the finetuned network's.
        let learned = step + steps >= length;
        let (policy, features) = match learned {
            true => (finetuned, &features.finetuned),
            false => (pretrained, &features.pretrained),
        };
        let (mean, std) = policy.denoise(features.clone(), x.clone(), &vec![step; batch]);
        // The floor is the exploration of DPPO: without it a step near the end hardly varies.
        let next = mean.clone()
            + draw.clamp(-LARGEST_DRAW, LARGEST_DRAW) * column(&std, spread.sampling, &mean);
        if learned {
            latents.push(x);
            log_probs.push(log_prob(mean, &std, next.clone(), spread));
        }
        x = next;
    }
    latents.push(x);
    ChainSample { latents, log_probs }
}

/// Log-probability of the step from each row of `before` to that of `after`, by `policy`: `[rows,
/// 1]`, with gradients.
pub(crate) fn log_probs(
    policy: &Policy,
    spread: Spread,
    features: Tensor<2>,
    before: Tensor<2>,
    after: Tensor<2>,
    steps: &[usize],
) -> Tensor<2> {
    let (mean, std) = policy.denoise(features, before, steps);
    log_prob(mean, &std, after, spread)
}

/// Log-probability of `x` under N(mean, max(std, floor)^2): clamped per component, then the mean
/// over components.
fn log_prob(mean: Tensor<2>, std: &[f32], x: Tensor<2>, spread: Spread) -> Tensor<2> {
    let std = column(std, spread.logprob, &mean);
    let constant = 0.5 * libm::log(std::f64::consts::TAU);
    let density = ((x - mean) / std.clone()).square().mul_scalar(-0.5) - std.log() - constant;
    // The mean over the chunk, not the sum, keeps PPO's ratios near 1 however long a chunk is
    // (`diffusion_ppo.py`, `loss`).
    density.clamp(LOG_DENSITY.0, LOG_DENSITY.1).mean_dim(1)
}

/// A standard deviation per row, at least `floor`, as a column on the device of `like`.
fn column(std: &[f32], floor: f32, like: &Tensor<2>) -> Tensor<2> {
    nn::matrix(
        std.iter().map(|s| s.max(floor)).collect(),
        1,
        &like.device(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normaliser;
    use crate::obs::ObsSpec;
    use crate::policy::{PolicyConfig, PolicyKind, Sampler, Sizes};
    use crate::rng::Rng;
    use crate::run::{Config, Preset};
    use burn::tensor::Device;

    const SIZES: Sizes = Sizes {
        obs: 3,
        act: 1,
        chunk: 2,
    };
    const SPREAD: Spread = Spread {
        sampling: 0.1,
        logprob: 0.2,
    };
    const ROWS: usize = 4;

    /// Flow, DDIM and DDPM.
    fn chains() -> [PolicyConfig; 3] {
        let tiny = Config::preset(Preset::Tiny).policy;
        let flow = PolicyConfig {
            kind: PolicyKind::Flow,
            chunk: 2,
            hidden: 8,
            layers: 2,
            denoising_steps: 5,
            inference_steps: 4,
            ..tiny
        };
        let ddim = PolicyConfig {
            kind: PolicyKind::Diffusion,
            sampler: Sampler::Ddim,
            ..flow.clone()
        };
        let ddpm = PolicyConfig {
            sampler: Sampler::Ddpm,
            ..ddim.clone()
        };
        [flow, ddim, ddpm]
    }

    fn policy(config: &PolicyConfig, seed: u64) -> Policy {
        let scales = (Normaliser::identity(3), Normaliser::identity(2));
        Policy::new(
            config,
            &ObsSpec::of_state(SIZES.obs),
            SIZES.act,
            scales,
            &mut Rng::new(seed, "test", 0),
            &Device::flex(),
        )
    }

    fn read(tensor: &Tensor<2>) -> Vec<f32> {
        pollster::block_on(nn::read(tensor.clone())).unwrap()
    }

    fn noise(policy: &Policy) -> Tensor<2> {
        let values = Rng::new(2, "test", 0)
            .normals(ROWS * noise_len(policy))
            .into_iter()
            .map(|z| 2.0 * z)
            .collect();
        nn::matrix(values, noise_len(policy), &Device::flex())
    }

    fn observed() -> Tensor<2> {
        nn::matrix(Rng::new(3, "test", 0).normals(ROWS * 3), 3, &Device::flex())
    }

    /// Without pictures they are the same for both networks.
    fn features() -> Features {
        Features {
            pretrained: observed(),
            finetuned: observed(),
        }
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 1e-4),
            "{found:?} is not {expected:?}"
        );
    }

    /// The mean over both components of the clamped Gaussian log-density.
    fn density(mean: &[f32], std: f32, x: &[f32]) -> f32 {
        let std = f64::from(std);
        let one = |(m, x): (&f32, &f32)| {
            -0.5 * ((f64::from(*x) - f64::from(*m)) / std).powi(2)
                - (std * std::f64::consts::TAU.sqrt()).ln()
        };
        (mean
            .iter()
            .zip(x)
            .map(one)
            .map(|d| d.clamp(-5.0, 2.0))
            .sum::<f64>()
            / 2.0) as f32
    }

    /// The log-probabilities of a drawn chain are the Gaussian densities of its finetuned steps,
    /// under the finetuned network and with the floor for densities; judged again later, they are
    /// the same, also where a batch mixes steps.
    #[test]
    fn log_probabilities_are_the_densities_of_the_steps() {
        for config in chains() {
            let pretrained = policy(&config, 0);
            let finetuned = policy(&config, 1);
            let steps = 3;
            let sample = draw(
                &pretrained,
                &finetuned,
                steps,
                SPREAD,
                &features(),
                noise(&pretrained),
            );
            assert_eq!(
                (sample.latents.len(), sample.log_probs.len()),
                (steps + 1, steps)
            );
            let first = finetuned.chain_len() - steps;
            for i in 0..steps {
                let (mean, std) =
                    finetuned.denoise(observed(), sample.latents[i].clone(), &[first + i; ROWS]);
                let mean = read(&mean);
                let next = read(&sample.latents[i + 1]);
                let expected: Vec<f32> = (0..ROWS)
                    .map(|row| {
                        density(
                            &mean[2 * row..2 * row + 2],
                            std[row].max(SPREAD.logprob),
                            &next[2 * row..2 * row + 2],
                        )
                    })
                    .collect();
                assert_near(&read(&sample.log_probs[i]), &expected);
            }
            let before = Tensor::cat(sample.latents[..steps].to_vec(), 0);
            let after = Tensor::cat(sample.latents[1..].to_vec(), 0);
            let numbers: Vec<usize> = (0..steps * ROWS).map(|i| first + i / ROWS).collect();
            let again = log_probs(
                &finetuned,
                SPREAD,
                observed().repeat_dim(0, steps),
                before,
                after,
                &numbers,
            );
            assert_near(&read(&again), &read(&Tensor::cat(sample.log_probs, 0)));
        }
    }

    /// Each draw is the mean plus the noise that was given, clipped to three deviations of at least
    /// the floor; the pretrained network makes the first steps, the finetuned one the last, and a
    /// chain that is finetuned whole begins with noise.
    #[test]
    fn the_last_steps_are_the_finetuned_networks() {
        for config in chains() {
            let pretrained = policy(&config, 0);
            let finetuned = policy(&config, 1);
            let noise = noise(&pretrained);
            let length = pretrained.chain_len();
            let part = |i: usize| noise.clone().slice([0..ROWS, 2 * i..2 * i + 2]);
            let mut x = part(0);
            let mut all = vec![x.clone()];
            for step in 0..length {
                let net = if step < 2 { &pretrained } else { &finetuned };
                let (mean, std) = net.denoise(observed(), x, &[step; ROWS]);
                x = mean
                    + part(step + 1)
                        .clamp(-3.0, 3.0)
                        .mul_scalar(std[0].max(SPREAD.sampling));
                all.push(x.clone());
            }
            let sample = draw(
                &pretrained,
                &finetuned,
                length - 2,
                SPREAD,
                &features(),
                noise.clone(),
            );
            let found: Vec<f32> = sample.latents.iter().flat_map(read).collect();
            assert_near(&found, &all[2..].iter().flat_map(read).collect::<Vec<_>>());
            let whole = draw(
                &pretrained,
                &finetuned,
                length,
                SPREAD,
                &features(),
                noise.clone(),
            );
            assert_near(&read(&whole.latents[0]), &read(&part(0)));
            assert_eq!(
                (
                    finetuned_steps(&pretrained, 2),
                    finetuned_steps(&pretrained, 99)
                ),
                (2, length)
            );
        }
    }

    /// A component's log-density is clamped to [-5, 2], and a row's is the mean over its
    /// components, not the sum.
    #[test]
    fn log_densities_are_clamped_and_averaged() {
        let device = Device::flex();
        let rows = |values: &[f32]| nn::matrix(values.to_vec(), 2, &device);
        let mean = rows(&[0.0, 0.0, 0.0, 0.0]);
        let x = rows(&[9.0, 0.0, 0.0, 0.0]);
        let spread = Spread {
            sampling: 0.0,
            logprob: 1e-3,
        };
        let at_mean = -0.918_938_5;
        assert_near(
            &read(&log_prob(mean, &[1.0, 0.01], x, spread)),
            &[(-5.0 + at_mean) / 2.0, 2.0],
        );
    }
}
