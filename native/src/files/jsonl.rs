//! Lines of JSON, one object each, that a resumed run continues where its checkpoint was.

use super::checkpoints::{Extent, FileEntry};
use super::{read, refused, write_atomic};
use protege_core::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A `.jsonl` file that grows.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
    rows: u64,
    bytes: u64,
    /// Of all rows.
    hash: Sha256,
}

impl Jsonl {
    /// Opens a file that begins empty, whatever it held. Its folder must be there.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn create(path: &Path) -> Result<Self> {
        write_atomic(path, b"")?;
        Self::append_to(path, 0, b"")
    }

    /// Opens a file to go on after what it had when the checkpoint was made; later lines and a torn
    /// last one are dropped. So the file of a resumed run equals that of one that never stopped.
    ///
    /// # Errors
    /// The user's, when the file is missing, has fewer lines or other ones; else when the disk is
    /// full or refuses.
    pub fn resume(path: &Path, extent: &Extent) -> Result<Self> {
        let bytes = beginning(path, extent)?;
        write_atomic(path, &bytes)?;
        Self::append_to(path, extent.rows, &bytes)
    }

    fn append_to(path: &Path, rows: u64, held: &[u8]) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|e| refused(path, &e))?;
        Ok(Self {
            path: path.into(),
            file,
            rows,
            bytes: held.len() as u64,
            hash: Sha256::new_with_prefix(held),
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
        self.bytes += line.len() as u64;
        self.hash.update(&line);
        Ok(())
    }

    /// What was written so far.
    pub fn extent(&self) -> Extent {
        let digest = self.hash.clone().finalize();
        let content = FileEntry {
            bytes: self.bytes,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        Extent {
            rows: self.rows,
            content: Some(content),
        }
    }

    /// Waits until the disk has all rows: call it before the checkpoint that counts them.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| refused(&self.path, &e))
    }
}

/// What a file held when the checkpoint was made: its first rows.
///
/// # Errors
/// The user's, when the file is missing, has fewer lines, or other ones.
pub fn beginning(path: &Path, extent: &Extent) -> Result<Vec<u8>> {
    let mut bytes = read(path)?;
    let rows = extent.rows;
    let ends = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(i, _)| i + 1);
    let ends: Vec<usize> = std::iter::once(0)
        .chain(ends)
        .take((rows as usize).saturating_add(1))
        .collect();
    let shown = path.display();
    if (ends.len() as u64) <= rows {
        let held = ends.len() - 1;
        return Err(Error::input(format!(
            "{shown} has {held} whole lines, but had {rows} at the checkpoint; restore it or \
             start again."
        )));
    }
    bytes.truncate(ends[rows as usize]);
    match &extent.content {
        Some(content) if !content.fits(&bytes) => Err(Error::input(format!(
            "the first {rows} lines of {shown} are not those that were written (their checksum \
             does not fit); restore the file or start again."
        ))),
        _ => Ok(bytes),
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
