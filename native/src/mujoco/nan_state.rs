//! What is kept of a simulation in case it breaks, and the file that it makes then.

use super::Plant;
use mujoco_rs::mujoco_c::mjtState;
use protege_core::Error;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use std::collections::HashMap;

/// What is written by name for whoever looks into the file; `numbers` has all of it, and more.
const PARTS: [(&str, mjtState); 6] = [
    ("qpos", mjtState::mjSTATE_QPOS),
    ("qvel", mjtState::mjSTATE_QVEL),
    ("act", mjtState::mjSTATE_ACT),
    ("ctrl", mjtState::mjSTATE_CTRL),
    ("mocap_pos", mjtState::mjSTATE_MOCAP_POS),
    ("mocap_quat", mjtState::mjSTATE_MOCAP_QUAT),
];

/// The last finite state and the actions since.
#[derive(Default)]
pub struct NanState {
    /// The episode's seed; unknown in an episode that was restored or recorded.
    seed: Option<u64>,
    numbers: Vec<f64>,
    actions: Vec<Vec<f64>>,
}

impl NanState {
    /// Of an episode that begins.
    pub fn of(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..Self::default()
        }
    }

    /// Takes note of the state that `action` is about to be played in.
    pub fn before(&mut self, plant: &Plant, action: impl Iterator<Item = f64>) {
        if plant.is_finite() || self.actions.is_empty() {
            self.numbers = plant.numbers();
            self.actions.clear();
        }
        self.actions.push(action.collect());
    }

    /// The error that says that the simulation broke at a control step, with the file's contents.
    pub fn broken(&self, plant: &Plant, task: &str, step: usize) -> Error {
        let episode = self.seed.map_or_else(String::new, |seed| {
            format!(" of the episode from seed {seed}")
        });
        let sentence = format!(
            "the simulation of {task} stopped being finite at control step {step}{episode}; reset \
             it"
        );
        Error::Broken {
            sentence,
            task: task.to_owned(),
            state: self.file(plant, task, step),
        }
    }

    /// A safetensors file that [`super::trace::Records::replay`] plays again.
    fn file(&self, plant: &Plant, task: &str, step: usize) -> Vec<u8> {
        let name = |part: &str| format!("{task}/0/{part}");
        let named = PARTS.iter().map(|(part, kind)| {
            (
                name(&format!("init/{part}")),
                plant.part(&self.numbers, *kind).to_vec(),
            )
        });
        let whole = (name("init/numbers"), self.numbers.clone());
        let lists = named
            .chain([whole])
            .filter(|(_, numbers)| !numbers.is_empty());
        let mut tensors: Vec<(String, Vec<usize>, Vec<f64>)> = lists
            .map(|(name, list)| (name, vec![list.len()], list))
            .collect();
        let width = self.actions.first().map_or(0, Vec::len);
        tensors.push((
            name("actions"),
            vec![self.actions.len(), width],
            self.actions.concat(),
        ));
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(.., list)| list.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let bytes = bytes.iter().map(Vec::as_slice);
        let view = |((name, shape, _), bytes)| {
            TensorView::new(Dtype::F64, shape, bytes).map(|view| (name, view))
        };
        let views = tensors
            .into_iter()
            .zip(bytes)
            .map(view)
            .collect::<Result<Vec<_>, _>>();
        let seed = self
            .seed
            .map_or("unknown".to_owned(), |seed| seed.to_string());
        let about = HashMap::from([
            ("task".into(), task.into()),
            ("seed".into(), seed),
            ("step".into(), step.to_string()),
        ]);
        let file = views.and_then(|views| serialize(views, Some(about)));
        file.expect("lists of numbers can be serialised into memory")
    }
}
