//! What a planner does with its samples' values: ranks, weights of the elites, moments.

use super::arrays::{
    Floats, UNITS, cube_each, empty, most_of_units, reshaped, sum_of_units, unit_each,
};
use super::{GpuTensor, plain};
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;

/// See [`crate::finetune::td_mpc`]'s `ranks`: of values `[E, N]`, 0 for the greatest; none where
/// they are not on a GPU.
pub(crate) fn ranks(values: &Tensor<2>) -> Option<Tensor<2>> {
    Some(Tensor::from_primitive::<Cube>(ranked(&plain(values)?)))
}

fn ranked(values: &GpuTensor) -> GpuTensor {
    let shape = values.shape();
    let out = empty(values, shape.clone());
    let (count, dim) = unit_each(values, shape.num_elements());
    let [from, to] = [values, &out].map(|x| x.clone().into_tensor_arg());
    rank::launch(&values.client, count, dim, from, to);
    out
}

/// How many of a row are greater, or equal and to the left: a unit for each value.
#[cube(launch)]
fn rank(values: &Floats, out: &mut Floats) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let n = values.shape(1);
    let row = ABSOLUTE_POS / n;
    let own_place = ABSOLUTE_POS % n;
    let start = row * values.stride(0);
    let own = values[start + own_place * values.stride(1)];
    let mut better = 0.0f32;
    for place in 0..n {
        let other = values[start + place * values.stride(1)];
        if other > own || (other == own && place < own_place) {
            better += 1.0;
        }
    }
    out[ABSOLUTE_POS] = better;
}

/// The weights of the `elites` greatest values of each row, softmax(value * temperature) among
/// them and 0 elsewhere, and 1 for an elite: `[E, N]` each; none where the values are not on a GPU.
pub(crate) fn weights(
    values: &Tensor<2>,
    elites: usize,
    temperature: f64,
) -> Option<[Tensor<2>; 2]> {
    let values = plain(values)?;
    let ranks = ranked(&values);
    let shape = values.shape();
    let out = [(); 2].map(|()| empty(&values, shape.clone()));
    let (count, dim) = cube_each(shape[0]);
    let [from, order] = [&values, &ranks].map(|x| x.clone().into_tensor_arg());
    let [to, elite] = out.each_ref().map(|x| x.clone().into_tensor_arg());
    let (elites, temperature) = (elites as f32 - 0.5, temperature as f32);
    weigh::launch(
        &values.client,
        count,
        dim,
        from,
        order,
        to,
        elite,
        elites,
        temperature,
    );
    Some(out.map(Tensor::from_primitive::<Cube>))
}

#[cube(launch)]
fn weigh(
    values: &Floats,
    ranks: &Floats,
    weights: &mut Floats,
    elite: &mut Floats,
    elites: f32,
    temperature: f32,
) {
    let n = values.shape(1);
    if CUBE_POS >= values.shape(0) {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let start = CUBE_POS * values.stride(0);
    let mut most = values[start];
    let mut i = UNIT_POS as usize;
    while i < n {
        most = most.max(values[start + i * values.stride(1)]);
        i += UNITS;
    }
    let most = most_of_units(most, &mut shared);
    let mut sum = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < n {
        let mut score = 0.0f32;
        let mut chosen = 0.0f32;
        if ranks[CUBE_POS * n + i] < elites {
            score = ((values[start + i * values.stride(1)] - most) * temperature).exp();
            chosen = 1.0;
        }
        weights[CUBE_POS * n + i] = score;
        elite[CUBE_POS * n + i] = chosen;
        sum += score;
        i += UNITS;
    }
    let sum = sum_of_units(sum, &mut shared);
    let mut i = UNIT_POS as usize;
    while i < n {
        let score = weights[CUBE_POS * n + i];
        weights[CUBE_POS * n + i] = score / sum;
        i += UNITS;
    }
}

/// Mean and standard deviation of actions `[E, N, width]` by weights `[E, N]`: `[E, width]` each;
/// none where not both are on a GPU.
pub(crate) fn moments(actions: &Tensor<3>, weights: &Tensor<2>) -> Option<[Tensor<2>; 2]> {
    let (actions, weights) = (plain(actions)?, plain(weights)?);
    let shape = actions.shape();
    let weights = reshaped(weights, [shape[0], shape[1]]);
    let out = [(); 2].map(|()| empty(&actions, [shape[0], shape[2]]));
    let (count, dim) = cube_each(shape[0] * shape[2]);
    let [from, by] = [&actions, &weights].map(|x| x.clone().into_tensor_arg());
    let [mean, std] = out.each_ref().map(|x| x.clone().into_tensor_arg());
    moment::launch(&actions.client, count, dim, from, by, mean, std);
    Some(out.map(Tensor::from_primitive::<Cube>))
}

/// Keeps the quotients finite, as the references do.
const LEAST_SUM: f32 = 1e-9;

/// A cube for each number of a mean.
#[cube(launch)]
fn moment(actions: &Floats, weights: &Floats, mean: &mut Floats, std: &mut Floats) {
    let n = actions.shape(1);
    let width = actions.shape(2);
    if CUBE_POS >= mean.len() {
        terminate!();
    }
    let row = CUBE_POS / width;
    let start = row * actions.stride(0) + CUBE_POS % width * actions.stride(2);
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut weight = 0.0f32;
    let mut sum = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < n {
        let own = weights[row * n + i];
        weight += own;
        sum += own * actions[start + i * actions.stride(1)];
        i += UNITS;
    }
    let weight = sum_of_units(weight, &mut shared) + LEAST_SUM;
    let center = sum_of_units(sum, &mut shared) / weight;
    let mut squares = 0.0f32;
    let mut i = UNIT_POS as usize;
    while i < n {
        let away = actions[start + i * actions.stride(1)] - center;
        squares += weights[row * n + i] * away * away;
        i += UNITS;
    }
    let squares = sum_of_units(squares, &mut shared) / weight;
    if UNIT_POS == 0 {
        mean[CUBE_POS] = center;
        std[CUBE_POS] = squares.sqrt();
    }
}
