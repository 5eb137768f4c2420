//! The picture of the idea: where a BC policy and a PostBC policy put their actions at the same
//! states.

use super::journal::latest;
use super::seed::watch;
use crate::cli::machine::{Stop, device};
use crate::cli::plan::{Folder, Plan};
use crate::dashboard::Dashboard;
use crate::engines::{inputs, services};
use crate::report::{ActionPlot, ActionPlotState, SpreadPoint};
use pollster::block_on;
use protege_core::pretrain::bc;
use protege_core::run::action_plot::{ActionSamples, along_a_demonstration};
use protege_core::run::{Config, FinetuneMethod, Inputs, Run};
use protege_core::{Error, Result};

/// Sampled actions per policy and state.
const SAMPLES: usize = 200;
/// States along the demonstration.
const STATES: usize = 40;
/// Names of the action's components; see the tasks.
const AXES: [&str; 4] = ["hand x", "hand y", "hand z", "gripper"];

/// Clones the first seed's demonstrations plainly, and puts both policies' actions beside each
/// other. None when it is to stop.
pub fn of_run(
    folder: &Folder,
    plan: &Plan,
    config: &Config,
    dashboard: &Dashboard,
    stop: &Stop,
) -> Result<Option<ActionPlot>> {
    let Some(&seed) = plan.seeds.first().filter(|_| !stop.requested()) else {
        return Ok(None);
    };
    let Some(saved) = latest(&folder.seed(seed))? else {
        return Ok(None);
    };
    let post_bc = Run::load_with(saved.archive, device(&plan.device)?, services())?;
    let mut plain = Config {
        seed,
        ..config.clone()
    };
    plain.pretrain.method = bc::METHOD.id();
    plain.finetune.method = FinetuneMethod::NONE;
    let inputs = Inputs {
        demos: post_bc.demos().cloned(),
        ..inputs()
    };
    let mut bc = Run::new(plain, inputs, device(&plan.device)?)?;
    let mut bar = dashboard.seed(seed);
    watch(&mut bc, &mut bar, |run, _| {
        run.policy().is_some() || stop.requested()
    })?;
    if stop.requested() {
        return Ok(None);
    }
    bar.finish("BC, to compare: done");
    draw(&bc, &post_bc)
}

/// Samples both runs' policies along the first demonstration of the second. None for a task with a
/// single action.
fn draw(bc: &Run, post_bc: &Run) -> Result<Option<ActionPlot>> {
    let missing = || {
        Error::failed("the picture of BC and PostBC needs a pretrained run with its demonstrations")
    };
    let demos = post_bc.demos().ok_or_else(missing)?;
    let policies = [
        bc.policy().ok_or_else(missing)?,
        post_bc.policy().ok_or_else(missing)?,
    ];
    let stride = demos
        .episodes
        .first()
        .ok_or_else(missing)?
        .len()
        .div_ceil(STATES);
    let samples_by_state = block_on(along_a_demonstration(
        &policies,
        demos,
        stride,
        SAMPLES,
        &post_bc.device(),
    ))?;
    Ok(arrange(&samples_by_state))
}

fn arrange(samples_by_state: &[ActionSamples]) -> Option<ActionPlot> {
    let [first, second] = widest(samples_by_state)?;
    let axis = |i: usize| {
        AXES.get(i)
            .map_or_else(|| format!("action {i}"), |name| (*name).to_owned())
    };
    let pair = |action: &Vec<f32>| [action[first], action[second]];
    let last = samples_by_state.last()?.step.max(1);
    let state = |sampled: &ActionSamples| ActionPlotState {
        label: format!(
            "{:.0}% of the demonstration",
            100.0 * sampled.step as f64 / last as f64
        ),
        demo: pair(&sampled.demo),
        bc: sampled.samples[0].iter().map(pair).collect(),
        post_bc: sampled.samples[1].iter().map(pair).collect(),
    };
    let spread = |p: &ActionSamples| SpreadPoint {
        step: p.step as f64,
        bc: p.spread[0],
        post_bc: p.spread[1],
    };
    Some(ActionPlot {
        axes: [axis(first), axis(second)],
        states: representative(samples_by_state)
            .into_iter()
            .map(state)
            .collect(),
        spread: samples_by_state.iter().map(spread).collect(),
    })
}

/// The two components of the action in which PostBC spreads widest, in their own order.
fn widest(samples_by_state: &[ActionSamples]) -> Option<[usize; 2]> {
    let width = samples_by_state.first()?.demo.len();
    let deviation = |i: usize| {
        let of_state = |p: &ActionSamples| {
            let values: Vec<f64> = p.samples[1]
                .iter()
                .map(|action| f64::from(action[i]))
                .collect();
            protege_core::run::stats::std(&values)
        };
        samples_by_state.iter().map(of_state).sum::<f64>()
    };
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| deviation(b).total_cmp(&deviation(a)));
    let mut two: [usize; 2] = order.get(..2)?.try_into().ok()?;
    two.sort_unstable();
    Some(two)
}

/// The states where PostBC adds least, middling and most spread, in order of time.
fn representative(samples_by_state: &[ActionSamples]) -> Vec<&ActionSamples> {
    let mut order: Vec<&ActionSamples> = samples_by_state.iter().collect();
    order.sort_by(|a, b| (a.spread[1] - a.spread[0]).total_cmp(&(b.spread[1] - b.spread[0])));
    let mut places = vec![0, order.len() / 2, order.len().saturating_sub(1)];
    places.dedup();
    let mut chosen: Vec<&ActionSamples> = places
        .into_iter()
        .filter_map(|i| order.get(i).copied())
        .collect();
    chosen.sort_by_key(|p| p.step);
    chosen
}
