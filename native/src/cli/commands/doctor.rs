//! `protege doctor`: what works on this machine, and what to do about what does not.

use crate::cli::answer::{Answer, Output};
use crate::cli::machine;
use crate::downloads::{Download, MUJOCO, cache};
use crate::files;
use crate::intact;
use crate::openpi::{Client, Settings, api_key};
use crate::terminal;
use crate::video::{Quality, RenderOptions};
use crate::{engines, rerun, video};
use protege_core::env::{LabEnv, Subject, catalogue};
use protege_core::{Error, Result, tasks};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NOTES: &str = "\
Exit code: 0; 1 if a line says NO, which is for what the main job needs and for what --fix or      \
    --policy asked for. What other jobs need and is missing is marked by --.
MuJoCo's library is looked for where PROTEGE_MUJOCO says (the file, or its folder), then beside    \
    this program, then in the cache: $XDG_CACHE_HOME/protege, or ~/.cache/protege.";

/// What fetches whatever can be fetched.
const FIX: &str = "protege doctor --fix";

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
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
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    let mut checks = vec![processor(), memory(), tensors("cpu")];
    // What is fetched now is needed by the next.
    let packages = engines::packages().into_iter();
    checks.extend(packages.map(|download| package(download, args.fix, output)));
    checks.push(physics(catalogue::RAPIER));
    let mujoco = physics(catalogue::MUJOCO);
    let is_wanted = args.fix && cfg!(feature = "mujoco");
    checks.push(if is_wanted { mujoco } else { mujoco.optional() });
    checks.push(rendering());
    checks.push(recordings());
    checks.push(tensors("wgpu").optional());
    checks.push(tensors("cuda:0").optional());
    checks.push(folder("output folder", &args.out));
    checks.push(cache_folder());
    checks.push(space(&args.out));
    checks.extend(
        TOOLS
            .iter()
            .filter(|_| Path::new("xtask/Cargo.toml").exists())
            .map(tool),
    );
    checks.extend(args.policy.as_deref().map(served));
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
    Check::new(&format!("engine {engine}"), found, remedy(engine))
}

/// What to do when an engine does not work.
fn remedy(engine: &str) -> &'static str {
    match engines::load_mujoco() {
        Err(_) if engine == catalogue::MUJOCO => library_remedy(),
        _ => "please report this",
    }
}

/// What to do without MuJoCo's library. Where another than that in the cache is asked for, the
/// sentence that says so is all there is to say.
fn library_remedy() -> &'static str {
    let is_fetched = |download: &&Download| download.package == MUJOCO.package;
    if engines::packages().iter().any(is_fetched) {
        FIX
    } else {
        ""
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
    let remedy = match engines::load_mujoco() {
        Ok(()) => video::REMEDY,
        Err(_) => library_remedy(),
    };
    Check::new("rendering (EGL)", draw(), remedy).optional()
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

/// Whether a package of others is in the cache as it was published; with `fix`, it is fetched
/// where it is not.
fn package(download: &Download, fix: bool, output: Output) -> Check {
    let name = format!("{} {}", download.package, download.version);
    let found = complete(download).map_err(Error::input);
    if found.is_ok() || !fix {
        return Check::new(&name, found, FIX).optional();
    }
    if !output.quiet {
        terminal::note(&format!("fetching {name} ..."));
    }
    let fetched = download
        .replace()
        .map(|folder| format!("fetched just now into {}", terminal::path(&folder)));
    let remedy = "protege doctor --fix, once that is mended";
    Check::new(&name, fetched.map_err(Error::failed), remedy)
}

/// Where a package is.
///
/// # Errors
/// What is missing of it, or damaged.
fn complete(download: &Download) -> std::result::Result<String, String> {
    let folder = download.folder()?;
    let shown = folder.display();
    if !download.is_there() {
        return Err(format!("not in {shown}"));
    }
    match intact::check(download) {
        // Earlier versions kept no list of MuJoCo's files; that its library loads must do then.
        Err(_) if download.package == MUJOCO.package && !intact::is_listed(download) => {
            engines::load_mujoco().map_err(|e| e.to_string())?;
        }
        checked => checked?,
    }
    Ok(format!("in {shown}"))
}

/// Where packages and tools are kept.
fn cache_folder() -> Check {
    let name = "cache folder";
    let check = match cache() {
        Ok(path) => folder(name, &path),
        Err(why) => Check::new(name, Err(Error::input(why)), ""),
    };
    let remedy = if check.ok {
        ""
    } else {
        "set XDG_CACHE_HOME to a folder that you may write to"
    };
    Check {
        remedy: remedy.to_owned(),
        ..check.optional()
    }
}

/// Writes and removes a file.
fn folder(name: &str, path: &Path) -> Check {
    let probe = path.join(".protege-doctor");
    let write = || {
        files::create_folder(path)?;
        files::write_atomic(&probe, &[0; 4096])?;
        std::fs::remove_file(&probe).map_err(|e| Error::failed(e.to_string()))
    };
    let found = write()
        .map(|()| format!("{} can be written", terminal::path(path)))
        .map_err(|e| Error::failed(terminal::sentence(&e.to_string())));
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
    let ours = cache().map(|cache| cache.join("tools/bin").join(tool.program));
    let version = |program: &Path| output(&program.to_string_lossy(), &["--version".as_ref()]);
    let ours = ours.ok().and_then(|program| version(&program));
    let line = ours
        .or_else(|| version(Path::new(tool.program)))
        .and_then(|text| text.lines().next().map(str::to_owned));
    let found = line.ok_or_else(|| {
        Error::failed(format!(
            "neither on PATH nor in the cache; {} needs it",
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what must be there and is not makes the exit code 1.
    #[test]
    fn the_exit_code_is_1_when_something_must_be_there_and_is_not() {
        let code = |checks: Vec<Check>| {
            exit_code(&Answer {
                json: json!(checks),
                text: String::new(),
            })
        };
        let good = || Check::new("good", Ok("found".into()), "");
        let bad = || Check::new("bad", Err(Error::failed("missing")), "get it");
        assert_eq!(code(vec![]), 0);
        assert_eq!(code(vec![good(), bad().optional()]), 0);
        assert_eq!(code(vec![good(), bad(), good()]), 1);
    }
}
