//! The race's settings.
//!
//! A component of its own, so that it is not drawn anew with every report of a worker: what a
//! visitor is typing would be lost.

use crate::controls::{self, Changed, Range};
use crate::words::{self, FINETUNERS};
use protege_web::Choice;
use yew::{Html, Properties, component, html};

/// Lanes that can be had side by side.
const LANES: [(&str, &str); 5] = [
    ("bc,post-bc", "BC and PostBC"),
    ("bc,sigma-bc,post-bc", "BC, \u{3c3}-BC and PostBC"),
    ("sigma-bc,post-bc", "\u{3c3}-BC and PostBC"),
    ("bc", "BC alone"),
    ("post-bc", "PostBC alone"),
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
                &LANES,
                &choice.pretrain,
                changed,
            ) }
            { controls::select(
                "finetune",
                "Finetuning",
                about(&FINETUNERS, &choice.finetune),
                &named(&FINETUNERS),
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
