//! The gradients of a convolution.

use super::Layer;
use super::forward::{Input, by_window, in_a_part, sizes, transposed};
use super::tiles::{Sizes, Source};
use crate::nn::fused::linear::add;
use crate::nn::fused::product::{Stack, add_product_here, set_product_here};
use crate::nn::fused::{dense, tensor};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use macerator::Simd;
use rayon::prelude::*;

/// The gradient of a layer with respect to kernel, bias and, where there are three parents, x. Its
/// state is the input, the kernel and the output.
#[derive(Debug)]
pub(super) struct ConvolutionBackward(pub(super) Layer);

impl<const N: usize> Backward<Flex, N> for ConvolutionBackward {
    type State = (Input, FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = dense(grads.consume::<Flex>(&ops.node));
        let (input, kernel, y) = ops.state;
        let mut nodes = ops.parents.into_iter();
        let [kernel_node, bias_node, x_node] = [(); 3].map(|()| nodes.next().flatten());
        let found = gradients(self.0, &input, &kernel, [&y, &dy], x_node.is_some());
        if let Some(node) = kernel_node {
            grads.register::<Flex>(node.id, found.kernel);
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, found.bias);
        }
        if let (Some(node), Some(x)) = (x_node, found.x) {
            grads.register::<Flex>(node.id, x);
        }
    }
}

struct Found {
    kernel: FlexTensor,
    bias: FlexTensor,
    /// Where it is wanted.
    x: Option<FlexTensor>,
}

/// For each picture: with G the gradient where the output is positive, and T a tile, the kernel's
/// gradient is the sum of G^T T, the bias's the sum of G over places, and the tile's G W.
fn gradients(
    layer: Layer,
    input: &Input,
    kernel: &FlexTensor,
    [y, dy]: [&FlexTensor; 2],
    wants_x: bool,
) -> Found {
    let [pictures, size, channels] = input.shape();
    let sizes = sizes(size, channels, kernel, layer);
    let work = Gradient {
        layer,
        sizes,
        source: input.pictures(),
        rows: by_window(kernel, sizes),
    };
    let per_part = in_a_part(pictures);
    let parts = pictures.div_ceil(per_part);
    let mut x = vec![0.0; if wants_x { pictures * sizes.input() } else { 0 }];
    let mut chunks = x.chunks_mut(per_part * sizes.input());
    let dx: Vec<&mut [f32]> = (0..parts)
        .map(|_| chunks.next().unwrap_or_default())
        .collect();
    let (y, dy) = (dense(y.clone()), dense(dy.clone()));
    let len = per_part * sizes.output();
    let slopes: Vec<[&[f32]; 2]> = y
        .storage()
        .chunks(len)
        .zip(dy.storage().chunks(len))
        .map(|(y, dy)| [y, dy])
        .collect();
    let one = |(part, (dx, slopes)): (usize, (&mut [f32], [&[f32]; 2]))| {
        work.of_part(part * per_part, slopes, dx)
    };
    let parts = dx.into_par_iter().zip(slopes).enumerate();
    let sums: Vec<Vec<f32>> = parts.map(one).collect();
    // In the order of the batch.
    let mut sum = vec![0.0; (sizes.window() + 1) * sizes.outputs];
    sums.iter().for_each(|part| add(&mut sum, part));
    let bias = sum.split_off(sizes.window() * sizes.outputs);
    Found {
        kernel: tensor(by_channel(&sum, sizes), kernel.shape()),
        bias: tensor(bias, [sizes.outputs]),
        x: wants_x.then(|| tensor(x, [pictures, size, size, channels])),
    }
}

struct Gradient<'a> {
    layer: Layer,
    sizes: Sizes,
    source: Source<'a>,
    /// The kernel as `[outputs, window]`.
    rows: Vec<f32>,
}

impl Gradient<'_> {
    /// The sums over a part of the batch, which begins with this picture: of the kernel as
    /// `[outputs, window]`, then of the bias. `dx` gets the gradient of the pictures, unless empty.
    fn of_part(&self, begin: usize, [y, dy]: [&[f32]; 2], dx: &mut [f32]) -> Vec<f32> {
        let Self { sizes, source, .. } = self;
        let window = sizes.window();
        let weights = Stack::of_rows(&self.rows, window);
        let mut sums = vec![0.0; (window + 1) * sizes.outputs];
        let (kernel, bias) = sums.split_at_mut(window * sizes.outputs);
        let mut room = Vec::new();
        let mut tile = vec![0.0; sizes.tile()];
        let mut slopes = vec![0.0; sizes.output()];
        let mut dx = dx.chunks_exact_mut(sizes.input());
        let per_picture = y
            .chunks_exact(sizes.output())
            .zip(dy.chunks_exact(sizes.output()));
        for (i, (y, dy)) in per_picture.enumerate() {
            slopes.copy_from_slice(dy);
            if self.layer.relu {
                mask(&mut slopes, y);
            }
            let places = slopes.chunks_exact(sizes.outputs);
            places.for_each(|place| add(bias, place));
            let picture = source.picture(begin + i, *sizes, &mut room);
            let mut dx = dx.next();
            for (first, places) in sizes.tiles() {
                let tile = &mut tile[..places * window];
                let slopes = &slopes[first * sizes.side() * sizes.outputs..];
                let slopes = Stack::of_rows(&slopes[..places * sizes.outputs], sizes.outputs);
                sizes.fill(picture, first, tile);
                let seen = Stack::of_rows(tile, window);
                add_product_here(kernel, slopes.transposed(), seen);
                if let Some(dx) = &mut dx {
                    set_product_here(tile, slopes, weights);
                    sizes.spread(tile, first, dx);
                }
            }
        }
        sums
    }
}

/// [`by_window`] undone.
fn by_channel(rows: &[f32], sizes: Sizes) -> Vec<f32> {
    let rows = rows.chunks_exact(sizes.window());
    rows.flat_map(|of_output| transposed(of_output, sizes.channels))
        .collect()
}

#[macerator::with_simd]
fn mask<S: Simd>(gradient: &mut [f32], y: &[f32]) {
    gradient
        .iter_mut()
        .zip(y)
        .for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 });
}
