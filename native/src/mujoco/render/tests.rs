//! What pictures promise. Where EGL is missing, there is nothing to test.
use super::*;
use crate::engines::make;
use protege_core::env::{Env, catalogue};

fn look(size: usize, quality: Quality) -> Look {
    Look { width: size, height: size, camera: None, quality }
}

/// A renderer, or a message and none where this machine has no EGL.
fn renderer(id: &str, look: &Look) -> Option<Renderer> {
    match Renderer::new(id, look) {
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

/// The promise: every scene of ours, on either engine, is drawn upright, lit, and moved by what the hand does.
#[test]
fn our_scenes_are_drawn_on_both_engines() {
    for info in protege_core::tasks::all() {
        let Some(mut renderer) = renderer(info.id, &look(96, Quality::Fast)) else { return };
        let mut pictures = Vec::new();
        for engine in [catalogue::RAPIER, catalogue::MUJOCO] {
            let mut env = make(info.id, engine).unwrap();
            env.reset(1);
            let start = renderer.draw(&env.subject().unwrap()).unwrap();
            let [top, bottom] = [&start[..start.len() / 8], &start[start.len() / 8 * 7..]];
            // The backdrop is bluish, the table is not.
            let blue = |rows: &[u8]| rows.iter().skip(2).step_by(3).map(|&v| f64::from(v)).sum::<f64>() / (rows.len() / 3) as f64;
            let red = |rows: &[u8]| rows.iter().step_by(3).map(|&v| f64::from(v)).sum::<f64>() / (rows.len() / 3) as f64;
            assert!(blue(top) > red(top) && red(bottom) > blue(bottom), "{} on {engine} is not upright", info.id);
            assert!((90.0..230.0).contains(&brightness(&start)), "{} on {engine} is badly lit", info.id);
            (0..20).for_each(|_| drop(env.step(&[1.0, 0.0, -1.0, 0.0]).unwrap()));
            assert_ne!(start, renderer.draw(&env.subject().unwrap()).unwrap(), "{} on {engine} does not move", info.id);
            pictures.push(start);
        }
        let far = pictures[0].iter().zip(&pictures[1]).filter(|(a, b)| a.abs_diff(**b) > 40).count();
        assert!(far < pictures[0].len() / 100, "{}: the engines' starts look different in {far} values", info.id);
    }
}

/// The promise: the same moment is the same picture, bit for bit, whatever was drawn before.
#[test]
fn the_same_moment_is_the_same_picture() {
    let Some(mut first) = renderer("lab/box-close", &look(84, Quality::Fast)) else { return };
    let mut env = make("lab/box-close", catalogue::RAPIER).unwrap();
    env.reset(5);
    let start = first.draw(&env.subject().unwrap()).unwrap();
    (0..30).for_each(|_| drop(env.step(&[0.5, 1.0, -1.0, 1.0]).unwrap()));
    first.draw(&env.subject().unwrap()).unwrap();
    env.reset(5);
    assert_eq!(start, first.draw(&env.subject().unwrap()).unwrap());
    let mut second = Renderer::new("lab/box-close", &look(84, Quality::Fast)).unwrap();
    assert_eq!(start, second.draw(&env.subject().unwrap()).unwrap());
}

/// The promise: the scenes of others are drawn lit, and upright even from cameras that hang upside down. With PROTEGE_PICTURES=DIR
/// in the environment, pictures to be looked at are left there.
#[test]
fn upstream_scenes_are_drawn_upright() {
    for id in ["metaworld/pick-place", "metaworld/box-close", "metaworld/assembly", "adroit/pen", "adroit/hammer", "adroit/door"] {
        let Some(mut renderer) = renderer(id, &look(96, Quality::Fast)) else { return };
        let numbers = renderer.stage.plant.numbers();
        let picture = renderer.draw(&Subject::Numbers(numbers)).unwrap();
        assert!((30.0..230.0).contains(&brightness(&picture)), "{id} is badly lit: {}", brightness(&picture));
        if let Ok(folder) = std::env::var("PROTEGE_PICTURES") {
            let mut renderer = Renderer::new(id, &Look { width: 480, height: 360, camera: None, quality: Quality::Fine }).unwrap();
            let numbers = renderer.stage.plant.numbers();
            let frame = renderer.draw(&Subject::Numbers(numbers)).unwrap();
            std::fs::write(format!("{folder}/{}.png", id.replace('/', "-")), crate::film::png((480, 360), &frame).unwrap()).unwrap();
        }
    }
    let Some(renderer) = renderer("metaworld/pick-place", &Look { camera: Some("corner2".into()), ..look(32, Quality::Fast) }) else {
        return;
    };
    assert!(renderer.turned);
}

/// The promise: a camera that is not there is answered with those that are.
#[test]
fn an_unknown_camera_is_answered_with_the_known_ones() {
    if renderer("metaworld/pick-place", &look(32, Quality::Fast)).is_none() {
        return;
    }
    let wrong = Look { camera: Some("corner9".into()), ..look(32, Quality::Fast) };
    let sentence = Renderer::new("metaworld/pick-place", &wrong).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(sentence.contains("corner9") && sentence.contains("corner2"), "{sentence}");
}

/// The promise: an observation holds the newest frames, the oldest first; a first frame fills the stack; and no pixel depends
/// on the number of threads.
#[test]
fn images_are_stacked_and_the_same_on_any_number_of_threads() {
    if renderer("lab/lift", &look(32, Quality::Fast)).is_none() {
        return;
    }
    let spec = ImageSpec { size: 84, stack: 3, camera: None };
    assert_eq!(spec.shape(), [9, 84, 84]);
    let observe = |threads: usize| {
        let mut envs: Vec<Box<dyn Env>> = (0..3).map(|_| make("lab/lift", catalogue::RAPIER).unwrap()).collect();
        envs.iter_mut().zip(0..).for_each(|(env, seed)| drop(env.reset(seed)));
        let mut images = Images::new("lab/lift", spec.clone(), 3, threads).unwrap();
        let first = images.observe(&mut envs).unwrap().to_vec();
        envs.iter_mut().for_each(|env| drop(env.step(&[1.0, 1.0, -1.0, 1.0]).unwrap()));
        let second = images.observe(&mut envs).unwrap().to_vec();
        images.restart(1);
        (first, second, images.observe(&mut envs).unwrap().to_vec())
    };
    let (first, second, third) = observe(1);
    let frame = 3 * 84 * 84;
    for (first, second) in first.iter().zip(&second) {
        assert!(first.len() == 3 * frame && first[..frame] == first[frame..2 * frame] && first[..frame] == first[2 * frame..]);
        assert!(second[..2 * frame] == first[frame..] && second[2 * frame..] != first[2 * frame..]);
    }
    assert!(third[1][..frame] == third[1][2 * frame..] && third[0][..frame] != third[0][2 * frame..]);
    assert!((first, second, third) == observe(2));
}

/// The promise: what stays beside an image is what MoDem keeps of an observation, value for value.
#[test]
fn beside_an_image_stays_what_the_robot_feels_of_itself() {
    let spec = ImageSpec { size: 84, stack: 2, camera: None };
    for (id, felt) in [
        ("lab/lift", [0..4, 18..22]),
        ("metaworld/box-close", [0..4, 18..22]),
        ("adroit/pen", [0..24, 36..39]),
        ("adroit/hammer", [0..36, 0..0]),
        ("adroit/door", [0..27, 29..32]),
    ] {
        let images = Images::new(id, spec.clone(), 1, 1).unwrap();
        let count: Vec<f32> = (0..60_u8).map(f32::from).collect();
        let expected: Vec<f32> = felt.into_iter().flatten().map(|i| i as f32).collect();
        assert_eq!(images.proprioception(&count), expected, "{id}");
    }
    let sentence = Images::new("probe/1", spec, 1, 1).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(sentence.contains("nothing to see in probe/1"), "{sentence}");
}
