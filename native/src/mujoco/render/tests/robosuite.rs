//! Pictures of composed scenes, beside those of upstream's own renderer.

use super::{render_options, renderer};
use crate::engines::make;
use crate::mujoco::Plant;
use crate::mujoco::render::{Cull, Renderer, Solids, hangs_upside_down};
use crate::rerun::Scenery;
use crate::video::{Draw, Quality, RenderOptions};
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::prelude::MjvCamera;
use protege_core::env::{Subject, catalogue};
use safetensors::SafeTensors;

const TASKS: [&str; 6] = ["lift", "can", "square", "stack", "tool-hang", "door"];
/// The side of upstream's pictures.
const SIZE: usize = 84;

/// The task's renderer; none where this machine has no EGL.
fn of(task: &str, quality: Quality) -> Option<Renderer> {
    let options = RenderOptions {
        camera: Some("agentview".into()),
        ..render_options(SIZE, quality)
    };
    renderer(&format!("robosuite/{task}"), &options)
}

/// Looks from another camera, which takes less time than a new renderer.
fn turn_to(renderer: &mut Renderer, camera: &str) {
    let model = renderer.stage.plant.model();
    let camera = model.name_to_id(Kind::mjOBJ_CAMERA, camera).unwrap();
    let cull = renderer.cull.as_ref();
    renderer.cull = cull.and_then(|_| Cull::new(model, camera, 1.0));
    renderer.turned = hangs_upside_down(&renderer.stage.plant, camera);
    renderer.drawer.set_camera(MjvCamera::new_fixed(camera));
}

fn numbers(tensors: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let tensor = tensors.tensor(name).unwrap();
    let numbers = tensor.data().as_chunks().0.iter();
    numbers.map(|&number| f64::from_le_bytes(number)).collect()
}

/// A recorded state as a plant's numbers.
fn state(plant: &mut Plant, tensors: &SafeTensors<'_>, task: &str) -> Vec<f64> {
    let places = numbers(tensors, &format!("{task}/body_pos"));
    let mut model = plant.model_mut();
    let bodies = model.body_pos_mut().as_flattened_mut();
    bodies.copy_from_slice(&places);
    if task == "door" {
        let turns = numbers(tensors, "door/body_quat");
        let bodies = model.body_quat_mut().as_flattened_mut();
        bodies.copy_from_slice(&turns);
    }
    let qpos = numbers(tensors, &format!("{task}/qpos"));
    plant.data.qpos_mut().copy_from_slice(&qpos);
    let mut state = plant.numbers();
    if task == "lift" {
        let at = state.len() - 3;
        state[at..].copy_from_slice(&numbers(tensors, "lift/cube"));
    }
    state
}

/// What is drawn with smooth edges is what upstream's renderer draws, from where policies look. On
/// the same driver pictures are equal; drivers may differ in a few edges. Quick pictures show the
/// same with rough edges.
#[test]
fn pictures_are_upstreams() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let bytes = std::fs::read(format!("{folder}/robosuite_pictures.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for task in TASKS {
        for (quality, bound) in [(Quality::Fine, 1.0), (Quality::Fast, 10.0)] {
            let Some(mut renderer) = of(task, quality) else {
                return;
            };
            let state = state(&mut renderer.stage.plant, &tensors, task);
            for camera in ["robot0_eye_in_hand", "agentview"] {
                turn_to(&mut renderer, camera);
                let own = renderer.draw(&Subject::Numbers(state.clone())).unwrap();
                let upstream = tensors.tensor(&format!("{task}/{camera}")).unwrap();
                let both = own.iter().zip(upstream.data());
                let sum: f64 = both.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
                let mean = sum / own.len() as f64;
                eprintln!("{task} {camera} {quality:?}: {mean:.2} of 255 off, on average");
                assert!(mean < bound, "{task} {camera} {quality:?}: {mean}");
            }
        }
    }
}

/// The cube that an episode draws has the size that the episode has drawn.
#[test]
fn a_cube_is_drawn_at_its_size() {
    let Some(mut renderer) = of("lift", Quality::Fast) else {
        return;
    };
    let mut env = make("robosuite/lift", catalogue::MUJOCO).unwrap();
    let mut sizes = Vec::new();
    for seed in 0..3 {
        env.reset(seed);
        let Some(Subject::Numbers(state)) = env.subject() else {
            panic!("the environment has no numbers");
        };
        let drawn = state[state.len() - 3..].to_vec();
        renderer.draw(&Subject::Numbers(state)).unwrap();
        let model = renderer.stage.plant.model();
        for name in ["cube_g0", "cube_g0_vis"] {
            let geom = model.name_to_id(Kind::mjOBJ_GEOM, name).unwrap();
            assert_eq!(model.geom_size()[geom].to_vec(), drawn);
        }
        sizes.push(drawn);
    }
    assert!(sizes[0] != sizes[1] && sizes[1] != sizes[2], "{sizes:?}");
}

/// Every camera of every task can be drawn from, and neither what collides nor a mark is seen.
#[test]
fn cameras_see_what_is_there_to_see() {
    for task in TASKS {
        let Some(mut renderer) = of(task, Quality::Fast) else {
            return;
        };
        let model = renderer.stage.plant.model();
        let cameras = (0..model.ncam() as usize).filter_map(|i| {
            let name = model.id_to_name(Kind::mjOBJ_CAMERA, i);
            name.map(str::to_owned)
        });
        let cameras: Vec<String> = cameras.collect();
        assert!(cameras.len() >= 5, "{task}: {cameras:?}");
        for camera in cameras {
            turn_to(&mut renderer, &camera);
            assert!(!renderer.turned, "{task} {camera}");
            let start = renderer.stage.plant.numbers();
            let picture = renderer.draw(&Subject::Numbers(start)).unwrap();
            let light = super::brightness(&picture);
            assert!((40.0..240.0).contains(&light), "{task} {camera}: {light}");
            // The arm's solids are green, the gripper's blue.
            let pixels = picture.as_chunks::<3>().0.iter();
            let is_solid = |&&[red, green, blue]: &&[u8; 3]| {
                let most = green.max(blue);
                most > 60 && red < most / 4
            };
            assert_eq!(pixels.filter(is_solid).count(), 0, "{task} {camera}");
        }
    }
}

/// A recording has what is seen, and neither what collides nor marks.
#[test]
fn recordings_have_what_is_seen() {
    let solids = Solids::of("robosuite/lift").unwrap();
    let parts = solids.parts();
    let shapes = |name: &str| {
        let part = parts.iter().find(|part| part.name == name).unwrap();
        let shapes = part.shapes.iter().map(|shape| shape.name.clone());
        shapes.collect::<Vec<_>>()
    };
    assert_eq!(shapes("cube_main"), ["cube_g0_vis"]);
    assert_eq!(
        shapes("gripper0_right_leftfinger"),
        ["gripper0_right_finger1_visual"]
    );
    let names = parts.iter().map(|part| &part.name);
    let marks: Vec<&String> = names.filter(|name| name.contains("(site)")).collect();
    assert!(marks.is_empty(), "{marks:?}");
}
