//! A run whose episodes others play is the one that plays them itself: every figure, every episode
//! and every bit of its state, whoever answers late, twice or never.

use crate::pictures::striped;
use crate::runs::{bytes, services, small};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::Archive;
use protege_core::env::{Maker, make_on};
use protege_core::finetune::{FinetuneMethod, best_of_n, csil, dppo, td_mpc};
use protege_core::play::{Elsewhere, Played, Shape, Shares};
use protege_core::policy::{ImageEncoderKind, PolicyKind};
use protege_core::pretrain::bc;
use protege_core::run::{Config, Guest, Inputs, Progress, Run};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// How others are.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Manner {
    /// They play all, the last first, before home can begin.
    Eager,
    /// They play one decision for one of home.
    Even,
    /// They say that they play, and never answer.
    Idle,
    /// They play all, and answer twice.
    Twice,
}

struct Others(Manner, Maker);

/// What they have of a phase.
struct Phase {
    manner: Manner,
    guest: Guest,
    shape: Shape,
    waiting: VecDeque<u64>,
    home: BTreeSet<u64>,
    done: BTreeSet<u64>,
}

impl Elsewhere for Others {
    fn begin(&self, job: Vec<u8>, seeds: Vec<u64>, shape: Shape) -> Option<Box<dyn Shares>> {
        let guest = Guest::new(&job, Device::flex(), services(self.1), 1).unwrap();
        Some(Box::new(Phase {
            manner: self.0,
            guest,
            shape,
            waiting: seeds.into(),
            home: BTreeSet::new(),
            done: BTreeSet::new(),
        }))
    }
}

impl Phase {
    /// What has been played after so many decisions at most, as it comes over a wire.
    fn played(&mut self, decisions: usize) -> Vec<Played> {
        let mut all = Vec::new();
        for _ in 0..decisions {
            for played in block_on(self.guest.step()).unwrap() {
                all.push(self.shape.read(&played.to_bytes().unwrap()).unwrap());
            }
        }
        all
    }
}

impl Shares for Phase {
    fn take(&mut self) -> Option<u64> {
        let next = self
            .waiting
            .pop_front()
            .filter(|seed| !self.done.contains(seed))?;
        self.home.insert(next);
        Some(next)
    }

    fn keep(&mut self, seed: u64) {
        assert!(self.home.contains(&seed));
        self.done.insert(seed);
    }

    fn arrived(&mut self) -> Vec<Played> {
        let (share, decisions) = match self.manner {
            Manner::Eager | Manner::Twice => (self.waiting.len(), 10_000),
            Manner::Even => (usize::from(self.guest.is_idle()).min(self.waiting.len()), 1),
            Manner::Idle => return Vec::new(),
        };
        for _ in 0..share {
            self.guest.give(self.waiting.pop_back().unwrap());
        }
        if self.guest.is_idle() {
            return Vec::new();
        }
        let mut played = self.played(decisions);
        if self.manner == Manner::Twice {
            played.extend(played.clone());
        }
        self.done.extend(played.iter().map(|played| played.seed));
        played
    }
}

fn begun(config: &Config, make: Maker) -> Run {
    let inputs = Inputs {
        services: services(make),
        ..Inputs::default()
    };
    Run::new(config.clone(), inputs, Device::flex()).unwrap()
}

fn helped(run: Run, manner: Manner, make: Maker) -> Run {
    run.with_help(Some(Arc::new(Others(manner, make))))
}

/// What a step told, if it told anything.
fn told(progress: Progress) -> Option<Progress> {
    let empty = progress.episodes.is_empty() && progress.records.is_empty();
    (!empty).then_some(progress)
}

/// What a run tells, and its states after its steps.
fn whole(mut run: Run) -> (Vec<Progress>, Vec<Vec<u8>>) {
    let mut all = Vec::new();
    let mut states = vec![bytes(&run)];
    loop {
        let progress = block_on(run.step()).unwrap();
        let finished = progress.finished;
        all.extend(told(progress));
        states.push(bytes(&run));
        if finished {
            return (all, states);
        }
    }
}

/// Goes through a run with others, and compares it with one without. Now and then it is resumed
/// alone from there.
fn assert_alike(
    config: &Config,
    make: Maker,
    manner: Manner,
    alone: &(Vec<Progress>, Vec<Vec<u8>>),
) {
    let (expected, states) = alone;
    let mut run = helped(begun(config, make), manner, make);
    let mut all = Vec::new();
    let mut place = 0;
    let mut waited = 0;
    loop {
        let progress = block_on(run.step()).unwrap();
        let finished = progress.finished;
        all.extend(told(progress));
        let state = bytes(&run);
        if states.get(place + 1) == Some(&state) {
            place += 1;
        } else {
            waited += 1;
            assert!(
                waited < 10_000,
                "{manner:?}: beside the run after {place} steps"
            );
            if waited % 7 == 1 {
                let archive = Archive::from_bytes(&state).unwrap();
                let resumed = Run::load_with(archive, Device::flex(), services(make)).unwrap();
                let manner = [None, Some(Manner::Eager)][waited / 7 % 2];
                let resumed = match manner {
                    Some(manner) => helped(resumed, manner, make),
                    None => resumed,
                };
                let (told, ends) = whole(resumed);
                assert_eq!(told[..], expected[all.len()..]);
                assert!(
                    ends.last() == states.last(),
                    "{manner:?}: resumed after {place} steps"
                );
            }
        }
        if finished {
            break;
        }
    }
    assert_eq!(&all, expected, "{manner:?}");
    assert_eq!(place + 1, states.len(), "{manner:?}");
}

/// Five environments play twelve episodes, of which the last are played alone.
fn many(method: FinetuneMethod) -> Config {
    let mut config = small();
    config.env.parallel = 5;
    config.eval.episodes = 8;
    config.eval.curve_episodes = 2;
    config.pretrain.method = bc::METHOD.id();
    config.finetune.method = method;
    config.finetune.best_of_n.rollouts = 12;
    config.finetune.dppo.iterations = 1;
    config.finetune.dppo.critic_warmup = 0;
    config.finetune.dppo.episodes = 7;
    config
}

fn assert_all_alike(config: &Config, make: Maker) {
    let alone = whole(begun(config, make));
    for manner in [Manner::Eager, Manner::Even, Manner::Idle, Manner::Twice] {
        assert_alike(config, make, manner, &alone);
    }
}

/// With [`Manner::Even`] help, a run ends as it does alone.
fn assert_evenly_alike(config: &Config) {
    let alone = whole(begun(config, make_on));
    assert_alike(config, make_on, Manner::Even, &alone);
}

/// Best-of-N: its practice, and its evaluations.
#[test]
fn others_play_best_of_n_to_the_bit() {
    assert_all_alike(&many(best_of_n::METHOD.id()), make_on);
}

/// DPPO, whose practice notes more than actions; of a diffusion policy, too.
#[test]
fn others_play_dppo_to_the_bit() {
    assert_all_alike(&many(dppo::METHOD.id()), make_on);
    let mut config = many(dppo::METHOD.id());
    config.policy.kind = PolicyKind::Diffusion;
    config.policy.denoising_steps = 3;
    config.finetune.dppo.bootstrap_truncated = true;
    assert_evenly_alike(&config);
}

/// One environment at a time: every decision is made alone.
#[test]
fn others_play_one_at_a_time_to_the_bit() {
    let mut config = many(best_of_n::METHOD.id());
    config.env.parallel = 1;
    assert_evenly_alike(&config);
}

/// Evaluations of methods that learn while they practice, and remember from one decision to the
/// next; episodes that go on to the horizon.
#[test]
fn others_play_evaluations_of_all_methods_to_the_bit() {
    for method in [csil::METHOD.id(), td_mpc::METHOD.id()] {
        let mut config = many(method);
        config.eval.to_horizon = true;
        config.eval.episodes = 4;
        assert_evenly_alike(&config);
    }
}

/// What is learned from pictures: they come along.
#[test]
fn others_play_from_pictures_to_the_bit() {
    for method in [best_of_n::METHOD.id(), dppo::METHOD.id()] {
        let mut config = many(method);
        config.policy.encoder = ImageEncoderKind::Keypoints;
        (config.env.image_size, config.env.image_stack) = (32, 2);
        config.env.parallel = 2;
        config.pretrain.bc.updates = 10;
        config.finetune.best_of_n.rounds = 1;
        config.finetune.best_of_n.rollouts = 3;
        config.finetune.dppo.episodes = 3;
        config.eval.episodes = 2;
        let alone = whole(begun(&config, striped));
        assert_alike(&config, striped, Manner::Eager, &alone);
    }
}
