//! Every file that a command reads, damaged or hostile.

use super::Report;
use super::chance::Chance;
use super::container::sha256;
use super::ground::{Ground, copy, newest_checkpoint};
use super::judge;
use super::kills::differences;
use super::mutate;
use super::program::Call;
use super::seal;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A command that reads files.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Eval,
    Play,
    Finetune,
    Resume,
    Compare,
    Configuration,
    Demos,
    Trace,
}

/// A file of a run, and what can be done with it.
struct Target {
    /// Below the folder of the run; `NEWEST` is the newest checkpoint.
    path: &'static str,
    /// Whether a checksum guards it, so that damage must be noticed.
    guarded: bool,
    /// Whether the run is one that was killed.
    broken: bool,
    uses: &'static [Use],
}

const TARGETS: [Target; 15] = [
    target(
        "seed-0/policy.safetensors",
        true,
        false,
        &[Use::Eval, Use::Play],
    ),
    target("seed-0/policy.safetensors", true, false, &[Use::Finetune]),
    target("NEWEST/state.safetensors", true, true, &[Use::Resume]),
    target("NEWEST/state.safetensors", true, true, &[Use::Resume]),
    target("NEWEST/manifest.json", true, true, &[Use::Resume]),
    target("plan.json", true, true, &[Use::Resume]),
    target("plan.json", true, false, &[Use::Compare, Use::Eval]),
    target(
        "config.toml",
        true,
        true,
        &[Use::Resume, Use::Configuration],
    ),
    target("seed-0/config.toml", true, true, &[Use::Resume]),
    target("seed-0/episodes.jsonl", true, true, &[Use::Resume]),
    target("seed-0/metrics.jsonl", true, true, &[Use::Resume]),
    target("seed-0/metrics.jsonl", true, false, &[Use::Compare]),
    target("summary.json", false, false, &[Use::Compare]),
    target(
        "seed-0/summary.json",
        true,
        false,
        &[Use::Compare, Use::Resume],
    ),
    target(
        "seed-0/demos.safetensors",
        false,
        false,
        &[Use::Demos, Use::Trace],
    ),
];

const fn target(path: &'static str, guarded: bool, broken: bool, uses: &'static [Use]) -> Target {
    Target {
        path,
        guarded,
        broken,
        uses,
    }
}

/// Damages one file and gives it to a command that reads it.
pub fn attempt(
    ground: &Ground,
    case: u64,
    chance: &mut Chance,
    folder: &Path,
) -> Result<Report, String> {
    let target = &TARGETS[case as usize % TARGETS.len()];
    let recipe = *chance.pick(&ground.recipes());
    let straight = ground.straight(recipe)?;
    let original = if target.broken {
        ground.broken(recipe)?
    } else {
        straight.folder.clone()
    };
    let run = folder.join("run");
    copy(&original, &run).map_err(|e| format!("{} ({e})", run.display()))?;
    let path = place(target, &run)?;
    let read = |path: &Path| fs::read(path).map_err(|e| format!("{} ({e})", path.display()));
    let good = read(&path)?;
    let other = read(&ground.small())?;
    let usage = *chance.pick(target.uses);
    let change = change(&path, &good, &other, chance);
    fs::write(&path, &change.bytes).map_err(|e| format!("{} ({e})", path.display()))?;
    if change.resealed && path.ends_with("state.safetensors") {
        reseal_manifest(&path, &change.bytes);
    }
    let before = judge::paths(folder);
    let with_demos = chance.once_in(2);
    let call = call(ground, usage, &path, folder, with_demos);
    let outcome = call.run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("{}: {} ({})", target.path, change.name, recipe.join(", "));
    report
        .faults
        .extend(judge::leftovers(&outcome, &before, folder));
    let is_damaged = change.bytes.trim_ascii_end() != good.trim_ascii_end();
    if outcome.code == Some(0) && target.guarded && is_damaged && !change.resealed {
        report
            .faults
            .extend(unnoticed(usage, &straight.folder, &run));
    }
    let is_edited = target.path == "config.toml" && change.name == ONE_MORE;
    if outcome.code == Some(0) && is_edited && usage == Use::Resume {
        let sentence = "an edited configuration was taken for the run's";
        report.faults.push(sentence.to_owned());
    }
    Ok(report)
}

/// What is wrong when a command succeeds though a file that a checksum guards is damaged: a resumed
/// run may have made the file again.
fn unnoticed(usage: Use, straight: &Path, run: &Path) -> Vec<String> {
    match usage {
        Use::Configuration => Vec::new(),
        Use::Resume => differences(straight, run),
        _ => vec!["damage went unnoticed".to_owned()],
    }
}

/// A setting that really differs.
const ONE_MORE: &str = "a number is one more";

/// What a file is replaced by.
struct Change {
    bytes: Vec<u8>,
    name: &'static str,
    /// Whether its checksums are right.
    resealed: bool,
}

fn change(path: &Path, good: &[u8], other: &[u8], chance: &mut Chance) -> Change {
    let plain = |(bytes, name)| Change {
        bytes,
        name,
        resealed: false,
    };
    let kind = path.extension().unwrap_or_default();
    if kind == "safetensors" && !chance.once_in(3) {
        let hostile = mutate::hostile(good, chance);
        if let Some((bytes, name)) = hostile {
            return Change {
                bytes,
                name,
                resealed: true,
            };
        }
    }
    if kind == "toml" && chance.once_in(4) {
        let more = mutate::one_more(good, chance);
        return plain((more.unwrap_or_default(), ONE_MORE));
    }
    if kind != "safetensors" && !chance.once_in(3) {
        let (bytes, name) = mutate::another_word(good, chance);
        let resealed = if kind == "json" && chance.once_in(2) {
            seal::again(&bytes)
        } else {
            None
        };
        return Change {
            resealed: resealed.is_some(),
            bytes: resealed.unwrap_or(bytes),
            name,
        };
    }
    plain(mutate::damage(good, other, chance))
}

fn place(target: &Target, run: &Path) -> Result<PathBuf, String> {
    match target.path.strip_prefix("NEWEST/") {
        None => Ok(run.join(target.path)),
        Some(name) => {
            let newest = newest_checkpoint(run).ok_or("a run has no checkpoint")?;
            Ok(newest.join(name))
        }
    }
}

/// Makes a checkpoint's manifest right again; other files have none.
fn reseal_manifest(path: &Path, bytes: &[u8]) {
    let manifest = path.with_file_name("manifest.json");
    let Ok(text) = fs::read(&manifest) else {
        return;
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&text) else {
        return;
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    value["files"][name.as_ref()] = json!({"bytes": bytes.len(), "sha256": sha256(bytes)});
    fs::write(&manifest, seal::as_before(&text, value)).ok();
}

fn call(ground: &Ground, usage: Use, path: &Path, folder: &Path, with_demos: bool) -> Call {
    let run = folder.join("run");
    let file = path.as_os_str();
    let call = ground.call(folder).stopped_after(4.0).patience(15.0);
    match usage {
        // A folder, where the file is not the policy itself.
        Use::Eval if path.extension().is_none_or(|kind| kind != "safetensors") => call
            .args(&["eval", "--episodes", "2", "--checkpoint"])
            .args(&[&run]),
        Use::Eval => call
            .args(&["eval", "--episodes", "2", "--checkpoint"])
            .args(&[file]),
        Use::Play => {
            let words = [
                "play",
                "--size",
                "32x24",
                "--out",
                "video.gif",
                "--checkpoint",
            ];
            call.args(&words).args(&[file])
        }
        Use::Finetune => {
            let words = ["finetune", "--no-video", "--out", "more", "--checkpoint"];
            let call = call.args(&words).args(&[file]);
            // Some methods need them, and others refuse them.
            if with_demos {
                let demos = run.join("seed-0/demos.safetensors");
                call.args(&["--demos-file"]).args(&[demos])
            } else {
                call
            }
        }
        Use::Resume => call.args(&["run", "--resume"]).args(&[&run]),
        Use::Compare => call.args(&["compare"]).args(&[&run]),
        Use::Configuration => {
            let words = ["run", "--no-video", "--out", "again", "--config"];
            call.args(&words).args(&[file])
        }
        Use::Demos => {
            let small = ground.small();
            let call = call.args(&["pretrain", "--pretrain", "bc", "--no-video", "--config"]);
            call.args(&[small.as_os_str()])
                .args(&["--out", "learned", "--demos-file"])
                .args(&[file])
        }
        Use::Trace => {
            let call = call.args(&["trace", "--key", "lab/lift/0", "--fixture"]);
            call.args(&[file])
        }
    }
}
