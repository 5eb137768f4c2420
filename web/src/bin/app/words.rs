//! What the page says: names, colors and one sentence for each thing.

use protege_core::method::MethodInfo;
use protege_core::run::Phase;
use protege_core::tasks::Info;
use protege_core::{finetune, pretrain};
use yew::{Html, html};

/// Tasks: id, name, what it is.
pub fn tasks() -> Vec<(&'static str, &'static str, &'static str)> {
    let words = |task: &Info| (task.id, task.label, task.about);
    protege_core::tasks::all().iter().map(words).collect()
}

/// The finetuning methods that the page offers, as rows for a form: id, name, what it does.
pub fn finetuners() -> Vec<(&'static str, &'static str, &'static str)> {
    let offered = finetune::INFOS.into_iter().filter(|info| info.on_page);
    offered
        .map(|info| (info.id, info.label, info.sentence))
        .collect()
}

/// The name of a pretraining method.
pub fn name(pretrain: &str) -> &'static str {
    find(pretrain).label
}

/// The color of a pretraining method: the name of a custom property of the style.
pub fn color(pretrain: &str) -> &'static str {
    find(pretrain)
        .color
        .as_ref()
        .map_or("grey", |color| color.name)
}

/// What a pretraining method does.
pub fn sentence(pretrain: &str) -> &'static str {
    find(pretrain).sentence
}

fn find(pretrain: &str) -> &'static MethodInfo {
    let own = pretrain::INFOS.into_iter().find(|info| info.id == pretrain);
    own.unwrap_or(pretrain::INFOS[0])
}

/// The color as the 3D view wants it.
pub fn accent(pretrain: &str, dark: bool) -> &'static str {
    match &find(pretrain).color {
        Some(color) if dark => color.dark,
        Some(color) => color.light,
        None => "#8a939e",
    }
}

/// Lanes side by side, in words: `BC and PostBC`, `BC alone`.
pub fn together(lanes: &[&str]) -> String {
    let names: Vec<&str> = lanes.iter().map(|lane| name(lane)).collect();
    match names.as_slice() {
        [only] => format!("{only} alone"),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
        [] => String::new(),
    }
}

/// What a lane is doing.
pub fn phase(phase: Phase, done: u64, total: u64) -> String {
    match phase {
        Phase::Demos => format!("Watching the demonstrator: {done} of {total}"),
        Phase::Encoder => "Learning to see".into(),
        Phase::Ensemble => "Asking an ensemble where the demonstrations leave doubt".into(),
        Phase::Pretrain => "Cloning the demonstrations".into(),
        Phase::Evaluate => format!("Being tested: {done} of {total} episodes"),
        Phase::Collect => "Practicing".into(),
        Phase::Finetune => "Learning from practice".into(),
        Phase::Done => "Done".into(),
    }
}

/// A sentence whose names and commands stand between backquotes: they are shown as code, so that
/// nobody pastes the quotes.
pub fn sentence_with_code(text: &str) -> Html {
    let part = |(i, part): (usize, &str)| match i % 2 {
        0 => html! { { part.to_owned() } },
        _ => html! { <code>{ part.to_owned() }</code> },
    };
    text.split('`').enumerate().map(part).collect()
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// A power of ten, from ten down.
pub fn power(exponent: i32) -> String {
    const RAISED: [char; 10] = [
        '\u{2070}', '\u{b9}', '\u{b2}', '\u{b3}', '\u{2074}', '\u{2075}', '\u{2076}', '\u{2077}',
        '\u{2078}', '\u{2079}',
    ];
    match exponent {
        1 => "10".into(),
        0 => "1".into(),
        -1 => "0.1".into(),
        -2 => "0.01".into(),
        other => format!("10\u{207b}{}", RAISED[other.unsigned_abs() as usize % 10]),
    }
}
