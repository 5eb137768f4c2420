//! A policy that another program serves: it is asked for chunks, and never learns.
//!
//! Core knows no networks of that kind: a program that can reach one gives a run the way to it
//! ([`Connect`]).

use super::Sizes;
use crate::obs::ObsBatch;
use crate::settings::Settings;
use crate::{Error, Result};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a policy is served, and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct ServedConfig {
    /// `openpi://host:port`; set by `--base`.
    #[setting(value = "")]
    pub address: String,
    /// What it is told to do, under the name `prompt`; empty: the task's name in words.
    #[setting(value = "")]
    pub prompt: String,
    /// The name under which it is told the state.
    #[setting(value = "observation/state", source = "openpi's examples")]
    pub state: String,
    /// The names, with commas between them, under which it is shown the newest frame of each camera
    /// of `env.cameras`, in their order. Where there is one camera, it has all the names.
    #[setting(value = "observation/image", source = "openpi's examples")]
    pub image: String,
}
/// Makes the connection that a configuration describes, for a policy that reads and writes this.
pub type Connect = fn(&ServedConfig, Sizes) -> Result<Remote>;

/// For programs without a way to served policies.
///
/// # Errors
/// Always.
pub fn unreachable(config: &ServedConfig, _: Sizes) -> Result<Remote> {
    Err(Error::input(format!(
        "the policy at {} cannot be reached from here: use the native program",
        config.address
    )))
}

/// Whoever is asked.
pub trait Serve: Send + Sync {
    /// Raw observations to raw chunks of actions.
    ///
    /// # Errors
    /// When there is no usable answer.
    fn chunks(&self, obs: &ObsBatch) -> Result<Vec<f32>>;
}

/// A connection that several may use.
#[derive(Clone)]
pub struct Remote(pub Arc<dyn Serve>);

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remote")
    }
}

/// In the place of a network.
#[derive(Module, Debug)]
pub struct Served {
    /// None until the run has connected it.
    #[module(skip)]
    remote: Option<Remote>,
}

impl Served {
    /// Asks nobody yet.
    pub fn unconnected() -> Self {
        Self { remote: None }
    }

    /// Asks `remote`.
    pub fn by(remote: Remote) -> Self {
        Self {
            remote: Some(remote),
        }
    }

    /// See [`Serve::chunks`].
    ///
    /// # Errors
    /// When nobody is connected, or gives no usable answer.
    pub fn chunks(&self, obs: &ObsBatch) -> Result<Vec<f32>> {
        let remote = self
            .remote
            .as_ref()
            .ok_or_else(|| Error::failed("the served policy is not connected"))?;
        remote.0.chunks(obs)
    }
}
