//! Simplicial normalization, SimNorm, which bounds TD-MPC2's latent states (Lavoie et al. 2023;
//! TD-MPC2, sec. 3.1).

use burn::tensor::{Tensor, activation::softmax};

/// Softmax within each group of `group` neighbors of a row: every group is a point of a simplex.
/// `[.., width] -> [.., width]`, where `width` is a multiple of `group`.
pub(crate) fn simnorm(x: Tensor<3>, group: usize) -> Tensor<3> {
    #[cfg(feature = "gpu")]
    if let Some(y) = super::gpu::simnorm(&x, group) {
        return y;
    }
    let shape = x.dims();
    softmax(x.reshape([-1, group as i32]), 1).reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use pollster::block_on;

    /// Each group sums to 1 and is the softmax of its own numbers.
    #[test]
    fn every_group_is_a_point_of_a_simplex() {
        let x = Tensor::<3>::from_floats(
            [[[0.0, 1.0, 5.0, 5.0], [-2.0, -2.0, 3.0, 2.0]]],
            &Device::flex(),
        );
        let y = block_on(crate::nn::read(simnorm(x, 2))).unwrap();
        let high = 1.0 / (1.0 + f32::exp(-1.0));
        let low = 1.0 / (1.0 + f32::exp(1.0));
        let expected = [low, high, 0.5, 0.5, 0.5, 0.5, high, low];
        assert!(
            y.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-6),
            "{y:?}"
        );
    }
}
