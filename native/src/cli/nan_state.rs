//! What a simulation leaves behind that broke in a run.

use crate::files::write_atomic;
use protege_core::Error;
use std::path::Path;

/// Writes the last finite state of a simulation that broke into the folder of its run's seed, and names the file in the error. Other
/// errors pass.
pub fn kept(error: Error, folder: &Path) -> Error {
    let Error::Broken { sentence, task, state } = error else { return error };
    let path = folder.join("nan-state.safetensors");
    let file = path.display();
    match write_atomic(&path, &state) {
        Ok(()) => Error::failed(format!(
            "{sentence}, its last finite state and the actions since are in {file}: play them again with \
             `protege trace --fixture {file} --key {task}/0`"
        )),
        Err(why) => Error::failed(format!("{sentence}, and its last finite state could not be kept: {why}")),
    }
}

#[cfg(all(test, feature = "mujoco"))]
mod tests {
    use super::*;
    use crate::mujoco::trace::Records;
    use crate::mujoco::{broken_adroit, broken_metaworld};

    /// The promise: a simulation that breaks in a run leaves a file that breaks again, at the same action, and the error names it.
    #[test]
    fn a_broken_simulation_can_be_played_again_from_its_file() {
        for (error, key) in [(broken_metaworld(), "metaworld/assembly/0"), (broken_adroit(), "adroit/hammer/0")] {
            let folder = tempfile::tempdir().unwrap();
            let sentence = kept(error, folder.path()).to_string();
            let file = folder.path().join("nan-state.safetensors");
            assert!(sentence.contains(&format!("--fixture {} --key {key}", file.display())) && sentence.contains("seed 3"), "{sentence}");
            let bytes = std::fs::read(file).unwrap();
            let records = Records::new(&bytes, "nan-state.safetensors").unwrap();
            let replayed = records.replay(key).unwrap().unwrap();
            assert!(replayed.steps == 1 && replayed.obs.is_empty() && replayed.broke.is_some(), "{replayed:?}");
        }
    }

    /// The promise: other errors are not touched, and leave no file.
    #[test]
    fn other_errors_pass() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept(Error::input("x"), folder.path()), Error::input("x"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
