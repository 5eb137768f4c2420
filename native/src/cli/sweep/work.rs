//! The local engine: works on the cells of a sweep in processes of its own, as many at a time as
//! there are cores for, until none is left. What kills a cell's process kills no other.

use super::plan::{Sweep, number};
use crate::cli::STOPPED;
use crate::cli::answer::{Answer, Output, bug};
use crate::cli::machine::{Stop, cores};
use crate::cli::shell;
use crate::files::lease::{self, End, Record, State, look};
use crate::files::refused;
use crate::terminal;
use protege_core::{Error, Result};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often waiting cells, and the wish to stop, are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Deaths without a word after which a cell counts as failed.
const DEATHS: usize = 3;

/// Where the work stands.
struct Work {
    /// Cells that may be begun, or may be later.
    waiting: VecDeque<usize>,
    /// Processes at work, by their numbers.
    running: BTreeMap<u32, usize>,
    done: usize,
    failed: BTreeMap<usize, String>,
    deaths: BTreeMap<usize, usize>,
}

/// What there is to begin.
enum Next {
    Cell(usize),
    /// Nothing now: others are at work on what is left.
    Later,
    Nothing,
}

/// Works on a sweep; `retry`: also on cells that have failed before.
///
/// # Errors
/// When cells fail, which keeps no other from being worked on; when somebody asks to stop.
pub fn work(sweep: &Sweep, jobs: Option<usize>, retry: bool, output: Output) -> Result<Answer> {
    sweep.plan.check_version()?;
    let threads = sweep.plan.session.threads;
    let jobs = jobs.unwrap_or_else(|| (cores() / threads).max(1));
    check_memory(sweep, jobs)?;
    let began = Instant::now();
    let stop = Stop::on_ctrl_c()?;
    let work = Mutex::new(begin(sweep, retry)?);
    let count = sweep.plan.cells.len();
    if !output.quiet {
        let left = lock(&work).waiting.len();
        terminal::note(&format!(
            "{left} of {count} cells are left; {jobs} at a time"
        ));
    }
    let worker = || -> Result<()> {
        while !stop.requested() {
            let next = next(sweep, &mut lock(&work), retry)?;
            match next {
                Next::Cell(index) => drive(sweep, index, &work, &stop, output)?,
                Next::Later => std::thread::sleep(LOOK),
                Next::Nothing => return Ok(()),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let mut told = false;
        while workers.iter().any(|worker| !worker.is_finished()) {
            if stop.requested() && !told {
                told = true;
                lock(&work)
                    .running
                    .keys()
                    .for_each(|&process| ask_to_stop(process));
            }
            std::thread::sleep(LOOK);
        }
        let ends = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| Err(bug(&*panic))));
        ends.collect::<Result<()>>()
    })?;
    ended(sweep, &lock(&work), &stop, began.elapsed())
}

/// Refuses more cells at a time than the memory has room for.
fn check_memory(sweep: &Sweep, jobs: usize) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for cell in &sweep.plan.cells {
        if seen.insert(cell.config) {
            let config = sweep.plan.config(cell)?;
            crate::memory::fits_at_once(&config, cell.inputs.contains_key("checkpoint"), jobs)
                .map_err(|error| Error::input(format!("{error}, or fewer --jobs")))?;
        }
    }
    Ok(())
}

fn begin(sweep: &Sweep, retry: bool) -> Result<Work> {
    let mut work = Work {
        waiting: VecDeque::new(),
        running: BTreeMap::new(),
        done: 0,
        failed: BTreeMap::new(),
        deaths: BTreeMap::new(),
    };
    for index in 0..sweep.plan.cells.len() {
        if sweep.is_done(index) {
            work.done += 1;
        } else if let (false, Some(words)) = (retry, failure(sweep, index)?) {
            work.failed.insert(index, words);
        } else {
            work.waiting.push_back(index);
        }
    }
    Ok(work)
}

/// Why a cell failed; none where it has not.
fn failure(sweep: &Sweep, index: usize) -> Result<Option<String>> {
    Ok(match look(&sweep.lease(index))? {
        State::Ended(Record {
            end: Some(End::Failed { words }),
            ..
        }) => Some(words),
        _ => None,
    })
}

/// The first cell that can be begun. Each that waits is looked at once.
fn next(sweep: &Sweep, work: &mut Work, retry: bool) -> Result<Next> {
    for _ in 0..work.waiting.len() {
        let Some(index) = work.waiting.pop_front() else {
            break;
        };
        if sweep.is_done(index) {
            work.done += 1;
            continue;
        }
        let needs = sweep.plan.cells[index].needs();
        if let Some(need) = needs.iter().find(|need| work.failed.contains_key(need)) {
            let words = format!("cell {need}, which it begins with, failed");
            lease::fail(&sweep.lease(index), &words)?;
            work.failed.insert(index, words);
            continue;
        }
        let is_ready = needs.iter().all(|&need| sweep.is_done(need));
        if !is_ready {
            work.waiting.push_back(index);
            continue;
        }
        match look(&sweep.lease(index))? {
            State::Held(_) => work.waiting.push_back(index),
            // Another worker found it to fail meanwhile.
            State::Ended(Record {
                end: Some(End::Failed { words }),
                ..
            }) if !retry => {
                work.failed.insert(index, words);
            }
            _ => return Ok(Next::Cell(index)),
        }
    }
    let is_over = work.waiting.is_empty() && work.running.is_empty();
    Ok(if is_over { Next::Nothing } else { Next::Later })
}

/// Starts a cell's process and waits for its end.
fn drive(
    sweep: &Sweep,
    index: usize,
    work: &Mutex<Work>,
    stop: &Stop,
    output: Output,
) -> Result<()> {
    let began = Instant::now();
    let (mut child, log) = start(sweep, index)?;
    let process = child.id();
    lock(work).running.insert(process, index);
    // Asked between the start and the entry in the list.
    if stop.requested() {
        ask_to_stop(process);
    }
    let status = child.wait();
    let mut work = lock(work);
    work.running.remove(&process);
    let status = status.map_err(|e| Error::failed(format!("a cell cannot be waited for ({e})")))?;
    let seconds = began.elapsed().as_secs_f64();
    match status.code() {
        Some(0) => work.done += 1,
        Some(code) if code == i32::from(STOPPED) => {
            work.waiting.push_back(index);
            return Ok(());
        }
        Some(_) => {
            let words = failure(sweep, index)?.unwrap_or_else(|| last_words(sweep, index, log));
            lease::fail(&sweep.lease(index), &words)?;
            work.failed.insert(index, words);
        }
        None => {
            died(sweep, index, status, &mut work)?;
            return Ok(());
        }
    }
    if !output.quiet {
        terminal::note(&line(sweep, index, seconds, &work));
    }
    Ok(())
}

/// What is said of a cell that has ended.
fn line(sweep: &Sweep, index: usize, seconds: f64, work: &Work) -> String {
    let count = sweep.plan.cells.len();
    let ended = work.done + work.failed.len();
    let name = sweep.plan.cells[index].name();
    match work.failed.get(&index) {
        None => format!("{ended}/{count}  cell {index} ({name}): {seconds:.1} s"),
        Some(words) => format!("{ended}/{count}  cell {index} ({name}) failed: {words}"),
    }
}

/// The process of a cell, and how long its log was before.
fn start(sweep: &Sweep, index: usize) -> Result<(std::process::Child, u64)> {
    let path = sweep.log(index);
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let mut log = log.map_err(|e| refused(&path, &e))?;
    let before = log.seek(SeekFrom::End(0)).unwrap_or(0);
    let program = std::env::current_exe().map_err(|e| {
        Error::failed(format!(
            "this program cannot be found to be run again ({e})"
        ))
    })?;
    let mut command = Command::new(program);
    command
        .args(["sweep", "cell"])
        .arg(shell_safe(sweep))
        .args(["--index", &index.to_string(), "--quiet"])
        .args(["--threads", &sweep.plan.session.threads.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let child = command.spawn();
    let child = child.map_err(|e| {
        Error::failed(format!(
            "the process of cell {index} cannot be started ({e})"
        ))
    })?;
    Ok((child, before))
}

/// The sweep's folder as an argument that no option looks like.
fn shell_safe(sweep: &Sweep) -> std::path::PathBuf {
    match sweep.folder.is_absolute() {
        true => sweep.folder.clone(),
        false => std::path::Path::new(".").join(&sweep.folder),
    }
}

/// The last line of a log after so many bytes.
fn last_words(sweep: &Sweep, index: usize, before: u64) -> String {
    let read = || {
        let mut file = File::open(sweep.log(index)).ok()?;
        file.seek(SeekFrom::Start(before)).ok()?;
        std::io::read_to_string(file).ok()
    };
    let text = read().unwrap_or_default();
    let words = text.lines().rev().find(|line| !line.trim().is_empty());
    let words = words.unwrap_or("it ended without a word");
    terminal::sentence(words.trim_start_matches("error: "))
}

/// A process that ended by a signal: its cell is begun again, a few times.
fn died(sweep: &Sweep, index: usize, status: ExitStatus, work: &mut Work) -> Result<()> {
    let deaths = work.deaths.entry(index).or_default();
    *deaths += 1;
    if *deaths < DEATHS {
        work.waiting.push_back(index);
        return Ok(());
    }
    let words = format!(
        "its process died {DEATHS} times without a word ({status}): is there memory enough? See {}",
        terminal::path(&sweep.log(index))
    );
    lease::fail(&sweep.lease(index), &words)?;
    terminal::note(&format!("cell {index} failed: {words}"));
    work.failed.insert(index, words);
    Ok(())
}

#[cfg(unix)]
fn ask_to_stop(process: u32) {
    let Ok(process) = i32::try_from(process) else {
        return;
    };
    // SAFETY: it is a child of ours that was not waited for when it was listed; a number that is
    // nobody's any more is refused by the system.
    #[allow(unsafe_code, reason = "the standard library cannot do it")]
    unsafe {
        libc::kill(process, libc::SIGTERM);
    }
}

#[cfg(not(unix))]
fn ask_to_stop(_: u32) {}

fn ended(sweep: &Sweep, work: &Work, stop: &Stop, time: Duration) -> Result<Answer> {
    let count = sweep.plan.cells.len();
    let Work { done, failed, .. } = work;
    let named = shell::path(&sweep.folder);
    if stop.requested() {
        return Err(Error::Stopped(format!(
            "stopped; {done} of {count} cells are done, and what was begun is saved: go on with \
             `protege sweep work {named}`"
        )));
    }
    if let Some((index, words)) = failed.first_key_value() {
        return Err(Error::failed(format!(
            "{} of {count} cells failed, the others are done; cell {index} ({}): {words}; see \
             {}, and try again with `protege sweep work {named} --retry`",
            failed.len(),
            sweep.plan.cells[*index].name(),
            terminal::path(
                &sweep
                    .folder
                    .join("logs")
                    .join(format!("{}.log", number(*index)))
            )
        )));
    }
    let seconds = time.as_secs_f64();
    Ok(Answer {
        json: json!({ "cells": count, "done": done, "seconds": seconds }),
        text: format!(
            "{done} of {count} cells are done ({seconds:.0} s); see them with `protege sweep \
             gather {named}`\n"
        ),
    })
}

fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}
