//! What networks send to their device and read back from it. Each upload costs time, and each
//! read waits until a GPU has done all that it was asked for.

use burn::tensor::{Device, Tensor, TensorData};
use std::cell::Cell;

/// Counts of this thread, which owns its work on a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Batches of numbers that went to a device.
    pub uploads: u64,
    /// Tensors that came back.
    pub reads: u64,
}

thread_local! {
    static SO_FAR: Cell<Traffic> = const {
        Cell::new(Traffic {
            uploads: 0,
            reads: 0,
        })
    };
}

impl Traffic {
    /// Until now.
    pub fn so_far() -> Self {
        SO_FAR.get()
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
    let before = SO_FAR.get();
    SO_FAR.set(Traffic {
        uploads: before.uploads + 1,
        ..before
    });
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Notes that a tensor is read.
pub(super) fn count_read() {
    let before = SO_FAR.get();
    SO_FAR.set(Traffic {
        reads: before.reads + 1,
        ..before
    });
}
