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
use crate::Result;
use crate::error::within;
use crate::method::{Color, MethodInfo, Paper};
use crate::policy::PolicyKind;
use crate::run::config::Preset;
pub use learner::ValueDice;
pub use nu::Nu;
pub use orthogonality::orthogonality;
use serde::{Deserialize, Serialize};
pub use transitions::{Rows, Transitions};

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
        needs_demos: true,
        insights: &[],
        on_page: true,
    },
    new: |cx| Ok(Box::new(ValueDice::begin(cx)?)),
    load: |cx, archive| Ok(Box::new(ValueDice::resume(cx, archive)?)),
};

/// Settings of ValueDICE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueDiceConfig {
    /// Updates, each of the critic and of the policy. Paper preset 500000 (ValueDICE's code: 5 for
    /// each of 100000 control steps).
    pub steps: usize,
    /// Transitions per update. Default 256 (ValueDICE's code).
    pub batch: usize,
    /// Adam's learning rate for the critic. Default 1e-3 (ValueDICE's code).
    pub nu_lr: f64,
    /// Adam's learning rate for the policy. Paper preset 1e-5 (ValueDICE's code).
    pub policy_lr: f64,
    /// Discount per decision. Default 0.99 (ValueDICE's code: per control step).
    pub gamma: f64,
    /// Share of replay in the two distributions that are matched. The replay is the demonstrations
    /// again, since nothing is played. Default 0.1 (ValueDICE's code).
    pub replay: f64,
    /// Weight of the gradient penalty on the critic. Default 10 (ValueDICE's code).
    pub gradient_penalty: f64,
    /// Weight of the orthogonal regularization of the policy's weights. Default 1e-4 (ValueDICE's
    /// code).
    pub orthogonality: f64,
    /// Units per hidden layer of the critic. Paper preset 256 (ValueDICE's code).
    pub hidden: usize,
    /// Hidden layers of the critic. Default 2 (ValueDICE's code).
    pub layers: usize,
}

impl ValueDiceConfig {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        let base = Self {
            steps: 500_000,
            batch: 256,
            nu_lr: 1e-3,
            policy_lr: 1e-5,
            gamma: 0.99,
            replay: 0.1,
            gradient_penalty: 10.0,
            orthogonality: 1e-4,
            hidden: 256,
            layers: 2,
        };
        match preset {
            Preset::Paper => base,
            Preset::Cpu => Self {
                steps: 10_000,
                batch: 128,
                policy_lr: 1e-4,
                hidden: 128,
                ..base
            },
            Preset::Tiny => Self {
                steps: 3000,
                batch: 64,
                policy_lr: 3e-4,
                hidden: 64,
                ..base
            },
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("pretrain.value_dice.steps", self.steps, 1, 100_000_000)?;
        within("pretrain.value_dice.batch", self.batch, 1, 1 << 20)?;
        within("pretrain.value_dice.nu_lr", self.nu_lr, 0.0, 1.0)?;
        within("pretrain.value_dice.policy_lr", self.policy_lr, 0.0, 1.0)?;
        within("pretrain.value_dice.gamma", self.gamma, 0.0, 1.0)?;
        within("pretrain.value_dice.replay", self.replay, 0.0, 1.0)?;
        within(
            "pretrain.value_dice.gradient_penalty",
            self.gradient_penalty,
            0.0,
            1e6,
        )?;
        within(
            "pretrain.value_dice.orthogonality",
            self.orthogonality,
            0.0,
            1e6,
        )?;
        within("pretrain.value_dice.hidden", self.hidden, 1, 8192)?;
        within("pretrain.value_dice.layers", self.layers, 1, 16)
    }
}
