//! The race's settings.
//!
//! A component of its own, so that it is not drawn anew with every event of a worker: what a
//! visitor is typing would be lost.

use crate::controls::{self, Changed, Range};
use crate::words;
use protege_core::settings::{Field, Kind};
use protege_web::Choice;
use protege_web::choice::{ALPHA, DEMOS, MEMBERS, SEED};
use yew::{Html, Properties, component, html};

/// Lanes that can be had side by side.
const LANES: [&str; 5] = [
    "bc,post-bc",
    "bc,sigma-bc,post-bc",
    "sigma-bc,post-bc",
    "bc",
    "post-bc",
];

/// The settings, and who is told of a change.
#[derive(Properties, PartialEq)]
pub struct Props {
    /// The settings.
    pub choice: Choice,
    /// Whom to tell.
    pub changed: Changed,
}

/// The form.
#[component]
pub fn Form(Props { choice, changed }: &Props) -> Html {
    let named = |list: &[(&'static str, &'static str, &'static str)]| {
        list.iter()
            .map(|&(id, name, _)| (id, name))
            .collect::<Vec<_>>()
    };
    let about = |list: &[(&str, &'static str, &'static str)], id: &str| {
        list.iter()
            .find(|entry| entry.0 == id)
            .map_or("", |entry| entry.2)
    };
    let finetuners = words::finetuners();
    let lanes = LANES.map(|lanes| {
        let each: Vec<&str> = lanes.split(',').collect();
        (lanes, words::together(&each))
    });
    let lanes: Vec<(&str, &str)> = lanes.iter().map(|(id, name)| (*id, &name[..])).collect();
    let tasks = words::tasks();
    html! {
        <div class="protege-grid">
            { controls::select(
                "task",
                "Task",
                about(&tasks, &choice.task),
                &named(&tasks),
                &choice.task,
                changed,
            ) }
            { controls::select(
                "pretrain",
                "Lanes",
                "Which ways of pretraining are side by side, from the same demonstrations.",
                &lanes,
                &choice.pretrain,
                changed,
            ) }
            { controls::select(
                "finetune",
                "Finetuning",
                about(&finetuners, &choice.finetune),
                &named(&finetuners),
                &choice.finetune,
                changed,
            ) }
            { slider("demos", &DEMOS, choice.demos as f64, changed) }
            { slider("alpha", &ALPHA, choice.alpha, changed) }
            { slider("members", &MEMBERS, choice.members as f64, changed) }
            { controls::number("seed", SEED.label, SEED.meaning, choice.seed, changed) }
        </div>
    }
}

/// A slider over the values that a setting usually has.
fn slider(key: &'static str, field: &Field, value: f64, changed: &Changed) -> Html {
    let (low, high) = field.usual.unwrap_or_default();
    let step = if matches!(field.kind, Kind::Whole { .. }) {
        1.0
    } else {
        0.1
    };
    let range = Range {
        bounds: (low, high, step),
        unit: "",
    };
    controls::slider(key, field.label, field.meaning, &range, value, changed)
}
