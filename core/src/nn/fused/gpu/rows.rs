//! Layers with a layer normalization: a cube for every row.

use super::arrays::{Floats, UNITS, place, sum_of_units};
use super::curve::{self, Curve};
use super::elements::input;
use burn::cubecl;
use cubecl::prelude::*;

/// Keeps a row without variance finite; PyTorch's.
const EPSILON: f32 = 1e-5;

/// The mean of a row's inputs, and one over their standard deviation.
#[cube]
fn statistics(
    z: &Floats,
    bias: ComptimeOption<&Floats>,
    mask: ComptimeOption<&Floats>,
    member: usize,
    row: usize,
    shared: &mut Shared<[f32]>,
) -> (f32, f32) {
    let width = z.shape(2);
    let mut sum = 0.0f32;
    let mut column = UNIT_POS as usize;
    while column < width {
        sum += input(z, bias, mask, member, row, column);
        column += UNITS;
    }
    let count = width as f32;
    let mean = sum_of_units(sum, shared) / count;
    let mut squares = 0.0f32;
    let mut column = UNIT_POS as usize;
    while column < width {
        let centered = input(z, bias, mask, member, row, column) - mean;
        squares += centered * centered;
        column += UNITS;
    }
    let variance = sum_of_units(squares, shared) / count;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

#[cube(launch)]
pub(super) fn forward(
    z: &Floats,
    bias: ComptimeOption<&Floats>,
    mask: ComptimeOption<&Floats>,
    gain: &Floats,
    shift: &Floats,
    out: &mut Floats,
    #[comptime] curve: Curve,
) {
    let rows = z.shape(1);
    let width = z.shape(2);
    if CUBE_POS >= z.shape(0) * rows {
        terminate!();
    }
    let member = CUBE_POS / rows;
    let row = CUBE_POS % rows;
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (mean, scale) = statistics(z, bias, mask, member, row, &mut shared);
    let mut column = UNIT_POS as usize;
    while column < width {
        let normal = (input(z, bias, mask, member, row, column) - mean) * scale;
        let gain = gain[place(gain, member, row, column)];
        let shift = shift[place(shift, member, row, column)];
        out[CUBE_POS * width + column] = curve::at(normal * gain + shift, curve);
        column += UNITS;
    }
}

/// With n the normalized row and d its gradient: dz = mask scale (d - mean(d) - n mean(d n)).
/// `shifts` and `gains` become what the gradients of shift and gain are sums of.
#[cube(launch)]
pub(super) fn backward(
    z: &Floats,
    bias: ComptimeOption<&Floats>,
    mask: ComptimeOption<&Floats>,
    gain: &Floats,
    shift: &Floats,
    gradient: &Floats,
    dz: &mut Floats,
    gains: &mut Floats,
    shifts: &mut Floats,
    #[comptime] curve: Curve,
) {
    let rows = z.shape(1);
    let width = z.shape(2);
    if CUBE_POS >= z.shape(0) * rows {
        terminate!();
    }
    let member = CUBE_POS / rows;
    let row = CUBE_POS % rows;
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (mean, scale) = statistics(z, bias, mask, member, row, &mut shared);
    let mut sum = 0.0f32;
    let mut products = 0.0f32;
    let mut column = UNIT_POS as usize;
    while column < width {
        let normal = (input(z, bias, mask, member, row, column) - mean) * scale;
        let gain = gain[place(gain, member, row, column)];
        let shift = shift[place(shift, member, row, column)];
        let slope = curve::slope(normal * gain + shift, curve);
        let slope = slope * gradient[place(gradient, member, row, column)];
        let at = CUBE_POS * width + column;
        shifts[at] = slope;
        gains[at] = slope * normal;
        sum += slope * gain;
        products += slope * gain * normal;
        column += UNITS;
    }
    let count = width as f32;
    let sum = sum_of_units(sum, &mut shared) / count;
    let products = sum_of_units(products, &mut shared) / count;
    let mut column = UNIT_POS as usize;
    while column < width {
        let normal = (input(z, bias, mask, member, row, column) - mean) * scale;
        let at = CUBE_POS * width + column;
        let d = shifts[at] * gain[place(gain, member, row, column)];
        let d = scale * (d - sum - normal * products);
        #[comptime]
        let d = match mask {
            ComptimeOption::Some(mask) => d * mask[place(mask, member, row, column)],
            ComptimeOption::None => d,
        };
        dz[at] = d;
        column += UNITS;
    }
}
