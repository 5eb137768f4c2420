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
use super::claim::{Claim, Lock};
use super::finished::SeedResult;
use super::helpers::Helpers;
use super::machine::{Stop, cores, device, share_work};
use super::plan::{
    Folder, MOST_SEEDS, Plan, Work, policies_by_seed, policy_config, policy_file, read_archive,
    read_dataset, to_json,
};
use super::settings::Settings;
use super::shell::{self, command_line};
use crate::dashboard::Dashboard;
use crate::engines::inputs;
use crate::files::destination;
use crate::report::{self, Report};
use crate::terminal;
use journal::{CheckpointPolicy, Clock, latest};
use protege_core::method::{DemoUse, Insight};
use protege_core::play::Elsewhere;
use protege_core::policy::PolicyKind;
use protege_core::run::{Config, Inputs, Purpose, Run};
use protege_core::{Error, Result};
use seed::{Seed, SessionEnd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
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
    #[command(flatten)]
    pub helpers: Helpers,
}

/// Others that play, where there are any.
type Help = Option<Arc<dyn Elsewhere>>;

/// Goes on with the run in a folder.
pub fn resume(path: &Path, session: &Session, output: Output) -> Result<Answer> {
    // What is no run's folder is left as it is.
    Folder::with_plan(path)?;
    let lock = Lock::take(path)?;
    let (folder, plan, config) = Folder::open(path)?;
    let work = Work {
        folder,
        plan: amended(plan, session)?,
        config,
        lock: Arc::new(lock),
    };
    let help = session.helpers.find(&work.config, &work.plan.device)?;
    carry_out(&work, help, output, &Stop::on_ctrl_c()?)
}

/// What a run is given instead of making it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// A file of demonstrations.
    pub demos_file: Option<&'a Path>,
    /// A pretrained policy: a file, or the folder of a run. Where that has every seed that is
    /// wanted, each seed begins with its own policy.
    pub checkpoint: Option<&'a Path>,
}

/// Begins a run in a new folder. Whatever cannot work is refused before there is one.
///
/// # Errors
/// When a setting or a file is wrong, something that the run needs is missing, a step fails, or
/// Ctrl-C stopped it.
pub fn begin(
    settings: &Settings,
    given: Given<'_>,
    session: &Session,
    output: Output,
) -> Result<Answer> {
    protege_core::error::within("--seeds", session.seeds, 1, MOST_SEEDS)?;
    let (config, inputs) = prepared(settings, given)?;
    let seeds = seeds(config.seed, session.seeds)?;
    let policies = own_policies(given.checkpoint, &seeds)?;
    let device = device(session.device.as_deref().unwrap_or("cpu"))?;
    let at_once = seeds.len().min(cores());
    crate::memory::fits_at_once(&config, inputs.policy.is_some(), at_once)?;
    // What the policy brings along is part of the run's configuration.
    let config = Run::new(config, inputs.clone(), device)?.config().clone();
    let purpose = purpose(&config, given);
    let mut notes: Vec<String> = settings.check(&config, purpose)?.into_iter().collect();
    notes.extend(protege_core::run::notes(&config, &inputs)?);
    refuse_unread_demos(&config, purpose)?;
    if given.checkpoint.is_some() && seeds.len() > 1 && policies.is_empty() {
        notes.push(format!(
            "all {} seeds begin with the same policy: they differ by finetuning alone",
            seeds.len()
        ));
    }
    for note in &notes {
        terminal::note(&format!("note: {note}"));
    }
    let plan = Plan {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command_line(),
        seeds,
        device: "cpu".to_owned(),
        checkpoint_every: 60.0,
        keep_last: 2,
        videos: true,
        companion: !session.no_companion && has_companion(&config, purpose),
        notes,
        config: None,
        inputs: None,
    };
    let plan = amended(plan, session)?;
    let help = session.helpers.find(&config, &plan.device)?;
    let claim = match &session.out {
        Some(path) => Claim::of(path)?,
        None => Folder::unused(&config)?,
    };
    let work = Folder::begin(claim, plan, &config, &inputs, &policies)?;
    carry_out(&work, help, output, &Stop::on_ctrl_c()?)
}

/// The configuration and the inputs, before they met.
fn prepared(settings: &Settings, given: Given<'_>) -> Result<(Config, Inputs)> {
    let policy = given
        .checkpoint
        .map(|path| read_archive(&policy_file(path)?))
        .transpose()?;
    let pretrained = policy.as_ref().map(policy_config).transpose()?;
    let mut config = settings.resolve(pretrained.as_ref())?;
    let demos = given.demos_file.map(read_dataset).transpose()?;
    if let Some(demos) = &demos
        && !settings.gives("demos.count")?
    {
        let tasks = config.tasks().len();
        config.demos.count = demos.episodes.len().div_ceil(tasks);
    }
    let inputs = Inputs {
        demos,
        policy,
        ..inputs()
    };
    Ok((config, inputs))
}

/// `count` seeds from the first one on.
fn seeds(first: u64, count: u64) -> Result<Vec<u64>> {
    let seeds = (0..count).map(|k| first.checked_add(k));
    seeds
        .collect::<Option<_>>()
        .ok_or_else(|| Error::input(format!("seed {first} is too large for {count} seeds")))
}

/// The policy of every seed, where the checkpoint is a run that has them all; each can be read, and
/// they were pretrained alike.
fn own_policies(checkpoint: Option<&Path>, seeds: &[u64]) -> Result<Vec<(u64, PathBuf)>> {
    let Some(path) = checkpoint else {
        return Ok(Vec::new());
    };
    let policies = policies_by_seed(path, seeds)?;
    let mut first = None;
    for (_, file) in &policies {
        let config = policy_config(&read_archive(file)?)?;
        let made = (config.policy, config.pretrain);
        if first.as_ref().is_some_and(|first| *first != made) {
            return Err(Error::input(format!(
                "{} was pretrained otherwise than the other seeds' policies: name one policy",
                file.display()
            )));
        }
        first.get_or_insert(made);
    }
    Ok(policies)
}

fn purpose(config: &Config, given: Given<'_>) -> Purpose {
    let served = config.policy.kind == PolicyKind::Served;
    Purpose::Run {
        policy: given.checkpoint.is_some() || served,
        demos: given.demos_file.is_some(),
    }
}

/// Demonstrations that neither pretraining nor finetuning reads are refused.
fn refuse_unread_demos(config: &Config, purpose: Purpose) -> Result<()> {
    let given = Purpose::Run {
        policy: true,
        demos: true,
    };
    let method = config.finetune.method.info();
    let served = config.policy.kind == PolicyKind::Served;
    if purpose != given || served || method.demos != DemoUse::Unused {
        return Ok(());
    }
    Err(Error::input(format!(
        "--demos-file has no effect here: the policy is pretrained, and finetune.method {} does \
         not learn from demonstrations; leave it out",
        method.id
    )))
}

/// Whether a BC policy is trained beside the run's own, to show both in the report.
fn has_companion(config: &Config, purpose: Purpose) -> bool {
    let pretrains = matches!(purpose, Purpose::Run { policy: false, .. });
    pretrains && config.pretrain.method.info().shows(Insight::Spread)
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
///
/// # Errors
/// When a step fails, the folder goes away, or somebody asked to stop.
pub fn carry_out(work: &Work, help: Help, output: Output, stop: &Stop) -> Result<Answer> {
    let go_on = go_on(&work.folder);
    results_of(work, help, output, stop).map_err(|error| match (work.lock.check(), error) {
        // Whatever could not be read or written then: this is why.
        (Err(moved), _) => moved,
        (_, Error::Failed(sentence) | Error::Unserved(sentence)) if !sentence.contains(&go_on) => {
            Error::failed(format!("{} ({go_on})", sentence.trim_end_matches('.')))
        }
        (_, error) => error,
    })
}

fn go_on(folder: &Folder) -> String {
    format!(
        "go on with `protege run --resume {}`",
        shell::path(&folder.0)
    )
}

fn results_of(work: &Work, help: Help, output: Output, stop: &Stop) -> Result<Answer> {
    let Work {
        folder,
        plan,
        config,
        lock,
    } = work;
    let seeds = unfinished(folder, plan)?;
    check_results(folder, &seeds)?;
    let clock = Clock::after(spent(folder, plan)?);
    let dashboard = Dashboard::new(!output.quiet);
    drive_all(work, seeds, &help, clock, &dashboard, stop)?;
    drop(help);
    let picture = if plan.companion {
        action_plot::of_run(folder, plan, config, &dashboard, stop)?
    } else {
        None
    };
    let videos = videos::of_run(folder, plan, &dashboard, stop);
    if stop.requested() {
        return Err(Error::Stopped(format!(
            "stopped; what was begun is saved: {}",
            go_on(folder)
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
        ..results::collect(&[(folder, plan)], config, picture, clock.seconds())?
    };

    lock.check()?;
    let page = folder.report();
    crate::files::write_atomic(&page, report::render(&report).as_bytes())?;
    let json = results::to_value(&report, &page);
    crate::files::write_atomic(&folder.0.join("summary.json"), to_json(&json)?.as_bytes())?;
    Ok(Answer {
        text: results::to_text(&report, &page),
        json,
    })
}

/// Checks, before the work, that what it ends with can be written.
fn check_results(folder: &Folder, unfinished: &[u64]) -> Result<()> {
    let report = folder.report();
    let summary = folder.0.join("summary.json");
    let names = ["demos.safetensors", "policy.safetensors", "summary.json"];
    let seeds = unfinished.iter().map(|&seed| folder.seed(seed));
    let results = seeds.flat_map(|seed| names.map(|name| seed.join(name)));
    let mut all = [report, summary].into_iter().chain(results);
    all.try_for_each(|path| destination(&path).map(drop))
}

/// Seconds that the run has taken in earlier sessions, as its results and checkpoints tell.
fn spent(folder: &Folder, plan: &Plan) -> Result<f64> {
    let mut most: f64 = 0.0;
    for &seed in &plan.seeds {
        let path = folder.seed(seed);
        // A damaged result is made again.
        let result = SeedResult::read(&path).ok().flatten();
        let told = result.and_then(|result| result.run_s);
        let seconds = match told {
            Some(seconds) => seconds,
            None => latest(&path)?.map_or(0.0, |saved| saved.run_s),
        };
        most = most.max(seconds);
    }
    Ok(most)
}

/// The seeds that are to be driven: those without a result, and those whose files were damaged
/// since, which their checkpoints restore.
fn unfinished(folder: &Folder, plan: &Plan) -> Result<Vec<u64>> {
    let mut seeds = Vec::new();
    for &seed in &plan.seeds {
        let path = folder.seed(seed);
        let faults = match SeedResult::read(&path) {
            Ok(None) => {
                seeds.push(seed);
                continue;
            }
            Ok(Some(result)) => result.faults(&path),
            Err(error) => vec![error.to_string()],
        };
        if !faults.is_empty() {
            check_restorable(seed, &path, &faults.join("; "))?;
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

/// Says that a finished seed is made again from its checkpoint because of `faults`; refuses where
/// there is none.
fn check_restorable(seed: u64, path: &Path, faults: &str) -> Result<()> {
    let found = latest(path).map_err(|error| Error::input(format!("{faults}; {error}")))?;
    if found.is_none() {
        return Err(Error::input(format!(
            "{faults}, and there is no checkpoint to make it again from: put it back, or remove {} \
             to run seed {seed} again",
            path.display()
        )));
    }
    terminal::note(&format!(
        "note: {faults}; it is made again from the newest checkpoint"
    ));
    Ok(())
}

/// One thread per seed, at most as many as there are cores. The first seed that fails stops the
/// others, which save.
fn drive_all(
    work: &Work,
    seeds: Vec<u64>,
    help: &Help,
    clock: Clock,
    dashboard: &Dashboard,
    stop: &Stop,
) -> Result<()> {
    let workers = seeds.len().min(cores());
    let queue = Mutex::new(seeds.into_iter());
    let next = || {
        queue
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .next()
            .filter(|_| !stop.requested())
    };
    let drive_some = || -> Result<()> {
        let _threads = share_work(threads_each(&work.plan));
        while let Some(seed) = next() {
            match drive(work, seed, help, clock, dashboard, stop) {
                // It was not reached because it was not waited for.
                Err(Error::Unserved(_)) if stop.requested() => {}
                driven => driven.inspect_err(|_| stop.request())?,
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(drive_some)).collect();
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
    work: &Work,
    seed: u64,
    help: &Help,
    clock: Clock,
    dashboard: &Dashboard,
    stop: &Stop,
) -> Result<()> {
    let plan = &work.plan;
    let checkpoint_policy = CheckpointPolicy {
        every: Duration::from_secs_f64(plan.checkpoint_every),
        keep_last: plan.keep_last,
    };
    let mut bar = dashboard.seed(seed);
    let path = work.folder.seed(seed);
    let mut seed = Seed::open(work, seed, device(&plan.device)?, checkpoint_policy, clock)?
        .with_threads(threads_each(plan))
        .with_help(help.clone());
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
