//! What is learned from pictures. Here they are drawn by hand: what a number says is shown as a
//! bright stripe, and not said.

use crate::actor_critic::meta_of_probe_5;
use crate::runs::{resumable_phases, small, small_csil, small_td_mpc};
use crate::{distance, on_probe, read, same_bits, tiny_td_mpc, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Result;
use protege_core::data::{Dataset, Episode, Normaliser, Pairs};
use protege_core::env::catalogue::CORE;
use protege_core::env::{Env, RolloutSpec, Step, make_on, wrap};
use protege_core::finetune::actor_critic::{ActorConfig, Compose};
use protege_core::finetune::best_of_n::{self, BestOfNConfig};
use protege_core::finetune::csil::{self, CsilConfig};
use protege_core::finetune::dppo::{self, DppoConfig, DppoTrainer};
use protege_core::finetune::dsrl::{self, DsrlConfig, Variant};
use protege_core::finetune::td_mpc::{
    Backbone, DemoSchedule, Proposals, SeedPolicy, TdMpcConfig, TdMpcTrainer,
};
use protege_core::finetune::xqc::{self, XqcConfig};
use protege_core::finetune::{Context, FinetuneConfig, Next, Trainer};
use protege_core::obs::{DEFAULT_CAMERA, ImageSpec, Images, ObsBatch, ObsSpec, Observation};
use protege_core::policy::{ImageEncoderKind, Policy, PolicyConfig, PolicyKind};
use protege_core::pretrain::{BcConfig, Cloning, Pretrainer, TargetNoise, bc, post_bc, value_dice};
use protege_core::rng::Rng;
use protege_core::run::{Config, FinetuneMethod, Phase, Preset, Purpose};

/// Pixels and frames.
const SMALL: (usize, usize) = (22, 2);
/// Large enough for a spatial softmax.
const WIDE: (usize, usize) = (32, 1);

/// An environment whose first number is a stripe in its picture: at the left for -1, at the right
/// for 1. `silent`: observations do not say it.
struct Striped {
    inner: Box<dyn Env>,
    first: f32,
    silent: bool,
}

impl Striped {
    fn observe(&mut self, mut obs: Observation) -> Observation {
        self.first = obs.state[0];
        if self.silent {
            obs.state[0] = 0.0;
        }
        obs
    }
}

impl protege_core::env::Wrapper for Striped {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn reset(&mut self, seed: u64) -> Observation {
        let obs = self.inner.reset(seed);
        self.observe(obs)
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let step = self.inner.step(action)?;
        Ok(Step {
            obs: self.observe(step.obs),
            ..step
        })
    }

    fn picture(&mut self, _: &str, size: usize) -> Result<Vec<u8>> {
        let at = ((0.5 + 0.4 * f64::from(self.first)).clamp(0.0, 1.0) * (size - 1) as f64) as usize;
        let value = |i: usize| if (i % size).abs_diff(at) < 3 { 255 } else { 20 };
        Ok((0..3 * size * size).map(value).collect())
    }

    fn save(&self) -> Vec<u8> {
        [&self.first.to_le_bytes()[..], &self.inner.save()].concat()
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let (first, rest) = state.split_first_chunk().unwrap();
        self.first = f32::from_le_bytes(*first);
        self.inner.restore(rest)
    }
}

pub fn striped(id: &str, engine: &str) -> Result<Box<dyn Env>> {
    Ok(Box::new(Striped {
        inner: make_on(id, engine)?,
        first: 0.0,
        silent: id.starts_with("probe/"),
    }))
}

/// A policy that knows nothing.
fn policy() -> Policy {
    let config = PolicyConfig {
        kind: PolicyKind::Flow,
        chunk: 2,
        hidden: 8,
        layers: 1,
        ..Config::preset(Preset::Tiny).policy
    };
    let scales = (Normaliser::identity(1), Normaliser::identity(2));
    Policy::new(
        &config,
        &ObsSpec::of_state(1),
        1,
        scales,
        &mut Rng::new(1, "test", 0),
        &trainer(),
    )
    .frozen()
}

fn config(backbone: Backbone) -> TdMpcConfig {
    TdMpcConfig {
        arm: DemoSchedule::Vanilla,
        envs: 10,
        total_steps: 1200,
        clone_updates: 0,
        learning_starts: 200,
        seed_by: SeedPolicy::Prior,
        seed_updates: 200,
        proposals: Proposals::Prior,
        utd_ratio: 0.4,
        eval_every: 100_000,
        batch: 32,
        lr: 3e-3,
        horizon: 1,
        prior_cloning: 0.0,
        self_imitation: false,
        around_proposals: false,
        max_std: 2.0,
        latent: 16,
        hidden: 32,
        encoder_hidden: 16,
        ..tiny_td_mpc(backbone)
    }
}

fn learned<T: Trainer + ?Sized>(
    new: impl Fn(&Context) -> Result<Box<T>>,
    policy: &Policy,
    (size, stack): (usize, usize),
    demos: Option<&Dataset>,
) -> Box<T> {
    let rollouts = RolloutSpec {
        make: striped,
        cameras: ImageSpec::unnamed(size, stack),
        ..on_probe(5, 10, policy.sizes.chunk)
    };
    let device = trainer();
    let cx = Context {
        policy,
        demos,
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    let mut trainer = new(&cx).unwrap();
    while block_on(trainer.step(&cx)).unwrap().next != Next::Done {}
    trainer
}

/// What probe 5 shows of a number, and does not say.
fn striped_obs(shown: f32, (size, stack): (usize, usize)) -> Observation {
    let mut env = Striped {
        inner: make_on("probe/5", "rapier").unwrap(),
        first: shown,
        silent: true,
    };
    let frame = env.picture(DEFAULT_CAMERA, size).unwrap();
    let images = ImageSpec::unnamed(size, stack).into_iter().map(|camera| {
        let pixels = frame.repeat(camera.stack);
        Images::of(camera, &pixels)
    });
    Observation {
        state: vec![0.0],
        task: None,
        images: images.collect(),
    }
}

/// What only a picture says is acted upon (probe 5: the best action is half of what is shown), on
/// both backbones.
#[test]
fn td_mpc_acts_upon_what_it_sees() {
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let policy = policy();
        let new = |cx: &Context| TdMpcTrainer::new(config(backbone), cx).map(Box::new);
        let agent = learned(new, &policy, SMALL, None).agent();
        let found = [-1.0, 1.0].map(|shown| {
            let obs = ObsBatch::of(&[striped_obs(shown, SMALL)]);
            block_on(agent.prior_actions(&obs, &Device::flex())).unwrap()[0]
        });
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.25,
            "{backbone:?}: {found:?}"
        );
    }
}

/// Demonstrations of probe 5, one step each, as they are seen and not said: of actions that `act`
/// chooses.
fn seen_demos(mut act: impl FnMut(f32) -> f32) -> Dataset {
    let episode = |i: u64| {
        let shown = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let obs = striped_obs(shown, WIDE);
        let mut episode = Episode::start(i, &obs);
        let action = act(shown);
        episode.push(&[action], 1.0 - (action - 0.5 * shown).powi(2), &obs);
        Episode {
            terminated: true,
            ..episode
        }
    };
    Dataset {
        meta: meta_of_probe_5(ImageSpec::unnamed(WIDE.0, WIDE.1)),
        episodes: (0..40).map(episode).collect(),
    }
}

/// Actor and critics act upon what only a picture says, cloned from what was seen (csil), and
/// taught by the task's reward (xqc, from demonstrations that know nothing).
#[test]
fn an_actor_beside_a_policy_acts_upon_what_it_sees() {
    let actor = ActorConfig {
        compose: Compose::Alone,
        clone_updates: 200,
        clone_lr: 3e-3,
        hidden: 24,
        log_scale: 0.0,
        ..ActorConfig::preset(Preset::Tiny)
    };
    let small = FinetuneConfig {
        csil: CsilConfig {
            actor: actor.clone(),
            envs: 10,
            total_steps: 200,
            critic_updates: 100,
            learning_starts: 100,
            utd_ratio: 0.5,
            eval_every: 100_000,
            batch: 32,
            lr: 3e-3,
            hidden: 32,
            ..CsilConfig::preset(Preset::Tiny)
        },
        xqc: XqcConfig {
            actor,
            envs: 10,
            total_steps: 900,
            learning_starts: 100,
            utd_ratio: 0.5,
            eval_every: 100_000,
            batch: 32,
            lr: 3e-3,
            hidden: 32,
            ..XqcConfig::preset(Preset::Tiny)
        },
        ..FinetuneConfig::preset(Preset::Tiny)
    };
    for method in [csil::METHOD.id(), xqc::METHOD.id()] {
        let mut rng = Rng::new(2, "test", 0);
        let demos = if method == csil::METHOD.id() {
            seen_demos(|shown| 0.5 * shown + 0.05 * rng.normal() as f32)
        } else {
            seen_demos(|_| rng.range(-0.9, 0.9) as f32)
        };
        let config = FinetuneConfig {
            method,
            ..small.clone()
        };
        let policy = policy();
        let new = |cx: &Context| config.trainer(cx).map(Option::unwrap);
        let trainer = learned(new, &policy, WIDE, Some(&demos));
        let acting = trainer.policy().unwrap();
        let rows = ObsBatch::of(&[-1.0, 1.0].map(|shown| striped_obs(shown, WIDE)));
        let noise = Rng::new(3, "test", 0).normals(2 * acting.noise_len(&policy));
        let memories = &mut [vec![], vec![]];
        let device = Device::flex();
        let found = block_on(acting.act(&policy, &rows, memories, noise, &device)).unwrap();
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.25,
            "{method:?}: {found:?}"
        );
    }
}

/// CSIL that sees, stopped anywhere and resumed, equals one that was not, bit for bit.
#[test]
fn a_resumed_csil_that_sees_equals_one_that_never_stopped() {
    let mut config = small_csil();
    (config.env.image_size, config.env.image_stack) = WIDE;
    let phases = resumable_phases(config, striped);
    assert!(
        phases.contains(&Phase::Collect) && phases.contains(&Phase::Demos),
        "{phases:?}"
    );
}

/// A run that sees, stopped anywhere and resumed, equals one that was not, bit for bit: frames, the
/// pictures' encoder, and episodes in the midst of being seen; demonstrations are seen, too.
#[test]
fn a_resumed_run_that_sees_equals_one_that_never_stopped() {
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let mut config = small_td_mpc(backbone);
        (config.env.image_size, config.env.image_stack) = SMALL;
        config.policy.encoder = ImageEncoderKind::None;
        config.finetune.td_mpc = TdMpcConfig {
            total_steps: 90,
            seed_policy_decay: 0,
            seed_by: SeedPolicy::Prior,
            proposals: Proposals::Prior,
            ..config.finetune.td_mpc
        };
        let phases = resumable_phases(config, striped);
        assert!(
            phases.contains(&Phase::Collect) && phases.contains(&Phase::Demos),
            "{phases:?}"
        );
    }
}

/// What a policy that reads the pictures of demonstrations begins with.
fn seeing(kind: PolicyKind) -> Policy {
    seeing_through(ImageEncoderKind::Keypoints, kind)
}

/// The same with any image encoder.
fn seeing_through(encoder: ImageEncoderKind, kind: PolicyKind) -> Policy {
    let config = PolicyConfig {
        kind,
        encoder,
        chunk: 1,
        hidden: 32,
        layers: 2,
        denoising_steps: 10,
        ..Config::preset(Preset::Tiny).policy
    };
    let reads = ObsSpec {
        cameras: ImageSpec::unnamed(WIDE.0, WIDE.1),
        ..ObsSpec::of_state(1)
    };
    let scales = (Normaliser::identity(1), Normaliser::identity(1));
    let mut rng = Rng::new(1, "test", 0);
    Policy::new(&config, &reads, 1, scales, &mut rng, &trainer())
}

/// The kinds of policy that read through an image encoder.
const ENCODING: [PolicyKind; 4] = [
    PolicyKind::Gaussian,
    PolicyKind::Flow,
    PolicyKind::Diffusion,
    PolicyKind::Squashed,
];

/// The mean action of a policy that was cloned from what was seen for so many steps, where -1 and 1
/// are shown.
fn cloned(policy: Policy, noise: TargetNoise, updates: usize, lr: f64) -> [f32; 2] {
    let demos = seen_demos(|shown| 0.5 * shown);
    let config = BcConfig {
        updates,
        batch: 16,
        lr,
        ..Config::preset(Preset::Tiny).pretrain.bc
    };
    let pairs = Pairs::new(&demos, &policy.reads, 1, true).unwrap();
    let mut cloning = Cloning::new(policy, noise, &config, &pairs, 0, trainer());
    (0..config.updates).for_each(|_| drop(cloning.step(&pairs)));
    let policy = cloning.policy().unwrap();
    const DRAWS: usize = 32;
    [-1.0, 1.0].map(|shown| {
        let obs = ObsBatch::of(&[striped_obs(shown, WIDE)]).repeat(DRAWS);
        let noise = Rng::new(3, "test", 0).normals(DRAWS * policy.noise_len());
        let actions = block_on(policy.act(&obs, noise, &Device::flex())).unwrap();
        actions.iter().sum::<f32>() / DRAWS as f32
    })
}

/// What only a picture says is acted upon by a cloned policy of each kind, with noise on the
/// targets and without.
#[test]
fn a_cloned_policy_acts_upon_what_it_sees() {
    for (i, kind) in ENCODING.into_iter().enumerate() {
        let noise = [TargetNoise::None, TargetNoise::Uniform(0.1)][i % 2].clone();
        let found = cloned(seeing(kind), noise, 300, 3e-3);
        assert!(distance(&found, &[-0.5, 0.5]) < 0.2, "{kind:?}: {found:?}");
    }
}

/// The same through the larger image encoders.
#[test]
fn a_cloned_policy_sees_through_every_image_encoder() {
    for (encoder, kind, updates) in [
        (ImageEncoderKind::Resnet, PolicyKind::Gaussian, 25),
        (ImageEncoderKind::Vit, PolicyKind::Gaussian, 100),
    ] {
        let policy = seeing_through(encoder, kind);
        let found = cloned(policy, TargetNoise::None, updates, 1e-3);
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.2,
            "{encoder:?}: {found:?}"
        );
    }
}

/// A frozen policy that has seen demonstrations of hardly any use: it proposes widely, and its
/// image encoder tells pictures apart.
fn proposing() -> Policy {
    let mut rng = Rng::new(4, "test", 0);
    let demos = seen_demos(|shown| 0.2 * shown + 0.4 * rng.normal() as f32);
    let config = BcConfig {
        updates: 100,
        batch: 32,
        lr: 3e-3,
        ..Config::preset(Preset::Tiny).pretrain.bc
    };
    let policy = seeing(PolicyKind::Flow);
    let pairs = Pairs::new(&demos, &policy.reads, 1, true).unwrap();
    let mut cloning = Cloning::new(policy, TargetNoise::None, &config, &pairs, 0, trainer());
    (0..config.updates).for_each(|_| drop(cloning.step(&pairs)));
    cloning.policy().unwrap()
}

/// What a frozen policy sees is chosen by, and steered by: best-of-N and both variants of DSRL
/// learn on its features what only pictures say.
#[test]
fn practice_around_a_frozen_policy_acts_upon_what_it_sees() {
    let dsrl = |variant: Variant| DsrlConfig {
        variant,
        envs: 10,
        total_steps: 2000,
        learning_starts: 500,
        eval_every: 100_000,
        utd_ratio: 0.6,
        noise_utd_ratio: 0.6,
        batch: 64,
        lr: 3e-3,
        target_rate: 0.05,
        reward_offset: 0.0,
        target_entropy: -2.0,
        hidden: 32,
        layers: 2,
        ..DsrlConfig::preset(Preset::Tiny)
    };
    let best_of_n = BestOfNConfig {
        rollouts: 500,
        rounds: 1,
        updates: 600,
        lr: 3e-3,
        target_rate: 0.05,
        hidden: 32,
        batch: 64,
        samples: 32,
        ..BestOfNConfig::preset(Preset::Tiny)
    };
    let policy = proposing();
    for (method, variant) in [
        (best_of_n::METHOD.id(), Variant::Sac),
        (dsrl::METHOD.id(), Variant::Sac),
        (dsrl::METHOD.id(), Variant::NoiseAliased),
    ] {
        let config = FinetuneConfig {
            method,
            best_of_n: best_of_n.clone(),
            dsrl: dsrl(variant),
            ..FinetuneConfig::preset(Preset::Tiny)
        };
        let new = |cx: &Context| config.trainer(cx).map(Option::unwrap);
        let trainer = learned(new, &policy, WIDE, None);
        let acting = trainer.policy().unwrap();
        const DRAWS: usize = 32;
        let found = [-1.0, 1.0].map(|shown| {
            let rows = ObsBatch::of(&[striped_obs(shown, WIDE)]).repeat(DRAWS);
            let noise = Rng::new(3, "test", 0).normals(DRAWS * acting.noise_len(&policy));
            let device = Device::flex();
            let memories = &mut vec![vec![]; DRAWS];
            let actions = block_on(acting.act(&policy, &rows, memories, noise, &device)).unwrap();
            actions.iter().sum::<f32>() / DRAWS as f32
        });
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.2,
            "{method:?} {variant:?}: {found:?}"
        );
    }
}

/// DPPO finetunes a policy that knows nothing, with its image encoder, to act upon what it sees.
#[test]
fn dppo_acts_upon_what_it_sees() {
    let config = DppoConfig {
        iterations: 30,
        episodes: 64,
        epochs: 6,
        batch: 32,
        actor_lr: 3e-3,
        critic_lr: 5e-3,
        clip: 0.2,
        clip_base: 0.1,
        min_sampling_std: 0.2,
        min_logprob_std: 0.2,
        hidden: 16,
        ..DppoConfig::preset(Preset::Tiny)
    };
    let policy = seeing(PolicyKind::Flow).frozen();
    let new = |cx: &Context| DppoTrainer::new(config.clone(), cx).map(Box::new);
    let trainer = learned(new, &policy, WIDE, None);
    let acting = trainer.policy().unwrap();
    let rows = ObsBatch::of(&[-1.0, 1.0].map(|shown| striped_obs(shown, WIDE)));
    const DRAWS: usize = 32;
    let rows = rows.repeat(DRAWS);
    let noise = Rng::new(3, "test", 0).normals(2 * DRAWS * policy.noise_len());
    let memories = &mut vec![vec![]; 2 * DRAWS];
    let actions = block_on(acting.act(&policy, &rows, memories, noise, &Device::flex())).unwrap();
    let means = actions
        .chunks(DRAWS)
        .map(|draws| draws.iter().sum::<f32>() / DRAWS as f32);
    let found: Vec<f32> = means.collect();
    assert!(distance(&found, &[-0.5, 0.5]) < 0.25, "{found:?}");
}

/// Best-of-N and DSRL on the features of a frozen policy, and DPPO with its own, stopped anywhere
/// and resumed, equal ones that were not, bit for bit; a transformer, which has no image encoder,
/// is refused.
#[test]
fn a_resumed_practice_on_features_equals_one_that_never_stopped() {
    for (method, encoder) in [
        (best_of_n::METHOD.id(), ImageEncoderKind::Keypoints),
        (dsrl::METHOD.id(), ImageEncoderKind::Vit),
        (dppo::METHOD.id(), ImageEncoderKind::Keypoints),
        (dppo::METHOD.id(), ImageEncoderKind::Vit),
    ] {
        let mut config = small();
        config.policy.encoder = encoder;
        (config.env.image_size, config.env.image_stack) = WIDE;
        config.pretrain.method = bc::METHOD.id();
        config.pretrain.bc.updates = 10;
        config.finetune.method = method;
        config.finetune.best_of_n.rounds = 1;
        let phases = resumable_phases(config.clone(), striped);
        assert!(phases.contains(&Phase::Finetune), "{phases:?}");
        config.policy.kind = PolicyKind::FlowTransformer;
        config.policy.hidden = 32;
        let sentence = config.check(&CORE).unwrap_err().to_string();
        assert!(sentence.contains("image encoder"), "{sentence}");
    }
}

/// What a policy makes of an observation before it decides can be kept in place of the observation:
/// the same actions come of it, bit for bit. Two pictures differ in it, and without pictures it is
/// the numbers.
#[test]
fn features_stand_for_what_was_observed() {
    let device = Device::flex();
    let obs = ObsBatch::of(&[-1.0, 1.0].map(|shown| striped_obs(shown, WIDE)));
    let keypoints = ENCODING.map(|kind| (ImageEncoderKind::Keypoints, kind, 64));
    let others = [
        (ImageEncoderKind::Resnet, PolicyKind::Gaussian, 512),
        (ImageEncoderKind::Vit, PolicyKind::Flow, 128),
    ];
    for (encoder, kind, found) in keypoints.into_iter().chain(others) {
        let policy = seeing_through(encoder, kind).frozen();
        let features = policy.features(&obs, &device);
        let width = 1 + found;
        assert_eq!(features.dims(), [2, width]);
        let rows = read(features.clone());
        let apart = distance(&rows[..width], &rows[width..]);
        assert!(apart > 0.01, "{encoder:?} {kind:?}");
        let width = policy.noise_len();
        let noise =
            protege_core::nn::matrix(Rng::new(3, "test", 0).normals(2 * width), width, &device);
        let seen = read(policy.sample(policy.observe(&obs, &device), noise.clone()));
        assert!(same_bits(&seen, &read(policy.sample(features, noise))));
    }
    let sees = seeing(PolicyKind::Flow).frozen();
    let features = sees.features(&obs, &device);
    let kept = ObsBatch::of_states(read(features.clone()), sees.features_len());
    assert!(same_bits(
        &read(features),
        &read(sees.features(&kept, &device))
    ));
    let blind = policy();
    assert_eq!(read(blind.features(&obs, &device)), [0.0, 0.0]);
}

/// Pretraining from pictures, stopped anywhere and resumed, equals one that was not, bit for bit:
/// cloning, and PostBC in each of its phases.
#[test]
fn a_resumed_pretraining_that_sees_equals_one_that_never_stopped() {
    let after = [Phase::Pretrain, Phase::Evaluate];
    let before = [Phase::Demos, Phase::Encoder, Phase::Ensemble];
    let bc = bc::METHOD.id();
    let post_bc = post_bc::METHOD.id();
    let (keypoints, vit) = (ImageEncoderKind::Keypoints, ImageEncoderKind::Vit);
    let resnet = ImageEncoderKind::Resnet;
    for (method, kind, encoder, expected) in [
        (bc, PolicyKind::Diffusion, keypoints, vec![Phase::Demos]),
        (bc, PolicyKind::Gaussian, resnet, vec![Phase::Demos]),
        (post_bc, PolicyKind::Gaussian, keypoints, before.to_vec()),
        (post_bc, PolicyKind::Gaussian, vit, before.to_vec()),
    ] {
        let mut config = small();
        (config.env.image_size, config.env.image_stack) = WIDE;
        config.finetune.method = FinetuneMethod::NONE;
        config.finetune.td_mpc.proposals = Proposals::Prior;
        config.finetune.td_mpc.seed_by = SeedPolicy::Prior;
        config.pretrain.method = method;
        config.policy.kind = kind;
        config.policy.encoder = encoder;
        if encoder == resnet {
            // Its weights are saved after every step of the run.
            config.demos.count = 1;
            config.pretrain.bc.updates = 3;
            config.eval.episodes = 1;
        }
        let phases = resumable_phases(config, striped);
        assert_eq!(phases, [expected, after.to_vec()].concat());
    }
}

/// What was saved before policies of these kinds saw is read as what it is: a policy that does not.
#[test]
fn a_configuration_from_before_policies_saw_has_one_that_does_not() {
    let mut config = small_csil();
    config.env.image_size = 84;
    let mut saved = config.to_value();
    let read = |saved: &serde_json::Value| Config::from_saved(saved, &CORE).unwrap();
    assert_eq!(read(&saved).policy.encoder, ImageEncoderKind::Keypoints);
    let policy = saved["policy"].as_object_mut().unwrap();
    policy.remove("encoder");
    assert_eq!(read(&saved).policy.encoder, ImageEncoderKind::None);
}

/// What is seen at one size is not mistaken for another, and what cannot be seen or used is refused
/// with what to do.
#[test]
fn settings_of_pictures_that_do_not_fit_are_named() {
    let mut config = small_td_mpc(Backbone::TdMpc2);
    config.env.image_size = 84;
    let sentence = config.check(&CORE).unwrap_err().to_string();
    assert!(sentence.contains("finetune.td_mpc.proposals"), "{sentence}");
    config.env.image_size = 5;
    assert!(
        config
            .check(&CORE)
            .unwrap_err()
            .to_string()
            .contains("env.image_size is 5")
    );
    let overlay = serde_json::json!({"env": {"image_size": 84}, "finetune": {"method": "td-mpc"}});
    let seeing = Config::from_overlay(&overlay, Preset::Tiny, &CORE).unwrap();
    assert_eq!(
        (
            seeing.env.images(),
            seeing.policy.kind,
            seeing.policy.encoder
        ),
        (
            ImageSpec::unnamed(84, 2),
            PolicyKind::Gaussian,
            ImageEncoderKind::None
        )
    );
    let cameras = |names: &str| seeing.set("env.cameras", names, &CORE);
    let several = cameras(r#"["default", "wrist"]"#).unwrap().env.images();
    let names: Vec<&str> = several.iter().map(|camera| &camera.name[..]).collect();
    assert_eq!(names, [DEFAULT_CAMERA, "wrist"]);
    for wrong in ["[]", r#"["wrist", "wrist"]"#] {
        let sentence = cameras(wrong).unwrap_err().to_string();
        assert!(sentence.contains("env.cameras"), "{sentence}");
    }
    let cloned = serde_json::json!({
        "env": {"image_size": 24}, "finetune": {"method": "none"}, "pretrain": {"method": "bc"}
    });
    let refused = Config::from_overlay(&cloned, Preset::Tiny, &CORE).unwrap_err();
    assert!(refused.to_string().contains("set it to 31"), "{refused}");
    for (encoder, least) in [("resnet", 32), ("vit", 24)] {
        let mut small = cloned.clone();
        small["env"]["image_size"] = (least - 1).into();
        small["policy"] = serde_json::json!({"encoder": encoder});
        let refused = Config::from_overlay(&small, Preset::Tiny, &CORE).unwrap_err();
        let sentence = refused.to_string();
        assert!(
            sentence.contains(&format!("set it to {least} or more")),
            "{sentence}"
        );
        small["env"]["image_size"] = least.into();
        assert!(Config::from_overlay(&small, Preset::Tiny, &CORE).is_ok());
    }
    let mut tokens = cloned.clone();
    tokens["policy"] = serde_json::json!({"kind": "flow-transformer"});
    assert!(Config::from_overlay(&tokens, Preset::Tiny, &CORE).is_ok());
    let mut rows = cloned;
    rows["env"]["image_size"] = 84.into();
    rows["pretrain"]["method"] = value_dice::METHOD.info.id.into();
    let refused = Config::from_overlay(&rows, Preset::Tiny, &CORE).unwrap_err();
    let sentence = refused.to_string();
    assert!(
        sentence.contains("value-dice sees no pictures") && sentence.contains("post-bc"),
        "{sentence}"
    );
    let whole = Purpose::Run {
        policy: false,
        demos: false,
    };
    let mut config = small();
    let reason = config.idle(whole, "policy.encoder").unwrap();
    assert!(reason.contains("env.image_size is 0"), "{reason}");
    config.env.image_size = 84;
    assert_eq!(config.idle(whole, "policy.encoder"), None);
    let lift = CORE.entry("lab/lift").unwrap();
    let seen = ImageSpec::unnamed(SMALL.0, SMALL.1);
    let env = striped("lab/lift", "rapier").unwrap();
    let env = wrap(env, &lift, 1, None, &seen).unwrap();
    assert_eq!((env.spec().obs.state, &env.spec().obs.cameras), (8, &seen));
}
