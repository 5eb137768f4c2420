//! Environments of our own, and pictures of them.

use super::{Row, Setup, median, rate_row, seconds_each};
use crate::terminal::note;
use crate::video::{Quality, RenderOptions};
use protege_core::env::{Env, LabEnv, Subject};
use protege_core::rng::Rng;
use protege_core::sim::{RapierSim, Sim};
use protege_core::tasks::{self, ExpertStyle};
use protege_core::{Error, Result};
use std::time::Instant;

/// Control steps a second with the expert's actions, on one core; the expert and resets do not
/// count.
pub fn steps(setup: &Setup) -> Result<Vec<Row>> {
    let row = |info: &tasks::Info| {
        let mut env = LabEnv::new(info.id)?;
        let mut episode = 0;
        let value = median(setup, || {
            episode += 1;
            steps_per_second(&mut env, episode)
        })?;
        let size = format!(
            "{}, one core, {} physics steps each",
            info.id, info.substeps
        );
        Ok(rate_row(setup, value, "steps/s", size))
    };
    tasks::all().iter().map(row).collect()
}

/// Plays ten episodes of the expert.
fn steps_per_second(env: &mut LabEnv, batch: u64) -> Result<f64> {
    let mut seconds = 0.0;
    let mut steps = 0;
    for episode in 0..10 {
        env.reset(10 * batch + episode);
        loop {
            let action = env
                .expert()
                .ok_or_else(|| Error::failed(format!("{} has no expert", env.spec().id)))?;
            let start = Instant::now();
            let step = env.step(&action)?;
            seconds += start.elapsed().as_secs_f64();
            steps += 1;
            if step.done() {
                break;
            }
        }
    }
    Ok(f64::from(steps) / seconds)
}

/// Starts of episodes a second, on one core.
pub fn resets(setup: &Setup) -> Result<Vec<Row>> {
    let mut env = LabEnv::new("lab/pick-place")?;
    let mut episode = 0;
    let seconds = median(setup, || {
        seconds_each(50, || {
            episode += 1;
            env.reset(episode);
            Ok(())
        })
    })?;
    Ok(vec![rate_row(
        setup,
        1.0 / seconds,
        "resets/s",
        "lab/pick-place, one core".into(),
    )])
}

/// Pictures a second of one renderer, which on a machine without a GPU keeps one core busy. None
/// where nothing can be drawn.
pub fn render(setup: &Setup) -> Result<Vec<Row>> {
    let settings = [
        (Quality::Fast, "nothing that costs time"),
        (Quality::Light, "soft shadows, smooth edges"),
        (Quality::Fine, "sharp shadows, smooth edges"),
    ];
    let env = LabEnv::new("lab/pick-place")?;
    let mut rows = Vec::new();
    for (size, (quality, words)) in [84, 224]
        .into_iter()
        .flat_map(|size| settings.map(|setting| (size, setting)))
    {
        let render_options = RenderOptions {
            width: size,
            height: size,
            camera: None,
            quality,
        };
        let mut renderer = match crate::engines::renderer(&env.spec().id, &render_options) {
            Ok(renderer) => renderer,
            Err(why) => {
                note(&format!("note: {} is not measured: {why}", setup.name));
                return Ok(rows);
            }
        };
        let seconds = median(setup, || {
            seconds_each(20, || {
                renderer
                    .draw(&Subject::Sim(env.sim()))
                    .map(|picture| drop(std::hint::black_box(picture)))
            })
        })?;
        let size = format!("{}, {size}x{size}, {words}", env.spec().id);
        rows.push(rate_row(setup, 1.0 / seconds, "frames/s", size));
    }
    Ok(rows)
}

/// Where the time of a control step goes.
pub fn parts(setup: &Setup) -> Result<Vec<Row>> {
    let info = tasks::by_id("lab/pick-place")?;
    let mut sim = RapierSim::new(info.scene)?;
    let mut task = (info.build)(&sim)?;
    let style = ExpertStyle::default();
    let parts = ["physics", "observation", "action", "success rule"];
    let mut times: [Vec<f64>; 4] = Default::default();
    for episode in 0..=setup.repeats as u64 {
        sim.reset();
        task.start(&mut sim, &mut Rng::new(episode, "bench", 0));
        task.observe(&sim);
        let mut seconds = [0.0; 4];
        let steps = 60;
        for _ in 0..steps {
            let action = task.expert(&sim, &style);
            let marks = [
                Instant::now(),
                {
                    task.act(&mut sim, &action);
                    Instant::now()
                },
                {
                    (0..info.substeps).for_each(|_| sim.step());
                    Instant::now()
                },
                {
                    std::hint::black_box(task.observe(&sim));
                    Instant::now()
                },
                {
                    std::hint::black_box(task.success(&sim));
                    Instant::now()
                },
            ];
            let spent = |i: usize| (marks[i + 1] - marks[i]).as_secs_f64();
            [1, 2, 0, 3]
                .into_iter()
                .zip(&mut seconds)
                .for_each(|(i, sum)| *sum += spent(i));
        }
        if episode > 0 {
            seconds
                .iter()
                .zip(&mut times)
                .for_each(|(sum, list)| list.push(1e6 * sum / f64::from(steps)));
        }
    }
    let row = |(part, mut list): (&str, Vec<f64>)| {
        list.sort_by(f64::total_cmp);
        let size = format!("lab/pick-place, {part} of one control step");
        Row {
            name: setup.name,
            value: list[list.len() / 2],
            unit: "us",
            size,
            higher_is_better: false,
        }
    };
    Ok(parts.into_iter().zip(times).map(row).collect())
}
