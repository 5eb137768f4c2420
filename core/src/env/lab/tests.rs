//! The promises of the suite `lab`.

use super::*;
use crate::env::catalogue::{CORE, select_ranges};
use crate::env::{Step, make};

/// Plays the expert's episode `seed` to its end.
fn demonstrate(env: &mut LabEnv, seed: u64) -> Vec<Step> {
    env.reset(seed);
    let mut steps: Vec<Step> = Vec::new();
    while !steps.last().is_some_and(Step::done) {
        let action = env.expert().unwrap();
        steps.push(env.step(&action).unwrap());
    }
    steps
}

/// The experts solve at least 9 of 10 random starts in every style, with and without trembling
/// hands. `native/examples/experts.rs` measures the same over 200 starts.
#[test]
fn experts_succeed() {
    for info in tasks::all() {
        let mut env = LabEnv::new(info.id).unwrap();
        let wins = (0..40).filter(|&seed| {
            let mut style = if seed < 20 {
                ExpertStyle::default()
            } else {
                ExpertStyle::sample(&mut Rng::new(seed, "style", 0))
            };
            style.noise = if seed % 2 == 0 { 0.0 } else { 0.1 };
            env.set_style(style).unwrap();
            demonstrate(&mut env, seed)
                .last()
                .is_some_and(|step| step.success)
        });
        let wins = wins.count();
        assert!(wins >= 36, "{}: {wins} of 40", info.id);
    }
}

/// The same seed is the same episode, bit for bit; another seed is another.
#[test]
fn the_same_seed_is_the_same_episode() {
    let mut env = LabEnv::new("lab/pick-place").unwrap();
    env.set_style(ExpertStyle {
        noise: 0.1,
        ..ExpertStyle::default()
    })
    .unwrap();
    let first = demonstrate(&mut env, 3);
    assert_ne!(first, demonstrate(&mut env, 4));
    assert_eq!(first, demonstrate(&mut env, 3));
}

/// Success ends the episode with the only reward there is.
#[test]
fn the_reward_is_one_on_success_and_else_zero() {
    for info in tasks::all() {
        let steps = demonstrate(&mut LabEnv::new(info.id).unwrap(), 0);
        let (last, others) = steps.split_last().unwrap();
        assert!(
            others
                .iter()
                .all(|s| s.reward == 0.0 && !s.success && !s.done())
        );
        assert!(last.reward == 1.0 && last.success && last.terminated && !last.truncated);
    }
}

/// An episode that plays on is the same up to its first success, and goes on to the horizon.
#[test]
fn an_episode_that_plays_on_reaches_the_horizon() {
    for info in tasks::all() {
        let mut env = LabEnv::new(info.id).unwrap();
        let short = demonstrate(&mut env, 0);
        env.set_terminate_on_success(false);
        let long = demonstrate(&mut env, 0);
        let same = |(a, b): (&Step, &Step)| {
            a.obs == b.obs && a.reward == b.reward && a.success == b.success
        };
        assert!(short.iter().zip(&long).all(same), "{}", info.id);
        assert!(
            long.len() == info.horizon
                && long
                    .iter()
                    .all(|step| !step.terminated && step.reward == f32::from(step.success))
        );
        assert!(
            long.last().is_some_and(|step| step.truncated)
                && env.step(&vec![0.0; info.act]).is_err()
        );
    }
}

/// A hand that rests is cut off at the horizon without reward, and a finished episode cannot be
/// played on.
#[test]
fn a_resting_hand_is_truncated_at_the_horizon() {
    let mut env = LabEnv::new("lab/lift").unwrap();
    env.reset(0);
    let horizon = env.spec().horizon;
    let steps: Vec<_> = (0..horizon).map(|_| env.step(&[0.0; 4]).unwrap()).collect();
    assert!(steps[..horizon - 1].iter().all(|s| !s.done()));
    assert!(
        steps[horizon - 1].truncated
            && !steps[horizon - 1].terminated
            && steps.iter().all(|s| s.reward == 0.0)
    );
    assert!(env.step(&[0.0; 4]).is_err());
}

/// The observation is laid out as Meta-World's: frame, frame before, goal.
#[test]
fn the_observation_has_the_layout_of_meta_world() {
    let mut env = LabEnv::new("lab/pick-place").unwrap();
    let start = env.reset(1).state;
    assert_eq!((start.len(), env.spec().obs.numbers()), (39, 39));
    assert_eq!(
        start[..18],
        start[18..36],
        "the first observation repeats its frame"
    );
    assert!(
        (start[0].abs() < 1e-4) && (start[1] - 0.6).abs() < 1e-4 && (start[2] - 0.2).abs() < 1e-4,
        "hand at home"
    );
    assert!(start[3] > 0.99, "gripper open");
    assert!(
        (0.6..0.7).contains(&start[5]) && (start[6] - 0.02).abs() < 1e-4 && start[7] > 0.999,
        "cube at rest on the table, upright"
    );
    assert!(start[11..18].iter().all(|&v| v == 0.0), "padding");
    assert!((0.8..0.9).contains(&start[37]), "goal");
    let after = env.step(&[1.0, 0.0, 0.0, 1.0]).unwrap().obs.state;
    assert_eq!(after[18..36], start[..18], "the frame before");
    assert_ne!(after[..18], start[..18]);
}

/// Actions outside [-1, 1] act as the nearest inside; a wrong length or a number that is none is an
/// error.
#[test]
fn wild_actions_are_clipped_and_impossible_ones_refused() {
    let mut env = LabEnv::new("lab/lift").unwrap();
    let mut play = |action: [f32; 4]| {
        env.reset(0);
        env.step(&action).unwrap()
    };
    assert_eq!(play([9.0, -9.0, 1.5, 7.0]), play([1.0, -1.0, 1.0, 1.0]));
    assert!(env.step(&[0.0; 3]).is_err());
    assert!(env.step(&[0.0, f32::NAN, 0.0, 0.0]).is_err());
    assert!(env.step(&[0.0, f32::INFINITY, 0.0, 0.0]).is_err());
    env.step(&[0.0; 4]).unwrap();
}

/// A restored environment goes on bit for bit, trembling included; foreign or damaged states change
/// nothing.
#[test]
fn a_restored_environment_goes_on_bit_for_bit() {
    let mut env = LabEnv::new("lab/assembly").unwrap();
    env.set_style(ExpertStyle {
        noise: 0.1,
        side: 0.3,
        ..ExpertStyle::default()
    })
    .unwrap();
    env.reset(2);
    let play = |env: &mut LabEnv| {
        let action = env.expert().unwrap();
        env.step(&action).unwrap()
    };
    (0..35).for_each(|_| drop(play(&mut env)));
    let saved = env.save();
    let mut other = LabEnv::new("lab/assembly").unwrap();
    other.restore(&saved).unwrap();
    let foreign = LabEnv::new("lab/lift").unwrap().save();
    assert!(
        other.restore(&foreign).is_err()
            && other.restore(&saved[..saved.len() - 9]).is_err()
            && other.restore(&[]).is_err()
    );
    for _ in 0..30 {
        assert_eq!(play(&mut env), play(&mut other));
    }
}

/// When the physics breaks, the error names the task and the step, and a reset mends it. It pins
/// that Rapier's quiet removal of a non-finite body does not go unnoticed.
#[test]
fn broken_physics_is_an_error_that_names_task_and_step() {
    let mut env = LabEnv::new("lab/lift").unwrap();
    env.reset(0);
    env.step(&[0.0; 4]).unwrap();
    let cube = env.sim().body("object").unwrap();
    let nowhere = crate::sim::Pose {
        position: [0.0, f64::NAN, 0.0],
        rotation: [1.0, 0.0, 0.0, 0.0],
    };
    env.world_mut().sim.set_pose(cube, nowhere);
    let sentence = env.step(&[0.0; 4]).unwrap_err().to_string();
    assert!(
        sentence.contains("lab/lift") && sentence.contains("step 2"),
        "{sentence}"
    );
    assert!(env.step(&[0.0; 4]).is_err(), "it stays broken");
    env.reset(0);
    env.step(&[0.0; 4]).unwrap();
}

/// A style that no hand could have is refused, and the one before stays.
#[test]
fn impossible_styles_are_refused() {
    let mut env = LabEnv::new("lab/lift").unwrap();
    for speed in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(
            env.set_style(ExpertStyle {
                speed,
                ..ExpertStyle::default()
            })
            .is_err()
        );
    }
    assert!(
        env.set_style(ExpertStyle {
            noise: -0.1,
            ..ExpertStyle::default()
        })
        .is_err()
    );
    assert!(env.expert().is_some());
}

/// Ids make environments, and a mistyped one is an error that names the nearest.
#[test]
fn ids_make_environments() {
    for id in [
        "lab/lift",
        "lab/pick-place",
        "lab/box-close",
        "lab/assembly",
        "probe/1",
        "probe/5",
    ] {
        assert_eq!(make(id).unwrap().spec().id, id);
    }
    let sentence = |id| make(id).map(|_| ()).unwrap_err().to_string();
    assert!(sentence("lab/asembly").contains("lab/assembly"));
    assert!(sentence("probe/9").contains("probe/"));
}

/// What stays beside a picture is the hand and the gripper, now and one control step ago, and
/// nothing of the object: what MoDem keeps of Meta-World's observations.
#[test]
fn the_hand_and_the_gripper_stay_beside_a_picture() {
    for info in tasks::all() {
        let mut env = make(info.id).unwrap();
        let places = CORE.entry(info.id).unwrap().proprioception.unwrap();
        assert_eq!(places, [0..4, 18..22]);
        let before = select_ranges(&env.reset(2).state, places);
        assert_eq!(
            before[..4],
            before[4..],
            "{}: the first observation repeats its frame",
            info.id
        );
        assert!(
            before[1] > 0.5 && before[3] > 0.9,
            "{}: the hand starts open at y 0.6: {before:?}",
            info.id
        );
        let step = env.step(&[1.0, 0.0, 0.0, 1.0]).unwrap();
        let after = select_ranges(&step.obs.state, places);
        assert_eq!(after[4..], before[..4], "{}", info.id);
        assert!(after[0] > before[0], "{}: the hand moved along x", info.id);
    }
}

/// The door's latch holds: a hand that has the lever and pulls, without turning it, opens the door
/// by no more than the latch's play.
#[test]
fn a_latched_door_stays_shut() {
    let mut env = LabEnv::new("lab/door").unwrap();
    let joint = |env: &LabEnv, name: &str| {
        let joint = env.sim().joint(name).unwrap();
        env.sim().joint_position(joint)
    };
    for seed in 0..5 {
        env.reset(seed);
        // The expert begins to turn the lever as soon as it has it.
        while joint(&env, "latch") < 0.02 {
            let action = env.expert().unwrap();
            env.step(&action).unwrap();
        }
        for _ in 0..80 {
            env.step(&[0.0, -0.5, 0.0, 1.0]).unwrap();
            assert!(joint(&env, "hinge") < 0.03, "start {seed}");
        }
    }
}

/// The second object is observed as the first is, and tells what its joint says: the door's hinge,
/// the nail's depth.
#[test]
fn the_second_object_tells_its_joint() {
    for (id, name) in [("lab/door", "hinge"), ("lab/hammer", "nail")] {
        let mut env = LabEnv::new(id).unwrap();
        let mut obs = env.reset(1).state;
        assert_eq!(obs[..18], obs[18..36], "{id}");
        let start = obs.clone();
        loop {
            let action = env.expert().unwrap();
            let step = env.step(&action).unwrap();
            assert_eq!(step.obs.state[18..36], obs[..18], "{id}: the frame before");
            obs = step.obs.state;
            let joint = env.sim().joint(name).unwrap();
            let position = env.sim().joint_position(joint);
            let reported = if name == "nail" {
                f64::from(obs[12] - start[12])
            } else {
                // Opening turns the door to the right as seen from above.
                -2.0 * f64::from(obs[17]).atan2(f64::from(obs[14]))
            };
            assert!(
                (reported - position).abs() < 5e-3,
                "{id}: {reported}, not {position}"
            );
            if step.terminated {
                break;
            }
        }
    }
}
