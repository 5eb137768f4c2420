//! The input of networks: observations on the device.

use super::{ImageEncoder, Keypoints, Pictures};
use crate::obs::Images;
use burn::tensor::{Device, Tensor};

/// N observations on the device.
#[derive(Debug, Clone)]
pub struct Observations {
    /// The state, the one-hot task, and whatever else is known in numbers: `[N, numbers]`.
    pub numbers: Tensor<2>,
    /// Of each camera N stacks.
    pub images: Vec<Pictures>,
    /// What encoders have made of the pictures before, `[N, keypoints]`, where that is known.
    pub(crate) keypoints: Option<Tensor<2>>,
}

impl Observations {
    /// Rows of `width` numbers and the pictures of cameras, on a device without gradients.
    pub fn new<'a>(
        numbers: Vec<f32>,
        width: usize,
        images: impl IntoIterator<Item = &'a Images>,
        device: &Device,
    ) -> Self {
        Self {
            numbers: super::matrix(numbers, width, device),
            images: images
                .into_iter()
                .map(|images| Pictures::new(images, device))
                .collect(),
            keypoints: None,
        }
    }

    /// Numbers, and what encoders have made of pictures.
    pub(crate) fn with_keypoints(numbers: Tensor<2>, keypoints: Tensor<2>) -> Self {
        Self {
            keypoints: Some(keypoints),
            ..Self::from(numbers)
        }
    }

    /// The same with more numbers at the end of each row: `[N, more]`.
    #[must_use]
    pub fn with(self, numbers: Tensor<2>) -> Self {
        Self {
            numbers: Tensor::cat(vec![self.numbers, numbers], 1),
            ..self
        }
    }

    /// The same on the autodiff device.
    #[must_use]
    pub fn autodiff(self) -> Self {
        Self {
            numbers: self.numbers.autodiff(),
            images: self.images.into_iter().map(Pictures::autodiff).collect(),
            keypoints: self.keypoints.map(Tensor::autodiff),
        }
    }

    /// Number of rows, N.
    pub fn rows(&self) -> usize {
        self.numbers.dims()[0]
    }

    /// The same with what each camera's encoder finds in its pictures at the end of the numbers, in
    /// place of the pictures: `[N, numbers + found]`. Without pictures nothing changes.
    #[must_use]
    pub(crate) fn encoded(self, image_encoders: &[ImageEncoder]) -> Self {
        let Self {
            numbers, images, ..
        } = self;
        let mut parts = vec![numbers.clone()];
        for (image_encoder, images) in image_encoders.iter().zip(images) {
            parts.push(image_encoder.forward(images, &numbers));
        }
        Tensor::cat(parts, 1).into()
    }

    /// The keypoints that each camera's encoder finds in its pictures, or that are known, then the
    /// first `numbers` numbers: `[N, keypoints + numbers]`.
    pub(crate) fn encode_with(self, image_encoders: &[Keypoints], numbers: usize) -> Tensor<2> {
        let numbers = self.numbers.narrow(1, 0, numbers);
        let keypoints = self.keypoints.or_else(|| {
            let seen = image_encoders.iter().zip(self.images);
            let parts = seen.map(|(encoder, images)| encoder.forward(images));
            let parts: Vec<Tensor<2>> = parts.collect();
            (!parts.is_empty()).then(|| Tensor::cat(parts, 1))
        });
        match keypoints {
            Some(keypoints) => Tensor::cat(vec![keypoints, numbers], 1),
            None => numbers,
        }
    }
}

impl From<Tensor<2>> for Observations {
    /// Numbers alone.
    fn from(numbers: Tensor<2>) -> Self {
        Self {
            numbers,
            images: Vec::new(),
            keypoints: None,
        }
    }
}
