//! What a suite says of recordings that its upstream's programs have made, so that they become
//! demonstrations of its tasks.

use protege_core::Result;
use protege_core::env::StepOutcome;
use serde_json::Value;

/// What the files of a suite's upstream mean here.
#[derive(Clone, Copy)]
pub struct Recordings {
    /// Checks that actions mean here what they meant in the environment that robomimic's `env_args`
    /// describe; what of it is not quite the same, in sentences.
    pub check: fn(env_args: &Value) -> Result<Vec<String>>,
    /// Makes the task `id` for recorded states.
    pub states: fn(id: &str) -> Result<Box<dyn States>>,
}

/// A task that can be put into the states of a recording, one after the other.
pub trait States {
    /// Begins with a recording's first state; `model` is the text of the scene that the recording
    /// names, if it does. What is observed.
    ///
    /// # Errors
    /// A clause about the state or the scene that is no good.
    fn begin(&mut self, state: &[f64], model: Option<&str>) -> Result<Vec<f32>>;
    /// Goes on to the next state: what is observed, and whether the success rule holds.
    ///
    /// # Errors
    /// A clause about the state that is no good.
    fn next(&mut self, state: &[f64]) -> Result<StepOutcome>;
}
