//! Every setting changes the run in which it is said to have an effect, and none other.

use crate::runs::{small, small_csil, small_td_mpc, small_value_dice, start};
use pollster::block_on;
use protege_core::env::catalogue::CORE;
use protege_core::finetune::actor_critic::Compose;
use protege_core::finetune::dsrl::{self, Variant};
use protege_core::finetune::td_mpc::{Backbone, DemoSchedule};
use protege_core::finetune::{FinetuneMethod, dppo, rlpd, sac, xqc};
use protege_core::policy::{PolicyKind, Sampler};
use protege_core::pretrain::post_bc::{self, LearningRate};
use protege_core::pretrain::{bc, sigma_bc};
use protege_core::run::{Config, Keep, Purpose};
use protege_core::settings::{Field, Kind, keys, unmet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the runs below do.
const WHOLE: Purpose = Purpose::Run {
    policy: false,
    demos: false,
};

/// Settings that these small runs cannot tell, and why.
const UNTOLD: &[(&str, &str)] = &[
    ("preset", "gives other settings their values"),
    ("env.parallel", "is about speed: episodes are the same"),
    ("env.image", "needs pictures, which need MuJoCo"),
    ("env.cameras", "needs pictures, which need MuJoCo"),
    ("policy.encoder", "needs pictures, which need MuJoCo"),
    ("policy.served", "needs a server"),
    (
        "pretrain.tasks",
        "needs a transformer, and other demonstrations",
    ),
    ("engine", "needs MuJoCo"),
    ("env.controller", "needs a suite with more than one"),
    ("env.success_rule", "needs a suite with more than one"),
    (
        "finetune.dsrl.stochastic_eval",
        "changes evaluations alone, in which all fail alike",
    ),
    (
        "finetune.td_mpc.stochastic_eval",
        "changes evaluations alone, in which all fail alike",
    ),
    ("env.to_horizon", "needs a success in practice"),
    (
        "finetune.td_mpc.self_imitation",
        "needs a success in practice",
    ),
];

/// Values that matter in runs as short as these, where the next best one does not.
const TELLING: &[(&str, &str)] = &[
    ("task", "lab/pick-place"),
    ("finetune.dppo.target_kl", "0"),
    ("finetune.dppo.clip_base", "0.1"),
    ("finetune.td_mpc.capacity", "20"),
    ("finetune.csil.capacity", "20"),
    ("finetune.xqc.capacity", "20"),
    ("finetune.rlpd.capacity", "20"),
    ("finetune.sac.capacity", "20"),
    ("finetune.td_mpc.arm", "vanilla"),
    ("finetune.td_mpc.horizon_growth", "1000"),
    ("finetune.td_mpc.std_decay", "1000"),
    ("finetune.dppo.min_sampling_std", "2"),
    ("finetune.dppo.min_logprob_std", "2"),
    ("pretrain.bc.ema_start", "20"),
];

/// A run of every kind of policy, every method and every variant.
fn contexts() -> Vec<Config> {
    let with = |change: fn(&mut Config)| {
        let mut config = small();
        config.pretrain.method = bc::METHOD.id();
        change(&mut config);
        config
    };
    let actor = |method: FinetuneMethod, compose: Compose| {
        let mut config = small_csil();
        config.finetune.method = method;
        config.finetune.xqc.actor.compose = compose;
        config.finetune.rlpd.actor.compose = compose;
        config.finetune.sac.actor.compose = compose;
        config.finetune.csil.actor.compose = compose;
        config
    };
    let world = |backbone: Backbone, change: fn(&mut Config)| {
        let mut config = small_td_mpc(backbone);
        change(&mut config);
        config
    };
    vec![
        small(),
        with(|config| config.policy.kind = PolicyKind::Gaussian),
        with(|config| {
            config.policy.kind = PolicyKind::FlowTransformer;
            config.policy.hidden = 32;
        }),
        with(|config| config.policy.kind = PolicyKind::Diffusion),
        with(|config| {
            config.pretrain.method = sigma_bc::METHOD.id();
            config.finetune.method = dsrl::METHOD.id();
            config.finetune.dsrl.reward_offset = -1.0;
        }),
        with(|config| {
            config.finetune.method = dsrl::METHOD.id();
            config.finetune.dsrl.variant = Variant::Sac;
        }),
        with(|config| {
            config.finetune.method = dppo::METHOD.id();
            config.policy.kind = PolicyKind::Diffusion;
            config.policy.sampler = Sampler::Ddpm;
            // So fast that probabilities move beyond the clip.
            config.finetune.dppo.actor_lr = 0.01;
            config.finetune.dppo.critic_warmup = 0;
            config.policy.denoising_steps = 3;
        }),
        with(|config| config.finetune.method = dppo::METHOD.id()),
        small_value_dice(),
        world(Backbone::TdMpc2, |_| {}),
        world(Backbone::TdMpc, |_| {}),
        world(Backbone::TdMpc2, |config| {
            config.finetune.td_mpc.plan = false
        }),
        world(Backbone::TdMpc2, |config| {
            config.finetune.td_mpc.arm = DemoSchedule::BcOnly;
        }),
        actor(protege_core::finetune::csil::METHOD.id(), Compose::Ensemble),
        actor(protege_core::finetune::csil::METHOD.id(), Compose::Residual),
        actor(xqc::METHOD.id(), Compose::Residual),
        actor(rlpd::METHOD.id(), Compose::Residual),
        actor(sac::METHOD.id(), Compose::Residual),
        with(|config| config.eval.keep = Keep::Best),
        with(|config| {
            config.pretrain.method = post_bc::METHOD.id();
            config.pretrain.post_bc.schedule = LearningRate::Constant;
        }),
    ]
}

/// Everything that a run records, plays and learns: a number for each of its steps, and a last one
/// for all that it saves.
fn fingerprints(config: &Config) -> impl Iterator<Item = u64> {
    let mut running = Some(start(config.clone()));
    let mut finished = false;
    std::iter::from_fn(move || {
        let run = running.as_mut()?;
        if !finished {
            let progress = block_on(run.step()).unwrap();
            finished = progress.finished;
            return Some(hash(&format!("{progress:?}")));
        }
        let mut archive = block_on(run.save()).unwrap();
        archive.put_value("config", &()).unwrap();
        running = None;
        Some(hash(&archive.to_bytes().unwrap()))
    })
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The same configuration with another value of one setting; none where no other is allowed.
fn changed(config: &Config, key: &str, field: &Field) -> Option<Config> {
    let value = key
        .split('.')
        .fold(config.to_value(), |group, name| group[name].clone());
    let telling = TELLING.iter().filter(|(name, _)| *name == key);
    let mut texts: Vec<String> = telling.map(|(_, text)| (*text).to_owned()).collect();
    match field.kind {
        Kind::Whole { low, high } => {
            let value = value.as_u64().unwrap();
            let near = [value * 2, value + 1, value - value.min(1), value + 2];
            texts.extend(near.map(|near| near.clamp(low, high).to_string()));
        }
        Kind::Number { low, high } => {
            let value = value.as_f64().unwrap();
            let reach = (high - low).min(1.0);
            let near = [0.5 * value, value + 0.5 * reach, value - 0.3 * reach];
            texts.extend(near.map(|near| near.clamp(low, high).to_string()));
        }
        Kind::Switch => texts.push((!value.as_bool().unwrap()).to_string()),
        Kind::Name(choices) => texts.extend(choices.iter().map(|choice| choice.name.to_owned())),
        _ => {}
    }
    let change = |text: String| {
        let mut tree = config.to_value();
        let slot = key
            .split('.')
            .fold(&mut tree, |group, name| &mut group[name]);
        *slot = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
        let other: Config = serde_json::from_value(tree).ok()?;
        (other != *config && other.check(&CORE).is_ok()).then_some(other)
    };
    texts.into_iter().find_map(change)
}

fn told(key: &str) -> bool {
    !UNTOLD
        .iter()
        .any(|(beginning, _)| key.starts_with(beginning))
}

/// Settings of these groups change the first of the runs in which they are said to have an effect,
/// and not the first in which others rule them out.
fn check(groups: &[&str]) {
    let contexts = contexts();
    let mut own: Vec<Option<Vec<u64>>> = vec![None; contexts.len()];
    let mut wrong = Vec::new();
    for (key, field) in keys(Config::FIELDS, "") {
        if !groups.iter().any(|group| key.starts_with(group)) || !told(&key) {
            continue;
        }
        let acts = |config: &Config| config.idle(WHOLE, &key).is_none();
        let ruled_out = |config: &Config| unmet(Config::FIELDS, &config.to_value(), &key).is_some();
        let first = |test: &dyn Fn(&Config) -> bool| {
            let usable = |config: &Config| test(config) && changed(config, &key, field).is_some();
            contexts.iter().position(usable)
        };
        let Some(active) = first(&acts) else {
            wrong.push(format!(
                "{key} has an effect nowhere, or has one value only"
            ));
            continue;
        };
        let idle = first(&|config| !acts(config) && ruled_out(config));
        for (place, expected) in [(Some(active), true), (idle, false)] {
            let Some(i) = place else { continue };
            let other = changed(&contexts[i], &key, field).unwrap();
            let before = own[i].get_or_insert_with(|| fingerprints(&contexts[i]).collect());
            // At the first difference it is clear, without the rest of the run.
            let is_same = fingerprints(&other).eq(before.iter().copied());
            if is_same == expected {
                let names = (&contexts[i].policy.kind, &contexts[i].finetune.method);
                wrong.push(format!(
                    "{key}: expected an effect in {i} {names:?}: {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The settings of the task, of demonstrations, policies, pretraining and evaluation.
#[test]
fn settings_of_pretraining_act_where_they_are_said_to() {
    check(&[
        "task",
        "seed",
        "demos.",
        "env.",
        "policy.",
        "pretrain.",
        "eval.",
    ]);
}

/// Those of methods that improve the pretrained policy itself.
#[test]
fn settings_of_finetuning_act_where_they_are_said_to() {
    check(&[
        "finetune.method",
        "finetune.best_of_n.",
        "finetune.dsrl.",
        "finetune.dppo.",
    ]);
}

/// Those of the world model.
#[test]
fn settings_of_td_mpc_act_where_they_are_said_to() {
    check(&["finetune.td_mpc."]);
}

/// Those of actors beside the pretrained policy.
#[test]
fn settings_of_actors_act_where_they_are_said_to() {
    check(&[
        "finetune.csil.",
        "finetune.xqc.",
        "finetune.rlpd.",
        "finetune.sac.",
    ]);
}

/// A setting that is asked for and has no effect is refused by name with the reason, for every
/// purpose; so is one that has another value than was asked for.
#[test]
fn what_is_asked_for_acts_or_is_refused() {
    let purposes = [
        Purpose::Record { scripted: true },
        Purpose::Import,
        Purpose::Evaluate,
        WHOLE,
    ];
    for config in contexts() {
        let tree = config.to_value();
        for (key, _) in keys(Config::FIELDS, "") {
            let value = key
                .split('.')
                .fold(tree.clone(), |group, name| group[name].clone());
            for purpose in purposes {
                let answer = config.honors(purpose, &[(key.clone(), value.clone())]);
                let idle = config.idle(purpose, &key);
                assert_eq!(answer.is_err(), idle.is_some(), "{purpose:?} {key}");
                let other = serde_json::json!({ "another": "value" });
                let refused = config.holds(purpose, &key, &other).unwrap_err().to_string();
                assert!(refused.contains(&key), "{refused}");
            }
        }
    }
}
