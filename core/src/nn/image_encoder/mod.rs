//! What makes numbers of the pictures that a camera shows.

pub(crate) mod keypoints;
#[cfg(not(target_arch = "wasm32"))]
mod resnet;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
#[cfg(not(target_arch = "wasm32"))]
mod vit;

use super::{Keypoints, Pictures};
use crate::obs::ImageSpec;
use crate::rng::Rng;
use crate::settings::Choices;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
#[cfg(not(target_arch = "wasm32"))]
use resnet::Resnet;
use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use vit::Vit;

/// What makes numbers of pictures for a policy that is a perceptron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum ImageEncoderKind {
    /// Nothing: the policy sees no pictures, and knows what the state says alone.
    None,
    /// For each camera three convolutions and a spatial softmax (Levine et al. 2016): the places of
    /// 32 features in the picture. Small enough for a CPU.
    Keypoints,
    /// For each camera a ResNet-18 with group normalization (Chi et al. 2023): 512 features, 11
    /// million weights. For a GPU, or patience.
    Resnet,
    /// For each camera the small vision transformer of IBRL and DPPO, which reads the numbers of an
    /// observation, too: 128 features, 0.4 million weights.
    Vit,
}

impl ImageEncoderKind {
    /// Numbers that a camera's pictures become.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::None => 0,
            Self::Keypoints => Keypoints::WIDTH,
            Self::Resnet => 512,
            Self::Vit => 128,
        }
    }

    /// Pixels along each side that a picture has at least.
    pub(crate) fn smallest_image(self) -> usize {
        match self {
            Self::None => 0,
            Self::Keypoints => Keypoints::SMALLEST,
            // A place of its last maps stands for so many pixels.
            Self::Resnet => 32,
            // Two patches along each side: with one there is nothing to attend to.
            Self::Vit => 24,
        }
    }
}

/// Kernel and stride of the convolutions that make patches for a vision transformer.
const PATCHES: [(usize, usize); 2] = [(8, 4), (3, 2)];

/// Patches of a picture with so many pixels along each side, for a vision transformer: 81 of 84
/// pixels, 121 of 96.
pub(crate) fn vit_patches(size: usize) -> usize {
    let layers = PATCHES.into_iter();
    let side = layers.fold(size, |left, (kernel, stride)| {
        left.saturating_sub(kernel) / stride + 1
    });
    side * side
}

/// Encodes the pictures of one camera. In a browser, where nothing sees, there are fewer kinds.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are a few of it per policy, and modules cannot be boxed"
)]
pub(crate) enum ImageEncoder {
    /// See [`Keypoints`].
    Keypoints(Keypoints),
    /// See [`Resnet`].
    #[cfg(not(target_arch = "wasm32"))]
    Resnet(Resnet),
    /// See [`Vit`].
    #[cfg(not(target_arch = "wasm32"))]
    Vit(Vit),
}

#[cfg_attr(
    target_arch = "wasm32",
    allow(
        unused_variables,
        reason = "the one kind that is left reads no numbers"
    )
)]
impl ImageEncoder {
    /// A fresh encoder for each camera, whose pictures have at least
    /// [`ImageEncoderKind::smallest_image`] pixels a side, of observations with so many `numbers`.
    pub(crate) fn of(
        cameras: &[ImageSpec],
        kind: ImageEncoderKind,
        numbers: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Vec<Self> {
        let cameras = cameras.iter();
        cameras
            .filter_map(|camera| Self::new(camera, kind, numbers, rng, device))
            .collect()
    }

    fn new(
        camera: &ImageSpec,
        kind: ImageEncoderKind,
        numbers: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Option<Self> {
        let channels = camera.channels();
        match kind {
            ImageEncoderKind::None => None,
            ImageEncoderKind::Keypoints => {
                Some(Self::Keypoints(Keypoints::new(channels, rng, device)))
            }
            #[cfg(not(target_arch = "wasm32"))]
            ImageEncoderKind::Resnet => Some(Self::Resnet(Resnet::new(channels, rng, device))),
            #[cfg(not(target_arch = "wasm32"))]
            ImageEncoderKind::Vit => Some(Self::Vit(Vit::new(camera, numbers, rng, device))),
            #[cfg(target_arch = "wasm32")]
            ImageEncoderKind::Resnet | ImageEncoderKind::Vit => {
                unreachable!("the configuration is checked: nothing in a browser sees pictures")
            }
        }
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> ImageEncoderKind {
        match self {
            Self::Keypoints(_) => ImageEncoderKind::Keypoints,
            #[cfg(not(target_arch = "wasm32"))]
            Self::Resnet(_) => ImageEncoderKind::Resnet,
            #[cfg(not(target_arch = "wasm32"))]
            Self::Vit(_) => ImageEncoderKind::Vit,
        }
    }

    /// Numbers that a picture becomes.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Keypoints(net) => net.width(),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Resnet(net) => net.width(),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Vit(net) => net.width(),
        }
    }

    /// N stacks of pictures, and the normalized numbers `[N, numbers]` of the observations that
    /// they are part of, to `[N, width]`.
    pub(crate) fn forward(&self, x: impl Into<Pictures>, numbers: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Keypoints(net) => net.forward(x),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Resnet(net) => net.forward(x),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Vit(net) => net.forward(x, numbers),
        }
    }
}
