//! Engines that carry a sweep out on other machines: what they are handed is written into the
//! sweep's folder, and begun there.

mod kubernetes;
mod ray;
mod slurm;

use super::plan::{Kind, Sweep};
use crate::cli::answer::{self, Answer};
use crate::cli::shell::quoted;
use crate::files::{create_subfolder, write_atomic};
use crate::terminal;
use protege_core::{Error, Result};
use serde_json::json;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What carries cells out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// Arrays of a Slurm cluster
    Slurm,
    /// Tasks of a Ray cluster
    Ray,
    /// An Indexed Job of a Kubernetes cluster; untested
    Kubernetes,
}

/// How a sweep is handed over.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Cells at a time at most; none: as many as the engine likes.
    pub at_once: Option<u32>,
    /// Whether it is only written, and not begun.
    pub dry_run: bool,
    /// The engine's own flags.
    pub flags: Vec<String>,
}

/// A sweep that is handed over.
struct Handover<'a> {
    sweep: &'a Sweep,
    /// This program and the sweep's folder, as other machines find them.
    program: PathBuf,
    folder: PathBuf,
    /// The cells that are not done, of each kind.
    left: Vec<(Kind, Vec<usize>)>,
    wishes: &'a Wishes,
}

/// Something to run, and how it is shown.
struct Step {
    command: Command,
    shown: String,
}

impl Step {
    fn new(program: &str, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        let words = arguments.iter().map(|word| quoted(OsStr::new(word)));
        let words: Vec<String> = std::iter::once(program.to_owned()).chain(words).collect();
        Self {
            command,
            shown: words.join(" "),
        }
    }

    /// What it prints.
    fn run(mut self) -> Result<String> {
        let output = self.command.output();
        let output = output.map_err(|e| {
            Error::failed(format!(
                "`{}` cannot be started ({e}): is this a machine from which jobs are submitted?",
                self.shown
            ))
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        // Some say on stdout what went wrong.
        let said = [output.stderr, output.stdout].map(|bytes| text(&bytes));
        let words = said
            .iter()
            .flat_map(|text| text.lines())
            .rfind(|line| !line.is_empty());
        Err(Error::failed(format!(
            "`{}` failed: {}",
            self.shown,
            terminal::sentence(words.unwrap_or("it does not say why"))
        )))
    }
}

/// Hands the cells that are not done to an engine.
///
/// # Errors
/// When the engine is not there or refuses, or the disk does.
pub fn submit(sweep: &Sweep, engine: Engine, wishes: &Wishes) -> Result<Answer> {
    sweep.plan.check_version()?;
    let left = |kind: Kind| {
        let all = sweep.plan.cells.iter().enumerate();
        let of_kind = all.filter(|(index, cell)| cell.kind == kind && !sweep.is_done(*index));
        (kind, of_kind.map(|(index, _)| index).collect::<Vec<_>>())
    };
    let mut left: Vec<(Kind, Vec<usize>)> = Kind::ALL.map(left).into();
    left.retain(|(_, cells)| !cells.is_empty());
    if left.is_empty() {
        return Ok(Answer {
            json: json!({ "cells": 0, "commands": [] }),
            text: "every cell is done: there is nothing to submit\n".to_owned(),
        });
    }
    let absolute = |path: &Path| {
        std::fs::canonicalize(path)
            .map_err(|e| Error::failed(format!("{} cannot be found ({e})", terminal::path(path))))
    };
    let program = std::env::current_exe();
    let program = program
        .map_err(|e| Error::failed(format!("this program cannot be found to be named ({e})")))?;
    let handover = Handover {
        sweep,
        program: absolute(&program)?,
        folder: absolute(&sweep.folder)?,
        left,
        wishes,
    };
    create_subfolder(&sweep.submitted())?;
    let commands = match engine {
        Engine::Slurm => slurm::submit(&handover)?,
        Engine::Ray => ray::submit(&handover)?,
        Engine::Kubernetes => kubernetes::submit(&handover)?,
    };
    let count: usize = handover.left.iter().map(|(_, cells)| cells.len()).sum();
    let done = if wishes.dry_run { "to be run" } else { "run" };
    let mut text = format!("{count} cells are left; {done}:\n");
    for command in &commands {
        text += &format!("  {command}\n");
    }
    Ok(Answer {
        json: json!({
            "cells": count,
            "commands": commands,
            "folder": answer::path(&sweep.submitted()),
        }),
        text,
    })
}

impl Handover<'_> {
    /// Writes a file for the engine; where it lies, as other machines find it.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        write_atomic(&self.sweep.submitted().join(name), text.as_bytes())?;
        Ok(self.folder.join("submit").join(name))
    }

    /// Writes a list of cells, a number on each line.
    fn write_list(&self, name: &str, cells: &[usize]) -> Result<PathBuf> {
        let lines: String = cells.iter().map(|cell| format!("{cell}\n")).collect();
        self.write(name, &lines)
    }

    /// Runs a step, unless it is only to be shown; what it prints.
    fn run(&self, step: Step) -> Result<Option<String>> {
        match self.wishes.dry_run {
            true => Ok(None),
            false => step.run().map(Some),
        }
    }
}

/// A template with its places filled.
fn filled(template: &str, places: &[(&str, &str)]) -> String {
    let fill =
        |text: String, (name, value): &(&str, &str)| text.replace(&format!("@{name}@"), value);
    places.iter().fold(template.to_owned(), fill)
}
