//! Quick pictures with fewer triangles, beside those with all.

use super::{make, render_options, renderer};
use crate::mujoco::render::Renderer;
use crate::video::{Draw, Quality, RenderOptions};
use protege_core::env::catalogue;

/// Scenes with meshes, and the cameras that policies look through.
const SCENES: [(&str, &str); 10] = [
    ("robosuite/lift", "agentview"),
    ("robosuite/lift", "robot0_eye_in_hand"),
    ("robosuite/can", "agentview"),
    ("robosuite/can", "robot0_eye_in_hand"),
    ("robosuite/square", "agentview"),
    ("robosuite/tool-hang", "agentview"),
    ("robosuite/door", "agentview"),
    ("metaworld/pick-place", "corner2"),
    ("metaworld/box-close", "corner2"),
    ("adroit/pen", "view_1"),
];

fn triangles(renderer: &Renderer) -> i32 {
    renderer.stage.plant.model().mesh_facenum().iter().sum()
}

/// A policy sees nearly the same with a fraction of the triangles, wherever the arm goes. With
/// PROTEGE_PICTURES=DIR in the environment, both are left there.
#[test]
fn few_triangles_show_what_all_do() {
    for (id, camera) in SCENES {
        let options = RenderOptions {
            camera: Some(camera.to_owned()),
            ..render_options(84, Quality::Fast)
        };
        let Some(mut few) = renderer(id, &options) else {
            return;
        };
        let mut all = Renderer::detailed(id, &options, None, true).unwrap();
        let share = f64::from(triangles(&few)) / f64::from(triangles(&all));
        let mut env = make(id, catalogue::MUJOCO).unwrap();
        env.reset(3);
        let actions = env.spec().act;
        for step in 0..4 {
            let subject = env.subject().unwrap();
            let pictures = [&mut few, &mut all].map(|renderer| renderer.draw(&subject).unwrap());
            let off: Vec<u8> = std::iter::zip(&pictures[0], &pictures[1])
                .map(|(a, b)| a.abs_diff(*b))
                .collect();
            let mean = off.iter().map(|&v| f64::from(v)).sum::<f64>() / off.len() as f64;
            let far = off.iter().filter(|&&v| v > 32).count() as f64 / off.len() as f64;
            let found = format!("{id} {camera}: {share:.2} of the triangles, {mean:.2} of 255 off");
            eprintln!("{found}, {far:.4} of the values by more than 32");
            assert!(share < 0.3 && mean < 3.0 && far < 0.02, "{found}");
            if let Ok(folder) = std::env::var("PROTEGE_PICTURES") {
                for (name, picture) in ["few", "all"].iter().zip(&pictures) {
                    let id = id.replace('/', "-");
                    let png = crate::video::png((84, 84), picture).unwrap();
                    std::fs::write(format!("{folder}/{id}-{camera}-{step}-{name}.png"), png)
                        .unwrap();
                }
            }
            (0..15).for_each(|i| {
                let swing = if (i + step) % 2 == 0 { 1.0 } else { 0.6 };
                drop(env.step(&vec![swing; actions]).unwrap());
            });
        }
    }
}
