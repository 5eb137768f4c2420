//! Surroundings that break: limits, full disks, streams that lead nowhere, paths that are no plain
//! files, several at once.

use super::Report;
use super::chance::Chance;
use super::ground::Ground;
use super::kills::differences;
use super::program::{Call, Outcome, Stream, make_fifo, quoted};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

type Try = fn(&Ground, &mut Chance, &Path) -> Result<Report, String>;

const TRIES: [Try; 15] = [
    streams,
    outputs,
    inputs,
    streams,
    outputs,
    inputs,
    limits,
    full_disk,
    surroundings,
    together,
    streams,
    inputs,
    deleted,
    hang_up,
    occupied,
];

/// Breaks one thing around the program.
pub fn attempt(
    ground: &Ground,
    case: u64,
    chance: &mut Chance,
    folder: &Path,
) -> Result<Report, String> {
    TRIES[case as usize % TRIES.len()](ground, chance, folder)
}

/// Commands that print something, with the code that they end with.
const PRINTING: [(&str, i32); 12] = [
    ("--version", 0),
    ("--help", 0),
    ("run --help", 0),
    ("methods", 0),
    ("methods --json", 0),
    ("tasks --only lab/lift --episodes 1", 0),
    ("trace --task lab/lift --steps 2", 0),
    ("eval --checkpoint POLICY --episodes 2", 0),
    ("eval --checkpoint POLICY --episodes 2 --json", 0),
    ("run --config SMALL --finetune none --out new --no-video", 0),
    ("run --nonsense", 2),
    ("eval --checkpoint nowhere --json", 2),
];

/// Arguments with the ground's files in the place of their names.
fn words(ground: &Ground, line: &str) -> Result<Vec<OsString>, String> {
    let run = ground.straight(["bc", "none"])?.folder;
    let word = |name: &str| match name {
        "SMALL" => ground.small().into_os_string(),
        "POLICY" => run.join("seed-0/policy.safetensors").into_os_string(),
        "RUN" => run.clone().into_os_string(),
        name => name.into(),
    };
    Ok(line.split(' ').map(word).collect())
}

/// Streams that are closed, full, or read by nobody.
fn streams(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let (line, code) = *chance.pick(&PRINTING);
    let number = 1 + chance.below(2);
    let stream = *chance.pick(&[Stream::Closed, Stream::Full, Stream::Gone]);
    let mut call = ground.call(folder).args(&words(ground, line)?);
    call = call.stream(number, stream);
    if chance.once_in(4) {
        call = call.without_stdin();
    }
    let outcome = call.run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("a stream that leads nowhere: {}", line);
    let is_lost = number == 1 && stream == Stream::Full;
    if is_lost && outcome.code == Some(0) {
        report
            .faults
            .push("exit code 0, though nothing could be printed".to_owned());
    }
    if !is_lost && outcome.code.is_some_and(|other| other != code) {
        report.faults.push(format!("the exit code is not {code}"));
    }
    Ok(report)
}

/// Commands that write what is named last.
const WRITING: [&str; 7] = [
    "demos --task lab/lift --demos 1 --out",
    "play --checkpoint POLICY --size 32x24 --out",
    "compare RUN --out",
    "compare RUN --out plain.html --csv",
    "run --config SMALL --finetune none --no-video --out",
    "theory --states 4 --actions 4 --horizon 2 --demos 1,3 --alpha 0.1 --repeats 2 --out",
    "doctor --out",
];

/// Outputs that are no plain new files.
fn outputs(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let line = *chance.pick(&WRITING);
    let path = strange(chance, folder)?;
    let kind_before = kind(&folder.join(&path));
    let call = ground.call(folder).args(&words(ground, line)?);
    let outcome = call.args(&[&path]).patience(15.0).run()?;
    let mut report = Report::of(&outcome);
    let shown = quoted(&path);
    report.what = format!("output to {shown} ({kind_before}): {}", line);
    let path = folder.join(&path);
    let kind_after = kind(&path);
    let is_special = ["FIFO", "device", "link", "socket"].contains(&kind_before);
    if is_special && kind_after != kind_before {
        report
            .faults
            .push(format!("the {kind_before} is now a {kind_after}"));
    }
    let is_written = path.exists() || ["FIFO", "device"].contains(&kind_before);
    // Play adds no ending, but may refuse one; doctor only looks.
    if outcome.code == Some(0) && !is_written && !line.starts_with("doctor") {
        report
            .faults
            .push("exit code 0, but the output is not there".to_owned());
    }
    Ok(report)
}

/// What a path is.
fn kind(path: &Path) -> &'static str {
    let Ok(found) = fs::symlink_metadata(path) else {
        return "nothing";
    };
    let kind = found.file_type();
    if kind.is_symlink() {
        "link"
    } else if kind.is_dir() {
        "folder"
    } else if kind.is_file() {
        "file"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

/// Makes something in a folder that is no plain new file; its path.
fn strange(chance: &mut Chance, folder: &Path) -> Result<OsString, String> {
    let at = |name: &str| folder.join(name);
    let failed = |e: std::io::Error| format!("{} ({e})", folder.display());
    let endings = ["", ".gif", ".safetensors", ".html", ".csv"];
    let ending = *chance.pick(&endings);
    let named = |name: &str| -> OsString { format!("{name}{ending}").into() };
    let path = match chance.below(16) {
        0 => {
            make_fifo(&at(&format!("fifo{ending}"))).map_err(failed)?;
            named("fifo")
        }
        1 => {
            fs::write(at("target"), "precious").map_err(failed)?;
            symlink("target", at(&format!("link{ending}"))).map_err(failed)?;
            named("link")
        }
        2 => {
            symlink("nowhere/at/all", at(&format!("dangling{ending}"))).map_err(failed)?;
            named("dangling")
        }
        3 => {
            symlink("loop", at("loop")).map_err(failed)?;
            "loop".into()
        }
        4 => {
            fs::create_dir(at(&format!("folder{ending}"))).map_err(failed)?;
            named("folder")
        }
        5 => {
            fs::write(at(&format!("file{ending}")), "precious").map_err(failed)?;
            named("file")
        }
        6 => {
            fs::write(at("file"), "precious").map_err(failed)?;
            named("file/below")
        }
        7 => {
            // Dropped at once: the name stays.
            UnixListener::bind(at("socket")).map_err(failed)?;
            "socket".into()
        }
        8 => named("/proc/protege"),
        9 => named("/dev/full/below"),
        10 => {
            let name = [&b"caf\xe9"[..], ending.as_bytes()].concat();
            OsString::from_vec(name)
        }
        11 => named(&"n".repeat(300)),
        12 => named(&"deep/".repeat(1200)),
        13 => named("two\nlines \u{1b}[31mred"),
        14 => "".into(),
        _ => named("not/yet/there"),
    };
    Ok(path)
}

/// Commands that read what is named last.
const READING: [&str; 11] = [
    "eval --checkpoint",
    "play --size 32x24 --out video.gif --checkpoint",
    "finetune --out new --checkpoint",
    "run --out new --checkpoint",
    "run --out new --preset tiny --config",
    "pretrain --task lab/lift --preset tiny --out new --demos-file",
    "run --resume",
    "compare",
    "demos --task adroit/door --from",
    "demos --task adroit/door --expert",
    "trace --key lab/lift/0 --fixture",
];

/// Inputs that are no plain files.
fn inputs(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let line = *chance.pick(&READING);
    let real = [
        "/dev/null",
        "/dev/zero",
        "/proc/self/environ",
        "/proc/self/mem",
        "/",
        "-",
    ];
    let path = match chance.once_in(3) {
        true => (*chance.pick(&real)).into(),
        false => strange(chance, folder)?,
    };
    let call = ground
        .call(folder)
        .args(&words(ground, line)?)
        .args(&[&path]);
    let outcome = call.stopped_after(6.0).patience(12.0).memory(1000).run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("input from {}: {}", quoted(&path), line);
    if outcome.code == Some(0) || !outcome.sent.is_empty() {
        report.faults.push("it was not refused".to_owned());
    }
    Ok(report)
}

/// A small run, and how it goes on.
fn run_words(ground: &Ground) -> Vec<String> {
    let mut words = ground.arguments(["bc", "best-of-n"]);
    words.extend(["--out", "run"].map(str::to_owned));
    words
}

/// Lets a run end without whatever was in its way, and compares it.
fn go_on(ground: &Ground, folder: &Path, report: &mut Report) -> Result<(), String> {
    let words = if folder.join("run/plan.json").exists() {
        ["run", "--resume", "run"].map(str::to_owned).to_vec()
    } else {
        run_words(ground)
    };
    let outcome = ground.call(folder).args(&words).run()?;
    report.add(&outcome);
    if outcome.code == Some(0) {
        let straight = ground.straight(["bc", "best-of-n"])?;
        report
            .faults
            .extend(differences(&straight.folder, &folder.join("run")));
    } else {
        report.faults.push("it could not be resumed".to_owned());
    }
    Ok(())
}

/// Limits of the system.
fn limits(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let mut call = ground.call(folder).args(&run_words(ground));
    let name = match chance.below(4) {
        0 | 1 => {
            call = call.limit(libc::RLIMIT_FSIZE, chance.below(150_000) as u64);
            "the size of files"
        }
        2 => {
            call = call.limit(libc::RLIMIT_NOFILE, 8 + chance.below(10) as u64);
            "open files"
        }
        _ => {
            let megabytes = 1500 + chance.below(2500) as u64;
            call = call.limit(libc::RLIMIT_AS, megabytes << 20);
            "memory"
        }
    };
    let outcome = call.run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("a limit of {name}");
    go_on(ground, folder, &mut report)?;
    Ok(report)
}

/// What happens in a namespace of its own, where the folder `disk` is a small file system.
const ON_A_SMALL_DISK: &str = "
    mount -t tmpfs -o size=$1 none disk || exit 77
    shift
    program=$1
    shift
    cd disk
    \"$program\" \"$@\" 2> ../first.stderr
    echo $? > ../first.code
    mount -o remount,size=256m,nr_inodes=10000,rw . || exit 77
    if [ -e run/plan.json ]
    then \"$program\" run --resume run 2> ../second.stderr
    else \"$program\" \"$@\" 2> ../second.stderr
    fi
    echo $? > ../second.code
    cp -r run ../run
";

/// A disk that is full or read-only, and then is not.
fn full_disk(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let disk = folder.join("disk");
    fs::create_dir(&disk).map_err(|e| format!("{} ({e})", disk.display()))?;
    let size = match chance.below(6) {
        0 => "1m,ro".to_owned(),
        1 => format!("64m,nr_inodes={}", 3 + chance.below(40)),
        _ => format!("{}k", 4 * (1 + chance.below(150))),
    };
    let unshare = Path::new("/usr/bin/unshare");
    let mut call = Call::new(unshare, folder).args(&["-rm", "sh", "-c", ON_A_SMALL_DISK, "sh"]);
    call = call.args(&[&size]).args(&[&ground.program]);
    let outcome = call.args(&run_words(ground)).run()?;
    let mut report = Report::named(format!("a disk with {size}"));
    // Not everybody may mount.
    if !folder.join("first.code").exists() {
        return Ok(report);
    }
    for name in ["first", "second"] {
        report.add(&told(&outcome, folder, name));
    }
    let straight = ground.straight(["bc", "best-of-n"])?;
    report
        .faults
        .extend(differences(&straight.folder, &folder.join("run")));
    Ok(report)
}

/// How one of the calls of a shell ended.
fn told(shell: &Outcome, folder: &Path, name: &str) -> Outcome {
    let text = |ending: &str| {
        fs::read_to_string(folder.join(format!("{name}.{ending}"))).unwrap_or_default()
    };
    let code: i32 = text("code").trim().parse().unwrap_or(-1);
    Outcome {
        line: shell.line.clone(),
        command: "run".to_owned(),
        // As shells tell signals.
        code: Some(code).filter(|code| *code < 128),
        signal: Some(code - 128).filter(|signal| *signal >= 0),
        stdout: String::new(),
        stderr: Some(text("stderr")),
        seconds: shell.seconds,
        memory: [0, 0],
        hung: shell.hung,
        sent: Vec::new(),
    }
}

/// Variables that are missing or odd.
fn surroundings(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let latin = OsString::from_vec(b"caf\xe9".to_vec());
    let nothing: Option<&OsStr> = None;
    let odd: [(&str, Option<&OsStr>); 12] = [
        ("HOME", nothing),
        ("HOME", Some("/nonexistent".as_ref())),
        ("HOME", Some(&latin)),
        ("TMPDIR", Some("/nonexistent".as_ref())),
        ("PATH", nothing),
        ("LC_ALL", Some("xx_XX.latin9".as_ref())),
        ("TERM", Some("dumb".as_ref())),
        ("COLUMNS", Some("0".as_ref())),
        ("TZ", Some(&latin)),
        ("RUST_BACKTRACE", Some("full".as_ref())),
        ("DISPLAY", Some(":77".as_ref())),
        ("OPENPI_API_KEY", Some("k\r\nX-Evil: 1".as_ref())),
    ];
    let (name, value) = *chance.pick(&odd);
    let call = ground.call(folder).variable(name, value);
    let outcome = call.args(&run_words(ground)).run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("{name} is {value:?}");
    let straight = ground.straight(["bc", "best-of-n"])?;
    report
        .faults
        .extend(differences(&straight.folder, &folder.join("run")));
    Ok(report)
}

/// Several runs that start in the same moment, in one folder or without saying where.
fn together(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let count = 2 + chance.below(3);
    let same = chance.once_in(2);
    let mut running = Vec::new();
    for seed in 0..count {
        let mut words = ground.arguments(["bc", "none"]);
        words.extend(["--seed".to_owned(), seed.to_string()]);
        if same {
            words.extend(["--out", "runs/one"].map(str::to_owned));
        }
        // Each has streams of its own.
        let own = folder.join(format!("call-{seed}"));
        symlink(".", &own).map_err(|e| format!("{} ({e})", own.display()))?;
        running.push(ground.call(&own).args(&words).start()?);
    }
    let outcomes: Vec<Outcome> = running.into_iter().map(|call| call.wait()).collect();
    let place = if same { "one folder" } else { "no --out" };
    let mut report = Report::named(format!("{count} runs at once, {place}"));
    for outcome in &outcomes {
        report.add(outcome);
    }
    let done = outcomes
        .iter()
        .filter(|outcome| outcome.code == Some(0))
        .count();
    if done == 0 || (!same && done < count) {
        report.faults.push(format!("{done} of {count} succeeded"));
    }
    let entries = fs::read_dir(folder.join("runs"))
        .into_iter()
        .flatten()
        .flatten();
    let runs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    if !same && runs.len() != count {
        report
            .faults
            .push(format!("there are {} folders", runs.len()));
    }
    for run in &runs {
        report.faults.extend(contradiction(run));
    }
    Ok(report)
}

/// What plan, configuration and results of a run's folder say against each other.
fn contradiction(run: &Path) -> Option<String> {
    let text = |name: &str| fs::read_to_string(run.join(name)).unwrap_or_default();
    let plan: serde_json::Value = serde_json::from_str(&text("plan.json")).unwrap_or_default();
    let seed = plan["seeds"][0].as_u64().unwrap_or(u64::MAX);
    let config = text("config.toml");
    let says = format!("seed = {seed}");
    let is_told = config.lines().any(|line| line == says);
    let results = run.join(format!("seed-{seed}/summary.json")).exists();
    let is_whole = is_told && results;
    (!is_whole).then(|| format!("{} holds parts of different runs", run.display()))
}

/// A folder that is deleted or moved while it is worked in.
fn deleted(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let straight = ground.straight(["bc", "best-of-n"])?;
    let running = ground.call(folder).args(&run_words(ground)).start()?;
    let run = folder.join("run");
    let pause = straight.seconds * (0.1 + 0.6 * chance.share());
    std::thread::sleep(std::time::Duration::from_secs_f64(pause));
    let is_moved = chance.once_in(2);
    let done = if is_moved {
        fs::rename(&run, folder.join("elsewhere"))
    } else {
        fs::remove_dir_all(&run)
    };
    let outcome = running.wait();
    let mut report = Report::of(&outcome);
    let verb = if is_moved { "moved" } else { "deleted" };
    report.what = format!("a folder that is {verb} after {pause:.2} s");
    let whole = differences(&straight.folder, &run).is_empty();
    let elsewhere = differences(&straight.folder, &folder.join("elsewhere")).is_empty();
    if done.is_ok() && outcome.code == Some(0) && !whole && !elsewhere {
        report
            .faults
            .push("exit code 0, but no folder holds the whole run".to_owned());
    }
    Ok(report)
}

/// A terminal that goes away: `nohup` is respected, and being stopped changes nothing.
fn hang_up(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let straight = ground.straight(["bc", "best-of-n"])?;
    let after = straight.seconds * (0.1 + 0.6 * chance.share());
    let mut call = ground.call(folder).args(&run_words(ground));
    let is_ignored = chance.once_in(2);
    if is_ignored {
        call = call.ignoring(libc::SIGHUP).signal(after, libc::SIGHUP);
    } else {
        call = call
            .signal(after, libc::SIGSTOP)
            .signal(after + 0.1, libc::SIGCONT);
    }
    let outcome = call.run()?;
    let mut report = Report::of(&outcome);
    let name = if is_ignored {
        "nohup"
    } else {
        "SIGSTOP, SIGCONT"
    };
    report.what = name.to_owned();
    if outcome.code != Some(0) {
        report.faults.push("it did not go on".to_owned());
    }
    report
        .faults
        .extend(differences(&straight.folder, &folder.join("run")));
    Ok(report)
}

/// A folder that holds something else already.
fn occupied(ground: &Ground, chance: &mut Chance, folder: &Path) -> Result<Report, String> {
    let run = folder.join("run");
    let names = [
        "config.toml",
        "plan.json",
        "lock",
        "seed-0/policy.safetensors",
        "summary.json",
        "report.html",
        "seed-0",
        "inputs/demos.safetensors",
        "notes.txt",
        ".config.toml.partial",
    ];
    let name = *chance.pick(&names);
    let path = run.join(name);
    let parent = path.parent().unwrap_or(&run);
    fs::create_dir_all(parent).map_err(|e| format!("{} ({e})", parent.display()))?;
    fs::write(&path, "precious").map_err(|e| format!("{} ({e})", path.display()))?;
    let outcome = ground.call(folder).args(&run_words(ground)).run()?;
    let mut report = Report::of(&outcome);
    report.what = format!("a folder that holds {name} already");
    let is_kept = fs::read(&path).is_ok_and(|bytes| bytes == b"precious");
    let is_own = ["lock", ".config.toml.partial"].contains(&name);
    if !is_kept && !is_own {
        report.faults.push(format!("{name} was overwritten"));
    }
    Ok(report)
}
