//! What a simulation, or a learner, leaves behind that broke in a run.

use crate::cli::shell;
use crate::files::write_atomic;
use protege_core::Error;
use std::path::Path;

/// Writes the last finite state of a simulation that broke, or the last batches of a learner that
/// did, into the folder of the run's seed, and names the file in the error. Other errors pass.
pub fn with_dump(error: Error, folder: &Path) -> Error {
    let (sentence, task, state) = match error {
        Error::Broken {
            sentence,
            task,
            state,
        } => (sentence, task, state),
        Error::Diverged { sentence, batches } => return kept_batches(&sentence, &batches, folder),
        other => return other,
    };
    let path = folder.join("nan-state.safetensors");
    let file = path.display();
    match write_atomic(&path, &state) {
        Ok(()) => Error::failed(format!(
            "{sentence}, its last finite state and the actions since are in {file}: play them \
             again with `protege trace --fixture {} --key {task}/0`",
            shell::path(&path)
        )),
        Err(why) => Error::failed(format!(
            "{sentence}, and its last finite state could not be kept: {why}"
        )),
    }
}

/// The same for what was learned from before learning broke.
fn kept_batches(sentence: &str, batches: &[u8], folder: &Path) -> Error {
    let path = folder.join("last-batches.safetensors");
    match write_atomic(&path, batches) {
        Ok(()) => Error::failed(format!(
            "{sentence}; what was learned from last is in {}",
            path.display()
        )),
        Err(why) => Error::failed(format!(
            "{sentence}; what was learned from last could not be kept: {why}"
        )),
    }
}

#[cfg(all(test, feature = "mujoco"))]
mod tests {
    use super::*;
    use crate::mujoco::trace::Records;
    use crate::mujoco::{broken_adroit, broken_metaworld};

    /// A simulation that breaks in a run leaves a file that breaks again, at the same action, and
    /// the error names it.
    #[test]
    fn a_broken_simulation_can_be_played_again_from_its_file() {
        for (error, key) in [
            (broken_metaworld(), "metaworld/assembly/0"),
            (broken_adroit(), "adroit/hammer/0"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let sentence = with_dump(error, folder.path()).to_string();
            let file = folder.path().join("nan-state.safetensors");
            assert!(
                sentence.contains(&format!("--fixture {} --key {key}", file.display()))
                    && sentence.contains("seed 3"),
                "{sentence}"
            );
            let bytes = std::fs::read(file).unwrap();
            let records = Records::new(&bytes, "nan-state.safetensors").unwrap();
            let replayed = records.replay(key).unwrap().unwrap();
            assert!(
                replayed.steps == 1 && replayed.obs.is_empty() && replayed.broke.is_some(),
                "{replayed:?}"
            );
        }
    }

    /// Learning that breaks leaves what was learned from, and the error names the file.
    #[test]
    fn broken_learning_leaves_its_batches() {
        let folder = tempfile::tempdir().unwrap();
        let error = Error::Diverged {
            sentence: "loss/model is NaN".into(),
            batches: vec![1, 2, 3],
        };
        let sentence = with_dump(error, folder.path()).to_string();
        let file = folder.path().join("last-batches.safetensors");
        assert!(
            sentence.starts_with("loss/model is NaN")
                && sentence.contains(&file.display().to_string()),
            "{sentence}"
        );
        assert_eq!(std::fs::read(file).unwrap(), [1, 2, 3]);
    }

    /// Other errors are not touched, and leave no file.
    #[test]
    fn other_errors_pass() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            with_dump(Error::input("x"), folder.path()),
            Error::input("x")
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
