//! A policy that another program serves: it is queried for chunks, and never learns.
//!
//! Core has no network connections: a program that has them gives a run the way to a served policy
//! ([`Connect`]).

use super::Sizes;
use crate::obs::ObsBatch;
use crate::settings::Settings;
use crate::{Error, Result};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Address of a served policy, and the names of its inputs.
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
    /// of `env.cameras`, in their order: as many as there are cameras.
    #[setting(value = "observation/image", source = "openpi's examples")]
    pub image: String,
}

impl ServedConfig {
    /// The names of what cameras see.
    pub fn image_names(&self) -> impl Iterator<Item = &str> + Clone {
        let names = self.image.split(',').map(str::trim);
        names.filter(|name| !name.is_empty())
    }

    /// Says in one sentence what cannot be told a policy server that is shown what so many cameras
    /// see, if anything cannot.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn check(&self, cameras: usize) -> Result<()> {
        let texts = [
            ("address", &self.address),
            ("prompt", &self.prompt),
            ("state", &self.state),
            ("image", &self.image),
        ];
        for (key, text) in texts {
            if let Some(place) = text.chars().position(char::is_control) {
                return Err(Error::input(format!(
                    "policy.served.{key} has a control character at place {}: write it as one \
                     line of text",
                    place + 1
                )));
            }
        }
        let seen = self.image_names().filter(|_| cameras > 0);
        let seen: Vec<&str> = seen.collect();
        let all = || {
            ["prompt", self.state.as_str()]
                .into_iter()
                .chain(seen.iter().copied())
        };
        let twice = all().find(|name| all().filter(|other| other == name).count() > 1);
        if let Some(name) = twice {
            return Err(Error::input(format!(
                "the served policy would be told two things under the name `{name}`: give each a \
                 name of its own in policy.served.state and policy.served.image; `prompt` is taken"
            )));
        }
        if self.state.is_empty() {
            return Err(Error::input(
                "policy.served.state is empty: set it to the name of the state",
            ));
        }
        if seen.len() != cameras {
            return Err(Error::input(format!(
                "policy.served.image has {} names, but env.cameras has {cameras}: name what each \
                 camera sees, with commas between",
                seen.len()
            )));
        }
        Ok(())
    }
}

/// Connects to the policy that a configuration describes, for these sizes.
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

/// A policy at the other end of a connection.
pub trait Serve: Send + Sync {
    /// Raw observations to raw action chunks.
    ///
    /// # Errors
    /// When there is no usable answer. Nothing of a run has changed then.
    fn chunks(&self, obs: &ObsBatch) -> Result<Vec<f32>>;
}

/// A shared connection.
#[derive(Clone)]
pub struct Remote(pub Arc<dyn Serve>);

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remote")
    }
}

/// A served policy in the place of a network.
#[derive(Module, Debug)]
pub struct Served {
    /// None until the run has connected it.
    #[module(skip)]
    remote: Option<Remote>,
}

impl Served {
    /// Without a connection.
    pub(crate) fn unconnected() -> Self {
        Self { remote: None }
    }

    /// With the connection `remote`.
    pub(crate) fn by(remote: Remote) -> Self {
        Self {
            remote: Some(remote),
        }
    }

    /// See [`Serve::chunks`].
    ///
    /// # Errors
    /// When there is no connection, or no usable answer.
    pub fn chunks(&self, obs: &ObsBatch) -> Result<Vec<f32>> {
        let remote = self
            .remote
            .as_ref()
            .ok_or_else(|| Error::failed("the served policy is not connected"))?;
        remote.0.chunks(obs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each camera has a name of its own: more names than cameras, or fewer, are refused, and none
    /// are needed where nothing is seen.
    #[test]
    fn names_and_cameras_are_as_many() {
        let named = |image: &str| ServedConfig {
            address: "openpi://host:8000".into(),
            prompt: String::new(),
            state: "state".into(),
            image: image.into(),
        };
        for (names, cameras) in [("front", 1), ("front, wrist", 2), ("front", 0), ("", 0)] {
            assert!(named(names).check(cameras).is_ok(), "{names}: {cameras}");
        }
        for (names, cameras) in [("front, wrist", 1), ("front", 2), ("", 1)] {
            let sentence = named(names).check(cameras).unwrap_err().to_string();
            let counts = format!("env.cameras has {cameras}");
            assert!(sentence.contains(&counts), "{sentence}");
        }
        let sentence = named("front, front").check(2).unwrap_err().to_string();
        assert!(sentence.contains("two things"), "{sentence}");
    }
}
