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

/// The name with the fewest edits from `wanted` (Levenshtein); none when there are no names.
pub fn nearest<N: AsRef<str>>(wanted: &str, names: impl Iterator<Item = N>) -> Option<N> {
    names.min_by_key(|name| strsim::levenshtein(wanted, name.as_ref()))
}
