//! Sums over the rows of every matrix of a stack.

use super::GpuTensor;
use super::arrays::{Floats, empty, place};
use burn::backend::TensorMetadata;
use burn::cubecl;
use cubecl::prelude::*;

/// Columns that a cube sums.
const COLUMNS: usize = 32;
/// Parts that it divides the rows into; a power of two.
const PARTS: usize = 8;

/// `[K, rows, width] -> [K, 1, width]`.
pub(super) fn over_rows(x: &GpuTensor) -> GpuTensor {
    let (count, dim, out) = launch_for(x);
    let target = out.clone().into_tensor_arg();
    one::launch(&x.client, count, dim, x.clone().into_tensor_arg(), target);
    out
}

/// The same of three stacks of one shape.
pub(super) fn of_three(x: [&GpuTensor; 3]) -> [GpuTensor; 3] {
    let (count, dim, _) = launch_for(x[0]);
    let out = x.map(|x| launch_for(x).2);
    let [a, b, c] = x.map(|x| x.clone().into_tensor_arg());
    let [to_a, to_b, to_c] = out.each_ref().map(|x| x.clone().into_tensor_arg());
    three::launch(&x[0].client, count, dim, a, b, c, to_a, to_b, to_c);
    out
}

fn launch_for(x: &GpuTensor) -> (CubeCount, CubeDim, GpuTensor) {
    let shape = x.shape();
    let [members, width] = [shape[0], shape[2]];
    let count = CubeCount::Static(width.div_ceil(COLUMNS) as u32, members as u32, 1);
    let dim = CubeDim::new_2d(COLUMNS as u32, PARTS as u32);
    (count, dim, empty(x, [members, 1, width]))
}

#[cube(launch)]
fn one(x: &Floats, out: &mut Floats) {
    sum(x, out);
}

#[cube(launch)]
fn three(
    a: &Floats,
    b: &Floats,
    c: &Floats,
    to_a: &mut Floats,
    to_b: &mut Floats,
    to_c: &mut Floats,
) {
    sum(a, to_a);
    sum(b, to_b);
    sum(c, to_c);
}

/// Each part of the rows is summed by one unit, in order, and then the parts.
#[cube]
fn sum(x: &Floats, out: &mut Floats) {
    let mut shared = Shared::<[f32]>::new_slice(COLUMNS * PARTS);
    let width = x.shape(2);
    let member = CUBE_POS_Y as usize;
    let part = UNIT_POS_Y as usize;
    let column = CUBE_POS_X as usize * COLUMNS + UNIT_POS_X as usize;
    let mut sum = 0.0f32;
    if column < width {
        let mut row = part;
        while row < x.shape(1) {
            sum += x[place(x, member, row, column)];
            row += PARTS;
        }
    }
    let unit = UNIT_POS as usize;
    shared[unit] = sum;
    sync_cube();
    if part == 0 && column < width {
        let mut total = 0.0f32;
        for other in 0..PARTS {
            total += shared[unit + other * COLUMNS];
        }
        out[member * width + column] = total;
    }
    sync_cube();
}
