//! Demonstrations that others have recorded, as a dataset of ours.
//!
//! The file is a safetensors file of plain arrays, in the manner of DAPG's releases
//! (github.com/aravindr93/hand_dapg): `demo_0/observations` (T, obs) seen before each of
//! `demo_0/actions` (T, act), and so on. Where `demo_0/init/*` gives the start (`qpos`, `qvel` and
//! what the task moves: `door_body_pos`, `board_pos`, `desired_orien`), the actions are played
//! again and the episode is what the simulator shows; so recordings of older simulators become
//! episodes of this one. Without a start the episode is what was recorded, less the last action,
//! whose outcome is not in the file.

use super::{HandWorld, Init, shows_success, to_f32};
use crate::files::arrays::{Array, Arrays};
use crate::mujoco::suite::{Choice, Imported};
use protege_core::data::{CODE_VERSION, Dataset, Episode, Meta};
use protege_core::env::{Spec, catalogue};
use protege_core::{Error, Result};

/// Imports recordings of the task `id`; `what` names the file in sentences.
///
/// # Errors
/// When the task is not of this suite, the file is no recording of it, or nothing is left to keep.
pub fn import(bytes: &[u8], what: &str, id: &str, choice: Choice) -> Result<Imported> {
    let mut env = HandWorld::new(id)?;
    let arrays = Arrays::open(bytes, what)?;
    if arrays.has("episode_000/rewards") {
        return Err(arrays.fault("is a dataset of protege already: give it to --demos-file"));
    }
    let numbers = arrays.names().into_iter().filter_map(|name| {
        name.strip_prefix("demo_")?
            .split_once('/')?
            .0
            .parse::<usize>()
            .ok()
    });
    // Up to the largest number, so that a gap is noticed.
    let demos = numbers.max().map_or(Ok(Vec::new()), |last| {
        (0..=last)
            .map(|i| Recording::read(&arrays, i, &env.spec))
            .collect::<Result<_>>()
    })?;
    if demos.is_empty() {
        return Err(
            arrays.fault("holds no recorded demonstrations: it has no array `demo_0/observations`")
        );
    }
    let mut episodes = Vec::new();
    for (i, demo) in demos.iter().enumerate() {
        let played = demo.episode(&mut env, i as u64, choice.trim);
        episodes.push(
            played
                .map_err(|e| arrays.fault(format!("cannot be used, because of demo_{i}: {e}")))?,
        );
    }
    let recorded = episodes.len();
    let successful = episodes.iter().filter(|episode| episode.success).count();
    episodes.retain(|episode| episode.success || !choice.successful_only);
    if episodes.is_empty() {
        return Err(arrays.fault(format!(
            "holds {recorded} demonstrations, none of which succeeds at {id}: leave out \
             --successful-only"
        )));
    }
    let replayed = demos.iter().filter(|demo| demo.init.is_some()).count();
    let dataset = Dataset {
        meta: meta(&env.spec, describe(what, choice, replayed, recorded)),
        episodes,
    };
    dataset.check()?;
    Ok(Imported {
        dataset,
        recorded,
        successful,
        replayed,
    })
}

fn meta(spec: &Spec, demonstrator: String) -> Meta {
    Meta {
        task: spec.id.clone(),
        engine: catalogue::MUJOCO.into(),
        seed: 0,
        code_version: CODE_VERSION.into(),
        obs: spec.obs.clone(),
        act: spec.act,
        action_repeat: 1,
        controller: String::new(),
        demonstrator,
    }
}

/// The demonstrator's distribution, in words.
fn describe(what: &str, choice: Choice, replayed: usize, recorded: usize) -> String {
    let kept = if choice.successful_only {
        "successful episodes only"
    } else {
        "all episodes"
    };
    let end = if choice.trim {
        "cut after the first success or at the horizon"
    } else {
        "in full length"
    };
    format!(
        "imported from {what}, {replayed} of {recorded} played again from their starts, actions \
         clipped to [-1, 1], {kept}, {end}"
    )
}

/// One demonstration as the file has it.
struct Recording {
    obs: Array,
    actions: Array,
    init: Option<Init>,
}

impl Recording {
    fn read(arrays: &Arrays, number: usize, spec: &Spec) -> Result<Self> {
        let demo = format!("demo_{number}");
        let obs = arrays.get(&format!("{demo}/observations"))?;
        let actions = arrays.get(&format!("{demo}/actions"))?;
        for (part, array, size) in [
            ("observations", &obs, spec.obs.state),
            ("actions", &actions, spec.act),
        ] {
            if array.shape.len() != 2 || array.width() != size {
                let fault = format!(
                    "is not of {}: {demo} has {part} of shape {:?}, where rows of {size} are \
                     needed",
                    spec.id, array.shape
                );
                return Err(arrays.fault(fault));
            }
        }
        let seen = obs.shape[0];
        let done = actions.shape[0];
        if seen != done || done < 2 {
            return Err(arrays.fault(format!(
                "is damaged: {demo} has {seen} observations and {done} actions, where as many are \
                 needed, at least 2"
            )));
        }
        let prefix = format!("{demo}/init/");
        let names = arrays
            .names()
            .into_iter()
            .filter_map(|name| Some((name, name.strip_prefix(&prefix)?)));
        let init = names
            .map(|(name, short)| Ok((short.to_owned(), arrays.get(name)?.numbers)))
            .collect::<Result<Init>>()?;
        Ok(Self {
            obs,
            actions,
            init: (!init.is_empty()).then_some(init),
        })
    }

    fn episode(&self, env: &mut HandWorld, seed: u64, trim: bool) -> Result<Episode> {
        let id = env.spec.id.clone();
        let horizon = env.spec.horizon;
        let mut seen = self.obs.rows().map(to_f32);
        let first = match &self.init {
            Some(init) => to_f32(&env.start_from(init)?),
            None => seen
                .next()
                .ok_or_else(|| Error::input("it has no observations"))?,
        };
        let mut episode = Episode::start(seed, &first.into());
        for (before, action) in self.actions.rows().enumerate() {
            let action: Vec<f64> = action.iter().map(|a| a.clamp(-1.0, 1.0)).collect();
            let (obs, success) = if self.init.is_some() {
                let obs = env.advance(&action, before + 1)?;
                (to_f32(&obs), env.verdict.success)
            } else {
                let Some(obs) = seen.next() else { break };
                let success = shows_success(&id, &obs)?;
                (obs, success)
            };
            episode.push(&to_f32(&action), f32::from(success), &obs.into());
            episode.success |= success;
            episode.terminated = trim && success;
            if episode.terminated || trim && episode.len() >= horizon {
                break;
            }
        }
        Ok(episode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::arrays::written;

    type Part = (String, Vec<usize>, Vec<f32>);

    /// Four steps of a hand that reaches for a door; the last observations show it open.
    fn seen(demo: usize) -> Vec<Part> {
        let mut obs = vec![0.0; 4 * 39];
        obs[2 * 39 + 28] = 1.4;
        obs[3 * 39 + 28] = 1.4;
        vec![
            (format!("demo_{demo}/observations"), vec![4, 39], obs),
            (
                format!("demo_{demo}/actions"),
                vec![4, 28],
                vec![1.3; 4 * 28],
            ),
            (format!("demo_{demo}/rewards"), vec![4], vec![0.0; 4]),
        ]
    }

    /// The same, with a start in which the door stands as far open as `hinge` says, rad.
    fn started(demo: usize, hinge: f32) -> Vec<Part> {
        let mut qpos = vec![0.0; 30];
        qpos[28] = hinge;
        let init = [
            ("qpos", qpos),
            ("qvel", vec![0.0; 30]),
            ("door_body_pos", vec![-0.25, 0.3, 0.3]),
        ];
        let init = init.map(|(name, numbers)| {
            (
                format!("demo_{demo}/init/{name}"),
                vec![numbers.len()],
                numbers,
            )
        });
        seen(demo).into_iter().chain(init).collect()
    }

    fn door(parts: &[Part], choice: Choice) -> Result<Imported> {
        import(&written(parts), "demos.safetensors", "adroit/door", choice)
    }

    /// Without a start the recording is taken as it is, actions clipped, less the last action,
    /// whose outcome is unknown; the task's rule on observations says what succeeds, and trimmed it
    /// ends there, as in the simulator.
    #[test]
    fn recordings_without_a_start_are_taken_as_they_are() {
        let whole = door(&seen(0), Choice::default()).unwrap();
        let episode = &whole.dataset.episodes[0];
        assert_eq!(
            (
                whole.recorded,
                whole.successful,
                whole.replayed,
                episode.len()
            ),
            (1, 1, 0, 3)
        );
        assert_eq!(
            (
                episode.rewards.as_slice(),
                episode.success,
                episode.terminated
            ),
            (&[0.0, 1.0, 1.0][..], true, false)
        );
        assert!(episode.actions.iter().all(|&a| a == 1.0));
        let trimmed = door(
            &seen(0),
            Choice {
                trim: true,
                ..Choice::default()
            },
        )
        .unwrap();
        let episode = &trimmed.dataset.episodes[0];
        assert_eq!(
            (
                episode.rewards.as_slice(),
                episode.success,
                episode.terminated
            ),
            (&[0.0, 1.0][..], true, true)
        );
        Dataset::from_bytes(&whole.dataset.to_bytes().unwrap()).unwrap();
    }

    /// With a start the simulator decides what happens and what succeeds, whatever the recording
    /// shows, and only what succeeds is kept where that is wished.
    #[test]
    fn recordings_with_a_start_are_played_again() {
        let parts = [started(0, 0.0), started(1, 1.5)].concat();
        let all = door(&parts, Choice::default()).unwrap();
        assert_eq!((all.recorded, all.successful, all.replayed), (2, 1, 2));
        let lengths: Vec<usize> = all.dataset.episodes.iter().map(Episode::len).collect();
        assert_eq!(lengths, [4, 4]);
        assert!(
            !all.dataset.episodes[0].success && all.dataset.episodes[1].obs.state_at(0)[28] == 1.5
        );
        let kept = door(
            &parts,
            Choice {
                successful_only: true,
                trim: true,
            },
        )
        .unwrap();
        assert_eq!(
            (kept.dataset.episodes.len(), kept.dataset.episodes[0].len()),
            (1, 1)
        );
        let none = door(
            &started(0, 0.0),
            Choice {
                successful_only: true,
                trim: true,
            },
        )
        .err()
        .unwrap()
        .to_string();
        assert!(none.contains("none of which succeeds"), "{none}");
    }

    /// A trimmed recording is no longer than the task's episodes are.
    #[test]
    fn a_trimmed_recording_ends_at_the_horizon() {
        let mut long = started(0, 0.0);
        long[0].1 = vec![230, 39];
        long[0].2 = vec![0.0; 230 * 39];
        long[1].1 = vec![230, 28];
        long[1].2 = vec![0.0; 230 * 28];
        let length = |trim| {
            door(
                &long,
                Choice {
                    trim,
                    ..Choice::default()
                },
            )
            .unwrap()
            .dataset
            .episodes[0]
                .len()
        };
        assert_eq!((length(false), length(true)), (230, 200));
    }

    /// A file that is no recording of the task is refused in one sentence that names it, the place
    /// and the fault.
    #[test]
    fn a_file_that_is_no_recording_of_the_task_is_refused() {
        let bent = |part: usize, shape: &[usize]| {
            let mut parts = started(0, 0.0);
            parts[part].1 = shape.to_vec();
            parts[part].2 = vec![0.0; shape.iter().product()];
            parts
        };
        let mut broken = started(0, 0.0);
        broken[1].2[30] = f32::NAN;
        let without: Vec<Part> = started(0, 0.0)
            .into_iter()
            .filter(|part| !part.0.ends_with("qvel"))
            .collect();
        let table: [(Vec<Part>, &[&str]); 9] = [
            (
                bent(0, &[4, 46]),
                &["adroit/door", "demo_0", "observations", "39"],
            ),
            (
                bent(1, &[4, 30]),
                &["adroit/door", "demo_0", "actions", "28"],
            ),
            (
                bent(1, &[5, 28]),
                &["demo_0", "4 observations and 5 actions"],
            ),
            (bent(3, &[33]), &["demo_0", "33 numbers in qpos"]),
            (broken, &["NaN", "row 1", "demo_0/actions"]),
            (without, &["demo_0", "lacks qvel"]),
            (
                [seen(0), seen(1)[1..].to_vec()].concat(),
                &["demo_1/observations"],
            ),
            ([seen(0), seen(2)].concat(), &["demo_1/observations"]),
            (
                vec![("fc_layers.0.bias".into(), vec![1], vec![0.0])],
                &["no recorded demonstrations"],
            ),
        ];
        for (parts, words) in table {
            let sentence = door(&parts, Choice::default()).err().unwrap().to_string();
            assert!(
                sentence.starts_with("demos.safetensors ") && !sentence.contains('\n'),
                "{sentence}"
            );
            assert!(
                words.iter().all(|word| sentence.contains(word)),
                "{words:?}: {sentence}"
            );
        }
        let whole = written(&seen(0));
        let cut = import(
            &whole[..whole.len() - 4],
            "demos.safetensors",
            "adroit/door",
            Choice::default(),
        )
        .err()
        .unwrap()
        .to_string();
        assert!(cut.contains("cut short"), "{cut}");
        assert!(import(&whole, "demos.safetensors", "adroit/pen", Choice::default()).is_err());
    }
}
