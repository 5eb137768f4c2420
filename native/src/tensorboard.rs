//! TensorBoard's scalar event files.
//!
//! A file is a sequence of TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of
//! the data, all little-endian), each holding one `tensorflow.Event` protocol buffer. Only scalars
//! are written, so the few fields that they need are encoded by hand
//! (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).

use crate::files::metrics::Line;
use protege_core::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The one event file of a folder.
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// Seconds since 1970 at which the seed's clock showed 0.
    epoch: f64,
}

impl EventFile {
    /// An empty event file in `folder`, in the place of an earlier one. `elapsed` is what the
    /// seed's clock shows now.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn create(folder: &Path, elapsed: f64) -> Result<Self> {
        crate::files::create_folder(folder)?;
        let path = folder.join("events.out.tfevents.0.protege");
        let file = crate::files::create(&path)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        let mut events = Self {
            path,
            file: BufWriter::new(file),
            epoch: now - elapsed,
        };
        events.put(&event(events.epoch, 0, &bytes_field(3, b"brain.Event:2")))?;
        Ok(events)
    }

    /// Writes the scalars of one line of metrics. Losses stand over gradient steps, for pretraining
    /// takes no environment step.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        let updates = line
            .values
            .get("time/updates")
            .copied()
            .flatten()
            .map_or(line.step, |updates| updates as u64);
        for (step, losses) in [(updates, true), (line.step, false)] {
            let chosen = line
                .values
                .iter()
                .filter(|(name, _)| name.starts_with("loss/") == losses);
            let values: Vec<u8> = chosen
                .filter_map(|(name, value)| Some(scalar(name, (*value)? as f32)))
                .flatten()
                .collect();
            if !values.is_empty() {
                self.put(&event(
                    self.epoch + line.wall_s,
                    step,
                    &bytes_field(5, &values),
                ))?;
            }
        }
        Ok(())
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|e| refused(&self.path, &e))
    }

    fn put(&mut self, data: &[u8]) -> Result<()> {
        self.file
            .write_all(&record(data))
            .map_err(|e| refused(&self.path, &e))
    }
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!(
        "{} cannot be written ({error}); make room or check the folder's permissions",
        path.display()
    ))
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [
        &length[..],
        &masked(&length).to_le_bytes(),
        data,
        &masked(data).to_le_bytes(),
    ]
    .concat()
}

/// `Event { wall_time = 1, step = 2, .. }`.
fn event(wall_time: f64, step: u64, rest: &[u8]) -> Vec<u8> {
    [
        &[1 << 3 | 1][..],
        &wall_time.to_le_bytes(),
        &[2 << 3],
        &varint(step),
        rest,
    ]
    .concat()
}

/// `Summary { value = 1: Value { tag = 1, simple_value = 2 } }`.
fn scalar(tag: &str, value: f32) -> Vec<u8> {
    bytes_field(
        1,
        &[
            &bytes_field(1, tag.as_bytes())[..],
            &[2 << 3 | 5],
            &value.to_le_bytes(),
        ]
        .concat(),
    )
}

/// A length-delimited field.
fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

/// Seven bits a byte, the lowest first.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// TFRecord's masked checksum.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a few hundred bytes a second need no table.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum is CRC-32C (RFC 3720, B.4, and the usual check value).
    #[test]
    fn the_checksum_has_the_published_values() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// Reads a varint and what is left.
    fn read_varint(bytes: &[u8]) -> (u64, &[u8]) {
        let end = bytes.iter().position(|b| b & 0x80 == 0).unwrap();
        let value = bytes[..=end]
            .iter()
            .rev()
            .fold(0, |value, b| value << 7 | u64::from(b & 0x7f));
        (value, &bytes[end + 1..])
    }

    /// A message's fields: (number, content; fixed sizes and varints as little-endian bytes).
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (key, rest) = read_varint(bytes);
            let (length, rest) = match key & 7 {
                1 => (8, rest),
                5 => (4, rest),
                2 => read_varint(rest),
                _ => {
                    let (value, rest) = read_varint(rest);
                    found.push((key >> 3, value.to_le_bytes().to_vec()));
                    bytes = rest;
                    continue;
                }
            };
            found.push((key >> 3, rest[..length as usize].to_vec()));
            bytes = &rest[length as usize..];
        }
        found
    }

    /// The records of a file, checksums verified.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(bytes[8..12], masked(&bytes[..8]).to_le_bytes());
            let data = &bytes[12..12 + length];
            assert_eq!(bytes[12 + length..16 + length], masked(data).to_le_bytes());
            found.push(data.to_vec());
            bytes = &bytes[16 + length..];
        }
        found
    }

    /// What is written is what a reader of the format finds: the version first, then steps, tags
    /// and values.
    #[test]
    fn an_event_file_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 0.0).unwrap();
        let values = [
            ("eval/success".to_owned(), Some(0.625)),
            ("loss/nan".to_owned(), None),
        ]
        .into();
        events
            .write(&Line {
                step: 70_000,
                wall_s: 2.5,
                values,
            })
            .unwrap();
        events.flush().unwrap();
        let records = records(&std::fs::read(&events.path).unwrap());
        assert_eq!(fields(&records[0])[2], (3, b"brain.Event:2".to_vec()));
        let event = fields(&records[1]);
        assert_eq!(event[1], (2, 70_000u64.to_le_bytes().to_vec()));
        let summary = fields(&event[2].1);
        assert_eq!(summary.len(), 1, "a number that is not finite is left out");
        assert_eq!(
            fields(&summary[0].1),
            [
                (1, b"eval/success".to_vec()),
                (2, 0.625f32.to_le_bytes().to_vec())
            ]
        );
    }
}
