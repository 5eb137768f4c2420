//! How `run`, `pretrain` and `finetune` carry out a run: its folder, its seeds and its report.

mod action_plot;
mod improvement;
mod journal;
mod nan_state;
pub mod results;
pub mod seed;
mod videos;
mod world;

use super::answer::{Answer, Output, bug};
use super::machine::{Stop, cores, device, share_work};
use super::plan::{
    Folder, Plan, command_line, policies_by_seed, policy_config, policy_file, read_archive,
    read_dataset, to_json,
};
use super::settings::Settings;
use crate::dashboard::Dashboard;
use crate::engines::inputs;
use crate::report::{self, Report};
use journal::{CheckpointPolicy, Clock, latest};
use protege_core::method::Insight;
use protege_core::policy::PolicyKind;
use protege_core::run::{Config, Inputs, Run};
use protege_core::{Error, Result};
use seed::{Seed, SessionEnd, is_finished};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// How the job is carried out; none of it changes the numbers of a seed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Session")]
pub struct Session {
    /// Seeds, each a run of its own: SEED, SEED + 1, ...
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u64,
    /// The folder for everything [default: runs/<task>-<pretrain>-<finetune>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the run in this folder; its own settings are used
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["Settings", "seeds", "out", "no_companion"]
    )]
    pub resume: Option<PathBuf>,
    /// `cpu`, `wgpu` or `cuda:N` [default: cpu]
    #[arg(long)]
    pub device: Option<String>,
    /// Seconds between checkpoints, beside one at the end of every phase [default: 60]
    #[arg(long, value_name = "S")]
    pub checkpoint_every: Option<f64>,
    /// Checkpoints kept for each seed [default: 2]
    #[arg(long, value_name = "N")]
    pub keep_last: Option<usize>,
    /// Do not train a BC policy beside PostBC for the picture in the report
    #[arg(long)]
    pub no_companion: bool,
    /// Put no videos of episodes into the report
    #[arg(long)]
    pub no_video: bool,
}

/// Goes on with the run in a folder.
pub fn resume(path: &Path, session: &Session, output: Output) -> Result<Answer> {
    let (folder, plan, config) = Folder::open(path)?;
    carry_out(&folder, &amended(plan, session)?, &config, output)
}

/// The configuration and what the run is given.
///
/// # Errors
/// When a setting or a file is wrong.
pub fn prepare(
    settings: &Settings,
    demos_file: Option<&Path>,
    checkpoint: Option<&Path>,
) -> Result<(Config, Inputs)> {
    let policy = checkpoint
        .map(|path| read_archive(&policy_file(path)?))
        .transpose()?;
    let pretrained = policy.as_ref().map(policy_config).transpose()?;
    let mut config = settings.resolve(pretrained.as_ref())?;
    if policy.is_some() {
        settings.refuse_policy()?;
    }
    let demos = demos_file.map(read_dataset).transpose()?;
    if let (Some(demos), None) = (&demos, settings.demos) {
        config.demos.count = demos.episodes.len();
    }
    Ok((
        config,
        Inputs {
            demos,
            policy,
            ..inputs()
        },
    ))
}

/// Begins a run in a new folder. Where `checkpoint` is the folder of a run that has every seed that
/// is wanted, each seed begins with its own policy.
pub fn begin(
    config: &Config,
    inputs: Inputs,
    checkpoint: Option<&Path>,
    session: &Session,
    output: Output,
) -> Result<Answer> {
    protege_core::error::within("--seeds", session.seeds, 1, 10_000)?;
    let seeds = (0..session.seeds)
        .map(|k| config.seed.checked_add(k))
        .collect::<Option<Vec<_>>>();
    let served = config.policy.kind == PolicyKind::Served;
    let plan = Plan {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command_line(),
        seeds: seeds.ok_or_else(|| {
            Error::input(format!(
                "seed {} is too large for {} seeds",
                config.seed, session.seeds
            ))
        })?,
        device: "cpu".to_owned(),
        checkpoint_every: 60.0,
        keep_last: 2,
        videos: true,
        companion: !session.no_companion
            && config.pretrain.method.info().shows(Insight::Spread)
            && inputs.policy.is_none()
            && !served,
    };
    let plan = amended(plan, session)?;
    // What cannot work is refused before a folder is made.
    let Inputs {
        demos,
        policy,
        services,
    } = &inputs;
    crate::memory::fits_at_once(config, policy.is_some(), plan.seeds.len().min(cores()))?;
    Run::new(
        config.clone(),
        Inputs {
            demos: demos.clone(),
            policy: policy.clone(),
            services: *services,
        },
        device(&plan.device)?,
    )?;
    let path = session
        .out
        .clone()
        .unwrap_or_else(|| Folder::unused(config));
    let policies = checkpoint
        .map(|path| policies_by_seed(path, &plan.seeds))
        .unwrap_or_default();
    let folder = Folder::begin(path, &plan, config, &inputs, &policies)?;
    carry_out(&folder, &plan, config, output)
}

/// The plan with what this session wants otherwise.
fn amended(plan: Plan, session: &Session) -> Result<Plan> {
    let plan = Plan {
        device: session.device.clone().unwrap_or(plan.device),
        checkpoint_every: session.checkpoint_every.unwrap_or(plan.checkpoint_every),
        keep_last: session.keep_last.unwrap_or(plan.keep_last),
        videos: plan.videos && !session.no_video,
        ..plan
    };
    protege_core::error::within("--checkpoint-every", plan.checkpoint_every, 0.0, 1e9)?;
    protege_core::error::within("--keep-last", plan.keep_last, 1, 1_000_000)?;
    device(&plan.device)?;
    Ok(plan)
}

/// Drives every seed that has not finished, then reports.
fn carry_out(folder: &Folder, plan: &Plan, config: &Config, output: Output) -> Result<Answer> {
    let _lock = folder.lock()?;
    let stop = Stop::on_ctrl_c()?;
    let clock = Clock::after(spent(folder, plan)?);
    let dashboard = Dashboard::new(!output.quiet);
    let go_on = format!("go on with `protege run --resume {}`", folder.0.display());
    drive_all(folder, plan, config, clock, &dashboard, &stop).map_err(|e| match e {
        Error::Failed(sentence) => {
            Error::failed(format!("{} ({go_on})", sentence.trim_end_matches('.')))
        }
        other => other,
    })?;
    let picture = if plan.companion {
        action_plot::of_run(folder, plan, config, &dashboard, &stop)?
    } else {
        None
    };
    let videos = videos::of_run(folder, plan, &dashboard, &stop);
    if stop.requested() {
        return Err(Error::failed(format!(
            "stopped; what was begun is saved: {go_on}"
        )));
    }
    let method = config.finetune.method.info();
    let world = if method.shows(Insight::WorldModel) {
        world::of_run(folder, plan)?
    } else {
        None
    };
    let improvement = method
        .shows(Insight::Improvement)
        .then(|| improvement::of_run(folder, plan))
        .transpose()?;
    let report = Report {
        videos,
        world,
        improvement,
        ..results::collect(folder, plan, config, picture, clock.seconds())?
    };

    let page = folder.report();
    crate::files::write_atomic(&page, report::render(&report).as_bytes())?;
    let json = results::to_value(&report, &page);
    crate::files::write_atomic(&folder.0.join("summary.json"), to_json(&json)?.as_bytes())?;
    Ok(Answer {
        text: results::to_text(&report, &page),
        json,
    })
}

/// Seconds that the run has taken in earlier sessions, as its checkpoints tell.
fn spent(folder: &Folder, plan: &Plan) -> Result<f64> {
    let mut most: f64 = 0.0;
    for &seed in &plan.seeds {
        most = most.max(latest(&folder.seed(seed))?.map_or(0.0, |saved| saved.run_s));
    }
    Ok(most)
}

/// One thread per seed, at most as many as there are cores. The first seed that fails stops the
/// others, which save.
fn drive_all(
    folder: &Folder,
    plan: &Plan,
    config: &Config,
    clock: Clock,
    dashboard: &Dashboard,
    stop: &Stop,
) -> Result<()> {
    let unfinished: Vec<u64> = plan
        .seeds
        .iter()
        .copied()
        .filter(|&seed| !is_finished(&folder.seed(seed)))
        .collect();
    let workers = unfinished.len().min(cores());
    let queue = Mutex::new(unfinished.into_iter());
    let next = || {
        queue
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .next()
            .filter(|_| !stop.requested())
    };
    let work = || -> Result<()> {
        let _threads = share_work(threads_each(plan));
        while let Some(seed) = next() {
            drive(folder, plan, config, seed, clock, dashboard, stop)
                .inspect_err(|_| stop.request())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ends: Vec<Result<()>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(bug(&*panic))))
            .collect();
        ends.into_iter().collect()
    })
}

/// A seed's share of the cores.
fn threads_each(plan: &Plan) -> usize {
    cores().div_ceil(plan.seeds.len())
}

fn drive(
    folder: &Folder,
    plan: &Plan,
    config: &Config,
    seed: u64,
    clock: Clock,
    dashboard: &Dashboard,
    stop: &Stop,
) -> Result<()> {
    let checkpoint_policy = CheckpointPolicy {
        every: Duration::from_secs_f64(plan.checkpoint_every),
        keep_last: plan.keep_last,
    };
    let mut bar = dashboard.seed(seed);
    let path = folder.seed(seed);
    let mut seed = Seed::open(
        folder,
        config,
        seed,
        device(&plan.device)?,
        checkpoint_policy,
        clock,
    )?
    .with_threads(threads_each(plan));
    let ended = seed
        .drive(&mut bar, stop)
        .map_err(|error| nan_state::with_dump(error, &path))?;
    bar.finish(if ended == SessionEnd::Finished {
        "done"
    } else {
        "saved"
    });
    Ok(())
}
