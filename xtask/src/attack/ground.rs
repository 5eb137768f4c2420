//! What is attacked: small runs of every method, made once and copied for each case.

use super::program::{Call, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Settings with which a run takes a second or two.
const SMALL: &str = include_str!("small.toml");
/// How long a small run may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);
/// How often a run is interrupted anew, when it was not interrupted where it should have been.
const TRIES: usize = 8;

/// The program, a folder to work in, and the runs that were made there.
pub struct Ground {
    pub program: PathBuf,
    pub folder: PathBuf,
    /// What `protege methods` lists.
    pub methods: Vec<Value>,
    made: Mutex<BTreeMap<String, Made>>,
}

/// A run that is made once; others wait for it meanwhile.
type Made = Arc<OnceLock<Result<Straight, String>>>;

/// A run that was never interrupted.
#[derive(Clone)]
pub struct Straight {
    pub folder: PathBuf,
    pub seconds: f64,
}

impl Ground {
    /// A ground in a folder that is made.
    ///
    /// # Errors
    /// When the program does not list its methods.
    pub fn new(program: &Path, folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| format!("{} ({e})", folder.display()))?;
        let mut ground = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            methods: Vec::new(),
            made: Mutex::default(),
        };
        fs::write(ground.small(), SMALL).map_err(|e| format!("{e}"))?;
        let listed = ground.call(folder).args(&["methods", "--json"]).run()?;
        let unread = |e| format!("`protege methods --json` prints no JSON ({e})");
        ground.methods = serde_json::from_str(&listed.stdout).map_err(unread)?;
        Ok(ground)
    }

    /// The file of settings of small runs.
    pub fn small(&self) -> PathBuf {
        self.folder.join("small.toml")
    }

    /// A call of the program.
    pub fn call(&self, folder: &Path) -> Call {
        Call::new(&self.program, folder)
    }

    /// The names of the methods of a stage, `pretrain` or `finetune`.
    pub fn names(&self, stage: &str) -> Vec<&str> {
        let of_stage = self.methods.iter().filter(|row| row["kind"] == stage);
        of_stage.filter_map(|row| row["id"].as_str()).collect()
    }

    /// Every method in a run: each finetuning after plain cloning, and each pretraining alone.
    pub fn recipes(&self) -> Vec<[&str; 2]> {
        let finetuned = self.names("finetune").into_iter().map(|name| ["bc", name]);
        let others = self
            .names("pretrain")
            .into_iter()
            .filter(|name| *name != "bc");
        finetuned.chain(others.map(|name| [name, "none"])).collect()
    }

    /// The arguments of a small run.
    pub fn arguments(&self, [pretrain, finetune]: [&str; 2]) -> Vec<String> {
        let small = self.small().display().to_string();
        let words = [
            "run",
            "--config",
            &small,
            "--pretrain",
            pretrain,
            "--finetune",
            finetune,
            "--no-video",
            "--no-companion",
            "--checkpoint-every",
            "0",
        ];
        words.map(str::to_owned).to_vec()
    }

    /// A run of these methods that nobody interrupted.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn straight(&self, recipe: [&str; 2]) -> Result<Straight, String> {
        let name = recipe.join("+");
        let made = {
            let mut all = self.made.lock().map_err(|e| e.to_string())?;
            Arc::clone(all.entry(name.clone()).or_default())
        };
        made.get_or_init(|| self.make(recipe, &name)).clone()
    }

    fn make(&self, recipe: [&str; 2], name: &str) -> Result<Straight, String> {
        let folder = self.folder.join("runs").join(name);
        fs::create_dir_all(&folder).map_err(|e| format!("{} ({e})", folder.display()))?;
        let call = self.call(&folder).args(&self.arguments(recipe));
        let outcome = call.args(&["--out", "run"]).patience(120.0).run()?;
        succeeded(&outcome)?;
        Ok(Straight {
            folder: folder.join("run"),
            seconds: outcome.seconds,
        })
    }

    /// A run of these methods, in `folder`, that was killed after about this share of its
    /// checkpoints.
    fn killed(&self, recipe: [&str; 2], share: f64, folder: &Path) -> Result<PathBuf, String> {
        let straight = self.straight(recipe)?;
        let all = newest_checkpoint(&straight.folder).map_or(0, |path| number(&path));
        let wanted = (all as f64 * share) as u64;
        let run = folder.join("run");
        for _ in 0..TRIES {
            fs::remove_dir_all(&run).ok();
            let call = self.call(folder).args(&self.arguments(recipe));
            let running = call.args(&["--out", "run"]).start()?;
            let is_far = || newest_checkpoint(&run).is_some_and(|path| number(&path) >= wanted);
            let started = Instant::now();
            while !is_far() && started.elapsed() < LONGEST {
                std::thread::sleep(Duration::from_millis(2));
            }
            running.send(libc::SIGKILL);
            running.wait();
            let is_begun = newest_checkpoint(&run).is_some();
            if is_begun && !run.join("summary.json").exists() {
                return Ok(run);
            }
        }
        Err(format!("no run of {} could be killed", recipe.join(", ")))
    }

    /// The same, made once; to be copied.
    ///
    /// # Errors
    /// When it could not be made.
    pub fn broken(&self, recipe: [&str; 2]) -> Result<PathBuf, String> {
        let name = format!("{} broken", recipe.join("+"));
        let made = {
            let mut all = self.made.lock().map_err(|e| e.to_string())?;
            Arc::clone(all.entry(name.clone()).or_default())
        };
        let make = || {
            let folder = self.folder.join("runs").join(&name);
            fs::create_dir_all(&folder).map_err(|e| format!("{} ({e})", folder.display()))?;
            let folder = self.killed(recipe, 0.6, &folder)?;
            Ok(Straight {
                folder,
                seconds: 0.0,
            })
        };
        made.get_or_init(make).clone().map(|made| made.folder)
    }
}

/// The number of a checkpoint.
fn number(path: &Path) -> u64 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.parse().unwrap_or(0)
}

/// The newest checkpoint of a run's first seed.
pub fn newest_checkpoint(run: &Path) -> Option<PathBuf> {
    let folder = run.join("seed-0/checkpoints");
    let entries = fs::read_dir(folder).ok()?.flatten();
    let named = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.bytes().all(|byte| byte.is_ascii_digit())
    });
    named.max_by_key(|path| number(path))
}

fn succeeded(outcome: &Outcome) -> Result<(), String> {
    if outcome.code == Some(0) {
        return Ok(());
    }
    let said = outcome.stderr.as_deref().unwrap_or_default();
    let last = said.lines().last().unwrap_or("it says nothing");
    Err(format!("`{}` fails already: {last}", outcome.line))
}

/// Copies a folder with all that is in it.
///
/// # Errors
/// Whatever the system refuses.
pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
