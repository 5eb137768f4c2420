//! Convolutions of square pictures without padding, with their bias and ReLU. Channels come last,
//! so that what a kernel's row sees lies side by side.
//!
//! Each picture is a few products of matrices, of tiles that stay in a core's own cache; several
//! pictures are worked on at a time. What is kept for the gradient is the input and the output
//! alone: a tile is filled again.

use super::linear::add;
use super::product::{Stack, add_product_here, set_product_here};
use super::tiles::{Sizes, Source};
use super::{Tracked, dense, in_blocks, plain, tensor, tracked};
use crate::nn::Pictures;
use crate::obs::Images;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use macerator::Simd;

/// Parts of a batch, each of which one thread works on. A constant, so that sums over a batch are
/// the same however many threads there are.
const PARTS: usize = 32;

/// What there is to a layer beside its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) stride: usize,
    pub(crate) relu: bool,
}

/// A kernel and a bias.
pub(crate) type Weights = (Tensor<4>, Tensor<1>);

/// One layer after the other, on the CPU: `[N, in, size, size]` to `[N, out, smaller, smaller]`.
pub(crate) fn convolve_through(
    x: Pictures,
    weights: Vec<Weights>,
    layer: impl Fn(usize) -> Layer,
) -> Tensor<4> {
    let last = match without_gradients(&x, &weights, &layer) {
        Some(last) => last,
        None => {
            let mut weights = (0..).zip(weights);
            let (i, (kernel, bias)) = weights.next().expect("there is a layer");
            let first = match x {
                Pictures::Images(images) => convolve_images(&images, kernel, bias, layer(i)),
                Pictures::Numbers(x) => convolve(x.permute([0, 2, 3, 1]), kernel, bias, layer(i)),
            };
            weights.fold(first, |x, (i, (kernel, bias))| {
                convolve(x, kernel, bias, layer(i))
            })
        }
    };
    last.permute([0, 3, 1, 2])
}

/// All layers at once, so that nothing between them is kept; none where there are gradients.
fn without_gradients(
    x: &Pictures,
    weights: &[Weights],
    layer: &impl Fn(usize) -> Layer,
) -> Option<Tensor<4>> {
    let input = match x {
        Pictures::Images(images) => Input::Images(images.clone()),
        Pictures::Numbers(x) => {
            let x = plain(&x.clone().permute([0, 2, 3, 1]))?;
            Input::Maps(dense(x))
        }
    };
    let weights = weights.iter().enumerate();
    let layers =
        weights.map(|(i, (kernel, bias))| Some(((plain(kernel)?, plain(bias)?), layer(i))));
    let layers = layers.collect::<Option<Vec<_>>>()?;
    Some(Tensor::from_primitive::<Flex>(forward(&input, &layers)))
}

/// One layer: x `[N, size, size, in]`, kernel `[out, in, k, k]`, bias `[out]` to `[N, side, side,
/// out]`.
pub(crate) fn convolve(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Tensor<1>,
    layer: Layer,
) -> Tensor<4> {
    if let (Some(x), Some(kernel), Some(bias)) = (tracked(&x), tracked(&kernel), tracked(&bias)) {
        return Tensor::from_primitive::<Tracked>(with_gradient(x, kernel, bias, layer));
    }
    if let (Some(x), Some(kernel), Some(bias)) = (plain(&x), plain(&kernel), plain(&bias)) {
        return Tensor::from_primitive::<Flex>(forward(
            &Input::Maps(dense(x)),
            &[((kernel, bias), layer)],
        ));
    }
    let x = x.permute([0, 3, 1, 2]);
    composed(x, kernel, Some(bias), layer).permute([0, 2, 3, 1])
}

/// The same of a camera's pictures, 255 of which is 1; they have no gradient.
pub(crate) fn convolve_images(
    images: &Images,
    kernel: Tensor<4>,
    bias: Tensor<1>,
    layer: Layer,
) -> Tensor<4> {
    let input = Input::Images(images.clone());
    if let (Some(kernel), Some(bias)) = (tracked(&kernel), tracked(&bias)) {
        let prepared =
            ConvolutionBackward(layer).prepare::<NoCheckpointing>([kernel.node(), bias.node()]);
        let kernel = kernel.into_primitive();
        let weights = (kernel.clone(), bias.into_primitive());
        let y = forward(&input, &[(weights, layer)]);
        return Tensor::from_primitive::<Tracked>(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((input, kernel, y.clone()), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        });
    }
    let (Some(kernel), Some(bias)) = (plain(&kernel), plain(&bias)) else {
        panic!("kernel and bias lie on the CPU, with gradients or without");
    };
    Tensor::from_primitive::<Flex>(forward(&input, &[((kernel, bias), layer)]))
}

/// The same layer of burn's operators, channels first.
pub(crate) fn composed(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    layer: Layer,
) -> Tensor<4> {
    let options = ConvOptions::new([layer.stride; 2], [0, 0], [1, 1], 1);
    let y = conv2d(x, kernel, bias, options);
    if layer.relu { relu(y) } else { y }
}

fn with_gradient(
    x: FloatTensor<Tracked>,
    kernel: FloatTensor<Tracked>,
    bias: FloatTensor<Tracked>,
    layer: Layer,
) -> FloatTensor<Tracked> {
    let prepared = ConvolutionBackward(layer).prepare::<NoCheckpointing>([
        kernel.node(),
        bias.node(),
        x.node(),
    ]);
    let input = Input::Maps(dense(x.into_primitive()));
    let kernel = kernel.into_primitive();
    let weights = (kernel.clone(), bias.into_primitive());
    let y = forward(&input, &[(weights, layer)]);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((input, kernel, y.clone()), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// The pictures of a batch.
#[derive(Debug, Clone)]
enum Input {
    /// `[N, size, size, channels]`, row-major.
    Maps(FlexTensor),
    Images(Images),
}

impl Input {
    fn pictures(&self) -> Source<'_> {
        match self {
            Self::Maps(x) => Source::Maps(x.storage()),
            Self::Images(images) => Source::Images(images),
        }
    }

    /// N, pixels along each side, channels.
    fn shape(&self) -> [usize; 3] {
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
fn sizes(size: usize, channels: usize, kernel: &FlexTensor, layer: Layer) -> Sizes {
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
fn in_a_part(pictures: usize) -> usize {
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
fn forward(input: &Input, layers: &[((FlexTensor, FlexTensor), Layer)]) -> FlexTensor {
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

/// The gradient of a layer with respect to kernel, bias and, where there are three parents, x. Its
/// state is the input, the kernel and the output.
#[derive(Debug)]
struct ConvolutionBackward(Layer);

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
    #[cfg(not(target_arch = "wasm32"))]
    let sums: Vec<Vec<f32>> = {
        use rayon::prelude::*;
        let parts = dx.into_par_iter().zip(slopes).enumerate();
        parts.map(one).collect()
    };
    #[cfg(target_arch = "wasm32")]
    let sums: Vec<Vec<f32>> = dx.into_iter().zip(slopes).enumerate().map(one).collect();
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

/// A kernel `[out, in, k, k]` as `[out, window]`: in the order in which a tile has what it sees.
fn by_window(kernel: &FlexTensor, sizes: Sizes) -> Vec<f32> {
    let kernel = dense(kernel.clone());
    let values = kernel.storage::<f32>().chunks_exact(sizes.window());
    values
        .flat_map(|of_output| transposed(of_output, sizes.kernel * sizes.kernel))
        .collect()
}

/// The way back.
fn by_channel(rows: &[f32], sizes: Sizes) -> Vec<f32> {
    let rows = rows.chunks_exact(sizes.window());
    rows.flat_map(|of_output| transposed(of_output, sizes.channels))
        .collect()
}

/// A matrix with rows of `columns` numbers, transposed.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |i: usize| values.iter().skip(i).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

#[macerator::with_simd]
fn rectify<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = x.max(0.0));
}

#[macerator::with_simd]
fn mask<S: Simd>(gradient: &mut [f32], y: &[f32]) {
    gradient
        .iter_mut()
        .zip(y)
        .for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 });
}
