//! A value as a distribution over evenly spaced atoms (C51: Bellemare, Dabney and Munos 2017).

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor};

/// The atoms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Atoms {
    /// The least value.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Number of atoms, at least 2.
    pub count: usize,
}

impl Atoms {
    fn gap(&self) -> f64 {
        (self.high - self.low) / (self.count - 1) as f64
    }

    /// Their values: `[count]`.
    fn values(&self, device: &Device) -> Tensor<1> {
        let values: Vec<f32> = (0..self.count)
            .map(|i| (self.low + i as f64 * self.gap()) as f32)
            .collect();
        Tensor::from_floats(values.as_slice(), device)
    }

    /// The expected values of logits `[K, N, count]`: `[K, N]`.
    pub fn mean(&self, logits: Tensor<3>) -> Tensor<2> {
        let values = self
            .values(&logits.device())
            .unsqueeze_dim::<2>(0)
            .unsqueeze_dim::<3>(0);
        (softmax(logits, 2) * values).sum_dim(2).squeeze_dim(2)
    }

    /// Derivative of the expected values where the logits `[K, N, count]` move along `change` `[K,
    /// N, count]`: `[K, N]`.
    pub(crate) fn mean_change(&self, logits: Tensor<3>, change: Tensor<3>) -> Tensor<2> {
        let values = self
            .values(&logits.device())
            .unsqueeze_dim::<2>(0)
            .unsqueeze_dim::<3>(0);
        // d E[z] = sum_i p_i (z_i - E[z]) dl_i, the softmax's derivative written out, so that it
        // can be differentiated once more.
        let p = softmax(logits, 2);
        let mean = (p.clone() * values.clone()).sum_dim(2);
        (p * (values - mean) * change).sum_dim(2).squeeze_dim(2)
    }

    /// The distribution of `added + factor * value` for values with the probabilities `[N, count]`,
    /// each shared between the two nearest atoms (C51, algorithm 1); what lies beyond the range
    /// falls on the outer atoms. `added` and `factor` are `[N]`. Gives `[N, count]`.
    pub(crate) fn project(
        &self,
        probabilities: Tensor<2>,
        added: Tensor<1>,
        factor: Tensor<1>,
    ) -> Tensor<2> {
        let values = self.values(&probabilities.device());
        let moved = added.unsqueeze_dim::<2>(1)
            + factor.unsqueeze_dim::<2>(1) * values.unsqueeze_dim::<2>(0);
        // In units of the gap, from the lowest atom.
        let places = (moved.clamp(self.low, self.high) - self.low) / self.gap();
        let indices: Vec<f32> = (0..self.count).map(|i| i as f32).collect();
        let indices = Tensor::<1>::from_floats(indices.as_slice(), &places.device())
            .unsqueeze_dim::<2>(0)
            .unsqueeze_dim::<3>(0);
        // [N, from, to]: 1 - distance, where that is positive.
        let shares = (places.unsqueeze_dim::<3>(2) - indices)
            .abs()
            .neg()
            .add_scalar(1.0)
            .clamp_min(0.0);
        // A dense [from, to] matrix instead of the algorithm's scatter: one product, the same on
        // every device.
        (shares * probabilities.unsqueeze_dim::<3>(2))
            .sum_dim(1)
            .squeeze_dim(1)
    }

    /// Cross entropy of logits `[K, N, count]` against probabilities `[N, count]`: `[K, N]`.
    pub(crate) fn cross_entropy(logits: Tensor<3>, targets: Tensor<2>) -> Tensor<2> {
        (log_softmax(logits, 2) * targets.unsqueeze_dim(0))
            .sum_dim(2)
            .squeeze_dim::<2>(2)
            .neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use burn::tensor::TensorData;
    use pollster::block_on;

    const FIVE: Atoms = Atoms {
        low: -2.0,
        high: 2.0,
        count: 5,
    };

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(crate::nn::read(tensor)).unwrap()
    }

    /// A projected distribution is the neighbors' share of what was moved, sums to 1 and keeps the
    /// mean inside the range.
    #[test]
    fn a_projected_distribution_is_shared_between_neighbors() {
        let device = Device::flex();
        let p = Tensor::<2>::from_floats(
            [
                [0.0, 0.5, 0.0, 0.5, 0.0],
                [0.0, 0.0, 0.0, 0.0, 1.0],
                [0.2, 0.2, 0.2, 0.2, 0.2],
            ],
            &device,
        );
        let found = read(FIVE.project(
            p,
            Tensor::from_floats([0.25, 1.0, -0.5], &device),
            Tensor::from_floats([0.5, 1.0, 0.0], &device),
        ));
        // -0.25 and 0.75; beyond the last atom; -0.5 whatever the value.
        let expected = [
            0.0, 0.125, 0.5, 0.375, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 0.0,
        ];
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 1e-6),
            "{found:?}"
        );
    }

    /// The expected value, and its change along a direction of the logits, are what differences
    /// say.
    #[test]
    fn the_change_of_the_mean_is_that_of_differences() {
        let device = Device::flex();
        let mut rng = Rng::new(0, "test", 0);
        let mut logits =
            || Tensor::<3>::from_data(TensorData::new(rng.normals(15), [1, 3, 5]), &device);
        let x = logits();
        let v = logits();
        let found = read(FIVE.mean_change(x.clone(), v.clone()));
        let at = |step: f64| read(FIVE.mean(x.clone() + v.clone() * step));
        let expected = at(0.01)
            .into_iter()
            .zip(at(-0.01))
            .map(|(a, b)| (a - b) / 0.02);
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 1e-3),
            "{found:?}"
        );
    }
}
