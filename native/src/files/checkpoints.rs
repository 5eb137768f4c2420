//! A run's checkpoints: `checkpoints/NNN/`, each complete or invisible.
//!
//! A checkpoint is written into a hidden folder, synced and renamed; it is removed by renaming it
//! to a hidden name first. So whatever has a number for a name was once complete. `manifest.json`
//! tells the size and the SHA-256 of every file and of the rows so far, and has a checksum of its
//! own, so that damage done later is noticed as well.
//!
//! | format | what changed |
//! |---|---|
//! | 1 | rows are counted |
//! | 2 | rows and the manifest itself have checksums |

use super::seal::{Seal, sealed, unsealed};
use super::{create_subfolder, read, refused, sync_folder, write_synced};
use protege_core::data::sha256;
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The format of the manifest that this code writes, and the newest that it reads.
const FORMAT: u32 = 2;
/// The first format with checksums of the rows and of the manifest itself.
const SEALED: u32 = 2;
const MANIFEST: &str = "manifest.json";
/// Longest manifest that is read at all, in bytes.
const LONGEST_MANIFEST: u64 = 1 << 20;
/// What the names of unfinished folders begin with.
const HIDDEN: &str = ".unfinished-";

/// What `manifest.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Environment steps at which the checkpoint was made.
    pub step: u64,
    /// How good the policy was found to be, greater is better; none when it was not evaluated.
    pub score: Option<f64>,
    /// How many rows each `.jsonl` file of the run had: those are the rows that a resumed run
    /// keeps.
    pub rows: BTreeMap<String, u64>,
    /// Size and checksum of these rows; since format 2.
    #[serde(default)]
    pub lines: BTreeMap<String, FileEntry>,
    /// Size and checksum of each file.
    pub files: BTreeMap<String, FileEntry>,
}

/// What the manifest says about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl FileEntry {
    /// Of a file's content.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        }
    }

    /// Whether it is that of this content.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.sha256 == sha256(bytes)
    }
}

/// What a `.jsonl` file held at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Rows.
    pub rows: u64,
    /// Size and checksum of these rows; none: an earlier version did not write them down.
    pub content: Option<FileEntry>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A clause, when it is foreign or damaged.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let (seal, text) = unsealed(bytes);
        if seal == Seal::Broken {
            return Err(format!("{MANIFEST} does not match its checksum"));
        }
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|e| format!("{MANIFEST} is damaged or foreign ({e})"))?;
        if manifest.format > FORMAT {
            return Err(format!(
                "{MANIFEST} has format version {}, and this program reads up to {FORMAT}: update \
                 protege",
                manifest.format
            ));
        }
        if manifest.format >= SEALED && seal == Seal::Missing {
            return Err(format!("{MANIFEST} has lost its checksum"));
        }
        match manifest.files.keys().find(|name| !is_plain(name)) {
            Some(name) => Err(format!(
                "{MANIFEST} names the file {name:?}, which is not in the folder"
            )),
            None => Ok(manifest),
        }
    }

    /// What a `.jsonl` file of the run held.
    ///
    /// # Errors
    /// A clause, when it does not say so.
    pub fn extent(&self, name: &str) -> std::result::Result<Extent, String> {
        let rows = self.rows.get(name).copied();
        let content = self.lines.get(name).cloned();
        let unsaid = || format!("{MANIFEST} does not say what {name} held");
        if self.format >= SEALED && content.is_none() {
            return Err(unsaid());
        }
        Ok(Extent {
            rows: rows.ok_or_else(unsaid)?,
            content,
        })
    }
}

/// Whether a name is one of a file in the folder itself.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

/// What a checkpoint is to hold.
#[derive(Debug, Clone, Default)]
pub struct Content<'a> {
    /// Environment steps done.
    pub step: u64,
    /// How good the policy was found to be, greater is better. It must be finite.
    pub score: Option<f64>,
    /// What each `.jsonl` file of the run holds, by file name.
    pub lines: BTreeMap<String, Extent>,
    /// Files by name: `state.safetensors`, and `policy.safetensors` where there is a policy.
    pub files: BTreeMap<&'a str, &'a [u8]>,
}

/// A checkpoint that was read and found complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
    /// What is wrong with newer ones that had to be passed over, one sentence each.
    pub passed_over: Vec<String>,
}

impl Checkpoint {
    /// Reads a checkpoint's folder, and checks all of it.
    ///
    /// # Errors
    /// The user's, when something is missing, damaged or foreign; the sentence names it.
    pub fn open(folder: &Path) -> Result<Self> {
        let damaged = |what: String| unusable(folder, &what);
        let manifest = read_manifest(folder).map_err(damaged)?;
        let file = |(name, entry): (&String, &FileEntry)| {
            Ok((name.clone(), read_file(folder, name, entry)?))
        };
        let files = manifest
            .files
            .iter()
            .map(file)
            .collect::<std::result::Result<_, _>>()
            .map_err(damaged)?;
        Ok(Self {
            folder: folder.into(),
            manifest,
            files,
            passed_over: vec![],
        })
    }

    /// The content of one of its files.
    ///
    /// # Errors
    /// The user's, when the checkpoint has no such file.
    pub fn file(&self, name: &str) -> Result<&[u8]> {
        let file = self.files.get(name).map(Vec::as_slice);
        file.ok_or_else(|| {
            Error::input(format!(
                "the checkpoint {} has no {name}; use another one",
                self.folder.display()
            ))
        })
    }
}

/// What is wrong with a checkpoint, in a sentence.
fn unusable(folder: &Path, what: &str) -> Error {
    Error::input(format!(
        "the checkpoint {} cannot be used ({what})",
        folder.display()
    ))
}

fn read_manifest(folder: &Path) -> std::result::Result<Manifest, String> {
    let path = folder.join(MANIFEST);
    match fs::metadata(&path) {
        Err(e) => Err(format!("{MANIFEST} cannot be read ({e})")),
        Ok(metadata) if metadata.len() > LONGEST_MANIFEST => {
            Err(format!("{MANIFEST} is {} bytes long", metadata.len()))
        }
        Ok(_) => Manifest::parse(&read(&path).map_err(clause)?),
    }
}

/// One file of a checkpoint, if it is what the manifest says. Its length is compared before it is
/// read.
fn read_file(folder: &Path, name: &str, entry: &FileEntry) -> std::result::Result<Vec<u8>, String> {
    let path = folder.join(name);
    let length = fs::metadata(&path)
        .map_err(|e| format!("{name} cannot be read ({e})"))?
        .len();
    if length != entry.bytes {
        return Err(format!(
            "{name} has {length} bytes instead of {}",
            entry.bytes
        ));
    }
    let bytes = read(&path).map_err(clause)?;
    if sha256(&bytes) != entry.sha256 {
        Err(format!("{name} does not match its checksum"))
    } else {
        Ok(bytes)
    }
}

/// A sentence as a part of another one.
fn clause(error: Error) -> String {
    error.to_string().trim_end_matches('.').to_string()
}

/// The checkpoints of one run. One process at a time may save; any number may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    keep_last: usize,
}

impl Checkpoints {
    /// The checkpoints in `folder`, which need not exist yet. A save keeps the newest `keep_last`
    /// (at least one), and the one with the best score.
    pub fn new(folder: impl Into<PathBuf>, keep_last: usize) -> Self {
        Self {
            folder: folder.into(),
            keep_last: keep_last.max(1),
        }
    }

    /// Saves a checkpoint and, once the disk has it, removes those that are not kept. Leftovers of
    /// killed saves go first. The folder above that of the checkpoints must be there.
    ///
    /// # Errors
    /// When the disk is full or refuses; no checkpoint is lost then.
    pub fn save(&self, content: &Content) -> Result<PathBuf> {
        create_subfolder(&self.folder)?;
        self.clean()?;
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let hidden = self.folder.join(format!("{HIDDEN}{number:03}"));
        let folder = self.path(number);
        write_folder(&hidden, content)
            .and_then(|()| fs::rename(&hidden, &folder))
            .and_then(|()| sync_folder(&self.folder))
            .map_err(|e| {
                // Room for others; the first error is the one to tell.
                let _ = fs::remove_dir_all(&hidden);
                refused(&folder, &e)
            })?;
        self.rotate()?;
        Ok(folder)
    }

    /// The newest complete checkpoint, or none when nothing was saved yet. Damaged ones are passed
    /// over, and told.
    ///
    /// # Errors
    /// The user's, when there are checkpoints but all are damaged; the sentence names what is wrong
    /// with each.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        self.latest_that(|_| Ok(()))
    }

    /// The same of those that `usable` accepts; what it says of others is told like damage.
    ///
    /// # Errors
    /// The user's, when there are checkpoints but none can be used; the sentence names what is
    /// wrong with each.
    pub fn latest_that(
        &self,
        usable: impl Fn(&Checkpoint) -> Result<()>,
    ) -> Result<Option<Checkpoint>> {
        let mut passed_over = Vec::new();
        for number in self.numbers()?.into_iter().rev() {
            let opened = Checkpoint::open(&self.path(number));
            let checked = opened.and_then(|checkpoint| {
                usable(&checkpoint).map_err(|e| unusable(&checkpoint.folder, &clause(e)))?;
                Ok(checkpoint)
            });
            match checked {
                Ok(checkpoint) => {
                    return Ok(Some(Checkpoint {
                        passed_over,
                        ..checkpoint
                    }));
                }
                Err(e) => passed_over.push(clause(e)),
            }
        }
        if passed_over.is_empty() {
            return Ok(None);
        }
        Err(Error::input(format!(
            "no checkpoint in {} can be used: {}; put an undamaged copy back, or begin another \
             run with the config.toml of this one",
            self.folder.display(),
            passed_over.join("; ")
        )))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:03}"))
    }

    /// The names in the folder; none when there is no folder.
    fn names(&self) -> Result<Vec<String>> {
        let unreadable = |e: std::io::Error| {
            Error::failed(format!("{} cannot be listed ({e}).", self.folder.display()))
        };
        match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(e) => Err(unreadable(e)),
            Ok(entries) => entries
                .map(|e| {
                    Ok(e.map_err(unreadable)?
                        .file_name()
                        .to_string_lossy()
                        .into_owned())
                })
                .collect(),
        }
    }

    /// The numbers of all checkpoints, ascending: the order in which they were saved.
    fn numbers(&self) -> Result<Vec<u64>> {
        let number = |name: &String| {
            name.parse()
                .ok()
                .filter(|n: &u32| format!("{n:03}") == *name)
                .map(u64::from)
        };
        let mut numbers: Vec<u64> = self.names()?.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Score and number of all checkpoints that have a score.
    fn scored(&self) -> Result<Vec<(f64, u64)>> {
        let score = |number| Some((read_manifest(&self.path(number)).ok()?.score?, number));
        Ok(self.numbers()?.into_iter().filter_map(score).collect())
    }

    /// Removes what killed saves left behind.
    fn clean(&self) -> Result<()> {
        for name in self.names()?.iter().filter(|name| name.starts_with(HIDDEN)) {
            remove(&self.folder.join(name))?;
        }
        Ok(())
    }

    /// Removes all but the newest few and the best.
    fn rotate(&self) -> Result<()> {
        let numbers = self.numbers()?;
        let best = self
            .scored()?
            .into_iter()
            .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, number)| number);
        let old = numbers.len().saturating_sub(self.keep_last);
        for &number in numbers[..old]
            .iter()
            .filter(|&&number| Some(number) != best)
        {
            let hidden = self.folder.join(format!("{HIDDEN}old-{number:03}"));
            fs::rename(self.path(number), &hidden).map_err(|e| refused(&hidden, &e))?;
            remove(&hidden)?;
        }
        Ok(())
    }
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder)
        .map_err(|e| Error::failed(format!("{} cannot be removed ({e}).", folder.display())))
}

/// Writes the files and the manifest of a checkpoint, and waits until the disk has them.
fn write_folder(folder: &Path, content: &Content) -> std::io::Result<()> {
    fs::create_dir(folder)?;
    let mut files = BTreeMap::new();
    for (name, bytes) in &content.files {
        write_synced(&folder.join(name), bytes)?;
        files.insert(name.to_string(), FileEntry::of(bytes));
    }
    let rows = content.lines.iter();
    let rows = rows.map(|(name, extent)| (name.clone(), extent.rows));
    let lines = content.lines.iter();
    let lines = lines.filter_map(|(name, extent)| Some((name.clone(), extent.content.clone()?)));
    let manifest = Manifest {
        format: FORMAT,
        step: content.step,
        score: content.score,
        rows: rows.collect(),
        lines: lines.collect(),
        files,
    };
    let text = sealed(&serde_json::to_string_pretty(&manifest)?);
    write_synced(&folder.join(MANIFEST), text.as_bytes())?;
    sync_folder(folder)
}
