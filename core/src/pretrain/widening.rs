//! How the cloning loop widens its targets: what tells the pretraining methods apart.

use super::post_bc::Posterior;
use crate::Result;
use crate::data::{Archive, Pairs};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// What is added to an action chunk whenever its pair is used.
#[derive(Debug, Clone, PartialEq)]
pub enum Widening {
    /// Nothing: behavioral cloning.
    None,
    /// The same Gaussian everywhere, of this standard deviation in scaled actions: sigma-BC.
    Uniform(f32),
    /// The posterior at the pair: PostBC.
    Posterior(Posterior),
}

/// What the archive says about a widening; a posterior follows.
#[derive(Serialize, Deserialize)]
enum Kind {
    None,
    Uniform(f32),
    Posterior,
}

impl Widening {
    /// Widens the target chunks of the pairs in `indices`, with fresh draws.
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

    /// Restores what [`Widening::save`] wrote about the pairs of `data`.
    pub fn load(archive: &Archive, data: &Pairs) -> Result<Self> {
        Ok(match archive.get("widening")? {
            Kind::None => Self::None,
            Kind::Uniform(sigma) => Self::Uniform(sigma),
            Kind::Posterior => Self::Posterior(Posterior::load(archive, data)?),
        })
    }
}
