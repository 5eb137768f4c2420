use super::tasks::TASKS;
use super::world::{ArmWorld, Start};
use super::*;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::Error;
use protege_core::env::{Env, EpisodeEnv, Step, Suite};
use safetensors::SafeTensors;

type ArmEnv = EpisodeEnv<ArmWorld>;

const FILE: &[u8] = include_bytes!("../../../tests/fixtures/robosuite_traces.safetensors");
const DOOR: &[u8] = include_bytes!("../../../tests/fixtures/robosuite_door_traces.safetensors");

fn ids() -> impl Iterator<Item = &'static str> {
    TASKS.iter().map(|task| task.id)
}

fn make(id: &str) -> ArmEnv {
    let world = ArmWorld::new(id).unwrap();
    EpisodeEnv::of(world.spec().clone(), Robosuite.reward(), world)
}

/// An action that goes down and about, and closes the gripper now and then.
fn action(step: usize) -> [f32; 7] {
    let mut action = std::array::from_fn(|i| 0.6 * (0.3 * step as f32 + 2.0 * i as f32).sin());
    action[2] = -0.5;
    action[6] = if step % 20 < 10 { -1.0 } else { 1.0 };
    action
}

fn play(env: &mut ArmEnv, steps: std::ops::Range<usize>) -> Vec<Step> {
    steps.map(|step| env.step(&action(step)).unwrap()).collect()
}

/// Observations and actions have upstream's sizes, and every number is finite.
#[test]
fn sizes_are_upstreams() {
    let expected = [
        ("robosuite/lift", 19, 400),
        ("robosuite/can", 23, 400),
        ("robosuite/square", 23, 400),
        ("robosuite/stack", 32, 400),
        ("robosuite/tool-hang", 53, 700),
        ("robosuite/door", 23, 500),
    ];
    for (id, obs, horizon) in expected {
        let mut env = crate::engines::make(id, "mujoco").unwrap();
        let start = env.reset(0).state;
        let spec = env.spec();
        assert_eq!((start.len(), spec.obs.numbers(), spec.act), (obs, obs, 7));
        assert_eq!(spec.horizon, horizon);
        assert!(start.iter().all(|v| v.is_finite()));
    }
}

/// The same seed is the same episode, bit for bit, whatever was played before; another seed is
/// another.
#[test]
fn the_same_seed_is_the_same_episode() {
    for id in ids() {
        let mut env = make(id);
        let mut episode = |seed| (env.reset(seed), play(&mut env, 0..15));
        let first = episode(3);
        assert_ne!(first.0, episode(4).0);
        assert_eq!(first, episode(3), "{id}");
    }
}

/// A restored environment goes on bit for bit, the cube's size included, from the start of an
/// episode (when the controllers still go by the moment in which they were made) and later. States
/// of another task and damaged ones are refused.
#[test]
fn a_restored_environment_goes_on_bit_for_bit() {
    for id in ids() {
        let mut env = make(id);
        let mut other = make(id);
        for steps in [0, 25] {
            env.reset(7);
            play(&mut env, 0..steps);
            let saved = env.save();
            other.reset(8);
            play(&mut other, 0..3);
            other.restore(&saved).unwrap();
            let numbers = |env: &ArmEnv| env.world().plant().numbers();
            assert_eq!(numbers(&env), numbers(&other));
            let foreign = make(if id == TASKS[0].id {
                TASKS[1].id
            } else {
                TASKS[0].id
            })
            .save();
            assert!(other.restore(&foreign).is_err());
            assert!(other.restore(&saved[..saved.len() - 9]).is_err());
            let end = steps + 30;
            assert_eq!(
                play(&mut env, steps..end),
                play(&mut other, steps..end),
                "{id}"
            );
            assert_eq!(numbers(&env), numbers(&other));
        }
    }
}

/// Where everything starts: the joints, then the body that no joint moves, if there is one.
fn start_of(env: &ArmEnv) -> Vec<f64> {
    let plant = env.world().plant();
    let mut start = plant.data.qpos().to_vec();
    if let Some((body, _)) = env.world().fixture() {
        start.extend(plant.model().body_pos()[body]);
        start.extend(plant.model().body_quat()[body]);
    }
    start
}

/// Upstream's numbers of a coordinate in 20 resets, and ours in some more.
fn coordinates(task: &str) -> Vec<(Vec<f64>, Vec<f64>)> {
    let file = if task == "door" { DOOR } else { FILE };
    let file = SafeTensors::deserialize(file).unwrap();
    let rows = |name: &str| -> Vec<Vec<f64>> {
        let name = format!("robosuite/{task}/starts_{name}");
        let Ok(found) = file.tensor(&name) else {
            return vec![Vec::new(); 20];
        };
        let numbers = found.data().as_chunks().0.iter();
        let numbers: Vec<f64> = numbers.map(|&chunk| f64::from_le_bytes(chunk)).collect();
        let rows = numbers.chunks(found.shape()[1]);
        rows.map(<[f64]>::to_vec).collect()
    };
    let both = rows("qpos").into_iter().zip(rows("door"));
    let theirs: Vec<Vec<f64>> = both.map(|(joints, door)| [joints, door].concat()).collect();
    let mut env = make(&format!("robosuite/{task}"));
    let ours: Vec<Vec<f64>> = (0..300)
        .map(|seed| {
            env.reset(seed);
            start_of(&env)
        })
        .collect();
    let width = ours[0].len();
    assert_eq!((theirs.len(), theirs[0].len()), (20, width), "{task}");
    let column = |i: usize| {
        let theirs = theirs.iter().map(|row| row[i]).collect();
        (theirs, ours.iter().map(|row| row[i]).collect())
    };
    (0..width).map(column).collect()
}

/// Starts are drawn from upstream's distributions: what is the same in all of upstream's is here,
/// too, and of the rest neither the range nor the spread is another.
#[test]
fn starts_are_drawn_as_upstreams() {
    for task in ["lift", "can", "square", "stack", "tool-hang", "door"] {
        for (i, (theirs, ours)) in coordinates(task).into_iter().enumerate() {
            let range = |list: &[f64]| {
                let low = list.iter().copied().fold(f64::INFINITY, f64::min);
                let high = list.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (low, high)
            };
            let spread = |list: &[f64]| {
                let mean = list.iter().sum::<f64>() / list.len() as f64;
                let squares = list.iter().map(|v| (v - mean).powi(2));
                (squares.sum::<f64>() / list.len() as f64).sqrt()
            };
            let (low, high) = range(&ours);
            let width = high - low;
            let (their_low, their_high) = range(&theirs);
            // The arm's joints are drawn from a bell curve, objects from ranges.
            let share = if i < 7 { 0.6 } else { 0.05 };
            let slack = share * width + 1e-7;
            assert!(
                their_low >= low - slack && their_high <= high + slack,
                "{task}, number {i}: {their_low} to {their_high}, here {low} to {high}"
            );
            // Of 20 draws.
            let ratio = (spread(&theirs) + 1e-7) / (spread(&ours) + 1e-7);
            assert!((0.5..2.0).contains(&ratio), "{task}, number {i}: {ratio}");
        }
    }
}

/// Every episode of lift has a cube of its own size, within upstream's range.
#[test]
fn cubes_of_lift_have_sizes_of_their_own() {
    let mut env = make("robosuite/lift");
    let cube = |env: &ArmEnv| {
        let model = env.world().plant().model();
        model.geom_size()[model.name_to_id(Kind::mjOBJ_GEOM, "cube_g0").unwrap()]
    };
    let mut sizes = Vec::new();
    for seed in 0..40 {
        env.reset(seed);
        sizes.extend(cube(&env));
    }
    assert!(sizes.iter().all(|v| (0.020..0.022).contains(v)));
    let least = sizes.iter().copied().fold(1.0, f64::min);
    let most = sizes.iter().copied().fold(0.0, f64::max);
    assert!(least < 0.0201 && most > 0.0219);
}

/// A lifted cube ends the episode with reward 1, unless it is asked to go on as upstream does; one
/// that stays is cut off at the horizon.
#[test]
fn success_ends_the_episode_unless_it_is_to_go_on() {
    let lifted = |ends: bool| {
        let mut env = make("robosuite/lift");
        env.reset(1);
        env.set_terminate_on_success(ends);
        let plant = env.world_mut().plant_mut();
        // Thrown up.
        let cube = plant
            .model()
            .name_to_id(Kind::mjOBJ_JOINT, "cube_joint0")
            .unwrap();
        let at = plant.model().jnt_dofadr()[cube] as usize;
        plant.data.qvel_mut()[at + 2] = 2.0;
        let mut steps = Vec::new();
        while steps.len() < 12 {
            let step = env.step(&[0.0; 7]).unwrap();
            steps.push(step.clone());
            if step.done() {
                break;
            }
        }
        steps
    };
    let ended = lifted(true);
    let last = ended.last().unwrap();
    assert!(last.success && last.terminated && last.reward == 1.0 && ended.len() < 12);
    let whole = lifted(false);
    let rewarded = whole.iter().filter(|step| step.reward == 1.0).count();
    assert!(whole.iter().all(|step| !step.done()) && rewarded > 1);
    let mut env = make("robosuite/lift");
    let steps: Vec<Step> = (0..400).map(|_| env.step(&[0.0; 7]).unwrap()).collect();
    assert!(steps[399].truncated && steps.iter().all(|step| step.reward == 0.0));
    assert!(env.step(&[0.0; 7]).is_err());
}

/// Actions outside [-1, 1] act as the nearest inside; a wrong length or a number that is none is an
/// error, and so are starts that do not fit.
#[test]
fn wild_actions_are_clipped_and_impossible_ones_refused() {
    let mut env = make("robosuite/stack");
    let mut play = |value: f32| {
        env.reset(0);
        env.step(&[value; 7]).unwrap()
    };
    assert_eq!(play(9.0), play(1.0));
    assert!(env.step(&[0.0; 6]).is_err() && env.step(&[f32::NAN; 7]).is_err());
    let world = env.world_mut();
    assert!(world.advance(&[0.0; 8], 1, |_| ()).is_err());
    let joints = world.plant().data.qpos().to_vec();
    let speeds = vec![0.0; world.plant().data.qvel().len()];
    let start = |qpos, sizes| Start {
        qpos,
        qvel: &speeds,
        sizes,
        fixture: None,
    };
    let error = world
        .start_at(&start(&joints[1..], &[]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("22 numbers of qpos") && error.contains("23"),
        "{error}"
    );
    assert!(world.start_at(&start(&joints, &[0.02; 3])).is_err());
    assert!(world.start_at(&start(&joints, &[])).is_ok());
    let placed = Start {
        fixture: Some([0.0; 7]),
        ..start(&joints, &[])
    };
    let error = world.start_at(&placed).unwrap_err().to_string();
    assert!(error.contains("7 numbers of the place"), "{error}");
}

/// When the physics breaks, the error names the task and the step, and its file plays again; a
/// reset mends it.
#[test]
fn broken_physics_is_an_error_that_names_task_and_step() {
    let mut env = make("robosuite/lift");
    env.reset(3);
    play(&mut env, 0..2);
    env.world_mut().plant_mut().data.qvel_mut()[3] = 1e200;
    let Error::Broken {
        sentence, state, ..
    } = env.step(&[0.0; 7]).unwrap_err()
    else {
        panic!("it did not break");
    };
    assert!(
        sentence.contains("robosuite/lift") && sentence.contains("step 3"),
        "{sentence}"
    );
    let records = crate::mujoco::trace::Records::new(&state, "nan-state").unwrap();
    let replayed = records.replay("robosuite/lift/0").unwrap().unwrap();
    assert!(replayed.broke.is_some());
    env.reset(0);
    env.step(&[0.0; 7]).unwrap();
}
