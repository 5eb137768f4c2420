//! The program that writes recordings.

use crate::files::{check_writable, destination};
use protege_core::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Its name.
const NAME: &str = "protege-rerun";

/// The program while it writes a file.
pub struct Program {
    child: Child,
    /// None once all has been told.
    input: Option<BufWriter<ChildStdin>>,
}

impl Program {
    /// Starts it on a file, which must be called `.rrd`.
    ///
    /// # Errors
    /// When the name is another, or the program is missing or does not start.
    pub fn start(file: &Path) -> Result<Self> {
        if file.extension().is_none_or(|end| end != "rrd") {
            return Err(Error::input(format!(
                "a recording is a file for Rerun's viewer: call it {}.rrd",
                file.with_extension("").display()
            )));
        }
        let program = find()?;
        if let Some(folder) = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            crate::files::create_folder(folder)?;
        }
        check_writable(file)?;
        let started = Command::new(&program)
            .arg(destination(file)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started
            .map_err(|e| Error::failed(format!("{} does not start: {e}", program.display())))?;
        let input = child.stdin.take().map(BufWriter::new);
        Ok(Self { child, input })
    }

    /// Waits until the file is complete.
    ///
    /// # Errors
    /// When the program could not write it; it says why.
    pub fn finish(mut self) -> Result<()> {
        // What could not be told is what the program complains about.
        drop(self.input.take());
        let ended = self
            .child
            .wait_with_output()
            .map_err(|e| Error::failed(format!("{NAME} was lost: {e}")))?;
        let why = String::from_utf8_lossy(&ended.stderr);
        if ended.status.success() {
            Ok(())
        } else {
            Err(Error::failed(format!(
                "the recording failed: {}",
                why.trim()
            )))
        }
    }
}

impl Write for Program {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.input
            .as_mut()
            .map_or(Ok(bytes.len()), |input| input.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// Where the program is: beside this one, where `cargo xtask rerun` puts it, or on PATH.
///
/// # Errors
/// When it is missing.
pub fn find() -> Result<PathBuf> {
    let name = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.to_owned()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = beside
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file());
    let missing = || {
        Error::input(format!(
            "recordings are written by `{NAME}`, which is neither beside this program nor on PATH: \
             build it with `cargo xtask rerun`"
        ))
    };
    found.ok_or_else(missing)
}
