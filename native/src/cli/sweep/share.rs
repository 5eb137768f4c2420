//! What cells make once: demonstrations and pretrained policies, by cells of their own that others
//! wait for.

use super::plan::{Cell, Given, Kind};
use super::spec::Share;
use crate::engines::CATALOG;
use protege_core::Result;
use protege_core::data::sha256;
use protege_core::method::DemoUse;
use protege_core::policy::PolicyKind;
use protege_core::run::{Config, FinetuneMethod};
use protege_core::settings::{Setting, leaves};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// The cells, with those that make what several of them share before them.
///
/// # Errors
/// When settings cannot be taken apart.
pub fn with_makers(runs: Vec<Cell>, share: Share) -> Result<Vec<Cell>> {
    let pretrainers = makers(&runs, Kind::Pretrain, share.pretrain)?;
    let mut later = pretrainers.cells;
    for (i, mut run) in runs.into_iter().enumerate() {
        if let Some(&maker) = pretrainers.of.get(&i) {
            run.given.push(Given::Policy(maker));
            if run.config.finetune.method.info().demos != DemoUse::Unused {
                run.given.push(Given::Demos(maker));
            }
        }
        later.push(run);
    }
    // Pretraining that is shared may share its demonstrations in turn.
    let recorders = makers(&later, Kind::Demos, share.demos)?;
    let before = recorders.cells.len();
    let mut cells = recorders.cells;
    for (i, mut cell) in later.into_iter().enumerate() {
        for given in &mut cell.given {
            let (Given::Policy(maker) | Given::Demos(maker)) = given;
            *maker += before;
        }
        if let Some(&maker) = recorders.of.get(&i) {
            cell.given.push(Given::Demos(maker));
        }
        cells.push(cell);
    }
    Ok(cells)
}

/// Cells that make something, and which of the others begin with it.
#[derive(Default)]
struct Makers {
    cells: Vec<Cell>,
    /// From a cell to its maker.
    of: BTreeMap<usize, usize>,
}

/// A maker for every group of at least two that would make the same, where they share it, and for
/// demonstrations of an expert network, which no run records by itself.
fn makers(cells: &[Cell], kind: Kind, share: bool) -> Result<Makers> {
    let mut groups: BTreeMap<_, (Cell, Vec<usize>)> = BTreeMap::new();
    // Cells that differ in the seed alone share their configuration.
    let mut known: BTreeMap<*const Config, (Arc<Config>, String)> = BTreeMap::new();
    for (i, cell) in cells.iter().enumerate() {
        if begins_otherwise(cell, kind) {
            continue;
        }
        let (config, product) = match known.entry(Arc::as_ptr(&cell.config)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(product(&cell.config, kind)?),
        };
        let group = groups
            .entry((product.clone(), cell.seed, &cell.inputs))
            .or_insert_with(|| (maker(cell, kind, config), Vec::new()));
        group.1.push(i);
    }
    let mut groups: Vec<(Cell, Vec<usize>)> = groups.into_values().collect();
    groups.retain(|(maker, users)| {
        let of_expert = kind == Kind::Demos && maker.inputs.contains_key("expert");
        of_expert || (share && users.len() > 1)
    });
    groups.sort_by_key(|(_, users)| users[0]);
    let mut made = Makers::default();
    for (maker, users) in groups {
        let place = made.cells.len();
        made.of.extend(users.into_iter().map(|user| (user, place)));
        made.cells.push(maker);
    }
    Ok(made)
}

/// Whether a cell is given what makers of this kind make.
fn begins_otherwise(cell: &Cell, kind: Kind) -> bool {
    let served = cell.config.policy.kind == PolicyKind::Served;
    let given = |name: &str| cell.inputs.contains_key(name);
    match kind {
        Kind::Pretrain => served || given("checkpoint") || cell.kind != Kind::Run,
        _ => served || given("checkpoint") || given("demos_file") || !cell.given.is_empty(),
    }
}

/// The cell that makes what this one begins with.
fn maker(cell: &Cell, kind: Kind, config: &Arc<Config>) -> Cell {
    let label = |(key, _): &&Setting| kind == Kind::Pretrain && is_of_pretraining(key);
    Cell {
        kind,
        labels: cell.labels.iter().filter(label).cloned().collect(),
        seed: cell.seed,
        config: Arc::clone(config),
        inputs: cell.inputs.clone(),
        given: Vec::new(),
    }
}

fn is_of_pretraining(key: &str) -> bool {
    !key.starts_with("finetune.") && !key.starts_with("eval.") && key != super::spec::ARM
}

/// The settings of a run that ends before finetuning, with one that would begin as this does: what
/// a finetuning method decides for the policy is said outright.
fn before_finetuning(config: &Config) -> Vec<Setting> {
    let mut settings = leaves(&config.to_value(), "");
    settings.retain(|(key, _)| !key.starts_with("finetune.") && !key.starts_with("eval."));
    settings.push((
        "finetune.method".to_owned(),
        FinetuneMethod::NONE.id().into(),
    ));
    // Those who begin with the policy evaluate it.
    settings.push(("eval.episodes".to_owned(), 1.into()));
    settings
}

/// The configuration with which a maker makes what a run of `config` begins with, and a checksum of
/// all that this depends on: runs with the same one may share it.
fn product(config: &Arc<Config>, kind: Kind) -> Result<(Arc<Config>, String)> {
    let config = match kind {
        Kind::Pretrain => Arc::new(Config::resolve(&before_finetuning(config), &CATALOG)?),
        _ => Arc::clone(config),
    };
    let decisive = |key: &str| {
        let group = key.split('.').next().unwrap_or_default();
        let of_practice = ["env.parallel", "env.horizon", "env.to_horizon"];
        let own = ["task", "engine", "pretrain.tasks"].contains(&key);
        own || group == "demos" || (group == "env" && !of_practice.contains(&key))
    };
    let mut settings = leaves(&config.to_value(), "");
    settings.retain(|(key, _)| kind == Kind::Pretrain || decisive(key));
    let checksum = sha256(format!("{settings:?}").as_bytes());
    Ok((config, checksum))
}
