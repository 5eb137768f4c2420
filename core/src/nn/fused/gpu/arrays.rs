//! Arrays as kernels want them, and how many units work on them.

use super::GpuTensor;
use burn::backend::TensorMetadata;
use burn::cubecl;
use burn::tensor::{DType, Shape};
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::{LinearView, LinearViewMut};

/// An array in a kernel.
pub(super) type Floats = cubecl::prelude::Tensor<f32>;

/// Units of a cube that work on one row together; a power of two that every GPU has.
pub(super) const UNITS: usize = 128;

/// Cubes in one dimension of a launch: WebGPU has no more than 65,535.
const MOST_CUBES: usize = 1 << 15;

/// An array for results beside `like`, row-major.
pub(super) fn empty(like: &GpuTensor, shape: impl Into<Shape>) -> GpuTensor {
    let shape = shape.into();
    let handle = like.client.empty(shape.num_elements() * size_of::<f32>());
    let device = like.device.clone();
    GpuTensor::new_contiguous(like.client.clone(), device, shape, handle, DType::F32)
}

/// Matrices as a stack of one, stacks as they are, `[K, rows, columns]`; what has more dimensions
/// as one matrix.
pub(super) fn stack(mut x: GpuTensor) -> GpuTensor {
    if x.meta.rank() > 3 {
        let shape = x.shape();
        let width = shape[shape.rank() - 1];
        return reshaped(x, [1, shape.num_elements() / width, width]);
    }
    while x.meta.rank() < 3 {
        x.meta.insert(0, 1, 0);
    }
    x
}

/// A stack that is read as if it were of this shape: where it has one of something, that is
/// repeated.
pub(super) fn repeated(x: &GpuTensor, shape: &Shape) -> TensorArg {
    let mut x = stack(x.clone());
    for (dim, &size) in shape.iter().enumerate() {
        if x.meta.shape()[dim] != size {
            x.meta.strides_mut()[dim] = 0;
        }
    }
    x.into_tensor_arg()
}

/// The same values in another shape; without a copy where they lie in order.
pub(super) fn reshaped(x: GpuTensor, shape: impl Into<Shape>) -> GpuTensor {
    let mut x = if x.is_contiguous() { x } else { copied(&x) };
    let shape = shape.into();
    let like = GpuTensor::new_contiguous(
        x.client.clone(),
        x.device.clone(),
        shape,
        x.handle.clone(),
        x.dtype,
    );
    x.meta = like.meta;
    x
}

/// A row-major copy.
pub(super) fn copied(x: &GpuTensor) -> GpuTensor {
    let out = empty(x, x.shape());
    let (count, dim) = unit_each(x, x.shape().num_elements());
    let [from, to] = [x.clone(), out.clone()].map(GpuTensor::into_linear_view);
    copy::launch(&x.client, count, dim, from, to);
    out
}

#[cube(launch)]
fn copy(x: LinearView<'_, f32>, mut out: LinearViewMut<'_, f32>) {
    if out.is_in_bounds(ABSOLUTE_POS) {
        out.write(ABSOLUTE_POS, x.read(ABSOLUTE_POS));
    }
}

/// A launch with a unit for each of `count` elements.
pub(super) fn unit_each(x: &GpuTensor, count: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&x.client, count);
    (
        cubecl::calculate_cube_count_elemwise(&x.client, count, dim),
        dim,
    )
}

/// A launch with a cube of [`UNITS`] for each of `rows`; the last cubes may have none.
pub(super) fn cube_each(rows: usize) -> (CubeCount, CubeDim) {
    let across = rows.min(MOST_CUBES);
    let down = rows.div_ceil(across);
    let count = CubeCount::Static(across as u32, down as u32, 1);
    (count, CubeDim::new_1d(UNITS as u32))
}

/// Where an element of a stack lies.
#[cube]
pub(super) fn place(x: &Floats, member: usize, row: usize, column: usize) -> usize {
    member * x.stride(0) + row * x.stride(1) + column * x.stride(2)
}

/// The sum of every unit's value, the same in all units of a cube of [`UNITS`].
#[cube]
pub(super) fn sum_of_units(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut left = CUBE_DIM as usize / 2;
    while left > 0 {
        if unit < left {
            let other = shared[unit + left];
            shared[unit] += other;
        }
        sync_cube();
        left /= 2;
    }
    let sum = shared[0];
    // Nobody writes for the next sum before all have read this one.
    sync_cube();
    sum
}

/// The largest of the units' values, the same in all units of a cube of [`UNITS`].
#[cube]
pub(super) fn most_of_units(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut left = CUBE_DIM as usize / 2;
    while left > 0 {
        if unit < left {
            let other = shared[unit + left];
            shared[unit] = shared[unit].max(other);
        }
        sync_cube();
        left /= 2;
    }
    let most = shared[0];
    sync_cube();
    most
}
