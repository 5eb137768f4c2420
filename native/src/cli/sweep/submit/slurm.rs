//! Slurm: an array of jobs for each kind of cells, those that others begin with first.

use super::{Handover, Step, filled};
use crate::cli::shell::quoted;
use protege_core::{Error, Result};
use std::path::Path;

const SCRIPT: &str = include_str!("slurm.sh");
/// Tasks of an array at most, where the cluster does not say: Slurm's own default is 1001.
const ARRAY: usize = 1000;

/// Submits arrays; the command lines.
pub fn submit(handover: &Handover<'_>) -> Result<Vec<String>> {
    let script = filled(
        SCRIPT,
        &[
            ("PROGRAM", &quoted(handover.program.as_os_str())),
            ("SWEEP", &quoted(handover.folder.as_os_str())),
        ],
    );
    let script = handover.write("slurm.sh", &script)?;
    let most = if handover.wishes.dry_run {
        ARRAY
    } else {
        largest_array()
    };
    let mut commands = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for (kind, cells) in &handover.left {
        let mut own = Vec::new();
        for (i, part) in cells.chunks(most).enumerate() {
            let list = handover.write_list(&format!("{}-{i}.cells", kind.name()), part)?;
            let arguments = arguments(handover, part.len(), &before, &script, &list);
            let step = Step::new("sbatch", &arguments);
            commands.push(step.shown.clone());
            own.push(match handover.run(step)? {
                Some(printed) => job(&printed)?,
                None => format!("JOB{}", commands.len()),
            });
        }
        before = own;
    }
    Ok(commands)
}

fn arguments(
    handover: &Handover<'_>,
    count: usize,
    before: &[String],
    script: &Path,
    list: &Path,
) -> Vec<String> {
    let wishes = handover.wishes;
    let at_once = wishes.at_once.map(|most| format!("%{most}"));
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let log = handover.folder.join("logs/slurm-%A_%a.log");
    let mut arguments = vec![
        "--parsable".to_owned(),
        format!("--array=0-{}{}", count - 1, at_once.unwrap_or_default()),
        format!("--cpus-per-task={}", handover.sweep.plan.session.threads),
        format!("--job-name={}", name(&handover.folder)),
        format!("--output={}", text(&log)),
    ];
    if !before.is_empty() {
        // Whoever needs a cell that failed says so itself.
        arguments.push(format!("--dependency=afterany:{}", before.join(":")));
    }
    arguments.extend(wishes.flags.iter().cloned());
    arguments.push(text(script));
    arguments.push(text(list));
    arguments
}

fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    format!("protege-{}", name.to_string_lossy())
}

/// The number of a job among what `sbatch --parsable` prints: `JOB`, or `JOB;CLUSTER`.
fn job(printed: &str) -> Result<String> {
    let job = printed.lines().last().unwrap_or_default();
    let job = job.split(';').next().unwrap_or_default();
    if job.is_empty() || !job.chars().all(|c| c.is_ascii_digit()) {
        return Err(Error::failed(format!(
            "sbatch answers `{}`, which is no number of a job",
            protege_core::error::excerpt(printed)
        )));
    }
    Ok(job.to_owned())
}

/// Tasks that an array of this cluster has at most.
fn largest_array() -> usize {
    let step = Step::new("scontrol", &["show".to_owned(), "config".to_owned()]);
    let Ok(config) = step.run() else {
        return ARRAY;
    };
    let line = config.lines().find(|line| line.starts_with("MaxArraySize"));
    let size = line.and_then(|line| line.split_once('=')?.1.trim().parse::<usize>().ok());
    // It is one more than the greatest index.
    size.map_or(ARRAY, |size| size.saturating_sub(1).max(1))
}
