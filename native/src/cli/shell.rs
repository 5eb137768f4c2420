//! Commands that can be pasted into a shell.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// Characters that no shell gives a meaning to.
const PLAIN: &str = "-_=./:,+@%";

/// An argument, quoted where a shell needs it.
pub fn quoted(argument: &OsStr) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    match argument.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.chars().any(protege_core::error::is_hidden) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => bytewise(argument.as_encoded_bytes()),
    }
}

/// What no terminal shows as it is, byte by byte, as bash and zsh read it.
fn bytewise(bytes: &[u8]) -> String {
    let mut text = String::from("$'");
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            // Three digits: what follows cannot become a part of the number.
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text + "'"
}

/// A path as an argument, which no option looks like.
pub fn path(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        quoted(Path::new(".").join(path).as_os_str())
    } else {
        quoted(path.as_os_str())
    }
}

/// The command line as it was typed, quoted where a shell needs it.
pub fn command_line() -> String {
    let arguments = std::env::args_os().skip(1);
    let quoted: Vec<String> = arguments.map(|argument| quoted(&argument)).collect();
    let words = [&["protege".to_owned()], &quoted[..]].concat();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Whatever an argument holds, a shell reads it as it was.
    #[test]
    #[cfg(unix)]
    fn a_shell_reads_an_argument_as_it_was() {
        use std::os::unix::ffi::OsStrExt;
        let hard: [&[u8]; 9] = [
            b"runs/first",
            b"two words",
            b"it's",
            b"",
            b"a\"b$HOME`id`!*?[x]{1,2}~#&|;<>()",
            b"line\nbreak\ttab\\",
            b"caf\xe9",
            b"\x1b[31m7\x019",
            "größe".as_bytes(),
        ];
        for bytes in hard {
            let text = quoted(OsStr::from_bytes(bytes));
            assert!(!text.chars().any(char::is_control), "{text:?}");
            let script = format!("printf %s {text}");
            let read = Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(read.stdout, bytes, "{text}");
        }
        assert_eq!(path(Path::new("-x")), "./-x");
    }
}
