//! Datasets for tests of files.

#![allow(dead_code, reason = "not every test uses it")]

use protege::engines::CATALOG;
use protege_core::data::{CODE_VERSION, Dataset, Episode, Meta};
use protege_core::obs::{ImageSpec, Images, ObsSpec, Observation};
use protege_core::rng::Rng;

/// A dataset of this task with so many episodes, every bit of its numbers drawn.
pub fn drawn(
    task: &str,
    count: u64,
    state: usize,
    act: usize,
    cameras: &[(&str, usize)],
) -> Dataset {
    let mut rng = Rng::new(3, "test", 0);
    let cameras: Vec<ImageSpec> = cameras
        .iter()
        .map(|&(name, size)| ImageSpec {
            name: name.to_owned(),
            size,
            stack: 1,
        })
        .collect();
    let seen = |rng: &mut Rng| Observation {
        state: rng.normals(state),
        task: None,
        images: cameras
            .iter()
            .map(|camera| {
                let values = 0..camera.frame_len();
                let pixels: Vec<u8> = values.map(|_| rng.below(256) as u8).collect();
                Images::of(camera.clone(), &pixels)
            })
            .collect(),
    };
    let mut episodes = Vec::new();
    for number in 0..count {
        // Seeds of 64 bits come back, too.
        let mut episode = Episode::start(u64::MAX - number, &seen(&mut rng));
        let steps = 1 + number as usize % 4;
        for step in 1..=steps {
            let action: Vec<f32> = (0..act).map(|_| rng.range(-1.0, 1.0) as f32).collect();
            let reward = f32::from(step == steps && number % 3 > 0);
            episode.push(&action, reward, &seen(&mut rng));
        }
        episode.success = number % 3 > 0;
        episode.terminated = episode.success;
        episodes.push(episode);
    }
    let meta = Meta {
        task: task.to_owned(),
        engine: CATALOG.usual_engine(task).to_owned(),
        seed: 5,
        code_version: CODE_VERSION.to_owned(),
        obs: ObsSpec {
            state,
            tasks: 0,
            cameras,
        },
        act,
        action_repeat: 1,
        controller: String::new(),
        demonstrator: "drawn, \"quoted\", ü".to_owned(),
    };
    Dataset { meta, episodes }
}
