//! Noise on the targets of the cloning loop: the difference between BC, sigma-BC and PostBC.

use super::post_bc::Posterior;
use crate::Result;
use crate::data::{Archive, Pairs};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Noise added to an action chunk whenever its pair is used.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetNoise {
    /// Nothing: behavioral cloning.
    None,
    /// The same Gaussian everywhere, of this standard deviation in scaled actions: sigma-BC.
    Uniform(f32),
    /// The posterior at the pair: PostBC.
    Posterior(Posterior),
}

/// The kind as the archive holds it; a posterior's numbers follow.
#[derive(Serialize, Deserialize)]
enum Kind {
    None,
    Uniform(f32),
    Posterior,
}

impl TargetNoise {
    /// Adds fresh noise to the target chunks of the pairs in `indices`.
    pub fn perturb(&self, indices: &[usize], chunks: &mut [f32], rng: &mut Rng) {
        match self {
            Self::None => {}
            Self::Uniform(sigma) => chunks
                .iter_mut()
                .for_each(|a| *a += sigma * rng.normal() as f32),
            Self::Posterior(posterior) => posterior.perturb(indices, chunks, rng),
        }
    }

    /// Writes it into the archive.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn save(&self, archive: &mut Archive) -> Result<()> {
        let kind = match self {
            Self::None => Kind::None,
            Self::Uniform(sigma) => Kind::Uniform(*sigma),
            Self::Posterior(posterior) => {
                posterior.save(archive)?;
                Kind::Posterior
            }
        };
        archive.put("widening", &kind)
    }

    /// Restores what [`TargetNoise::save`] wrote about the pairs of `data`.
    pub fn load(archive: &Archive, data: &Pairs) -> Result<Self> {
        Ok(match archive.get("widening")? {
            Kind::None => Self::None,
            Kind::Uniform(sigma) => Self::Uniform(sigma),
            Kind::Posterior => Self::Posterior(Posterior::load(archive, data)?),
        })
    }
}
