//! Configurations: every mistake is answered with the key that it is about.

use protege_core::Error;
use protege_core::env::catalogue::CORE;
use protege_core::finetune::dsrl::OffsetPer;
use protege_core::finetune::td_mpc::Backbone;
use protege_core::finetune::{self, best_of_n};
use protege_core::nn::Activation;
use protege_core::policy::{PolicyConfig, PolicyKind, Sampler};
use protege_core::pretrain::{self, bc};
use protege_core::run::{Config, Preset};
use protege_core::settings;
use serde_json::{Value, json};

fn refused(result: protege_core::Result<Config>) -> String {
    match result {
        Err(Error::Input(sentence)) => sentence,
        other => panic!("expected an input error, got {other:?}"),
    }
}

fn set(key: &str, text: &str) -> protege_core::Result<Config> {
    Config::preset(Preset::Tiny).set(key, text, &CORE)
}

/// Each preset works, and a setting changes itself and nothing else.
#[test]
fn a_setting_changes_only_itself() {
    for preset in [Preset::Paper, Preset::Cpu, Preset::Tiny] {
        Config::preset(preset).check(&CORE).unwrap();
    }
    let mut expected = Config::preset(Preset::Tiny);
    expected.finetune.best_of_n.samples = 7;
    expected.pretrain.method = bc::METHOD.id();
    expected.demos.noise = 0.0;
    expected.demos.varied = false;
    expected.pretrain.bc.updates = 2000;
    let settings = [
        ("finetune.best_of_n.samples", "7"),
        ("pretrain.method", "bc"),
        ("demos.noise", "0"),
        ("demos.varied", "false"),
        ("pretrain.bc.updates", "2e3"),
    ];
    let found = settings
        .iter()
        .try_fold(Config::preset(Preset::Tiny), |config, (key, text)| {
            config.set(key, text, &CORE)
        })
        .unwrap();
    assert_eq!(found, expected);
}

/// An unknown setting is answered with the nearest known one.
#[test]
fn an_unknown_setting_is_answered_with_the_nearest() {
    for (key, meant) in [
        ("finetune.best_of_n.sample", "finetune.best_of_n.samples"),
        ("polici.hidden", "policy"),
        ("demos.nois", "demos.noise"),
        ("sed", "seed"),
        ("", "env"),
    ] {
        let sentence = refused(set(key, "1"));
        assert!(sentence.contains(meant), "{sentence}");
    }
}

/// A value of the wrong kind, an unknown name, a whole group, and a value out of range are refused,
/// naming the key.
#[test]
fn a_value_that_does_not_fit_is_refused_by_key() {
    let settings = [
        ("seed", "-1"),
        ("seed", "0.5"),
        ("seed", "1e30"),
        ("seed", "zero"),
        ("seed", "null"),
        ("seed", "{\"x\": 1}"),
        ("demos.varied", "1"),
        ("demos.noise", "loud"),
        ("demos.noise", "-0.1"),
        ("demos.noise", "1e999"),
        ("demos.count", "0"),
        ("task", "7"),
        ("pretrain.method", "postbc"),
        ("policy.kind", "difusion"),
        ("policy.activation", "3"),
        ("policy.chunk", "0"),
        ("policy.chunk", "65"),
        ("policy", "3"),
        ("policy.inference_steps", "0"),
        ("policy.sampler", "euler"),
        ("policy.time_dim", "2"),
        ("policy.denoising_steps", "0"),
        ("policy.residual", "1"),
        ("pretrain.sigma_bc.sigma", "-1"),
        ("pretrain.bc.unit", "hour"),
        ("pretrain.bc.ema_every", "0"),
        ("pretrain.bc.ema_decay", "1.5"),
        ("pretrain.bc.weight_decay", "-1"),
        ("pretrain.post_bc.members", "1"),
        ("pretrain.post_bc.bootstrap", "state"),
        ("pretrain.bc.lr", "2"),
        ("pretrain.value_dice.replay", "1.5"),
        ("pretrain.value_dice.hidden", "0"),
        ("finetune.best_of_n.expectile", "1.5"),
        ("finetune.best_of_n.samples", "0"),
        ("finetune.dppo.batch", "1"),
        ("finetune.dppo.clip", "-0.1"),
        ("finetune.dppo.min_logprob_std", "0"),
        ("finetune.csil.actor.compose", "sum"),
        ("finetune.csil.gamma", "1"),
        ("finetune.csil.actor.features", "7"),
        ("finetune.sac.actor.features", "7"),
        ("finetune.csil.actor.variance_floor", "0"),
        ("finetune.csil.least_reward", "1"),
        ("finetune.csil.success_reward", "-1"),
        ("finetune.csil.learning_starts", "1000000"),
        ("finetune.rlpd.learning_starts", "1000000"),
        ("eval.episodes", "0"),
        ("preset", "cpu"),
        ("engine", "bullet"),
    ];
    for (key, text) in settings {
        let sentence = refused(set(key, text));
        assert!(sentence.contains(key), "{key} = {text}: {sentence}");
    }
    assert!(refused(set("task", "lab/pickplace")).contains("lab/pick-place"));
}

/// Settings that cannot work together are refused, in whatever order an overlay names them.
#[test]
fn settings_that_cannot_work_together_are_refused() {
    assert!(refused(set("finetune.best_of_n.rounds", "901")).contains("rounds"));
    assert!(refused(set("env.action_repeat", "161")).contains("env.action_repeat"));
    let short = set("env.horizon", "7").unwrap();
    assert!(refused(short.set("env.action_repeat", "8", &CORE)).contains("env.action_repeat"));
    assert!(refused(set("policy.time_dim", "15")).contains("even"));
    assert!(refused(set("pretrain.bc.warmup", "3000")).contains("pretrain.bc.warmup"));
    let overlay = |policy| Config::from_overlay(&json!({"policy": policy}), Preset::Tiny, &CORE);
    assert!(
        refused(overlay(json!({"residual": true, "layers": 4}))).contains("policy.layers is 4")
    );
    assert!(
        refused(overlay(json!({"kind": "diffusion", "inference_steps": 21})))
            .contains("denoising_steps, which is 20")
    );
    // What does not matter is not refused: neither a flow nor DDPM cares.
    overlay(json!({"kind": "flow", "inference_steps": 21})).unwrap();
    overlay(json!({"kind": "diffusion", "sampler": "ddpm", "inference_steps": 21})).unwrap();
    let ensemble = |post_bc| {
        let overlay = json!({"pretrain": {"post_bc": post_bc}});
        Config::from_overlay(&overlay, Preset::Tiny, &CORE)
    };
    let sentence = refused(ensemble(json!({"residual": true, "layers": 2})));
    assert!(
        sentence.contains("pretrain.post_bc.layers is 2"),
        "{sentence}"
    );
    let sentence = refused(ensemble(json!({"schedule": "cosine", "warmup": 500})));
    assert!(
        sentence.contains("pretrain.post_bc.warmup is 500"),
        "{sentence}"
    );
    ensemble(json!({"warmup": 500})).unwrap();
    assert!(refused(set("finetune.dppo.clip_base", "0.5")).contains("finetune.dppo.clip_base"));
    let no_chain = json!({"policy": {"kind": "gaussian"}, "finetune": {"method": "dppo"}});
    let sentence = refused(Config::from_overlay(&no_chain, Preset::Tiny, &CORE));
    assert!(
        sentence.contains("policy.kind gaussian")
            && sentence.contains("to flow, flow-transformer or"),
        "{sentence}"
    );
    let not_steerable = [
        (json!({"kind": "gaussian"}), "policy.kind gaussian"),
        (json!({"kind": "diffusion", "sampler": "ddpm"}), "ddim"),
    ];
    for (policy, expected) in not_steerable {
        let sentence = refused(Config::from_overlay(
            &json!({"policy": policy, "finetune": {"method": "dsrl"}}),
            Preset::Tiny,
            &CORE,
        ));
        assert!(
            sentence.contains("dsrl") && sentence.contains(expected),
            "{sentence}"
        );
    }
    let both = json!({"finetune": {"best_of_n": {"rounds": 150, "rollouts": 200}}});
    assert_eq!(
        Config::from_overlay(&both, Preset::Tiny, &CORE)
            .unwrap()
            .finetune
            .best_of_n
            .rounds,
        150
    );
}

/// In the paper preset, the policy that ValueDICE trains is the official code's, whatever the task.
#[test]
fn the_paper_preset_has_the_official_actor_of_value_dice() {
    for task in ["lab/lift", "lab/pick-place", "lab/assembly"] {
        let overlay = json!({
            "task": task,
            "pretrain": {"method": "value-dice"},
            "finetune": {"method": "none"},
        });
        let config = Config::from_overlay(&overlay, Preset::Paper, &CORE).unwrap();
        let PolicyConfig {
            kind,
            hidden,
            layers,
            activation,
            residual,
            ..
        } = config.policy;
        assert_eq!(
            (kind, hidden, layers, activation, residual),
            (PolicyKind::Squashed, 256, 2, Activation::Relu, false)
        );
    }
}

/// ValueDICE trains squashed policies only, and brings one along; another kind is refused in a
/// sentence that says what to set, and no other method minds a squashed policy.
#[test]
fn a_policy_kind_that_the_method_cannot_train_is_refused() {
    let config = set("pretrain.method", "value-dice").unwrap();
    assert_eq!(config.policy.kind, PolicyKind::Squashed);
    let sentence = refused(config.set("policy.kind", "flow", &CORE));
    assert!(
        sentence.contains("policy.kind") && sentence.contains("squashed"),
        "{sentence}"
    );
    set("policy.kind", "squashed").unwrap();
    let both = json!({"pretrain": {"method": "value-dice"}, "policy": {"kind": "squashed"}});
    assert_eq!(
        Config::from_overlay(&both, Preset::Tiny, &CORE).unwrap(),
        config
    );
}

/// The paper preset has the published settings of the task and the methods that are asked for
/// (PostBC's tables).
#[test]
fn the_paper_preset_knows_the_tables() {
    let paper = |task: &str, pretrain: &str, finetune: &str| {
        let overlay = json!({
            "task": task,
            "pretrain": { "method": pretrain },
            "finetune": { "method": finetune },
        });
        Config::from_overlay(&overlay, Preset::Paper, &CORE).unwrap()
    };
    let can = paper("lab/pick-place", "post-bc", "dsrl");
    assert_eq!(
        (
            can.demos.count,
            can.policy.chunk,
            can.policy.hidden,
            can.policy.inference_steps
        ),
        (10, 4, 1024, 8)
    );
    assert_eq!(
        (
            can.pretrain.post_bc.members,
            can.pretrain.post_bc.updates,
            can.pretrain.post_bc.alpha
        ),
        (100, 6000, 0.5)
    );
    assert_eq!(
        (
            can.finetune.dsrl.utd_ratio,
            can.finetune.dsrl.noise_utd_ratio,
            can.finetune.dsrl.learning_starts
        ),
        (5.0, 2.5, 6004)
    );
    let square = paper("lab/assembly", "sigma-bc", "dppo");
    assert_eq!(
        (
            square.demos.count,
            square.policy.time_dim,
            square.policy.sampler
        ),
        (30, 32, Sampler::Ddpm)
    );
    assert_eq!(
        (square.pretrain.sigma_bc.sigma, square.finetune.dppo.batch),
        (0.05, 10_000)
    );
    let lift = paper("lab/lift", "value-dice", "best-of-n");
    assert_eq!(
        (
            lift.policy.chunk,
            lift.policy.kind,
            lift.finetune.best_of_n.expectile
        ),
        (1, PolicyKind::Squashed, 0.9)
    );
    assert_eq!(lift.finetune.best_of_n.gamma, 0.999);
}

/// An overlay starts from the preset that it names, else from the fallback, and its mistakes are
/// named as well.
#[test]
fn an_overlay_changes_its_preset() {
    let named =
        Config::from_overlay(&json!({"preset": "cpu", "seed": 3}), Preset::Tiny, &CORE).unwrap();
    assert_eq!(
        named,
        Config {
            seed: 3,
            ..Config::preset(Preset::Cpu)
        }
    );
    assert_eq!(
        Config::from_overlay(&json!({}), Preset::Paper, &CORE).unwrap(),
        Config::preset(Preset::Paper)
    );
    for (overlay, named) in [
        (json!({"preset": "huge"}), "preset"),
        (json!({"policy": {"hiden": 3}}), "policy.hidden"),
        (json!({"policy": {"kind": "difusion"}}), "policy.kind"),
        (json!({"policy": [1]}), "policy"),
        (json!({"env": {"parallel": 0}}), "env.parallel"),
        (json!([1]), "setting"),
    ] {
        let sentence = refused(Config::from_overlay(&overlay, Preset::Tiny, &CORE));
        assert!(sentence.contains(named), "{sentence}");
    }
}

/// A configuration survives JSON, and its schema describes every setting.
#[test]
fn the_schema_describes_every_setting() {
    let config = Config::preset(Preset::Paper);
    assert_eq!(
        Config::from_saved(&config.to_value(), &CORE).unwrap(),
        config
    );
    let schema = Config::schema();
    let all = settings::keys(Config::FIELDS, "");
    assert!(all.len() > 180);
    for (key, field) in all {
        let described = key
            .split('.')
            .fold(&schema, |group, name| &group["properties"][name]);
        assert_eq!(described["description"], field.meaning, "{key}");
        assert!(!described["presets"]["cpu"].is_null(), "{key}");
    }
}

fn resolved(settings: &[(&str, &str)]) -> Config {
    let settings: Vec<(String, Value)> = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    Config::resolve(&settings, &CORE).unwrap()
}

/// What goes on from a policy has the published values of the method that is asked for now,
/// whatever the policy was pretrained for.
#[test]
fn what_a_method_asks_for_follows_it_from_a_checkpoint() {
    for preset in ["paper", "cpu", "tiny"] {
        for before in ["none", "best-of-n", "csil"] {
            let pretrained = resolved(&[("preset", preset), ("finetune.method", before)]);
            let go_on = |method: &str, key: &str, value: &str| {
                let mut settings = pretrained.policy_settings(&CORE).unwrap();
                settings.push(("finetune.method".to_owned(), json!(method)));
                settings.push((key.to_owned(), json!(value)));
                Config::resolve(&settings, &CORE).unwrap().finetune
            };
            let anew = |method: &str, key: &str, value: &str| {
                let base = [
                    ("preset", preset),
                    ("finetune.method", method),
                    (key, value),
                ];
                resolved(&base).finetune
            };
            for actor in ["csil", "xqc", "rlpd", "sac"] {
                let key = "preset";
                assert_eq!(go_on(actor, key, preset), anew(actor, key, preset));
            }
            // A policy with the chunks that CSIL asks for is too short-sighted for the planner.
            for backbone in Backbone::ALL.iter().filter(|_| before != "csil") {
                let key = "finetune.td_mpc.backbone";
                let name = backbone.name();
                assert_eq!(go_on("td-mpc", key, name), anew("td-mpc", key, name));
            }
        }
    }
    let paper = resolved(&[("preset", "paper"), ("finetune.method", "rlpd")]);
    let rlpd = paper.finetune.rlpd;
    assert_eq!((rlpd.critics, rlpd.hidden, rlpd.layers), (10, 256, 3));
    assert_eq!((rlpd.utd_ratio, rlpd.temperature), (20.0, 1.0));
}

/// A method that acts beside a policy gets it with chunks, and holds each action for longer.
#[test]
fn a_policy_that_is_acted_beside_has_chunks() {
    for method in ["csil", "xqc", "rlpd", "sac"] {
        let of = |preset: &str| resolved(&[("preset", preset), ("finetune.method", method)]);
        assert_eq!(of("paper").policy.chunk, 10, "{method}");
        assert_eq!(of("cpu").policy.chunk, 4, "{method}");
        assert!(of("tiny").env.action_repeat > 1, "{method}");
    }
}

/// Whoever goes on from a policy keeps what was set for it, and what the policy itself fixes.
#[test]
fn what_was_set_for_a_policy_is_kept() {
    let overlay = json!({
        "env": {"parallel": 7},
        "policy": {"hidden": 48},
        "finetune": {"method": "none", "csil": {"lr": 0.004}},
    });
    let pretrained = Config::from_overlay(&overlay, Preset::Tiny, &CORE).unwrap();
    let mut settings = pretrained.policy_settings(&CORE).unwrap();
    settings.push(("finetune.method".to_owned(), json!("csil")));
    let config = Config::resolve(&settings, &CORE).unwrap();
    assert_eq!(config.preset, Preset::Tiny);
    assert_eq!(config.policy, pretrained.policy);
    assert_eq!((config.env.action_repeat, config.env.parallel), (1, 7));
    assert_eq!(config.finetune.csil.lr, 0.004);
    let alone = Config::resolve(&pretrained.policy_settings(&CORE).unwrap(), &CORE).unwrap();
    assert_eq!(alone.finetune.method, best_of_n::METHOD.id());
}

/// The settings of a configuration make it again, whatever they are.
#[test]
fn its_own_settings_make_a_configuration_again() {
    for preset in ["paper", "cpu", "tiny"] {
        for task in ["lab/lift", "metaworld/assembly"] {
            for pretrain in pretrain::METHODS.map(|method| method.info.id) {
                for finetune in finetune::INFOS.map(|info| info.id) {
                    let job = [
                        ("preset", preset),
                        ("task", task),
                        ("pretrain.method", pretrain),
                        ("finetune.method", finetune),
                        ("finetune.td_mpc.backbone", "td-mpc"),
                    ];
                    let job = job.map(|(key, value)| (key.to_owned(), json!(value)));
                    // Not every method finetunes what every other one pretrains.
                    let Ok(config) = Config::resolve(&job, &CORE) else {
                        continue;
                    };
                    let again =
                        Config::resolve(&config.own_settings(&CORE).unwrap(), &CORE).unwrap();
                    assert_eq!(again, config);
                    let changed = config.set("eval.episodes", "17", &CORE).unwrap();
                    assert_eq!(changed.eval.episodes, 17);
                }
            }
        }
    }
}

/// A saved configuration is read although it lacks a setting: one that came later takes away no
/// policy.
#[test]
fn a_saved_configuration_outlives_new_settings() {
    for preset in Preset::ALL {
        let config = Config::preset(*preset);
        for (key, field) in settings::keys(Config::FIELDS, "") {
            let mut saved = config.to_value();
            let (group, name) = key.rsplit_once('.').unwrap_or(("", &key));
            let pointer = format!("/{}", group.replace('.', "/"));
            let pointer = if group.is_empty() { "" } else { &pointer };
            let slot = saved.pointer_mut(pointer).and_then(Value::as_object_mut);
            slot.unwrap().remove(name).unwrap();
            let read = Config::from_saved(&saved, &CORE);
            assert!(read.is_ok(), "{key}: {read:?}");
            if !field.base {
                assert_eq!(read.unwrap(), config, "{key}");
            }
        }
    }
}

/// Names of settings that an earlier version had are read, and what was counted otherwise is
/// converted.
#[test]
fn a_saved_configuration_outlives_renamed_settings() {
    let expected = Config::preset(Preset::Cpu);
    let mut saved = expected.to_value();
    let mut rename = |group: &str, now: &str, old: &str, value: Value| {
        let group = saved.pointer_mut(group).and_then(Value::as_object_mut);
        let group = group.unwrap();
        group.remove(now).unwrap();
        group.insert(old.to_owned(), value);
    };
    rename("/finetune/dsrl", "total_steps", "steps", json!(500));
    rename("/finetune/dsrl", "learning_starts", "warmup", json!(50));
    rename("/finetune/dsrl", "eval_every", "eval_every", json!(100));
    rename("/finetune/dsrl", "utd_ratio", "updates", json!(20));
    rename(
        "/finetune/dsrl",
        "noise_utd_ratio",
        "noise_updates",
        json!(20),
    );
    rename("/finetune/csil", "target_rate", "tau", json!(0.05));
    rename(
        "/finetune/td_mpc",
        "total_steps",
        "decisions",
        json!(30_000),
    );
    rename("/pretrain/bc", "updates", "steps", json!(3000));
    // What a policy reads is told by its file now.
    saved["policy"]["labels"] = json!(2);
    saved["policy"]["view"] = json!({"size": 84, "stack": 2});
    assert_eq!(Config::from_saved(&saved, &CORE).unwrap(), expected);
    let sentence = refused(set("finetune.csil.tau", "0.1"));
    assert!(sentence.contains("finetune.csil.target_rate"), "{sentence}");
    let sentence = refused(set("finetune.csil.policy_hidden", "8"));
    assert!(
        sentence.contains("finetune.csil.actor.hidden"),
        "{sentence}"
    );
}

/// What a file of before does not say is what there was before, not what the preset has now: a run
/// that is resumed practices as it did.
#[test]
fn a_saved_configuration_practices_as_it_did() {
    let job = [("preset", "paper"), ("finetune.method", "dsrl")];
    let config = resolved(&job);
    assert!(config.env.to_horizon);
    assert_eq!(config.finetune.dsrl.offset_per, OffsetPer::Step);
    assert_eq!(
        Config::from_saved(&config.to_value(), &CORE).unwrap(),
        config
    );
    let mut saved = config.to_value();
    let mut remove = |group: &str, name: &str| {
        let group = saved.pointer_mut(group).and_then(Value::as_object_mut);
        group.unwrap().remove(name).unwrap();
    };
    remove("/env", "to_horizon");
    remove("/env", "horizon");
    remove("/finetune/dsrl", "offset_per");
    let read = Config::from_saved(&saved, &CORE).unwrap();
    assert_eq!((read.env.to_horizon, read.env.horizon), (false, 0));
    assert_eq!(read.finetune.dsrl.offset_per, OffsetPer::Decision);
}

/// A configuration of csil as it was saved when its actor's settings were csil's own, and other
/// methods its variants.
fn with_variant(method: &str, variant: &str) -> Value {
    let mut saved = Config::preset(Preset::Cpu).to_value();
    saved["finetune"]["method"] = json!(method);
    for later in ["xqc", "rlpd", "sac"] {
        saved["finetune"].as_object_mut().unwrap().remove(later);
    }
    let csil = saved["finetune"]["csil"].as_object_mut().unwrap();
    let actor = csil.remove("actor").unwrap();
    for (name, value) in actor.as_object().unwrap() {
        let name = match name.as_str() {
            "hidden" => "policy_hidden",
            other => other,
        };
        csil.insert(name.to_owned(), value.clone());
    }
    csil.extend([
        ("variant".to_owned(), json!(variant)),
        ("temperature".to_owned(), json!(0.02)),
        ("policy_hidden".to_owned(), json!(24)),
        ("utd_ratio".to_owned(), json!(3.0)),
    ]);
    saved
}

/// A saved variant of csil is the method that it is now, with its settings; csil's own is csil.
#[test]
fn a_saved_variant_of_csil_is_a_method_now() {
    for variant in ["xqc", "rlpd", "sac"] {
        let config = Config::from_saved(&with_variant("csil", variant), &CORE).unwrap();
        let value = config.to_value();
        assert_eq!(value["finetune"]["method"], json!(variant));
        let own = &value["finetune"][variant];
        assert_eq!(own["actor"]["hidden"], json!(24));
        assert_eq!(
            (&own["temperature"], &own["utd_ratio"]),
            (&json!(0.02), &json!(3.0))
        );
        let usual = Config::preset(Preset::Cpu);
        assert_eq!(config.finetune.csil, usual.finetune.csil);
        // Where another method was chosen, it stays.
        let config = Config::from_saved(&with_variant("dsrl", variant), &CORE).unwrap();
        assert_eq!(config.finetune.method.id(), "dsrl");
        assert_eq!(config.to_value()["finetune"][variant], *own);
    }
    let csil = Config::from_saved(&with_variant("csil", "csil"), &CORE).unwrap();
    assert_eq!(csil.finetune.method.id(), "csil");
    assert_eq!(csil.finetune.csil.actor.hidden, 24);
    let mut open = with_variant("csil", "rlpd");
    open["finetune"].as_object_mut().unwrap().remove("method");
    assert!(refused(Config::from_saved(&open, &CORE)).contains("--finetune rlpd"));
}

/// A variant of csil among the flags is answered with the method that it is now.
#[test]
fn a_variant_of_csil_is_answered_with_its_method() {
    for variant in ["xqc", "rlpd", "sac"] {
        let sentence = refused(set("finetune.csil.variant", variant));
        assert!(
            sentence.contains(&format!("--finetune {variant}")),
            "{sentence}"
        );
    }
}

/// What a later version wrote is refused in a sentence that says so.
#[test]
fn a_configuration_of_a_later_version_is_refused() {
    let mut saved = Config::preset(Preset::Tiny).to_value();
    saved["finetune"]["csil"]["curiosity"] = json!(1);
    let sentence = refused(Config::from_saved(&saved, &CORE));
    assert!(
        sentence.contains("finetune.csil.curiosity") && sentence.contains("later version"),
        "{sentence}"
    );
}
