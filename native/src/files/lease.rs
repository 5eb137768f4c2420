//! Leases: at most one process works on something, on whatever file system its folder lies, and
//! whoever dies does not keep it.
//!
//! A folder holds the records `0`, `1`, `2`, ...; the newest one counts. Whoever creates the next
//! number has the lease, and creating a file that must not exist yet is what every file system
//! does for one process only, locks or not. A record is never removed by another than its
//! successor, so that a number is never given twice. The holder writes its record anew now and
//! then; a record that nobody writes any more, or whose process is gone, may be succeeded.

use crate::files::{create_new_folder, refused, write_atomic};
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(15);
/// A record of another machine without a sign of life for this long may be succeeded. Caches of
/// network file systems show a change within a minute.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// How work under a lease ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It is complete.
    Done {
        /// Seconds that it took, over all who worked on it.
        seconds: f64,
    },
    /// It was stopped, and can go on.
    Stopped,
    /// It failed.
    Failed {
        /// Why, in a sentence.
        words: String,
    },
}

/// Who works on something, or how that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The machine's name, for people.
    pub host: String,
    /// What tells machines, and spaces of process numbers in them, apart.
    machine: String,
    /// The process.
    pub pid: u32,
    /// When the process began, as the system counts: numbers are given again.
    begun: Option<u64>,
    /// When the lease was taken: seconds since 1970.
    pub since: u64,
    /// None: it is being worked on.
    pub end: Option<End>,
}

impl Record {
    /// This process's, as of now.
    fn own() -> Self {
        let pid = std::process::id();
        Self {
            host: host(),
            machine: machine(),
            pid,
            begun: begun(pid),
            since: now(),
            end: None,
        }
    }

    /// Whether its process may still be at work; `silent` is the time since its last sign of life.
    fn is_alive(&self, silent: Duration) -> bool {
        match self.begun {
            // The system says of its processes when they began.
            Some(_) if self.machine == machine() => begun(self.pid) == self.begun,
            _ => silent < PATIENCE,
        }
    }
}

/// What the newest record says.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Nobody has worked on it yet, or whoever did is gone without a word.
    Free,
    /// Somebody is at work.
    Held(Record),
    /// Nobody is at work any more.
    Ended(Record),
}

/// What asking for a lease came to.
pub enum Taken {
    /// It is this process's.
    Lease(Lease),
    /// Somebody is at work.
    Held(Record),
}

/// The right to work on something, until it is dropped or ended.
#[derive(Debug)]
pub struct Lease {
    folder: PathBuf,
    number: u64,
    record: Record,
    lost: Arc<AtomicBool>,
    /// Dropped, the signs of life end.
    beats: Option<Sender<()>>,
}

impl Lease {
    /// Takes the lease whose records lie in `folder`, which is made if need be. `on_loss` is
    /// called, in another thread, should another process take it over: this one was taken for dead.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn take(folder: &Path, on_loss: impl Fn() + Send + 'static) -> Result<Taken> {
        match create_new_folder(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(refused(folder, &e)),
            _ => {}
        }
        loop {
            let number = match newest(folder)? {
                None => 0,
                Some((number, record)) => match state_of(folder, number, record)? {
                    State::Held(record) => return Ok(Taken::Held(record)),
                    State::Free | State::Ended(_) => number + 1,
                },
            };
            let record = Record::own();
            if !create(&path(folder, number), &record)? {
                // Another process was faster.
                continue;
            }
            remove_before(folder, number);
            let mut lease = Self {
                folder: folder.to_owned(),
                number,
                record,
                lost: Arc::default(),
                beats: None,
            };
            lease.beats = lease.beat(on_loss);
            return Ok(Taken::Lease(lease));
        }
    }

    /// Whether another process has taken it over.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst) || has_successor(&self.folder, self.number)
    }

    /// Gives it back, with how the work ended.
    ///
    /// # Errors
    /// When another process has taken it over, or the disk refuses.
    pub fn end(mut self, end: End) -> Result<()> {
        self.beats = None;
        if self.is_lost() {
            return Err(Error::failed(format!(
                "another process took over {}, since this one gave no sign of life for {} s; what \
                 it does now counts",
                self.folder.display(),
                PATIENCE.as_secs()
            )));
        }
        self.record.end = Some(end);
        write(&self.folder, self.number, &self.record)
    }

    /// Gives signs of life until the lease is dropped.
    fn beat(&self, on_loss: impl Fn() + Send + 'static) -> Option<Sender<()>> {
        let (sender, receiver) = channel::<()>();
        let (folder, number, record) = (self.folder.clone(), self.number, self.record.clone());
        let lost = Arc::clone(&self.lost);
        let beat = move || {
            while receiver.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                if has_successor(&folder, number) {
                    lost.store(true, Ordering::SeqCst);
                    on_loss();
                    return;
                }
                // A disk that is full for a while is no reason to stop.
                let _ = write(&folder, number, &record);
            }
        };
        // Without a thread, others on this machine still see that the process is there.
        let thread = std::thread::Builder::new().spawn(beat);
        thread.ok().map(|_| sender)
    }
}

/// Who works on what the records in `folder` are about, or how that ended.
///
/// # Errors
/// When they cannot be read.
pub fn look(folder: &Path) -> Result<State> {
    match newest(folder)? {
        None => Ok(State::Free),
        Some((number, record)) => state_of(folder, number, record),
    }
}

/// Says that something failed on which nobody works.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn fail(folder: &Path, words: &str) -> Result<()> {
    let words = words.to_owned();
    match Lease::take(folder, || {})? {
        Taken::Lease(lease) => lease.end(End::Failed { words }),
        Taken::Held(_) => Ok(()),
    }
}

fn state_of(folder: &Path, number: u64, record: Option<Record>) -> Result<State> {
    let silent = silence(folder, number)?;
    Ok(match record {
        Some(record) if record.end.is_some() => State::Ended(record),
        Some(record) if record.is_alive(silent) => State::Held(record),
        Some(_) => State::Free,
        // It is being written at this moment, or its writer died just then.
        None if silent < BEAT => State::Held(Record {
            pid: 0,
            machine: String::new(),
            ..Record::own()
        }),
        None => State::Free,
    })
}

/// Time since a record was written. The file system's clock counts, which may not be this
/// machine's.
fn silence(folder: &Path, number: u64) -> Result<Duration> {
    let Ok(written) = fs::metadata(path(folder, number)).and_then(|data| data.modified()) else {
        return Ok(Duration::ZERO);
    };
    let local = SystemTime::now().duration_since(written);
    if local.is_ok_and(|age| age < BEAT) {
        return Ok(Duration::ZERO);
    }
    let probe = folder.join(format!(".now-{}", std::process::id()));
    fs::write(&probe, b".").map_err(|e| refused(&probe, &e))?;
    let there = fs::metadata(&probe).and_then(|data| data.modified());
    let _ = fs::remove_file(&probe);
    let there = there.map_err(|e| refused(&probe, &e))?;
    Ok(there.duration_since(written).unwrap_or_default())
}

/// The newest record and its number; the record is none where it cannot be read.
fn newest(folder: &Path) -> Result<Option<(u64, Option<Record>)>> {
    let numbers = numbers(folder)?;
    let Some(number) = numbers.into_iter().max() else {
        return Ok(None);
    };
    let bytes = fs::read(path(folder, number)).unwrap_or_default();
    Ok(Some((number, serde_json::from_slice(&bytes).ok())))
}

fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => {
            let shown = folder.display();
            return Err(Error::failed(format!("{shown} cannot be listed ({e})")));
        }
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let numbers = names.filter_map(|name| name.to_str()?.parse().ok());
    Ok(numbers.collect())
}

fn has_successor(folder: &Path, number: u64) -> bool {
    path(folder, number + 1).exists()
        || numbers(folder).is_ok_and(|numbers| numbers.iter().any(|other| *other > number))
}

fn remove_before(folder: &Path, number: u64) {
    let Ok(numbers) = numbers(folder) else { return };
    for old in numbers.into_iter().filter(|old| *old < number) {
        // One that stays is only in the way of the eye.
        let _ = fs::remove_file(path(folder, old));
    }
}

/// Creates a record; false where there is one of this number.
fn create(path: &Path, record: &Record) -> Result<bool> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(e) => return Err(refused(path, &e)),
    };
    let written = file
        .write_all(text(record)?.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(e) = written {
        let _ = fs::remove_file(path);
        return Err(refused(path, &e));
    }
    Ok(true)
}

fn write(folder: &Path, number: u64, record: &Record) -> Result<()> {
    write_atomic(&path(folder, number), text(record)?.as_bytes())
}

fn text(record: &Record) -> Result<String> {
    serde_json::to_string(record)
        .map_err(|e| Error::failed(format!("a lease cannot be written as JSON: {e}")))
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(number.to_string())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

/// The machine's name.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// What tells this machine, this start of it, and this container's process numbers from others.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {} {}", host(), boot.trim(), space.display())
}

/// When a process began, as the system counts; none where there is no such process.
fn begun(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; the 22nd field is the 20th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    // A process that ended, and that nobody has asked about yet.
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(folder: &Path) -> Lease {
        match Lease::take(folder, || {}).unwrap() {
            Taken::Lease(lease) => lease,
            Taken::Held(record) => panic!("{record:?} has it"),
        }
    }

    /// The record as a process of another machine would have left it, silent for `seconds`.
    fn foreign(folder: &Path, number: u64, seconds: u64) {
        let record = Record {
            machine: "elsewhere".to_owned(),
            ..Record::own()
        };
        fs::create_dir_all(folder).unwrap();
        fs::write(path(folder, number), text(&record).unwrap()).unwrap();
        let file = OpenOptions::new().write(true).open(path(folder, number));
        let then = SystemTime::now() - Duration::from_secs(seconds);
        file.unwrap().set_modified(then).unwrap();
    }

    /// One of many that ask at the same time gets it; after its end another does, and so on.
    #[test]
    fn one_of_many_gets_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("lease");
        for _ in 0..20 {
            let ask = || match Lease::take(&folder, || {}).unwrap() {
                Taken::Lease(lease) => Some(lease),
                Taken::Held(_) => None,
            };
            let leases: Vec<Lease> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
                let taken = threads.into_iter().map(|thread| thread.join().unwrap());
                taken.flatten().collect()
            });
            let [lease]: [Lease; 1] = leases.try_into().unwrap();
            lease.end(End::Stopped).unwrap();
        }
        assert_eq!(numbers(&folder).unwrap(), [19]);
    }

    /// How the work ended is there for whoever looks.
    #[test]
    fn the_end_is_remembered() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("lease");
        assert_eq!(look(&folder).unwrap(), State::Free);
        let lease = taken(&folder);
        assert!(matches!(look(&folder).unwrap(), State::Held(_)));
        let end = End::Done { seconds: 2.5 };
        lease.end(end.clone()).unwrap();
        let State::Ended(record) = look(&folder).unwrap() else {
            panic!("it has ended");
        };
        assert_eq!(record.end, Some(end));
        fail(&folder, "it fell").unwrap();
        let State::Ended(record) = look(&folder).unwrap() else {
            panic!("it has ended");
        };
        let words = "it fell".to_owned();
        assert_eq!(record.end, Some(End::Failed { words }));
    }

    /// The record of a process that is gone does not count, nor does one of another machine that is
    /// silent for long; one that is not is respected.
    #[test]
    fn the_dead_keep_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("lease");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let dead = Record {
            pid,
            ..Record::own()
        };
        fs::create_dir(&folder).unwrap();
        fs::write(path(&folder, 0), text(&dead).unwrap()).unwrap();
        assert_eq!(taken(&folder).number, 1);

        foreign(&folder, 7, 20);
        assert!(matches!(
            Lease::take(&folder, || {}).unwrap(),
            Taken::Held(_)
        ));
        foreign(&folder, 7, PATIENCE.as_secs() + 20);
        assert_eq!(taken(&folder).number, 8);
    }

    /// A number that was given to another process is noticed, and what this one did does not count.
    #[test]
    fn a_lease_that_was_taken_over_cannot_be_ended() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("lease");
        let lease = taken(&folder);
        foreign(&folder, 1, 0);
        assert!(lease.is_lost());
        let sentence = lease.end(End::Stopped).unwrap_err().to_string();
        assert!(sentence.contains("took over"), "{sentence}");
        assert!(matches!(look(&folder).unwrap(), State::Held(_)));
    }
}
