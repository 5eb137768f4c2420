//! What networks send to their device and read back from it. Each upload costs time, and each
//! read waits until a GPU has done all that it was asked for.

use burn::tensor::{Device, Tensor, TensorData};
use std::sync::atomic::{AtomicU64, Ordering};

static UPLOADS: AtomicU64 = AtomicU64::new(0);
static READS: AtomicU64 = AtomicU64::new(0);

/// Counts of this process so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Batches of numbers that went to a device.
    pub uploads: u64,
    /// Tensors that came back.
    pub reads: u64,
}

impl Traffic {
    /// Until now.
    pub fn so_far() -> Self {
        Self {
            uploads: UPLOADS.load(Ordering::Relaxed),
            reads: READS.load(Ordering::Relaxed),
        }
    }

    /// What came after an earlier moment.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            uploads: self.uploads - earlier.uploads,
            reads: self.reads - earlier.reads,
        }
    }
}

/// A tensor of this shape from row-major values, on a device.
pub fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    UPLOADS.fetch_add(1, Ordering::Relaxed);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Notes that a tensor is read.
pub(super) fn count_read() {
    READS.fetch_add(1, Ordering::Relaxed);
}
