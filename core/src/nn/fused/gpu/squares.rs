//! The norm of many gradients together: a kernel for each of them and one for all.

use super::GpuTensor;
use super::arrays::{Floats, UNITS, empty, sum_of_units};
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::LinearView;

/// Cubes, and partial sums, for one gradient at the most.
const MOST_PARTS: usize = 64;
/// Numbers that are worth a cube.
const WORTH_A_CUBE: usize = 16 * UNITS;

/// The root of the sum of all squares: `[1]`; none where there are no gradients.
pub(crate) fn norm(gradients: &[GpuTensor]) -> Option<Tensor<1>> {
    let first = gradients.first()?;
    let parts = |x: &GpuTensor| {
        let worth = x.shape().num_elements().div_ceil(WORTH_A_CUBE);
        worth.clamp(1, MOST_PARTS)
    };
    let sums = empty(first, [gradients.iter().map(parts).sum::<usize>()]);
    let dim = CubeDim::new_1d(UNITS as u32);
    let mut start = 0;
    for gradient in gradients {
        let count = parts(gradient);
        let cubes = CubeCount::new_1d(count as u32);
        let from = gradient.clone().into_linear_view();
        let to = sums.clone().into_tensor_arg();
        squares::launch(&first.client, cubes, dim, from, to, start);
        start += count;
    }
    let out = empty(first, [1]);
    let [from, to] = [&sums, &out].map(|x| x.clone().into_tensor_arg());
    root::launch(&first.client, CubeCount::new_1d(1), dim, from, to);
    Some(Tensor::from_primitive::<Cube>(out))
}

/// The sum of squares of each cube's part, from place `start` on.
#[cube(launch)]
fn squares(x: LinearView<'_, f32>, out: &mut Floats, start: usize) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    let mut at = ABSOLUTE_POS;
    while at < x.shape() {
        let value = x.read(at);
        sum += value * value;
        at += CUBE_COUNT * UNITS;
    }
    let sum = sum_of_units(sum, &mut shared);
    if UNIT_POS == 0 {
        out[start + CUBE_POS] = sum;
    }
}

#[cube(launch)]
fn root(sums: &Floats, out: &mut Floats) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < sums.len() {
        sum += sums[at];
        at += UNITS;
    }
    let sum = sum_of_units(sum, &mut shared);
    if UNIT_POS == 0 {
        out[0] = sum.sqrt();
    }
}
