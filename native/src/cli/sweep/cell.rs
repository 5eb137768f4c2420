//! One cell of a sweep: begun, gone on with, or found to be done.

use super::plan::{Given, Kind, PlannedCell, Sweep};
use crate::cli::answer::Output;
use crate::cli::claim::{Claim, Lock};
use crate::cli::commands::demos::of_expert;
use crate::cli::finished::policy_in;
use crate::cli::machine::{Stop, device};
use crate::cli::plan::{Folder, Plan, Work, read_archive, read_dataset};
use crate::cli::session::carry_out;
use crate::cli::session::seed::watch;
use crate::cli::shell;
use crate::dashboard::Dashboard;
use crate::engines::inputs;
use crate::files::create_subfolder;
use crate::files::lease::{End, Lease, PATIENCE, Record, State, Taken, look};
use crate::terminal;
use protege_core::data::Dataset;
use protege_core::run::{Inputs, Run};
use protege_core::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often somebody else's lease is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Works on a cell until it is done, fails, or somebody asks to stop.
///
/// # Errors
/// [`Error::Stopped`] where it can go on later: it was stopped, another process works on it, or a
/// cell that it needs is not done. Otherwise what went wrong, which is in the cell's record, too.
pub fn run(sweep: &Sweep, index: usize, limit: Option<Duration>, output: Output) -> Result<()> {
    let cell = sweep.cell(index)?;
    if sweep.is_done(index) {
        return Ok(());
    }
    check_needs(sweep, index)?;
    let stop = Stop::on_ctrl_c()?;
    if let Some(limit) = limit {
        stop_after(limit, &stop)?;
    }
    let lease = take(sweep, index, &stop)?;
    // Whoever had it before may have finished it.
    if sweep.is_done(index) {
        return lease.end(End::Done { seconds: 0.0 });
    }
    let began = Instant::now();
    let worked = match cell.kind {
        Kind::Demos => record(sweep, index, output, &stop),
        Kind::Pretrain | Kind::Run => work(sweep, index, output, &stop),
    };
    if lease.is_lost() {
        // What went wrong then went wrong because two were at work.
        return lease.end(End::Stopped);
    }
    let seconds = began.elapsed().as_secs_f64();
    match worked {
        Ok(before) => lease.end(End::Done {
            seconds: before.unwrap_or(seconds),
        }),
        Err(error @ Error::Stopped(_)) => lease.end(End::Stopped).and(Err(error)),
        Err(error) => {
            let words = terminal::sentence(&error.to_string());
            // The first error says more than one of the disk that follows from it.
            let _ = lease.end(End::Failed { words });
            Err(error)
        }
    }
}

/// Refuses to begin before the cells that this one needs are done.
fn check_needs(sweep: &Sweep, index: usize) -> Result<()> {
    for need in sweep.cell(index)?.needs() {
        if sweep.is_done(need) {
            continue;
        }
        if let State::Ended(Record {
            end: Some(End::Failed { words }),
            ..
        }) = look(&sweep.lease(need))?
        {
            return Err(Error::failed(format!(
                "cell {need}, which cell {index} begins with, failed: {words}"
            )));
        }
        return Err(Error::Stopped(format!(
            "cell {index} begins with what cell {need} makes, and that is not done yet"
        )));
    }
    Ok(())
}

fn stop_after(limit: Duration, stop: &Stop) -> Result<()> {
    let stop = stop.clone();
    let wait = move || {
        std::thread::sleep(limit);
        terminal::note("the time is over: a checkpoint is being saved");
        stop.request();
    };
    let thread = std::thread::Builder::new().spawn(wait);
    let thread = thread.map(drop);
    thread.map_err(|e| Error::failed(format!("the system has no thread for the time limit ({e})")))
}

/// The lease of a cell. One whose holder may be dead is waited for.
fn take(sweep: &Sweep, index: usize, stop: &Stop) -> Result<Lease> {
    let began = Instant::now();
    loop {
        let on_loss = {
            let stop = stop.clone();
            move || stop.request()
        };
        let holder = match Lease::take(&sweep.lease(index), on_loss)? {
            Taken::Lease(lease) => return Ok(lease),
            Taken::Held(holder) => holder,
        };
        if stop.requested() || began.elapsed() > 2 * PATIENCE {
            return Err(Error::Stopped(format!(
                "process {} on {} is at work on cell {index}",
                holder.pid, holder.host
            )));
        }
        std::thread::sleep(LOOK);
    }
}

/// Drives the run of a cell; the seconds that it took over all sessions.
fn work(sweep: &Sweep, index: usize, output: Output, stop: &Stop) -> Result<Option<f64>> {
    let folder = sweep.run(index);
    let work = match folder.join("plan.json").exists() {
        true => {
            let lock = Lock::take(&folder)?;
            let (folder, plan, config) = Folder::open(&folder)?;
            Work {
                folder,
                plan,
                config,
                lock: Arc::new(lock),
            }
        }
        false => begin(sweep, index)?,
    };
    let answer = carry_out(&work, None, output, stop)?;
    Ok(answer.json["wall_s"].as_f64())
}

/// Begins the run of a cell.
fn begin(sweep: &Sweep, index: usize) -> Result<Work> {
    let cell = sweep.cell(index)?;
    let session = &sweep.plan.session;
    let inputs = given(sweep, cell)?;
    let wanted = sweep.plan.config(cell)?;
    let run = Run::new(wanted, inputs.clone(), device(&session.device)?)?;
    let config = run.config().clone();
    let plan = Plan {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: format!(
            "protege sweep cell {} --index {index}",
            shell::path(&sweep.folder)
        ),
        seeds: vec![cell.seed],
        device: session.device.clone(),
        checkpoint_every: session.checkpoint_every,
        keep_last: session.keep_last,
        videos: session.videos,
        companion: false,
        notes: protege_core::run::notes(&config, &inputs)?,
        config: None,
        inputs: None,
    };
    let claim = Claim::of(&sweep.run(index))?;
    Folder::begin(claim, plan, &config, &inputs, &[])
}

/// What a cell is given instead of making it.
fn given(sweep: &Sweep, cell: &PlannedCell) -> Result<Inputs> {
    let file = |what: &str| {
        let name = cell.inputs.get(what);
        name.map(|name| sweep.input(name)).transpose()
    };
    let mut demos = file("demos_file")?
        .map(|path| read_dataset(&path))
        .transpose()?;
    let mut policy = file("checkpoint")?
        .map(|path| read_archive(&path))
        .transpose()?;
    for given in &cell.given {
        match *given {
            Given::Demos(maker) => demos = Some(read_dataset(&sweep.demos(maker))?),
            Given::Policy(maker) => policy = Some(made_policy(&sweep.seed(maker))?),
        }
    }
    Ok(Inputs {
        demos,
        policy,
        ..inputs()
    })
}

fn made_policy(seed: &Path) -> Result<protege_core::data::Archive> {
    let path = policy_in(seed)?
        .ok_or_else(|| Error::input(format!("{} has no policy any more", terminal::path(seed))))?;
    read_archive(&path)
}

/// Records the demonstrations of a cell.
fn record(sweep: &Sweep, index: usize, output: Output, stop: &Stop) -> Result<Option<f64>> {
    let cell = sweep.cell(index)?;
    let config = sweep.plan.config(cell)?;
    let stopped = || stop.requested();
    let dataset = match cell.inputs.get("expert") {
        Some(name) => of_expert(&config, &sweep.input(name)?, output, &stopped)?.0,
        None => scripted(Run::new(config, inputs(), device("cpu")?)?, output, stop)?,
    };
    dataset.check()?;
    create_subfolder(&sweep.run(index))?;
    crate::files::write_pieces(&sweep.demos(index), |file| dataset.write(file))?;
    Ok(None)
}

fn scripted(mut run: Run, output: Output, stop: &Stop) -> Result<Dataset> {
    let mut bar = Dashboard::new(!output.quiet);
    watch(&mut run, &mut bar, |run, _| {
        run.demos().is_some() || stop.requested()
    })?;
    bar.finish("demonstrations");
    let stopped = || Error::Stopped("stopped while recording demonstrations".to_owned());
    run.demos().cloned().ok_or_else(stopped)
}
