//! Moving averages.

use burn::tensor::Tensor;

/// (1 - tau) target + tau source.
pub(crate) fn average<const D: usize>(target: Tensor<D>, source: Tensor<D>, tau: f64) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if let Some(average) = super::gpu::average(&target, &source, tau) {
        return average;
    }
    target.mul_scalar(1.0 - tau) + source.mul_scalar(tau)
}
