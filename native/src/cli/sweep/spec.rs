//! A sweep as its file describes it: settings that all cells share, a grid, arms, seeds.

use crate::cli::names::known;
use crate::cli::plan::MOST_SEEDS;
use crate::cli::settings::read_toml;
use crate::terminal;
use protege_core::error::excerpt;
use protege_core::run::resolve;
use protege_core::settings::{Setting, leaves};
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// The dimension of the arms.
pub const ARM: &str = "arm";
/// Settings of this group are files that cells are given.
pub const INPUTS: &str = "inputs.";
/// What may be given: demonstrations, a policy, a network that demonstrates.
pub const INPUT_NAMES: [&str; 3] = ["demos_file", "checkpoint", "expert"];

const TABLES: [&str; 9] = [
    "title", "base", "grid", "arm", "when", "skip", "share", "session", "seeds",
];

/// A sweep file.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What it is about, for the page.
    pub title: String,
    /// What all cells share.
    pub base: Vec<Setting>,
    /// Settings and their values: every combination is a cell.
    pub grid: Vec<(String, Vec<Value>)>,
    /// Named groups of settings, a dimension of the grid like others.
    pub arms: Vec<Arm>,
    /// The seeds of every combination.
    pub seeds: Vec<u64>,
    /// What some of the cells have besides.
    pub when: Vec<When>,
    /// Combinations that are left out.
    pub skip: Vec<Vec<Setting>>,
    /// What cells make once.
    pub share: Share,
    /// How cells are carried out.
    pub session: SessionSpec,
}

/// A named group of settings.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// Settings of the cells that have others.
#[derive(Debug, Clone)]
pub struct When {
    /// Which cells: those with all of these.
    pub is: Vec<Setting>,
    /// What they have besides.
    pub set: Vec<Setting>,
}

/// What cells with equal settings make once.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Demonstrations.
    #[serde(default)]
    pub demos: bool,
    /// The pretrained policy.
    #[serde(default)]
    pub pretrain: bool,
}

/// How cells are carried out; none of it changes a number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSpec {
    /// `cpu`, `wgpu` or `cuda:N`.
    pub device: String,
    /// Seconds between checkpoints.
    pub checkpoint_every: f64,
    /// Checkpoints that are kept.
    pub keep_last: usize,
    /// Whether reports show videos.
    pub videos: bool,
    /// Cores of a cell.
    pub threads: usize,
}

impl Default for SessionSpec {
    fn default() -> Self {
        Self {
            device: "cpu".to_owned(),
            checkpoint_every: 60.0,
            keep_last: 1,
            videos: false,
            threads: 1,
        }
    }
}

impl Spec {
    /// Reads a sweep file.
    ///
    /// # Errors
    /// Names the file, the table and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self> {
        let file = read_toml(path)?;
        Self::parse(file)
            .map_err(|error| Error::input(format!("{}: {error}", terminal::path(path))))
    }

    fn parse(mut file: Map<String, Value>) -> Result<Self> {
        for name in file.keys() {
            known("table of a sweep", name, TABLES.map(str::to_owned).into())?;
        }
        let mut grid = file.remove("grid").unwrap_or_default();
        let seeds = [grid.get_mut("seeds"), file.get_mut("seeds")];
        let seeds = seeds
            .into_iter()
            .flatten()
            .map(Value::take)
            .find(|v| !v.is_null());
        let spec = Self {
            title: text("title", file.remove("title"))?,
            base: settings("base", file.remove("base").unwrap_or_default())?,
            grid: dimensions(grid)?,
            arms: arms(file.remove("arm"))?,
            seeds: self::seeds(seeds)?,
            when: whens(file.remove("when"))?,
            skip: tables("skip", file.remove("skip"))?
                .into_iter()
                .map(|table| settings("skip", table))
                .collect::<Result<_>>()?,
            share: typed("share", file.remove("share"))?,
            session: typed("session", file.remove("session"))?,
        };
        spec.check()?;
        Ok(spec)
    }

    fn check(&self) -> Result<()> {
        let SessionSpec {
            checkpoint_every,
            keep_last,
            threads,
            ..
        } = self.session;
        protege_core::error::within("session.checkpoint_every", checkpoint_every, 0.0, 1e9)?;
        protege_core::error::within("session.keep_last", keep_last, 1, 1_000_000)?;
        protege_core::error::within("session.threads", threads, 1, 10_000)?;
        let mut names: Vec<&str> = self.arms.iter().map(|arm| &arm.name[..]).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::input(format!(
                "two arms are called {}: give each a name of its own",
                excerpt(pair[0])
            )));
        }
        let conditions = self.when.iter().map(|when| &when.is).chain(&self.skip);
        for (key, value) in conditions.flatten() {
            self.check_condition(key, value)?;
        }
        Ok(())
    }

    /// A condition that no cell can meet is a slip.
    fn check_condition(&self, key: &str, value: &Value) -> Result<()> {
        let arms: Vec<Value> = self
            .arms
            .iter()
            .map(|arm| arm.name.clone().into())
            .collect();
        let dimension = self.grid.iter().find(|(name, _)| name == key);
        let values = match dimension {
            Some((_, values)) => values,
            None if key == ARM => &arms,
            None => {
                let names = self.grid.iter().map(|(name, _)| &name[..]).chain([ARM]);
                let names: Vec<&str> = names.collect();
                return Err(Error::input(format!(
                    "a condition names {}, which is no dimension of the grid: there are {}",
                    excerpt(key),
                    names.join(", ")
                )));
            }
        };
        if values.contains(value) {
            return Ok(());
        }
        Err(Error::input(format!(
            "a condition wants {} = {}, which no cell has",
            excerpt(key),
            excerpt(&value.to_string())
        )))
    }
}

/// The settings of a table, by their names of now.
fn settings(name: &str, table: Value) -> Result<Vec<Setting>> {
    match table {
        Value::Null => Ok(Vec::new()),
        Value::Object(_) => {
            let settings = resolve::renamed(leaves(&table, ""))?;
            settings.iter().try_for_each(|(key, _)| check_input(key))?;
            Ok(settings)
        }
        other => Err(not_a("table of settings", name, &other)),
    }
}

/// Refuses files that no cell can be given.
fn check_input(key: &str) -> Result<()> {
    match key.strip_prefix(INPUTS) {
        Some(name) => known("input", name, INPUT_NAMES.map(str::to_owned).into()),
        None => Ok(()),
    }
}

fn dimensions(grid: Value) -> Result<Vec<(String, Vec<Value>)>> {
    let mut dimensions = Vec::new();
    for (key, values) in settings("grid", grid)? {
        // The seeds were taken out.
        if key == "seeds" {
            continue;
        }
        let Value::Array(values) = values else {
            return Err(not_a("list of values", &format!("grid.{key}"), &values));
        };
        if values.is_empty() {
            return Err(Error::input(format!(
                "grid.{} is an empty list, so that there would be no cell: name a value, or leave \
                 it out",
                excerpt(&key)
            )));
        }
        let twice = |i: usize| values[..i].contains(&values[i]);
        if let Some(i) = (0..values.len()).find(|&i| twice(i)) {
            return Err(Error::input(format!(
                "grid.{} has {} twice: name each value once",
                excerpt(&key),
                excerpt(&values[i].to_string())
            )));
        }
        dimensions.push((key, values));
    }
    Ok(dimensions)
}

fn arms(list: Option<Value>) -> Result<Vec<Arm>> {
    let mut arms = Vec::new();
    for mut table in tables("arm", list)? {
        let name = table.get_mut("name").map(Value::take).unwrap_or_default();
        let Value::String(name) = name else {
            return Err(Error::input(
                "an [[arm]] has no name: give it one, name = \"...\"",
            ));
        };
        let mut own = settings("arm", table)?;
        own.retain(|(key, _)| key != "name");
        arms.push(Arm {
            name,
            settings: own,
        });
    }
    Ok(arms)
}

fn whens(list: Option<Value>) -> Result<Vec<When>> {
    let mut whens = Vec::new();
    for mut table in tables("when", list)? {
        if let Some(entries) = table.as_object() {
            for name in entries.keys() {
                known("entry of [[when]]", name, vec!["is".into(), "set".into()])?;
            }
        }
        let mut part = |name: &str| {
            let part = table.get_mut(name).map(Value::take).unwrap_or_default();
            settings(&format!("when.{name}"), part)
        };
        let when = When {
            is: part("is")?,
            set: part("set")?,
        };
        if when.is.is_empty() || when.set.is_empty() {
            return Err(Error::input(
                "a [[when]] needs both tables, is = { ... } and set = { ... }",
            ));
        }
        whens.push(when);
    }
    Ok(whens)
}

/// The tables of a list; none where there is none.
fn tables(name: &str, list: Option<Value>) -> Result<Vec<Value>> {
    match list {
        None => Ok(Vec::new()),
        Some(Value::Array(tables)) if tables.iter().all(Value::is_object) => Ok(tables),
        Some(other) => Err(not_a(&format!("list of tables, [[{name}]]"), name, &other)),
    }
}

/// A number of seeds, 0, 1, ..., or a list of them. One is usual.
fn seeds(value: Option<Value>) -> Result<Vec<u64>> {
    let seeds: Vec<u64> = match &value {
        None => vec![0],
        Some(Value::Number(count)) => {
            (0..count.as_u64().unwrap_or(0).min(MOST_SEEDS + 1)).collect()
        }
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_u64).collect(),
        Some(_) => Vec::new(),
    };
    let listed = value
        .as_ref()
        .and_then(Value::as_array)
        .map_or(seeds.len(), Vec::len);
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if seeds.is_empty() || seeds.len() as u64 > MOST_SEEDS || listed != sorted.len() {
        return Err(Error::input(format!(
            "seeds = {} is neither a number from 1 to {MOST_SEEDS} nor a list of as many different \
             seeds",
            excerpt(&value.unwrap_or_default().to_string())
        )));
    }
    Ok(seeds)
}

fn text(name: &str, value: Option<Value>) -> Result<String> {
    match value {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(not_a("text", name, &other)),
    }
}

fn typed<T: for<'de> Deserialize<'de> + Default>(name: &str, value: Option<Value>) -> Result<T> {
    let Some(value) = value else {
        return Ok(T::default());
    };
    T::deserialize(value).map_err(|e| Error::input(format!("[{name}]: {e}")))
}

fn not_a(what: &str, name: &str, value: &Value) -> Error {
    Error::input(format!(
        "{} is {}, not a {what}",
        excerpt(name),
        excerpt(&value.to_string())
    ))
}
