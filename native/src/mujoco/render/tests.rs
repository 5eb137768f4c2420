//! What pictures promise. Where EGL is missing, there is nothing to test.
use super::*;
use crate::engines::{CATALOG, make};
use protege_core::data::Frames;
use protege_core::env::{CameraEnv, RolloutSpec, Rollouts, catalogue, wrap};
use protege_core::obs::{DEFAULT_CAMERA, ImageSpec, ObsSpec};

mod detail;
mod robosuite;

fn render_options(size: usize, quality: Quality) -> RenderOptions {
    RenderOptions {
        width: size,
        height: size,
        camera: None,
        quality,
    }
}

/// A renderer, or a message and none where this machine has no EGL.
fn renderer(id: &str, render_options: &RenderOptions) -> Option<Renderer> {
    match Renderer::new(id, render_options) {
        Err(error) if error.to_string().contains(REMEDY) => {
            eprintln!("skipped: {error}");
            None
        }
        other => Some(other.unwrap()),
    }
}

/// Mean of all values of the pixels in some rows.
fn brightness(pixels: &[u8]) -> f64 {
    pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels.len() as f64
}

/// Every scene of ours, on either engine, is drawn upright, lit, and moved by what the hand does.
#[test]
fn our_scenes_are_drawn_on_both_engines() {
    for info in protege_core::tasks::all() {
        let Some(mut renderer) = renderer(info.id, &render_options(96, Quality::Fast)) else {
            return;
        };
        let mut pictures = Vec::new();
        for engine in [catalogue::RAPIER, catalogue::MUJOCO] {
            let mut env = make(info.id, engine).unwrap();
            env.reset(1);
            let start = renderer.draw(&env.subject().unwrap()).unwrap();
            let top = &start[..start.len() / 8];
            let bottom = &start[start.len() / 8 * 7..];
            // The backdrop is bluish, the table is not.
            let blue = |rows: &[u8]| {
                rows.iter()
                    .skip(2)
                    .step_by(3)
                    .map(|&v| f64::from(v))
                    .sum::<f64>()
                    / (rows.len() / 3) as f64
            };
            let red = |rows: &[u8]| {
                rows.iter().step_by(3).map(|&v| f64::from(v)).sum::<f64>() / (rows.len() / 3) as f64
            };
            assert!(
                blue(top) > red(top) && red(bottom) > blue(bottom),
                "{} on {engine} is not upright",
                info.id
            );
            assert!(
                (90.0..230.0).contains(&brightness(&start)),
                "{} on {engine} is badly lit",
                info.id
            );
            (0..20).for_each(|_| drop(env.step(&[1.0, 0.0, -1.0, 0.0]).unwrap()));
            assert_ne!(
                start,
                renderer.draw(&env.subject().unwrap()).unwrap(),
                "{} on {engine} does not move",
                info.id
            );
            pictures.push(start);
        }
        let far = pictures[0]
            .iter()
            .zip(&pictures[1])
            .filter(|(a, b)| a.abs_diff(**b) > 40)
            .count();
        assert!(
            far < pictures[0].len() / 100,
            "{}: the engines' starts look different in {far} values",
            info.id
        );
    }
}

/// The same moment is the same picture, bit for bit, whatever was drawn before.
#[test]
fn the_same_moment_is_the_same_picture() {
    let Some(mut first) = renderer("lab/box-close", &render_options(84, Quality::Fast)) else {
        return;
    };
    let mut env = make("lab/box-close", catalogue::RAPIER).unwrap();
    env.reset(5);
    let start = first.draw(&env.subject().unwrap()).unwrap();
    (0..30).for_each(|_| drop(env.step(&[0.5, 1.0, -1.0, 1.0]).unwrap()));
    first.draw(&env.subject().unwrap()).unwrap();
    env.reset(5);
    assert_eq!(start, first.draw(&env.subject().unwrap()).unwrap());
    let mut second = Renderer::new("lab/box-close", &render_options(84, Quality::Fast)).unwrap();
    assert_eq!(start, second.draw(&env.subject().unwrap()).unwrap());
}

/// The scenes of others are drawn lit, and upright even from cameras that hang upside down. With
/// PROTEGE_PICTURES=DIR in the environment, pictures to be looked at are left there.
#[test]
fn upstream_scenes_are_drawn_upright() {
    for id in [
        "metaworld/pick-place",
        "metaworld/box-close",
        "metaworld/assembly",
        "adroit/pen",
        "adroit/hammer",
        "adroit/door",
    ] {
        let Some(mut renderer) = renderer(id, &render_options(96, Quality::Fast)) else {
            return;
        };
        let numbers = renderer.stage.plant.numbers();
        let picture = renderer.draw(&Subject::Numbers(numbers)).unwrap();
        assert!(
            (30.0..230.0).contains(&brightness(&picture)),
            "{id} is badly lit: {}",
            brightness(&picture)
        );
        if let Ok(folder) = std::env::var("PROTEGE_PICTURES") {
            let mut renderer = Renderer::new(
                id,
                &RenderOptions {
                    width: 480,
                    height: 360,
                    camera: None,
                    quality: Quality::Fine,
                },
            )
            .unwrap();
            let numbers = renderer.stage.plant.numbers();
            let frame = renderer.draw(&Subject::Numbers(numbers)).unwrap();
            std::fs::write(
                format!("{folder}/{}.png", id.replace('/', "-")),
                crate::video::png((480, 360), &frame).unwrap(),
            )
            .unwrap();
        }
    }
    let Some(renderer) = renderer(
        "metaworld/pick-place",
        &RenderOptions {
            camera: Some("corner2".into()),
            ..render_options(32, Quality::Fast)
        },
    ) else {
        return;
    };
    assert!(renderer.turned);
}

/// What is left out of quick pictures, because the camera cannot see it, is not missed: pictures
/// are the same to the bit.
#[test]
fn what_is_left_out_is_not_seen() {
    let mut saved = 0;
    for (task, camera) in [
        ("metaworld/box-close", "corner2"),
        ("metaworld/box-close", "gripperPOV"),
        ("adroit/pen", "view_1"),
        ("robosuite/can", "agentview"),
        ("robosuite/lift", "robot0_eye_in_hand"),
    ] {
        let options = RenderOptions {
            camera: Some(camera.into()),
            width: 96,
            ..render_options(64, Quality::Fast)
        };
        let Some(mut renderer) = renderer(task, &options) else {
            return;
        };
        let mut whole = Renderer::new(task, &options).unwrap();
        whole.cull = None;
        let mut env = make(task, catalogue::MUJOCO).unwrap();
        env.reset(2);
        for step in 0..3 {
            let action = vec![0.5 - 0.5 * step as f32; env.spec().act];
            (0..10).for_each(|_| drop(env.step(&action).unwrap()));
            let subject = env.subject().unwrap();
            let quick = renderer.draw(&subject).unwrap();
            assert!(quick == whole.draw(&subject).unwrap(), "{task} {camera}");
        }
        let drawn = |renderer: &Renderer| renderer.drawer.scene().ffi().ngeom;
        assert!(drawn(&renderer) <= drawn(&whole), "{task} {camera}");
        saved += drawn(&whole) - drawn(&renderer);
    }
    assert!(saved > 0);
}

/// A camera that is not there is answered with those that are.
#[test]
fn an_unknown_camera_is_answered_with_the_known_ones() {
    if renderer("metaworld/pick-place", &render_options(32, Quality::Fast)).is_none() {
        return;
    }
    let wrong = RenderOptions {
        camera: Some("corner9".into()),
        ..render_options(32, Quality::Fast)
    };
    let sentence = Renderer::new("metaworld/pick-place", &wrong)
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default();
    assert!(
        sentence.contains("corner9") && sentence.contains("corner2"),
        "{sentence}"
    );
}

/// A run's observations are what the robot feels and the newest frames, in every suite, and they do
/// not depend on how many threads play. With PROTEGE_PICTURES=DIR in the environment, what is seen
/// is left there.
#[test]
fn environments_are_seen_the_same_on_any_number_of_threads() {
    if renderer("lab/lift", &render_options(32, Quality::Fast)).is_none() {
        return;
    }
    for (task, proprio, act) in [
        ("lab/lift", 8, 4),
        ("metaworld/box-close", 8, 4),
        ("adroit/door", 30, 28),
        ("robosuite/lift", 9, 7),
    ] {
        let play = |threads: usize| {
            let spec = RolloutSpec {
                task: CATALOG.entry(task).unwrap(),
                engine: CATALOG.usual_engine(task).into(),
                make,
                controller: String::new(),
                success_rule: String::new(),
                action_repeat: 2,
                chunk: 1,
                label: None,
                cameras: ImageSpec::unnamed(84, 2),
                to_horizon: false,
                parallel: 3,
                seed: 1,
                threads,
            };
            let mut rollouts = Rollouts::endless(&spec, "test").unwrap();
            let start = rollouts.observe();
            (0..6).for_each(|_| drop(rollouts.play(&vec![0.7; 3 * act], act).unwrap()));
            (start, rollouts.observe())
        };
        let (start, later) = play(1);
        let spec = ObsSpec {
            cameras: ImageSpec::unnamed(84, 2),
            ..ObsSpec::of_state(proprio)
        };
        assert_eq!((start.len(), start.spec()), (3, spec), "{task}");
        for i in 0..3 {
            let still = start.images()[0].frames(i..i + 1);
            let moved = later.images()[0].frames(i..i + 1);
            assert!(still[0] == still[1], "{task}: a start is seen as still");
            assert!(moved[0] != moved[1], "{task}: what moves is seen to move");
        }
        if let Ok(folder) = std::env::var("PROTEGE_PICTURES") {
            let planes = later.images()[0].newest();
            let pixels: Vec<u8> = (0..84 * 84)
                .flat_map(|i| [0, 1, 2].map(|c| planes[c * 84 * 84 + i]))
                .collect();
            let name = format!("{folder}/{}-seen.png", task.replace('/', "-"));
            std::fs::write(name, crate::video::png((84, 84), &pixels).unwrap()).unwrap();
        }
        assert!((start, later) == play(2), "{task}");
    }
}

/// Every camera that is named sees at its own place, the suite's own and the scene's, side by side;
/// one that is not there is refused.
#[test]
fn every_named_camera_sees() {
    if renderer("lab/lift", &render_options(32, Quality::Fast)).is_none() {
        return;
    }
    let cameras = [DEFAULT_CAMERA, "corner", "corner3"].map(|name| ImageSpec {
        name: name.into(),
        size: 32,
        stack: 1,
    });
    let task = "metaworld/box-close";
    let entry = CATALOG.entry(task).unwrap();
    let wrap = |cameras: &[ImageSpec]| {
        let env = make(task, catalogue::MUJOCO).unwrap();
        wrap(env, &entry, 1, None, cameras)
    };
    let mut env = wrap(&cameras).unwrap();
    let seen = env.reset(1).images;
    let names: Vec<&str> = seen.iter().map(|stack| &stack.camera.name[..]).collect();
    assert_eq!(names, [DEFAULT_CAMERA, "corner", "corner3"]);
    assert!(seen[0].newest() != seen[1].newest() && seen[1].newest() != seen[2].newest());
    let unknown = ImageSpec {
        name: "corner9".into(),
        ..cameras[0].clone()
    };
    let refused = wrap(&[unknown]);
    let sentence = refused.err().unwrap().to_string();
    assert!(sentence.contains("corner9"), "{sentence}");
}

/// The frames of an episode take less than a quarter of what they would as they are, at the papers'
/// sizes.
#[test]
fn frames_of_an_episode_take_little_memory() {
    if renderer("lab/lift", &render_options(32, Quality::Fast)).is_none() {
        return;
    }
    for (task, size) in [
        ("lab/pick-place", 84),
        ("lab/pick-place", 224),
        ("metaworld/box-close", 224),
        ("adroit/door", 224),
        ("robosuite/can", 84),
        ("robosuite/can", 224),
    ] {
        let cameras = ImageSpec::unnamed(size, 1);
        let env = make(task, CATALOG.usual_engine(task)).unwrap();
        let entry = CATALOG.entry(task).unwrap();
        let mut env = wrap(env, &entry, 1, None, &cameras).unwrap();
        let mut frames = Frames::default();
        frames.push(env.reset(3).images[0].newest());
        let act = env.spec().act;
        for t in 0..60 {
            let action: Vec<f32> = (0..act).map(|i| ((t + 7 * i) as f32 / 9.0).sin()).collect();
            frames.push(env.step(&action).unwrap().obs.images[0].newest());
        }
        let packed = frames.bytes();
        let plain = frames.len() * cameras[0].frame_len();
        eprintln!(
            "{task} at {size} pixels: {packed} of {plain} bytes, {:.1} times less",
            plain as f64 / packed as f64
        );
        assert!(
            4 * packed < plain,
            "{task} at {size} pixels: {packed} of {plain} bytes"
        );
    }
}

/// Where there is nothing to see, one sentence says so.
#[test]
fn what_cannot_be_seen_is_refused() {
    let sentence = CameraEnv::new(
        make("probe/1", catalogue::RAPIER).unwrap(),
        Vec::new(),
        &ImageSpec::unnamed(32, 1),
    )
    .err()
    .unwrap()
    .to_string();
    assert!(sentence.contains("nothing to see in probe/1"), "{sentence}");
}
