//! The upstream suites, one thread each. `benches/vs_python/run.py` measures the same in Python,
//! and says what is alike.

use super::{Row, Setup, median, rate_row, seconds_each};
use crate::engines::{benchmarks, make, renderer};
use crate::terminal::note;
use crate::video::{Quality, RenderOptions};
use protege_core::Result;
use protege_core::env::{Env, catalogue};
use std::time::Instant;

/// Pixels along each side of a picture.
const PIXELS: usize = 84;

/// A row for every task; none, with a note, where MuJoCo, the scenes or EGL are missing.
fn rows(
    setup: &Setup,
    unit: &'static str,
    measure: impl Fn(&str, &str) -> Result<(f64, String)>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (id, camera) in benchmarks() {
        match measure(id, camera) {
            Ok((seconds, size)) => rows.push(rate_row(setup, 1.0 / seconds, unit, size)),
            Err(why) => note(&format!(
                "note: {} of {id} is not measured: {why}",
                setup.name
            )),
        }
    }
    Ok(rows)
}

/// Control steps a second over whole episodes, which do not end on success; actions and resets do
/// not count.
pub fn steps(setup: &Setup) -> Result<Vec<Row>> {
    rows(setup, "steps/s", |id, _| {
        let mut env = whole(id)?;
        let mut episode = 0;
        let seconds = median(setup, || {
            episode += 1;
            seconds_a_step(&mut *env, episode)
        })?;
        Ok((
            seconds,
            format!(
                "{id}, one core, whole episodes of {} steps",
                env.spec().horizon
            ),
        ))
    })
}

/// An environment whose episodes go on after a success.
fn whole(id: &str) -> Result<Box<dyn Env>> {
    let mut env = make(id, catalogue::MUJOCO)?;
    env.set_terminate_on_success(false);
    Ok(env)
}

/// Plays one episode to its horizon.
fn seconds_a_step(env: &mut dyn Env, episode: u64) -> Result<f64> {
    env.reset(episode);
    let mut seconds = 0.0;
    let horizon = env.spec().horizon;
    for step in 0..horizon {
        let action = env.expert().unwrap_or_else(|| wave(step, env.spec().act));
        let start = Instant::now();
        env.step(&action)?;
        seconds += start.elapsed().as_secs_f64();
    }
    Ok(seconds / horizon as f64)
}

/// An action that wanders over all joints, where no expert is to be had.
fn wave(step: usize, joints: usize) -> Vec<f32> {
    (0..joints)
        .map(|joint| (0.1 * (step + 3 * joint) as f32).sin())
        .collect()
}

/// Starts of episodes a second.
pub fn resets(setup: &Setup) -> Result<Vec<Row>> {
    rows(setup, "resets/s", |id, _| {
        let mut env = whole(id)?;
        let mut episode = 0;
        let seconds = median(setup, || {
            seconds_each(20, || {
                episode += 1;
                env.reset(episode);
                Ok(())
            })
        })?;
        Ok((seconds, format!("{id}, one core")))
    })
}

/// Pictures a second, by one renderer with the settings for learning.
pub fn frames(setup: &Setup) -> Result<Vec<Row>> {
    rows(setup, "frames/s", |id, camera| {
        let render_options = RenderOptions {
            width: PIXELS,
            height: PIXELS,
            camera: Some(camera.to_owned()),
            quality: Quality::Fast,
        };
        let mut renderer = renderer(id, &render_options)?;
        let mut env = whole(id)?;
        env.reset(0);
        let subject = || {
            env.subject().ok_or_else(|| {
                protege_core::Error::failed(format!("there is nothing to see in {id}"))
            })
        };
        let seconds = median(setup, || {
            seconds_each(20, || {
                renderer
                    .draw(&subject()?)
                    .map(|picture| drop(std::hint::black_box(picture)))
            })
        })?;
        Ok((
            seconds,
            format!("{id}, {PIXELS}x{PIXELS}, camera {camera}, nothing that costs time"),
        ))
    })
}
