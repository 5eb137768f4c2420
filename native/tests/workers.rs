//! Workers as a user meets them: whatever becomes of them, a run's numbers are those of a run
//! without.

#![cfg(unix)]

mod common;

use common::{protege, sentence};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const TOKEN: &str = "a token of many characters";

/// A run of a second or two.
const SMALL: &str = "\
preset = \"tiny\"
task = \"lab/lift\"
demos = { count = 2 }
env = { parallel = 4, action_repeat = 2 }
policy = { hidden = 8, layers = 1, inference_steps = 2 }
pretrain = { method = \"bc\", bc = { unit = \"step\", updates = 20, batch = 8 } }
eval = { episodes = 12, curve_episodes = 5 }

[finetune.best_of_n]
rollouts = 18
rounds = 2
updates = 20
batch = 8
samples = 3
hidden = 8
layers = 1

[finetune.dppo]
iterations = 2
eval_every = 1
episodes = 7
batch = 8
hidden = 8
";

/// A worker, which ends with the test.
struct Worker {
    child: Child,
    address: String,
}

impl Worker {
    fn start(arguments: &[&str]) -> Self {
        let folder = std::env::temp_dir();
        let mut command = protege(&folder, &["worker", "--threads", "1"]);
        command.args(arguments).env("PROTEGE_TOKEN", TOKEN);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening at ")
            .and_then(|rest| rest.split_once(','));
        let address = address.unwrap_or_else(|| panic!("{line}")).0.to_owned();
        // What it says later is nobody's business, and may not end it.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Self { child, address }
    }

    /// At any port of the loopback address.
    fn any() -> Self {
        Self::start(&["--listen", "127.0.0.1:0"])
    }

    /// Stops it; the episodes that it has played.
    fn end(mut self) -> u64 {
        self.signal("-TERM");
        let mut answer = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut answer).unwrap();
        assert!(self.child.wait().unwrap().success());
        answer.split_once(' ').unwrap().0.parse().unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn addresses(workers: &[Worker]) -> String {
    let addresses: Vec<&str> = workers.iter().map(|worker| &worker.address[..]).collect();
    addresses.join(",")
}

fn call(folder: &Path, arguments: &str) -> Command {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let mut command = protege(folder, &words);
    command.env("PROTEGE_TOKEN", TOKEN);
    command
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", sentence(output));
}

/// A folder with the settings.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    folder
}

/// What a run leaves, without times: of every seed its figures, episodes, demonstrations and
/// policy.
fn left(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let entry = entry.unwrap();
        let seed = entry.file_name().to_string_lossy().into_owned();
        if !seed.starts_with("seed-") {
            continue;
        }
        for name in [
            "config.toml",
            "episodes.jsonl",
            "demos.safetensors",
            "policy.safetensors",
        ] {
            let bytes = std::fs::read(entry.path().join(name)).unwrap();
            files.insert(format!("{seed}/{name}"), bytes);
        }
        let text = std::fs::read_to_string(entry.path().join("metrics.jsonl")).unwrap();
        let lines = text.lines().map(|line| {
            let mut line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
            line.remove("wall_s");
            serde_json::to_string(&line).unwrap()
        });
        let lines: Vec<String> = lines.collect();
        files.insert(
            format!("{seed}/metrics.jsonl"),
            lines.join("\n").into_bytes(),
        );
    }
    assert!(!files.is_empty());
    files
}

/// A run with and without two workers leaves the same.
fn assert_same_run(arguments: &str) {
    let folder = folder();
    let run = format!("run --config small.toml --no-video --quiet {arguments}");
    succeeded(
        &call(folder.path(), &format!("{run} --out alone"))
            .output()
            .unwrap(),
    );
    let workers = [Worker::any(), Worker::any()];
    let helped = format!("{run} --out helped --workers {}", addresses(&workers));
    succeeded(&call(folder.path(), &helped).output().unwrap());
    let [alone, helped] = ["alone", "helped"].map(|run| left(&folder.path().join(run)));
    for (name, bytes) in alone {
        assert!(bytes == helped[&name], "{name} differs");
    }
    let played: u64 = workers.into_iter().map(Worker::end).sum();
    assert!(played > 0);
}

/// Best-of-N on two seeds, whose evaluations and practice are played by two workers.
#[test]
fn best_of_n_with_workers_leaves_the_same_files() {
    assert_same_run("--finetune best-of-n --seeds 2");
}

/// DPPO, whose policy is another one in every iteration.
#[test]
fn dppo_with_workers_leaves_the_same_files() {
    assert_same_run("--finetune dppo");
}

/// A policy to evaluate, and the answer of an evaluation without workers.
fn evaluated(episodes: usize) -> (tempfile::TempDir, String, Value) {
    let folder = folder();
    let pretrain = "pretrain --config small.toml --no-video --quiet --out bc";
    succeeded(&call(folder.path(), pretrain).output().unwrap());
    let eval = format!("eval --checkpoint bc --episodes {episodes} --json");
    let output = call(folder.path(), &eval).output().unwrap();
    succeeded(&output);
    let answer = serde_json::from_slice(&output.stdout).unwrap();
    (folder, eval, answer)
}

fn answer(output: &Output) -> Value {
    succeeded(output);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Evaluations with workers count the same, also where one is killed in the midst of them, one
/// hangs, another comes instead, and at last all are gone.
#[test]
fn workers_that_die_or_hang_change_nothing() {
    let (folder, eval, expected) = evaluated(400);
    for trouble in ["none", "-KILL", "-STOP", "all", "back"] {
        let mut workers = vec![Worker::any(), Worker::any()];
        let command = format!("{eval} --workers {}", addresses(&workers));
        let mut command = call(folder.path(), &command);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        match trouble {
            "none" => {}
            "all" => workers.clear(),
            "back" => {
                let address = workers.remove(0).address.clone();
                workers.push(Worker::start(&["--listen", &address]));
            }
            signal => workers[0].signal(signal),
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(answer(&output), expected, "{trouble}");
    }
}

/// Where nobody listens, a note says so, and all is played here.
#[test]
fn without_any_worker_all_is_played_here() {
    let (folder, eval, expected) = evaluated(5);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let output = call(folder.path(), &format!("{eval} --workers {address}"))
        .output()
        .unwrap();
    assert_eq!(answer(&output), expected);
    assert!(
        sentence(&output).contains("is not there"),
        "{}",
        sentence(&output)
    );
}

fn refused(folder: &Path, arguments: &str, token: &str) -> String {
    let mut command = call(folder, arguments);
    let output = command.env("PROTEGE_TOKEN", token).output().unwrap();
    let text = sentence(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

/// Somebody at a port who does this with every connection.
fn somebody(acts: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().for_each(|stream| acts(stream.unwrap())));
    address
}

/// A wrong token, another version and who is no worker are refused with exit code 2, before a run's
/// folder exists, and the sentence names the worker.
#[test]
fn who_cannot_help_is_refused() {
    let (folder, eval, _) = evaluated(3);
    let worker = Worker::any();
    let command = format!("{eval} --workers {}", worker.address);
    let text = refused(folder.path(), &command, "another token, as long");
    assert!(
        text.contains("token") && text.contains(&worker.address),
        "{text}"
    );
    assert!(refused(folder.path(), &command, "short").contains("16"));
    let run = "run --config small.toml --finetune none --out r --workers";
    refused(folder.path(), &format!("{run} {}", worker.address), "");
    assert!(!folder.path().join("r").exists());

    // The greeting of protocol 1 by another program version: postcard's text, number, text, bytes.
    let other_version = somebody(|mut stream| {
        let hello = [&b"\x07protege\x01\x059.9.9"[..], &[0; 32]].concat();
        let length = (hello.len() as u32).to_le_bytes();
        stream.write_all(&[&length[..], &hello].concat()).ok();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let text = refused(
        folder.path(),
        &format!("{eval} --workers {other_version}"),
        TOKEN,
    );
    assert!(
        text.contains("9.9.9") && text.contains("same version"),
        "{text}"
    );
    let garbage =
        somebody(|mut stream| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    let giant = somebody(|mut stream| drop(stream.write_all(&[0xff; 4096])));
    for address in [garbage, giant] {
        let text = refused(folder.path(), &format!("{eval} --workers {address}"), TOKEN);
        assert!(text.contains("no worker of protege"), "{text}");
    }
    for wrong in ["nonsense", "host:", ":1", "host:99999"] {
        let text = refused(folder.path(), &format!("{eval} --workers {wrong}"), TOKEN);
        assert!(text.contains("host:port"), "{text}");
    }
}

/// Whoever accepts a connection and never says a word is waited for for seconds, not for ever.
#[test]
fn who_never_answers_is_not_waited_for() {
    let (folder, eval, expected) = evaluated(3);
    let silent = somebody(std::mem::forget);
    let begun = Instant::now();
    let output = call(folder.path(), &format!("{eval} --workers {silent}"))
        .output()
        .unwrap();
    assert_eq!(answer(&output), expected);
    assert!(begun.elapsed() < Duration::from_secs(40));
    assert!(sentence(&output).contains("does not answer in time"));
}

/// Bytes of strangers neither end a worker nor keep it from its work.
#[test]
fn strangers_do_not_harm_a_worker() {
    let (folder, eval, expected) = evaluated(6);
    let worker = Worker::any();
    let mut open = Vec::new();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 5000],
        &[0; 5000],
        &[],
    ] {
        let mut stream = TcpStream::connect(&worker.address).unwrap();
        stream.write_all(bytes).ok();
        open.push(stream);
    }
    let output = call(
        folder.path(),
        &format!("{eval} --workers {}", worker.address),
    )
    .output();
    assert_eq!(answer(&output.unwrap()), expected);
}

/// Beyond the loopback address a worker listens with a token only; what is no address is refused.
#[test]
fn a_worker_does_not_listen_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let text = refused(folder.path(), "worker --listen 0.0.0.0:0", "");
    assert!(
        text.contains("--token-file") && text.contains("tunnel"),
        "{text}"
    );
    refused(folder.path(), "worker --listen nowhere", "");
    refused(folder.path(), "worker --token-file missing", "");
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap();
    let text = refused(folder.path(), &format!("worker --listen {taken}"), "");
    assert!(text.contains("another port"), "{text}");
}

/// What workers cannot play is refused, and what they play only a part of is said.
#[test]
fn what_workers_do_not_play_is_said() {
    let folder = folder();
    let worker = Worker::any();
    let base = format!("--set policy.kind=served --workers {}", worker.address);
    let run = format!("run --config small.toml --finetune none --out r {base}");
    let output = call(folder.path(), &run).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let run = "run --config small.toml --finetune csil --no-video --out r";
    let few = "--set finetune.csil.total_steps=40 --set finetune.csil.learning_starts=20";
    let all = format!("{run} {few} --workers {}", worker.address);
    let output = call(folder.path(), &all).output().unwrap();
    assert!(
        sentence(&output).contains("workers play evaluations only"),
        "{}",
        sentence(&output)
    );
}
