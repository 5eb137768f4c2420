//! What our files say of a dataset beside what robomimic's form has room for, so that one that is
//! exported and imported again is the same: the attribute `protege` of `data` and of each
//! demonstration. Other programs pass it over.

use super::hdf5::{Attributes, Node};
use protege_core::Result;
use protege_core::data::{Episode, Meta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The attribute.
pub const NAME: &str = "protege";

/// What is said of a demonstration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// [`Episode::seed`].
    pub seed: u64,
    /// [`Episode::success`].
    pub success: bool,
    /// [`Episode::terminated`].
    pub terminated: bool,
}

impl Mark {
    /// What is to be said of an episode.
    pub fn of(episode: &Episode) -> Self {
        Self {
            seed: episode.seed,
            success: episode.success,
            terminated: episode.terminated,
        }
    }

    /// What is said of a demonstration; none in files of others.
    ///
    /// # Errors
    /// When it is no good.
    pub fn of_demo(demo: &Node, attributes: &Attributes) -> Result<Option<Self>> {
        said(demo, attributes)
    }
}

/// What is said of the whole dataset; none in files of others.
///
/// # Errors
/// When it is no good.
pub fn of_data(data: &Node) -> Result<Option<Meta>> {
    said(data, &data.attributes()?)
}

/// What is written of either.
///
/// # Errors
/// None: both are plain data.
pub fn text<T: Serialize>(said: &T) -> std::io::Result<String> {
    serde_json::to_string(said).map_err(std::io::Error::other)
}

fn said<T: DeserializeOwned>(node: &Node, attributes: &Attributes) -> Result<Option<T>> {
    let Some(text) = attributes.text(NAME)? else {
        return Ok(None);
    };
    let read = serde_json::from_str(text);
    let damaged = |error| node.fault(&format!("@{NAME}"), format!("is damaged ({error})"));
    read.map(Some).map_err(damaged)
}
