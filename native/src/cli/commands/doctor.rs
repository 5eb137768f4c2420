//! `protege doctor`: what works on this machine, and what to do about what does not.

use crate::cli::answer::Answer;
use crate::cli::machine;
use crate::downloads::{Download, cache};
use crate::openpi::{Client, Settings, api_key};
use crate::video::{Quality, RenderOptions};
use crate::{engines, rerun, video};
use protege_core::env::{LabEnv, Subject, catalogue};
use protege_core::{Error, Result, tasks};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that runs will be written to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Fetch what is missing and can be fetched: MuJoCo's library and the scenes of others
    #[arg(long)]
    fix: bool,
    /// Say hello to a served policy, `openpi://host:port`, with the key in `OPENPI_API_KEY` where
    /// it is set; where it does not greet, the exit code is 1
    #[arg(long, value_name = "ADDRESS")]
    policy: Option<String>,
}

/// One thing that was checked.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    /// What was found.
    detail: String,
    /// What to do; empty when there is nothing to do.
    remedy: String,
    /// Whether the main job works without it.
    optional: bool,
}

impl Check {
    fn new(name: &str, found: Result<String>, remedy: &str) -> Self {
        let remedy = if found.is_ok() {
            String::new()
        } else {
            remedy.to_owned()
        };
        Self {
            name: name.to_owned(),
            ok: found.is_ok(),
            detail: found.unwrap_or_else(|e| e.to_string()),
            remedy,
            optional: false,
        }
    }

    fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }
}

/// Checks everything.
///
/// # Errors
/// Never: what is wrong is in the answer.
pub fn answer(args: &Args) -> Result<Answer> {
    let mut checks = vec![
        processor(),
        memory(),
        tensors("cpu"),
        physics(catalogue::RAPIER),
        physics(catalogue::MUJOCO),
        rendering(),
        recordings(),
    ];
    checks.extend(
        engines::packages()
            .into_iter()
            .map(|download| package(download, args.fix)),
    );
    checks.push(tensors("wgpu").optional());
    checks.push(tensors("cuda:0").optional());
    checks.push(folder("output folder", &args.out));
    checks.push(folder("cache folder", &cache()));
    checks.push(space(&args.out));
    checks.extend(
        TOOLS
            .iter()
            .filter(|_| Path::new("xtask/Cargo.toml").exists())
            .map(tool),
    );
    checks.extend(args.policy.iter().map(|address| served(address)));
    let text = checks.iter().map(line).collect();
    Ok(Answer {
        json: json!(checks),
        text,
    })
}

/// The exit code after an answer of this command: 1 when something is missing that must be there.
pub fn exit_code(answer: &Answer) -> u8 {
    let is_missing = |check: &Value| check["ok"] == false && check["optional"] == false;
    let checks = answer.json.as_array();
    u8::from(checks.is_some_and(|checks| checks.iter().any(is_missing)))
}

fn line(check: &Check) -> String {
    let mark = match (check.ok, check.optional) {
        (true, _) => "ok",
        (false, true) => "--",
        (false, false) => "NO",
    };
    let remedy = if check.remedy.is_empty() {
        String::new()
    } else {
        format!("\n      -> {}", check.remedy)
    };
    format!("{mark}  {:26}{}{remedy}\n", check.name, check.detail)
}

fn processor() -> Check {
    let found = format!(
        "{}, {} cores, {}",
        machine::processor(),
        machine::cores(),
        vector_units()
    );
    Check::new("processor", Ok(found), "")
}

/// The vector instructions that the matrix products can use.
#[cfg(target_arch = "x86_64")]
fn vector_units() -> String {
    let units = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    let found: Vec<&str> = units
        .into_iter()
        .filter(|unit| unit.1)
        .map(|unit| unit.0)
        .collect();
    if found.is_empty() {
        "no AVX2: slow matrix products".to_owned()
    } else {
        found.join(", ")
    }
}

/// The vector instructions that the matrix products can use.
#[cfg(not(target_arch = "x86_64"))]
fn vector_units() -> String {
    std::env::consts::ARCH.to_owned()
}

fn memory() -> Check {
    let found = match machine::memory_mb() {
        Some(mb) if mb < 1000.0 => Err(Error::failed(format!("{mb} MB"))),
        Some(mb) => Ok(format!("{mb} MB")),
        None => Ok("unknown on this system".to_owned()),
    };
    Check::new(
        "memory",
        found,
        "the main job needs up to 1 GB; use --preset tiny and fewer seeds at once",
    )
}

/// Multiplies two small matrices on a device.
fn tensors(name: &str) -> Check {
    let remedy = match name {
        "cpu" => "please report this, with the processor's name",
        "wgpu" => {
            "build with `cargo build --release --features wgpu` and install a Vulkan driver \
             (Debian: mesa-vulkan-drivers)"
        }
        _ => {
            "build with `cargo build --release --features cuda` on a machine with an NVIDIA driver \
             and CUDA"
        }
    };
    let found = machine::device(name)
        .and_then(|device| machine::probe(&device))
        .map(|()| "multiplies matrices".to_owned());
    Check::new(&format!("device {name}"), found, remedy)
}

/// Steps the scene of every task of our own once, on one engine.
fn physics(engine: &str) -> Check {
    let step = |info: &tasks::Info| -> Result<()> {
        let mut env = engines::make(info.id, engine)?;
        env.reset(0);
        env.step(&vec![0.0; info.act]).map(drop)
    };
    let found = tasks::all()
        .iter()
        .try_for_each(step)
        .map(|()| format!("{} scenes step", tasks::all().len()));
    let check = Check::new(&format!("engine {engine}"), found, "please report this");
    if cfg!(feature = "mujoco") || engine == catalogue::RAPIER {
        check
    } else {
        check.optional()
    }
}

/// Draws a small picture.
fn rendering() -> Check {
    let render_options = RenderOptions {
        width: 64,
        height: 64,
        camera: None,
        quality: Quality::Fast,
    };
    let draw = || {
        let env = LabEnv::new("lab/lift")?;
        let picture =
            engines::renderer("lab/lift", &render_options)?.draw(&Subject::Sim(env.sim()))?;
        // A picture of nothing has one color.
        let colors: std::collections::BTreeSet<&[u8; 3]> = picture.as_chunks().0.iter().collect();
        if colors.len() > 9 {
            Ok("draws in memory".to_owned())
        } else {
            Err(Error::failed("what is drawn is empty"))
        }
    };
    Check::new("rendering (EGL)", draw(), video::REMEDY).optional()
}

/// Looks for the program that writes recordings.
fn recordings() -> Check {
    let missing = |_| Error::failed("protege-rerun is neither beside this program nor on PATH");
    let found = rerun::find()
        .map(|path| path.display().to_string())
        .map_err(missing);
    Check::new("recordings (Rerun)", found, "cargo xtask rerun").optional()
}

/// Connects to a policy server, which greets.
fn served(address: &str) -> Check {
    let greet = || {
        let settings = Settings {
            absence: Duration::ZERO,
            api_key: api_key()?,
            ..Settings::default()
        };
        let client = Client::connect(address, settings)?;
        Ok(format!("it greets with {}", client.greeting()))
    };
    let greeting = greet();
    let remedy = match greeting {
        // What is wrong with an address or a key is said beside it.
        Err(Error::Input(_)) => "",
        _ => "start openpi's `scripts/serve_policy.py` there, and check host, port and key",
    };
    Check::new("served policy", greeting, remedy)
}

/// Whether a package of others is in the cache; with `fix`, it is fetched.
fn package(download: &Download, fix: bool) -> Check {
    let Download {
        package, version, ..
    } = download;
    let name = format!("{package} {version}");
    if download.is_there() {
        return Check::new(&name, Ok(format!("in {}", download.folder().display())), "").optional();
    }
    if !fix {
        return Check::new(
            &name,
            Err(Error::failed("not fetched yet")),
            "protege doctor --fix",
        )
        .optional();
    }
    let fetched = download
        .ensure()
        .map(|folder| format!("fetched just now into {}", folder.display()))
        .map_err(Error::failed);
    Check::new(
        &name,
        fetched,
        "check the network and that Python 3 has pip, then try again",
    )
    .optional()
}

/// Writes and removes a file.
fn folder(name: &str, path: &Path) -> Check {
    let probe = path.join(".protege-doctor");
    let write = || {
        std::fs::create_dir_all(path)?;
        std::fs::write(&probe, [0; 4096])?;
        std::fs::remove_file(&probe)
    };
    let shown = path.display();
    let found = write()
        .map(|()| format!("{shown} can be written"))
        .map_err(|e| Error::failed(format!("{shown} cannot be written: {e}")));
    Check::new(
        name,
        found,
        "choose another folder, or mend its permissions",
    )
}

/// Asks `df`, which every Unix has, for the free space.
fn space(path: &Path) -> Check {
    let free = output("df", &["-Pk".as_ref(), path.as_os_str()])
        .and_then(|text| {
            text.lines()
                .nth(1)?
                .split_whitespace()
                .nth(3)?
                .parse::<f64>()
                .ok()
        })
        .map(|kib| (kib / 1024.0).round());
    let found = match free {
        Some(mib) if mib < 1024.0 => Err(Error::failed(format!("{mib} MiB free"))),
        Some(mib) => Ok(format!("{mib} MiB free")),
        None => Ok("free space is unknown on this system".to_owned()),
    };
    Check::new(
        "disk",
        found,
        "make room: a run with checkpoints takes up to 1 GiB",
    )
}

/// A program that only a checkout needs.
struct Tool {
    program: &'static str,
    purpose: &'static str,
    remedy: &'static str,
}

const TOOLS: [Tool; 3] = [
    Tool {
        program: "wasm-bindgen",
        purpose: "the browser build",
        remedy: "cargo xtask setup",
    },
    Tool {
        program: "node",
        purpose: "the browser tests",
        remedy: "install Node with npm",
    },
    Tool {
        program: "chromium",
        purpose: "the browser tests",
        remedy: "apt-get install chromium",
    },
];

fn tool(tool: &Tool) -> Check {
    // `cargo xtask setup` keeps its tools in the cache, away from the user's own.
    let ours = cache().join("tools/bin").join(tool.program);
    let version = |program: &Path| output(&program.to_string_lossy(), &["--version".as_ref()]);
    let line = version(&ours)
        .or_else(|| version(Path::new(tool.program)))
        .and_then(|text| text.lines().next().map(str::to_owned));
    let found = line.ok_or_else(|| {
        Error::failed(format!(
            "neither on PATH nor in {}; {} needs it",
            cache().display(),
            tool.purpose
        ))
    });
    Check::new(tool.program, found, tool.remedy).optional()
}

/// What a program prints; none when it is missing or fails.
fn output(program: &str, arguments: &[&std::ffi::OsStr]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
