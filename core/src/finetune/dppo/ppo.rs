//! The clipped surrogate objective of PPO (Schulman et al. 2017), with DPPO's clip range and
//! discount per denoising step.

use super::DppoConfig;
use burn::tensor::Tensor;

/// How sharply the clip range grows along the chain (DPPO, `clip_ploss_coef_rate`).
const CLIP_RATE: f64 = 3.0;

/// The clip range of every finetuned step, from the noisiest to the last:
/// base + (clip - base) (e^{3 t} - 1) / (e^3 - 1), t from 0 to 1. A single step has the last one's.
pub(crate) fn clip_ranges(config: &DppoConfig, steps: usize) -> Vec<f32> {
    let grown = |t: f64| libm::expm1(CLIP_RATE * t) / libm::expm1(CLIP_RATE);
    let range = |t: f64| (config.clip_base + (config.clip - config.clip_base) * grown(t)) as f32;
    (1..=steps)
        .map(|i| {
            if steps == 1 {
                range(1.0)
            } else {
                range((i - 1) as f64 / (steps - 1) as f64)
            }
        })
        .collect()
}

/// Weight of an advantage at every finetuned step, from the noisiest to the last:
/// gamma_denoising^k, k steps before the last.
pub(crate) fn discounts(config: &DppoConfig, steps: usize) -> Vec<f32> {
    (0..steps)
        .rev()
        .map(|k| libm::pow(config.gamma_denoising, k as f64) as f32)
        .collect()
}

/// Advantages with mean 0 and standard deviation 1 (n - 1).
pub(crate) fn normalised(advantages: &[f32]) -> Vec<f32> {
    let count = advantages.len() as f64;
    let mean = advantages.iter().map(|&a| f64::from(a)).sum::<f64>() / count;
    let squares = advantages
        .iter()
        .map(|&a| (f64::from(a) - mean) * (f64::from(a) - mean))
        .sum::<f64>();
    let std = libm::sqrt(squares / (count - 1.0).max(1.0));
    advantages
        .iter()
        .map(|&a| ((f64::from(a) - mean) / (std + 1e-8)) as f32)
        .collect()
}

/// The objective of one batch, and the policy's change, still on the device.
pub(crate) struct Surrogate {
    /// mean max(-A r, -A clip(r, 1 - eps, 1 + eps)), r = exp(new - old).
    pub(crate) loss: Tensor<1>,
    /// Mean of (r - 1) - log r, an estimate of KL(old, new) that is never negative.
    pub(crate) kl: Tensor<1>,
    /// Share of samples whose ratio is outside of its range.
    pub(crate) clipped: Tensor<1>,
}

/// `new` and `old` log-probabilities, advantages and clip ranges: all `[samples, 1]`; gradients
/// flow through `new`.
pub(crate) fn surrogate(
    new: Tensor<2>,
    old: Tensor<2>,
    advantages: Tensor<2>,
    range: Tensor<2>,
) -> Surrogate {
    let log_ratio = new - old;
    let ratio = log_ratio.clone().exp();
    // A clamp whose bounds differ from row to row: the clip range depends on the denoising step.
    let bounded = ratio
        .clone()
        .max_pair(1.0 - range.clone())
        .min_pair(1.0 + range.clone());
    // PPO, eq. 7, as a loss: of the clipped and the unclipped objective the worse.
    let cost = advantages.neg();
    let loss = (cost.clone() * ratio.clone())
        .max_pair(cost * bounded)
        .mean();
    let ratio = ratio.inner();
    let log_ratio = log_ratio.inner();
    // Unbiased under the old policy, as E r = 1, and each term is at least 0 (Schulman 2020,
    // "Approximating KL Divergence", k3).
    let kl = (ratio.clone() - 1.0 - log_ratio).mean();
    let clipped = (ratio - 1.0).abs().greater(range.inner()).float().mean();
    Surrogate { loss, kl, clipped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn;
    use crate::settings::Preset;
    use burn::tensor::Device;

    fn config() -> DppoConfig {
        DppoConfig::preset(Preset::Paper)
    }

    /// The clip ranges of ten steps are the published code's, to five digits, and one step has the
    /// last.
    #[test]
    fn clip_ranges_are_the_published_ones() {
        let expected = [
            0.001, 0.00119, 0.00145, 0.00181, 0.00232, 0.00303, 0.00401, 0.00539, 0.00732, 0.01,
        ];
        let found = clip_ranges(&config(), 10);
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 5e-6),
            "{found:?}"
        );
        assert_eq!((found.len(), clip_ranges(&config(), 1)), (10, vec![0.01]));
    }

    /// The last step counts in full, and one that is k steps earlier gamma_denoising^k.
    #[test]
    fn noisier_steps_count_less() {
        let config = DppoConfig {
            gamma_denoising: 0.5,
            ..config()
        };
        assert_eq!(discounts(&config, 4), [0.125, 0.25, 0.5, 1.0]);
    }

    /// Advantages are centered and scaled by the unbiased deviation; equal ones, or a single one,
    /// become 0.
    #[test]
    fn advantages_are_normalized() {
        assert_eq!(normalised(&[1.0, 3.0, 5.0]), [-1.0, 0.0, 1.0]);
        assert_eq!(
            (normalised(&[7.0; 3]), normalised(&[7.0])),
            (vec![0.0; 3], vec![0.0])
        );
    }

    fn at(ratio: f32, advantage: f32) -> (f32, f32, f32, f32) {
        let device = Device::flex().autodiff();
        let column = |value: f32| nn::matrix(vec![value], 1, &device);
        let new = column(ratio.ln()).require_grad();
        let found = surrogate(new.clone(), column(0.0), column(advantage), column(0.1));
        let gradient = new.grad(&found.loss.backward()).unwrap();
        let read = |tensor: Tensor<1>| pollster::block_on(nn::scalar(tensor)).unwrap();
        (
            read(found.loss.inner()),
            read(gradient.flatten(0, 1)),
            read(found.kl),
            read(found.clipped),
        )
    }

    /// What pushes the ratio out of its range earns nothing and has no gradient; what pulls it back
    /// has.
    #[test]
    fn the_objective_is_clipped_on_one_side() {
        for (ratio, advantage, loss, gradient, clipped) in [
            (1.0, 2.0, -2.0, -2.0, 0.0),
            (1.05, 2.0, -2.1, -2.1, 0.0),
            (1.2, 2.0, -2.2, 0.0, 1.0),
            (1.2, -2.0, 2.4, 2.4, 1.0),
            (0.8, 2.0, -1.6, -1.6, 1.0),
            (0.8, -2.0, 1.8, 0.0, 1.0),
        ] {
            let found = at(ratio, advantage);
            let expected = (loss, gradient, ratio - 1.0 - ratio.ln(), clipped);
            let pairs = [
                (found.0, expected.0),
                (found.1, expected.1),
                (found.2, expected.2),
                (found.3, expected.3),
            ];
            assert!(
                pairs.iter().all(|(f, e)| (f - e).abs() < 1e-5),
                "{found:?} is not {expected:?} at {ratio}"
            );
        }
    }
}
