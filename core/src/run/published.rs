//! What settings depend on others, as an ordered table of rules: the published values of tasks and
//! methods, and what a method needs of the policy and the environment.
//!
//! A rule looks at what was asked for: a preset with the settings on which others depend
//! (`base`). Later rules have the last word, and whatever the user sets overrides them all.
//!
//! Each of our tasks takes the settings of the robomimic task that it resembles in difficulty:
//! PostBC's tables 1 to 4, and DSRL's and DPPO's code for what they leave open.

use super::config::{Config, FinetuneMethod, Keep, PretrainMethod};
use crate::finetune::csil::Variant;
use crate::finetune::td_mpc::{Actor, Backbone, Proposals};
use crate::nn::Activation;
use crate::policy::{PolicyKind, Sampler};
use crate::pretrain::Unit;
use crate::settings::Preset;

/// Settings that follow from others.
struct Rule {
    /// Whether it applies to what was asked for.
    when: fn(&Config) -> bool,
    /// Gives the settings their values.
    set: fn(&mut Config),
}

/// In the order in which they apply.
const RULES: &[Rule] = &[
    // The first engine that `protege tasks` shows for the task.
    Rule {
        when: |_| true,
        set: |config| config.engine = crate::env::catalogue::usual_engine(&config.task).to_owned(),
    },
    // MoDem's configuration, where it differs from TD-MPC2's.
    Rule {
        when: |asked| asked.finetune.td_mpc.backbone == Backbone::TdMpc,
        set: |config| {
            let td_mpc = &mut config.finetune.td_mpc;
            td_mpc.horizon = 5;
            td_mpc.critics = 2;
            td_mpc.dropout = 0.0;
            td_mpc.latent = 50;
        },
    },
    // In other presets the discount stays: with 0.99, values of so few decisions grew beyond what
    // can be earned, and lab/lift went from 97 to 0%.
    Rule {
        when: |asked| is_paper(asked) && asked.finetune.td_mpc.backbone == Backbone::TdMpc,
        set: |config| {
            let td_mpc = &mut config.finetune.td_mpc;
            td_mpc.gamma = 0.99;
            td_mpc.samples = 537;
            td_mpc.policy_samples = 25;
            td_mpc.iterations = 4;
            td_mpc.horizon_growth = 25_000;
            td_mpc.std_decay = 12_500;
        },
    },
    // XQC's settings.
    Rule {
        when: |asked| is_paper(asked) && asked.finetune.csil.variant == Variant::Xqc,
        set: |config| {
            let csil = &mut config.finetune.csil;
            csil.utd_ratio = 2.0;
            csil.actor_every = 3;
            csil.batch = 256;
        },
    },
    // RLPD, table of hyperparameters; the number of critics is what makes it RLPD.
    Rule {
        when: |asked| asked.finetune.csil.variant == Variant::Rlpd,
        set: |config| config.finetune.csil.critics = 10,
    },
    Rule {
        when: |asked| is_paper(asked) && asked.finetune.csil.variant == Variant::Rlpd,
        set: |config| {
            let csil = &mut config.finetune.csil;
            csil.utd_ratio = 20.0;
            csil.hidden = 256;
            csil.layers = 3;
            csil.temperature = 1.0;
            csil.batch = 256;
        },
    },
    // Haarnoja et al. 2018.
    Rule {
        when: |asked| is_paper(asked) && asked.finetune.csil.variant == Variant::Sac,
        set: |config| {
            let csil = &mut config.finetune.csil;
            csil.hidden = 256;
            csil.layers = 2;
            csil.temperature = 1.0;
            csil.batch = 256;
        },
    },
    // PostBC, tables 1 to 4.
    Rule {
        when: is_paper,
        set: pretraining,
    },
    // PostBC, table 2, and DSRL's code.
    Rule {
        when: is_paper,
        set: dsrl,
    },
    // PostBC, table 3, and DPPO's code: of 300 and 500 iterations every tenth only evaluates.
    Rule {
        when: is_paper,
        set: |config| {
            let column = column(&config.task);
            config.finetune.dppo.iterations = [270, 270, 450][column];
            config.finetune.dppo.batch = [7500, 7500, 10_000][column];
        },
    },
    // PostBC, table 4.
    Rule {
        when: is_paper,
        set: best_of_n,
    },
    // PostBC, appendix D.
    Rule {
        when: |asked| is_paper(asked) && asked.finetune.method == FinetuneMethod::Dppo,
        set: |config| config.policy.sampler = Sampler::Ddpm,
    },
    // The actor of ValueDICE's code.
    Rule {
        when: |asked| is_paper(asked) && asked.pretrain.method == PretrainMethod::ValueDice,
        set: |config| {
            config.policy.hidden = 256;
            config.policy.layers = 2;
            config.policy.activation = Activation::Relu;
            config.policy.residual = false;
        },
    },
    // Methods that decide action by action hold each for longer: 20 decisions a second in the lab.
    Rule {
        when: |asked| decides_one_by_one(asked.finetune.method),
        set: |config| {
            let in_the_lab = config.task.starts_with("lab/");
            config.env.action_repeat = if in_the_lab { 4 } else { 2 };
        },
    },
    // CSIL on a frozen policy: the policy's chunk is 10 actions in the paper.
    Rule {
        when: |asked| asked.finetune.method == FinetuneMethod::Csil,
        set: |config| config.policy.chunk = if is_paper(config) { 10 } else { 4 },
    },
    // TD-MPC: five demonstrations are recorded, as in MoDem and the paper that follows it. The
    // policy clones single actions there; else chunks that reach as far as the planner looks, so
    // that it can propose them.
    Rule {
        when: |asked| asked.finetune.method == FinetuneMethod::TdMpc,
        set: |config| {
            config.demos.count = 5;
            config.policy.chunk = 4.max(config.finetune.td_mpc.horizon);
        },
    },
    Rule {
        when: |asked| is_paper(asked) && asked.finetune.method == FinetuneMethod::TdMpc,
        set: |config| {
            config.policy.kind = PolicyKind::Gaussian;
            config.policy.chunk = 1;
        },
    },
    // So few decisions make some agents worse than they were.
    Rule {
        when: |asked| !is_paper(asked) && asked.finetune.method == FinetuneMethod::TdMpc,
        set: |config| config.eval.keep = Keep::Best,
    },
    // What the method trains.
    Rule {
        when: |asked| asked.pretrain.method.policy_kind().is_some(),
        set: |config| {
            let kind = config.pretrain.method.policy_kind();
            config.policy.kind = kind.unwrap_or(config.policy.kind);
        },
    },
    // Where pictures are seen, the world model's own prior seeds and proposes: the pretrained
    // policy, which sees none, has no part in it, so it is a small one.
    Rule {
        when: |asked| asked.env.image_size > 0,
        set: |config| {
            config.finetune.td_mpc.seed_by = Actor::Prior;
            config.finetune.td_mpc.proposals = Proposals::Prior;
        },
    },
    Rule {
        when: |asked| asked.env.image_size > 0 && asked.finetune.method == FinetuneMethod::TdMpc,
        set: |config| {
            config.policy.kind = PolicyKind::Gaussian;
            config.policy.chunk = 1;
        },
    },
    // A transformer of 113, 1.2 and 0.3 million parameters.
    Rule {
        when: |asked| asked.policy.kind == PolicyKind::FlowTransformer,
        set: |config| {
            let policy = &mut config.policy;
            (policy.hidden, policy.layers, policy.time_dim) = match config.preset {
                Preset::Paper => (1024, 9, 64),
                Preset::Cpu => (160, 4, 32),
                Preset::Tiny => (96, 3, 16),
            };
        },
    },
];

/// What was asked for, with everything that follows from it.
pub(super) fn ruled(asked: Config) -> Config {
    let mut config = asked.clone();
    for rule in RULES.iter().filter(|rule| (rule.when)(&asked)) {
        (rule.set)(&mut config);
    }
    config
}

fn is_paper(config: &Config) -> bool {
    config.preset == Preset::Paper
}

fn decides_one_by_one(method: FinetuneMethod) -> bool {
    matches!(method, FinetuneMethod::TdMpc | FinetuneMethod::Csil)
}

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

/// Demonstrations, policy and pretraining.
fn pretraining(config: &mut Config) {
    let column = column(&config.task);
    let table = match config.finetune.method {
        FinetuneMethod::None
        | FinetuneMethod::Dsrl
        | FinetuneMethod::TdMpc
        | FinetuneMethod::Csil => DSRL,
        FinetuneMethod::Dppo => DPPO,
        FinetuneMethod::BestOfN => BEST_OF_N,
    };
    config.demos.count = table.demos[column];
    config.policy.chunk = table.chunk;
    config.policy.hidden = [512, 1024, 1024][column];
    config.policy.time_dim = [16, 16, 32][column];
    config.pretrain.sigma_bc.sigma = table.sigma[column];
    let post_bc = &mut config.pretrain.post_bc;
    post_bc.members = table.members[column];
    post_bc.alpha = table.alpha[column];
    post_bc.hidden = config.policy.hidden;
    post_bc.updates = table.ensemble_epochs[column];
    post_bc.unit = Unit::Epoch;
}

/// The tables count for each of the four environments.
fn dsrl(config: &mut Config) {
    let column = column(&config.task);
    let sigma_bc = config.pretrain.method == PretrainMethod::SigmaBc;
    let dsrl = &mut config.finetune.dsrl;
    dsrl.utd_ratio = if sigma_bc { 10.0 / 4.0 } else { 20.0 / 4.0 };
    dsrl.noise_utd_ratio = [20.0 / 4.0, 10.0 / 4.0, 10.0 / 4.0][column];
    dsrl.gamma = [0.99, 0.99, 0.999][column];
    dsrl.learning_starts = 4 * [1501, 1501, 2001][column];
    dsrl.eval_every = 4 * [3000, 3000, 4000][column];
}

fn best_of_n(config: &mut Config) {
    let column = column(&config.task);
    let best_of_n = &mut config.finetune.best_of_n;
    best_of_n.gamma = 0.999;
    best_of_n.rounds = 1;
    best_of_n.updates = 2_000_000;
    best_of_n.expectile = match (config.pretrain.method, column) {
        (PretrainMethod::ValueDice, 0) => 0.9,
        (PretrainMethod::SigmaBc, _) | (_, 1 | 2) => 0.7,
        (PretrainMethod::Bc | PretrainMethod::PostBc, _) => 0.5,
        (PretrainMethod::ValueDice, _) => 0.7,
    };
}
