//! Episodes and the data made of them: datasets, normalizer, bootstraps, replay; and the archive of
//! checkpoints.

mod container;

pub mod archive;
pub mod bootstrap;
pub mod dataset;
pub mod episode;
pub mod frames;
pub mod history;
pub(crate) mod normaliser;
pub mod pairs;
pub mod replay;
pub mod sequences;

pub use archive::Archive;
pub use bootstrap::Bootstrap;
pub use dataset::{Dataset, Meta};
pub use episode::Episode;
pub use frames::Frames;
pub use history::History;
pub use normaliser::Normaliser;
pub use pairs::Pairs;
pub(crate) use pairs::Scales;
pub use replay::{Batch, Replay};
pub(crate) use sequences::{BalancedSampler, Continuation};
pub use sequences::{SequenceBatch, SequenceIndex, SequenceReplay};

use sha2::{Digest, Sha256};

/// The version of this code, as files record it.
pub const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new().chain_update(bytes))
}

/// A finished hash, in hexadecimal.
fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
