//! The race's settings.
//!
//! A component of its own, so that it is not drawn anew with every report of a worker: what a
//! visitor is typing would be lost.

use crate::controls::{self, Changed, Range};
use crate::words::{self, TASKS};
use protege_web::Choice;
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
    html! {
        <div class="protege-grid">
            { controls::select(
                "task",
                "Task",
                about(&TASKS, &choice.task),
                &named(&TASKS),
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
            { controls::slider(
                "demos",
                "Demonstrations",
                "How many the policies are cloned from; every lane gets the same.",
                &Range { bounds: (1.0, 30.0, 1.0), unit: "" },
                choice.demos as f64,
                changed,
            ) }
            { controls::slider(
                "alpha",
                "Alpha",
                "How much of the posterior's spread PostBC adds to the demonstrations; 0 is BC.",
                &Range { bounds: (0.0, 3.0, 0.1), unit: "" },
                choice.alpha,
                changed,
            ) }
            { controls::slider(
                "members",
                "Ensemble",
                "How many models PostBC asks where the demonstrations leave doubt.",
                &Range { bounds: (2.0, 40.0, 1.0), unit: "" },
                choice.members as f64,
                changed,
            ) }
            { controls::number(
                "seed",
                "Seed",
                "Everything random follows from it: the same seed is the same race.",
                choice.seed,
                changed,
            ) }
        </div>
    }
}
