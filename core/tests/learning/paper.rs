//! The preset `paper` on robosuite's tasks: the numbers that are published for them, and that the
//! docs show with their sources.

use protege_core::env::{
    Catalog, Entry, Env, Lab, Probes, RewardAfterSuccess, Spec, Suite, catalogue,
};
use protege_core::obs::ObsSpec;
use protege_core::run::memory::{self, Machine};
use protege_core::run::{Config, Preset};
use protege_core::{Error, Result};
use serde_json::{Value, json};

/// A suite of the native program, as far as settings depend on it.
struct Native {
    name: &'static str,
    tasks: &'static [(&'static str, usize)],
    act: usize,
    control_hz: f64,
    reward: RewardAfterSuccess,
}

impl Suite for Native {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |(id, obs): &(&str, usize)| Entry {
            spec: Spec {
                id: (*id).to_owned(),
                obs: ObsSpec::of_state(*obs),
                act: self.act,
                horizon: 500,
            },
            engines: &[catalogue::MUJOCO],
            about: "A task.",
            expert_success: None,
            proprioception: None,
        };
        self.tasks.iter().map(entry).collect()
    }

    fn control_hz(&self) -> f64 {
        self.control_hz
    }

    fn reward(&self) -> RewardAfterSuccess {
        self.reward
    }

    fn make(&self, id: &str, _: &str) -> Result<Box<dyn Env>> {
        Err(Error::input(format!("{id} is not played here")))
    }
}

const ROBOSUITE: Native = Native {
    name: "robosuite",
    tasks: &[
        ("robosuite/lift", 19),
        ("robosuite/can", 23),
        ("robosuite/square", 23),
        ("robosuite/stack", 32),
        ("robosuite/tool-hang", 53),
        ("robosuite/door", 23),
    ],
    act: 7,
    control_hz: 20.0,
    reward: RewardAfterSuccess::SuccessPays,
};

const METAWORLD: Native = Native {
    name: "metaworld",
    tasks: &[("metaworld/assembly", 39)],
    act: 4,
    control_hz: 80.0,
    reward: RewardAfterSuccess::FailureCosts,
};

const ADROIT: Native = Native {
    name: "adroit",
    tasks: &[
        ("adroit/pen", 45),
        ("adroit/hammer", 46),
        ("adroit/door", 39),
    ],
    act: 26,
    control_hz: 100.0,
    reward: RewardAfterSuccess::SuccessPays,
};

const CATALOG: Catalog = Catalog {
    suites: &[&Lab, &Probes, &ROBOSUITE, &METAWORLD, &ADROIT],
    elsewhere: "",
};

fn resolved(preset: Preset, task: &str, pretrain: &str, finetune: &str) -> Config {
    let overlay = json!({
        "task": task,
        "pretrain": { "method": pretrain },
        "finetune": { "method": finetune },
    });
    Config::from_overlay(&overlay, preset, &CATALOG).unwrap()
}

fn paper(task: &str, pretrain: &str, finetune: &str) -> Config {
    resolved(Preset::Paper, task, pretrain, finetune)
}

/// A setting, its values for Lift, Can and Square, and their source.
type Row = (&'static str, [&'static str; 3], &'static str);

const fn same(key: &'static str, value: &'static str, source: &'static str) -> Row {
    (key, [value; 3], source)
}

const WRAPPER: &str = "DSRL's and DPPO's `max_episode_steps`";
const POLICY: &str = "DPPO's `pre_diffusion_mlp`";
const GAUSSIAN: &str = "DPPO's `pre_gaussian_mlp`";

/// Whatever is finetuned.
const ALWAYS: &[Row] = &[
    same("env.action_repeat", "1", "robomimic: 20 Hz"),
    ("env.horizon", ["300", "300", "400"], WRAPPER),
    same("policy.kind", "diffusion", "PostBC, D.1"),
    same("policy.denoising_steps", "100", "PostBC, tables 3, 5, 6"),
    (
        "policy.hidden",
        ["512", "1024", "1024"],
        "PostBC, tables 3, 5, 6",
    ),
    same("policy.layers", "3", "PostBC, tables 3, 5, 6"),
    same("policy.activation", "mish", POLICY),
    same("policy.residual", "true", POLICY),
    ("policy.time_dim", ["16", "16", "32"], POLICY),
    same("pretrain.bc.updates", "3000", "PostBC, tables 3, 5, 6"),
    same("pretrain.bc.unit", "epoch", "PostBC, tables 3, 5, 6"),
    same("pretrain.bc.batch", "256", POLICY),
    same("pretrain.bc.lr", "0.0001", POLICY),
    same("pretrain.bc.cycle", "10000", POLICY),
    same("pretrain.bc.warmup", "100", POLICY),
    same("pretrain.bc.floor", "0.1", POLICY),
    same("pretrain.bc.weight_decay", "0.000001", POLICY),
    same("pretrain.bc.ema_decay", "0.995", POLICY),
    same("pretrain.bc.ema_every", "10", POLICY),
    same(
        "pretrain.bc.ema_start",
        "1500",
        "ours; `pre_diffusion_mlp`: 20",
    ),
    (
        "pretrain.post_bc.hidden",
        ["512", "1024", "1024"],
        "PostBC, D.1: the policy's",
    ),
    same("pretrain.post_bc.layers", "3", "PostBC, D.1: the policy's"),
    same("pretrain.post_bc.covariance", "full", "PostBC, D.1"),
    same("pretrain.post_bc.bootstrap", "trajectory", "PostBC, D.1"),
    same("pretrain.post_bc.activation", "mish", GAUSSIAN),
    same("pretrain.post_bc.residual", "true", GAUSSIAN),
    same("pretrain.post_bc.tanh_output", "true", GAUSSIAN),
    same("pretrain.post_bc.unit", "epoch", "PostBC, tables 3, 5, 6"),
    same("pretrain.post_bc.batch", "256", GAUSSIAN),
    same("pretrain.post_bc.lr", "0.0001", GAUSSIAN),
    same("pretrain.post_bc.schedule", "cosine", GAUSSIAN),
    same(
        "pretrain.post_bc.cycle",
        "0",
        "`pre_gaussian_mlp`: that of its training",
    ),
    same("pretrain.post_bc.warmup", "100", GAUSSIAN),
    same("pretrain.post_bc.floor", "0.1", GAUSSIAN),
    same("pretrain.post_bc.weight_decay", "0.000001", GAUSSIAN),
    same("pretrain.post_bc.ema_decay", "0.995", GAUSSIAN),
    same("eval.episodes", "200", "PostBC, appendix D"),
    same("eval.curve_episodes", "200", "PostBC, appendix D"),
];

/// Before DSRL.
const DSRL: &[Row] = &[
    ("demos.count", ["5", "10", "30"], "PostBC, table 3"),
    same("policy.chunk", "4", "PostBC, table 3"),
    same("policy.sampler", "ddim", "DSRL's `use_ddim`"),
    same("policy.inference_steps", "8", "PostBC, table 3"),
    (
        "pretrain.sigma_bc.sigma",
        ["0.1", "0.1", "0.05"],
        "PostBC, table 3",
    ),
    same("pretrain.post_bc.members", "100", "PostBC, table 3"),
    (
        "pretrain.post_bc.updates",
        ["10000", "6000", "3000"],
        "PostBC, table 3",
    ),
    (
        "pretrain.post_bc.ema_start",
        ["5000", "3000", "1500"],
        "ours; `pre_gaussian_mlp`: 20",
    ),
    (
        "pretrain.post_bc.ema_every",
        ["10", "10", "6"],
        "`pre_gaussian_mlp`: 10 of 5000",
    ),
    (
        "pretrain.post_bc.alpha",
        ["1", "0.5", "1"],
        "PostBC, table 3",
    ),
    same(
        "env.to_horizon",
        "true",
        "DSRL's `env_utils.py`: nothing ends but by time",
    ),
    same(
        "finetune.dsrl.variant",
        "noise-aliased",
        "DSRL's `algorithm`",
    ),
    same("finetune.dsrl.envs", "4", "DSRL's `n_envs`"),
    (
        "finetune.dsrl.learning_starts",
        ["6004", "6004", "8004"],
        "`init_rollout_steps` x `n_envs`",
    ),
    (
        "finetune.dsrl.eval_every",
        ["12000", "12000", "16000"],
        "`eval_interval` x `n_envs`",
    ),
    (
        "finetune.dsrl.noise_utd_ratio",
        ["5", "2.5", "2.5"],
        "PostBC, table 2: 20, 10, 10",
    ),
    same("finetune.dsrl.batch", "256", "DSRL's `batch_size`"),
    same("finetune.dsrl.lr", "0.0003", "DSRL's `actor_lr`"),
    (
        "finetune.dsrl.gamma",
        ["0.99", "0.99", "0.999"],
        "PostBC, table 2; `discount`",
    ),
    same("finetune.dsrl.target_rate", "0.005", "DSRL's `tau`"),
    same(
        "finetune.dsrl.magnitude",
        "1.5",
        "PostBC, table 2; `action_magnitude`",
    ),
    same(
        "finetune.dsrl.temperature",
        "1",
        "DSRL's `dsrl.py`: `init_value`",
    ),
    same("finetune.dsrl.backup_entropy", "true", "DSRL's `dsrl.py`"),
    same("finetune.dsrl.target_entropy", "0", "DSRL's `target_ent`"),
    same(
        "finetune.dsrl.reward_offset",
        "-1",
        "DSRL's `reward_offset`; PostBC, D: -1 / 0",
    ),
    same(
        "finetune.dsrl.offset_per",
        "step",
        "DSRL's `ObservationWrapperRobomimic`",
    ),
    same(
        "finetune.dsrl.bootstrap_truncated",
        "false",
        "DSRL's `ActionChunkWrapper`",
    ),
    same(
        "finetune.dsrl.stochastic_eval",
        "true",
        "DSRL's `deterministic_eval`: false",
    ),
    same("finetune.dsrl.critics", "2", "DSRL's `n_critics`"),
    same(
        "finetune.dsrl.hidden",
        "2048",
        "PostBC, table 2; `layer_size`",
    ),
    same("finetune.dsrl.layers", "3", "DSRL's `num_layers`"),
];

/// Before DPPO.
const DPPO: &[Row] = &[
    ("demos.count", ["5", "10", "30"], "PostBC, table 6"),
    same("policy.chunk", "4", "PostBC, table 6"),
    same("policy.sampler", "ddpm", "PostBC, appendix D"),
    (
        "pretrain.sigma_bc.sigma",
        ["0.1", "0.05", "0.05"],
        "PostBC, table 6",
    ),
    (
        "pretrain.post_bc.members",
        ["100", "100", "10"],
        "PostBC, table 6",
    ),
    (
        "pretrain.post_bc.updates",
        ["3000", "6000", "3000"],
        "PostBC, table 6",
    ),
    (
        "pretrain.post_bc.ema_start",
        ["1500", "3000", "1500"],
        "ours; `pre_gaussian_mlp`: 20",
    ),
    (
        "pretrain.post_bc.ema_every",
        ["6", "10", "6"],
        "`pre_gaussian_mlp`: 10 of 5000",
    ),
    (
        "pretrain.post_bc.alpha",
        ["0.5", "0.25", "1"],
        "PostBC, table 6",
    ),
    same(
        "env.to_horizon",
        "true",
        "DPPO's `robomimic_lowdim.py`: `done` is false",
    ),
    (
        "finetune.dppo.iterations",
        ["270", "270", "450"],
        "`n_train_itr` less every `val_freq`-th",
    ),
    same(
        "finetune.dppo.eval_every",
        "9",
        "`val_freq`: 10, of which one only evaluates",
    ),
    same(
        "finetune.dppo.episodes",
        "200",
        "`n_envs` 50, `n_steps` 300, 300, 400 chunks",
    ),
    same(
        "finetune.dppo.finetuned_steps",
        "10",
        "`ft_denoising_steps`",
    ),
    same("finetune.dppo.epochs", "10", "`update_epochs`"),
    (
        "finetune.dppo.batch",
        ["7500", "7500", "10000"],
        "`batch_size`",
    ),
    same("finetune.dppo.actor_lr", "0.00001", "`actor_lr`"),
    same("finetune.dppo.critic_lr", "0.001", "`critic_lr`"),
    same(
        "finetune.dppo.critic_warmup",
        "1",
        "`n_critic_warmup_itr`: 2, one of which evaluates",
    ),
    same("finetune.dppo.gamma", "0.999", "`gamma`"),
    same("finetune.dppo.gae_lambda", "0.95", "`gae_lambda`"),
    same(
        "finetune.dppo.bootstrap_truncated",
        "true",
        "`train_ppo_diffusion_agent.py`",
    ),
    same("finetune.dppo.gamma_denoising", "0.99", "`gamma_denoising`"),
    same("finetune.dppo.clip", "0.01", "`clip_ploss_coef`"),
    same("finetune.dppo.clip_base", "0.001", "`clip_ploss_coef_base`"),
    same(
        "finetune.dppo.min_sampling_std",
        "0.1",
        "`min_sampling_denoising_std`",
    ),
    same(
        "finetune.dppo.min_logprob_std",
        "0.1",
        "`min_logprob_denoising_std`",
    ),
    same("finetune.dppo.vf_coef", "0.5", "`vf_coef`"),
    same("finetune.dppo.target_kl", "1", "`target_kl`"),
    same("finetune.dppo.hidden", "256", "`critic.mlp_dims`"),
];

/// Before best-of-N, with 1000 rollouts.
const BEST_OF_N: &[Row] = &[
    ("demos.count", ["20", "300", "300"], "PostBC, table 5"),
    same("policy.chunk", "1", "PostBC, table 5"),
    (
        "pretrain.sigma_bc.sigma",
        ["0.1", "0.025", "0.025"],
        "PostBC, table 5",
    ),
    (
        "pretrain.post_bc.members",
        ["100", "10", "10"],
        "PostBC, table 5",
    ),
    (
        "pretrain.post_bc.updates",
        ["3000", "500", "500"],
        "PostBC, table 5",
    ),
    (
        "pretrain.post_bc.ema_start",
        ["1500", "250", "250"],
        "ours; `pre_gaussian_mlp`: 20",
    ),
    (
        "pretrain.post_bc.ema_every",
        ["6", "1", "1"],
        "`pre_gaussian_mlp`: 10 of 5000",
    ),
    same("pretrain.post_bc.alpha", "1", "PostBC, table 5"),
    same("env.to_horizon", "false", "ours: not published"),
    same(
        "finetune.best_of_n.rollouts",
        "1000",
        "PostBC, table 4: 1000 or 2000",
    ),
    same("finetune.best_of_n.rounds", "1", "PostBC, appendix D"),
    same("finetune.best_of_n.updates", "2000000", "PostBC, table 4"),
    same("finetune.best_of_n.gamma", "0.999", "PostBC, table 4"),
    same("finetune.best_of_n.batch", "256", "PostBC, Libero"),
    same("finetune.best_of_n.lr", "0.0003", "PostBC, Libero"),
    same("finetune.best_of_n.target_rate", "0.005", "PostBC, Libero"),
    same("finetune.best_of_n.critics", "2", "PostBC, Libero"),
    same("finetune.best_of_n.samples", "32", "PostBC, Libero"),
    same("finetune.best_of_n.hidden", "256", "PostBC, Libero"),
    same("finetune.best_of_n.layers", "2", "PostBC, Libero"),
];

/// Values that depend on what was pretrained: method of pretraining, setting, values, source.
const BY_PRETRAINING: &[(&str, &str, Row)] = &[
    (
        "bc",
        "dsrl",
        same(
            "finetune.dsrl.utd_ratio",
            "5",
            "PostBC, table 2: 20 for 4 environments",
        ),
    ),
    (
        "post-bc",
        "dsrl",
        same(
            "finetune.dsrl.utd_ratio",
            "5",
            "PostBC, table 2: 20 for 4 environments",
        ),
    ),
    (
        "sigma-bc",
        "dsrl",
        same(
            "finetune.dsrl.utd_ratio",
            "2.5",
            "PostBC, table 2: 10 for 4 environments",
        ),
    ),
    (
        "bc",
        "best-of-n",
        (
            "finetune.best_of_n.expectile",
            ["0.5", "0.7", "0.7"],
            TABLE_4,
        ),
    ),
    (
        "post-bc",
        "best-of-n",
        (
            "finetune.best_of_n.expectile",
            ["0.5", "0.7", "0.7"],
            TABLE_4,
        ),
    ),
    (
        "sigma-bc",
        "best-of-n",
        ("finetune.best_of_n.expectile", ["0.7"; 3], TABLE_4),
    ),
    (
        "value-dice",
        "best-of-n",
        (
            "finetune.best_of_n.expectile",
            ["0.9", "0.7", "0.7"],
            TABLE_4,
        ),
    ),
];

const TABLE_4: &str = "PostBC, table 4";

const TASKS: [&str; 3] = ["robosuite/lift", "robosuite/can", "robosuite/square"];
const METHODS: [(&str, &[Row]); 3] = [("dsrl", DSRL), ("dppo", DPPO), ("best-of-n", BEST_OF_N)];

/// Whether a setting has the value that is written so: 1 is 1.0, too.
fn is(config: &Config, key: &str, expected: &str) -> bool {
    let found = key
        .split('.')
        .fold(config.to_value(), |group, name| group[name].clone());
    let written: Value = serde_json::from_str(expected).unwrap_or_else(|_| json!(expected));
    match (found.as_f64(), written.as_f64()) {
        (Some(found), Some(written)) => (found - written).abs() <= 1e-12,
        _ => found == written,
    }
}

/// Every task of robosuite has, before every finetuning, the numbers that are published for it.
#[test]
fn robosuite_has_the_published_numbers() {
    for (finetune, own) in METHODS {
        for (column, task) in TASKS.into_iter().enumerate() {
            for pretrain in ["bc", "sigma-bc", "post-bc"] {
                let config = paper(task, pretrain, finetune);
                for (key, values, _) in ALWAYS.iter().chain(own) {
                    let name = (task, pretrain, finetune);
                    assert!(
                        is(&config, key, values[column]),
                        "{name:?} {key}: {values:?}"
                    );
                }
            }
            for (pretrain, of, (key, values, _)) in BY_PRETRAINING {
                let config = paper(task, pretrain, of);
                assert!(
                    is(&config, key, values[column]),
                    "{task} {pretrain} {key}: {values:?}"
                );
            }
        }
    }
}

/// What no table has a column for has that of the nearest task, but the time limit of its own.
#[test]
fn other_tasks_of_robosuite_have_the_nearest_column() {
    for (task, nearest) in [("stack", "can"), ("tool-hang", "square"), ("door", "can")] {
        let (task, nearest) = (format!("robosuite/{task}"), format!("robosuite/{nearest}"));
        for (finetune, _) in METHODS {
            for pretrain in ["bc", "sigma-bc", "post-bc"] {
                let mut expected = paper(&nearest, pretrain, finetune);
                expected.task.clone_from(&task);
                expected.env.horizon = 0;
                assert_eq!(paper(&task, pretrain, finetune), expected);
            }
        }
    }
}

/// Where control runs at 80 Hz the preset holds actions for 4 control steps, and methods that
/// decide action by action for as many as the suite says; other presets hold none.
#[test]
fn the_papers_decide_twenty_times_a_second() {
    let repeat = |config: Config| config.env.action_repeat;
    for finetune in ["none", "dsrl", "dppo", "best-of-n"] {
        for task in ["lab/lift", "lab/assembly", "metaworld/assembly"] {
            assert_eq!(repeat(paper(task, "bc", finetune)), 4, "{task} {finetune}");
            for preset in [Preset::Cpu, Preset::Tiny] {
                let config = resolved(preset, task, "bc", finetune);
                assert_eq!(repeat(config.clone()), 1, "{task} {finetune}");
                assert_eq!((config.env.horizon, config.env.to_horizon), (0, false));
            }
        }
    }
    assert_eq!(repeat(paper("metaworld/assembly", "bc", "rlpd")), 2);
    assert_eq!(repeat(paper("robosuite/can", "bc", "none")), 1);
}

/// Planning has the references' episodes, discounts and rounds: 100 decisions on Meta-World with
/// 0.95, MoDem's on Adroit with two rounds more for its 26 joints, and longer ones a discount that
/// reaches further.
#[test]
fn planning_has_the_published_episodes() {
    let modem = ("finetune.td_mpc.backbone", "td-mpc");
    let found = |task: &str, set: Option<(&str, &str)>| {
        let mut config = paper(task, "bc", "td-mpc");
        if let Some((key, value)) = set {
            config = config.set(key, value, &CATALOG).unwrap();
        }
        let td_mpc = &config.finetune.td_mpc;
        (config.env.horizon, td_mpc.gamma, td_mpc.iterations)
    };
    assert_eq!(found("metaworld/assembly", None), (200, 0.95, 6));
    assert_eq!(found("metaworld/assembly", Some(modem)), (200, 0.99, 4));
    assert_eq!(found("adroit/pen", None), (100, 0.95, 8));
    assert_eq!(found("adroit/hammer", None), (250, 0.96, 8));
    assert_eq!(found("adroit/door", Some(modem)), (200, 0.99, 8));
    assert_eq!(found("robosuite/can", None), (300, 29.0 / 30.0, 6));
    let (horizon, gamma, iterations) = found("lab/lift", None);
    assert_eq!((horizon, gamma, iterations), (0, 0.95, 6));
    for method in ["csil", "xqc"] {
        let config = paper("metaworld/assembly", "bc", method);
        assert_eq!(config.env.horizon, 200, "{method}");
    }
    let cpu = resolved(Preset::Cpu, "metaworld/assembly", "bc", "td-mpc");
    assert_eq!((cpu.env.horizon, cpu.finetune.td_mpc.gamma), (0, 0.95));
}

/// A reward of -1 until success is added only where a suite does not pay it by itself.
#[test]
fn failure_costs_once() {
    let offset = |task: &str| paper(task, "bc", "dsrl").finetune.dsrl.reward_offset;
    assert_eq!(offset("robosuite/can"), -1.0);
    assert_eq!(offset("lab/lift"), -1.0);
    assert_eq!(offset("metaworld/assembly"), 0.0);
}

/// The published sizes fit into 16 GB.
#[test]
fn the_published_sizes_fit() {
    let machine = Machine {
        memory: 16e9,
        cores: 16,
        runs: 1,
    };
    for (finetune, _) in METHODS {
        for task in TASKS {
            let config = paper(task, "post-bc", finetune);
            assert_eq!(
                memory::check(&config, &CATALOG, false, &machine),
                Ok(()),
                "{task}"
            );
        }
    }
}

/// The docs show every number of these tables with its source.
#[test]
fn the_docs_show_the_published_numbers() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let mut text = String::new();
    for file in std::fs::read_dir(docs).unwrap() {
        let path = file.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("robosuite") && name.ends_with(".md") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    let line = |(key, values, source): &Row| {
        let [lift, can, square] = values;
        format!("| `{key}` | {lift} | {can} | {square} | {source} |\n")
    };
    let of = |own: &[Row]| own.iter().map(line).collect::<String>();
    let by = |(pretrain, _, row): &(&str, &str, Row)| {
        line(row).replacen("` |", &format!("`, {pretrain} |"), 1)
    };
    let mut tables = vec![of(ALWAYS)];
    for (finetune, own) in METHODS {
        let more = BY_PRETRAINING.iter().filter(|(_, of, _)| *of == finetune);
        tables.push(of(own) + &more.map(by).collect::<String>());
    }
    for table in tables {
        assert!(
            text.contains(&table),
            "docs/robosuite*.md lack this table:\n{table}"
        );
    }
}
