//! The small vision transformer of IBRL (Hu et al. 2023), as DPPO has it for robomimic's pictures
//! (Ren et al. 2024; `model/common/vit.py`, `VitEncoder` with `embed2`; `model/common/modules.py`,
//! `SpatialEmb`).

use super::{PATCHES, vit_patches};
use crate::nn::convolutions::Filters;
use crate::nn::fused::Layer;
use crate::nn::transformer::Norm;
use crate::nn::{Activation, Linear, Pictures, Transformer};
use crate::obs::ImageSpec;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// What is taken off every number of a picture, which goes from 0 to 1.
const MIDDLE: f64 = 0.5;

/// Sizes of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VitSizes {
    /// Numbers of a patch, a multiple of `heads`.
    pub(super) patch: usize,
    pub(super) heads: usize,
    /// Numbers that a picture becomes.
    pub(super) found: usize,
}

/// IBRL's and DPPO's.
const SIZES: VitSizes = VitSizes {
    patch: 128,
    heads: 4,
    found: 128,
};

/// Pictures `[N, channels, size, size]` and numbers `[N, numbers]` to `[N, 128]`.
#[derive(Module, Debug)]
pub(crate) struct Vit {
    filters: Filters,
    /// Position embeddings: `[1, patches, patch]`.
    places: Param<Tensor<3>>,
    transformer: Transformer,
    spatial: SpatialEmbedding,
}

/// What a feature is in all patches, beside the numbers of the observation, to `found` numbers; and
/// the sum of these over all features, each with weights of its own.
#[derive(Module, Debug)]
struct SpatialEmbedding {
    project: Linear,
    norm: Norm,
    /// `[1, patch, found]`.
    weights: Param<Tensor<3>>,
}

impl Vit {
    /// Fresh layers for a camera's pictures, beside so many numbers. Convolutions and the spatial
    /// embedding begin as PyTorch's, its weights as standard normals, the transformer as timm's.
    pub(super) fn new(camera: &ImageSpec, numbers: usize, rng: &mut Rng, device: &Device) -> Self {
        Self::of_sizes(SIZES, camera, numbers, rng, device)
    }

    pub(super) fn of_sizes(
        sizes: VitSizes,
        camera: &ImageSpec,
        numbers: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let VitSizes {
            patch,
            heads,
            found,
        } = sizes;
        let patches = vit_patches(camera.size);
        let kernels = PATCHES.into_iter().map(|(kernel, _)| kernel);
        let filters = Filters::new(camera.channels(), patch, kernels, rng, device);
        let places = rng.normals(patches * patch).into_iter();
        let places: Vec<f32> = places.map(|z| 0.02 * z).collect();
        let transformer = Transformer::of_vision(1, patch, heads, rng, device);
        let project = Linear::new(patches + numbers, found, rng, device);
        let weights = TensorData::new(rng.normals(patch * found), [1, patch, found]);
        Self {
            filters: filters.less(MIDDLE),
            places: Param::from_data(TensorData::new(places, [1, patches, patch]), device),
            transformer,
            spatial: SpatialEmbedding {
                project,
                norm: Norm::new(found, device),
                weights: Param::from_data(weights, device),
            },
        }
    }

    /// Numbers that a picture becomes.
    pub(super) fn width(&self) -> usize {
        self.spatial.weights.dims()[2]
    }

    /// `[N, channels, size, size]` and `[N, numbers]` to `[N, width]`.
    pub(super) fn forward(&self, x: impl Into<Pictures>, numbers: &Tensor<2>) -> Tensor<2> {
        let layer = |i: usize| Layer {
            stride: PATCHES[i].1,
            relu: i + 1 < PATCHES.len(),
        };
        let maps = self.filters.forward(x.into(), layer);
        let patches = maps.flatten::<3>(2, 3).swap_dims(1, 2) + self.places.val();
        self.spatial
            .forward(self.transformer.forward(patches), numbers)
    }
}

impl SpatialEmbedding {
    /// `[N, patches, patch]` and `[N, numbers]` to `[N, found]`.
    fn forward(&self, patches: Tensor<3>, numbers: &Tensor<2>) -> Tensor<2> {
        let [n, places, features] = patches.dims();
        let [_, count] = numbers.dims();
        // A row for each feature, and in each the same numbers.
        let rows = patches.swap_dims(1, 2);
        let beside = numbers.clone().unsqueeze_dim::<3>(1);
        let beside = beside.expand([n, features, count]);
        let rows = Tensor::cat(vec![rows, beside], 2);
        let rows = rows.reshape([n * features, places + count]);
        let found = Activation::Relu.forward(self.norm.forward(self.project.forward(rows)));
        let width = found.dims()[1];
        let weighted = found.reshape([n, features, width]) * self.weights.val();
        weighted.sum_dim(1).squeeze_dim(1)
    }
}
