//! What settings depend on others, as an ordered table of rules: the published values of tasks and
//! methods, and what a method needs of the policy and the environment.
//!
//! A rule looks at what was asked for: a preset with the settings on which others depend
//! (`base`). Later rules have the last word, and whatever the user sets overrides them all.
//!
//! The tasks of robosuite have the settings that PostBC's tables list for them (arXiv 2512.16911v1:
//! tables 2 and 3 before DSRL, 4 and 5 before best-of-N, 6 before DPPO), and those of DSRL's and
//! DPPO's code for what the tables leave open; every other task has those of the one that it
//! resembles in difficulty. On preset cpu they have what was found to be needed here.

use super::config::{Config, FinetuneMethod, Keep};
use crate::env::Catalog;
use crate::finetune::dsrl::OffsetPer;
use crate::finetune::td_mpc::{Backbone, Proposals, SeedPolicy};
use crate::finetune::{METHODS, best_of_n, dppo, dsrl, td_mpc};
use crate::nn::Activation;
use crate::policy::{ImageEncoderKind, PolicyKind, Sampler};
use crate::pretrain::post_bc::LearningRate;
use crate::pretrain::{bc, post_bc, sigma_bc, value_dice};
use crate::settings::{Preset, leaves};
use std::collections::BTreeSet;

/// Settings that follow from others.
struct Rule {
    /// What it follows from, and the source, in words.
    what: &'static str,
    /// Whether it applies to what was asked for.
    when: fn(&Config) -> bool,
    /// Gives the settings their values.
    set: fn(&mut Config, &Catalog),
}

/// In the order in which they apply.
const RULES: &[Rule] = &[
    Rule {
        what: "The task: the first engine that `protege tasks` shows for it",
        when: |_| true,
        set: |config, catalog| config.engine = catalog.usual_engine(&config.task).to_owned(),
    },
    Rule {
        what: "`finetune.td_mpc.backbone` td-mpc: MoDem's configuration, where it differs \
               from TD-MPC2's",
        when: |asked| asked.finetune.td_mpc.backbone == Backbone::TdMpc,
        set: |config, _| {
            let td_mpc = &mut config.finetune.td_mpc;
            td_mpc.horizon = 5;
            td_mpc.critics = 2;
            td_mpc.dropout = 0.0;
            td_mpc.latent = 50;
        },
    },
    Rule {
        what: "Preset paper, `finetune.td_mpc.backbone` td-mpc: MoDem's planner and schedules",
        when: |asked| is_paper(asked) && asked.finetune.td_mpc.backbone == Backbone::TdMpc,
        set: |config, _| {
            let td_mpc = &mut config.finetune.td_mpc;
            // In other presets the discount stays: values of so few decisions grew beyond what can
            // be earned, and lab/lift went from 97 to 0%.
            td_mpc.gamma = 0.99;
            td_mpc.samples = 537;
            td_mpc.policy_samples = 25;
            td_mpc.iterations = 4;
            td_mpc.horizon_growth = 25_000;
            td_mpc.std_decay = 12_500;
        },
    },
    Rule {
        what: "Preset paper, tasks of lab and metaworld: 20 actions a second, as in robomimic",
        when: |asked| is_paper(asked) && is_of(asked, &["lab", "metaworld"]),
        set: |config, catalog| {
            config.env.action_repeat = catalog.action_repeat_at(&config.task, ACTIONS_HZ);
        },
    },
    Rule {
        what: "Preset paper, tasks robosuite/lift, can and square: the time limits of DSRL's and \
               DPPO's code",
        when: |asked| is_paper(asked) && time_limit(&asked.task).is_some(),
        set: |config, _| config.env.horizon = time_limit(&config.task).unwrap_or(0),
    },
    Rule {
        what: "Preset paper, task and `finetune.method`: PostBC, tables 3 (dsrl), 5 (best-of-n) \
               and 6 (dppo)",
        when: is_paper,
        set: |config, _| pretraining(config),
    },
    Rule {
        what: "Preset paper, tasks of robosuite: the ensemble is of DPPO's Gaussian policies",
        when: |asked| is_paper(asked) && is_of(asked, &["robosuite"]),
        set: |config, _| set_ensemble(config),
    },
    Rule {
        what: "Preset paper, `finetune.method` dsrl or dppo: success ends no practice, as in their \
               code",
        when: |asked| {
            let method = asked.finetune.method;
            is_paper(asked) && [dsrl::METHOD.id(), dppo::METHOD.id()].contains(&method)
        },
        set: |config, _| config.env.to_horizon = true,
    },
    Rule {
        what: "Preset paper, `finetune.method` dsrl: every control step before success costs 1, as \
               in DSRL's code; in metaworld it does by itself",
        when: |asked| is_paper(asked) && asked.finetune.method == dsrl::METHOD.id(),
        set: |config, catalog| {
            let dsrl = &mut config.finetune.dsrl;
            dsrl.offset_per = OffsetPer::Step;
            if catalog.failure_costs(&config.task) {
                dsrl.reward_offset = 0.0;
            }
        },
    },
    Rule {
        what: "Preset paper, task and `pretrain.method`: PostBC, table 2, and DSRL's code",
        when: is_paper,
        set: |config, _| set_dsrl(config),
    },
    Rule {
        what: "Preset paper, task: DPPO's code",
        when: is_paper,
        set: |config, _| {
            let column = column(&config.task);
            // Of 300 and 500 iterations every tenth only evaluates.
            config.finetune.dppo.iterations = [270, 270, 450][column];
            config.finetune.dppo.batch = [7500, 7500, 10_000][column];
        },
    },
    Rule {
        what: "Preset paper, tasks robosuite/lift and lab/lift, and `pretrain.method`: PostBC, \
               table 4",
        when: |asked| is_paper(asked) && column(&asked.task) == 0,
        set: |config, _| set_expectile(config),
    },
    Rule {
        what: "Preset paper, `finetune.method` dppo: PostBC, appendix D",
        when: |asked| is_paper(asked) && asked.finetune.method == dppo::METHOD.id(),
        set: |config, _| config.policy.sampler = Sampler::Ddpm,
    },
    Rule {
        what: "Preset paper, `pretrain.method` value-dice: the actor of ValueDICE's code",
        when: |asked| is_paper(asked) && asked.pretrain.method == value_dice::METHOD.id(),
        set: |config, _| {
            config.policy.hidden = 256;
            config.policy.layers = 2;
            config.policy.activation = Activation::Relu;
            config.policy.residual = false;
        },
    },
    Rule {
        what: "Preset cpu, tasks of robosuite: more demonstrations, longer cloning, and for the \
               tasks that fit one thing into another more decisions a second \
               (results/robosuite)",
        when: |asked| asked.preset == Preset::Cpu && is_of(asked, &["robosuite"]),
        set: |config, _| {
            let column = column(&config.task);
            config.demos.count = [20, 30, 50][column];
            let updates = config.pretrain.bc.updates;
            config.pretrain.bc.updates = [updates, 12_000, 20_000][column];
            let chunk = config.policy.chunk;
            config.policy.chunk = [chunk, chunk, 4][column];
        },
    },
    Rule {
        what: "Preset cpu, tasks of robosuite but lift: DSRL's actor stays near the noise that the \
               policy was cloned with, as wide as a standard deviation and hardly narrower \
               (results/robosuite)",
        when: |asked| {
            let hard = column(&asked.task) > 0;
            asked.preset == Preset::Cpu && is_of(asked, &["robosuite"]) && hard
        },
        set: |config, _| {
            let dsrl = &mut config.finetune.dsrl;
            dsrl.magnitude = 1.0;
            dsrl.target_entropy = 0.5;
        },
    },
    Rule {
        what: "`finetune.method` td-mpc, csil, xqc, rlpd or sac: methods that decide action by \
               action hold each for longer, 20 decisions a second in the lab",
        when: |asked| asked.finetune.method.info().per_step,
        set: |config, catalog| config.env.action_repeat = catalog.action_repeat(&config.task),
    },
    Rule {
        what: "`finetune.method` csil, xqc, rlpd or sac, which act beside the pretrained policy: \
               chunks of 10 actions, as in CSIL++ (preset paper), else 4",
        when: |asked| asked.finetune.method.info().acts_beside(),
        set: |config, _| config.policy.chunk = if is_paper(config) { 10 } else { 4 },
    },
    Rule {
        what: "`finetune.method` td-mpc: five demonstrations, as in MoDem and the paper that \
               follows it, and chunks that reach as far as the planner looks, so that the \
               policy can propose them",
        when: |asked| asked.finetune.method == td_mpc::METHOD.id(),
        set: |config, _| {
            config.demos.count = 5;
            config.policy.chunk = 4.max(config.finetune.td_mpc.horizon);
        },
    },
    Rule {
        what: "Preset paper, `finetune.method` td-mpc: the policy clones single actions, as \
               in MoDem",
        when: |asked| is_paper(asked) && asked.finetune.method == td_mpc::METHOD.id(),
        set: |config, _| {
            config.policy.kind = PolicyKind::Gaussian;
            config.policy.chunk = 1;
        },
    },
    Rule {
        what: "Preset paper, tasks of metaworld, methods that decide action by action: episodes \
               of 200 control steps, which are 100 decisions, as in MoDem's, TD-MPC2's and XQC's \
               code",
        when: |asked| {
            let per_step = asked.finetune.method.info().per_step;
            is_paper(asked) && is_of(asked, &["metaworld"]) && per_step
        },
        set: |config, _| config.env.horizon = 200,
    },
    Rule {
        what: "Preset paper, tasks of adroit, `finetune.method` td-mpc: MoDem's episodes of 50 \
               decisions for pen, 125 for hammer and 100 for door, and with \
               `finetune.td_mpc.backbone` td-mpc its 8 rounds of planning",
        when: |asked| {
            let is_td_mpc = asked.finetune.method == td_mpc::METHOD.id();
            is_paper(asked) && is_of(asked, &["adroit"]) && is_td_mpc
        },
        set: |config, _| {
            config.env.horizon = match config.task.as_str() {
                "adroit/pen" => 100,
                "adroit/hammer" => 250,
                _ => 200,
            };
            if config.finetune.td_mpc.backbone == Backbone::TdMpc {
                config.finetune.td_mpc.iterations = 8;
            }
        },
    },
    Rule {
        what: "Preset paper, `finetune.method` td-mpc, `finetune.td_mpc.backbone` td-mpc2: the \
               discount by the decisions of an episode, and two more rounds of planning where an \
               action has 20 numbers or more (TD-MPC2's code, `_get_discount` and `__init__`)",
        when: |asked| {
            let td_mpc = &asked.finetune.td_mpc;
            let is_td_mpc = asked.finetune.method == td_mpc::METHOD.id();
            is_paper(asked) && is_td_mpc && td_mpc.backbone == Backbone::TdMpc2
        },
        set: |config, catalog| {
            let Ok(entry) = catalog.entry(&config.task) else {
                return;
            };
            let steps = match config.env.horizon {
                0 => entry.spec.horizon,
                steps => steps,
            };
            let decisions = steps.div_ceil(config.env.action_repeat) as f64;
            config.finetune.td_mpc.gamma = td_mpc2_discount(decisions);
            if entry.spec.act >= 20 {
                config.finetune.td_mpc.iterations += 2;
            }
        },
    },
    Rule {
        what: "Presets cpu and tiny, `finetune.method` td-mpc: so few decisions make some \
               agents worse than they were",
        when: |asked| !is_paper(asked) && asked.finetune.method == td_mpc::METHOD.id(),
        set: |config, _| config.eval.keep = Keep::Best,
    },
    Rule {
        what: "`pretrain.method` value-dice: the kind of policy that it trains",
        when: |asked| asked.pretrain.method.policy_kind().is_some(),
        set: |config, _| {
            let kind = config.pretrain.method.policy_kind();
            config.policy.kind = kind.unwrap_or(config.policy.kind);
        },
    },
    Rule {
        what: "`env.image_size`: where pictures are seen, the world model's own prior seeds \
               and proposes",
        when: |asked| asked.env.image_size > 0,
        set: |config, _| {
            config.finetune.td_mpc.seed_by = SeedPolicy::Prior;
            config.finetune.td_mpc.proposals = Proposals::Prior;
        },
    },
    Rule {
        what: "`env.image_size`, `finetune.method` td-mpc: the pretrained policy has no part in \
               it, so it is a small one, which sees nothing",
        when: |asked| asked.env.image_size > 0 && asked.finetune.method == td_mpc::METHOD.id(),
        set: |config, _| {
            config.policy.kind = PolicyKind::Gaussian;
            config.policy.chunk = 1;
            config.policy.encoder = ImageEncoderKind::None;
        },
    },
    Rule {
        what: "`policy.kind` flow-transformer: 113, 1.2 and 0.3 million parameters",
        when: |asked| asked.policy.kind == PolicyKind::FlowTransformer,
        set: |config, _| {
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
pub(super) fn with_rules(asked: Config, catalog: &Catalog) -> Config {
    let mut config = asked.clone();
    for rule in RULES.iter().filter(|rule| (rule.when)(&asked)) {
        (rule.set)(&mut config, catalog);
    }
    config
}

/// Every rule in words, and the settings that it decides in a program with these suites.
pub fn rules(catalog: &Catalog) -> Vec<(&'static str, BTreeSet<String>)> {
    let decided = |rule: &Rule| {
        let mut decided = BTreeSet::new();
        for example in examples() {
            let mut applied = example.clone();
            (rule.set)(&mut applied, catalog);
            let before = leaves(&example.to_value(), "");
            let after = leaves(&applied.to_value(), "");
            let changed = after.into_iter().zip(before).filter(|(a, b)| a != b);
            decided.extend(changed.map(|((key, _), _)| key));
        }
        decided
    };
    RULES
        .iter()
        .map(|rule| (rule.what, decided(rule)))
        .collect()
}

/// Configurations that between them show every setting that a rule decides.
fn examples() -> impl Iterator<Item = Config> {
    let tasks = [
        "lab/lift",
        "lab/assembly",
        "metaworld/assembly",
        "robosuite/lift",
        "robosuite/square",
        "adroit/pen",
    ];
    let methods = METHODS.iter().map(|method| method.id());
    let methods = methods.chain([FinetuneMethod::NONE]);
    let jobs = methods.flat_map(move |method| tasks.map(|task| (method, task)));
    jobs.flat_map(|(method, task)| {
        Preset::ALL.iter().map(move |preset| {
            let mut example = Config::bare(*preset);
            example.task = task.to_owned();
            example.finetune.method = method;
            example.pretrain.method = value_dice::METHOD.id();
            example
        })
    })
}

fn is_paper(config: &Config) -> bool {
    config.preset == Preset::Paper
}

/// Whether the task is one of these suites.
fn is_of(config: &Config, suites: &[&str]) -> bool {
    let suite = config.task.split('/').next();
    suite.is_some_and(|suite| suites.contains(&suite))
}

/// Actions a second in robomimic (`control_freq` in its data sets' `env_args`).
const ACTIONS_HZ: f64 = 20.0;

/// A setting for Lift, Can and Square.
type Row<T> = [T; 3];

/// The column of a task in the tables: 0 Lift, 1 Can, 2 Square.
fn column(task: &str) -> usize {
    match task {
        "robosuite/lift" | "lab/lift" => 0,
        // Stack puts a cube on another, as Can a can into its bin: things are dropped where much
        // room is. Door takes a lever by its end, which fits nothing either.
        "robosuite/can" | "robosuite/stack" | "robosuite/door" | "lab/pick-place" => 1,
        // Tool Hang fits a hook into a hole and a tool onto the hook, as Square a nut over a rod.
        _ => 2,
    }
}

/// Control steps of an episode (`max_episode_steps` of DSRL's and DPPO's configurations); none
/// where no episode is published.
fn time_limit(task: &str) -> Option<usize> {
    match task {
        "robosuite/lift" | "robosuite/can" => Some(300),
        "robosuite/square" => Some(400),
        _ => None,
    }
}

/// The discount per decision of episodes of so many decisions (`_get_discount` of TD-MPC2's code,
/// with its `discount_denom`, `discount_min` and `discount_max`).
fn td_mpc2_discount(decisions: f64) -> f64 {
    let reach = decisions / 5.0;
    ((reach - 1.0) / reach).clamp(0.95, 0.995)
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

/// Table 3; also what is pretrained here for no finetuning at all.
const DSRL: Table = Table {
    demos: [5, 10, 30],
    chunk: 4,
    members: [100, 100, 100],
    ensemble_epochs: [10_000, 6000, 3000],
    alpha: [1.0, 0.5, 1.0],
    sigma: [0.1, 0.1, 0.05],
};

/// Table 6.
const DPPO: Table = Table {
    members: [100, 100, 10],
    ensemble_epochs: [3000, 6000, 3000],
    alpha: [0.5, 0.25, 1.0],
    sigma: [0.1, 0.05, 0.05],
    ..DSRL
};

/// Table 5, with 1000 rollouts.
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
    let finetuning = config.finetune.method;
    let table = if finetuning == dppo::METHOD.id() {
        DPPO
    } else if finetuning == best_of_n::METHOD.id() {
        BEST_OF_N
    } else {
        DSRL
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
}

/// The ensemble's members: Gaussian policies of DPPO's configuration `pre_gaussian_mlp`, of which
/// the means are asked. PostBC's appendix D says that regressors have the diffusion policy's
/// architecture and dimensions.
fn set_ensemble(config: &mut Config) {
    let post_bc = &mut config.pretrain.post_bc;
    post_bc.activation = Activation::Mish;
    post_bc.residual = true;
    post_bc.tanh_output = true;
    // There the cycle is as long as the training, 5000 epochs.
    post_bc.schedule = LearningRate::Cosine;
    post_bc.warmup = 100;
    post_bc.weight_decay = 1e-6;
    post_bc.ema_decay = 0.995;
    // An average that takes weights in 500 times, as there, or more often; and that forgets the
    // first half: after 500 epochs, every tenth of them from the twentieth on, 0.995^49 = 78% of
    // it would be the weights of epoch 10.
    post_bc.ema_every = (post_bc.updates / 500).clamp(1, 10);
    post_bc.ema_start = post_bc.updates / 2;
}

/// The tables count for each of the four environments.
fn set_dsrl(config: &mut Config) {
    let column = column(&config.task);
    let sigma_bc = config.pretrain.method == sigma_bc::METHOD.id();
    let dsrl = &mut config.finetune.dsrl;
    dsrl.utd_ratio = if sigma_bc { 10.0 / 4.0 } else { 20.0 / 4.0 };
    dsrl.noise_utd_ratio = [20.0 / 4.0, 10.0 / 4.0, 10.0 / 4.0][column];
    dsrl.gamma = [0.99, 0.99, 0.999][column];
    dsrl.learning_starts = 4 * [1501, 1501, 2001][column];
    dsrl.eval_every = 4 * [3000, 3000, 4000][column];
}

/// The expectile for Lift, method by method.
fn set_expectile(config: &mut Config) {
    let own = [
        (value_dice::METHOD.id(), 0.9),
        (bc::METHOD.id(), 0.5),
        (post_bc::METHOD.id(), 0.5),
    ];
    let found = own.iter().find(|row| row.0 == config.pretrain.method);
    if let Some((_, expectile)) = found {
        config.finetune.best_of_n.expectile = *expectile;
    }
}
