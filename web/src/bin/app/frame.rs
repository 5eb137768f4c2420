//! What surrounds every app: where its files are, how it should look, and whom it tells.

use protege_web::Choice;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use yew::Callback;

/// Which app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Two policies side by side.
    #[default]
    Race,
    /// A person demonstrates.
    Teach,
    /// The tabular theory.
    Theory,
}

/// How many controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Controls {
    /// All of them.
    #[default]
    Full,
    /// Start and pause.
    Basic,
    /// None: the surrounding page has its own.
    None,
}

/// The options that are not a [`Choice`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Frame {
    /// Which app.
    pub kind: Kind,
    /// How many controls.
    pub controls: Controls,
    /// Whether to start at once.
    pub autostart: bool,
    /// Where the files are.
    pub base: String,
    /// Whether the address bar mirrors the choice.
    pub hash: bool,
}

/// Names of [`Frame`]'s options.
const FRAME: [&str; 5] = ["kind", "controls", "autostart", "base", "hash"];

/// Reads the options of an element; the address bar wins over them where it is to be mirrored.
///
/// # Errors
/// One sentence that names what does not fit.
pub fn read(options: &str, hash: &str) -> Result<(Frame, Choice), String> {
    let all: Map<String, Value> = serde_json::from_str(options)
        .map_err(|e| format!("The options are no JSON object: {e}"))?;
    let (frame, choice): (Map<_, _>, Map<_, _>) = all
        .into_iter()
        .partition(|(key, _)| FRAME.contains(&key.as_str()));
    let frame: Frame = serde_json::from_value(Value::Object(frame))
        .map_err(|e| format!("An option does not fit: {e}"))?;
    let mut choice = change(&Choice::default(), &choice)?;
    if frame.hash {
        choice = choice
            .with_hash(hash)
            .map_err(|e| format!("The link does not fit: {e}"))?;
    }
    Ok((frame, choice))
}

/// A choice with some settings changed.
///
/// # Errors
/// One sentence that names what does not fit.
pub fn change(choice: &Choice, settings: &Map<String, Value>) -> Result<Choice, String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    settings
        .iter()
        .try_fold(choice.clone(), |choice, (key, value)| {
            choice.with(key, &text(value)).map_err(|e| e.to_string())
        })
}

/// Whom an app tells what happens, as JSON.
#[derive(Clone, PartialEq)]
pub struct Events(pub Callback<String>);

impl Events {
    /// Tells it.
    pub fn emit(&self, event: &Value) {
        self.0.emit(event.to_string());
    }

    /// Something went wrong.
    pub fn error(&self, message: &str) {
        self.emit(&json!({ "type": "error", "message": message }));
    }
}

/// A command from outside.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Command {
    /// Learn.
    Start,
    /// Rest.
    Pause,
    /// One step.
    Step,
    /// From the beginning.
    Reset,
    /// Change settings; a run begins anew.
    Set {
        /// Which, and to what.
        options: Map<String, Value>,
    },
}
