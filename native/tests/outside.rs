//! What comes from outside and what goes there: paths that are no files, terminals and pipes that
//! go away, signals, arguments that are no text. None of it ends in a panic, a hang or a lost file.

#![cfg(unix)]

mod common;

use common::protege;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Everything small: a run takes about a second.
const SMALL: [&str; 12] = [
    "--task",
    "lab/lift",
    "--preset",
    "tiny",
    "--no-video",
    "--set",
    "policy.hidden=16",
    "--set",
    "pretrain.bc.updates=20",
    "--set",
    "eval.episodes=2",
    "--set",
];

/// A call that takes so long hangs.
const HANG: Duration = Duration::from_secs(120);

/// Longest sentence, with some room.
const LONGEST: usize = 2100;

/// A name that is no UTF-8.
const LATIN: &[u8] = b"caf\xe9";

/// A small run of cloning alone, with more arguments.
fn small(command: &str, more: &[&str]) -> Vec<OsString> {
    let words = std::iter::once(command).chain(SMALL);
    let words = words.chain(["demos.count=2", "--pretrain", "bc"]);
    words
        .chain(more.iter().copied())
        .map(OsString::from)
        .collect()
}

/// Waits for a program's end; one that hangs is killed, which no code tells of.
fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < HANG {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("a call hangs");
}

fn call<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Output {
    let mut command = protege(folder, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = gathered(child.stdout.take().unwrap());
    let stderr = gathered(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn gathered(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Asserts that a call was refused as wrong input, in one sentence that a terminal can show.
fn assert_refused<S: AsRef<OsStr> + std::fmt::Debug>(arguments: &[S], output: &Output) {
    let shown: String = format!("{arguments:?}").chars().take(300).collect();
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let brief: String = text.chars().take(600).collect();
    assert_eq!(output.status.code(), Some(2), "{shown}: {brief}");
    let line = text.trim_end();
    assert!(line.starts_with("error: "), "{shown}: {brief}");
    assert!(!line.chars().any(char::is_control), "{shown}: {brief:?}");
    assert!(line.chars().count() <= LONGEST, "{shown}: {brief}");
}

fn words(text: &[&str]) -> Vec<OsString> {
    text.iter().map(OsString::from).collect()
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// The folder of a small run that has finished, in `folder`.
fn finished(folder: &Path, name: &str) {
    let output = call(folder, &small("pretrain", &["--out", name]));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// Commands, as the program lists them.
fn commands(folder: &Path) -> Vec<String> {
    let help = String::from_utf8(call(folder, &["--help"]).stdout).unwrap();
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.take_while(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The options of a command that take a value, with the name of that value.
fn options(folder: &Path, command: &str) -> Vec<(String, String)> {
    let help = String::from_utf8(call(folder, &[command, "--help"]).stdout).unwrap();
    let option = |line: &str| {
        let (_, rest) = line.split_once("--")?;
        let (name, rest) = rest.split_once(" <")?;
        let (value, _) = rest.split_once('>')?;
        let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let begins = line.trim_start().starts_with('-');
        (is_name && begins).then(|| (format!("--{name}"), value.to_owned()))
    };
    help.lines().filter_map(option).collect()
}

/// What a command needs before its other options are looked at.
fn needed(command: &str) -> &'static [&'static str] {
    match command {
        "eval" | "finetune" => &["--checkpoint", "good"],
        "play" | "trace" => &["--task", "lab/lift"],
        "compare" => &["good"],
        _ => &[],
    }
}

/// Whatever is wrong with the value of an option of any command (it is no UTF-8, it is long, it
/// steers terminals), it is refused in one sentence, on one line, of bounded length.
#[test]
fn wrong_values_of_every_option_are_refused_in_one_short_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    finished(folder, "good");
    let long = "x".repeat(100_000);
    let values: [&[u8]; 3] = [LATIN, long.as_bytes(), b"a\n\n\x1b[31mb\x9b `c`, 'd'\r"];
    let mut tried = 0;
    for command in commands(folder) {
        // What is named there is looked at, and told in the answer.
        if command == "doctor" {
            continue;
        }
        for (option, _) in options(folder, &command) {
            if ["--out", "--csv", "--rerun"].contains(&option.as_str()) {
                continue;
            }
            for value in values {
                let mut arguments = words(&[&command, "--quiet"]);
                let mut given = needed(&command);
                if given.first() == Some(&option.as_str()) {
                    given = &[];
                }
                arguments.extend(words(given));
                let mut pair = OsString::from(&option);
                pair.push("=");
                pair.push(OsStr::from_bytes(value));
                arguments.push(pair);
                assert_refused(&arguments, &call(folder, &arguments));
                tried += 1;
            }
        }
        for value in values {
            let unknown = [OsStr::new(&command), OsStr::from_bytes(value)];
            assert_refused(&unknown, &call(folder, &unknown));
        }
    }
    assert!(tried > 200, "only {tried} options were found");
}

/// What is no plain file is refused wherever a file is read, at once and in a sentence: nothing
/// waits on a pipe, and no file of the system is taken for an empty one.
#[test]
fn inputs_that_are_no_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fifo(&folder.join("fifo"));
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    symlink("nothing", folder.join("dangling")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    symlink("fifo", folder.join("link")).unwrap();
    fs::create_dir(folder.join("run")).unwrap();
    fifo(&folder.join("run/plan.json"));
    fifo(&folder.join("run/policy.safetensors"));
    let bad = [
        "fifo",
        "socket",
        "empty",
        "dangling",
        "loop",
        "link",
        "run",
        "/dev/zero",
        "/proc/self/mem",
        "/proc/self/environ",
        "/proc/kmsg",
        "missing/file",
    ];
    let mut flags: Vec<Vec<String>> = Vec::new();
    for command in commands(folder) {
        let options = options(folder, &command).into_iter();
        let inputs = options.filter(|(option, value)| {
            let is_path = ["FILE", "POLICY", "DIR", "FOLDER"].contains(&value.as_str());
            is_path && !["--out", "--csv", "--rerun"].contains(&option.as_str())
        });
        for (option, _) in inputs {
            let more: &[&str] = match option.as_str() {
                "--demos-file" if command == "finetune" => &["--base", "openpi://127.0.0.1:1"],
                "--expert" | "--from" => &["--task", "adroit/door"],
                "--fixture" => &["--key", "metaworld/reach/0"],
                _ => &[],
            };
            let mut flag = vec![command.clone()];
            flag.extend(more.iter().map(|word| (*word).to_owned()));
            flag.push(option);
            flags.push(flag);
        }
    }
    flags.push(vec!["compare".to_owned()]);
    assert!(flags.len() > 15, "{flags:?}");
    for flag in &flags {
        for path in bad {
            // A folder without pages has none to make anew.
            if flag.contains(&"--docs".to_owned()) && ["empty", "run"].contains(&path) {
                continue;
            }
            let mut arguments = flag.clone();
            arguments.push(path.to_owned());
            assert_refused(&arguments, &call(folder, &arguments));
        }
    }
    let left: Vec<PathBuf> = entries(folder);
    assert_eq!(left.len(), 7, "{left:?}");
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What cannot be written is refused before the work that would fill it, which here takes hours;
/// whatever is there stays what it is.
#[test]
fn outputs_that_cannot_be_written_are_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    finished(folder, "good");
    for end in ["", ".gif", ".mp4"] {
        let name = |name: &str| folder.join(format!("{name}{end}"));
        fifo(&name("fifo"));
        symlink("/dev/null", name("device")).unwrap();
        symlink(format!("loop{end}"), name("loop")).unwrap();
        fs::write(name("kept"), "kept").unwrap();
        let mut kept = fs::metadata(name("kept")).unwrap().permissions();
        kept.set_readonly(true);
        fs::set_permissions(name("kept"), kept).unwrap();
        if !end.is_empty() {
            fs::create_dir(name("folder")).unwrap();
        }
    }
    fs::create_dir(folder.join("folder")).unwrap();
    fs::create_dir(folder.join("pages")).unwrap();
    fifo(&folder.join("pages/theory.html"));
    let endless = "100000";
    let demos = ["demos", "--task", "lab/lift", "--demos", endless, "--out"];
    let play = ["play", "--task", "lab/lift", "--episodes", "1000", "--out"];
    let theory = ["theory", "--out"];
    let compare = ["compare", "good", "--out"];
    let csv = ["compare", "good", "--csv"];
    let long = "n".repeat(300);
    let files = [
        "fifo",
        "device",
        "loop",
        "kept",
        "folder",
        "missing/new",
        "/proc/new",
        &long,
    ];
    for name in files.into_iter().chain(["folder/", ""]) {
        for flag in [&demos[..], &compare, &csv] {
            let arguments = [flag, &[name]].concat();
            assert_refused(&arguments, &call(folder, &arguments));
        }
    }
    for name in files {
        for end in [".gif", ".mp4"] {
            let name = format!("{name}{end}");
            let arguments = [&play[..], &[&name]].concat();
            assert_not_done(&arguments, &call(folder, &arguments));
        }
    }
    // Folders.
    let run: Vec<String> = small("run", &["--demos", endless, "--out"])
        .iter()
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    for name in ["fifo", "device", "kept", "kept/new", "/dev/null/new"] {
        for flag in [&run[..], &theory, &play] {
            let arguments = [flag, &[name]].concat();
            assert_not_done(&arguments, &call(folder, &arguments));
        }
    }
    let arguments = [&theory[..], &["pages"]].concat();
    assert_refused(&arguments, &call(folder, &arguments));
    assert!(
        fs::metadata(folder.join("fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    assert!(
        fs::symlink_metadata(folder.join("device"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read(folder.join("kept")).unwrap(), b"kept");
    let hidden = entries(folder)
        .into_iter()
        .chain(entries(&folder.join("pages")));
    let hidden: Vec<PathBuf> = hidden
        .filter(|path| path.to_string_lossy().contains(".partial"))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// Asserts that a call ended at once with a sentence. Where a machine cannot draw, that may be why.
fn assert_not_done<S: AsRef<OsStr> + std::fmt::Debug>(arguments: &[S], output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(1 | 2)),
        "{arguments:?}: {text}"
    );
    let last = text.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{arguments:?}: {text}");
}

/// A link that is written to stays a link, and what it leads to is written, there already or not.
#[test]
fn links_are_followed_when_they_are_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("store")).unwrap();
    fs::write(folder.join("store/there"), "old").unwrap();
    symlink("store/there", folder.join("there")).unwrap();
    symlink("again", folder.join("new")).unwrap();
    symlink("store/new", folder.join("again")).unwrap();
    for name in ["there", "new"] {
        let arguments = ["demos", "--task", "lab/lift", "--demos", "1", "--out", name];
        assert!(call(folder, &arguments).status.success());
        assert!(
            fs::symlink_metadata(folder.join(name))
                .unwrap()
                .is_symlink()
        );
        assert!(fs::metadata(folder.join("store").join(name)).unwrap().len() > 1000);
    }
    assert_eq!(entries(&folder.join("store")).len(), 2);
}

/// Paths that are no UTF-8 work: files are read from them and written to them, and JSON stays JSON.
#[test]
fn paths_that_are_no_text_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let named = |prefix: &str, end: &str| {
        let bytes = [prefix.as_bytes(), LATIN, end.as_bytes()].concat();
        OsStr::from_bytes(&bytes).to_owned()
    };
    let run = named("run", "");
    let demos = named("demos", "");
    let page = named("page", ".html");
    let table = named("table", "");
    let theory = named("theory", "");
    let option = |name: &str, value: &OsStr| {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(value);
        pair
    };
    let with = |words: Vec<OsString>, more: &[OsString]| [&words[..], more].concat();
    let record = words(&["demos", "--task", "lab/lift", "--demos", "2", "--json"]);
    let calls = [
        with(record, &[option("--out", &demos)]),
        with(
            small("pretrain", &["--json"]),
            &[option("--demos-file", &demos), option("--out", &run)],
        ),
        with(words(&["run", "--json"]), &[option("--resume", &run)]),
        with(
            words(&["eval", "--episodes", "2", "--json"]),
            &[option("--checkpoint", &run)],
        ),
        with(
            words(&["compare", "--json"]),
            &[run.clone(), option("--out", &page), option("--csv", &table)],
        ),
        with(
            words(&[
                "theory",
                "--states=4",
                "--demos=1,10",
                "--repeats=3",
                "--json",
            ]),
            &[option("--out", &theory)],
        ),
    ];
    for arguments in calls {
        let output = call(folder, &arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
        let json: Result<Value, _> = serde_json::from_slice(&output.stdout);
        assert!(json.is_ok(), "{arguments:?}");
    }
    for name in [&run, &demos, &page, &table, &theory] {
        assert!(folder.join(name).exists(), "{name:?}");
    }
}

/// A pipe whose reader is gone.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full_device() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A stderr that is gone, full or not read changes nothing: runs end as they would, and so do
/// refusals.
#[test]
fn nobody_needs_to_read_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (unread, mut stuffed) = std::io::pipe().unwrap();
    stuffed.write_all(&[b'x'; 65536]).unwrap();
    let stderr: [&dyn Fn() -> Stdio; 3] = [&broken_pipe, &full_device, &|| {
        stuffed.try_clone().unwrap().into()
    }];
    for (number, stderr) in stderr.iter().enumerate() {
        let out = format!("run-{number}");
        let mut run = protege(
            folder,
            &small("run", &["--finetune", "none", "--out", &out]),
        );
        let mut run = run.stdout(Stdio::null()).stderr(stderr()).spawn().unwrap();
        assert_eq!(wait(&mut run).code(), Some(0), "stderr {number}");
        let mut refused = protege(folder, &["run", "--nonsense"]);
        let mut refused = refused
            .stdout(Stdio::null())
            .stderr(stderr())
            .spawn()
            .unwrap();
        assert_eq!(wait(&mut refused).code(), Some(2), "stderr {number}");
    }
    drop(unread);
}

/// An answer that cannot be printed is an error; a reader that went away is none.
#[test]
fn an_answer_that_cannot_be_printed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let calls: [&[&str]; 7] = [
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["methods"],
        &["methods", "--json"],
        &["trace", "--task", "lab/lift", "--steps", "3"],
        &[
            "demos", "--task", "lab/lift", "--demos", "1", "--json", "--quiet",
        ],
    ];
    for arguments in calls {
        let mut full = protege(folder, arguments);
        let full = full.stdout(full_device()).output().unwrap();
        let text = String::from_utf8_lossy(&full.stderr);
        assert_eq!(full.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(
            text.contains("error: the answer cannot be written"),
            "{text}"
        );
        let mut gone = protege(folder, arguments);
        let mut gone = gone
            .stdout(broken_pipe())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(wait(&mut gone).code(), Some(0), "{arguments:?}");
    }
}

/// A long run, with its folder; it is waited for until it has saved.
fn begun(folder: &Path, out: &str, mut command: Command) -> Child {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let saved = folder.join(out).join("seed-0/checkpoints/001");
    let begin = Instant::now();
    while !saved.exists() {
        assert!(begin.elapsed() < HANG, "the run does not save");
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// The arguments of a run that takes long.
fn long(out: &str) -> Vec<OsString> {
    let more = [
        "--finetune",
        "none",
        "--out",
        out,
        "--set",
        "pretrain.bc.updates=1000000",
    ];
    small("run", &more)
}

/// Whether a program handles the signals that ask to stop.
fn listens(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    caught >> (libc::SIGXCPU - 1) & 1 == 1
}

fn send(child: &Child, signal: i32) {
    let id = i32::try_from(child.id()).unwrap();
    // SAFETY: the process is ours: no other has its number before it was dropped.
    #[allow(unsafe_code, reason = "the standard library cannot do it")]
    let sent = unsafe { libc::kill(id, signal) };
    assert_eq!(sent, 0);
}

/// How a run ended, and what it said.
fn end(mut child: Child) -> (Option<i32>, String) {
    let stderr = gathered(child.stderr.take().unwrap());
    let status = wait(&mut child);
    let text = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
    (status.code(), text)
}

/// Every signal that asks to stop, be it sent twice in a row as `timeout` does, ends a run with its
/// work saved, and with a command to go on that can be pasted.
#[test]
fn a_run_that_is_asked_to_stop_saves() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (signal, times) in [
        (libc::SIGINT, 1),
        (libc::SIGTERM, 2),
        (libc::SIGHUP, 3),
        (libc::SIGXCPU, 1),
    ] {
        let out = format!("it's \"run\" {signal}");
        let child = begun(folder, &out, protege(folder, &long(&out)));
        (0..times).for_each(|_| send(&child, signal));
        let (code, text) = end(child);
        assert_eq!(code, Some(75), "signal {signal}: {text}");
        let command = text.split('`').nth(1).unwrap_or_default().to_owned();
        assert!(command.starts_with("protege run --resume "), "{text}");
        let program = Path::new(env!("CARGO_BIN_EXE_protege")).parent().unwrap();
        let mut pasted = Command::new("/bin/sh");
        pasted
            .args(["-c", &format!("exec {command}")])
            .env("PATH", program)
            .current_dir(folder);
        let child = pasted.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        while !listens(&child) {
            std::thread::sleep(Duration::from_millis(5));
        }
        send(&child, libc::SIGTERM);
        assert_eq!(end(child).0, Some(75), "{command}");
        let seed = folder.join(&out).join("seed-0");
        let hidden = entries(&seed)
            .into_iter()
            .chain(entries(&seed.join("checkpoints")));
        let hidden: Vec<PathBuf> = hidden
            .filter(|path| path.file_name().unwrap().as_bytes().starts_with(b"."))
            .collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }
}

/// A second SIGTERM in the midst of the save, as batch systems send it, does not lose it.
#[test]
fn a_second_sigterm_does_not_lose_the_save() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let child = begun(folder, "run", protege(folder, &long("run")));
    send(&child, libc::SIGTERM);
    // Signals that come close together count as one.
    send(&child, libc::SIGSTOP);
    std::thread::sleep(Duration::from_millis(500));
    send(&child, libc::SIGTERM);
    send(&child, libc::SIGCONT);
    let (code, text) = end(child);
    assert_eq!(code, Some(75), "{text}");
    assert!(text.contains("what was begun is saved"), "{text}");
}

/// Whichever file of a run has become a pipe, the run is refused in a sentence or goes on without
/// it; nothing waits for the pipe.
#[test]
fn a_run_whose_files_are_pipes_is_refused_or_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let child = begun(folder, "run", protege(folder, &long("run")));
    send(&child, libc::SIGTERM);
    assert_eq!(end(child).0, Some(75));
    let files = files_in(&folder.join("run"));
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let mut copy = Command::new("cp");
        let copied = copy.args(["-r", "run", "copy"]).current_dir(folder);
        assert!(copied.status().unwrap().success());
        let inside = file.strip_prefix(folder.join("run")).unwrap();
        let path = folder.join("copy").join(inside);
        fs::remove_file(&path).unwrap();
        fifo(&path);
        let mut command = protege(folder, &["run", "--resume", "copy"]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() && !listens(&child) {
            assert!(begin.elapsed() < HANG, "{inside:?} is waited for");
            std::thread::sleep(Duration::from_millis(5));
        }
        if child.try_wait().unwrap().is_none() {
            send(&child, libc::SIGTERM);
        }
        let (code, text) = end(child);
        assert!(matches!(code, Some(1 | 2 | 75)), "{inside:?}: {text}");
        fs::remove_dir_all(folder.join("copy")).unwrap();
    }
}

/// All files in a folder and its folders.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let inside = |path: PathBuf| {
        if path.is_dir() {
            files_in(&path)
        } else {
            vec![path]
        }
    };
    entries(folder).into_iter().flat_map(inside).collect()
}

/// A signal that was ignored when the program was started stays ignored, as `nohup` and shells want
/// it.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (signal, other) in [
        (libc::SIGHUP, libc::SIGTERM),
        (libc::SIGINT, libc::SIGTERM),
        (libc::SIGTERM, libc::SIGINT),
    ] {
        let out = format!("run-{signal}");
        let mut command = Command::new("sh");
        let script = format!("trap '' {signal}; exec \"$0\" \"$@\"");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_protege")])
            .args(long(&out))
            .stdin(Stdio::null())
            .current_dir(folder);
        let mut child = begun(folder, &out, command);
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(500));
        assert!(
            child.try_wait().unwrap().is_none(),
            "signal {signal} ended it"
        );
        send(&child, other);
        let (code, text) = end(child);
        assert_eq!(code, Some(75), "{text}");
        assert!(text.contains("protege run --resume"), "{text}");
    }
}

/// A terminal that is closed stops a run as it would be stopped otherwise.
#[test]
fn a_terminal_that_is_closed_stops_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (ours, theirs) = terminal();
    let device = || Stdio::from(theirs.try_clone().unwrap());
    let mut command = protege(folder, &long("run"));
    command.stdin(device()).stdout(device()).stderr(device());
    // SAFETY: both calls may be made between fork and exec.
    #[allow(unsafe_code, reason = "the standard library cannot do it")]
    unsafe {
        command.pre_exec(|| {
            let done = libc::setsid() > 0 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0;
            done.then_some(()).ok_or_else(std::io::Error::last_os_error)
        });
    }
    let mut child = command.spawn().unwrap();
    drop(command);
    drop(theirs);
    let saved = folder.join("run/seed-0/checkpoints/001");
    let mut screen = File::from(ours.try_clone().unwrap());
    while !saved.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        // Nothing to read is no fault.
        let _ = screen.read(&mut [0; 4096]);
        std::thread::sleep(Duration::from_millis(5));
    }
    // So that there is something new to save.
    std::thread::sleep(Duration::from_millis(500));
    drop((ours, screen));
    assert_eq!(wait(&mut child).code(), Some(75));
    let checkpoints = entries(&folder.join("run/seed-0/checkpoints"));
    assert!(checkpoints.len() >= 2, "nothing was saved: {checkpoints:?}");
}

/// The two ends of a terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    let [ours, theirs] = &mut ends;
    // SAFETY: two places for the ends; the rest may be left out. Both are ours alone then.
    #[allow(unsafe_code, reason = "the standard library cannot do it")]
    unsafe {
        let none = std::ptr::null_mut();
        let opened = libc::openpty(ours, theirs, none, none.cast(), none.cast());
        assert_eq!(opened, 0);
        let [ours, theirs] = ends.map(|end| OwnedFd::from_raw_fd(end));
        // The program that is started must not keep it open.
        libc::fcntl(ours.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(ours.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
        (ours, theirs)
    }
}

/// A limit on the size of files is told in a sentence, as a full disk is.
#[test]
fn a_limit_on_the_size_of_files_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let arguments = ["demos", "--task", "lab/lift", "--demos", "20"];
    command
        .args(["-c", "ulimit -f 20; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_protege"))
        .args(arguments)
        .stdin(Stdio::null())
        .current_dir(folder.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("There is no room for demos.safetensors"),
        "{text}"
    );
    assert!(entries(folder.path()).is_empty());
}

/// Whoever waits is told what for.
#[test]
fn a_command_that_takes_long_says_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = protege(folder.path(), &long("run"));
    child.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.contains("demos") || line.contains("preparing"),
        "{line}"
    );
}
