//! `protege bench`: the speed of this machine, each figure with its size.

use super::{Answer, Output, machine};
use crate::film::{Look, Quality};
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use protege_core::data::{Batch, Normaliser, Pairs};
use protege_core::env::{Env, LabEnv, Subject};
use protege_core::finetune::best_of_n::{BestOfNConfig, Iql};
use protege_core::finetune::dsrl::{DsrlConfig, SoftActorCritic};
use protege_core::nn;
use protege_core::policy::{Policy, PolicyKind, Sizes};
use protege_core::pretrain::{BcConfig, Cloning, Ensemble, Learner, PostBcConfig, Widening};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};
use protege_core::sim::{RapierSim, Sim};
use protege_core::tasks::{self, ExpertStyle};
use protege_core::{Error, Result};
use serde::Serialize;
use serde_json::json;
use std::time::Instant;

/// Sizes of `lab/pick-place`, which all networks here are measured with.
const OBS: usize = 39;
const ACT: usize = 4;
const CHUNK: usize = 4;
/// Demonstrated pairs that the training figures draw from.
const PAIRS: usize = 1000;
const BATCH: usize = 256;

const EXAMPLES: &str = "\
Examples:
  protege bench
  protege bench --only env_steps_per_s --json

Each figure is the median of several repeats after a warm-up. Measure on a machine that does nothing else.";

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Measure only the figure of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Repeats, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeats: usize,
    /// `cpu`, `wgpu` or `cuda:N`, for the networks
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// One figure.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// What was measured.
    size: String,
    higher_is_better: bool,
}

/// Something to measure.
struct Bench {
    name: &'static str,
    run: fn(&Setup) -> Result<Vec<Row>>,
}

/// How to measure.
struct Setup {
    /// The figure's name.
    name: &'static str,
    repeats: usize,
    device: Device,
}

const BENCHES: [Bench; 13] = [
    Bench { name: "env_steps_per_s", run: env_steps },
    Bench { name: "env_resets_per_s", run: env_resets },
    Bench { name: "env_step_parts_us", run: env_parts },
    Bench { name: "render_frames_per_s", run: render },
    Bench { name: "ensemble_ms_per_step", run: |setup| ensemble(setup, 256) },
    Bench { name: "ensemble_paper_ms_per_step", run: |setup| ensemble(setup, 512) },
    Bench { name: "policy_train_ms_per_step", run: |setup| policy_train(setup, Preset::Cpu) },
    Bench { name: "policy_act_ms", run: |setup| policy_act(setup, Preset::Cpu) },
    Bench { name: "policy_paper_train_ms_per_step", run: |setup| policy_train(setup, Preset::Paper) },
    Bench { name: "policy_paper_act_ms", run: |setup| policy_act(setup, Preset::Paper) },
    Bench { name: "iql_ms_per_step", run: iql },
    Bench { name: "dsrl_ms_per_update", run: |setup| dsrl(setup, Preset::Cpu) },
    Bench { name: "dsrl_paper_ms_per_update", run: |setup| dsrl(setup, Preset::Paper) },
];

/// Measures.
///
/// # Errors
/// When a name is unknown or a measurement fails.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    protege_core::error::within("--repeats", args.repeats, 1, 10_000)?;
    let names: Vec<String> = BENCHES.iter().map(|bench| bench.name.to_owned()).collect();
    args.only.iter().try_for_each(|name| super::settings::known("figure", name, names.clone()))?;
    let device = machine::device(&args.device)?;
    let mut rows = Vec::new();
    for bench in BENCHES.iter().filter(|bench| args.only.is_empty() || args.only.iter().any(|name| name == bench.name)) {
        if !output.quiet {
            eprintln!("measuring {} ...", bench.name);
        }
        let setup = Setup { name: bench.name, repeats: args.repeats, device: device.clone() };
        rows.extend((bench.run)(&setup)?);
    }
    let machine = machine::describe();
    let text = rows.iter().fold(format!("{machine}\n"), |text, row| text + &line(row));
    Ok(Answer { json: json!({ "machine": machine, "device": args.device, "rows": rows }), text })
}

fn line(row: &Row) -> String {
    format!("  {:32}{:>12}  {:10}{}\n", row.name, format!("{:.*}", if row.value < 100.0 { 2 } else { 0 }, row.value), row.unit, row.size)
}

/// The median of what `measure` gives, after one call that does not count.
fn median(setup: &Setup, mut measure: impl FnMut() -> Result<f64>) -> Result<f64> {
    measure()?;
    let mut values = (0..setup.repeats).map(|_| measure()).collect::<Result<Vec<_>>>()?;
    values.sort_by(f64::total_cmp);
    Ok((values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0)
}

/// Seconds per call of `work` over `count` calls.
fn seconds_each(count: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    (0..count).try_for_each(|_| work())?;
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// Control steps a second with the expert's actions, on one core; the expert and resets do not count.
fn env_steps(setup: &Setup) -> Result<Vec<Row>> {
    let row = |info: &tasks::Info| {
        let mut env = LabEnv::new(info.id)?;
        let mut episode = 0;
        let value = median(setup, || {
            episode += 1;
            steps_per_second(&mut env, episode)
        })?;
        let size = format!("{}, one core, {} physics steps each", info.id, info.substeps);
        Ok(Row { name: setup.name, value, unit: "steps/s", size, higher_is_better: true })
    };
    tasks::all().iter().map(row).collect()
}

/// Plays ten episodes of the expert.
fn steps_per_second(env: &mut LabEnv, batch: u64) -> Result<f64> {
    let (mut seconds, mut steps) = (0.0, 0);
    for episode in 0..10 {
        env.reset(10 * batch + episode);
        loop {
            let action = env.expert().ok_or_else(|| Error::failed(format!("{} has no expert", env.spec().id)))?;
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

fn env_resets(setup: &Setup) -> Result<Vec<Row>> {
    let mut env = LabEnv::new("lab/pick-place")?;
    let mut episode = 0;
    let seconds = median(setup, || {
        seconds_each(50, || {
            episode += 1;
            env.reset(episode);
            Ok(())
        })
    })?;
    Ok(vec![Row {
        name: setup.name,
        value: 1.0 / seconds,
        unit: "resets/s",
        size: "lab/pick-place, one core".into(),
        higher_is_better: true,
    }])
}

/// Pictures a second of one renderer, which on a machine without a GPU keeps one core busy. None where nothing can be drawn.
fn render(setup: &Setup) -> Result<Vec<Row>> {
    let settings = [
        (Quality::Fast, "nothing that costs time"),
        (Quality::Light, "soft shadows, smooth edges"),
        (Quality::Fine, "sharp shadows, smooth edges"),
    ];
    let env = LabEnv::new("lab/pick-place")?;
    let mut rows = Vec::new();
    for (size, (quality, words)) in [84, 224].into_iter().flat_map(|size| settings.map(|setting| (size, setting))) {
        let look = Look { width: size, height: size, camera: None, quality };
        let mut renderer = match crate::engines::renderer(&env.spec().id, &look) {
            Ok(renderer) => renderer,
            Err(why) => {
                eprintln!("note: {} is not measured: {why}", setup.name);
                return Ok(rows);
            }
        };
        let seconds = median(setup, || {
            seconds_each(20, || renderer.draw(&Subject::Sim(env.sim())).map(|picture| drop(std::hint::black_box(picture))))
        })?;
        let size = format!("{}, {size}x{size}, {words}", env.spec().id);
        rows.push(Row { name: setup.name, value: 1.0 / seconds, unit: "frames/s", size, higher_is_better: true });
    }
    Ok(rows)
}

/// Where the time of a control step goes.
fn env_parts(setup: &Setup) -> Result<Vec<Row>> {
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
            [1, 2, 0, 3].into_iter().zip(&mut seconds).for_each(|(i, sum)| *sum += spent(i));
        }
        if episode > 0 {
            seconds.iter().zip(&mut times).for_each(|(sum, list)| list.push(1e6 * sum / f64::from(steps)));
        }
    }
    let row = |(part, mut list): (&str, Vec<f64>)| {
        list.sort_by(f64::total_cmp);
        let size = format!("lab/pick-place, {part} of one control step");
        Row { name: setup.name, value: list[list.len() / 2], unit: "us", size, higher_is_better: false }
    };
    Ok(parts.into_iter().zip(times).map(row).collect())
}

/// Random training pairs of the right sizes.
fn pairs() -> Pairs {
    let mut rng = Rng::new(0, "bench", 0);
    let (obs, actions) = (rng.normals(PAIRS * OBS), rng.normals(PAIRS * ACT * CHUNK));
    Pairs { obs, actions, episode_pairs: vec![PAIRS / 10; 10], obs_dim: OBS, action_dim: ACT * CHUNK }
}

fn policy(config: &Config, device: &Device) -> Policy {
    let scales = (Normaliser::identity(OBS), Normaliser::identity(ACT * CHUNK));
    Policy::new(&config.policy, Sizes { obs: OBS, act: ACT, chunk: CHUNK }, scales, &mut Rng::new(0, "bench", 1), device)
}

fn ms_row(setup: &Setup, seconds: f64, size: String) -> Result<Vec<Row>> {
    Ok(vec![Row { name: setup.name, value: 1e3 * seconds, unit: "ms", size, higher_is_better: false }])
}

/// The one loss of one gradient step.
fn loss(learner: &mut dyn Learner, data: &Pairs) -> Tensor<1> {
    learner.step(data).remove(0).1
}

fn ensemble(setup: &Setup, hidden: usize) -> Result<Vec<Row>> {
    let config = PostBcConfig { members: 100, hidden, layers: 3, batch: BATCH, ..PostBcConfig::preset(Preset::Paper) };
    let (data, device) = (pairs(), setup.device.clone().autodiff());
    let mut ensemble = Ensemble::new(config, &data, 0, device);
    let seconds = median(setup, || seconds_each(1, || block_on(nn::scalar(loss(&mut ensemble, &data))).map(drop)))?;
    ms_row(setup, seconds, format!("K=100, {hidden}x3, batch {BATCH} each, {OBS} -> {}", ACT * CHUNK))
}

fn policy_train(setup: &Setup, preset: Preset) -> Result<Vec<Row>> {
    let config = eight_steps(preset)?;
    let (data, device) = (pairs(), setup.device.clone().autodiff());
    let bc = BcConfig { batch: BATCH, ..config.pretrain.bc.clone() };
    let mut cloning = Cloning::new(policy(&config, &device), Widening::None, &bc, &data, 0, device);
    let seconds = median(setup, || seconds_each(20, || block_on(nn::scalar(loss(&mut cloning, &data))).map(drop)))?;
    ms_row(setup, seconds, format!("{}, batch {BATCH}", shape(&config)))
}

fn policy_act(setup: &Setup, preset: Preset) -> Result<Vec<Row>> {
    let config = eight_steps(preset)?;
    let policy = policy(&config, &setup.device);
    let mut rng = Rng::new(0, "bench", 2);
    let obs = rng.normals(OBS);
    let seconds =
        median(setup, || seconds_each(100, || block_on(policy.act(&obs, rng.normals(policy.noise_len()), &setup.device)).map(drop)))?;
    ms_row(setup, seconds, format!("{}, batch 1, 8 steps", shape(&config)))
}

fn iql(setup: &Setup) -> Result<Vec<Row>> {
    let config = BestOfNConfig { batch: BATCH, ..BestOfNConfig::preset(Preset::Cpu) };
    let size = format!("{} critics and a value, {}x{}, batch {BATCH}", config.critics, config.hidden, config.layers);
    let device = setup.device.clone().autodiff();
    let policy = policy(&Config::preset(Preset::Cpu), &device).frozen();
    let mut rng = Rng::new(0, "bench", 3);
    let mut iql = Iql::new(config, OBS, ACT * CHUNK, &mut rng, device);
    let batch = batch(&mut rng);
    let seconds = median(setup, || seconds_each(20, || block_on(nn::scalar(iql.step(&batch, &policy).q)).map(drop)))?;
    ms_row(setup, seconds, size)
}

/// One update of all that DSRL-NA learns, over the paper preset's policy: the critic, the temperature and the actor; then the critic of noise.
fn dsrl(setup: &Setup, preset: Preset) -> Result<Vec<Row>> {
    let config = DsrlConfig { batch: BATCH, ..DsrlConfig::preset(preset) };
    let base = eight_steps(Preset::Paper)?;
    let size = format!("{}x{}, batch {BATCH}, over {}, 8 steps", config.hidden, config.layers, shape(&base));
    let device = setup.device.clone().autodiff();
    let policy = policy(&base, &device).frozen();
    let mut rng = Rng::new(0, "bench", 4);
    let mut learner = SoftActorCritic::new(config, &policy, &mut rng, device);
    let batch = batch(&mut rng);
    let mut update = |rng: &mut Rng| {
        let critic = learner.step(&batch, &policy, rng).critic;
        let noise_critic = learner.distil(&batch, &policy, rng);
        block_on(nn::scalar(noise_critic.map_or(critic.clone(), |loss| loss + critic))).map(drop)
    };
    let seconds = median(setup, || seconds_each(1, || update(&mut rng)))?;
    ms_row(setup, seconds, size)
}

/// Random decisions.
fn batch(rng: &mut Rng) -> Batch {
    let mut rows = |width: usize| rng.normals(BATCH * width);
    Batch { obs: rows(OBS), next_obs: rows(OBS), actions: rows(ACT * CHUNK), rewards: vec![0.0; BATCH], terminated: vec![0.0; BATCH] }
}

/// A preset that samples in eight steps, the paper's with DPPO's network for Lift and Can.
fn eight_steps(preset: Preset) -> Result<Config> {
    let config = Config::preset(preset).set("policy.inference_steps", "8")?;
    if preset == Preset::Paper { config.set("policy.hidden", "512") } else { Ok(config) }
}

/// `diffusion, 512x3`.
fn shape(config: &Config) -> String {
    let kind = if config.policy.kind == PolicyKind::Diffusion { "diffusion" } else { "flow" };
    format!("{kind}, {}x{}", config.policy.hidden, config.policy.layers)
}
