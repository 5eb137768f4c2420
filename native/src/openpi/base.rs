//! A served policy in the place of a pretrained one.

use super::{Actions, Client, Settings, Value};
use protege_core::env::View;
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
    view: View,
}

/// Connects a run with the policy that it is to build on; a key is taken from `OPENPI_API_KEY`.
pub fn connect(config: &ServedConfig, sizes: Sizes, view: View) -> Result<Remote> {
    let settings = Settings {
        api_key: std::env::var(API_KEY).ok(),
        ..Settings::default()
    };
    let client = Client::connect(&config.address, settings)?;
    Ok(Remote(Arc::new(Base {
        client: Mutex::new(client),
        config: config.clone(),
        sizes,
        view,
    })))
}

impl Serve for Base {
    fn view(&self) -> View {
        self.view
    }

    fn chunks(&self, rows: &[f32]) -> Result<Vec<f32>> {
        // A client that another thread left in the midst of a request has dropped its connection.
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chunks = Vec::new();
        for row in rows.chunks(self.sizes.obs + self.view.pixels()) {
            chunks.extend(self.chunk(&client.act(&self.observation(row))?)?);
        }
        Ok(chunks)
    }
}

impl Base {
    /// What the server is told: the numbers, the newest frame, and what to do.
    fn observation(&self, row: &[f32]) -> Value {
        let ServedConfig {
            state,
            image,
            prompt,
            ..
        } = &self.config;
        let numbers = self.view.split(row).0;
        let mut parts = vec![(
            state.clone(),
            Value::Floats(vec![numbers.len()], numbers.to_vec()),
        )];
        if let Some(frame) = self.view.newest(row) {
            let names = image
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            let picture =
                Value::Bytes(vec![self.view.size, self.view.size, 3], interleaved(&frame));
            parts.extend(names.map(|name| (name.to_owned(), picture.clone())));
        }
        parts.push(("prompt".to_owned(), Value::Text(prompt.clone())));
        Value::Map(parts)
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
