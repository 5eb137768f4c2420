//! Lines of JSON, one object each, that a resumed run continues where its checkpoint was.

use super::{create_folder, parent, read, refused, write_atomic};
use protege_core::{Error, Result};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A `.jsonl` file that grows.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
    rows: u64,
}

impl Jsonl {
    /// Opens a file that begins empty, whatever it held.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn create(path: &Path) -> Result<Self> {
        create_folder(parent(path))?;
        write_atomic(path, b"")?;
        Self::append_to(path, 0)
    }

    /// Opens a file to go on after its first `rows` lines, which is what it had when the checkpoint
    /// was made; later lines and a torn last one are dropped. So the file of a resumed run equals
    /// that of one that never stopped.
    ///
    /// # Errors
    /// The user's, when the file is missing or has fewer lines; else when the disk is full or
    /// refuses.
    pub fn resume(path: &Path, rows: u64) -> Result<Self> {
        let bytes = read(path)?;
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .map(|(i, _)| i + 1);
        let ends: Vec<usize> = std::iter::once(0)
            .chain(ends)
            .take((rows as usize).saturating_add(1))
            .collect();
        if (ends.len() as u64) <= rows {
            let path = path.display();
            let held = ends.len() - 1;
            return Err(Error::input(format!(
                "{path} has {held} whole lines, but had {rows} at the checkpoint; restore it or \
                 start again."
            )));
        }
        write_atomic(path, &bytes[..ends[rows as usize]])?;
        Self::append_to(path, rows)
    }

    fn append_to(path: &Path, rows: u64) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|e| refused(path, &e))?;
        Ok(Self {
            path: path.into(),
            file,
            rows,
        })
    }

    /// Adds one row.
    ///
    /// # Errors
    /// When it cannot be written as JSON, or the disk is full or refuses.
    pub fn append<T: Serialize>(&mut self, row: &T) -> Result<()> {
        let mut line = serde_json::to_vec(row).map_err(|e| {
            Error::failed(format!(
                "A row of {} is not JSON: {e}.",
                self.path.display()
            ))
        })?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|e| refused(&self.path, &e))?;
        self.rows += 1;
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Waits until the disk has all rows: call it before the checkpoint that counts them.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| refused(&self.path, &e))
    }
}

/// The lines of a file of JSON objects; none when there is no file. A last line without an end was
/// cut off and does not count.
///
/// # Errors
/// Names the file and the line that cannot be read.
pub fn read_lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = read(path)?;
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end);
    let lines = bytes[..whole]
        .split(|&b| b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty());
    let read = |(i, line)| serde_json::from_slice(line).map_err(|e| damaged_line(path, i, &e));
    lines.map(read).collect()
}

fn damaged_line(path: &Path, index: usize, error: &serde_json::Error) -> Error {
    Error::input(format!(
        "line {} of {} is damaged ({error}); restore the file or start the run again",
        index + 1,
        path.display()
    ))
}
