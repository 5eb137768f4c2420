//! Cloning with the same noise everywhere: PostBC's simplest rival.

use super::{Cloning, Method, TargetNoise};
use crate::method::{Color, DemoUse, MethodInfo, Paper};
use crate::nn::SMALLEST_IMAGE;
use crate::policy::PolicyKind;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "sigma-bc",
        label: "\u{3c3}-BC",
        sentence: "Cloning with the same noise on every action, whether it is needed or not.",
        about: "Behavioral cloning with the same noise on every action.",
        paper: Some(Paper {
            citation: "Posterior Behavioral Cloning 2025, its baseline",
            link: "https://arxiv.org/abs/2512.16911",
        }),
        color: Some(Color {
            name: "orange",
            light: "#e69f00",
            dark: "#f0b732",
        }),
        policies: PolicyKind::ALL,
        because: "",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        demos: DemoUse::Required,
        insights: &[],
        on_page: true,
    },
    new: |cx| {
        let sigma = cx.config.sigma_bc.sigma as f32;
        let cloning = Cloning::begin(cx, TargetNoise::Uniform(sigma))?;
        Ok(Box::new(cloning))
    },
    load: |cx, archive| Ok(Box::new(Cloning::resume(cx, archive)?)),
};

/// Settings of cloning with the same noise everywhere: a~ = a + sigma w with w ~ N(0, I), fresh
/// whenever a pair is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct SigmaBcConfig {
    /// Standard deviation of the noise, in scaled actions, whose range is [-1, 1].
    #[setting(
        range = 0.0..=10.0, value = 0.1,
        source = "PostBC: 0.1, 0.05 or 0.025 on robomimic, by task and finetuning"
    )]
    pub sigma: f64,
}
