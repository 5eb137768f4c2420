//! Several tasks learned by one policy.

use crate::pictures::striped;
use crate::runs::{resumable_phases, services, small, start};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::Archive;
use protege_core::env::catalogue::CORE;
use protege_core::env::make_on;
use protege_core::finetune::td_mpc::{Proposals, SeedPolicy};
use protege_core::obs::{Frame, ObsBatch, TaskLabel};
use protege_core::policy::PolicyKind;
use protege_core::pretrain::bc;
use protege_core::run::{Config, FinetuneMethod, Inputs, Phase, Run};

/// Two tasks, two demonstrations each, a transformer of one block.
fn config() -> Config {
    let mut config = small();
    config.pretrain.method = bc::METHOD.id();
    config.pretrain.tasks = vec!["lab/lift".into(), "lab/pick-place".into()];
    config.policy.kind = PolicyKind::FlowTransformer;
    config.policy.hidden = 32;
    config.policy.layers = 1;
    config.finetune.method = FinetuneMethod::NONE;
    config
}

/// Every task is demonstrated as often as asked, observations say which it is, and a stopped run
/// goes on bit for bit.
#[test]
fn every_task_is_demonstrated_and_named() {
    let phases = resumable_phases(config(), make_on);
    assert!(phases.contains(&Phase::Demos), "{phases:?}");
    let mut run = start(config());
    while run.policy().is_none() {
        block_on(run.step()).unwrap();
    }
    let demos = run.demos().unwrap();
    assert_eq!(
        (demos.meta.obs.numbers(), demos.meta.task.as_str()),
        (41, "lab/lift+lab/pick-place")
    );
    let labels = demos.episodes.iter().map(|episode| episode.obs.task);
    let expected = [0, 0, 1, 1].map(|index| Some(TaskLabel { index, of: 2 }));
    assert!(labels.eq(expected));
}

/// A policy of several tasks goes on with any of them, and is told which; with no other.
#[test]
fn a_policy_of_several_tasks_goes_on_with_any_of_them() {
    let mut run = start(config());
    while run.policy().is_none() {
        block_on(run.step()).unwrap();
    }
    let policy = block_on(run.policy_archive()).unwrap().to_bytes().unwrap();
    let go_on = |task: &str| {
        let mut config = small();
        config.task = task.into();
        config.finetune.method = FinetuneMethod::NONE;
        Run::new(
            config,
            Inputs {
                policy: Some(Archive::from_bytes(&policy).unwrap()),
                ..Inputs::default()
            },
            Device::flex(),
        )
    };
    for (index, task) in ["lab/lift", "lab/pick-place"].into_iter().enumerate() {
        let mut run = go_on(task).unwrap();
        assert_eq!(run.config().label(), Some(TaskLabel { index, of: 2 }));
        while !block_on(run.step()).unwrap().finished {}
        assert!(run.summary().before.is_some());
    }
    let sentence = go_on("lab/assembly").err().unwrap().to_string();
    assert!(sentence.contains("lab/assembly"), "{sentence}");
}

/// A policy of several tasks that sees learns from what was seen in each, is told which task it is,
/// and a stopped run goes on bit for bit; it is refused where other pictures are seen.
#[test]
fn a_policy_of_several_tasks_sees() {
    let mut config = config();
    config.env.image_size = 20;
    config.env.image_stack = 2;
    config.finetune.td_mpc.proposals = Proposals::Prior;
    config.finetune.td_mpc.seed_by = SeedPolicy::Prior;
    let phases = resumable_phases(config.clone(), striped);
    assert!(phases.contains(&Phase::Evaluate), "{phases:?}");
    let inputs = || Inputs {
        services: services(striped),
        ..Inputs::default()
    };
    let mut run = Run::new(config.clone(), inputs(), Device::flex()).unwrap();
    while run.policy().is_none() {
        block_on(run.step()).unwrap();
    }
    let demos = run.demos().unwrap();
    let policy = run.policy().unwrap();
    assert_eq!(
        (&demos.meta.obs, policy.sizes.obs),
        (&policy.reads, 10),
        "what the hand feels, and which task it is"
    );
    let act = |light: u8| {
        let mut obs = ObsBatch::new(&policy.reads);
        let first = &demos.episodes[0].obs;
        obs.push_fields(first.state_at(0), first.task, |camera, out| {
            let frame = Frame::new(vec![light; camera.frame_len()]);
            out.extend(vec![frame; camera.stack]);
        });
        block_on(policy.act(&obs, vec![0.5; policy.noise_len()], &Device::flex())).unwrap()
    };
    assert_ne!(act(0), act(255), "another picture, another action");

    let archive = block_on(run.policy_archive()).unwrap();
    config.env.image_size = 24;
    let other = Run::new(
        config,
        Inputs {
            policy: Some(archive),
            ..inputs()
        },
        Device::flex(),
    );
    let sentence = other.err().unwrap().to_string();
    assert!(sentence.contains("set env.image_size to 20"), "{sentence}");
}

/// Tasks that do not fit together are named.
#[test]
fn tasks_that_do_not_fit_together_are_named() {
    let mut other = config();
    other.pretrain.tasks.push("adroit/door".into());
    assert!(
        other
            .check(&CORE)
            .unwrap_err()
            .to_string()
            .contains("adroit/door")
    );
    let mut other = config();
    other.policy.kind = PolicyKind::Flow;
    assert!(
        other
            .check(&CORE)
            .unwrap_err()
            .to_string()
            .contains("flow-transformer")
    );
    let mut other = config();
    other.task = "lab/assembly".into();
    assert!(
        other
            .check(&CORE)
            .unwrap_err()
            .to_string()
            .contains("pretrain.tasks")
    );
}
