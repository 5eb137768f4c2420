//! MuJoCo's library and the scenes of others, fetched from the Python package index into the cache:
//! pinned by version and checksum, unpacked once. A suite names its package in a `package.rs` of
//! its own. The build's set-up (`xtask`) compiles these files, too, so they need nothing but the
//! standard library.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A published package of which some files are used.
pub struct Download {
    /// Its name on the package index.
    pub package: &'static str,
    /// The version, exactly.
    pub version: &'static str,
    /// SHA-256 of the file for each processor, or the one for all.
    pub sha256: &'static [(&'static str, &'static str)],
    /// Which files are unpacked: names that start so.
    pub keep: &'static [&'static str],
    /// A file that shows that everything is there.
    pub proof: &'static str,
}

/// The physics engine.
pub const MUJOCO: Download = Download {
    package: "mujoco",
    version: "3.17.0",
    sha256: &[
        (
            "x86_64",
            "d66928d86a2d1b601bbaa4dc11db50214d17d5301bb8afd84721313b67ff0874",
        ),
        (
            "aarch64",
            "91a70ed9979c383ff1f5c03f25cc2e1280a8254c1a8e558d5dd7f4184f01efc9",
        ),
    ],
    keep: &["mujoco/libmujoco.so", "mujoco-3.17.0.dist-info/licenses/"],
    proof: "mujoco/libmujoco.so.3.17.0",
};

/// Unpacks those members of a wheel whose names start with one of the given words.
const UNPACK: &str = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); \
                      z.extractall(sys.argv[2], [n for n in z.namelist() if \
                      n.startswith(tuple(sys.argv[3:]))])";

/// Where downloads, tools and builds are kept: `$XDG_CACHE_HOME/protege`, else `~/.cache/protege`.
pub fn cache() -> PathBuf {
    let home = || {
        PathBuf::from(
            std::env::var_os("HOME")
                .or_else(|| std::env::var_os("USERPROFILE"))
                .unwrap_or_default(),
        )
        .join(".cache")
    };
    std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("protege")
}

/// The folder that holds libmujoco under both of its names: what the build links, and what programs
/// load from.
pub fn library_folder() -> PathBuf {
    MUJOCO.folder().join("mujoco")
}

impl Download {
    /// Where its files are, once fetched.
    pub fn folder(&self) -> PathBuf {
        cache()
            .join("wheels")
            .join(format!("{}-{}", self.package, self.version))
    }

    /// Whether it was fetched and unpacked to the end.
    pub fn is_there(&self) -> bool {
        self.folder().join(self.proof).is_file()
    }

    /// Fetches and unpacks it unless it is there. What is half done is put aside and done anew.
    ///
    /// # Errors
    /// A sentence that names the package, what went wrong, and what to do.
    pub fn ensure(&self) -> Result<PathBuf, String> {
        if self.is_there() {
            return Ok(self.folder());
        }
        let folder = self.folder();
        // A folder of its own for each process, so that two set-ups at once do not meet; renamed
        // when complete.
        let work = folder.with_file_name(format!(
            ".{}-{}-{}",
            self.package,
            self.version,
            std::process::id()
        ));
        let result = self.fetch(&work).and_then(|()| {
            put(&work.join("files"), &folder)
                .or_else(|why| if self.is_there() { Ok(()) } else { Err(why) })
        });
        // What is left over is at worst a few megabytes in a cache.
        let _ = std::fs::remove_dir_all(&work);
        result.map_err(|why| {
            format!(
                "{} {} could not be fetched into {}: {why}",
                self.package,
                self.version,
                cache().display()
            )
        })?;
        if self.is_there() {
            Ok(folder)
        } else {
            Err(format!(
                "{} {} lacks {}",
                self.package, self.version, self.proof
            ))
        }
    }

    fn fetch(&self, work: &Path) -> Result<(), String> {
        let files = work.join("files");
        std::fs::create_dir_all(&files)
            .map_err(|e| format!("{e}: make room, or mend the folder's permissions"))?;
        let sums = self.sums()?;
        let wanted = work.join("wanted.txt");
        std::fs::write(
            &wanted,
            format!("{}=={}{sums}\n", self.package, self.version),
        )
        .map_err(|e| e.to_string())?;
        // The files are the same for every Python: without these options pip would look for one
        // that fits its own version.
        let platform = format!("manylinux_2_28_{}", std::env::consts::ARCH);
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
            "--require-hashes",
        ]);
        pip.args([
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--python-version",
            "3.11",
            "--platform",
            &platform,
        ]);
        pip.arg("--dest")
            .arg(work)
            .arg("--requirement")
            .arg(&wanted);
        output(pip)?;
        let wheel = std::fs::read_dir(work)
            .map_err(|e| e.to_string())?
            .filter_map(|entry| Some(entry.ok()?.path()));
        let wheel = wheel
            .into_iter()
            .find(|path| path.extension().is_some_and(|end| end == "whl"))
            .ok_or("pip left no file")?;
        let mut unpack = Command::new("python3");
        unpack
            .args(["-c", UNPACK])
            .arg(wheel)
            .arg(&files)
            .args(self.keep);
        output(unpack)?;
        self.link(&files)
    }

    /// The linker looks for the library without its version.
    fn link(&self, files: &Path) -> Result<(), String> {
        if self.package != MUJOCO.package {
            return Ok(());
        }
        let folder = files.join("mujoco");
        #[cfg(unix)]
        return std::os::unix::fs::symlink(
            format!("libmujoco.so.{}", self.version),
            folder.join("libmujoco.so"),
        )
        .map_err(|e| e.to_string());
        #[cfg(not(unix))]
        Err(format!(
            "{} is for Linux only: build with --no-default-features",
            folder.display()
        ))
    }

    fn sums(&self) -> Result<String, String> {
        let fits = |processor: &str| processor == "any" || processor == std::env::consts::ARCH;
        let sums: String = self
            .sha256
            .iter()
            .filter(|(processor, _)| fits(processor))
            .map(|(_, sum)| format!(" --hash=sha256:{sum}"))
            .collect();
        if sums.is_empty() || !cfg!(target_os = "linux") {
            let processor = std::env::consts::ARCH;
            let system = std::env::consts::OS;
            return Err(format!(
                "no file for {processor} on {system} is known: build with --no-default-features, \
                 without MuJoCo"
            ));
        }
        Ok(sums)
    }
}

/// Moves a complete folder to its place. An incomplete one there, of an older version of this
/// program, makes room.
fn put(from: &Path, to: &Path) -> Result<(), String> {
    if to.exists() {
        std::fs::remove_dir_all(to)
            .map_err(|e| format!("{} cannot be replaced: {e}", to.display()))?;
    }
    std::fs::rename(from, to).map_err(|e| format!("{} cannot be written: {e}", to.display()))
}

/// Runs a program; its last line of complaint is the error.
fn output(mut command: Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command
        .output()
        .map_err(|e| format!("{program} could not be started ({e}): install Python 3 with pip"))?;
    if ended.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    let lines: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("[notice]"))
        .collect();
    let why = lines
        .iter()
        .rev()
        .find(|line| line.starts_with("ERROR"))
        .or(lines.last())
        .map_or("no message", |line| line.trim_start_matches("ERROR: "));
    let remedy = if why.contains("No module named pip") {
        "install pip (Debian: python3-pip)"
    } else {
        "check the network, then try again"
    };
    Err(format!("{why}; {remedy}"))
}
