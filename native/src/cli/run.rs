//! `protege run`: the whole job over several seeds, with a report at the end.

use super::journal::{Clock, Habit, latest};
use super::machine::{Stop, cores, device, share_work};
use super::plan::{
    Folder, Plan, policies_by_seed, policy_config, policy_file, read_archive, read_dataset,
};
use super::seed::{Ended, Seed, is_finished, watch};
use super::settings::Settings;
use super::{Answer, Output, bug, films, results};
use crate::dashboard::Dashboard;
use crate::engines::inputs;
use crate::report::{self, Portrait, Report};
use protege_core::method::Insight;
use protege_core::policy::PolicyKind;
use protege_core::pretrain::bc;
use protege_core::run::{Config, FinetuneMethod, Inputs, Run};
use protege_core::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  protege run --demos 10 --seeds 3                                    \
      the defaults: lab/pick-place, PostBC, then best-of-N
  protege run --task lab/lift --pretrain bc --preset tiny --out runs/quick
  protege run --set pretrain.post_bc.alpha=0.5 --set finetune.best_of_n.samples=32
  protege run --config runs/quick/config.toml --seeds 5               \
      the same again, with more seeds
  protege run --resume runs/quick                                     go on after an interruption

A run's folder holds config.toml, summary.json and report.html, and for each seed seed-K/ with \
metrics.jsonl, episodes.jsonl,
demos.safetensors, policy.safetensors, checkpoints/ and tensorboard/. A run that was stopped \
and resumed leaves the same
numbers as one that was not; only wall_s differs.";

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub settings: Settings,
    /// Demonstrations from this file instead of the scripted expert; with `--demos N`, N of them
    /// drawn at random
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub demos_file: Option<PathBuf>,
    /// A pretrained policy (a file, or the folder of a run, whose seeds go on each with their own):
    /// pretraining is skipped
    #[arg(long, value_name = "POLICY", conflicts_with = "resume")]
    pub checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub session: Session,
}

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
    /// Put no films of episodes into the report
    #[arg(long)]
    pub no_video: bool,
}

/// Runs, or resumes, and reports.
///
/// # Errors
/// When the input is wrong, a step fails, or Ctrl-C stopped it.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    if let Some(path) = &args.session.resume {
        return resume(path, &args.session, output);
    }
    let (config, inputs) = prepare(
        &args.settings,
        args.demos_file.as_deref(),
        args.checkpoint.as_deref(),
    )?;
    begin(
        &config,
        inputs,
        args.checkpoint.as_deref(),
        &args.session,
        output,
    )
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
        films: true,
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
        means,
    } = &inputs;
    Run::new(
        config.clone(),
        Inputs {
            demos: demos.clone(),
            policy: policy.clone(),
            means: *means,
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
        films: plan.films && !session.no_video,
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
        companion(folder, plan, config, &dashboard, &stop)?
    } else {
        None
    };
    let films = films::of_run(folder, plan, &dashboard, &stop);
    if stop.wished() {
        return Err(Error::failed(format!(
            "stopped; what was begun is saved: {go_on}"
        )));
    }
    let method = config.finetune.method.info();
    let world = if method.shows(Insight::WorldModel) {
        super::world::of_run(folder, plan)?
    } else {
        None
    };
    let improvement = method
        .shows(Insight::Improvement)
        .then(|| super::improvement::of_run(folder, plan))
        .transpose()?;
    let report = Report {
        films,
        world,
        improvement,
        ..results::collect(folder, plan, config, picture, clock.seconds())?
    };

    let page = folder.report();
    crate::files::write_atomic(&page, report::render(&report).as_bytes())?;
    let json = results::to_value(&report, &page);
    crate::files::write_atomic(
        &folder.0.join("summary.json"),
        super::plan::to_json(&json)?.as_bytes(),
    )?;
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
            .filter(|_| !stop.wished())
    };
    let work = || -> Result<()> {
        let _threads = share_work(threads_each(plan));
        while let Some(seed) = next() {
            drive(folder, plan, config, seed, clock, dashboard, stop)
                .inspect_err(|_| stop.wish())?;
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
    let habit = Habit {
        every: Duration::from_secs_f64(plan.checkpoint_every),
        keep_last: plan.keep_last,
    };
    let (mut bar, path) = (dashboard.seed(seed), folder.seed(seed));
    let mut seed = Seed::open(folder, config, seed, device(&plan.device)?, habit, clock)?
        .with_threads(threads_each(plan));
    let ended = seed
        .drive(&mut bar, stop)
        .map_err(|error| super::nan_state::kept(error, &path))?;
    bar.finish(if ended == Ended::Finished {
        "done"
    } else {
        "saved"
    });
    Ok(())
}

/// Clones the first seed's demonstrations plainly, and puts both policies' actions beside each
/// other. None when it is to stop.
fn companion(
    folder: &Folder,
    plan: &Plan,
    config: &Config,
    dashboard: &Dashboard,
    stop: &Stop,
) -> Result<Option<Portrait>> {
    let Some(&seed) = plan.seeds.first().filter(|_| !stop.wished()) else {
        return Ok(None);
    };
    let Some(saved) = latest(&folder.seed(seed))? else {
        return Ok(None);
    };
    let post_bc = Run::load_with(
        saved.archive,
        device(&plan.device)?,
        crate::engines::means(),
    )?;
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
        run.policy().is_some() || stop.wished()
    })?;
    if stop.wished() {
        return Ok(None);
    }
    bar.finish("BC, to compare: done");
    super::portrait::draw(&bc, &post_bc)
}

/// The command line as it was typed, quoted where a shell needs it.
pub fn command_line() -> String {
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || "-_=./:,".contains(c))
    };
    let quote = |text: String| {
        if plain(&text) {
            text
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    std::iter::once("protege".to_owned())
        .chain(std::env::args().skip(1).map(quote))
        .collect::<Vec<_>>()
        .join(" ")
}
