//! Regression as classification: a number as weights of two neighboring bins, after a symmetric
//! logarithm (Hafner et al. 2023; TD-MPC2, sec. 3.1; `tdmpc2/common/math.py`).

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor};

/// Evenly spaced bins of symlog(x) = sign(x) ln(1 + |x|).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TwoHot {
    /// The first bin, a value of symlog.
    pub(crate) low: f64,
    /// The last bin.
    pub(crate) high: f64,
    /// Number of bins, at least 2.
    pub(crate) bins: usize,
}

impl TwoHot {
    /// TD-MPC2's: 101 bins from -10 to 10.
    pub(crate) const TD_MPC2: Self = Self {
        low: -10.0,
        high: 10.0,
        bins: 101,
    };

    /// Values `[N]` as weights of the bins `[N, bins]`: the two neighbors of symlog(x) share 1 by
    /// their nearness.
    pub(crate) fn encode(&self, values: Tensor<1>) -> Tensor<2> {
        let size = (self.high - self.low) / (self.bins - 1) as f64;
        let at = (symlog(values) - self.low)
            .div_scalar(size)
            .clamp(0.0, (self.bins - 1) as f64);
        let bins = self.numbers(&at.device());
        // 1 - distance, where that is positive: a hat of two bins' width around every value.
        (at.unsqueeze_dim::<2>(1) - bins.unsqueeze_dim(0))
            .abs()
            .neg()
            .add_scalar(1.0)
            .clamp_min(0.0)
    }

    /// Logits `[K, N, bins]` as values `[K, N]`: symexp of the expected bin.
    pub(crate) fn decode(&self, logits: Tensor<3>) -> Tensor<2> {
        #[cfg(feature = "gpu")]
        if let Some(numbers) = super::gpu::decode(*self, &logits) {
            return numbers;
        }
        let size = (self.high - self.low) / (self.bins - 1) as f64;
        let bins = self.numbers(&logits.device()) * size + self.low;
        // The expectation is taken over symlog values, before symexp (`two_hot_inv`).
        let expected = softmax(logits, 2) * bins.unsqueeze_dim::<2>(0).unsqueeze_dim(0);
        symexp(expected.sum_dim(2).squeeze_dim(2))
    }

    /// Cross entropy of logits `[K, N, bins]` against values `[N]`, constants: `[K, N]`.
    pub(crate) fn errors(&self, logits: Tensor<3>, values: Tensor<1>) -> Tensor<2> {
        #[cfg(feature = "gpu")]
        if let Some(errors) = super::gpu::errors(*self, &logits, &values) {
            return errors;
        }
        Self::cross_entropy(logits, self.encode(values))
    }

    /// Cross entropy of logits `[K, N, bins]` against weights of the bins `[N, bins]`: `[K, N]`.
    pub(crate) fn cross_entropy(logits: Tensor<3>, targets: Tensor<2>) -> Tensor<2> {
        (log_softmax(logits, 2) * targets.unsqueeze_dim(0))
            .sum_dim(2)
            .squeeze_dim::<2>(2)
            .neg()
    }

    /// 0, 1, 2, ... as a constant on a device.
    fn numbers(&self, device: &Device) -> Tensor<1> {
        let numbers: Vec<f32> = (0..self.bins).map(|i| i as f32).collect();
        Tensor::from_floats(numbers.as_slice(), device)
    }
}

/// sign(x) ln(1 + |x|).
fn symlog(x: Tensor<1>) -> Tensor<1> {
    x.clone().sign() * x.abs().log1p()
}

/// The inverse of [`symlog`]: sign(x) (e^|x| - 1).
fn symexp(x: Tensor<2>) -> Tensor<2> {
    x.clone().sign() * (x.abs().exp() - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    const SMALL: TwoHot = TwoHot {
        low: -2.0,
        high: 2.0,
        bins: 5,
    };

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(crate::nn::read(tensor)).unwrap()
    }

    /// The weights are those of the two neighboring bins, and a value beyond the last bin is the
    /// last bin.
    #[test]
    fn a_number_is_its_two_neighboring_bins() {
        let half = f64::exp(0.5) as f32 - 1.0;
        let weights = read(SMALL.encode(Tensor::from_floats(
            [0.0, half, -half, 1e6],
            &Device::flex(),
        )));
        let expected = [
            0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 1.0,
        ];
        assert!(
            weights
                .iter()
                .zip(expected)
                .all(|(w, e)| (w - e).abs() < 1e-6),
            "{weights:?}"
        );
    }

    /// What was encoded comes back when the logits are the logarithms of the weights.
    #[test]
    fn decoding_undoes_encoding() {
        let values = [-3.0f32, -0.2, 0.0, 0.7, 5.5];
        let weights = TwoHot::TD_MPC2.encode(Tensor::from_floats(values, &Device::flex()));
        let decoded = read(TwoHot::TD_MPC2.decode((weights + 1e-12).log().unsqueeze_dim(0)));
        assert!(
            values
                .iter()
                .zip(&decoded)
                .all(|(v, d)| (v - d).abs() < 1e-4),
            "{decoded:?}"
        );
    }

    /// The cross entropy is least where the softmax is the target, and is then the target's
    /// entropy.
    #[test]
    fn the_cross_entropy_is_least_at_the_target() {
        let target = Tensor::<2>::from_floats([[0.25, 0.75, 0.0, 0.0, 0.0]], &Device::flex());
        let at = |logits: [f32; 5]| {
            read(TwoHot::cross_entropy(
                Tensor::from_floats([[logits]], &Device::flex()),
                target.clone(),
            ))[0]
        };
        let entropy = -(0.25 * 0.25f32.ln() + 0.75 * 0.75f32.ln());
        assert!((at([0.25f32.ln(), 0.75f32.ln(), -30.0, -30.0, -30.0]) - entropy).abs() < 1e-5);
        assert!(at([0.0; 5]) > entropy + 0.5);
    }
}
