//! The input of networks: numbers, and pictures where there are any.

use super::Keypoints;
use crate::env::View;
use burn::tensor::{Device, Tensor, TensorData};

/// Observations on the device.
#[derive(Debug, Clone)]
pub struct Observed {
    /// `[N, obs]`.
    pub numbers: Tensor<2>,
    /// `[N, channels, size, size]`, 0 to 1; none without pictures.
    pub pictures: Option<Tensor<4>>,
}

impl Observed {
    /// Rows of `width` numbers and their pictures, on a device without gradients.
    pub fn new(
        numbers: Vec<f32>,
        width: usize,
        pixels: &[u8],
        view: View,
        device: &Device,
    ) -> Self {
        let numbers = super::matrix(numbers, width, device);
        let pictures = view.is_some().then(|| {
            let values: Vec<f32> = pixels
                .iter()
                .map(|&value| f32::from(value) / 255.0)
                .collect();
            Tensor::from_data(
                TensorData::new(
                    values,
                    [numbers.dims()[0], view.channels(), view.size, view.size],
                ),
                device,
            )
        });
        Self { numbers, pictures }
    }

    /// The same on the autodiff device.
    #[must_use]
    pub fn autodiff(self) -> Self {
        Self {
            numbers: self.numbers.autodiff(),
            pictures: self.pictures.map(Tensor::autodiff),
        }
    }

    /// Number of rows, N.
    pub fn rows(&self) -> usize {
        self.numbers.dims()[0]
    }

    /// The keypoints that `eyes` finds in the pictures, where there are both, then the first
    /// `numbers` numbers: `[N, places + numbers]`.
    pub fn read_by(self, eyes: Option<&Keypoints>, numbers: usize) -> Tensor<2> {
        let numbers = self.numbers.narrow(1, 0, numbers);
        match eyes.zip(self.pictures) {
            Some((eyes, pictures)) => Tensor::cat(vec![eyes.forward(pictures), numbers], 1),
            None => numbers,
        }
    }
}

impl From<Tensor<2>> for Observed {
    /// Numbers alone.
    fn from(numbers: Tensor<2>) -> Self {
        Self {
            numbers,
            pictures: None,
        }
    }
}
