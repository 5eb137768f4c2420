//! A served policy in the place of a pretrained one.

use super::{Actions, Client, Settings, Value};
use protege_core::obs::{Images, ObsBatch};
use protege_core::policy::{Remote, Serve, ServedConfig, Sizes};
use protege_core::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};

/// The environment variable that holds the key for a server that asks for one.
const API_KEY: &str = "OPENPI_API_KEY";

/// A connection that is asked row by row.
struct Base {
    client: Mutex<Client>,
    config: ServedConfig,
    sizes: Sizes,
}

/// Connects a run with the policy that it is to build on; a key is taken from `OPENPI_API_KEY`.
pub fn connect(config: &ServedConfig, sizes: Sizes) -> Result<Remote> {
    let settings = Settings {
        api_key: std::env::var(API_KEY).ok(),
        ..Settings::default()
    };
    let client = Client::connect(&config.address, settings)?;
    Ok(Remote(Arc::new(Base {
        client: Mutex::new(client),
        config: config.clone(),
        sizes,
    })))
}

impl Serve for Base {
    fn chunks(&self, obs: &ObsBatch) -> Result<Vec<f32>> {
        // A client that another thread left in the midst of a request has dropped its connection.
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chunks = Vec::new();
        for i in 0..obs.len() {
            let asked = self.observation(&obs.slice(i..i + 1));
            chunks.extend(self.chunk(&client.act(&asked)?)?);
        }
        Ok(chunks)
    }
}

impl Base {
    /// What the server is told of one observation: the state, the newest frames, and what to do.
    fn observation(&self, obs: &ObsBatch) -> Value {
        let ServedConfig { state, prompt, .. } = &self.config;
        let numbers = obs.state(0).to_vec();
        let mut parts = vec![(state.clone(), Value::Floats(vec![numbers.len()], numbers))];
        parts.extend(self.pictures(obs.images()));
        parts.push(("prompt".to_owned(), Value::Text(prompt.clone())));
        Value::Map(parts)
    }

    /// The newest frame of each camera under its name; one camera has all names.
    fn pictures(&self, seen: &[Images]) -> Vec<(String, Value)> {
        let names = self.config.image.split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        let cameras = match seen {
            [only] => vec![only; names.clone().count()],
            several => several.iter().collect(),
        };
        let picture = |images: &Images| {
            let size = images.camera.size;
            Value::Bytes(vec![size, size, 3], interleaved(images.newest()))
        };
        names
            .zip(cameras)
            .map(|(name, images)| (name.to_owned(), picture(images)))
            .collect()
    }

    /// As many of the actions as a chunk has, within ±1.
    fn chunk(&self, Actions { count, act, values }: &Actions) -> Result<Vec<f32>> {
        let Sizes {
            act: own, chunk, ..
        } = self.sizes;
        if *act != own || *count < chunk {
            return Err(Error::input(format!(
                "the policy served at {} answers {count} actions of {act} numbers, but {chunk} of \
                 {own} are needed: serve a policy for this task, or set policy.chunk to {count} or \
                 less",
                self.config.address
            )));
        }
        Ok(values[..self.sizes.chunk_len()]
            .iter()
            .map(|a| a.clamp(-1.0, 1.0))
            .collect())
    }
}

/// Rows of red, of green, of blue as pixels of three colors, which is how pictures are sent.
fn interleaved(planes: &[u8]) -> Vec<u8> {
    let n = planes.len() / 3;
    (0..n)
        .flat_map(|i| [planes[i], planes[n + i], planes[2 * n + i]])
        .collect()
}
