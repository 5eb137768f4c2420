//! Whole runs: stopped and resumed, on any number of threads, with what they are given.

use crate::{same_bits, tiny_td_mpc};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Error;
use protege_core::data::{Archive, Dataset, Episode, Meta};
use protege_core::env::catalogue::CORE;
use protege_core::env::{Env, LabEnv, Maker, make_on};
use protege_core::finetune::actor_critic::{ActorConfig, Compose};
use protege_core::finetune::csil::{self, CsilConfig};
use protege_core::finetune::dppo::{self, DppoConfig};
use protege_core::finetune::dsrl::{self, DsrlConfig, Variant};
use protege_core::finetune::rlpd::{self, RlpdConfig};
use protege_core::finetune::sac::{self, SacConfig};
use protege_core::finetune::td_mpc::{self, Backbone, Proposals, TdMpcConfig};
use protege_core::finetune::xqc::{self, XqcConfig};
use protege_core::finetune::{self, FinetuneConfig, FinetuneMethod, best_of_n};
use protege_core::obs::ObsSpec;
use protege_core::policy::{PolicyConfig, PolicyKind, Sampler};
use protege_core::pretrain::post_bc::LearningRate;
use protege_core::pretrain::{self, BcConfig, bc, sigma_bc, value_dice};
use protege_core::rng::Rng;
use protege_core::run::action_plot::along_a_demonstration;
use protege_core::run::{Config, Inputs, Keep, Phase, Preset, Progress, Run, Services};
use std::collections::BTreeSet;

/// A run of every stage with two rounds of finetuning, in about a hundred steps. Two environments
/// play three episodes: one of them starts a second while the other is still busy.
pub fn small() -> Config {
    let mut config = Config::preset(Preset::Tiny);
    config.task = "lab/lift".into();
    config.demos.count = 2;
    config.env.parallel = 2;
    config.env.action_repeat = 2;
    config.env.horizon = 50;
    config.policy = PolicyConfig {
        chunk: 12,
        hidden: 8,
        layers: 1,
        inference_steps: 2,
        ..config.policy
    };
    let bc = config.pretrain.bc;
    config.pretrain.bc = BcConfig {
        updates: 25,
        batch: 8,
        ema_decay: 0.9,
        ema_every: 3,
        ema_start: 5,
        ..bc
    };
    config.pretrain.post_bc = protege_core::pretrain::PostBcConfig {
        members: 3,
        hidden: 8,
        layers: 1,
        updates: 25,
        batch: 8,
        schedule: LearningRate::Cosine,
        cycle: 10,
        warmup: 2,
        ema_decay: 0.9,
        ema_every: 3,
        ema_start: 5,
        ..config.pretrain.post_bc
    };
    config.pretrain.value_dice = protege_core::pretrain::ValueDiceConfig {
        hidden: 8,
        layers: 1,
        updates: 25,
        batch: 8,
        ..config.pretrain.value_dice
    };
    config.finetune.best_of_n = protege_core::finetune::best_of_n::BestOfNConfig {
        rollouts: 5,
        rounds: 2,
        updates: 25,
        batch: 8,
        samples: 3,
        hidden: 8,
        layers: 1,
        ..config.finetune.best_of_n
    };
    config.finetune.dsrl = DsrlConfig {
        envs: 2,
        total_steps: 48,
        learning_starts: 16,
        eval_every: 24,
        utd_ratio: 1.5,
        noise_utd_ratio: 1.0,
        batch: 8,
        hidden: 8,
        layers: 1,
        ..config.finetune.dsrl
    };
    config.finetune.dppo = DppoConfig {
        iterations: 3,
        eval_every: 2,
        episodes: 3,
        finetuned_steps: 2,
        epochs: 2,
        batch: 8,
        critic_warmup: 1,
        hidden: 8,
        ..config.finetune.dppo
    };
    config.finetune.td_mpc = small_world(config.finetune.td_mpc.backbone);
    config.finetune = small_actors(config.finetune, Compose::Ensemble);
    config.eval.episodes = 3;
    config.eval.curve_episodes = 3;
    config
}

fn small_world(backbone: Backbone) -> TdMpcConfig {
    TdMpcConfig {
        envs: 2,
        total_steps: 120,
        clone_updates: 12,
        learning_starts: 70,
        seed_updates: 12,
        seed_policy_decay: 20,
        utd_ratio: 0.2,
        eval_every: 60,
        batch: 8,
        horizon: 2,
        latent: 8,
        hidden: 8,
        encoder_hidden: 8,
        samples: 6,
        policy_samples: 2,
        proposals: Proposals::Both,
        elites: 2,
        iterations: 2,
        ..tiny_td_mpc(backbone)
    }
}

/// The same settings with small actors beside the pretrained policy.
fn small_actors(finetune: FinetuneConfig, compose: Compose) -> FinetuneConfig {
    let actor = ActorConfig {
        compose,
        clone_updates: 12,
        hidden: 8,
        bottleneck: 3,
        features: 4,
        ..ActorConfig::preset(Preset::Tiny)
    };
    FinetuneConfig {
        csil: CsilConfig {
            actor: actor.clone(),
            envs: 2,
            total_steps: 130,
            critic_updates: 12,
            learning_starts: 70,
            utd_ratio: 0.2,
            eval_every: 100,
            batch: 8,
            hidden: 8,
            layers: 1,
            atoms: 5,
            ..finetune.csil
        },
        xqc: XqcConfig {
            actor: actor.clone(),
            envs: 2,
            total_steps: 130,
            learning_starts: 70,
            utd_ratio: 0.2,
            eval_every: 100,
            batch: 8,
            hidden: 8,
            layers: 1,
            atoms: 5,
            ..finetune.xqc
        },
        rlpd: RlpdConfig {
            actor: actor.clone(),
            envs: 2,
            total_steps: 130,
            learning_starts: 70,
            utd_ratio: 0.2,
            eval_every: 100,
            batch: 8,
            hidden: 8,
            layers: 1,
            ..finetune.rlpd
        },
        sac: SacConfig {
            actor,
            envs: 2,
            total_steps: 130,
            learning_starts: 70,
            utd_ratio: 0.2,
            eval_every: 100,
            batch: 8,
            hidden: 8,
            layers: 1,
            ..finetune.sac
        },
        ..finetune
    }
}

/// The same with TD-MPC.
pub fn small_td_mpc(backbone: Backbone) -> Config {
    let mut config = small();
    config.pretrain.method = bc::METHOD.id();
    config.finetune.method = td_mpc::METHOD.id();
    config.pretrain.bc.updates = 10;
    config.policy.chunk = 2;
    config.finetune.td_mpc = small_world(backbone);
    config.eval.keep = Keep::Best;
    config
}

/// The same with CSIL, and episodes that are short enough to end while it practices.
pub fn small_csil() -> Config {
    let mut config = small();
    config.pretrain.method = bc::METHOD.id();
    config.finetune.method = csil::METHOD.id();
    config.pretrain.bc.updates = 10;
    config.policy.chunk = 3;
    config.env.action_repeat = 4;
    config
}

/// The same with ValueDICE.
pub fn small_value_dice() -> Config {
    let mut config = small();
    config.policy.kind = PolicyKind::Squashed;
    config.pretrain.method = value_dice::METHOD.id();
    config
}

pub fn start(config: Config) -> Run {
    Run::new(config, Inputs::default(), Device::flex()).unwrap()
}

pub fn bytes(run: &Run) -> Vec<u8> {
    block_on(run.save()).unwrap().to_bytes().unwrap()
}

fn reloaded(bytes: &[u8], make: Maker) -> Run {
    Run::load_with(
        Archive::from_bytes(bytes).unwrap(),
        Device::flex(),
        services(make),
    )
    .unwrap()
}

/// Where the best counts and practice only made things worse, the result is the pretrained policy
/// and succeeds as often; of equals the latest is the result.
#[test]
fn the_result_is_the_best_of_the_learning_curve() {
    let mut config = small_td_mpc(Backbone::TdMpc2);
    config.env.horizon = 0;
    config.demos.count = 5;
    config.policy.hidden = 64;
    config.pretrain.bc.updates = 800;
    config.pretrain.bc.batch = 64;
    config.eval.episodes = 12;
    config.eval.curve_episodes = 12;
    config.env.parallel = 12;
    let outcome = |config: Config| {
        let mut run = start(config);
        play(&mut run);
        let archive = block_on(run.policy_archive()).unwrap();
        let [before, after] =
            [run.summary().before, run.summary().after].map(|outcome| outcome.unwrap().success);
        (before, after, archive.contains("improved/method"))
    };
    let (before, after, improved) = outcome(config.clone());
    assert!(
        before > 0.2 && before == after && !improved,
        "{before} {after} {improved}"
    );
    config.eval.keep = Keep::Last;
    let (before, after, improved) = outcome(config.clone());
    assert!(before > after && improved, "{before} {after} {improved}");
    // A policy that knows nothing succeeds as seldom as what comes of it.
    config.eval.keep = Keep::Best;
    config.pretrain.bc.updates = 1;
    let (before, after, improved) = outcome(config);
    assert!(
        before == 0.0 && after == 0.0 && improved,
        "{before} {after} {improved}"
    );
}

/// Where practice goes on after a success, all of its episodes are as long as the horizon that is
/// set, whatever learns from them, and earn a reward in every control step in which success lasts;
/// evaluations have the same horizon, and end with their first success as before.
#[test]
fn practice_goes_on_to_the_horizon() {
    let mut config = small();
    config.demos.count = 5;
    config.policy.hidden = 64;
    config.policy.chunk = 4;
    config.pretrain.method = bc::METHOD.id();
    config.pretrain.bc.updates = 800;
    config.pretrain.bc.batch = 64;
    config.eval.episodes = 12;
    config.env.parallel = 12;
    config.env.horizon = 101;
    config.env.to_horizon = true;
    config.finetune.dppo.episodes = 12;
    config.finetune.best_of_n.rollouts = 12;
    config.finetune.dsrl.learning_starts = 60;
    config.finetune.dsrl.total_steps = 70;
    for method in [best_of_n::METHOD, dsrl::METHOD, dppo::METHOD] {
        config.finetune.method = method.id();
        let steps = play(&mut start(config.clone()));
        let episodes = steps.iter().flat_map(|step| &step.episodes);
        let of = |phase: Phase| {
            episodes
                .clone()
                .filter(move |episode| episode.phase == phase)
        };
        let practice: Vec<_> = of(Phase::Collect).collect();
        assert!(practice.iter().all(|episode| episode.length == 101));
        let most = practice.iter().map(|episode| episode.episode_return);
        assert!(most.fold(0.0, f32::max) > 1.0, "{}", method.info.id);
        let evaluated: Vec<_> = of(Phase::Evaluate).collect();
        let ended = evaluated.iter().filter(|episode| episode.success);
        assert!(ended.clone().count() > 0, "{}", method.info.id);
        assert!(
            ended
                .clone()
                .all(|episode| episode.length < 101 && episode.episode_return == 1.0)
        );
        let failed = evaluated.iter().filter(|episode| !episode.success);
        assert!(failed.clone().all(|episode| episode.length == 101));
    }
}

/// Every step of a run to its end.
fn play(run: &mut Run) -> Vec<Progress> {
    let mut steps = Vec::new();
    while !steps.last().is_some_and(|step: &Progress| step.finished) {
        steps.push(block_on(run.step()).unwrap());
    }
    steps
}

/// Runs once as it is, and once saved to bytes and loaded again between any two steps: both must be
/// the same in every figure, episode, weight, moment, random stream, replayed decision and physics
/// state, after every step. Gives the phases that came up.
fn assert_resumable(config: Config) -> Vec<Phase> {
    resumable_phases(config, make_on)
}

/// The same with other environments.
pub fn services(make: Maker) -> Services {
    Services {
        make,
        ..Services::default()
    }
}

pub fn resumable_phases(config: Config, make: Maker) -> Vec<Phase> {
    let whole = Run::new(
        config,
        Inputs {
            services: services(make),
            ..Inputs::default()
        },
        Device::flex(),
    )
    .unwrap();
    let mut whole = whole;
    let mut phases = Vec::new();
    let mut stopped = reloaded(&bytes(&whole), make);
    loop {
        let a = block_on(whole.step()).unwrap();
        let b = block_on(stopped.step()).unwrap();
        assert_eq!(a, b);
        phases.push(a.phase);
        let state = bytes(&whole);
        assert!(
            state == bytes(&stopped),
            "the states differ after a step of {:?}",
            a.phase
        );
        stopped = reloaded(&state, make);
        if a.finished {
            break;
        }
    }
    let result = |run: &Run| block_on(run.policy_archive()).unwrap().to_bytes().unwrap();
    assert!(result(&whole) == result(&stopped));
    assert_eq!(whole.summary(), stopped.summary());
    phases.dedup();
    phases
}

/// A run that was stopped anywhere and resumed equals one that was not, bit for bit, in every stage
/// and at every border.
#[test]
fn a_resumed_run_equals_one_that_never_stopped() {
    let practice = [Phase::Collect, Phase::Finetune, Phase::Evaluate];
    let pretraining = [
        Phase::Demos,
        Phase::Ensemble,
        Phase::Pretrain,
        Phase::Evaluate,
    ];
    assert_eq!(
        assert_resumable(small()),
        [&pretraining[..], &practice, &practice].concat()
    );
}

/// A small run of one method: of pretraining alone, or of finetuning after a little cloning.
fn small_run_of_each_method() -> Vec<Config> {
    let pretraining = pretrain::METHODS.map(|row| {
        let mut config = small();
        config.pretrain.method = row.id();
        config.finetune.method = FinetuneMethod::NONE;
        config.policy.kind = row.id().policy_kind().unwrap_or(config.policy.kind);
        config
    });
    let finetuning = finetune::METHODS.map(|row| {
        let mut config = small();
        config.pretrain.method = bc::METHOD.id();
        config.pretrain.bc.updates = 10;
        config.finetune.method = row.id();
        if row.info.per_step {
            config.env.action_repeat = 4;
        }
        config
    });
    pretraining.into_iter().chain(finetuning).collect()
}

/// The same for every method that there is.
#[test]
fn a_resumed_run_of_any_method_equals_one_that_never_stopped() {
    for config in small_run_of_each_method() {
        let finetunes = config.finetune.method != FinetuneMethod::NONE;
        let phases = assert_resumable(config);
        assert!(phases.contains(&Phase::Pretrain), "{phases:?}");
        assert_eq!(phases.contains(&Phase::Finetune), finetunes, "{phases:?}");
    }
}

/// The names in the first column of the table of metrics in the docs.
fn documented_metrics() -> BTreeSet<&'static str> {
    let docs = include_str!("../../../docs/design.md");
    let (_, metrics) = docs.split_once("**Metrics.**").unwrap();
    let (table, _) = metrics.split_once("\n\nEach line of").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let names = rows.filter_map(|row| row.split(" | ").next());
    names
        .flat_map(|names| names.split('`').skip(1).step_by(2))
        .collect()
}

/// Long enough for every method to record its losses, which are read at every 50th update.
fn recording(mut config: Config) -> Config {
    config.finetune.dsrl.utd_ratio = 2.5;
    config.finetune.dsrl.total_steps = 102;
    config.finetune.dsrl.eval_every = 100;
    config.finetune.td_mpc.clone_updates = 50;
    config.finetune.td_mpc.seed_updates = 60;
    config.finetune.csil.actor.clone_updates = 50;
    config.finetune.csil.critic_updates = 50;
    config.finetune.csil.utd_ratio = 1.0;
    config.finetune.xqc.utd_ratio = 1.0;
    config.finetune.rlpd.utd_ratio = 1.0;
    config.finetune.sac.utd_ratio = 1.0;
    config.eval.to_horizon = true;
    config
}

/// Whatever a method records has a name in the docs.
#[test]
fn every_metric_is_in_the_docs() {
    let documented = documented_metrics();
    for config in small_run_of_each_method() {
        let mut run = start(recording(config));
        let steps = play(&mut run);
        let records = steps.iter().flat_map(|step| &step.records);
        let names: BTreeSet<&str> = records
            .flat_map(|record| record.values.keys().map(String::as_str))
            .collect();
        let losses = names.iter().filter(|name| name.starts_with("loss/"));
        assert!(losses.count() > 0, "{:?}: {names:?}", run.summary());
        let missing: Vec<_> = names.difference(&documented).collect();
        assert!(missing.is_empty(), "{missing:?} are not in docs/design.md");
    }
}

/// The same for both variants of DSRL: episodes go on across evaluations, and updates are owed.
#[test]
fn a_resumed_run_of_dsrl_equals_one_that_never_stopped() {
    for variant in [Variant::NoiseAliased, Variant::Sac] {
        let mut config = small();
        config.pretrain.method = bc::METHOD.id();
        config.finetune.method = dsrl::METHOD.id();
        config.pretrain.bc.updates = 10;
        config.finetune.dsrl.variant = variant;
        let phases = assert_resumable(config);
        assert_eq!(
            phases
                .iter()
                .filter(|&&phase| phase == Phase::Evaluate)
                .count(),
            3,
            "before, once during, and after"
        );
    }
}

/// The same for DPPO, of a flow and of a diffusion policy, whose every denoising step draws noise.
#[test]
fn a_resumed_run_of_dppo_equals_one_that_never_stopped() {
    for kind in [PolicyKind::Flow, PolicyKind::Diffusion] {
        let mut config = small();
        config.pretrain.method = bc::METHOD.id();
        config.pretrain.bc.updates = 10;
        config.finetune.method = dppo::METHOD.id();
        config.policy.kind = kind;
        config.policy.sampler = Sampler::Ddpm;
        config.policy.denoising_steps = 3;
        config.finetune.dppo.bootstrap_truncated = kind == PolicyKind::Diffusion;
        let phases = assert_resumable(config);
        assert_eq!(
            phases
                .iter()
                .filter(|&&phase| phase == Phase::Evaluate)
                .count(),
            3,
            "before, once during, and after"
        );
        assert_eq!(
            phases
                .iter()
                .filter(|&&phase| phase == Phase::Finetune)
                .count(),
            3,
            "one for each iteration"
        );
    }
}

/// The same for TD-MPC, with either world model: episodes, plans, priorities and the hand-over from
/// the clone go on.
#[test]
fn a_resumed_run_of_td_mpc_equals_one_that_never_stopped() {
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let phases = assert_resumable(small_td_mpc(backbone));
        let evaluations = phases
            .iter()
            .filter(|&&phase| phase == Phase::Evaluate)
            .count();
        assert_eq!(
            evaluations, 4,
            "before, of the clone, once during, and after: {phases:?}"
        );
    }
}

/// The same for actors beside the pretrained policy: chunks that are being played out, decisions
/// that wait for the next, running statistics.
#[test]
fn a_resumed_run_of_an_actor_equals_one_that_never_stopped() {
    let ways = [
        (csil::METHOD.id(), Compose::Ensemble),
        (csil::METHOD.id(), Compose::Alone),
        (xqc::METHOD.id(), Compose::Residual),
        (rlpd::METHOD.id(), Compose::Ensemble),
        (sac::METHOD.id(), Compose::Residual),
    ];
    for (method, compose) in ways {
        let mut config = small_csil();
        config.finetune = small_actors(config.finetune, compose);
        config.finetune.method = method;
        let phases = assert_resumable(config);
        let count = |wanted: Phase| phases.iter().filter(|&&phase| phase == wanted).count();
        assert!(
            count(Phase::Finetune) > 1,
            "cloning, and updates in practice: {phases:?}"
        );
        assert_eq!(
            count(Phase::Evaluate),
            4,
            "before, of what begins, once during, and after: {phases:?}"
        );
    }
}

/// The same for a cloned Gaussian without finetuning.
#[test]
fn a_resumed_run_of_plain_cloning_equals_one_that_never_stopped() {
    let mut config = small();
    config.policy.kind = PolicyKind::Gaussian;
    config.pretrain.method = bc::METHOD.id();
    config.finetune.method = FinetuneMethod::NONE;
    assert_eq!(
        assert_resumable(config),
        [Phase::Demos, Phase::Pretrain, Phase::Evaluate]
    );
}

/// The same for ValueDICE and its squashed policy, best-of-N included.
#[test]
fn a_resumed_run_of_value_dice_equals_one_that_never_stopped() {
    let practice = [Phase::Collect, Phase::Finetune, Phase::Evaluate];
    let pretraining = [Phase::Demos, Phase::Pretrain, Phase::Evaluate];
    assert_eq!(
        assert_resumable(small_value_dice()),
        [pretraining, practice, practice].concat()
    );
}

/// The same for a diffusion policy with all that DPPO trains it with, epochs included, cloned by
/// sigma-BC and sampled by DDPM.
#[test]
fn a_resumed_run_of_a_diffusion_policy_equals_one_that_never_stopped() {
    let mut config = small();
    let paper = Config::preset(Preset::Paper);
    config.policy = PolicyConfig {
        chunk: 12,
        hidden: 8,
        denoising_steps: 5,
        sampler: Sampler::Ddpm,
        ..paper.policy
    };
    let bc = paper.pretrain.bc;
    config.pretrain.bc = BcConfig {
        updates: 3,
        batch: 8,
        cycle: 2,
        warmup: 1,
        ema_decay: 0.9,
        ema_every: 1,
        ema_start: 2,
        ..bc
    };
    config.pretrain.method = sigma_bc::METHOD.id();
    config.finetune.best_of_n.rounds = 1;
    config.finetune.best_of_n.samples = 2;
    let practice = [Phase::Collect, Phase::Finetune, Phase::Evaluate];
    assert_eq!(
        assert_resumable(config),
        [
            &[Phase::Demos, Phase::Pretrain, Phase::Evaluate][..],
            &practice
        ]
        .concat()
    );
}

/// No result depends on the number of threads, and the same configuration gives the same run.
#[test]
fn no_result_depends_on_the_number_of_threads() {
    let mut one = start(small()).with_threads(1);
    let mut two = start(small()).with_threads(2);
    assert_eq!(play(&mut one), play(&mut two));
    assert!(bytes(&one) == bytes(&two));
}

/// The counts add up: episodes as configured, practice counted in control steps, evaluation not.
#[test]
fn the_counts_of_a_run_add_up() {
    let mut run = start(small());
    let steps = play(&mut run);
    let episodes = |phase| {
        steps
            .iter()
            .flat_map(|s| &s.episodes)
            .filter(move |e| e.phase == phase)
    };
    assert_eq!(
        (
            episodes(Phase::Demos).count(),
            episodes(Phase::Evaluate).count(),
            episodes(Phase::Collect).count()
        ),
        (2, 9, 5)
    );
    let summary = run.summary();
    assert_eq!(
        summary.env_steps,
        episodes(Phase::Collect).map(|e| e.length).sum::<u64>()
    );
    assert!(
        summary.decisions >= summary.env_steps.div_ceil(24),
        "a decision holds 12 actions for 2 control steps each"
    );
    let last = steps.iter().flat_map(|s| &s.records).next_back().unwrap();
    assert_eq!(
        (last.step, last.values["time/updates"]),
        (summary.env_steps, 100.0)
    );
    assert_eq!(
        (
            summary.before.unwrap().episodes,
            summary.after.unwrap().episodes
        ),
        (3, 3)
    );
    assert!(
        block_on(run.step()).unwrap().finished,
        "a finished run stays finished"
    );
}

/// Demonstrations and policy of a small run without finetuning.
fn pretrained() -> (Dataset, Archive) {
    let mut config = small();
    config.pretrain.method = bc::METHOD.id();
    config.finetune.method = FinetuneMethod::NONE;
    let mut run = start(config);
    play(&mut run);
    (
        run.demos().unwrap().clone(),
        block_on(run.policy_archive()).unwrap(),
    )
}

fn given(
    config: Config,
    demos: Option<Dataset>,
    policy: Option<Archive>,
) -> protege_core::Result<Run> {
    Run::new(
        config,
        Inputs {
            demos,
            policy,
            ..Inputs::default()
        },
        Device::flex(),
    )
}

fn refusal(result: protege_core::Result<Run>) -> String {
    match result {
        Err(Error::Input(sentence)) => sentence,
        Err(other) => panic!("expected an input error, got {other:?}"),
        Ok(_) => panic!("expected an input error"),
    }
}

/// A run that is given demonstrations or a policy begins after them, and refuses those of another
/// task or repeat.
#[test]
fn a_run_takes_what_it_is_given_if_it_fits() {
    let (demos, policy) = pretrained();
    let first = |run: protege_core::Result<Run>| block_on(run.unwrap().step()).unwrap().phase;
    assert_eq!(
        first(given(small(), Some(demos.clone()), None)),
        Phase::Ensemble
    );
    assert_eq!(
        first(given(small(), Some(demos.clone()), Some(policy.clone()))),
        Phase::Evaluate
    );
    assert_eq!(
        first(given(small(), None, Some(policy.clone()))),
        Phase::Evaluate
    );
    let other = small().set("task", "lab/pick-place", &CORE).unwrap();
    assert!(refusal(given(other.clone(), Some(demos.clone()), None)).contains("lab/lift"));
    assert!(refusal(given(other, None, Some(policy.clone()))).contains("lab/lift"));
    let repeat = small().set("env.action_repeat", "1", &CORE).unwrap();
    assert!(refusal(given(repeat.clone(), Some(demos), None)).contains("env.action_repeat"));
    assert!(refusal(given(repeat, None, Some(policy))).contains("env.action_repeat"));
    assert!(refusal(given(small(), None, Some(Archive::new()))).contains("config"));
}

/// Of a larger file, a run uses a random subset that depends on the seed only, not on the method.
#[test]
fn a_subset_of_demonstrations_depends_on_the_seed_only() {
    let (demos, _) = pretrained();
    let copies = |n: u64| {
        (0..n)
            .map(|seed| Episode {
                seed,
                ..demos.episodes[0].clone()
            })
            .collect()
    };
    let file = Dataset {
        episodes: copies(30),
        ..demos.clone()
    };
    let drawn = |config: Config| {
        given(config, Some(file.clone()), None)
            .unwrap()
            .demos()
            .unwrap()
            .episodes
            .iter()
            .map(|e| e.seed)
            .collect::<Vec<_>>()
    };
    let first = drawn(small());
    let other = drawn(small().set("seed", "1", &CORE).unwrap());
    assert_eq!(first.len(), 2);
    assert_ne!(first, other);
    assert_eq!(
        first,
        drawn(small().set("pretrain.method", "bc", &CORE).unwrap())
    );
}

/// An action plot shows, at every stride-th state of the first demonstration, the demonstrator's
/// action and as many sampled actions of each policy, with their spread; the same noise for every
/// policy.
#[test]
fn an_action_plot_shows_policies_along_a_demonstration() {
    let (demos, archive) = pretrained();
    let run = given(small(), None, Some(archive)).unwrap();
    let policy = run.policy().unwrap();
    let device = Device::flex();
    let samples_by_state = block_on(along_a_demonstration(
        &[policy, policy],
        &demos,
        7,
        5,
        &device,
    ))
    .unwrap();
    let episode = &demos.episodes[0];
    assert_eq!(
        samples_by_state.iter().map(|p| p.step).collect::<Vec<_>>(),
        (0..episode.len()).step_by(7).collect::<Vec<_>>()
    );
    for sampled in &samples_by_state {
        assert!(same_bits(
            &sampled.demo,
            episode.action_at(sampled.step, demos.meta.act)
        ));
        assert_eq!(sampled.samples[0], sampled.samples[1]);
        assert_eq!((sampled.samples.len(), sampled.samples[0].len()), (2, 5));
        let column = |i: usize| sampled.samples[0].iter().map(move |a| f64::from(a[i]));
        let std = |i: usize| {
            (column(i).map(|a| a * a).sum::<f64>() / 5.0 - (column(i).sum::<f64>() / 5.0).powi(2))
                .max(0.0)
                .sqrt()
        };
        let spread = (0..demos.meta.act).map(std).sum::<f64>() / demos.meta.act as f64;
        assert!((sampled.spread[0] - spread).abs() < 1e-5 && sampled.spread[0] > 0.0);
    }
    let none = Dataset {
        episodes: Vec::new(),
        ..demos.clone()
    };
    assert!(block_on(along_a_demonstration(&[policy], &none, 7, 5, &device)).is_err());
    let mut foreign = Episode::start(0, &vec![0.0; 2].into());
    foreign.push(&[0.0; 4], 0.0, &vec![0.0; 2].into());
    let foreign = Dataset {
        meta: Meta {
            obs: ObsSpec::of_state(2),
            ..demos.meta.clone()
        },
        episodes: vec![foreign],
    };
    assert!(block_on(along_a_demonstration(&[policy], &foreign, 7, 5, &device)).is_err());
}

/// Demonstrations are the expert's successes, replayable from their seeds: the recorded actions
/// give the recorded observations.
#[test]
fn demonstrations_replay_from_their_seeds() {
    let (demos, _) = pretrained();
    let mut env = LabEnv::new("lab/lift").unwrap();
    for episode in &demos.episodes {
        assert!(
            episode.success && same_bits(&env.reset(episode.seed).state, episode.obs.state_at(0))
        );
        for t in 0..episode.len() {
            let action = episode.action_at(t, demos.meta.act);
            let first = env.step(action).unwrap();
            let step = if first.done() {
                first
            } else {
                env.step(action).unwrap()
            };
            assert!(same_bits(&step.obs.state, episode.obs.state_at(t + 1)));
        }
    }
    assert_ne!(
        demos.episodes[0].seed,
        Rng::new(0, "eval", 0).bits(),
        "evaluation has starts of its own"
    );
}
