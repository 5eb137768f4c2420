use super::geometry::{about, axis_angle, scaled, unit};
use crate::mujoco::robosuite::lapack::product;
use crate::mujoco::robosuite::tasks::TASKS;
use crate::mujoco::robosuite::transforms::{minus, norm};
use protege_core::env::{Env, catalogue};
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use std::f64::consts::{FRAC_PI_2, PI};

/// Plays the expert's episode `seed` to its end, and tells whether it succeeded.
fn succeeds(env: &mut dyn Env, seed: u64) -> bool {
    env.reset(seed);
    loop {
        let action = env.expert().unwrap();
        assert!(action.iter().all(|a| a.abs() <= 1.0), "{action:?}");
        let step = env.step(&action).unwrap();
        if step.done() {
            return step.success;
        }
    }
}

/// The experts solve their tasks, each in a style of its own and through noise.
#[test]
fn experts_succeed_in_every_style_and_through_noise() {
    for task in &TASKS {
        let mut env = crate::engines::make(task.id, catalogue::MUJOCO).unwrap();
        let starts = if task.id == "robosuite/tool-hang" {
            4
        } else {
            10
        };
        let mut solved = 0;
        for seed in 0..starts {
            let varied = ExpertStyle::sample(&mut Rng::new(seed, "style", 0));
            let noise = if seed % 2 == 0 { 0.0 } else { 0.1 };
            env.set_style(ExpertStyle { noise, ..varied }).unwrap();
            solved += u64::from(succeeds(&mut *env, seed));
        }
        assert!(solved + 1 >= starts, "{}: {solved} of {starts}", task.id);
    }
}

/// An expert goes by the moment alone: dropped into the middle of an episode, it goes on.
#[test]
fn experts_remember_nothing() {
    for task in &TASKS {
        let mut env = crate::engines::make(task.id, catalogue::MUJOCO).unwrap();
        let mut other = crate::engines::make(task.id, catalogue::MUJOCO).unwrap();
        env.reset(1);
        for _ in 0..20 {
            let action = env.expert().unwrap();
            env.step(&action).unwrap();
        }
        other.restore(&env.save()).unwrap();
        assert_eq!(env.expert(), other.expert(), "{}", task.id);
    }
}

/// The axis and the angle of a rotation are those of which it was made, half turns included.
#[test]
fn rotations_have_the_axis_and_the_angle_that_they_were_made_of() {
    let axis = unit([0.3, -0.5, 0.8]);
    for angle in [0.0, 1e-5, 0.4, 1.6, 3.0, PI - 1e-3] {
        let turn = scaled(axis, angle);
        let off = minus(axis_angle(&about(turn)), turn);
        assert!(norm(off) < 2e-3, "{angle}: off by {off:?}");
    }
    let quarter = about(scaled(axis, FRAC_PI_2));
    let half = axis_angle(&product(&quarter, &quarter));
    assert!((norm(half) - PI).abs() < 2e-3, "{half:?}");
}
