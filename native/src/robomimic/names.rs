//! What robomimic calls our tasks, and the parts of what is observed in them.

use protege_core::env::Entry;
use std::ops::Range;

/// Our names of robosuite's environments, and theirs.
const TASKS: [(&str, &str); 6] = [
    ("robosuite/lift", "Lift"),
    ("robosuite/can", "PickPlaceCan"),
    ("robosuite/square", "NutAssemblySquare"),
    ("robosuite/stack", "Stack"),
    ("robosuite/tool-hang", "ToolHang"),
    ("robosuite/door", "Door"),
];
/// The prefix of the tasks that robosuite has.
const ROBOSUITE: &str = "robosuite/";
/// What one arm of robosuite knows of itself, in the order of our states, and in numbers:
/// dppo/script/dataset/process_robomimic_dataset.py.
const ARM: [(&str, usize); 3] = [
    ("robot0_eef_pos", 3),
    ("robot0_eef_quat", 4),
    ("robot0_gripper_qpos", 2),
];
/// What robosuite's environments say of objects.
pub const OBJECT: &str = "object";
/// A whole state, where it is not one of robosuite's: robomimic's own name for those of gym
/// (robomimic/envs/env_gym.py).
const FLAT: &str = "flat";
/// How the keys of pictures end.
const IMAGE: &str = "_image";

/// A key of observations, and how many numbers it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Numbers of a moment.
    pub width: usize,
}

/// What robomimic calls a task: a name of robosuite's, else ours.
pub fn env_name(task: &str) -> &str {
    let known = TASKS.iter().find(|(ours, _)| *ours == task);
    known.map_or(task, |(_, theirs)| theirs)
}

/// Our name of an environment, where it has another.
pub fn task(env_name: &str) -> &str {
    let known = TASKS.iter().find(|(_, theirs)| *theirs == env_name);
    known.map_or(env_name, |(ours, _)| ours)
}

/// Whether a task is one that robosuite has.
pub fn is_robosuite(task: &str) -> bool {
    task.starts_with(ROBOSUITE)
}

/// Numbers of a task's state: all, or those that stay beside pictures.
pub fn state_len(task: &Entry, pictures: bool) -> usize {
    let kept = task.proprioception.filter(|_| pictures);
    let all = task.spec.obs.state;
    kept.map_or(all, |places| places.iter().map(Range::len).sum())
}

/// The keys that make up a state of `width` numbers in a task, in their order.
pub fn keys(task: &str, width: usize) -> Vec<Key> {
    let key = |(name, width): (&str, usize)| Key {
        name: name.to_owned(),
        width,
    };
    let arm: usize = ARM.iter().map(|(_, width)| width).sum();
    if !is_robosuite(task) || width < arm {
        return vec![key((FLAT, width))];
    }
    let mut keys: Vec<Key> = ARM.map(key).to_vec();
    if width > arm {
        keys.push(key((OBJECT, width - arm)));
    }
    keys
}

/// The camera whose pictures have this key.
pub fn camera(key: &str) -> &str {
    key.strip_suffix(IMAGE).unwrap_or(key)
}

/// The key of a camera's pictures.
pub fn image_key(camera: &str) -> String {
    format!("{camera}{IMAGE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names go there and back, and tasks of other suites keep theirs.
    #[test]
    fn names_go_there_and_back() {
        for (ours, theirs) in TASKS {
            assert_eq!((env_name(ours), task(theirs)), (theirs, ours));
        }
        assert_eq!(
            (env_name("lab/lift"), task("lab/lift")),
            ("lab/lift", "lab/lift")
        );
        assert_eq!(camera(&image_key("agentview")), "agentview");
    }

    /// The state of a robosuite task is told apart in robomimic's keys, that of another is one.
    #[test]
    fn a_state_is_told_apart_in_robomimics_keys() {
        let told = |task, width| {
            let keys = keys(task, width).into_iter();
            keys.map(|key| (key.name, key.width)).collect::<Vec<_>>()
        };
        let can = told("robosuite/can", 23);
        assert_eq!((can[3].0.as_str(), can[3].1, can.len()), ("object", 14, 4));
        assert_eq!(told("robosuite/can", 9).len(), 3);
        assert_eq!(told("lab/lift", 39), [("flat".to_owned(), 39)]);
    }
}
