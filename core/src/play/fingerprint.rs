//! What this machine computes.

use crate::Result;
use crate::data::sha256;
use crate::nn::{self, Activation, Mlp};
use crate::rng::Rng;
use burn::tensor::Device;

/// Networks that are tried, from a policy's sizes to the largest: products are cut into parts as
/// the processor's caches are large.
const NETWORKS: [&[usize]; 3] = [&[23, 64, 32], &[40, 512, 512, 32], &[9, 1024, 2048, 48]];
/// Numbers of rows that are tried.
const ROWS: [usize; 4] = [1, 2, 20, 70];

/// A few digits that are the same on machines which compute the same bits: the products of matrices
/// are rounded as the processor's instructions and caches are.
///
/// # Errors
/// When the device fails.
pub async fn fingerprint() -> Result<String> {
    let device = Device::flex();
    let mut bytes = Vec::new();
    for sizes in NETWORKS {
        let mut rng = Rng::new(0, "fingerprint", 0);
        let network = Mlp::new(1, sizes, Activation::Mish, &mut rng, &device);
        for rows in ROWS {
            let x = nn::matrix(rng.normals(rows * sizes[0]), sizes[0], &device);
            let y = nn::read(network.forward_one(x)).await?;
            bytes.extend(y.iter().flat_map(|number| number.to_le_bytes()));
        }
    }
    let mut digits = sha256(&bytes);
    digits.truncate(16);
    Ok(digits)
}
