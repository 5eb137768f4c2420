//! A served policy in the place of a pretrained one.

use super::{Actions, Client, Settings, Value, api_key};
use crate::interrupt;
use protege_core::obs::{Images, ObsBatch};
use protege_core::policy::{Remote, Serve, ServedConfig, Sizes};
use protege_core::{Error, Result};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A server that has answered and is away now is likely being started again: loading a large policy
/// takes minutes.
const RESTART: Duration = Duration::from_secs(300);

/// Addresses that have greeted this program. Those that never did may be misspelled.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A connection that is asked row by row.
struct Base {
    client: Mutex<Client>,
    config: ServedConfig,
    sizes: Sizes,
    /// Whether an answer was of the right sizes.
    fits: AtomicBool,
}

/// Connects a run with the policy that it is to build on; a key is taken from `OPENPI_API_KEY`.
///
/// # Errors
/// When the address, the key or a name cannot be sent, or no policy server answers.
pub fn connect(config: &ServedConfig, sizes: Sizes) -> Result<Remote> {
    let patient = Settings {
        absence: RESTART,
        tell,
        ..settings()?
    };
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let first = if known().contains(&config.address) {
        patient.clone()
    } else {
        settings()?
    };
    let mut client = Client::connect(&config.address, first)?;
    client.settings = patient;
    known().insert(config.address.clone());
    Ok(Remote(Arc::new(Base {
        client: Mutex::new(client),
        config: config.clone(),
        sizes,
        fits: AtomicBool::new(false),
    })))
}

/// What the environment says, and Ctrl-C.
fn settings() -> Result<Settings> {
    Ok(Settings {
        api_key: api_key()?,
        stop: interrupt::wish(),
        ..Settings::default()
    })
}

/// Says something beside the progress of a run. Nobody may be there to read it.
fn tell(what: &str) {
    let mut stderr = std::io::stderr();
    // On a terminal, a bar stands in the line.
    let begin = if stderr.is_terminal() { "\n" } else { "" };
    writeln!(stderr, "{begin}note: {what}").ok();
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

    /// The newest frame of each camera under its name.
    fn pictures(&self, seen: &[Images]) -> Vec<(String, Value)> {
        let picture = |images: &Images| {
            let size = images.camera.size;
            Value::Bytes(vec![size, size, 3], interleaved(images.newest()))
        };
        let names = self.config.image_names().zip(seen);
        names
            .map(|(name, images)| (name.to_owned(), picture(images)))
            .collect()
    }

    /// As many of the actions as a chunk has, within ±1.
    fn chunk(&self, Actions { count, act, values }: &Actions) -> Result<Vec<f32>> {
        let Sizes {
            act: own, chunk, ..
        } = self.sizes;
        let address = &self.config.address;
        if *act != own {
            return Err(self.misfit(format!(
                "the policy served at {address} answers actions of {act} numbers, but those of \
                 the task have {own}: serve a policy for this task"
            )));
        }
        if *count < chunk {
            return Err(self.misfit(format!(
                "the policy served at {address} answers {count} actions at a time, but {chunk} \
                 are played before the next request: set policy.chunk to {count} or less"
            )));
        }
        self.fits.store(true, Ordering::Relaxed);
        let played = &values[..self.sizes.chunk_len()];
        Ok(played.iter().map(|a| a.clamp(-1.0, 1.0)).collect())
    }

    /// Answers that do not fit from the beginning are of a wrong server or setting; later ones are
    /// of a server that has changed, and what was done before is worth keeping.
    fn misfit(&self, sentence: String) -> Error {
        if self.fits.load(Ordering::Relaxed) {
            Error::Unserved(sentence)
        } else {
            Error::input(sentence)
        }
    }
}

/// Rows of red, of green, of blue as pixels of three colors, which is how pictures are sent.
fn interleaved(planes: &[u8]) -> Vec<u8> {
    let n = planes.len() / 3;
    (0..n)
        .flat_map(|i| [planes[i], planes[n + i], planes[2 * n + i]])
        .collect()
}
