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
    keep: &["mujoco/libmujoco.so", "mujoco-3.17.0.dist-info/"],
    proof: "mujoco/libmujoco.so.3.17.0",
};

/// Unpacks those members of a wheel whose names start with one of the given words.
const UNPACK: &str = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); \
                      z.extractall(sys.argv[2], [n for n in z.namelist() if \
                      n.startswith(tuple(sys.argv[3:]))])";

/// Where downloads, tools and builds are kept: `$XDG_CACHE_HOME/protege`, else `~/.cache/protege`,
/// where `~` is `$HOME` or, without it, the home folder that the system knows of the user.
///
/// # Errors
/// When there is neither. Relative paths count for nothing: they would be another folder wherever
/// the program is started.
pub fn cache() -> Result<PathBuf, String> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::home_dir().map(|home| home.join(".cache"));
    let folder = named.filter(|path| path.is_absolute()).or_else(home);
    let folder = folder.filter(|path| path.is_absolute());
    folder.map(|folder| folder.join("protege")).ok_or_else(|| {
        "this user has no home folder to keep it in: set XDG_CACHE_HOME to a folder, then run \
         `protege doctor --fix`"
            .to_owned()
    })
}

impl Download {
    /// Where its files are, once fetched.
    ///
    /// # Errors
    /// Those of [`cache`].
    pub fn folder(&self) -> Result<PathBuf, String> {
        let name = format!("{}-{}", self.package, self.version);
        Ok(cache()?.join("wheels").join(name))
    }

    /// Whether it was fetched and unpacked to the end.
    pub fn is_there(&self) -> bool {
        self.folder()
            .is_ok_and(|folder| folder.join(self.proof).is_file())
    }

    /// Where its files are.
    ///
    /// # Errors
    /// A sentence that names the package, the folder and what fetches it, when it is not there.
    pub fn fetched(&self) -> Result<PathBuf, String> {
        let name = format!("{} {}", self.package, self.version);
        let unknown = |why| format!("{name} is not there: {why}");
        let folder = self.folder().map_err(unknown)?;
        if folder.join(self.proof).is_file() {
            return Ok(folder);
        }
        let shown = folder.display();
        Err(format!(
            "{name} is not in {shown}: `protege doctor --fix` fetches it"
        ))
    }

    /// Fetches and unpacks it unless it is there.
    ///
    /// # Errors
    /// A sentence that names the package, what went wrong, and what to do.
    pub fn ensure(&self) -> Result<PathBuf, String> {
        if self.is_there() {
            return self.folder();
        }
        self.replace()
    }

    /// Fetches and unpacks it, in place of what is there, which stays when that fails.
    ///
    /// # Errors
    /// A sentence that names the package, what went wrong, and what to do.
    pub fn replace(&self) -> Result<PathBuf, String> {
        let folder = self.folder()?;
        // A folder of its own for each process, so that two set-ups at once do not meet; renamed
        // when complete.
        let work = folder.with_file_name(format!(
            ".{}-{}-{}",
            self.package,
            self.version,
            std::process::id()
        ));
        let result = self.fetch(&work).and_then(|()| put(&work, &folder));
        // What is left over is at worst a package in a cache.
        let _ = std::fs::remove_dir_all(&work);
        self.sweep(&folder);
        result.map_err(|why| {
            format!(
                "{} {} could not be fetched into {}: {why}",
                self.package,
                self.version,
                folder.display()
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

    /// Removes what processes left that were killed while they fetched this.
    fn sweep(&self, folder: &Path) {
        let prefix = format!(".{}-{}-", self.package, self.version);
        let is_left = |name: &str| {
            let process = name.strip_prefix(&prefix);
            process.is_some_and(|id| !Path::new("/proc").join(id).exists())
        };
        let entries = folder.parent().and_then(|wheels| wheels.read_dir().ok());
        for entry in entries.into_iter().flatten().flatten() {
            if is_left(&entry.file_name().to_string_lossy()) {
                // It is only in the way.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    fn fetch(&self, work: &Path) -> Result<(), String> {
        let files = work.join("files");
        std::fs::create_dir_all(&files)
            .map_err(|e| format!("{e}: make room, or set XDG_CACHE_HOME to another folder"))?;
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
        output(unpack)
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

/// Moves the complete files to their place. What is there makes room, and comes back when they
/// cannot be put there.
fn put(work: &Path, to: &Path) -> Result<(), String> {
    let old = work.join("old");
    if to.symlink_metadata().is_ok() {
        std::fs::rename(to, &old)
            .map_err(|e| format!("{} cannot be replaced: {e}", to.display()))?;
    }
    let moved = std::fs::rename(work.join("files"), to);
    // What is there now, another process has put there meanwhile: it is the same.
    if moved.is_err() && !to.exists() {
        // Where there was nothing, nothing comes back.
        let _ = std::fs::rename(&old, to);
        return moved.map_err(|e| format!("{} cannot be written: {e}", to.display()));
    }
    Ok(())
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Whatever is in the way of a package makes room: an incomplete folder, a file, a link that
    /// leads nowhere.
    #[test]
    fn whatever_is_in_the_way_makes_room() {
        let folder = std::env::temp_dir().join(format!("protege-put-{}", std::process::id()));
        let to = folder.join("package");
        let in_the_way: [fn(&Path) -> std::io::Result<()>; 4] = [
            |_| Ok(()),
            |to| std::fs::create_dir(to).and_then(|()| std::fs::write(to.join("half"), "")),
            |to| std::fs::write(to, "a file"),
            |to| std::os::unix::fs::symlink("nowhere", to),
        ];
        for make in in_the_way {
            let work = folder.join("work");
            std::fs::create_dir_all(work.join("files")).unwrap();
            std::fs::write(work.join("files/whole"), "").unwrap();
            make(&to).unwrap();
            assert_eq!(put(&work, &to), Ok(()));
            assert!(to.join("whole").is_file() && !to.join("half").exists());
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }

    /// What is there stays when nothing better can be put in its place.
    #[test]
    fn what_is_there_stays_when_it_cannot_be_replaced() {
        let folder = std::env::temp_dir().join(format!("protege-keep-{}", std::process::id()));
        let to = folder.join("package");
        let work = folder.join("work");
        std::fs::create_dir_all(&work).unwrap();
        std::fs::create_dir(&to).unwrap();
        std::fs::write(to.join("old"), "").unwrap();
        assert!(put(&work, &to).is_err());
        assert!(to.join("old").is_file());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
