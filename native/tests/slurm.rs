//! A sweep on a real Slurm: a cluster of one node, which the test starts and ends itself. Where
//! Slurm is not installed, or the test is not root's, it says so and passes.

#![cfg(target_os = "linux")]

mod common;

use common::sweeps::{SPEC, answer, plan, results, succeeds};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONFIG: &str = include_str!("slurm.conf");
/// Longer than anything here takes on a busy machine.
const HANG: Duration = Duration::from_secs(240);

/// A cluster; dropped, it ends.
struct Cluster {
    folder: PathBuf,
    daemons: Vec<Child>,
}

impl Cluster {
    /// Starts one with its files in `folder`.
    fn start(folder: &Path) -> Self {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [controller, node] = ports.map(|port| port.local_addr().unwrap().port().to_string());
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let config = CONFIG
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@HOST@", host.trim())
            .replace("@CONTROLLER@", &controller)
            .replace("@NODE@", &node);
        fs::write(folder.join("slurm.conf"), config).unwrap();
        for name in ["state", "spool"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        let mut cluster = Self {
            folder: folder.to_owned(),
            daemons: Vec::new(),
        };
        cluster.start_munge();
        cluster.daemon("slurmctld", &["-D"]);
        cluster.daemon("slurmd", &["-D"]);
        cluster.wait("the node", |cluster| {
            let state = cluster.call("sinfo", &["--noheader", "--format=%T"]);
            state.is_some_and(|state| state.lines().all(|line| line == "idle"))
        });
        cluster
    }

    /// Slurm's daemons trust whoever knows this key.
    fn start_munge(&mut self) {
        use std::os::unix::fs::PermissionsExt;
        let path = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let key = path("munge.key");
        let bytes: Vec<u8> = (0..=255).collect();
        fs::write(&key, bytes).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
        let arguments = [
            "--foreground".to_owned(),
            "--force".to_owned(),
            format!("--key-file={key}"),
            format!("--socket={}", path("munge.socket")),
            format!("--pid-file={}", path("munge.pid")),
            format!("--log-file={}", path("munge.log")),
            format!("--seed-file={}", path("munge.seed")),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.daemon("munged", &arguments);
        let socket = self.folder.join("munge.socket");
        self.wait("munge", |_| socket.exists());
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) {
        let log = fs::File::create(self.folder.join(format!("{program}.log"))).unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("SLURM_CONF", self.folder.join("slurm.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.daemons.push(command.spawn().unwrap());
    }

    /// What a program of Slurm prints; none where it fails.
    fn call(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(program);
        command.args(arguments);
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_there(self) {
            assert!(
                began.elapsed() < HANG,
                "{what} is waited for: {}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The ends of what the daemons say.
    fn logs(&self) -> String {
        let names = ["munged.log", "slurmctld.log", "slurmd.log"];
        let end = |name: &str| {
            let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(8)..].join("\n")
        };
        names.map(end).join("\n--\n")
    }

    /// Jobs in the queue, with their states.
    fn queue(&self) -> Vec<(String, String)> {
        let flags = ["--noheader", "--array", "--format=%A %t"];
        let text = self.call("squeue", &flags).unwrap_or_default();
        let job = |line: &str| {
            let (job, state) = line.split_once(' ')?;
            Some((job.to_owned(), state.trim().to_owned()))
        };
        text.lines().filter_map(job).collect()
    }

    /// Requeued jobs are held back for two minutes, which nobody has here.
    fn release(&self) {
        for (job, state) in self.queue() {
            if state == "PD" {
                let (job, now) = (format!("JobId={job}"), "StartTime=now");
                self.call("scontrol", &["update", &job, now]);
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.call("scancel", &["--user=root"]);
        for daemon in self.daemons.iter_mut().rev() {
            send(i32::try_from(daemon.id()).unwrap(), libc::SIGTERM);
            let began = Instant::now();
            while daemon.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn send(process: i32, signal: i32) {
    // SAFETY: a number that is nobody's is refused.
    #[allow(unsafe_code, reason = "the standard library cannot do it")]
    unsafe {
        libc::kill(process, signal);
    }
}

fn is_there() -> bool {
    // SAFETY: it only answers.
    #[allow(unsafe_code, reason = "the standard library cannot ask")]
    let root = unsafe { libc::geteuid() } == 0;
    let programs = ["slurmctld", "slurmd", "munged"];
    let found = programs.map(|program| Command::new(program).arg("-V").output().is_ok());
    root && found == [true; 3]
}

/// The processes of cells at work.
fn at_work(status: &Value) -> Vec<i32> {
    let running = status["running"].as_array().unwrap();
    let ids = running.iter().map(|row| row["process"].as_i64().unwrap());
    ids.filter(|id| *id > 0).map(|id| id as i32).collect()
}

/// A sweep whose cells Slurm preempts, requeues and runs again ends with the same results, bit for
/// bit, as one on this machine alone.
#[test]
fn a_sweep_on_slurm_survives_preemption() {
    if !is_there() {
        println!("skipped: Slurm is not installed, or this is not root's");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("slurm")).unwrap();
    let cluster = Cluster::start(&folder.join("slurm"));
    for name in ["straight", "slurm-sweep"] {
        plan(folder, name, SPEC);
    }
    succeeds(folder, &["sweep", "work", "straight", "--quiet"]);
    let status = || answer(folder, &["sweep", "status", "slurm-sweep"]);
    let submit = [
        "sweep",
        "submit",
        "slurm-sweep",
        "--engine",
        "slurm",
        "--",
        "--partition=low",
    ];
    let mut command = common::protege(folder, &submit);
    command.env("SLURM_CONF", folder.join("slurm/slurm.conf"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");

    // Cells that are caught at work stand still until Slurm continues them, to tell them to stop.
    let mut caught = Vec::new();
    cluster.wait("a cell", |_| {
        caught = at_work(&status());
        !caught.is_empty()
    });
    caught.iter().for_each(|&cell| send(cell, libc::SIGSTOP));
    let urgent = [
        "--partition=high",
        "--cpus-per-task=2",
        "--output=/dev/null",
        "--wrap=true",
    ];
    assert!(cluster.call("sbatch", &urgent).is_some());
    cluster.wait("a preemption", |cluster| {
        let log = fs::read_to_string(cluster.folder.join("slurmctld.log")).unwrap_or_default();
        log.contains("preempted JobId")
    });
    cluster.wait("the end", |cluster| {
        cluster.release();
        cluster.queue().is_empty()
    });
    let status = status();
    assert_eq!(
        status["counts"]["done"], status["counts"]["cells"],
        "{status}"
    );
    assert_eq!(results(folder, "slurm-sweep"), results(folder, "straight"));
}
