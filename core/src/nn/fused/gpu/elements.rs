//! Layers without a normalization: every element by itself.

use super::arrays::{Floats, place};
use super::curve::{self, Curve};
use burn::cubecl;
use cubecl::prelude::*;

/// (z + bias) mask, where they are.
#[cube]
pub(super) fn input(
    z: &Floats,
    bias: ComptimeOption<&Floats>,
    mask: ComptimeOption<&Floats>,
    member: usize,
    row: usize,
    column: usize,
) -> f32 {
    let value = z[place(z, member, row, column)];
    #[comptime]
    let added = match bias {
        ComptimeOption::Some(bias) => value + bias[place(bias, member, row, column)],
        ComptimeOption::None => value,
    };
    #[comptime]
    match mask {
        ComptimeOption::Some(mask) => added * mask[place(mask, member, row, column)],
        ComptimeOption::None => added,
    }
}

/// Member, row and column of an element of a row-major stack of z's shape.
#[cube]
fn position(z: &Floats, element: usize) -> (usize, usize, usize) {
    let rows = z.shape(1);
    let width = z.shape(2);
    let line = element / width;
    (line / rows, line % rows, element % width)
}

#[cube(launch)]
pub(super) fn forward(
    z: &Floats,
    bias: ComptimeOption<&Floats>,
    mask: ComptimeOption<&Floats>,
    out: &mut Floats,
    #[comptime] curve: Curve,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (member, row, column) = position(z, ABSOLUTE_POS);
    out[ABSOLUTE_POS] = curve::at(input(z, bias, mask, member, row, column), curve);
}

#[cube(launch)]
pub(super) fn backward(
    z: &Floats,
    bias: ComptimeOption<&Floats>,
    mask: ComptimeOption<&Floats>,
    gradient: &Floats,
    dz: &mut Floats,
    #[comptime] curve: Curve,
) {
    if ABSOLUTE_POS >= dz.len() {
        terminate!();
    }
    let (member, row, column) = position(z, ABSOLUTE_POS);
    let slope = curve::slope(input(z, bias, mask, member, row, column), curve);
    let slope = slope * gradient[place(gradient, member, row, column)];
    #[comptime]
    let slope = match mask {
        ComptimeOption::Some(mask) => slope * mask[place(mask, member, row, column)],
        ComptimeOption::None => slope,
    };
    dz[ABSOLUTE_POS] = slope;
}
