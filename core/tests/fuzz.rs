//! Parsers of ours, fed with damaged input: they say what is wrong, they do not panic, and they
//! take no memory on the word of a length field.
//!
//! An ordinary test that draws 1000 random inputs (at most a second) each time. Longer:
//! `BOLERO_RANDOM_ITERATIONS=1000000 cargo test --release --test fuzz`; guided by coverage, with a
//! nightly toolchain and `cargo install cargo-bolero`: `cargo bolero test NAME`.
#![cfg(not(target_arch = "wasm32"))]

use protege_core::data::{Archive, Dataset, Episode, Meta};
use protege_core::env::catalogue::CORE;
use protege_core::env::{Env, LabEnv};
use protege_core::obs::ObsSpec;
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};
use serde_json::Value;
use std::panic::AssertUnwindSafe;

/// Where and how a file is damaged: bytes to overwrite, and the share of the file that is left (of
/// 256).
type Damage = (Vec<(u16, u8)>, u8);

/// A valid file with some bytes overwritten and, in half of the cases, its end cut off. Gets
/// further into a parser than noise does.
fn damaged(valid: &[u8], (bytes, left): &Damage) -> Vec<u8> {
    let mut file = valid.to_vec();
    for &(place, byte) in bytes {
        let place = usize::from(place) % file.len();
        file[place] = byte;
    }
    if *left < 128 {
        file.truncate(file.len() * usize::from(*left) / 128);
    }
    file
}

/// No bytes, however damaged, make a saved random stream panic.
#[test]
fn a_damaged_random_stream_is_an_error_or_a_stream() {
    let valid = postcard::to_allocvec(&Rng::new(1, "fuzz", 0)).unwrap();
    bolero::check!().with_type::<Damage>().for_each(|damage| {
        if let Ok(mut rng) = postcard::from_bytes::<Rng>(&damaged(&valid, damage)) {
            rng.normals(3);
        }
    });
}

/// No bytes, however damaged, make the reader of datasets panic.
#[test]
fn a_damaged_dataset_is_an_error_or_a_dataset() {
    let mut episode = Episode::start(0, &vec![0.5, 0.25].into());
    episode.push(&[0.1], 1.0, &vec![0.0, 1.0].into());
    let text = || "x".to_owned();
    let meta = Meta {
        task: text(),
        engine: text(),
        seed: 0,
        code_version: text(),
        obs: ObsSpec::of_state(2),
        act: 1,
        action_repeat: 1,
        controller: String::new(),
        demonstrator: text(),
    };
    let valid = Dataset {
        meta,
        episodes: vec![episode],
    }
    .to_bytes()
    .unwrap();
    bolero::check!()
        .with_type::<Damage>()
        .for_each(|damage| drop(Dataset::from_bytes(&damaged(&valid, damage))));
}

/// No bytes, however damaged, make the reader of weights and run state panic.
#[test]
fn a_damaged_archive_is_an_error_or_an_archive() {
    let mut archive = Archive::new();
    archive.put_f32("weight", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    archive.put_blob("state", vec![1, 2, 3]);
    let valid = archive.to_bytes().unwrap();
    bolero::check!()
        .with_type::<Damage>()
        .for_each(|damage| drop(Archive::from_bytes(&damaged(&valid, damage))));
}

/// An environment whose saved state was damaged refuses it, or goes on; it does not panic in a
/// later step.
#[test]
fn a_damaged_environment_state_is_refused_or_goes_on() {
    // A panic ends the test, so nobody sees an environment that it broke.
    let mut env = AssertUnwindSafe(LabEnv::new("lab/lift").unwrap());
    let valid = env.save();
    let rest = vec![0.0; env.spec().act];
    bolero::check!()
        .with_type::<Damage>()
        .with_iterations(300)
        .for_each(|damage| {
            if env.restore(&damaged(&valid, damage)).is_ok() {
                // A step of an episode that is over is an error, and that is fine.
                let _ = env.step(&rest);
            }
        });
}

/// Whatever is written after `--set` changes a setting or is refused; what is accepted passes its
/// own check.
#[test]
fn any_setting_is_refused_or_gives_a_configuration_that_works() {
    let tiny = Config::preset(Preset::Tiny);
    let keys = leaves("", &serde_json::to_value(&tiny).unwrap());
    bolero::check!()
        .with_type::<(u8, bool, String)>()
        .for_each(|(key, mistyped, text)| {
            let key = &keys[usize::from(*key) % keys.len()];
            let key = if *mistyped {
                format!("{key}{text}")
            } else {
                key.clone()
            };
            if let Ok(config) = tiny.set(&key, text, &CORE) {
                config.check(&CORE).unwrap();
            }
        });
}

/// A damaged configuration file is refused or read, and what is read passes its own check.
#[test]
fn a_damaged_configuration_is_refused_or_works() {
    let valid = serde_json::to_vec(&Config::preset(Preset::Tiny)).unwrap();
    bolero::check!().with_type::<Damage>().for_each(|damage| {
        let Ok(overlay) = serde_json::from_slice::<Value>(&damaged(&valid, damage)) else {
            return;
        };
        if let Ok(config) = Config::from_overlay(&overlay, Preset::Tiny, &CORE) {
            config.check(&CORE).unwrap();
        }
    });
}

/// The full names of all settings below `path`.
fn leaves(path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(group) => group
            .iter()
            .flat_map(|(name, inner)| leaves(&format!("{path}.{name}"), inner))
            .collect(),
        _ => vec![path.trim_start_matches('.').to_owned()],
    }
}
