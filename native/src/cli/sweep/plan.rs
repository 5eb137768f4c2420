//! The plan of a sweep, which is written once: its cells in order, and what they are given.

use super::cells::{self, Point};
use super::share::with_makers;
use super::spec::{SessionSpec, Spec};
use crate::cli::plan::to_json;
use crate::cli::shell;
use crate::engines::{CATALOG, inputs};
use crate::files::checkpoints::FileEntry;
use crate::files::seal::{Seal, sealed, unsealed};
use crate::files::{create_folder, partial, put_in_place, read, write_atomic};
use crate::terminal;
use protege_core::data::sha256;
use protege_core::error::excerpt;
use protege_core::run::{Config, Run};
use protege_core::settings::{Setting, leaves};
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file with which a folder holds a sweep.
const PLAN: &str = "sweep.json";
/// The sweep's file, as it was given.
const SPEC: &str = "sweep.toml";
/// The structure of [`PLAN`].
const FORMAT: u32 = 1;
/// Cells that a sweep has at most.
const MOST_CELLS: usize = 100_000;

/// What a cell does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Records demonstrations for others.
    Demos,
    /// Pretrains a policy for others.
    Pretrain,
    /// A run of the sweep.
    Run,
}

impl Kind {
    /// In the order in which they wait for each other.
    pub const ALL: [Self; 3] = [Self::Demos, Self::Pretrain, Self::Run];

    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demos => "demos",
            Self::Pretrain => "pretrain",
            Self::Run => "run",
        }
    }
}

/// What another cell makes for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// The demonstrations of that cell.
    Demos(usize),
    /// The policy of that cell.
    Policy(usize),
}

/// A cell before it is in a plan.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it does.
    pub kind: Kind,
    /// Dimension and value, as results are grouped by.
    pub labels: Vec<Setting>,
    /// The seed.
    pub seed: u64,
    /// The configuration, whatever the seed: cells that differ in that alone share it.
    pub config: Arc<Config>,
    /// The files that it is given: what for, and the name in the sweep's folder of inputs.
    pub inputs: BTreeMap<String, String>,
    /// What other cells make for it.
    pub given: Vec<Given>,
}

/// A cell of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCell {
    /// What it does.
    pub kind: Kind,
    /// Dimension and value, as results are grouped by.
    pub labels: Vec<Setting>,
    /// The seed.
    pub seed: u64,
    /// The place of its configuration among those of the plan.
    pub config: usize,
    /// The files that it is given: what for, and the name in the sweep's folder of inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// What other cells make for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
}

impl PlannedCell {
    /// The cells that it waits for.
    pub fn needs(&self) -> BTreeSet<usize> {
        let maker = |given: &Given| match given {
            Given::Demos(maker) | Given::Policy(maker) => *maker,
        };
        self.given.iter().map(maker).collect()
    }

    /// In words: `lab/lift, post-bc, seed 3`.
    pub fn name(&self) -> String {
        let seed = self.seed;
        match (self.kind, self.labels.is_empty()) {
            (Kind::Demos, _) => format!("demonstrations, seed {seed}"),
            (Kind::Pretrain, _) => {
                format!("pretraining, {}, seed {seed}", cells::named(&self.labels))
            }
            (Kind::Run, true) => format!("seed {seed}"),
            (Kind::Run, false) => format!("{}, seed {seed}", cells::named(&self.labels)),
        }
    }
}

/// What a sweep's folder says of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    format: u32,
    /// The version of the program that planned it.
    pub version: String,
    /// What it is about.
    pub title: String,
    /// The command line that planned it.
    pub command: String,
    /// How cells are carried out.
    pub session: SessionSpec,
    /// Configurations, as what differs from the first one.
    configs: Vec<Vec<Setting>>,
    /// Size and checksum of the files that cells are given.
    inputs: BTreeMap<String, FileEntry>,
    /// The cells, in order.
    pub cells: Vec<PlannedCell>,
}

/// A sweep in its folder. Every path in it is named here.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The folder.
    pub folder: PathBuf,
    /// What it says.
    pub plan: Plan,
}

/// Plans what the file at `path` describes: every cell is resolved and found to be one that can
/// work, before there is a folder.
///
/// # Errors
/// Names the file, the cell and what is wrong with it.
pub fn make(path: &Path) -> Result<(Plan, Vec<(String, PathBuf)>)> {
    let spec = Spec::read(path)?;
    let within = |error: Error| Error::input(format!("{}: {error}", terminal::path(path)));
    let beside = path.parent().unwrap_or(Path::new("."));
    planned(&spec, beside).map_err(within)
}

fn planned(spec: &Spec, beside: &Path) -> Result<(Plan, Vec<(String, PathBuf)>)> {
    let points = cells::points(spec)?;
    let count = points.len() * spec.seeds.len();
    if count == 1 {
        return Err(Error::input(
            "the sweep has a single cell: give it a grid, arms or seeds, or use `protege run`",
        ));
    }
    protege_core::error::within("the number of cells", count, 1, MOST_CELLS)?;
    crate::cli::machine::device(&spec.session.device)?;
    rehearse(&points)?;
    let mut files = Files::default();
    let mut runs = Vec::new();
    // All cells of a seed before those of the next: what is there after half of the time is a sweep
    // of half the seeds.
    for &seed in &spec.seeds {
        for point in &points {
            let mut inputs = BTreeMap::new();
            for (what, path) in &point.inputs {
                inputs.insert(what.clone(), files.name(path, seed, beside)?);
            }
            runs.push(Cell {
                kind: Kind::Run,
                labels: point.labels.clone(),
                seed,
                config: Arc::clone(&point.config),
                inputs,
                given: Vec::new(),
            });
        }
    }
    let cells = with_makers(runs, spec.share)?;
    let inputs = files.entries()?;
    let mut plan = Plan {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: spec.title.clone(),
        command: shell::command_line(),
        session: spec.session.clone(),
        configs: Vec::new(),
        inputs,
        cells: Vec::new(),
    };
    plan.fill(cells);
    Ok((plan, files.0.into_iter().collect()))
}

/// Makes the environments and whatever else each kind of run needs, and drops them: what is missing
/// is noticed before anything runs.
fn rehearse(points: &[Point]) -> Result<()> {
    let mut done = BTreeSet::new();
    for Point { labels, config, .. } in points {
        let needs = (
            (config.task.clone(), config.engine.clone()),
            format!("{:?}", config.env),
            format!("{:?}", config.policy.kind),
        );
        if done.insert(needs) {
            let run = Run::new(
                Config::clone(config),
                inputs(),
                burn::tensor::Device::flex(),
            );
            run.map_err(|error| Error::input(format!("{}: {error}", cells::named(labels))))?;
        }
    }
    Ok(())
}

/// The files that cells are given, by the names that they have in the sweep's folder.
#[derive(Default)]
struct Files(BTreeMap<String, PathBuf>);

impl Files {
    /// The name of a file, whose path may speak of `{seed}`.
    fn name(&mut self, path: &str, seed: u64, beside: &Path) -> Result<String> {
        let path = beside.join(path.replace("{seed}", &seed.to_string()));
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name else {
            return Err(Error::input(format!("{} names no file", path.display())));
        };
        match self.0.get(&name) {
            Some(other) if *other != path => Err(Error::input(format!(
                "{} and {} are two files with one name, by which the sweep's folder could not tell \
                 them apart: rename one",
                other.display(),
                path.display()
            ))),
            Some(_) => Ok(name),
            None => {
                self.0.insert(name.clone(), path);
                Ok(name)
            }
        }
    }

    fn entries(&self) -> Result<BTreeMap<String, FileEntry>> {
        let entry = |(name, path): (&String, &PathBuf)| {
            let bytes = read(path)?;
            Ok((name.clone(), FileEntry::of(&bytes)))
        };
        self.0.iter().map(entry).collect()
    }
}

impl Plan {
    /// Takes cells up: equal configurations once, as their difference from the first.
    fn fill(&mut self, cells: Vec<Cell>) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        // Cells that differ in the seed alone share their configuration.
        let mut known: BTreeMap<*const Config, usize> = BTreeMap::new();
        let mut first = Vec::new();
        let mut place = |cell: &Cell| {
            *known.entry(Arc::as_ptr(&cell.config)).or_insert_with(|| {
                let own = leaves(&cell.config.to_value(), "");
                let checksum = sha256(format!("{own:?}").as_bytes());
                *places.entry(checksum).or_insert_with(|| {
                    self.configs.push(difference(&mut first, own));
                    self.configs.len() - 1
                })
            })
        };
        let configs: Vec<usize> = cells.iter().map(&mut place).collect();
        for (cell, config) in cells.into_iter().zip(configs) {
            self.cells.push(PlannedCell {
                kind: cell.kind,
                labels: cell.labels,
                seed: cell.seed,
                config,
                inputs: cell.inputs,
                given: cell.given,
            });
        }
    }

    /// The configuration of a cell.
    ///
    /// # Errors
    /// When the plan was written by another version, which knew other settings.
    pub fn config(&self, cell: &PlannedCell) -> Result<Config> {
        let first = self.configs.first().into_iter().flatten();
        let own = match cell.config {
            0 => [].iter(),
            place => self.configs.get(place).map_or([].iter(), |own| own.iter()),
        };
        let mut tree = Value::Object(serde_json::Map::new());
        for (key, value) in first.chain(own) {
            put(&mut tree, key, value);
        }
        let mut config = Config::from_saved(&tree, &CATALOG)?;
        config.seed = cell.seed;
        Ok(config)
    }

    /// Refuses to go on with what another version began: its cells would be of two programs.
    ///
    /// # Errors
    /// Names both versions.
    pub fn check_version(&self) -> Result<()> {
        let own = env!("CARGO_PKG_VERSION");
        if self.version == own {
            return Ok(());
        }
        Err(Error::input(format!(
            "the sweep was planned by protege {}, and this is {own}: go on with that, or plan it \
             anew",
            excerpt(&self.version)
        )))
    }

    fn check(&self) -> std::result::Result<(), String> {
        let count = self.cells.len();
        let mut cells = self.cells.iter().enumerate();
        let sound = |(i, cell): (usize, &PlannedCell)| {
            let earlier = cell.needs().iter().all(|&need| need < i);
            let files = cell.inputs.values();
            let has_files = files.into_iter().all(|name| self.inputs.contains_key(name));
            earlier && has_files && cell.config < self.configs.len()
        };
        match cells.find(|&(i, cell)| !sound((i, cell))) {
            Some((i, _)) => Err(format!("its cell {i} of {count} does not fit the others")),
            None if count == 0 => Err("it has no cells".to_owned()),
            None => Ok(()),
        }
    }
}

/// The settings that differ from those of the first configuration; of the first all.
fn difference(first: &mut Vec<Setting>, own: Vec<Setting>) -> Vec<Setting> {
    if first.is_empty() {
        first.clone_from(&own);
        return own;
    }
    // All have the same settings, in the same order.
    let pairs = own.into_iter().zip(first.iter());
    let differs = pairs.filter(|(own, first)| own != *first);
    differs.map(|(own, _)| own).collect()
}

/// Puts a value at a key, with the groups above it.
fn put(tree: &mut Value, key: &str, value: &Value) {
    let slot = key.split('.').fold(tree, |group, name| {
        if group.is_null() {
            *group = Value::Object(serde_json::Map::new());
        }
        &mut group[name]
    });
    *slot = value.clone();
}

impl Sweep {
    /// Writes a plan, with its sources, into a new folder.
    ///
    /// # Errors
    /// When there is something in its place, or the disk refuses; nothing is left then.
    pub fn begin(
        folder: &Path,
        plan: Plan,
        spec: &Path,
        files: &[(String, PathBuf)],
    ) -> Result<Self> {
        refuse_used(folder)?;
        if let Some(parent) = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            create_folder(parent)?;
        }
        let begun = partial(folder);
        let written = write(&begun, &plan, spec, files).and_then(|()| put_in_place(&begun, folder));
        if let Err(error) = written {
            let _ = std::fs::remove_dir_all(&begun);
            return Err(error);
        }
        Ok(Self {
            folder: folder.to_owned(),
            plan,
        })
    }

    /// The sweep in a folder.
    ///
    /// # Errors
    /// When it holds none, or its plan was changed or is of another version.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(PLAN);
        if !path.exists() {
            return Err(Error::input(format!(
                "{} holds no sweep: it has no {PLAN}; make one with `protege sweep plan`",
                terminal::path(folder)
            )));
        }
        let damaged = |why: &str| {
            Error::input(format!(
                "{} {why}: put back what it was, or plan the sweep anew from {}",
                terminal::path(&path),
                terminal::path(&folder.join(SPEC))
            ))
        };
        let (seal, text) = unsealed(&read(&path)?);
        let value: Value =
            serde_json::from_slice(&text).map_err(|e| damaged(&format!("is damaged ({e})")))?;
        if value["format"] != FORMAT {
            let version = value["version"].as_str().unwrap_or("an unknown version");
            return Err(Error::input(format!(
                "{} was written by protege {}, whose sweeps this {} does not know: use that, or \
                 plan the sweep anew",
                terminal::path(&path),
                excerpt(version),
                env!("CARGO_PKG_VERSION")
            )));
        }
        if seal != Seal::Whole {
            return Err(damaged("was changed: it does not match its checksum"));
        }
        let plan = Plan::deserialize(&value).map_err(|e| damaged(&format!("is damaged ({e})")))?;
        plan.check()
            .map_err(|why| damaged(&format!("is damaged ({why})")))?;
        Ok(Self {
            folder: folder.to_owned(),
            plan,
        })
    }

    /// The cell of a number.
    ///
    /// # Errors
    /// When there are not so many.
    pub fn cell(&self, index: usize) -> Result<&PlannedCell> {
        self.plan.cells.get(index).ok_or_else(|| {
            Error::input(format!(
                "there is no cell {index} in {}: its cells are 0 to {}",
                terminal::path(&self.folder),
                self.plan.cells.len() - 1
            ))
        })
    }

    /// The folder of a cell's run.
    pub fn run(&self, index: usize) -> PathBuf {
        self.folder.join("cells").join(number(index))
    }

    /// The folder of the seed of a cell's run.
    pub fn seed(&self, index: usize) -> PathBuf {
        let seed = self.plan.cells[index].seed;
        self.run(index).join(format!("seed-{seed}"))
    }

    /// The demonstrations that a cell leaves.
    pub fn demos(&self, index: usize) -> PathBuf {
        match self.plan.cells[index].kind {
            Kind::Demos => self.run(index).join("demos.safetensors"),
            _ => self.seed(index).join("demos.safetensors"),
        }
    }

    /// The records of who works on a cell.
    pub fn lease(&self, index: usize) -> PathBuf {
        self.folder.join("leases").join(number(index))
    }

    /// The words of those who worked on a cell.
    pub fn log(&self, index: usize) -> PathBuf {
        self.folder
            .join("logs")
            .join(format!("{}.log", number(index)))
    }

    /// What is submitted to engines.
    pub fn submitted(&self) -> PathBuf {
        self.folder.join("submit")
    }

    /// Whether a cell has left all that it is to leave.
    pub fn is_done(&self, index: usize) -> bool {
        match self.plan.cells[index].kind {
            Kind::Demos => self.demos(index).exists(),
            _ => self.run(index).join("summary.json").exists(),
        }
    }

    /// A file that cells are given, found to be what it was when the sweep was planned.
    ///
    /// # Errors
    /// When it is not.
    pub fn input(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join("inputs").join(name);
        let fits = self
            .plan
            .inputs
            .get(name)
            .is_some_and(|entry| read(&path).is_ok_and(|bytes| entry.fits(&bytes)));
        match fits {
            true => Ok(path),
            false => Err(Error::input(format!(
                "{} is not the file that the sweep was planned with; put that back",
                terminal::path(&path)
            ))),
        }
    }
}

/// A cell's number as in names of files: they sort.
pub fn number(index: usize) -> String {
    format!("{index:05}")
}

/// Refuses a folder that holds anything.
fn refuse_used(folder: &Path) -> Result<()> {
    let shown = terminal::path(folder);
    if folder.join(PLAN).exists() {
        return Err(Error::input(format!(
            "{shown} already holds a sweep, which is never planned twice: go on with `protege \
             sweep work {}`, or choose another --out",
            shell::path(folder)
        )));
    }
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Error::input(format!(
            "{shown} is not empty: choose another --out"
        ))),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::input(format!(
            "{shown} is no folder for a sweep ({e}): choose another --out"
        ))),
        _ => Ok(()),
    }
}

fn write(folder: &Path, plan: &Plan, spec: &Path, files: &[(String, PathBuf)]) -> Result<()> {
    create_folder(folder)?;
    for name in ["cells", "leases", "logs", "inputs", "submit"] {
        create_folder(&folder.join(name))?;
    }
    for (name, path) in files {
        write_atomic(&folder.join("inputs").join(name), &read(path)?)?;
    }
    write_atomic(&folder.join(SPEC), &read(spec)?)?;
    write_atomic(&folder.join(PLAN), sealed(&to_json(plan)?).as_bytes())
}
