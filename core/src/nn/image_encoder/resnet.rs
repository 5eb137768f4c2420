//! ResNet-18 (He et al. 2016) without its classifier, and with group normalization (Wu and He 2018)
//! in place of batch normalization, whose running statistics do not go with a moving average of the
//! weights. So diffusion policy has it (Chi et al. 2023; `vision/model_getter.py`, `get_resnet`;
//! `vision/multi_image_obs_encoder.py`); layers and first weights are torchvision's (`resnet.py`).

use crate::nn::{Activation, Pictures, upload};
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};

/// Channels of each stage; every stage but the first halves the sides of its maps.
const STAGES: [usize; 4] = [64, 128, 256, 512];
/// Blocks of a stage.
const BLOCKS: usize = 2;
/// Channels that are normalized together.
const OF_A_GROUP: usize = 16;
/// What is taken off red, green and blue, and what they are divided by: the mean and the spread of
/// ImageNet's pictures (`imagenet_norm`).
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const SPREAD: [f32; 3] = [0.229, 0.224, 0.225];

/// Pictures `[N, channels, size, size]` to `[N, 512]`.
#[derive(Module, Debug)]
pub(crate) struct Resnet {
    stem: NormedConvolution,
    blocks: Vec<Block>,
}

/// Two convolutions, and a short cut around them.
#[derive(Module, Debug)]
struct Block {
    first: NormedConvolution,
    second: NormedConvolution,
    /// Where sides and channels change.
    shortcut: Option<NormedConvolution>,
}

/// A convolution without bias, and a normalization of what it gives.
#[derive(Module, Debug)]
struct NormedConvolution {
    /// `[out, in, k, k]`.
    kernel: Param<Tensor<4>>,
    norm: GroupNorm,
    stride: usize,
}

impl Resnet {
    /// Fresh layers for pictures with so many channels, 3 for each frame. Kernels are normal with
    /// variance 2 / (outputs x kernel's area), gains 1, shifts 0.
    pub(super) fn new(channels: usize, rng: &mut Rng, device: &Device) -> Self {
        let mut normed = |inputs: usize, outputs: usize, side: usize, stride: usize| {
            let deviation = (2.0 / (outputs * side * side) as f64).sqrt() as f32;
            let shape = [outputs, inputs, side, side];
            let kernel = rng.normals(shape.iter().product()).into_iter();
            let kernel: Vec<f32> = kernel.map(|z| deviation * z).collect();
            NormedConvolution {
                kernel: Param::from_data(TensorData::new(kernel, shape), device),
                norm: GroupNormConfig::new(outputs / OF_A_GROUP, outputs).init(device),
                stride,
            }
        };
        let stem = normed(channels, STAGES[0], 7, 2);
        let mut inputs = STAGES[0];
        let mut blocks = Vec::new();
        for outputs in STAGES {
            for _ in 0..BLOCKS {
                let changes = inputs != outputs;
                let stride = if changes { 2 } else { 1 };
                blocks.push(Block {
                    first: normed(inputs, outputs, 3, stride),
                    second: normed(outputs, outputs, 3, 1),
                    shortcut: changes.then(|| normed(inputs, outputs, 1, stride)),
                });
                inputs = outputs;
            }
        }
        Self { stem, blocks }
    }

    /// Numbers that a picture becomes.
    pub(super) fn width(&self) -> usize {
        let last = self.blocks.last().map_or(&self.stem, |block| &block.second);
        last.kernel.dims()[0]
    }

    /// `[N, channels, size, size] -> [N, width]`.
    pub(super) fn forward(&self, x: impl Into<Pictures>) -> Tensor<2> {
        let x = normalized(x.into().numbers(&self.stem.kernel.device()));
        let x = Activation::Relu.forward(self.stem.forward(x));
        let half = MaxPoolOptions::new([3, 3])
            .with_stride([2, 2])
            .with_padding([1, 1]);
        let x = max_pool2d(x, half);
        let blocks = self.blocks.iter();
        let maps = blocks.fold(x, |x, block| block.forward(x));
        // The mean over all places.
        maps.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)
    }
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = Activation::Relu.forward(self.first.forward(x.clone()));
        let around = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        Activation::Relu.forward(self.second.forward(inner) + around)
    }
}

impl NormedConvolution {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let kernel = self.kernel.val();
        let side = kernel.dims()[3];
        let options = ConvOptions::new([self.stride; 2], [side / 2; 2], [1, 1], 1);
        self.norm.forward(conv2d(x, kernel, None, options))
    }
}

/// Pictures from 0 to 1, color by color with mean 0 and variance 1 over ImageNet.
fn normalized(x: Tensor<4>) -> Tensor<4> {
    let frames = x.dims()[1] / MEAN.len();
    let by_channel = |values: [f32; 3]| {
        let shape = [1, 3 * frames, 1, 1];
        upload::<4>(values.repeat(frames), shape, &x.device())
    };
    let (mean, spread) = (by_channel(MEAN), by_channel(SPREAD));
    (x - mean) / spread
}
