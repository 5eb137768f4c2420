//! Attacks on the program: damaged files, settings at their edges, kills, broken surroundings and
//! hostile servers, in folders of their own, two at a time.
//!
//! What is tried follows from the seed, the kind and the case, so that each case can be repeated
//! alone. When a signal arrives follows from the clock, too.

mod chance;
mod container;
mod files;
mod ground;
mod judge;
mod kills;
mod mutate;
mod program;
mod seal;
mod servers;
mod settings;
mod system;

use crate::shell;
use chance::Chance;
use ground::Ground;
use program::Outcome;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Cases that are tried at the same time.
const WORKERS: usize = 2;
/// Between two lines that say how far it is.
const TELL_EVERY: Duration = Duration::from_secs(15);
/// What `--quick` does at most.
const QUICK: Options = Options {
    seconds: 50.0,
    attempts: 250,
    seed: 0,
    program: None,
    only: None,
    case: None,
};

/// One kind of attack.
struct Kind {
    name: &'static str,
    what: &'static str,
    /// Of 20 cases, how many are of this kind.
    share: u64,
    attempt: fn(&Ground, u64, &mut Chance, &Path) -> Result<Report, String>,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "files",
        what: "damaged and hostile files",
        share: 7,
        attempt: files::attempt,
    },
    Kind {
        name: "settings",
        what: "settings and flags at their edges",
        share: 8,
        attempt: settings::attempt,
    },
    Kind {
        name: "kills",
        what: "runs that are killed and resumed",
        share: 1,
        attempt: kills::attempt,
    },
    Kind {
        name: "system",
        what: "limits, full disks, streams, paths",
        share: 3,
        attempt: system::attempt,
    },
    Kind {
        name: "servers",
        what: "hostile policy servers",
        share: 1,
        attempt: servers::attempt,
    },
];

/// What came of one case.
#[derive(Default)]
pub struct Report {
    /// What was tried, in words.
    what: String,
    /// What to type to see it, one call a line.
    lines: Vec<String>,
    faults: Vec<String>,
}

impl Report {
    /// Of a case of these words, in which nothing was called yet.
    fn named(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    /// Of a single call.
    fn of(outcome: &Outcome) -> Self {
        let mut report = Self::default();
        report.add(outcome);
        report
    }

    /// Adds a call, with what is always a fault.
    fn add(&mut self, outcome: &Outcome) {
        let end = match (outcome.code, outcome.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (_, signal) => format!("signal {}", signal.unwrap_or(0)),
        };
        let signals = match outcome.sent.as_slice() {
            [] => String::new(),
            sent => format!(", sent {sent:?}"),
        };
        let said = outcome.stderr.as_deref().unwrap_or_default();
        let last = said.lines().last().unwrap_or_default();
        let last: String = last.chars().take(300).collect();
        let line = format!(
            "{}    # {end}{signals}: {}",
            outcome.line,
            last.escape_debug()
        );
        self.lines.push(line);
        self.faults.extend(judge::faults(outcome));
    }
}

/// What is asked for.
#[derive(Clone)]
struct Options {
    seconds: f64,
    attempts: u64,
    seed: u64,
    program: Option<PathBuf>,
    only: Option<String>,
    case: Option<u64>,
}

/// `cargo xtask attack`; the outer error is for arguments that are not understood.
///
/// # Errors
/// A sentence when the program failed, or could not be attacked.
pub fn main(args: &[String]) -> Result<Result<(), String>, String> {
    let options = options(args)?;
    if let Some(only) = &options.only
        && !KINDS.iter().any(|kind| kind.name == only)
    {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let names = names.join(", ");
        return Err(format!("`{only}` is no kind of attack; there are {names}."));
    }
    Ok(attack(&options))
}

/// The attack of the test run.
///
/// # Errors
/// A sentence when the program failed, or could not be attacked.
pub fn quick() -> Result<(), String> {
    attack(&QUICK)
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        seconds: 600.0,
        attempts: 2000,
        ..QUICK
    };
    if args.iter().any(|arg| arg == "--quick") {
        options = QUICK;
    }
    let mut rest = args.iter().filter(|arg| *arg != "--quick");
    while let Some(name) = rest.next() {
        let value = rest.next().ok_or(format!("{name} needs a value."))?;
        let wrong = || format!("`{value}` is no value of {name}.");
        match name.as_str() {
            "--seconds" => options.seconds = value.parse().map_err(|_| wrong())?,
            "--attempts" => options.attempts = value.parse().map_err(|_| wrong())?,
            "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
            "--case" => options.case = Some(value.parse().map_err(|_| wrong())?),
            "--program" => options.program = Some(value.into()),
            "--only" => options.only = Some(value.clone()),
            _ => return Err(format!("`{name}` is not understood here.")),
        }
    }
    Ok(options)
}

fn attack(options: &Options) -> Result<(), String> {
    let program = match &options.program {
        Some(program) => std::path::absolute(program).map_err(|e| e.to_string())?,
        None => built()?,
    };
    let folder = place().join(format!("protege-attack-{}", std::process::id()));
    let ground = Ground::new(&program, &folder)?;
    let field = Field::new(&ground, options);
    println!("seed {}; folders in {}", options.seed, folder.display());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| field.work());
        }
    });
    let result = field.tell();
    if result.is_ok() {
        fs::remove_dir_all(&folder).ok();
    }
    result
}

/// The program, built.
fn built() -> Result<PathBuf, String> {
    shell::run(shell::cargo_incremental(&[
        "build",
        "--workspace",
        "--bin",
        "protege",
    ]))?;
    Ok(shell::target().join("release/protege"))
}

/// Where folders are made: in memory where that is possible, since runs that save after every step
/// wait for the disk otherwise.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// The cases, what came of them, and when to end.
struct Field<'a> {
    ground: &'a Ground,
    options: &'a Options,
    started: Instant,
    next: AtomicU64,
    over: AtomicBool,
    results: Mutex<Results>,
}

struct Results {
    /// Attempts and failures of each kind.
    counts: BTreeMap<&'static str, [u64; 2]>,
    failures: Vec<String>,
    /// Why the attack could not go on.
    trouble: Option<String>,
    told: Instant,
}

impl<'a> Field<'a> {
    fn new(ground: &'a Ground, options: &'a Options) -> Self {
        let started = Instant::now();
        Self {
            ground,
            options,
            started,
            next: AtomicU64::new(0),
            over: AtomicBool::new(false),
            results: Mutex::new(Results {
                counts: BTreeMap::new(),
                failures: Vec::new(),
                trouble: None,
                told: started,
            }),
        }
    }

    /// Tries one case after the other until it is over.
    fn work(&self) {
        while let Some((kind, case)) = self.next_case() {
            let result = self.attempt(kind, case);
            let mut results = match self.results.lock() {
                Ok(results) => results,
                Err(poisoned) => poisoned.into_inner(),
            };
            match result {
                Ok(failure) => {
                    let counts = results.counts.entry(kind.name).or_default();
                    counts[0] += 1;
                    counts[1] += u64::from(failure.is_some());
                    if let Some(failure) = failure {
                        eprintln!("{failure}");
                        results.failures.push(failure);
                    }
                }
                Err(sentence) => {
                    results.trouble = Some(sentence);
                    self.over.store(true, Ordering::SeqCst);
                }
            }
            if results.told.elapsed() > TELL_EVERY {
                results.told = Instant::now();
                let tried: u64 = results.counts.values().map(|[tried, _]| tried).sum();
                eprintln!("{tried} attempts, {} failures", results.failures.len());
            }
        }
    }

    /// The next case, if there is time for it.
    fn next_case(&self) -> Option<(&'static Kind, u64)> {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        let is_late = self.started.elapsed().as_secs_f64() > self.options.seconds;
        if is_late || self.over.load(Ordering::SeqCst) {
            return None;
        }
        if let Some(only) = &self.options.only {
            let kind = KINDS.iter().find(|kind| kind.name == only)?;
            return match self.options.case {
                Some(case) => (index == 0).then_some((kind, case)),
                None => (index < self.options.attempts).then_some((kind, index)),
            };
        }
        (index < self.options.attempts).then(|| scheduled(index))
    }

    /// Tries one case; the failure in words, if there was one.
    fn attempt(&self, kind: &Kind, case: u64) -> Result<Option<String>, String> {
        let seed = self.options.seed;
        let mut chance = Chance::new(seed, kind.name, case);
        let folder = self.ground.folder.join(format!("{}-{case}", kind.name));
        fs::create_dir_all(&folder).map_err(|e| format!("{} ({e})", folder.display()))?;
        let report = (kind.attempt)(self.ground, case, &mut chance, &folder)?;
        if report.faults.is_empty() {
            fs::remove_dir_all(&folder).ok();
            fs::remove_dir_all(folder.with_extension("streams")).ok();
            return Ok(None);
        }
        let name = kind.name;
        let lines = [
            format!(
                "FAILURE {name} {case}, {}: {}",
                report.what,
                report.faults.join("; ")
            ),
            format!("    {}", report.lines.join("\n    ")),
            format!("    cargo xtask attack --seed {seed} --only {name} --case {case}"),
        ];
        Ok(Some(lines.join("\n")))
    }

    /// Prints the table.
    fn tell(self) -> Result<(), String> {
        let seconds = self.started.elapsed().as_secs_f64();
        let results = match self.results.into_inner() {
            Ok(results) => results,
            Err(poisoned) => poisoned.into_inner(),
        };
        for failure in &results.failures {
            println!("{failure}");
        }
        println!("{:<9} {:>8} {:>8}", "kind", "attempts", "failures");
        for kind in &KINDS {
            if let Some([tried, failed]) = results.counts.get(kind.name) {
                println!("{:<9} {tried:>8} {failed:>8}  {}", kind.name, kind.what);
            }
        }
        println!("seed {}, {seconds:.0} s", self.options.seed);
        match (results.trouble, results.failures.len()) {
            (Some(sentence), _) => Err(sentence),
            (None, 0) => Ok(()),
            (None, count) => Err(format!("The program failed {count} times.")),
        }
    }
}

/// The kind and the case that come at a place of the whole attack: the kinds alternate as their
/// shares say.
fn scheduled(index: u64) -> (&'static Kind, u64) {
    let whole: u64 = KINDS.iter().map(|kind| kind.share).sum();
    let round = index / whole;
    // Kinds follow each other evenly rather than in blocks.
    let mut place = (index % whole * 7) % whole;
    for kind in &KINDS {
        if place < kind.share {
            return (kind, round * kind.share + place);
        }
        place -= kind.share;
    }
    (&KINDS[0], index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case of every kind comes once.
    #[test]
    fn no_case_comes_twice_and_none_is_left_out() {
        let mut cases: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for index in 0..200 {
            let (kind, case) = scheduled(index);
            cases.entry(kind.name).or_default().push(case);
        }
        for kind in &KINDS {
            let mut tried = cases[kind.name].clone();
            tried.sort_unstable();
            let all: Vec<u64> = (0..kind.share * 10).collect();
            assert_eq!(tried, all, "{}", kind.name);
        }
    }

    /// Options are read in any order, and what is not understood is refused.
    #[test]
    fn options_are_read_in_any_order() {
        let read = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            options(&words)
        };
        let given = read("--case 4 --seed 7 --only files").unwrap();
        assert_eq!((given.seed, given.case), (7, Some(4)));
        let quick = read("--seed 3 --quick").unwrap();
        assert_eq!((quick.seed, quick.attempts), (3, QUICK.attempts));
        assert!(read("--sead 3").is_err() && read("--seed").is_err());
    }
}
