//! Simulations that broke, played again from the file that they left.

use super::{Records, maker};
use protege_core::{Error, Result};
use serde::Serialize;

/// How a simulation that broke went when it was played again from its last finite state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// `suite/task/number`.
    pub key: String,
    /// Actions in the file.
    pub steps: usize,
    /// What was observed after each action, until it broke.
    pub obs: Vec<Vec<f64>>,
    /// The sentence that says that it broke, if it did so again.
    pub broke: Option<String>,
}

impl Records<'_> {
    /// Plays the actions after which a simulation broke once more; `None` where the file has no
    /// such state under this key.
    ///
    /// # Errors
    /// When the file is incomplete or of another scene.
    pub fn replay(&self, key: &str) -> Result<Option<Replayed>> {
        let state = self.numbers(&format!("{key}/init/numbers"))?;
        let actions = self.numbers(&format!("{key}/actions"))?;
        let (Some(state), Some(actions), Some((id, _)), Some(make)) =
            (state, actions, key.rsplit_once('/'), maker(key))
        else {
            return Ok(None);
        };
        let mut env = make(id)?;
        env.resume(&state.values)?;
        let mut replayed = Replayed {
            key: key.to_owned(),
            steps: actions.shape[0],
            obs: Vec::new(),
            broke: None,
        };
        for (action, number) in actions.rows().zip(1..) {
            match env.play(action, number) {
                Ok(played) => replayed.obs.push(played.obs),
                Err(Error::Broken { sentence, .. }) => {
                    replayed.broke = Some(sentence);
                    break;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Some(replayed))
    }
}
