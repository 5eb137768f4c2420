//! What a suite says of recordings that its upstream's programs have made, so that they become
//! demonstrations of its tasks.

use protege_core::Result;
use protege_core::env::StepOutcome;
use serde_json::Value;

/// What the files of a suite's upstream mean here.
#[derive(Clone, Copy)]
pub struct Recordings {
    /// The controller of the environment that robomimic's `env_args` describe, in the words of
    /// `env.controller`. What cannot be played here is an error.
    pub controller: fn(env_args: &Value) -> Result<String>,
    /// Makes `env_args` that ask for the usual controller ask for another one, said in words.
    pub ask_for: fn(controller: &str, env_args: &mut Value) -> Result<()>,
    /// Makes the task `id` for states that were recorded under a controller.
    pub states: fn(id: &str, controller: &str) -> Result<Box<dyn States>>,
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
