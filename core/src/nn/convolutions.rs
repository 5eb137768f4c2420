//! A stack of convolutions that makes a vector of a square picture.
//!
//! The shape is that of TD-MPC and MoDem (`algorithm/helper.py`, `enc`): a kernel of 7, one of 5,
//! then of 3, each with stride 2 and a ReLU, without padding, until at most 3 pixels a side are
//! left: four layers for 84 pixels, six for 224.

use super::fused::{self, Layer};
use super::mlp::Initial;
use super::{Activation, Linear, Mlp, Pictures};
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Channels between the layers.
const CHANNELS: usize = 32;
/// Pixels along each side after which no further layer follows.
const ENOUGH: usize = 3;
/// Pixels along each side that a picture has at least: fewer leave nothing after the second layer.
pub(crate) const SMALLEST_IMAGE: usize = 19;

/// Every layer of a stack that ends in few pixels.
const HALVING: Layer = Layer {
    stride: 2,
    relu: true,
};

/// Convolutions one after the other, without padding.
#[derive(Module, Debug)]
pub(super) struct Filters {
    /// Per layer `[out, in, k, k]`.
    kernels: Vec<Param<Tensor<4>>>,
    /// Per layer `[out]`; those that are missing are 0.
    pub(crate) biases: Vec<Param<Tensor<1>>>,
    /// What is taken off every number of a picture first.
    offset: f64,
}

impl Filters {
    /// Fresh layers of `width` channels with these kernels, uniform in ±1/sqrt(fan-in), PyTorch's
    /// default.
    pub(crate) fn new(
        channels: usize,
        width: usize,
        kernels: impl Iterator<Item = usize>,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let mut filters = Self {
            kernels: Vec::new(),
            biases: Vec::new(),
            offset: 0.0,
        };
        let mut inputs = channels;
        for kernel in kernels {
            let bound = 1.0 / ((inputs * kernel * kernel) as f64).sqrt();
            let shape = [width, inputs, kernel, kernel];
            let mut uniform = |n: usize| -> Vec<f32> {
                (0..n).map(|_| rng.range(-bound, bound) as f32).collect()
            };
            filters.kernels.push(Param::from_data(
                TensorData::new(uniform(shape.iter().product()), shape),
                device,
            ));
            filters.biases.push(Param::from_data(
                TensorData::new(uniform(width), [width]),
                device,
            ));
            inputs = width;
        }
        filters
    }

    /// Channels that the last layer gives.
    pub(crate) fn outputs(&self) -> usize {
        self.kernels.last().map_or(0, |kernel| kernel.dims()[0])
    }

    /// Drops the last layer's bias.
    #[must_use]
    pub(crate) fn without_last_bias(mut self) -> Self {
        self.biases.pop();
        self
    }

    /// Takes this off every number of a picture first.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn less(self, offset: f64) -> Self {
        Self { offset, ..self }
    }

    /// The bias of a layer; none: it is 0. Less of every number of a picture is, without padding,
    /// another first bias: the picture stays bytes.
    fn bias(&self, layer: usize) -> Option<Tensor<1>> {
        let bias = self.biases.get(layer).map(Param::val)?;
        if layer > 0 || self.offset == 0.0 {
            return Some(bias);
        }
        let kernel = self.kernels[layer].val();
        let sums: Tensor<2> = kernel.flatten::<2>(1, 3).sum_dim(1);
        Some(bias - sums.squeeze_dim::<1>(1).mul_scalar(self.offset))
    }

    /// One layer after the other: `[N, in, size, size] -> [N, out, smaller, smaller]`.
    ///
    /// # Panics
    /// In a browser, where configurations with pictures are refused: its program has no
    /// convolutions, which are 36 kB that a page would load.
    pub(crate) fn forward(&self, x: Pictures, layer: impl Fn(usize) -> Layer) -> Tensor<4> {
        if cfg!(target_arch = "wasm32") {
            unreachable!("the configuration is checked: nothing in a browser sees pictures");
        }
        #[cfg(not(target_arch = "wasm32"))]
        if fused::on_cpu(&self.kernels[0].val()) {
            return self.forward_fused(x, layer);
        }
        let x = x.numbers(&self.kernels[0].device());
        (0..self.kernels.len()).fold(x, |x, i| {
            fused::composed_convolution(x, self.kernels[i].val(), self.bias(i), layer(i))
        })
    }

    /// The same on the CPU.
    #[cfg(not(target_arch = "wasm32"))]
    fn forward_fused(&self, x: Pictures, layer: impl Fn(usize) -> Layer) -> Tensor<4> {
        let weights = self.kernels.iter().enumerate().map(|(i, kernel)| {
            let zeros = || Tensor::zeros([kernel.dims()[0]], &kernel.device());
            (kernel.val(), self.bias(i).unwrap_or_else(zeros))
        });
        fused::convolve_through(x, weights.collect(), layer)
    }

    /// For tests by differences: everything in the first layers positive, so that no ReLU of
    /// positive pictures bends.
    #[cfg(test)]
    pub(crate) fn positive(mut self, layers: usize) -> Self {
        for i in 0..layers {
            self.kernels[i] = Param::from_tensor(self.kernels[i].val().abs().detach());
            self.biases[i] = Param::from_tensor(self.biases[i].val().abs().detach());
        }
        self
    }
}

/// Pictures `[N, channels, size, size]` to vectors `[N, output]`.
#[derive(Module, Debug)]
pub(crate) struct Convolutions {
    filters: Filters,
    /// From the flattened feature map to the output.
    head: Mlp,
}

impl Convolutions {
    /// Fresh layers for pictures of `size` (at least [`SMALLEST_IMAGE`]) pixels a side. Kernels are
    /// uniform in ±1/sqrt(fan-in), PyTorch's default; `normed`: a layer normalization at the end.
    pub(crate) fn new(
        channels: usize,
        size: usize,
        output: usize,
        normed: bool,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        Self::of_width(CHANNELS, (channels, size, output), normed, rng, device)
    }

    fn of_width(
        width: usize,
        (channels, size, output): (usize, usize, usize),
        normed: bool,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let layers = layers(size);
        let filters = Filters::new(
            channels,
            width,
            layers.iter().map(|&(kernel, _)| kernel),
            rng,
            device,
        );
        let left = layers.last().map_or(size, |&(_, size)| size);
        let sizes = [width * left * left, output];
        let head = match normed {
            true => Mlp::normed_throughout(1, &sizes, Activation::Relu, rng, device),
            false => Mlp::new(1, &sizes, Activation::Relu, rng, device),
        };
        Self { filters, head }
    }

    /// Orthogonal kernels, `sqrt(2)` times as long as the head's weights, and biases 0 (MoDem).
    #[must_use]
    pub(crate) fn orthogonal(mut self, rng: &mut Rng) -> Self {
        let fresh = |kernel: Param<Tensor<4>>, rng: &mut Rng| {
            let [outputs, inputs, height, width] = kernel.dims();
            // One row per output channel; sqrt(2) is the gain of ReLU (`helper.py`,
            // `orthogonal_init`).
            let values = Initial::Orthogonal.draw(outputs, inputs * height * width, rng);
            let values = values
                .into_iter()
                .map(|value| value * std::f32::consts::SQRT_2)
                .collect::<Vec<_>>();
            Param::from_data(TensorData::new(values, kernel.dims()), &kernel.device())
        };
        let Filters {
            kernels,
            biases,
            offset,
        } = self.filters;
        let kernels = kernels
            .into_iter()
            .map(|kernel| fresh(kernel, rng))
            .collect();
        let biases = biases
            .into_iter()
            .map(|bias| Param::from_tensor(Tensor::zeros(bias.dims(), &bias.device())))
            .collect();
        self.filters = Filters {
            kernels,
            biases,
            offset,
        };
        self.head = self.head.initialised(Initial::Orthogonal, rng);
        self
    }

    /// `[N, channels, size, size] -> [N, output]`.
    pub(crate) fn forward(&self, x: impl Into<Pictures>) -> Tensor<2> {
        let x = self.filters.forward(x.into(), |_| HALVING);
        self.head.forward_one(x.flatten(1, 3))
    }
}

/// A picture as tokens: the same layers, and one token for each place of their feature map. `[N,
/// channels, size, size]` to `[N, places, width]`.
#[derive(Module, Debug)]
pub(crate) struct Patches {
    filters: Filters,
    token: Linear,
    /// Position embeddings, without which places are alike: `[1, places, width]`.
    places: Param<Tensor<3>>,
}

impl Patches {
    /// Fresh layers for pictures of `size` (at least [`SMALLEST_IMAGE`]) pixels a side, and tokens
    /// of `width` numbers.
    pub(crate) fn new(
        channels: usize,
        size: usize,
        width: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let layers = layers(size);
        let left = layers.last().map_or(size, |&(_, size)| size);
        let places = rng
            .normals(left * left * width)
            .into_iter()
            .map(|z| 0.02 * z)
            .collect::<Vec<f32>>();
        Self {
            filters: Filters::new(
                channels,
                CHANNELS,
                layers.iter().map(|&(kernel, _)| kernel),
                rng,
                device,
            ),
            token: Linear::new(CHANNELS, width, rng, device),
            places: Param::from_data(TensorData::new(places, [1, left * left, width]), device),
        }
    }

    /// `[N, channels, size, size] -> [N, places, width]`.
    pub(crate) fn forward(&self, x: impl Into<Pictures>) -> Tensor<3> {
        let x = self.filters.forward(x.into(), |_| HALVING);
        let [n, channels, height, width] = x.dims();
        // Channels last: the linear layer maps the channels of one place to one token.
        let rows = x
            .reshape([n, channels, height * width])
            .swap_dims(1, 2)
            .reshape([n * height * width, channels]);
        let tokens = self.token.forward(rows);
        let width_of_token = tokens.dims()[1];
        tokens.reshape([n, height * width, width_of_token]) + self.places.val()
    }
}

/// Kernel and remaining size of each layer.
fn layers(size: usize) -> Vec<(usize, usize)> {
    let mut layers = Vec::new();
    let mut left = size;
    for kernel in [7, 5].into_iter().chain(std::iter::repeat(3)) {
        // Two layers at least; then until no more than ENOUGH pixels a side are left.
        if left < kernel || (left <= ENOUGH && layers.len() > 1) {
            break;
        }
        left = (left - kernel) / 2 + 1;
        layers.push((kernel, left));
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradient_check::worst_error_of_smooth;
    use crate::nn::read;
    use pollster::block_on;

    /// The layers are those of the papers: 39, 18, 8, 3 of 84 pixels; 109, 53, 26, 12, 5, 2 of 224.
    #[test]
    fn the_layers_are_those_of_the_papers() {
        let sizes = |size| {
            layers(size)
                .into_iter()
                .map(|(_, left)| left)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(84), [39, 18, 8, 3]);
        assert_eq!(sizes(224), [109, 53, 26, 12, 5, 2]);
        assert!(
            layers(SMALLEST_IMAGE).iter().all(|&(_, left)| left > 0)
                && layers(SMALLEST_IMAGE).len() >= 2
        );
        assert!(
            layers(SMALLEST_IMAGE - 1).len() < 2
                || layers(SMALLEST_IMAGE - 1)[1].1 < layers(SMALLEST_IMAGE)[1].1
        );
    }

    /// One layer is the sum over a window that it is by definition.
    #[test]
    fn a_layer_is_a_sum_over_a_window() {
        let device = Device::flex();
        let mut rng = Rng::new(0, "test", 0);
        let net = Convolutions::new(2, SMALLEST_IMAGE, 3, false, &mut rng, &device);
        let x = rng.normals(2 * SMALLEST_IMAGE * SMALLEST_IMAGE);
        let kernel = block_on(read(net.filters.kernels[0].val())).unwrap();
        let bias = block_on(read(net.filters.biases[0].val())).unwrap();
        let picture = Tensor::<4>::from_data(
            TensorData::new(x.clone(), [1, 2, SMALLEST_IMAGE, SMALLEST_IMAGE]),
            &device,
        );
        let mut first = net.filters.clone();
        first.kernels.truncate(1);
        let linear = Layer {
            stride: 2,
            relu: false,
        };
        let out = first.forward(picture.into(), |_| linear);
        let found = block_on(read(out.clone())).unwrap();
        let side = out.dims()[3];
        for (channel, row, column) in [(0, 0, 0), (5, 2, 1), (31, side - 1, side - 1)] {
            let mut sum = bias[channel];
            for (c, i, j) in
                (0..2).flat_map(|c| (0..7).flat_map(move |i| (0..7).map(move |j| (c, i, j))))
            {
                let at = (c * SMALLEST_IMAGE + 2 * row + i) * SMALLEST_IMAGE + 2 * column + j;
                sum += x[at] * kernel[((channel * 2 + c) * 7 + i) * 7 + j];
            }
            assert!((sum - found[(channel * side + row) * side + column]).abs() < 1e-4);
        }
    }

    /// Gradients of kernels, biases and head are those of finite differences. Everything is
    /// positive, so that no ReLU bends and a loss is a line in every parameter.
    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let mut net = Convolutions::of_width(3, (1, SMALLEST_IMAGE, 2), false, &mut rng, &device);
        let layers = net.filters.kernels.len();
        net.filters = net.filters.positive(layers);
        let x: Vec<f32> = rng
            .normals(SMALLEST_IMAGE.pow(2))
            .into_iter()
            .map(f32::abs)
            .collect();
        let x = Tensor::<4>::from_data(
            TensorData::new(x, [1, 1, SMALLEST_IMAGE, SMALLEST_IMAGE]),
            &device,
        );
        let weights = crate::nn::matrix(vec![1.0, -0.4], 2, &device);
        let error = worst_error_of_smooth(&net, 0.05, |net| {
            (net.forward(x.clone()) * weights.clone()).sum()
        });
        assert!(error < 1e-2, "{error}");
    }
}
