//! A run's folder: what was asked for, and where everything stands.

use super::names;
use super::settings::read_toml;
use super::shell;
use crate::engines::{CATALOG, inputs};
use crate::files::create_folder;
use protege_core::data::{Archive, Dataset};
use protege_core::run::{Config, Inputs};
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

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
}

/// The folder of a run. Every path in it is named here.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A folder for a new run, created with its plan, its configuration and its inputs; `policies`
    /// are those that single seeds begin with instead of the inputs' one.
    ///
    /// # Errors
    /// When the folder already holds a run, or cannot be written.
    pub fn begin(
        path: PathBuf,
        plan: &Plan,
        config: &Config,
        inputs: &Inputs,
        policies: &[(u64, PathBuf)],
    ) -> Result<Self> {
        let folder = Self(path);
        if folder.plan_path().exists() {
            let shown = folder.0.display();
            return Err(Error::input(format!(
                "{shown} already holds a run; choose another --out, or go on with --resume {}",
                shell::path(&folder.0)
            )));
        }
        create_folder(&folder.0)?;
        if let Some(demos) = &inputs.demos {
            create_folder(&folder.inputs())?;
            crate::files::write_atomic(
                &folder.inputs().join("demos.safetensors"),
                &demos.to_bytes()?,
            )?;
        }
        if let Some(policy) = &inputs.policy {
            create_folder(&folder.inputs())?;
            crate::files::write_atomic(
                &folder.inputs().join("policy.safetensors"),
                &policy.to_bytes()?,
            )?;
        }
        for (seed, policy) in policies {
            crate::files::write_atomic(
                &folder.inputs().join(format!("policy-{seed}.safetensors")),
                &crate::files::read(policy)?,
            )?;
        }
        crate::files::write_atomic(&folder.0.join("config.toml"), to_toml(config)?.as_bytes())?;
        // The plan comes last: a folder that has one has everything.
        crate::files::write_atomic(&folder.plan_path(), to_json(plan)?.as_bytes())?;
        Ok(folder)
    }

    /// The folder of a run that was begun, with its plan and its configuration.
    ///
    /// # Errors
    /// When it holds no run, or its files are damaged.
    pub fn open(path: &Path) -> Result<(Self, Plan, Config)> {
        let folder = Self(path.to_owned());
        if !folder.plan_path().exists() {
            return Err(Error::input(format!(
                "{} holds no run: it has no plan.json; start one with --out",
                path.display()
            )));
        }
        let text = crate::files::read(&folder.plan_path())?;
        let damaged = |e| {
            Error::input(format!(
                "{} is damaged ({e}); start again in another folder",
                folder.plan_path().display()
            ))
        };
        let plan: Plan = serde_json::from_slice(&text).map_err(damaged)?;
        let config = Value::Object(read_toml(&path.join("config.toml"))?);
        let config = Config::from_saved(&config, &CATALOG)?;
        Ok((folder, plan, config))
    }

    /// Keeps other processes out for as long as the file is open.
    ///
    /// # Errors
    /// When another process works in the folder.
    pub fn lock(&self) -> Result<File> {
        let path = self.0.join("lock");
        let file = crate::files::create(&path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::input(format!(
                "another protege is at work in {}; wait for it, or stop it",
                self.0.display()
            ))),
            // A file system without locks is no reason not to run.
            _ => Ok(file),
        }
    }

    /// The demonstrations and the policy that a seed of the run was given.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn given(&self, seed: u64) -> Result<Inputs> {
        let existing = |name: &str| Some(self.inputs().join(name)).filter(|path| path.exists());
        let demos = existing("demos.safetensors")
            .map(|path| read_dataset(&path))
            .transpose()?;
        let own = existing(&format!("policy-{seed}.safetensors"));
        let policy = own
            .or_else(|| existing("policy.safetensors"))
            .map(|path| read_archive(&path))
            .transpose()?;
        Ok(Inputs {
            demos,
            policy,
            ..inputs()
        })
    }

    fn plan_path(&self) -> PathBuf {
        self.0.join("plan.json")
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

    /// The first of `runs/<name>`, `runs/<name>-2`, ... that does not exist yet.
    pub fn unused(config: &Config) -> PathBuf {
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
        (1..)
            .map(path)
            .find(|path| !path.exists())
            .unwrap_or_else(|| path(1))
    }
}

/// The file of a policy: itself, or what a folder of a seed or of a run holds.
///
/// # Errors
/// When there is none.
pub fn policy_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let direct = path.join("policy.safetensors");
    if direct.exists() {
        return Ok(direct);
    }
    let (folder, plan, _) = Folder::open(path)?;
    let first = plan
        .seeds
        .first()
        .map(|&seed| folder.seed(seed).join("policy.safetensors"))
        .filter(|file| file.exists());
    first.ok_or_else(|| {
        Error::input(format!(
            "{} has no finished policy; go on with `protege run --resume {}`",
            path.display(),
            shell::path(path)
        ))
    })
}

/// The policy of every one of `seeds`, where `path` is the folder of a run that has them all;
/// nothing otherwise.
pub fn policies_by_seed(path: &Path, seeds: &[u64]) -> Vec<(u64, PathBuf)> {
    let Ok((folder, plan, _)) = Folder::open(path) else {
        return Vec::new();
    };
    let policy = |&seed: &u64| {
        let file = folder.seed(seed).join("policy.safetensors");
        (plan.seeds.contains(&seed) && file.exists()).then_some((seed, file))
    };
    seeds
        .iter()
        .map(policy)
        .collect::<Option<Vec<_>>>()
        .unwrap_or_default()
}

/// Reads a policy, or any other archive.
///
/// # Errors
/// When the file is missing, foreign or damaged; the sentence names it.
pub fn read_archive(path: &Path) -> Result<Archive> {
    Archive::from_bytes(&crate::files::read(path)?).map_err(|e| at(path, &e))
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
    Dataset::from_bytes(&crate::files::read(path)?).map_err(|e| at(path, &e))
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
