//! ValueDICE (Kostrikov et al. 2020): imitation by matching the distribution of states and actions,
//! off-policy.
//!
//! A critic nu and the policy play against each other over one objective, whose inner minimum is
//! minus the KL divergence between what the policy and what the demonstrator visit and do:
//!
//! ```text
//! J(nu, pi) = log E_demos exp(nu(s, a) - gamma nu(s', a')) - (1 - gamma) E_s0 nu(s0, a0),
//!             a' ~ pi(s'), a0 ~ pi(s0)
//! nu minimizes J + a gradient penalty, pi maximizes J - an orthogonality penalty
//! ```

mod learner;
mod nu;
mod orthogonality;
mod transitions;

use super::Method;
use crate::memory::{Need, NetworkSize, Sizes};
use crate::method::{Color, DemoUse, MethodInfo, Paper};
use crate::policy::{PolicyKind, memory};
use crate::settings::Settings;
pub use learner::ValueDice;
pub(crate) use nu::Nu;
pub(crate) use orthogonality::orthogonality;
use serde::{Deserialize, Serialize};
pub(crate) use transitions::Rows;
pub use transitions::Transitions;

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "value-dice",
        label: "ValueDICE",
        sentence: "Matches the states and actions of the demonstrations, adversarially.",
        about: "ValueDICE: matches the distribution of states and actions, from the \
                demonstrations alone.",
        paper: Some(Paper {
            citation: "Kostrikov, Nachum and Tompson 2020",
            link: "https://arxiv.org/abs/1912.05032",
        }),
        color: Some(Color {
            name: "purple",
            light: "#cc79a7",
            dark: "#d993bb",
        }),
        policies: &[PolicyKind::Squashed],
        because: "trains the tanh of a Gaussian",
        smallest_image: None,
        per_step: false,
        demos: DemoUse::Required,
        insights: &[],
        on_page: true,
    },
    new: |cx| Ok(Box::new(ValueDice::begin(cx)?)),
    load: |cx, archive| Ok(Box::new(ValueDice::resume(cx, archive)?)),
};

/// What it takes of memory.
pub(crate) fn memory(config: &ValueDiceConfig, sizes: &Sizes) -> Vec<Need> {
    let policy = memory::network(sizes);
    let inputs = sizes.reads.numbers() + 1 + sizes.policy.chunk * sizes.act;
    let nu = NetworkSize::stack(1, (inputs, 1), (config.hidden, config.layers));
    // Demonstrations, replay and what follows both, and the gradient penalty's own pass.
    let rows = 3.0 * config.batch as f64;
    let step = policy.learning(rows) + 4.0 * nu.learning(rows);
    let group = "pretrain.value_dice";
    vec![
        Need::new("the policy's weights", &memory::KEYS, policy.learned()),
        Need::of(
            group,
            "the critic's weights",
            &["hidden", "layers"],
            nu.learned(),
        ),
        Need::of(
            group,
            "a step of learning",
            &["batch", "hidden", "layers"],
            step,
        ),
    ]
}

/// Settings of ValueDICE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct ValueDiceConfig {
    /// Gradient steps, each of the critic and of the policy.
    #[setting(
        range = 1..=100_000_000, paper = 500_000, cpu = 10_000, tiny = 3000,
        source = "ValueDICE's code: 5 for each of 100,000 control steps"
    )]
    pub updates: usize,
    /// Transitions per gradient step.
    #[setting(
        range = 1..=1 << 20, paper = 256, cpu = 128, tiny = 64,
        source = "ValueDICE's code"
    )]
    pub batch: usize,
    /// Adam's learning rate for the critic, nu.
    #[setting(range = 0.0..=1.0, value = 1e-3, source = "ValueDICE's code")]
    pub nu_lr: f64,
    /// Adam's learning rate for the policy.
    #[setting(
        range = 0.0..=1.0, paper = 1e-5, cpu = 1e-4, tiny = 3e-4,
        source = "ValueDICE's code; faster where updates are few"
    )]
    pub policy_lr: f64,
    /// Discount per decision.
    #[setting(range = 0.0..=1.0, value = 0.99, source = "ValueDICE's code, per control step")]
    pub gamma: f64,
    /// Share of replay in the two distributions that are matched. The replay is the demonstrations
    /// again, since nothing is played.
    #[setting(range = 0.0..=1.0, value = 0.1, source = "ValueDICE's code")]
    pub replay: f64,
    /// Weight of the gradient penalty on the critic.
    #[setting(range = 0.0..=1e6, value = 10.0, source = "ValueDICE's code")]
    pub gradient_penalty: f64,
    /// Weight of the orthogonal regularization of the policy's weights.
    #[setting(range = 0.0..=1e6, value = 1e-4, source = "ValueDICE's code")]
    pub orthogonality: f64,
    /// Units per hidden layer of the critic.
    #[setting(range = 1..=8192, paper = 256, cpu = 128, tiny = 64, source = "ValueDICE's code")]
    pub hidden: usize,
    /// Hidden layers of the critic.
    #[setting(range = 1..=16, value = 2, source = "ValueDICE's code")]
    pub layers: usize,
}
