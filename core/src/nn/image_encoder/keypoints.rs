//! Keypoints of a picture: convolutions, and a spatial softmax that gives the expected position of
//! each of their channels (Levine, Finn, Darrell and Abbeel 2016, "End-to-End Training of Deep
//! Visuomotor Policies"; the vision of CSIL and robomimic).

use crate::nn::convolutions::Filters;
use crate::nn::fused::Layer;
use crate::nn::{Pictures, upload};
use crate::obs::ImageSpec;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Channels, and so places.
const PLACES: usize = 32;
/// Kernel and stride of each layer: of 84 pixels 39, 18 and 16 are left along each side, of 224
/// 109, 53 and 51.
const LAYERS: [(usize, usize); 3] = [(7, 2), (5, 2), (3, 1)];

/// Pictures `[N, channels, size, size]` to places `[N, Keypoints::WIDTH]`: pairs of right and down,
/// from -1 to 1.
#[derive(Module, Debug)]
pub(crate) struct Keypoints {
    filters: Filters,
}

impl Keypoints {
    /// Numbers that a picture becomes.
    pub(crate) const WIDTH: usize = 2 * PLACES;
    /// Pixels along each side that a picture has at least: fewer leave no place to choose from.
    pub(crate) const SMALLEST: usize = 31;

    /// Fresh layers for pictures of at least [`Keypoints::SMALLEST`] pixels a side.
    pub(crate) fn new(channels: usize, rng: &mut Rng, device: &Device) -> Self {
        Self::of_width(PLACES, channels, rng, device)
    }

    /// Fresh layers for each camera.
    pub(crate) fn of(cameras: &[ImageSpec], rng: &mut Rng, device: &Device) -> Vec<Self> {
        let cameras = cameras.iter();
        cameras
            .map(|camera| Self::new(camera.channels(), rng, device))
            .collect()
    }

    /// Numbers that a picture becomes.
    pub(crate) fn width(&self) -> usize {
        2 * self.filters.outputs()
    }

    /// For tests by differences: two places in pictures of one color and [`Keypoints::SMALLEST`]
    /// pixels a side, where no ReLU of positive pictures bends.
    #[cfg(test)]
    pub(crate) fn tiny(rng: &mut Rng, device: &Device) -> Self {
        let mut filters = Self::of_width(2, 1, rng, device).filters.positive(2);
        // Where no ReLU bends, a bias is added to all of a map, and taken out again.
        filters.biases.clear();
        Self { filters }
    }

    fn of_width(width: usize, channels: usize, rng: &mut Rng, device: &Device) -> Self {
        let filters = Filters::new(
            channels,
            width,
            LAYERS.into_iter().map(|(kernel, _)| kernel),
            rng,
            device,
        );
        // A softmax does not change when a constant is added to a map: a last bias would never
        // learn.
        Self {
            filters: filters.without_last_bias(),
        }
    }

    /// `[N, channels, size, size] -> [N, 2 * places]`.
    pub(crate) fn forward(&self, x: impl Into<Pictures>) -> Tensor<2> {
        let layer = |i: usize| Layer {
            stride: LAYERS[i].1,
            relu: i + 1 < LAYERS.len(),
        };
        expected_places(self.filters.forward(x.into(), layer))
    }
}

/// The expected position of each map under its spatial softmax: `[N, maps, side, side] -> [N, 2 *
/// maps]`.
fn expected_places(maps: Tensor<4>) -> Tensor<2> {
    let [n, channels, height, width] = maps.dims();
    let along = |i: usize, side: usize| {
        if side > 1 {
            2.0 * i as f32 / (side - 1) as f32 - 1.0
        } else {
            0.0
        }
    };
    // Coordinates of every place, right and down, from -1 to 1.
    let places = (0..height * width)
        .flat_map(|i| [along(i % width, width), along(i / width, height)])
        .collect::<Vec<_>>();
    let chances = softmax(maps.reshape([n * channels, height * width]), 1);
    let places = upload(places, [height * width, 2], &chances.device());
    chances.matmul(places).reshape([n, 2 * channels])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradient_check::worst_error_of_smooth;
    use crate::nn::{matrix, read};
    use burn::tensor::TensorData;
    use pollster::block_on;

    /// A map that is high in one place looks there, right before down; an even one at the middle.
    #[test]
    fn a_map_looks_where_it_is_high() {
        let mut maps = vec![0.0f32; 2 * 3 * 5];
        // Row 0, column 4 of the first map.
        maps[4] = 50.0;
        let maps = Tensor::<4>::from_data(TensorData::new(maps, [1, 2, 3, 5]), &Device::flex());
        let found = block_on(read(expected_places(maps))).unwrap();
        assert!(
            found
                .iter()
                .zip([1.0, -1.0, 0.0, 0.0])
                .all(|(f, e)| (f - e).abs() < 1e-4),
            "{found:?}"
        );
    }

    /// The smallest picture has places to choose from, and gives as many numbers as any.
    #[test]
    fn the_smallest_picture_has_places() {
        let device = Device::flex();
        let net = Keypoints::new(3, &mut Rng::new(0, "test", 0), &device);
        for size in [Keypoints::SMALLEST, 84] {
            assert_eq!(
                net.forward(Tensor::zeros([2, 3, size, size], &device))
                    .dims(),
                [2, Keypoints::WIDTH]
            );
        }
    }

    /// The gradient of every kernel is that of finite differences. Everything before it is
    /// positive, so that no ReLU bends.
    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let net = Keypoints::tiny(&mut rng, &device);
        let side = Keypoints::SMALLEST;
        let x = rng
            .normals(2 * side * side)
            .into_iter()
            .map(f32::abs)
            .collect::<Vec<_>>();
        let x = Tensor::<4>::from_data(TensorData::new(x, [2, 1, side, side]), &device);
        let weights = matrix(vec![1.0, -0.4, 0.7, 2.0], 4, &device);
        let error = worst_error_of_smooth(&net, 1e-3, |net| {
            (net.forward(x.clone()) * weights.clone()).sum() * 10.0
        });
        assert!(error < 2e-2, "{error}");
    }
}
