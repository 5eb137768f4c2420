//! The published settings, task by task: PostBC's tables 1 to 4 (robomimic), and DSRL's and DPPO's
//! code for what they leave open.
//!
//! Each of our tasks takes the settings of the robomimic task that it resembles in difficulty.

use super::config::Config;
use crate::finetune::{best_of_n, dppo};
use crate::nn::Activation;
use crate::policy::{PolicyConfig, Sampler};
use crate::pretrain::{Unit, bc, post_bc, sigma_bc, value_dice};

/// A setting for Lift, Can and Square.
type Row<T> = [T; 3];

/// The column of a task in the tables: 0 Lift, 1 Can, 2 Square.
fn column(task: &str) -> usize {
    match task {
        "lab/lift" => 0,
        "lab/pick-place" => 1,
        _ => 2,
    }
}

/// What the tables say for one kind of finetuning.
struct Table {
    demos: Row<usize>,
    chunk: usize,
    members: Row<usize>,
    ensemble_epochs: Row<usize>,
    alpha: Row<f64>,
    sigma: Row<f64>,
}

/// Tables 1 and 2; also what is pretrained here for no finetuning at all.
const DSRL: Table = Table {
    demos: [5, 10, 30],
    chunk: 4,
    members: [100, 100, 100],
    ensemble_epochs: [10_000, 6000, 3000],
    alpha: [1.0, 0.5, 1.0],
    sigma: [0.1, 0.1, 0.05],
};

/// Table 3.
const DPPO: Table = Table {
    members: [100, 100, 10],
    ensemble_epochs: [3000, 6000, 3000],
    alpha: [0.5, 0.25, 1.0],
    sigma: [0.1, 0.05, 0.05],
    ..DSRL
};

/// Table 4, with 1000 rollouts.
const BEST_OF_N: Table = Table {
    demos: [20, 300, 300],
    chunk: 1,
    members: [100, 10, 10],
    ensemble_epochs: [3000, 500, 500],
    alpha: [1.0, 1.0, 1.0],
    sigma: [0.1, 0.025, 0.025],
};

/// Puts the published settings of the configuration's task and methods into a configuration of the
/// `paper` preset.
pub(super) fn apply(config: &mut Config) {
    let at = column(&config.task);
    let finetuning = config.finetune.method;
    let table = if finetuning == dppo::METHOD.id() {
        DPPO
    } else if finetuning == best_of_n::METHOD.id() {
        BEST_OF_N
    } else {
        DSRL
    };
    config.demos.count = table.demos[at];
    config.policy.chunk = table.chunk;
    config.policy.hidden = [512, 1024, 1024][at];
    config.policy.time_dim = [16, 16, 32][at];
    config.pretrain.sigma_bc.sigma = table.sigma[at];
    let post_bc = &mut config.pretrain.post_bc;
    (post_bc.members, post_bc.alpha, post_bc.hidden) =
        (table.members[at], table.alpha[at], config.policy.hidden);
    (post_bc.steps, post_bc.unit) = (table.ensemble_epochs[at], Unit::Epoch);
    if finetuning == dppo::METHOD.id() {
        // PostBC, appendix D.
        config.policy.sampler = Sampler::Ddpm;
    }
    if config.pretrain.method == value_dice::METHOD.id() {
        // The actor of ValueDICE's code.
        config.policy = PolicyConfig {
            hidden: 256,
            layers: 2,
            activation: Activation::Relu,
            residual: false,
            ..config.policy.clone()
        };
    }
    set_dsrl(config, at);
    set_dppo(config, at);
    set_best_of_n(config, at);
}

fn set_dsrl(config: &mut Config, at: usize) {
    let sigma_bc = config.pretrain.method == sigma_bc::METHOD.id();
    let dsrl = &mut config.finetune.dsrl;
    dsrl.updates = if sigma_bc { 10 } else { 20 };
    dsrl.noise_updates = [20, 10, 10][at];
    dsrl.gamma = [0.99, 0.99, 0.999][at];
    dsrl.warmup = [1501, 1501, 2001][at];
    dsrl.eval_every = [3000, 3000, 4000][at];
}

fn set_dppo(config: &mut Config, at: usize) {
    let dppo = &mut config.finetune.dppo;
    // 300 and 500, of which every tenth only evaluates.
    dppo.iterations = [270, 270, 450][at];
    dppo.batch = [7500, 7500, 10_000][at];
}

fn set_best_of_n(config: &mut Config, at: usize) {
    let best_of_n = &mut config.finetune.best_of_n;
    best_of_n.gamma = 0.999;
    (best_of_n.rounds, best_of_n.steps) = (1, 2_000_000);
    // For Lift, method by method; for the others 0.7.
    let lift = [
        (value_dice::METHOD.id(), 0.9),
        (bc::METHOD.id(), 0.5),
        (post_bc::METHOD.id(), 0.5),
    ];
    let own = lift
        .into_iter()
        .find(|(method, _)| at == 0 && *method == config.pretrain.method);
    best_of_n.expectile = own.map_or(0.7, |(_, expectile)| expectile);
}
