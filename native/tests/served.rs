//! Policies that another program serves, as a user meets them: what is said, what is saved, how a
//! program ends.

mod common;

use common::{interrupt, sentence};
use protege::openpi::{Client, Settings, Value as Observed};
use rmpv::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

/// A policy server whose actions follow from the state alone.
struct Server {
    address: String,
    state: &'static State,
}

/// What a server has done, and is to do. Requests are counted over all connections.
#[derive(Debug, Default)]
struct State {
    /// Connections so far.
    connections: AtomicUsize,
    /// Whether new connections are greeted.
    mute: AtomicBool,
    /// Requests so far.
    asked: AtomicUsize,
    /// The request that is never answered; 0: none.
    silent_at: AtomicUsize,
    /// The request that is answered by an error; 0: none.
    error_at: AtomicUsize,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("openpi://{}", listener.local_addr().unwrap());
        let state: &State = Box::leak(Box::default());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(stream, state));
            }
        });
        Self { address, state }
    }

    /// Requests until now.
    fn asked(&self) -> usize {
        self.state.asked.load(SeqCst)
    }
}

/// A connection, until it ends.
fn serve(mut stream: TcpStream, state: &State) -> Option<()> {
    shake_hands(&mut stream)?;
    state.connections.fetch_add(1, SeqCst);
    if state.mute.load(SeqCst) {
        // Until the client goes.
        return message(&mut stream).map(drop);
    }
    send(&mut stream, 0x82, &[0x80])?;
    loop {
        let request = message(&mut stream)?;
        let number = state.asked.fetch_add(1, SeqCst) + 1;
        if number == state.silent_at.load(SeqCst) {
            return message(&mut stream).map(drop);
        }
        if number == state.error_at.load(SeqCst) {
            return send(&mut stream, 0x81, b"RuntimeError: out of memory");
        }
        send(&mut stream, 0x82, &actions(&request))?;
    }
}

/// What was asked with.
fn shake_hands(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let key = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    let magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = sha1_smol::Sha1::from(format!("{key}{magic}"))
        .digest()
        .bytes();
    let accept = base64(&digest);
    let answer = format!("HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    Some(head)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0_u32;
        for i in 0..3 {
            bits = bits << 8 | u32::from(*three.get(i).unwrap_or(&0));
        }
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

fn send(stream: &mut TcpStream, head: u8, bytes: &[u8]) -> Option<()> {
    let mut frame = vec![head, 126];
    frame.extend((bytes.len() as u16).to_be_bytes());
    frame.extend(bytes);
    stream.write_all(&frame).ok()
}

/// The client's next observation; none when it is gone.
fn message(stream: &mut TcpStream) -> Option<Value> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut wide = [0; 2];
    if head[1] & 0x7f == 126 {
        stream.read_exact(&mut wide).ok()?;
    } else {
        wide[1] = head[1] & 0x7f;
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).ok()?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(wide))];
    stream.read_exact(&mut bytes).ok()?;
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[i % 4];
    }
    let is_message = head[0] & 0x0f == 2;
    is_message.then(|| rmpv::decode::read_value(&mut &bytes[..]).unwrap())
}

/// The answer to an observation.
fn actions(request: &Value) -> Vec<u8> {
    let state = request["observation/state"].as_map().unwrap();
    let state = state[1].1.as_slice().unwrap();
    let first = f32::from_le_bytes(state[..4].try_into().unwrap());
    let chunk = [first, -first, 0.1, 0.5].map(f32::to_le_bytes).concat();
    let name = |name: &str| Value::Binary(name.into());
    let array = Value::Map(vec![
        (name("__ndarray__"), true.into()),
        (name("data"), Value::Binary(chunk.repeat(8))),
        (name("dtype"), "<f4".into()),
        (name("shape"), Value::Array(vec![8.into(), 4.into()])),
    ]);
    let mut bytes = Vec::new();
    let reply = Value::Map(vec![("actions".into(), array)]);
    rmpv::encode::write_value(&mut bytes, &reply).unwrap();
    bytes
}

fn protege(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = common::protege(folder, arguments);
    command.env_remove("OPENPI_API_KEY");
    command
}

/// The arguments of a small run on a served policy.
fn run<'a>(address: &'a str, out: &'a str) -> Vec<&'a str> {
    let sets = [
        "eval.episodes=2",
        "eval.curve_episodes=2",
        "env.parallel=2",
        "finetune.sac.envs=2",
        "finetune.sac.learning_starts=80",
        "finetune.sac.total_steps=120",
        "finetune.sac.actor.clone_updates=20",
    ];
    let arguments = ["finetune", "--base", address, "--finetune", "sac"];
    let more = [
        "--task",
        "lab/lift",
        "--preset",
        "tiny",
        "--demos-file",
        "demos.safetensors",
    ];
    let session = ["--no-video", "--out", out];
    let sets = sets.iter().flat_map(|&set| ["--set", set]);
    arguments
        .into_iter()
        .chain(more)
        .chain(session)
        .chain(sets)
        .collect()
}

/// A folder with demonstrations.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let demos = [
        "demos",
        "--task",
        "lab/lift",
        "--demos",
        "2",
        "--preset",
        "tiny",
        "--finetune",
        "sac",
    ];
    let out = ["--out", "demos.safetensors", "--quiet"];
    let recorded = protege(folder.path(), &[&demos[..], &out].concat())
        .output()
        .unwrap();
    assert!(recorded.status.success(), "{}", sentence(&recorded));
    folder
}

/// A finished run's policy, and its metrics without the time of day.
fn result(folder: &Path, run: &str) -> (Vec<u8>, Vec<serde_json::Value>) {
    let seed = folder.join(run).join("seed-0");
    let metrics = std::fs::read_to_string(seed.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("wall_s");
        line
    };
    let policy = std::fs::read(seed.join("policy.safetensors")).unwrap();
    (policy, metrics.lines().map(line).collect())
}

/// Waits until something is so; far longer than it takes, and shorter than a client's patience.
fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

/// Ctrl-C while a server is silent saves and ends the run, wherever it waits; resumed, it ends with
/// the numbers of one that was never stopped.
#[cfg(unix)]
#[test]
fn ctrl_c_does_not_wait_for_a_silent_server() {
    let folder = folder();
    let server = Server::start();
    let state = server.state;
    let whole = protege(folder.path(), &run(&server.address, "whole"))
        .output()
        .unwrap();
    assert!(whole.status.success(), "{}", sentence(&whole));
    let all = server.asked();
    let stop = |child: Child, reached: &dyn Fn() -> bool| {
        until("what was waited for", reached);
        interrupt(&child);
        until("the end", || {
            // It is gone once nothing can be asked of it.
            std::fs::read_to_string(format!("/proc/{}/stat", child.id()))
                .map_or(true, |stat| stat.contains(") Z"))
        });
        let output = child.wait_with_output().unwrap();
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(75), "{text}");
        assert!(
            text.contains("saved") && text.contains("run --resume parts"),
            "{text}"
        );
    };
    let start = |arguments: &[&str]| {
        let mut command = protege(folder.path(), arguments);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // Evaluation, the demonstrations, practice, evaluation.
    let begun = run(&server.address, "parts");
    let mut arguments = &begun[..];
    for share in [0, 5, 30, 60] {
        let silent = server.asked() + 1 + all * share / 100;
        state.silent_at.store(silent, SeqCst);
        stop(start(arguments), &|| server.asked() >= silent);
        arguments = &["run", "--resume", "parts"];
    }
    state.silent_at.store(0, SeqCst);
    state.mute.store(true, SeqCst);
    let before = state.connections.load(SeqCst);
    stop(start(arguments), &|| {
        state.connections.load(SeqCst) > before
    });
    state.mute.store(false, SeqCst);
    let resumed = protege(folder.path(), arguments).output().unwrap();
    assert!(resumed.status.success(), "{}", sentence(&resumed));
    assert!(result(folder.path(), "whole") == result(folder.path(), "parts"));
}

/// A server that reports an error ends the run, which saves first: nothing is done twice.
#[test]
fn a_server_that_fails_costs_nothing_of_a_run() {
    let folder = folder();
    let server = Server::start();
    let whole = protege(folder.path(), &run(&server.address, "whole"))
        .output()
        .unwrap();
    assert!(whole.status.success(), "{}", sentence(&whole));
    let all = server.asked();
    server.state.error_at.store(2 * all - 3, SeqCst);
    let failed = protege(folder.path(), &run(&server.address, "parts"))
        .output()
        .unwrap();
    let text = sentence(&failed);
    assert_eq!(failed.status.code(), Some(1), "{text}");
    assert!(
        text.contains("out of memory") && text.contains("run --resume parts"),
        "{text}"
    );
    let before = server.asked();
    let resumed = protege(folder.path(), &["run", "--resume", "parts"])
        .output()
        .unwrap();
    assert!(resumed.status.success(), "{}", sentence(&resumed));
    // A step asks once for each of two episodes at most.
    assert!(
        server.asked() - before <= 6,
        "{} of {all} requests",
        server.asked() - before
    );
    assert!(result(folder.path(), "whole") == result(folder.path(), "parts"));
}

/// `doctor --policy` ends with 0 where a policy is served and with 1 where none is, whatever is in
/// its place; the checks are printed either way.
#[test]
fn the_doctor_says_no_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let secure = server.address.replace("openpi", "wss");
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = format!("openpi://{nobody}");
    let key = "secret\r\nX-Evil: 1";
    for (address, key, code, word) in [
        (server.address.as_str(), None, 0, "greets"),
        (server.address.as_str(), Some("secret"), 0, "greets"),
        (server.address.as_str(), Some(""), 0, "greets"),
        (server.address.as_str(), Some(key), 1, "OPENPI_API_KEY"),
        (secure.as_str(), None, 1, "no TLS"),
        (nobody.as_str(), None, 1, "nobody listens"),
        ("nonsense", None, 1, "openpi://host:port"),
    ] {
        let mut command = protege(folder.path(), &["doctor", "--json", "--policy", address]);
        if let Some(key) = key {
            command.env("OPENPI_API_KEY", key);
        }
        let output = command.output().unwrap();
        let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let last = checks.as_array().unwrap().last().unwrap();
        assert_eq!(output.status.code(), Some(code), "{address}: {last}");
        assert_eq!(last["ok"], code == 0, "{last}");
        assert!(last["detail"].as_str().unwrap().contains(word), "{last}");
    }
}

/// The doctor shows a server the key, as a run does.
#[test]
fn the_doctor_has_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("openpi://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let asked = shake_hands(&mut stream).unwrap();
        send(&mut stream, 0x82, &[0x80]).unwrap();
        asked
    });
    let mut command = protege(folder.path(), &["doctor", "--policy", &address]);
    let output = command.env("OPENPI_API_KEY", "secret").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", sentence(&output));
    let asked = server.join().unwrap();
    assert!(
        asked.contains("\r\nAuthorization: Api-Key secret\r\n"),
        "{asked}"
    );
}

/// A key that cannot be sent is refused before a run begins.
#[test]
fn a_key_that_is_none_is_refused_before_a_run_begins() {
    let folder = folder();
    let server = Server::start();
    for key in ["secret\n", "secret\r\nX-Evil: 1", "secr\u{e9}t"] {
        let mut command = protege(folder.path(), &run(&server.address, "out"));
        let output = command.env("OPENPI_API_KEY", key).output().unwrap();
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains("OPENPI_API_KEY") && text.lines().count() == 1,
            "{text}"
        );
    }
    assert_eq!(server.state.connections.load(SeqCst), 0);
    assert!(!folder.path().join("out").exists());
}

/// Names that a server cannot be told are refused before a run begins.
#[test]
fn names_that_cannot_be_told_are_refused_before_a_run_begins() {
    let folder = folder();
    let server = Server::start();
    for (set, word) in [
        ("policy.served.prompt=lift\r\nit", "policy.served.prompt"),
        ("policy.served.state=a\u{1b}[31m", "policy.served.state"),
        ("policy.served.state=", "policy.served.state"),
        ("policy.served.state=prompt", "`prompt`"),
    ] {
        let arguments = [&run(&server.address, "out")[..], &["--set", set]].concat();
        let output = protege(folder.path(), &arguments).output().unwrap();
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(2), "{set}: {text}");
        assert!(
            text.contains(word) && text.lines().count() == 1,
            "{set}: {text}"
        );
    }
    assert!(!folder.path().join("out").exists());
}

/// A message of sixty million bytes is read, or refused, in a few times their memory: a greeting,
/// and an answer.
#[cfg(target_os = "linux")]
#[test]
fn a_hostile_message_takes_little_memory() {
    const LENGTH: u32 = 60_000_000;
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() / 1024
    };
    let start = |marker: u8, length: u32| [&[marker], &length.to_be_bytes()[..]].concat();
    let text = [&[0x81, 0xa1, b'x'], &start(0xdb, LENGTH)[..]].concat();
    let array = b"\x81\xa7actions\x84\xc4\x0b__ndarray__\xc3\xc4\x05dtype\xa3<f4\xc4\x05shape\x92";
    let shape = [&start(0xce, LENGTH / 16)[..], b"\x04\xc4\x04data"].concat();
    let actions = [&array[..], &shape, &start(0xc6, LENGTH)].concat();
    // Lists of nothing, of empty lists, of empty maps, of texts; a map; a text, bytes; actions.
    for (head, fill) in [
        (start(0xdd, LENGTH), 0xc0),
        (start(0xdd, LENGTH), 0x90),
        (start(0xdd, LENGTH), 0x80),
        (start(0xdd, LENGTH / 2), 0xa1),
        (start(0xdf, LENGTH / 2), 0xc0),
        (start(0xdb, LENGTH), b'\n'),
        (start(0xc6, LENGTH), 0xff),
        (text, b'\n'),
        (actions, 0),
    ] {
        for greets in [false, true] {
            let is_good = greets && fill == 0;
            let sent = flood(head.clone(), fill, LENGTH as usize, greets);
            let state = Observed::Floats(vec![1], vec![0.5]);
            let asked = Observed::Map(vec![("observation/state".to_owned(), state)]);
            let connected = Client::connect(&sent, Settings::default());
            let answered = connected.and_then(|mut client| client.act(&asked));
            assert_eq!(answered.is_ok(), is_good);
            drop(answered);
            assert!(peak() < 300, "{} MB for {fill:#x}", peak());
        }
    }
}

/// The address of a server that sends `head` and `length` bytes of `fill` in one message: in the
/// place of its greeting, or of its first answer.
fn flood(head: Vec<u8>, fill: u8, length: usize, greets: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("openpi://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || -> Option<()> {
        let mut stream = listener.accept().ok()?.0;
        shake_hands(&mut stream)?;
        if greets {
            send(&mut stream, 0x82, &[0x80])?;
            message(&mut stream)?;
        }
        let whole = (head.len() + length) as u64;
        let begin = [&[0x82, 127], &whole.to_be_bytes()[..], &head].concat();
        stream.write_all(&begin).ok()?;
        let piece = vec![fill; 100_000];
        for _ in 0..length / piece.len() {
            stream.write_all(&piece).ok()?;
        }
        Some(())
    });
    address
}
