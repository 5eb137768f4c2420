//! Demonstrations from pictures as the ensemble reads them: through the image encoder of a policy
//! that was cloned from them, and is then frozen.

use super::ensemble::PREDICT_ROWS;
use crate::data::{Archive, Normaliser, Pairs};
use crate::nn::{self, Observations};
use crate::policy::Policy;
use crate::{Error, Result};
use burn::tensor::Device;

/// The least range by which a feature is scaled. Places in pictures go from -1 to 1, so that this
/// is half a pixel of 84: what varies by less is noise. Other encoders' features are as large,
/// or larger.
const LEAST_SPAN: f32 = 1e-2;

/// Where the features lie in an archive.
const FEATURES: &str = "ensemble/features";

/// The pairs with what a policy's image encoder finds in place of their pictures, scaled to [-1, 1]
/// as numbers are: the spread of an ensemble depends on how far apart its inputs are.
pub(super) async fn through(policy: &Policy, pairs: &Pairs, device: &Device) -> Result<Pairs> {
    let numbers = pairs.obs_dim;
    let inner_device = device.clone().without_autodiff();
    let all: Vec<usize> = (0..pairs.len()).collect();
    let mut features = Vec::new();
    for rows in all.chunks(PREDICT_ROWS) {
        let (obs, _) = pairs.gather(rows);
        let images = pairs.images_at(rows);
        let obs = Observations::new(obs, numbers, &images, &inner_device);
        let seen = policy.net.features(obs);
        let found = seen.dims()[1] - numbers;
        features.extend(nn::read(seen.narrow(1, numbers, found)).await?);
    }
    let found = features.len() / pairs.len();
    let scale = Normaliser::fit(&features, found)?.with_least_span(LEAST_SPAN);
    Ok(with_features(pairs, &scale.apply(&features)))
}

/// The pairs with features at the end of their numbers, in place of pictures.
fn with_features(pairs: &Pairs, features: &[f32]) -> Pairs {
    let found = features.len() / pairs.len();
    let rows = (0..pairs.len()).zip(features.chunks(found.max(1)));
    let obs = rows.flat_map(|(i, row)| pairs.obs_at(i).iter().chain(row).copied());
    Pairs {
        obs: obs.collect(),
        images: Vec::new(),
        actions: pairs.actions.clone(),
        episode_pairs: pairs.episode_pairs.clone(),
        obs_dim: pairs.obs_dim + found,
        action_dim: pairs.action_dim,
    }
}

/// Writes the features of `seen`, of pairs with so many numbers, into the archive.
pub(super) fn save(seen: &Pairs, archive: &mut Archive) {
    let shape = [seen.len(), seen.obs_dim];
    archive.put_f32(FEATURES, &shape, seen.obs.clone());
}

/// Restores what [`save`] wrote about these pairs; none where they have no pictures.
pub(super) fn load(archive: &Archive, pairs: &Pairs) -> Result<Option<Pairs>> {
    if pairs.images.is_empty() {
        return Ok(None);
    }
    let (shape, values) = archive.get_f32(FEATURES)?;
    let width = shape.get(1).copied().unwrap_or(0);
    if width <= pairs.obs_dim || shape != [pairs.len(), width] {
        return Err(Error::input(format!(
            "the checkpoint's features have shape {shape:?}, but there are {} pairs: use an \
             undamaged checkpoint",
            pairs.len()
        )));
    }
    Ok(Some(Pairs {
        obs: values.to_vec(),
        images: Vec::new(),
        obs_dim: width,
        ..pairs.clone()
    }))
}
