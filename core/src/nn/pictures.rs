//! What a camera saw, as a network reads it.

use crate::obs::Images;
use burn::tensor::{Device, Tensor};

/// N stacks of pictures.
#[derive(Debug, Clone)]
pub enum Pictures {
    /// On the CPU, as they are stored: the first convolution reads bytes, and no picture is copied.
    Images(Images),
    /// On other devices and in a browser `[N, channels, size, size]`, 0 to 1.
    Numbers(Box<Tensor<4>>),
}

impl Pictures {
    /// Stacks of a camera for networks on a device, which has no gradients.
    pub(crate) fn new(images: &Images, device: &Device) -> Self {
        let reads_bytes = cfg!(not(target_arch = "wasm32"));
        if reads_bytes && *device == Device::flex() {
            Self::Images(images.clone())
        } else {
            Self::Numbers(Box::new(numbers(images, device)))
        }
    }

    /// The same on the autodiff device.
    #[must_use]
    pub(crate) fn autodiff(self) -> Self {
        match self {
            Self::Images(images) => Self::Images(images),
            Self::Numbers(x) => Self::Numbers(Box::new(x.autodiff())),
        }
    }

    /// `[N, channels, size, size]`, 0 to 1.
    pub(crate) fn numbers(self, device: &Device) -> Tensor<4> {
        match self {
            Self::Images(images) => numbers(&images, device),
            Self::Numbers(x) => *x,
        }
    }
}

fn numbers(images: &Images, device: &Device) -> Tensor<4> {
    let pixels = images.pixels();
    let values: Vec<f32> = pixels.iter().map(|&v| f32::from(v) / 255.0).collect();
    let camera = &images.camera;
    let shape = [images.len(), camera.channels(), camera.size, camera.size];
    super::upload(values, shape, device)
}

impl From<Tensor<4>> for Pictures {
    fn from(x: Tensor<4>) -> Self {
        Self::Numbers(Box::new(x))
    }
}
