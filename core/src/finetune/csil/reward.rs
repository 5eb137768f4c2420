//! The coherent reward: how much likelier a policy makes an action than chance does.

use crate::finetune::actor_critic::HetstatPolicy;
use crate::nn::Observations;
use burn::tensor::Tensor;

/// alpha (log q(u | x) - log p(u)) of actions u `[N, d]` within ±1, where p is uniform and alpha
/// is `scale` / d (Watson, Huang and Heess 2023). `[N]`.
pub(super) fn coherent_reward(
    q: &HetstatPolicy,
    x: Observations,
    actions: Tensor<2>,
    scale: f64,
) -> Tensor<1> {
    let d = actions.dims()[1] as f64;
    // log p is -ln 2 per dimension.
    (q.at(x).log_prob(actions) + d * std::f64::consts::LN_2) * (scale / d)
}
