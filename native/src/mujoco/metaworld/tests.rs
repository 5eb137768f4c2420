use super::*;
use protege_core::env::{Env, EpisodeEnv, Step, Suite};
use safetensors::SafeTensors;

type SawyerEnv = EpisodeEnv<SawyerWorld>;

fn make(id: &str) -> SawyerEnv {
    let world = SawyerWorld::new(id).unwrap();
    EpisodeEnv::of(world.spec.clone(), MetaWorld.reward(), world)
}

/// An environment whose episodes go on after a success.
fn whole(id: &str) -> SawyerEnv {
    let mut env = make(id);
    env.set_terminate_on_success(false);
    env
}

/// Plays the expert's episode `seed` to its end.
fn demonstrate(env: &mut SawyerEnv, seed: u64) -> Vec<Step> {
    env.reset(seed);
    let mut steps: Vec<Step> = Vec::new();
    while !steps.last().is_some_and(Step::done) {
        let action = env.expert().unwrap();
        steps.push(env.step(&action).unwrap());
    }
    steps
}

/// The experts do what upstream's scripted policies do, in every step of the recorded episodes.
#[test]
fn experts_act_as_upstream() {
    let files: [&[u8]; 2] = [
        include_bytes!("../../../tests/fixtures/sim_traces.safetensors"),
        include_bytes!("../../../tests/fixtures/metaworld_traces.safetensors"),
    ];
    for task in tasks::ALL {
        let mut played = 0;
        for file in files {
            let file = SafeTensors::deserialize(file).unwrap();
            let numbers = |name: &str| file.tensor(&format!("{}/0/{name}", task.id));
            let (Ok(vector), Ok(actions)) = (numbers("rand_vec"), numbers("actions")) else {
                continue;
            };
            let vector: Vec<f64> = vector
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|&v| f64::from_le_bytes(v))
                .collect();
            let actions: Vec<f32> = actions
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|&v| f32::from_le_bytes(v))
                .collect();
            let mut env = whole(task.id);
            env.world_mut().start_from(&vector);
            for (step, theirs) in actions.chunks_exact(4).enumerate() {
                let ours = env.expert().unwrap();
                let error = ours
                    .iter()
                    .zip(theirs)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(
                    error <= 1e-5,
                    "{} at step {step}: {ours:?}, not {theirs:?}",
                    task.id
                );
                env.step(theirs).unwrap();
                played += 1;
            }
        }
        assert!(played > 0, "no episode of {} is recorded", task.id);
    }
}

/// Upstream's scripted policies solve the tasks here as often as there, with trembling hands, too.
#[test]
fn experts_succeed() {
    for (id, least) in [
        ("metaworld/pick-place", 19),
        ("metaworld/box-close", 16),
        ("metaworld/assembly", 19),
    ] {
        let mut env = make(id);
        env.set_style(ExpertStyle {
            noise: 0.1,
            ..ExpertStyle::default()
        })
        .unwrap();
        let wins = (0..20)
            .filter(|&seed| {
                demonstrate(&mut env, seed)
                    .last()
                    .is_some_and(|step| step.success)
            })
            .count();
        assert!(wins >= least, "{id}: {wins} of 20");
    }
}

/// The same seed is the same episode, bit for bit, whatever was played before; another seed is
/// another.
#[test]
fn the_same_seed_is_the_same_episode() {
    let mut env = make("metaworld/box-close");
    env.set_style(ExpertStyle {
        noise: 0.1,
        ..ExpertStyle::default()
    })
    .unwrap();
    let first = demonstrate(&mut env, 3);
    assert_ne!(first, demonstrate(&mut env, 4));
    assert_eq!(first, demonstrate(&mut env, 3));
}

/// Success ends the episode with the only reward there is; a wish lets it go on to the horizon, as
/// upstream, where every step without success costs 1.
#[test]
fn an_episode_ends_on_success_or_goes_on_as_upstream() {
    let mut env = make("metaworld/pick-place");
    let short = demonstrate(&mut env, 0);
    let (last, others) = short.split_last().unwrap();
    assert!(
        others
            .iter()
            .all(|s| s.reward == 0.0 && !s.success && !s.done())
    );
    assert!(last.reward == 1.0 && last.success && last.terminated && !last.truncated);
    assert!(env.step(&[0.0; 4]).is_err(), "it is over");
    env.set_terminate_on_success(false);
    let long = demonstrate(&mut env, 0);
    assert_eq!(long.len(), env.spec().horizon);
    assert!(
        long.iter()
            .all(|s| !s.terminated && s.reward == if s.success { 0.0 } else { -1.0 })
    );
    assert!(long.last().is_some_and(|s| s.truncated) && long[short.len() - 1].success);
}

/// Starts lie in upstream's ranges, and object and goal are never closer than upstream allows.
#[test]
fn starts_lie_in_the_ranges() {
    for task in tasks::ALL {
        for seed in 0..200 {
            let drawn = task.draw(&mut Rng::new(seed, "start", 0));
            assert!(
                drawn
                    .iter()
                    .enumerate()
                    .all(|(i, v)| (task.low[i]..=task.high[i]).contains(v)),
                "{}: {drawn:?}",
                task.id
            );
            let start = Start::new(&drawn);
            assert!(
                task::planar(start.object, start.goal) >= task.apart,
                "{}: {drawn:?}",
                task.id
            );
        }
    }
}

/// The observation is a frame, the frame before, and the goal.
#[test]
fn the_observation_has_its_layout() {
    let mut env = make("metaworld/pick-place");
    let start = env.reset(1).state;
    assert_eq!(
        start[..18],
        start[18..36],
        "the first observation repeats its frame"
    );
    let drawn = env.world().task.draw(&mut Rng::new(1, "start", 0));
    assert_eq!(start[36..], narrow(&drawn[3..]), "the goal is shown");
    assert_eq!(start[4..7], narrow(&drawn[..3]), "the puck");
    let after = env.step(&[1.0, 0.0, 0.0, 1.0]).unwrap().obs.state;
    assert_eq!(after[18..36], start[..18], "the frame before");
    assert_ne!(after[..18], start[..18]);
}

/// A restored environment goes on bit for bit, trembling and dense reward included; foreign or
/// damaged states change nothing.
#[test]
fn a_restored_environment_goes_on_bit_for_bit() {
    for id in [
        "metaworld/pick-place",
        "metaworld/box-close",
        "metaworld/bin-picking",
        "metaworld/coffee-push",
    ] {
        let mut env = whole(id);
        env.set_style(ExpertStyle {
            noise: 0.1,
            ..ExpertStyle::default()
        })
        .unwrap();
        env.reset(2);
        let play = |env: &mut SawyerEnv| {
            let action = env.expert().unwrap();
            (env.step(&action).unwrap(), env.world().dense_reward())
        };
        (0..80).for_each(|_| drop(play(&mut env)));
        let saved = env.save();
        let mut other = whole(id);
        other.reset(9);
        other.restore(&saved).unwrap();
        assert_eq!(
            (other.world().observation(), other.world().dense_reward()),
            (env.world().observation(), env.world().dense_reward())
        );
        assert!(other.restore(&saved[..saved.len() - 9]).is_err() && other.restore(&[]).is_err());
        for _ in 0..40 {
            assert_eq!(play(&mut env), play(&mut other), "{id}");
        }
    }
    let foreign = make("metaworld/assembly").save();
    assert!(make("metaworld/box-close").restore(&foreign).is_err());
}

/// When the physics breaks, the error names the task and the step, and a reset mends it.
#[test]
fn broken_physics_is_an_error_that_names_task_and_step() {
    let mut env = make("metaworld/assembly");
    env.step(&[0.0; 4]).unwrap();
    env.world_mut().arm.plant.data.qpos_mut()[9] = f64::NAN;
    let sentence = env.step(&[0.0; 4]).unwrap_err().to_string();
    assert!(
        sentence.contains("metaworld/assembly") && sentence.contains("step 2"),
        "{sentence}"
    );
    env.reset(0);
    env.step(&[0.0; 4]).unwrap();
}

/// Actions outside [-1, 1] act as the nearest inside; a wrong length or a number that is none is an
/// error.
#[test]
fn wild_actions_are_clipped_and_impossible_ones_refused() {
    let mut env = make("metaworld/pick-place");
    let mut play = |action: [f32; 4]| {
        env.reset(0);
        env.step(&action).unwrap()
    };
    assert_eq!(play([9.0, -9.0, 1.5, 7.0]), play([1.0, -1.0, 1.0, 1.0]));
    assert!(env.step(&[0.0; 3]).is_err() && env.step(&[0.0, f32::NAN, 0.0, 0.0]).is_err());
    env.step(&[0.0; 4]).unwrap();
}

/// The error of an assembly whose nut moves absurdly fast.
pub fn broken() -> Error {
    let mut env = make("metaworld/assembly");
    env.reset(3);
    (0..5).for_each(|_| drop(env.step(&[0.1; 4]).unwrap()));
    env.world_mut().arm.plant.data.qvel_mut()[9] = 1e200;
    env.step(&[0.0; 4]).unwrap_err()
}

/// Where the hand's way to its place is remembered, it would have come to the same, bit for bit,
/// for starts all over the range, its corners included.
#[test]
fn a_remembered_way_is_the_way() {
    for task in tasks::ALL.into_iter().filter(|task| task.settles_alike) {
        let mut world = SawyerWorld::new(task.id).unwrap();
        let mut arm = Sawyer::new(task.scene, task.parts, task.lead_low).unwrap();
        let corners = (0..4).map(|i| {
            let mut corner = task.low.to_vec();
            (0..2)
                .filter(|axis| i >> axis & 1 == 1)
                .for_each(|axis| corner[3 + axis] = task.high[3 + axis]);
            corner
        });
        let drawn = (0..20).map(|seed| task.draw(&mut Rng::new(seed, "start", 0)));
        for vector in corners.chain(drawn) {
            world.start_from(&vector);
            let mut start = Start::new(&vector);
            (task.arrange)(&mut arm, &mut start);
            let fingers = arm.bring_hand(task.hand);
            (task.put)(&mut arm, &mut start);
            assert_eq!(
                (fingers, arm.plant.numbers()),
                (world.state.start.fingers, world.arm.plant.numbers()),
                "{} {vector:?}",
                task.id
            );
        }
    }
}
