//! Runs that are killed or stopped at any moment, and resumed: they must end as one that nobody
//! interrupted.

use super::Report;
use super::chance::Chance;
use super::ground::Ground;
use super::program::Outcome;
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// Resumptions after which a run must have ended.
const MOST: usize = 8;

/// Interrupts a run up to three times, lets it end, and compares.
pub fn attempt(
    ground: &Ground,
    case: u64,
    chance: &mut Chance,
    folder: &Path,
) -> Result<Report, String> {
    let recipes = ground.recipes();
    let recipe = recipes[case as usize % recipes.len()];
    let straight = ground.straight(recipe)?;
    if chance.once_in(8) {
        return repeat(ground, recipe, folder);
    }
    let mut words = ground.arguments(recipe);
    words.extend(["--out", "run"].map(str::to_owned));
    let interruptions = 1 + chance.below(3);
    let mut report = Report::named(format!(
        "{} interruptions of {}",
        interruptions,
        recipe.join(", ")
    ));
    for count in 0..MOST {
        let mut call = ground.call(folder).args(&words);
        if count < interruptions {
            let after = straight.seconds * chance.share() * 1.1;
            let signal = *chance.pick(&[
                libc::SIGKILL,
                libc::SIGKILL,
                libc::SIGTERM,
                libc::SIGINT,
                libc::SIGHUP,
            ]);
            call = call.signal(after, signal);
            if signal == libc::SIGINT && chance.once_in(3) {
                call = call.signal(after + 0.02 * chance.share(), signal);
            }
        }
        let threads = chance.pick(&["1", "2", "3"]);
        call = call.variable("RAYON_NUM_THREADS", Some(threads.as_ref()));
        let outcome = call.run()?;
        let is_done = outcome.code == Some(0);
        report.add(&outcome);
        if is_done {
            report
                .faults
                .extend(differences(&straight.folder, &folder.join("run")));
            return Ok(report);
        }
        if outcome.sent.is_empty() {
            report
                .faults
                .push(format!("it was not resumed: {}", last_line(&outcome)));
            return Ok(report);
        }
        words = next(folder, &words);
    }
    report
        .faults
        .push(format!("it has not ended after {MOST} resumptions"));
    Ok(report)
}

/// Repeats a run from its configuration, as the first of two seeds.
fn repeat(ground: &Ground, recipe: [&str; 2], folder: &Path) -> Result<Report, String> {
    let straight = ground.straight(recipe)?;
    let config = straight.folder.join("config.toml");
    let call = ground
        .call(folder)
        .args(&["run", "--seeds", "2", "--no-video"]);
    let call = call.args(&["--out", "run", "--config"]).args(&[config]);
    let outcome = call.run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("{} again, from config.toml", recipe.join(", "));
    let found = differences(&straight.folder, &folder.join("run"));
    report.faults.extend(found);
    Ok(report)
}

/// How to go on: as before, when the run was stopped before its folder was complete.
fn next(folder: &Path, words: &[String]) -> Vec<String> {
    if folder.join("run/plan.json").exists() {
        ["run", "--resume", "run"].map(str::to_owned).to_vec()
    } else {
        words.to_vec()
    }
}

fn last_line(outcome: &Outcome) -> String {
    let said = outcome.stderr.as_deref().unwrap_or_default();
    said.lines().last().unwrap_or("no word").to_owned()
}

/// How the results of two runs differ.
pub fn differences(one: &Path, other: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["policy.safetensors", "demos.safetensors"] {
        let bytes = |run: &Path| fs::read(run.join("seed-0").join(name)).ok();
        if bytes(one).is_none() || bytes(one) != bytes(other) {
            found.push(format!("{name} is another than without interruption"));
        }
    }
    for name in ["episodes.jsonl", "metrics.jsonl"] {
        let lines = |run: &Path| lines(&run.join("seed-0").join(name));
        let expected = lines(one);
        let got = lines(other);
        if expected.is_empty() || expected != got {
            let same = expected
                .iter()
                .zip(&got)
                .take_while(|(a, b)| a == b)
                .count();
            let line = same + 1;
            found.push(format!(
                "{name} differs in line {line} from without interruption"
            ));
        }
    }
    found
}

/// The lines of a file without the time that they took.
fn lines(path: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let mut map: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
        map.remove("wall_s");
        map
    };
    text.lines().map(line).collect()
}
