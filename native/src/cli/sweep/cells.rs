//! The cells of a sweep: every combination of its grid, its arms and its seeds.

use super::spec::{ARM, INPUTS, Spec};
use crate::engines::CATALOG;
use crate::memory;
use protege_core::error::excerpt;
use protege_core::policy::PolicyKind;
use protege_core::run::memory::{Machine, check};
use protege_core::run::{Config, Purpose};
use protege_core::settings::Setting;
use protege_core::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A combination of the grid, before it has a seed.
#[derive(Debug, Clone)]
pub struct Point {
    /// Dimension and value, as results are grouped by.
    pub labels: Vec<Setting>,
    /// The configuration, whatever the seed.
    pub config: Arc<Config>,
    /// The files that it is given: what for, and the path as the sweep's file has it.
    pub inputs: BTreeMap<String, String>,
}

/// Every combination that is not left out; each is found to be a configuration that can work.
///
/// # Errors
/// Names the combination and what is wrong with it; a setting that has no effect in any of them;
/// two that are the same.
pub fn points(spec: &Spec) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    let mut effects = Effects::default();
    let machine = memory::machine(1);
    for labels in combinations(spec) {
        let point = point(spec, &labels, machine.as_ref(), &mut effects)
            .map_err(|error| Error::input(format!("{}: {error}", named(&labels))))?;
        points.push(point);
    }
    if points.is_empty() {
        return Err(Error::input(
            "[[skip]] leaves out every cell of the sweep: leave fewer out",
        ));
    }
    effects.refuse_idle(spec)?;
    refuse_equal(&points)?;
    Ok(points)
}

/// The combinations of the grid's values and the arms, but those that are left out.
fn combinations(spec: &Spec) -> Vec<Vec<Setting>> {
    let arms: Vec<Value> = spec
        .arms
        .iter()
        .map(|arm| arm.name.clone().into())
        .collect();
    let mut dimensions = spec.grid.clone();
    // The task is what results are grouped by first.
    dimensions.sort_by_key(|(key, _)| key != "task");
    if !arms.is_empty() {
        dimensions.push((ARM.to_owned(), arms));
    }
    let mut all = vec![Vec::new()];
    for (key, values) in dimensions {
        let with = |labels: &Vec<Setting>| {
            let extended = values.iter().map(|value| {
                let mut labels = labels.clone();
                labels.push((key.clone(), value.clone()));
                labels
            });
            extended.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all.retain(|labels| !spec.skip.iter().any(|is| meets(labels, is)));
    all
}

/// Whether a combination has all of these values.
fn meets(labels: &[Setting], is: &[Setting]) -> bool {
    is.iter().all(|wanted| labels.contains(wanted))
}

fn point(
    spec: &Spec,
    labels: &[Setting],
    machine: Option<&Machine>,
    effects: &mut Effects,
) -> Result<Point> {
    // Where each setting comes from: those of the grid have an effect in every cell.
    let own = labels.iter().filter(|(key, _)| key != ARM).cloned();
    let own = own.map(|setting| (setting, true));
    let arms = spec.arms.iter().filter(|arm| {
        let label = (ARM.to_owned(), Value::from(arm.name.clone()));
        labels.contains(&label)
    });
    let whens = spec.when.iter().filter(|when| meets(labels, &when.is));
    let lists = arms
        .map(|arm| &arm.settings)
        .chain(whens.map(|when| &when.set));
    let base = spec.base.iter().cloned().map(|setting| (setting, false));
    let others = lists.flatten().cloned().map(|setting| (setting, false));
    let asked: Vec<(Setting, bool)> = base.chain(own).chain(others).collect();
    // Of several values of one setting the last counts.
    let last = |i: usize| {
        !asked[i + 1..]
            .iter()
            .any(|((key, _), _)| *key == asked[i].0.0)
    };
    let asked: Vec<(Setting, bool)> = (0..asked.len())
        .filter(|&i| last(i))
        .map(|i| asked[i].clone())
        .collect();
    let (files, settings): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|((key, _), _)| key.starts_with(INPUTS));
    let inputs: BTreeMap<String, String> = files
        .into_iter()
        .map(|((key, path), _)| input(&key, &path))
        .collect::<Result<_>>()?;
    let all: Vec<Setting> = settings
        .iter()
        .map(|(setting, _)| setting.clone())
        .collect();
    if all.iter().any(|(key, _)| key == "seed") {
        return Err(Error::input(
            "seed is no setting of a sweep: say seeds = 4, or seeds = [10, 11]",
        ));
    }
    let config = Config::resolve(&all, &CATALOG)?;
    let served = config.policy.kind == PolicyKind::Served;
    let purpose = Purpose::Run {
        policy: served || inputs.contains_key("checkpoint"),
        demos: inputs.contains_key("demos_file") || inputs.contains_key("expert"),
    };
    for ((key, value), must) in &settings {
        let idle = config.idle(purpose, key);
        if *must && let Some(reason) = &idle {
            return Err(Error::input(format!(
                "{key} has no effect here: {reason}; leave these cells out with [[skip]], or set \
                 it in an [[arm]]"
            )));
        }
        if idle.is_none() {
            config.holds(purpose, key, value)?;
        }
        effects.note(key, idle);
    }
    if let Some(machine) = machine {
        check(
            &config,
            &CATALOG,
            inputs.contains_key("checkpoint"),
            machine,
        )?;
    }
    Ok(Point {
        labels: labels.to_vec(),
        config: Arc::new(config),
        inputs,
    })
}

/// A file that a cell is given.
fn input(key: &str, path: &Value) -> Result<(String, String)> {
    let name = key.strip_prefix(INPUTS).unwrap_or(key).to_owned();
    match path {
        Value::String(path) => Ok((name, path.clone())),
        other => Err(Error::input(format!(
            "{} is {}, not the path of a file",
            excerpt(key),
            excerpt(&other.to_string())
        ))),
    }
}

/// Which settings have an effect in some cell, and why the others have none.
#[derive(Default)]
struct Effects(BTreeMap<String, Option<String>>);

impl Effects {
    /// Remembers what a setting does in a cell: why it does nothing, if so.
    fn note(&mut self, key: &str, idle: Option<String>) {
        let known = self.0.entry(key.to_owned()).or_insert_with(|| idle.clone());
        if idle.is_none() {
            *known = None;
        }
    }

    fn refuse_idle(&self, spec: &Spec) -> Result<()> {
        let arms = spec.arms.iter().flat_map(|arm| &arm.settings);
        let whens = spec.when.iter().flat_map(|when| &when.set);
        let mut all = spec.base.iter().chain(arms).chain(whens);
        let idle = all.find_map(|(key, _)| {
            let reason = self.0.get(key)?.as_ref()?;
            Some((key, reason))
        });
        idle.map_or(Ok(()), |(key, reason)| {
            Err(Error::input(format!(
                "{key} has no effect in any cell: {reason}; leave it out"
            )))
        })
    }
}

/// Two cells that are the same would count as two.
fn refuse_equal(points: &[Point]) -> Result<()> {
    let mut seen: BTreeMap<String, &Point> = BTreeMap::new();
    for point in points {
        let text = format!("{} {:?}", point.config.to_value(), point.inputs);
        if let Some(other) = seen.insert(text, point) {
            return Err(Error::input(format!(
                "{} and {} are the same run: leave one out with [[skip]]",
                named(&other.labels),
                named(&point.labels)
            )));
        }
    }
    Ok(())
}

/// A combination in words: `lab/lift, post-bc, finetune.dsrl.magnitude=1`. Values that say what
/// they are stand alone.
pub fn named(labels: &[Setting]) -> String {
    let word = |(key, value): &Setting| match value {
        Value::String(text) => excerpt(text),
        other => format!("{key}={}", excerpt(&other.to_string())),
    };
    let words: Vec<String> = labels.iter().map(word).collect();
    if words.is_empty() {
        return "the cell".to_owned();
    }
    words.join(", ")
}
