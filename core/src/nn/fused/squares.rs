//! The sum of the squares of many tensors.

use burn::tensor::Tensor;

/// Squares so far; on the device, without reading back.
#[derive(Default)]
pub(crate) struct Squares {
    sum: Option<Tensor<1>>,
    /// A GPU takes all tensors together at the end.
    #[cfg(feature = "gpu")]
    on_gpu: Vec<super::gpu::GpuTensor>,
}

impl Squares {
    /// Adds the squares of a tensor's elements; all tensors lie on one device.
    pub(crate) fn add<const D: usize>(&mut self, x: Tensor<D>) {
        #[cfg(feature = "gpu")]
        if let Some(x) = super::gpu::plain(&x) {
            return self.on_gpu.push(x);
        }
        let square = x.square().sum();
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + square,
            None => square,
        });
    }

    /// The root of their sum: `[1]`; none where nothing was added.
    pub(crate) fn root(self) -> Option<Tensor<1>> {
        #[cfg(feature = "gpu")]
        if let Some(norm) = super::gpu::norm(&self.on_gpu) {
            return Some(norm);
        }
        self.sum.map(Tensor::sqrt)
    }
}
