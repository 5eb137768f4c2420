//! Building blocks used by two methods or more.

pub mod adam;
pub(crate) mod batch_normed;
pub(crate) mod categorical;
pub(crate) mod convolutions;
pub(crate) mod cycles;
mod fused;
#[cfg(test)]
pub(crate) mod gradient_check;
pub(crate) mod hetstat;
pub(crate) mod image_encoder;
pub(crate) mod linear;
pub(crate) mod mlp;
pub(crate) mod observations;
pub mod params;
pub(crate) mod pictures;
pub mod residual;
pub(crate) mod sgd;
pub(crate) mod simnorm;
pub mod traffic;
pub(crate) mod transformer;
pub(crate) mod two_hot;

pub use adam::{Adam, AdamConfig};
pub(crate) use batch_normed::{BatchNormed, Statistics};
pub use categorical::Atoms;
pub(crate) use convolutions::{Convolutions, Patches, SMALLEST_IMAGE};
pub(crate) use cycles::CosineCycles;
#[cfg(feature = "gpu")]
pub(crate) use fused::gpu;
pub(crate) use hetstat::{Gaussians, Hetstat, HetstatConfig};
pub use image_encoder::ImageEncoderKind;
pub(crate) use image_encoder::keypoints::Keypoints;
pub(crate) use image_encoder::{ImageEncoder, vit_patches};
pub(crate) use linear::Linear;
pub(crate) use mlp::Initial;
pub use mlp::{Activation, Mlp};
pub use observations::Observations;
pub use pictures::Pictures;
pub use residual::Residual;
pub use sgd::descend;
pub(crate) use simnorm::simnorm;
pub use traffic::{Traffic, upload};
pub(crate) use transformer::Transformer;
pub(crate) use two_hot::TwoHot;

use burn::tensor::{Device, Tensor};

/// A `[rows, columns]` tensor from row-major values.
pub fn matrix(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    upload(values, [rows, columns], device)
}

/// Reads a tensor back to the host, row-major. Asynchronous because WebGPU in a browser has no
/// blocking read.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> crate::Result<Vec<f32>> {
    traffic::count_read();
    let data = tensor.into_data_async().await.map_err(|e| {
        crate::Error::failed(format!("the device could not return a tensor: {e:?}"))
    })?;
    data.try_into_vec::<f32>().map_err(|e| {
        crate::Error::failed(format!(
            "the device returned a tensor that is not f32: {e:?}"
        ))
    })
}

/// The values of several tensors, read back together: a GPU is waited for once.
///
/// # Errors
/// When the device fails.
pub(crate) async fn read_together(tensors: Vec<Tensor<1>>) -> crate::Result<Vec<Vec<f32>>> {
    let lengths: Vec<usize> = tensors.iter().map(|tensor| tensor.dims()[0]).collect();
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = read(Tensor::cat(tensors, 0)).await?.into_iter();
    let parts = lengths.into_iter();
    Ok(parts
        .map(|length| values.by_ref().take(length).collect())
        .collect())
}

/// Waits until the device has finished its queue. A GPU in a browser can be any amount of work
/// behind.
pub async fn synchronize(device: &Device) -> crate::Result<()> {
    if *device == Device::flex() {
        Ok(())
    } else {
        scalar(Tensor::zeros([1], device)).await.map(drop)
    }
}

/// Reads a one-element tensor back to the host.
pub async fn scalar(tensor: Tensor<1>) -> crate::Result<f32> {
    Ok(read(tensor).await?[0])
}
