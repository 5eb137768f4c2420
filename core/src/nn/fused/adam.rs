//! Adam's update.

#[cfg(not(target_arch = "wasm32"))]
use super::BLOCK;
use super::{dense, plain};
use burn::backend::Flex;
use burn::tensor::Tensor;
use macerator::Simd;

/// One update of Adam with gradient g: m <- beta_1 m + (1 - beta_1) g, v <- beta_2 v + (1 - beta_2)
/// g^2, and then w <- keep w - rate m / (sqrt(v) + epsilon). The bias correction is part of `rate`
/// and `epsilon`.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    pub keep: f32,
    pub rate: f32,
    pub(crate) beta_1: f32,
    pub(crate) beta_2: f32,
    pub(crate) epsilon: f32,
}

/// Weights w, moments m and v after one update with gradient g, times `scale` where there is one.
/// Where nobody else holds w, m and v, they are overwritten.
pub fn adam(
    update: Update,
    state: [Tensor<1>; 3],
    g: Tensor<1>,
    scale: Option<&Tensor<1>>,
) -> [Tensor<1>; 3] {
    #[cfg(feature = "gpu")]
    if let Some(step) = super::gpu::Adam::of(&state, &g, scale) {
        drop(state);
        return step.updated(update);
    }
    let [w, m, v] = state;
    let g = match scale {
        Some(scale) => g * scale.clone(),
        None => g,
    };
    if let (Some(weights), Some(first), Some(second), Some(gradient)) =
        (plain(&w), plain(&m), plain(&v), plain(&g))
    {
        drop((w, m, v));
        let mut state = [weights, first, second].map(dense);
        let gradient = dense(gradient);
        let [w, m, v] = state.each_mut().map(|tensor| tensor.storage_mut::<f32>());
        on_cpu(update, [w, m, v], gradient.storage());
        return state.map(Tensor::from_primitive::<Flex>);
    }
    let m = m.mul_scalar(update.beta_1) + g.clone().mul_scalar(1.0 - update.beta_1);
    let v = v.mul_scalar(update.beta_2) + g.square().mul_scalar(1.0 - update.beta_2);
    let w = w.mul_scalar(update.keep)
        - m.clone().mul_scalar(update.rate) / (v.clone().sqrt() + update.epsilon);
    [w, m, v]
}

fn on_cpu(update: Update, [w, m, v]: [&mut [f32]; 3], g: &[f32]) {
    #[cfg(not(target_arch = "wasm32"))]
    if g.len() > BLOCK {
        use rayon::prelude::*;
        let moments = m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK));
        let blocks = w
            .par_chunks_mut(BLOCK)
            .zip(moments)
            .zip(g.par_chunks(BLOCK));
        return blocks.for_each(|((w, (m, v)), g)| on_block(update, w, m, v, g));
    }
    on_block(update, w, m, v, g);
}

#[macerator::with_simd]
fn on_block<S: Simd>(update: Update, w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32]) {
    let Update {
        keep,
        rate,
        beta_1,
        beta_2,
        epsilon,
    } = update;
    for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
        *m = beta_1 * *m + (1.0 - beta_1) * g;
        *v = beta_2 * *v + (1.0 - beta_2) * g * g;
        *w = keep * *w - rate * *m / (v.sqrt() + epsilon);
    }
}
