//! What the page says: names, colors and one sentence for each thing.

use protege_core::run::Phase;
use protege_core::tasks::Info;

/// Tasks: id, name, what it is.
pub fn tasks() -> Vec<(&'static str, &'static str, &'static str)> {
    let words = |task: &Info| (task.id, task.label, task.about);
    protege_core::tasks::all().iter().map(words).collect()
}

/// Finetuning methods: id, name, what it does.
pub const FINETUNERS: [(&str, &str, &str); 6] = [
    (
        "dsrl",
        "DSRL",
        "Learns which noise to feed the frozen policy, so that what comes out succeeds.",
    ),
    (
        "best-of-n",
        "Best of N",
        "Learns to judge: of several proposals of the frozen policy the best is played.",
    ),
    (
        "dppo",
        "DPPO",
        "Changes the policy's own last denoising steps by policy gradients.",
    ),
    (
        "td-mpc",
        "TD-MPC",
        "Learns a model of the task and looks ahead in it. At this small size it can also make a \
         good policy worse.",
    ),
    (
        "csil",
        "CSIL",
        "A small policy acts beside the frozen one, and is rewarded for what the demonstrator \
         would likely have done.",
    ),
    (
        "none",
        "None",
        "The cloned policy as it is, for comparison.",
    ),
];

/// Pretraining methods: id, name, color, what it does.
pub const PRETRAINERS: [(&str, &str, &str, &str); 4] = [
    (
        "bc",
        "BC",
        "vermilion",
        "Behavioral cloning: does what the demonstrations did, and nothing else.",
    ),
    (
        "sigma-bc",
        "\u{3c3}-BC",
        "orange",
        "Cloning with the same noise on every action, whether it is needed or not.",
    ),
    (
        "post-bc",
        "PostBC",
        "blue",
        "Posterior behavioral cloning: wider where the demonstrations leave doubt, and only there.",
    ),
    (
        "value-dice",
        "ValueDICE",
        "purple",
        "Matches the states and actions of the demonstrations, adversarially.",
    ),
];

/// The name of a pretraining method.
pub fn name(pretrain: &str) -> &'static str {
    find(pretrain).1
}

/// The color of a pretraining method: the name of a custom property of the style.
pub fn colour(pretrain: &str) -> &'static str {
    find(pretrain).2
}

/// What a pretraining method does.
pub fn sentence(pretrain: &str) -> &'static str {
    find(pretrain).3
}

fn find(pretrain: &str) -> &'static (&'static str, &'static str, &'static str, &'static str) {
    PRETRAINERS
        .iter()
        .find(|method| method.0 == pretrain)
        .unwrap_or(&PRETRAINERS[0])
}

/// The color as the 3D view wants it.
pub fn accent(pretrain: &str, dark: bool) -> &'static str {
    match (colour(pretrain), dark) {
        ("blue", false) => "#0072b2",
        ("blue", true) => "#4aa8e0",
        ("orange", false) => "#e69f00",
        ("orange", true) => "#f0b732",
        ("purple", false) => "#cc79a7",
        ("purple", true) => "#d993bb",
        (_, false) => "#d55e00",
        (_, true) => "#f2853d",
    }
}

/// What a lane is doing.
pub fn phase(phase: Phase, done: u64, total: u64) -> String {
    match phase {
        Phase::Demos => format!("Watching the demonstrator: {done} of {total}"),
        Phase::Ensemble => "Asking an ensemble where the demonstrations leave doubt".into(),
        Phase::Pretrain => "Cloning the demonstrations".into(),
        Phase::Evaluate => format!("Being tested: {done} of {total} episodes"),
        Phase::Collect => "Practising".into(),
        Phase::Finetune => "Learning from practice".into(),
        Phase::Done => "Done".into(),
    }
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
