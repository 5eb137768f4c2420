//! A run's folder: what was asked for, and where everything stands.

use super::claim::{Claim, Lock, PLAN};
use super::finished::policy_in;
use super::names;
use super::settings::read_toml;
use super::shell;
use crate::engines::{CATALOG, inputs};
use crate::files::checkpoints::FileEntry;
use crate::files::read;
use crate::files::seal::{Seal, sealed, unsealed};
use protege_core::data::{Archive, Dataset};
use protege_core::error::excerpt;
use protege_core::run::{Config, Inputs};
use protege_core::settings::leaves;
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Seeds that a run has at most.
pub const MOST_SEEDS: u64 = 10_000;
/// The settings, in a run's folder.
const CONFIG: &str = "config.toml";

/// What a folder's run was asked to do beside its configuration; `plan.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this program that began it.
    pub version: String,
    /// The command line that repeats it.
    pub command: String,
    /// Every seed.
    pub seeds: Vec<u64>,
    /// `cpu`, `wgpu` or `cuda:N`.
    pub device: String,
    /// Seconds between checkpoints.
    pub checkpoint_every: f64,
    /// Checkpoints kept for each seed.
    pub keep_last: usize,
    /// Whether a BC policy is trained beside PostBC, to show both in the report.
    pub companion: bool,
    /// Whether the report shows videos of episodes.
    #[serde(default, rename = "films")]
    pub videos: bool,
    /// What is to be known of its results, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The configuration that the run began with; none: an earlier version began it.
    #[serde(default)]
    pub config: Option<Value>,
    /// Size and checksum of each file in `inputs/`; none: an earlier version began the run.
    #[serde(default)]
    pub inputs: Option<BTreeMap<String, FileEntry>>,
}

impl Plan {
    /// Reads what [`Folder::begin`] wrote.
    fn parse(bytes: &[u8], folder: &Path) -> Result<Self> {
        let path = folder.join(PLAN);
        let config = folder.join(CONFIG);
        let damaged = |why: &str| {
            Error::input(format!(
                "{} {why}; put back what it was, or begin another run with `protege run --config \
                 {}`",
                path.display(),
                shell::path(&config)
            ))
        };
        let (seal, text) = unsealed(bytes);
        let value: Value =
            serde_json::from_slice(&text).map_err(|e| damaged(&format!("is damaged ({e})")))?;
        let foreign = |e: serde_json::Error| {
            let own = env!("CARGO_PKG_VERSION");
            let version = value["version"].as_str().filter(|version| *version != own);
            let by = version.map(|v| {
                format!(
                    ", and protege {} wrote it, which this {own} is not",
                    excerpt(v)
                )
            });
            damaged(&format!("cannot be read ({e}{})", by.unwrap_or_default()))
        };
        let plan = Self::deserialize(&value).map_err(foreign)?;
        let seeds: BTreeSet<u64> = plan.seeds.iter().copied().collect();
        if plan.seeds.is_empty() || plan.seeds.len() as u64 > MOST_SEEDS {
            return Err(damaged(&format!(
                "names {} seeds, where a run has 1 to {MOST_SEEDS}",
                plan.seeds.len()
            )));
        }
        if seeds.len() < plan.seeds.len() {
            return Err(damaged("names a seed twice"));
        }
        // The configuration came with the checksum.
        let lost = seal == Seal::Missing && (plan.config.is_some() || plan.inputs.is_some());
        if seal == Seal::Broken || lost {
            return Err(damaged(
                "was changed since the run began: it does not match its checksum",
            ));
        }
        Ok(plan)
    }

    /// Refuses a configuration that is another one than the run began with.
    fn check_config(&self, config: &Config, path: &Path) -> Result<()> {
        let Some(began) = &self.config else {
            return Ok(());
        };
        let began = Config::from_saved(began, &CATALOG).map_err(|e| at(path, &e))?;
        let Some((key, now, then)) = first_difference(config, &began) else {
            return Ok(());
        };
        let shown = path.display();
        Err(Error::input(format!(
            "{shown} has {key} = {}, but the run began with {}, as {PLAN} says: put that \
             back, or begin another run with `protege run --config {}`",
            excerpt(&now.to_string()),
            excerpt(&then.to_string()),
            shell::path(path)
        )))
    }
}

/// The first setting in which two configurations differ, and its value in each.
pub fn first_difference(a: &Config, b: &Config) -> Option<(String, Value, Value)> {
    let a = leaves(&a.to_value(), "");
    let b = leaves(&b.to_value(), "");
    let mut pairs = a.into_iter().zip(b);
    pairs
        .find(|((_, now), (_, then))| now != then)
        .map(|((key, now), (_, then))| (key, now, then))
}

/// A run whose folder this process alone works in.
pub struct Work {
    /// The folder.
    pub folder: Folder,
    /// What was asked for.
    pub plan: Plan,
    /// The settings.
    pub config: Config,
    /// Keeps other processes out.
    pub lock: Arc<Lock>,
}

/// The folder of a run. Every path in it is named here.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// Begins a run in a folder that was claimed for it: writes its plan, its configuration and its
    /// inputs; `policies` are those that single seeds begin with instead of the inputs' one.
    ///
    /// # Errors
    /// When a policy is damaged, or the folder cannot be written; nothing is left of it then.
    pub fn begin(
        mut claim: Claim,
        plan: Plan,
        config: &Config,
        inputs: &Inputs,
        policies: &[(u64, PathBuf)],
    ) -> Result<Work> {
        let folder = Self(claim.folder().to_owned());
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        if let Some(demos) = &inputs.demos {
            files.insert(DEMOS.to_owned(), demos.to_bytes()?);
        }
        if let Some(policy) = &inputs.policy {
            files.insert(POLICY.to_owned(), policy.to_bytes()?);
        }
        for (seed, policy) in policies {
            let bytes = read(policy)?;
            Archive::from_bytes(&bytes).map_err(|e| at(policy, &e))?;
            files.insert(policy_of(*seed), bytes);
        }
        if !files.is_empty() {
            claim.create_folder(&folder.inputs())?;
        }
        for (name, bytes) in &files {
            claim.write(&folder.inputs().join(name), bytes)?;
        }
        claim.write(&folder.0.join(CONFIG), to_toml(config)?.as_bytes())?;
        let entries = files.iter();
        let entries = entries.map(|(name, bytes)| (name.clone(), FileEntry::of(bytes)));
        let plan = Plan {
            config: Some(config.to_value()),
            inputs: Some(entries.collect()),
            ..plan
        };
        // The plan comes last: a folder that has one has everything.
        claim.write(&folder.plan_path(), sealed(&to_json(&plan)?).as_bytes())?;
        Ok(Work {
            folder,
            plan,
            config: config.clone(),
            lock: Arc::new(claim.keep()),
        })
    }

    /// The folder of a run that was begun, with its plan.
    ///
    /// # Errors
    /// When it holds no run, or its plan is damaged.
    pub fn with_plan(path: &Path) -> Result<(Self, Plan)> {
        let folder = Self(path.to_owned());
        if !folder.plan_path().exists() {
            return Err(Error::input(format!(
                "{} holds no run: it has no {PLAN}; start one with --out",
                path.display()
            )));
        }
        let plan = Plan::parse(&read(&folder.plan_path())?, path)?;
        Ok((folder, plan))
    }

    /// The folder of a run that was begun, with its plan and its configuration.
    ///
    /// # Errors
    /// When it holds no run, or its files are damaged or were edited.
    pub fn open(path: &Path) -> Result<(Self, Plan, Config)> {
        let (folder, plan) = Self::with_plan(path)?;
        let file = path.join(CONFIG);
        let config = Value::Object(read_toml(&file)?);
        let config = Config::from_saved(&config, &CATALOG).map_err(|e| at(&file, &e))?;
        plan.check_config(&config, &file)?;
        Ok((folder, plan, config))
    }

    /// The demonstrations and the policy that a seed of the run was given.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn given(&self, plan: &Plan, seed: u64) -> Result<Inputs> {
        let own = policy_of(seed);
        let has_own = self.was_given(plan, &own);
        let policy = if has_own { &own } else { POLICY };
        let demos = self.input(plan, DEMOS)?;
        let policy = self.input(plan, policy)?;
        Ok(Inputs {
            demos: demos.map(|path| read_dataset(&path)).transpose()?,
            policy: policy.map(|path| read_archive(&path)).transpose()?,
            ..inputs()
        })
    }

    /// Whether the run was given a file of this name.
    fn was_given(&self, plan: &Plan, name: &str) -> bool {
        match &plan.inputs {
            Some(files) => files.contains_key(name),
            None => self.inputs().join(name).exists(),
        }
    }

    /// Whether a seed of the run was given a policy.
    pub fn was_given_policy(&self, plan: &Plan, seed: u64) -> bool {
        self.was_given(plan, POLICY) || self.was_given(plan, &policy_of(seed))
    }

    /// A file that the run was given, found to be the same still; none where it was given none.
    fn input(&self, plan: &Plan, name: &str) -> Result<Option<PathBuf>> {
        if !self.was_given(plan, name) {
            return Ok(None);
        }
        let path = self.inputs().join(name);
        let entry = plan.inputs.as_ref().and_then(|files| files.get(name));
        match entry {
            Some(entry) if !entry.fits(&read(&path)?) => Err(Error::input(format!(
                "{} is not the file that the run was given (its checksum does not fit); put that \
                 back, or begin another run",
                path.display()
            ))),
            _ => Ok(Some(path)),
        }
    }

    fn plan_path(&self) -> PathBuf {
        self.0.join(PLAN)
    }

    fn inputs(&self) -> PathBuf {
        self.0.join("inputs")
    }

    /// The folder of one seed.
    pub fn seed(&self, seed: u64) -> PathBuf {
        self.0.join(format!("seed-{seed}"))
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// A new folder for a run that names none: the first of `runs/<name>`, `runs/<name>-2`, ...
    /// that does not exist yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn unused(config: &Config) -> Result<Claim> {
        let (pretrain, finetune) = names::of(config);
        let name = config.task.rsplit('/').next().unwrap_or_default();
        let path = |n: usize| {
            PathBuf::from("runs").join(format!(
                "{name}-{pretrain}-{finetune}{}",
                if n > 1 {
                    format!("-{n}")
                } else {
                    String::new()
                }
            ))
        };
        Claim::first_new((1..).map(path))
    }
}

/// The demonstrations that a run was given.
const DEMOS: &str = "demos.safetensors";
/// The policy that a run was given.
const POLICY: &str = "policy.safetensors";

/// The policy that one seed was given.
fn policy_of(seed: u64) -> String {
    format!("policy-{seed}.safetensors")
}

/// The file of a policy: itself, or what a folder of a seed or of a run holds.
///
/// # Errors
/// When there is none, or it is not the one that the run left.
pub fn policy_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    if let Some(direct) = policy_in(path)? {
        return Ok(direct);
    }
    let (folder, plan) = Folder::with_plan(path)?;
    let first = plan.seeds.first().map(|&seed| folder.seed(seed));
    let file = first.map(|folder| policy_in(&folder)).transpose()?;
    file.flatten().ok_or_else(|| {
        Error::input(format!(
            "{} has no finished policy; go on with `protege run --resume {}`",
            path.display(),
            shell::path(path)
        ))
    })
}

/// The policy of every one of `seeds`, where `path` is the folder of a run that has them all;
/// nothing otherwise.
///
/// # Errors
/// When one is not what the run left.
pub fn policies_by_seed(path: &Path, seeds: &[u64]) -> Result<Vec<(u64, PathBuf)>> {
    if !path.join(PLAN).exists() {
        return Ok(Vec::new());
    }
    let (folder, plan) = Folder::with_plan(path)?;
    let mut policies = Vec::new();
    for seed in seeds {
        if !plan.seeds.contains(seed) {
            return Ok(Vec::new());
        }
        match policy_in(&folder.seed(*seed))? {
            Some(file) => policies.push((*seed, file)),
            None => return Ok(Vec::new()),
        }
    }
    Ok(policies)
}

/// Reads a policy, or any other archive.
///
/// # Errors
/// When the file is missing, foreign or damaged; the sentence names it.
pub fn read_archive(path: &Path) -> Result<Archive> {
    Archive::from_bytes(&read(path)?).map_err(|e| at(path, &e))
}

/// The configuration that a policy was made with.
///
/// # Errors
/// When the archive is no policy, or one of another version.
pub fn policy_config(policy: &Archive) -> Result<Config> {
    protege_core::run::saved_config(policy, &CATALOG).map_err(|e| {
        Error::input(format!(
            "the checkpoint is not a policy ({e}); use a policy.safetensors"
        ))
    })
}

/// Reads demonstrations.
///
/// # Errors
/// When the file is missing, foreign or damaged; the sentence names it.
pub fn read_dataset(path: &Path) -> Result<Dataset> {
    Dataset::from_bytes(&read(path)?).map_err(|e| at(path, &e))
}

/// Puts the file's name before what is wrong with it.
fn at(path: &Path, error: &Error) -> Error {
    let sentence = format!("{}: {error}", path.display());
    if matches!(error, Error::Input(_)) {
        Error::input(sentence)
    } else {
        Error::failed(sentence)
    }
}

/// A configuration as TOML.
///
/// # Errors
/// When a number does not fit into TOML.
pub fn to_toml(config: &Config) -> Result<String> {
    toml::to_string_pretty(config)
        .map_err(|e| Error::input(format!("the configuration cannot be written as TOML: {e}")))
}

/// Plain data as indented JSON.
///
/// # Errors
/// Never for plain data.
pub fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|e| Error::failed(format!("a result cannot be written as JSON: {e}")))
}
