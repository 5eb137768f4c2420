//! `times.csv`: all that depends on the machines and on how the work went, which no other file of
//! a sweep's results holds.

use super::csv::line;
use crate::cli::sweep::plan::Sweep;
use crate::cli::sweep::status::Standing;
use crate::files::lease::{State, look};
use protege_core::Result;

/// One line a cell: number, kind, name, seconds of work, how often it was taken up, and by whom at
/// last.
///
/// # Errors
/// When the records of the cells cannot be read.
pub fn times(sweep: &Sweep, standings: &[Standing]) -> Result<String> {
    let names = [
        "cell", "kind", "name", "state", "seconds", "attempts", "host",
    ];
    let mut text = line(&names.map(str::to_owned));
    for (index, (cell, standing)) in sweep.plan.cells.iter().zip(standings).enumerate() {
        let (state, seconds) = match standing {
            Standing::Done(seconds) => ("done", *seconds),
            Standing::Running(_) => ("running", None),
            Standing::Stopped => ("begun", None),
            Standing::Failed(_) => ("failed", None),
            Standing::Waiting => ("not begun", None),
        };
        let host = match look(&sweep.lease(index))? {
            State::Held(record) | State::Ended(record) => record.host,
            State::Free => String::new(),
        };
        text += &line(&[
            index.to_string(),
            cell.kind.name().to_owned(),
            cell.name(),
            state.to_owned(),
            seconds.map_or_else(String::new, |seconds| format!("{seconds:.3}")),
            attempts(sweep, index).to_string(),
            host,
        ]);
    }
    Ok(text)
}

/// How often a cell was taken up: its records are numbered.
fn attempts(sweep: &Sweep, index: usize) -> u64 {
    let entries = std::fs::read_dir(sweep.lease(index));
    let names = entries.into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    numbers.max().map_or(0, |newest| newest + 1)
}
