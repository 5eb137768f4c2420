//! `protege-rerun FILE.rrd`: reads what `protege --rerun` tells it on its standard input, and
//! writes it as a file for Rerun's viewer. `protege` starts it; `cargo xtask rerun` builds it.

#[path = "../../native/src/rerun/event.rs"]
pub mod event;
mod recording;
mod shapes;

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [file] = &arguments[..] else {
        tell("protege-rerun writes what protege records: use `protege play --rerun FILE.rrd`");
        return ExitCode::from(2);
    };
    match write(
        &mut BufReader::new(std::io::stdin().lock()),
        Path::new(file),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            tell(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// Tells a sentence on stderr, if anybody listens.
fn tell(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "{sentence}");
}

/// Writes what is read until its end; the file is complete, or not there.
fn write(input: &mut impl Read, file: &Path) -> Result<(), String> {
    let temporary = temporary(file)?;
    let written = recording::write(input, &temporary);
    let named = written.and_then(|()| std::fs::rename(&temporary, file).map_err(|e| e.to_string()));
    named.map_err(|why| {
        // What could not be written is only in the way; the first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
        format!("{} cannot be written: {why}", file.display())
    })
}

/// Where the file is made.
fn temporary(file: &Path) -> Result<PathBuf, String> {
    let name = file
        .file_name()
        .ok_or_else(|| format!("{} is no name of a file", file.display()))?;
    Ok(file.with_file_name(format!(".{}.partial", name.to_string_lossy())))
}

#[cfg(test)]
mod tests;
