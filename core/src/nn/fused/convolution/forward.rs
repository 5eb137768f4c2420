//! The values of convolutions.

use super::Layer;
use super::tiles::{Sizes, Source};
use crate::nn::fused::product::{Stack, add_product_here};
use crate::nn::fused::{dense, in_blocks, tensor};
use crate::obs::Images;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use macerator::Simd;

/// Parts of a batch, each of which one thread works on. A constant, so that sums over a batch are
/// the same however many threads there are.
const PARTS: usize = 32;

/// The pictures of a batch.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// `[N, size, size, channels]`, row-major.
    Maps(FlexTensor),
    Images(Images),
}

impl Input {
    pub(super) fn pictures(&self) -> Source<'_> {
        match self {
            Self::Maps(x) => Source::Maps(x.storage()),
            Self::Images(images) => Source::Images(images),
        }
    }

    /// N, pixels along each side, channels.
    pub(super) fn shape(&self) -> [usize; 3] {
        match self {
            Self::Maps(x) => {
                let shape = x.shape();
                assert_eq!(shape[1], shape[2], "pictures are square");
                [shape[0], shape[1], shape[3]]
            }
            Self::Images(images) => [images.len(), images.camera.size, images.camera.channels()],
        }
    }
}

/// Sizes of a layer of pictures with so many pixels along each side, and so many channels.
pub(super) fn sizes(size: usize, channels: usize, kernel: &FlexTensor, layer: Layer) -> Sizes {
    let shape = kernel.shape();
    let sizes = Sizes {
        size,
        channels,
        kernel: shape[2],
        stride: layer.stride,
        outputs: shape[0],
    };
    let fits = (shape[1], shape[3]) == (channels, shape[2]) && shape[2] <= size;
    assert!(
        fits,
        "a kernel {shape:?} for pictures of {size} x {size} x {channels}"
    );
    sizes
}

/// Pictures that one thread works on at a time.
pub(super) fn in_a_part(pictures: usize) -> usize {
    pictures.div_ceil(PARTS).max(1)
}

/// A layer at work on one picture after the other.
struct Stage {
    sizes: Sizes,
    layer: Layer,
    /// The kernel as `[window, outputs]`, so that neither matrix is read across its rows.
    columns: Vec<f32>,
    bias: FlexTensor,
}

impl Stage {
    fn new(
        (pixels, channels): (usize, usize),
        (kernel, bias): &(FlexTensor, FlexTensor),
        layer: Layer,
    ) -> Self {
        let sizes = sizes(pixels, channels, kernel, layer);
        let rows = by_window(kernel, sizes);
        Self {
            sizes,
            layer,
            columns: transposed(&rows, sizes.window()),
            bias: dense(bias.clone()),
        }
    }

    fn run(&self, picture: &[f32], tile: &mut [f32], y: &mut [f32]) {
        let Self { sizes, .. } = *self;
        let columns = Stack::of_rows(&self.columns, sizes.outputs);
        let bias = self.bias.storage::<f32>();
        for (first, places) in sizes.tiles() {
            let tile = &mut tile[..places * sizes.window()];
            sizes.fill(picture, first, tile);
            let y = &mut y[first * sizes.side() * sizes.outputs..][..places * sizes.outputs];
            // Every place begins as the bias, and the product is added to it.
            y.chunks_exact_mut(sizes.outputs)
                .for_each(|place| place.copy_from_slice(bias));
            add_product_here(y, Stack::of_rows(tile, sizes.window()), columns);
            if self.layer.relu {
                rectify(y);
            }
        }
    }
}

/// One layer after the other for each picture: what is between them is there once for each thread.
pub(super) fn forward(input: &Input, layers: &[((FlexTensor, FlexTensor), Layer)]) -> FlexTensor {
    let [pictures, mut size, mut channels] = input.shape();
    let mut stages = Vec::new();
    for (weights, layer) in layers {
        let stage = Stage::new((size, channels), weights, *layer);
        (size, channels) = (stage.sizes.side(), stage.sizes.outputs);
        stages.push(stage);
    }
    let source = input.pictures();
    let first = stages[0].sizes;
    let largest = stages.iter().map(|stage| stage.sizes.tile()).max();
    let output = size * size * channels;
    let per_part = in_a_part(pictures);
    let mut y = vec![0.0; pictures * output];
    in_blocks(&mut y, per_part * output, |part, y| {
        let mut room = Vec::new();
        let mut tile = vec![0.0; largest.unwrap_or(0)];
        let inner = stages[..stages.len() - 1].iter();
        let mut maps: Vec<Vec<f32>> = inner.map(|stage| vec![0.0; stage.sizes.output()]).collect();
        for (i, y) in y.chunks_exact_mut(output).enumerate() {
            let picture = source.picture(part * per_part + i, first, &mut room);
            for (i, stage) in stages.iter().enumerate() {
                let (before, after) = maps.split_at_mut(i);
                let x = before.last().map_or(picture, |map| &map[..]);
                let out = after.first_mut().map_or(&mut *y, |map| &mut map[..]);
                stage.run(x, &mut tile, out);
            }
        }
    });
    tensor(y, [pictures, size, size, channels])
}

/// A kernel `[out, in, k, k]` as `[out, window]`: in the order in which a tile has what it sees.
pub(super) fn by_window(kernel: &FlexTensor, sizes: Sizes) -> Vec<f32> {
    let kernel = dense(kernel.clone());
    let values = kernel.storage::<f32>().chunks_exact(sizes.window());
    values
        .flat_map(|of_output| transposed(of_output, sizes.kernel * sizes.kernel))
        .collect()
}

/// A matrix with rows of `columns` numbers, transposed.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |i: usize| values.iter().skip(i).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

#[macerator::with_simd]
fn rectify<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = x.max(0.0));
}
