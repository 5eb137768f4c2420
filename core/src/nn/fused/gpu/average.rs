//! Moving averages, one kernel for a parameter.

use super::arrays::{empty, unit_each};
use super::plain;
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::{LinearView, LinearViewMut};

/// (1 - tau) target + tau source; none where not both are on a GPU, without gradients.
pub(crate) fn average<const D: usize>(
    target: &Tensor<D>,
    source: &Tensor<D>,
    tau: f64,
) -> Option<Tensor<D>> {
    let (target, source) = (plain(target)?, plain(source)?);
    let out = empty(&target, target.shape());
    let (count, dim) = unit_each(&out, out.shape().num_elements());
    let [a, b, to] = [&target, &source, &out].map(|x| x.clone().into_linear_view());
    mix::launch(&out.client, count, dim, a, b, to, tau as f32);
    Some(Tensor::from_primitive::<Cube>(out))
}

#[cube(launch)]
fn mix(
    target: LinearView<'_, f32>,
    source: LinearView<'_, f32>,
    mut out: LinearViewMut<'_, f32>,
    tau: f32,
) {
    if out.is_in_bounds(ABSOLUTE_POS) {
        let kept = target.read(ABSOLUTE_POS) * (1.0 - tau);
        out.write(ABSOLUTE_POS, kept + source.read(ABSOLUTE_POS) * tau);
    }
}
