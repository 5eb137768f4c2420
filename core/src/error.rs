//! Errors as values: one sentence that names the thing, the place and the remedy.

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, sorted by who can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The user's input is wrong: an unknown name, an impossible value, a damaged or foreign file.
    #[error("{0}")]
    Input(String),
    /// Anything else: the machine, the disk, the simulator or this program.
    #[error("{0}")]
    Failed(String),
    /// A policy that another program serves gave no answer that can be used. A run is as it was
    /// before the step that asked for it, and can be saved.
    #[error("{0}")]
    Unserved(String),
    /// Somebody asked to stop. What was begun is saved, and goes on when it is asked to.
    #[error("{0}")]
    Stopped(String),
    /// A simulation stopped being finite.
    #[error("{sentence}")]
    Broken {
        /// What happened, where, and what to do.
        sentence: String,
        /// The task, `suite/name`.
        task: String,
        /// A file's contents, for whoever has files: the last finite state, and the actions since.
        state: Vec<u8>,
    },
    /// Learning stopped being finite.
    #[error("{sentence}")]
    Diverged {
        /// What happened, when, and what to do.
        sentence: String,
        /// A file's contents, for whoever has files: what was learned from last.
        batches: Vec<u8>,
    },
}

impl Error {
    /// An error that the user can mend.
    pub fn input(sentence: impl Into<String>) -> Self {
        Self::Input(sentence.into())
    }

    /// An error that the user cannot mend by changing the input.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }
}

/// Checks that a setting lies in a range.
///
/// # Errors
/// Names the key, the value and the range.
pub fn within<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<()> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(Error::input(format!(
        "{key} is {value}, but must lie between {low} and {high}"
    )))
}

/// Characters of a foreign text that a sentence shows.
const EXCERPT: usize = 80;

/// Whether a terminal does something with a character rather than show it: control characters, and
/// those that reverse or join what stands around them.
pub fn is_hidden(c: char) -> bool {
    let invisible = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
    ];
    c.is_control() || c == '\u{feff}' || invisible.iter().any(|range| range.contains(&c))
}

/// A foreign text (an argument, a name in a file, an answer of a server) as a part of a sentence:
/// on one line, without control characters, and cut where it is long.
pub fn excerpt(text: &str) -> String {
    let mut excerpt = String::new();
    for c in text.chars().take(EXCERPT) {
        if is_hidden(c) {
            excerpt.extend(c.escape_default());
        } else {
            excerpt.push(c);
        }
    }
    match text.chars().count().saturating_sub(EXCERPT) {
        0 => excerpt,
        more => format!("{excerpt}... ({more} more characters)"),
    }
}

/// The name with the fewest edits from `wanted` (Levenshtein); none when there are no names.
pub fn nearest<N: AsRef<str>>(wanted: &str, names: impl Iterator<Item = N>) -> Option<N> {
    names.min_by_key(|name| edits(wanted, name.as_ref()))
}

/// The three names with the fewest edits from `wanted`, nearest first: "`a`, `b` or `c`".
pub fn nearest_few(wanted: &str, names: &[&str]) -> String {
    let mut others = names.to_vec();
    let mut few = Vec::new();
    while few.len() < 3 {
        let indices = 0..others.len();
        let Some(i) = indices.min_by_key(|&i| edits(wanted, others[i])) else {
            break;
        };
        few.push(format!("`{}`", excerpt(others.remove(i))));
    }
    or_list(few.iter().map(String::as_str))
}

/// Names to choose from: `flow, flow-transformer or diffusion`.
pub(crate) fn or_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Edits from one name to another, as far as their beginnings differ: files can hold names of any
/// length.
fn edits(a: &str, b: &str) -> usize {
    strsim::levenshtein(beginning(a), beginning(b))
}

/// As much of a name as is compared.
fn beginning(name: &str) -> &str {
    let end = name.char_indices().nth(EXCERPT);
    end.map_or(name, |(end, _)| &name[..end])
}
