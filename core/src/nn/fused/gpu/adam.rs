//! Adam's update, one kernel for a parameter; the clipped gradient's factor is part of it.

use super::arrays::{Floats, copied, empty, unit_each};
use super::{GpuTensor, plain};
use crate::nn::fused::Update;
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;
use cubecl::std::tensor::layout::linear::{LinearView, LinearViewMut};

/// What an update is made of: weights, moments, the gradient, and the factor that clips it.
pub(crate) struct Adam {
    w: GpuTensor,
    m: GpuTensor,
    v: GpuTensor,
    g: GpuTensor,
    scale: Option<GpuTensor>,
}

impl Adam {
    /// None where not all is on a GPU.
    pub(crate) fn of(
        [w, m, v]: &[Tensor<1>; 3],
        g: &Tensor<1>,
        scale: Option<&Tensor<1>>,
    ) -> Option<Self> {
        Some(Self {
            w: plain(w)?,
            m: plain(m)?,
            v: plain(v)?,
            g: plain(g)?,
            scale: match scale {
                Some(scale) => Some(plain(scale)?),
                None => None,
            },
        })
    }

    /// See [`crate::nn::fused::adam`]. Where nobody else holds the moments, they are overwritten.
    pub(crate) fn updated(self, update: Update) -> [Tensor<1>; 3] {
        let Self { w, m, v, g, scale } = self;
        let [m, v] = [m, v].map(own);
        let out = empty(&w, w.shape());
        let (count, dim) = unit_each(&w, w.shape().num_elements());
        let [to, first, second] = [&out, &m, &v].map(|x| x.clone().into_linear_view());
        let [from, gradient] = [&w, &g].map(|x| x.clone().into_linear_view());
        step::launch(
            &w.client,
            count,
            dim,
            from,
            gradient,
            scale.map(GpuTensor::into_tensor_arg).into(),
            first,
            second,
            to,
            update.keep,
            update.rate,
            update.beta_1,
            update.beta_2,
            update.epsilon,
        );
        [out, m, v].map(Tensor::from_primitive::<Cube>)
    }
}

/// The array itself where nobody else holds it, else a copy.
fn own(x: GpuTensor) -> GpuTensor {
    if x.can_mut() && x.is_contiguous() {
        x
    } else {
        copied(&x)
    }
}

#[cube(launch)]
fn step(
    w: LinearView<'_, f32>,
    gradient: LinearView<'_, f32>,
    scale: ComptimeOption<&Floats>,
    mut m: LinearViewMut<'_, f32>,
    mut v: LinearViewMut<'_, f32>,
    mut out: LinearViewMut<'_, f32>,
    keep: f32,
    rate: f32,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
) {
    if !out.is_in_bounds(ABSOLUTE_POS) {
        terminate!();
    }
    let g = gradient.read(ABSOLUTE_POS);
    #[comptime]
    let g = match scale {
        ComptimeOption::Some(scale) => g * scale[0],
        ComptimeOption::None => g,
    };
    let first = beta_1 * m.read(ABSOLUTE_POS) + (1.0 - beta_1) * g;
    let second = beta_2 * v.read(ABSOLUTE_POS) + (1.0 - beta_2) * g * g;
    m.write(ABSOLUTE_POS, first);
    v.write(ABSOLUTE_POS, second);
    let w = w.read(ABSOLUTE_POS);
    out.write(
        ABSOLUTE_POS,
        keep * w - rate * first / (second.sqrt() + epsilon),
    );
}
